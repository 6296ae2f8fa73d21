package signal

import (
	"slices"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// watchedRow is a member of one or more open incidents.
type watchedRow struct {
	incidents []int
	origin    uint32 // when it became a member
	first     detect.Withdrawal
	peers     []*peer // that withdrew it since it is watched, in order of doing so
	worst     visibility.Vote
	history   []detect.Point
}

const maxHistory = 2000 // points kept of one member; later ones replace the last

func (w *watchedRow) withdrew(p *peer) {
	if !slices.Contains(w.peers, p) {
		w.peers = append(w.peers, p)
	}
}

// point notes what the voters say after a change.
func (w *watchedRow) point(at bgp.Micros, v visibility.Vote) {
	if v.Expected > 0 && (w.worst.Expected == 0 || v.Withdrawn*w.worst.Expected > w.worst.Withdrawn*v.Expected) {
		w.worst = v
	}
	p := detect.Point{At: detect.At(at.Time().Truncate(time.Second)), Carried: v.Expected - v.Withdrawn, Expected: v.Expected}
	if n := len(w.history); n > 0 {
		last := &w.history[n-1]
		if last.Carried == p.Carried && last.Expected == p.Expected {
			return
		}
		if last.At.Equal(p.At.Time) || n >= maxHistory {
			*last = p
			if n > 1 && w.history[n-2].Carried == p.Carried && w.history[n-2].Expected == p.Expected { // there and back in one second
				w.history = w.history[:n-1]
			}
			return
		}
	}
	w.history = append(w.history, p)
}

// Watch implements detect.World.
func (m *Monitor) Watch(h detect.Row, incident int, from int64) {
	f, r := m.row(h)
	w := m.watched[h]
	if w == nil {
		w = &watchedRow{origin: f.rows[r].origin}
		m.watched[h] = w
		f.rows[r].watched = true
		f.table.Freeze(r, 1)
		m.past(f, r, h, w, bgp.Micros(from))
	}
	w.incidents = append(w.incidents, incident)
	c := m.cases[incident]
	if c == nil {
		c = newCase(m.keep)
		m.cases[incident] = c
	}
	c.rows++
	m.trace.since(f.rows[r].traced, bgp.Micros(from), func(e *traceEntry) {
		c.ordered = false
		c.pending = append(c.pending, m.trace.msgs[e.msg-m.trace.first])
	})
}

// past rebuilds how a new member was lost: who withdrew it first, and how the withdrawals that still stand added up.
func (m *Monitor) past(f *family, r visibility.RowID, h detect.Row, w *watchedRow, from bgp.Micros) {
	m.Withdrawals(h, int64(from), func(x detect.Withdrawal) {
		if f := &w.first; f.At == 0 || x.At < f.At || x.At == f.At && x.Peer < f.Peer { // of one instant: not by the order in the journal
			*f = x
		}
	})
	v := f.table.Vote(r)
	cells := m.standing(f, r, from)
	carried := min(v.Expected, v.Expected-v.Withdrawn+len(cells)) // sessions of one AS withdraw one by one: an upper bound
	if len(cells) > 0 {
		w.point(from, visibility.Vote{Expected: v.Expected, Withdrawn: v.Expected - carried})
	}
	for _, c := range cells {
		carried = max(0, carried-1)
		w.point(c.at, visibility.Vote{Expected: v.Expected, Withdrawn: v.Expected - carried})
		w.withdrew(c.peer)
	}
	w.point(max(m.now, m.cur.At), v)
}

// Unwatch implements detect.World.
func (m *Monitor) Unwatch(h detect.Row, incident int) {
	f, r := m.row(h)
	w := m.watched[h]
	if w == nil {
		return
	}
	w.incidents = slices.DeleteFunc(w.incidents, func(i int) bool { return i == incident })
	if c := m.cases[incident]; c != nil {
		if c.rows--; c.rows == 0 { // the incident ended; its last revision has taken the messages
			delete(m.cases, incident)
		}
	}
	if len(w.incidents) == 0 {
		delete(m.watched, h)
		f.rows[r].watched = false
		f.table.Freeze(r, -1)
	}
}

// Member implements detect.World.
func (m *Monitor) Member(h detect.Row, _ int) detect.Member {
	f, r := m.row(h)
	x := &f.rows[r]
	out := detect.Member{Prefix: f.table.Prefix(r).String(), Origin: x.origin, Units: int64(x.units), Deaggregated: x.covered}
	if w := m.watched[h]; w != nil {
		if w.first.At != 0 {
			out.FirstWithdrawal = detect.At(bgp.Micros(w.first.At).Time())
			out.FirstPeer = w.first.Peer
		}
		if x.judged == up && w.origin != 0 && x.origin != w.origin {
			out.MovedFrom = w.origin
		}
		out.Withdrawn, out.Expected = w.worst.Withdrawn, w.worst.Expected
		out.History = slices.Clone(w.history)
		for _, p := range w.peers {
			out.Peers = append(out.Peers, p.name.String())
		}
		slices.Sort(out.Peers)
	}
	return out
}

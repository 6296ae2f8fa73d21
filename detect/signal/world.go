package signal

import (
	"cmp"
	"slices"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// What the engine asks of the world. See detect.World for the meaning of each method.

func (m *Monitor) row(h detect.Row) (*family, visibility.RowID) {
	return m.fams[h>>32], visibility.RowID(uint32(h))
}

// LostRows implements detect.World.
func (m *Monitor) LostRows(e detect.EntityID, s detect.SignalID, yield func(detect.Row, int64)) {
	f := m.fams[s]
	f.each(e, func(r visibility.RowID, x *row) {
		switch {
		case x.judged == lost && x.ours:
			yield(f.handle(r), 0) // lost at no time that says anything about the world
		case x.judged == lost:
			yield(f.handle(r), int64(x.lostAt))
		}
	})
}

// Withdrawals implements detect.World.
func (m *Monitor) Withdrawals(h detect.Row, from int64, yield func(detect.Withdrawal)) {
	f, r := m.row(h)
	m.trace.since(f.rows[r].traced, bgp.Micros(from), func(e *traceEntry) {
		if p := m.peers[e.peer]; e.withdrew && p.health == peerUp {
			yield(detect.Withdrawal{At: int64(e.at), AS: p.name.AS, Peer: p.name.String()})
		}
	})
}

// standing lists the voting peers that withdrew the row at or after from and have not announced it since, in order of time.
func (m *Monitor) standing(f *family, r visibility.RowID, from bgp.Micros) []standingCell {
	var out []standingCell
	for _, p := range m.peers {
		if c := f.table.Cell(r, p.id); c.State == visibility.Withdrawn && c.Voting && c.Expected && c.Since >= from && c.Since > 0 {
			out = append(out, standingCell{c.Since, p})
		}
	}
	slices.SortStableFunc(out, func(a, b standingCell) int { return cmp.Compare(a.at, b.at) })
	return out
}

type standingCell struct {
	at   bgp.Micros
	peer *peer
}

// MeanLoss implements detect.World.
func (m *Monitor) MeanLoss(e detect.EntityID, s detect.SignalID) float64 {
	sum, n := 0, 0
	m.fams[s].each(e, func(_ visibility.RowID, x *row) {
		if x.judged == lost {
			sum += int(x.loss8)
			n++
		}
	})
	if n == 0 {
		return 0
	}
	return float64(sum) / float64(255*n)
}

// Parts implements detect.World.
func (m *Monitor) Parts(e detect.EntityID, s detect.SignalID) []detect.Part {
	f := m.fams[s]
	type part struct {
		as             uint32
		lost, expected int64
		prefixes       int
	}
	byAS := map[uint32]*part{} // look-ups only
	var list []*part
	f.each(e, func(_ visibility.RowID, x *row) {
		if x.judged != lost && x.judged != up || x.origin == 0 {
			return
		}
		p := byAS[x.origin]
		if p == nil {
			p = &part{as: x.origin}
			byAS[x.origin] = p
			list = append(list, p)
		}
		p.expected += int64(x.units)
		if x.judged == lost {
			p.prefixes++
			if !x.covered {
				p.lost += int64(x.units)
			}
		}
	})
	list = slices.DeleteFunc(list, func(p *part) bool { return p.prefixes == 0 })
	slices.SortFunc(list, func(a, b *part) int {
		return cmp.Or(cmp.Compare(b.prefixes, a.prefixes), cmp.Compare(b.lost, a.lost), cmp.Compare(a.as, b.as))
	})
	const most = 100 // a list a person can read; the members carry all of them
	out := make([]detect.Part, 0, min(len(list), most))
	for _, p := range list[:min(len(list), most)] {
		ent := m.engine.Entity(m.network(p.as))
		out = append(out, detect.Part{Entity: ent, Unit: s.Unit(), Lost: p.lost, Expected: p.expected, Prefixes: p.prefixes})
	}
	return out
}

// Parent implements detect.World.
func (m *Monitor) Parent(e detect.EntityID, s detect.SignalID) detect.EntityID {
	if m.kinds[e] != kindNetwork {
		return detect.NoEntity
	}
	type count struct {
		id detect.EntityID
		n  int
	}
	var counts []count
	m.fams[s].each(e, func(_ visibility.RowID, x *row) {
		if x.judged != lost || x.country == detect.NoEntity {
			return
		}
		for i := range counts {
			if counts[i].id == x.country {
				counts[i].n++
				return
			}
		}
		counts = append(counts, count{x.country, 1})
	})
	best := count{id: detect.NoEntity}
	for _, c := range counts {
		if c.n > best.n {
			best = c
		}
	}
	return best.id
}

// watchedRow is a member of one or more open incidents.
type watchedRow struct {
	incidents []int
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
		w = &watchedRow{}
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
	m.Withdrawals(h, int64(from), func(x detect.Withdrawal) { w.first = x })
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
		out.Withdrawn, out.Expected = w.worst.Withdrawn, w.worst.Expected
		out.History = slices.Clone(w.history)
		for _, p := range w.peers {
			out.Peers = append(out.Peers, p.name.String())
		}
		slices.Sort(out.Peers)
	}
	return out
}

// Context implements detect.World.
func (m *Monitor) Context(e detect.EntityID, s detect.SignalID) detect.Context {
	ctx := detect.Context{Coverage: m.coverage(m.fams[s])}
	if m.kinds[e] == kindCountry {
		ctx.References = m.places.References(m.now)
	}
	for _, c := range m.colls {
		ctx.Collectors = append(ctx.Collectors, c.name)
	}
	slices.Sort(ctx.Collectors)
	for _, c := range ctx.Collectors {
		ctx.Sources = append(ctx.Sources, m.sources(c))
	}
	return ctx
}

// reading is what an entity adds up to now, with its denominators.
func (f *family) reading(a *agg) detect.Reading {
	return detect.Reading{
		Expected: a.units, Lost: a.lostUnits, Unobservable: a.unobservable,
		Prefixes: a.n, LostPrefixes: a.lost, Deaggregated: a.covered, UnobservablePrefixes: a.unobs,
		Origins: a.distinct, Depth: a.depth, Votes: f.votes, SmallQuorum: f.small,
	}
}

// countVotes counts the ASes that look, for one family, once a second and when a peer's health changes.
func (m *Monitor) countVotes(f *family) {
	v := detect.VantageCount{Needed: m.cfg.MinVoters}
	if f.small {
		v.Needed = m.cfg.SmallVoters
	}
	for _, a := range m.ases {
		has, votes := false, false
		for _, p := range a.peers {
			if p.touched[f.sig] {
				has = true
				v.Sessions++
				votes = votes || p.health == peerUp
			}
		}
		if has {
			v.Expected++
			if votes {
				v.Voting++
			}
		}
	}
	v.Masked = v.Expected - v.Voting
	f.votes = v
}

// coverage says how much can be seen, with reasons from a closed list (docs/method.md, "Coverage").
func (m *Monitor) coverage(f *family) detect.Coverage {
	var why []string
	if len(m.colls) == 1 {
		why = append(why, "single_collector")
	} else if len(m.colls) < m.cfg.FullCollectors {
		why = append(why, "few_collectors")
	}
	var projects []string
	for _, c := range m.colls {
		if p := m.sources(c.name).Name; !slices.Contains(projects, p) {
			projects = append(projects, p)
		}
	}
	if len(projects) < m.cfg.FullProjects {
		why = append(why, "single_project")
	}
	if f.votes.Voting < m.cfg.FullVoters {
		why = append(why, "few_voters")
	}
	if f.small {
		why = append(why, "small_quorum")
	}
	if m.learning() {
		why = append(why, "learning")
	}
	if m.paused {
		why = append(why, "feed_paused")
	}
	if len(why) > 0 {
		return detect.Coverage{Level: "reduced", Because: why}
	}
	return detect.Coverage{Level: "full"}
}

// sample writes the minute's points: countries always, networks while they have an open incident.
func (m *Monitor) sample(now bgp.Micros) {
	if m.OnSample == nil {
		return
	}
	for _, f := range m.fams {
		for id, a := range f.aggs {
			if a == nil || a.n+a.unobs == 0 || m.kinds[id] == kindNetwork && !m.engine.Open(detect.EntityID(id)) {
				continue
			}
			s := detect.Sample{
				Entity: m.engine.Entity(detect.EntityID(id)).Key(), Signal: f.sig.String(), At: detect.At(now.Time()),
				Expected: a.units, Lost: a.lostUnits, Unobservable: a.unobservable,
				Prefixes: int32(a.n), LostPrefixes: int32(a.lost), Voting: int32(f.votes.Voting), NoData: m.paused,
			}
			same := s
			same.At = a.sampled.At
			if same == a.sampled && now-a.sampledAt < bgp.Micros(m.cfg.SampleHeartbeat)*bgp.Second {
				continue
			}
			if now-a.sampledAt > 60*bgp.Second && a.sampledAt != 0 && same != a.sampled { // the step's foot: the value held until a minute ago
				foot := a.sampled
				foot.At = detect.At((now - 60*bgp.Second).Time())
				m.OnSample(foot)
			}
			a.sampled, a.sampledAt = s, now
			m.OnSample(s)
		}
	}
}

// Peers lists the peers with their health, in order of first appearance.
func (m *Monitor) Peers() []bgp.PeerStatus {
	out := make([]bgp.PeerStatus, len(m.peers))
	for i, p := range m.peers {
		v4, v6 := m.fams[0].table.Counters(p.id), m.fams[1].table.Counters(p.id)
		out[i] = bgp.PeerStatus{
			Peer: p.name, State: healthNames[p.health], Since: p.since, LastMessage: p.last, Messages: p.count,
			Withdrawals: v4.Withdrawals + v6.Withdrawals, Duplicates: v4.DuplicateWithdrawals + v6.DuplicateWithdrawals,
			KnownV4: v4.Known, KnownV6: v6.Known, FullFeed: p.full[0] || p.full[1], Faults: p.faults, Note: p.note,
		}
	}
	return out
}

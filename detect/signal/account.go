package signal

import (
	"cmp"
	"slices"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// Account is what the monitor knows of an entity at an instant, and what it rests on: the answer to why there is an incident, or none.
type Account struct {
	Entity   detect.Entity
	At       bgp.Micros
	Learning bool // the feed began without a table dump, and is young
	Paused   bool // every collector is silent
	Signals  []SignalAccount
	Peers    []PeerAccount
	Incident *detect.Incident // the open one, as it stands
}

// SignalAccount is one address family of an Account. Signals of which no prefix of the entity is known are left out.
type SignalAccount struct {
	detect.Standing
	Coverage     detect.Coverage
	MeanLoss     float64              // mean over the lost prefixes of the share of voters that withdrew them
	Lost         []RowAccount         // largest first; at most 100, as the next two
	Near         []RowAccount         // not lost, but withdrawn by a quarter of the voters or more; the nearest first
	Unobservable []RowAccount         // too few voters; the largest first
	Moved        int                  // prefixes that live on under another origin since the last hour
	Masked       int                  // sessions that do not vote
	Unmasked     *detect.LostOf       // what would be lost if they voted by what they said last; nil when none is masked
	Explanations []detect.Explanation // of what is newly lost, if anything is
}

// RowAccount is one prefix with its votes.
type RowAccount struct {
	Prefix       bgp.Prefix
	Origin       uint32
	Units        uint32
	Since        bgp.Micros // when it was lost; 0 when it is not, or by our own doing
	Deaggregated bool
	Vote         visibility.Vote
}

// PeerAccount is one session with what it says of the entity's prefixes.
type PeerAccount struct {
	Status bgp.PeerStatus
	Cells  [2]CellCount // by signal
}

// CellCount counts a session's cells of the prefixes of an entity.
type CellCount struct {
	Votes     bool // the session votes in this family
	Expected  int  // by history or dump
	Presumed  int  // silent, and counted as carried
	Announced int
	Withdrawn int
	Muted     int // flapping: they do not vote
}

const (
	accountRows = 100
	nearShare   = 0.25
)

// Account reads the state of an entity of detection by its key parts at the present instant; false when no prefix of it was met so
// far. It changes nothing that decides.
func (m *Monitor) Account(e detect.Entity) (*Account, bool) {
	id, ok := m.lookup(e)
	if !ok {
		return nil, false
	}
	a := &Account{Entity: m.engine.Entity(id), At: m.now, Learning: m.learning(), Paused: m.paused, Incident: m.engine.OpenIncidentOf(id)}
	for _, s := range m.Peers() {
		a.Peers = append(a.Peers, PeerAccount{Status: s})
	}
	for s, f := range m.fams {
		if f.aggs[id] != nil {
			a.Signals = append(a.Signals, m.signalAccount(id, detect.SignalID(s), a.Peers))
		}
	}
	return a, true
}

// Standing is where the signals of an entity stand now; nil when no prefix of it was met.
func (m *Monitor) Standing(e detect.Entity) (out []detect.Standing) {
	id, ok := m.lookup(e)
	if !ok {
		return nil
	}
	for s, f := range m.fams {
		if agg := f.aggs[id]; agg != nil {
			out = append(out, m.engine.Standing(id, detect.SignalID(s), int64(m.now), f.reading(agg)))
		}
	}
	return out
}

func (m *Monitor) signalAccount(id detect.EntityID, sig detect.SignalID, peers []PeerAccount) SignalAccount {
	f := m.fams[sig]
	s := SignalAccount{
		Standing: m.engine.Standing(id, sig, int64(m.now), f.reading(f.aggs[id])), Coverage: m.coverage(f), MeanLoss: m.MeanLoss(id, sig),
	}
	cfg := m.engine.Config()
	from := m.now - bgp.Micros(cfg.BaselineMinutes+1)*60*bgp.Second // newly lost: since what the floors measure from
	if !s.CrossedAt.IsZero() {
		from = bgp.Micros(s.CrossedAt.Micros()) - bgp.Micros(cfg.MemberWindow)*bgp.Second
	}
	var rows, lostRows, newRows []visibility.RowID
	f.each(id, func(r visibility.RowID, x *row) {
		if x.judged == unjudged {
			return
		}
		rows = append(rows, r)
		v := RowAccount{Prefix: f.table.Prefix(r), Origin: x.origin, Units: x.units, Deaggregated: x.covered, Vote: f.table.Vote(r)}
		switch {
		case x.judged == lost:
			lostRows = append(lostRows, r)
			if x.marks&ours == 0 {
				v.Since = x.lostAt
			}
			if v.Since >= from {
				newRows = append(newRows, r)
			}
			s.Lost = append(s.Lost, v)
		case x.judged == unobservable:
			s.Unobservable = append(s.Unobservable, v)
		case float64(v.Vote.Withdrawn) >= nearShare*float64(v.Vote.Expected):
			s.Near = append(s.Near, v)
		}
		if x.movedSince(m.now-movedFor) != 0 {
			s.Moved++
		}
	})
	for i, p := range m.peers {
		peers[i].Cells[sig] = f.cells(p, rows, p.votes(int(sig)))
	}
	if newRows == nil {
		newRows = lostRows
	}
	s.Explanations = m.smallest(f, newRows, true)
	s.Masked, s.Unmasked = m.unmasked(f, rows)
	size := func(a, b RowAccount) int { return cmp.Compare(b.Units, a.Units) }
	slices.SortStableFunc(s.Lost, func(a, b RowAccount) int {
		if x, y := a.Since >= from, b.Since >= from; x != y {
			if x {
				return -1
			}
			return 1
		}
		return size(a, b)
	})
	slices.SortStableFunc(s.Unobservable, size)
	slices.SortStableFunc(s.Near, func(a, b RowAccount) int {
		return cmp.Compare(b.Vote.Withdrawn*a.Vote.Expected, a.Vote.Withdrawn*b.Vote.Expected)
	})
	s.Lost = s.Lost[:min(accountRows, len(s.Lost))]
	s.Near = s.Near[:min(accountRows, len(s.Near))]
	s.Unobservable = s.Unobservable[:min(accountRows, len(s.Unobservable))]
	return s
}

// cells counts what a session says of some rows.
func (f *family) cells(p *peer, rows []visibility.RowID, votes bool) CellCount {
	n := CellCount{Votes: votes}
	for _, r := range rows {
		c := f.table.Cell(r, p.id)
		switch c.State {
		case visibility.Announced:
			n.Announced++
		case visibility.Withdrawn:
			n.Withdrawn++
		}
		if c.Expected {
			n.Expected++
		}
		if c.Presumed && !c.Expected {
			n.Presumed++
		}
		if c.Muted {
			n.Muted++
		}
	}
	return n
}

// unmasked counts the sessions of a family that do not vote, and what of some rows would be lost if they did.
func (m *Monitor) unmasked(f *family, rows []visibility.RowID) (int, *detect.LostOf) {
	var masked []*peer
	for _, p := range m.peers {
		if p.touched[f.sig] && !p.votes(int(f.sig)) {
			masked = append(masked, p)
		}
	}
	if masked == nil {
		return 0, nil
	}
	for _, p := range masked {
		f.table.SetVoting(p.id, true)
	}
	would := &detect.LostOf{}
	for _, r := range rows {
		if v := f.table.Vote(r); f.observable(m, v) {
			would.Prefixes++
			if float64(v.Withdrawn) >= m.cfg.LostShare*float64(v.Expected) {
				would.Lost++
			}
		}
	}
	for _, p := range masked {
		f.table.SetVoting(p.id, p.voting[f.sig])
	}
	return len(masked), would
}

package signal

import (
	"cmp"
	"slices"

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
		case x.judged == lost && x.marks&ours != 0:
			yield(f.handle(r), 0) // lost at no time that says anything about the world
		case x.judged == lost:
			yield(f.handle(r), int64(x.lostAt))
		}
	})
}

// Origins implements detect.World.
func (m *Monitor) Origins(e detect.EntityID, s detect.SignalID, from int64) int {
	seen := map[uint32]bool{} // counted only
	m.fams[s].each(e, func(_ visibility.RowID, x *row) {
		if x.judged == lost && !x.covered && x.marks&ours == 0 && x.origin != 0 && int64(x.lostAt) >= from {
			seen[x.origin] = true
		}
	})
	return len(seen)
}

// Withdrawals implements detect.World.
func (m *Monitor) Withdrawals(h detect.Row, from int64, yield func(detect.Withdrawal)) {
	f, r := m.row(h)
	m.trace.since(f.rows[r].traced, bgp.Micros(from), func(e *traceEntry) {
		if p := m.byID[e.peer]; e.withdrew && p.votes(int(f.sig)) {
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
	m.atPeak(e, s)
	type part struct {
		as              uint32
		lost, expected  int64
		prefixes, moved int
	}
	byAS := map[uint32]*part{} // look-ups only
	var list []*part
	of := func(as uint32) *part {
		p := byAS[as]
		if p == nil {
			p = &part{as: as}
			byAS[as] = p
			list = append(list, p)
		}
		return p
	}
	f.each(e, func(_ visibility.RowID, x *row) {
		if x.judged != lost && x.judged != up || x.origin == 0 {
			return
		}
		p := of(x.origin)
		if from := x.movedSince(m.now - movedFor); from != 0 {
			of(from).moved++
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
		out = append(out, detect.Part{Entity: ent, Unit: s.Unit(), Lost: p.lost, Expected: p.expected, Prefixes: p.prefixes, Moved: p.moved})
	}
	return out
}

// Context implements detect.World.
func (m *Monitor) Context(e detect.EntityID, s detect.SignalID) detect.Context {
	ctx := detect.Context{Coverage: m.coverage(m.fams[s])}
	if m.kinds[e] != kindNetwork {
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
				votes = votes || p.votes(int(f.sig))
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
	var collectors, projects []string
	for _, c := range m.colls {
		if b := bgp.CollectorOf(c.name); !slices.Contains(collectors, b) { // the views of one router see the same
			collectors = append(collectors, b)
		}
		if p := m.sources(c.name).Name; !slices.Contains(projects, p) {
			projects = append(projects, p)
		}
	}
	if len(collectors) == 1 {
		why = append(why, "single_collector")
	} else if len(collectors) < m.cfg.FullCollectors {
		why = append(why, "few_collectors")
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
	if slices.ContainsFunc(m.colls, func(c *collector) bool { return c.halved || !m.paused && c.state != collectorUp }) {
		why = append(why, "collector_down")
	}
	if m.learning() {
		why = append(why, "learning")
	}
	if f.incomplete(m.cfg.UnlistedShare) {
		why = append(why, "incomplete_table")
	}
	if m.paused {
		why = append(why, "feed_paused")
	}
	switch m.clock {
	case ClockOff:
		why = append(why, "clock_off")
	case ClockUnknown:
		why = append(why, "clock_unknown")
	}
	if len(why) > 0 {
		return detect.Coverage{Level: "reduced", Because: why}
	}
	return detect.Coverage{Level: "full"}
}

// sample writes the minute's points: places always, networks while they have an open incident.
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
		state, since, note := p.status()
		out[i] = bgp.PeerStatus{
			Peer: p.name, State: state, Since: since, LastMessage: p.last, Messages: p.count,
			Withdrawals: v4.Withdrawals + v6.Withdrawals, Duplicates: v4.DuplicateWithdrawals + v6.DuplicateWithdrawals,
			KnownV4: v4.Known, KnownV6: v6.Known, FullFeed: p.full[0] || p.full[1], Faults: p.faults, Note: note,
		}
	}
	return out
}

package signal

import (
	"slices"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// recount asks the voters about a row again, and carries what changed into the sums.
func (f *family) recount(m *Monitor, r visibility.RowID, at bgp.Micros) {
	f.grow(int(r))
	f.place(m, r, at)
	x := &f.rows[r]
	v := f.table.Vote(r)
	now, loss8 := up, uint8(0)
	switch {
	case f.table.Retired(r):
		now = unjudged
	case !f.observable(m, v):
		now = unobservable
	default:
		loss8 = uint8(v.Withdrawn * 255 / v.Expected)
		if float64(v.Withdrawn) >= m.cfg.LostShare*float64(v.Expected) {
			now = lost
		}
	}
	if x.watched {
		m.watched[f.handle(r)].point(at, v)
	}
	if x.judged == unjudged || x.marks&faint != 0 {
		f.weigh(m, r, x, now, v)
	}
	if now == x.judged {
		if now == lost && loss8 != x.loss8 {
			f.count(m, x, -1)
			x.loss8 = loss8
			f.count(m, x, 1)
		}
		x.loss8 = loss8
		return
	}
	was := x.judged
	f.count(m, x, -1)
	x.judged, x.loss8 = now, loss8
	if now == lost {
		if x.lostAt == 0 {
			f.lostOnce++
			if x.origin == 0 {
				f.unlisted++
			}
		}
		x.lostAt, x.marks = at, x.marks&^ours
		if m.quiet {
			x.marks |= ours
		}
		x.covered = f.isCovered(r, x.origin, m.cfg.LostShare)
	} else {
		x.covered = false
	}
	f.count(m, x, 1)
	if now == up {
		f.place(m, r, at)
	}
	if was == up || now == up {
		f.recover(m, r)
	}
	f.toggled(m, r, x, at, was, now)
}

// weigh decides whether a prefix takes blocks from the one around it. It does not while that one is observable, and fewer networks carry the prefix than are
// needed to observe it: else one session could make a country unobservable by announcing more specifics of its own invention. Once it
// weighs it does so until it is retired.
func (f *family) weigh(m *Monitor, r visibility.RowID, x *row, now judgement, v visibility.Vote) {
	need := m.cfg.MinVoters
	if f.small {
		need = m.cfg.SmallVoters
	}
	light := now == unobservable && v.Announced < need && (x.marks&faint != 0 || f.isWithin(r))
	if light {
		x.marks |= faint
	} else {
		x.marks &^= faint
	}
	f.table.Weigh(r, !light)
}

// isWithin reports a less specific that is observable and weighs.
func (f *family) isWithin(r visibility.RowID) bool {
	for c := range f.table.Covering(r) {
		if int(c) < len(f.rows) && (f.rows[c].judged == up || f.rows[c].judged == lost) {
			return true
		}
	}
	return false
}

// observable reports whether enough of those expected to carry a prefix vote (section 2). The small quorum is for feeds that
// cannot have more voters; nothing is confirmed on it alone.
func (f *family) observable(m *Monitor, v visibility.Vote) bool {
	if v.Expected >= m.cfg.MinVoters {
		return true
	}
	return f.small && v.Expected >= m.cfg.SmallVoters && float64(v.Expected) >= m.cfg.SmallShare*float64(v.ExpectedTotal)
}

// toggled tells the engine about a member of an open incident, and about a prefix of an entity that has one.
func (f *family) toggled(m *Monitor, r visibility.RowID, x *row, at bgp.Micros, was, now judgement) {
	st := detect.PrefixUnobservable
	switch now {
	case lost:
		st = detect.PrefixLost
	case up:
		st = detect.PrefixBack
	}
	if x.watched {
		for _, serial := range slices.Clone(m.watched[f.handle(r)].incidents) {
			m.engine.ToggleMember(serial, f.handle(r), int64(at), st)
		}
	}
	for _, id := range [2]detect.EntityID{x.country, x.network} {
		if id != detect.NoEntity && m.engine.Open(id) {
			m.engine.Toggle(id, f.handle(r), int64(at), st)
		}
	}
	for _, id := range f.groups.of(x.group) {
		if m.engine.Open(id) {
			m.engine.Toggle(id, f.handle(r), int64(at), st)
		}
	}
}

// isCovered reports a live less specific of the same origin: what was withdrawn is deaggregation, not a loss of reach.
// Where no announcement named the origin, any block but the default route and the like covers: the careful reading.
// A block announced only now has no expectation to be judged by: it covers once enough of all voters announce it.
func (f *family) isCovered(r visibility.RowID, origin uint32, share float64) bool {
	var above []visibility.RowID
	for c := range f.table.Covering(r) {
		if int(c) < len(f.rows) && f.rows[c].judged != lost && (f.rows[c].origin == origin || origin == 0 && f.table.Prefix(c).Len() >= 8) {
			above = append(above, c)
		}
	}
	for _, c := range above {
		if f.rows[c].judged == up || float64(f.table.Vote(c).Announced) >= share*float64(max(1, f.votes.Voting)) {
			return true
		}
	}
	return false
}

// recover brings the lost rows beneath a row that came or went up to date: are they covered now?
func (f *family) recover(m *Monitor, r visibility.RowID) {
	var stale []visibility.RowID
	for b := range f.table.Beneath(r) {
		if int(b) < len(f.rows) && f.rows[b].judged == lost {
			stale = append(stale, b)
		}
	}
	for _, b := range stale {
		x := &f.rows[b]
		if c := f.isCovered(b, x.origin, m.cfg.LostShare); c != x.covered {
			f.count(m, x, -1)
			x.covered = c
			f.count(m, x, 1)
		}
	}
}

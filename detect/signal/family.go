package signal

import (
	"slices"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// family is the table of one address family with the judgement of each prefix and the sums of each entity.
type family struct {
	sig   detect.SignalID
	table *visibility.Table
	rows  []row
	votes detect.VantageCount
	small bool   // fewer full feeds than MinVoters: judged with the small quorum
	aggs  []*agg // by EntityID; nil until the entity has a prefix

	groups *groups // of the monitor

	lostOnce, unlisted int // prefixes that were ever lost, and of these, whose first loss came before any announcement
	late               int // prefixes first announced within listedFor of the dump that should have listed them
}

// judgement is what the voters say about a prefix.
type judgement uint8

const (
	unjudged     judgement = iota // not in any sum: not looked at yet, or retired
	up                            // observable and not lost
	lost                          // observable, and at least LostShare of the voters withdrew it
	unobservable                  // too few voters: neither up nor down
)

// row is a prefix as it is counted now. What it contributes to its entities is always derived from these fields alone.
type row struct {
	lostAt  bgp.Micros
	traced  uint64 // number of its newest trace entry plus one
	units   uint32
	origin  uint32
	was     uint32 // origin before, 0 when it never changed
	wasTill uint32 // second in which it changed
	country detect.EntityID
	network detect.EntityID
	judged  judgement
	covered bool // lost, under a live less specific of the same origin: deaggregated
	marks   marks
	watched bool  // a member of an open incident
	loss8   uint8 // share of the voters that withdrew it, in 1/255, for the mean loss
	group   setID // regions and zones that it counts for
}

// marks are bits, because a row has one octet left for them.
type marks uint8

const (
	ours    marks = 1 << iota // lost by a change of the monitor's own, not by the world's
	touched                   // in Monitor.touched
	faint                     // does not weigh: see family.weigh
)

// agg is what an entity adds up to.
type agg struct {
	units, lostUnits, unobservable int64
	n, lost, covered, unobs        int
	depth                          int64          // sum of loss8 over the lost
	origins                        map[uint32]int // lost, not deaggregated prefixes by origin; not of networks; never iterated
	distinct                       int            // origins with at least one
	rows                           []visibility.RowID
	sorted                         int // so many of rows are in order and without repeats
	dirty                          bool
	sampled                        detect.Sample
	sampledAt                      bgp.Micros
}

// movedFor is how long a prefix that lives on under another origin is shown as moved.
const movedFor = 3600 * bgp.Second

// movedSince is the origin from which the row moved at or after an instant and under another one of which it is up; 0 when it did not.
func (x *row) movedSince(from bgp.Micros) uint32 {
	if x.judged != up || x.was == x.origin || bgp.Micros(x.wasTill)*bgp.Second < from {
		return 0
	}
	return x.was
}

func newFamily(m *Monitor, sig detect.SignalID) *family {
	f := &family{sig: sig, groups: m.groups}
	f.table = visibility.New(visibility.Config{V6: sig == detect.BGPv6, OnUnits: func(r visibility.RowID, _, units uint32) {
		f.setUnits(m, r, units)
	}})
	return f
}

func (f *family) handle(r visibility.RowID) detect.Row { return detect.Row(f.sig)<<32 | detect.Row(r) }

// listedFor is how long after a table dump a prefix that it did not list is more likely one that it left out than a new one.
const listedFor = 3600 * bgp.Second

// incomplete reports that the family's table is known in part only: too many prefixes were lost before they were announced to us, or
// first announced soon after a dump. Others like them are up, and in no count.
func (f *family) incomplete(share float64) bool {
	return float64(f.unlisted) > share*float64(f.lostOnce) || float64(f.late) > share*float64(len(f.rows))
}

// elem applies one elem to its cell.
func (f *family) elem(m *Monitor, p *peer, e *bgp.Elem) {
	if p.tables&(1<<f.sig) == 0 {
		p.tables |= 1 << f.sig
		p.touched[f.sig] = true
	}
	r, err := f.table.Intern(e.Prefix)
	if err != nil {
		m.stats.Rejected++
		return
	}
	if int(r) == len(f.rows) && e.Kind == bgp.Announce && !p.opens(m, f.sig) && m.described && m.cur.At-m.describedAt < listedFor {
		f.late++
	}
	f.grow(int(r))
	at := m.cur.At
	var c visibility.Change
	switch e.Kind {
	case bgp.Withdraw:
		m.stats.Withdrawals++
		if e.Cause == bgp.CauseTreatWithdraw {
			m.stats.TreatedAsWithdraw++
		}
		c = f.table.Withdraw(r, p.id, at)
	case bgp.RIB:
		c = f.table.Seed(r, p.id, e.Origin, at)
	default:
		m.stats.Announcements++
		if p.opens(m, f.sig) {
			c = f.table.Seed(r, p.id, e.Origin, at)
		} else {
			c = f.table.Announce(r, p.id, e.Origin, at)
		}
	}
	if m.paths && e.Kind != bgp.Withdraw {
		f.table.Watch(r, true)
		f.table.SetPath(r, p.id, m.curPath)
	}
	if c.VoteMayChange() {
		m.stats.Changes++
		m.record(f, r, p, e.Kind == bgp.Withdraw)
		if e.Kind == bgp.Withdraw && c&visibility.BecameWithdrawn != 0 {
			p.as.withdrew(m, at, f, r)
		}
	} else if c&visibility.DominantOriginChanged == 0 {
		return
	}
	f.touch(m, r)
}

// touch has a row judged at the end of the second.
func (f *family) touch(m *Monitor, r visibility.RowID) {
	if x := &f.rows[r]; x.marks&touched == 0 {
		x.marks |= touched
		m.touched = append(m.touched, touchedRow{f, r})
	}
}

func (f *family) grow(r int) {
	for len(f.rows) <= r {
		f.rows = append(f.rows, row{country: detect.NoEntity, network: detect.NoEntity, units: f.table.OwnUnits(visibility.RowID(len(f.rows)))})
	}
}

// setUnits is the table's news that a row counts for more or fewer blocks, because a more specific came or went.
func (f *family) setUnits(m *Monitor, r visibility.RowID, units uint32) {
	if int(r) >= len(f.rows) { // being interned: grow reads the units
		return
	}
	x := &f.rows[r]
	f.count(m, x, -1)
	x.units = units
	f.count(m, x, 1)
}

// place decides which country, network, region and zones a row counts for, when it is new or its origin changed. A lost row stays where it
// was lost: the few who still announce it do not say whose it was.
func (f *family) place(m *Monitor, r visibility.RowID, at bgp.Micros) {
	x := &f.rows[r]
	origin := f.table.Origin(r)
	if x.judged != unjudged && (origin == x.origin || x.judged == lost && x.origin != 0) {
		return
	}
	code := m.places.Country(f.table.Prefix(r), origin)
	country, network, group := m.country(code), m.network(origin), m.group(f.table.Prefix(r), origin, code, at)
	f.count(m, x, -1)
	if x.origin != 0 && origin != 0 {
		x.was, x.wasTill = x.origin, uint32(at/bgp.Second)
	}
	x.origin = origin
	if country != x.country {
		x.country = country
		f.enlist(country, r)
	}
	if network != x.network {
		x.network = network
		f.enlist(network, r)
	}
	if group != x.group {
		f.regroup(r, x, group)
	}
	f.count(m, x, 1)
}

// enlist remembers that a row counts, or once counted, for an entity; readers check which it is.
func (f *family) enlist(id detect.EntityID, r visibility.RowID) {
	if id == detect.NoEntity {
		return
	}
	if f.aggs[id] == nil {
		f.aggs[id] = &agg{}
	}
	a := f.aggs[id]
	a.rows = append(a.rows, r)
}

// each visits the rows that count for an entity now, in row order.
func (f *family) each(id detect.EntityID, visit func(visibility.RowID, *row)) {
	a := f.aggs[id]
	if a == nil {
		return
	}
	if a.sorted != len(a.rows) {
		slices.Sort(a.rows)
		a.rows = slices.Compact(a.rows)
		a.sorted = len(a.rows)
	}
	for _, r := range a.rows {
		if x := &f.rows[r]; f.countsFor(x, id) {
			visit(r, x)
		}
	}
}

// count adds (sign 1) or takes away (sign -1) what a row contributes to its entities.
func (f *family) count(m *Monitor, x *row, sign int) {
	if x.judged == unjudged {
		return
	}
	pair := [2]detect.EntityID{x.country, x.network}
	f.countFor(m, x, sign, pair[:])
	if x.group != (setID{}) {
		f.countFor(m, x, sign, f.groups.of(x.group))
	}
}

func (f *family) countFor(m *Monitor, x *row, sign int, ids []detect.EntityID) {
	for _, id := range ids {
		if id == detect.NoEntity {
			continue
		}
		a := f.aggs[id]
		if !a.dirty {
			a.dirty = true
			m.dirty = append(m.dirty, dirtyAgg{f, id})
		}
		units := int64(x.units) * int64(sign)
		if x.judged == unobservable {
			a.unobs += sign
			a.unobservable += units
			continue
		}
		a.n += sign
		a.units += units
		if x.judged != lost {
			continue
		}
		a.lost += sign
		a.depth += int64(x.loss8) * int64(sign)
		if x.covered {
			a.covered += sign
			continue
		}
		a.lostUnits += units
		if m.kinds[id] != kindNetwork && x.origin != 0 {
			a.origin(x.origin, sign)
		}
	}
}

func (a *agg) origin(as uint32, sign int) {
	if a.origins == nil {
		a.origins = map[uint32]int{}
	}
	n := a.origins[as] + sign
	switch {
	case n == 0:
		delete(a.origins, as)
		a.distinct--
	default:
		if n == sign {
			a.distinct++
		}
		a.origins[as] = n
	}
}

// retire takes prefixes out that were lost RetireAfter ago, that nobody announces since, and that are in no open incident. A faint one that nobody
// announces any more counts as lost: it is remembered for as long.
func (f *family) retire(m *Monitor, now bgp.Micros) {
	for r := range f.rows {
		x := &f.rows[r]
		if x.marks&faint != 0 && x.lostAt == 0 && f.table.Vote(visibility.RowID(r)).Announced == 0 {
			x.lostAt = now
		}
		if x.judged != lost && x.judged != unobservable || x.watched || x.lostAt == 0 || now-x.lostAt < bgp.Micros(m.cfg.RetireAfter)*bgp.Second {
			continue
		}
		was := x.judged
		f.count(m, x, -1)
		x.judged = unjudged // before Retire, which changes the row's units
		if !f.table.Retire(visibility.RowID(r)) {
			x.judged = was
			f.count(m, x, 1)
		}
	}
}

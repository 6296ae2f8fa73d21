package signal

import (
	"encoding/binary"
	"slices"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// Regions may be implemented by a Places.
type Regions interface {
	// Region is the ISO 3166-2 code and the name of the region that a prefix of a country is in; "" when no table knows it. A region
	// lies in its country: the answer is of the country asked for.
	Region(p bgp.Prefix, country string) (code, name string)
}

// Zones may be implemented by a Places.
type Zones interface {
	// Zones are the zones that a route belongs to at an instant, in a stable order.
	Zones(p bgp.Prefix, origin uint32, country, region string, at bgp.Micros) []detect.Entity
	// ZonesChange reports whether a zone begins or is over after an instant, at the latest at another.
	ZonesChange(after, until bgp.Micros) bool
}

// groups are the sets of regions and zones that rows count for beside their country and network. Most rows have none, and nearly all
// others share a few: a row holds the number of its set.
type groups struct {
	sets  [][]detect.EntityID // set 0 is empty
	index map[string]setID    // by the octets of the ids; look-ups only
	ids   []detect.EntityID   // scratch
	key   []byte              // scratch
}

// setID numbers a set of groups. Three octets, because a row has that much room left; there are never more sets than rows.
type setID [3]byte

func newGroups() *groups {
	return &groups{sets: [][]detect.EntityID{nil}, index: map[string]setID{"": {}}}
}

func (g *groups) of(s setID) []detect.EntityID {
	return g.sets[uint32(s[0])|uint32(s[1])<<8|uint32(s[2])<<16]
}

// number finds or makes the set of the ids in scratch.
func (g *groups) number() setID {
	g.key = g.key[:0]
	for _, id := range g.ids {
		g.key = binary.LittleEndian.AppendUint32(g.key, uint32(id))
	}
	s, ok := g.index[string(g.key)]
	if !ok {
		n := len(g.sets)
		s = setID{byte(n), byte(n >> 8), byte(n >> 16)}
		g.sets = append(g.sets, slices.Clone(g.ids))
		g.index[string(g.key)] = s
	}
	return s
}

// group is the set of a prefix's region and zones.
func (m *Monitor) group(p bgp.Prefix, origin uint32, country string, at bgp.Micros) setID {
	if m.regional == nil && m.zoned == nil {
		return setID{}
	}
	g := m.groups
	g.ids = g.ids[:0]
	region, name := "", ""
	if m.regional != nil {
		if region, name = m.regional.Region(p, country); region != "" {
			g.ids = append(g.ids, m.place(detect.Entity{Type: "region", Code: region, Name: name}, kindRegion))
		}
	}
	if m.zoned != nil {
		for _, z := range m.zoned.Zones(p, origin, country, region, at) {
			g.ids = append(g.ids, m.place(z, kindZone))
		}
	}
	if len(g.ids) == 0 {
		return setID{}
	}
	return g.number()
}

// place registers a region or zone once.
func (m *Monitor) place(e detect.Entity, k entityKind) detect.EntityID {
	id, ok := m.others[e.Key()]
	if !ok {
		id = m.register(e, k)
		m.others[e.Key()] = id
	}
	return id
}

// regroup puts a row into another set.
func (f *family) regroup(r visibility.RowID, x *row, to setID) {
	was := f.groups.of(x.group)
	x.group = to
	for _, id := range f.groups.of(to) {
		if !slices.Contains(was, id) {
			f.enlist(id, r)
		}
	}
}

// countsFor reports whether a row counts for an entity now.
func (f *family) countsFor(x *row, id detect.EntityID) bool {
	return x.country == id || x.network == id || x.group != setID{} && slices.Contains(f.groups.of(x.group), id)
}

// rezone asks again what belongs to which zone when one began or was over at midnight. That is no news of the world.
func (m *Monitor) rezone(now bgp.Micros) {
	before := m.zonesAt
	m.zonesAt = now
	if m.zoned == nil || before == 0 || !m.zoned.ZonesChange(before, now) {
		return
	}
	m.quietly(now, "a zone begins or is over today", func() {
		for _, f := range m.fams {
			for i := range f.rows {
				x, r := &f.rows[i], visibility.RowID(i)
				if x.judged == unjudged {
					continue
				}
				if to := m.group(f.table.Prefix(r), x.origin, m.countryOf(x), now); to != x.group {
					f.count(m, x, -1)
					f.regroup(r, x, to)
					f.count(m, x, 1)
				}
			}
		}
	})
}

func (m *Monitor) countryOf(x *row) string {
	if x.country == detect.NoEntity {
		return ""
	}
	return m.engine.Entity(x.country).Code
}

// Within implements detect.World.
func (m *Monitor) Within(e detect.EntityID, s detect.SignalID) (out []detect.EntityID) {
	if k := m.kinds[e]; k != kindNetwork && k != kindRegion {
		return nil
	}
	if c := m.Countries(e, s); len(c) > 0 {
		out = append(out, c[0].Country)
	}
	if len(m.others) == 0 {
		return out
	}
	f, n := m.fams[s], 0
	var counts []counted
	f.each(e, func(_ visibility.RowID, x *row) {
		if x.judged != lost {
			return
		}
		n++
		for _, id := range f.groups.of(x.group) {
			if id != e {
				counts = tally(counts, id)
			}
		}
	})
	slices.SortStableFunc(counts, func(a, b counted) int { return int(m.kinds[a.id]) - int(m.kinds[b.id]) }) // regions before zones
	for _, c := range counts {
		if 2*c.n > n {
			out = append(out, c.id)
		}
	}
	return out
}

// Countries implements detect.World.
func (m *Monitor) Countries(e detect.EntityID, s detect.SignalID) []detect.CountryLoss {
	var counts []counted
	m.fams[s].each(e, func(_ visibility.RowID, x *row) {
		if x.judged == lost && x.country != detect.NoEntity {
			counts = tally(counts, x.country)
		}
	})
	slices.SortStableFunc(counts, func(a, b counted) int { return b.n - a.n })
	out := make([]detect.CountryLoss, len(counts))
	for i, c := range counts {
		out[i] = detect.CountryLoss{Country: c.id, Prefixes: c.n}
	}
	return out
}

type counted struct {
	id detect.EntityID
	n  int
}

// tally counts one more for an id.
func tally(counts []counted, id detect.EntityID) []counted {
	for i := range counts {
		if counts[i].id == id {
			counts[i].n++
			return counts
		}
	}
	return append(counts, counted{id, 1})
}

package signal

import "github.com/corewatch/corewatch/bgp/visibility"

// Use takes other places for what comes, as if New had been given them: for a monitor whose state was made with them.
func (m *Monitor) Use(p Places) {
	m.places = p
	m.regional, _ = p.(Regions)
	m.zoned, _ = p.(Zones)
}

// Relocate goes on with other reference tables or zones from the present instant on, between two messages: every prefix counts where they
// say. That is no news of the world: it opens nothing, and each open incident of a place has a revision with the reason.
func (m *Monitor) Relocate(p Places, reason string) {
	at := max(m.now, m.cur.At)
	m.read(at)
	m.Use(p)
	m.quietly(at, reason, func() {
		for _, f := range m.fams {
			for i := range f.rows {
				if f.rows[i].judged != unjudged { // the others are placed when they are judged
					f.relocate(m, visibility.RowID(i))
				}
			}
		}
	})
	m.engine.Rereference(reason)
}

// relocate has a row count where the tables put it. It keeps its network: that is not of the tables.
func (f *family) relocate(m *Monitor, r visibility.RowID) {
	x := &f.rows[r]
	prefix, at := f.table.Prefix(r), max(m.now, m.cur.At)
	code := m.places.Country(prefix, x.origin)
	country, group := m.country(code), m.group(prefix, x.origin, code, at)
	if country == x.country && group == x.group {
		return
	}
	f.count(m, x, -1)
	if country != x.country {
		x.country = country
		f.enlist(country, r)
	}
	if group != x.group {
		f.regroup(r, x, group)
	}
	f.count(m, x, 1)
}

package signal

import (
	"slices"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// release gives up the rows of prefixes that left the table for good an hour ago or more, so that a monitor which runs for months does not
// remember every prefix it ever met. Their ids go to prefixes met later; so nobody may hold one: not an open incident (those are watched),
// not what a session withdrew lately. What only says who once counted for an entity is cleaned.
func (f *family) release(m *Monitor, now bgp.Micros) {
	var gone []bool // by RowID
	n := 0
	old := bgp.Micros(m.cfg.RetireAfter+3600) * bgp.Second
	for r := range f.rows {
		x := &f.rows[r]
		if x.judged != unjudged || x.watched || x.marks&touched != 0 || x.lostAt == 0 || now-x.lostAt < old || !f.table.Retired(visibility.RowID(r)) {
			continue
		}
		if gone == nil {
			gone = make([]bool, len(f.rows))
		}
		gone[r] = true
		n++
	}
	if n == 0 {
		return
	}
	keep := func(list []massRow) {
		for _, x := range list {
			if x.fam == f {
				gone[x.row] = false
			}
		}
	}
	for _, a := range m.ases {
		keep(a.rows)
	}
	for _, p := range m.peers {
		keep(p.gone)
	}
	for r, out := range gone {
		if out && f.table.Release(visibility.RowID(r)) {
			f.rows[r] = row{country: detect.NoEntity, network: detect.NoEntity}
		} else {
			gone[r] = false
		}
	}
	left := func(r visibility.RowID) bool { return gone[r] }
	for _, a := range f.aggs {
		if a == nil {
			continue
		}
		if had := len(a.rows); had > 0 {
			if a.rows = slices.DeleteFunc(a.rows, left); len(a.rows) != had {
				a.sorted = 0 // how many of those that are left were in order is not known
			}
		}
	}
	for k, p := range m.peaks { // each on its own: the order says nothing
		if k.sig == f.sig {
			p.rows = slices.DeleteFunc(p.rows, left)
		}
	}
}

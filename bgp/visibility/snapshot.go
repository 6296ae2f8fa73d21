package visibility

import (
	"iter"
	"math/bits"

	"github.com/corewatch/corewatch/bgp"
)

// Route is one announced cell, as a table dump would have it.
type Route struct {
	Peer   PeerID
	Origin uint32
	// Since is when the session announced it, after a withdrawal or for the first time; 0 when that is no longer kept: quiet for long, or
	// known from a RIB.
	Since bgp.Micros
	// Path is the AS path noted last, when the row is watched and one was noted; else nil. It is valid until the next route.
	Path []uint32
}

// InOrder iterates the live rows in the order of bgp.Prefix.Compare. Calls that write to the table, and other walks, are not
// allowed while iterating; Announced is.
func (d *directory) InOrder() iter.Seq[RowID] {
	return func(yield func(RowID) bool) { d.walk(d.root, yield) }
}

// Announced iterates the announced cells of a row. The order is that of the columns: sessions of one AS are neighbours, and the
// same calls before give the same order. Calls that write to the table are not allowed while iterating.
func (t *matrix) Announced(r RowID) iter.Seq[Route] {
	return func(yield func(Route) bool) {
		if !t.has(r) {
			return
		}
		m, q := t.row(r)
		for w := range q {
			for x := q[w].announced; x != 0; x &= x - 1 {
				p := t.columns[w*64+bits.TrailingZeros64(x)]
				route := Route{Peer: p, Origin: m.origin, Since: t.sinceOf(m, r, p)}
				if m.extra != 0 {
					route.Origin, route.Path = t.originOf(m, p), t.pathOf(m, p)
				}
				if !yield(route) {
					return
				}
			}
		}
	}
}

package visibility

import "iter"

// Covering iterates the live less specific rows of a row, nearest first. Calls that write to the table, and other walks, are
// not allowed while iterating.
func (d *directory) Covering(r RowID) iter.Seq[RowID] {
	return func(yield func(RowID) bool) {
		if !d.listed(r) {
			return
		}
		d.descend(r)
		for i := len(d.path) - 1; i >= 0; i-- {
			if d.node(d.path[i]).live && !yield(RowID(d.path[i]-1)) {
				return
			}
		}
	}
}

// Beneath iterates the live rows that are more specific than a row, in trie order. The row itself is not among them.
func (d *directory) Beneath(r RowID) iter.Seq[RowID] {
	return func(yield func(RowID) bool) {
		if d.listed(r) {
			for _, k := range d.node(uint32(r) + 1).kid {
				if !d.walk(k, yield) {
					return
				}
			}
		}
	}
}

func (d *directory) walk(ref uint32, yield func(RowID) bool) bool {
	if ref == 0 {
		return true
	}
	nd := d.node(ref)
	if nd.live && !yield(RowID(ref-1)) {
		return false
	}
	return d.walk(nd.kid[0], yield) && d.walk(nd.kid[1], yield)
}

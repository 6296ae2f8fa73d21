package visibility

import (
	"iter"

	"github.com/corewatch/corewatch/bgp"
)

// Covering iterates the live less specific rows of a row, nearest first. Calls that write to the table, and other walks, are
// not allowed while iterating.
func (t *Table) Covering(r RowID) iter.Seq[RowID] {
	return func(yield func(RowID) bool) {
		if !t.has(r) {
			return
		}
		t.descend(r)
		for i := len(t.path) - 1; i >= 0; i-- {
			if t.node(t.path[i]).live && !yield(RowID(t.path[i]-1)) {
				return
			}
		}
	}
}

// Beneath iterates the live rows that are more specific than a row, in trie order. The row itself is not among them.
func (t *Table) Beneath(r RowID) iter.Seq[RowID] {
	return func(yield func(RowID) bool) {
		if t.has(r) {
			for _, k := range t.node(uint32(r) + 1).kid {
				if !t.walk(k, yield) {
					return
				}
			}
		}
	}
}

func (t *Table) walk(ref uint32, yield func(RowID) bool) bool {
	if ref == 0 {
		return true
	}
	nd := t.node(ref)
	if nd.live && !yield(RowID(ref-1)) {
		return false
	}
	return t.walk(nd.kid[0], yield) && t.walk(nd.kid[1], yield)
}

// ForgetWithdrawn makes every withdrawn cell of a session unknown: what it withdrew while it was not believed is taken back
// when it is believed again. What the cells are expected to be, and their carried time, stay as they are.
func (t *Table) ForgetWithdrawn(p PeerID, at bgp.Micros) {
	if int(p) >= len(t.peers) {
		return
	}
	at = t.advance(at)
	pe := &t.peers[p]
	for r := range t.rows {
		q := t.quad(RowID(r), pe.word)
		if q.known&^q.announced&pe.bit == 0 {
			continue
		}
		q.known &^= pe.bit
		pe.count.Known--
		if i := t.recs.find(RowID(r), p); i != 0 {
			rec := t.recs.at(i)
			t.settle(rec)
			if rec.is(recMoved) {
				t.rememberTransition(rec)
			}
			t.fold(rec, at)
			rec.since = at
			rec.due &^= recFlags
		}
	}
}

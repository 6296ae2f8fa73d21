package visibility

import "github.com/corewatch/corewatch/bgp"

// Seed applies an entry of a table dump: the session had the route, for how long is not known. A cell without a history of at
// least Config.ExpectAfter is expected at once. From then on silence of this session no longer means that it carries a row
// it never mentioned: see SetPresume.
func (t *Table) Seed(r RowID, p PeerID, origin uint32, at bgp.Micros) Change {
	c := t.applySeed(r, p, origin, at)
	if c&Revived != 0 {
		t.revive(r)
	}
	return c
}

// SeedNew does for a row that nothing was ever said about what Seed does for each of the sessions in turn, all with one origin, and
// returns how many cells changed: a session may be named more than once. For any other row it returns false and does nothing.
func (t *Table) SeedNew(r RowID, peers []PeerID, origin uint32, at bgp.Micros) (cells int, ok bool) {
	if !t.has(r) {
		return 0, false
	}
	m, words := t.row(r)
	if *m != (rowMeta{seq: m.seq}) {
		return 0, false
	}
	for i := range words {
		if words[i] != (word{}) {
			return 0, false
		}
	}
	at = t.advance(at)
	for _, p := range peers {
		if !t.hasPeer(p) {
			continue
		}
		pe := &t.peers[p]
		pe.count.Seeds++
		t.seededBy(p)
		pe.heard(at)
		q := &words[pe.word]
		if q.announced&pe.bit != 0 {
			continue
		}
		pe.count.Known++
		pe.count.Announced++
		*q = word{q.known | pe.bit, q.announced | pe.bit, q.expected | pe.bit}
		cells++
	}
	if cells > 0 {
		m.origin = origin
		m.knownFor(at)
	}
	return cells, true
}

package visibility

import "math/bits"

// The rows hang in a path-compressed binary trie, which knows for every node how many units below it are covered by live rows.
// That makes a row's own units a subtraction, whatever the order in which a covering prefix and its more specifics appear.
//
// A reference is 0 for none, row+1 for a row, or branch|n for a fork that is no row. Rows stay in the trie when retired: they
// then count like forks.
type node struct {
	kid     [2]uint32
	covered uint32 // units below or at this node covered by live rows; saturates
	bits    uint8  // length of the node's prefix
	live    bool
}

const branch = 1 << 31

func (t *Table) node(ref uint32) *node {
	if ref&branch != 0 {
		ref &^= branch
		return &t.branches[ref>>chunkBits][ref&chunkMask]
	}
	ref--
	return &t.chunks[ref>>chunkBits].nodes[ref&chunkMask]
}

func (t *Table) halves(r RowID) (hi, lo uint64) {
	c, i := t.chunks[r>>chunkBits], r&chunkMask
	if c.v6 != nil {
		return c.v6[i][0], c.v6[i][1]
	}
	return uint64(c.v4[i]) << 32, 0
}

func bitAt(hi, lo uint64, i uint8) uint64 {
	if i < 64 {
		return hi >> (63 - i) & 1
	}
	return lo >> (127 - i) & 1
}

func common(ahi, alo, bhi, blo uint64) uint8 {
	if x := ahi ^ bhi; x != 0 {
		return uint8(bits.LeadingZeros64(x))
	}
	return uint8(64 + bits.LeadingZeros64(alo^blo))
}

func (t *Table) newBranch() uint32 {
	if t.freed != 0 {
		ref := t.freed
		n := t.node(ref)
		t.freed = n.kid[0]
		*n = node{}
		return ref
	}
	if int(t.nbranch)>>chunkBits == len(t.branches) {
		t.branches = append(t.branches, new([chunkRows]node))
	}
	ref := branch | t.nbranch
	t.nbranch++
	return ref
}

// insert hangs a new row, not yet live, into the trie and leaves its ancestors in t.path.
func (t *Table) insert(r RowID, hi, lo uint64, n uint8) {
	t.path = t.path[:0]
	self := uint32(r) + 1
	if t.root == 0 {
		t.root = self
		return
	}
	// Descend without looking at keys: that ends at a node that shares the longest common prefix with the new row.
	ref := t.root
	for {
		nd := t.node(ref)
		t.path = append(t.path, ref)
		if nd.bits >= n {
			break
		}
		kid := nd.kid[bitAt(hi, lo, nd.bits)]
		if kid == 0 {
			break
		}
		ref = kid
	}
	for ref&branch != 0 { // a fork has two kids; any row below serves
		ref = t.node(ref).kid[0]
	}
	rhi, rlo := t.halves(RowID(ref - 1))
	shared := min(common(hi, lo, rhi, rlo), n, t.node(ref).bits)

	// Back up to where the new row leaves the way of that node.
	depth := len(t.path)
	for depth > 0 {
		if nd := t.node(t.path[depth-1]); nd.bits <= shared && nd.bits < n {
			break
		}
		depth--
	}
	t.path = t.path[:depth]
	link := &t.root
	if depth > 0 {
		nd := t.node(t.path[depth-1])
		link = &nd.kid[bitAt(hi, lo, nd.bits)]
	}
	at, me := *link, t.node(self)
	switch {
	case at == 0:
		*link = self
	case shared == n && t.node(at).bits == n: // a fork stood exactly here
		old := t.node(at)
		me.kid, me.covered = old.kid, old.covered
		*old = node{kid: [2]uint32{t.freed}}
		t.freed = at
		*link = self
	case shared == n:
		me.kid[bitAt(rhi, rlo, n)] = at
		me.covered = t.below(me)
		*link = self
	default:
		fork := t.newBranch()
		f := t.node(fork)
		f.bits = shared
		b := bitAt(hi, lo, shared)
		f.kid[b], f.kid[1-b] = self, at
		f.covered = t.below(f)
		*link = fork
		t.path = append(t.path, fork)
	}
}

// descend leaves the ancestors of a row, from the root, in t.path.
func (t *Table) descend(r RowID) {
	t.path = t.path[:0]
	hi, lo := t.halves(r)
	for ref := t.root; ref != uint32(r)+1; {
		t.path = append(t.path, ref)
		nd := t.node(ref)
		ref = nd.kid[bitAt(hi, lo, nd.bits)]
	}
}

// span is how many units a prefix of n bits has; it saturates, which only IPv6 prefixes of /16 and shorter reach.
func (t *Table) span(n uint8) uint32 {
	switch d := int(t.unit) - int(n); {
	case d <= 0:
		return 1
	case d >= 32:
		return 1<<32 - 1
	default:
		return 1 << d
	}
}

// below is how many units of a node its more specifics cover.
func (t *Table) below(nd *node) uint32 {
	var sum uint64
	for _, k := range nd.kid {
		if k != 0 {
			sum += uint64(t.node(k).covered)
		}
	}
	return uint32(min(sum, uint64(t.span(nd.bits))))
}

func (t *Table) own(nd *node) uint32 { return t.span(nd.bits) - t.below(nd) }

// first is the lowest live row (in bgp.Prefix.Compare order, which is the trie's pre-order) at or below ref, or 0.
func (t *Table) first(ref uint32) uint32 {
	for ref != 0 {
		nd := t.node(ref)
		if nd.live {
			return ref
		}
		if k := nd.kid[0]; k != 0 && t.node(k).covered != 0 {
			ref = k
		} else {
			ref = nd.kid[1]
		}
	}
	return 0
}

// holder is the row that counts the unit of the block around the row self, which is longer than a unit. t.path leads to self.
func (t *Table) holder(self uint32) uint32 {
	for _, ref := range t.path {
		nd := t.node(ref)
		if nd.bits > t.unit {
			return t.first(ref)
		}
		if nd.bits == t.unit { // the block itself: look only at what is longer
			for _, k := range nd.kid {
				if f := t.first(k); f != 0 {
					return f
				}
			}
			return 0
		}
	}
	return t.first(self)
}

// setLive switches a row on or off, brings the covered counts of t.path (its ancestors) up to date and reports changed units.
func (t *Table) setLive(r RowID, live bool) {
	self := uint32(r) + 1
	me := t.node(self)
	long := me.bits > t.unit
	parent := uint32(0) // the nearest live row that owns whole units
	for i := len(t.path) - 1; i >= 0 && parent == 0; i-- {
		if nd := t.node(t.path[i]); nd.live && nd.bits <= t.unit {
			parent = t.path[i]
		}
	}
	var parentOld, selfOld, holderOld uint32
	if parent != 0 {
		parentOld = t.own(t.node(parent))
	}
	if long {
		holderOld = t.holder(self)
	} else if me.live {
		selfOld = t.own(me)
	}

	me.live = live
	old := me.covered
	t.recover(me)
	delta := me.covered - old // modulo 2^32: may be negative
	for i := len(t.path) - 1; i >= 0 && delta != 0; i-- {
		nd := t.node(t.path[i])
		old := nd.covered
		if nd.live || nd.bits >= t.unit || t.unit-nd.bits >= 32 {
			t.recover(nd)
		} else { // a plain sum; this spares the look at the other kid
			nd.covered += delta
		}
		delta = nd.covered - old
	}

	if long {
		if now := t.holder(self); now != holderOld {
			t.unitsChanged(holderOld, 1, 0)
			t.unitsChanged(now, 0, 1)
		}
	} else {
		now := uint32(0)
		if live {
			now = t.own(me)
		}
		t.unitsChanged(self, selfOld, now)
	}
	if parent != 0 {
		t.unitsChanged(parent, parentOld, t.own(t.node(parent)))
	}
}

// recover computes the covered count of a node from its kids.
func (t *Table) recover(nd *node) {
	if nd.live {
		nd.covered = t.span(nd.bits)
	} else {
		nd.covered = t.below(nd)
	}
}

func (t *Table) unitsChanged(ref, old, now uint32) {
	if ref != 0 && old != now && t.cfg.OnUnits != nil {
		t.cfg.OnUnits(RowID(ref-1), old, now)
	}
}

// OwnUnits is how many /24 (IPv4) or /48 (IPv6) blocks count for the row: those it covers that no live more specific row covers.
// Rows longer than a unit share one block; it counts for the lowest of them in bgp.Prefix.Compare order. Retired rows have none.
func (t *Table) OwnUnits(r RowID) uint32 {
	if !t.has(r) {
		return 0
	}
	self := uint32(r) + 1
	nd := t.node(self)
	if !nd.live {
		return 0
	}
	if nd.bits <= t.unit {
		return t.own(nd)
	}
	t.descend(r)
	if t.holder(self) == self {
		return 1
	}
	return 0
}

// Parent is the nearest live less specific row.
func (t *Table) Parent(r RowID) (RowID, bool) {
	if !t.has(r) {
		return 0, false
	}
	t.descend(r)
	for i := len(t.path) - 1; i >= 0; i-- {
		if t.node(t.path[i]).live {
			return RowID(t.path[i] - 1), true
		}
	}
	return 0, false
}

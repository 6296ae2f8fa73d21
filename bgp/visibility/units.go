package visibility

import "math/bits"

// The rows hang in a path-compressed binary trie, which knows for every node how many units below it are covered by live rows.
// That makes a row's own units a subtraction, whatever the order in which a covering prefix and its more specifics appear.
//
// A reference is 0 for none, row+1 for a row, or branch|n for a fork that is no row. Rows stay in the trie when retired, and
// then count like forks; a released one leaves it.
type node struct {
	kid     [2]uint32
	covered uint32 // units below or at this node covered by live rows; saturates
	bits    uint8  // length of the node's prefix
	live    bool
	light   bool // the row takes no units, from nobody: see Table.Weigh
	free    bool // the row is released: the node hangs nowhere
}

// counts reports a row that has units.
func (n *node) counts() bool { return n.live && !n.light }

const branch = 1 << 31

func (d *directory) node(ref uint32) *node {
	if ref&branch != 0 {
		ref &^= branch
		return &d.branches[ref>>chunkBits][ref&chunkMask]
	}
	ref--
	return &d.keys[ref>>chunkBits].nodes[ref&chunkMask]
}

func (d *directory) halvesOf(r RowID) (hi, lo uint64) {
	c, i := d.keys[r>>chunkBits], r&chunkMask
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

func (d *directory) newBranch() uint32 {
	if d.freed != 0 {
		ref := d.freed
		n := d.node(ref)
		d.freed = n.kid[0]
		*n = node{}
		return ref
	}
	if int(d.nbranch)>>chunkBits == len(d.branches) {
		d.branches = append(d.branches, new([chunkRows]node))
	}
	ref := branch | d.nbranch
	d.nbranch++
	return ref
}

// insert hangs a new row, not yet live, into the trie and leaves its ancestors in d.path.
func (d *directory) insert(r RowID, hi, lo uint64, n uint8) {
	d.path = d.path[:0]
	self := uint32(r) + 1
	if d.root == 0 {
		d.root = self
		return
	}
	// Descend without looking at keys: that ends at a node that shares the longest common prefix with the new row.
	ref := d.root
	for {
		nd := d.node(ref)
		d.path = append(d.path, ref)
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
		ref = d.node(ref).kid[0]
	}
	rhi, rlo := d.halvesOf(RowID(ref - 1))
	shared := min(common(hi, lo, rhi, rlo), n, d.node(ref).bits)

	// Back up to where the new row leaves the way of that node.
	depth := len(d.path)
	for depth > 0 {
		if nd := d.node(d.path[depth-1]); nd.bits <= shared && nd.bits < n {
			break
		}
		depth--
	}
	d.path = d.path[:depth]
	link := &d.root
	if depth > 0 {
		nd := d.node(d.path[depth-1])
		link = &nd.kid[bitAt(hi, lo, nd.bits)]
	}
	at, me := *link, d.node(self)
	switch {
	case at == 0:
		*link = self
	case shared == n && d.node(at).bits == n: // a fork stood exactly here
		old := d.node(at)
		me.kid, me.covered = old.kid, old.covered
		*old = node{kid: [2]uint32{d.freed}}
		d.freed = at
		*link = self
	case shared == n:
		me.kid[bitAt(rhi, rlo, n)] = at
		me.covered = d.below(me)
		*link = self
	default:
		fork := d.newBranch()
		f := d.node(fork)
		f.bits = shared
		b := bitAt(hi, lo, shared)
		f.kid[b], f.kid[1-b] = self, at
		f.covered = d.below(f)
		*link = fork
		d.path = append(d.path, fork)
	}
}

// unlink takes a row that is not live out of the trie.
func (d *directory) unlink(r RowID) {
	d.descend(r)
	hi, lo := d.halvesOf(r)
	me := d.node(uint32(r) + 1)
	link := func(depth int) *uint32 { // where the node beneath d.path[:depth] hangs
		if depth == 0 {
			return &d.root
		}
		nd := d.node(d.path[depth-1])
		return &nd.kid[bitAt(hi, lo, nd.bits)]
	}
	depth := len(d.path)
	at := link(depth)
	switch {
	case me.kid[0] != 0 && me.kid[1] != 0:
		fork := d.newBranch()
		*d.node(fork) = node{kid: me.kid, covered: me.covered, bits: me.bits}
		*at = fork
		return
	case me.kid[0] != 0 || me.kid[1] != 0:
		*at = me.kid[0] | me.kid[1]
		return
	}
	*at = 0
	if depth == 0 || d.path[depth-1]&branch == 0 {
		return
	}
	fork := d.path[depth-1] // it has one kid left
	nd := d.node(fork)
	*link(depth - 1) = nd.kid[0] | nd.kid[1]
	*nd = node{kid: [2]uint32{d.freed}}
	d.freed = fork
}

// descend leaves the ancestors of a row, from the root, in d.path.
func (d *directory) descend(r RowID) {
	d.path = d.path[:0]
	hi, lo := d.halvesOf(r)
	for ref := d.root; ref != uint32(r)+1; {
		d.path = append(d.path, ref)
		nd := d.node(ref)
		ref = nd.kid[bitAt(hi, lo, nd.bits)]
	}
}

// span is how many units a prefix of n bits has; it saturates, which only IPv6 prefixes of /16 and shorter reach.
func (d *directory) span(n uint8) uint32 {
	switch d := int(d.unit) - int(n); {
	case d <= 0:
		return 1
	case d >= 32:
		return 1<<32 - 1
	default:
		return 1 << d
	}
}

// below is how many units of a node its more specifics cover.
func (d *directory) below(nd *node) uint32 {
	var sum uint64
	for _, k := range nd.kid {
		if k != 0 {
			sum += uint64(d.node(k).covered)
		}
	}
	return uint32(min(sum, uint64(d.span(nd.bits))))
}

func (d *directory) own(nd *node) uint32 { return d.span(nd.bits) - d.below(nd) }

// first is the lowest row that counts (in bgp.Prefix.Compare order, which is the trie's pre-order) at or below ref, or 0.
func (d *directory) first(ref uint32) uint32 {
	for ref != 0 {
		nd := d.node(ref)
		if nd.counts() {
			return ref
		}
		if k := nd.kid[0]; k != 0 && d.node(k).covered != 0 {
			ref = k
		} else {
			ref = nd.kid[1]
		}
	}
	return 0
}

// holder is the row that counts the unit of the block around the row self, which is longer than a unit. d.path leads to self.
func (d *directory) holder(self uint32) uint32 {
	for _, ref := range d.path {
		nd := d.node(ref)
		if nd.bits > d.unit {
			return d.first(ref)
		}
		if nd.bits == d.unit { // the block itself: look only at what is longer
			for _, k := range nd.kid {
				if f := d.first(k); f != 0 {
					return f
				}
			}
			return 0
		}
	}
	return d.first(self)
}

// setLive switches a row on or off; d.path holds its ancestors. When it is switched on it counts, whatever was said of it before.
func (d *directory) setLive(r RowID, live bool) { d.set(r, live, false) }

// set brings the covered counts of d.path (the row's ancestors) up to date and reports changed units.
func (d *directory) set(r RowID, live, light bool) {
	self := uint32(r) + 1
	me := d.node(self)
	long := me.bits > d.unit
	parent := uint32(0) // the nearest row that owns whole units
	for i := len(d.path) - 1; i >= 0 && parent == 0; i-- {
		if nd := d.node(d.path[i]); nd.counts() && nd.bits <= d.unit {
			parent = d.path[i]
		}
	}
	var parentOld, selfOld, holderOld uint32
	if parent != 0 {
		parentOld = d.own(d.node(parent))
	}
	if long {
		holderOld = d.holder(self)
	} else if me.counts() {
		selfOld = d.own(me)
	}

	me.live, me.light = live, light
	old := me.covered
	d.recover(me)
	delta := me.covered - old // modulo 2^32: may be negative
	for i := len(d.path) - 1; i >= 0 && delta != 0; i-- {
		nd := d.node(d.path[i])
		old := nd.covered
		if nd.counts() || nd.bits >= d.unit || d.unit-nd.bits >= 32 {
			d.recover(nd)
		} else { // a plain sum; this spares the look at the other kid
			nd.covered += delta
		}
		delta = nd.covered - old
	}

	if long {
		if now := d.holder(self); now != holderOld {
			d.unitsChanged(holderOld, 1, 0)
			d.unitsChanged(now, 0, 1)
		}
	} else {
		now := uint32(0)
		if me.counts() {
			now = d.own(me)
		}
		d.unitsChanged(self, selfOld, now)
	}
	if parent != 0 {
		d.unitsChanged(parent, parentOld, d.own(d.node(parent)))
	}
}

// recover computes the covered count of a node from its kids.
func (d *directory) recover(nd *node) {
	if nd.counts() {
		nd.covered = d.span(nd.bits)
	} else {
		nd.covered = d.below(nd)
	}
}

func (d *directory) unitsChanged(ref, old, now uint32) {
	if ref != 0 && old != now && d.onUnits != nil {
		d.onUnits(RowID(ref-1), old, now)
	}
}

// OwnUnits is how many /24 (IPv4) or /48 (IPv6) blocks count for the row: those it covers that no live more specific row covers.
// Rows longer than a unit share one block; it counts for the lowest of them in bgp.Prefix.Compare order. Rows that are retired, or do not
// weigh, have none.
func (d *directory) OwnUnits(r RowID) uint32 {
	if !d.listed(r) {
		return 0
	}
	self := uint32(r) + 1
	nd := d.node(self)
	if !nd.counts() {
		return 0
	}
	if nd.bits <= d.unit {
		return d.own(nd)
	}
	d.descend(r)
	if d.holder(self) == self {
		return 1
	}
	return 0
}

// Parent is the nearest live less specific row.
func (d *directory) Parent(r RowID) (RowID, bool) {
	if !d.listed(r) {
		return 0, false
	}
	d.descend(r)
	for i := len(d.path) - 1; i >= 0; i-- {
		if d.node(d.path[i]).live {
			return RowID(d.path[i] - 1), true
		}
	}
	return 0, false
}

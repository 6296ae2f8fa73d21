package visibility

import "github.com/corewatch/corewatch/bgp"

const (
	chunkBits = 12
	chunkRows = 1 << chunkBits
	chunkMask = chunkRows - 1
)

// directory knows which prefix has which row, and how the prefixes lie in each other (units.go). It knows nothing of sessions.
type directory struct {
	v6      bool
	unit    uint8 // prefix length of one unit: 24 or 48
	maxRows int
	onUnits func(row RowID, old, new uint32)

	keys  []*keys
	rows  int
	free  []RowID                 // released
	index []uint64                // open addressing: see slotOf; 0 for empty
	met   [1 << metBits]metPrefix // by hash: those looked up last, and found

	root     uint32
	branches []*[chunkRows]node
	nbranch  uint32
	freed    uint32 // chain of free branches through kid[0]
	path     []uint32

	rowsRejected, familyRejected uint64
}

// metPrefix is a prefix with its row plus one. What one session says of a prefix the others say soon after: most look-ups end here,
// with one line of memory read instead of three.
type metPrefix struct {
	prefix bgp.Prefix
	ref    uint32
}

const metBits = 11

// keys holds what is known of the prefixes of chunkRows rows. Rows never move when the table grows.
type keys struct {
	nodes [chunkRows]node
	v4    []uint32
	v6    [][2]uint64
}

func (d *directory) init(cfg *Config) {
	d.v6, d.unit, d.maxRows, d.onUnits = cfg.V6, 24, cfg.MaxRows, cfg.OnUnits
	if cfg.V6 {
		d.unit = 48
	}
	d.index = make([]uint64, 1024)
}

func (d *directory) bytes() int {
	perRow := 16 + 4
	if d.v6 {
		perRow += 12
	}
	return len(d.met)*32 + len(d.keys)*chunkRows*perRow + 8*len(d.index) + len(d.branches)*chunkRows*16 + 4*cap(d.free)
}

func (d *directory) stats(s *Stats) {
	s.Rows, s.TrieNodes = d.rows-len(d.free), d.trieNodes()
	s.RowsRejected, s.FamilyRejected = d.rowsRejected, d.familyRejected
	s.Bytes += d.bytes()
}

// trieNodes is how many nodes hang in the trie.
func (d *directory) trieNodes() int {
	n := d.rows - len(d.free) + int(d.nbranch)
	for ref := d.freed; ref != 0; ref = d.node(ref).kid[0] {
		n--
	}
	return n
}

// revive makes a retired row live again.
func (d *directory) revive(r RowID) {
	d.descend(r)
	d.setLive(r, true)
}

func (d *directory) listed(r RowID) bool {
	return int(r) < d.rows && !d.keys[r>>chunkBits].nodes[r&chunkMask].free
}

// Rows is one more than the highest RowID given out so far, whether its row is live, retired or released.
func (d *directory) Rows() int { return d.rows }

// Prefix is the row's prefix, or the invalid zero value for an unknown row.
func (d *directory) Prefix(r RowID) bgp.Prefix {
	if !d.listed(r) {
		return bgp.Prefix{}
	}
	return d.prefix(r)
}

func (d *directory) prefix(r RowID) bgp.Prefix {
	c, i := d.keys[r>>chunkBits], r&chunkMask
	if c.v6 != nil {
		return bgp.PrefixFrom6(c.v6[i][0], c.v6[i][1], c.nodes[i].bits)
	}
	return bgp.PrefixFrom4(c.v4[i], c.nodes[i].bits)
}

// Row finds the row of a prefix; false when it has none. A retired row is found, a released one is not.
func (d *directory) Row(p bgp.Prefix) (RowID, bool) {
	if !p.Valid() || p.IsV6() != d.v6 {
		return 0, false
	}
	h := p.Hash()
	met := &d.met[h>>(64-metBits)]
	if met.prefix == p && met.ref != 0 {
		return RowID(met.ref - 1), true
	}
	slot := d.slotOf(p, h)
	size := uint64(len(d.index) - 1)
	for i := h & size; ; i = (i + 1) & size {
		e := d.index[i]
		if e == 0 {
			return 0, false
		}
		if e&^slotRow == slot {
			if r := RowID(e&slotRow - 1); !d.v6 || d.prefix(r) == p {
				*met = metPrefix{p, uint32(r) + 1}
				return r, true
			}
		}
	}
}

// slotRow are the bits of a slot that hold the row plus one.
const slotRow = 1<<24 - 1

// slotOf is what stands above the row in the slot of a prefix with hash h: an IPv4 prefix itself, so that nothing else need be read to
// know it; of an IPv6 prefix half of its hash.
func (d *directory) slotOf(p bgp.Prefix, h uint64) uint64 {
	if d.v6 {
		return h &^ (1<<32 - 1)
	}
	addr, _ := p.Halves()
	return addr | uint64(p.Len())<<24
}

// enter finds or makes the row of a prefix. A new one is not yet live, and its ancestors are in d.path.
func (d *directory) enter(p bgp.Prefix) (r RowID, made bool, err error) {
	if !p.Valid() || p.IsV6() != d.v6 {
		d.familyRejected++
		return 0, false, ErrFamily
	}
	if r, ok := d.Row(p); ok {
		return r, false, nil
	}
	if n := len(d.free); n > 0 {
		r = d.free[n-1]
		d.free = d.free[:n-1]
	} else {
		if d.rows >= d.maxRows {
			d.rowsRejected++
			return 0, false, ErrRows
		}
		if (d.rows+1)*4 > len(d.index)*3 {
			d.rehash()
		}
		r = RowID(d.rows)
		if int(r)>>chunkBits == len(d.keys) {
			d.keys = append(d.keys, d.newKeys())
		}
		d.rows++
	}
	hi, lo := p.Halves()
	c, i := d.keys[r>>chunkBits], r&chunkMask
	if c.v6 != nil {
		c.v6[i] = [2]uint64{hi, lo}
	} else {
		c.v4[i] = uint32(hi >> 32)
	}
	c.nodes[i] = node{bits: uint8(p.Len())}
	d.place(p, r)
	d.insert(r, hi, lo, uint8(p.Len()))
	return r, true, nil
}

func (d *directory) newKeys() *keys {
	c := &keys{}
	if d.v6 {
		c.v6 = make([][2]uint64, chunkRows)
	} else {
		c.v4 = make([]uint32, chunkRows)
	}
	return c
}

func (d *directory) place(p bgp.Prefix, r RowID) {
	h, size := p.Hash(), uint64(len(d.index)-1)
	i := h & size
	for d.index[i] != 0 {
		i = (i + 1) & size
	}
	d.index[i] = d.slotOf(p, h) | uint64(r) + 1
}

func (d *directory) rehash() {
	d.index = make([]uint64, 2*len(d.index))
	for r := range RowID(d.rows) {
		if d.listed(r) {
			d.place(d.prefix(r), r)
		}
	}
}

// remove forgets a row that is not live; its id may be given out again.
func (d *directory) remove(r RowID) {
	size := uint64(len(d.index) - 1)
	h := d.prefix(r).Hash()
	if met := &d.met[h>>(64-metBits)]; met.ref == uint32(r)+1 {
		*met = metPrefix{}
	}
	hole := h & size
	for d.index[hole]&slotRow != uint64(r)+1 {
		hole = (hole + 1) & size
	}
	for j := (hole + 1) & size; d.index[j] != 0; j = (j + 1) & size {
		home := d.prefix(RowID(d.index[j]&slotRow-1)).Hash() & size
		if (j-home)&size >= (j-hole)&size { // it may move back without passing its home
			d.index[hole] = d.index[j]
			hole = j
		}
	}
	d.index[hole] = 0
	d.unlink(r)
	d.keys[r>>chunkBits].nodes[r&chunkMask] = node{free: true}
	d.free = append(d.free, r)
}

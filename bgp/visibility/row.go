package visibility

import (
	"encoding/binary"
	"math/bits"

	"github.com/corewatch/corewatch/bgp"
)

const (
	chunkBits = 12
	chunkRows = 1 << chunkBits
	chunkMask = chunkRows - 1
)

// quad is one word of each plane for one row: 64 columns. The planes of a row lie side by side so that a cell costs one cache
// line, and a vote reads memory in one direction.
type quad struct {
	known, announced, expected, muted uint64
}

// rowMeta is what a row needs beside its planes.
type rowMeta struct {
	origin uint32
	moas   uint32 // index into Table.moas plus one; 0 while all announced cells agree
	born   uint32 // second in which the row was first heard of, or revived
	frozen uint16
	dead   bool // retired
}

// chunk holds chunkRows rows. Rows never move when the table grows, and growing never copies more than one chunk at a time.
type chunk struct {
	quads []quad // chunkRows * Table.words
	nodes [chunkRows]node
	meta  [chunkRows]rowMeta
	v4    []uint32
	v6    [][2]uint64
}

func (t *Table) newChunk() *chunk {
	c := &chunk{quads: make([]quad, chunkRows*t.words)}
	if t.cfg.V6 {
		c.v6 = make([][2]uint64, chunkRows)
	} else {
		c.v4 = make([]uint32, chunkRows)
	}
	return c
}

func (t *Table) has(r RowID) bool { return int(r) < t.rows }

func (t *Table) meta(r RowID) *rowMeta { return &t.chunks[r>>chunkBits].meta[r&chunkMask] }

// quads is the row's planes: word w is at 2*w. Rows lie in pairs, word by word, so that a cache line holds one word of two rows and
// scanning one column reads half of what it would row by row.
func (t *Table) quads(r RowID) []quad {
	i := int(r & chunkMask)
	i = i>>1*2*t.words + i&1
	return t.chunks[r>>chunkBits].quads[i : i+2*t.words-1]
}

func (t *Table) quad(r RowID, word int) *quad {
	i := int(r & chunkMask)
	return &t.chunks[r>>chunkBits].quads[(i>>1*t.words+word)*2+i&1]
}

// Rows is how many rows were ever interned, retired ones included: ids run from 0 to Rows()-1.
func (t *Table) Rows() int { return t.rows }

// Prefix is the row's prefix, or the invalid zero value for an unknown row.
func (t *Table) Prefix(r RowID) bgp.Prefix {
	if !t.has(r) {
		return bgp.Prefix{}
	}
	return t.prefix(r)
}

func (t *Table) prefix(r RowID) bgp.Prefix {
	c, i := t.chunks[r>>chunkBits], r&chunkMask
	if c.v6 != nil {
		return bgp.PrefixFrom6(c.v6[i][0], c.v6[i][1], c.nodes[i].bits)
	}
	return bgp.PrefixFrom4(c.v4[i], c.nodes[i].bits)
}

// Row finds the row of a prefix; false when it was never interned. A retired row is found.
func (t *Table) Row(p bgp.Prefix) (RowID, bool) {
	h := p.Hash()
	tag := uint32(h>>56) << 24
	size := uint64(len(t.index) - 1)
	for i := h & size; ; i = (i + 1) & size {
		e := t.index[i]
		if e == 0 {
			return 0, false
		}
		if e&^0xffffff == tag {
			if r := RowID(e&0xffffff - 1); t.prefix(r) == p {
				return r, true
			}
		}
	}
}

// Intern finds or makes the row of a prefix. A new row is live: it takes its units from its parent. A retired row is returned
// as it is; only an announcement revives it.
func (t *Table) Intern(p bgp.Prefix) (RowID, error) {
	if !p.Valid() || p.IsV6() != t.cfg.V6 {
		t.stats.FamilyRejected++
		return 0, ErrFamily
	}
	if r, ok := t.Row(p); ok {
		return r, nil
	}
	if t.rows >= t.cfg.MaxRows {
		t.stats.RowsRejected++
		return 0, ErrRows
	}
	if (t.rows+1)*4 > len(t.index)*3 {
		t.rehash()
	}
	r := RowID(t.rows)
	if int(r)>>chunkBits == len(t.chunks) {
		t.chunks = append(t.chunks, t.newChunk())
	}
	t.rows++
	hi, lo := halves(p)
	c, i := t.chunks[r>>chunkBits], r&chunkMask
	if c.v6 != nil {
		c.v6[i] = [2]uint64{hi, lo}
	} else {
		c.v4[i] = uint32(hi >> 32)
	}
	c.nodes[i].bits = uint8(p.Len())
	t.place(p.Hash(), r)
	t.insert(r, hi, lo, uint8(p.Len()))
	t.setLive(r, true)
	return r, nil
}

func (t *Table) place(h uint64, r RowID) {
	size := uint64(len(t.index) - 1)
	i := h & size
	for t.index[i] != 0 {
		i = (i + 1) & size
	}
	t.index[i] = uint32(h>>56)<<24 | uint32(r) + 1
}

func (t *Table) rehash() {
	t.index = make([]uint32, 2*len(t.index))
	for r := range t.rows {
		t.place(t.prefix(RowID(r)).Hash(), RowID(r))
	}
}

// Retire takes a row out: its units return to its parent, its cells are forgotten, Vote gives zeros and iteration skips it. It
// reports false, and does nothing, for a row that is retired already, that a peer announces, or that is frozen.
// The next announcement of the prefix revives the row.
func (t *Table) Retire(r RowID) bool {
	if !t.has(r) {
		return false
	}
	m := t.meta(r)
	if m.dead || m.frozen > 0 {
		return false
	}
	if t.announcers(r) != 0 {
		return false
	}
	for w := range t.words {
		q := t.quad(r, w)
		for k := q.known; k != 0; k &= k - 1 {
			t.peers[t.columns[w*64+bits.TrailingZeros64(k)]].count.Known--
		}
		*q = quad{}
	}
	for p := range t.peers {
		if i := t.recs.find(r, PeerID(p)); i != 0 {
			t.dropRecord(i)
		}
	}
	m.dead = true
	t.stats.Retired++
	t.descend(r)
	t.setLive(r, false)
	return true
}

// Retired reports whether the row is retired (or unknown).
func (t *Table) Retired(r RowID) bool { return !t.has(r) || t.meta(r).dead }

func (t *Table) revive(r RowID) {
	m := t.meta(r)
	m.dead, m.born = false, 0
	t.stats.Retired--
	t.descend(r)
	t.setLive(r, true)
}

// halves is the prefix's address, left-aligned in 128 bits for both families.
func halves(p bgp.Prefix) (hi, lo uint64) {
	a := p.Netip().Addr()
	if a.Is4() {
		b := a.As4()
		return uint64(binary.BigEndian.Uint32(b[:])) << 32, 0
	}
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

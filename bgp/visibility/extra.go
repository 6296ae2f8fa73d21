package visibility

import (
	"math/bits"
	"slices"
)

// extra is what only few rows have.
type extra struct {
	row   RowID
	cells []cellOrigin // announced cells whose origin is not the row's dominant one, by peer
	muted []uint64     // the cells that flap too much to vote: one bit per column; it may be shorter than the row
	paths []uint32     // of a watched row, by PeerID: what matrix.paths knows the path of the cell by; never nil then
}

func (t *matrix) extraOf(m *rowMeta) *extra {
	if m.extra == 0 {
		return nil
	}
	return &t.extras[m.extra-1]
}

// needExtra finds or makes the row's extra. Pointers to others may become stale.
func (t *matrix) needExtra(r RowID, m *rowMeta) *extra {
	if m.extra == 0 {
		if n := len(t.spare); n > 0 {
			m.extra = t.spare[n-1]
			t.spare = t.spare[:n-1]
		} else {
			t.extras = append(t.extras, extra{})
			m.extra = uint32(len(t.extras))
		}
		t.extras[m.extra-1].row = r
	}
	return &t.extras[m.extra-1]
}

// tidyExtra gives an extra back that says nothing any more.
func (t *matrix) tidyExtra(m *rowMeta) {
	x := &t.extras[m.extra-1]
	if len(x.cells) == 0 && x.muted == nil && x.paths == nil {
		*x = extra{}
		t.spare = append(t.spare, m.extra)
		m.extra = 0
	}
}

func (t *matrix) isMuted(m *rowMeta, pe *peer) bool {
	if !m.muted {
		return false
	}
	x := t.extraOf(m)
	return int(pe.word) < len(x.muted) && x.muted[pe.word]&pe.bit != 0
}

// mute keeps a cell from voting; false when it was kept already.
func (t *matrix) mute(r RowID, m *rowMeta, pe *peer) bool {
	if t.isMuted(m, pe) {
		return false
	}
	x := t.needExtra(r, m)
	for len(x.muted) <= int(pe.word) {
		x.muted = append(x.muted, 0)
	}
	x.muted[pe.word] |= pe.bit
	m.muted = true
	return true
}

// unmute lets a cell vote again; false when it did.
func (t *matrix) unmute(m *rowMeta, pe *peer) bool {
	if !t.isMuted(m, pe) {
		return false
	}
	x := t.extraOf(m)
	x.muted[pe.word] &^= pe.bit
	if !slices.ContainsFunc(x.muted, func(w uint64) bool { return w != 0 }) {
		x.muted, m.muted = nil, false
		t.tidyExtra(m)
	}
	return true
}

// eachKnown calls f for every known cell of a row, in column order.
func (t *matrix) eachKnown(q []word, f func(PeerID)) {
	for w := range q {
		t.eachColumn(w, q[w].known, f)
	}
}

// eachAnnounced calls f for every announced cell of a row, in column order.
func (t *matrix) eachAnnounced(q []word, f func(PeerID)) {
	for w := range q {
		t.eachColumn(w, q[w].announced, f)
	}
}

func (t *matrix) eachColumn(w int, x uint64, f func(PeerID)) {
	for ; x != 0; x &= x - 1 {
		f(t.columns[w*64+bits.TrailingZeros64(x)])
	}
}

package visibility

import "slices"

// Most announced cells of a row agree on the origin. The others are listed in its extra.
type cellOrigin struct {
	origin uint32
	peer   PeerID
}

func (x *extra) find(p PeerID) (int, bool) {
	return slices.BinarySearchFunc(x.cells, p, func(c cellOrigin, p PeerID) int { return int(c.peer) - int(p) })
}

// Origin is the AS that most announced cells of the row have as origin; ties keep the present one. It outlives the last
// announcement; 0 when none was ever known.
func (t *matrix) Origin(r RowID) uint32 {
	if !t.has(r) {
		return 0
	}
	return t.meta(r).origin
}

// OriginNow appends the origins announced at present, each once, ascending, without 0 (unknown).
func (t *matrix) OriginNow(r RowID, dst []uint32) []uint32 {
	if !t.has(r) {
		return dst
	}
	start := len(dst)
	m, q := t.row(r)
	others := 0
	if x := t.extraOf(m); x != nil {
		others = len(x.cells)
		for _, c := range x.cells {
			if c.origin != 0 {
				dst = append(dst, c.origin)
			}
		}
	}
	if m.origin != 0 && announcers(q) > others {
		dst = append(dst, m.origin)
	}
	slices.Sort(dst[start:])
	return append(dst[:start], slices.Compact(dst[start:])...)
}

func announcers(q []word) int {
	n := 0
	for i := range q {
		n += pop(q[i].announced)
	}
	return n
}

// originOf is the origin of an announced cell.
func (t *matrix) originOf(m *rowMeta, p PeerID) uint32 {
	if x := t.extraOf(m); x != nil {
		if i, ok := x.find(p); ok {
			return x.cells[i].origin
		}
	}
	return m.origin
}

// setOrigin notes the origin of a cell whose announced bit is set; was says that it was set before, with some other origin.
func (t *matrix) setOrigin(r RowID, m *rowMeta, q []word, p PeerID, origin uint32, was bool) (c Change) {
	x := t.extraOf(m)
	if x == nil || len(x.cells) == 0 {
		if m.origin == origin {
			return 0
		}
		if was {
			c = OriginChanged
		}
		if origin != 0 && announcers(q) == 1 {
			m.origin = origin
			return c | DominantOriginChanged
		}
		x = t.needExtra(r, m)
	}
	i, listed := x.find(p)
	if was {
		old := m.origin
		if listed {
			old = x.cells[i].origin
		}
		if old == origin {
			return 0
		}
		c = OriginChanged
	}
	switch {
	case origin == m.origin && listed:
		x.cells = slices.Delete(x.cells, i, i+1)
	case origin == m.origin:
	case listed:
		x.cells[i].origin = origin
	default:
		x.cells = slices.Insert(x.cells, i, cellOrigin{origin, p})
	}
	return c | t.elect(x)
}

// clearOrigin forgets the origin of a cell whose announced bit was cleared.
func (t *matrix) clearOrigin(m *rowMeta, p PeerID) Change {
	x := t.extraOf(m)
	if x == nil || len(x.cells) == 0 {
		return 0
	}
	if i, listed := x.find(p); listed {
		x.cells = slices.Delete(x.cells, i, i+1)
	}
	return t.elect(x)
}

// flushOrigins forgets the origins of a session whose announced bits were cleared.
func (t *matrix) flushOrigins(p PeerID) {
	for i := range t.extras {
		if x := &t.extras[i]; len(x.cells) > 0 {
			t.clearOrigin(t.meta(x.row), p)
		}
	}
}

// elect finds the dominant origin of a row with exceptions, and gives the extra back when it is not needed any more. Origin 0
// says nothing and is never elected; of challengers with equal counts the lowest number wins.
func (t *matrix) elect(x *extra) Change {
	m, q := t.row(x.row)
	if len(x.cells) == 0 {
		x.cells = nil
		t.tidyExtra(m)
		return 0
	}
	present := 0
	if m.origin != 0 {
		present = announcers(q) - len(x.cells)
	}
	if len(x.cells) <= present {
		return 0
	}
	t.origins = t.origins[:0]
	for _, c := range x.cells {
		if c.origin != 0 {
			t.origins = append(t.origins, c.origin)
		}
	}
	slices.Sort(t.origins)
	winner, most := uint32(0), present
	for i := 0; i < len(t.origins); {
		j := i + 1
		for j < len(t.origins) && t.origins[j] == t.origins[i] {
			j++
		}
		if j-i > most {
			winner, most = t.origins[i], j-i
		}
		i = j
	}
	if winner == 0 {
		return 0
	}
	old := m.origin
	t.cells = t.cells[:0]
	t.eachAnnounced(q, func(p PeerID) {
		origin := old
		if i, listed := x.find(p); listed {
			origin = x.cells[i].origin
		}
		if origin != winner {
			t.cells = append(t.cells, cellOrigin{origin, p})
		}
	})
	slices.SortFunc(t.cells, func(a, b cellOrigin) int { return int(a.peer) - int(b.peer) })
	m.origin = winner
	x.cells = append(x.cells[:0], t.cells...)
	if len(x.cells) == 0 {
		x.cells = nil
		t.tidyExtra(m)
	}
	return DominantOriginChanged
}

package visibility

import "slices"

// moas is a row whose announced cells disagree on the origin: the cells that differ from the row's dominant origin. Most rows
// have none. Only announced cells are listed.
type moas struct {
	row   RowID
	cells []cellOrigin // by peer
}

type cellOrigin struct {
	origin uint32
	peer   PeerID
}

func (m *moas) find(p PeerID) (int, bool) {
	return slices.BinarySearchFunc(m.cells, p, func(c cellOrigin, p PeerID) int { return int(c.peer) - int(p) })
}

// Origin is the AS that most announced cells of the row have as origin; ties keep the present one. It outlives the last
// announcement; 0 when none was ever known.
func (t *Table) Origin(r RowID) uint32 {
	if !t.has(r) {
		return 0
	}
	return t.meta(r).origin
}

// OriginNow appends the origins announced at present, each once, ascending, without 0 (unknown).
func (t *Table) OriginNow(r RowID, dst []uint32) []uint32 {
	if !t.has(r) {
		return dst
	}
	start := len(dst)
	m := t.meta(r)
	others := 0
	if m.moas != 0 {
		cells := t.moas[m.moas-1].cells
		others = len(cells)
		for _, c := range cells {
			if c.origin != 0 {
				dst = append(dst, c.origin)
			}
		}
	}
	if m.origin != 0 && t.announcers(r) > others {
		dst = append(dst, m.origin)
	}
	slices.Sort(dst[start:])
	return append(dst[:start], slices.Compact(dst[start:])...)
}

func (t *Table) announcers(r RowID) int {
	n := 0
	quads := t.quads(r)
	for i := 0; i < len(quads); i += 2 {
		n += pop(quads[i].announced)
	}
	return n
}

// originOf is the origin of an announced cell.
func (t *Table) originOf(r RowID, p PeerID) uint32 {
	m := t.meta(r)
	if m.moas != 0 {
		cells := &t.moas[m.moas-1]
		if i, ok := cells.find(p); ok {
			return cells.cells[i].origin
		}
	}
	return m.origin
}

// setOrigin notes the origin of a cell whose announced bit is set; was says that it was set before, with some other origin.
func (t *Table) setOrigin(r RowID, p PeerID, origin uint32, was bool) (c Change) {
	m := t.meta(r)
	if m.moas == 0 {
		if m.origin == origin {
			return 0
		}
		if was {
			c = OriginChanged
		}
		if origin != 0 && t.announcers(r) == 1 {
			m.origin = origin
			return c | DominantOriginChanged
		}
		if n := len(t.spare); n > 0 {
			m.moas = t.spare[n-1]
			t.spare = t.spare[:n-1]
		} else {
			t.moas = append(t.moas, moas{})
			m.moas = uint32(len(t.moas))
		}
		t.moas[m.moas-1].row = r
	}
	l := &t.moas[m.moas-1]
	i, listed := l.find(p)
	if was {
		old := m.origin
		if listed {
			old = l.cells[i].origin
		}
		if old == origin {
			return 0
		}
		c = OriginChanged
	}
	switch {
	case origin == m.origin && listed:
		l.cells = slices.Delete(l.cells, i, i+1)
	case origin == m.origin:
	case listed:
		l.cells[i].origin = origin
	default:
		l.cells = slices.Insert(l.cells, i, cellOrigin{origin, p})
	}
	return c | t.elect(m.moas)
}

// clearOrigin forgets the origin of a cell whose announced bit was cleared.
func (t *Table) clearOrigin(r RowID, p PeerID) Change {
	n := t.meta(r).moas
	if n == 0 {
		return 0
	}
	l := &t.moas[n-1]
	if i, listed := l.find(p); listed {
		l.cells = slices.Delete(l.cells, i, i+1)
	}
	return t.elect(n)
}

// flushOrigins forgets the origins of a session whose announced bits were cleared.
func (t *Table) flushOrigins(p PeerID) {
	for i := range t.moas {
		l := &t.moas[i]
		if len(l.cells) == 0 { // spare
			continue
		}
		if j, listed := l.find(p); listed {
			l.cells = slices.Delete(l.cells, j, j+1)
		}
		t.elect(uint32(i + 1))
	}
}

// elect finds the dominant origin of a row with exceptions, and gives the entry back when there is none left. Origin 0 says
// nothing and is never elected; of challengers with equal counts the lowest number wins.
func (t *Table) elect(n uint32) Change {
	l := &t.moas[n-1]
	m := t.meta(l.row)
	if len(l.cells) == 0 {
		m.moas = 0
		l.cells = nil
		t.spare = append(t.spare, n)
		return 0
	}
	present := 0
	if m.origin != 0 {
		present = t.announcers(l.row) - len(l.cells)
	}
	if len(l.cells) <= present {
		return 0
	}
	t.origins = t.origins[:0]
	for _, c := range l.cells {
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
	t.eachKnown(l.row, func(p PeerID) {
		if pe := &t.peers[p]; t.quad(l.row, pe.word).announced&pe.bit == 0 {
			return
		}
		origin := old
		if i, listed := l.find(p); listed {
			origin = l.cells[i].origin
		}
		if origin != winner {
			t.cells = append(t.cells, cellOrigin{origin, p})
		}
	})
	slices.SortFunc(t.cells, func(a, b cellOrigin) int { return int(a.peer) - int(b.peer) })
	m.origin = winner
	l.cells = append(l.cells[:0], t.cells...)
	if len(l.cells) == 0 {
		m.moas = 0
		l.cells = nil
		t.spare = append(t.spare, n)
	}
	return DominantOriginChanged
}

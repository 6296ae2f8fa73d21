package visibility

import "slices"

// Most announced cells of a row agree with its origin. The others are listed in its extra.
type cellOrigin struct {
	origin uint32
	peer   PeerID
}

func (x *extra) find(p PeerID) (int, bool) {
	return slices.BinarySearchFunc(x.cells, p, func(c cellOrigin, p PeerID) int { return int(c.peer) - int(p) })
}

// Origin is the AS that most of the announcing ASes name as origin of the row, however many sessions each has; ties keep the present
// one. Once an origin is known, another takes its place only when two ASes name it: one session that claims what all others
// withdrew decides nothing. It outlives the last announcement; 0 when none was ever known.
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
		if origin != 0 && m.origin == 0 && announcers(q) == 1 {
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

// enoughToMove is how many ASes must name an origin before it takes the place of one that is known.
const enoughToMove = 2

// elect finds the dominant origin of a row with exceptions, and gives the extra back when it is not needed any more. Origin 0
// says nothing and is never elected; of challengers with equal counts the lowest number wins.
func (t *matrix) elect(x *extra) Change {
	m, q := t.row(x.row)
	if len(x.cells) == 0 {
		x.cells = nil
		t.tidyExtra(m)
		return 0
	}
	most := 0 // what a challenger must exceed
	if m.origin != 0 {
		if most = enoughToMove - 1; len(x.cells) <= most {
			return 0
		}
		named := 0
		for w := range q {
			named += pop(t.masks[w].anyOf(q[w].announced))
		}
		if 2*len(x.cells) <= named { // each exception stands for one AS at most, and takes one at most away
			return 0
		}
		most = max(most, t.namePresent(q, x))
	}
	winner := t.challenger(x, most)
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

// namePresent counts the ASes of which a session announces the row with its present origin.
func (t *matrix) namePresent(q []word, x *extra) (n int) {
	t.agree = t.agree[:0]
	for w := range q {
		t.agree = append(t.agree, q[w].announced)
	}
	for _, c := range x.cells {
		pe := &t.peers[c.peer]
		t.agree[pe.word] &^= pe.bit
	}
	for w, x := range t.agree {
		n += pop(t.masks[w].anyOf(x))
	}
	for _, gi := range t.wide {
		if slices.ContainsFunc(t.groups[gi].peers, func(p PeerID) bool { return t.agree[t.peers[p].word]&t.peers[p].bit != 0 }) {
			n++
		}
	}
	return n
}

// challenger is the origin that most ASes name among the exceptions, if more than most do; else 0.
func (t *matrix) challenger(x *extra, most int) (winner uint32) {
	t.names = t.names[:0]
	for _, c := range x.cells {
		if c.origin != 0 {
			t.names = append(t.names, uint64(c.origin)<<32|uint64(t.peers[c.peer].group))
		}
	}
	slices.Sort(t.names)
	t.names = slices.Compact(t.names)
	for i := 0; i < len(t.names); {
		j := i + 1
		for j < len(t.names) && t.names[j]>>32 == t.names[i]>>32 {
			j++
		}
		if j-i > most {
			winner, most = uint32(t.names[i]>>32), j-i
		}
		i = j
	}
	return winner
}

package visibility

// hops holds the AS paths of the watched rows. A path is its first AS and the rest, which is a path again, and each such pair is
// kept once: what the sessions know beyond their own neighbours they share. An id is an index into slabs; noPath says that
// nothing is known, emptyPath is the path without an AS. Two paths are the same when their ids are: the pairs are compared, the hash
// only finds where to look. It is not keyed; what an attacker can make collide is bounded by max.
type hops struct {
	slots    []uint32          // open addressing; 0 for empty
	slabs    []*[chunkRows]hop // never move
	next     uint32            // first id never used
	free     uint32            // chain of free ones through rest
	n, max   int
	rejected uint64
	buf      []uint32
}

// hop is the first AS of a path and the id of the rest. refs counts the cells and the longer paths that need it; 0 is free.
type hop struct {
	as, rest, refs uint32
}

const (
	noPath    = 0
	emptyPath = 1
)

func (s *hops) init(most int) {
	s.max = most
	s.slots = make([]uint32, 64)
	s.slabs = append(s.slabs, new([chunkRows]hop))
	s.next = emptyPath + 1
	s.buf = make([]uint32, 0, 16)
}

func (s *hops) bytes() int { return 4*len(s.slots) + 12*chunkRows*len(s.slabs) + 4*cap(s.buf) }

func (s *hops) at(id uint32) *hop { return &s.slabs[id>>chunkBits][id&chunkMask] }

// of is a path by its id; it is valid until the next call.
func (s *hops) of(id uint32) []uint32 {
	s.buf = s.buf[:0]
	for id != emptyPath {
		h := s.at(id)
		s.buf = append(s.buf, h.as)
		id = h.rest
	}
	return s.buf
}

func hashHop(as, rest uint32) uint32 {
	h := (uint64(as)<<32 | uint64(rest)) * 0x9E3779B97F4A7C15
	return uint32((h ^ h>>29) >> 8)
}

// slot is where a hop is, or where it would go.
func (s *hops) slot(as, rest uint32) uint32 {
	m := uint32(len(s.slots) - 1)
	for i := hashHop(as, rest) & m; ; i = (i + 1) & m {
		id := s.slots[i]
		if id == 0 {
			return i
		}
		if h := s.at(id); h.as == as && h.rest == rest {
			return i
		}
	}
}

// hold finds or keeps a path and counts one more reference to it. It returns noPath, and keeps nothing, beyond its bound.
func (s *hops) hold(path []uint32) uint32 {
	id := uint32(emptyPath)
	n := len(path)
	for ; n > 0; n-- {
		next := s.slots[s.slot(path[n-1], id)]
		if next == 0 {
			break
		}
		id = next
	}
	if s.n+n > s.max {
		s.rejected++
		return noPath
	}
	for ; n > 0; n-- {
		id = s.add(path[n-1], id)
	}
	if id != emptyPath {
		s.at(id).refs++
	}
	return id
}

// add makes a hop that nothing refers to yet.
func (s *hops) add(as, rest uint32) uint32 {
	if (s.n+1)*8 > len(s.slots)*7 {
		old := s.slots
		s.slots = make([]uint32, 2*len(old))
		for _, id := range old {
			if id != 0 {
				h := s.at(id)
				s.slots[s.slot(h.as, h.rest)] = id
			}
		}
	}
	id := s.free
	if id != 0 {
		s.free = s.at(id).rest
	} else {
		id = s.next
		s.next++
		if int(id)>>chunkBits == len(s.slabs) {
			s.slabs = append(s.slabs, new([chunkRows]hop))
		}
	}
	*s.at(id) = hop{as: as, rest: rest}
	s.slots[s.slot(as, rest)] = id
	s.n++
	if rest != emptyPath {
		s.at(rest).refs++
	}
	return id
}

// drop counts one reference less, and forgets what nothing refers to any more.
func (s *hops) drop(id uint32) {
	for id > emptyPath {
		h := s.at(id)
		if h.refs--; h.refs > 0 {
			return
		}
		s.remove(s.slot(h.as, h.rest))
		rest := h.rest
		*h = hop{rest: s.free}
		s.free = id
		s.n--
		id = rest
	}
}

func (s *hops) remove(hole uint32) {
	m := uint32(len(s.slots) - 1)
	for j := (hole + 1) & m; s.slots[j] != 0; j = (j + 1) & m {
		h := s.at(s.slots[j])
		home := hashHop(h.as, h.rest) & m
		if (j-home)&m >= (j-hole)&m { // it may move back without passing its home
			s.slots[hole] = s.slots[j]
			hole = j
		}
	}
	s.slots[hole] = 0
}

// is reports whether the id is that of the path.
func (s *hops) is(id uint32, path []uint32) bool {
	for _, as := range path {
		if id <= emptyPath {
			return false
		}
		h := s.at(id)
		if h.as != as {
			return false
		}
		id = h.rest
	}
	return id == emptyPath
}

// Watch begins to keep, or forgets, the AS paths of a row's cells: four bytes a cell, and each distinct tail of a path once.
// It does nothing for an unknown row.
func (t *matrix) Watch(r RowID, on bool) {
	if !t.has(r) {
		return
	}
	m := t.meta(r)
	if !on {
		if x := t.extraOf(m); x != nil && x.paths != nil {
			t.unwatch(x)
			t.tidyExtra(m)
		}
		return
	}
	if x := t.needExtra(r, m); x.paths == nil {
		x.paths = make([]uint32, max(1, len(t.peers)))
	}
}

// Watched reports whether the paths of a row are kept.
func (t *matrix) Watched(r RowID) bool {
	if !t.has(r) {
		return false
	}
	x := t.extraOf(t.meta(r))
	return x != nil && x.paths != nil
}

func (t *matrix) unwatch(x *extra) {
	t.forgetPaths(x)
	x.paths = nil
}

func (t *matrix) forgetPaths(x *extra) {
	for _, id := range x.paths {
		t.paths.drop(id)
	}
	clear(x.paths)
}

// SetPath notes the AS path that a session announced for a watched row, as the caller writes paths, and reports whether it is
// the one that was noted last: the session announces again what it announced before. Withdrawals and lost sessions do not
// forget it. It does nothing and reports false for a row that is not watched and for unknown ids; a path beyond Config.MaxHops
// is not kept and counted in Stats, and then the cell has no path.
func (t *matrix) SetPath(r RowID, p PeerID, path []uint32) (same bool) {
	if !t.has(r) || !t.hasPeer(p) {
		return false
	}
	x := t.extraOf(t.meta(r))
	if x == nil || x.paths == nil {
		return false
	}
	for int(p) >= len(x.paths) {
		x.paths = append(x.paths, 0)
	}
	old := x.paths[p]
	if t.paths.is(old, path) {
		return true
	}
	x.paths[p] = t.paths.hold(path)
	t.paths.drop(old)
	return false
}

// Path is the AS path noted last for a cell of a watched row, nil when there is none. It is valid until the next call
// of the table.
func (t *matrix) Path(r RowID, p PeerID) []uint32 {
	if !t.has(r) || !t.hasPeer(p) {
		return nil
	}
	return t.pathOf(t.meta(r), p)
}

func (t *matrix) pathOf(m *rowMeta, p PeerID) []uint32 {
	x := t.extraOf(m)
	if x == nil || int(p) >= len(x.paths) || x.paths[p] == noPath {
		return nil
	}
	return t.paths.of(x.paths[p])
}

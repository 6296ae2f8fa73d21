package visibility

import "github.com/corewatch/corewatch/bgp"

// record is the history of one cell that is new or changed lately. A cell without one is quiet: expected and announced for long,
// or never mentioned, or withdrawn for so long that the past does not count.
type record struct {
	row      RowID
	peer     PeerID
	gen      uint16     // the peer's generation in which the record was last brought up to date
	since    bgp.Micros // when the present state began
	carried  uint32     // ms announced within the window, up to since
	observed uint32     // ms known within the window, up to since
	due      uint32     // minute of its entry in the due queue, 0 for none; the flags are in the top bits
	flap     uint32     // its ring in flaps, 0 for none
}

const (
	recKnown     = 1 << 31
	recAnnounced = 1 << 30
	recMoved     = 1 << 29 // since is a transition between announced and withdrawn
	recSteady    = 1 << 28 // withdrawn, after Config.ExpectAfter or more of being announced without pause
	recFlags     = recKnown | recAnnounced | recMoved | recSteady
)

func (r *record) is(flag uint32) bool { return r.due&flag != 0 }
func (r *record) minute() int64       { return int64(r.due &^ recFlags) }

func (r *record) setMinute(m int64) { r.due = r.due&recFlags | uint32(m)&^recFlags }

func (r *record) enter(announced, moved bool, at bgp.Micros) {
	r.since = at
	r.due = r.due&^recFlags | recKnown
	if announced {
		r.due |= recAnnounced
	}
	if moved {
		r.due |= recMoved
	}
}

// leave is enter for a withdrawal; expectAfter is Config.ExpectAfter.
func (r *record) leave(moved bool, at, expectAfter bgp.Micros) {
	steady := r.is(recAnnounced) && at-r.since >= expectAfter
	r.enter(false, moved, at)
	if steady {
		r.due |= recSteady
	}
}

// records is an open-addressing hash from cell to record: slots hold indexes into slabs that never move, so growing copies eight
// bytes a record and a record's address is stable. Index 0 means none. The upper half of a slot is the hash of its cell: in a large
// table each record that is looked at is a wait for memory, and only the right one is worth it.
type records struct {
	slots []uint64
	slabs []*[chunkRows]record
	next  uint32 // first index never used
	free  uint32 // chain of freed records through due
	n     int
}

func (s *records) init() {
	s.slots = make([]uint64, 1024)
	s.next = 1
}

func (s *records) bytes() int { return 8*len(s.slots) + len(s.slabs)*chunkRows*32 }

func (s *records) at(i uint32) *record { return &s.slabs[i>>chunkBits][i&chunkMask] }

func cellHash(r RowID, p PeerID) uint32 {
	h := (uint64(r)<<16 | uint64(p)) * 0x9E3779B97F4A7C15
	return uint32(h ^ h>>32)
}

// slot is where the record of a cell is, or where it would go.
func (s *records) slot(r RowID, p PeerID) uint32 {
	m, h := uint32(len(s.slots)-1), cellHash(r, p)
	i := h & m
	for ; s.slots[i] != 0; i = (i + 1) & m {
		if x := s.slots[i]; uint32(x>>32) == h {
			if rec := s.at(uint32(x)); rec.row == r && rec.peer == p {
				break
			}
		}
	}
	return i
}

func (s *records) find(r RowID, p PeerID) uint32 { return uint32(s.slots[s.slot(r, p)]) }

func (s *records) add(r RowID, p PeerID) uint32 {
	if (s.n+1)*4 > len(s.slots)*3 {
		s.grow()
	}
	i := s.free
	if i != 0 {
		s.free = s.at(i).due
	} else {
		i = s.next
		s.next++
		if int(i)>>chunkBits == len(s.slabs) {
			s.slabs = append(s.slabs, new([chunkRows]record))
		}
	}
	*s.at(i) = record{row: r, peer: p}
	s.slots[s.slot(r, p)] = uint64(cellHash(r, p))<<32 | uint64(i)
	s.n++
	return i
}

func (s *records) grow() {
	old := s.slots
	s.slots = make([]uint64, 2*len(old))
	m := uint32(len(s.slots) - 1)
	for _, x := range old {
		if x == 0 {
			continue
		}
		i := uint32(x>>32) & m
		for s.slots[i] != 0 {
			i = (i + 1) & m
		}
		s.slots[i] = x
	}
}

func (s *records) remove(i uint32) {
	rec := s.at(i)
	m := uint32(len(s.slots) - 1)
	hole := s.slot(rec.row, rec.peer)
	for j := (hole + 1) & m; s.slots[j] != 0; j = (j + 1) & m {
		if home := uint32(s.slots[j] >> 32); (j-home)&m >= (j-hole)&m { // it may move back without passing its home
			s.slots[hole] = s.slots[j]
			hole = j
		}
	}
	s.slots[hole] = 0
	*rec = record{due: s.free, row: ^RowID(0)}
	s.free = i
	s.n--
}

// each visits the records in the order of their slabs; f may remove the one it is given.
func (s *records) each(f func(uint32, *record)) {
	for i := uint32(1); i < s.next; i++ {
		if rec := s.at(i); rec.row != ^RowID(0) {
			f(i, rec)
		}
	}
}

// record is the record of a cell, which recordOf gave as i, or a new one if that is none; nil when Config.MaxRecords forbids it.
func (t *matrix) record(i uint32, m *rowMeta, r RowID, p PeerID) (rec *record, made bool) {
	if i != 0 {
		rec = t.recs.at(i)
		t.settle(rec)
		return rec, false
	}
	if t.recs.n >= t.cfg.MaxRecords {
		t.recordsRejected++
		return nil, false
	}
	rec = t.recs.at(t.recs.add(r, p))
	rec.gen = t.peers[p].gen
	m.recs++
	return rec, true
}

// recordOf finds the record of a cell, or 0.
func (t *matrix) recordOf(m *rowMeta, r RowID, p PeerID) uint32 {
	if m.recs == 0 {
		return 0
	}
	return t.recs.find(r, p)
}

func (t *matrix) dropRecord(i uint32) {
	t.meta(t.recs.at(i).row).recs--
	t.flaps.release(t.recs.at(i).flap)
	t.recs.remove(i)
}

// settle ends the record's present state at the flush that ended it, if the session was flushed since.
func (t *matrix) settle(rec *record) {
	pe := &t.peers[rec.peer]
	if rec.gen == pe.gen {
		return
	}
	cut := pe.cutAt[rec.gen]
	rec.gen = pe.gen
	if !rec.is(recKnown) {
		return
	}
	if rec.is(recMoved) {
		t.rememberTransition(rec)
	}
	t.fold(rec, cut)
	rec.since = cut
	rec.due &^= recFlags
}

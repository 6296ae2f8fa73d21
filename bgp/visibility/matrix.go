package visibility

import "github.com/corewatch/corewatch/bgp"

// matrix is the cells of a Table: what each session says about each row, and the history of what changed lately. It knows
// rows by number only; their prefixes are the directory's.
type matrix struct {
	cfg      Config
	now      bgp.Micros
	learning bool

	chunks []*rows
	n      int // rows
	words  int // words per row
	dead   int // rows retired and not released

	// FlushPeer does not visit the rows. It notes the column here, and a row that was not looked at since loses the column when it
	// is looked at next. See catchUp.
	lost  [256]lostColumn
	seq   uint8 // where in lost the next column goes
	swept int   // the next row that a flush brings up to date

	peers   []peer
	vacant  []PeerID            // dropped, and free for another session
	byPeer  map[bgp.Peer]PeerID // look-ups only, never iterated
	byAS    map[uint32]int32    // look-ups only, never iterated
	groups  []group
	emptied []int32  // groups without a session
	columns []PeerID // column -> peer
	masks   []mask   // one per word
	wide    []int32  // groups with more than 64 sessions

	recs   records
	flaps  flaps
	due    dueQueue
	extras []extra
	spare  []uint32 // free entries of extras, plus one
	paths  hops

	names []uint64 // scratch of elect
	agree []uint64
	cells []cellOrigin

	peersRejected, recordsRejected uint64
}

// word is what 64 sessions say about one row. The words of a row lie side by side: a vote reads memory in one direction.
type word struct {
	known, announced, expected uint64
}

// rowMeta is what a row needs beside its words.
type rowMeta struct {
	origin uint32
	extra  uint32 // index into matrix.extras plus one; 0 for none
	born   uint32 // second in which the row was first heard of, or revived
	frozen uint16
	recs   uint16 // cells with a record
	seq    uint8  // the value of matrix.seq when the row was last brought up to date
	dead   bool   // retired
	free   bool   // released
	muted  bool   // some cell is muted
}

// rows holds chunkRows rows. Rows never move when the table grows, and growing never copies more than one chunk at a time.
type rows struct {
	words []word // chunkRows * matrix.words
	meta  [chunkRows]rowMeta
}

// lostColumn is a column all of whose cells became unknown at once.
type lostColumn struct {
	word int32
	bit  uint64
}

func (t *matrix) init(cfg Config) {
	t.cfg, t.now, t.words = cfg, -1, 1
	t.byPeer = make(map[bgp.Peer]PeerID)
	t.byAS = make(map[uint32]int32)
	t.grownWords()
	t.recs.init()
	t.paths.init(cfg.MaxHops)
	t.flaps.stride = cfg.FlapTransitions + 2
}

// addRow makes a row with no cells, or a released one new again.
func (t *matrix) addRow(r RowID) {
	if int(r) < t.n {
		*t.meta(r) = rowMeta{seq: t.seq}
		return
	}
	if t.n>>chunkBits == len(t.chunks) {
		t.chunks = append(t.chunks, &rows{words: make([]word, chunkRows*t.words)})
	}
	t.n++
	t.meta(r).seq = t.seq
}

func (t *matrix) has(r RowID) bool { return int(r) < t.n && !t.meta(r).free }

func (t *matrix) meta(r RowID) *rowMeta { return &t.chunks[r>>chunkBits].meta[r&chunkMask] }

// row is the only way to a row's words: it brings them up to date first.
func (t *matrix) row(r RowID) (*rowMeta, []word) {
	c, i := t.chunks[r>>chunkBits], int(r&chunkMask)
	m, q := &c.meta[i], c.words[i*t.words:(i+1)*t.words]
	if m.seq != t.seq {
		t.catchUp(m, q)
	}
	return m, q
}

// catchUp takes the columns that were lost since the row was last looked at out of it. sweep keeps every row within 255 of them.
func (t *matrix) catchUp(m *rowMeta, q []word) {
	for ; m.seq != t.seq; m.seq++ {
		l := &t.lost[m.seq]
		q[l.word].known &^= l.bit
		q[l.word].announced &^= l.bit
	}
}

// loseColumn makes all cells of a session unknown.
func (t *matrix) loseColumn(pe *peer) {
	t.lost[t.seq] = lostColumn{pe.word, pe.bit}
	t.seq++
	if t.n == 0 {
		return
	}
	for range t.n/100 + 1 { // so that all rows are visited twice before seq comes round
		if t.swept >= t.n {
			t.swept = 0
		}
		t.row(RowID(t.swept))
		t.swept++
	}
}

// addWord lays every row out anew with one more word.
func (t *matrix) addWord() {
	old := t.words
	t.words++
	t.grownWords()
	for _, c := range t.chunks {
		words := make([]word, chunkRows*t.words)
		for i := range chunkRows {
			copy(words[i*t.words:], c.words[i*old:(i+1)*old])
		}
		c.words = words
	}
}

func (t *matrix) bytes() int {
	n := len(t.chunks)*chunkRows*(24*t.words+20) + t.recs.bytes() + 4*cap(t.flaps.times) + t.due.bytes() + t.paths.bytes() + cap(t.extras)*80
	for i := range t.extras {
		x := &t.extras[i]
		n += 8*cap(x.cells) + 8*cap(x.muted) + 4*cap(x.paths)
	}
	return n
}

func (t *matrix) stats() Stats {
	s := Stats{
		Retired: t.dead, Peers: len(t.peers) - len(t.vacant), Records: t.recs.n, Flapping: t.flaps.n, Hops: t.paths.n, Due: t.due.n,
		PeersRejected: t.peersRejected, RecordsRejected: t.recordsRejected, PathsRejected: t.paths.rejected, Bytes: t.bytes(),
	}
	for i := range t.extras {
		if len(t.extras[i].cells) > 0 {
			s.MultiOrigin++
		}
		if t.extras[i].paths != nil {
			s.Watched++
		}
	}
	return s
}

// Now is the latest time the table has been told.
func (t *matrix) Now() bgp.Micros { return max(t.now, 0) }

// lastTime is the last instant the due queue can express, in the year 2480; later times count as it.
const lastTime = (1<<28 - 1 - horizon) * minute

func (t *matrix) advance(at bgp.Micros) bgp.Micros {
	if at = min(max(at, 0), lastTime); at > t.now {
		t.now = at
		t.due.start(at)
	}
	return t.now
}

// retire forgets the cells of a row; false when it is retired already, announced or frozen.
func (t *matrix) retire(r RowID) bool {
	m, q := t.row(r)
	if m.dead || m.frozen > 0 || announcers(q) != 0 {
		return false
	}
	t.eachKnown(q, func(p PeerID) { t.peers[p].count.Known-- })
	for p := 0; m.recs > 0 && p < len(t.peers); p++ {
		if i := t.recs.find(r, PeerID(p)); i != 0 {
			t.dropRecord(i)
		}
	}
	clear(q)
	if x := t.extraOf(m); x != nil {
		x.cells, x.muted = nil, nil
		m.muted = false
		t.forgetPaths(x)
		t.tidyExtra(m)
	}
	m.dead = true
	t.dead++
	return true
}

// Retired reports whether the row is retired (or unknown).
func (t *matrix) Retired(r RowID) bool { return !t.has(r) || t.meta(r).dead }

// release empties a row for another prefix; false when it is not retired, or frozen.
func (t *matrix) release(r RowID) bool {
	m, _ := t.row(r)
	if !m.dead || m.frozen > 0 {
		return false
	}
	if x := t.extraOf(m); x != nil {
		t.unwatch(x)
		t.tidyExtra(m)
	}
	*m = rowMeta{seq: t.seq, dead: true, free: true}
	t.dead--
	return true
}

// Package visibility keeps who sees which prefix: one row per prefix, one column per BGP session, a few bits per cell, and beside
// them a small record for the few cells that are new or changed lately. It answers, for one prefix and in a few hundred
// nanoseconds, how many of the networks expected to carry it have withdrawn it.
//
// A cell is unknown, announced or withdrawn. Unknown is never down: it comes from silence, from a lost session, from a table
// that is being re-sent. Whether a cell is expected is decided by the share of the time it was announced (Config.ExpectShare);
// see Tick for how that ages, and Vote for how cells become votes of networks.
package visibility

import "github.com/corewatch/corewatch/bgp"

// RowID numbers the prefixes of a Table densely from 0 in the order of Intern. It is never reused.
type RowID uint32

// PeerID numbers the sessions of a Table densely from 0 in the order of their first Peer call. It is never reused.
type PeerID uint16

// Table is the visibility of one address family.
//
// It is not safe for concurrent use, reading included: Origin and Vote may be called only by the goroutine that also writes, or
// under the same lock. It starts no goroutine and reads no clock: time comes in as a parameter and never goes back; an earlier
// time is taken as the latest seen. The same calls in the same order give the same answers. A RowID or PeerID the table did
// not hand out is ignored, and reads as unknown.
type Table struct {
	cfg  Config
	unit uint8 // prefix length of one unit: 24 or 48
	now  bgp.Micros

	learning bool

	chunks []*chunk
	rows   int
	words  int // bitset words per row and plane
	index  []uint32

	root     uint32
	branches []*[chunkRows]node
	nbranch  uint32
	freed    uint32 // chain of free branches through kid[0]
	path     []uint32

	peers   []peer
	byPeer  map[bgp.Peer]PeerID // look-ups only, never iterated
	byAS    map[uint32]int32    // look-ups only, never iterated
	groups  []group
	columns []PeerID // column -> peer
	masks   []mask   // one per word
	wide    []int32  // groups with more than 64 sessions

	recs  records
	flaps flaps
	due   dueQueue
	moas  []moas
	spare []uint32 // free entries of moas, plus one

	origins []uint32 // scratch of elect
	cells   []cellOrigin

	stats Stats
}

// Stats counts what the table refused and what it holds beside the bit planes.
type Stats struct {
	Rows, Retired, Peers int
	Records              int    // cells with a sparse record
	Flapping             int    // cells with more than one transition in Config.FlapWindow being watched
	MultiOrigin          int    // rows whose announced cells disagree on the origin
	RowsRejected         uint64 // ErrRows
	PeersRejected        uint64 // ErrPeers
	FamilyRejected       uint64 // ErrFamily
	RecordsRejected      uint64 // records not made because of Config.MaxRecords: such a cell keeps the expectation it has
	Bytes                int    // heap held by the table, estimated from its own allocations
}

// New makes an empty table.
func New(cfg Config) *Table {
	cfg = cfg.withDefaults()
	t := &Table{
		cfg:    cfg,
		unit:   24,
		now:    -1,
		words:  1,
		index:  make([]uint32, 1024),
		byPeer: make(map[bgp.Peer]PeerID),
		byAS:   make(map[uint32]int32),
	}
	if cfg.V6 {
		t.unit = 48
	}
	t.grownWords()
	t.recs.init()
	t.flaps.stride = cfg.FlapTransitions + 2
	return t
}

// Now is the latest time the table has been told.
func (t *Table) Now() bgp.Micros { return max(t.now, 0) }

// lastTime is the last instant the due queue can express, in the year 2990; later times count as it.
const lastTime = (1<<29 - 1 - horizon) * minute

func (t *Table) advance(at bgp.Micros) bgp.Micros {
	if at = min(max(at, 0), lastTime); at > t.now {
		t.now = at
		t.due.start(at)
	}
	return t.now
}

// Stats reports the counters of the whole table. It visits every chunk, so it is for a metrics scrape, not for every update.
func (t *Table) Stats() Stats {
	s := t.stats
	s.Rows, s.Peers = t.rows, len(t.peers)
	s.Records = t.recs.n
	s.Flapping = t.flaps.n
	s.MultiOrigin = len(t.moas) - len(t.spare)
	perRow := 32*t.words + 16 + 12 + 4
	if t.cfg.V6 {
		perRow += 12
	}
	s.Bytes = len(t.chunks)*chunkRows*perRow + 4*len(t.index) + len(t.branches)*chunkRows*16 +
		t.recs.bytes() + 4*cap(t.flaps.times) + t.due.bytes() + cap(t.moas)*32
	for i := range t.moas {
		s.Bytes += 8 * cap(t.moas[i].cells)
	}
	return s
}

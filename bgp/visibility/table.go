// Package visibility keeps who sees which prefix: one row per prefix, one column per BGP session, a few bits per cell, and beside
// them a small record for the few cells that are new or changed lately. It answers, for one prefix and in a few hundred
// nanoseconds, how many of the networks expected to carry it have withdrawn it.
//
// A cell is unknown, announced or withdrawn. Unknown is never down: it comes from silence, from a lost session, from a table
// that is being re-sent. Whether a cell is expected is decided by the share of the time it was announced (Config.ExpectShare);
// see Tick for how that ages, and Vote for how cells become votes of networks.
package visibility

import "github.com/corewatch/corewatch/bgp"

// RowID numbers the prefixes of a Table densely from 0 in the order of Intern. An id is given to another prefix only after Release.
type RowID uint32

// PeerID numbers the sessions of a Table densely from 0 in the order of their first Peer call. An id is given to another session
// only after DropPeer.
type PeerID uint16

// Table is the visibility of one address family.
//
// It is not safe for concurrent use, reading included: a reader brings the row it looks at up to date, so Origin, Vote and the
// others may be called only by the goroutine that also writes, or under the same lock. It starts no goroutine and reads no clock: time
// comes in as a parameter and never goes back; an earlier time is taken as the latest seen, and an update that is ignored still
// tells the time. The same calls in the same order give the same answers. A RowID or PeerID the table did not hand out, or that was
// given back, is ignored and reads as unknown.
type Table struct {
	directory
	matrix
}

// Stats counts what the table refused and what it holds beside the bit planes.
type Stats struct {
	Rows, Retired, Peers int    // Rows are the live and the retired; released rows and dropped peers are not counted
	Records              int    // cells with a sparse record
	Flapping             int    // cells with more than one transition in Config.FlapWindow being watched
	MultiOrigin          int    // rows whose announced cells disagree on the origin
	Watched              int    // rows whose paths are kept
	Hops                 int    // distinct tails of the AS paths kept
	Due                  int    // entries of the queue of cells that time may change
	TrieNodes            int    // rows and forks in the tree of prefixes
	PathsRejected        uint64 // paths not kept because of Config.MaxHops
	RowsRejected         uint64 // ErrRows
	PeersRejected        uint64 // ErrPeers
	FamilyRejected       uint64 // ErrFamily
	RecordsRejected      uint64 // records not made because of Config.MaxRecords: such a cell keeps the expectation it has
	Bytes                int    // heap held by the table, estimated from its own allocations
}

// New makes an empty table.
func New(cfg Config) *Table {
	cfg = cfg.withDefaults()
	t := &Table{}
	t.directory.init(&cfg)
	t.matrix.init(cfg)
	return t
}

// Intern finds or makes the row of a prefix. A new row is live: it takes its units from its parent. A retired row is returned
// as it is; only an announcement revives it.
func (t *Table) Intern(p bgp.Prefix) (RowID, error) {
	r, made, err := t.enter(p)
	if made {
		t.addRow(r)
		t.setLive(r, true)
	}
	return r, err
}

// Announce applies an announcement. A cell first heard of this way is expected only once Tick finds that it lasts, unless its
// session was presumed to carry the row, and the row has been known for Config.ExpectAfter or SetLearning is on: then the announcement is a change
// of path, most likely the first sign of a loss, and not a new route.
func (t *Table) Announce(r RowID, p PeerID, origin uint32, at bgp.Micros) Change {
	c := t.applyAnnounce(r, p, origin, at)
	if c&Revived != 0 {
		t.revive(r)
	}
	return c
}

// Withdraw applies a withdrawal. A session withdraws only what it had: when it is the first thing heard about the cell, the cell
// counts as carried since the session came up, unless the session is known to withdraw what it has not got.
func (t *Table) Withdraw(r RowID, p PeerID, at bgp.Micros) Change { return t.applyWithdraw(r, p, at) }

// Retire takes a row out: its units return to its parent, its cells are forgotten, Vote gives zeros and iteration skips it. It
// reports false, and does nothing, for a row that is retired already, that a peer announces, or that is frozen.
// The next announcement of the prefix revives the row, unless it was released before.
func (t *Table) Retire(r RowID) bool {
	if !t.has(r) || !t.retire(r) {
		return false
	}
	t.descend(r)
	t.setLive(r, false)
	return true
}

// Weigh says whether a live row takes units from the rows around it, as it does unless told otherwise. One that does not has none of its
// own; it votes, and covers others, as before. Reviving a row makes it weigh.
func (t *Table) Weigh(r RowID, on bool) {
	if !t.has(r) {
		return
	}
	if nd := t.node(uint32(r) + 1); nd.live && nd.light == on {
		t.descend(r)
		t.set(r, true, !on)
	}
}

// Release forgets a retired row and its prefix, so that its id is given to another prefix that Intern meets later. The caller must
// hold the id nowhere. It reports false, and does nothing, for a row that is not retired, or frozen.
func (t *Table) Release(r RowID) bool {
	if !t.has(r) || !t.release(r) {
		return false
	}
	t.remove(r)
	return true
}

// Stats reports the counters of the whole table. It is for a metrics scrape, not for every update.
func (t *Table) Stats() Stats {
	s := t.matrix.stats()
	t.directory.stats(&s)
	return s
}

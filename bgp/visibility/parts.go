package visibility

import (
	"iter"
	"slices"

	"github.com/corewatch/corewatch/bgp"
)

// The calls that concern one row go to its part; those that concern a session go to all.

// Peer finds or makes the column of a session. since is when the session came up, as far as known: a cell expected without a
// record of its own is taken as carried from then on. It is ignored for a session the table knows.
// A new session votes and is neither full-feed nor presumed to carry what it has not mentioned.
func (t *Table) Peer(p bgp.Peer, since bgp.Micros) (id PeerID, err error) {
	for _, m := range t.parts {
		if id, err = m.peer(p, since); err != nil {
			return 0, err
		}
	}
	for len(t.sessions) <= int(id) {
		t.sessions = append(t.sessions, session{})
	}
	return id, nil
}

// Peers is one more than the highest PeerID given out so far, dropped sessions included.
func (t *Table) Peers() int { return len(t.parts[0].peers) }

// PeerName is the session of a column, or the zero value.
func (t *Table) PeerName(p PeerID) bgp.Peer {
	if m := t.parts[0]; m.hasPeer(p) {
		return m.peers[p].name
	}
	return bgp.Peer{}
}

// Counters is a session's numbers.
func (t *Table) Counters(p PeerID) (sum Counters) {
	if !t.parts[0].hasPeer(p) {
		return Counters{}
	}
	for _, m := range t.parts {
		c := &m.peers[p].count
		sum.Known += c.Known
		sum.Announced += c.Announced
		sum.Announcements += c.Announcements
		sum.DuplicateAnnouncements += c.DuplicateAnnouncements
		sum.Withdrawals += c.Withdrawals
		sum.DuplicateWithdrawals += c.DuplicateWithdrawals
		sum.Seeds += c.Seeds
		sum.Flushes = c.Flushes // all are told of each
	}
	return sum
}

// SetVoting says whether the session's cells vote: false while it is stale, mass-withdrawing, resynchronising.
func (t *Table) SetVoting(p PeerID, on bool) {
	for _, m := range t.parts {
		m.setFlag(p, on, func(k *mask) *uint64 { return &k.voting })
	}
}

// SetFullFeed says whether the session sends a full table. Together with SetPresume it makes silence mean "carries it".
func (t *Table) SetFullFeed(p PeerID, on bool) {
	for _, m := range t.parts {
		m.setFlag(p, on, func(k *mask) *uint64 { return &k.full })
	}
}

// SetPresume allows or forbids presuming that a full-feed session carries what it has not mentioned. What is presumed depends on
// what the table was told, so that a RIB, presumption and a flush go together:
//
//   - A session never seeded from a RIB is presumed to carry every row it is silent about.
//   - A seeded session is presumed to carry only what it is expected to: silence about anything else means that its RIB had not got it.
//   - After FlushPeer every cell is silent again. While the session re-sends its table, forbid presumption, or the votes say
//     that all is well before anything was heard; allow it once most of the table is back. A session that has re-sent
//     all of its table and not mentioned a row has lost it: leave presumption off for such a session, or seed it from a new RIB.
func (t *Table) SetPresume(p PeerID, on bool) {
	for _, m := range t.parts {
		m.setFlag(p, on, func(k *mask) *uint64 { return &k.presume })
	}
}

// SetLearning says that the feed is young and began without a RIB: nearly every row that is mentioned for the first time existed
// before, so that a presumed cell's first announcement is a change of path whatever the age of its row.
func (t *Table) SetLearning(on bool) {
	for _, m := range t.parts {
		m.learning = on
	}
}

// FlushPeer makes every cell of the session unknown at once: it is lost, or what it said is no longer believed. What it was
// expected to carry stays, and time until a cell is seen again counts neither for nor against it. Rows are not reported; see
// RowsOf. A session is up again with the next thing heard from it.
func (t *Table) FlushPeer(p PeerID, at bgp.Micros) {
	if !t.parts[0].hasPeer(p) {
		return
	}
	at = t.tell(at)
	for _, m := range t.parts {
		m.flushPeer(p, at)
	}
	t.sessions[p].away = true
}

// ForgetWithdrawn makes every withdrawn cell of a session unknown: what it withdrew while it was not believed is taken back
// when it is believed again. What the cells are expected to be, and their carried time, stay as they are.
func (t *Table) ForgetWithdrawn(p PeerID, at bgp.Micros) {
	if !t.parts[0].hasPeer(p) {
		return
	}
	at = t.tell(at)
	for _, m := range t.parts {
		m.forgetWithdrawn(p, at)
	}
}

// DropPeer forgets a session and everything it said, as if it had never been: its column and its id are given to a session that
// Peer makes later. The votes of any row may change. It visits every row and every record.
func (t *Table) DropPeer(p PeerID) {
	if !t.parts[0].hasPeer(p) {
		return
	}
	for _, m := range t.parts {
		m.dropPeer(p)
	}
	t.sessions[p] = session{}
}

// RowsOf iterates the rows whose cell the session has told, in row order; the value is whether it announces the row (else it
// withdrew it). Retired rows are left out. Calls that write to the table are not allowed while iterating.
func (t *Table) RowsOf(p PeerID) iter.Seq2[RowID, bool] {
	return func(yield func(RowID, bool) bool) {
		if !t.parts[0].hasPeer(p) {
			return
		}
		for r := range RowID(t.rows) {
			m, local := t.part(r)
			pe := &m.peers[p]
			_, words := m.row(local)
			if q := &words[pe.word]; q.known&pe.bit != 0 && !yield(r, q.announced&pe.bit != 0) {
				return
			}
		}
	}
}

// Now is the latest time the table has been told.
func (t *Table) Now() bgp.Micros { return max(t.now, 0) }

// Tick moves time on and does, once for every whole minute that has passed, what time alone does: cells become expected, stop
// being expected, are heard again after flapping, and records that say nothing any more are dropped. changed, which may be
// nil, is called for every row whose vote may have changed, possibly more than once, and must not write to the table. It is called when
// all is done, in the order of the rows; in a table of one part meanwhile, in an order that is always the same.
//
// A cell known for at least Config.ExpectAfter is expected while its share is at least Config.ExpectShare, and when it has been
// announced for Config.ExpectAfter without pause, whatever was before, until it has been withdrawn for as long; the change is seen at
// most one minute after, and of a withdrawn cell when it has been so for Config.ExpectAfter. A cell withdrawn without pause for Config.Window is forgotten: what is announced
// after that is learned anew. Rows that are frozen keep what they expect, see Freeze.
func (t *Table) Tick(now bgp.Micros, changed func(RowID)) {
	now = t.tell(now)
	if len(t.parts) == 1 {
		t.parts[0].tick(now, changed)
		return
	}
	if now/minute <= bgp.Micros(t.parts[0].due.at) {
		return // nothing is due within a minute
	}
	t.share(len(t.parts), func(i int) {
		m := t.parts[i]
		m.aged = m.aged[:0]
		m.tick(now, func(local RowID) { m.aged = append(m.aged, local<<t.partBits|RowID(i)) })
	})
	if changed == nil {
		return
	}
	rows := t.batch.aged[:0]
	for _, m := range t.parts {
		rows = append(rows, m.aged...)
	}
	slices.Sort(rows)
	t.batch.aged = rows
	for _, r := range slices.Compact(rows) {
		changed(r)
	}
}

// Freeze adds n to the row's freeze count, which never falls below 0. While it is above 0 time does not change what is expected
// of the row, so that an outage under observation keeps its baseline. What was held back is judged at the first whole
// minute after the count returns to 0.
func (t *Table) Freeze(r RowID, n int) {
	if m, local := t.part(r); m.has(local) {
		m.now = t.now
		m.freeze(local, n)
	}
}

// Frozen is the row's freeze count.
func (t *Table) Frozen(r RowID) int {
	m, local := t.part(r)
	if !m.has(local) {
		return 0
	}
	return int(m.meta(local).frozen)
}

// Retired reports whether the row is retired (or unknown).
func (t *Table) Retired(r RowID) bool {
	m, local := t.part(r)
	return !m.has(local) || m.meta(local).dead
}

// Vote counts the networks' votes on a row; zeros for a retired or unknown row.
func (t *Table) Vote(r RowID) Vote {
	m, local := t.part(r)
	return m.vote(local)
}

// Undisputed reports, in a fraction of the time of Vote, a row of which Vote would say that nobody withdrew it and that at least so many
// are expected to carry it. False says nothing: ask Vote.
func (t *Table) Undisputed(r RowID, least int) bool {
	m, local := t.part(r)
	return m.undisputed(local, least)
}

// Known reports whether a cell is announced or withdrawn.
func (t *Table) Known(r RowID, p PeerID) bool {
	m, local := t.part(r)
	return m.has(local) && m.hasPeer(p) && m.known(local, p)
}

// Cell reads one cell.
func (t *Table) Cell(r RowID, p PeerID) CellState {
	m, local := t.part(r)
	if !m.has(local) || !m.hasPeer(p) {
		return CellState{}
	}
	return m.cell(local, p)
}

// Origin is the AS that most of the announcing ASes name as origin of the row, however many sessions each has; ties keep the present
// one. Once an origin is known, another takes its place only when two ASes name it: one session that claims what all others
// withdrew decides nothing. It outlives the last announcement; 0 when none was ever known.
func (t *Table) Origin(r RowID) uint32 {
	m, local := t.part(r)
	if !m.has(local) {
		return 0
	}
	return m.meta(local).origin
}

// OriginNow appends the origins announced at present, each once, ascending, without 0 (unknown).
func (t *Table) OriginNow(r RowID, dst []uint32) []uint32 {
	m, local := t.part(r)
	if !m.has(local) {
		return dst
	}
	return m.originNow(local, dst)
}

// Announced iterates the announced cells of a row. The order is that of the columns: sessions of one AS are neighbours, and the
// same calls before give the same order. Calls that write to the table are not allowed while iterating.
func (t *Table) Announced(r RowID) iter.Seq[Route] {
	m, local := t.part(r)
	return m.routes(local)
}

// Watch begins to keep, or forgets, the AS paths of a row's cells: four bytes a cell, and each distinct tail of a path once.
// It does nothing for an unknown row.
func (t *Table) Watch(r RowID, on bool) {
	if m, local := t.part(r); m.has(local) {
		m.watch(local, on)
	}
}

// Watched reports whether the paths of a row are kept.
func (t *Table) Watched(r RowID) bool {
	m, local := t.part(r)
	if !m.has(local) {
		return false
	}
	x := m.extraOf(m.meta(local))
	return x != nil && x.paths != nil
}

// SetPath notes the AS path that a session announced for a watched row, as the caller writes paths, and reports whether it is
// the one that was noted last: the session announces again what it announced before. Withdrawals and lost sessions do not
// forget it. It does nothing and reports false for a row that is not watched and for unknown ids; a path beyond Config.MaxHops
// is not kept and counted in Stats, and then the cell has no path.
func (t *Table) SetPath(r RowID, p PeerID, path []uint32) (same bool) {
	m, local := t.part(r)
	return m.has(local) && m.hasPeer(p) && m.setPath(local, p, path)
}

// Path is the AS path noted last for a cell of a watched row, nil when there is none. It is valid until the next call
// of the table.
func (t *Table) Path(r RowID, p PeerID) []uint32 {
	m, local := t.part(r)
	if !m.has(local) || !m.hasPeer(p) {
		return nil
	}
	return m.pathOf(m.meta(local), p)
}

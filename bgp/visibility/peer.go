package visibility

import (
	"iter"
	"math/bits"

	"github.com/corewatch/corewatch/bgp"
)

// Counters are one session's numbers. Known and Announced are states; the others count what was applied since the beginning.
type Counters struct {
	Known                  int    // cells that are announced or withdrawn
	Announced              int    // cells announced now
	Announcements          uint64 // Announce calls
	DuplicateAnnouncements uint64 // of them, for an announced cell with the same origin
	Withdrawals            uint64 // Withdraw calls
	DuplicateWithdrawals   uint64 // of them, for a cell already withdrawn
	Seeds                  uint64 // Seed calls
	Flushes                uint64 // FlushPeer calls that found the session up
}

// peer is one session.
type peer struct {
	name  bgp.Peer
	word  int
	bit   uint64
	group int32

	away   bool
	upAt   bgp.Micros   // when it came up last
	upFor  bgp.Micros   // time up before that
	gen    uint16       // flushes so far, as records see them
	cutAt  []bgp.Micros // when each generation ended
	count  Counters
	seeded bool
}

// maxGenerations bounds cutAt; beyond it the records of the column are brought up to date in one sweep and counting starts again.
const maxGenerations = 1 << 12

// Peer finds or makes the column of a session. since is when the session came up, as far as known: a cell expected without a
// record of its own is taken as carried from then on. It is ignored for a session the table knows.
// A new session votes and is neither full-feed nor presumed to carry what it has not mentioned.
func (t *Table) Peer(p bgp.Peer, since bgp.Micros) (PeerID, error) {
	if id, ok := t.byPeer[p]; ok {
		return id, nil
	}
	if len(t.peers) >= t.cfg.MaxPeers {
		t.stats.PeersRejected++
		return 0, ErrPeers
	}
	id := PeerID(len(t.peers))
	t.peers = append(t.peers, peer{name: p, upAt: min(max(since, -lastTime), lastTime)})
	t.byPeer[p] = id
	t.addColumn(id)
	t.SetVoting(id, true)
	return id, nil
}

// Peers is how many sessions have a column: ids run from 0 to Peers()-1.
func (t *Table) Peers() int { return len(t.peers) }

// PeerName is the session of a column, or the zero value.
func (t *Table) PeerName(p PeerID) bgp.Peer {
	if int(p) >= len(t.peers) {
		return bgp.Peer{}
	}
	return t.peers[p].name
}

// Counters is a session's numbers.
func (t *Table) Counters(p PeerID) Counters {
	if int(p) >= len(t.peers) {
		return Counters{}
	}
	return t.peers[p].count
}

// upTime is how long the session has been up in all.
func (p *peer) upTime(at bgp.Micros) bgp.Micros {
	if p.away {
		return p.upFor
	}
	return p.upFor + max(0, at-p.upAt)
}

func (p *peer) heard(at bgp.Micros) {
	if p.away {
		p.away, p.upAt = false, at
	}
}

// duplicates reports a session that withdraws what it has not got, so that a first-heard withdrawal from it proves nothing.
func (t *Table) duplicates(p *peer) bool {
	return p.count.Withdrawals >= t.cfg.DuplicateMin &&
		float64(p.count.DuplicateWithdrawals) > t.cfg.DuplicateShare*float64(p.count.Withdrawals)
}

// SetVoting says whether the session's cells vote: false while it is stale, mass-withdrawing, resynchronising.
func (t *Table) SetVoting(p PeerID, on bool) {
	t.setFlag(p, on, func(m *mask) *uint64 { return &m.voting })
}

// SetFullFeed says whether the session sends a full table. Together with SetPresume it makes silence mean "carries it".
func (t *Table) SetFullFeed(p PeerID, on bool) {
	t.setFlag(p, on, func(m *mask) *uint64 { return &m.full })
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
	t.setFlag(p, on, func(m *mask) *uint64 { return &m.presume })
}

func (t *Table) setFlag(p PeerID, on bool, field func(*mask) *uint64) {
	if int(p) >= len(t.peers) {
		return
	}
	pe := &t.peers[p]
	f := field(&t.masks[pe.word])
	if on {
		*f |= pe.bit
	} else {
		*f &^= pe.bit
	}
}

// FlushPeer makes every cell of the session unknown at once: it is lost, or what it said is no longer believed. What it was
// expected to carry stays, and time until a cell is seen again counts neither for nor against it. Rows are not reported; see
// RowsOf. A session is up again with the next thing heard from it.
func (t *Table) FlushPeer(p PeerID, at bgp.Micros) {
	if int(p) >= len(t.peers) {
		return
	}
	at = t.advance(at)
	pe := &t.peers[p]
	if pe.away {
		return
	}
	pe.upFor = pe.upTime(at)
	pe.away = true
	pe.count.Flushes++
	clearBits := ^pe.bit
	for _, c := range t.chunks {
		for i := 2 * pe.word; i < len(c.quads); i += 2 * t.words {
			pair := (*[2]quad)(c.quads[i:])
			if (pair[0].known|pair[1].known)&pe.bit == 0 {
				continue // do not dirty the cache line
			}
			pair[0].known &= clearBits
			pair[0].announced &= clearBits
			pair[1].known &= clearBits
			pair[1].announced &= clearBits
		}
	}
	pe.count.Known, pe.count.Announced = 0, 0
	t.flushOrigins(p)

	pe.cutAt = append(pe.cutAt, at)
	pe.gen++
	if pe.gen == maxGenerations {
		t.recs.each(func(rec *record) {
			if rec.peer == p {
				t.settle(rec)
				rec.gen = 0
			}
		})
		pe.gen, pe.cutAt = 0, pe.cutAt[:0]
	}
}

// RowsOf iterates the rows whose cell the session has told, in row order; the value is whether it announces the row (else it
// withdrew it). Retired rows are left out. Calls that write to the table are not allowed while iterating.
func (t *Table) RowsOf(p PeerID) iter.Seq2[RowID, bool] {
	return func(yield func(RowID, bool) bool) {
		if int(p) >= len(t.peers) {
			return
		}
		pe := &t.peers[p]
		for r := range t.rows {
			if q := t.quad(RowID(r), pe.word); q.known&pe.bit != 0 && !yield(RowID(r), q.announced&pe.bit != 0) {
				return
			}
		}
	}
}

// eachKnown calls f for every known cell of a row, in column order.
func (t *Table) eachKnown(r RowID, f func(PeerID)) {
	for w := range t.words {
		for k := t.quad(r, w).known; k != 0; k &= k - 1 {
			f(t.columns[w*64+bits.TrailingZeros64(k)])
		}
	}
}

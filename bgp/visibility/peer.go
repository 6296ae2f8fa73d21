package visibility

import "github.com/corewatch/corewatch/bgp"

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

// peer is one session. What most updates need comes first, in one cache line.
type peer struct {
	bit    uint64
	word   int32
	gen    uint16 // flushes so far, as records see them
	gone   bool   // dropped
	away   bool
	seeded bool
	count  Counters

	name  bgp.Peer
	upAt  bgp.Micros   // when it came up last
	upFor bgp.Micros   // time up before that
	cutAt []bgp.Micros // when each generation ended
	group int32
	_     int64 // to three cache lines
}

// maxGenerations bounds cutAt; beyond it the records of the column are brought up to date in one sweep and counting starts again.
const maxGenerations = 1 << 12

// Peer finds or makes the column of a session. since is when the session came up, as far as known: a cell expected without a
// record of its own is taken as carried from then on. It is ignored for a session the table knows.
// A new session votes and is neither full-feed nor presumed to carry what it has not mentioned.
func (t *matrix) Peer(p bgp.Peer, since bgp.Micros) (PeerID, error) {
	if id, ok := t.byPeer[p]; ok {
		return id, nil
	}
	if len(t.peers)-len(t.vacant) >= t.cfg.MaxPeers {
		t.peersRejected++
		return 0, ErrPeers
	}
	id := PeerID(len(t.peers))
	if n := len(t.vacant); n > 0 {
		id = t.vacant[n-1]
		t.vacant = t.vacant[:n-1]
	} else {
		t.peers = append(t.peers, peer{})
	}
	t.peers[id] = peer{name: p, upAt: min(max(since, -lastTime), lastTime)}
	t.byPeer[p] = id
	t.addColumn(id)
	t.SetVoting(id, true)
	return id, nil
}

// Peers is one more than the highest PeerID given out so far, dropped sessions included.
func (t *matrix) Peers() int { return len(t.peers) }

func (t *matrix) hasPeer(p PeerID) bool { return int(p) < len(t.peers) && !t.peers[p].gone }

// PeerName is the session of a column, or the zero value.
func (t *matrix) PeerName(p PeerID) bgp.Peer {
	if !t.hasPeer(p) {
		return bgp.Peer{}
	}
	return t.peers[p].name
}

// Counters is a session's numbers.
func (t *matrix) Counters(p PeerID) Counters {
	if !t.hasPeer(p) {
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

// doubts reports a session that withdraws what it has not got, so that a first-heard withdrawal from it proves nothing.
func (t *matrix) doubts(p PeerID) bool {
	n := &t.peers[p].count
	return n.Withdrawals >= t.cfg.DuplicateMin && float64(n.DuplicateWithdrawals) > t.cfg.DuplicateShare*float64(n.Withdrawals)
}

// SetVoting says whether the session's cells vote: false while it is stale, mass-withdrawing, resynchronising.
func (t *matrix) SetVoting(p PeerID, on bool) {
	t.setFlag(p, on, func(m *mask) *uint64 { return &m.voting })
}

// SetFullFeed says whether the session sends a full table. Together with SetPresume it makes silence mean "carries it".
func (t *matrix) SetFullFeed(p PeerID, on bool) {
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
func (t *matrix) SetPresume(p PeerID, on bool) {
	t.setFlag(p, on, func(m *mask) *uint64 { return &m.presume })
}

func (t *matrix) setFlag(p PeerID, on bool, field func(*mask) *uint64) {
	if !t.hasPeer(p) {
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

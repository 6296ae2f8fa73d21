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

func (t *matrix) peer(p bgp.Peer, since bgp.Micros) (PeerID, error) {
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
		t.doubted = append(t.doubted, false)
	}
	t.peers[id] = peer{name: p, upAt: min(max(since, -lastTime), lastTime)}
	t.byPeer[p] = id
	t.addColumn(id)
	t.setFlag(id, true, func(k *mask) *uint64 { return &k.voting })
	return id, nil
}

func (t *matrix) hasPeer(p PeerID) bool { return int(p) < len(t.peers) && !t.peers[p].gone }

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
func (c *Config) doubts(withdrawals, duplicates uint64) bool {
	return withdrawals >= c.DuplicateMin && float64(duplicates) > c.DuplicateShare*float64(withdrawals)
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

package app

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/web"
)

// meter counts what a live monitor does. The goroutine that watches owns it; others get a copy, made once a second.
type meter struct {
	feeds  map[string]*web.FeedStatus
	peers  map[bgp.Peer]*peerMeter
	live   web.LiveStatus // what is counted once
	faults map[string]uint64
	health map[bgp.Peer]string
}

// peerMeter is what is known of one session.
type peerMeter struct {
	messages uint64
	last     bgp.Micros // receipt of its last message
	lag      bgp.Micros // of that, behind the time written in it
}

const (
	// Whoever sends us names can invent them: beyond these nothing more is told apart.
	maxFeedMeters = 200
	maxPeerMeters = 1000
)

func newMeter() *meter {
	return &meter{feeds: map[string]*web.FeedStatus{}, peers: map[bgp.Peer]*peerMeter{}, faults: map[string]uint64{}, health: map[bgp.Peer]string{}}
}

func (m *meter) feed(collector string) *web.FeedStatus {
	f := m.feeds[label(collector)]
	if f == nil {
		collector = label(collector)
		if len(m.feeds) >= maxFeedMeters {
			collector = otherFeeds
			if f = m.feeds[collector]; f != nil {
				return f
			}
		}
		f = &web.FeedStatus{Name: collector}
		m.feeds[collector] = f
	}
	return f
}

// label makes a name that an exposition can hold.
func label(name string) string { return strings.ToValidUTF8(name, "?") }

// otherFeeds is what collectors beyond the bound are counted as.
const otherFeeds = "(others)"

// received counts a record of a collector.
func (m *meter) received(collector string, octets int, at, recorded bgp.Micros) {
	f := m.feed(collector)
	f.Messages++
	f.Bytes += uint64(octets)
	m.live.SegmentBytes += int64(octets) // until it is weighed again
	f.Last, f.Lag = at, at-recorded
}

// heard counts a message of a session as it is applied.
func (m *meter) heard(p bgp.Peer, at, recorded bgp.Micros) {
	p.Collector = label(p.Collector)
	x := m.peers[p]
	if x == nil {
		if len(m.peers) >= maxPeerMeters {
			return
		}
		x = &peerMeter{}
		m.peers[p] = x
	}
	x.messages++
	x.last, x.lag = at, at-recorded
}

// wrong counts what RFC 7606 is about.
func (m *meter) wrong(f wire.Faults) {
	for name := range f.All {
		m.faults[name]++
	}
}

// look takes what the monitor says of its feeds and sessions.
func (m *meter) look(mon *signal.Monitor, sessions bool) {
	for _, f := range mon.FeedStates() {
		m.feed(f.Name).Silent = f.Silent
	}
	if !sessions {
		return
	}
	peers := mon.Peers()
	m.live.Sessions = len(peers)
	clear(m.health)
	for i := range peers {
		if p := &peers[i]; m.peers[p.Peer] != nil {
			m.health[p.Peer] = p.State
		}
	}
}

// copy is what others may keep.
func (m *meter) copy() *web.LiveStatus {
	out := m.live
	for _, f := range m.feeds {
		out.Feeds = append(out.Feeds, *f)
	}
	slices.SortFunc(out.Feeds, func(a, b web.FeedStatus) int { return cmp.Compare(a.Name, b.Name) })
	for p, x := range m.peers {
		out.Peers = append(out.Peers, web.PeerFigures{Peer: p, State: m.health[p], Messages: x.messages, Last: x.last, Lag: x.lag})
	}
	slices.SortFunc(out.Peers, func(a, b web.PeerFigures) int {
		return cmp.Or(cmp.Compare(a.Peer.Collector, b.Peer.Collector), cmp.Compare(a.Peer.AS, b.Peer.AS), a.Peer.Addr.Compare(b.Peer.Addr))
	})
	for name, n := range m.faults {
		out.Faults = append(out.Faults, web.Count{Name: name, N: n})
	}
	slices.SortFunc(out.Faults, func(a, b web.Count) int { return cmp.Compare(a.Name, b.Name) })
	return &out
}

// since is the time from an instant on, in microseconds.
func since(began time.Time) bgp.Micros { return bgp.Micros(time.Since(began).Microseconds()) }

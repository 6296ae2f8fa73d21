package bmp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

// Bounds of what one router may make a station keep.
const (
	maxSessions  = 4096
	maxInstances = 64 // routing instances and further neighbours of one address: each is a collector
	maxFamilies  = 64 // different families counted
)

// names are the collectors of a station, ever: each keeps a file open where its records are kept. The zero value is ready.
type names struct {
	mu  sync.Mutex
	all map[string]bool
}

const maxNames = 512

// take reports whether a collector may be.
func (n *names) take(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all[name] {
		return true
	}
	if len(n.all) >= maxNames {
		return false
	}
	if n.all == nil {
		n.all = map[string]bool{}
	}
	n.all[name] = true
	return true
}

// router is one router: its sessions, and what it said that nobody took yet. It outlives connections. Its lock guards all of it but the half of
// the queue that was swapped out.
type router struct {
	name   string // of its collector
	addr   netip.Addr
	single bool          // configured by its address; else one of a range
	hold   time.Duration // how long its sessions are not given up after a connection was lost
	limit  int           // octets of the queue at which the connection is no longer read
	names  *names        // of the station

	mu        sync.Mutex
	room      *sync.Cond
	conn      *conn // that it speaks on; nil when there is none
	queue     queue
	giving    bool // something swapped out has not been taken yet, or was not when it was looked at last
	clock     micros
	sessions  map[key]*session
	order     []*session // of sessions, as they came up
	taken     map[bgp.Peer]key
	instances map[string]int // sessions by base
	holdUntil time.Time      // then stale sessions are over; zero when there are none
	stats     RouterStats
	families  map[wire.Family]uint64
	content   content
	part      []byte // of a message that takes two records
}

func newRouter(name string, addr netip.Addr, single bool, opt *Options, all *names) *router {
	r := &router{
		name: name, addr: addr, single: single, hold: opt.Hold, limit: opt.Buffer, names: all,
		sessions: map[key]*session{}, taken: map[bgp.Peer]key{}, instances: map[string]int{}, families: map[wire.Family]uint64{},
	}
	r.room = sync.NewCond(&r.mu)
	r.stats = RouterStats{Collector: name, Address: addr, Why: "it has not connected yet"}
	return r
}

// message applies one message, and says why the router ends the connection when it does. err is what Decode said of it.
func (r *router) message(m *Message, err error, now time.Time) (over string) {
	at := r.clock.of(bgp.MicrosOf(now))
	c := &r.stats.Counts
	c.Messages++
	if errors.Is(err, ErrType) {
		c.UnknownType++
		return ""
	}
	if err != nil && m.Type != PeerDown && m.Type != PeerUp {
		c.Malformed++
		return ""
	}
	switch m.Type {
	case Initiation:
		c.Initiations++
		r.introduce(m.TLVs)
		return ""
	case Termination:
		return "it ended the connection: " + termination(m.TLVs)
	}
	if m.Peer.Type > peerLocRIB {
		c.UnknownPeerType++
		return ""
	}
	if m.Peer.WrongFamily {
		c.Contradictions++
	}
	switch m.Type {
	case RouteMonitoring:
		r.routes(m, now, at)
	case PeerUp:
		r.up(m, err, at)
	case PeerDown:
		r.down(m, err, at)
	case StatisticsReport:
		r.report(m, at)
	case RouteMirroring:
		r.mirrored(m)
	}
	return ""
}

func (r *router) introduce(t TLVs) {
	for e := range t.All {
		switch e.Type {
		case initSysName:
			r.stats.SysName = text(e.Value)
		case initSysDescr:
			r.stats.SysDescr = text(e.Value)
		}
	}
}

// find is the session of a message. Where the BGP identifier is left out, in the message or in the Peer Up, the only session with the address is
// meant.
func (r *router) find(p *Peer) *session {
	k := p.key()
	if s := r.sessions[k]; s != nil {
		return s
	}
	var found *session
	for _, s := range r.order {
		if s.typ == k.typ && s.rd == k.rd && s.key.addr == k.addr && (s.id == [4]byte{} || k.id == [4]byte{}) {
			if found != nil {
				return nil
			}
			found = s
		}
	}
	return found
}

// up begins a session, unless it is one that is known.
func (r *router) up(m *Message, err error, at bgp.Micros) {
	c := &r.stats.Counts
	c.Ups++
	old := r.sessions[m.Peer.key()]
	var s *session
	if err == nil {
		s, err = newSession(m, r.addr)
	}
	if err != nil { // how its messages are written is not known: neither are its routes
		c.Malformed++
		if old != nil {
			r.forget(old, at, nil, false)
		}
		return
	}
	if old != nil {
		if old.same(s) {
			if !old.stale {
				c.Duplicates++
			}
			old.stale = false
			return
		}
		r.forget(old, at, nil, false)
	}
	if len(r.order) >= maxSessions || !r.place(s) {
		c.Refused++
		return
	}
	r.sessions[s.key] = s
	r.order = append(r.order, s)
}

// place gives a session the collectors of its records: one that two neighbours of the same AS and address do not share.
func (r *router) place(s *session) bool {
	base := r.name
	if s.rd != [8]byte{} {
		base += bgp.ViewMark + "vrf-" + distinguisher(s.rd)
	}
	loc := s.typ == peerLocRIB
	if _, used := r.taken[peerOf(base, loc, s)]; used {
		base += bgp.ViewMark + "id-" + netip.AddrFrom4(s.id).String()
		if _, used := r.taken[peerOf(base, loc, s)]; used {
			return false
		}
	}
	if base != r.name && r.instances[base] == 0 && len(r.instances) > maxInstances {
		return false
	}
	r.taken[peerOf(base, loc, s)] = s.key
	r.instances[base]++
	s.base = base
	for v, name := range viewNames {
		if s.names[v] = base; name != "" {
			s.names[v] += bgp.ViewMark + name
		}
	}
	return true
}

func peerOf(base string, loc bool, s *session) bgp.Peer {
	if loc {
		base += bgp.ViewMark + viewNames[viewLoc]
	}
	return bgp.Peer{Collector: base, AS: s.as, Addr: s.addr}
}

// forget ends a session.
func (r *router) forget(s *session, at bgp.Micros, notification []byte, local bool) {
	r.end(s, at, notification, local)
	delete(r.sessions, s.key)
	delete(r.taken, peerOf(s.base, s.typ == peerLocRIB, s))
	if r.instances[s.base]--; r.instances[s.base] == 0 {
		delete(r.instances, s.base)
	}
	r.order = slices.DeleteFunc(r.order, func(o *session) bool { return o == s })
}

// down ends a session. Its neighbour may live on (reason 5 says no more than that the router tells nothing more of it): its routes are unknown.
func (r *router) down(m *Message, err error, at bgp.Micros) {
	r.stats.Counts.Downs++
	if err != nil {
		r.stats.Counts.Malformed++
		if m.Peer == (Peer{}) {
			return
		}
	}
	s := r.find(&m.Peer)
	if s == nil {
		r.stats.Counts.UnknownPeers++
		return
	}
	var notification []byte
	if m.Reason == 1 || m.Reason == 3 { // a NOTIFICATION was sent, or received
		notification = m.Data
	}
	r.forget(s, at, notification, m.Reason == 1)
}

// aliveEvery is how often a session that the router counts for is written down as living.
const aliveEvery = 10 * bgp.Second

// keepalive is RFC 4271 section 4.4.
var keepalive = append(bytes.Repeat([]byte{0xff}, 16), 0, bgpLen, 4)

// report keeps the statistics of a session. That the router sends them says that the session lives, which else only its KEEPALIVEs would say, and
// BMP leaves those out: one is written in their place.
func (r *router) report(m *Message, at bgp.Micros) {
	r.stats.Counts.Reports++
	s := r.find(&m.Peer)
	if s == nil {
		r.stats.Counts.UnknownPeers++
		return
	}
	for e := range m.TLVs.All {
		if v, ok := e.statistic(); ok {
			s.stats[e.Type] = v
		}
	}
	if s.stale || at-s.alive < aliveEvery {
		return
	}
	s.alive = at
	for v, open := range s.open {
		if open && v != viewOut && v != viewOutPost {
			r.write(s.names[v], at, s.envelope(), keepalive)
		}
	}
}

// mirrored counts messages that the router repeats as it received them. They are not used: Route Monitoring says the same of a session in
// which all is well, and what is malformed in the others is the router's to judge.
func (r *router) mirrored(m *Message) {
	c := &r.stats.Counts
	c.Mirrored++
	for e := range m.TLVs.All {
		if e.Type == mirrorCode && len(e.Value) == 2 {
			switch binary.BigEndian.Uint16(e.Value) {
			case 0:
				c.MirroredErrors++
			case 1:
				c.MirroredLost++
			}
		}
	}
}

// lost says that the connection is gone. The sessions are stale: what they say is missed from now on, but a session that the router tells of
// again within the hold, unchanged, was never over.
func (r *router) lost(why string, now time.Time) {
	for _, name := range r.heard() {
		r.queue.gap(name, "BMP: "+why)
	}
	for _, s := range r.order {
		s.stale = true
	}
	r.holdUntil = now.Add(r.hold)
	r.stats.Connected, r.stats.Since, r.stats.Why = false, now, why
}

// came says that the router speaks on a new connection.
func (r *router) came(now time.Time) {
	r.stats.Connected, r.stats.Since, r.stats.Why = true, now, ""
	r.stats.Counts.Connections++
	if len(r.order) > 0 {
		r.holdUntil = now.Add(r.hold) // time to tell of the sessions again
	}
}

// expire ends the sessions of which the router did not tell again in time.
func (r *router) expire(now time.Time) {
	if r.holdUntil.IsZero() || now.Before(r.holdUntil) {
		return
	}
	r.holdUntil = time.Time{}
	at := r.clock.of(bgp.MicrosOf(now))
	for _, s := range slices.Clone(r.order) {
		if s.stale {
			r.forget(s, at, nil, false)
		}
	}
}

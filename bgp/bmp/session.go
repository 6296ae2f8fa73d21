package bmp

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// key tells the sessions of one router apart: several neighbours may stand behind one address.
type key struct {
	typ  uint8
	rd   [8]byte
	addr netip.Addr // invalid for a Loc-RIB
	id   [4]byte
}

func (p *Peer) key() key { return key{p.Type, p.Distinguisher, p.Addr, p.ID} }

// The views of a session: tables of one neighbour that a router may send beside each other.
const (
	viewPre = iota
	viewPost
	viewOut
	viewOutPost
	viewLoc
	views
)

// viewNames stand behind the collector's name.
var viewNames = [views]string{viewPre: "", viewPost: "post", viewOut: "out", viewOutPost: "out-post", viewLoc: "loc"}

func (p *Peer) view() int {
	switch {
	case p.LocRIB():
		return viewLoc
	case p.Out() && p.PostPolicy():
		return viewOutPost
	case p.Out():
		return viewOut
	case p.PostPolicy():
		return viewPost
	}
	return viewPre
}

// session is one neighbour of a router, from its Peer Up on; or the router's own table.
type session struct {
	key
	as, localAS    uint32
	addr, local    netip.Addr // local may be invalid
	ports          [2]uint16
	sent, received []byte       // the OPENs
	in, out        wire.Options // how messages to and from the router are written
	base           string       // the collector of its first view
	names          [views]string
	open           [views]bool    // records of the view have been written, and none that says that the session ended
	bare           [views][2]bool // prefixes come without the path identifiers agreed on: of IPv4, of IPv6
	stale          bool           // said by a connection that was lost, and not again yet
	stats          [len(statistics)]uint64
	alive          bgp.Micros // when it was written down last that it lives
}

// newSession reads a Peer Up. An error means that its OPENs do not say how to read the session's messages.
func newSession(m *Message, router netip.Addr) (*session, error) {
	sent, err := readOpen(m.Sent)
	if err != nil {
		return nil, err
	}
	received, err := readOpen(m.Received)
	if err != nil {
		return nil, err
	}
	s := &session{
		key: m.Peer.key(), as: m.Peer.AS, localAS: sent.AS, addr: m.Peer.Addr, local: m.LocalAddr,
		ports: [2]uint16{m.LocalPort, m.RemotePort}, sent: bytes.Clone(m.Sent), received: bytes.Clone(m.Received),
		in: wire.Negotiate(&sent, &received).Options, out: wire.Negotiate(&received, &sent).Options,
	}
	if s.as == 0 {
		s.as = received.AS
	}
	if s.local.Is4() != s.addr.Is4() {
		s.local = netip.Addr{}
	}
	if m.Peer.LocRIB() {
		// Both OPENs are the router's own (RFC 9069 section 4.4), and one that can send path identifiers does. The neighbour of the record is
		// the router, named by its BGP identifier or, without one, its address.
		both := wire.Options{AddPath4: sends(&sent, wire.IPv4Unicast), AddPath6: sends(&sent, wire.IPv6Unicast)}
		s.in, s.out, s.localAS, s.local = both, both, 0, netip.Addr{}
		switch id := netip.AddrFrom4(m.Peer.ID); {
		case m.Peer.ID != [4]byte{}:
			s.addr = id
		case sent.ID.IsValid() && !sent.ID.IsUnspecified():
			s.addr = sent.ID
		default:
			s.addr = router
		}
	}
	return s, nil
}

// readOpen reads an OPEN of a Peer Up. FRR puts one that is a header and nothing else where it has not kept what came: then nothing is agreed on.
func readOpen(msg []byte) (wire.Open, error) {
	if len(msg) == bgpLen {
		return wire.Open{}, nil
	}
	o, err := wire.ParseOpen(msg)
	// What a speaker would refuse, and a Loc-RIB may well have, does not keep an observer from reading the capabilities.
	for _, known := range []error{wire.ErrOpenAS, wire.ErrOpenID, wire.ErrOpenHoldTime, wire.ErrOpenParameter} {
		if errors.Is(err, known) {
			return o, nil
		}
	}
	return o, err
}

func sends(o *wire.Open, f wire.Family) bool {
	return slices.ContainsFunc(o.AddPath, func(a wire.FamilyAddPath) bool { return a.Family == f && a.Send })
}

// identified says whether the prefixes of one family in a message come with path identifiers. They do only where that was agreed on, and some
// routers (FRR 8.4 is one) leave them out even then. Where prefixes can be read in both ways, those that could not be decide for them.
func (s *session) identified(agreed bool, view int, msg []byte, v6 bool) (ids, wrong bool) {
	if !agreed {
		return false, false
	}
	family := 0
	if v6 {
		family = 1
	}
	bare, identified := prefixesOf(msg, v6)
	if bare != identified {
		s.bare[view][family] = bare
	}
	return !s.bare[view][family], bare && !identified
}

// same reports whether a Peer Up says what an earlier one did: then it is about the same session of the neighbour. A router tells of its
// sessions anew on each connection, and some do for each view.
func (s *session) same(n *session) bool {
	return s.ports == n.ports && s.local == n.local && bytes.Equal(s.sent, n.sent) && bytes.Equal(s.received, n.received)
}

// agreed says whether prefixes in a message should come with path identifiers: as the OPENs agreed, or as the message itself says of the
// router's side, RFC 7911 section 4.
func (s *session) agreed(m *Message) (v4, v6 bool) {
	o := s.in
	bit := byte(1) // the router receives
	if m.Peer.Out() || m.Peer.LocRIB() {
		o, bit = s.out, 2
	}
	if m.AddPath == nil {
		return o.AddPath4, o.AddPath6
	}
	for b := m.AddPath; len(b) >= 4; b = b[4:] {
		if f, ok := familyOf(b); ok && b[3]&bit != 0 {
			v4, v6 = v4 || f == wire.IPv4Unicast, v6 || f == wire.IPv6Unicast
		}
	}
	return v4, v6
}

func (s *session) envelope() mrt.Envelope {
	return mrt.Envelope{PeerAS: s.as, LocalAS: s.localAS, PeerAddr: s.addr, LocalAddr: s.local}
}

// heard are the collectors of whose sessions something was said, in order.
func (r *router) heard() (names []string) {
	for _, s := range r.order {
		for v, open := range s.open {
			if open && v != viewOut && v != viewOutPost && !slices.Contains(names, s.names[v]) {
				names = append(names, s.names[v])
			}
		}
	}
	return names
}

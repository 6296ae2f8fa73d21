package bmp

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/corewatch/corewatch/bgp"
)

// Peer types: RFC 7854 section 4.2, RFC 9069 section 4.1.
const (
	peerGlobal = 0
	peerRD     = 1 // of a routing instance that the distinguisher names
	peerLocal  = 2 // of one that only the router knows
	peerLocRIB = 3 // the router's own table
)

// Flags of the per-peer header. Those of a Loc-RIB are others: 0x80 says there that the table is filtered, and nothing of addresses.
const (
	flagIPv6 = 0x80 // V, RFC 7854 section 4.2
	flagPost = 0x40 // L: after the policy
	flagAS2  = 0x20 // A: AS numbers of two octets in the message
	flagOut  = 0x10 // O: sent to the peer, RFC 8671 section 4
)

// Peer is the header that says which session, and which of its tables, a message is about: RFC 7854 section 4.2.
type Peer struct {
	Type          uint8
	Flags         uint8
	Distinguisher [8]byte    // of a routing instance; zeros for the router's own
	Addr          netip.Addr // of the neighbour; invalid for a Loc-RIB
	AS            uint32     // of the neighbour; of the router for a Loc-RIB, where some send 0
	ID            [4]byte    // BGP identifier of the neighbour
	Time          bgp.Micros // of the router's clock; 0 when it does not say
	WrongFamily   bool       // the V flag says other than the address
}

// LocRIB reports that the message is about the router's own table.
func (p *Peer) LocRIB() bool { return p.Type == peerLocRIB }

// PostPolicy reports that the table is that behind the policy.
func (p *Peer) PostPolicy() bool { return !p.LocRIB() && p.Flags&flagPost != 0 }

// Out reports that the table is what the router sends to the peer.
func (p *Peer) Out() bool { return !p.LocRIB() && p.Flags&flagOut != 0 }

// AS2 reports that AS numbers in the message are said to have two octets.
func (p *Peer) AS2() bool { return !p.LocRIB() && p.Flags&flagAS2 != 0 }

func parsePeer(b []byte) Peer {
	_ = b[peerLen-1]
	p := Peer{
		Type: b[0], Flags: b[1], Distinguisher: [8]byte(b[2:]),
		AS: binary.BigEndian.Uint32(b[26:]), ID: [4]byte(b[30:]),
	}
	// Beyond the second it is a fraction, if it is less than one.
	if us := binary.BigEndian.Uint32(b[38:]); us < 1e6 {
		p.Time = bgp.Micros(us)
	}
	p.Time += bgp.Seconds(int64(binary.BigEndian.Uint32(b[34:])))
	if !p.LocRIB() {
		said := p.Flags&flagIPv6 != 0
		p.Addr, p.WrongFamily = address([16]byte(b[10:]), said)
	}
	return p
}

// address reads an address that fills 16 octets, an IPv4 one behind 12 zeros. v6 is what a flag says of it; the address itself goes first: no
// BGP speaker has an IPv6 address that begins with 12 zeros, except in a test on ::1, and no IPv4 address has anything in them.
func address(b [16]byte, v6 bool) (a netip.Addr, wrong bool) {
	high := [12]byte(b[:12]) != [12]byte{}
	loopback := b == [16]byte{15: 1}
	if high || v6 && loopback {
		return netip.AddrFrom16(b), !v6
	}
	return netip.AddrFrom4([4]byte(b[12:])), v6
}

// distinguisher writes a route distinguisher as RFC 4364 section 4.2 gives its forms; one of another form in hexadecimal digits.
func distinguisher(d [8]byte) string {
	switch v := d[2:]; binary.BigEndian.Uint16(d[:]) {
	case 0:
		return fmt.Sprintf("%d:%d", binary.BigEndian.Uint16(v), binary.BigEndian.Uint32(v[2:]))
	case 1:
		return fmt.Sprintf("%s:%d", netip.AddrFrom4([4]byte(v)), binary.BigEndian.Uint16(v[4:]))
	case 2:
		return fmt.Sprintf("%d:%d", binary.BigEndian.Uint32(v), binary.BigEndian.Uint16(v[4:]))
	}
	return fmt.Sprintf("%x", d)
}

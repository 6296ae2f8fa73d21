package mrt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"

	"github.com/corewatch/corewatch/bgp"
)

// The errors of writing: what was asked for has no form in MRT. Compared with errors.Is; the text of the error has the figures.
var (
	ErrTime          = errors.New("mrt time does not fit 32 bits of seconds since 1970")
	ErrSession       = errors.New("mrt record of a session without a peer address, or with ends of two address families")
	ErrTwoOctetAS    = errors.New("mrt record of a two-octet session whose peer has a four-octet AS number")
	ErrMessageLength = errors.New("bgp message is shorter than its header or longer than 65,535 octets")
	ErrRecordLength  = errors.New("mrt record is longer than this package reads")
)

// maxMessage is the longest extended BGP message: RFC 8654.
const maxMessage = 65535

// asTrans stands for a four-octet AS number where there is room for two octets: RFC 6793 section 9.
const asTrans = 23456

// Envelope is what a BGP4MP record says around a message: RFC 6396 section 4.4.
type Envelope struct {
	PeerAS    uint32
	LocalAS   uint32     // of the collector
	PeerAddr  netip.Addr // IPv4 or IPv6; one mapped from IPv4 counts as IPv4
	LocalAddr netip.Addr // of the collector, of the peer's family; the zero Addr is written as 0.0.0.0 or ::
	Interface uint16     // index of the collector's interface; 0 when unknown
	AS2       bool       // four-octet AS numbers were not negotiated: those in the message have two octets
	AddPath   bool       // every NLRI in the message has a path identifier in front (RFC 8050 section 3)
	Local     bool       // the collector sent the message (RFC 6396 section 4.4.4)
}

// AppendMessage appends a BGP4MP_ET record around msg to b. msg is one whole BGP message with its header; its octets stay as they
// are, so that a message that was received cut short is written cut short. On an error, b is returned as it was.
//
// The subtype follows from e. MRT has one ADD-PATH bit for both families, and Decoder takes it for both.
func AppendMessage(b []byte, at bgp.Micros, e Envelope, msg []byte) ([]byte, error) {
	if len(msg) < bgpHeaderLen || len(msg) > maxMessage {
		return b, fmt.Errorf("%w: it has %d", ErrMessageLength, len(msg))
	}
	sub := uint16(subMessage)
	switch {
	case e.AddPath && e.Local:
		sub = subLocalAddPath
	case e.AddPath:
		sub = subAddPath
	case e.Local:
		sub = subMessageLocal
	}
	if !e.AS2 {
		if sub == subMessage {
			sub = subMessageAS4
		} else {
			sub++ // the four-octet form of every other subtype is the next one
		}
	}
	out, err := appendEnvelope(b, at, sub, e)
	if err != nil {
		return b, err
	}
	return finish(append(out, msg...), len(b))
}

// AppendStateChange appends a BGP4MP_ET record that says that the session went from one state to another (RFC 6396 section 4.4.1).
// Of e, AddPath and Local do not matter. On an error, b is returned as it was.
func AppendStateChange(b []byte, at bgp.Micros, e Envelope, from, to bgp.State) ([]byte, error) {
	sub := uint16(subStateChangeAS4)
	if e.AS2 {
		sub = subStateChange
	}
	out, err := appendEnvelope(b, at, sub, e)
	if err != nil {
		return b, err
	}
	out = binary.BigEndian.AppendUint16(out, uint16(from))
	out = binary.BigEndian.AppendUint16(out, uint16(to))
	return finish(out, len(b))
}

// appendEnvelope appends a header, with its length left open, and the two ends of a session.
func appendEnvelope(b []byte, at bgp.Micros, sub uint16, e Envelope) ([]byte, error) {
	peer, local := e.PeerAddr.Unmap(), e.LocalAddr.Unmap()
	if !local.IsValid() {
		local = netip.IPv4Unspecified()
		if peer.Is6() {
			local = netip.IPv6Unspecified()
		}
	}
	if !peer.IsValid() || peer.Is4() != local.Is4() {
		return b, fmt.Errorf("%w: peer %s, collector %s", ErrSession, e.PeerAddr, e.LocalAddr)
	}
	if e.AS2 && e.PeerAS > math.MaxUint16 {
		return b, fmt.Errorf("%w: AS%d", ErrTwoOctetAS, e.PeerAS)
	}
	b, err := appendHeader(b, at, TypeBGP4MPET, sub)
	if err != nil {
		return b, err
	}
	if e.AS2 {
		as := e.LocalAS
		if as > math.MaxUint16 {
			as = asTrans // as the collector had to call itself in its OPEN (RFC 6793 section 4.1)
		}
		b = binary.BigEndian.AppendUint16(b, uint16(e.PeerAS))
		b = binary.BigEndian.AppendUint16(b, uint16(as))
	} else {
		b = binary.BigEndian.AppendUint32(b, e.PeerAS)
		b = binary.BigEndian.AppendUint32(b, e.LocalAS)
	}
	b = binary.BigEndian.AppendUint16(b, e.Interface)
	family := uint16(1)
	if peer.Is6() {
		family = 2
	}
	b = binary.BigEndian.AppendUint16(b, family)
	return appendAddr(appendAddr(b, peer), local), nil
}

// appendAddr appends the 4 or 16 octets of a.
func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		o := a.As4()
		return append(b, o[:]...)
	}
	o := a.As16()
	return append(b, o[:]...)
}

// appendHeader appends a record's header, with its length left open for finish. An extended type gets its microseconds.
func appendHeader(b []byte, at bgp.Micros, typ, sub uint16) ([]byte, error) {
	if at < 0 || at/bgp.Second > math.MaxUint32 {
		return b, fmt.Errorf("%w: %s", ErrTime, at.Time())
	}
	b = binary.BigEndian.AppendUint32(b, uint32(at/bgp.Second))
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint16(b, sub)
	b = binary.BigEndian.AppendUint32(b, 0)
	if extended(typ) {
		b = binary.BigEndian.AppendUint32(b, uint32(at%bgp.Second))
	}
	return b, nil
}

// finish fills in the length of the record that starts at start and goes to the end of b. A record that a Reader would refuse is
// taken off again.
func finish(b []byte, start int) ([]byte, error) {
	n := len(b) - start - headerLen
	if n > maxRecord {
		return b[:start], fmt.Errorf("%w: %d octets", ErrRecordLength, n)
	}
	binary.BigEndian.PutUint32(b[start+8:], uint32(n))
	return b, nil
}

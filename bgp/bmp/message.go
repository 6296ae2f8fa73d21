// Package bmp is a monitoring station: it listens for routers that speak the BGP Monitoring Protocol (RFC 7854, with the Adj-RIB-Out of RFC
// 8671 and the Loc-RIB of RFC 9069, and the TLVs of version 4, draft-ietf-grow-bmp-tlv), and makes MRT records of what they say.
//
// Three layers, each usable without the one above it: Message reads one message off its octets without copying (message.go, peer.go, tlv.go);
// router follows the sessions of one router and writes its records (router.go, session.go, records.go, update.go); Station listens, bounds and queues
// (station.go, conn.go, queue.go). docs/decisions/061-bmp-views.md says which collector a record is of.
package bmp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// Type is the kind of a message: RFC 7854 section 4.1.
type Type uint8

// The types of messages.
const (
	RouteMonitoring  Type = 0
	StatisticsReport Type = 1
	PeerDown         Type = 2
	PeerUp           Type = 3
	Initiation       Type = 4
	Termination      Type = 5
	RouteMirroring   Type = 6
)

const (
	headerLen = 6  // version, length, type
	peerLen   = 42 // the per-peer header
	upLen     = 20 // of a Peer Up, in front of its OPENs
	bgpLen    = 19 // the header of a BGP message
	typeOpen  = 1
)

// The errors of Decode: the octets are no message. ErrVersion and ErrLength mean that nobody knows where the next message begins.
var (
	ErrVersion = errors.New("bmp version is neither 3 nor 4 (RFC 7854 section 4.1)")
	ErrLength  = errors.New("bmp message length is below its header's or beyond what a station takes (RFC 7854 section 4.1)")
	ErrShort   = errors.New("bmp message is shorter than its fields")
	ErrTLV     = errors.New("bmp information TLV overruns its message")
	ErrOpen    = errors.New("bmp Peer Up does not hold two OPEN messages (RFC 7854 section 4.10)")
	ErrUpdate  = errors.New("bmp Route Monitoring without a BGP message (RFC 7854 section 4.6)")
	ErrType    = errors.New("bmp message of a type that is not known")
)

// Message is one BMP message. All slices refer to the octets given to Decode and are valid as long as those are. The zero value is ready, and
// Decode may be called again and again; it does not allocate. Which fields are set follows from Type.
type Message struct {
	Version uint8
	Type    Type
	Peer    Peer // of all but Initiation and Termination

	// Update is what a Route Monitoring holds: one BGP message, or several, one behind the other.
	Update []byte
	// AddPath is the list of capability 69 that a version 4 Route Monitoring carries to be read without its Peer Up; nil when it does not.
	AddPath []byte

	LocalAddr             netip.Addr // of Peer Up: the router's end
	LocalPort, RemotePort uint16     // of Peer Up; 0 for a Loc-RIB
	Sent, Received        []byte     // of Peer Up: the OPEN that the router sent, and the one it received

	Reason uint8  // of Peer Down: RFC 7854 section 4.9, RFC 9069 section 4.3
	Data   []byte // of Peer Down: behind the reason

	// TLVs are those of Initiation, Termination, Peer Up, Statistics Report and Route Mirroring, checked.
	TLVs TLVs
}

// Split finds the first message of b: how long it is, header included, or 0 when b does not hold it whole. The error is ErrVersion or
// ErrLength; longest bounds the length.
func Split(b []byte, longest int) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if b[0] != 3 && b[0] != 4 {
		return 0, ErrVersion
	}
	if len(b) < headerLen {
		return 0, nil
	}
	n := binary.BigEndian.Uint32(b[1:])
	if n < headerLen || uint64(n) > uint64(longest) {
		return 0, fmt.Errorf("%w: %d octets", ErrLength, n)
	}
	if uint64(n) > uint64(len(b)) {
		return 0, nil
	}
	return int(n), nil
}

// Decode reads one whole message. An error says that it is malformed; Type and Peer are set even then when they could be read, and what else
// is set is not to be used.
func (m *Message) Decode(b []byte) error {
	*m = Message{}
	n, err := Split(b, len(b))
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrShort
	}
	m.Version, m.Type = b[0], Type(b[5])
	b = b[headerLen:n:n]
	switch m.Type {
	case Initiation, Termination:
		return m.setTLVs(b)
	case RouteMonitoring, StatisticsReport, PeerDown, PeerUp, RouteMirroring:
	default:
		return ErrType
	}
	if len(b) < peerLen {
		return ErrShort
	}
	m.Peer = parsePeer(b)
	b = b[peerLen:]
	switch m.Type {
	case RouteMonitoring:
		return m.routes(b)
	case StatisticsReport:
		if len(b) < 4 {
			return ErrShort
		}
		return m.setTLVs(b[4:]) // the count in front says nothing that the TLVs do not
	case PeerDown:
		if len(b) < 1 {
			return ErrShort
		}
		m.Reason, m.Data = b[0], b[1:]
		return nil
	case PeerUp:
		return m.peerUp(b)
	}
	if m.Version == 4 {
		return nil // what version 4 puts there is not looked at
	}
	return m.setTLVs(b)
}

// routes finds the BGP message of a Route Monitoring. In version 4 it is a TLV among others.
func (m *Message) routes(b []byte) error {
	if m.Version == 3 {
		m.Update = b
	} else {
		if !indexed(b).valid() {
			return ErrTLV
		}
		for t := range indexed(b).all {
			switch t.Type {
			case tlvMessage:
				m.Update = t.Value
			case tlvStateless:
				if v := t.Value; len(v) >= 2 && v[0] == capAddPath && int(v[1]) == len(v)-2 {
					m.AddPath = v[2:]
				}
			}
		}
	}
	if len(m.Update) < bgpLen {
		return ErrUpdate
	}
	return nil
}

// peerUp reads RFC 7854 section 4.10.
func (m *Message) peerUp(b []byte) error {
	if len(b) < upLen {
		return ErrShort
	}
	m.LocalAddr, _ = address([16]byte(b), m.Peer.Addr.Is6())
	m.LocalPort, m.RemotePort = binary.BigEndian.Uint16(b[16:]), binary.BigEndian.Uint16(b[18:])
	b = b[upLen:]
	for _, open := range []*[]byte{&m.Sent, &m.Received} {
		if len(b) < bgpLen || b[18] != typeOpen {
			return ErrOpen
		}
		n := int(binary.BigEndian.Uint16(b[16:]))
		if n < bgpLen || n > len(b) {
			return ErrOpen
		}
		*open, b = b[:n:n], b[n:]
	}
	return m.setTLVs(b)
}

func (m *Message) setTLVs(b []byte) error {
	if !TLVs(b).valid() {
		return ErrTLV
	}
	m.TLVs = b
	return nil
}

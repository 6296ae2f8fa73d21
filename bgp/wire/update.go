// Package wire reads BGP messages off their bytes: UPDATE to elems without allocating, keeping the attribute bytes as received.
//
// It follows RFC 4271 (UPDATE), 4760 (multiprotocol), 6793 (four-octet AS numbers), 7911 (ADD-PATH) and 7606 (error handling):
// what is malformed takes its routes away or loses an attribute, is named in Update.Faults and on each elem, and never hides the
// withdrawals beside it. An observer has no session to reset; where the RFCs demand that, what is certain is kept and the rest is a fault.
package wire

import (
	"encoding/binary"
	"errors"

	"github.com/corewatch/corewatch/bgp"
)

// Options say how the session or the record that carried the message encodes it.
type Options struct {
	AS4      bool // AS_PATH and AGGREGATOR carry four-octet AS numbers (RFC 6793)
	AddPath4 bool // IPv4 prefixes are preceded by a path identifier (RFC 7911)
	AddPath6 bool // the same for IPv6
	IBGP     bool // the neighbour is internal: RFC 7606 is stricter about LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST
	// Truncated says that the record was cut by its collector: the message is read up to the cut, its elems carry
	// bgp.CauseSalvaged, and being short is not a fault of the neighbour.
	Truncated bool
}

// Family is an address family and its sub-family as IANA numbers them.
type Family struct {
	AFI  uint16 // 1 IPv4, 2 IPv6
	SAFI uint8  // 1 unicast, 2 multicast
}

// The families this package turns into elems.
var (
	IPv4Unicast = Family{AFI: 1, SAFI: 1}
	IPv6Unicast = Family{AFI: 2, SAFI: 1}
)

// The errors of Parse and MessageType: nothing in the message can be used. All are compared with errors.Is and worth a counter each.
var (
	ErrShort       = errors.New("bgp message shorter than its header or its own length field (RFC 4271 section 4.1)")
	ErrMarker      = errors.New("bgp message marker is not all ones (RFC 4271 section 4.1)")
	ErrLength      = errors.New("bgp message length below 19 octets, or below 23 for an UPDATE (RFC 4271 section 4.1)")
	ErrNotUpdate   = errors.New("bgp message is not an UPDATE")
	ErrFields      = errors.New("withdrawn routes and attributes are longer than their UPDATE (RFC 4271 section 6.3)")
	ErrDuplicateMP = errors.New("MP_REACH_NLRI or MP_UNREACH_NLRI appears twice (RFC 7606 section 3 g)")
)

// Message types: RFC 4271 section 4.1, RFC 2918 section 3.
const (
	TypeOpen         = 1
	TypeUpdate       = 2
	TypeNotification = 3
	TypeKeepalive    = 4
	TypeRouteRefresh = 5
)

const headerLen = 19

// MessageType is the type octet of a whole BGP message, header included. It does not judge the type: unknown ones are for the caller to count.
func MessageType(msg []byte) (byte, error) {
	if len(msg) < headerLen {
		return 0, ErrShort
	}
	if binary.BigEndian.Uint64(msg)&binary.BigEndian.Uint64(msg[8:]) != ^uint64(0) {
		return 0, ErrMarker
	}
	return msg[18], nil
}

// Update is one UPDATE message being read. The zero value is ready; Parse may be called again and again, and nothing is
// allocated. It refers to the bytes given to Parse and is valid only as long as they are. Not safe for concurrent use.
type Update struct {
	// Faults is what was wrong with the message. FaultNLRI is complete only when Next has returned false.
	Faults Faults
	// Unsupported counts the MP_REACH and MP_UNREACH attributes of families other than IPv4 and IPv6 unicast and multicast.
	Unsupported int

	opts Options
	rib  bool // ParseRIB: a table entry, whose prefix is outside the attributes
	cut  bool // the message ends before its own length does

	attrs             []byte
	withdrawn, nlri   []byte
	reach, unreach    []byte // the prefixes of the MP attributes
	reachFamily       Family
	unreachFamily     Family
	hasUnreach        bool
	seen              [4]uint64 // attribute types met, one bit each
	asPath, as4Path   []byte
	aggregator        uint32 // the AS of AGGREGATOR, 0 without one
	hasAgg4, aggStale bool
	path              Path

	phase   uint8
	cur     []byte // what Next has not read of the current phase
	v6      bool
	addPath bool
	kind    bgp.Kind
	cause   bgp.Cause
}

// Parse reads one whole BGP message (19-octet header included) of type UPDATE; Next then gives its elems. An error is one of the
// Err values of this package and means that nothing in the message can be used. All that RFC 7606 handles short of that is not an error:
// it shows as the Cause of elems and in Faults.
func (u *Update) Parse(msg []byte, o Options) error {
	u.reset(o)
	t, err := MessageType(msg)
	if err != nil {
		return err
	}
	if t != TypeUpdate {
		return ErrNotUpdate
	}
	n := int(binary.BigEndian.Uint16(msg[16:]))
	switch {
	case n < headerLen+4:
		return ErrLength
	case n < len(msg):
		u.Faults |= FaultTrailing
		msg = msg[:n]
	case n > len(msg):
		if !o.Truncated {
			return ErrShort
		}
		u.cut = true
		u.Faults |= FaultTruncated
	}
	withdrawn, b, ok := u.field(msg[headerLen:])
	if !ok {
		return ErrFields
	}
	attrs, b, ok := u.field(b)
	if !ok {
		return ErrFields
	}
	u.withdrawn, u.attrs, u.nlri = withdrawn, attrs, b
	if err := u.readAttrs(); err != nil {
		u.reset(o)
		return err
	}
	if len(u.nlri) > 0 || len(u.reach) > 0 {
		u.requireAttrs()
	}
	return nil
}

// ParseRIB reads the attributes of one entry of a table dump, whose prefix and peer stand beside them: RFC 6396 section 4.3.4.
// AS numbers are four octets in TABLE_DUMP_V2 and two in TABLE_DUMP (o.AS4 says which; mrt.Content.Opts has it right); MP_REACH_NLRI
// is accepted both whole and abbreviated to its next hop. Next yields nothing afterwards; RIBElem makes the elem.
func (u *Update) ParseRIB(attrs []byte, o Options) {
	u.reset(o)
	u.rib = true
	u.attrs = attrs
	if u.readAttrs() != nil {
		u.Faults |= FaultMPReach
	}
	const originAndPath = 1<<attrOrigin | 1<<attrASPath
	if u.seen[0]&originAndPath != originAndPath {
		u.Faults |= FaultMissing
	}
}

// RIBElem is the elem of the table entry last given to ParseRIB. Malformed attributes make it a withdrawal with
// bgp.CauseTreatWithdraw; absent ones do not, because the collector holds the route whatever its dump left out.
func (u *Update) RIBElem(p bgp.Prefix, pathID uint32) bgp.Elem {
	if u.Faults&treatAsWithdraw&^FaultMissing != 0 {
		return bgp.Elem{Prefix: p, PathID: pathID, Kind: bgp.Withdraw, Cause: bgp.CauseTreatWithdraw}
	}
	e := bgp.Elem{Prefix: p, PathID: pathID, PathHash: u.path.hash, Origin: u.path.origin, Kind: bgp.RIB}
	if u.Faults&discard != 0 {
		e.Cause = bgp.CauseDiscardAttr
	}
	return e
}

// Attrs is the path attributes as received, for a message as for a table entry.
func (u *Update) Attrs() []byte { return u.attrs }

// Path is the AS path, merged with AS4_PATH where that applies; empty when there is none or it is malformed.
func (u *Update) Path() Path { return u.path }

// EndOfRIB reports whether the message is the End-of-RIB marker of a family (RFC 4724 section 2), and of which.
func (u *Update) EndOfRIB() (Family, bool) {
	if u.rib || u.cut || u.Faults != 0 || len(u.withdrawn)+len(u.nlri) > 0 {
		return Family{}, false
	}
	if len(u.attrs) == 0 {
		return IPv4Unicast, true
	}
	const onlyUnreach = 1 << attrMPUnreach
	if u.hasUnreach && len(u.unreach) == 0 && u.seen == [4]uint64{onlyUnreach} {
		return u.unreachFamily, true
	}
	return Family{}, false
}

// reset forgets the previous message. Field by field: clearing the whole struct costs more than reading a short message.
func (u *Update) reset(o Options) {
	u.Faults, u.Unsupported = 0, 0
	u.opts, u.rib, u.cut = o, false, false
	u.attrs, u.withdrawn, u.nlri, u.reach, u.unreach = nil, nil, nil, nil, nil
	u.reachFamily, u.unreachFamily, u.hasUnreach = Family{}, Family{}, false
	u.seen = [4]uint64{}
	u.asPath, u.as4Path = nil, nil
	u.aggregator, u.hasAgg4, u.aggStale = 0, false, false
	u.path = Path{}
	u.phase, u.cur = phaseStart, nil
}

// field splits off what a two-octet length in front of b says. In a cut message the field ends at the cut at the latest.
func (u *Update) field(b []byte) (f, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, u.cut
	}
	n := int(binary.BigEndian.Uint16(b))
	b = b[2:]
	if n > len(b) {
		return b, nil, u.cut
	}
	return b[:n], b[n:], true
}

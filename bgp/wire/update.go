// Package wire reads BGP messages off their bytes: UPDATE to elems without allocating, keeping the attribute bytes as received.
//
// It follows RFC 4271 (UPDATE), 4760 (multiprotocol), 6793 (four-octet AS numbers), 7911 (ADD-PATH) and 7606 (error handling):
// what is malformed takes its routes away or loses an attribute, is named in Update.Faults and on each elem, and never hides the
// withdrawals beside it. An observer has no session to reset; where the RFCs demand that, a message whose fields can be told apart is
// kept as far as it is certain, and any other is refused whole.
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
	// cutAttrs: and its attributes do before theirs. Where they are whole, the cut explains no fault in them.
	cutAttrs bool

	msg           []byte // what spans point into: the message, or the attributes of a table entry
	attrs         span
	holding       uint8        // the fields that hold prefixes, one bit each
	fields        [fields]span // the prefixes of each phase; meaningless for those not in holding
	reachFamily   Family       // of a reach field that holds prefixes
	unreachFamily Family       // with hasUnreach
	hasUnreach    bool
	seen          [4]uint64   // attribute types met, one bit each
	kept          [slots]span // values of the attribute types that have a slot; meaningless for those not in seen

	origin  uint32 // of the path
	hasPath bool   // the path is well-formed
	merged  bool   // with AS4_PATH, behind the first lead units of AS_PATH
	lead    int

	phase      uint8
	pending    uint8 // of the fields in holding, those to come
	at, end    int   // what Next has not read of the current phase
	addPath    bool
	maxBits    uint8 // 32 or 128
	kind       bgp.Kind
	cause      bgp.Cause
	elemOrigin uint32 // of all elems of the phase: 0 for withdrawals
}

// span is a stretch of Update.msg. It takes the place of a slice because it is half as long and free of pointers: forgetting the last
// message would otherwise cost more than reading a short one.
type span struct{ from, to uint32 }

// some is 1 unless the span is empty.
func (s span) some() uint8 { return uint8((s.from - s.to) >> 31) }

// Parse reads one whole BGP message (19-octet header included) of type UPDATE; Next then gives its elems. An error is one of the
// Err values of this package and means that nothing in the message can be used. All that RFC 7606 handles short of that is not an error:
// it shows as the Cause of elems and in Faults.
func (u *Update) Parse(msg []byte, o Options) error {
	u.reset(o)
	if !complete(msg) {
		var err error
		if msg, err = u.trim(msg); err != nil {
			return err
		}
	}
	u.msg = msg
	// Nearly all messages withdraw nothing in their own field, and the two lengths stand side by side.
	lengths := four(msg, headerLen)
	withdrawn, attrs := span{headerLen + 2, headerLen + 2}, span{headerLen + 4, headerLen + 4 + lengths}
	if lengths > 0xffff || int(attrs.to) > len(msg) {
		var ok bool
		if withdrawn, attrs, ok = u.split(); !ok {
			return ErrFields
		}
	}
	nlri := span{attrs.to, uint32(len(msg))}
	u.attrs = attrs
	u.fields[fieldWithdrawn], u.fields[fieldNLRI] = withdrawn, nlri
	u.holding = withdrawn.some()<<fieldWithdrawn | nlri.some()<<fieldNLRI
	if err := u.readAttrs(int(attrs.from), int(attrs.to)); err != nil {
		u.reset(o)
		return err
	}
	u.pending = u.holding
	const announcing = 1<<fieldNLRI | 1<<fieldReach
	if u.holding&announcing != 0 {
		u.requireAttrs(u.holding&(1<<fieldNLRI) != 0)
	}
	return nil
}

// complete reports whether msg is an UPDATE exactly as long as it says, and long enough.
func complete(msg []byte) bool {
	return len(msg) >= headerLen+4 && binary.LittleEndian.Uint64(msg)&binary.LittleEndian.Uint64(msg[8:]) == ^uint64(0) &&
		int(binary.BigEndian.Uint32(msg[16:])>>8) == len(msg)<<8|TypeUpdate
}

// trim is what of msg can be read when it is not complete: it may have more behind it, or be cut by its collector.
func (u *Update) trim(msg []byte) ([]byte, error) {
	t, err := MessageType(msg)
	if err != nil {
		return nil, err
	}
	if t != TypeUpdate {
		return nil, ErrNotUpdate
	}
	switch n := int(binary.BigEndian.Uint16(msg[16:])); {
	case n < headerLen+4:
		return nil, ErrLength
	case n < len(msg):
		u.Faults |= FaultTrailing
		return msg[:n], nil
	case !u.opts.Truncated:
		return nil, ErrShort
	}
	u.cut = true
	u.Faults |= FaultTruncated
	return msg, nil
}

// split finds the withdrawn routes and the attributes of the message; behind them are the prefixes announced. It is false when a length
// field points behind the message's end and no collector's cut excuses that.
func (u *Update) split() (withdrawn, attrs span, ok bool) {
	if withdrawn, ok = u.field(headerLen); !ok {
		return withdrawn, attrs, false
	}
	if attrs, ok = u.field(withdrawn.to); !ok {
		return withdrawn, attrs, false
	}
	u.cutAttrs = u.cut && (attrs.from < withdrawn.to+2 || uint32(binary.BigEndian.Uint16(u.msg[withdrawn.to:])) > attrs.to-attrs.from)
	return withdrawn, attrs, true
}

// ParseRIB reads the attributes of one entry of a table dump, whose prefix and peer stand beside them: RFC 6396 section 4.3.4.
// AS numbers are four octets in TABLE_DUMP_V2 and two in TABLE_DUMP (o.AS4 says which; mrt.Content.Opts has it right); MP_REACH_NLRI
// is accepted both whole and abbreviated to its next hop. Next yields nothing afterwards; RIBElem makes the elem.
func (u *Update) ParseRIB(attrs []byte, o Options) {
	u.reset(o)
	u.rib = true
	u.msg, u.attrs = attrs, span{0, uint32(len(attrs))}
	if u.readAttrs(0, len(attrs)) != nil {
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
	e := bgp.Elem{Prefix: p, PathID: pathID, Origin: u.origin, Kind: bgp.RIB}
	if u.Faults&discard != 0 {
		e.Cause = bgp.CauseDiscardAttr
	}
	return e
}

// Attrs is the path attributes as received, for a message as for a table entry.
func (u *Update) Attrs() []byte { return u.msg[u.attrs.from:u.attrs.to] }

// EndOfRIB reports whether the message is the End-of-RIB marker of a family (RFC 4724 section 2), and of which.
func (u *Update) EndOfRIB() (Family, bool) {
	if u.rib || u.cut || u.Faults != 0 || u.holding&(1<<fieldWithdrawn|1<<fieldNLRI) != 0 {
		return Family{}, false
	}
	if u.attrs.some() == 0 {
		return IPv4Unicast, true
	}
	const onlyUnreach = 1 << attrMPUnreach
	if u.hasUnreach && u.holding&(1<<fieldUnreach) == 0 && u.seen == [4]uint64{onlyUnreach} {
		return u.unreachFamily, true
	}
	return Family{}, false
}

// reset forgets the previous message. Field by field: clearing the whole struct costs more than reading a short message.
func (u *Update) reset(o Options) {
	u.Faults, u.Unsupported = 0, 0
	u.opts, u.rib, u.cut, u.cutAttrs = o, false, false, false
	u.attrs = span{}
	u.holding, u.hasUnreach = 0, false
	u.seen = [4]uint64{}
	u.origin, u.hasPath, u.merged = 0, false, false
	u.phase, u.pending, u.at, u.end = phaseStart, 0, 0, 0
}

// field is what the two-octet length at an offset of the message says. In a cut message it ends at the cut at the latest.
func (u *Update) field(at uint32) (f span, ok bool) {
	left := uint32(len(u.msg)) - at
	if left < 2 {
		return span{at + left, at + left}, u.cut
	}
	n := uint32(binary.BigEndian.Uint16(u.msg[at:]))
	if n > left-2 {
		return span{at + 2, at + left}, u.cut
	}
	return span{at + 2, at + 2 + n}, true
}

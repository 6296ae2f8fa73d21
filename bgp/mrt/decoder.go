package mrt

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

// ContentKind says what a record holds.
type ContentKind uint8

// The kinds of Content.
const (
	Message     ContentKind = iota + 1 // a BGP message: BGP, PeerAS, PeerAddr, LocalAS, Opts, Local
	StateChange                        // a session changed state: OldState, NewState, PeerAS, PeerAddr, LocalAS
	RIBEntries                         // entries of a table: RIB, Opts
	PeerIndex                          // the peers of the tables that follow; the Decoder keeps it
	Skipped                            // well framed and not supported: Reason
)

// Content is what one record says. It refers to the record's bytes and is valid only as long as they are.
type Content struct {
	Kind     ContentKind
	PeerAS   uint32
	LocalAS  uint32 // of the collector
	PeerAddr netip.Addr
	OldState bgp.State
	NewState bgp.State
	Local    bool         // the collector sent the message, the peer did not (RFC 6396 section 4.4.4): it says nothing about the peer's view
	BGP      []byte       // the whole message, header included
	Opts     wire.Options // how to read BGP, or the attributes of RIB entries
	Reason   string       // of Skipped: one of the Skip constants
	RIB      RIB
}

// The reasons of Skipped: a closed list, fit for a counter's label.
const (
	SkipType      = "unsupported-type"
	SkipSubtype   = "unsupported-subtype"
	SkipMulticast = "multicast-rib"
	SkipGeneric   = "rib-generic"
	SkipGeo       = "geo-peer-table"
	SkipLegacy    = "legacy-bgp-message" // TypeBGP subtypes that carry no UPDATE or state
)

// The errors of Decode and RIB.Err: the record is malformed. Compared with errors.Is; worth a counter each.
var (
	ErrShort     = errors.New("mrt record is shorter than its fields")
	ErrFamily    = errors.New("mrt record of an address family other than IPv4 and IPv6")
	ErrPrefix    = errors.New("mrt record holds a prefix longer than its family")
	ErrNoPeers   = errors.New("mrt table without a PEER_INDEX_TABLE before it")
	ErrPeerIndex = errors.New("mrt table entry of a peer that the PEER_INDEX_TABLE does not list")
	ErrEntries   = errors.New("mrt table record ends before its entries do, or goes on behind them")
)

// Subtypes of BGP4MP and BGP4MP_ET: RFC 6396 section 4.4, RFC 8050 section 3.
const (
	subStateChange    = 0
	subMessage        = 1
	subMessageAS4     = 4
	subStateChangeAS4 = 5
	subMessageLocal   = 6
	subAS4Local       = 7
	subAddPath        = 8
	subAS4AddPath     = 9
	subLocalAddPath   = 10
	subAS4LocalAdd    = 11
)

// Decoder gives meaning to the records of one stream. It keeps the PEER_INDEX_TABLE, so that one Decoder serves one file and is told
// of every record in order. The zero value is ready. Not safe for concurrent use.
type Decoder struct {
	peers    []peer
	hasPeers bool
	scratch  []byte // a BGP message rebuilt from a legacy record
}

type peer struct {
	addr netip.Addr
	as   uint32
}

// Decode reads one record into c. An error means that the record is malformed, and c is not to be used.
func (d *Decoder) Decode(rec *Record, c *Content) error {
	f := &forms[rec.Subtype%uint16(len(forms))]
	if rec.Type != TypeBGP4MP && rec.Type != TypeBGP4MPET || f.kind == 0 || rec.Subtype >= uint16(len(forms)) {
		return d.decodeOther(rec, c)
	}
	if f.kind != Message || c.Kind != Message { // else all that the last message set is set anew
		c.reset()
	}
	// The two ends of the session: AS numbers, interface index, address family, addresses.
	b := rec.Body
	if f.opts.AS4 {
		if len(b) < 12 {
			return ErrShort
		}
		c.PeerAS, c.LocalAS = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
		b = b[8:]
	} else {
		if len(b) < 8 {
			return ErrShort
		}
		c.PeerAS, c.LocalAS = uint32(binary.BigEndian.Uint16(b)), uint32(binary.BigEndian.Uint16(b[2:]))
		b = b[4:]
	}
	switch binary.BigEndian.Uint16(b[2:4]) {
	case 1:
		if len(b) < 4+8 {
			return ErrShort
		}
		c.PeerAddr = netip.AddrFrom4([4]byte(b[4:]))
		b = b[4+8:]
	case 2:
		if len(b) < 4+32 {
			return ErrShort
		}
		c.PeerAddr = netip.AddrFrom16([16]byte(b[4:]))
		b = b[4+32:]
	default:
		return ErrFamily
	}
	c.Opts = f.opts
	if f.kind == StateChange {
		return c.stateChange(b)
	}
	if len(b) < bgpHeaderLen {
		return ErrShort
	}
	c.Kind, c.BGP, c.Local = Message, b, f.local
	c.Opts.IBGP = c.PeerAS == c.LocalAS && c.PeerAS != 0
	c.Opts.Truncated = int(binary.BigEndian.Uint16(b[16:])) > len(b)
	return nil
}

const bgpHeaderLen = 19

// stateChange reads what of a BGP4MP_STATE_CHANGE stands behind its session: RFC 6396 section 4.4.1.
func (c *Content) stateChange(b []byte) error {
	if len(b) < 4 {
		return ErrShort
	}
	c.Kind = StateChange
	c.OldState, c.NewState = bgp.State(binary.BigEndian.Uint16(b)), bgp.State(binary.BigEndian.Uint16(b[2:]))
	return nil
}

// decodeOther is Decode for records other than those of BGP4MP with a subtype in use.
func (d *Decoder) decodeOther(rec *Record, c *Content) error {
	c.reset()
	switch rec.Type {
	case TypeBGP4MP, TypeBGP4MPET:
		return skipped(c, SkipSubtype)
	case TypeTableDumpV2:
		return d.tableDumpV2(rec.Subtype, rec.Body, c)
	case TypeTableDump:
		return tableDump(rec.Subtype, rec.Body, c)
	case TypeBGP:
		return d.legacy(rec.Subtype, rec.Body, c)
	}
	return skipped(c, SkipType)
}

// reset empties c. The RIB is most of it and rarely used, so it is left alone where it is empty already.
func (c *Content) reset() {
	if c.Kind == RIBEntries {
		c.RIB.reset()
	}
	c.Kind, c.PeerAS, c.LocalAS, c.PeerAddr = 0, 0, 0, netip.Addr{}
	c.OldState, c.NewState, c.Local = 0, 0, false
	c.BGP, c.Opts, c.Reason = nil, wire.Options{}, ""
}

func skipped(c *Content, reason string) error {
	c.Kind, c.Reason = Skipped, reason
	return nil
}

// form is what a subtype of BGP4MP says about its record.
type form struct {
	kind  ContentKind // 0: not in use
	local bool
	opts  wire.Options
}

// forms by subtype.
var forms = func() (t [16]form) {
	as4, addPath := wire.Options{AS4: true}, wire.Options{AddPath4: true, AddPath6: true}
	both := wire.Options{AS4: true, AddPath4: true, AddPath6: true}
	t[subStateChange] = form{kind: StateChange}
	t[subMessage] = form{kind: Message}
	t[subMessageAS4] = form{kind: Message, opts: as4}
	t[subStateChangeAS4] = form{kind: StateChange, opts: as4}
	t[subMessageLocal] = form{kind: Message, local: true}
	t[subAS4Local] = form{kind: Message, local: true, opts: as4}
	t[subAddPath] = form{kind: Message, opts: addPath}
	t[subAS4AddPath] = form{kind: Message, opts: both}
	t[subLocalAddPath] = form{kind: Message, local: true, opts: addPath}
	t[subAS4LocalAdd] = form{kind: Message, local: true, opts: both}
	return t
}()

package mrt

import (
	"encoding/binary"
	"net/netip"

	"github.com/corewatch/corewatch/bgp"
)

// Subtypes of TABLE_DUMP_V2: RFC 6396 section 4.3, RFC 6397, RFC 8050 section 4.
const (
	subPeerIndex    = 1
	subRIB4Unicast  = 2
	subRIB4Multi    = 3
	subRIB6Unicast  = 4
	subRIB6Multi    = 5
	subRIBGeneric   = 6
	subGeoPeers     = 7
	subRIB4UniAdd   = 8
	subRIB4MultiAdd = 9
	subRIB6UniAdd   = 10
	subRIB6MultiAdd = 11
	subGenericAdd   = 12
)

// RIB iterates over the entries of one table record. It refers to the record's bytes and to its Decoder's peers: valid until the
// next record is read or decoded.
type RIB struct {
	// Prefix is what all entries of the record are about.
	Prefix bgp.Prefix
	// UnknownPeers counts the entries passed over because their peer index is not in the PEER_INDEX_TABLE.
	UnknownPeers int

	peers   []peer
	b       []byte // entries not yet read
	left    int
	addPath bool
	v1      RIBEntry // the one entry of a TABLE_DUMP record
	isV1    bool
	err     error
}

// RIBEntry is one peer's route in a table.
type RIBEntry struct {
	Prefix     bgp.Prefix
	PeerAS     uint32
	PeerAddr   netip.Addr
	Originated bgp.Micros // when the route was received, as far as the collector says: whole seconds
	Attrs      []byte     // path attributes, for wire.Update.ParseRIB
	PathID     uint32     // RFC 8050 section 4; 0 when ADD-PATH is not in use
}

// reset empties r: Next yields nothing. The entry of a TABLE_DUMP record is left, because isV1 guards it.
func (r *RIB) reset() {
	r.Prefix, r.UnknownPeers = bgp.Prefix{}, 0
	r.peers, r.b, r.left = nil, nil, 0
	r.addPath, r.isV1, r.err = false, false, nil
}

// Next gives the next entry. It is false at the end, and where the record is malformed: see Err.
func (r *RIB) Next(e *RIBEntry) bool {
	if r.isV1 {
		*e, r.isV1 = r.v1, false
		return true
	}
	for r.left > 0 {
		r.left--
		index, ok := r.entry(e)
		if !ok {
			r.err, r.left = ErrEntries, 0
			return false
		}
		if index < len(r.peers) {
			e.Prefix = r.Prefix
			e.PeerAS, e.PeerAddr = r.peers[index].as, r.peers[index].addr
			return true
		}
		r.UnknownPeers++
	}
	if len(r.b) > 0 && r.err == nil {
		r.err, r.b = ErrEntries, nil
	}
	return false
}

// Err is why the iteration ended early, or ErrPeerIndex when entries were passed over; nil when all was well. Ask it after Next was false.
func (r *RIB) Err() error {
	if r.err == nil && r.UnknownPeers > 0 {
		return ErrPeerIndex
	}
	return r.err
}

// entry reads one entry: RFC 6396 section 4.3.4.
func (r *RIB) entry(e *RIBEntry) (index int, ok bool) {
	head := 8
	if r.addPath {
		head = 12
	}
	b := r.b
	if len(b) < head {
		return 0, false
	}
	e.PathID = 0
	if r.addPath {
		e.PathID = binary.BigEndian.Uint32(b[6:])
	}
	n := int(binary.BigEndian.Uint16(b[head-2:]))
	if n > len(b)-head {
		return 0, false
	}
	e.Originated = bgp.Seconds(int64(binary.BigEndian.Uint32(b[2:])))
	e.Attrs = b[head : head+n]
	r.b = b[head+n:]
	return int(binary.BigEndian.Uint16(b)), true
}

func (d *Decoder) tableDumpV2(subtype uint16, b []byte, c *Content) error {
	c.Opts.AS4 = true
	v6, addPath := false, false
	switch subtype {
	case subPeerIndex:
		c.Kind = PeerIndex
		return d.readPeers(b)
	case subRIB4Unicast:
	case subRIB4UniAdd:
		addPath = true
	case subRIB6Unicast:
		v6 = true
	case subRIB6UniAdd:
		v6, addPath = true, true
	case subRIB4Multi, subRIB6Multi, subRIB4MultiAdd, subRIB6MultiAdd:
		return skipped(c, SkipMulticast)
	case subRIBGeneric, subGenericAdd:
		return skipped(c, SkipGeneric)
	case subGeoPeers:
		return skipped(c, SkipGeo)
	default:
		return skipped(c, SkipSubtype)
	}
	if !d.hasPeers {
		return ErrNoPeers
	}
	if len(b) < 5 {
		return ErrShort
	}
	p, b, err := readPrefix(b[4:], v6)
	if err != nil {
		return err
	}
	if len(b) < 2 {
		return ErrShort
	}
	c.Kind = RIBEntries
	r := &c.RIB // empty; assigning the whole would copy what only TABLE_DUMP needs
	r.Prefix, r.peers, r.addPath, r.left, r.b = p, d.peers, addPath, int(binary.BigEndian.Uint16(b)), b[2:]
	return nil
}

// readPrefix reads a length octet and as many octets as it needs.
func readPrefix(b []byte, v6 bool) (bgp.Prefix, []byte, error) {
	bits := b[0]
	n := (int(bits) + 7) / 8
	if !v6 && bits > 32 || bits > 128 {
		return bgp.Prefix{}, nil, ErrPrefix
	}
	if len(b) < 1+n {
		return bgp.Prefix{}, nil, ErrShort
	}
	if len(b) >= 1+16 { // octets that are not the prefix's are read too, and cleared
		return prefixOf(b[1:1+16], v6, bits), b[1+n:], nil
	}
	var a [16]byte
	copy(a[:], b[1:1+n])
	return prefixOf(a[:], v6, bits), b[1+n:], nil
}

// prefixOf makes a prefix of the first 4 or 16 octets of a.
func prefixOf(a []byte, v6 bool, bits uint8) bgp.Prefix {
	if v6 {
		return bgp.PrefixFrom6(binary.BigEndian.Uint64(a), binary.BigEndian.Uint64(a[8:]), bits)
	}
	return bgp.PrefixFrom4(binary.BigEndian.Uint32(a), bits)
}

// readPeers reads a PEER_INDEX_TABLE: RFC 6396 section 4.3.1. When it ends early, the peers before the end are kept: the
// entries of the others are counted as of unknown peers.
func (d *Decoder) readPeers(b []byte) error {
	d.peers, d.hasPeers = d.peers[:0], true
	if len(b) < 6 {
		return ErrShort
	}
	view := int(binary.BigEndian.Uint16(b[4:]))
	if len(b) < 6+view+2 {
		return ErrShort
	}
	count := int(binary.BigEndian.Uint16(b[6+view:]))
	b = b[6+view+2:]
	for range count {
		if len(b) < 1 {
			return ErrShort
		}
		flags := b[0]
		addr, as := 4, 2
		if flags&1 != 0 {
			addr = 16
		}
		if flags&2 != 0 {
			as = 4
		}
		if len(b) < 5+addr+as {
			return ErrShort
		}
		var p peer
		p.addr, _ = netip.AddrFromSlice(b[5 : 5+addr])
		if b = b[5+addr:]; as == 4 {
			p.as = binary.BigEndian.Uint32(b)
		} else {
			p.as = uint32(binary.BigEndian.Uint16(b))
		}
		b = b[as:]
		d.peers = append(d.peers, p)
	}
	return nil
}

// tableDump reads a TABLE_DUMP record, which is one entry: RFC 6396 section 4.2. Subtypes 3 and 4 are not in the RFC; RIS wrote
// them for peers with four-octet AS numbers.
func tableDump(subtype uint16, b []byte, c *Content) error {
	var v6 bool
	switch subtype {
	case 1:
	case 2:
		v6 = true
	case 3:
		c.Opts.AS4 = true
	case 4:
		v6, c.Opts.AS4 = true, true
	default:
		return skipped(c, SkipSubtype)
	}
	addr, as := 4, 2
	if v6 {
		addr = 16
	}
	if c.Opts.AS4 {
		as = 4
	}
	if len(b) < 4+addr+2+4+addr+as+2 {
		return ErrShort
	}
	b = b[4:]
	bits := b[addr]
	if int(bits) > addr*8 {
		return ErrPrefix
	}
	e := RIBEntry{Prefix: prefixOf(b, v6, bits)}
	b = b[addr+2:]
	e.Originated = bgp.Seconds(int64(binary.BigEndian.Uint32(b)))
	b = b[4:]
	e.PeerAddr, _ = netip.AddrFromSlice(b[:addr])
	if b = b[addr:]; as == 4 {
		e.PeerAS = binary.BigEndian.Uint32(b)
	} else {
		e.PeerAS = uint32(binary.BigEndian.Uint16(b))
	}
	b = b[as:]
	n := int(binary.BigEndian.Uint16(b))
	if n != len(b)-2 {
		return ErrEntries
	}
	e.Attrs = b[2:]
	c.Kind = RIBEntries
	c.PeerAS, c.PeerAddr = e.PeerAS, e.PeerAddr
	c.RIB.Prefix, c.RIB.v1, c.RIB.isV1 = e.Prefix, e, true
	return nil
}

package truth

import (
	"encoding/binary"
	"net/netip"
)

// key is a prefix as a map key: IPv4 addresses fill the first four octets; host bits are zero.
type key struct {
	addr   [16]byte
	bits   uint8
	family uint8 // 4 or 6
}

func (k key) prefix() netip.Prefix {
	if k.family == 4 {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(k.addr[:4])), int(k.bits))
	}
	return netip.PrefixFrom(netip.AddrFrom16(k.addr), int(k.bits))
}

// shorten cuts the prefix to length n, clearing what follows.
func (k key) shorten(n uint8) key {
	k.bits = n
	whole := int(n) / 8
	if rest := n % 8; rest != 0 {
		k.addr[whole] &= 0xff << (8 - rest)
		whole++
	}
	clear(k.addr[whole:])
	return k
}

func keyOf(p netip.Prefix) key {
	k := key{bits: uint8(p.Bits()), family: 6}
	if p.Addr().Is4() {
		a := p.Addr().As4()
		copy(k.addr[:], a[:])
		k.family = 4
		return k
	}
	k.addr = p.Addr().As16()
	return k
}

// elem is one prefix out of one message.
type elem struct {
	key    key
	up     bool
	origin uint32 // of an announcement; 0 when the path names none
}

// Path attributes by type code: RFC 4271 section 5, RFC 4760 sections 3 and 4, RFC 6793 section 3.
const (
	attrASPath    = 2
	attrMPReach   = 14
	attrMPUnreach = 15
	attrAS4Path   = 17
)

const headerLen = 19 // of a BGP message, RFC 4271 section 4.1

// readUpdate appends to elems what a BGP message says about unicast prefixes: withdrawals first, then announcements, so that a
// prefix in both ends up announced (RFC 4271 section 4.3). whole is false when the message's lengths do not add up, or it was cut
// short by the collector: then elems are what could be read up to there.
func readUpdate(b []byte, as4 bool, elems []elem) (_ []elem, whole bool) {
	if len(b) < headerLen || b[18] != 2 {
		return elems, len(b) >= headerLen
	}
	whole = true
	if n := int(binary.BigEndian.Uint16(b[16:])); n >= headerLen && n < len(b) {
		b = b[:n]
	} else if n > len(b) {
		whole = false
	}
	withdrawn, b, ok := counted(b[headerLen:])
	elems, good := readPrefixes(withdrawn, 4, false, 0, elems)
	if !ok || !good {
		return elems, false
	}
	attrs, nlri, ok := counted(b)
	if !ok {
		return elems, false // the routes announced stand behind the attributes; those inside them cannot be trusted
	}
	a, good := readAttributes(attrs, as4)
	if !good {
		return elems, false
	}
	elems, good = readPrefixes(a.unreach, a.unreachFamily, false, 0, elems)
	whole = whole && good
	elems, good = readPrefixes(nlri, 4, true, a.origin, elems)
	whole = whole && good
	elems, good = readPrefixes(a.reach, a.reachFamily, true, a.origin, elems)
	return elems, whole && good
}

// counted takes a field with a two-octet length off b. When b is shorter than the length says, the field is what there is.
func counted(b []byte) (field, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if b = b[2:]; n > len(b) {
		return b, nil, false
	}
	return b[:n], b[n:], true
}

type attributes struct {
	origin                     uint32
	reach, unreach             []byte // NLRI of MP_REACH_NLRI and MP_UNREACH_NLRI, unicast only
	reachFamily, unreachFamily uint8
}

func readAttributes(b []byte, as4 bool) (a attributes, ok bool) {
	var path4 uint32
	for len(b) > 0 {
		if len(b) < 3 {
			return a, false
		}
		flags, code := b[0], b[1]
		var value []byte
		if flags&0x10 != 0 { // extended length
			value, b, ok = counted(b[2:])
			if !ok {
				return a, false
			}
		} else {
			n := int(b[2])
			if len(b) < 3+n {
				return a, false
			}
			value, b = b[3:3+n], b[3+n:]
		}
		switch code {
		case attrASPath:
			a.origin = lastAS(value, as4)
		case attrAS4Path:
			path4 = lastAS(value, true)
		case attrMPReach:
			a.reachFamily, a.reach = multiprotocol(value, true)
		case attrMPUnreach:
			a.unreachFamily, a.unreach = multiprotocol(value, false)
		}
	}
	if a.origin == asTrans && path4 != 0 {
		a.origin = path4
	}
	return a, true
}

// asTrans stands for an AS number that does not fit in two octets: RFC 6793 section 9.
const asTrans = 23456

// lastAS is the origin: the last AS of a path that ends in an AS_SEQUENCE, or in an AS_SET of one; else 0.
func lastAS(b []byte, as4 bool) (origin uint32) {
	size := 2
	if as4 {
		size = 4
	}
	for len(b) >= 2 {
		kind, n := b[0], int(b[1])
		if b = b[2:]; len(b) < n*size {
			return 0
		}
		if kind == 1 || kind == 2 { // AS_SET, AS_SEQUENCE; not the confederation kinds of RFC 5065
			origin = 0
			if last := b[max(0, n-1)*size:]; n > 0 && (kind == 2 || n == 1) {
				if as4 {
					origin = binary.BigEndian.Uint32(last)
				} else {
					origin = uint32(binary.BigEndian.Uint16(last))
				}
			}
		}
		b = b[n*size:]
	}
	return origin
}

// multiprotocol is the NLRI of an MP attribute of unicast IPv4 or IPv6; family 0 for anything else.
func multiprotocol(b []byte, reach bool) (family uint8, nlri []byte) {
	if len(b) < 3 || b[2] != 1 { // SAFI 1, unicast
		return 0, nil
	}
	switch binary.BigEndian.Uint16(b) {
	case 1:
		family = 4
	case 2:
		family = 6
	default:
		return 0, nil
	}
	if b = b[3:]; reach { // next hop and a reserved octet before the prefixes
		if len(b) < 1 || len(b) < 2+int(b[0]) {
			return 0, nil
		}
		b = b[2+int(b[0]):]
	}
	return family, b
}

// readPrefixes reads NLRI (RFC 4271 section 4.3): a length in bits and as many octets as it needs. Host bits are cleared.
func readPrefixes(b []byte, family uint8, up bool, origin uint32, elems []elem) ([]elem, bool) {
	limit := uint8(32)
	if family == 6 {
		limit = 128
	}
	for len(b) > 0 {
		bits := b[0]
		n := (int(bits) + 7) / 8
		if bits > limit || len(b) < 1+n {
			return elems, false
		}
		k := key{family: family}
		copy(k.addr[:], b[1:1+n])
		elems = append(elems, elem{key: k.shorten(bits), up: up, origin: origin})
		b = b[1+n:]
	}
	return elems, true
}

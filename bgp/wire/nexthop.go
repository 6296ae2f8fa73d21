package wire

import (
	"encoding/binary"
	"net/netip"
)

// NextHop is the next hop of the announced prefixes of a family. When MP_REACH_NLRI is of that family (unicast or multicast), it is
// the address there: IPv4, or IPv6 with or without a link-local address behind it, for IPv6 prefixes (RFC 2545 section 3) and for
// IPv4 prefixes (RFC 8950 section 3). Else it is NEXT_HOP for IPv4 and nothing for IPv6. Addresses are as carried: one mapped from
// IPv4 stays a mapped one, and linkLocal is whatever stands second, the zero Addr when nothing does. ok is false when the attribute
// is absent or its length is none of those.
//
// One UPDATE may hold IPv4 prefixes both in MP_REACH_NLRI and in its own field, each with a next hop of its own. ElemNextHop tells
// them apart.
//
// After ParseRIB, MP_REACH_NLRI is read whole as well as abbreviated (RFC 6396 section 4.3.4); the abbreviated form names no family
// and is taken as that of the table entry, which the caller knows.
func (u *Update) NextHop(v6 bool) (hop, linkLocal netip.Addr, ok bool) {
	if addr, ok := u.reachHop(v6); ok {
		return splitHop(addr, v6)
	}
	if v6 {
		return netip.Addr{}, netip.Addr{}, false
	}
	return u.classicHop()
}

// ElemNextHop is the next hop of the elem that Next gave last, as carried even when Next made a withdrawal of the announcement: from
// MP_REACH_NLRI for a prefix that stood there, from NEXT_HOP for one in the UPDATE's own field. ok is false for prefixes in the
// fields of withdrawals, and once Next has returned false.
func (u *Update) ElemNextHop() (hop, linkLocal netip.Addr, ok bool) {
	switch u.phase {
	case phaseNLRI:
		return u.classicHop()
	case phaseReach:
		return u.NextHop(u.reachFamily.AFI == afiIPv6)
	}
	return netip.Addr{}, netip.Addr{}, false
}

func (u *Update) classicHop() (hop, linkLocal netip.Addr, ok bool) {
	v, ok := u.Attributes().sized(attrNextHop, 4)
	if !ok {
		return netip.Addr{}, netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(v)), netip.Addr{}, true
}

// reachHop is the next hop field of MP_REACH_NLRI (RFC 4760 section 3); false when there is none for the family.
func (u *Update) reachHop(v6 bool) ([]byte, bool) {
	v, ok := u.reachValue()
	if !ok || len(v) == 0 {
		return nil, false
	}
	if u.rib && int(v[0]) == len(v)-1 {
		return v[1:], true
	}
	if len(v) < 4 || len(v) < 4+int(v[3]) {
		return nil, false
	}
	afi := uint16(afiIPv4)
	if v6 {
		afi = afiIPv6
	}
	if binary.BigEndian.Uint16(v) != afi || v[2] != safiUnicast && v[2] != safiMulticast {
		return nil, false
	}
	return v[4 : 4+int(v[3])], true
}

// reachValue is the value of MP_REACH_NLRI, or what the collector left of it: prefixes are taken from before the cut, and so is
// their next hop.
func (u *Update) reachValue() ([]byte, bool) {
	for b := u.Attrs(); len(b) > 0; {
		a, rest, ok := cutAttr(b)
		if a.Type == attrMPReach && (ok || u.cut) {
			return a.Value, true
		}
		b = rest
	}
	return nil, false
}

// splitHop reads a next hop field of the lengths allowed for the family.
func splitHop(b []byte, v6 bool) (hop, linkLocal netip.Addr, ok bool) {
	switch {
	case len(b) == 4 && !v6:
		return netip.AddrFrom4([4]byte(b)), netip.Addr{}, true
	case len(b) == 16:
		return netip.AddrFrom16([16]byte(b)), netip.Addr{}, true
	case len(b) == 32:
		return netip.AddrFrom16([16]byte(b)), netip.AddrFrom16([16]byte(b[16:])), true
	}
	return netip.Addr{}, netip.Addr{}, false
}

package dump

import "encoding/binary"

// Path attribute types: the IANA registry "BGP Path Attributes".
const (
	attrOrigin      = 1
	attrASPath      = 2
	attrNextHop     = 3
	attrMED         = 4
	attrLocalPref   = 5
	attrAtomic      = 6
	attrAggregator  = 7
	attrCommunities = 8
	attrMPReach     = 14
	attrMPUnreach   = 15
	attrAS4Path     = 17
	attrAS4Agg      = 18

	flagExtended = 0x10
	asTrans      = 23456
)

// noAddr is what bgpdump shows for a next hop that is not there, and what it takes for an aggregator that is not there.
var noAddr = [4]byte{255, 255, 255, 255}

// bgpdumpAttrs is the path attributes read as bgpdump reads them. It takes values of any length, with zeros for octets that are
// missing, where bgp/wire drops the attribute; and it judges nothing.
type bgpdumpAttrs struct {
	origin      byte
	path        pathValue
	hasPath     bool
	as4Path     pathValue
	mergeAS4    bool
	nextHop     [4]byte
	med, pref   uint32 // 0 when absent
	atomic      bool
	aggregator  uint32
	aggAddr     [4]byte
	communities []byte
	reach       []byte // value of MP_REACH_NLRI
	unreach     []byte
}

// lead is the first n octets of v, zeros for missing ones.
func lead(v []byte, n int) (o [8]byte) {
	copy(o[:n], v)
	return o
}

func lead32(v []byte) uint32 {
	o := lead(v, 4)
	return binary.BigEndian.Uint32(o[:])
}

// read takes the attribute list. An attribute that overruns it is dropped, and of a type that comes twice the first counts.
func (a *bgpdumpAttrs) read(b []byte, wide bool) {
	*a = bgpdumpAttrs{origin: 2, nextHop: noAddr, aggAddr: noAddr}
	var (
		seen      [4]uint64
		agg4      []byte
		as4Stands bool
	)
	for len(b) >= 3 {
		typ, n, head := b[1], int(b[2]), 3
		if b[0]&flagExtended != 0 {
			if len(b) < 4 {
				return
			}
			n, head = int(binary.BigEndian.Uint16(b[2:])), 4
		}
		if n > len(b)-head {
			break
		}
		v := b[head : head+n]
		b = b[head+n:]
		w, m := &seen[typ>>6], uint64(1)<<(typ&63)
		if *w&m != 0 {
			continue
		}
		*w |= m
		switch typ {
		case attrOrigin:
			a.origin = lead(v, 1)[0]
		case attrASPath:
			a.path, a.hasPath = pathValue{v, wide}, true
		case attrNextHop:
			o := lead(v, 4)
			a.nextHop = [4]byte(o[:])
		case attrMED:
			a.med = lead32(v)
		case attrLocalPref:
			a.pref = lead32(v)
		case attrAtomic:
			a.atomic = true
		case attrAggregator:
			a.readAggregator(v, wide)
		case attrCommunities:
			a.communities = v[:len(v)&^3]
		case attrMPReach:
			a.reach = v
		case attrMPUnreach:
			a.unreach = v
		case attrAS4Path:
			a.as4Path, as4Stands = pathValue{v, true}, true
		case attrAS4Agg:
			agg4 = v
		}
	}
	if wide {
		return
	}
	const hasAggregator = 1 << attrAggregator
	if agg4 != nil && seen[0]&hasAggregator != 0 {
		if a.aggregator != asTrans {
			return // RFC 6793 section 4.2.3: the AS4 attributes are stale
		}
		a.readAggregator(agg4, true)
	}
	a.mergeAS4 = as4Stands && a.hasPath
}

func (a *bgpdumpAttrs) readAggregator(v []byte, wide bool) {
	o := lead(v, 8)
	if wide {
		a.aggregator, a.aggAddr = binary.BigEndian.Uint32(o[:]), [4]byte(o[4:])
		return
	}
	a.aggregator, a.aggAddr = uint32(binary.BigEndian.Uint16(o[:])), [4]byte(o[2:])
}

func (a *bgpdumpAttrs) appendPath(b []byte) []byte {
	if !a.hasPath {
		return b
	}
	if a.mergeAS4 {
		return appendPath(b, a.path, &a.as4Path)
	}
	return appendPath(b, a.path, nil)
}

func (a *bgpdumpAttrs) appendOrigin(b []byte) []byte {
	switch a.origin {
	case 0:
		return append(b, "IGP"...)
	case 1:
		return append(b, "EGP"...)
	}
	return append(b, "INCOMPLETE"...)
}

// Communities with names: RFC 1997.
const (
	noExport    = 0xffffff01
	noAdvertise = 0xffffff02
	localAS     = 0xffffff03
)

func (a *bgpdumpAttrs) appendCommunities(b []byte) []byte {
	for v := a.communities; len(v) >= 4; v = v[4:] {
		if len(v) < len(a.communities) {
			b = append(b, ' ')
		}
		switch c := binary.BigEndian.Uint32(v); c {
		case noExport:
			b = append(b, "no-export"...)
		case noAdvertise:
			b = append(b, "no-advertise"...)
		case localAS:
			b = append(b, "local-AS"...)
		default:
			b = appendUint(append(appendUint(b, c>>16), ':'), c&0xffff)
		}
	}
	return b
}

// appendTail is the columns from the communities on.
func (a *bgpdumpAttrs) appendTail(b []byte) []byte {
	b = a.appendCommunities(b)
	if a.atomic {
		b = append(b, "|AG|"...)
	} else {
		b = append(b, "|NAG|"...)
	}
	if a.aggAddr != noAddr {
		b = append(appendUint(b, a.aggregator), ' ')
		b = appendIPv4(b, a.aggAddr)
	}
	return append(b, '|')
}

// reachFamily splits MP_REACH_NLRI (RFC 4760 section 3). ok is false for families that bgpdump has no line for, for a next hop that
// makes the prefixes unlocatable, and for what is too short.
func (a *bgpdumpAttrs) reachFamily() (v6 bool, hop, nlri []byte, ok bool) {
	v := a.reach
	v6, ok = family(v)
	if !ok || len(v) < 5 || len(v) < 5+int(v[3]) {
		return false, nil, nil, false
	}
	n := int(v[3])
	if n != 16 && n != 32 && (n != 4 || v6) {
		return false, nil, nil, false
	}
	return v6, v[4 : 4+n], v[5+n:], true
}

// unreachFamily splits MP_UNREACH_NLRI (RFC 4760 section 4).
func (a *bgpdumpAttrs) unreachFamily() (v6 bool, nlri []byte, ok bool) {
	v6, ok = family(a.unreach)
	if !ok {
		return false, nil, false
	}
	return v6, a.unreach[3:], true
}

// family reads the first three octets of an MP attribute. SAFI 3, unicast and multicast in one, was RFC 2858's.
func family(v []byte) (v6, ok bool) {
	if len(v) < 3 || v[0] != 0 || v[1] < 1 || v[1] > 2 || v[2] < 1 || v[2] > 3 {
		return false, false
	}
	return v[1] == 2, true
}

// appendTableHop is the next hop of a table entry: of MP_REACH_NLRI, abbreviated (RFC 6396 section 4.3.4) or whole, when that is
// unicast, else NEXT_HOP.
func (a *bgpdumpAttrs) appendTableHop(b []byte) []byte {
	if v := a.reach; len(v) > 0 && v[0] != 0 {
		if v[0] == 4 {
			o := lead(v[1:], 4)
			return appendIPv4(b, [4]byte(o[:]))
		}
		var o [16]byte
		copy(o[:], v[1:])
		return appendIPv6(b, o)
	}
	if _, ok := family(a.reach); ok && a.reach[2] == 1 && len(a.reach) >= 4 && len(a.reach) >= 4+int(a.reach[3]) {
		if hop := a.reach[4 : 4+int(a.reach[3])]; len(hop) == 4 || len(hop) == 16 || len(hop) == 32 {
			return appendHop(b, hop)
		}
	}
	return appendIPv4(b, a.nextHop)
}

// appendHop is a next hop field of 4, 16 or 32 octets, without the link-local address.
func appendHop(b, hop []byte) []byte {
	if len(hop) == 4 {
		return appendIPv4(b, [4]byte(hop))
	}
	return appendIPv6(b, [16]byte(hop))
}

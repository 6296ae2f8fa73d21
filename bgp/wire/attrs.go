package wire

import "encoding/binary"

// Attribute types: the IANA registry "BGP Path Attributes".
const (
	attrOrigin       = 1
	attrASPath       = 2
	attrNextHop      = 3
	attrMED          = 4
	attrLocalPref    = 5
	attrAtomic       = 6
	attrAggregator   = 7
	attrCommunities  = 8
	attrOriginatorID = 9
	attrClusterList  = 10
	attrMPReach      = 14
	attrMPUnreach    = 15
	attrExtended     = 16
	attrAS4Path      = 17
	attrAS4Agg       = 18
	attrIPv6Extended = 25
	attrLarge        = 32
)

// Attribute flags: RFC 4271 section 4.3.
const (
	flagOptional   = 0x80
	flagTransitive = 0x40
	flagExtended   = 0x10

	wellKnown     = flagTransitive
	nonTransitive = flagOptional
	transitive    = flagOptional | flagTransitive
)

const (
	afiIPv4       = 1
	afiIPv6       = 2
	safiUnicast   = 1
	safiMulticast = 2
	asTrans       = 23456
)

// readAttrs walks the attribute list once. The only error is ErrDuplicateMP.
func (u *Update) readAttrs() error {
	b := u.attrs
	for len(b) > 0 {
		flags, typ, v, rest, ok := u.splitAttr(b)
		if !ok {
			if !u.cut {
				u.Faults |= FaultAttrLength
			}
			// Of an attribute that the collector cut in two, the prefixes before the cut are still good.
			if u.cut && (typ == attrMPReach || typ == attrMPUnreach) && u.first(typ) {
				u.readAttr(flags, typ, v)
			}
			break
		}
		b = rest
		if !u.first(typ) {
			if typ == attrMPReach || typ == attrMPUnreach {
				return ErrDuplicateMP
			}
			u.Faults |= FaultDuplicate
			continue
		}
		u.readAttr(flags, typ, v)
	}
	// RFC 6793 section 4.2.3: an old speaker aggregated after the AS4 attributes were written.
	u.aggStale = u.hasAgg4 && u.aggregator != 0 && u.aggregator != asTrans
	u.setPath()
	return nil
}

// splitAttr cuts the first attribute off b. When it does not fit, ok is false and v is what there is of it.
func (u *Update) splitAttr(b []byte) (flags, typ byte, v, rest []byte, ok bool) {
	if len(b) < 3 {
		return 0, 0, nil, nil, false
	}
	flags, typ = b[0], b[1]
	n, head := int(b[2]), 3
	if flags&flagExtended != 0 {
		if len(b) < 4 {
			return 0, 0, nil, nil, false
		}
		n, head = int(binary.BigEndian.Uint16(b[2:])), 4
	}
	if n > len(b)-head {
		return flags, typ, b[head:], nil, false
	}
	return flags, typ, b[head : head+n], b[head+n:], true
}

// first marks an attribute type as met, and reports whether it was new.
func (u *Update) first(typ byte) bool {
	w, m := &u.seen[typ>>6], uint64(1)<<(typ&63)
	if *w&m != 0 {
		return false
	}
	*w |= m
	return true
}

// readAttr checks one attribute and keeps what elems need of it. Lengths and flags: RFC 7606 sections 3 (c) and 7.
func (u *Update) readAttr(flags, typ byte, v []byte) {
	kind := flags & (flagOptional | flagTransitive)
	switch typ {
	case attrOrigin:
		u.check(kind == wellKnown, FaultFlags)
		u.check(len(v) == 1 && v[0] <= 2, FaultOrigin)
	case attrASPath:
		u.check(kind == wellKnown, FaultFlags)
		u.asPath = v
	case attrNextHop:
		u.check(kind == wellKnown, FaultFlags)
		u.check(len(v) == 4, FaultNextHop)
	case attrMED:
		u.check(kind == nonTransitive, FaultFlags)
		u.check(len(v) == 4, FaultMED)
	case attrLocalPref:
		u.checkInternal(kind == wellKnown, len(v) == 4, FaultLocalPref)
	case attrAtomic:
		u.check(kind == wellKnown, FaultFlags)
		u.check(len(v) == 0, FaultAtomic)
	case attrAggregator:
		u.check(kind == transitive, FaultFlags)
		u.readAggregator(v)
	case attrCommunities:
		u.check(kind == transitive, FaultFlags)
		u.check(len(v) > 0 && len(v)%4 == 0, FaultCommunity)
	case attrOriginatorID:
		u.checkInternal(kind == nonTransitive, len(v) == 4, FaultReflection)
	case attrClusterList:
		u.checkInternal(kind == nonTransitive, len(v) > 0 && len(v)%4 == 0, FaultReflection)
	case attrMPReach:
		u.check(kind == nonTransitive, FaultFlags)
		u.readReach(v)
	case attrMPUnreach:
		u.check(kind == nonTransitive, FaultFlags)
		u.readUnreach(v)
	case attrExtended:
		u.check(kind == transitive, FaultFlags)
		u.check(len(v) > 0 && len(v)%8 == 0, FaultCommunity)
	case attrIPv6Extended:
		u.check(kind == transitive, FaultFlags)
		u.check(len(v) > 0 && len(v)%20 == 0, FaultCommunity)
	case attrLarge:
		u.check(kind == transitive, FaultFlags)
		u.check(len(v) > 0 && len(v)%12 == 0, FaultCommunity)
	case attrAS4Path:
		u.check(u.opts.AS4 || kind == transitive, FaultAS4Path)
		if kind == transitive {
			u.as4Path = v
		}
	case attrAS4Agg:
		u.check(u.opts.AS4 || kind == transitive && len(v) == 8 && binary.BigEndian.Uint32(v) != 0, FaultAS4Aggregator)
		u.hasAgg4 = true
	default:
		u.check(kind&flagOptional != 0, FaultUnknown)
	}
}

func (u *Update) check(ok bool, f Faults) {
	if !ok {
		u.Faults |= f
	}
}

// checkInternal judges an attribute that only internal neighbours may send. From an external one it is discarded unseen
// (RFC 7606 sections 7.5, 7.9, 7.10), so that a malformed one costs nothing but a count.
func (u *Update) checkInternal(flags, length bool, f Faults) {
	if !u.opts.IBGP {
		u.check(flags && length, FaultExternalOnly)
		return
	}
	u.check(flags, FaultFlags)
	u.check(length, f)
}

func (u *Update) readAggregator(v []byte) {
	switch {
	case u.opts.AS4 && len(v) == 8:
		u.aggregator = binary.BigEndian.Uint32(v)
	case !u.opts.AS4 && len(v) == 6:
		u.aggregator = uint32(binary.BigEndian.Uint16(v))
	}
	u.check(u.aggregator != 0, FaultAggregator)
}

// readReach finds the prefixes of MP_REACH_NLRI (RFC 4760 section 3). With a next hop of unexpected length they cannot be
// located (RFC 7606 section 7.11), so none are taken.
func (u *Update) readReach(v []byte) {
	if u.rib {
		u.check(ribReach(v), FaultMPReach)
		return
	}
	if len(v) < 5 {
		u.check(u.cut, FaultMPReach)
		return
	}
	f := Family{AFI: binary.BigEndian.Uint16(v), SAFI: v[2]}
	if !u.supported(f) {
		return
	}
	hop := int(v[3])
	if len(v) < 5+hop {
		u.check(u.cut, FaultMPReach)
		return
	}
	// 4: IPv4; 16 and 32: RFC 2545 section 3, and for IPv4 prefixes RFC 8950 section 3.
	if hop != 16 && hop != 32 && !(hop == 4 && f.AFI == afiIPv4) {
		u.Faults |= FaultMPReach
		return
	}
	u.reachFamily, u.reach = f, v[5+hop:]
}

// ribReach accepts both forms of MP_REACH_NLRI in a table dump: only the next hop and its length, as RFC 6396 section 4.3.4
// has it, or the whole attribute, as several collectors write it.
func ribReach(v []byte) bool {
	if len(v) > 0 && int(v[0]) == len(v)-1 {
		return true
	}
	return len(v) >= 5 && len(v) >= 5+int(v[3])
}

func (u *Update) readUnreach(v []byte) {
	if len(v) < 3 {
		u.check(u.cut, FaultMPUnreach)
		return
	}
	f := Family{AFI: binary.BigEndian.Uint16(v), SAFI: v[2]}
	u.hasUnreach, u.unreachFamily = true, f
	if u.supported(f) {
		u.unreach = v[3:]
	} else if len(v) > 3 {
		// Not empty, and so not an End-of-RIB: without prefixes that Next can give.
		u.hasUnreach = false
	}
}

// supported reports whether Next can read prefixes of f, and counts it when not.
func (u *Update) supported(f Family) bool {
	if (f.AFI == afiIPv4 || f.AFI == afiIPv6) && (f.SAFI == safiUnicast || f.SAFI == safiMulticast) {
		return true
	}
	u.Unsupported++
	return false
}

// requireAttrs applies RFC 7606 section 3 (d) to a message that announces. What lies behind a collector's cut is not missing.
func (u *Update) requireAttrs() {
	want := uint64(1<<attrOrigin | 1<<attrASPath)
	if len(u.nlri) > 0 {
		want |= 1 << attrNextHop
	}
	u.check(u.cut || u.seen[0]&want == want, FaultMissing)
}

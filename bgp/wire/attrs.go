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
	attrOTC          = 35 // RFC 9234
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

// Slots of Update.kept: the attributes looked at again once the whole list is known. Slot 0 takes all others.
const (
	slotOrigin = iota + 1
	slotASPath
	slotAggregator
	slotMPReach
	slotMPUnreach
	slotAS4Path
	slotAS4Agg
	slotIPv6Extended
	slotLarge
	slots = 16 // a power of two, so that an index needs no check
)

// rule is what an attribute's flags and length must be, and the fault when they are not: RFC 7606 sections 3 (c) and 7. A table in
// place of a case for each type, because the types of real messages follow one another in no order a processor could foresee.
type rule struct {
	flags, bits uint32 // the flag bits under bits are these
	least, more uint32 // the length is between least and least + more
	part        uint32 // and a multiple of part + 1, a power of two
	slot        uint32 // of Update.kept
	flag, size  Faults
}

const anyLength = 0xffff

// rules by attribute type, for external and for internal neighbours.
var rules = [2][256]rule{ruleTable(false), ruleTable(true)}

func ruleTable(internal bool) (t [256]rule) {
	const kind = flagOptional | flagTransitive
	for i := range t {
		t[i] = rule{flags: flagOptional, bits: flagOptional, more: anyLength, flag: FaultUnknown}
	}
	set := func(typ int, flags, part, slot, least, more uint32, flag, size Faults) {
		t[typ] = rule{flags: flags, bits: kind, part: part, slot: slot, least: least, more: more, flag: flag, size: size}
	}
	set(attrOrigin, wellKnown, 0, slotOrigin, 1, 0, FaultFlags, FaultOrigin)
	set(attrASPath, wellKnown, 0, slotASPath, 0, anyLength, FaultFlags, 0)
	set(attrNextHop, wellKnown, 0, 0, 4, 0, FaultFlags, FaultNextHop)
	set(attrMED, nonTransitive, 0, 0, 4, 0, FaultFlags, FaultMED)
	set(attrAtomic, wellKnown, 0, 0, 0, 0, FaultFlags, FaultAtomic)
	set(attrAggregator, transitive, 0, slotAggregator, 0, anyLength, FaultFlags, 0)
	set(attrCommunities, transitive, 3, 0, 4, anyLength-4, FaultFlags, FaultCommunity)
	set(attrMPReach, nonTransitive, 0, slotMPReach, 0, anyLength, FaultFlags, 0)
	set(attrMPUnreach, nonTransitive, 0, slotMPUnreach, 0, anyLength, FaultFlags, 0)
	set(attrExtended, transitive, 7, 0, 8, anyLength-8, FaultFlags, FaultCommunity)
	set(attrAS4Path, transitive, 0, slotAS4Path, 0, anyLength, FaultAS4Path, 0)
	set(attrAS4Agg, transitive, 0, slotAS4Agg, 8, 0, FaultAS4Aggregator, FaultAS4Aggregator)
	set(attrIPv6Extended, transitive, 3, slotIPv6Extended, 20, anyLength-20, FaultFlags, FaultCommunity)
	set(attrOTC, transitive, 0, 0, 4, 0, FaultFlags, FaultOTC)
	set(attrLarge, transitive, 3, slotLarge, 12, anyLength-12, FaultFlags, FaultCommunity)

	// Attributes that only internal neighbours may send. From an external one they are discarded unseen (RFC 7606 sections
	// 7.5, 7.9, 7.10), so that a malformed one costs nothing but a count.
	flag, pref, reflection := FaultExternalOnly, FaultExternalOnly, FaultExternalOnly
	if internal {
		flag, pref, reflection = FaultFlags, FaultLocalPref, FaultReflection
	}
	set(attrLocalPref, wellKnown, 0, 0, 4, 0, flag, pref)
	set(attrOriginatorID, nonTransitive, 0, 0, 4, 0, flag, reflection)
	set(attrClusterList, nonTransitive, 3, 0, 4, anyLength-4, flag, reflection)
	return t
}

// readList is readAttrs for attributes in any order, from an offset on. seen are the types below 64 met before that.
func (u *Update) readList(at, to int, seen uint64) (uint64, error) {
	table := &rules[0]
	if u.opts.IBGP {
		table = &rules[1]
	}
	before := seen
	list := u.msg[at:to]
	for len(list) >= 4 {
		head := binary.BigEndian.Uint32(list)
		typ := byte(head >> 16)
		r, bit := &table[typ], uint64(1)<<(typ&63)
		n, skip := head>>8&0xff, uint32(3)
		if head&(flagExtended<<24) != 0 {
			n, skip = head&0xffff, 4
		}
		next := int(skip + n)
		if (head>>24^r.flags)&r.bits|n&r.part != 0 || typ >= 64 || seen&bit != 0 || n-r.least > r.more || next > len(list) {
			break
		}
		seen |= bit
		u.kept[r.slot%slots] = span{uint32(at) + skip, uint32(at + next)}
		at += next
		list = list[next:]
	}
	var err error
	if at < to {
		seen, err = u.readRest(at, to, seen, table)
	}
	if v := u.kept[slotOrigin]; seen&^before&(1<<attrOrigin) != 0 && v.from < v.to && u.msg[v.from] > 2 {
		u.Faults |= FaultOrigin
	}
	return seen, err
}

// readRest is readList from the first attribute on that has something wrong with it, or is the last and too short for an easy look.
func (u *Update) readRest(at, to int, seen uint64, table *[256]rule) (uint64, error) {
	var err error
	for at < to && err == nil {
		at, seen, err = u.readAttr(at, to, seen, table)
	}
	return seen, err
}

// readAttr judges the attribute at an offset, whatever it is like, and gives the offset of the next. seen are the types below 64 met so
// far. readAttrs and readList take only those with nothing wrong.
func (u *Update) readAttr(at, to int, seen uint64, table *[256]rule) (int, uint64, error) {
	b := u.msg[at:to]
	if len(b) < 3 || len(b) < 4 && b[0]&flagExtended != 0 {
		u.Faults |= u.unlessCut(FaultAttrLength)
		return to, seen, nil
	}
	flags, typ := b[0], b[1]
	n, value := int(b[2]), at+3
	if flags&flagExtended != 0 {
		n, value = int(binary.BigEndian.Uint16(b[2:])), at+4
	}
	next := value + n
	met, bit := &u.seen[typ>>6], uint64(1)<<(typ&63)
	if typ < 64 {
		met = &seen
	}
	isMP := typ == attrMPReach || typ == attrMPUnreach
	if next > to {
		u.Faults |= u.unlessCut(FaultAttrLength)
		// Of an attribute that the collector cut in two, the prefixes before the cut are still good.
		if !u.cutAttrs || !isMP || *met&bit != 0 {
			return to, seen, nil
		}
		next = to
	}
	if *met&bit != 0 {
		if isMP {
			return to, seen, ErrDuplicateMP
		}
		u.Faults |= FaultDuplicate
		return next, seen, nil
	}
	*met |= bit
	r := &table[typ]
	size := uint32(next - value)
	u.check((uint32(flags)^r.flags)&r.bits == 0, r.flag)
	u.check(size-r.least <= r.more && size&r.part == 0, r.size)
	u.kept[r.slot%slots] = span{uint32(value), uint32(next)}
	return next, seen, nil
}

// value is the value of an attribute type that was met and has a slot.
func (u *Update) value(slot int) []byte {
	s := u.kept[slot]
	return u.msg[s.from:s.to]
}

// readKept looks into the values of the rarer attributes, of which readAttrs has judged the flags and length.
func (u *Update) readKept(seen uint64) {
	if seen&(1<<attrMPReach) != 0 {
		u.readReach(u.kept[slotMPReach])
	}
	if seen&(1<<attrMPUnreach) != 0 {
		u.readUnreach(u.kept[slotMPUnreach])
	}
	if seen&(1<<attrAggregator) != 0 {
		u.check(u.aggregator() != 0, FaultAggregator)
	}
	if seen&(1<<attrLarge) != 0 {
		u.check(len(u.value(slotLarge))%12 == 0, FaultCommunity)
	}
	if seen&(1<<attrIPv6Extended|1<<attrAS4Path|1<<attrAS4Agg) == 0 {
		return
	}
	if seen&(1<<attrIPv6Extended) != 0 {
		u.check(len(u.value(slotIPv6Extended))%20 == 0, FaultCommunity)
	}
	if seen&(1<<attrAS4Agg) != 0 {
		v := u.value(slotAS4Agg)
		u.check(len(v) != 8 || binary.BigEndian.Uint32(v) != 0, FaultAS4Aggregator)
	}
	if u.opts.AS4 { // what a four-octet neighbour must not send is not judged either: RFC 6793 section 4.1
		u.Faults &^= FaultAS4Path | FaultAS4Aggregator
	}
}

func (u *Update) check(ok bool, f Faults) {
	if !ok {
		u.Faults |= f
	}
}

// unlessCut is f, or nothing when the collector cut the attributes and so explains it.
func (u *Update) unlessCut(f Faults) Faults {
	if u.cutAttrs {
		return 0
	}
	return f
}

// aggregator is the AS of the AGGREGATOR that was met; 0 when its length is wrong.
func (u *Update) aggregator() uint32 {
	switch v := u.value(slotAggregator); {
	case u.opts.AS4 && len(v) == 8:
		return binary.BigEndian.Uint32(v)
	case !u.opts.AS4 && len(v) == 6:
		return uint32(binary.BigEndian.Uint16(v))
	}
	return 0
}

// readReach finds the prefixes of MP_REACH_NLRI (RFC 4760 section 3). With a next hop of unexpected length they cannot be
// located (RFC 7606 section 7.11), so none are taken.
func (u *Update) readReach(s span) {
	v := u.msg[s.from:s.to]
	if u.rib {
		u.check(ribReach(v), FaultMPReach)
		return
	}
	if len(v) < 5 {
		u.check(u.cutAttrs, FaultMPReach)
		return
	}
	f := Family{AFI: binary.BigEndian.Uint16(v), SAFI: v[2]}
	if !u.supported(f) {
		return
	}
	hop := int(v[3])
	if len(v) < 5+hop {
		u.check(u.cutAttrs, FaultMPReach)
		return
	}
	// 4: IPv4; 16 and 32: RFC 2545 section 3, and for IPv4 prefixes RFC 8950 section 3.
	if hop != 16 && hop != 32 && !(hop == 4 && f.AFI == afiIPv4) {
		u.Faults |= FaultMPReach
		return
	}
	u.reachFamily = f
	prefixes := span{s.from + uint32(5+hop), s.to}
	u.fields[fieldReach] = prefixes
	u.holding |= prefixes.some() << fieldReach
}

// ribReach accepts both forms of MP_REACH_NLRI in a table dump: only the next hop and its length, as RFC 6396 section 4.3.4
// has it, or the whole attribute, as several collectors write it.
func ribReach(v []byte) bool {
	if len(v) > 0 && int(v[0]) == len(v)-1 {
		return true
	}
	return len(v) >= 5 && len(v) >= 5+int(v[3])
}

func (u *Update) readUnreach(s span) {
	v := u.msg[s.from:s.to]
	if len(v) < 3 {
		u.check(u.cutAttrs, FaultMPUnreach)
		return
	}
	f := Family{AFI: binary.BigEndian.Uint16(v), SAFI: v[2]}
	u.hasUnreach, u.unreachFamily = true, f
	if u.supported(f) {
		prefixes := span{s.from + 3, s.to}
		u.fields[fieldUnreach] = prefixes
		u.holding |= prefixes.some() << fieldUnreach
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

// requireAttrs applies RFC 7606 section 3 (d) to a message that announces; nlri says that it does so in its own field. What lies
// behind a collector's cut is not missing.
func (u *Update) requireAttrs(nlri bool) {
	want := uint64(1<<attrOrigin | 1<<attrASPath)
	if nlri {
		want |= 1 << attrNextHop
	}
	u.check(u.cutAttrs || u.seen[0]&want == want, FaultMissing)
}

package wire

import (
	"encoding/binary"
	"iter"
	"net/netip"
)

// Attr is one path attribute as carried: RFC 4271 section 4.3.
type Attr struct {
	Flags byte   // Optional 0x80, Transitive 0x40, Partial 0x20, Extended Length 0x10
	Type  byte   // as IANA numbers "BGP Path Attributes"
	Value []byte // refers to the bytes given to Parse or ParseRIB
}

// Attributes is a view of the path attributes of a message or table entry, read anew by every method: what nobody asks for costs
// nothing. Of a type that comes twice the first counts (RFC 7606 section 3 g). A method that names an attribute looks at its length
// and value but not at its flags, which Update.Faults has judged; a malformed attribute is as good as absent. The view is valid as
// long as the bytes given to Parse or ParseRIB are. The zero value is a message without attributes.
type Attributes struct {
	list []byte
	as4  bool // AGGREGATOR carries a four-octet AS number
}

// Attributes is the view of what was last given to Parse or ParseRIB; empty when Parse gave an error.
func (u *Update) Attributes() Attributes { return Attributes{list: u.Attrs(), as4: u.opts.AS4} }

// cutAttr splits the first attribute off a list. It is false when the attribute overruns the list; a then has what there is of it.
func cutAttr(b []byte) (a Attr, rest []byte, ok bool) {
	if len(b) < 3 {
		return Attr{}, nil, false
	}
	n, head := int(b[2]), 3
	if b[0]&flagExtended != 0 {
		if len(b) < 4 {
			return Attr{}, nil, false
		}
		n, head = int(binary.BigEndian.Uint16(b[2:])), 4
	}
	if n > len(b)-head {
		return Attr{Flags: b[0], Type: b[1], Value: b[head:]}, nil, false
	}
	return Attr{Flags: b[0], Type: b[1], Value: b[head : head+n]}, b[head+n:], true
}

// All yields the attributes in the order of the message. It ends before an attribute that overruns the list.
func (a Attributes) All(yield func(Attr) bool) {
	var seen [4]uint64
	for b := a.list; len(b) > 0; {
		attr, rest, ok := cutAttr(b)
		if !ok {
			return
		}
		b = rest
		w, m := &seen[attr.Type>>6], uint64(1)<<(attr.Type&63)
		if *w&m != 0 {
			continue
		}
		*w |= m
		if !yield(attr) {
			return
		}
	}
}

// Lookup is the first attribute of a type.
func (a Attributes) Lookup(typ byte) (Attr, bool) {
	for b := a.list; len(b) > 0; {
		attr, rest, ok := cutAttr(b)
		if !ok {
			break
		}
		if attr.Type == typ {
			return attr, true
		}
		b = rest
	}
	return Attr{}, false
}

// sized is the value of the first attribute of a type when it has n octets.
func (a Attributes) sized(typ byte, n int) ([]byte, bool) {
	attr, ok := a.Lookup(typ)
	return attr.Value, ok && len(attr.Value) == n
}

func (a Attributes) uint32(typ byte) (uint32, bool) {
	v, ok := a.sized(typ, 4)
	if !ok {
		return 0, false
	}
	return binary.BigEndian.Uint32(v), true
}

// units is the value of the first attribute of a type when it is a whole number of units of n octets.
func (a Attributes) units(typ byte, n int) []byte {
	attr, ok := a.Lookup(typ)
	if !ok || len(attr.Value)%n != 0 {
		return nil
	}
	return attr.Value
}

// Origin is ORIGIN: 0 IGP, 1 EGP, 2 INCOMPLETE (RFC 4271 section 5.1.1).
func (a Attributes) Origin() (byte, bool) {
	v, ok := a.sized(attrOrigin, 1)
	if !ok || v[0] > 2 {
		return 0, false
	}
	return v[0], true
}

// MED is MULTI_EXIT_DISC (RFC 4271 section 5.1.4).
func (a Attributes) MED() (uint32, bool) { return a.uint32(attrMED) }

// LocalPref is LOCAL_PREF (RFC 4271 section 5.1.5) as carried, from external neighbours too.
func (a Attributes) LocalPref() (uint32, bool) { return a.uint32(attrLocalPref) }

// AtomicAggregate reports whether ATOMIC_AGGREGATE is there (RFC 4271 section 5.1.6).
func (a Attributes) AtomicAggregate() bool {
	_, ok := a.sized(attrAtomic, 0)
	return ok
}

// Aggregator is AGGREGATOR: the AS and the BGP identifier of the speaker that aggregated the route (RFC 4271 section 5.1.7). Over
// a two-octet session, AS_TRANS in it gives way to a well-formed AS4_AGGREGATOR (RFC 6793 section 4.2.3). AS 0 is malformed
// (RFC 7607 section 2).
func (a Attributes) Aggregator() (as uint32, id netip.Addr, ok bool) {
	if a.as4 {
		return aggregator4(a.sized(attrAggregator, 8))
	}
	v, ok := a.sized(attrAggregator, 6)
	if !ok {
		return 0, netip.Addr{}, false
	}
	as = uint32(binary.BigEndian.Uint16(v))
	if as == asTrans {
		agg4, _ := a.Lookup(attrAS4Agg)
		wellFormed := agg4.Flags&(flagOptional|flagTransitive) == transitive && len(agg4.Value) == 8
		if as, id, ok := aggregator4(agg4.Value, wellFormed); ok {
			return as, id, true
		}
	}
	if as == 0 {
		return 0, netip.Addr{}, false
	}
	return as, netip.AddrFrom4([4]byte(v[2:])), true
}

func aggregator4(v []byte, ok bool) (uint32, netip.Addr, bool) {
	if !ok || binary.BigEndian.Uint32(v) == 0 {
		return 0, netip.Addr{}, false
	}
	return binary.BigEndian.Uint32(v), netip.AddrFrom4([4]byte(v[4:])), true
}

// OriginatorID is ORIGINATOR_ID, the BGP identifier of the route's originator in the neighbour's AS (RFC 4456 section 8).
func (a Attributes) OriginatorID() (netip.Addr, bool) {
	v, ok := a.sized(attrOriginatorID, 4)
	if !ok {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(v)), true
}

// ClusterList is CLUSTER_LIST, the latest reflector's cluster first (RFC 4456 section 8).
func (a Attributes) ClusterList() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for v := a.units(attrClusterList, 4); len(v) > 0; v = v[4:] {
			if !yield(netip.AddrFrom4([4]byte(v))) {
				return
			}
		}
	}
}

// OTC is Only to Customer, the AS that the route must not go up or across from (RFC 9234 section 5).
func (a Attributes) OTC() (uint32, bool) { return a.uint32(attrOTC) }

// Communities yields COMMUNITIES in the order carried; the high 16 bits are by convention an AS number (RFC 1997).
func (a Attributes) Communities() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for v := a.units(attrCommunities, 4); len(v) > 0; v = v[4:] {
			if !yield(binary.BigEndian.Uint32(v)) {
				return
			}
		}
	}
}

// ExtendedCommunities yields EXTENDED COMMUNITIES in the order carried, type octet first (RFC 4360 section 2).
func (a Attributes) ExtendedCommunities() iter.Seq[[8]byte] {
	return func(yield func([8]byte) bool) {
		for v := a.units(attrExtended, 8); len(v) > 0; v = v[8:] {
			if !yield([8]byte(v)) {
				return
			}
		}
	}
}

// LargeCommunities yields LARGE_COMMUNITY in the order carried: Global Administrator and the two local data parts (RFC 8092
// section 3).
func (a Attributes) LargeCommunities() iter.Seq[[3]uint32] {
	return func(yield func([3]uint32) bool) {
		for v := a.units(attrLarge, 12); len(v) > 0; v = v[12:] {
			c := [3]uint32{binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:]), binary.BigEndian.Uint32(v[8:])}
			if !yield(c) {
				return
			}
		}
	}
}

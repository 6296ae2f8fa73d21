package bmp

import (
	"encoding/binary"

	"github.com/corewatch/corewatch/bgp/wire"
)

// Path attributes that say how a message is to be read: RFC 4271 section 5.1, RFC 4760.
const (
	attrASPath     = 2
	attrAggregator = 7
	attrReach      = 14
	attrUnreach    = 15

	attrExtended = 0x10 // flag: the length has two octets
)

const typeUpdate = 2

// content is what must be known of a BGP message to write a record of it. It is read off the octets alone; whoever reads the record judges them.
type content struct {
	update bool        // it is an UPDATE
	v4, v6 bool        // prefixes of IPv4, of IPv6; a message without any that can be told counts as IPv4
	other  wire.Family // the first family that is neither, unicast nor multicast; zero when there is none
	path   bool        // it has AS numbers
	two    bool        // and they fit AS numbers of two octets
	four   bool        // of four
}

// read looks through one whole BGP message, and is false when its lengths contradict each other.
func (c *content) read(msg []byte) bool {
	*c = content{}
	if len(msg) < bgpLen || msg[18] != typeUpdate {
		c.v4 = true
		return len(msg) >= bgpLen
	}
	c.update = true
	withdrawn, attrs, nlri, ok := fields(msg)
	c.v4 = !ok || len(withdrawn) > 0 || len(nlri) > 0
	for ok && len(attrs) > 0 {
		var typ byte
		var value []byte
		if typ, value, _, attrs, ok = cutAttr(attrs); ok {
			c.attribute(typ, value)
		}
	}
	c.v4 = c.v4 || !c.v6 && c.other == wire.Family{}
	return ok
}

func (c *content) attribute(typ byte, value []byte) {
	switch typ {
	case attrReach, attrUnreach:
		f, ok := familyOf(value)
		switch {
		case !ok:
			c.v4 = true // malformed, which is for the reader to say
		case f.AFI == 1 && f.SAFI <= 2:
			c.v4 = true
		case f.AFI == 2 && f.SAFI <= 2:
			c.v6 = true
		case c.other == wire.Family{}:
			c.other = f
		}
	case attrASPath:
		if len(value) > 0 {
			c.path, c.two, c.four = true, segments(value, 2), segments(value, 4)
		}
	case attrAggregator:
		if c.two == c.four && (len(value) == 6 || len(value) == 8) { // the path, which stands before it, does not tell
			c.path, c.two, c.four = true, len(value) == 6, len(value) == 8
		}
	}
}

// as2 decides how long AS numbers are in the message. said is what the A flag says; the octets go first: a path that is well-formed in one
// way only has been written in that way, whatever the flag.
func (c *content) as2(said bool) (as2, wrong bool) {
	if !c.path || c.two == c.four {
		return said, false
	}
	return c.two, c.two != said
}

// only reports that the message is about families that are not kept, and nothing else.
func (c *content) only() bool { return !c.v4 && !c.v6 }

// fields splits an UPDATE: RFC 4271 section 4.3.
func fields(msg []byte) (withdrawn, attrs, nlri []byte, ok bool) {
	b := msg[bgpLen:]
	if withdrawn, b, ok = counted(b); !ok {
		return nil, nil, nil, false
	}
	if attrs, b, ok = counted(b); !ok {
		return nil, nil, nil, false
	}
	return withdrawn, attrs, b, true
}

func counted(b []byte) (field, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	if n > len(b) {
		return nil, nil, false
	}
	return b[2:n], b[n:], true
}

// cutAttr splits the first attribute off b; whole is all of it.
func cutAttr(b []byte) (typ byte, value, whole, rest []byte, ok bool) {
	head := 3
	if len(b) >= 4 && b[0]&attrExtended != 0 {
		head = 4
	}
	if len(b) < head {
		return 0, nil, nil, nil, false
	}
	n := int(b[2])
	if head == 4 {
		n = int(binary.BigEndian.Uint16(b[2:]))
	}
	if n > len(b)-head {
		return 0, nil, nil, nil, false
	}
	return b[1], b[head : head+n], b[:head+n], b[head+n:], true
}

func familyOf(value []byte) (wire.Family, bool) {
	if len(value) < 3 {
		return wire.Family{}, false
	}
	return wire.Family{AFI: binary.BigEndian.Uint16(value), SAFI: value[2]}, true
}

// segments reports whether a path is well-formed with AS numbers of so many octets: RFC 4271 section 4.3 (b), RFC 5065 section 3.
func segments(path []byte, size int) bool {
	for len(path) > 0 {
		if len(path) < 2 || path[0] < 1 || path[0] > 4 || path[1] == 0 {
			return false
		}
		n := 2 + size*int(path[1])
		if n > len(path) {
			return false
		}
		path = path[n:]
	}
	return true
}

// prefixesOf reports how the prefixes of one family in an UPDATE can be read: without path identifiers, and with them.
func prefixesOf(msg []byte, v6 bool) (bare, identified bool) {
	withdrawn, attrs, nlri, ok := fields(msg)
	if !ok {
		return false, false
	}
	bare, identified = true, true
	look := func(b []byte) {
		bare, identified = bare && prefixes(b, v6, 0), identified && prefixes(b, v6, 4)
	}
	if !v6 {
		look(withdrawn)
		look(nlri)
	}
	for ok && len(attrs) > 0 {
		var typ byte
		var value []byte
		typ, value, _, attrs, ok = cutAttr(attrs)
		f, named := familyOf(value)
		if !ok || typ != attrReach && typ != attrUnreach || !named || f.SAFI > 2 || f.AFI != 1 && f.AFI != 2 || (f.AFI == 2) != v6 {
			continue
		}
		if value = value[3:]; typ == attrReach { // RFC 4760 section 3: next hop and an octet of nothing in front
			if len(value) < 1 || len(value) < 2+int(value[0]) {
				return false, false
			}
			value = value[2+int(value[0]):]
		}
		look(value)
	}
	return bare, identified
}

// prefixes reports whether a field is well-formed with identifiers of so many octets.
func prefixes(b []byte, v6 bool, id int) bool {
	longest := 32
	if v6 {
		longest = 128
	}
	for len(b) > 0 {
		if len(b) <= id || int(b[id]) > longest {
			return false
		}
		n := id + 1 + (int(b[id])+7)/8
		if n > len(b) {
			return false
		}
		b = b[n:]
	}
	return true
}

// appendFamily appends the part of an UPDATE that is about one family. MRT has one ADD-PATH bit for both (RFC 8050 section 3): a message whose
// session agreed on path identifiers for one only, and which has prefixes of both, takes two records.
func appendFamily(b, msg []byte, v6 bool) []byte {
	withdrawn, attrs, nlri, ok := fields(msg)
	if !ok {
		return append(b, msg...)
	}
	if v6 {
		withdrawn, nlri = nil, nil
	}
	start := len(b)
	b = append(b, msg[:bgpLen]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(withdrawn)))
	b = append(b, withdrawn...)
	at := len(b)
	b = append(b, 0, 0)
	for len(attrs) > 0 {
		typ, value, whole, rest, ok := cutAttr(attrs)
		if !ok {
			b = append(b, attrs...)
			break
		}
		attrs = rest
		if f, ok := familyOf(value); ok && (typ == attrReach || typ == attrUnreach) && (f.AFI == 2) != v6 {
			continue
		}
		b = append(b, whole...)
	}
	binary.BigEndian.PutUint16(b[at:], uint16(len(b)-at-2))
	b = append(b, nlri...)
	binary.BigEndian.PutUint16(b[start+16:], uint16(len(b)-start))
	return b
}

package dump

import (
	"encoding/hex"
	"iter"
	"strconv"
	"unicode/utf8"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

func appendHex(b, v []byte) []byte { return hex.AppendEncode(b, v) }

// appendTime is an instant in UTC, always with six decimals, so that lines of one width sort by it.
func appendTime(b []byte, at bgp.Micros) []byte {
	return at.Time().AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
}

// appendString is a JSON string: what JSON does not allow is escaped, and bytes that are no UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = append(b, `\u00`...)
			b = append(b, "0123456789abcdef"[r>>4], "0123456789abcdef"[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// jsonAttributes makes the parts that the attributes of p.u fill.
func (p *Printer) jsonAttributes(as4 bool, origin uint32) {
	a := p.u.Attributes()
	b := p.parts.path[:0]
	b = p.appendSegments(b, a, as4)
	if origin != 0 {
		b = append(b, `,"origin_as":`...)
		b = appendUint(b, origin)
	}
	if o, ok := a.Origin(); ok {
		b = append(b, `,"origin":"`...)
		b = append(append(b, originNames[o]...), '"')
	}
	p.parts.path = b
	p.parts.rest = appendRest(p.parts.rest[:0], a)
}

var originNames = [...]string{"igp", "egp", "incomplete"}

// segmentNames are the values of as_path[].type.
var segmentNames = [...]string{
	segSet: "set", segSequence: "sequence", segConfedSequence: "confed_sequence", segConfedSet: "confed_set",
}

// appendSegments is as_path. A path without AS4_PATH is read here, without the allocations of wire.Path.Segments.
func (p *Printer) appendSegments(b []byte, a wire.Attributes, as4 bool) []byte {
	start := len(b)
	b = append(b, `,"as_path":[`...)
	empty := len(b)
	_, merged := a.Lookup(attrAS4Path)
	if merged && !as4 {
		for typ, numbers := range p.u.Path().Segments() {
			b = appendSegment(b, byte(typ), numbers)
		}
	} else if p.u.Faults&wire.FaultASPath == 0 {
		attr, _ := a.Lookup(attrASPath)
		v := pathValue{attr.Value, as4}
		for {
			s, ok, _ := v.next()
			if !ok {
				break
			}
			b = beginSegment(b, s.typ)
			for i := range s.n {
				b = append(appendUint(b, s.as(i)), ',')
			}
			b = endSegment(b)
		}
	}
	if len(b) == empty {
		return b[:start]
	}
	b[len(b)-1] = ']' // in the place of the last comma
	return b
}

func appendSegment(b []byte, typ byte, numbers iter.Seq[uint32]) []byte {
	b = beginSegment(b, typ)
	for as := range numbers {
		b = append(appendUint(b, as), ',')
	}
	return endSegment(b)
}

func beginSegment(b []byte, typ byte) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, segmentNames[typ]...)
	return append(b, `","as":[`...)
}

// endSegment ends a segment and is ready for another. There is no segment without AS numbers: that is malformed (RFC 7606 section 7.2).
func endSegment(b []byte) []byte {
	b[len(b)-1] = ']'
	return append(b, "},"...)
}

// appendRest is the attributes from med to otc.
func appendRest(b []byte, a wire.Attributes) []byte {
	if n, ok := a.MED(); ok {
		b = append(b, `,"med":`...)
		b = appendUint(b, n)
	}
	if n, ok := a.LocalPref(); ok {
		b = append(b, `,"local_pref":`...)
		b = appendUint(b, n)
	}
	if a.AtomicAggregate() {
		b = append(b, `,"atomic_aggregate":true`...)
	}
	if as, id, ok := a.Aggregator(); ok {
		b = append(b, `,"aggregator":{"as":`...)
		b = appendUint(b, as)
		b = append(appendAddrKey(b, `,"id":"`, id), '}')
	}
	if id, ok := a.OriginatorID(); ok {
		b = appendAddrKey(b, `,"originator_id":"`, id)
	}
	l := list{b: b}
	for id := range a.ClusterList() {
		l.next(`,"cluster_list":["`)
		l.b = id.AppendTo(l.b)
	}
	l.end()
	for c := range a.Communities() {
		l.next(`,"communities":["`)
		l.b = appendCommunity(l.b, c)
	}
	l.end()
	for c := range a.ExtendedCommunities() {
		l.next(`,"extended_communities":["`)
		l.b = appendHex(l.b, c[:])
	}
	l.end()
	for c := range a.LargeCommunities() {
		l.next(`,"large_communities":["`)
		l.b = appendLarge(l.b, c)
	}
	l.end()
	b = l.b
	if as, ok := a.OTC(); ok {
		b = append(b, `,"otc":`...)
		b = appendUint(b, as)
	}
	return b
}

func appendCommunity(b []byte, c uint32) []byte {
	return appendUint(append(appendUint(b, c>>16), ':'), c&0xffff)
}

func appendLarge(b []byte, c [3]uint32) []byte {
	b = append(appendUint(b, c[0]), ':')
	b = append(appendUint(b, c[1]), ':')
	return appendUint(b, c[2])
}

// list writes arrays of strings; one without items is left out.
type list struct {
	b    []byte
	some bool
}

func (l *list) next(key string) {
	if l.some {
		l.b = append(l.b, `","`...)
		return
	}
	l.b, l.some = append(l.b, key...), true
}

func (l *list) end() {
	if l.some {
		l.b = append(l.b, `"]`...)
	}
	l.some = false
}

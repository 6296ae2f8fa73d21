package wire

import (
	"encoding/binary"
	"iter"
	"strconv"
)

// SegmentType is the type of a segment of an AS path.
type SegmentType byte

// The segment types: RFC 4271 section 4.3 (b), RFC 5065 section 3.
const (
	ASSet          SegmentType = segSet
	ASSequence     SegmentType = segSequence
	ConfedSequence SegmentType = segConfedSequence
	ConfedSet      SegmentType = segConfedSet
)

// String is the name in the RFC.
func (t SegmentType) String() string {
	switch t {
	case ASSet:
		return "AS_SET"
	case ASSequence:
		return "AS_SEQUENCE"
	case ConfedSequence:
		return "AS_CONFED_SEQUENCE"
	case ConfedSet:
		return "AS_CONFED_SET"
	}
	return "SegmentType(" + strconv.Itoa(int(t)) + ")"
}

// Segments yields the segments of the path with their AS numbers, which in sequence are those that All yields. Where AS4_PATH was
// merged in (RFC 6793 section 4.2.3), the part taken from AS_PATH and the part from AS4_PATH are segments of their own, even when
// the one cut through a sequence that the other continues. Each segment yielded costs an allocation.
func (p Path) Segments() iter.Seq2[SegmentType, iter.Seq[uint32]] {
	return func(yield func(SegmentType, iter.Seq[uint32]) bool) {
		if p.as4 == nil {
			walkSegments(p.path, p.wide, whole, yield)
			return
		}
		if walkSegments(p.path, p.wide, p.lead, yield) {
			walkSegments(p.as4, true, skipConfed, yield)
		}
	}
}

// walkSegments is walk by segments: see there for lead. It is false when yield stopped it.
func walkSegments(b []byte, wide bool, lead int, yield func(SegmentType, iter.Seq[uint32]) bool) bool {
	for len(b) >= 2 {
		typ, n := b[0], int(b[1])
		seg, rest := segment(b, n, wide)
		if seg == nil {
			return true
		}
		b = rest
		switch confed := typ == segConfedSequence || typ == segConfedSet; {
		case confed && lead == skipConfed:
			continue
		case confed || lead < 0:
		case lead == 0:
			return true
		case typ == segSet:
			lead--
		default:
			take := min(n, lead)
			lead -= take
			if take < n {
				n, b = take, nil
			}
		}
		if !yield(SegmentType(typ), asNumbers(seg, n, wide)) {
			return false
		}
	}
	return true
}

// asNumbers yields the first n AS numbers of a segment.
func asNumbers(seg []byte, n int, wide bool) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i := range n {
			var asn uint32
			if wide {
				asn = binary.BigEndian.Uint32(seg[4*i:])
			} else {
				asn = uint32(binary.BigEndian.Uint16(seg[2*i:]))
			}
			if !yield(asn) {
				return
			}
		}
	}
}

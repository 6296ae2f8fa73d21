package wire

import "encoding/binary"

// Segment types of AS_PATH: RFC 4271 section 4.3 (b), RFC 5065 section 3.
const (
	segSet            = 1
	segSequence       = 2
	segConfedSequence = 3
	segConfedSet      = 4
)

// The 64-bit FNV-1a parameters. PathHash takes a whole AS number as FNV's unit where the textbook takes an octet:
// four multiplications fewer for each AS, and equal for equal paths whether they came in two or in four octets.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// Path is the AS path of a message as a view into its bytes: valid as long as the message's bytes are. When the message came
// over a two-octet session with an AS4_PATH, the view is the merge of RFC 6793 section 4.2.3, made while walking.
// The zero value is the empty path.
type Path struct {
	path   []byte // AS_PATH value; checked
	as4    []byte // AS4_PATH value, checked; nil when there is nothing to merge
	lead   int    // how many path-length units of path precede as4
	wide   bool   // path carries four-octet AS numbers
	origin uint32
	hash   uint64
}

// All yields every AS number in path order: the neighbour first, the origin last, prepends repeated, members of sets and of
// confederation segments as they stand.
func (p Path) All(yield func(asn uint32) bool) {
	if p.as4 == nil {
		walk(p.path, p.wide, whole, yield)
		return
	}
	if walk(p.path, p.wide, p.lead, yield) {
		walk(p.as4, true, skipConfed, yield)
	}
}

// Origin is the last AS of the path: 0 when the path is empty or ends in a set of several.
func (p Path) Origin() uint32 { return p.origin }

// Hash is FNV-1a over the AS numbers All yields, one 32-bit number a step. It is stable across versions and machines.
func (p Path) Hash() uint64 { return p.hash }

// Upstream is the AS before the origin, prepends skipped: 0 when there is none, or the origin is unknown.
func (p Path) Upstream() uint32 {
	if p.origin == 0 {
		return 0
	}
	var last, before uint32
	for asn := range p.All {
		if asn != last {
			last, before = asn, last
		}
	}
	return before
}

// Len is how many AS numbers All yields. (The path length of RFC 4271 section 9.1.2.2 counts a set once; this does not.)
func (p Path) Len() int {
	n := 0
	for range p.All {
		n++
	}
	return n
}

// Modes of walk besides a count of leading path-length units.
const (
	whole      = -1 // every segment
	skipConfed = -2 // every segment but those of confederations: RFC 6793 section 6 drops them from an AS4_PATH
)

// walk yields the AS numbers of a checked path attribute. With lead >= 0 it stops after that many path-length units, taking
// confederation segments along that lead or touch what was taken (RFC 6793 section 4.2.3). It is false when yield stopped it.
func walk(b []byte, wide bool, lead int, yield func(asn uint32) bool) bool {
	for len(b) >= 2 {
		typ, n := b[0], int(b[1])
		seg, rest := segment(b, n, wide)
		if seg == nil {
			return true
		}
		take := n
		switch confed := typ == segConfedSequence || typ == segConfedSet; {
		case confed && lead == skipConfed:
			take = 0
		case confed || lead < 0:
		case lead == 0:
			return true
		case typ == segSet:
			lead--
		default:
			take = min(n, lead)
			lead -= take
			if take < n {
				rest = nil
			}
		}
		for i := range take {
			var asn uint32
			if wide {
				asn = binary.BigEndian.Uint32(seg[4*i:])
			} else {
				asn = uint32(binary.BigEndian.Uint16(seg[2*i:]))
			}
			if !yield(asn) {
				return false
			}
		}
		b = rest
	}
	return true
}

// segment splits the AS numbers of the first segment (n of them) from what follows it; nil when it does not fit.
func segment(b []byte, n int, wide bool) (seg, rest []byte) {
	end := 2 + 2*n
	if wide {
		end = 2 + 4*n
	}
	if end > len(b) {
		return nil, nil
	}
	return b[2:end], b[end:]
}

// scan is what one pass over a path attribute finds.
type scan struct {
	hash   uint64
	origin uint32
	units  int // path length in the sense of RFC 4271 section 9.1.2.2: a set counts 1, confederation segments 0
	bad    bool
	zero   bool // AS 0 somewhere
}

// scanPath checks the value of AS_PATH or AS4_PATH (RFC 7606 section 7.2) and sums it up.
// Confederation segments are let through: an observer's neighbour may leak them, and the route is real all the same.
func scanPath(b []byte, wide bool) (s scan) {
	h := uint64(fnvOffset)
	for len(b) > 0 {
		if len(b) < 2 || b[1] == 0 || b[0]-segSet > segConfedSet-segSet {
			s.bad = true
			return s
		}
		typ, n := b[0], int(b[1])
		seg, rest := segment(b, n, wide)
		if seg == nil {
			s.bad = true
			return s
		}
		var asn uint32
		if wide {
			for ; len(seg) >= 4; seg = seg[4:] {
				asn = binary.BigEndian.Uint32(seg)
				s.zero = s.zero || asn == 0
				h = (h ^ uint64(asn)) * fnvPrime
			}
		} else {
			for ; len(seg) >= 2; seg = seg[2:] {
				asn = uint32(binary.BigEndian.Uint16(seg))
				s.zero = s.zero || asn == 0
				h = (h ^ uint64(asn)) * fnvPrime
			}
		}
		s.origin = asn
		switch typ {
		case segSequence:
			s.units += n
		case segSet:
			s.units++
			fallthrough
		case segConfedSet:
			if n > 1 {
				s.origin = 0
			}
		}
		b = rest
	}
	s.hash = h
	return s
}

// setPath evaluates AS_PATH and AS4_PATH once the whole attribute list has been read: RFC 6793 section 4.2.3 allows them in any order.
func (u *Update) setPath() {
	s := scanPath(u.asPath, u.opts.AS4)
	if s.bad {
		u.Faults |= FaultASPath
		return
	}
	if s.zero {
		u.Faults |= FaultASZero
	}
	u.path = Path{path: u.asPath, wide: u.opts.AS4, origin: s.origin, hash: s.hash}
	// A four-octet neighbour must not send AS4_PATH (RFC 6793 section 3), and an AGGREGATOR that an old speaker rewrote on the
	// way tells that the AS4 attributes are stale.
	if u.as4Path == nil || u.opts.AS4 || u.aggStale {
		return
	}
	t := scanPath(u.as4Path, true)
	if t.bad || t.zero || len(u.as4Path) == 0 {
		u.Faults |= FaultAS4Path
		return
	}
	if t.units == 0 || s.units < t.units {
		return
	}
	u.path.as4, u.path.lead = u.as4Path, s.units-t.units
	// The last segment of the AS4_PATH that is not of a confederation gives the origin.
	b, origin := u.as4Path, uint32(0)
	for len(b) >= 2 {
		typ, n := b[0], int(b[1])
		seg, rest := segment(b, n, true)
		switch {
		case typ == segSequence || typ == segSet && n == 1:
			origin = binary.BigEndian.Uint32(seg[len(seg)-4:])
		case typ == segSet:
			origin = 0
		}
		b = rest
	}
	h := uint64(fnvOffset)
	for asn := range u.path.All {
		h = (h ^ uint64(asn)) * fnvPrime
	}
	u.path.origin, u.path.hash = origin, h
}

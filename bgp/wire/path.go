package wire

import "encoding/binary"

// Segment types of AS_PATH: RFC 4271 section 4.3 (b), RFC 5065 section 3.
const (
	segSet            = 1
	segSequence       = 2
	segConfedSequence = 3
	segConfedSet      = 4
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

// scan is what one pass over a path attribute finds. It has no more fields than the compiler keeps in registers.
type scan struct {
	origin uint32
	units  int    // path length in the sense of RFC 4271 section 9.1.2.2: a set counts 1, confederation segments 0
	faults Faults // FaultASPath, then nothing else counts, or FaultASZero
}

// scanPath checks the value of AS_PATH or AS4_PATH (RFC 7606 section 7.2) and sums it up.
// Confederation segments are let through: an observer's neighbour may leak them, and the route is real all the same.
func scanPath(b []byte, wide bool) (s scan) {
	for len(b) > 0 {
		if len(b) < 2 || b[1] == 0 || b[0]-segSet > segConfedSet-segSet {
			return scan{faults: FaultASPath}
		}
		typ, n := b[0], int(b[1])
		seg, rest := segment(b, n, wide)
		if seg == nil {
			return scan{faults: FaultASPath}
		}
		s.origin = lastAS(seg, wide)
		if hasZero(seg, wide) {
			s.faults = FaultASZero
		}
		b = rest
		if typ == segSequence {
			s.units += n
			continue
		}
		if typ == segSet {
			s.units++
		}
		if n > 1 && typ != segConfedSequence {
			s.origin = 0
		}
	}
	return s
}

// lastAS is the last AS number of a segment, which has at least one.
func lastAS(seg []byte, wide bool) uint32 {
	if wide {
		return binary.BigEndian.Uint32(seg[len(seg)-4:])
	}
	return uint32(binary.BigEndian.Uint16(seg[len(seg)-2:]))
}

// width is how AS numbers stand in a path: octets each, and as lanes of eight octets, of which ones has the lowest bits and tops the
// highest.
type width struct {
	octets     int
	ones, tops uint64
}

var (
	narrow = width{2, 1<<48 | 1<<32 | 1<<16 | 1, 1<<63 | 1<<47 | 1<<31 | 1<<15}
	wide4  = width{4, 1<<32 | 1, 1<<63 | 1<<31}
)

// hasZero reports whether AS 0 is among the AS numbers of a segment.
func hasZero(seg []byte, wide bool) bool {
	w := &narrow
	if wide {
		w = &wide4
	}
	if len(seg) < 8 {
		// Filled up with octets that are not zero.
		b := [8]byte{1, 1, 1, 1, 1, 1, 1, 1}
		copy(b[:], seg)
		seg = b[:]
	}
	return zeroLanes(seg, w.ones)&w.tops != 0
}

// zeroLanes looks at eight octets at a time: a lane is zero when taking one from it borrows into its top bit and the bit was not set.
// The last eight may overlap those before. In which order the octets are taken does not matter to a zero.
func zeroLanes(b []byte, ones uint64) (zero uint64) {
	last := len(b) - 8
	for i := 0; i < last; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		zero |= (x - ones) &^ x
	}
	x := binary.LittleEndian.Uint64(b[last:])
	return zero | (x-ones)&^x
}

// Path is the AS path, merged with AS4_PATH where that applies; empty when there is none or it is malformed.
func (u *Update) Path() Path {
	if !u.hasPath {
		return Path{}
	}
	p := Path{path: u.asPath(), wide: u.opts.AS4, origin: u.origin}
	if u.merged {
		p.as4, p.lead = u.value(slotAS4Path), u.lead
	}
	return p
}

// asPath is the value of AS_PATH; nil when it was not met.
func (u *Update) asPath() []byte {
	if u.seen[0]&(1<<attrASPath) == 0 {
		return nil
	}
	return u.value(slotASPath)
}

// setPath evaluates AS_PATH and AS4_PATH once the whole attribute list has been read: RFC 6793 section 4.2.3 allows them in any order.
func (u *Update) setPath() {
	b, w, from := u.asPath(), &narrow, 0
	if u.opts.AS4 {
		w, from = &wide4, 2
	}
	var s scan
	if len(b) >= 8+from && b[0] == segSequence && len(b) == 2+w.octets*int(b[1]) {
		// What scanPath gives for a path that is one sequence, as nearly all are. Type and count are a lane of two octets that is not zero.
		s.units, s.origin = int(b[1]), lastAS(b, u.opts.AS4)
		if zeroLanes(b[from:], w.ones)&w.tops != 0 {
			s.faults = FaultASZero
		}
	} else if s = scanPath(b, u.opts.AS4); s.faults&FaultASPath != 0 {
		u.Faults |= FaultASPath
		return
	}
	u.Faults |= s.faults
	u.hasPath, u.origin = true, s.origin
	// A four-octet neighbour must not send AS4_PATH (RFC 6793 section 3).
	if u.seen[0]&(1<<attrAS4Path) != 0 && !u.opts.AS4 {
		u.mergePath(s.units)
	}
}

// mergePath puts AS4_PATH behind the leading units of AS_PATH, which has so many: RFC 6793 section 4.2.3.
func (u *Update) mergePath(units int) {
	// An AGGREGATOR that an old speaker rewrote on the way tells that the AS4 attributes are stale.
	const both = 1<<attrAggregator | 1<<attrAS4Agg
	stale := u.seen[0]&both == both && u.aggregator() != 0 && u.aggregator() != asTrans
	if stale || u.Faults&FaultAS4Path != 0 { // its flags are wrong
		return
	}
	as4 := u.value(slotAS4Path)
	t := scanPath(as4, true)
	if t.faults != 0 || len(as4) == 0 {
		u.Faults |= FaultAS4Path
		return
	}
	if t.units == 0 || units < t.units {
		return
	}
	u.merged, u.lead = true, units-t.units
	// The last segment of the AS4_PATH that is not of a confederation gives the origin.
	origin := uint32(0)
	for b := as4; len(b) >= 2; {
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
	u.origin = origin
}

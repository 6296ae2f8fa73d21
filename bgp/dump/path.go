package dump

import "encoding/binary"

// Segment types of AS_PATH: RFC 4271 section 4.3 (b), RFC 5065 section 3.
const (
	segSet            = 1
	segSequence       = 2
	segConfedSequence = 3
	segConfedSet      = 4
)

// pathValue is the value of AS_PATH or AS4_PATH.
type pathValue struct {
	b    []byte
	wide bool // AS numbers of four octets
}

// segment is one segment with its AS numbers as carried.
type segment struct {
	typ byte
	n   int
	b   []byte
	pathValue
}

func (v pathValue) width() int {
	if v.wide {
		return 4
	}
	return 2
}

func (s *segment) as(i int) uint32 {
	if s.wide {
		return binary.BigEndian.Uint32(s.b[4*i:])
	}
	return uint32(binary.BigEndian.Uint16(s.b[2*i:]))
}

func (s *segment) isSet() bool { return s.typ == segSet || s.typ == segConfedSet }

// next cuts the first segment off. ok is false at the end, and where the value is malformed: then bad is set.
func (v *pathValue) next() (s segment, ok, bad bool) {
	if len(v.b) == 0 {
		return segment{}, false, false
	}
	if len(v.b) < 2 || v.b[0]-segSet > segConfedSet-segSet {
		return segment{}, false, true
	}
	end := 2 + int(v.b[1])*v.width()
	if end > len(v.b) {
		return segment{}, false, true
	}
	s = segment{typ: v.b[0], n: int(v.b[1]), b: v.b[2:end], pathValue: *v}
	v.b = v.b[end:]
	return s, true, false
}

// count is the length of the path as bgpdump measures it: 1 for each AS of a sequence and for each set, confederations included.
// ok is false when the value is malformed.
func (v pathValue) count() (n int, ok bool) {
	for {
		s, more, bad := v.next()
		switch {
		case bad:
			return 0, false
		case !more:
			return n, true
		case s.isSet():
			n++
		default:
			n += s.n
		}
	}
}

// delimiters are what bgpdump writes around a segment by its type.
var delimiters = [...]string{segSet: "{}", segSequence: "", segConfedSequence: "()", segConfedSet: "[]"}

// pathWriter appends segments as bgpdump writes them: sequences plain, sets and confederations in brackets.
type pathWriter struct {
	b     []byte
	space bool // the last segment held an AS number
}

func (w *pathWriter) segment(s *segment, n int) {
	if w.space {
		w.b = append(w.b, ' ')
	}
	d, sep := delimiters[s.typ], byte(' ')
	if s.isSet() {
		sep = ','
	}
	if d != "" {
		w.b = append(w.b, d[0])
	}
	for i := range n {
		if i > 0 {
			w.b = append(w.b, sep)
		}
		w.b = appendUint(w.b, s.as(i))
	}
	if d != "" {
		w.b = append(w.b, d[1])
	}
	w.space = n > 0
}

// malformedPath is what bgpdump writes for a path that it cannot read.
const malformedPath = "! Error !"

// appendPath appends the path of a message, merged with AS4_PATH when there is one to merge (as4 not nil): RFC 6793 section 4.2.3
// with bgpdump's count of the leading part, which includes confederations.
func appendPath(b []byte, path pathValue, as4 *pathValue) []byte {
	n, ok := path.count()
	if !ok {
		return append(b, malformedPath...)
	}
	w := pathWriter{b: b}
	if as4 == nil {
		w.all(path)
		return w.b
	}
	m, ok := as4.count()
	if !ok || m > n {
		w.all(path)
		return w.b
	}
	for lead := n - m; lead > 0; {
		s, more, _ := path.next()
		if !more {
			break
		}
		take := s.n
		if s.isSet() {
			lead--
		} else {
			take = min(s.n, lead)
			lead -= take
		}
		w.segment(&s, take)
	}
	w.all(*as4)
	return w.b
}

func (w *pathWriter) all(v pathValue) {
	for {
		s, ok, _ := v.next()
		if !ok {
			return
		}
		w.segment(&s, s.n)
	}
}

package freeze

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"reflect"
	"unsafe"
)

// Thaw reads what Freeze wrote into v, a value made as the frozen one was. Given fields keep what v holds. What a pointer of v points at is
// filled in place when the state has something there, so that what v's maker wired keeps pointing at the right thing; all else is made
// anew. The error wraps ErrLayout or ErrDamaged; after one, other than ErrLayout, v is not to be used.
func (c *Codec[T]) Thaw(b []byte, v *T) error {
	body, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok || len(body) < 2*sha256.Size {
		return fmt.Errorf("%w: it does not begin as one of version 1", ErrDamaged)
	}
	if sum := sha256.Sum256(b[:len(b)-sha256.Size]); [sha256.Size]byte(b[len(b)-sha256.Size:]) != sum {
		return fmt.Errorf("%w: the checksum is wrong", ErrDamaged)
	}
	if [sha256.Size]byte(body) != c.layout {
		return ErrLayout
	}
	return c.thaw(body[sha256.Size:len(body)-sha256.Size], v)
}

// thaw reads the content.
func (c *Codec[T]) thaw(b []byte, v *T) error {
	t := &thawer{rest: b, used: map[unsafe.Pointer]bool{}, texts: map[string]string{}, due: c.root.least}
	t.things = append(t.things, place{unsafe.Pointer(v), c.root})
	t.used[unsafe.Pointer(v)] = true
	for i := 0; i < len(t.things) && t.err == nil; i++ {
		o := t.things[i]
		t.due -= o.plan.least
		t.value(o.at, o.plan)
	}
	if t.err == nil && len(t.rest) > 0 {
		t.fail("something follows its end")
	}
	return t.err
}

// maxDepth bounds how deep slices and maps lie in each other.
const maxDepth = 500

type thawer struct {
	rest   []byte
	things []place // by number less one; those behind the one being read are still to be read
	due    uint64  // octets that these take at least
	used   map[unsafe.Pointer]bool
	slices []span
	texts  map[string]string // short strings occur often
	depth  int
	err    error
}

func (t *thawer) fail(why string) {
	if t.err == nil {
		t.err, t.rest = fmt.Errorf("%w: %s", ErrDamaged, why), nil
	}
}

func (t *thawer) number() uint64 {
	v, n := binary.Uvarint(t.rest)
	if n <= 0 || n > 1 && t.rest[n-1] == 0 { // cut off, too large, or longer than it needs to be
		t.fail("a number is cut off or too large")
		return 0
	}
	t.rest = t.rest[n:]
	return v
}

func (t *thawer) take(n uint64) []byte {
	if n > uint64(len(t.rest)) {
		t.fail("it is cut off")
		return nil
	}
	b := t.rest[:n]
	t.rest = t.rest[n:]
	return b
}

func (t *thawer) octet() byte {
	if b := t.take(1); b != nil {
		return b[0]
	}
	return 0
}

// count reads a length. What is announced must fit into what is left: each element takes at least so many octets.
func (t *thawer) count(least uint64) int {
	n := t.number()
	if t.err == nil && (t.due > uint64(len(t.rest)) || n > (uint64(len(t.rest))-t.due)/max(1, least)) {
		t.fail("a length is larger than what is left")
	}
	if t.err != nil {
		return 0
	}
	return int(n)
}

// value reads a value of plan p into an address.
func (t *thawer) value(at unsafe.Pointer, p *plan) {
	if t.err != nil {
		return
	}
	switch p.op {
	case opPlain:
		b := t.take(p.least)
		if b == nil {
			return
		}
		for _, r := range p.runs {
			b = b[copy(unsafe.Slice((*byte)(unsafe.Add(at, r.at)), r.n), b):]
		}
		t.bools(at, p)
	case opStruct:
		for i := range p.fields {
			t.value(unsafe.Add(at, p.fields[i].at), p.fields[i].plan)
		}
	case opArray:
		t.elements(at, p.n, p.elem)
	case opString:
		*(*string)(at) = t.text(t.take(uint64(t.count(1))))
	case opSlice:
		t.slice(at, p)
	case opPointer:
		t.pointer(at, p)
	case opMap:
		t.mapping(at, p)
	case opSpecial:
		if b := t.take(uint64(t.octet())); t.err == nil {
			if err := p.special.load(b, at); err != nil {
				t.fail(fmt.Sprintf("a %s: %v", p.typ, err))
			}
		}
	}
}

// bools makes sure of the bools of a plain value: others than 0 and 1 would be neither true nor false.
func (t *thawer) bools(at unsafe.Pointer, p *plan) {
	for _, o := range p.bools {
		if v := (*byte)(unsafe.Add(at, o)); *v > 1 {
			*v = 0
			t.fail("a bool is neither true nor false")
		}
	}
}

func (t *thawer) elements(at unsafe.Pointer, n int, p *plan) {
	if p.solid() && p.bools == nil {
		copy(unsafe.Slice((*byte)(at), uintptr(n)*p.size), t.take(uint64(n)*uint64(p.size)))
		return
	}
	for i := range uintptr(n) {
		t.value(unsafe.Add(at, i*p.size), p)
	}
}

// text makes a string; short ones are made once.
func (t *thawer) text(b []byte) string {
	if len(b) > 64 {
		return string(b)
	}
	s, ok := t.texts[string(b)]
	if !ok {
		s = string(b)
		t.texts[s] = s
	}
	return s
}

// deeper guards the stack while something nested is read.
func (t *thawer) deeper(read func()) {
	if t.depth++; t.depth > maxDepth {
		t.fail("it is nested too deep")
	} else {
		read()
	}
	t.depth--
}

func (t *thawer) slice(at unsafe.Pointer, p *plan) {
	h := (*header)(at)
	switch form := t.octet(); form {
	case sliceNil:
		reflect.NewAt(p.typ, at).Elem().SetZero()
	case sliceEmpty:
		reflect.NewAt(p.typ, at).Elem().Set(reflect.MakeSlice(p.typ, 0, 0))
	case sliceHere:
		n := t.count(p.elem.least)
		if t.err != nil || n == 0 {
			t.fail("a slice that is not empty is")
			return
		}
		reflect.NewAt(p.typ, at).Elem().Set(reflect.MakeSlice(p.typ, n, n))
		t.slices = append(t.slices, span{h.at, n, p.elem})
		t.deeper(func() { t.elements(h.at, n, p.elem) })
	case sliceShared:
		id := t.number()
		if t.err == nil && (id >= uint64(len(t.slices)) || t.slices[id].elem != p.elem) {
			t.fail("a slice is shared with none of its kind")
		}
		if t.err == nil {
			s := t.slices[id]
			*h = header{s.at, s.n, s.n}
		}
	default:
		t.fail("a slice of unknown form")
	}
}

func (t *thawer) pointer(at unsafe.Pointer, p *plan) {
	to := (*unsafe.Pointer)(at)
	id := t.number()
	switch {
	case t.err != nil:
	case id == 0:
		*to = nil
	case id <= uint64(len(t.things)):
		o := t.things[id-1]
		if o.plan != p.elem {
			t.fail("a pointer points at another kind of thing")
			return
		}
		*to = o.at
	case id == uint64(len(t.things))+1:
		if t.due += p.elem.least; t.due > uint64(len(t.rest)) {
			t.fail("a pointer points beyond its end")
			return
		}
		if *to == nil || t.used[*to] {
			*to = reflect.New(p.elem.typ).UnsafePointer()
		}
		t.used[*to] = true
		t.things = append(t.things, place{*to, p.elem})
	default:
		t.fail("a pointer points at nothing")
	}
}

func (t *thawer) mapping(at unsafe.Pointer, p *plan) {
	m := reflect.NewAt(p.typ, at).Elem()
	switch t.octet() {
	case 0:
		m.SetZero()
		return
	case 1:
	default:
		t.fail("a map of unknown form")
		return
	}
	n := t.count(p.key.least + p.elem.least)
	if t.err != nil {
		return
	}
	m.Set(reflect.MakeMapWithSize(p.typ, n))
	t.deeper(func() {
		key, value := reflect.New(p.key.typ).Elem(), reflect.New(p.elem.typ).Elem()
		var last []byte
		for i := range n {
			from := t.rest
			key.SetZero()
			t.value(key.Addr().UnsafePointer(), p.key)
			value.SetZero()
			octets := from[:len(from)-len(t.rest)]
			if t.err == nil && i > 0 && bytes.Compare(last, octets) >= 0 {
				t.fail("the keys of a map are not in order")
			}
			t.value(value.Addr().UnsafePointer(), p.elem)
			if t.err != nil {
				return
			}
			last = octets
			m.SetMapIndex(key, value)
		}
	})
}

package freeze

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"reflect"
	"slices"
	"unsafe"
)

// Freeze writes the state of v. It changes nothing, and nothing may change v meanwhile. The error is the writer's, or says what in v cannot
// be kept: memory shared in part, or a value of another's making in a form that is not known.
func (c *Codec[T]) Freeze(w io.Writer, v *T) error {
	sum := sha256.New()
	f := &freezer{
		w: bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<18), ids: map[place]uint64{}, slices: map[span]uint64{},
	}
	f.w.WriteString(magic)
	f.w.Write(c.layout[:])
	f.meet(unsafe.Pointer(v), c.root)
	for len(f.queue) > 0 && f.err == nil {
		o := f.queue[0]
		f.queue = f.queue[1:]
		f.value(o.at, o.plan)
	}
	if f.err == nil {
		f.err = apart(f.extents)
	}
	if f.err != nil {
		return fmt.Errorf("freezing %s: %w", c.root.typ, f.err)
	}
	err := f.w.Flush()
	if err == nil {
		_, err = w.Write(sum.Sum(nil))
	}
	if err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	return nil
}

// place is something pointed at. A struct and its first field lie at one place: the type tells them apart.
type place struct {
	at   unsafe.Pointer
	plan *plan
}

// span is the memory of a slice.
type span struct {
	at   unsafe.Pointer
	n    int
	elem *plan
}

type freezer struct {
	w       *bufio.Writer // its errors come out at Flush
	ids     map[place]uint64
	queue   []place // met, and not written yet
	slices  map[span]uint64
	extents []extent
	keys    []byte // scratch of maps
	err     error
}

func (f *freezer) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *freezer) number(v uint64) {
	f.w.Write(binary.AppendUvarint(f.w.AvailableBuffer(), v))
}

// meet gives the number of what a pointer points at, and queues it at the first time.
func (f *freezer) meet(at unsafe.Pointer, p *plan) uint64 {
	o := place{at, p}
	id, ok := f.ids[o]
	if !ok {
		id = uint64(len(f.ids)) + 1
		f.ids[o] = id
		f.queue = append(f.queue, o)
		if p.size > 0 {
			f.extents = append(f.extents, extent{uintptr(at), uintptr(at) + p.size, p.typ, false})
		}
	}
	return id
}

// value writes the value of plan p that lies at an address.
func (f *freezer) value(at unsafe.Pointer, p *plan) {
	switch p.op {
	case opPlain:
		for _, r := range p.runs {
			f.w.Write(unsafe.Slice((*byte)(unsafe.Add(at, r.at)), r.n))
		}
	case opStruct:
		for i := range p.fields {
			f.value(unsafe.Add(at, p.fields[i].at), p.fields[i].plan)
		}
	case opArray:
		f.elements(at, p.n, p.elem)
	case opString:
		s := *(*string)(at)
		f.number(uint64(len(s)))
		f.w.WriteString(s)
	case opSlice:
		f.slice(at, p)
	case opPointer:
		if to := *(*unsafe.Pointer)(at); to == nil {
			f.w.WriteByte(0)
		} else {
			f.number(f.meet(to, p.elem))
		}
	case opMap:
		f.mapping(at, p)
	case opSpecial:
		b, err := p.special.save(nil, at)
		if err == nil && len(b) > 255 {
			err = fmt.Errorf("a %s of %d octets", p.typ, len(b))
		}
		if err != nil {
			f.fail(err)
			return
		}
		f.w.WriteByte(byte(len(b)))
		f.w.Write(b)
	}
}

func (f *freezer) elements(at unsafe.Pointer, n int, p *plan) {
	if p.solid() {
		f.w.Write(unsafe.Slice((*byte)(at), uintptr(n)*p.size))
		return
	}
	for i := range uintptr(n) {
		f.value(unsafe.Add(at, i*p.size), p)
	}
}

// Forms of a slice.
const (
	sliceNil = iota
	sliceEmpty
	sliceHere
	sliceShared
)

// header is a slice as it lies in memory.
type header struct {
	at       unsafe.Pointer
	len, cap int
}

func (f *freezer) slice(at unsafe.Pointer, p *plan) {
	h := (*header)(at)
	switch {
	case h.at == nil:
		f.w.WriteByte(sliceNil)
		return
	case h.len == 0:
		f.w.WriteByte(sliceEmpty)
		return
	}
	s := span{h.at, h.len, p.elem}
	if id, ok := f.slices[s]; ok {
		f.w.WriteByte(sliceShared)
		f.number(id)
		return
	}
	f.slices[s] = uint64(len(f.slices))
	f.extents = append(f.extents, extent{uintptr(h.at), uintptr(h.at) + uintptr(h.len)*p.elem.size, p.elem.typ, true})
	f.w.WriteByte(sliceHere)
	f.number(uint64(h.len))
	f.elements(h.at, h.len, p.elem)
}

// mapping writes a map in the order of its keys' octets.
func (f *freezer) mapping(at unsafe.Pointer, p *plan) {
	m := reflect.NewAt(p.typ, at).Elem()
	if m.IsNil() {
		f.w.WriteByte(0)
		return
	}
	f.w.WriteByte(1)
	f.number(uint64(m.Len()))
	type entry struct {
		from, to int
		value    reflect.Value
	}
	list := make([]entry, 0, m.Len())
	key := reflect.New(p.key.typ).Elem()
	keys := f.keys[:0]
	for it := m.MapRange(); it.Next(); {
		key.SetIterKey(it)
		from := len(keys)
		keys = f.key(keys, key.Addr().UnsafePointer(), p.key)
		list = append(list, entry{from, len(keys), it.Value()})
	}
	slices.SortFunc(list, func(a, b entry) int { return bytes.Compare(keys[a.from:a.to], keys[b.from:b.to]) })
	value := reflect.New(p.elem.typ).Elem()
	f.keys = nil // a map may hold maps
	for _, e := range list {
		f.w.Write(keys[e.from:e.to])
		value.Set(e.value)
		f.value(value.Addr().UnsafePointer(), p.elem)
	}
	f.keys = keys
}

// key appends the octets of a key: those that value would write.
func (f *freezer) key(b []byte, at unsafe.Pointer, p *plan) []byte {
	switch p.op {
	case opPlain:
		for _, r := range p.runs {
			b = append(b, unsafe.Slice((*byte)(unsafe.Add(at, r.at)), r.n)...)
		}
	case opStruct:
		for i := range p.fields {
			b = f.key(b, unsafe.Add(at, p.fields[i].at), p.fields[i].plan)
		}
	case opArray:
		for i := range uintptr(p.n) {
			b = f.key(b, unsafe.Add(at, i*p.elem.size), p.elem)
		}
	case opString:
		s := *(*string)(at)
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	case opSpecial:
		n := len(b)
		b = append(b, 0)
		var err error
		if b, err = p.special.save(b, at); err != nil || len(b)-n-1 > 255 {
			f.fail(fmt.Errorf("a key of type %s cannot be written: %w", p.typ, err))
			return b[:n]
		}
		b[n] = byte(len(b) - n - 1)
	}
	return b
}

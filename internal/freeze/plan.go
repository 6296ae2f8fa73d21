package freeze

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// op is how a type is written.
type op uint8

const (
	opPlain   op = iota // memory without pointers
	opStruct            // fields one by one; neighbours that are plain count as one
	opArray             // elements one by one
	opString            //
	opSlice             //
	opPointer           //
	opMap               //
	opSpecial           // by functions of its own
)

// run is a stretch of memory that holds something; what lies between runs is padding.
type run struct{ at, n uintptr }

// plan is how one type is written and read.
type plan struct {
	typ  reflect.Type
	op   op
	size uintptr // in memory
	// least is how many octets a value takes at least: what a length that is read is measured against.
	least uint64

	runs  []run     // plain
	bools []uintptr // plain: where its bools are; a bool that is neither 0 nor 1 must not get into memory

	fields  []field // struct
	elem    *plan   // array, slice, pointer, map
	n       int     // array
	key     *plan   // map
	special *special
}

// solid reports a plain value that is all content: many of them are one stretch of memory.
func (p *plan) solid() bool {
	return p.op == opPlain && len(p.runs) == 1 && p.runs[0] == run{0, p.size}
}

type field struct {
	at   uintptr
	plan *plan
}

// compiler makes the plans of all types that are reached from the root.
type compiler struct {
	given Given
	plans map[reflect.Type]*plan
	met   map[reflect.Type]bool // types whose given fields were taken out
	lines []string              // of the layout
}

// digest is the digest of the layout: every type reached, with kinds, names, sizes and offsets, in the order in which they are met.
func (c *compiler) digest() [sha256.Size]byte {
	order := binary.NativeEndian.Uint16([]byte{1, 0})
	return sha256.Sum256([]byte(fmt.Sprintf("octet order %d\n%s", order, strings.Join(c.lines, "\n"))))
}

func (c *compiler) plan(t reflect.Type, where string) (*plan, error) {
	if p := c.plans[t]; p != nil {
		return p, nil
	}
	p := &plan{typ: t, size: t.Size()}
	c.plans[t] = p
	line := len(c.lines)
	c.lines = append(c.lines, "")
	err := c.fill(p, where)
	about := fmt.Sprintf("%s.%s %s %s %d", t.PkgPath(), t.Name(), t.Kind(), t, t.Size())
	if t.Kind() == reflect.Struct && p.special == nil {
		for i := range t.NumField() {
			f := t.Field(i)
			about += fmt.Sprintf("; %s %s.%s %s %d", f.Name, f.Type.PkgPath(), f.Type.Name(), f.Type, f.Offset)
			if slices.Contains(c.given[t], f.Name) {
				about += " given"
			}
		}
	}
	c.lines[line] = about
	return p, err
}

func (c *compiler) fill(p *plan, where string) (err error) {
	t := p.typ
	if s := specials[t]; s != nil {
		p.op, p.special, p.least = opSpecial, s, 1
		return nil
	}
	switch t.Kind() {
	case reflect.Bool:
		p.plain()
		p.bools = []uintptr{0}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		p.plain()
	case reflect.String:
		p.op, p.least = opString, 1
	case reflect.Struct:
		return c.fillStruct(p, where)
	case reflect.Array:
		return c.fillArray(p, where)
	case reflect.Slice:
		p.op, p.least = opSlice, 1
		p.elem, err = c.plan(t.Elem(), where+"[]")
	case reflect.Pointer:
		p.op, p.least = opPointer, 1
		p.elem, err = c.plan(t.Elem(), where)
	case reflect.Map:
		p.op, p.least = opMap, 1
		if p.key, err = c.plan(t.Key(), where+"[key]"); err != nil {
			return err
		}
		if !sortable(t.Key()) {
			return fmt.Errorf("%s (%s): its keys have no order", where, t)
		}
		p.elem, err = c.plan(t.Elem(), where+"[]")
	default:
		return fmt.Errorf("%s (%s): a %s has no state that can be kept; name the field as given", where, t, t.Kind())
	}
	return err
}

func (p *plan) plain() {
	p.op, p.least = opPlain, uint64(p.size)
	p.runs = []run{{0, p.size}}
}

func (c *compiler) fillStruct(p *plan, where string) error {
	t := p.typ
	c.met[t] = true
	for _, name := range c.given[t] {
		if _, ok := t.FieldByName(name); !ok {
			return fmt.Errorf("%s (%s) has no field %s that could be given", where, t, name)
		}
	}
	p.op = opStruct
	var plain *plan // of the plain fields that follow each other
	for i := range t.NumField() {
		f := t.Field(i)
		if slices.Contains(c.given[t], f.Name) {
			continue
		}
		q, err := c.plan(f.Type, where+"."+f.Name)
		if err != nil {
			return err
		}
		p.least += q.least
		if q.op != opPlain {
			p.fields = append(p.fields, field{f.Offset, q})
			plain = nil
			continue
		}
		if plain == nil {
			plain = &plan{op: opPlain, size: p.size}
			p.fields = append(p.fields, field{0, plain})
		}
		for _, r := range q.runs {
			plain.take(run{f.Offset + r.at, r.n})
		}
		for _, b := range q.bools {
			plain.bools = append(plain.bools, f.Offset+b)
		}
		plain.least += q.least
	}
	if len(p.fields) == 1 && plain != nil {
		p.op, p.runs, p.bools, p.fields = opPlain, plain.runs, plain.bools, nil
	}
	return nil
}

// take adds a run behind the others.
func (p *plan) take(r run) {
	if r.n == 0 {
		return
	}
	if n := len(p.runs); n > 0 && p.runs[n-1].at+p.runs[n-1].n == r.at {
		p.runs[n-1].n += r.n
		return
	}
	p.runs = append(p.runs, r)
}

func (c *compiler) fillArray(p *plan, where string) (err error) {
	p.n = p.typ.Len()
	if p.elem, err = c.plan(p.typ.Elem(), where+"[]"); err != nil {
		return err
	}
	p.op, p.least = opArray, uint64(p.n)*p.elem.least
	if p.elem.op == opPlain && (p.elem.solid() && p.elem.bools == nil || p.n <= 64) { // else its runs or bools would be a long list
		p.op = opPlain
		for i := range uintptr(p.n) {
			for _, r := range p.elem.runs {
				p.take(run{i*p.elem.size + r.at, r.n})
			}
			for _, b := range p.elem.bools {
				p.bools = append(p.bools, i*p.elem.size+b)
			}
		}
	}
	return nil
}

// sortable reports types whose values can be told apart by their octets: equal values have equal ones.
func sortable(t reflect.Type) bool {
	if specials[t] != nil {
		return specials[t].sortable
	}
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if !sortable(t.Field(i).Type) {
				return false
			}
		}
		return true
	case reflect.Array:
		return sortable(t.Elem())
	case reflect.Float32, reflect.Float64, reflect.Pointer, reflect.Slice, reflect.Map:
		return false
	}
	return true
}

// extent is the memory of one thing that was written.
type extent struct {
	from, to uintptr
	typ      reflect.Type
	many     bool // a slice of them
}

func (e extent) String() string {
	if e.many {
		return "a slice of " + e.typ.String()
	}
	return "a " + e.typ.String()
}

// apart is an error when two things share memory, so that one would not follow the other after a thaw.
func apart(all []extent) error {
	slices.SortFunc(all, func(a, b extent) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(all); i++ {
		if all[i].from < all[i-1].to {
			return fmt.Errorf("%s and %s share memory in part", all[i-1], all[i])
		}
	}
	return nil
}

// Package freeze writes the exact state of a Go value as octets and reads it back into a value made afresh: what a program holds in
// memory survives its restart, and it goes on as if it had never stopped.
//
// It walks the value's memory by type, unexported fields included. Pointers keep their identity, shared and cyclic ones too; a nil and an
// empty slice stay apart; slices of the same memory stay so; maps are written in the order of their keys. So the same state gives the
// same octets, and a value that was thawed freezes to the octets that it came from.
//
// What has no state is refused when the codec is made: functions, channels, interfaces, unsafe pointers. A field that holds one, or that
// its owner fills in anyway, is named as given: it is not written, and thawing leaves in it what is there. Refused while freezing are
// pointers into the middle of something else that is written, and slices that share a part of their memory: these would come apart.
//
// The octets are those of the machine's memory and belong to one version of the program: a digest over the layout of all types is part
// of them, and another layout is refused with ErrLayout. They are for going on, not for keeping.
//
// The stored form: the line "corewatch state 1", the layout's digest (32 octets), the content, and SHA-256 over all before it. The
// content is the root value, and then what pointers point at, in the order in which the pointers are met. A value is its memory without
// padding when it holds no pointer. Else a struct or array is its parts in order; a string is its length and octets; a slice is 0 (nil), 1
// (empty), 2 with length and elements, or 3 with the number of the earlier slice that it shares; a map is 0 (nil) or 1 with its size and
// its keys and values, ordered by the octets of the keys; a pointer is 0 (nil) or the number, from 1, of what it points at. Lengths and numbers
// are unsigned varints.
package freeze

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
)

const magic = "corewatch state 1\n"

// Errors of Thaw, compared with errors.Is.
var (
	// ErrLayout: the octets are of a program whose types are laid out in another way.
	ErrLayout = errors.New("the state is of another version of the program")
	// ErrDamaged: the octets are cut off, changed, or not a state at all.
	ErrDamaged = errors.New("the state is damaged")
)

// Given names, by struct type, the fields that are not part of the state.
type Given map[reflect.Type][]string

// Codec freezes and thaws values of one type. It is safe for concurrent use.
type Codec[T any] struct {
	root   *plan
	layout [sha256.Size]byte
}

// New prepares a codec. The error names the first type or field that cannot be frozen, or a given field that does not exist or is not reached.
func New[T any](given Given) (*Codec[T], error) {
	c := compiler{given: given, plans: map[reflect.Type]*plan{}, met: map[reflect.Type]bool{}}
	root, err := c.plan(reflect.TypeFor[T](), reflect.TypeFor[T]().String())
	if err != nil {
		return nil, fmt.Errorf("freezing: %w", err)
	}
	for t := range given {
		if !c.met[t] {
			return nil, fmt.Errorf("freezing: fields of %s are given, and it is no part of %s", t, reflect.TypeFor[T]())
		}
	}
	for t, p := range c.plans { // whichever is named first
		if p.op == opSlice && p.elem.least == 0 {
			return nil, fmt.Errorf("freezing: elements of %s have no content", t)
		}
	}
	return &Codec[T]{root: root, layout: c.digest()}, nil
}

package freeze

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"net/netip"
	"reflect"
	"time"
	"unsafe"
)

// special is how a type of another's making is written: its memory is not ours to read. save appends the octets; load reads them all.
type special struct {
	sortable bool
	save     func(b []byte, p unsafe.Pointer) ([]byte, error)
	load     func(b []byte, p unsafe.Pointer) error
}

var errSpecial = errors.New("it does not have the form of its type")

// specials by type. The octets of a value are its length, one octet, and what save gives.
var specials = map[reflect.Type]*special{
	reflect.TypeFor[time.Time]():  {save: saveTime, load: loadTime},
	reflect.TypeFor[netip.Addr](): {sortable: true, save: saveAddr, load: loadAddr},
	reflect.TypeFor[hash.Hash]():  {save: saveHash, load: loadHash},
}

// saveTime writes seconds and nanoseconds since 1970. Only instants in UTC without a reading of the monotonic clock are kept exactly.
func saveTime(b []byte, p unsafe.Pointer) ([]byte, error) {
	t := *(*time.Time)(p)
	if t != time.Unix(t.Unix(), int64(t.Nanosecond())).UTC() {
		return nil, fmt.Errorf("the time %s is not in UTC, or has a reading of the monotonic clock", t)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix()))
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond())), nil
}

func loadTime(b []byte, p unsafe.Pointer) error {
	if len(b) != 12 || binary.BigEndian.Uint32(b[8:]) >= 1e9 {
		return errSpecial
	}
	t := time.Unix(int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint32(b[8:]))).UTC()
	if t.Unix() != int64(binary.BigEndian.Uint64(b)) {
		return errSpecial
	}
	*(*time.Time)(p) = t
	return nil
}

func saveAddr(b []byte, p unsafe.Pointer) ([]byte, error) { return (*netip.Addr)(p).AppendBinary(b) }

func loadAddr(b []byte, p unsafe.Pointer) error {
	if err := (*netip.Addr)(p).UnmarshalBinary(b); err != nil {
		return errSpecial
	}
	return nil
}

// saveHash writes a running SHA-256, the only digest that is known here; nothing for nil.
func saveHash(b []byte, p unsafe.Pointer) ([]byte, error) {
	h := *(*hash.Hash)(p)
	if h == nil {
		return b, nil
	}
	m, ok := h.(encoding.BinaryAppender)
	if !ok || reflect.TypeOf(h) != reflect.TypeOf(sha256.New()) {
		return nil, fmt.Errorf("a %T is no SHA-256", h)
	}
	return m.AppendBinary(b)
}

func loadHash(b []byte, p unsafe.Pointer) error {
	if len(b) == 0 {
		*(*hash.Hash)(p) = nil
		return nil
	}
	h := sha256.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(b); err != nil {
		return errSpecial
	}
	if again, err := h.(encoding.BinaryAppender).AppendBinary(nil); err != nil || !bytes.Equal(again, b) {
		return errSpecial
	}
	*(*hash.Hash)(p) = h
	return nil
}

package mrt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// stretch is what one call of Next accounted for.
type stretch struct {
	offset, length int64
	kind           TornKind // 0: a record
}

// account reads r to its end, and fails when a byte is accounted for twice, out of order or not at all.
func account(t *testing.T, r io.Reader, size int) (list []stretch) {
	t.Helper()
	rd := NewReader(r)
	for at := int64(0); ; {
		rec, err := rd.Next()
		var s stretch
		if err == nil {
			s = stretch{offset: rec.Offset, length: int64(len(rec.Raw))}
		} else if torn := (*TornError)(nil); errors.As(err, &torn) {
			s = stretch{torn.Offset, torn.Length, torn.Kind}
		} else if err == io.EOF {
			if at != int64(size) {
				t.Fatalf("%d of %d bytes accounted for", at, size)
			}
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		if s.offset != at || s.length < 1 {
			t.Fatalf("%+v where byte %d is next", s, at)
		}
		at += s.length
		list = append(list, s)
	}
}

// damaged makes a stream of several times a Reader's memory, with damage of every kind in it, and says where its whole records are.
func damaged(r *rand.Rand) (stream []byte, whole []stretch) {
	var lies []stretch // what damaged records claim to be
	starts := map[int64]bool{}
	for i := range 6000 {
		body := slices.Concat(unhex(session2), unhex(withdraw), make([]byte, r.IntN(200)))
		raw := record(uint32(t0+i/10), TypeBGP4MP, subMessage, body)
		switch r.IntN(60) {
		case 0: // left half written
			lies = append(lies, stretch{offset: int64(len(stream)), length: int64(len(raw))})
			raw = raw[:1+r.IntN(len(raw)-1)]
		case 1: // a hole before it
			stream = append(stream, make([]byte, 1+r.IntN(9000))...)
		case 2: // bytes that belong to nothing
			stream = append(stream, "\x1f\x8b not a record"...)
		case 3: // its length is a lie
			raw[8+r.IntN(4)] ^= 1 << r.IntN(8)
			starts[int64(len(stream))] = true
			lies = append(lies, stretch{offset: int64(len(stream)), length: headerLen + int64(binary.BigEndian.Uint32(raw[8:]))})
			stream = append(stream, raw...)
			continue
		}
		if len(raw) == headerLen+len(body) {
			whole = append(whole, stretch{offset: int64(len(stream)), length: int64(len(raw))})
		}
		starts[int64(len(stream))] = true
		stream = append(stream, raw...)
	}
	// A claim that by chance ends where another record starts is as good as true.
	whole = slices.DeleteFunc(whole, func(s stretch) bool {
		return slices.ContainsFunc(lies, func(l stretch) bool {
			return l.offset < s.offset && s.offset < l.offset+l.length && starts[l.offset+l.length]
		})
	})
	return stream, whole
}

// TestEveryByteIsAccountedFor reads damaged streams: every byte belongs to one record or one TornError, every record that is whole is
// given, and in what portions the source gives its bytes does not matter.
func TestEveryByteIsAccountedFor(t *testing.T) {
	if RaceDetector {
		t.Skip("one goroutine: nothing for the race detector")
	}
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 4))
		stream, whole := damaged(r)
		got := account(t, bytes.NewReader(stream), len(stream))
		if again := account(t, &portions{stream, 1 + r.IntN(5000)}, len(stream)); !slices.Equal(got, again) {
			t.Fatalf("seed %d: %d stretches, in other portions %d", seed, len(got), len(again))
		}
		given := map[stretch]bool{}
		torn := 0
		for _, s := range got {
			given[s] = true
			if s.kind != 0 {
				torn++
			}
		}
		lost := 0
		for _, s := range whole {
			if !given[s] {
				lost++
			}
		}
		if lost > 0 || torn < 100 {
			t.Errorf("seed %d: %d of %d whole records lost, %d places torn", seed, lost, len(whole), torn)
		}
	}
}

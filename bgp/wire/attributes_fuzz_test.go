package wire

import (
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"testing"
)

// slow is the obvious reading that FuzzAttributes holds against the views: the whole list first, then a map of first occurrences.
func slow(b []byte) map[byte]Attr {
	first := map[byte]Attr{}
	for len(b) >= 3 {
		a := Attr{Flags: b[0], Type: b[1]}
		n := int(b[2])
		b = b[3:]
		if a.Flags&flagExtended != 0 {
			if len(b) == 0 {
				break
			}
			n = n<<8 | int(b[0])
			b = b[1:]
		}
		if n > len(b) {
			break
		}
		a.Value, b = b[:n], b[n:]
		if _, twice := first[a.Type]; !twice {
			first[a.Type] = a
		}
	}
	return first
}

func count[E any](s iter.Seq[E]) (n int) {
	for range s {
		n++
	}
	return n
}

// FuzzAttributes checks on any bytes that the views agree with the obvious reading of the list and never give more than it holds, and
// that the segments of the path are its AS numbers.
func FuzzAttributes(f *testing.F) {
	for _, s := range []string{
		"", good + reach6, origin + path4 + "800e 11 10" + hop6, origin + path4 + "800e 21 20" + hop6 + hop6,
		"c00706 5ba0 c0000201 c01208 00030d40 c0000202", "800404 00000001 400504 00000064 400600 c02304 00030d40",
		"c00808 fde80001 ffffff01 c01008 0002fde800000001 c0200c 000000010000000200000003 800904 c0000201 800a08 0a000001 0a000002",
		"4002 12 0301 fc00 0201 0001 0102 0002 0003 0201 5ba0 c011 0e 0301 0000fc00 0102 00000001 00030d40",
		"800e 19 0001 01 10" + hop6 + "00 18 c63364" + nextHop,
	} {
		for flags := range uint8(8) {
			f.Add(unhex(s), flags)
		}
	}
	f.Fuzz(func(t *testing.T, attrs []byte, flags uint8) {
		o := Options{AS4: flags&1 != 0, Truncated: flags&4 != 0}
		u := new(Update)
		if flags&2 == 0 {
			u.ParseRIB(attrs, o)
		} else if len(attrs) > maxExtended-headerLen-4 || u.Parse(update("", fmt.Sprintf("%x", attrs), ""), o) != nil {
			return
		}
		a, first := u.Attributes(), slow(attrs)
		n := 0
		for attr := range a.All {
			n++
			want, ok := first[attr.Type]
			found, ok2 := a.Lookup(attr.Type)
			if !ok || !ok2 || want.Flags != attr.Flags || !slices.Equal(want.Value, attr.Value) || !slices.Equal(found.Value, attr.Value) {
				t.Fatalf("All gives %v, Lookup %v, the list holds %v", attr, found, want)
			}
		}
		if n != len(first) {
			t.Fatalf("All gives %d attributes of %d", n, len(first))
		}
		for typ := range 256 {
			if _, ok := a.Lookup(byte(typ)); ok != hasKey(first, byte(typ)) {
				t.Fatalf("Lookup(%d) is %v", typ, ok)
			}
		}
		for typ, get := range map[byte]func() (uint32, bool){attrMED: a.MED, attrLocalPref: a.LocalPref, attrOTC: a.OTC} {
			v := first[typ].Value
			if got, ok := get(); ok != (len(v) == 4) || ok && got != binary.BigEndian.Uint32(v) {
				t.Fatalf("attribute %d of %x is %d %v", typ, v, got, ok)
			}
		}
		for _, c := range []struct {
			typ   byte
			size  int
			count int
		}{
			{attrCommunities, 4, count(a.Communities())},
			{attrExtended, 8, count(a.ExtendedCommunities())},
			{attrLarge, 12, count(a.LargeCommunities())},
			{attrClusterList, 4, count(a.ClusterList())},
		} {
			v := first[c.typ].Value
			want := len(v) / c.size
			if len(v)%c.size != 0 {
				want = 0
			}
			if c.count != want {
				t.Fatalf("attribute %d: %d of %d", c.typ, c.count, want)
			}
		}
		if as, id, ok := a.Aggregator(); ok != (as != 0 && id.Is4()) || ok && !hasKey(first, attrAggregator) {
			t.Fatalf("aggregator %d %v %v", as, id, ok)
		}
		for _, v6 := range []bool{false, true} {
			hop, local, ok := u.NextHop(v6)
			if ok != hop.IsValid() || !ok && local.IsValid() || v6 && hop.Is4() || local.IsValid() && !local.Is6() {
				t.Fatalf("next hop %v %v %v", hop, local, ok)
			}
		}
		sameAsAll(t, u.Path())
		Told(a)
	})
}

func hasKey(m map[byte]Attr, k byte) bool {
	_, ok := m[k]
	return ok
}

package truth

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
)

func says(elems []elem) (out []string) {
	for _, e := range elems {
		sign := "-"
		if e.up {
			sign = "+"
		}
		out = append(out, fmt.Sprintf("%s%s %d", sign, e.key.prefix(), e.origin))
	}
	return out
}

func TestReadUpdate(t *testing.T) {
	narrow := func(as ...uint16) []byte {
		b := []byte{2, byte(len(as))}
		for _, a := range as {
			b = binary.BigEndian.AppendUint16(b, a)
		}
		return b
	}
	cut := message(nlri("10.0.0.0/8", "10.1.0.0/16"), nil, nil)
	overlong := message(nil, attribute(2, pathOf(1, 2)), nlri("10.0.0.0/8"))
	overlong[headerLen+3] += 40 // attributes longer than the message
	for _, c := range []struct {
		name  string
		msg   []byte
		as4   bool
		whole bool
		want  []string
	}{
		{"withdrawn before announced", message(nlri("10.0.0.0/8"), attribute(2, pathOf(1, 2)), nlri("10.0.0.0/8")), true, true, []string{"-10.0.0.0/8 0", "+10.0.0.0/8 2"}},
		{"host bits", message(nil, attribute(2, pathOf(9)), []byte{20, 10, 1, 255}), true, true, []string{"+10.1.240.0/20 9"}},
		{"default route", message([]byte{0}, nil, nil), true, true, []string{"-0.0.0.0/0 0"}},
		{"length 33", message([]byte{8, 10, 33, 1, 2, 3, 4, 5}, nil, nil), true, false, []string{"-10.0.0.0/8 0"}},
		{"cut by the collector", cut[:len(cut)-4], true, false, []string{"-10.0.0.0/8 0"}},
		{"attributes beyond the end", overlong, true, false, nil},
		{"two-octet path", message(nil, attribute(2, narrow(7, 8)), nlri("10.0.0.0/8")), false, true, []string{"+10.0.0.0/8 8"}},
		{"AS_TRANS", message(nil, append(attribute(2, narrow(7, 23456)), attribute(17, pathOf(7, 70000))...), nlri("10.0.0.0/8")), false, true, []string{"+10.0.0.0/8 70000"}},
		{"ends in a set of two", message(nil, attribute(2, append(pathOf(5), 1, 2, 0, 0, 0, 6, 0, 0, 0, 7)), nlri("10.0.0.0/8")), true, true, []string{"+10.0.0.0/8 0"}},
		{"ends in a set of one", message(nil, attribute(2, append(pathOf(5), 1, 1, 0, 0, 0, 6)), nlri("10.0.0.0/8")), true, true, []string{"+10.0.0.0/8 6"}},
		{"multicast", message(nil, append(attribute(2, pathOf(5)), attribute(14, append([]byte{0, 1, 2, 4, 1, 1, 1, 1, 0}, nlri("10.0.0.0/8")...))...), nil), true, true, nil},
		{"IPv4 in MP", message(nil, append(attribute(2, pathOf(5)), attribute(14, append([]byte{0, 1, 1, 4, 1, 1, 1, 1, 0}, nlri("10.0.0.0/8")...))...), nil), true, true, []string{"+10.0.0.0/8 5"}},
		{"IPv6 withdrawn", message(nil, attribute(15, append([]byte{0, 2, 1}, nlri("2001:db8::/32")...)), nil), true, true, []string{"-2001:db8::/32 0"}},
	} {
		got, whole := readUpdate(c.msg, c.as4, nil)
		if whole != c.whole || !slices.Equal(says(got), c.want) {
			t.Errorf("%s: %v whole=%v, want %v whole=%v", c.name, says(got), whole, c.want, c.whole)
		}
	}
}

func TestShorten(t *testing.T) {
	k := readKey(t, "10.255.255.0/24")
	for bits, want := range map[uint8]string{24: "10.255.255.0/24", 17: "10.255.128.0/17", 16: "10.255.0.0/16", 9: "10.128.0.0/9", 8: "10.0.0.0/8", 0: "0.0.0.0/0"} {
		if got := k.shorten(bits).prefix().String(); got != want {
			t.Errorf("/%d: %s, want %s", bits, got, want)
		}
	}
}

func readKey(t *testing.T, s string) key {
	t.Helper()
	elems, ok := readPrefixes(nlri(s), 4, true, 0, nil)
	if !ok || len(elems) != 1 || keyOf(elems[0].key.prefix()) != elems[0].key {
		t.Fatalf("%s: %v", s, says(elems))
	}
	return elems[0].key
}

func FuzzReadUpdate(f *testing.F) {
	f.Add(message(nlri("10.0.0.0/8"), attribute(2, pathOf(1, 2)), nlri("10.0.0.0/9")), true)
	f.Add(message(nil, attribute(15, append([]byte{0, 2, 1}, nlri("2001:db8::/32")...)), nil), false)
	f.Fuzz(func(t *testing.T, b []byte, as4 bool) {
		elems, _ := readUpdate(b, as4, nil)
		for _, e := range elems {
			if p := e.key.prefix(); !p.IsValid() || p != p.Masked() {
				t.Fatalf("%v is no prefix", e.key)
			}
		}
		if len(elems) > len(b) {
			t.Fatalf("%d prefixes out of %d octets", len(elems), len(b))
		}
	})
}

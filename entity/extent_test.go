package entity

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// TestCountryPrefixes: the prefixes of a country are its ranges, neither more nor less.
func TestCountryPrefixes(t *testing.T) {
	var b TableBuilder
	for _, r := range [][3]string{
		{"10.0.0.0", "10.255.255.255", "XA"},
		{"11.0.0.0", "11.0.2.255", "XA"},
		{"0.0.0.0", "0.0.0.255", "XB"},
		{"255.255.255.255", "255.255.255.255", "XB"},
		{"2001:db8::", "2001:db8:0:2:ffff:ffff:ffff:ffff", "XA"},
		{"2001:db9::", "2001:db9:ffff:ffff:ffff:ffff:ffff:ffff", "XB"},
	} {
		if err := b.AddRange(netip.MustParseAddr(r[0]), netip.MustParseAddr(r[1]), r[2]); err != nil {
			t.Fatal(err)
		}
	}
	table := b.Build(Reference{})
	for code, want := range map[string]string{
		"XA": "[10.0.0.0/8 11.0.0.0/23 11.0.2.0/24 2001:db8::/63 2001:db8:0:2::/64]",
		"XB": "[0.0.0.0/24 255.255.255.255/32 2001:db9::/32]",
		"XC": "[]",
	} {
		if got := fmt.Sprint(table.Prefixes(code)); got != want {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
	blocks(0, ^uint64(0), 64, func(key uint64, length int) {
		if key != 0 || length != 0 {
			t.Errorf("everything is %d/%d", key, length)
		}
	})
	// The built-in table, back and forth.
	real, err := DefaultCountries()
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"PK", "DJ", "CI"} {
		list := real.Prefixes(code)
		if len(list) == 0 {
			t.Fatalf("%s has no prefixes", code)
		}
		for _, p := range list {
			if got, _ := real.Country(p); got != code {
				t.Errorf("%s is in %s, not %s", p, got, code)
			}
		}
	}
}

// TestCover: whatever the list, its cover covers it, has no prefix inside another, and is as short as asked.
func TestCover(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		var list []bgp.Prefix
		for range r.IntN(400) {
			if r.IntN(3) == 0 {
				list = append(list, bgp.PrefixFrom6(0x2000_0000_0000_0000|r.Uint64()>>4, 0, uint8(20+r.IntN(45))))
			} else {
				list = append(list, bgp.PrefixFrom4(r.Uint32(), uint8(10+r.IntN(23))))
			}
		}
		most := 1 + r.IntN(300)
		out := Cover(list, most)
		if out == nil && len(list) > 0 && len(list) <= most {
			t.Fatalf("case %d: %d prefixes have no cover of %d", n, len(list), most)
		}
		if out == nil {
			continue
		}
		if len(out) > most {
			t.Fatalf("case %d: %d, want at most %d", n, len(out), most)
		}
		for i, p := range out {
			if i > 0 && out[i-1].Covers(p) {
				t.Fatalf("case %d: %s lies in %s", n, p, out[i-1])
			}
		}
		for _, p := range list {
			if !slices.ContainsFunc(out, func(q bgp.Prefix) bool { return q.Covers(p) }) {
				t.Fatalf("case %d: %s is not covered", n, p)
			}
		}
	}
	if got := Cover(nil, 10); len(got) != 0 {
		t.Errorf("nothing has the cover %v", got)
	}
	all := make([]bgp.Prefix, 0, 4096)
	for i := range uint32(4096) {
		all = append(all, bgp.PrefixFrom4(i<<20, 12))
	}
	if got := Cover(all, 100); got != nil {
		t.Errorf("the whole of IPv4 in 100: %v", got)
	}
	if got := Cover(all, 1024); len(got) != 1024 || got[0].Len() != 10 {
		t.Errorf("the whole of IPv4 in 1024: %d", len(got))
	}
}

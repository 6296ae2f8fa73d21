package entity

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

func prefix(t testing.TB, s string) bgp.Prefix {
	t.Helper()
	p, err := bgp.ParsePrefix(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func build(t testing.TB, rows ...string) *CountryTable {
	t.Helper()
	var b TableBuilder
	_, err := ParseDelegated("f", strings.NewReader(delegatedHead+strings.Join(rows, "\n")+"\n"), b.Add)
	if err != nil {
		t.Fatal(err)
	}
	return b.Build(Reference{Name: "test"})
}

func TestCountry(t *testing.T) {
	table := build(t,
		"testrir|PK|ipv4|10.0.0.0|65536|20200101|allocated",
		"testrir|IN|ipv4|10.0.8.0|256|20200101|assigned",   // inside PK
		"testrir|IN|ipv4|10.1.0.0|32768|20200101|assigned", // the first half
		"testrir|SE|ipv4|10.1.128.0|32768|20200101|assigned",
		"testrir|EU|ipv4|10.2.0.0|256|20200101|assigned",
		"testrir|NO|ipv4|10.3.0.0|16384|20200101|assigned",
		"testrir|NO|ipv4|10.3.64.0|16384|20200101|assigned",
		"testrir|NO|ipv4|10.3.128.0|256|20200101|assigned",
		"testrir|DK|ipv4|255.255.255.0|256|20200101|assigned",
		"testrir|PK|ipv6|2001:db8::|32|20200101|assigned",
		"testrir|IN|ipv6|2001:db8:1::|48|20200101|assigned",
		"testrir|DK|ipv6|ffff::|16|20200101|assigned",
	)
	for _, c := range []struct{ p, want string }{
		{"10.0.0.0/16", "PK"}, // 1/256 of it is someone else's
		{"10.0.0.0/24", "PK"},
		{"10.0.8.0/24", "IN"},
		{"10.0.8.128/25", "IN"},
		{"10.0.8.0/23", ""}, // exactly half each
		{"10.0.8.0/22", "PK"},
		{"10.1.0.0/16", ""},
		{"10.1.0.0/17", "IN"},
		{"10.0.0.0/15", ""}, // PK has 255/512
		{"10.2.0.0/24", ""},
		{"10.3.0.0/16", "NO"}, // half and a bit
		{"10.2.0.0/15", ""},
		{"10.9.0.0/24", ""},
		{"9.0.0.0/8", ""},
		{"0.0.0.0/0", ""},
		{"255.255.255.0/24", "DK"},
		{"255.255.255.255/32", "DK"},
		{"2001:db8::/32", "PK"},
		{"2001:db8::/128", "PK"},
		{"2001:db8:1::/48", "IN"},
		{"2001:db8:1::1/128", "IN"},
		{"2001:db8::/47", ""},
		{"2001:db8::/31", ""},
		{"::/0", ""},
		{"ffff:ffff:ffff:ffff::/64", "DK"},
	} {
		got, ok := table.Country(prefix(t, c.p))
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q %v, want %q", c.p, got, ok, c.want)
		}
	}
	if _, ok := table.Country(bgp.Prefix{}); ok {
		t.Error("the zero prefix has a country")
	}
	if _, ok := (*CountryTable)(nil).Country(prefix(t, "10.0.0.0/16")); ok {
		t.Error("no table gives a country")
	}
	if got := fmt.Sprint(table.CountryCodes()); got != "[DK IN NO PK SE]" {
		t.Errorf("codes %s", got)
	}
}

func TestLaterOfEqualRangesWins(t *testing.T) {
	a := "testrir|PK|ipv4|10.0.0.0|256|20200101|allocated"
	b := "testrir|IN|ipv4|10.0.0.0|256|20200101|allocated"
	for _, c := range []struct {
		rows []string
		want string
	}{{[]string{a, b}, "IN"}, {[]string{b, a}, "PK"}} {
		if got, _ := build(t, c.rows...).Country(prefix(t, "10.0.0.0/24")); got != c.want {
			t.Errorf("%v: %s, want %s", c.rows, got, c.want)
		}
	}
}

func TestWholeSpace(t *testing.T) {
	var b TableBuilder
	if err := b.AddRange(netip.IPv6Unspecified(), netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "PK"); err != nil {
		t.Fatal(err)
	}
	if err := b.AddRange(netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("255.255.255.255"), "PK"); err != nil {
		t.Fatal(err)
	}
	table := b.Build(Reference{})
	for _, p := range []string{"::/0", "::/1", "8000::/1", "0.0.0.0/0"} {
		if c, _ := table.Country(prefix(t, p)); c != "PK" {
			t.Errorf("%s: %q", p, c)
		}
	}
	var out bytes.Buffer
	if err := EncodeCompact(&out, table, Provenance{}); err != nil {
		t.Fatal(err)
	}
	back, _, err := DecodeCompact(&out)
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := back.Country(prefix(t, "::/0")); c != "PK" {
		t.Error("the whole space is lost in the compact form")
	}
}

func TestAddRangeBad(t *testing.T) {
	for _, c := range [][2]string{
		{"10.0.0.1", "10.0.0.0"}, {"10.0.0.0", "2001:db8::"}, {"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"}, {"2001:db8::", "2001:db8::1"},
	} {
		var b TableBuilder
		if err := b.AddRange(netip.MustParseAddr(c[0]), netip.MustParseAddr(c[1]), "PK"); err == nil {
			t.Errorf("%v was accepted", c)
		}
	}
	var b TableBuilder
	if err := b.AddRange(netip.Addr{}, netip.Addr{}, "PK"); err == nil {
		t.Error("no addresses were accepted")
	}
}

// Random overlapping delegations in a small space, against the rule written out address by address.
func TestTableAgainstOracle(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	countries := []string{"PK", "IN", "SE", "NO", "DK"}
	for round := range 300 {
		var b TableBuilder
		type row struct {
			first, last int
			country     string
		}
		var rows []row
		for range rng.IntN(30) {
			first := rng.IntN(256)
			r := row{first, min(255, first+rng.IntN(1+rng.IntN(128))), countries[rng.IntN(len(countries))]}
			rows = append(rows, r)
			if err := b.addRange(false, uint64(r.first)<<24, uint64(r.last)<<24|0xffffff, r.country); err != nil {
				t.Fatal(err)
			}
		}
		table := b.Build(Reference{})
		var owner [256]string // of every /8
		for i := range owner {
			best := 1 << 30
			for _, r := range rows {
				if r.first <= i && i <= r.last && r.last-r.first <= best {
					best, owner[i] = r.last-r.first, r.country
				}
			}
		}
		for length := range uint8(9) {
			for i := 0; i < 256; i += 1 << (8 - length) {
				share := map[string]int{}
				for j := i; j < i+1<<(8-length); j++ {
					share[owner[j]]++
				}
				want := ""
				for c, n := range share {
					if 2*n > 1<<(8-length) {
						want = c
					}
				}
				if got, _ := table.Country(bgp.PrefixFrom4(uint32(i)<<24, length)); got != want {
					t.Fatalf("round %d, %d.0.0.0/%d: %q, want %q\n%v", round, i, length, got, want, rows)
				}
			}
		}
		var out bytes.Buffer
		if err := EncodeCompact(&out, table, Provenance{Name: "x"}); err != nil {
			t.Fatal(err)
		}
		back, _, err := DecodeCompact(bytes.NewReader(out.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if v4, v6 := table.Compare(back); len(rows) > 0 && v4 != (Shares{Agree: 1}) || v6 != (Shares{}) {
			t.Fatalf("round %d: after the compact form %+v %+v", round, v4, v6)
		}
	}
}

func TestCompare(t *testing.T) {
	a := build(t, "testrir|PK|ipv4|10.0.0.0|1024|20200101|allocated", "testrir|PK|ipv6|2001:db8::|32|20200101|allocated")
	b := build(t, "testrir|PK|ipv4|10.0.1.0|256|20200101|allocated", "testrir|IN|ipv4|10.0.2.0|512|20200101|allocated", "testrir|IN|ipv4|10.0.8.0|1024|20200101|allocated")
	v4, v6 := a.Compare(b)
	if want := (Shares{Agree: 0.125, Differ: 0.25, OnlyHere: 0.125, OnlyOther: 0.5}); v4 != want {
		t.Errorf("%+v, want %+v", v4, want)
	}
	if want := (Shares{OnlyHere: 1}); v6 != want {
		t.Errorf("%+v, want %+v", v6, want)
	}
}

func TestDefaultCountries(t *testing.T) {
	table, err := DefaultCountries()
	if err != nil {
		t.Fatal(err)
	}
	ref := table.Reference()
	if ref.Name != "nro-delegated" || ref.Vintage != "2026-06-17" || ref.Quality != QualityProvisional || ref.SHA256 != fmt.Sprintf("%x", sum(countriesBin)) {
		t.Errorf("%+v", ref)
	}
	p, err := DefaultProvenance()
	if err != nil || p.Licence != "CC-BY-4.0" || p.Agreement.V4.Agree < 0.99 || p.Agreement.V6.Agree < 0.99 || len(p.SourceSHA256) != 64 {
		t.Errorf("%+v, %v", p, err)
	}
	if len(countriesBin) > 1500<<10 {
		t.Errorf("the built-in table has %d bytes", len(countriesBin))
	}
	for p, want := range map[string]string{"193.0.0.0/21": "NL", "2001:67c:2e8::/48": "NL", "10.0.0.0/8": "", "224.0.0.0/4": ""} {
		if got, _ := table.Country(prefix(t, p)); got != want {
			t.Errorf("%s: %q, want %q", p, got, want)
		}
	}
	for _, c := range table.CountryCodes() {
		if _, ok := CountryName(c); !ok {
			t.Errorf("%s has no name", c)
		}
	}
}

func TestDecodeCompactDamaged(t *testing.T) {
	table := build(t, "testrir|PK|ipv4|10.0.0.0|1024|20200101|allocated", "testrir|PK|ipv6|2001:db8::|32|20200101|allocated")
	var out bytes.Buffer
	if err := EncodeCompact(&out, table, Provenance{Name: "x"}); err != nil {
		t.Fatal(err)
	}
	good := out.Bytes()
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x01
		if _, _, err := DecodeCompact(bytes.NewReader(bad)); err == nil {
			t.Errorf("a flipped bit in byte %d was accepted", i)
		}
	}
	for n := range good {
		if _, _, err := DecodeCompact(bytes.NewReader(good[:n])); err == nil {
			t.Errorf("%d of %d bytes were accepted", n, len(good))
		}
	}
}

func FuzzReadBody(f *testing.F) {
	table := build(f, "testrir|PK|ipv4|10.0.0.0|1536|20200101|allocated", "testrir|IN|ipv6|2001:db8::|32|20200101|allocated")
	body := append([]byte{byte(len(table.codes))}, strings.Join(table.codes, "")...)
	f.Add(appendColumn(appendColumn(body, &table.v4), &table.v6))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		var table CountryTable
		if table.readBody(body) != nil {
			return
		}
		for _, col := range []*column{&table.v4, &table.v6} {
			for i := range col.first {
				if col.last[i] < col.first[i] || i > 0 && col.first[i] <= col.last[i-1] || int(col.country[i]) >= len(table.codes) {
					t.Fatalf("range %d of %+v is out of order", i, col)
				}
			}
		}
		table.Country(bgp.PrefixFrom4(0, 0))
		table.Country(bgp.PrefixFrom6(0, 0, 0))
	})
}

func BenchmarkCountry(b *testing.B) {
	table, err := DefaultCountries()
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for _, v6 := range []bool{false, true} {
		ps := make([]bgp.Prefix, 1<<16)
		col := &table.v4
		if v6 {
			col = &table.v6
		}
		for i := range ps {
			key := col.first[rng.IntN(len(col.first))]
			if v6 {
				ps[i] = bgp.PrefixFrom6(key, 0, 48)
			} else {
				ps[i] = bgp.PrefixFrom4(uint32(key), 24)
			}
		}
		b.Run(map[bool]string{false: "v4", true: "v6"}[v6], func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				table.Country(ps[i&(1<<16-1)])
			}
		})
	}
	b.Run("worst", func(b *testing.B) {
		p := bgp.PrefixFrom4(0, 0)
		for b.Loop() {
			table.Country(p)
		}
	})
}

func BenchmarkDecodeDefault(b *testing.B) {
	for b.Loop() {
		if _, _, err := DecodeCompact(bytes.NewReader(countriesBin)); err != nil {
			b.Fatal(err)
		}
	}
}

func sum(b []byte) [sha256.Size]byte { return sha256.Sum256(b) }

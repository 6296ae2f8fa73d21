package bgp

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// randomNetip makes a masked prefix of either family; lengths and bytes cluster at the edges.
func randomNetip(r *rand.Rand) netip.Prefix {
	n := 4
	if r.IntN(2) == 1 {
		n = 16
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = [...]byte{0, 0xff, 0x80, byte(r.Uint32())}[r.IntN(4)]
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(a, r.IntN(8*n+1)).Masked()
}

// TestPrefixAgreesWithNetip checks conversion, printing, parsing, Covers and Shorten against the standard library.
func TestPrefixAgreesWithNetip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var before netip.Prefix
	covers := 0
	for range 20_000 {
		n := randomNetip(r)
		if r.IntN(3) == 0 && before.IsValid() { // a more specific of the last one, so that Covers has something to find
			bits := before.Bits() + r.IntN(before.Addr().BitLen()-before.Bits()+1)
			b := before.Addr().AsSlice()
			b[len(b)-1] |= byte(r.Uint32()) & 0x55
			a, _ := netip.AddrFromSlice(b)
			n = netip.PrefixFrom(a, bits).Masked()
		}
		p := PrefixOf(n)
		if !p.Valid() || p.Len() != n.Bits() || p.IsV6() != n.Addr().Is6() || p.Netip() != n || p.String() != n.String() {
			t.Fatalf("%v became %v (valid %v, length %d, IPv6 %v)", n, p, p.Valid(), p.Len(), p.IsV6())
		}
		if q, err := ParsePrefix(n.String()); err != nil || q != p {
			t.Fatalf("ParsePrefix(%v) = %v, %v", n, q, err)
		}
		k := r.IntN(n.Bits() + 3)
		want, _ := n.Addr().Prefix(min(k, n.Bits()))
		if got := p.Shorten(k); got.Netip() != want {
			t.Fatalf("%v.Shorten(%d) = %v, want %v", p, k, got, want)
		}
		if before.IsValid() {
			b := PrefixOf(before)
			want := before.Addr().Is4() == n.Addr().Is4() && before.Bits() <= n.Bits() && before.Contains(n.Addr())
			if got := b.Covers(p); got != want {
				t.Fatalf("%v.Covers(%v) = %v", b, p, got)
			}
			if want {
				covers++
			}
			if back := n.Bits() <= before.Bits() && n.Addr().Is4() == before.Addr().Is4() && n.Contains(before.Addr()); p.Covers(b) != back {
				t.Fatalf("%v.Covers(%v) = %v", p, b, !back)
			}
		}
		if !p.Covers(p) {
			t.Fatalf("%v does not cover itself", p)
		}
		before = n
	}
	if covers < 1000 {
		t.Errorf("only %d pairs that cover each other were tried", covers)
	}
}

func TestPrefixClearsHostBits(t *testing.T) {
	for _, c := range []struct {
		got  Prefix
		want string
	}{
		{PrefixFrom4(0xC0000280|0x7f, 24), "192.0.2.0/24"},
		{PrefixFrom4(0xffffffff, 0), "0.0.0.0/0"},
		{PrefixFrom4(0xffffffff, 32), "255.255.255.255/32"},
		{PrefixFrom4(0xffffffff, 1), "128.0.0.0/1"},
		{PrefixFrom6(0x20010db8_00000000|0xffff, 1, 32), "2001:db8::/32"},
		{PrefixFrom6(0x20010db8_00000001, 0xffff_ffff_ffff_ffff, 64), "2001:db8:0:1::/64"},
		{PrefixFrom6(0x20010db8_00000001, 0xffff_ffff_ffff_ffff, 65), "2001:db8:0:1:8000::/65"},
		{PrefixFrom6(0, 1, 128), "::1/128"},
		{PrefixFrom6(1, 1, 0), "::/0"},
		{PrefixOf(netip.MustParsePrefix("192.0.2.77/25")), "192.0.2.0/25"},
		{PrefixOf(netip.MustParsePrefix("2001:db8::1/48")), "2001:db8::/48"},
		{PrefixOf(netip.Prefix{}), "invalid Prefix"},
		{Prefix{}, "invalid Prefix"},
	} {
		if c.got.String() != c.want {
			t.Errorf("%v, want %s", c.got, c.want)
		}
	}
	if PrefixOf(netip.Prefix{}) != (Prefix{}) || (Prefix{}).Valid() {
		t.Error("the zero value is a prefix")
	}
	if PrefixFrom4(0, 0) == PrefixFrom6(0, 0, 0) || PrefixFrom4(0, 0) == (Prefix{}) {
		t.Error("0.0.0.0/0, ::/0 and the zero value are not all different")
	}
	if a, b := PrefixFrom4(0xC0000201, 24), PrefixFrom4(0xC00002fe, 24); a != b {
		t.Errorf("host bits make %v and %v different", a, b)
	}
}

// TestPrefixFromTail makes prefixes of their octets on the wire, with others before and host bits in the last.
func TestPrefixFromTail(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 50 {
		var octets [24]byte // the prefix is at the end, as long as it is
		for i := range octets {
			octets[i] = byte(r.Uint32())
		}
		load := func(at int) uint64 { return binary.BigEndian.Uint64(octets[at:]) }
		for length := range 129 {
			n := (length + 7) / 8
			var a [16]byte
			copy(a[:], octets[24-n:])
			hi, lo := binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(a[8:])
			if got, want := PrefixFromTail6(load(min(24-n, 16)), load(16), uint8(length)), PrefixFrom6(hi, lo, uint8(length)); got != want {
				t.Fatalf("%x: %v, want %v", octets[24-n:], got, want)
			}
			if length > 32 {
				continue
			}
			if got, want := PrefixFromTail4(load(16), uint8(length)), PrefixFrom4(uint32(hi>>32), uint8(length)); got != want {
				t.Fatalf("%x: %v, want %v", octets[24-n:], got, want)
			}
		}
	}
}

func TestParsePrefixErrors(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1/24":     "did you mean 192.0.2.0/24?",
		"2001:db8::1/32":   "did you mean 2001:db8::/32?",
		"192.0.2.0":        `prefix "192.0.2.0"`,
		"192.0.2.0/33":     `prefix "192.0.2.0/33"`,
		"192.0.2.0/-1":     `prefix "192.0.2.0/-1"`,
		"192.0.2.0/024":    `prefix "192.0.2.0/024"`,
		"192.0.02.0/24":    `prefix "192.0.02.0/24"`,
		"fe80::%eth0/64":   `prefix "fe80::%eth0/64"`,
		"2001:db8::/129":   `prefix "2001:db8::/129"`,
		"":                 `prefix ""`,
		"192.0.2.0/24 \n":  `prefix "192.0.2.0/24 \n"`,
		"192.0.2.0/24/24":  `prefix "192.0.2.0/24/24"`,
		"example.org/24":   `prefix "example.org/24"`,
		"192.0.2.0/255.0":  `prefix "192.0.2.0/255.0"`,
		"2001:db8::/32abc": `prefix "2001:db8::/32abc"`,
	} {
		p, err := ParsePrefix(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePrefix(%q): %v, want an error with %q", in, err, want)
		}
		if p != (Prefix{}) {
			t.Errorf("ParsePrefix(%q) gives %v beside its error", in, p)
		}
	}
}

func TestUnits(t *testing.T) {
	for in, want := range map[string]uint64{
		"0.0.0.0/0": 1 << 24, "10.0.0.0/8": 1 << 16, "192.0.2.0/23": 2, "192.0.2.0/24": 1, "192.0.2.0/25": 1, "192.0.2.1/32": 1,
		"2001:db8::/32": 1 << 16, "2001:db8::/47": 2, "2001:db8::/48": 1, "2001:db8::/49": 1, "2001:db8::/128": 1,
		"2001::/16": 1 << 32, "2000::/15": 1 << 32, "::/0": 1 << 32, "2001::/17": 1 << 31,
	} {
		p, err := ParsePrefix(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Units(); got != want {
			t.Errorf("%s spans %d units, want %d", in, got, want)
		}
	}
}

// TestCompare: IPv4 before IPv6, then by address, then shorter first; a total order that agrees with equality.
func TestCompare(t *testing.T) {
	want := []string{
		"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.1.0/24", "192.0.2.0/24", "::/0", "::/1", "::1/128",
		"2001:db8::/32", "2001:db8::/48", "2001:db8:0:0:1::/80", "2001:db8:0:1::/64", "ff00::/8",
	}
	var list []Prefix
	for _, s := range want {
		p, err := ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	r := rand.New(rand.NewPCG(3, 4))
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	slices.SortFunc(list, Prefix.Compare)
	for i, p := range list {
		if p.String() != want[i] {
			t.Fatalf("sorted: %v, want %v", list, want)
		}
	}
	for range 5000 {
		a, b := PrefixOf(randomNetip(r)), PrefixOf(randomNetip(r))
		c := a.Compare(b)
		if c != -b.Compare(a) || (c == 0) != (a == b) {
			t.Fatalf("%v against %v: %d, %d", a, b, c, b.Compare(a))
		}
		if a.IsV6() == b.IsV6() && a.Netip().Addr() != b.Netip().Addr() && c != a.Netip().Addr().Compare(b.Netip().Addr()) {
			t.Fatalf("%v against %v: %d", a, b, c)
		}
	}
}

// TestHashSpreads: equal prefixes hash alike, and neighbours (the prefixes of one table lie side by side) use all of the bits that
// bgp/visibility takes: the low ones for the slot, the top eight for the tag.
func TestHashSpreads(t *testing.T) {
	if PrefixFrom4(0xC0000201, 24).Hash() != PrefixFrom4(0xC0000200, 24).Hash() {
		t.Error("one prefix has two hashes")
	}
	if PrefixFrom4(0, 0).Hash() == PrefixFrom6(0, 0, 0).Hash() || PrefixFrom4(0, 8).Hash() == PrefixFrom4(0, 9).Hash() {
		t.Error("family or length are not hashed")
	}
	const n = 1 << 14
	for name, at := range map[string]func(i int) Prefix{
		"/24s": func(i int) Prefix { return PrefixFrom4(uint32(i)<<8, 24) },
		"/48s": func(i int) Prefix { return PrefixFrom6(0x20010db8_00000000|uint64(i)<<16, 0, 48) },
		"/64s": func(i int) Prefix { return PrefixFrom6(0x20010db8_00000000|uint64(i), 0, 64) },
		"/128": func(i int) Prefix { return PrefixFrom6(0x20010db8_00000000, uint64(i), 128) },
	} {
		var slots, tags [256]int
		for i := range n {
			h := at(i).Hash()
			slots[h&255]++
			tags[h>>56]++
		}
		for i := range 256 { // 64 are expected in each; a bad mix leaves some empty
			if slots[i] < 16 || slots[i] > 160 || tags[i] < 16 || tags[i] > 160 {
				t.Errorf("%s: slot %d has %d, tag %d has %d of %d", name, i, slots[i], i, tags[i], n)
				break
			}
		}
	}
}

func FuzzParsePrefix(f *testing.F) {
	for _, s := range []string{"192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "::/0", "::ffff:192.0.2.0/120", "192.0.2.1/24", "1.2.3.4", "::1/128", "a/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePrefix(s)
		n, std := netip.ParsePrefix(s)
		if want := std == nil && n == n.Masked(); (err == nil) != want {
			t.Fatalf("ParsePrefix(%q): %v; net/netip: %v, %v", s, err, n, std)
		}
		if err != nil {
			return
		}
		if p.Netip() != n || !p.Valid() {
			t.Fatalf("ParsePrefix(%q) = %v, net/netip says %v", s, p, n)
		}
		if q, err := ParsePrefix(p.String()); err != nil || q != p || q.Hash() != p.Hash() || q.Compare(p) != 0 {
			t.Fatalf("%q does not survive printing: %v, %v", s, q, err)
		}
	})
}

func TestMicros(t *testing.T) {
	m := Seconds(1203882432) + 123456
	if got := m.Time().Format("2006-01-02T15:04:05.999999999Z07:00"); got != "2008-02-24T19:47:12.123456Z" {
		t.Error(got)
	}
	if MicrosOf(m.Time().Add(999)) != m || MicrosOf(m.Time()) != m {
		t.Error("nanoseconds are not cut, or the way back is lossy")
	}
}

func TestWords(t *testing.T) {
	p := Peer{Collector: "rrc00", AS: 4294967295, Addr: netip.MustParseAddr("2001:db8::1")}
	for got, want := range map[string]string{
		p.String():        "rrc00/AS4294967295/2001:db8::1",
		Announce.String(): "announce", Withdraw.String(): "withdraw", RIB.String(): "rib", Kind(0).String(): "unknown",
		CauseNone.String(): "explicit", CauseTreatWithdraw.String(): "treat-as-withdraw", CauseDiscardAttr.String(): "attribute-discard",
		CauseSalvaged.String(): "salvaged", CauseMulticast.String(): "not-unicast",
		State(1).String(): "Idle", Established.String(): "Established", State(8).String(): "Deleted", State(9).String(): "State(9)",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

package wire

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Told is all that a view says, one line for each thing it knows, so that a test sees what it should not know too. The tests outside the
// package have it from here.
func Told(a Attributes) []string {
	var lines []string
	say := func(ok bool, format string, args ...any) {
		if ok {
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	origin, ok := a.Origin()
	say(ok, "origin %d", origin)
	med, ok := a.MED()
	say(ok, "med %d", med)
	pref, ok := a.LocalPref()
	say(ok, "local-pref %d", pref)
	say(a.AtomicAggregate(), "atomic")
	as, id, ok := a.Aggregator()
	say(ok, "aggregator %d %s", as, id)
	originator, ok := a.OriginatorID()
	say(ok, "originator %s", originator)
	for id := range a.ClusterList() {
		say(true, "cluster %s", id)
	}
	otc, ok := a.OTC()
	say(ok, "otc %d", otc)
	for c := range a.Communities() {
		say(true, "community %d:%d", c>>16, c&0xffff)
	}
	for c := range a.ExtendedCommunities() {
		say(true, "extended %x", c)
	}
	for c := range a.LargeCommunities() {
		say(true, "large %d:%d:%d", c[0], c[1], c[2])
	}
	return lines
}

// TestAttributes covers every method in its well-formed and its malformed cases: what a malformed attribute would have said is not
// said. 5ba0 is AS_TRANS, 00030d40 is 200000.
func TestAttributes(t *testing.T) {
	for _, c := range []struct {
		name  string
		attrs string
		as4   bool
		want  string // lines of Told
	}{
		{"none", "", false, ""},
		{"origin", "40010102", false, "origin 2"},
		{"origin value", "40010103", false, ""},
		{"origin length", "4001020000", false, ""},
		{"extended length", "5001000101", false, "origin 1"},
		{"first of two", "40010100 40010102", false, "origin 0"},
		{"malformed first of two", "400100 40010102", false, ""},
		{"med", "800404 ffffffff", false, "med 4294967295"},
		{"med length", "800403 ffffff", false, ""},
		{"local-pref", "400504 00000064", false, "local-pref 100"},
		{"local-pref length", "400505 0000006400", false, ""},
		{"atomic", "400600", false, "atomic"},
		{"atomic length", "40060100", false, ""},
		{"originator and clusters", "800904 c0000201 800a08 0a000001 0a000002", false, "originator 192.0.2.1,cluster 10.0.0.1,cluster 10.0.0.2"},
		{"originator and clusters lengths", "800903 c00002 800a07 0a000001 0a0000", false, ""},
		{"otc", "c02304 00030d40", false, "otc 200000"},
		{"otc length", "c02302 fde8", false, ""},
		{"communities", "c00808 fde80001 ffffff01", false, "community 65000:1,community 65535:65281"},
		{"communities length", "c00807 fde80001 ffffff", false, ""},
		{"communities of no value", "c00800", false, ""},
		{"extended", "c01010 0002fde800000001 4300000000000000", false, "extended 0002fde800000001,extended 4300000000000000"},
		{"extended length of communities", "c01009 0002fde80000000100", false, ""},
		{"large", "c02018 00030d40 00000001 ffffffff 00000000 00000000 00000000", false, "large 200000:1:4294967295,large 0:0:0"},
		{"large length", "c0200d 00030d40 00000001 ffffffff 00", false, ""},
		{"overrun ends the list", "40010100 800404 0000", false, "origin 0"},
		{"header cut", "40010100 80", false, "origin 0"},
		{"extended header cut", "40010100 900400", false, "origin 0"},

		{"aggregator", "c00706 fde8 c0000201", false, "aggregator 65000 192.0.2.1"},
		{"aggregator, four octets", "c00708 00030d40 c0000201", true, "aggregator 200000 192.0.2.1"},
		{"aggregator of the other length", "c00708 00030d40 c0000201", false, ""},
		{"aggregator of the other length, four octets", "c00706 fde8 c0000201", true, ""},
		{"aggregator AS 0", "c00706 0000 c0000201", false, ""},
		{"aggregator AS 0, four octets", "c00708 00000000 c0000201", true, ""},
		{"AS4_AGGREGATOR", "c00706 5ba0 c0000201 c01208 00030d40 c0000202", false, "aggregator 200000 192.0.2.2"},
		{"AS4_AGGREGATOR first", "c01208 00030d40 c0000202 c00706 5ba0 c0000201", false, "aggregator 200000 192.0.2.2"},
		{"AS4_AGGREGATOR is stale", "c00706 0009 c0000201 c01208 00030d40 c0000202", false, "aggregator 9 192.0.2.1"},
		{"AS4_AGGREGATOR alone", "c01208 00030d40 c0000202", false, ""},
		{"AS4_AGGREGATOR AS 0", "c00706 5ba0 c0000201 c01208 00000000 c0000202", false, "aggregator 23456 192.0.2.1"},
		{"AS4_AGGREGATOR length", "c00706 5ba0 c0000201 c01206 00030d40 c000", false, "aggregator 23456 192.0.2.1"},
		{"AS4_AGGREGATOR flags", "c00706 5ba0 c0000201 401208 00030d40 c0000202", false, "aggregator 23456 192.0.2.1"},
		{"AS4_AGGREGATOR of a new speaker", "c00708 00005ba0 c0000201 c01208 00030d40 c0000202", true, "aggregator 23456 192.0.2.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var u Update
			u.ParseRIB(unhex(c.attrs), Options{AS4: c.as4})
			if got := strings.Join(Told(u.Attributes()), ","); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestAttributesAll(t *testing.T) {
	var u Update
	u.ParseRIB(unhex(origin+"e00804 00010002"+"40010102"+"d0ff0003 010203"+"400605"), Options{})
	want := []Attr{
		{0x40, attrOrigin, []byte{0}},
		{0xe0, attrCommunities, []byte{0, 1, 0, 2}},
		{0xd0, 255, []byte{1, 2, 3}},
	}
	var got []Attr
	for a := range u.Attributes().All {
		got = append(got, a)
	}
	same := func(a, b Attr) bool { return a.Flags == b.Flags && a.Type == b.Type && slices.Equal(a.Value, b.Value) }
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("%v, want %v", got, want)
	}
	for range u.Attributes().All { // stopping early must be possible
		break
	}
	if a, ok := u.Attributes().Lookup(255); !ok || !same(a, want[2]) {
		t.Errorf("Lookup(255) is %v %v", a, ok)
	}
	if a, ok := u.Attributes().Lookup(attrAtomic); ok {
		t.Errorf("Lookup of an attribute that overruns the list is %v", a)
	}
}

// TestAttributesOfMessages is about which bytes the view looks at: those of the last message, none after an error.
func TestAttributesOfMessages(t *testing.T) {
	var u Update
	if err := u.Parse(update(gone, good+"c00804 00010002", nlri), Options{}); err != nil {
		t.Fatal(err)
	}
	if got := Told(u.Attributes()); !slices.Equal(got, []string{"origin 0", "community 1:2"}) {
		t.Errorf("message says %q", got)
	}
	if err := u.Parse(update(gone, unreach6+unreach6, ""), Options{}); err == nil {
		t.Fatal("two MP_UNREACH are no error")
	}
	if got := Told(u.Attributes()); got != nil {
		t.Errorf("after an error: %q", got)
	}
	if got := Told(Attributes{}); got != nil {
		t.Errorf("zero value: %q", got)
	}
}

func TestAttributesDoNotAllocate(t *testing.T) {
	var u Update
	attrs := unhex(origin + path4 + nextHop + reach6 + "800404 00000001 c00708 00030d40 c0000201 c00808 00010002 00030004" +
		"c01008 0002fde800000001 c0200c 000000010000000200000003 800a04 0a000001")
	sum := 0
	n := testing.AllocsPerRun(100, func() {
		u.ParseRIB(attrs, Options{AS4: true})
		a := u.Attributes()
		for range a.All {
			sum++
		}
		for range a.Communities() {
			sum++
		}
		for range a.ExtendedCommunities() {
			sum++
		}
		for range a.LargeCommunities() {
			sum++
		}
		for range a.ClusterList() {
			sum++
		}
		if _, _, ok := a.Aggregator(); ok {
			sum++
		}
		if _, _, ok := u.NextHop(true); ok {
			sum++
		}
	})
	if n != 0 || sum == 0 {
		t.Errorf("%v allocations, sum %d", n, sum)
	}
}

// BenchmarkAttributes is what it costs to look at one attribute, and at all that a view of one elem shows, of a message of today's size.
func BenchmarkAttributes(b *testing.B) {
	msg := update("", origin+"4002 16 0205 0000fde8 0000fde9 0000fdea 0000fdeb 0000fdec"+nextHop+"800404 00000001 c00708 00030d40 c0000201"+
		"c00818 00010002 00030004 00010002 00030004 00010002 00030004 c0200c 000000010000000200000003"+reach6, nlri)
	var u Update
	if err := u.Parse(msg, Options{AS4: true}); err != nil {
		b.Fatal(err)
	}
	var sum uint32
	b.Run("communities", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for c := range u.Attributes().Communities() {
				sum += c
			}
		}
	})
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			a := u.Attributes()
			for c := range a.Communities() {
				sum += c
			}
			for c := range a.LargeCommunities() {
				sum += c[0]
			}
			med, _ := a.MED()
			pref, _ := a.LocalPref()
			as, _, _ := a.Aggregator()
			hop, _, _ := u.NextHop(true)
			sum += med + pref + as + uint32(hop.BitLen())
		}
	})
	b.Run("segments", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, asns := range u.Path().Segments() {
				for asn := range asns {
					sum += asn
				}
			}
		}
	})
	if sum == 0 {
		b.Error("nothing was read")
	}
}

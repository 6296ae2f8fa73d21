package wire

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// unhex reads hex with spaces.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// update builds a whole UPDATE of its three fields, given in hex.
func update(withdrawn, attrs, nlri string) []byte {
	w, a, n := unhex(withdrawn), unhex(attrs), unhex(nlri)
	b := slices.Repeat([]byte{0xff}, 16)
	l := 19 + 4 + len(w) + len(a) + len(n)
	b = append(b, byte(l>>8), byte(l), TypeUpdate, byte(len(w)>>8), byte(len(w)))
	b = append(b, w...)
	b = append(b, byte(len(a)>>8), byte(len(a)))
	return append(append(b, a...), n...)
}

// Attributes of well-formed messages, in hex.
const (
	origin   = "40010100 "
	path2    = "4002 06 0202 fde8 fde9 "                        // AS_SEQUENCE 65000 65001, two octets each
	path4    = "4002 0a 0202 0000fde8 0000fde9 "                // the same in four
	nextHop  = "4003 04 c0000201 "                              // 192.0.2.1
	reach6   = "800e 1a 0002 01 10 " + hop6 + "00 20 20010db8 " // 2001:db8::/32
	unreach6 = "800f 08 0002 01 20 20010db9 "                   // 2001:db9::/32
	hop6     = "20010db8000000000000000000000001 "
	nlri     = "18 c63364 " // 198.51.100.0/24
	gone     = "18 cb0071 " // 203.0.113.0/24
	good     = origin + path2 + nextHop
)

// read gives the elems of a message as "kind prefix cause origin" lines.
func read(t *testing.T, msg []byte, o Options) ([]string, *Update) {
	t.Helper()
	u := new(Update)
	if err := u.Parse(msg, o); err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return drain(u), u
}

func drain(u *Update) (lines []string) {
	var e bgp.Elem
	for u.Next(&e) {
		l := e.Kind.String() + " " + e.Prefix.String()
		if e.Cause != bgp.CauseNone {
			l += " " + e.Cause.String()
		}
		lines = append(lines, l)
	}
	return lines
}

const (
	announced = "announce 198.51.100.0/24"
	withdrawn = "withdraw 203.0.113.0/24"
	treated   = "withdraw 198.51.100.0/24 treat-as-withdraw"
	discarded = "announce 198.51.100.0/24 attribute-discard"
)

// TestUpdateErrors has a case for each clause of the error handling RFCs: what happens to the announcement of a message that also
// withdraws, and which fault is named. The withdrawal always survives.
func TestUpdateErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		attrs string
		o     Options
		want  string // what becomes of the announcement
		fault Faults
	}{
		{"well formed", good, Options{}, announced, 0},
		{"well formed, four octets", origin + path4 + nextHop, Options{AS4: true}, announced, 0},
		{"empty path is well formed", origin + "400200" + nextHop, Options{}, announced, 0},
		{"extended length is no fault", "50010001 00" + path2 + nextHop, Options{}, announced, 0},
		{"partial bit is no fault", good + "e0 10 08 0002fde800000001", Options{}, announced, 0},
		{"unknown optional attribute", good + "c0 63 02 0102", Options{}, announced, 0},
		{"confederation segment of a leaking neighbour", origin + "4002 08 0301 fde8 0201 fde9" + nextHop, Options{}, announced, 0},

		{"4271 6.3 unknown well-known", good + "40 63 00", Options{}, treated, FaultUnknown},
		{"7606 3c origin flags", "c0010100" + path2 + nextHop, Options{}, treated, FaultFlags},
		{"7606 3c as-path flags", origin + "c002 06 0202 fde8 fde9" + nextHop, Options{}, treated, FaultFlags},
		{"7606 3c med flags", good + "c0 04 04 00000001", Options{}, treated, FaultFlags},
		{"7606 3c aggregator flags", good + "80 07 06 fde8 c0000201", Options{}, treated, FaultFlags},
		{"7606 3d no origin", path2 + nextHop, Options{}, treated, FaultMissing},
		{"7606 3d no path", origin + nextHop, Options{}, treated, FaultMissing},
		{"7606 3d no next hop", origin + path2, Options{}, treated, FaultMissing},
		{"7606 3d no attributes", "", Options{}, treated, FaultMissing},
		{"7606 3g duplicate, first wins", good + "40010102", Options{}, discarded, FaultDuplicate},
		{"7606 3g malformed duplicate is never looked at", good + "400105 0000000000", Options{}, discarded, FaultDuplicate},
		{"7606 4 attribute overruns the list", good + "800404 0000", Options{}, treated, FaultAttrLength},
		{"7606 4 list ends in an attribute header", good + "8004", Options{}, treated, FaultAttrLength},
		{"7606 4 extended length cut", good + "900400", Options{}, treated, FaultAttrLength},
		{"7606 7.1 origin value", "40010103" + path2 + nextHop, Options{}, treated, FaultOrigin},
		{"7606 7.1 origin length", "4001020000" + path2 + nextHop, Options{}, treated, FaultOrigin},
		{"7606 7.1 origin empty", "400100" + path2 + nextHop, Options{}, treated, FaultOrigin},
		{"7606 7.2 segment overruns", origin + "4002 06 0203 fde8 fde9" + nextHop, Options{}, treated, FaultASPath},
		{"7606 7.2 one octet left", origin + "4002 07 0202 fde8 fde9 02" + nextHop, Options{}, treated, FaultASPath},
		{"7606 7.2 segment type 0", origin + "4002 04 0001 fde8" + nextHop, Options{}, treated, FaultASPath},
		{"7606 7.2 segment type 5", origin + "4002 04 0501 fde8" + nextHop, Options{}, treated, FaultASPath},
		{"7606 7.2 empty segment", origin + "4002 02 0200" + nextHop, Options{}, treated, FaultASPath},
		{"7606 7.2 two octets read as four", origin + path2 + nextHop, Options{AS4: true}, treated, FaultASPath},
		{"7606 7.3 next hop length", origin + path2 + "4003 03 c00002", Options{}, treated, FaultNextHop},
		{"7606 7.4 med length", good + "8004 03 000000", Options{}, treated, FaultMED},
		{"7606 7.5 local-pref, external", good + "4005 03 000000", Options{}, discarded, FaultExternalOnly},
		{"7606 7.5 local-pref, internal", good + "4005 03 000000", Options{IBGP: true}, treated, FaultLocalPref},
		{"9234 only to customer", good + "c023 04 0000fde8", Options{}, announced, 0},
		{"9234 only to customer, length", good + "c023 03 00fde8", Options{}, treated, FaultOTC},
		{"7606 7.6 atomic aggregate", good + "4006 01 00", Options{}, discarded, FaultAtomic},
		{"7606 7.7 aggregator length", good + "c007 08 0000fde8 c0000201", Options{}, discarded, FaultAggregator},
		{"7606 7.7 aggregator length, four octets", origin + path4 + nextHop + "c007 06 fde8 c0000201", Options{AS4: true}, discarded, FaultAggregator},
		{"7606 7.8 communities", good + "c008 05 0000000000", Options{}, treated, FaultCommunity},
		{"7606 7.8 communities empty", good + "c008 00", Options{}, treated, FaultCommunity},
		{"7606 7.9 originator, external", good + "8009 03 000000", Options{}, discarded, FaultExternalOnly},
		{"7606 7.9 originator, internal", good + "8009 03 000000", Options{IBGP: true}, treated, FaultReflection},
		{"7606 7.10 cluster list, internal", good + "800a 03 000000", Options{IBGP: true}, treated, FaultReflection},
		{"7606 7.11 next hop overruns", good + "800e 06 0002 01 ff 00 00", Options{}, treated, FaultMPReach},
		{"7606 7.11 next hop length 15", good + "800e 17 0002 01 0f 20010db80000000000000000000000 00 10 2001", Options{}, treated, FaultMPReach},
		{"7606 7.11 too short", good + "800e 04 0002 01 00", Options{}, treated, FaultMPReach},
		{"7606 7.12 too short", good + "800f 02 0002", Options{}, treated, FaultMPUnreach},
		{"7606 7.14 extended communities", good + "c010 07 00000000000000", Options{}, treated, FaultCommunity},
		{"7606 7.15 ipv6 extended communities", good + "c019 01 00", Options{}, treated, FaultCommunity},
		{"8092 6 large communities", good + "c020 0b 0000000000000000000000", Options{}, treated, FaultCommunity},
		{"7607 AS 0 in the path", origin + "4002 06 0202 fde8 0000" + nextHop, Options{}, treated, FaultASZero},
		{"7607 AS 0 in aggregator", good + "c007 06 0000 c0000201", Options{}, discarded, FaultAggregator},
		{"7607 AS 0 in AS4_PATH", good + "c011 06 0201 00000000", Options{}, discarded, FaultAS4Path},
		{"6793 6 malformed AS4_PATH", good + "c011 05 0201 000000", Options{}, discarded, FaultAS4Path},
		{"6793 6 AS4_PATH flags", good + "4011 06 0201 0000fde9", Options{}, discarded, FaultAS4Path},
		{"6793 6 malformed AS4_AGGREGATOR", good + "c012 04 0000fde9", Options{}, discarded, FaultAS4Aggregator},
		{"6793 4.1 AS4 attributes of a new speaker are dropped", origin + path4 + nextHop + "c011 01 02 c012 01 02", Options{AS4: true}, announced, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, u := read(t, update(gone, c.attrs, nlri), c.o)
			if want := []string{withdrawn, c.want}; !slices.Equal(got, want) {
				t.Errorf("elems %q, want %q", got, want)
			}
			if u.Faults != c.fault {
				t.Errorf("faults %q, want %q", u.Faults, c.fault)
			}
			if u.Faults.TreatAsWithdraw() != (c.want == treated) {
				t.Errorf("TreatAsWithdraw is %v", u.Faults.TreatAsWithdraw())
			}
			if !slices.Equal(u.Attrs(), unhex(c.attrs)) {
				t.Error("Attrs are not as received")
			}
		})
	}
}

// TestUpdateElems covers what is in which order, and the prefixes that are not simple.
func TestUpdateElems(t *testing.T) {
	for _, c := range []struct {
		name                   string
		withdrawn, attrs, nlri string
		o                      Options
		want                   []string
		fault                  Faults
	}{
		{"all four fields in order", gone, good + reach6 + unreach6, nlri, Options{}, []string{
			withdrawn, "withdraw 2001:db9::/32", announced, "announce 2001:db8::/32",
		}, 0},
		{"withdraw and announce of one prefix", nlri, good, nlri, Options{}, []string{"withdraw 198.51.100.0/24", announced}, 0},
		{"MP_REACH needs no NEXT_HOP", "", origin + path2 + reach6, "", Options{}, []string{"announce 2001:db8::/32"}, 0},
		{"MP_REACH needs a path", "", origin + reach6, "", Options{}, []string{"withdraw 2001:db8::/32 treat-as-withdraw"}, FaultMissing},
		{"MP_UNREACH needs nothing", "", unreach6, "", Options{}, []string{"withdraw 2001:db9::/32"}, 0},
		{"MP_UNREACH survives a broken path", "", unreach6 + "4002 01 02", "", Options{}, []string{"withdraw 2001:db9::/32"}, FaultASPath},
		{"MP attribute flags", "", "c00f 08 0002 01 20 20010db9", "", Options{}, []string{"withdraw 2001:db9::/32"}, FaultFlags},
		{"32-octet next hop", "", origin + path2 + "800e 2a 0002 01 20" + hop6 + hop6 + "00 20 20010db8", "", Options{}, []string{"announce 2001:db8::/32"}, 0},
		{"8950: IPv4 over an IPv6 next hop", "", origin + path2 + "800e 19 0001 01 10" + hop6 + "00 18 c63364", "", Options{}, []string{announced}, 0},
		{"multicast", "", origin + path2 + "800e 0d 0001 02 04 c0000201 00 18 c63364", "", Options{}, []string{announced + " not-unicast"}, 0},
		{"default routes", "00", good, "00", Options{}, []string{"withdraw 0.0.0.0/0", "announce 0.0.0.0/0"}, 0},
		{"host routes", "20 c0000201", "800f 14 0002 01 80" + hop6, "", Options{}, []string{"withdraw 192.0.2.1/32", "withdraw 2001:db8::1/128"}, 0},
		{"host bits are cleared", "14 c633ff", "", "", Options{}, []string{"withdraw 198.51.240.0/20"}, 0},
		{"5.3 length 33 keeps what came before", gone + "21 c0000201 00" + gone, "", "", Options{}, []string{withdrawn}, FaultNLRI},
		{"5.3 overrun keeps what came before", "", good, nlri + "18 cb00", Options{}, []string{announced}, FaultNLRI},
		{"5.3 a bad withdrawn field leaves NLRI", "40", good, nlri, Options{}, []string{announced}, FaultNLRI},
		{"5.3 length 129", "", "800f 1a 0002 01 20 20010db9 81" + hop6 + "01", "", Options{}, []string{"withdraw 2001:db9::/32"}, FaultNLRI},
		{"ADD-PATH", "00000007 18 cb0071", good, "00000001 18 c63364 00000002 18 c63364", Options{AddPath4: true}, []string{withdrawn, announced, announced}, 0},
		{"ADD-PATH of one family only", gone, "800f 0c 0002 01 00000009 20 20010db9", "", Options{AddPath6: true}, []string{withdrawn, "withdraw 2001:db9::/32"}, 0},
		{"ADD-PATH cut", "000000", "", "", Options{AddPath4: true}, nil, FaultNLRI},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, u := read(t, update(c.withdrawn, c.attrs, c.nlri), c.o)
			if !slices.Equal(got, c.want) {
				t.Errorf("elems %q, want %q", got, c.want)
			}
			if u.Faults != c.fault {
				t.Errorf("faults %q, want %q", u.Faults, c.fault)
			}
		})
	}
}

func TestElemFields(t *testing.T) {
	_, u := read(t, update("00000007 18 cb0071", good, "00000002 18 c63364"), Options{AddPath4: true})
	if err := u.Parse(update("00000007 18 cb0071", good, "00000002 18 c63364"), Options{AddPath4: true}); err != nil {
		t.Fatal(err)
	}
	var w, a bgp.Elem
	if !u.Next(&w) || !u.Next(&a) || u.Next(new(bgp.Elem)) {
		t.Fatal("not two elems")
	}
	if w.PathID != 7 || w.Origin != 0 {
		t.Errorf("withdrawal %+v", w)
	}
	if a.PathID != 2 || a.Origin != 65001 || a.Origin != u.Path().Origin() {
		t.Errorf("announcement %+v", a)
	}
}

func TestUnsupportedFamiliesAreCounted(t *testing.T) {
	got, u := read(t, update(gone, "800f 05 0001 80 18 00 800e 0b 4004 47 04 c0000201 00 01 02", ""), Options{})
	if u.Unsupported != 2 || !slices.Equal(got, []string{withdrawn}) {
		t.Errorf("%d unsupported, elems %q", u.Unsupported, got)
	}
}

func TestParseErrors(t *testing.T) {
	msg := update(gone, good, nlri)
	edit := func(f func(b []byte) []byte) []byte { return f(slices.Clone(msg)) }
	for _, c := range []struct {
		name string
		msg  []byte
		want error
	}{
		{"empty", nil, ErrShort},
		{"half a header", msg[:18], ErrShort},
		{"shorter than it says", msg[:len(msg)-1], ErrShort},
		{"marker", edit(func(b []byte) []byte { b[3] = 0; return b }), ErrMarker},
		{"length 22", edit(func(b []byte) []byte { b[16], b[17] = 0, 22; return b }), ErrLength},
		{"length 0", edit(func(b []byte) []byte { b[16], b[17] = 0, 0; return b }), ErrLength},
		{"keepalive", edit(func(b []byte) []byte { b[18] = TypeKeepalive; return b }), ErrNotUpdate},
		{"withdrawn field too long", edit(func(b []byte) []byte { b[19] = 1; return b }), ErrFields},
		{"attribute field too long", edit(func(b []byte) []byte { b[25] = 1; return b }), ErrFields},
		{"two MP_REACH", update(gone, origin+path2+reach6+reach6, ""), ErrDuplicateMP},
		{"two MP_UNREACH", update(gone, unreach6+unreach6, ""), ErrDuplicateMP},
	} {
		t.Run(c.name, func(t *testing.T) {
			var u Update
			if err := u.Parse(c.msg, Options{}); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if got := drain(&u); got != nil {
				t.Errorf("elems %q of a message that cannot be used", got)
			}
		})
	}
	if err := new(Update).Parse(append(slices.Clone(msg), 1, 2, 3), Options{}); err != nil {
		t.Errorf("bytes behind the message: %v", err)
	}
}

// TestSalvage cuts a message at every length, as a collector with a short buffer does: what stands before the cut is used, and
// nothing that the message does not say is made up.
func TestSalvage(t *testing.T) {
	msg := update(gone+"10 0a01 18 0a0203", good+reach6+unreach6, nlri+"10 0a04")
	whole, _ := read(t, msg, Options{})
	for n := 19; n < len(msg); n++ {
		var u Update
		if err := u.Parse(msg[:n], Options{}); !errors.Is(err, ErrShort) {
			t.Fatalf("cut at %d without Truncated: %v", n, err)
		}
		got, u2 := read(t, msg[:n], Options{Truncated: true})
		if u2.Faults != FaultTruncated {
			t.Errorf("cut at %d: faults %q", n, u2.Faults)
		}
		for _, l := range got {
			l, salvaged := strings.CutSuffix(l, " salvaged")
			if !salvaged || !slices.Contains(whole, l) {
				t.Errorf("cut at %d: elem %q", n, l)
			}
		}
	}
	got, _ := read(t, msg[:19+2+4+3], Options{Truncated: true})
	if want := []string{withdrawn + " salvaged", "withdraw 10.1.0.0/16 salvaged"}; !slices.Equal(got, want) {
		t.Errorf("cut in the withdrawn routes: %q, want %q", got, want)
	}
	got, _ = read(t, msg[:len(msg)-1], Options{Truncated: true})
	if len(got) != len(whole)-1 {
		t.Errorf("cut in the last prefix: %q", got)
	}
	got, u := read(t, msg, Options{Truncated: true})
	if !slices.Equal(got, whole) || u.Faults != 0 {
		t.Errorf("Truncated on a whole message: %q, faults %q", got, u.Faults)
	}
}

func TestEndOfRIB(t *testing.T) {
	for _, c := range []struct {
		name string
		msg  []byte
		want Family
		ok   bool
	}{
		{"IPv4", update("", "", ""), IPv4Unicast, true},
		{"IPv6", update("", "800f 03 0002 01", ""), IPv6Unicast, true},
		{"another family", update("", "800f 03 0001 80", ""), Family{1, 128}, true},
		{"withdrawal", update(gone, "", ""), Family{}, false},
		{"IPv6 withdrawal", update("", unreach6, ""), Family{}, false},
		{"another family's withdrawal", update("", "800f 05 0001 80 08 0a", ""), Family{}, false},
		{"other attributes beside it", update("", origin+"800f 03 0002 01", ""), Family{}, false},
		{"empty MP_REACH", update("", origin+path2+"800e 15 0002 01 10"+hop6+"00", ""), Family{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, u := read(t, c.msg, Options{})
			if f, ok := u.EndOfRIB(); f != c.want || ok != c.ok {
				t.Errorf("%v %v, want %v %v", f, ok, c.want, c.ok)
			}
		})
	}
	_, u := read(t, update("", "", "")[:21], Options{Truncated: true})
	if _, ok := u.EndOfRIB(); ok {
		t.Error("a cut message is an End-of-RIB")
	}
}

func TestParseRIB(t *testing.T) {
	p := bgp.PrefixFrom6(0x20010db8<<32, 0, 32)
	for _, c := range []struct {
		name  string
		attrs string
		kind  bgp.Kind
		cause bgp.Cause
		fault Faults
	}{
		{"abbreviated MP_REACH", origin + path4 + "800e 11 10" + hop6, bgp.RIB, bgp.CauseNone, 0},
		{"abbreviated, two next hops", origin + path4 + "800e 21 20" + hop6 + hop6, bgp.RIB, bgp.CauseNone, 0},
		{"whole MP_REACH", origin + path4 + reach6, bgp.RIB, bgp.CauseNone, 0},
		{"IPv4", origin + path4 + nextHop, bgp.RIB, bgp.CauseNone, 0},
		{"MP_REACH of neither form", origin + path4 + "800e 03 100000", bgp.Withdraw, bgp.CauseTreatWithdraw, FaultMPReach},
		{"two MP_REACH", origin + path4 + reach6 + reach6, bgp.Withdraw, bgp.CauseTreatWithdraw, FaultMPReach},
		{"path of two octets", origin + path2, bgp.Withdraw, bgp.CauseTreatWithdraw, FaultASPath},
		{"the dump left the origin out", path4, bgp.RIB, bgp.CauseNone, FaultMissing},
		{"discarded attribute", origin + path4 + "4006 01 00", bgp.RIB, bgp.CauseDiscardAttr, FaultAtomic},
	} {
		t.Run(c.name, func(t *testing.T) {
			var u Update
			u.ParseRIB(unhex(c.attrs), Options{AS4: true})
			e := u.RIBElem(p, 3)
			if e.Kind != c.kind || e.Cause != c.cause || u.Faults != c.fault || e.Prefix != p || e.PathID != 3 {
				t.Errorf("%+v, faults %q", e, u.Faults)
			}
			if e.Kind == bgp.RIB && e.Origin != 65001 {
				t.Errorf("origin %d", e.Origin)
			}
			if got := drain(&u); got != nil {
				t.Errorf("Next gives %q", got)
			}
			if _, ok := u.EndOfRIB(); ok {
				t.Error("a table entry is an End-of-RIB")
			}
		})
	}
}

func TestNoAllocations(t *testing.T) {
	var u Update
	var e bgp.Elem
	var sum uint32
	msg := update(gone, origin+"4002 06 0202 5ba0 5ba0"+nextHop+reach6+unreach6+"c011 0a 0202 0000fde8 00030d40", nlri)
	attrs := unhex(origin + path4)
	n := testing.AllocsPerRun(100, func() {
		if err := u.Parse(msg, Options{}); err != nil {
			t.Fatal(err)
		}
		for u.Next(&e) {
			sum += e.Origin
		}
		for asn := range u.Path().All {
			sum += asn
		}
		sum += u.Path().Upstream()
		u.ParseRIB(attrs, Options{AS4: true})
	})
	if n != 0 || sum == 0 {
		t.Errorf("%v allocations for a message, sum %d", n, sum)
	}
}

func TestFaultNames(t *testing.T) {
	if 1<<len(faultNames) != int(faultEnd) {
		t.Errorf("%d names for faults below %b", len(faultNames), faultEnd)
	}
	seen := map[string]bool{}
	for name := range (faultEnd - 1).All {
		if name == "" || seen[name] {
			t.Errorf("name %q empty or twice", name)
		}
		seen[name] = true
	}
	if got := (FaultNLRI | FaultTruncated).String(); got != "truncated,nlri" {
		t.Errorf("String is %q", got)
	}
	if treatAsWithdraw&discard != 0 {
		t.Error("a fault both withdraws and discards")
	}
}

package wire

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// describe gives every elem of u with its path identifier and origin.
func describe(u *Update) (lines []string) {
	var e bgp.Elem
	for u.Next(&e) {
		l := fmt.Sprintf("%s %s", e.Kind, e.Prefix)
		if e.PathID != 0 {
			l += fmt.Sprintf(" id %d", e.PathID)
		}
		if e.Kind == bgp.Announce {
			l += fmt.Sprintf(" from %d", e.Origin)
		}
		if e.Cause != bgp.CauseNone {
			l += " " + e.Cause.String()
		}
		lines = append(lines, l)
	}
	return lines
}

// TestEdgeCases holds, by name, what the bug trackers of other decoders are full of, where TestUpdateErrors, TestUpdateElems and
// TestPath do not have it. 5ba0 is AS_TRANS; 00030d40 is 200000.
func TestEdgeCases(t *testing.T) {
	both := Options{AddPath4: true, AddPath6: true}
	const (
		gone6  = "20 20010db9"
		hop    = "10" + hop6
		ll     = "20" + hop6 + "fe80000000000000000000000000000a "
		mapped = "10 00000000000000000000ffffc0000201 "
	)
	for _, c := range []struct {
		name                   string
		withdrawn, attrs, nlri string
		o                      Options
		want                   string // elems, comma separated
		fault                  Faults
	}{
		{
			"one of several path identifiers withdrawn", "00000002 18 c63364", good, "00000001 18 c63364 00000003 18 c63364", both,
			"withdraw 198.51.100.0/24 id 2, announce 198.51.100.0/24 id 1 from 65001, announce 198.51.100.0/24 id 3 from 65001", 0,
		},
		{
			"one of several IPv6 path identifiers withdrawn", "", good + "800f 0c 0002 01 00000002 20 20010db8 800e 1e 0002 01" + hop + "00 00000001 20 20010db8", "", both,
			"withdraw 2001:db8::/32 id 2, announce 2001:db8::/32 id 1 from 65001", 0,
		},
		{"path identifier 0", "", good, "00000000 18 c63364", both, "announce 198.51.100.0/24 from 65001", 0},
		{"path identifier of all ones", "ffffffff 18 cb0071", "", "", both, "withdraw 203.0.113.0/24 id 4294967295", 0},
		// A plain record of an ADD-PATH session: identifier 1 reads as three default routes and a /1, then the prefix is out of step.
		{
			"ADD-PATH octets in a plain message", "00000001 18 cb0071", "", "",
			Options{},
			"withdraw 0.0.0.0/0, withdraw 0.0.0.0/0, withdraw 0.0.0.0/0, withdraw 0.0.0.0/1", FaultNLRI,
		},
		{"plain octets in an ADD-PATH message", gone, "", "", both, "", FaultNLRI},
		{"ADD-PATH of IPv6 does not touch IPv4 in MP_REACH", "", good + "800e 0d 0001 01 04 c0000201 00 18 c63364", "", Options{AddPath6: true}, "announce 198.51.100.0/24 from 65001", 0},

		{"AS4_PATH before AS_PATH", "", "c011 0a 0202 00000001 00030d40 4002 06 0202 0001 5ba0" + origin + nextHop, nlri, Options{}, "announce 198.51.100.0/24 from 200000", 0},
		{"AS4_PATH over two segments and a set", "", "4002 0a 0202 0001 5ba0 0101 5ba0 c011 0c 0201 00030d40 0101 00030d41" + origin + nextHop, nlri, Options{}, "announce 198.51.100.0/24 from 200001", 0},
		{"AS4_AGGREGATOR before AGGREGATOR makes AS4_PATH stale", "", "c012 08 00030d40 c0000201 c011 06 0201 00030d40 c007 06 0009 c0000201 4002 04 0201 5ba0" + origin + nextHop, nlri, Options{}, "announce 198.51.100.0/24 from 23456", 0},
		{"AS_TRANS alone", "", "4002 04 0201 5ba0" + origin + nextHop, nlri, Options{}, "announce 198.51.100.0/24 from 23456", 0},
		{"AS 4294967295", "", "4002 06 0201 ffffffff" + origin + nextHop, nlri, Options{AS4: true}, "announce 198.51.100.0/24 from 4294967295", 0},
		{"empty path", "", "4002 00" + origin + nextHop, nlri, Options{}, "announce 198.51.100.0/24 from 0", 0},
		{"empty path with AS4_PATH", "", "4002 00 c011 06 0201 00030d40" + origin + nextHop, nlri, Options{}, "announce 198.51.100.0/24 from 0", 0},
		{"AS 0 as origin", "", "4002 06 0202 fde8 0000" + origin + nextHop, nlri, Options{}, treated, FaultASZero},
		{"four octets read as two", "", origin + path4 + nextHop, nlri, Options{}, treated, FaultASPath},
		// 1 2 3 in two segments, or 65538 33619971 in one: the session says which, the octets do not.
		{"a path sound in both widths, of two", "", "4002 0a 0202 0001 0002 0201 0003" + origin + nextHop, nlri, Options{}, "announce 198.51.100.0/24 from 3", 0},
		{"a path sound in both widths, of four", "", "4002 0a 0202 0001 0002 0201 0003" + origin + nextHop, nlri, Options{AS4: true}, "announce 198.51.100.0/24 from 33619971", 0},

		{"IPv6 host bits are cleared", "", "800f 08 0002 01 1c 20010dbf", "", Options{}, "withdraw 2001:db0::/28", 0},
		{"IPv6 default route", "", good + "800e 16 0002 01" + hop + "00 00", "", Options{}, "announce ::/0 from 65001", 0},
		{"IPv4-mapped IPv6 prefix stays IPv6", "", "800f 10 0002 01 60 00000000000000000000ffff", "", Options{}, "withdraw ::ffff:0.0.0.0/96", 0},
		{"length 33", "", good, "21 c633640080", Options{}, "", FaultNLRI},
		{"length 255", "ff" + strings.Repeat("00", 32), "", "", Options{}, "", FaultNLRI},
		{"IPv6 length 129", "", "800f 15 0002 01 81" + hop6 + "80", "", Options{}, "", FaultNLRI},
		{"a length of IPv6 in IPv4", "", "800f 14 0001 01 80" + hop6, "", Options{}, "", FaultNLRI},
		{"a prefix without its octets", "18", "", "", Options{}, "", FaultNLRI},

		{"IPv6 next hop with link-local", "", good + "800e 2a 0002 01" + ll + "00 20 20010db8", "", Options{}, "announce 2001:db8::/32 from 65001", 0},
		{"IPv4 over an IPv6 next hop with link-local", "", good + "800e 29 0001 01" + ll + "00 18 c63364", "", Options{}, "announce 198.51.100.0/24 from 65001", 0},
		{"IPv6 over an IPv4-mapped next hop", "", good + "800e 1a 0002 01" + mapped + "00 20 20010db8", "", Options{}, "announce 2001:db8::/32 from 65001", 0},
		{"IPv6 over an IPv4 next hop", gone, good + "800e 0e 0002 01 04 c0000201 00 20 20010db8", "", Options{}, withdrawn, FaultMPReach},
		{"reserved octet of MP_REACH set", "", good + "800e 1a 0002 01" + hop + "01 20 20010db8", "", Options{}, "announce 2001:db8::/32 from 65001", 0},

		{"MP_UNREACH of several", "", "800f 0d 0002 01" + gone6 + "20 20010dba", "", Options{}, "withdraw 2001:db9::/32, withdraw 2001:dba::/32", 0},
		{
			"announce and withdraw of one IPv6 prefix, MP_REACH first", "", good + reach6 + "800f 08 0002 01 20 20010db8", "",
			Options{},
			"withdraw 2001:db8::/32, announce 2001:db8::/32 from 65001", 0,
		},
		{
			"IPv4 announced in NLRI and withdrawn in MP_UNREACH", "", good + "800f 07 0001 01 18 c63364", nlri,
			Options{},
			"withdraw 198.51.100.0/24, announce 198.51.100.0/24 from 65001", 0,
		},
		{
			"one IPv4 prefix in NLRI and MP_REACH", "", good + "800e 0d 0001 01 04 c0000201 00 18 c63364", nlri,
			Options{},
			"announce 198.51.100.0/24 from 65001, announce 198.51.100.0/24 from 65001", 0,
		},
		{
			"treat-as-withdraw takes both families", gone, origin + nextHop + reach6 + unreach6, nlri,
			Options{},
			"withdraw 203.0.113.0/24, withdraw 2001:db9::/32, withdraw 198.51.100.0/24 treat-as-withdraw, withdraw 2001:db8::/32 treat-as-withdraw", FaultMissing,
		},
		{"of two AS_PATHs the first", "", good + "4002 06 0202 fde8 0007", nlri, Options{}, "announce 198.51.100.0/24 from 65001 attribute-discard", FaultDuplicate},
		{"of two AS4_PATHs the first", "", origin + nextHop + "4002 04 0201 5ba0 c011 06 0201 00030d40 c011 06 0201 00030d41", nlri, Options{}, "announce 198.51.100.0/24 from 200000 attribute-discard", FaultDuplicate},
		{"extended length of AS_PATH", "", origin + nextHop + "5002 0006 0202 fde8 fde9", nlri, Options{}, "announce 198.51.100.0/24 from 65001", 0},
		{"extended length of MP_UNREACH", "", "900f 0008 0002 01" + gone6, "", Options{}, "withdraw 2001:db9::/32", 0},
		{"unused flag bits", "", "4f010100" + path2 + nextHop, nlri, Options{}, "announce 198.51.100.0/24 from 65001", 0},
		{"Partial of a well-known attribute", "", "60010100" + path2 + nextHop, nlri, Options{}, "announce 198.51.100.0/24 from 65001", 0},
		{"attribute type 0", "", good + "c000 00", nlri, Options{}, "announce 198.51.100.0/24 from 65001", 0},
		{"attribute type 255 that says it is well-known", "", good + "40ff 00", nlri, Options{}, treated, FaultUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			var u Update
			if err := u.Parse(update(c.withdrawn, c.attrs, c.nlri), c.o); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(describe(&u), ", "); got != c.want || u.Faults != c.fault {
				t.Errorf("%s with faults %q\nwant %s with %q", got, u.Faults, c.want, c.fault)
			}
		})
	}
}

// TestLongMessage reads an UPDATE of 65,535 octets (RFC 8654): a field of withdrawn routes, an attribute of extended length and NLRI
// that are each longer than a message used to be.
func TestLongMessage(t *testing.T) {
	const each = 5000
	routes := func(net byte) string {
		var b []byte
		for i := range uint16(each) {
			b = binary.BigEndian.AppendUint16(append(b, 24, net), i)
		}
		return hex.EncodeToString(b)
	}
	rest := 65535 - 23 - 2*4*each - len(unhex(good)) - 4
	msg := update(routes(10), good+fmt.Sprintf("d063 %04x", rest)+strings.Repeat("00", rest), routes(11))
	if len(msg) != 65535 {
		t.Fatalf("%d octets", len(msg))
	}
	var u Update
	if err := u.Parse(msg, Options{}); err != nil {
		t.Fatal(err)
	}
	got := describe(&u)
	if len(got) != 2*each || u.Faults != 0 || got[each-1] != "withdraw 10.19.135.0/24" || got[2*each-1] != "announce 11.19.135.0/24 from 65001" {
		t.Errorf("%d elems, faults %q, %q and %q", len(got), u.Faults, got[each-1], got[len(got)-1])
	}
}

// TestAttributeOrderDoesNotMatter puts the attributes of a two-octet session in every order (RFC 4271 section 5 asks senders, not
// receivers, to sort them): AS4_PATH, AGGREGATOR and MP attributes are judged once all are read.
func TestAttributeOrderDoesNotMatter(t *testing.T) {
	attrs := []string{origin, "4002 06 0202 0001 5ba0", nextHop, "c011 0a 0202 00000001 00030d40", "c007 06 5ba0 c0000201", "c012 08 00030d40 c0000201", reach6, unreach6}
	want := []string{"withdraw 2001:db9::/32", "announce 198.51.100.0/24 from 200000", "announce 2001:db8::/32 from 200000"}
	n := 0
	var orders func(rest, done []string)
	orders = func(rest, done []string) {
		for i := range rest {
			orders(slices.Delete(slices.Clone(rest), i, i+1), append(slices.Clone(done), rest[i]))
		}
		if len(rest) > 0 || t.Failed() {
			return
		}
		n++
		var u Update
		if err := u.Parse(update("", strings.Join(done, ""), nlri), Options{}); err != nil {
			t.Fatal(err)
		}
		if got := describe(&u); !slices.Equal(got, want) || u.Faults != 0 {
			t.Errorf("%q: %q, faults %q", done, got, u.Faults)
		}
	}
	orders(attrs, nil)
	if n != 40320 && !t.Failed() {
		t.Errorf("%d orders", n)
	}
}

// TestCutBehindTheFault: a cut explains what is missing behind it, and nothing in a field that is whole before it.
func TestCutBehindTheFault(t *testing.T) {
	const two = "18 c63364 18 cb0072" // the cut takes the last octet
	for _, c := range []struct{ name, attrs, want string }{
		{"sound attributes", good, "announce 198.51.100.0/24 from 65001 salvaged"},
		{"ORIGIN is missing", path2 + nextHop, "withdraw 198.51.100.0/24 treat-as-withdraw"},
		{"the list overruns", good + "800404 0000", "withdraw 198.51.100.0/24 treat-as-withdraw"},
	} {
		msg := update("", c.attrs, two)
		var u Update
		if err := u.Parse(msg[:len(msg)-1], Options{Truncated: true}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := strings.Join(describe(&u), ", "); got != c.want || u.Faults&FaultNLRI != 0 {
			t.Errorf("%s: %s, faults %v; want %s", c.name, got, u.Faults, c.want)
		}
	}
}

package wire

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// TestNextHop covers the forms of the next hop, in messages and in table entries, for both families.
func TestNextHop(t *testing.T) {
	const (
		global = "2001:db8::1"
		local  = "fe800000000000000000000000000001 "
		reach4 = "800e 19 0001 01 10" + hop6 + "00 18 c63364 " // RFC 8950: IPv4 over IPv6
	)
	for _, c := range []struct {
		name         string
		attrs        string
		rib          bool
		want4, want6 string // "hop" or "hop link-local", empty for none
	}{
		{"NEXT_HOP", nextHop, false, "192.0.2.1", ""},
		{"NEXT_HOP length", "4003 03 c00002", false, "", ""},
		{"MP_REACH", reach6, false, "", global},
		{"both, each for its family", nextHop + reach6, false, "192.0.2.1", global},
		{"2545: link-local", "800e 2a 0002 01 20" + hop6 + local + "00 20 20010db8", false, "", global + " fe80::1"},
		{"8950", reach4, false, global, ""},
		{"8950 beside NEXT_HOP", nextHop + reach4, false, global, ""},
		{"8950: link-local", "800e 29 0001 01 20" + hop6 + local + "00 18 c63364", false, global + " fe80::1", ""},
		{"IPv4 in MP_REACH", "800e 0d 0001 01 04 c0000202 00 18 c63364" + nextHop, false, "192.0.2.2", ""},
		{"multicast", "800e 0d 0001 02 04 c0000202 00 18 c63364", false, "192.0.2.2", ""},
		{"another sub-family", "800e 0d 0001 80 04 c0000202 00 18 c63364" + nextHop, false, "192.0.2.1", ""},
		{"mapped IPv4 stays mapped", "800e 1a 0002 01 10 00000000000000000000ffffc0000201 00 20 20010db8", false, "", "::ffff:192.0.2.1"},
		{"IPv4 next hop for IPv6", "800e 0e 0002 01 04 c0000202 00 20 20010db8", false, "", ""},
		{"length 15", "800e 19 0002 01 0f 20010db80000000000000000000000 00 20 20010db8", false, "", ""},
		{"overruns", "800e 06 0002 01 ff 00 00", false, "", ""},
		{"overruns by one octet", "800e 13 0002 01 10 20010db800000000000000000000 00" + origin, false, "", ""},
		{"MP_REACH overruns the attributes", nextHop + "800e ff 0002 01 10" + hop6 + "00", false, "192.0.2.1", ""},
		{"abbreviated form in a message", "800e 11 10" + hop6, false, "", ""},

		{"table: NEXT_HOP", nextHop, true, "192.0.2.1", ""},
		{"table: abbreviated", "800e 11 10" + hop6, true, global, global},
		{"table: abbreviated, link-local", "800e 21 20" + hop6 + local, true, global + " fe80::1", global + " fe80::1"},
		{"table: abbreviated IPv4", "800e 05 04 c0000202", true, "192.0.2.2", ""},
		{"table: whole", reach6, true, "", global},
		{"table: whole without prefixes", "800e 15 0002 01 10" + hop6 + "00", true, "", global},
		{"table: whole, 8950", reach4, true, global, ""},
		{"table: whole of the other family", nextHop + reach6, true, "192.0.2.1", global},
		{"table: neither form", "800e 03 100000", true, "", ""},
		{"table: empty", "800e 00", true, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var u Update
			if c.rib {
				u.ParseRIB(unhex(c.attrs), Options{AS4: true})
			} else if err := u.Parse(update("", c.attrs, ""), Options{}); err != nil {
				t.Fatal(err)
			}
			for v6, want := range map[bool]string{false: c.want4, true: c.want6} {
				hop, linkLocal, ok := u.NextHop(v6)
				if got := hops(hop, linkLocal, ok); got != want {
					t.Errorf("v6 %v: %q, want %q", v6, got, want)
				}
			}
		})
	}
}

func hops(hop, linkLocal netip.Addr, ok bool) string {
	switch {
	case !ok && !hop.IsValid() && !linkLocal.IsValid():
		return ""
	case !ok:
		return "not ok but " + hop.String()
	case linkLocal.IsValid():
		return hop.String() + " " + linkLocal.String()
	}
	return hop.String()
}

// TestElemNextHop has prefixes of every field in one message: those announced in MP_REACH_NLRI and those in the UPDATE's own field have
// different next hops, those withdrawn none.
func TestElemNextHop(t *testing.T) {
	const (
		reach4 = "800e 19 0001 01 10" + hop6 + "00 18 c63365 "
		multi  = "800e 0d 0001 02 04 c0000209 00 18 c63365 "
	)
	for _, c := range []struct {
		name  string
		attrs string
		o     Options
		cut   int
		want  []string
	}{
		{"IPv6 beside IPv4", good + reach6 + unreach6, Options{}, 0, []string{
			"203.0.113.0/24 ", "2001:db9::/32 ", "198.51.100.0/24 192.0.2.1", "2001:db8::/32 2001:db8::1",
		}},
		{"8950 beside IPv4", good + reach4, Options{}, 0, []string{
			"203.0.113.0/24 ", "198.51.100.0/24 192.0.2.1", "198.51.101.0/24 2001:db8::1",
		}},
		{"multicast beside unicast", good + multi, Options{}, 0, []string{
			"203.0.113.0/24 ", "198.51.100.0/24 192.0.2.1", "198.51.101.0/24 192.0.2.9",
		}},
		{"treated as withdrawn, and as carried", good + reach6 + "400600 800403 000000", Options{}, 0, []string{
			"203.0.113.0/24 ", "198.51.100.0/24 192.0.2.1", "2001:db8::/32 2001:db8::1",
		}},
		{"no next hop", origin + path2, Options{}, 0, []string{"203.0.113.0/24 ", "198.51.100.0/24 "}},
		{"cut inside MP_REACH", good + "800e 1d 0002 01 10" + hop6 + "00 20 20010db8 10 2001", Options{Truncated: true}, 4 + 2, []string{
			"203.0.113.0/24 ", "2001:db8::/32 2001:db8::1",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			msg := update(gone, c.attrs, nlri)
			var u Update
			if err := u.Parse(msg[:len(msg)-c.cut], c.o); err != nil {
				t.Fatal(err)
			}
			if _, _, ok := u.ElemNextHop(); ok {
				t.Error("a next hop before the first elem")
			}
			var got []string
			var e bgp.Elem
			for u.Next(&e) {
				got = append(got, e.Prefix.String()+" "+hops(u.ElemNextHop()))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			if _, _, ok := u.ElemNextHop(); ok {
				t.Error("a next hop behind the last elem")
			}
		})
	}
}

package bmp

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp/wire"
)

// TestAddPath: path identifiers are where both OPENs of the Peer Up agree on them, for each family and direction.
func TestAddPath(t *testing.T) {
	recv, send := addPath+"00010101", addPath+"00010102"
	for name, c := range map[string]struct {
		sent, received string
		flags          uint8
		want           uint32
	}{
		"both agree":                        {recv, send, 0, 7},
		"the neighbour does not send":       {recv, recv, 0, 0},
		"the router does not receive":       {send, send, 0, 0},
		"only one speaks of it":             {recv, "", 0, 0},
		"behind the policy":                 {recv, send, flagPost, 7},
		"what the router sends":             {send, recv, flagOut, 7},
		"what the router sends, not agreed": {recv, send, flagOut, 0},
		"of the other family":               {addPath + "00020101", addPath + "00020102", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.say(peerA.up("192.0.2.1", 40000, open(64500, "192.0.2.1", capV4+as64500+c.sent), open(65000, "198.51.100.1", capV4+as65000+c.received)))
			text := nlri
			if c.want != 0 {
				text = nlriP
			}
			got := d.say(peerA.flagged(c.flags).routes(update("", good4, text)))
			if last := got[len(got)-1]; !strings.HasSuffix(last, fmt.Sprintf("announce 198.51.100.0/24 id %d", c.want)) {
				t.Error(got)
			}
			d.count(Counts{})
		})
	}
}

// TestAddPathOfOneFamily: MRT has one bit for both families. The record of a message follows the family it is about; one about both takes two.
func TestAddPathOfOneFamily(t *testing.T) {
	d := newDesk(t)
	caps := capV4 + capV6
	d.say(peerA.up("192.0.2.1", 40000, open(64500, "192.0.2.1", caps+as64500+addPath+"00020101"), open(65000, "198.51.100.1", caps+as65000+addPath+"00020103")))
	got := d.say(
		peerA.routes(update("", good4, nlri)), peerA.routes(update("", origin+path4+reach6p, "")),
		peerA.routes(update(gone, good4+reach6p, nlri)), peerA.routes(update("", "800f 03 0002 01", "")),
	)
	v6 := "announce 2001:db8::/32 id 9"
	d.want(got[3:], wroteA+" "+upd, wroteA+" "+v6, wroteA+" withdraw 203.0.113.0/24 id 0, "+upd, wroteA+" "+v6, wroteA+" nothing")
	d.count(Counts{Halved: 1})
}

// TestAddPathOfVersion4: what a message says of path identifiers goes before the Peer Up.
func TestAddPathOfVersion4(t *testing.T) {
	tlv := func(typ byte, value string) []byte { // with an index
		v := unhex(value)
		return slices.Concat([]byte{0, typ, 0, byte(len(v)), 0, 0}, v)
	}
	say := func(flags uint8, stateless, prefixes string) []byte {
		v := peerA.flagged(flags)
		b := frame(RouteMonitoring, v.header(), tlv(tlvStateless, stateless), tlv(3, "676c6f62616c"), tlv(tlvMessage, fmt.Sprintf("%x", update("", good4, prefixes))))
		b[0] = 4
		return b
	}
	d := newDesk(t)
	d.say(upA)
	receives, sends, both := "450400010101", "450400010102", "4508 00010103 00020103"
	got := d.say(say(0, receives, nlriP), say(0, sends, nlri), say(flagOut, sends, nlriP), say(flagOut, receives, nlri), say(0, both, nlriP), say(0, "4505", nlri), say(0, "460400010103", nlri))
	who, id := wroteA+" ", "announce 198.51.100.0/24 id 7"
	d.want(got[3:], who+id, who+upd, "rtr~out AS65000 198.51.100.1 sent "+id, "rtr~out AS65000 198.51.100.1 sent "+upd, who+id, who+upd, who+upd)
	d.count(Counts{})
}

// TestPathIdentifiersLeftOut: a router that writes no path identifiers though the session has them, as FRR 8.4 does. Where prefixes can be read both
// ways, those that could not decide.
func TestPathIdentifiersLeftOut(t *testing.T) {
	d := newDesk(t)
	agreed := addPath + "00010101"
	d.say(peerA.up("192.0.2.1", 40000, open(64500, "192.0.2.1", capV4+as64500+agreed+addPath+"00020101"), open(65000, "198.51.100.1", capV4+as65000+addPath+"00010103"+addPath+"00020102")))
	two := nlri + gone // also 203.0.113.0/24 with identifier 0x18c63364
	bare, odd := ", announce 203.0.113.0/24 id 0", "announce 203.0.113.0/24 id 415642468"
	v6 := origin + path4 + reach6 // one of IPv6, after which nothing is known of IPv4
	got := d.say(
		peerA.routes(update("", good4, two)), peerA.routes(update("", v6, "")), peerA.routes(update("", good4, two)), peerA.routes(update("", good4, nlri)), peerA.routes(update("", good4, two)),
		peerA.flagged(flagPost).routes(update("", good4, two)), peerA.routes(update(nlriP, "", "")), peerA.routes(update("", good4, two)),
	)
	d.want(slices.DeleteFunc(got, func(l string) bool { return !strings.Contains(l, "nounce") && !strings.Contains(l, "withdraw") }),
		wroteA+" "+odd, wroteA+" announce 2001:db8::/32 id 0", wroteA+" "+odd, wroteA+" "+upd, wroteA+" "+upd+bare,
		"rtr~post AS65000 198.51.100.1 "+odd, wroteA+" withdraw 198.51.100.0/24 id 7", wroteA+" "+odd)
	d.count(Counts{Contradictions: 2})
}

// TestOpenNotKept: FRR writes an OPEN of nothing but a header when it has not kept the one that came. Nothing is agreed on then.
func TestOpenNotKept(t *testing.T) {
	d := newDesk(t)
	empty := unhex("ffffffffffffffffffffffffffffffff 0013 01")
	d.want(d.say(peerA.up("192.0.2.1", 40000, openMine, empty), peerA.routes(update("", good4, nlri))), append(began(wroteA), wroteA+" "+upd)...)
	d.want(d.say(peerA.up("192.0.2.1", 40000, empty, empty), peerA.routes(update("", good2, nlri))), append(append([]string{wroteA + " Established-Idle"}, began(wroteA)...), wroteA+" "+upd+" as2")...)
	d.count(Counts{Contradictions: 1})
}

// TestASNumbers: the octets go before the A flag, set wrongly or unset wrongly, and what MRT has no form for makes the session unknown.
func TestASNumbers(t *testing.T) {
	old := peerA.up("192.0.2.1", 40000, open(64500, "192.0.2.1", capV4), open(65000, "198.51.100.1", capV4))
	d := newDesk(t)
	d.say(old)
	two := peerA.flagged(flagAS2)
	got := d.say(two.routes(update("", good2, nlri)), two.routes(update(gone, "", "")), two.routes(update("", good4, nlri)), peerA.routes(update("", good2, nlri)),
		peerA.routes(update("", good4, nlri)), two.routes(update("", origin+"4002 00"+nextHop+"c007 06 fde8 c0000201", nlri)), peerA.routes(update("", origin+"4002 00"+nextHop+"c007 08 0000fde8 c0000201", nlri)))
	d.want(got[3:], wroteA+" "+upd+" as2", wroteA+" withdraw 203.0.113.0/24 id 0 as2", wroteA+" "+upd, wroteA+" "+upd+" as2", wroteA+" "+upd, wroteA+" "+upd+" as2", wroteA+" "+upd)
	d.count(Counts{Contradictions: 2})

	wide := neighbour{addr: "198.51.100.7", as: 200_000, id: "198.51.100.7", flags: flagAS2}
	d = newDesk(t)
	d.say(wide.up("192.0.2.1", 40000, openMine, open(23456, "198.51.100.7", capV4+as4Of+"00030d40")))
	who := "rtr AS200000 198.51.100.7"
	d.want(d.say(wide.routes(update(gone, "", ""))), append(began(who), who+" withdraw 203.0.113.0/24 id 0")...)
	d.want(d.say(wide.routes(update("", good2, nlri))), who+" Established-Idle")
	d.want(d.say(wide.routes(update("", good4, nlri))), append(began(who), who+" "+upd)...)
	d.count(Counts{Unwritable: 1, Contradictions: 1})

	d = newDesk(t) // the header of a message says another AS than the Peer Up: the session is the one that came up
	d.say(upA)
	other := peerA
	other.as = 65009
	d.want(d.say(other.routes(update("", good4, nlri)))[3:], wroteA+" "+upd)
	d.count(Counts{Contradictions: 1})
}

// TestFamilyFlag: an address tells its family whatever the V flag says.
func TestFamilyFlag(t *testing.T) {
	d := newDesk(t)
	up6 := peerB.up("2001:db8::a", 40000, openMine, open(65001, "203.0.113.1", capV6))
	d.say(upA, up6)
	got := d.say(frame(RouteMonitoring, peerA.header(flagIPv6), update("", good4, nlri)), frame(RouteMonitoring, peerB.header(flagIPv6), update("", origin+path4+reach6, "")))
	d.want(got, slices.Concat(began(wroteA), []string{wroteA + " " + upd}, began("rtr AS65001 2001:db8::b"), []string{"rtr AS65001 2001:db8::b announce 2001:db8::/32 id 0"})...)
	d.count(Counts{Contradictions: 2})
	self := neighbour{addr: "::1", as: 65002, id: "203.0.113.2"} // of a test, on one machine
	d.want(d.say(self.up("::1", 40000, openMine, openA), self.routes(update("", origin+path4+reach6, "")))[3:], "rtr AS65002 ::1 announce 2001:db8::/32 id 0")
	d.count(Counts{Contradictions: 2})
}

// TestFamilies: messages about families that are not kept are counted by family; one that is about others, too, is kept.
func TestFamilies(t *testing.T) {
	d := newDesk(t)
	d.say(upA, peerA.routes(update("", good4, nlri)))
	d.want(d.say(peerA.routes(update("", evpn, "")), peerA.routes(update("", evpn, "")), peerA.routes(update("", good4+evpn, nlri)), peerA.routes(update("", origin+path4+"800e 05 0001 80 0000", ""))), wroteA+" "+upd)
	st := d.told()
	if len(st.Families) != 2 || st.Families[wire.Family{AFI: 25, SAFI: 70}] != 3 || st.Families[wire.Family{AFI: 1, SAFI: 128}] != 1 {
		t.Errorf("%v", st.Families)
	}
	d.count(Counts{Unsupported: 4})
	for i := range 2 * maxFamilies { // a hostile router
		d.say(peerA.routes(update("", fmt.Sprintf("800f 03 %04x 01", 1000+i), "")))
	}
	if st := d.told(); len(st.Families) != maxFamilies || st.Counts.Unsupported != 4+2*maxFamilies {
		t.Errorf("%d families, %d messages", len(st.Families), st.Counts.Unsupported)
	}
}

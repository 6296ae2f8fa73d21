package wire_test

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"

	gobgp "github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

// seeds is how many streams of random messages to drive: few, or as many as COREWATCH_SEEDS says.
func seeds(t *testing.T) uint64 {
	text := os.Getenv("COREWATCH_SEEDS")
	if text == "" {
		return 20
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatalf("COREWATCH_SEEDS=%q: want a number", text)
	}
	return n
}

// intent is a well-formed message and what its maker meant by it.
type intent struct {
	msg   []byte
	opts  wire.Options
	elems []elem
	path  []uint32
	eor   bool
}

// generator makes random UPDATEs with gobgp's serialiser.
type generator struct {
	*rand.Rand
	o      wire.Options
	attrs  []gobgp.PathAttributeInterface
	path   []segment
	origin uint32
}

func newGenerator(seed uint64) *generator { return &generator{Rand: rand.New(rand.NewPCG(seed, 4271))} }

// one is true once in n times.
func (g *generator) one(n int) bool { return g.IntN(n) == 0 }

// some is 1 to n, rarely many more.
func (g *generator) some(n int) int {
	if g.one(40) {
		n *= 100
	}
	return 1 + g.IntN(n)
}

// message makes one UPDATE of random contents, up to many times 4,096 octets long (RFC 8654).
func (g *generator) message(t testing.TB) intent {
	t.Helper()
	g.o = wire.Options{AS4: g.one(2), AddPath4: g.one(3), AddPath6: g.one(3), IBGP: g.one(4)}
	g.attrs, g.path, g.origin = nil, nil, 0
	nlri, reach := g.one(2), g.one(2)
	if nlri || reach || g.one(4) {
		g.mandatory(nlri || g.one(3))
		g.optional()
	}
	var withdrawn, unreached, announced, reached []elem
	var withdrawnRoutes, routes []*gobgp.IPAddrPrefix
	if g.one(2) {
		withdrawnRoutes, withdrawn = g.fours(bgp.Withdraw)
	}
	if g.one(2) {
		a := gobgp.NewPathAttributeMpUnreachNLRI(nil)
		a.AFI, a.SAFI = g.family()
		if !g.one(5) {
			a.Value, unreached = g.prefixes(bgp.Withdraw, a.AFI, a.SAFI)
		}
		g.add(a, &a.PathAttribute)
	}
	if nlri {
		routes, announced = g.fours(bgp.Announce)
	}
	if reach {
		reached = g.reach()
	}
	in := intent{opts: g.o, elems: slices.Concat(withdrawn, unreached, announced, reached)}
	for _, s := range g.path {
		in.path = append(in.path, s.as...)
	}
	unreachOnly := len(g.attrs) == 1 && g.attrs[0].GetType() == gobgp.BGP_ATTR_TYPE_MP_UNREACH_NLRI
	in.eor = len(in.elems) == 0 && (len(g.attrs) == 0 || unreachOnly)

	g.Shuffle(len(g.attrs), func(i, j int) { g.attrs[i], g.attrs[j] = g.attrs[j], g.attrs[i] })
	m := gobgp.NewBGPUpdateMessage(withdrawnRoutes, g.attrs, routes)
	body, err := m.Body.Serialize(marshalling(g.o))
	if err != nil {
		t.Fatal(err)
	}
	m.Header.Len = uint16(19 + len(body))
	head, err := m.Header.Serialize()
	if err != nil || len(body) > 0xffff-19 {
		t.Fatalf("a message of %d octets, error %v", len(body), err)
	}
	in.msg = append(head, body...)
	return in
}

// add appends an attribute, now and then with a length of two octets that one would hold.
func (g *generator) add(a gobgp.PathAttributeInterface, head *gobgp.PathAttribute) {
	if g.one(4) {
		head.Flags |= gobgp.BGP_ATTR_FLAG_EXTENDED_LENGTH
	}
	g.attrs = append(g.attrs, a)
}

func (g *generator) mandatory(nextHop bool) {
	origin := gobgp.NewPathAttributeOrigin(uint8(g.IntN(3)))
	g.add(origin, &origin.PathAttribute)
	if nextHop {
		hop := gobgp.NewPathAttributeNextHop("192.0.2.1")
		g.add(hop, &hop.PathAttribute)
	}
	g.asPath()
	g.origin = originOf(g.path)
}

// optional adds what an elem does not show, long ones among it.
func (g *generator) optional() {
	if g.one(3) {
		a := gobgp.NewPathAttributeCommunities(make([]uint32, g.some(20)))
		g.add(a, &a.PathAttribute)
	}
	if g.one(4) {
		a := gobgp.NewPathAttributeExtendedCommunities([]gobgp.ExtendedCommunityInterface{
			gobgp.NewTwoOctetAsSpecificExtended(gobgp.EC_SUBTYPE_ROUTE_TARGET, 65000, g.Uint32(), true),
		})
		g.add(a, &a.PathAttribute)
	}
	if g.one(4) {
		a := gobgp.NewPathAttributeLargeCommunities([]*gobgp.LargeCommunity{gobgp.NewLargeCommunity(g.Uint32(), g.Uint32(), 1)})
		g.add(a, &a.PathAttribute)
	}
	if g.one(3) {
		a := gobgp.NewPathAttributeMultiExitDisc(g.Uint32())
		g.add(a, &a.PathAttribute)
	}
	if g.one(4) {
		a := gobgp.NewPathAttributeLocalPref(g.Uint32())
		g.add(a, &a.PathAttribute)
	}
	if g.one(6) {
		a := gobgp.NewPathAttributeAtomicAggregate()
		g.add(a, &a.PathAttribute)
	}
	if g.one(6) {
		a, b := gobgp.NewPathAttributeOriginatorId("192.0.2.9"), gobgp.NewPathAttributeClusterList([]string{"192.0.2.8", "192.0.2.9"})
		g.add(a, &a.PathAttribute)
		g.add(b, &b.PathAttribute)
	}
	for range g.IntN(3) {
		flags := [...]gobgp.BGPAttrFlag{0x80, 0xc0, 0xe0}[g.IntN(3)]
		if a := gobgp.NewPathAttributeUnknown(flags, gobgp.BGPAttrType(100+len(g.attrs)), make([]byte, g.some(50)-1)); g.one(2) {
			g.add(a, &a.PathAttribute)
		}
	}
}

// asPath adds AS_PATH and what belongs to it. On a two-octet session the path that was meant is mostly what RFC 6793 section
// 4.2.3 restores: old speakers in front with numbers of two octets, behind them what AS4_PATH holds.
func (g *generator) asPath() {
	var confed []segment
	if g.one(8) {
		confed = []segment{{uint8(3 + g.IntN(2)), g.asns(3, false)}}
	}
	if g.o.AS4 {
		g.path = append(confed, g.segments(4, true)...)
		g.addPath(g.path)
		if g.one(10) {
			g.addAS4(g.segments(2, true)) // of a four-octet speaker, which is no one's to send
		}
		return
	}
	old := append(confed, g.segments(2, false)...)
	if g.one(3) {
		g.path = old
		g.addPath(old)
		return
	}
	tail := g.segments(3, true)
	if len(tail) == 0 {
		tail = []segment{{2, g.asns(3, true)}}
	}
	narrow := slices.Concat(old, trans(tail))
	g.addPath(narrow)
	switch g.IntN(6) {
	case 0: // an old speaker aggregated behind the last new one
		g.path = narrow
		g.addAS4(tail)
		g.addAggregator(uint16(1+g.IntN(20000)), true)
	case 1: // longer than AS_PATH, so that it cannot be its tail
		g.path = narrow
		g.addAS4(slices.Concat(tail, slices.Repeat([]segment{{2, []uint32{1}}}, len(units(narrow))+1)))
	case 2:
		g.path = slices.Concat(old, tail)
		g.addAS4(tail)
		g.addAggregator(asTrans, true)
	case 3: // confederations in AS4_PATH are dropped
		g.path = slices.Concat(old, tail)
		g.addAS4(slices.Concat([]segment{{3, g.asns(3, true)}}, tail))
	default:
		g.path = slices.Concat(old, tail)
		g.addAS4(tail)
		if g.one(3) {
			g.addAggregator(uint16(1+g.IntN(20000)), false)
		}
	}
}

// trans is a path as a two-octet session carries it.
func trans(path []segment) (out []segment) {
	for _, s := range path {
		as := slices.Clone(s.as)
		for i, asn := range as {
			if asn > 0xffff {
				as[i] = asTrans
			}
		}
		out = append(out, segment{s.typ, as})
	}
	return out
}

// segments is a path of up to n sequences and sets.
func (g *generator) segments(n int, wide bool) (out []segment) {
	for range g.IntN(n + 1) {
		s := segment{2, g.asns(6, wide)}
		if g.one(5) {
			s.typ = 1
		}
		out = append(out, s)
	}
	return out
}

func (g *generator) asns(n int, wide bool) []uint32 {
	out := make([]uint32, min(g.some(n), 255))
	for i := range out {
		if out[i] = 1 + g.Uint32N(0xffff); wide && g.one(2) {
			out[i] = 1 + g.Uint32N(0xffff_fffe)
		}
	}
	return out
}

func (g *generator) addPath(path []segment) {
	var params []gobgp.AsPathParamInterface
	for _, s := range path {
		if g.o.AS4 {
			params = append(params, gobgp.NewAs4PathParam(s.typ, s.as))
			continue
		}
		narrow := make([]uint16, len(s.as))
		for i, asn := range s.as {
			narrow[i] = uint16(asn)
		}
		params = append(params, gobgp.NewAsPathParam(s.typ, narrow))
	}
	a := gobgp.NewPathAttributeAsPath(params)
	g.add(a, &a.PathAttribute)
}

func (g *generator) addAS4(path []segment) {
	var params []*gobgp.As4PathParam
	for _, s := range path {
		params = append(params, gobgp.NewAs4PathParam(s.typ, s.as))
	}
	a := gobgp.NewPathAttributeAs4Path(params)
	g.add(a, &a.PathAttribute)
}

func (g *generator) addAggregator(asn uint16, as4 bool) {
	a := gobgp.NewPathAttributeAggregator(asn, "192.0.2.1")
	g.add(a, &a.PathAttribute)
	if as4 {
		b := gobgp.NewPathAttributeAs4Aggregator(1+g.Uint32N(1<<31), "192.0.2.1")
		g.add(b, &b.PathAttribute)
	}
}

func (g *generator) family() (afi uint16, safi uint8) {
	afi, safi = uint16(1+g.IntN(2)), 1
	if g.one(6) {
		safi = 2
	}
	return afi, safi
}

func (g *generator) reach() []elem {
	afi, safi := g.family()
	nlri, elems := g.prefixes(bgp.Announce, afi, safi)
	hop := "2001:db8::1" // for IPv4 prefixes RFC 8950
	if afi == 1 && g.one(2) {
		hop = "192.0.2.1"
	}
	a := gobgp.NewPathAttributeMpReachNLRI(hop, nlri)
	a.SAFI = safi
	if hop == "2001:db8::1" && g.one(3) {
		a.LinkLocalNexthop = netip.MustParseAddr("fe80::1").AsSlice()
	}
	g.add(a, &a.PathAttribute)
	return elems
}

func (g *generator) fours(k bgp.Kind) (routes []*gobgp.IPAddrPrefix, elems []elem) {
	nlri, elems := g.prefixes(k, 1, 1)
	for _, n := range nlri {
		routes = append(routes, n.(*gobgp.IPAddrPrefix))
	}
	return routes, elems
}

// prefixes are drawn from all lengths, and often from a few that come again; unused bits of the last octet may be set.
func (g *generator) prefixes(k bgp.Kind, afi uint16, safi uint8) (nlri []gobgp.AddrPrefixInterface, elems []elem) {
	for range g.some(5) {
		e := elem{kind: k, multicast: safi == 2}
		if k == bgp.Announce {
			e.origin = g.origin
		}
		var raw [16]byte
		length := uint8(8 + g.IntN(3))
		raw[0] = 0x20
		if wild := g.one(2); wild {
			length = uint8(g.IntN(int(afi-1)*96 + 33))
			for i := range raw {
				raw[i] = byte(g.Uint32())
			}
		}
		var p *gobgp.IPAddrPrefix
		var n gobgp.AddrPrefixInterface
		if afi == 2 {
			six := gobgp.NewIPv6AddrPrefix(length, "::")
			six.Prefix = raw[:]
			p, n = &six.IPAddrPrefix, six
			e.prefix = bgp.PrefixOf(netip.PrefixFrom(netip.AddrFrom16(raw), int(length)).Masked())
		} else {
			four := gobgp.NewIPAddrPrefix(length, "0.0.0.0")
			four.Prefix = raw[:4]
			p, n = four, four
			e.prefix = bgp.PrefixOf(netip.PrefixFrom(netip.AddrFrom4([4]byte(raw[:4])), int(length)).Masked())
		}
		if afi == 1 && g.o.AddPath4 || afi == 2 && g.o.AddPath6 {
			e.id = g.Uint32N(3)
			p.SetPathLocalIdentifier(e.id)
		}
		nlri, elems = append(nlri, n), append(elems, e)
	}
	return nlri, elems
}

package wire_test

import (
	"net"
	"net/netip"
	"slices"

	gobgp "github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

// families tells gobgp that the session carries everything it knows how to read as a prefix.
var families = map[gobgp.RouteFamily]gobgp.BGPAddPathMode{
	gobgp.RF_IPv4_UC: 0, gobgp.RF_IPv6_UC: 0, gobgp.RF_IPv4_MC: 0, gobgp.RF_IPv6_MC: 0,
}

// marshalling are our Options in gobgp's words. It has none for the width of AS numbers, which it guesses from the bytes.
func marshalling(o wire.Options) *gobgp.MarshallingOption {
	m := map[gobgp.RouteFamily]gobgp.BGPAddPathMode{}
	if o.AddPath4 {
		m[gobgp.RF_IPv4_UC], m[gobgp.RF_IPv4_MC] = gobgp.BGP_ADD_PATH_BOTH, gobgp.BGP_ADD_PATH_BOTH
	}
	if o.AddPath6 {
		m[gobgp.RF_IPv6_UC], m[gobgp.RF_IPv6_MC] = gobgp.BGP_ADD_PATH_BOTH, gobgp.BGP_ADD_PATH_BOTH
	}
	return &gobgp.MarshallingOption{AddPath: m}
}

// theirReading is gobgp's parser and validator. It is a witness, not a judge: it panics on hostile bytes and reads past the end of
// a field, and then it is mute.
func theirReading(msg []byte, o wire.Options) (r reading) {
	defer func() {
		if p := recover(); p != nil {
			r = reading{verdict: mute, why: "panic"}
		}
	}()
	msg = slices.Clone(msg)
	if _, attrs, _, ok := fields(msg); ok {
		clearIgnored(attrs)
	}
	m, err := gobgp.ParseBGPMessage(msg, marshalling(o))
	if m == nil {
		return reading{verdict: refused, why: err.Error()}
	}
	update, ok := m.Body.(*gobgp.BGPUpdate)
	if !ok {
		return reading{verdict: refused, why: "no UPDATE"}
	}
	r.withdrawn = len(update.WithdrawnRoutes)
	if !framed(msg) || overran(update, o) {
		return reading{verdict: mute, why: "fields overrun"}
	}
	if unread(update) {
		return reading{verdict: mute, why: unreadMP}
	}
	if err == nil {
		_, err = gobgp.ValidateUpdateMsg(update, families, false, false, true)
	}
	if e, ok := err.(*gobgp.MessageError); ok {
		r.why = e.Message
		switch e.ErrorHandling {
		case gobgp.ERROR_HANDLING_ATTRIBUTE_DISCARD:
			r.verdict = discard
		case gobgp.ERROR_HANDLING_TREAT_AS_WITHDRAW:
			r.verdict = treat
		default:
			r.verdict = refused
		}
	}
	r.read(update, o)
	return r
}

// clearIgnored clears the attribute flags that a receiver does not judge and gobgp does: the unused ones (RFC 4271 section 4.3) and
// Partial (RFC 7606 section 3 (c) speaks of Optional and Transitive).
func clearIgnored(attrs []byte) {
	for ok := true; ok; {
		var first []byte
		if first, attrs, ok = attribute(attrs); ok {
			first[0] &= 0xd0
		}
	}
}

// overran reports whether gobgp took withdrawn routes from behind their field.
func overran(m *gobgp.BGPUpdate, o wire.Options) bool {
	n := 0
	for _, p := range m.WithdrawnRoutes {
		if n += p.Len(); o.AddPath4 {
			n += 4
		}
	}
	return n > int(m.WithdrawnRoutesLen)
}

const unreadMP = "MP attribute not read"

// unread reports whether gobgp stopped at the flags of an MP attribute, so that its prefixes are missing though the message is
// not refused.
func unread(m *gobgp.BGPUpdate) bool {
	return slices.ContainsFunc(m.PathAttributes, func(a gobgp.PathAttributeInterface) bool {
		switch a := a.(type) {
		case *gobgp.PathAttributeMpReachNLRI:
			return a.AFI == 0
		case *gobgp.PathAttributeMpUnreachNLRI:
			return a.AFI == 0
		}
		return false
	})
}

// read takes the elems and the path out of gobgp's form of a message.
func (r *reading) read(m *gobgp.BGPUpdate, o wire.Options) {
	var (
		first          = map[gobgp.BGPAttrType]gobgp.PathAttributeInterface{}
		path, as4      []segment
		aggregator     uint32
		reach, unreach []elem
	)
	for _, a := range m.PathAttributes {
		if _, twice := first[a.GetType()]; !twice {
			first[a.GetType()] = a
		}
	}
	if a, ok := first[gobgp.BGP_ATTR_TYPE_AS_PATH].(*gobgp.PathAttributeAsPath); ok {
		for _, s := range a.Value {
			_, four := s.(*gobgp.As4PathParam)
			r.guessed = r.guessed || four != o.AS4
			path = append(path, segment{s.GetType(), s.GetAS()})
		}
	}
	if a, ok := first[gobgp.BGP_ATTR_TYPE_AS4_PATH].(*gobgp.PathAttributeAs4Path); ok && !o.AS4 {
		for _, s := range a.Value {
			as4 = append(as4, segment{s.Type, s.AS})
		}
	}
	if a, ok := first[gobgp.BGP_ATTR_TYPE_AGGREGATOR].(*gobgp.PathAttributeAggregator); ok {
		aggregator = a.Value.AS
	}
	if _, ok := first[gobgp.BGP_ATTR_TYPE_AS4_AGGREGATOR]; ok && aggregator != 0 && aggregator != asTrans {
		as4 = nil // RFC 6793 section 4.2.3: written before an old speaker aggregated
	}
	path = merge(path, as4)
	origin := originOf(path)
	for _, s := range path {
		r.path = append(r.path, s.as...)
	}
	if a, ok := first[gobgp.BGP_ATTR_TYPE_MP_UNREACH_NLRI].(*gobgp.PathAttributeMpUnreachNLRI); ok {
		unreach = mpElems(a.Value, bgp.Withdraw, a.AFI, a.SAFI, 0)
	}
	if a, ok := first[gobgp.BGP_ATTR_TYPE_MP_REACH_NLRI].(*gobgp.PathAttributeMpReachNLRI); ok {
		reach = mpElems(a.Value, bgp.Announce, a.AFI, a.SAFI, origin)
	}
	for _, p := range m.WithdrawnRoutes {
		r.elems = append(r.elems, elem{bgp.Withdraw, prefixOf(p.Prefix, p.Length), p.PathIdentifier(), 0, false})
	}
	r.elems = append(r.elems, unreach...)
	for _, p := range m.NLRI {
		r.elems = append(r.elems, elem{bgp.Announce, prefixOf(p.Prefix, p.Length), p.PathIdentifier(), origin, false})
	}
	r.elems = append(r.elems, reach...)
}

func mpElems(nlri []gobgp.AddrPrefixInterface, k bgp.Kind, afi uint16, safi uint8, origin uint32) (out []elem) {
	if afi != gobgp.AFI_IP && afi != gobgp.AFI_IP6 || safi != gobgp.SAFI_UNICAST && safi != gobgp.SAFI_MULTICAST {
		return nil
	}
	for _, n := range nlri {
		p, ok := n.(*gobgp.IPAddrPrefix)
		if six, isSix := n.(*gobgp.IPv6AddrPrefix); isSix {
			p, ok = &six.IPAddrPrefix, true
		}
		if ok {
			out = append(out, elem{k, prefixOf(p.Prefix, p.Length), n.PathIdentifier(), origin, safi == gobgp.SAFI_MULTICAST})
		}
	}
	return out
}

func prefixOf(ip net.IP, length uint8) bgp.Prefix {
	a, _ := netip.AddrFromSlice(ip)
	return bgp.PrefixOf(netip.PrefixFrom(a, int(length)).Masked())
}

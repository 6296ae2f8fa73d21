package inject

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// route is what a session last said about a prefix it carries.
type route struct {
	prefix bgp.Prefix
	attrs  []byte // without MP_REACH_NLRI and MP_UNREACH_NLRI
	as4    bool   // AS numbers in attrs have four octets
}

// carried is what a session carries at an instant by the records of its lane, in order of prefix.
func carried(l *Lane, p bgp.Peer, at bgp.Micros) []route {
	var (
		d     mrt.Decoder
		c     mrt.Content
		u     wire.Update
		e     bgp.Elem
		entry mrt.RIBEntry
	)
	has := map[bgp.Prefix]route{}
	for i := range l.Records {
		r := &l.Records[i]
		if r.At > at {
			break
		}
		if r.Peer.Addr.IsValid() && r.Peer != p {
			continue
		}
		rec, err := r.record()
		if err != nil || d.Decode(rec, &c) != nil {
			continue
		}
		switch c.Kind {
		case mrt.Message:
			if c.Local || u.Parse(c.BGP, c.Opts) != nil {
				continue
			}
			attrs := plain(u.Attrs())
			for u.Next(&e) {
				if e.Cause == bgp.CauseMulticast {
					continue
				}
				if e.Kind == bgp.Withdraw {
					delete(has, e.Prefix)
				} else {
					has[e.Prefix] = route{e.Prefix, attrs, c.Opts.AS4}
				}
			}
		case mrt.StateChange:
			if c.OldState == bgp.Established && c.NewState != bgp.Established {
				clear(has)
			}
		case mrt.RIBEntries:
			for c.RIB.Next(&entry) {
				if entry.PeerAS == p.AS && entry.PeerAddr == p.Addr {
					has[entry.Prefix] = route{entry.Prefix, plain(entry.Attrs), c.Opts.AS4}
				}
			}
		}
	}
	out := make([]route, 0, len(has))
	for _, r := range has {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b route) int { return a.prefix.Compare(b.prefix) })
	return out
}

// NEXT_HOP, the attributes that hold routes of other families (RFC 4760), and the flag of a length of two octets (RFC 4271 section 4.3).
const (
	attrNextHop   = 3
	attrMPReach   = 14
	attrMPUnreach = 15
	flagExtended  = 0x10
)

// plain copies path attributes without those that name routes.
func plain(attrs []byte) []byte {
	var out []byte
	for len(attrs) >= 3 {
		n := 3 + int(attrs[2])
		if attrs[0]&flagExtended != 0 {
			if len(attrs) < 4 {
				break
			}
			n = 4 + int(binary.BigEndian.Uint16(attrs[2:]))
		}
		if n > len(attrs) {
			break
		}
		if t := attrs[1]; t != attrMPReach && t != attrMPUnreach {
			out = append(out, attrs[:n]...)
		}
		attrs = attrs[n:]
	}
	return out
}

// nextHop6 is from the block for documentation (RFC 3849).
var nextHop6 = netip.MustParseAddr("2001:db8::1").As16()

// maxNLRI keeps a message under 4,096 octets (RFC 4271 section 4.1).
const maxNLRI = 3000

// announce appends messages that announce routes, at one instant after the other until all are out by the end of spread.
func (x *injection) announce(p bgp.Peer, at, spread bgp.Micros, routes []route) {
	x.send(p, at, spread, routes, true)
}

// withdraw appends messages that withdraw routes.
func (x *injection) withdraw(p bgp.Peer, at, spread bgp.Micros, routes []route) {
	x.send(p, at, spread, routes, false)
}

func (x *injection) send(p bgp.Peer, at, spread bgp.Micros, routes []route, up bool) {
	for i := 0; i < len(routes); {
		first := &routes[i]
		n, nlri := i, []byte(nil)
		for n < len(routes) && len(nlri) < maxNLRI && n-i < 100 && routes[n].prefix.IsV6() == first.prefix.IsV6() &&
			(!up || bytes.Equal(routes[n].attrs, first.attrs) && routes[n].as4 == first.as4) {
			nlri = appendNLRI(nlri, routes[n].prefix)
			n++
		}
		when := at + spread*bgp.Micros(i)/bgp.Micros(len(routes))
		x.put(p, when, first.as4, message(first, nlri, up))
		i = n
	}
}

// put adds a record with a message of the session.
func (x *injection) put(p bgp.Peer, at bgp.Micros, as4 bool, msg []byte) {
	raw, err := mrt.AppendMessage(nil, at, envelope(p, as4), msg)
	x.add(p, at, raw, err)
}

// state adds a record that says that the session went from one state to another.
func (x *injection) state(p bgp.Peer, at bgp.Micros, from, to bgp.State) {
	raw, err := mrt.AppendStateChange(nil, at, envelope(p, true), from, to)
	x.add(p, at, raw, err)
}

func (x *injection) add(p bgp.Peer, at bgp.Micros, raw []byte, err error) {
	if err != nil {
		if x.err == nil {
			x.err = err
		}
		return
	}
	l := x.lane(p.Collector)
	l.Records = append(l.Records, Record{At: at, Peer: p, Raw: raw})
}

// envelope has an AS number for documentation (RFC 5398) for the collector.
func envelope(p bgp.Peer, as4 bool) mrt.Envelope {
	return mrt.Envelope{PeerAS: p.AS, LocalAS: 64511, PeerAddr: p.Addr, AS2: !as4}
}

// message is an UPDATE with prefixes of one family: announced with the attributes of r, or withdrawn.
func message(r *route, nlri []byte, up bool) []byte {
	be := binary.BigEndian
	m := bytes.Repeat([]byte{0xff}, 16)
	m = append(m, 0, 0, 2) // length, filled in below; UPDATE
	v6 := r.prefix.IsV6()
	switch {
	case !v6 && up:
		attrs := withNextHop(r.attrs)
		m = be.AppendUint16(m, 0)
		m = be.AppendUint16(m, uint16(len(attrs)))
		m = append(m, attrs...)
		m = append(m, nlri...)
	case !v6:
		m = be.AppendUint16(m, uint16(len(nlri)))
		m = append(m, nlri...)
		m = be.AppendUint16(m, 0)
	default:
		attrs := []byte{0x80 | flagExtended, attrMPUnreach}
		head := []byte{0, 2, 1}
		if up {
			attrs = append(slices.Clone(r.attrs), 0x80|flagExtended, attrMPReach)
			head = append(append([]byte{0, 2, 1, 16}, nextHop6[:]...), 0)
		}
		attrs = be.AppendUint16(attrs, uint16(len(head)+len(nlri)))
		attrs = append(append(attrs, head...), nlri...)
		m = be.AppendUint16(m, 0)
		m = be.AppendUint16(m, uint16(len(attrs)))
		m = append(m, attrs...)
	}
	be.PutUint16(m[16:], uint16(len(m)))
	return m
}

// withNextHop is attributes with a NEXT_HOP, which an UPDATE must have (RFC 4271 section 5.1.3) and a table need not: one of the block for
// documentation (RFC 5737) where there is none.
func withNextHop(attrs []byte) []byte {
	for a := attrs; len(a) >= 4; {
		if a[1] == attrNextHop {
			return attrs
		}
		n := 3 + int(a[2])
		if a[0]&flagExtended != 0 {
			n = 4 + int(binary.BigEndian.Uint16(a[2:]))
		}
		a = a[min(n, len(a)):]
	}
	return append(slices.Clone(attrs), 0x40, attrNextHop, 4, 192, 0, 2, 1)
}

// appendNLRI appends a prefix as RFC 4271 section 4.3 has it.
func appendNLRI(b []byte, p bgp.Prefix) []byte {
	n := p.Len()
	b = append(b, byte(n))
	return append(b, p.Netip().Addr().AsSlice()[:(n+7)/8]...)
}

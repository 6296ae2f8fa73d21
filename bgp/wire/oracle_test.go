package wire_test

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

// elem is what two decoders can agree on about one prefix of an UPDATE.
type elem struct {
	kind      bgp.Kind
	prefix    bgp.Prefix
	id        uint32
	origin    uint32
	multicast bool
}

func (e elem) String() string {
	s := fmt.Sprintf("%s %s id %d", e.kind, e.prefix, e.id)
	if e.origin != 0 {
		s += fmt.Sprintf(" from %d", e.origin)
	}
	if e.multicast {
		s += " multicast"
	}
	return s
}

// verdict says what a decoder makes of a message as a whole.
type verdict uint8

const (
	clean   verdict = iota // nothing is wrong
	discard                // an attribute or the rest of a field is lost, the routes that were read stand
	treat                  // treat-as-withdraw
	refused                // nothing in it can be used; RFC 4271 resets the session
	mute                   // the decoder panicked, or read past the end of a field: it has no opinion
)

func (v verdict) String() string {
	return [...]string{"clean", "discard", "withdraw", "refused", "mute"}[v]
}

// stands reports whether announcements remain announcements.
func (v verdict) stands() bool { return v <= discard }

// reading is one decoder's answer. Elems are in the order withdrawn, MP_UNREACH, NLRI, MP_REACH.
type reading struct {
	verdict verdict
	why     string
	elems   []elem
	path    []uint32
	guessed bool // gobgp took AS numbers to be of another width than the session says: its path and origins mean nothing

	faults      wire.Faults // ours
	unsupported int         // ours
	lost        bool        // ours: the prefixes of an MP attribute could not be located
	withdrawn   int         // gobgp's: how many of elems are of the field of withdrawn routes
}

// ourReading is the decoder under test. What its answer must have in itself whatever the bytes is an error here.
func ourReading(u *wire.Update, msg []byte, o wire.Options) (r reading, err error) {
	if err := u.Parse(msg, o); err != nil {
		return reading{verdict: refused, why: err.Error()}, nil
	}
	p := u.Path()
	r.path = slices.AppendSeq([]uint32(nil), p.All)
	var e bgp.Elem
	for u.Next(&e) {
		if e.Kind == bgp.Announce && e.Origin != p.Origin() || e.Kind == bgp.Withdraw && e.Origin != 0 {
			return r, fmt.Errorf("%+v with path %d, origin %d", e, r.path, p.Origin())
		}
		r.elems = append(r.elems, elem{e.Kind, e.Prefix, e.PathID, e.Origin, e.Cause == bgp.CauseMulticast})
	}
	r.why, r.faults, r.unsupported = u.Faults.String(), u.Faults, u.Unsupported
	r.lost = u.Faults&(wire.FaultMPReach|wire.FaultMPUnreach) != 0
	switch {
	case u.Faults.TreatAsWithdraw():
		r.verdict = treat
	case u.Faults&^wire.FaultTrailing != 0:
		r.verdict = discard
	}
	return r, nil
}

// framed reports whether the two length fields of an UPDATE and the lengths of its attributes fit the message.
func framed(msg []byte) bool {
	_, attrs, _, ok := fields(msg)
	for ok && len(attrs) > 0 {
		_, attrs, ok = attribute(attrs)
	}
	return ok
}

// fields are the three parts of an UPDATE.
func fields(msg []byte) (withdrawn, attrs, nlri []byte, ok bool) {
	if len(msg) < 23 || int(binary.BigEndian.Uint16(msg[16:])) > len(msg) || binary.BigEndian.Uint16(msg[16:]) < 23 {
		return nil, nil, nil, false
	}
	b := msg[19:binary.BigEndian.Uint16(msg[16:])]
	n := int(binary.BigEndian.Uint16(b))
	if 2+n+2 > len(b) {
		return nil, nil, nil, false
	}
	withdrawn, b = b[2:2+n], b[2+n:]
	if n = int(binary.BigEndian.Uint16(b)); 2+n > len(b) {
		return nil, nil, nil, false
	}
	return withdrawn, b[2 : 2+n], b[2+n:], true
}

// attribute splits the first attribute, header included, off a list.
func attribute(b []byte) (first, rest []byte, ok bool) {
	head := 3
	if len(b) > 0 && b[0]&0x10 != 0 {
		head = 4
	}
	if len(b) < head {
		return nil, nil, false
	}
	n := int(b[2])
	if head == 4 {
		n = n<<8 | int(b[3])
	}
	if head+n > len(b) {
		return nil, nil, false
	}
	return b[:head+n], b[head+n:], true
}

const asTrans = 23456

// segment is one segment of an AS path: 1 a set, 2 a sequence, 3 and 4 a sequence and a set of a confederation.
type segment struct {
	typ uint8
	as  []uint32
}

// merge is RFC 6793 section 4.2.3 by the letter and without thought of cost: AS_PATH is taken apart into units of path length 1
// (0 for a confederation), and as many lead as the AS4_PATH is shorter.
func merge(path, as4 []segment) []segment {
	tail := units(slices.DeleteFunc(slices.Clone(as4), func(s segment) bool { return s.typ > 2 }))
	head := units(path)
	lead := -len(tail)
	for _, s := range head {
		if s.typ <= 2 {
			lead++
		}
	}
	if len(tail) == 0 || lead < 0 {
		return path
	}
	var out []segment
	for _, s := range head {
		if s.typ <= 2 {
			if lead == 0 {
				break
			}
			lead--
		}
		out = append(out, s)
	}
	return append(out, tail...)
}

// units splits sequences into their single AS numbers.
func units(path []segment) (out []segment) {
	for _, s := range path {
		if s.typ != 2 {
			out = append(out, s)
			continue
		}
		for _, asn := range s.as {
			out = append(out, segment{2, []uint32{asn}})
		}
	}
	return out
}

// originOf is the last AS of a path: 0 when there is none or it is one of a set of several.
func originOf(path []segment) uint32 {
	if len(path) == 0 {
		return 0
	}
	s := path[len(path)-1]
	if len(s.as) == 0 || len(s.as) > 1 && (s.typ == 1 || s.typ == 4) {
		return 0
	}
	return s.as[len(s.as)-1]
}

// disagreement states the rule of equivalence, and is empty where it holds.
//
//   - Where the routes stand for both (verdict clean or discard), elems and path are equal, in order.
//   - Where either takes the routes away (RFC 7606 section 2), the elems are equal once each announcement is read as a withdrawal.
//   - Where we could not locate the prefixes of an MP attribute, gobgp may have more of them.
//   - Of a message that gobgp refuses, the withdrawn routes that it had read before it stopped begin our elems.
//   - A message that we refuse is not compared; what we may refuse, certain says.
//   - A mute witness says nothing. One that guessed the width of AS numbers says nothing of path and origin.
func disagreement(a, b reading) string {
	if a.verdict == refused || b.verdict == mute {
		return ""
	}
	if b.verdict == refused {
		if n := b.withdrawn; n > len(a.elems) || !slices.Equal(a.elems[:n], b.elems[:n]) {
			return fmt.Sprintf("elems %v do not begin with gobgp's %v", a.elems, b.elems[:n])
		}
		return ""
	}
	stand := a.verdict.stands() && b.verdict.stands()
	x, y := a.elems, b.elems
	if !stand || a.guessed || b.guessed {
		x, y = plain(x, !stand), plain(y, !stand)
	} else if !slices.Equal(a.path, b.path) {
		return fmt.Sprintf("path %d, gobgp's %d", a.path, b.path)
	}
	if !slices.Equal(x, y) && !(a.lost && within(x, y)) {
		return fmt.Sprintf("elems %v, gobgp's %v", x, y)
	}
	return ""
}

// explained reports whether it is known why one decoder calls a message clean and the other does not.
func explained(a, b reading, msg []byte, o wire.Options) bool {
	if a.verdict == clean {
		if b.why == "invalid nexthop address" { // we take no route from its next hop
			return true
		}
		// gobgp looks into communities, tunnels, AIGP, BGP-LS and Prefix-SID, and it must be content once these are left out. So must
		// it be without prefixes of families that we only count, and without AS4 attributes that mean nothing: between four-octet
		// speakers (RFC 6793 section 3), and stale ones (section 4.2.3).
		beside := []byte{16, 22, 23, 25, 26, 29, 40}
		if a.unsupported > 0 {
			beside = append(beside, 14, 15)
		}
		if o.AS4 || has(msg, 7) && has(msg, 17) && has(msg, 18) {
			beside = append(beside, 17, 18)
		}
		b = theirReading(rebuild(msg, func(list [][]byte) [][]byte {
			return slices.DeleteFunc(list, func(one []byte) bool { return slices.Contains(beside, one[1]) })
		}), o)
		return b.verdict == clean || b.why == "invalid nexthop address"
	}
	if has(msg, 35) && a.verdict != refused { // gobgp does not know Only to Customer, and so does not judge its flags and length
		var u wire.Update
		without, err := ourReading(&u, rebuild(msg, func(list [][]byte) [][]byte {
			return slices.DeleteFunc(list, func(one []byte) bool { return one[1] == 35 })
		}), o)
		if err != nil {
			return false
		}
		a = without
	}
	// What gobgp lets pass: AS 0, an AGGREGATOR of the other width, empty communities, a NEXT_HOP of 16 octets, no next hop.
	lenient := wire.FaultTrailing | wire.FaultASZero | wire.FaultAggregator | wire.FaultAS4Path | wire.FaultAS4Aggregator | wire.FaultCommunity |
		wire.FaultNextHop | wire.FaultMPReach
	if b.guessed {
		lenient |= wire.FaultASPath
	}
	return a.verdict == refused || a.faults&^lenient == 0 // what may be refused, certain says
}

// has reports whether a message holds an attribute of a type.
func has(msg []byte, typ byte) bool {
	_, attrs, _, ok := fields(msg)
	for ok && len(attrs) > 0 {
		var first []byte
		if first, attrs, ok = attribute(attrs); ok && first[1] == typ {
			return true
		}
	}
	return false
}

// within reports whether y is x with more between.
func within(x, y []elem) bool {
	for _, e := range y {
		if len(x) > 0 && x[0] == e {
			x = x[1:]
		}
	}
	return len(x) == 0
}

// plain drops origins and, if so told, what tells announcements from withdrawals.
func plain(elems []elem, withdrawn bool) []elem {
	out := slices.Clone(elems)
	for i := range out {
		out[i].origin = 0
		if withdrawn {
			out[i].kind = bgp.Withdraw
		}
	}
	return out
}

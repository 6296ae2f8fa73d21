package dump

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// bgpdumpLine is what the lines of one message have in common.
type bgpdumpLine struct {
	attrs  bgpdumpAttrs
	head   []byte // "TYPE|time|"
	peer   []byte // "address|AS|"
	path   []byte // "path|ORIGIN|"
	tail   []byte // from the communities on
	ids    bool   // the prefixes have path identifiers
	legacy bool   // MRT type 5
}

// Subtypes of BGP4MP whose lines are marked: RFC 6396 section 4.4.4, RFC 8050 section 3.
const (
	subMessageLocal = 6
	subAS4Local     = 7
	subLocalAddPath = 10
	subAS4LocalAdd  = 11
)

// begin fills head and peer.
func (l *bgpdumpLine) begin(rec *mrt.Record, c *mrt.Content, state bool) {
	l.legacy = rec.Type == mrt.TypeBGP
	l.ids = !l.legacy && c.Opts.AddPath4
	b := l.head[:0]
	switch rec.Type {
	case mrt.TypeBGP:
		b = append(b, "BGP"...)
	case mrt.TypeBGP4MPET:
		b = append(b, "BGP4MP_ET"...)
	default:
		b = append(b, "BGP4MP"...)
	}
	switch {
	case state:
	case l.ids:
		b = append(b, "_AP"...)
	case rec.Subtype == subMessageLocal || rec.Subtype == subAS4Local:
		if !l.legacy {
			b = append(b, "_LOCAL"...)
		}
	}
	b = appendSeconds(append(b, '|'), rec)
	if rec.Type == mrt.TypeBGP4MPET {
		// As carried: Record.Time leaves out what is a second or more.
		us := binary.BigEndian.Uint32(rec.Raw[12:])
		b = append(b, '.')
		for d := uint32(100_000); d > max(us, 1); d /= 10 {
			b = append(b, '0')
		}
		b = appendUint(b, us)
	}
	l.head = append(b, '|')

	as, addr := c.PeerAS, c.PeerAddr
	if c.Local && l.ids {
		as, addr = localEnd(rec)
	}
	b = append(appendAddr(l.peer[:0], addr), '|')
	l.peer = append(appendUint(b, as), '|')
}

func appendSeconds(b []byte, rec *mrt.Record) []byte {
	return strconv.AppendInt(b, int64(rec.Time/bgp.Second), 10)
}

// localEnd is the collector's side of a BGP4MP record that has been decoded. bgpdump names it as the peer of a LOCAL message with
// path identifiers, and only of those.
func localEnd(rec *mrt.Record) (as uint32, addr netip.Addr) {
	b := rec.Body
	if rec.Subtype == subAS4LocalAdd {
		as, b = binary.BigEndian.Uint32(b[4:]), b[8:]
	} else {
		as, b = uint32(binary.BigEndian.Uint16(b[2:])), b[4:]
	}
	if b[3] == 2 {
		return as, netip.AddrFrom16([16]byte(b[4+16:]))
	}
	return as, netip.AddrFrom4([4]byte(b[4+4:]))
}

func (p *Printer) bgpdumpState(rec *mrt.Record, c *mrt.Content) {
	p.dump.begin(rec, c, true)
	b := append(p.buf, p.dump.head...)
	b = append(b, "STATE|"...)
	b = append(b, p.dump.peer...)
	b = appendUint(b, c.OldState)
	b = append(b, '|')
	p.buf = appendUint(b, c.NewState)
	p.line()
}

// bgpdumpUpdate prints an UPDATE that wire.Update.Parse accepts, in bgpdump's order: withdrawn prefixes of the message's own field, of
// MP_UNREACH_NLRI, announced ones of its own field, of MP_REACH_NLRI. The message may be cut short by the end of its record.
func (p *Printer) bgpdumpUpdate(rec *mrt.Record, c *mrt.Content) {
	const header = 19
	msg := c.BGP
	msg = msg[header:min(len(msg), int(binary.BigEndian.Uint16(msg[16:])))]
	withdrawn, msg := field(msg)
	attrs, nlri := field(msg)

	l := &p.dump
	l.begin(rec, c, false)
	a := &l.attrs
	a.read(attrs, c.Opts.AS4)
	p.bgpdumpWithdrawn(withdrawn, false)
	if v6, prefixes, ok := a.unreachFamily(); ok && !l.legacy {
		p.bgpdumpWithdrawn(prefixes, v6)
	}
	if len(nlri) == 0 && len(a.reach) == 0 {
		return
	}
	l.path = append(a.appendPath(l.path[:0]), '|')
	l.path = append(a.appendOrigin(l.path), '|')
	l.tail = a.appendTail(l.tail[:0])
	p.bgpdumpAnnounced(nlri, false, a.nextHop[:], false)
	if v6, hop, prefixes, ok := a.reachFamily(); ok && !l.legacy {
		p.bgpdumpAnnounced(prefixes, v6, hop, !v6)
	}
}

// field splits off what a two-octet length in front of b says, or what there is of it.
func field(b []byte) (f, rest []byte) {
	if len(b) < 2 {
		return nil, nil
	}
	n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
	return b[2 : 2+n], b[2+n:]
}

func (p *Printer) bgpdumpWithdrawn(b []byte, v6 bool) {
	var x prefix
	for x.next(&b, v6, p.dump.ids) {
		p.buf = append(append(append(p.buf, p.dump.head...), "W|"...), p.dump.peer...)
		p.buf = x.append(p.buf)
		if p.dump.ids {
			p.buf = appendUint(append(p.buf, '|'), x.id)
		}
		p.line()
	}
}

// bgpdumpAnnounced prints announcements. signed is bgpdump's way with MED and LOCAL_PREF beside IPv4 prefixes in MP_REACH_NLRI.
func (p *Printer) bgpdumpAnnounced(b []byte, v6 bool, hop []byte, signed bool) {
	l := &p.dump
	var x prefix
	for x.next(&b, v6, l.ids) {
		o := append(append(append(p.buf, l.head...), "A|"...), l.peer...)
		o = append(x.append(o), '|')
		if l.ids {
			o = append(appendUint(o, x.id), '|')
		}
		o = append(o, l.path...)
		o = append(appendHop(o, hop), '|')
		if signed {
			o = append(strconv.AppendInt(o, int64(int32(l.attrs.pref)), 10), '|')
			o = strconv.AppendInt(o, int64(int32(l.attrs.med)), 10)
		} else {
			o = append(appendUint(o, l.attrs.pref), '|')
			o = appendUint(o, l.attrs.med)
		}
		if !l.legacy { // bgpdump leaves this column's end out of the lines of type 5
			o = append(o, '|')
		}
		p.buf = append(o, l.tail...)
		p.line()
	}
}

// bgpdumpEntry prints p.entry, an entry of the table record rec.
func (p *Printer) bgpdumpEntry(rec *mrt.Record, c *mrt.Content) {
	a := &p.dump.attrs
	a.read(p.entry.Attrs, c.Opts.AS4)
	v1 := rec.Type == mrt.TypeTableDump
	ids := !v1 && rec.Subtype >= 8 // RFC 8050 section 4
	b := p.buf
	switch {
	case v1:
		b = append(b, "TABLE_DUMP|"...)
	case ids:
		b = append(b, "TABLE_DUMP2_AP|"...)
	default:
		b = append(b, "TABLE_DUMP2|"...)
	}
	b = append(appendSeconds(b, rec), "|B|"...)
	b = append(appendAddr(b, p.entry.PeerAddr), '|')
	b = append(appendUint(b, p.entry.PeerAS), '|')
	x := tablePrefix(rec, p.entry.Prefix)
	b = append(x.append(b), '|')
	if ids {
		b = append(appendUint(b, p.entry.PathID), '|')
	}
	b = append(a.appendPath(b), '|')
	b = append(a.appendOrigin(b), '|')
	b = append(a.appendTableHop(b), '|')
	b = append(appendUint(b, a.pref), '|')
	b = append(appendUint(b, a.med), '|')
	p.buf = a.appendTail(b)
	p.line()
}

// tablePrefix is the prefix of a table record that has been decoded, with the bits below its length as carried.
func tablePrefix(rec *mrt.Record, decoded bgp.Prefix) (x prefix) {
	x.v6, x.bits = decoded.IsV6(), uint8(decoded.Len())
	b, n := rec.Body[4:], 4
	if x.v6 {
		n = 16
	}
	if rec.Type == mrt.TypeTableDumpV2 {
		b, n = b[1:], (int(x.bits)+7)/8 // after the sequence number and the length
	}
	copy(x.addr[:], b[:n])
	return x
}

// prefix is a prefix as carried: bits below its length are kept, because bgpdump shows them.
type prefix struct {
	addr [16]byte
	bits uint8
	v6   bool
	id   uint32
}

// next reads one prefix off b. It is false at the end, and where a prefix is too long for its family or its field.
func (x *prefix) next(b *[]byte, v6, ids bool) bool {
	s := *b
	if ids {
		if len(s) < 5 {
			return false
		}
		x.id, s = binary.BigEndian.Uint32(s), s[4:]
	}
	if len(s) == 0 {
		return false
	}
	x.v6, x.bits = v6, s[0]
	n := (int(x.bits) + 7) / 8
	if n >= len(s) || x.bits > 32 && !v6 || x.bits > 128 {
		return false
	}
	x.addr = [16]byte{}
	copy(x.addr[:], s[1:1+n])
	*b = s[1+n:]
	return true
}

func (x *prefix) append(b []byte) []byte {
	if x.v6 {
		b = appendIPv6(b, x.addr)
	} else {
		b = appendIPv4(b, [4]byte(x.addr[:4]))
	}
	return appendUint(append(b, '/'), x.bits)
}

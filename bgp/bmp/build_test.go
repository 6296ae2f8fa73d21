package bmp

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
)

// unhex reads hex with spaces.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// frame puts a header in front of the parts of a message.
func frame(t Type, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	b := binary.BigEndian.AppendUint32([]byte{3}, uint32(headerLen+len(body)))
	return append(append(b, byte(t)), body...)
}

// neighbour is a per-peer header to be.
type neighbour struct {
	typ, flags uint8
	rd         string // hex
	addr       string
	as         uint32
	id         string
	at         uint32
}

// header writes it, with the V flag as the address wants it, unless it is wrong on purpose.
func (n neighbour) header(wrong ...uint8) []byte {
	b := []byte{n.typ, n.flags}
	rd := make([]byte, 8)
	copy(rd, unhex(n.rd))
	b = append(b, rd...)
	addr := [16]byte{}
	if n.addr != "" {
		a := netip.MustParseAddr(n.addr)
		if a.Is6() {
			addr = a.As16()
			b[1] |= flagIPv6
		} else {
			v4 := a.As4()
			copy(addr[12:], v4[:])
		}
	}
	for _, w := range wrong {
		b[1] ^= w
	}
	b = append(b, addr[:]...)
	b = binary.BigEndian.AppendUint32(b, n.as)
	id := [4]byte{}
	if n.id != "" {
		id = netip.MustParseAddr(n.id).As4()
	}
	b = append(b, id[:]...)
	b = binary.BigEndian.AppendUint32(b, n.at)
	return append(b, 0, 0, 0, 7)
}

// Capabilities, in hex.
const (
	capV4   = "010400010001"
	capV6   = "010400020001"
	as4Of   = "4104"
	addPath = "4504" // then a family in three octets, and 1 to receive, 2 to send, 3 for both
)

func open(as uint16, id string, caps string) []byte {
	c := unhex(caps)
	n := bgpLen + 10
	if len(c) > 0 {
		n += 2 + len(c)
	}
	b := slices.Repeat([]byte{0xff}, 16)
	b = append(b, byte(n>>8), byte(n), typeOpen, 4, byte(as>>8), byte(as), 0, 90)
	a := netip.MustParseAddr(id).As4()
	b = append(b, a[:]...)
	if len(c) == 0 {
		return append(b, 0)
	}
	return append(append(b, byte(2+len(c)), 2, byte(len(c))), c...)
}

// up writes a Peer Up with ports 179 and port.
func (n neighbour) up(local string, port uint16, sent, received []byte) []byte {
	addr := [16]byte{}
	if local != "" {
		a := netip.MustParseAddr(local)
		if a.Is6() {
			addr = a.As16()
		} else {
			v4 := a.As4()
			copy(addr[12:], v4[:])
		}
	}
	return frame(PeerUp, n.header(), addr[:], binary.BigEndian.AppendUint16([]byte{0, 179}, port), sent, received)
}

func (n neighbour) routes(update []byte) []byte { return frame(RouteMonitoring, n.header(), update) }

func (n neighbour) down(reason byte, data ...byte) []byte {
	return frame(PeerDown, n.header(), []byte{reason}, data)
}

// update builds a whole UPDATE of its three fields, given in hex.
func update(withdrawn, attrs, nlri string) []byte {
	w, a, n := unhex(withdrawn), unhex(attrs), unhex(nlri)
	b := slices.Repeat([]byte{0xff}, 16)
	l := bgpLen + 4 + len(w) + len(a) + len(n)
	b = append(b, byte(l>>8), byte(l), typeUpdate, byte(len(w)>>8), byte(len(w)))
	b = append(b, w...)
	b = append(b, byte(len(a)>>8), byte(len(a)))
	return append(append(b, a...), n...)
}

// Attributes, in hex.
const (
	origin  = "40010100 "
	path2   = "4002 06 0202 fde8 fde9 "         // 65000 65001 in two octets each
	path4   = "4002 0a 0202 0000fde8 0000fde9 " // and in four
	nextHop = "4003 04 c0000201 "
	good4   = origin + path4 + nextHop
	good2   = origin + path2 + nextHop
	hop6    = "20010db8000000000000000000000001 "
	reach6  = "800e 1a 0002 01 10 " + hop6 + "00 20 20010db8 "          // 2001:db8::/32
	reach6p = "800e 1e 0002 01 10 " + hop6 + "00 00000009 20 20010db8 " // with path identifier 9
	evpn    = "800f 06 0019 46 010203 "
	nlri    = "18 c63364 "          // 198.51.100.0/24
	nlriP   = "00000007 18 c63364 " // with path identifier 7
	gone    = "18 cb0071 "          // 203.0.113.0/24
	as65000 = as4Of + "0000fde8"    // capability
	as64500 = as4Of + "0000fbf4"
)

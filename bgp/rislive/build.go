package rislive

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/corewatch/corewatch/bgp"
)

// builder puts a BGP message together from a frame without raw octets: what the JSON says, and nothing that it does not say.
type builder struct {
	msg, attrs, nlri []byte
}

var be = binary.BigEndian

// errTooLong is a message that the JSON says more of than a message can hold.
var errTooLong = errors.New("without raw, and longer than a BGP message")

// Attribute types and flags: RFC 4271 section 4.3, RFC 4760 section 3.
const (
	attrOrigin, attrPath, attrNextHop, attrReach, attrUnreach = 1, 2, 3, 14, 15

	wellKnown = 0x40
	optional  = 0x80
	extended  = 0x10
)

// message builds a KEEPALIVE or an UPDATE with AS numbers of four octets (RFC 4271 section 4, RFC 4760, RFC 6793).
func (b *builder) message(m *message) ([]byte, error) {
	b.msg = b.msg[:0]
	for range 16 {
		b.msg = append(b.msg, 0xff)
	}
	b.msg = append(b.msg, 0, 0, 2)
	if m.Type == "KEEPALIVE" {
		b.msg[18] = 4
		return b.finish()
	}
	gone4, gone6, err := split(m.Withdrawals)
	if err != nil {
		return nil, err
	}
	if err := b.attributes(m, gone6); err != nil {
		return nil, err
	}
	b.nlri = b.nlri[:0]
	for _, p := range gone4 {
		b.nlri = appendNLRI(b.nlri, p)
	}
	if len(b.nlri) > 0xffff || len(b.attrs) > 0xffff {
		return nil, errTooLong
	}
	b.msg = be.AppendUint16(b.msg, uint16(len(b.nlri)))
	b.msg = append(b.msg, b.nlri...)
	b.msg = be.AppendUint16(b.msg, uint16(len(b.attrs)))
	b.msg = append(b.msg, b.attrs...)
	for _, a := range m.Announcements {
		up4, _, err := split(a.Prefixes)
		if err != nil {
			return nil, err
		}
		for _, p := range up4 {
			b.msg = appendNLRI(b.msg, p)
		}
	}
	return b.finish()
}

func (b *builder) finish() ([]byte, error) {
	if len(b.msg) > 0xffff {
		return nil, errTooLong
	}
	be.PutUint16(b.msg[16:], uint16(len(b.msg)))
	return b.msg, nil
}

func (b *builder) attributes(m *message, gone6 []bgp.Prefix) error {
	b.attrs = b.attrs[:0]
	if len(gone6) > 0 {
		b.nlri = append(b.nlri[:0], 0, 2, 1)
		for _, p := range gone6 {
			b.nlri = appendNLRI(b.nlri, p)
		}
		b.attribute(optional, attrUnreach, b.nlri)
	}
	if len(m.Announcements) == 0 {
		return nil
	}
	b.attribute(wellKnown, attrOrigin, []byte{2}) // INCOMPLETE: nobody said how it came about
	path, err := segments(m.Path)
	if err != nil {
		return err
	}
	b.attribute(wellKnown, attrPath, path)
	// One MP_REACH_NLRI and one NEXT_HOP: more of them would be a malformed message (RFC 7606 section 3 g). Of several next hops the first counts.
	hop4, hop6 := netip.Addr{}, netip.Addr{}
	b.nlri = b.nlri[:0]
	for _, a := range m.Announcements {
		up4, up6, err := split(a.Prefixes)
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(a.NextHop, ",") // global and link-local
		hop, err := netip.ParseAddr(strings.TrimSpace(first))
		if err != nil {
			hop = netip.Addr{}
		}
		if len(up4) > 0 && hop.Is4() && !hop4.IsValid() {
			hop4 = hop
		}
		if len(up6) > 0 && hop.Is6() && !hop6.IsValid() {
			hop6 = hop
		}
		for _, p := range up6 {
			b.nlri = appendNLRI(b.nlri, p)
		}
	}
	if len(b.nlri) > 0 {
		if !hop6.IsValid() {
			hop6 = netip.IPv6Unspecified()
		}
		h := hop6.As16()
		b.attribute(optional, attrReach, slices.Concat([]byte{0, 2, 1, 16}, h[:], []byte{0}, b.nlri))
	}
	if !hop4.IsValid() {
		hop4 = netip.IPv4Unspecified()
	}
	h := hop4.As4()
	b.attribute(wellKnown, attrNextHop, h[:])
	return nil
}

func (b *builder) attribute(flags, typ byte, value []byte) {
	if len(value) > 0xff {
		b.attrs = be.AppendUint16(append(b.attrs, flags|extended, typ), uint16(min(len(value), 0xffff)))
	} else {
		b.attrs = append(b.attrs, flags, typ, byte(len(value)))
	}
	b.attrs = append(b.attrs, value...)
}

// segments encodes a path: AS numbers, and arrays of them, which are sets.
func segments(path jsonText) ([]byte, error) {
	var hops []json.RawMessage
	if len(path) > 0 && json.Unmarshal([]byte(path), &hops) != nil {
		return nil, errors.New("path is no array")
	}
	var out []byte
	open := -1 // where the segment under way begins
	for _, h := range hops {
		var as uint32
		if json.Unmarshal(h, &as) == nil {
			if open < 0 || out[open+1] == 255 {
				open = len(out)
				out = append(out, 2, 0) // AS_SEQUENCE
			}
			out[open+1]++
			out = be.AppendUint32(out, as)
			continue
		}
		var set []uint32
		if json.Unmarshal(h, &set) != nil || len(set) > 255 {
			return nil, fmt.Errorf("path: %q is neither an AS nor a set", line(string(h)))
		}
		out, open = append(out, 1, byte(len(set))), -1 // AS_SET
		for _, as := range set {
			out = be.AppendUint32(out, as)
		}
	}
	return out, nil
}

func split(list []string) (v4, v6 []bgp.Prefix, err error) {
	for _, s := range list {
		p, err := bgp.ParsePrefix(s)
		if err != nil {
			return nil, nil, fmt.Errorf("prefix %q: %w", line(s), err)
		}
		if p.IsV6() {
			v6 = append(v6, p)
		} else {
			v4 = append(v4, p)
		}
	}
	return v4, v6, nil
}

// appendNLRI appends a prefix as RFC 4271 section 4.3 writes it.
func appendNLRI(b []byte, p bgp.Prefix) []byte {
	n := p.Len()
	a := p.Netip().Addr().AsSlice()
	return append(append(b, byte(n)), a[:(n+7)/8]...)
}

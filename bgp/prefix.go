package bgp

import (
	"cmp"
	"fmt"
	"math/bits"
	"net/netip"
)

// Prefix is an IPv4 or IPv6 prefix without pointers, usable as a map key. netip.Prefix carries a pointer in every value, which
// the garbage collector would have to follow in tables of millions of rows (docs/decisions/001-prefix-value.md).
//
// The address is left-aligned in hi:lo for both families, so one mask rule serves both. Host bits are always zero.
// The zero value is not a prefix: Valid reports false.
type Prefix struct {
	hi, lo uint64
	meta   uint16 // length | family bit | valid bit
}

const (
	metaV6    = 1 << 8
	metaValid = 1 << 9
)

// PrefixFrom4 makes an IPv4 prefix from an address in host order and a length 0..32; bits below the length are cleared.
func PrefixFrom4(addr uint32, length uint8) Prefix {
	return Prefix{hi: uint64(addr) << 32 & mask64(int(length)), meta: uint16(length) | metaValid}
}

// PrefixFrom6 makes an IPv6 prefix from the two halves of an address and a length 0..128; bits below the length are cleared.
func PrefixFrom6(hi, lo uint64, length uint8) Prefix {
	return Prefix{hi: hi & mask64(int(length)), lo: lo & mask64(int(length)-64), meta: uint16(length) | metaV6 | metaValid}
}

// PrefixFromTail4 makes an IPv4 prefix of its octets as BGP and MRT carry them: as many as length 0..32 needs, in the low end of
// tail, the last one lowest. Octets above them and bits below the length are cleared.
func PrefixFromTail4(tail uint64, length uint8) Prefix {
	return Prefix{hi: tail >> (-length & 7) << 32 << ((32 - length) & 63), meta: uint16(length) | metaValid}
}

// PrefixFromTail6 is PrefixFromTail4 for an IPv6 prefix of length 0..128. head are the first eight of its octets; only a prefix
// longer than 64 has so many, and they are not looked at for another.
func PrefixFromTail6(head, tail uint64, length uint8) Prefix {
	p := Prefix{hi: tail >> (-length & 7), meta: uint16(length) | metaV6 | metaValid}
	if length > 64 {
		p.hi, p.lo = head, p.hi<<(128-length)
	} else {
		p.hi <<= 64 - length
	}
	return p
}

// mask64 has its top n bits set; n is clamped to 0..64.
func mask64(n int) uint64 {
	switch {
	case n <= 0:
		return 0
	case n >= 64:
		return ^uint64(0)
	}
	return ^uint64(0) << (64 - n)
}

// PrefixOf converts a netip.Prefix; host bits are cleared. An invalid prefix gives the zero value.
func PrefixOf(p netip.Prefix) Prefix {
	if !p.IsValid() {
		return Prefix{}
	}
	if a := p.Addr(); a.Is4() {
		b := a.As4()
		return PrefixFrom4(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3]), uint8(p.Bits()))
	}
	b := p.Addr().As16()
	var hi, lo uint64
	for i := range 8 {
		hi, lo = hi<<8|uint64(b[i]), lo<<8|uint64(b[8+i])
	}
	return PrefixFrom6(hi, lo, uint8(p.Bits()))
}

// ParsePrefix reads CIDR text ("192.0.2.0/24", "2001:db8::/32"). Host bits are an error, so that a typing mistake is not silently another network.
func ParsePrefix(s string) (Prefix, error) {
	n, err := netip.ParsePrefix(s)
	if err != nil {
		return Prefix{}, fmt.Errorf("prefix %q: %w", s, err)
	}
	if n != n.Masked() {
		return Prefix{}, fmt.Errorf("prefix %q: bits set below the length; did you mean %s?", s, n.Masked())
	}
	return PrefixOf(n), nil
}

// Valid reports whether p is a prefix at all.
func (p Prefix) Valid() bool { return p.meta&metaValid != 0 }

// IsV6 reports the address family.
func (p Prefix) IsV6() bool { return p.meta&metaV6 != 0 }

// Len is the prefix length in bits.
func (p Prefix) Len() int { return int(p.meta & 0xff) }

// Halves is the address, left-aligned in 128 bits for both families.
func (p Prefix) Halves() (hi, lo uint64) { return p.hi, p.lo }

// Netip converts to the standard library's form.
func (p Prefix) Netip() netip.Prefix {
	if !p.Valid() {
		return netip.Prefix{}
	}
	if !p.IsV6() {
		a := uint32(p.hi >> 32)
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}), p.Len())
	}
	var b [16]byte
	for i := range 8 {
		b[i], b[8+i] = byte(p.hi>>(56-8*i)), byte(p.lo>>(56-8*i))
	}
	return netip.PrefixFrom(netip.AddrFrom16(b), p.Len())
}

// String is CIDR text; IPv6 as in RFC 5952.
func (p Prefix) String() string { return p.Netip().String() }

// Shorten is p cut to length n; n above Len gives p.
func (p Prefix) Shorten(n int) Prefix {
	if n >= p.Len() {
		return p
	}
	return Prefix{hi: p.hi & mask64(n), lo: p.lo & mask64(n-64), meta: p.meta&^0xff | uint16(n)}
}

// Covers reports whether p contains q (a prefix covers itself). Prefixes of different families never cover each other.
func (p Prefix) Covers(q Prefix) bool {
	return p.meta&metaV6 == q.meta&metaV6 && p.Len() <= q.Len() && q.Shorten(p.Len()) == p
}

// Units is how many /24 (IPv4) or /48 (IPv6) blocks the prefix spans: 1 for anything longer, and at most 2^32.
func (p Prefix) Units() uint64 {
	unit := 24
	if p.IsV6() {
		unit = 48
	}
	if d := unit - p.Len(); d > 0 {
		return 1 << min(d, 32)
	}
	return 1
}

// Compare orders IPv4 before IPv6, then by address, then shorter first: the order of every list we print.
func (p Prefix) Compare(q Prefix) int {
	if c := cmp.Compare(p.meta&metaV6, q.meta&metaV6); c != 0 {
		return c
	}
	if c := cmp.Compare(p.hi, q.hi); c != 0 {
		return c
	}
	if c := cmp.Compare(p.lo, q.lo); c != 0 {
		return c
	}
	return cmp.Compare(p.Len(), q.Len())
}

// Hash mixes the prefix into 64 bits for the flat hash of bgp/visibility. It is not keyed: tables bound their probe lengths
// by load factor, and what an attacker could announce to collide is bounded by the table's row limit.
func (p Prefix) Hash() uint64 {
	h := (p.hi ^ bits.RotateLeft64(p.lo, 29) ^ uint64(p.meta)*0xff51afd7ed558ccd) * 0x9E3779B97F4A7C15
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>29
}

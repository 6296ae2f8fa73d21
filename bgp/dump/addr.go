package dump

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

func appendUint[T ~uint8 | ~uint16 | ~uint32](b []byte, n T) []byte {
	return strconv.AppendUint(b, uint64(n), 10)
}

// appendAddr is an address as bgpdump writes it. IPv4 is dotted decimal. IPv6 is the form of the first inet_ntop: the first of the
// longest runs of zero groups is cut out even when it is a single group (RFC 5952 section 4.2.2 would keep that one), and addresses
// that start with 96 zero bits end in dotted decimal too.
func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		o := a.As4()
		return appendIPv4(b, o)
	}
	return appendIPv6(b, a.As16())
}

func appendIPv4(b []byte, o [4]byte) []byte {
	b = append(appendUint(b, o[0]), '.')
	b = append(appendUint(b, o[1]), '.')
	b = append(appendUint(b, o[2]), '.')
	return appendUint(b, o[3])
}

func appendIPv6(b []byte, o [16]byte) []byte {
	at, n := zeroRun(&o)
	dotted := at == 0 && (n == 6 || n == 5 && o[10] == 0xff && o[11] == 0xff)
	for i := 0; i < 8; i++ {
		if n > 0 && i == at {
			b = append(b, ':')
			if i += n - 1; i == 7 {
				b = append(b, ':')
			}
			continue
		}
		if i > 0 {
			b = append(b, ':')
		}
		if dotted && i == 6 {
			return appendIPv4(b, [4]byte(o[12:]))
		}
		b = strconv.AppendUint(b, uint64(binary.BigEndian.Uint16(o[2*i:])), 16)
	}
	return b
}

// zeroRun is the first of the longest runs of zero groups; n is 0 when no group is zero.
func zeroRun(o *[16]byte) (at, n int) {
	for i := 0; i < 8; {
		j := i
		for j < 8 && o[2*j] == 0 && o[2*j+1] == 0 {
			j++
		}
		if j-i > n {
			at, n = i, j-i
		}
		i = max(i+1, j)
	}
	return at, n
}

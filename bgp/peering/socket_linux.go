package peering

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// nearest is the TTL of a packet that no router has forwarded: RFC 5082 section 3.
const nearest = 255

// setMD5 sets the key of TCP MD5 (RFC 2385) for the addresses of a range.
func setMD5(fd int, of netip.Prefix, key string) error {
	sig := unix.TCPMD5Sig{Flags: unix.TCP_MD5SIG_FLAG_PREFIX, Prefixlen: uint8(of.Bits()), Keylen: uint16(len(key))}
	if len(key) > len(sig.Key) {
		return unix.EINVAL
	}
	copy(sig.Key[:], key)
	// Of a sockaddr_storage: the family in the order of this machine, the port, and the address, of IPv6 behind the flow label.
	sig.Addr.Family = unix.AF_INET
	at := 2
	if of.Addr().Is6() {
		sig.Addr.Family = unix.AF_INET6
		at = 6
	}
	for i, b := range of.Addr().AsSlice() {
		sig.Addr.Data[at+i] = b
	}
	opt := unix.TCP_MD5SIG_EXT
	if of.IsSingleIP() {
		opt, sig.Flags, sig.Prefixlen = unix.TCP_MD5SIG, 0, 0 // older kernels know it too
	}
	err := unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, opt, &sig)
	if errors.Is(err, unix.ENOPROTOOPT) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
		return errMD5{err}
	}
	return err
}

func sendTTL(fd int, six bool) error {
	if six {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, nearest)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, nearest)
}

func leastTTL(fd int, six bool) error {
	if six {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT, nearest)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MINTTL, nearest)
}

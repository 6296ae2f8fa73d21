package outbound

import (
	"net/netip"
	"testing"
)

func TestPublic(t *testing.T) {
	for a, want := range map[string]bool{
		"8.8.8.8": true, "2001:67c:2e8::1": true, "10.1.1.1": false, "172.16.0.1": false, "192.168.0.1": false, "127.0.0.1": false, "0.0.0.0": false, "100.64.0.1": false,
		"169.254.1.1": false, "192.0.2.1": false, "224.0.0.1": false, "255.255.255.255": false, "::1": false, "fe80::1": false, "fc00::1": false, "64:ff9b::a00:1": false, "2002:a00:1::": false,
	} {
		if Public(netip.MustParseAddr(a)) != want {
			t.Errorf("%s is public: %v", a, !want)
		}
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{"localhost": true, "127.0.0.9": true, "::1": true, "::ffff:127.0.0.1": true, "10.0.0.1": false, "localhost.example": false, "": false} {
		if Loopback(host) != want {
			t.Errorf("%q is loopback: %v", host, !want)
		}
	}
}

package conf

import (
	"fmt"
	"net/netip"
	"strings"
)

// BMP is a station that routers report to with the BGP Monitoring Protocol.
type BMP struct {
	Listen    string      `json:"listen"`    // ADDRESS:PORT, or :PORT for all addresses of the machine
	Routers   []BMPRouter `json:"routers"`   // who may connect
	TLSCert   string      `json:"tls_cert"`  // files in PEM
	TLSKey    string      `json:"tls_key"`   // of the certificate
	ClientCA  string      `json:"client_ca"` // who signs the routers' certificates; empty: they need none
	Plaintext bool        `json:"plaintext"` // without TLS on an address that other machines can reach
}

// BMPRouter is who may connect to a station.
type BMPRouter struct {
	Address   string `json:"address"`   // or a prefix; then each router of it is a collector of its own
	Collector string `json:"collector"` // the name in peers, incidents and evidence
}

const (
	maxRouters = 256 // of one station
	maxRouter  = 32  // characters of a router's name: an address and a view may be put behind it
)

// Prefix is the address or prefix of a router that was checked.
func (r BMPRouter) Prefix() netip.Prefix {
	p, _ := routerPrefix(r.Address)
	return p
}

func routerPrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" && !a.Is4In6() {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return p, fmt.Errorf("%q; want an address such as 192.0.2.1, or a prefix", s)
	}
	if p != p.Masked() {
		return p, fmt.Errorf("%q has bits below its length; did you mean %s?", s, p.Masked())
	}
	return p, nil
}

// check holds a station to its bounds; seen are the names that others have.
func (b *BMP) check(key string, seen map[string]bool) error {
	listen := b.Listen
	if strings.HasPrefix(listen, ":") {
		listen = "[::]" + listen
	}
	at, err := netip.ParseAddrPort(listen)
	switch {
	case err != nil:
		return fmt.Errorf("%s.listen: %q; want an address and a port, such as 127.0.0.1:11019 or [::1]:11019", key, b.Listen)
	case seen["bmp "+at.String()]:
		return fmt.Errorf("%s.listen: %q stands twice; one station takes all its routers", key, b.Listen)
	case (b.TLSCert == "") != (b.TLSKey == ""):
		return fmt.Errorf("%s: tls_cert and tls_key belong together", key)
	case b.ClientCA != "" && b.TLSCert == "":
		return fmt.Errorf("%s.client_ca: needs tls_cert and tls_key", key)
	case b.Plaintext && b.TLSCert != "":
		return fmt.Errorf("%s.plaintext: is true, and tls_cert is given; leave one of them out", key)
	case b.TLSCert == "" && !b.Plaintext && !at.Addr().IsLoopback():
		return fmt.Errorf("%s.listen: %s can be reached from other machines: give tls_cert and tls_key, or say plaintext: true", key, b.Listen)
	case len(b.Routers) == 0 || len(b.Routers) > maxRouters:
		return fmt.Errorf("%s.routers: %d; want 1 to %d: nobody else may connect", key, len(b.Routers), maxRouters)
	}
	seen["bmp "+at.String()] = true
	prefixes := map[netip.Prefix]bool{}
	for i, r := range b.Routers {
		key := fmt.Sprintf("%s.routers[%d]", key, i)
		p, err := routerPrefix(r.Address)
		switch {
		case err != nil:
			return fmt.Errorf("%s.address: %w", key, err)
		case prefixes[p]:
			return fmt.Errorf("%s.address: %q stands twice", key, r.Address)
		case !collectorName(r.Collector, maxRouter):
			return fmt.Errorf("%s.collector: %q; want a name of 1 to %d characters without %s and blanks", key, r.Collector, maxRouter, notInNames)
		case seen[r.Collector]:
			return fmt.Errorf("%s.collector: %q is named twice", key, r.Collector)
		}
		prefixes[p], seen[r.Collector] = true, true
	}
	return nil
}

// notInNames stands for something in or behind the name of a collector: in the code of a peer, on a command line, before a view, before an address.
const notInNames = "/ = ~ @"

func collectorName(s string, longest int) bool {
	return s != "" && len(s) <= longest && !strings.ContainsAny(s, notInNames+"\t\n")
}

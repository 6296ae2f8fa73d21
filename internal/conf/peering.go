package conf

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// Peering are BGP sessions of our own: this monitor is the collector.
type Peering struct {
	Listen       string      `json:"listen"`        // address and port for neighbours to connect to; empty: only this side connects
	AS           uint32      `json:"as"`            // own AS number
	RouterID     string      `json:"router_id"`     // own BGP identifier
	ConnectRetry Duration    `json:"connect_retry"` // longest pause between attempts to connect; default 2m
	Neighbours   []Neighbour `json:"neighbours"`    // who may speak with it
}

// Neighbour is one router, or a range of addresses from which routers may connect.
type Neighbour struct {
	Address      string    `json:"address"`       // of the router; or:
	Range        string    `json:"range"`         // prefix of routers that connect themselves
	AS           uint32    `json:"as"`            // its AS number; another one is refused
	Port         uint16    `json:"port"`          // default 179
	Local        string    `json:"local"`         // own address for connecting
	Passive      bool      `json:"passive"`       // wait for it to connect
	PasswordFile string    `json:"password_file"` // file with the password of TCP MD5
	Hold         *Duration `json:"hold"`          // proposed hold time; default 90s, 0s for none
	AddPath      bool      `json:"add_path"`      // take several paths of a prefix
	TTLSecurity  bool      `json:"ttl_security"`  // it is on a link of this machine, and packets from behind a router are dropped
	MaxRoutes    int       `json:"max_routes"`    // above which the session is closed, to 2.5 per cent; default 4,000,000
	MaxSessions  int       `json:"max_sessions"`  // of a range; default 100
}

// Duration is a time such as 90s or 2m.
type Duration time.Duration

// MarshalJSON writes what UnmarshalJSON reads.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads a duration as Go writes it.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil && string(b) != "0" {
		return fmt.Errorf("%s is no time such as 90s or 2m", b)
	}
	if text == "" {
		text = "0s"
	}
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no time such as 90s or 2m", text)
	}
	*d = Duration(v)
	return nil
}

// DefaultHold is proposed to a neighbour of which nothing else is said: RFC 4271 section 10.
const DefaultHold = Duration(90 * time.Second)

const (
	mostRoutes   = 16_000_000
	longestHold  = Duration(65535 * time.Second)
	longestRetry = Duration(time.Hour)
)

// check holds every value to its range. key is the one that the error is about.
func (p *Peering) check() (key string, err error) {
	id, iderr := netip.ParseAddr(p.RouterID)
	host, port, lerr := net.SplitHostPort(p.Listen)
	if lerr == nil {
		var n uint64
		if n, lerr = strconv.ParseUint(port, 10, 16); n == 0 {
			lerr = strconv.ErrRange
		}
	}
	if _, err := netip.ParseAddr(host); lerr == nil && host != "" {
		lerr = err
	}
	switch {
	case p.Listen != "" && lerr != nil:
		return "listen", fmt.Errorf("%q; want an address and a port such as 0.0.0.0:179, or [::]:179", p.Listen)
	case p.AS == 0:
		return "as", errors.New("missing; want the monitor's own AS number")
	case iderr != nil || !id.Is4() || id.IsUnspecified():
		return "router_id", fmt.Errorf("%q; want an IPv4 address such as 192.0.2.9", p.RouterID)
	case p.ConnectRetry != 0 && p.ConnectRetry < Duration(time.Second) || p.ConnectRetry > longestRetry:
		return "connect_retry", fmt.Errorf("%s; want 1s to %s", time.Duration(p.ConnectRetry), time.Duration(longestRetry))
	case len(p.Neighbours) == 0 || len(p.Neighbours) > maxSources:
		return "neighbours", fmt.Errorf("%d; want 1 to %d", len(p.Neighbours), maxSources)
	}
	seen := map[string]bool{}
	for i := range p.Neighbours {
		n := &p.Neighbours[i]
		if key, err := n.check(p.Listen != ""); err != nil {
			return fmt.Sprintf("neighbours[%d].%s", i, key), err
		}
		if name := n.Address + n.Range; seen[name] {
			return fmt.Sprintf("neighbours[%d]", i), fmt.Errorf("%s is named twice", name)
		} else {
			seen[name] = true
		}
	}
	return "", nil
}

func (n *Neighbour) check(listens bool) (key string, err error) {
	addr, aerr := netip.ParseAddr(n.Address)
	within, rerr := netip.ParsePrefix(n.Range)
	local, lerr := netip.ParseAddr(n.Local)
	switch {
	case (n.Address == "") == (n.Range == ""):
		return "address", errors.New("want either an address or a range")
	case n.Address != "" && (aerr != nil || addr.Zone() != "" || addr.Is4In6()):
		return "address", fmt.Errorf("%q; want an address such as 192.0.2.1, without a zone", n.Address)
	case n.Range != "" && (rerr != nil || within != within.Masked()):
		return "range", fmt.Errorf("%q; want a prefix such as 192.0.2.0/24, without bits behind its length", n.Range)
	case n.AS == 0:
		return "as", errors.New("missing; want the neighbour's AS number")
	case n.Local != "" && (lerr != nil || local.Zone() != "" || n.Range != "" || local.Is4() != addr.Is4()):
		return "local", fmt.Errorf("%q; want an address of the neighbour's family, and no range", n.Local)
	case (n.Passive || n.Range != "") && !listens:
		return "passive", errors.New("nobody can connect while listen is empty")
	case n.Hold != nil && *n.Hold != 0 && (*n.Hold < Duration(3*time.Second) || *n.Hold > longestHold || *n.Hold%Duration(time.Second) != 0):
		return "hold", fmt.Errorf("%s; want 0s, or whole seconds of 3s to 65535s", time.Duration(*n.Hold))
	case n.MaxRoutes < 0 || n.MaxRoutes > mostRoutes:
		return "max_routes", fmt.Errorf("%d; want 1 to %s", n.MaxRoutes, thousands(mostRoutes))
	case n.MaxSessions < 0 || n.MaxSessions > maxSources:
		return "max_sessions", fmt.Errorf("%d; want 1 to %d", n.MaxSessions, maxSources)
	}
	return "", nil
}

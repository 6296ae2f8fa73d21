package peering

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/rs/zerolog"
)

// Options say who this speaker is, and with whom it speaks.
type Options struct {
	Listen     string     // address and port on which neighbours may connect; empty: this side connects, and never listens
	AS         uint32     // own AS number
	RouterID   netip.Addr // own BGP identifier, an IPv4 address by form
	Neighbours []Neighbour
	// Buffer is how many octets of records wait for Poll before connections are no longer read; default 64 MiB. A neighbour then has to wait: TCP
	// tells it to, and nothing is lost.
	Buffer int
	Retry  time.Duration // longest pause between attempts to connect; default 2 min
	Log    zerolog.Logger
}

// Neighbour is one router, or a range of addresses from which routers may connect.
type Neighbour struct {
	Address     netip.Addr   // of the router; or:
	Range       netip.Prefix // routers in it may connect, this side never does
	AS          uint32       // AS number of the neighbour: another one in its OPEN is refused
	Port        uint16       // to connect to; default 179
	Local       netip.Addr   // own address for connecting; the zero Addr leaves it to the system
	Passive     bool         // wait for the neighbour to connect
	Password    string       // TCP MD5 (RFC 2385); empty: none
	Hold        time.Duration
	AddPath     bool // take several paths of a prefix (RFC 7911)
	TTLSecurity bool // packets that came over a router are dropped (RFC 5082)
	MaxRoutes   int  // routes held at once, above which the session is closed; default 4,000,000; above 200,000 it is closed between 1 and 2.5 per cent later
	MaxSessions int  // of a range: routers at once; default 100
}

// The bounds of a configuration.
const (
	maxSessions   = 1000       // at once, of all neighbours
	maxPassword   = 80         // TCP_MD5SIG_MAXKEYLEN of Linux
	mostRoutes    = 16_000_000 // more prefixes than the tables hold
	defaultPort   = 179
	defaultRoutes = 4_000_000
	defaultRange  = 100
	defaultBuffer = 64 << 20
	defaultRetry  = 2 * time.Minute
	longestRetry  = time.Hour
	longestHold   = 65535 * time.Second
)

// withDefaults gives options in which everything is set, or says what is wrong with them.
func (o Options) withDefaults() (Options, error) {
	if o.AS == 0 {
		return o, errors.New("own AS number is missing")
	}
	if !o.RouterID.Is4() || o.RouterID.IsUnspecified() {
		return o, fmt.Errorf("router identifier %s; want an IPv4 address other than 0.0.0.0", o.RouterID)
	}
	if o.Listen != "" {
		if _, err := net.ResolveTCPAddr("tcp", o.Listen); err != nil {
			return o, fmt.Errorf("listen: %w", err)
		}
	}
	if o.Buffer <= 0 {
		o.Buffer = defaultBuffer
	}
	if o.Retry <= 0 {
		o.Retry = defaultRetry
	}
	o.Retry = min(o.Retry, longestRetry)
	if len(o.Neighbours) == 0 || len(o.Neighbours) > maxSessions {
		return o, fmt.Errorf("%d neighbours; want 1 to %d", len(o.Neighbours), maxSessions)
	}
	list := make([]Neighbour, len(o.Neighbours))
	seen := map[any]bool{}
	for i, n := range o.Neighbours {
		if err := n.complete(o.Listen != ""); err != nil {
			return o, fmt.Errorf("neighbour %s: %w", n.name(), err)
		}
		var key any = n.Address
		if n.Range.IsValid() {
			key = n.Range
		}
		if seen[key] {
			return o, fmt.Errorf("neighbour %s is named twice", n.name())
		}
		seen[key] = true
		list[i] = n
	}
	o.Neighbours = list
	return o, nil
}

// complete sets the defaults of one neighbour. listening: this side can be connected to.
func (n *Neighbour) complete(listening bool) error {
	switch {
	case n.Address.IsValid() == n.Range.IsValid():
		return errors.New("want either an address or a range")
	case n.Address.Zone() != "" || n.Address.Is4In6() || n.Address.IsUnspecified() || n.Address.IsMulticast():
		return errors.New("not the address of a router; link-local addresses with a zone are not supported")
	case n.Range.IsValid() && n.Range != n.Range.Masked():
		return fmt.Errorf("has bits behind its length; want %s", n.Range.Masked())
	case n.AS == 0:
		return errors.New("its AS number is missing")
	case n.Hold != 0 && (n.Hold < 3*time.Second || n.Hold > longestHold) || n.Hold%time.Second != 0:
		return fmt.Errorf("hold time %s; want 0s, or whole seconds of 3s to 65535s (RFC 4271 section 4.2)", n.Hold)
	case len(n.Password) > maxPassword:
		return fmt.Errorf("password of %d octets; TCP MD5 takes at most %d", len(n.Password), maxPassword)
	case n.Local.IsValid() && n.Range.IsValid():
		return errors.New("a local address is for connecting, and a range is never connected to")
	case n.Local.IsValid() && (n.Local.Is4() != n.Address.Is4() || n.Local.Zone() != ""):
		return fmt.Errorf("local address %s is of another family than the neighbour's, or has a zone", n.Local)
	case n.MaxRoutes < 0 || n.MaxRoutes > mostRoutes:
		return fmt.Errorf("at most %d routes; want 1 to %d", n.MaxRoutes, mostRoutes)
	case n.MaxSessions < 0 || n.MaxSessions > maxSessions:
		return fmt.Errorf("at most %d sessions; want 1 to %d", n.MaxSessions, maxSessions)
	}
	n.Passive = n.Passive || n.Range.IsValid()
	if n.Passive && !listening {
		return errors.New("it is to connect itself, but this side does not listen; set listen")
	}
	if n.Port == 0 {
		n.Port = defaultPort
	}
	if n.MaxRoutes == 0 {
		n.MaxRoutes = defaultRoutes
	}
	if n.MaxSessions == 0 {
		n.MaxSessions = defaultRange
	}
	return nil
}

// name is how the neighbour is called in messages to the operator.
func (n *Neighbour) name() string {
	if n.Range.IsValid() {
		return n.Range.String()
	}
	return n.Address.String()
}

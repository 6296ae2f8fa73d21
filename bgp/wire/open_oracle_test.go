package wire_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gobgp "github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// ourOpen is what ParseOpen read, one line for each item, in the order of theirOpen.
func ourOpen(o wire.Open) []string {
	lines := []string{fmt.Sprint("fixed ", o.Version, o.ShortAS, o.HoldTime, o.ID)}
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, c := range o.Capabilities {
		say("raw %d %x", c.Code, c.Value)
	}
	for _, f := range o.Families {
		say("family %d/%d", f.AFI, f.SAFI)
	}
	if o.AS4 {
		say("as4 %d", o.AS)
	}
	for _, n := range o.NextHops {
		say("next hop %d/%d %d", n.AFI, n.SAFI, n.NextHop)
	}
	for _, a := range o.AddPath {
		say("add-path %d/%d receive %v send %v", a.AFI, a.SAFI, a.Receive, a.Send)
	}
	if g := o.Graceful; g != nil {
		say("graceful %v %v %d", g.Restarting, g.Notification, g.Time)
		for _, f := range g.Families {
			say("graceful %d/%d %v", f.AFI, f.SAFI, f.Forwarding)
		}
	}
	for _, l := range o.LongLived {
		say("long-lived %d/%d %v %d", l.AFI, l.SAFI, l.Forwarding, l.StaleTime)
	}
	if o.Host+o.Domain != "" {
		say("fqdn %s %s", o.Host, o.Domain)
	}
	return lines
}

// theirOpen is what gobgp read.
func theirOpen(o *gobgp.BGPOpen) ([]string, error) {
	lines := []string{fmt.Sprint("fixed ", o.Version, o.MyAS, o.HoldTime, o.ID)}
	var caps []gobgp.ParameterCapabilityInterface
	for _, p := range o.OptParams {
		if c, ok := p.(*gobgp.OptionParameterCapability); ok {
			caps = append(caps, c.Capability...)
		}
	}
	for _, c := range caps {
		b, err := c.Serialize()
		if err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf("raw %d %x", b[0], b[2:]))
	}
	// Each kind of capability by itself, in the order of ourOpen.
	kinds := make([][]string, 7)
	for _, c := range caps {
		say := func(kind int, format string, args ...any) {
			kinds[kind] = append(kinds[kind], fmt.Sprintf(format, args...))
		}
		switch c := c.(type) {
		case *gobgp.CapMultiProtocol:
			say(0, "family %s", family(c.CapValue))
		case *gobgp.CapFourOctetASNumber:
			say(1, "as4 %d", c.CapValue)
		case *gobgp.CapExtendedNexthop:
			for _, t := range c.Tuples {
				say(2, "next hop %d/%d %d", t.NLRIAFI, t.NLRISAFI, t.NexthopAFI)
			}
		case *gobgp.CapAddPath:
			for _, t := range c.Tuples {
				say(3, "add-path %s receive %v send %v", family(t.RouteFamily), t.Mode&gobgp.BGP_ADD_PATH_RECEIVE != 0, t.Mode&gobgp.BGP_ADD_PATH_SEND != 0)
			}
		case *gobgp.CapGracefulRestart:
			say(4, "graceful %v %v %d", c.Flags&8 != 0, c.Flags&4 != 0, c.Time)
			for _, t := range c.Tuples {
				say(4, "graceful %d/%d %v", t.AFI, t.SAFI, t.Flags&0x80 != 0)
			}
		case *gobgp.CapLongLivedGracefulRestart:
			for _, t := range c.Tuples {
				say(5, "long-lived %d/%d %v %d", t.AFI, t.SAFI, t.Flags&0x80 != 0, t.RestartTime)
			}
		case *gobgp.CapFQDN:
			say(6, "fqdn %s %s", c.HostName, c.DomainName[:c.DomainNameLen]) // it reads on into what follows
		}
	}
	return append(lines, slices.Concat(kinds...)...), nil
}

func family(f gobgp.RouteFamily) string {
	afi, safi := gobgp.RouteFamilyToAfiSafi(f)
	return fmt.Sprintf("%d/%d", afi, safi)
}

// TestOpenOracleFiles compares every OPEN of real files with gobgp, and counts the NOTIFICATIONs there by their names.
func TestOpenOracleFiles(t *testing.T) {
	dir, names := realFiles(t)
	opens, notifications := 0, map[string]int{}
	for _, name := range names {
		if strings.HasPrefix(name, "rv2008") || strings.HasPrefix(name, "rrc04") {
			continue // the archives of today's collectors hold UPDATEs only
		}
		contents(t, filepath.Join(dir, filepath.FromSlash(name)), func(c *mrt.Content) {
			if c.Kind != mrt.Message {
				return
			}
			switch typ, err := wire.MessageType(c.BGP); {
			case err != nil:
			case typ == wire.TypeOpen:
				opens++
				o, err := wire.ParseOpen(c.BGP)
				m, err2 := gobgp.ParseBGPMessage(bytes.Clone(c.BGP))
				if err != nil || err2 != nil {
					t.Fatalf("%s: %x: %v, gobgp %v", name, c.BGP, err, err2)
				}
				want, err := theirOpen(m.Body.(*gobgp.BGPOpen))
				if got := ourOpen(o); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s: %x\n%q\n%q %v", name, c.BGP, got, want, err)
				}
			case typ == wire.TypeNotification:
				code, subcode, data, err := wire.ParseNotification(c.BGP)
				if err != nil || len(data) != len(c.BGP)-21 {
					t.Errorf("%s: %x: %v", name, c.BGP, err)
				}
				notifications[wire.NotificationText(code, subcode)]++
			}
		})
	}
	want := map[string]int{"Cease/Administrative Reset": 8, "Hold Timer Expired": 4, "OPEN Message Error/Authentication Failure": 14}
	if opens != 41 || !maps.Equal(notifications, want) {
		t.Errorf("%d OPENs, NOTIFICATIONs %v, want %v", opens, notifications, want)
	}
}

// TestOpenOracleGenerated reads OPENs that gobgp wrote of random capabilities.
func TestOpenOracleGenerated(t *testing.T) {
	r := rand.New(rand.NewPCG(5492, 9072))
	families := []gobgp.RouteFamily{gobgp.RF_IPv4_UC, gobgp.RF_IPv6_UC, gobgp.RF_IPv4_MC, gobgp.RF_IPv6_MC, gobgp.RF_IPv4_VPN, gobgp.RF_EVPN}
	// Each family once: of those that come twice we keep the last only.
	some := func() []gobgp.RouteFamily {
		f := slices.Clone(families)
		r.Shuffle(len(f), func(i, j int) { f[i], f[j] = f[j], f[i] })
		return f[:1+r.IntN(len(f)-1)]
	}
	one := []func() gobgp.ParameterCapabilityInterface{
		func() gobgp.ParameterCapabilityInterface { return gobgp.NewCapRouteRefresh() },
		func() gobgp.ParameterCapabilityInterface { return gobgp.NewCapEnhancedRouteRefresh() },
		func() gobgp.ParameterCapabilityInterface { return gobgp.NewCapRouteRefreshCisco() },
		func() gobgp.ParameterCapabilityInterface {
			return gobgp.NewCapFourOctetASNumber(1 + r.Uint32N(1<<32-1))
		},
		func() gobgp.ParameterCapabilityInterface { return gobgp.NewCapFQDN("router", "example.net") },
		func() gobgp.ParameterCapabilityInterface { return gobgp.NewCapUnknown(200, []byte{1, 2, 3}) },
		func() gobgp.ParameterCapabilityInterface {
			var list []*gobgp.CapExtendedNexthopTuple
			for _, f := range some() {
				list = append(list, gobgp.NewCapExtendedNexthopTuple(f, gobgp.AFI_IP6))
			}
			return gobgp.NewCapExtendedNexthop(list)
		},
		func() gobgp.ParameterCapabilityInterface {
			var list []*gobgp.CapAddPathTuple
			for _, f := range some() {
				list = append(list, gobgp.NewCapAddPathTuple(f, gobgp.BGPAddPathMode(1+r.IntN(3))))
			}
			return gobgp.NewCapAddPath(list)
		},
		func() gobgp.ParameterCapabilityInterface {
			var list []*gobgp.CapGracefulRestartTuple
			for _, f := range some() {
				list = append(list, gobgp.NewCapGracefulRestartTuple(f, r.IntN(2) == 0))
			}
			return gobgp.NewCapGracefulRestart(r.IntN(2) == 0, r.IntN(2) == 0, uint16(r.IntN(4096)), list)
		},
		func() gobgp.ParameterCapabilityInterface {
			var list []*gobgp.CapLongLivedGracefulRestartTuple
			for _, f := range some() {
				list = append(list, gobgp.NewCapLongLivedGracefulRestartTuple(f, r.IntN(2) == 0, r.Uint32N(1<<24)))
			}
			return gobgp.NewCapLongLivedGracefulRestart(list)
		},
	}
	for range 3000 {
		var params []gobgp.OptionParameterInterface
		var caps []gobgp.ParameterCapabilityInterface
		size := 0
		flush := func() {
			if len(caps) > 0 {
				params, caps = append(params, gobgp.NewOptionParameterCapability(caps)), nil
				size += 2
			}
		}
		add := func(c gobgp.ParameterCapabilityInterface) {
			if b, _ := c.Serialize(); size+len(b)+4 <= 253 { // gobgp's limit of one parameter, and more than that of all
				size += len(b)
				caps = append(caps, c)
			}
		}
		for _, f := range some() {
			add(gobgp.NewCapMultiProtocol(f))
		}
		for _, i := range r.Perm(len(one))[:r.IntN(len(one)+1)] {
			if add(one[i]()); r.IntN(2) == 0 && size < 240 {
				flush()
			}
		}
		flush()
		msg, err := gobgp.NewBGPOpenMessage(uint16(1+r.IntN(65535)), 90, "192.0.2.1", params).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		m, err := gobgp.ParseBGPMessage(bytes.Clone(msg))
		if err != nil {
			t.Fatalf("gobgp does not read its own %x: %v", msg, err)
		}
		o, err := wire.ParseOpen(msg)
		if err != nil || len(o.Ignored) > 0 {
			t.Fatalf("%x: %v, ignored %d", msg, err, o.Ignored)
		}
		want, err := theirOpen(m.Body.(*gobgp.BGPOpen))
		if got := ourOpen(o); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%x\n%q\n%q %v", msg, got, want, err)
		}
	}
}

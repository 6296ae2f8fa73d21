package peering

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	gobgp "github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// TestSession: both OPENs, the change of state, each message and the end of a session are records, in order; what the speaker says is
// its OPEN, KEEPALIVEs and the word that its table is empty.
func TestSession(t *testing.T) {
	l := speak(t, serving(only("127.0.0.2", 65001)))
	r := connectFrom(l, "127.0.0.2")
	o := r.establish(usual(65001, gobgp.NewCapEnhancedRouteRefresh()))
	if o.AS != ownAS || o.HoldTime != 90 || !o.AS4 || !o.LongMessages || !o.RouteRefresh || !o.EnhancedRefresh || o.Graceful == nil ||
		len(o.Graceful.Families) != 0 || len(o.Families) != 2 || len(o.NextHops) != 1 || len(o.Ignored) != 0 || len(o.AddPath) != 0 {
		t.Errorf("our OPEN: %+v", o)
	}
	for _, want := range []wire.Family{wire.IPv4Unicast, wire.IPv6Unicast} {
		var u wire.Update
		if err := u.Parse(r.next(wire.TypeUpdate), wire.Options{AS4: true}); err != nil {
			t.Fatal(err)
		}
		if f, ok := u.EndOfRIB(); !ok || f != want {
			t.Errorf("not the End-of-RIB of %v", want)
		}
	}
	r.send(announce(65001, 24, 10, 1, 1))
	r.send(endOfRIB)
	r.send(message(wire.TypeRouteRefresh, 0, 1, refreshBegins, 1))
	r.send(announce(65001, 24, 10, 1, 1))
	r.send(message(wire.TypeRouteRefresh, 0, 1, refreshEnds, 1))
	r.send(message(wire.TypeRouteRefresh, 0, 2, refreshAsked, 1)) // is answered: ours is empty
	if b := r.next(wire.TypeRouteRefresh); b[21] != refreshBegins || b[20] != 2 {
		t.Errorf("answered %x", b)
	}
	if b := r.next(wire.TypeRouteRefresh); b[21] != refreshEnds {
		t.Errorf("answered %x", b)
	}
	r.send(message(wire.TypeKeepalive))
	l.until("the counts", func() bool { return l.neighbour("127.0.0.2").Messages == 7 })
	if n := l.neighbour("127.0.0.2"); n.State != bgp.Established || n.Routes != 1 || n.EndOfRIB != [2]bool{true, false} || n.Refreshes != 1 ||
		n.Updates != 3 || n.Hold != 90*time.Second {
		t.Errorf("%+v", n)
	}
	r.send(message(wire.TypeNotification, 6, 2))
	l.until("the end", func() bool { return len(l.states("127.0.0.2")) == 2 })
	var kinds []byte
	for _, x := range l.heard("127.0.0.2") {
		if x.PeerAS != 65001 || x.LocalAS != ownAS || !x.Opts.AS4 && x.Kind == mrt.Message || x.Opts.AddPath4 {
			t.Errorf("%+v", x)
		}
		kinds = append(kinds, x.kind())
	}
	// The KEEPALIVE of the handshake comes before the session is established, and is no record.
	if want := []byte{1, 0, 2, 2, 5, 2, 5, 5, 4, 3, 0}; !slices.Equal(kinds, want) {
		t.Errorf("types %d, want %d", kinds, want)
	}
	if s := l.states("127.0.0.2"); s[0] != bgp.Established || s[1] != idle {
		t.Errorf("states %v", s)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := l.all[0]; !x.Local || x.kind() != wire.TypeOpen || x.PeerAS != 65001 {
		t.Errorf("first is not our OPEN: %+v", x)
	}
	if err := l.neighbour("127.0.0.2").Err; err == nil || !strings.Contains(err.Error(), "Administrative Shutdown") {
		t.Errorf("why: %v", err)
	}
}

// TestRefused: what a neighbour does wrong before a session is established gets the NOTIFICATION that its RFC gives, and is no record.
func TestRefused(t *testing.T) {
	open := func(o offer) func(*router) { return func(r *router) { r.send(o.octets(r.t)) } }
	with := func(change func(b []byte)) func(*router) {
		return func(r *router) {
			b := usual(65001).octets(r.t)
			change(b)
			r.send(b)
		}
	}
	raw := func(b ...byte) func(*router) { return func(r *router) { r.send(b) } }
	for name, c := range map[string]struct {
		do            func(*router)
		code, subcode byte
	}{
		"another AS":        {open(usual(65002)), 2, 2},
		"AS 0":              {open(usual(0)), 2, 2},
		"version 3":         {with(func(b []byte) { b[19] = 3 }), 2, 1},
		"identifier 0":      {with(func(b []byte) { copy(b[24:], []byte{0, 0, 0, 0}) }), 2, 3},
		"hold time 2":       {with(func(b []byte) { b[22], b[23] = 0, 2 }), 2, 6},
		"torn parameters":   {with(func(b []byte) { b[30] = 99 }), 2, 0},
		"another parameter": {with(func(b []byte) { b[29] = 1 }), 2, 4},
		"no family of ours": {open(offer{65001, "10.0.0.1", 90, []gobgp.ParameterCapabilityInterface{gobgp.NewCapMultiProtocol(gobgp.RF_EVPN), gobgp.NewCapFourOctetASNumber(65001)}}), 2, 7},
		"marker":            {with(func(b []byte) { b[3] = 0 }), 1, 1},
		"length 18":         {with(func(b []byte) { b[16], b[17] = 0, 18 }), 1, 2},
		"long OPEN":         {with(func(b []byte) { b[16], b[17] = 0x10, 1 }), 1, 2},
		"unknown type":      {raw(message(9)...), 1, 3},
		"an UPDATE":         {raw(endOfRIB...), 5, 1},
		"a long KEEPALIVE":  {raw(message(wire.TypeKeepalive, 0)...), 1, 2},
		"UPDATE after OPEN": {func(r *router) { r.send(append(usual(65001).octets(r.t), endOfRIB...)); r.next(wire.TypeOpen) }, 5, 2},
		"a refresh after OPEN": {func(r *router) {
			r.send(append(usual(65001).octets(r.t), message(5, 0, 1, 0, 1)...))
			r.next(wire.TypeOpen)
		}, 5, 2},
	} {
		t.Run(name, func(t *testing.T) {
			l := speak(t, serving(only("127.0.0.2", 65001)))
			r := connectFrom(l, "127.0.0.2")
			c.do(r)
			if c.code != 5 || c.subcode != 2 {
				r.next(wire.TypeOpen)
			}
			r.notified(c.code, c.subcode)
			l.until("it is told", func() bool { return l.neighbour("127.0.0.2").Err != nil })
			if n := len(l.heard("127.0.0.2")); n != 0 {
				t.Errorf("%d records", n)
			}
		})
	}
}

// TestHoldTimer: a neighbour that falls silent is lost when its hold time is over, and not while records wait for room; hold time 0 waits for ever.
func TestHoldTimer(t *testing.T) {
	t.Parallel()
	a, b := only("127.0.0.2", 65001), only("127.0.0.3", 65002)
	a.Hold, b.Hold = 3*time.Second, 0
	l := speak(t, serving(a, b))
	silent, forever := connectFrom(l, "127.0.0.2"), connectFrom(l, "127.0.0.3")
	began := time.Now()
	if o := silent.establish(usual(65001)); o.HoldTime != 3 {
		t.Errorf("proposed %d", o.HoldTime)
	}
	if o := forever.establish(usual(65002)); o.HoldTime != 0 {
		t.Errorf("proposed %d", o.HoldTime)
	}
	keepalives := 0
	for {
		msg, err := silent.f.next()
		if err != nil {
			t.Fatal(err)
		}
		if msg[18] == wire.TypeKeepalive {
			keepalives++
		}
		if msg[18] == wire.TypeNotification {
			if msg[19] != 4 {
				t.Errorf("told %x", msg)
			}
			break
		}
	}
	if d := time.Since(began); d < 2900*time.Millisecond || d > 6*time.Second || keepalives < 2 {
		t.Errorf("after %s and %d KEEPALIVEs", d, keepalives)
	}
	l.until("the end", func() bool { return slices.Equal(l.states("127.0.0.2"), []bgp.State{bgp.Established, idle}) })
	forever.send(announce(65002, 24, 10, 1, 1))
	l.until("the other goes on", func() bool { return l.updates("127.0.0.3") == 1 })
}

// TestTwoOctetPeer: without the capability the records are of the two-octet subtype, and the paths are read so.
func TestTwoOctetPeer(t *testing.T) {
	l := speak(t, serving(only("127.0.0.2", 3333)))
	r := connectFrom(l, "127.0.0.2")
	r.establish(offer{3333, "10.0.0.1", 0, nil})
	r.send(message(wire.TypeUpdate, 0, 0, 0, 18, 0x40, 1, 1, 0, 0x40, 2, 4, 2, 1, 13, 5, 0x40, 3, 4, 192, 0, 2, 1, 24, 10, 1, 1))
	l.until("the update", func() bool { return l.updates("127.0.0.2") == 1 })
	x := l.heard("127.0.0.2")[2]
	var u wire.Update
	var e bgp.Elem
	if err := u.Parse(x.msg, x.Opts); err != nil || x.Opts.AS4 || !u.Next(&e) || e.Origin != 3333 || e.Kind != bgp.Announce {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestAddPath: path identifiers are read where both sides agree, family by family; where MRT cannot tell, the session is made again without them.
func TestAddPath(t *testing.T) {
	n := only("127.0.0.2", 65001)
	n.AddPath = true
	l := speak(t, serving(n))
	r := connectFrom(l, "127.0.0.2")
	if o := r.establish(usual(65001, addPaths(gobgp.RF_IPv4_UC))); len(o.AddPath) != 2 || !o.AddPath[0].Receive || o.AddPath[0].Send {
		t.Errorf("offered %+v", o.AddPath)
	}
	r.send(announce(65001, 0, 0, 0, 7, 24, 10, 1, 1))
	r.send(update(nil, origin, path(65001), reach6(32, 0x20, 1, 0xd, 0xb8)))
	l.until("both", func() bool { return l.updates("127.0.0.2") == 2 })
	list := l.heard("127.0.0.2")
	var u wire.Update
	var e bgp.Elem
	for i, want := range []bgp.Elem{
		{Prefix: bgp.PrefixFrom4(0x0a010100, 24), PathID: 7, Origin: 65001, Kind: bgp.Announce},
		{Prefix: bgp.PrefixOf(netip.MustParsePrefix("2001:db8::/32")), Origin: 65001, Kind: bgp.Announce},
	} {
		x := list[2+i]
		if err := u.Parse(x.msg, x.Opts); err != nil || x.Opts.AddPath4 != (i == 0) || !u.Next(&e) || e != want {
			t.Errorf("%+v, %+v, %v, %s", x.Opts, e, err, u.Faults)
		}
	}
	r.send(update([]byte{0, 0, 0, 7, 24, 10, 1, 1}, origin, path(65001), nextHop, reach6(32, 0x20, 1, 0xd, 0xb8)))
	r.notified(6, 6)
	again := connectFrom(l, "127.0.0.2")
	if o := again.establish(usual(65001, addPaths(gobgp.RF_IPv4_UC))); len(o.AddPath) != 0 {
		t.Errorf("offered again: %+v", o.AddPath)
	}
	again.send(announce(65001, 24, 10, 1, 1))
	l.until("plain", func() bool { return l.updates("127.0.0.2") == 3 })
	if x := l.heard("127.0.0.2"); x[len(x)-1].Opts.AddPath4 {
		t.Error("a plain session's records say that they have path identifiers")
	}
}

// TestLongMessages: a message of up to 65,535 octets is taken (RFC 8654); an OPEN with the extended length of RFC 9072, too.
func TestLongMessages(t *testing.T) {
	l := speak(t, serving(only("127.0.0.2", 65001)))
	r := connectFrom(l, "127.0.0.2")
	plain := usual(65001).octets(t)
	caps := plain[31:] // behind the length of the parameters, and type and length of the first
	open := append(slices.Clone(plain[:28]), 255, 255, 0, byte(len(caps)+3), 2, 0, byte(len(caps)))
	open = append(open, caps...)
	open[17] = byte(len(open))
	r.send(open)
	r.next(wire.TypeOpen)
	r.next(wire.TypeKeepalive)
	r.send(message(wire.TypeKeepalive))
	var nlri []byte
	for i := range 16370 {
		nlri = append(nlri, 24, 10, byte(i>>8), byte(i))
	}
	long := announce(65001, nlri...)
	if len(long) < 65500 {
		t.Fatalf("%d octets", len(long))
	}
	r.send(long)
	l.until("the update", func() bool { return l.updates("127.0.0.2") == 1 && l.neighbour("127.0.0.2").Routes >= 16300 })
	x := l.heard("127.0.0.2")
	if got := x[len(x)-1]; len(got.msg) != len(long) || !x[0].Opts.AS4 {
		t.Errorf("%d octets kept of %d", len(got.msg), len(long))
	}
}

// TestActive: the speaker connects, waits longer each time, and comes back after a loss.
func TestActive(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.4:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	n := only("127.0.0.4", 65001)
	n.Passive, n.Port, n.Local = false, uint16(ln.Addr().(*net.TCPAddr).Port), netip.MustParseAddr("127.0.0.5")
	l := speak(t, Options{Neighbours: []Neighbour{n}})
	for i := range 2 {
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if a := addrOf(conn); a != n.Local {
			t.Errorf("it came from %s", a)
		}
		r := routerOn(t, conn)
		r.establish(usual(65001))
		r.send(announce(65001, 24, 10, 1, byte(i)))
		l.until("the update", func() bool { return l.updates("127.0.0.4") == i+1 })
		conn.Close()
	}
	l.until("both are over", func() bool { return len(l.states("127.0.0.4")) == 4 })
	if x := l.heard("127.0.0.4"); x[0].Kind != mrt.Message || x[0].LocalAS != ownAS {
		t.Errorf("%+v", x[0])
	}
}

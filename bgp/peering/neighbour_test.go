package peering

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

// TestCollision: of two connections the one stays that was made by the side with the higher identifier (RFC 4271 section 6.8).
func TestCollision(t *testing.T) {
	for name, c := range map[string]struct {
		id   string
		ours bool
	}{"ours is higher": {"10.0.0.1", true}, "theirs is higher": {"10.0.0.200", false}} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.6:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			n := only("127.0.0.6", 65001)
			n.Passive, n.Port = false, uint16(ln.Addr().(*net.TCPAddr).Port)
			l := speak(t, serving(n))
			conn, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			made := routerOn(t, conn)
			o := usual(65001)
			o.id = c.id
			made.send(o.octets(t))
			made.next(wire.TypeOpen)
			made.next(wire.TypeKeepalive) // it is in OpenConfirm
			taken := connectFrom(l, "127.0.0.6")
			taken.send(o.octets(t))
			taken.next(wire.TypeOpen)
			stays, goes := made, taken
			if !c.ours {
				stays, goes = taken, made
				taken.next(wire.TypeKeepalive)
			}
			goes.notified(6, 7)
			stays.send(message(wire.TypeKeepalive))
			stays.send(announce(65001, 24, 10, 1, 1))
			l.until("the update", func() bool { return l.updates("127.0.0.6") == 1 })
			late := connectFrom(l, "127.0.0.6")
			late.send(o.octets(t))
			late.next(wire.TypeOpen)
			late.notified(6, 7)
			if s := l.states("127.0.0.6"); !slices.Equal(s, []bgp.State{bgp.Established}) {
				t.Errorf("states %v", s)
			}
		})
	}
}

// TestGracefulRestart: the monitor is told of a lost session at once, whatever its neighbour keeps: what is not heard is unknown. That the
// neighbour is to come back, that it came, and that it did not, is known beside.
func TestGracefulRestart(t *testing.T) {
	t.Parallel()
	const addr = "127.0.0.2"
	l := speak(t, serving(only(addr, 65001)))
	r := connectFrom(l, addr)
	r.establish(usual(65001, graceful(60, true)))
	r.send(slices.Concat(announce(65001, 24, 10, 1, 1), endOfRIB))
	l.until("the table", func() bool { return l.updates(addr) == 2 })
	r.conn.Close()
	l.until("the loss", func() bool { return len(l.states(addr)) == 2 })
	if n := l.neighbour(addr); time.Until(n.Restart) < 50*time.Second || n.Resumed != 0 {
		t.Errorf("away: %+v", n)
	}
	r = connectFrom(l, addr)
	r.establish(usual(65001, graceful(60, true)))
	r.send(slices.Concat(announce(65001, 24, 10, 1, 1), endOfRIB))
	l.until("it is back", func() bool { return l.updates(addr) == 4 })
	if n := l.neighbour(addr); !n.Restart.IsZero() || n.Resumed != 1 || !n.EndOfRIB[0] {
		t.Errorf("back: %+v", n)
	}

	// It restarts without closing: a new connection takes the place of the old one.
	l.Speaker.mu.Lock()
	l.byAddr[netip.MustParseAddr(addr)].since = time.Now().Add(-time.Minute)
	l.Speaker.mu.Unlock()
	old := r
	r = connectFrom(l, addr)
	r.establish(usual(65001, graceful(1, true)))
	r.send(endOfRIB)
	l.until("it took over", func() bool { return l.updates(addr) == 5 })
	for msg, err := old.f.next(); err == nil; msg, err = old.f.next() {
		if msg[18] == wire.TypeNotification {
			t.Errorf("the old connection got %x", msg)
		}
	}
	want := []bgp.State{bgp.Established, idle, bgp.Established, idle, bgp.Established}
	if s := l.states(addr); !slices.Equal(s, want) {
		t.Errorf("states %v", s)
	}

	// A NOTIFICATION keeps routes where both sides say so (RFC 8538), and this time it does not come back.
	r.send(message(wire.TypeNotification, 6, 4))
	l.until("the restart is over", func() bool { return l.neighbour(addr).Expired == 1 })
	if n := l.neighbour(addr); !n.Restart.IsZero() || n.Resumed != 2 || n.Err == nil || !strings.Contains(n.Err.Error(), "did not come back") {
		t.Errorf("expired: %+v", n)
	}
	if s := l.states(addr); !slices.Equal(s, append(want, idle)) {
		t.Errorf("states %v", s)
	}
	r = connectFrom(l, addr)
	r.establish(usual(65001, graceful(60, true)))
	r.send(message(wire.TypeNotification, 6, 9, 6, 2)) // a hard reset keeps nothing
	l.until("the end", func() bool { return len(l.states(addr)) == 8 })
	if n := l.neighbour(addr); !n.Restart.IsZero() {
		t.Errorf("after a hard reset: %+v", n)
	}
}

// TestLimits: strangers, neighbours that connect too often and those with too many routes are refused; the others are not touched.
func TestLimits(t *testing.T) {
	small := only("127.0.0.2", 65001)
	small.MaxRoutes = 10
	some := Neighbour{Range: netip.MustParsePrefix("127.0.1.0/24"), AS: 65003, MaxSessions: 2, Hold: 90 * time.Second}
	l := speak(t, serving(small, only("127.0.0.3", 65002), some))
	other := connectFrom(l, "127.0.0.3")
	other.establish(usual(65002))

	closed := func(r *router) {
		t.Helper()
		if msg, err := r.f.next(); err == nil {
			t.Errorf("told %x", msg)
		}
	}
	closed(connectFrom(l, "127.0.0.77"))

	r := connectFrom(l, "127.0.0.2")
	r.establish(usual(65001))
	for i := range 10 {
		r.send(announce(65001, 24, 10, 1, byte(i)))
		r.send(announce(65001, 24, 10, 1, byte(i)))
	}
	r.send(message(wire.TypeUpdate, 0, 4, 24, 10, 1, 0, 0, 0))
	r.send(announce(65001, 24, 10, 2, 0))
	l.until("ten routes", func() bool { n := l.neighbour("127.0.0.2"); return n.Updates == 22 && n.Routes == 10 })
	r.send(announce(65001, 24, 10, 2, 1))
	r.notified(6, 1)
	l.until("the end", func() bool { return len(l.states("127.0.0.2")) == 2 })
	closed(connectFrom(l, "127.0.0.2")) // for a while

	for i, addr := range []string{"127.0.1.1", "127.0.1.2", "127.0.1.3"} {
		if r := connectFrom(l, addr); i < 2 {
			r.establish(usual(65003))
			l.until("a session of the range", func() bool { return l.neighbour(addr).State == bgp.Established })
		} else {
			closed(r)
		}
	}
	before := l.Status().Refused
	for range connectBurst + 2 {
		connectFrom(l, "127.0.0.3").conn.Close()
	}
	l.until("too many connections", func() bool { return l.Status().Refused > before })
	other.send(announce(65002, 24, 10, 1, 1))
	l.until("the other goes on", func() bool { return l.updates("127.0.0.3") == 1 })
}

// TestWaiting: a neighbour that says more than is taken has to wait, is not lost for it, and nothing it said is.
func TestWaiting(t *testing.T) {
	t.Parallel()
	n := only("127.0.0.2", 65001)
	n.Hold = 3 * time.Second
	opt := serving(n)
	opt.AS, opt.RouterID = ownAS, netip.MustParseAddr("10.0.0.9")
	s, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	defer func() { cancel(); <-done }()
	l := &listener{Speaker: s, t: t}
	l.until("it listens", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.listeners) > 0 })
	r := connectFrom(l, "127.0.0.2")
	r.establish(usual(65001))
	const messages = 200_000
	sent := make(chan error, 1)
	go func() {
		b := announce(65001, 24, 10, 1, 1)
		many := slices.Repeat(b, 1000)
		for range messages / 1000 {
			if _, err := r.conn.Write(many); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	time.Sleep(3500 * time.Millisecond)
	if st := s.Status(); st.Waiting < sessionShare/2 || st.Waiting > sessionShare+2*chunkSize || st.Neighbours[0].State != bgp.Established {
		t.Fatalf("%+v", st)
	}
	got := 0
	l.until("all", func() bool {
		s.Poll(func(Event) bool { got++; return true })
		return got >= messages
	})
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// TestMD5: two speakers with one password come together, an address with another does not get through, and neither does one of a range.
func TestMD5(t *testing.T) {
	t.Parallel()
	quiet := only("127.0.0.2", 65001)
	quiet.Password = "correct horse"
	some := Neighbour{Range: netip.MustParsePrefix("127.0.1.0/24"), AS: 65002, Password: "battery staple", Hold: 90 * time.Second}
	opt := serving(quiet, some)
	probe, err := New(Options{AS: 1, RouterID: netip.MustParseAddr("10.0.0.1"), Listen: opt.Listen, Neighbours: opt.Neighbours})
	if err != nil {
		t.Fatal(err)
	}
	list, err := probe.open(t.Context())
	var no errMD5
	if errors.As(err, &no) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	for _, ln := range list {
		ln.Close()
	}
	l := speak(t, opt)
	_, port, _ := net.SplitHostPort(l.address())
	at, _ := net.LookupPort("tcp", port)
	for _, c := range []struct{ from, password string }{{"127.0.0.2", "correct horse"}, {"127.0.1.5", "battery staple"}, {"127.0.0.2", "wrong"}} {
		as := uint32(65001)
		if c.from == "127.0.1.5" {
			as = 65002
		}
		them, err := New(Options{AS: as, RouterID: netip.MustParseAddr("10.0.0.1"), Retry: 100 * time.Millisecond, Neighbours: []Neighbour{{
			Address: netip.MustParseAddr("127.0.0.1"), Local: netip.MustParseAddr(c.from), AS: ownAS, Port: uint16(at), Password: c.password, Hold: 90 * time.Second,
		}}})
		if err != nil {
			t.Fatal(err)
		}
		before := dropped(t, "TCPMD5Failure")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); them.Run(ctx) }()
		if c.password != "wrong" {
			l.until("a session", func() bool { return slices.Equal(l.states(c.from), []bgp.State{bgp.Established}) })
		} else if l.until("the kernel drops it", func() bool { return dropped(t, "TCPMD5Failure") > before }); len(l.states(c.from)) != 2 {
			t.Error("a session with the wrong password")
		}
		cancel()
		<-done
		if c.password != "wrong" {
			l.until("its end", func() bool { return len(l.states(c.from)) == 2 })
		}
	}
}

// TestTTLSecurity: what came over a router is dropped (RFC 5082): here, packets of a sender that does not start at 255.
func TestTTLSecurity(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"127.0.0.1", "::1"} {
		t.Run(network, func(t *testing.T) {
			own := netip.MustParseAddr(network)
			from := own
			if own.Is4() {
				from = netip.MustParseAddr("127.0.0.2")
			}
			n := only(from.String(), 65001)
			n.TTLSecurity = true
			opt := serving(n)
			opt.Listen = net.JoinHostPort(network, "0")
			if ln, err := net.Listen("tcp", opt.Listen); err != nil {
				t.Skip(err)
			} else {
				ln.Close()
			}
			l := speak(t, opt)
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}, Timeout: 300 * time.Millisecond}
			if conn, err := d.Dial("tcp", l.address()); err == nil {
				conn.Close()
				t.Error("a connection from afar was made")
			}
			_, port, _ := net.SplitHostPort(l.address())
			at, _ := net.LookupPort("tcp", port)
			near, err := New(Options{AS: 65001, RouterID: netip.MustParseAddr("10.0.0.1"), Retry: 100 * time.Millisecond, Neighbours: []Neighbour{{
				Address: own, Local: from, AS: ownAS, Port: uint16(at), TTLSecurity: true, Hold: 90 * time.Second,
			}}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); near.Run(ctx) }()
			defer func() { cancel(); <-done }()
			l.until("a session", func() bool { return l.neighbour(from.String()).State == bgp.Established })

			// Beside a neighbour that may be far, the connection is made, and what then comes over it from afar is dropped.
			apart := only("127.0.0.3", 65001)
			if own.Is6() {
				apart = only("2001:db8::1", 65001)
			}
			opt.Neighbours = append(opt.Neighbours, apart)
			mixed := speak(t, opt)
			far := connectFrom(mixed, from.String())
			far.next(wire.TypeOpen)
			before := dropped(t, "TCPMinTTLDrop")
			far.send(usual(65001).octets(t))
			mixed.until("the kernel drops it", func() bool { return dropped(t, "TCPMinTTLDrop") > before })
			if s := mixed.neighbour(from.String()).State; s != openSent {
				t.Errorf("%s after an OPEN from afar", s)
			}
		})
	}
}

// dropped is how many packets the kernel has dropped for a reason: a counter of TcpExt. Without it a test says what did not run; on CI that is a failure.
func dropped(t *testing.T, reason string) int {
	t.Helper()
	skip := t.Skip
	if os.Getenv("CI") == "true" {
		skip = t.Fatal
	}
	text, err := os.ReadFile("/proc/net/netstat")
	if err != nil {
		skip("what the kernel drops is not known: ", err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "TcpExt:" {
			continue
		}
		if i := slices.Index(names, reason); i >= 0 && i < len(words) {
			n, err := strconv.Atoi(words[i])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		names = words
	}
	skip("this kernel does not count ", reason)
	return 0
}

// TestOptions: what cannot be used is refused with its reason.
func TestOptions(t *testing.T) {
	good := Options{AS: 1, RouterID: netip.MustParseAddr("10.0.0.1"), Listen: "127.0.0.1:0", Neighbours: []Neighbour{only("127.0.0.2", 2)}}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Options){
		"own AS":          func(o *Options) { o.AS = 0 },
		"router ident":    func(o *Options) { o.RouterID = netip.IPv6Loopback() },
		"does not listen": func(o *Options) { o.Listen = "" },
		"named twice":     func(o *Options) { o.Neighbours = append(o.Neighbours, o.Neighbours[0]) },
		"hold time 2s":    func(o *Options) { o.Neighbours[0].Hold = 2 * time.Second },
		"AS number":       func(o *Options) { o.Neighbours[0].AS = 0 },
		"want either":     func(o *Options) { o.Neighbours[0].Range = netip.MustParsePrefix("10.0.0.0/8") },
		"with a zone":     func(o *Options) { o.Neighbours[0].Address = netip.MustParseAddr("fe80::1%lo") },
		"password of 81":  func(o *Options) { o.Neighbours[0].Password = strings.Repeat("x", 81) },
		"another family":  func(o *Options) { o.Neighbours[0].Local = netip.IPv6Loopback() },
	} {
		o := good
		o.Neighbours = slices.Clone(good.Neighbours)
		change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestNewerConnection: a neighbour that begins anew in the middle of a handshake is not held up by its first attempt.
func TestNewerConnection(t *testing.T) {
	l := speak(t, serving(only("127.0.0.2", 65001)))
	first := connectFrom(l, "127.0.0.2")
	first.send(usual(65001).octets(t))
	first.next(wire.TypeOpen)
	first.next(wire.TypeKeepalive) // it is in OpenConfirm
	second := connectFrom(l, "127.0.0.2")
	second.establish(usual(65001))
	first.notified(6, 7)
	second.send(announce(65001, 24, 10, 1, 1))
	l.until("the update", func() bool { return l.updates("127.0.0.2") == 1 })
}

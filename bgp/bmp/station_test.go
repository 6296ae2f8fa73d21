package bmp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// running is a station that listens on a port of its own.
type running struct {
	*Station
	t    testing.TB
	addr string
	raw  []Event // taken so far
}

func run(t testing.TB, opt Options) *running {
	t.Helper()
	opt.Listen = "127.0.0.1:0"
	s, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Error("the station does not stop")
		}
	})
	r := &running{Station: s, t: t}
	r.until("it listens", func() bool { r.addr = s.Stats().Listening; return r.addr != "" })
	return r
}

func (r *running) until(what string, f func() bool) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("waiting until %s: %+v", what, r.Stats())
		}
	}
}

// poll takes what there is.
func (r *running) poll() {
	r.t.Helper()
	if err := r.Poll(time.Now(), func(e Event) bool {
		e.Raw = slices.Clone(e.Raw)
		r.raw = append(r.raw, e)
		return len(r.raw)%3 != 0 // stops now and then
	}); err != nil {
		r.t.Error(err)
	}
}

// dial connects as a router with an address.
func (r *running) dial(from string) net.Conn {
	r.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	c, err := d.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

func (r *running) send(c net.Conn, messages ...[]byte) {
	r.t.Helper()
	if _, err := c.Write(slices.Concat(messages...)); err != nil {
		r.t.Fatal(err)
	}
}

// closed waits until the station has closed a connection.
func (r *running) closed(c net.Conn) {
	r.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		r.t.Fatalf("the station did not close the connection: %v", err)
	}
}

func (r *running) router(collector string) RouterStats {
	st := r.Stats()
	for _, x := range st.Routers {
		if x.Collector == collector {
			return x
		}
	}
	return RouterStats{}
}

func list(entries ...string) (out []Router) {
	for _, e := range entries {
		p, c, _ := strings.Cut(e, " ")
		out = append(out, Router{netip.MustParsePrefix(p), c})
	}
	return out
}

// TestStationCaptures: real octets over TCP, in pieces, give the records that they give without it.
func TestStationCaptures(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			for _, b := range streams(t, file) {
				direct := newRouter("rtr", netip.MustParseAddr("127.0.0.1"), true, &Options{Hold: time.Minute, Buffer: 1 << 20}, new(names))
				msgs, _ := readStream(t, b)
				for i := range msgs {
					direct.message(&msgs[i], nil, time.Now())
				}
				want := drain(t, direct)
				r := run(t, Options{Routers: list("127.0.0.1/32 rtr")})
				c := r.dial("127.0.0.1")
				for i := 0; i < len(b); i += 1000 {
					r.send(c, b[i:min(i+1000, len(b))])
				}
				r.until("it has all", func() bool { return r.router("rtr").Counts.Messages == uint64(len(msgs)) })
				for range len(want)/3 + 2 {
					r.poll()
				}
				if len(r.raw) != len(want) {
					t.Fatalf("%d events, want %d", len(r.raw), len(want))
				}
				for i := range want {
					got := decoded(t, r.raw[i])
					if got.Collector != want[i].Collector || got.Kind != want[i].Kind || !slices.Equal(got.BGP, want[i].BGP) || got.Opts != want[i].Opts || got.NewState != want[i].NewState {
						t.Errorf("event %d: %+v, want %+v", i, got, want[i])
					}
				}
			}
		})
	}
}

// TestReconnect: a router that comes back from another port, after it closed and while the station thinks it is still there, is the same router.
func TestReconnect(t *testing.T) {
	r := run(t, Options{Routers: list("127.0.0.1/32 rtr")})
	first := r.dial("127.0.0.1")
	r.send(first, hello, upA, peerA.routes(update("", good4, nlri)))
	r.until("the first message is there", func() bool { return r.router("rtr").Counts.Monitored == 1 })
	first.Close()
	r.until("it is gone", func() bool { return !r.router("rtr").Connected })
	if st := r.router("rtr"); st.Stale != 1 || st.Why != "the router closed the connection" {
		t.Errorf("%+v", st)
	}
	second := r.dial("127.0.0.1")
	r.send(second, upA, peerA.routes(update(gone, "", ""))) // Initiation is missing
	r.until("the second is there", func() bool { return r.router("rtr").Counts.Monitored == 2 })
	third := r.dial("127.0.0.1") // the second is half open
	r.until("the third is there", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.conns) == 2
	})
	r.send(second, peerA.routes(update(gone, "", ""))) // until the third says something, the second counts
	r.until("it still counts", func() bool { return r.router("rtr").Counts.Monitored == 3 })
	fourth := r.dial("127.0.0.1")
	r.closed(fourth) // one that speaks, and one to take its place
	r.send(third, hello, upA, peerA.routes(update("", good4, nlri)))
	r.until("the third has said so", func() bool { return r.router("rtr").Counts.Monitored == 4 })
	r.closed(second)
	if st := r.Stats(); st.Limited != 1 || st.Routers[0].Counts.NoInitiation != 1 || st.Routers[0].Counts.Connections != 3 || !st.Routers[0].Connected || st.Routers[0].Sessions != 1 {
		t.Errorf("%+v", st)
	}
	for range 10 {
		r.poll()
	}
	var gaps []string
	for _, e := range r.raw {
		if e.Raw == nil {
			gaps = append(gaps, e.Collector+" "+e.Why)
		}
	}
	want := []string{"rtr BMP: the router closed the connection", "rtr BMP: another connection of the router took its place"}
	if !slices.Equal(gaps, want) || len(r.raw) != 3+4+2 {
		t.Errorf("%d events, %q", len(r.raw), gaps)
	}
	r.send(third, frame(Termination, unhex("0001 0002 0000")))
	r.closed(third)
	if why := r.router("rtr").Why; why != "it ended the connection: administratively closed" {
		t.Error(why)
	}
}

// TestWhoMayConnect: only routers that are listed; those of a range have a collector each.
func TestWhoMayConnect(t *testing.T) {
	r := run(t, Options{Routers: list("127.0.0.0/28 lab", "127.0.0.2/32 edge", "127.0.0.4/30 core", "127.0.0.0/29 no")})
	r.closed(r.dial("127.0.0.99"))
	for _, from := range []string{"127.0.0.2", "127.0.0.9", "127.0.0.4"} {
		r.send(r.dial(from), hello, upA, peerA.routes(update("", good4, nlri)))
	}
	r.until("all have said what they have to say", func() bool {
		r.poll()
		return len(r.raw) >= 3*4
	})
	heard := map[string]int{}
	for _, e := range r.raw {
		heard[e.Collector]++
	}
	if st := r.Stats(); st.Refused != 1 || len(st.Routers) != 3 || heard["edge"] != 4 || heard["lab@127.0.0.9"] != 4 || heard["core@127.0.0.4"] != 4 {
		t.Errorf("%+v, %v", st, heard)
	}
}

// TestManyRouters: of the routers of a range only so many are remembered; one that has something to say is not forgotten.
func TestManyRouters(t *testing.T) {
	s, err := New(Options{Listen: "127.0.0.1:0", Routers: list("10.0.0.0/8 lab", "192.0.2.1/32 edge")})
	if err != nil {
		t.Fatal(err)
	}
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for i := range maxRouters - 1 {
		r, listed := s.router(at(i))
		if r == nil || !listed {
			t.Fatalf("router %d: %v", i, listed)
		}
		r.mu.Lock()
		r.queue.gap(r.name, "said something")
		r.queue.gap(r.name, "and more")
		r.mu.Unlock()
	}
	if r, listed := s.router(at(maxRouters)); r != nil || !listed {
		t.Errorf("one more than %d was taken", maxRouters)
	}
	var names []string
	take := func(more bool) func(Event) bool {
		return func(e Event) bool {
			names = append(names, e.Collector)
			return more
		}
	}
	for range maxRouters - 2 { // each has its turn, though each could say more
		if err := s.Poll(time.Now(), take(false)); err != nil {
			t.Fatal(err)
		}
	}
	if all := len(slices.Compact(slices.Sorted(slices.Values(names)))); all != maxRouters-2 {
		t.Errorf("%d of %d had their turn", all, maxRouters-2)
	}
	if err := s.Poll(time.Now(), take(true)); err != nil || len(names) != 2*(maxRouters-1) {
		t.Errorf("%d of %d, %v", len(names), 2*(maxRouters-1), err)
	}
	if err := s.Poll(time.Now(), take(true)); err != nil { // nothing is left to give
		t.Fatal(err)
	}
	busy := s.routers[at(7)]
	busy.mu.Lock()
	busy.queue.gap(busy.name, "swapped out, and not taken")
	busy.queue.gap(busy.name, "this neither")
	busy.mu.Unlock()
	if err := s.Poll(time.Now(), take(false)); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * maxRouters {
		if r, _ := s.router(at(1000 + i)); r == nil {
			t.Fatal("nobody was forgotten")
		}
	}
	if len(s.order) != maxRouters || s.routers[at(7)] != busy || s.routers[netip.MustParseAddr("192.0.2.1")] == nil {
		t.Errorf("%d routers, or one was forgotten that must not be", len(s.order))
	}
}

// TestBoundsOfConnections: how many, how long until they speak, how long until a message is whole, how long a message is.
func TestBoundsOfConnections(t *testing.T) {
	r := run(t, Options{Routers: list("127.0.0.0/8 lab"), Connections: 2, First: 100 * time.Millisecond, Whole: 100 * time.Millisecond, Longest: 4096})
	a, b := r.dial("127.0.0.1"), r.dial("127.0.0.2")
	r.until("both are there", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.conns) == 2
	})
	r.closed(r.dial("127.0.0.3"))
	r.closed(a) // said nothing
	r.closed(b)
	for name, c := range map[string]struct {
		say []byte
		why string
	}{
		"127.0.0.4": {[]byte("GET / HTTP/1.1\r\n\r\n"), ""},
		"127.0.0.5": {frame(99), ""},
		"127.0.0.6": {append(slices.Clone(hello), 3, 0), "a message was not whole after 100ms"},
		"127.0.0.7": {append(slices.Clone(hello), 3, 0, 1, 0, 0, 0), ErrLength.Error() + ": 65536 octets"},
		"127.0.0.8": {append(slices.Clone(hello), 9), ErrVersion.Error()},
	} {
		x := r.dial(name)
		r.send(x, c.say)
		r.closed(x)
		r.until("it is gone", func() bool { return !r.router("lab@" + name).Connected })
		if c.why != "" && r.router("lab@"+name).Why != c.why {
			t.Errorf("%s: %q", name, r.router("lab@"+name).Why)
		}
	}
	r.until("all are counted", func() bool { return r.Stats().Silent == 4 })
	x := r.dial("127.0.0.9") // silence between messages is no fault
	r.send(x, hello)
	time.Sleep(250 * time.Millisecond)
	r.send(x, upA)
	r.until("it goes on", func() bool { return r.router("lab@127.0.0.9").Sessions == 1 })
	if st := r.Stats(); st.Limited != 1 {
		t.Errorf("%+v", st)
	}
}

// TestBackPressure: when nobody takes what a router says, its connection is no longer read, and nothing is lost. Another router is not held up.
func TestBackPressure(t *testing.T) {
	const buffer, n = 32 << 10, 60_000
	r := run(t, Options{Routers: list("127.0.0.1/32 much", "127.0.0.2/32 little"), Buffer: buffer})
	c := r.dial("127.0.0.1")
	r.send(c, hello, upA)
	one := peerA.routes(update("", good4, nlri))
	sent := make(chan error, 1)
	go func() {
		block := slices.Repeat(one, 100)
		for range n / 100 {
			if _, err := c.Write(block); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	r.until("it is full", func() bool { return r.router("much").Waiting >= buffer })
	r.send(r.dial("127.0.0.2"), hello, upA, one)
	r.until("the other is heard", func() bool { return r.router("little").Counts.Monitored == 1 })
	select {
	case err := <-sent:
		t.Fatalf("all was read with nobody to take it: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if w := r.router("much").Waiting; w > buffer+4096 {
		t.Errorf("%d octets wait", w)
	}
	got := map[string]int{}
	r.until("all is taken", func() bool {
		if err := r.Poll(time.Now(), func(e Event) bool { got[e.Collector]++; return true }); err != nil {
			t.Error(err)
		}
		return got["much"] == n+3
	})
	if err := <-sent; err != nil || got["little"] != 4 {
		t.Errorf("%v, %v", err, got)
	}
}

// TestStopWhileFull: a station that nobody takes from stops.
func TestStopWhileFull(t *testing.T) {
	r := run(t, Options{Routers: list("127.0.0.1/32 rtr"), Buffer: 1})
	c := r.dial("127.0.0.1")
	r.send(c, hello, upA, slices.Repeat(peerA.routes(update("", good4, nlri)), 50))
	r.until("it is full", func() bool { return r.router("rtr").Waiting >= 1 })
}

// TestListenErrors: what cannot be listened on is told, and the options that must not be.
func TestListenErrors(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	s, err := New(Options{Listen: busy.Addr().String(), Routers: list("127.0.0.1/32 rtr")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	for end := time.Now().Add(10 * time.Second); err == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		err = s.Poll(time.Now(), nil)
	}
	if st := s.Stats(); err == nil || st.Err == nil || st.Listening != "" {
		t.Errorf("%v, %+v", err, st)
	}
	cancel()
	<-ended
	rtr := list("192.0.2.1/32 rtr")
	for want, opt := range map[string]Options{
		"no address to listen on":          {Listen: "localhost:1", Routers: rtr},
		"can be reached from other":        {Listen: ":11019", Routers: rtr},
		"192.0.2.9:11019 can be reached":   {Listen: "192.0.2.9:11019", Routers: rtr},
		"no router may connect":            {Listen: "127.0.0.1:11019"},
		"[2001:db8::1]:179 can be reached": {Listen: "[2001:db8::1]:179", Routers: rtr},
	} {
		if _, err := New(opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := New(Options{Listen: ":11019", Plaintext: true, Routers: rtr}); err != nil {
		t.Error(err)
	}
}

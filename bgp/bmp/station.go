package bmp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options say where to listen, and to whom. Zero values take the defaults.
type Options struct {
	Listen    string // address and port; the address may be empty for all of the machine
	Plaintext bool   // listen without TLS on an address that others can reach
	TLS       *tls.Config
	Routers   []Router // who may connect; of several that hold an address the longest prefix counts

	Connections int           // at once, of all routers; default 64
	Longest     int           // octets of a message; default 256 KiB
	First       time.Duration // until the first message is whole, the handshake of TLS included; default 10 s
	Whole       time.Duration // until a message that has begun is whole; default 60 s
	Hold        time.Duration // after the loss of a connection, until the router's sessions are over; default 60 s
	Buffer      int           // octets of records of one router that wait to be taken, before its connection is no longer read; default 4 MiB
	Now         func() time.Time
}

// Router is who may connect.
type Router struct {
	Prefix    netip.Prefix // of its address; one of more than one address gives each router a collector of its own, Collector@address
	Collector string       // of its records
}

// Station listens for routers, and holds what they say until it is taken.
type Station struct {
	opt    Options
	listen netip.AddrPort
	names  names

	mu      sync.Mutex
	stats   Stats
	routers map[netip.Addr]*router
	order   []*router // of routers; in order of collector and address
	conns   map[*conn]netip.Addr
	pending map[netip.Addr]int // connections by address
	stopped bool
	first   int // in order, where the next Poll begins
}

const (
	maxRouters  = 256
	perRouter   = 2 // connections: one, and one that takes its place
	listenAgain = 5 * time.Second
)

// New makes a station, which listens when Run is called. The error says which option cannot be used.
func New(opt Options) (*Station, error) {
	for d, def := range map[*time.Duration]time.Duration{&opt.First: 10 * time.Second, &opt.Whole: time.Minute, &opt.Hold: time.Minute} {
		if *d <= 0 {
			*d = def
		}
	}
	for n, def := range map[*int]int{&opt.Connections: 64, &opt.Longest: 256 << 10, &opt.Buffer: 4 << 20} {
		if *n <= 0 {
			*n = def
		}
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := &Station{opt: opt, routers: map[netip.Addr]*router{}, conns: map[*conn]netip.Addr{}, pending: map[netip.Addr]int{}}
	var err error
	if s.listen, err = ParseListen(opt.Listen); err != nil {
		return nil, err
	}
	if opt.TLS == nil && !opt.Plaintext && !s.listen.Addr().IsLoopback() {
		return nil, fmt.Errorf("BMP: %s can be reached from other machines: give a certificate, or say that it is to listen without TLS", opt.Listen)
	}
	if len(opt.Routers) == 0 {
		return nil, errors.New("BMP: no router may connect: name at least one")
	}
	for _, r := range opt.Routers {
		if r.Prefix.IsSingleIP() {
			s.add(newRouter(r.Collector, r.Prefix.Addr().Unmap(), true, &s.opt, &s.names))
		}
	}
	return s, nil
}

// ParseListen reads an address to listen on: ADDRESS:PORT, or :PORT for all addresses of the machine.
func ParseListen(s string) (netip.AddrPort, error) {
	if strings.HasPrefix(s, ":") {
		s = "[::]" + s
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return a, fmt.Errorf("BMP: %q is no address to listen on, such as 127.0.0.1:11019 or [::1]:11019", s)
	}
	return a, nil
}

// Run listens until ctx ends, and again after a failure.
func (s *Station) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, s.stop)
	defer stop()
	var serving sync.WaitGroup
	defer serving.Wait()
	for ctx.Err() == nil {
		err := s.accept(ctx, &serving)
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		s.stats.Listening, s.stats.Err = "", err
		s.mu.Unlock()
		select {
		case <-time.After(listenAgain):
		case <-ctx.Done():
		}
	}
}

// accept listens once.
func (s *Station) accept(ctx context.Context, serving *sync.WaitGroup) error {
	// BMP has no message that says that its sender lives.
	lc := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}}
	ln, err := lc.Listen(ctx, "tcp", s.opt.Listen)
	if err != nil {
		return err
	}
	defer ln.Close()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	s.mu.Lock()
	s.stats.Listening, s.stats.Err = ln.Addr().String(), nil
	s.mu.Unlock()
	for {
		nc, err := ln.Accept()
		if err != nil {
			return err
		}
		if c := s.admit(nc); c != nil {
			serving.Go(func() { s.serve(ctx, c) })
		}
	}
}

// admit makes a connection of one that may come, and closes any other.
func (s *Station) admit(nc net.Conn) *conn {
	var addr netip.Addr
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		addr = tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		nc.Close()
		return nil
	}
	r, listed := s.router(addr)
	switch {
	case !listed:
		s.stats.Refused++
	case r == nil || len(s.conns) >= s.opt.Connections || s.pending[addr] >= perRouter:
		s.stats.Limited++
	default:
		c := &conn{net: nc, router: r, opt: &s.opt}
		s.conns[c] = addr
		s.pending[addr]++
		return c
	}
	nc.Close()
	return nil
}

// router is the one with an address; listed is whether one may have it. It is nil when there are too many.
func (s *Station) router(addr netip.Addr) (r *router, listed bool) {
	if r := s.routers[addr]; r != nil {
		return r, true
	}
	var best *Router
	for i := range s.opt.Routers {
		if e := &s.opt.Routers[i]; e.Prefix.Contains(addr) && (best == nil || e.Prefix.Bits() > best.Prefix.Bits()) {
			best = e
		}
	}
	if best == nil {
		return nil, false
	}
	if len(s.order) >= maxRouters && !s.makeRoom() {
		return nil, true
	}
	r = newRouter(best.Collector+"@"+addr.String(), addr, false, &s.opt, &s.names)
	s.add(r)
	return r, true
}

func (s *Station) add(r *router) {
	s.routers[r.addr] = r
	s.order = append(s.order, r)
	slices.SortFunc(s.order, func(a, b *router) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return a.addr.Compare(b.addr)
	})
}

// makeRoom forgets a router of a range that is gone and has nothing to say.
func (s *Station) makeRoom() bool {
	for i, r := range s.order {
		if !r.single && s.pending[r.addr] == 0 && r.idle() {
			delete(s.routers, r.addr)
			s.order = slices.Delete(s.order, i, i+1)
			return true
		}
	}
	return false
}

func (r *router) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conn == nil && len(r.order) == 0 && len(r.queue.in.events) == 0 && !r.giving
}

// serve reads one connection to its end.
func (s *Station) serve(ctx context.Context, c *conn) {
	raw := c.net
	defer raw.Close()
	err := s.greet(ctx, c)
	secure := err == nil
	if secure {
		err = c.run()
	}
	c.ended(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	addr := s.conns[c]
	delete(s.conns, c)
	if s.pending[addr]--; s.pending[addr] <= 0 {
		delete(s.pending, addr)
	}
	switch {
	case !secure:
		s.stats.Refused++
	case !c.started:
		s.stats.Silent++
	}
}

// greet does the handshake of TLS.
func (s *Station) greet(ctx context.Context, c *conn) error {
	if s.opt.TLS == nil {
		return nil
	}
	t := tls.Server(c.net, s.opt.TLS)
	ctx, cancel := context.WithTimeout(ctx, s.opt.First)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return err
	}
	c.router.mu.Lock() // stop may look at it
	defer c.router.mu.Unlock()
	c.net = t
	return nil
}

// stop ends all connections.
func (s *Station) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for c := range s.conns {
		c.router.mu.Lock()
		c.stop()
		c.router.mu.Unlock()
	}
}

// Poll gives what came since, in order for each router, until take says false. The error says why the station does not listen. One goroutine
// at a time.
func (s *Station) Poll(now time.Time, take func(Event) bool) error {
	s.mu.Lock()
	routers := slices.Clone(s.order)
	first, err := s.first, s.stats.Err
	s.mu.Unlock()
	for i := range routers {
		at := (first + i) % len(routers)
		r := routers[at]
		r.mu.Lock()
		r.expire(now)
		if r.queue.taken() {
			r.queue.swap()
			r.room.Broadcast()
		}
		r.giving = !r.queue.taken()
		r.mu.Unlock()
		if !r.queue.give(take) {
			s.mu.Lock()
			s.first = at + 1 // the others are not to wait behind one that says much
			s.mu.Unlock()
			break
		}
	}
	return err
}

// Stats is how the station is now.
func (s *Station) Stats() Stats {
	s.mu.Lock()
	out, routers := s.stats, slices.Clone(s.order)
	s.mu.Unlock()
	for _, r := range routers {
		out.Routers = append(out.Routers, r.told())
	}
	return out
}

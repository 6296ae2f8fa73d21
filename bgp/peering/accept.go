package peering

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// listen opens the sockets, trying again where that fails, and takes connections.
func (s *Speaker) listen(ctx context.Context) {
	for pause := firstRetry; ; pause = min(2*pause, s.opt.Retry) {
		list, err := s.open(ctx)
		s.mu.Lock()
		s.listenErr, s.listeners = err, list
		over := ctx.Err() != nil // else Run closes them
		s.mu.Unlock()
		if over {
			for _, ln := range list {
				ln.Close()
			}
			return
		}
		if err == nil {
			for _, ln := range list {
				s.beside.Go(func() { s.accept(ctx, ln) })
			}
			return
		}
		s.log.Error().Err(err).Msg("neighbours cannot connect; it is tried again")
		if !sleep(ctx, pause) {
			return
		}
	}
}

// open makes one socket for each address family that neighbours are of: the key of TCP MD5 and the limit of the TTL are set by family.
func (s *Speaker) open(ctx context.Context) (list []net.Listener, err error) {
	host, port, err := net.SplitHostPort(s.opt.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	networks := []string{"tcp4", "tcp6"}
	if addr, err := netip.ParseAddr(host); err == nil && (addr.Is4() || !addr.IsUnspecified()) {
		networks = networks[:1]
		if addr.Is6() {
			networks[0] = "tcp6"
		}
	} else {
		host = ""
	}
	for _, network := range networks {
		six := network == "tcp6"
		if !slices.ContainsFunc(s.opt.Neighbours, func(n Neighbour) bool { return n.six() == six }) {
			continue
		}
		lc := net.ListenConfig{KeepAliveConfig: keepAlives, Control: controlled(func(fd int) error { return s.prepare(fd, six) })}
		ln, lerr := lc.Listen(ctx, network, net.JoinHostPort(host, port))
		if lerr != nil {
			for _, ln := range list {
				ln.Close()
			}
			return nil, lerr
		}
		list = append(list, ln)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("listen: %s is of another address family than every neighbour", s.opt.Listen)
	}
	return list, nil
}

// prepare sets what a listening socket needs for the neighbours of a family.
func (s *Speaker) prepare(fd int, six bool) error {
	near, far := false, false
	for _, n := range s.opt.Neighbours {
		if n.six() != six {
			continue
		}
		near, far = near || n.TTLSecurity, far || !n.TTLSecurity
		if n.Password == "" {
			continue
		}
		of := n.Range
		if n.Address.IsValid() {
			of = netip.PrefixFrom(n.Address, n.Address.BitLen())
		}
		if err := setMD5(fd, of, n.Password); err != nil {
			return fmt.Errorf("TCP MD5 for %s: %w", n.name(), err)
		}
	}
	if !near {
		return nil
	}
	if err := sendTTL(fd, six); err != nil || far {
		return err // with others, the limit can only be set for each connection, once it is there
	}
	return leastTTL(fd, six)
}

func (n *Neighbour) six() bool { return n.Address.Is6() || n.Range.Addr().Is6() }

// accept takes connections until the socket is closed.
func (s *Speaker) accept(ctx context.Context, ln net.Listener) {
	for ctx.Err() == nil {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, or the neighbour is gone already
			sleep(ctx, 100*time.Millisecond)
			continue
		}
		if err := s.admit(ctx, conn); err != nil {
			s.log.Debug().Str("from", addrOf(conn).String()).Err(err).Msg("a connection was refused")
			conn.Close()
		}
	}
}

// errStranger is the error of a connection from an address that is no neighbour's.
var errStranger = errors.New("no neighbour has this address")

// admit begins a session with who connected, if it may.
func (s *Speaker) admit(ctx context.Context, conn net.Conn) error {
	now := time.Now()
	s.mu.Lock()
	n, err := s.find(addrOf(conn), now)
	if err == nil {
		err = n.admit(now)
	}
	if err == nil && s.sessions >= 2*maxSessions {
		err = errors.New("too many connections")
	}
	if err != nil {
		s.refused++
		s.mu.Unlock()
		return err
	}
	s.sessions++
	s.mu.Unlock()
	if n.conf.TTLSecurity {
		if err := onlyNear(conn, n.conf.Address.Is6()); err != nil {
			s.leave()
			return fmt.Errorf("TTL security: %w", err)
		}
	}
	c := newSession(s, n, conn, true)
	s.enter(c) // here, in the order of the connections
	s.beside.Go(func() { s.speak(ctx, c) })
	return nil
}

// find is the neighbour of an address. s.mu is held.
func (s *Speaker) find(addr netip.Addr, now time.Time) (*neighbour, error) {
	if n := s.byAddr[addr]; n != nil {
		return n, nil
	}
	for _, g := range s.groups {
		if g.conf.Range.Contains(addr) {
			return g.member(addr, now)
		}
	}
	return nil, errStranger
}

func (s *Speaker) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions--
}

// speak runs one session.
func (s *Speaker) speak(ctx context.Context, c *session) {
	defer s.leave()
	c.run(ctx)
}

// addrOf is the address of the other end.
func addrOf(conn net.Conn) netip.Addr {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

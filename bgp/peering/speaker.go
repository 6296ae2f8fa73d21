// Package peering speaks BGP with routers in order to listen to them: sessions that receive and never announce anything (RFC 4271). Each message
// of an established session, and each change to and from that state, becomes a record of MRT; what the messages mean is for others.
//
// A session ends with a panic, a malformed message or a broken limit of its own neighbour; the process and the other sessions go on.
package peering

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Speaker is this side of all sessions. Run keeps them, Poll gives what they said.
type Speaker struct {
	opt    Options
	log    zerolog.Logger
	fixed  fixed
	queue  *queue
	beside sync.WaitGroup // sessions and what runs beside them

	mu          sync.Mutex // guards what follows, each neighbour, and what sessions say of themselves
	byAddr      map[netip.Addr]*neighbour
	order       []*neighbour // as configured
	groups      []*group     // the longest range first
	listeners   []net.Listener
	listenErr   error
	sessions    int // connections
	established int
	refused     uint64
}

// New makes a speaker. It listens and connects when Run is called. The error says which option cannot be used.
func New(opt Options) (*Speaker, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("peering: %w", err)
	}
	s := &Speaker{opt: opt, log: opt.Log, queue: newQueue(opt.Buffer), byAddr: map[netip.Addr]*neighbour{}}
	if s.fixed, err = newFixed(); err != nil {
		return nil, fmt.Errorf("peering: %w", err)
	}
	now := time.Now()
	for _, conf := range opt.Neighbours {
		if _, _, err := hello(&opt, &conf, true); err != nil {
			return nil, fmt.Errorf("peering: neighbour %s: our OPEN: %w", conf.name(), err)
		}
		if conf.Range.IsValid() {
			s.groups = append(s.groups, &group{conf: conf, members: map[netip.Addr]*neighbour{}})
			continue
		}
		n := newNeighbour(conf, nil, now)
		s.byAddr[conf.Address] = n
		s.order = append(s.order, n)
	}
	slices.SortStableFunc(s.groups, func(a, b *group) int { return b.conf.Range.Bits() - a.conf.Range.Bits() })
	return s, nil
}

// Poll gives what came since, in order, until take says false.
func (s *Speaker) Poll(take func(Event) bool) { s.queue.poll(take) }

// Run keeps the sessions until ctx ends, and then closes them.
func (s *Speaker) Run(ctx context.Context) {
	if s.opt.Listen != "" {
		s.beside.Go(func() { s.listen(ctx) })
	}
	for _, n := range s.order {
		if !n.conf.Passive {
			s.beside.Go(func() { s.dial(ctx, n) })
		}
	}
	<-ctx.Done()
	s.queue.close() // sessions that wait for room shall not wait for ever
	s.mu.Lock()
	for _, ln := range s.listeners {
		ln.Close()
	}
	for _, n := range s.all() {
		if n.expiry != nil {
			n.expiry.Stop()
		}
	}
	s.mu.Unlock()
	s.beside.Wait()
}

// all are the neighbours, those of ranges behind the others, in the order of their addresses.
func (s *Speaker) all() []*neighbour {
	list := slices.Clone(s.order)
	for _, g := range s.groups {
		from := len(list)
		for _, n := range g.members {
			list = append(list, n)
		}
		slices.SortFunc(list[from:], func(a, b *neighbour) int { return a.conf.Address.Compare(b.conf.Address) })
	}
	return list
}

// dial connects to a neighbour whenever there is no session with it.
func (s *Speaker) dial(ctx context.Context, n *neighbour) {
	for wait := jittered(min(firstRetry, s.opt.Retry)); sleep(ctx, wait); wait = s.pause(n) {
		for s.busy(n) {
			select {
			case <-n.changed:
			case <-ctx.Done():
				return
			}
		}
		conn, err := s.reach(ctx, n)
		if err != nil {
			s.mu.Lock()
			if n.current == nil {
				n.err = err
			}
			n.tries++
			s.mu.Unlock()
			continue
		}
		s.mu.Lock()
		s.sessions++
		s.mu.Unlock()
		c := newSession(s, n, conn, false)
		s.enter(c)
		s.speak(ctx, c)
	}
}

// busy reports whether the neighbour has a session, or is about to: its own connection has come further than ours could.
func (s *Speaker) busy(n *neighbour) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return n.current != nil || slices.ContainsFunc(n.trying, func(c *session) bool { return c.state == openConfirm })
}

// pause is how long to wait before the next attempt: twice as long each time, up to the limit, and never the same for all.
func (s *Speaker) pause(n *neighbour) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := n.pause
	if wait == 0 {
		wait = min(firstRetry, s.opt.Retry)
	}
	n.pause = min(2*wait, s.opt.Retry)
	return jittered(wait)
}

// reach connects once.
func (s *Speaker) reach(ctx context.Context, n *neighbour) (net.Conn, error) {
	six := n.conf.Address.Is6()
	d := net.Dialer{Timeout: 20 * time.Second, KeepAliveConfig: keepAlives, Control: controlled(func(fd int) error {
		if n.conf.TTLSecurity {
			if err := errors.Join(sendTTL(fd, six), leastTTL(fd, six)); err != nil {
				return fmt.Errorf("TTL security: %w", err)
			}
		}
		if n.conf.Password == "" {
			return nil
		}
		if err := setMD5(fd, netip.PrefixFrom(n.conf.Address, n.conf.Address.BitLen()), n.conf.Password); err != nil {
			return fmt.Errorf("TCP MD5: %w", err)
		}
		return nil
	})}
	if n.conf.Local.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: n.conf.Local.AsSlice()}
	}
	return d.DialContext(ctx, "tcp", net.JoinHostPort(n.conf.Address.String(), strconv.Itoa(int(n.conf.Port))))
}

// sleep waits; false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

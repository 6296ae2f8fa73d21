package peering

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// established queues what begins a session: both OPEN messages, which say how to read what follows, and the change of state.
func (c *session) established() {
	at := bgp.MicrosOf(time.Now())
	c.out = c.s.queue.buffer()
	own := c.env
	own.Local = true
	c.record(at, own, c.rawSaid)
	c.record(at, c.env, c.rawHeard)
	c.change(at, openConfirm, bgp.Established)
}

// lost queues what ends it.
func (c *session) lost() {
	c.change(bgp.MicrosOf(time.Now()), bgp.Established, idle)
}

func (c *session) change(at bgp.Micros, from, to bgp.State) {
	var err error
	if c.out, err = mrt.AppendStateChange(c.out, at, c.env, from, to); err != nil { // never: the envelope has been used
		c.s.log.Error().Err(err).Msg("a change of state could not be recorded")
		return
	}
	c.outState = to
	c.flush()
}

// record gathers one message.
func (c *session) record(at bgp.Micros, env mrt.Envelope, msg []byte) {
	var err error
	if c.out, err = mrt.AppendMessage(c.out, at, env, msg); err != nil { // never: it has between 19 and 65,535 octets
		c.s.log.Error().Err(err).Msg("a message could not be recorded")
	}
}

// flush queues what was gathered. It is false when the speaker stops.
func (c *session) flush() bool {
	if len(c.out) == 0 {
		return true
	}
	ok := c.s.queue.put(chunk{c, c.out, c.outState})
	c.out, c.outState = c.s.queue.buffer(), 0
	return ok
}

// tell sends a NOTIFICATION, and records that it was sent.
func (c *session) tell(f *fault, established bool) {
	b, err := notification(f)
	if err != nil {
		return
	}
	if c.send(b) == nil && established {
		own := c.env
		own.Local = true
		c.record(bgp.MicrosOf(time.Now()), own, b)
	}
}

// listen takes what an established session says until it ends.
func (c *session) listen() error {
	c.established()
	stop := make(chan struct{})
	defer close(stop)
	if c.agreed.HoldTime > 0 {
		c.s.beside.Go(func() { c.keepAlive(stop) })
	}
	// Our table is empty, and complete: a neighbour that restarts waits to be told (RFC 4724 section 4.1).
	for _, f := range c.agreed.Families {
		if err := c.send(c.s.fixed.endOfRIB[f]); err != nil {
			return err
		}
	}
	for {
		msg, err := c.next()
		at := time.Now()
		if len(msg) > 0 && msg[18] != wire.TypeUpdate || err != nil {
			if err := c.other(at, msg, err); err != nil {
				return err
			}
			continue
		}
		c.counted(at, msg)
		c.tally.Updates++
		if err := c.takeUpdate(bgp.MicrosOf(at), msg); err != nil {
			return err
		}
		if len(c.out) >= chunkSize && !c.flush() {
			return errEnded
		}
	}
}

// other takes a message that is no UPDATE, or an error of reading one.
func (c *session) other(at time.Time, msg []byte, err error) error {
	if len(msg) >= headerLen {
		c.record(bgp.MicrosOf(at), c.env, msg)
		c.counted(at, msg)
	}
	if err != nil {
		return c.expired(err)
	}
	switch msg[18] {
	case wire.TypeNotification:
		return notified(msg)
	case wire.TypeOpen:
		return &fault{code: 5, subcode: 3, why: "an OPEN"}
	case wire.TypeRouteRefresh:
		return c.refreshing(at, msg)
	}
	return nil
}

// refreshing takes a ROUTE-REFRESH: a request for our table, which is empty, or a mark around the neighbour's. What stands between the marks
// are announcements like any others (docs/decisions/007-resync.md). This side asks for no table: nothing of a session can be
// missed but with its end.
func (c *session) refreshing(at time.Time, msg []byte) error {
	family, subtype := refresh(msg)
	switch {
	case subtype == refreshEnds:
		c.tally.Refreshes++
	case subtype == refreshAsked && c.heard.EnhancedRefresh && at.Sub(c.refreshed) >= refreshEvery:
		c.refreshed = at
		if marks := c.s.fixed.refreshed[family]; marks != nil {
			return c.send(marks)
		}
	}
	return nil
}

// takeUpdate records an UPDATE and looks at it as far as the session goes: whether its prefixes can be told apart, how many routes there are, and
// whether the table is complete. What it means for the world is for others.
func (c *session) takeUpdate(at bgp.Micros, msg []byte) error {
	env := c.env
	opts := c.agreed.Options
	if opts.AddPath4 != opts.AddPath6 {
		v4, v6 := c.families(msg)
		if v4 && v6 {
			c.n.refuseAddPath(c.s)
			return &fault{code: 6, subcode: 6, why: "path identifiers are agreed on for one family only, and an UPDATE has prefixes of both: MRT cannot keep it. The session is made again without them"}
		}
		env.AddPath = v4 && opts.AddPath4 || v6 && opts.AddPath6
	}
	c.record(at, env, msg)
	if err := c.update.Parse(msg, opts); err != nil {
		return &fault{code: 3, subcode: 1, why: err.Error()}
	}
	var e bgp.Elem
	for c.update.Next(&e) {
		c.routes.apply(&e)
	}
	const lost = wire.FaultMPReach | wire.FaultMPUnreach | wire.FaultNLRI
	if c.update.Faults&lost != 0 {
		return &fault{code: 3, subcode: 10, why: "prefixes of an UPDATE cannot be located: " + c.update.Faults.String() + " (RFC 7606 section 3 j)"}
	}
	switch family, ends := c.update.EndOfRIB(); {
	case ends && family == wire.IPv4Unicast:
		c.tally.EndOfRIB[0] = true
	case ends && family == wire.IPv6Unicast:
		c.tally.EndOfRIB[1] = true
	}
	if c.routes.exceeds(c.n.conf.MaxRoutes) {
		return &fault{code: 6, subcode: 1, why: fmt.Sprintf("more than %d routes", c.n.conf.MaxRoutes)}
	}
	return nil
}

// families says whether an UPDATE has prefixes of IPv4 and of IPv6.
func (c *session) families(msg []byte) (v4, v6 bool) {
	if c.update.Parse(msg, c.agreed.Options) != nil {
		return false, false
	}
	var e bgp.Elem
	for c.update.Next(&e) {
		v6 = v6 || e.Prefix.IsV6()
		v4 = v4 || !e.Prefix.IsV6()
	}
	return v4, v6
}

// counted notes a message.
func (c *session) counted(at time.Time, msg []byte) {
	c.lastCame = at
	c.tally.Messages++
	c.tally.Octets += uint64(len(msg))
}

// publish lets others see the counts, before the session waits for its neighbour.
func (c *session) publish() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.tally.Routes, c.tally.Estimated = c.routes.count()
	c.came, c.count = c.lastCame, c.tally
}

// keepAlive sends KEEPALIVE three times within the hold time, a little irregularly (RFC 4271 sections 4.4 and 10). Where one cannot be sent the
// neighbour does not read, and the session ends (RFC 9687).
func (c *session) keepAlive(stop <-chan struct{}) {
	every := time.Duration(c.agreed.HoldTime) * time.Second / 3
	for {
		select {
		case <-stop:
			return
		case <-time.After(jittered(every)):
		}
		if err := c.send(c.s.fixed.keepalive); err != nil {
			c.end(fmt.Errorf("sending: %w", err))
			return
		}
	}
}

// jittered is between three quarters of d and d: RFC 4271 section 10.
func jittered(d time.Duration) time.Duration {
	if d < 4 {
		return d
	}
	return d - rand.N(d/4)
}

// restarts reports whether the neighbour, when it ended the session so, keeps what it does while it restarts (RFC 4724, RFC 8538), and how
// long it said that it needs.
func (c *session) restarts(err error) (time.Duration, bool) {
	g := c.heard.Graceful
	if g == nil || len(g.Families) == 0 || g.Time == 0 {
		return 0, false
	}
	var told *closedBy
	var f *fault
	switch {
	case errors.As(err, &told) && (!g.Notification || told.code == 6 && told.subcode == 9):
		return 0, false
	case errors.As(err, &f) && (!g.Notification || f.code != 4):
		return 0, false
	}
	return time.Duration(g.Time) * time.Second, true
}

package peering

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

// neighbour is one router. Its fields but conf are guarded by Speaker.mu.
type neighbour struct {
	conf  Neighbour // with the address, for a router of a range too
	group *group    // of a router of a range; else nil

	current *session   // established
	trying  []*session // before that: one each way at most

	since   time.Time // of being established, or not
	last    time.Time // message of a session that ended
	err     error     // why it is not established
	tries   int       // attempts since it was
	plain   bool      // path identifiers are not offered: see session.takeUpdate
	allowed float64   // connections it may make now
	counted time.Time // when allowed was
	barred  time.Time // until then nothing is taken from it: it broke a limit
	pause   time.Duration
	changed chan struct{} // told when a session ends

	// While the neighbour restarts (RFC 4724): until when it said it would be back, and since when it is away.
	restart time.Time
	expiry  *time.Timer
	// Restarts that it came back from in time, and those it did not.
	resumed, expired int
}

const (
	// A neighbour may make so many connections at once, and one more each time after so long.
	connectBurst = 8
	connectEvery = 5 * time.Second
	// steadyAfter is how long a session must have lasted for the next attempt to be made at once.
	steadyAfter = time.Minute
	firstRetry  = time.Second
	// replaceAfter is how old a session must be for a new connection to be a restart of the neighbour, and not one of two made at the same time.
	replaceAfter = 5 * time.Second
)

func newNeighbour(conf Neighbour, g *group, now time.Time) *neighbour {
	return &neighbour{conf: conf, group: g, since: now, allowed: connectBurst, counted: now, changed: make(chan struct{}, 1)}
}

// admit reports whether the neighbour may make a connection now.
func (n *neighbour) admit(now time.Time) error {
	n.allowed = min(connectBurst, n.allowed+float64(now.Sub(n.counted))/float64(connectEvery))
	n.counted = now
	switch {
	case now.Before(n.barred):
		return errors.New("it broke a limit, and is refused until " + n.barred.UTC().Format(time.TimeOnly))
	case n.allowed < 1:
		return errors.New("it connects too often")
	}
	n.allowed--
	return nil
}

// hello is our OPEN for the neighbour.
func (n *neighbour) hello(s *Speaker) ([]byte, wire.Open, error) {
	s.mu.Lock()
	addPath := n.conf.AddPath && !n.plain
	s.mu.Unlock()
	return hello(&s.opt, &n.conf, addPath)
}

func (n *neighbour) refuseAddPath(s *Speaker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.plain = true
}

// enter notes a new connection. One that was made before in the same direction and came to nothing yet gives way: the neighbour, or its address, has
// begun anew.
func (s *Speaker) enter(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range c.n.trying {
		if o.in == c.in {
			o.endLocked(&fault{code: 6, subcode: 7, why: "a newer connection"})
		}
	}
	c.n.trying = append(c.n.trying, c)
}

// collide decides, once the OPEN of a connection is there, between it and another one: RFC 4271 section 6.8. An error is for this one; without
// one it is in OpenConfirm.
func (s *Speaker) collide(c *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.why != nil {
		return c.why
	}
	if err := c.n.takes(c); err != nil {
		return err
	}
	// Of two connections the one stays that was made by the side with the higher identifier, and the higher AS number of equal ones (RFC 6286).
	ours := cmp.Or(c.said.ID.Compare(c.heard.ID), cmp.Compare(c.said.AS, c.heard.AS)) > 0
	for _, o := range c.n.trying {
		if o.in == c.in || o.why != nil || o.state != openConfirm { // it is this one, or is ending
			continue
		}
		if c.in == ours {
			return &fault{code: 6, subcode: 7, why: "the other of two connections stays"}
		}
		o.endLocked(&fault{code: 6, subcode: 7, why: "the other of two connections stays"})
	}
	c.state = openConfirm
	return nil
}

// takes reports whether a connection may take the place of the established session, if there is one: only that of a neighbour that restarts
// and has lost the old one without saying so (RFC 4724 section 4.2).
func (n *neighbour) takes(c *session) error {
	switch cur := n.current; {
	case cur == nil:
	case !c.in || time.Since(n.since) < replaceAfter:
		return &fault{code: 6, subcode: 7, why: "a session is established"}
	default:
		if _, ok := cur.restarts(errRestarted); !ok {
			return &fault{code: 6, subcode: 7, why: "a session is established"}
		}
	}
	return nil
}

// errRestarted ends a session that its neighbour has begun anew.
var errRestarted = errors.New("the neighbour restarted: it made a new connection")

// establish makes a connection the session of its neighbour, and waits until the one before it, if any, has said its last.
func (s *Speaker) establish(c *session) error {
	before, err := s.promote(c)
	if err != nil {
		return err
	}
	if before != nil {
		<-before.done // its read is woken, its records wait for Poll only
		_, err = s.promote(c)
	}
	return err
}

// promote makes c the current session, or ends and gives the one that is.
func (s *Speaker) promote(c *session) (before *session, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := c.n
	if c.why != nil {
		return nil, c.why
	}
	if err := n.takes(c); err != nil {
		return nil, err
	}
	if n.current != nil {
		n.current.endLocked(errRestarted)
		return n.current, nil
	}
	if s.established >= maxSessions {
		return nil, &fault{code: 6, subcode: 8, why: fmt.Sprintf("%d sessions are established, and there may be no more", maxSessions)}
	}
	s.established++
	n.remove(c)
	for _, o := range n.trying {
		o.endLocked(&fault{code: 6, subcode: 7, why: "the other of two connections is established"})
	}
	c.state = bgp.Established
	n.current, n.since, n.err, n.tries = c, time.Now(), nil, 0
	if n.expiry != nil {
		n.expiry.Stop()
		n.expiry, n.restart = nil, time.Time{}
		n.resumed++
	}
	s.log.Info().Str("neighbour", n.conf.Address.String()).Uint32("as", n.conf.AS).Bool("incoming", c.in).Uint16("hold", c.agreed.HoldTime).
		Bool("as4", c.agreed.Options.AS4).Bool("addpath", c.env.AddPath).Msg("session established")
	return nil, nil
}

func (n *neighbour) remove(c *session) {
	for i, o := range n.trying {
		if o == c {
			n.trying = append(n.trying[:i:i], n.trying[i+1:]...)
			return
		}
	}
}

// gone notes that a session has ended, and why.
func (s *Speaker) gone(c *session, established bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := c.n
	n.remove(c)
	now := time.Now()
	if !c.lastCame.IsZero() {
		n.last = c.lastCame
	}
	if n.current != c && n.current != nil {
		return // a connection too many
	}
	n.err = err
	n.tries++
	if established {
		n.current = nil
		s.established--
		s.ended(n, c, now, err)
	} else {
		s.log.Debug().Str("neighbour", n.conf.Address.String()).Err(err).Msg("no session came of a connection")
	}
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// ended decides what comes after an established session.
func (s *Speaker) ended(n *neighbour, c *session, now time.Time, err error) {
	steady := now.Sub(n.since) >= steadyAfter
	n.since = now
	wait, graceful := c.restarts(err)
	var f *fault
	switch {
	case errors.As(err, &f) && (f.code == 3 || f.code == 6 && f.subcode == 1):
		n.pause = s.opt.Retry // it would most likely say the same again
		n.barred = now.Add(s.opt.Retry)
	case graceful || steady || f != nil && f.code == 6:
		n.pause = 0
	}
	if graceful {
		n.restart = now.Add(wait)
		n.expiry = time.AfterFunc(wait, func() { s.expire(n) })
	}
	s.log.Warn().Str("neighbour", n.conf.Address.String()).Uint32("as", n.conf.AS).Bool("graceful", graceful).Err(err).Msg("session lost")
}

// expire notes that a neighbour did not come back within the time it had asked for.
func (s *Speaker) expire(n *neighbour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.current != nil || n.expiry == nil {
		return
	}
	n.expiry, n.restart = nil, time.Time{}
	n.expired++
	n.err = errors.New("the neighbour did not come back within the restart time it had announced")
	s.log.Warn().Str("neighbour", n.conf.Address.String()).Uint32("as", n.conf.AS).Err(n.err).Msg("restart failed")
}

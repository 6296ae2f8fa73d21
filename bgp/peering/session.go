package peering

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// The states of a session: RFC 4271 section 8.2.2. Idle, Connect and Active are those of a neighbour without a connection.
const (
	idle        bgp.State = 1
	connect     bgp.State = 2
	active      bgp.State = 3
	openSent    bgp.State = 4
	openConfirm bgp.State = 5
)

const (
	// openWithin bounds how long a neighbour may take for its OPEN, and for its first KEEPALIVE where the hold time does not; RFC 4271 section
	// 8.2.2 suggests four minutes.
	openWithin  = time.Minute
	writeWithin = 10 * time.Second
	// After a NOTIFICATION so much is still read, for so long: closing with octets unread would reset the connection, and the NOTIFICATION
	// might never be seen.
	lingerFor    = time.Second
	lingerOctets = 1 << 20
	// refreshEvery bounds how often a request to send our empty table is answered.
	refreshEvery = time.Second
)

// session is one connection to a neighbour: the state machine of RFC 4271 from OpenSent on. Its goroutine owns it; s.mu guards what it says.
type session struct {
	s    *Speaker
	n    *neighbour
	conn net.Conn
	in   bool // the neighbour made the connection

	frames   framer
	limit    time.Duration // until the next message must be there whole; 0: never
	deadline time.Time     // of the message being read
	fresh    bool          // it is not set yet

	said, heard wire.Open // the two OPEN messages
	rawSaid     []byte
	rawHeard    []byte
	agreed      wire.Session
	env         mrt.Envelope
	out         []byte    // records gathered
	outState    bgp.State // of the last of them
	update      wire.Update
	routes      routeSet
	tally       SessionCounts
	lastCame    time.Time
	refreshed   time.Time // when a request was answered last

	write   sync.Mutex // guards writing to conn
	ended   atomic.Bool
	done    chan struct{} // closed when the session has queued its last record
	waiting int           // octets queued; guarded by the queue

	// Guarded by s.mu.
	state bgp.State
	why   error         // why this side ended it
	came  time.Time     // lastCame, as the pages see it
	count SessionCounts // tally, likewise
}

// SessionCounts is what one session has sent since it was established.
type SessionCounts struct {
	Messages, Updates, Octets uint64
	Routes                    int     // held now, to about one in ten thousand
	Estimated                 bool    // Routes is above 200,000, and its standard error 0.3 per cent
	EndOfRIB                  [2]bool // of IPv4 and of IPv6 unicast
	Refreshes                 uint64  // tables sent again between the marks of RFC 7313
}

// errEnded is what reading gives when this side ended the session.
var errEnded = errors.New("ended")

func newSession(s *Speaker, n *neighbour, conn net.Conn, in bool) *session {
	c := &session{s: s, n: n, conn: conn, in: in, done: make(chan struct{}), state: openSent}
	c.frames = newFramer(c)
	return c
}

// peer is who speaks, as records name it.
func (c *session) peer() bgp.Peer { return bgp.Peer{AS: c.n.conf.AS, Addr: c.n.conf.Address} }

// Read reads from the connection, within the time that the message being read has. What was gathered is queued before: nothing may
// lie here while a neighbour is silent.
func (c *session) Read(b []byte) (int, error) {
	c.publish()
	if !c.flush() {
		return 0, errEnded
	}
	if c.fresh {
		c.fresh, c.deadline = false, time.Time{}
		if c.limit > 0 {
			c.deadline = time.Now().Add(c.limit)
		}
	}
	if err := c.conn.SetReadDeadline(c.deadline); err != nil {
		return 0, err
	}
	if c.ended.Load() {
		return 0, errEnded
	}
	n, err := c.conn.Read(b)
	if err != nil && c.ended.Load() {
		return n, errEnded
	}
	return n, err
}

// next is the next message. The time for it begins now, and not when the one before it came: waiting for room in our own queue is no silence
// of the neighbour.
func (c *session) next() ([]byte, error) {
	c.fresh = true
	return c.frames.next()
}

// send writes to the neighbour.
func (c *session) send(b []byte) error {
	c.write.Lock()
	defer c.write.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	_, err := c.conn.Write(b)
	return err
}

// end makes the session end, and be it in the middle of a read. A fault is told to the neighbour.
func (c *session) end(why error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.endLocked(why)
}

func (c *session) endLocked(why error) {
	if c.why == nil {
		c.why = why
	}
	c.ended.Store(true)
	_ = c.conn.SetReadDeadline(time.Unix(1, 0)) // wakes a read; that of a closed connection has ended anyway
}

// run speaks with the neighbour until the connection ends. A panic ends this session only.
func (c *session) run(ctx context.Context) {
	defer c.conn.Close()
	stop := context.AfterFunc(ctx, func() { c.end(stopping) })
	defer stop()
	err := c.guarded(c.handshake)
	established := err == nil
	if established {
		err = c.guarded(c.listen)
	}
	if errors.Is(err, errEnded) {
		err = c.reason(ctx)
	}
	var f *fault
	if errors.As(err, &f) {
		c.tell(f, established)
	}
	if established {
		c.lost()
	}
	c.s.gone(c, established, err)
	close(c.done)
	if f != nil {
		c.linger()
	}
}

// stopping ends every session of a speaker that stops.
var stopping = &fault{code: 6, subcode: 2, why: "the monitor stops"}

// reason is why this side ended the session.
func (c *session) reason(ctx context.Context) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.why == nil && ctx.Err() != nil { // the queue is closed, and the hook of ctx has not run yet
		return stopping
	}
	return c.why
}

// guarded turns a panic into an error.
func (c *session) guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.s.log.Error().Str("neighbour", c.n.conf.Address.String()).Bytes("stack", debug.Stack()).Msgf("a message was too much for this program: %v", p)
			err = &fault{code: 6, subcode: 8, why: fmt.Sprintf("a fault of this program: %v", p)}
		}
	}()
	return f()
}

// handshake exchanges OPEN and KEEPALIVE.
func (c *session) handshake() error {
	raw, said, err := c.n.hello(c.s)
	if err != nil {
		return err
	}
	c.said = said
	if err := c.send(raw); err != nil {
		return err
	}
	c.limit = openWithin
	msg, err := c.next()
	if err != nil {
		return c.expired(err)
	}
	if err := c.open(msg); err != nil {
		return err
	}
	if err := c.s.collide(c); err != nil {
		return err
	}
	if err := c.send(c.s.fixed.keepalive); err != nil {
		return err
	}
	hold := time.Duration(c.agreed.HoldTime) * time.Second
	if hold > 0 {
		c.limit = min(hold, openWithin)
	}
	if msg, err = c.next(); err != nil {
		return c.expired(err)
	}
	switch msg[18] {
	case wire.TypeKeepalive:
	case wire.TypeNotification:
		return notified(msg)
	default:
		return &fault{code: 5, subcode: 2, why: fmt.Sprintf("a message of type %d", msg[18])}
	}
	c.limit = hold
	c.frames.max = c.agreed.MaxMessage
	c.setEnvelope()
	c.rawSaid = raw
	return c.s.establish(c)
}

// open judges the first message of a neighbour.
func (c *session) open(msg []byte) error {
	switch msg[18] {
	case wire.TypeOpen:
	case wire.TypeNotification:
		return notified(msg)
	default:
		return &fault{code: 5, subcode: 1, why: fmt.Sprintf("a message of type %d", msg[18])}
	}
	c.rawHeard = append([]byte(nil), msg...)
	o, err := wire.ParseOpen(c.rawHeard)
	if err != nil {
		return openFault(err)
	}
	c.heard = o
	c.agreed = wire.Negotiate(&c.said, &o)
	switch {
	case o.AS != c.n.conf.AS:
		return &fault{code: 2, subcode: 2, why: fmt.Sprintf("it says AS%d; AS%d is expected", o.AS, c.n.conf.AS)}
	case o.AS == c.said.AS && o.ID == c.said.ID:
		return &fault{code: 2, subcode: 3, why: "it has our own identifier (RFC 6286 section 2.1)"}
	case len(c.agreed.Families) == 0:
		return &fault{code: 2, subcode: 7, data: []byte{1, 4, 0, 1, 0, 1, 1, 4, 0, 2, 0, 1}, why: "it offers neither IPv4 nor IPv6 unicast"}
	}
	return nil
}

// openFault says what is wrong with an OPEN as RFC 4271 section 6.2 numbers it.
func openFault(err error) *fault {
	f := &fault{code: 2, why: err.Error()}
	switch {
	case errors.Is(err, wire.ErrOpenVersion):
		f.subcode, f.data = 1, []byte{0, 4}
	case errors.Is(err, wire.ErrOpenAS):
		f.subcode = 2
	case errors.Is(err, wire.ErrOpenID):
		f.subcode = 3
	case errors.Is(err, wire.ErrOpenParameter):
		f.subcode = 4
	case errors.Is(err, wire.ErrOpenHoldTime):
		f.subcode = 6
	}
	return f
}

// setEnvelope fixes what the records of the session say around each message.
func (c *session) setEnvelope() {
	if len(c.agreed.Families) == 1 { // of the other nothing comes
		one := c.agreed.Options.AddPath4 && c.agreed.Families[0] == wire.IPv4Unicast || c.agreed.Options.AddPath6 && c.agreed.Families[0] == wire.IPv6Unicast
		c.agreed.Options.AddPath4, c.agreed.Options.AddPath6 = one, one
	}
	c.env = mrt.Envelope{
		PeerAS: c.n.conf.AS, LocalAS: c.said.AS, PeerAddr: c.n.conf.Address, AS2: !c.agreed.Options.AS4,
		AddPath: c.agreed.Options.AddPath4 || c.agreed.Options.AddPath6,
	}
	if a, ok := c.conn.LocalAddr().(*net.TCPAddr); ok {
		if addr := a.AddrPort().Addr().Unmap().WithZone(""); addr.Is4() == c.n.conf.Address.Is4() {
			c.env.LocalAddr = addr
		}
	}
}

// expired makes an error of reading what it means: nothing whole came in time (RFC 4271 section 6.5).
func (c *session) expired(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() && !c.ended.Load() {
		return &fault{code: 4, why: fmt.Sprintf("no whole message within %s", c.limit)}
	}
	if errors.Is(err, io.EOF) {
		return errors.New("the neighbour closed the connection")
	}
	return err
}

// closedBy is a NOTIFICATION of the neighbour.
type closedBy struct {
	code, subcode byte
	text          string
}

// Error is what the neighbour said.
func (e *closedBy) Error() string { return "the neighbour closed the session: " + e.text }

func notified(msg []byte) error {
	code, sub, data, err := wire.ParseNotification(msg)
	if err != nil {
		return err
	}
	e := &closedBy{code: code, subcode: sub, text: wire.NotificationText(code, sub)}
	if text, ok := wire.ShutdownCommunication(code, sub, data); ok {
		e.text += ": " + text
	}
	return e
}

// linger reads what the neighbour still sends, and throws it away.
func (c *session) linger() {
	if t, ok := c.conn.(*net.TCPConn); ok && t.CloseWrite() == nil && c.conn.SetReadDeadline(time.Now().Add(lingerFor)) == nil {
		_, _ = io.CopyN(io.Discard, c.conn, lingerOctets) // whatever ends it
	}
}

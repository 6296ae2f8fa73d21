package bmp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// conn is one connection of a router.
type conn struct {
	net     net.Conn
	router  *router
	opt     *Options
	started bool // its first message made it the router's connection; of its own goroutine
	dead    bool // guarded by the router's lock: another one has taken its place, or the station stops

	msg        Message
	buf        []byte
	begin, end int // of what in buf was received and not used
}

// errNoBMP is a connection whose first message is none.
var errNoBMP = errors.New("the first message is no BMP message")

// run reads until the connection ends, and says why it did, without an address.
func (c *conn) run() error {
	c.buf = make([]byte, 64<<10)
	if err := c.net.SetReadDeadline(time.Now().Add(c.opt.First)); err != nil {
		return err
	}
	for {
		got := false
		for {
			n, err := Split(c.buf[c.begin:c.end], c.opt.Longest)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			if err := c.take(c.buf[c.begin : c.begin+n]); err != nil {
				return err
			}
			c.begin += n
			got = true
		}
		if got { // a router may be silent for as long as it likes, but not in the middle of a message
			var by time.Time
			if c.begin < c.end {
				by = time.Now().Add(c.opt.Whole)
			}
			if err := c.net.SetReadDeadline(by); err != nil {
				return err
			}
		}
		fresh := c.begin == c.end
		if err := c.fill(); err != nil {
			return err
		}
		if fresh && c.started {
			if err := c.net.SetReadDeadline(time.Now().Add(c.opt.Whole)); err != nil {
				return err
			}
		}
	}
}

// fill reads what there is behind what is not used yet.
func (c *conn) fill() error {
	if c.begin > 0 {
		c.end = copy(c.buf, c.buf[c.begin:c.end])
		c.begin = 0
	}
	if c.end == len(c.buf) { // Split refuses what is longer than Longest
		c.buf = append(c.buf, make([]byte, min(len(c.buf), c.opt.Longest))...)
	}
	n, err := c.net.Read(c.buf[c.end:])
	c.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// take hands one message to the router, once there is room for what becomes of it: until then the connection is not read, and TCP tells the
// router to wait.
func (c *conn) take(b []byte) error {
	err := c.msg.Decode(b)
	if err != nil && !c.started {
		return errNoBMP
	}
	r := c.router
	r.mu.Lock()
	defer r.mu.Unlock()
	for !c.dead && r.queue.in.size() >= r.limit {
		r.room.Wait()
	}
	if c.dead {
		return net.ErrClosed
	}
	now := c.opt.Now()
	if !c.started {
		c.started = true
		if old := r.conn; old != nil { // half open: the router knows better than this end
			old.stop()
			r.lost("another connection of the router took its place", now)
		}
		r.conn = c
		r.came(now)
		if c.msg.Type != Initiation {
			r.stats.Counts.NoInitiation++
		}
	}
	r.stats.Last = now
	if over := r.message(&c.msg, err, now); over != "" {
		return errors.New(over)
	}
	return nil
}

// stop ends the connection. The router's lock is held.
func (c *conn) stop() {
	c.dead = true
	c.net.Close()
	c.router.room.Broadcast()
}

// ended tells the router that its connection is gone.
func (c *conn) ended(err error) {
	r := c.router
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == c {
		r.conn = nil
		r.lost(c.why(err), c.opt.Now())
	}
}

// why says in words, and without an address, how a connection ended.
func (c *conn) why(err error) string {
	var op *net.OpError
	switch {
	case errors.Is(err, io.EOF):
		return "the router closed the connection"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Sprintf("a message was not whole after %s", c.opt.Whole)
	case errors.As(err, &op):
		return "the connection broke: " + op.Err.Error()
	}
	return err.Error()
}

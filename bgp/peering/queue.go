package peering

import (
	"encoding/binary"
	"sync"

	"github.com/corewatch/corewatch/bgp"
)

// Event is one record of one session, in the order in which the session had it.
type Event struct {
	Peer  bgp.Peer  // without the collector, which the caller names
	Raw   []byte    // an MRT record; valid during the call
	State bgp.State // with a STATE_CHANGE: the state that the session is in from now on; else 0
}

// chunk is some records of one session, one behind the other.
type chunk struct {
	from  *session
	raw   []byte
	state bgp.State // of the last record
}

const (
	// chunkSize is how much a session gathers before it queues it, unless it has to wait for its neighbour before.
	chunkSize = 1 << 16
	// sessionShare is how much of one session may wait, so that one that floods leaves room for the others.
	sessionShare = 1 << 20
	spareChunks  = 64
)

// queue holds the records of all sessions until they are taken, and lets sessions wait for room.
type queue struct {
	limit int

	mu     sync.Mutex // guards what follows, and session.waiting
	room   *sync.Cond
	chunks []chunk
	size   int
	closed bool
	spare  [][]byte
}

func newQueue(limit int) *queue {
	q := &queue{limit: limit}
	q.room = sync.NewCond(&q.mu)
	return q
}

// put queues a chunk and waits for room before; a session that has nothing waiting need not. It is false, and the chunk is lost, when the
// speaker stops.
func (q *queue) put(c chunk) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for c.from.waiting > 0 && (c.from.waiting+len(c.raw) > sessionShare || q.size+len(c.raw) > q.limit) && !q.closed {
		q.room.Wait()
	}
	if q.closed {
		return false
	}
	q.chunks = append(q.chunks, c)
	q.size += len(c.raw)
	c.from.waiting += len(c.raw)
	return true
}

// buffer gives an empty chunk's octets.
func (q *queue) buffer() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.spare); n > 0 {
		b := q.spare[n-1]
		q.spare = q.spare[:n-1]
		return b
	}
	return make([]byte, 0, chunkSize+chunkSize/4)
}

// poll gives what is there, in order, until take says false.
func (q *queue) poll(take func(Event) bool) {
	for more := true; more; {
		c, ok := q.pop()
		if !ok {
			return
		}
		raw := c.raw
		for more && len(raw) > 0 {
			n := 12 + int(binary.BigEndian.Uint32(raw[8:])) // its own: a whole record
			e := Event{Peer: c.from.peer(), Raw: raw[:n:n]}
			if raw = raw[n:]; len(raw) == 0 {
				e.State = c.state
			}
			more = take(e)
		}
		q.done(c, raw)
	}
}

func (q *queue) pop() (chunk, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.chunks) == 0 {
		q.chunks = nil
		return chunk{}, false
	}
	c := q.chunks[0]
	q.chunks[0] = chunk{}
	q.chunks = q.chunks[1:]
	return c, true
}

// done gives back a chunk, of which left was not taken.
func (q *queue) done(c chunk, left []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := len(c.raw) - len(left)
	q.size -= taken
	c.from.waiting -= taken
	if len(left) > 0 {
		q.chunks = append([]chunk{{c.from, left, c.state}}, q.chunks...)
	} else if len(q.spare) < spareChunks && cap(c.raw) <= 2*chunkSize && cap(c.raw) >= chunkSize {
		q.spare = append(q.spare, c.raw[:0])
	}
	q.room.Broadcast()
}

// close lets nothing in any more and wakes those who wait.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.room.Broadcast()
}

package bmp

import "github.com/corewatch/corewatch/bgp"

// Event is one thing that a router said, in order: an MRT record, or that records are being missed.
type Event struct {
	Collector string
	Raw       []byte // the record, valid until the next one is given; nil:
	Why       string // records of the collector are being missed, from now until its next one
}

// queue holds events until they are taken, without a slice for each. What is put is guarded by its router's lock; what was swapped out is the
// taker's alone.
type queue struct {
	in, out half
	next    int // of out
	at      int
}

type half struct {
	buf    []byte
	events []queued
}

type queued struct {
	collector, why string
	n              int // octets of the record in buf
}

// eventCost is what an event takes beside its record, for the bound.
const eventCost = 64

func (h *half) size() int { return len(h.buf) + eventCost*len(h.events) }

func (q *queue) put(collector string, n int) {
	q.in.events = append(q.in.events, queued{collector: collector, n: n})
}

func (q *queue) gap(collector, why string) {
	q.in.events = append(q.in.events, queued{collector: collector, why: why})
}

// taken reports that everything swapped out was given; swap then takes what came since.
func (q *queue) taken() bool { return q.next == len(q.out.events) }

func (q *queue) swap() {
	q.out.buf, q.out.events = q.out.buf[:0], q.out.events[:0]
	if cap(q.out.buf) > 1<<20 && len(q.in.buf) < 1<<16 { // a burst's
		q.out = half{}
	}
	q.in, q.out = q.out, q.in
	q.next, q.at = 0, 0
}

// give gives what was swapped out until take says false, and is false then.
func (q *queue) give(take func(Event) bool) bool {
	for !q.taken() {
		e := &q.out.events[q.next]
		q.next++
		out := Event{Collector: e.collector, Why: e.why}
		if e.n > 0 {
			out.Raw = q.out.buf[q.at : q.at+e.n : q.at+e.n]
			q.at += e.n
		}
		if !take(out) {
			return false
		}
	}
	return true
}

// micros keeps the time of records from going back with the machine's clock.
type micros struct{ last bgp.Micros }

func (m *micros) of(at bgp.Micros) bgp.Micros {
	m.last = max(m.last, at)
	return m.last
}

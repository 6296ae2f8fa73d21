package scenario

import (
	"container/heap"
	"fmt"
	"io"
	"slices"

	"github.com/corewatch/corewatch/bgp"
)

// Stream is what a collector recorded, as MRT: BGP4MP_ET messages and state changes, and TABLE_DUMP_V2 where the file says
// table. It is made while it is read; memory goes with peers times prefixes, not with the length of the scenario. Not safe for
// concurrent use; every call gives a new stream.
func (s *Scenario) Stream(collector string) io.Reader {
	st := &stream{s: s, own: make([]int32, len(s.peers))}
	for i, p := range s.peers {
		st.own[i] = -1
		if p.name.Collector == collector {
			st.own[i] = int32(len(st.peers))
			st.peers = append(st.peers, session{name: p.name, cells: make([]cell, len(s.prefixes))})
			st.names = append(st.names, p.name)
		}
	}
	return st
}

// cell is what a session has of a prefix: 0 is nothing, else a path (an index into stream.paths plus one) and flags.
type cell uint32

const (
	taken    cell = 1 << 31 // flush took it; resend gives it back
	longer   cell = 1 << 30 // churn made its path longer
	pathMask      = longer - 1
)

func (c cell) carried() bool { return c&pathMask != 0 && c&taken == 0 }

// session is a peer of this collector.
type session struct {
	name  bgp.Peer
	cells []cell
	down  bool
	hush  int // churn and alive of lines begun before this one (cursor.order) leave it alone: it was told to be quiet
}

// path is what stands between a session's AS and the prefix.
type path struct {
	via    []uint32
	origin uint32
}

// stream makes the bytes of one collector.
type stream struct {
	s     *Scenario
	own   []int32 // by Scenario.peers: index into peers, -1 for another collector's
	peers []session
	names []bgp.Peer
	paths []path
	known map[uint32][]int32 // by origin: indexes into paths; look-ups only
	next  int                // event to begin
	open  cursors
	w     recorder
	out   []byte // what of w.buf is not yet read
	full  []uint32
	batch []bgp.Prefix
	order int
}

// Read implements io.Reader. An error other than io.EOF says that something in the scenario has no form in MRT, after all before it.
func (st *stream) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if len(st.out) == 0 {
		st.w.buf = st.w.buf[:0]
		for len(st.w.buf) < 64<<10 && st.w.err == nil && st.turn() {
		}
		switch {
		case len(st.w.buf) > 0:
		case st.w.err != nil:
			return 0, fmt.Errorf("scenario %s: %w", st.s.Name, st.w.err)
		default:
			return 0, io.EOF
		}
		st.out = st.w.buf
	}
	n := copy(b, st.out)
	st.out = st.out[n:]
	return n, nil
}

// turn does the earliest thing that is due; false when all is told.
func (st *stream) turn() bool {
	for st.next < len(st.s.events) && (len(st.open) == 0 || st.s.events[st.next].at <= st.open[0].at) {
		e := &st.s.events[st.next]
		st.next++
		if c := st.begin(e); c != nil {
			heap.Push(&st.open, c)
		}
	}
	if len(st.open) == 0 {
		return false
	}
	c := st.open[0]
	if c.at >= st.s.End {
		return false
	}
	if c.do(c) {
		heap.Fix(&st.open, 0)
	} else {
		heap.Pop(&st.open)
	}
	return true
}

// cursor is an event under way.
type cursor struct {
	at    bgp.Micros // of the next thing it does
	order int        // of the line in the file: two things of one instant happen in this order
	do    func(*cursor) bool
}

// begin starts an event; nil when nothing of it is for this collector.
func (st *stream) begin(e *event) *cursor {
	c := &cursor{at: e.at, order: st.order}
	st.order++
	switch e.verb {
	case announce, withdraw, flush, resend:
		return st.burst(c, e)
	case table:
		c.do = func(*cursor) bool { st.table(e); return false }
	case down, up, quiet:
		c.do = func(c *cursor) bool { st.session(c, e); return false }
	case churn:
		return st.churn(c, e)
	case alive:
		return st.alive(c, e)
	}
	return c
}

// session does down, up and quiet.
func (st *stream) session(c *cursor, e *event) {
	for _, p := range e.peers {
		i := st.own[p]
		if i < 0 {
			continue
		}
		x := &st.peers[i]
		switch {
		case e.verb == quiet:
			x.hush = c.order
		case e.verb == down && !x.down:
			x.down = true
			st.w.state(c.at, x.name, bgp.Established, 1)
		case e.verb == up && x.down:
			x.down = false
			st.w.state(c.at, x.name, 5, bgp.Established)
		}
	}
}

// pathID finds or makes the path of a route.
func (st *stream) pathID(via []uint32, origin uint32) cell {
	if st.known == nil {
		st.known = map[uint32][]int32{}
	}
	for _, i := range st.known[origin] {
		if slices.Equal(st.paths[i].via, via) {
			return cell(i) + 1
		}
	}
	st.known[origin] = append(st.known[origin], int32(len(st.paths)))
	st.paths = append(st.paths, path{via, origin})
	return cell(len(st.paths))
}

// asPath is the AS path as the session sends it; valid until the next call.
func (st *stream) asPath(x *session, c cell) []uint32 {
	p := &st.paths[c&pathMask-1]
	st.full = append(st.full[:0], x.name.AS)
	st.full = append(st.full, p.via...)
	if p.origin != x.name.AS || len(p.via) > 0 {
		st.full = append(st.full, p.origin)
	}
	if c&longer != 0 {
		st.full = append(st.full, p.origin)
	}
	return st.full
}

// send writes what the session says about prefixes that share a path (0: they are withdrawn), in as few messages as it takes.
func (st *stream) send(at bgp.Micros, x *session, c cell, list []bgp.Prefix) {
	var path []uint32
	if c != 0 {
		path = st.asPath(x, c)
	}
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].IsV6() == list[0].IsV6() {
			n++
		}
		for rest := list[:n]; len(rest) > 0; {
			rest = st.w.update(at, x.name, path, rest)
		}
		list = list[n:]
	}
}

// table writes the collector's table dump: the routes of the event at its peers.
func (st *stream) table(e *event) {
	var at []int32
	for _, p := range e.peers {
		if i := st.own[p]; i >= 0 {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return
	}
	t := st.w.table(e.at, st.names)
	if t == nil {
		return
	}
	for _, r := range e.routes {
		id := st.pathID(e.via, r.origin)
		prefix := st.s.prefixes[r.prefix]
		st.w.rib()
		for _, i := range at {
			x := &st.peers[i]
			x.cells[r.prefix] = id
			st.w.entry(e.at, uint16(i), x.name, st.asPath(x, id), prefix.IsV6())
		}
		st.w.fail(t.Put(prefix, st.w.entries))
	}
}

// cursors is a heap in order of time, then of the lines.
type cursors []*cursor

func (h cursors) Len() int { return len(h) }

func (h cursors) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}

func (h cursors) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is for container/heap.
func (h *cursors) Push(x any) { *h = append(*h, x.(*cursor)) }

// Pop is for container/heap.
func (h *cursors) Pop() any {
	old := *h
	c := old[len(old)-1]
	*h = old[:len(old)-1]
	return c
}

package scenario

import (
	"slices"

	"github.com/corewatch/corewatch/bgp"
)

// What a number given to mix is for, so that two uses of one line are independent.
const (
	forLag = iota + 1
	forOrder
	forPeer
	forPrefix
	forPhase
)

// said is one message of a burst: the session says the prefixes of one step, from the first on.
type said struct {
	at    bgp.Micros
	peer  int32 // index into stream.peers
	first int32 // index into the burst's prefixes
}

// burst lays out announce, withdraw, flush and resend: prefixes in a seeded order, one step after another; each peer as much later
// as its lag. All peers see the prefixes in the same order: it is the order in which the network lost them.
func (st *stream) burst(c *cursor, e *event) *cursor {
	routes := e.routes
	if e.verb == flush || e.verb == resend {
		routes = make([]route, len(st.s.prefixes))
		for i := range routes {
			routes[i].prefix = int32(i)
		}
	}
	if e.over > 0 {
		routes = slices.Clone(routes)
		for i := len(routes) - 1; i > 0; i-- {
			j := below(mix(st.s.seed, forOrder, uint64(e.line), uint64(i)), int64(i+1))
			routes[i], routes[j] = routes[j], routes[i]
		}
	}
	// the first prefix of every step; prefix i begins at i/n of "over"
	firsts := []int32{0}
	offset := func(i int) bgp.Micros { return e.over * bgp.Micros(i) / bgp.Micros(len(routes)) / step * step }
	for i := 1; i < len(routes); i++ {
		if offset(i) != offset(i-1) {
			firsts = append(firsts, int32(i))
		}
	}
	firsts = append(firsts, int32(len(routes)))
	var list []said
	for _, p := range e.peers {
		i := st.own[p]
		if i < 0 {
			continue
		}
		lag := bgp.Micros(below(mix(st.s.seed, forLag, uint64(e.line), uint64(p)), int64(e.lag)+1))
		for k := range len(firsts) - 1 {
			list = append(list, said{e.at + offset(int(firsts[k])) + lag, i, int32(k)})
		}
	}
	if len(list) == 0 || len(routes) == 0 {
		return nil
	}
	slices.SortStableFunc(list, func(a, b said) int { return int(min(max(a.at-b.at, -1), 1)) })
	c.at = list[0].at
	c.do = func(c *cursor) bool {
		m := list[0]
		st.say(m.at, &st.peers[m.peer], e, routes[firsts[m.first]:firsts[m.first+1]])
		if list = list[1:]; len(list) == 0 {
			return false
		}
		c.at = list[0].at
		return true
	}
	return c
}

// say does one step of a burst at one session: what changes is sent, what shares a path shares messages.
func (st *stream) say(at bgp.Micros, x *session, e *event, routes []route) {
	var id cell
	was := cell(0) // path of the batch
	st.batch = st.batch[:0]
	for _, r := range routes {
		old := x.cells[r.prefix]
		switch e.verb {
		case announce:
			if len(st.batch) == 0 || st.paths[id-1].origin != r.origin {
				id = st.pathID(e.via, r.origin)
			}
			x.cells[r.prefix] = id
		case withdraw:
			id, x.cells[r.prefix] = 0, 0
		case flush:
			if !old.carried() {
				continue
			}
			id = 0
			x.cells[r.prefix] |= taken
		case resend:
			if old&pathMask == 0 {
				continue
			}
			id = old &^ taken
			x.cells[r.prefix] = id
		}
		if id != was && len(st.batch) > 0 {
			st.send(at, x, was, st.batch)
			st.batch = st.batch[:0]
		}
		was = id
		st.batch = append(st.batch, st.s.prefixes[r.prefix])
	}
	st.send(at, x, was, st.batch)
}

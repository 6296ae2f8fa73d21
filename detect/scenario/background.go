package scenario

import (
	"slices"

	"github.com/corewatch/corewatch/bgp"
)

// churn changes the path of one carried prefix of one peer at every turn, until the peers are quiet: the background that
// a full feed has. It never takes a route away.
func (st *stream) churn(c *cursor, e *event) *cursor {
	n := uint64(0)
	c.do = func(c *cursor) bool {
		turn := n
		n++
		p := e.peers[below(mix(st.s.seed, forPeer, uint64(e.line), turn), int64(len(e.peers)))]
		if i := st.own[p]; i >= 0 {
			st.rewrite(c, &st.peers[i], e, mix(st.s.seed, forPrefix, uint64(e.line), turn))
		}
		c.at += e.every
		return c.at < e.at+e.length
	}
	return c
}

// rewrite announces one carried prefix with a path that is one longer, or as it was before.
func (st *stream) rewrite(c *cursor, x *session, e *event, chance uint64) {
	if x.down || c.order < x.hush {
		return
	}
	among := len(st.s.prefixes)
	if len(e.routes) > 0 {
		among = len(e.routes)
	}
	first := int(below(chance, int64(among)))
	for k := range among { // the next one that is carried
		i := int32((first + k) % among)
		if len(e.routes) > 0 {
			i = e.routes[i].prefix
		}
		if x.cells[i].carried() {
			x.cells[i] ^= longer
			st.batch = append(st.batch[:0], st.s.prefixes[i])
			st.send(c.at, x, x.cells[i], st.batch)
			return
		}
	}
}

// alive makes every peer repeat one of its announcements, unchanged, once in a while, so that its session is seen to live. It says
// nothing about the network, and stands in for the messages that a file leaves out.
func (st *stream) alive(c *cursor, e *event) *cursor {
	type beat struct {
		at bgp.Micros
		i  int32
	}
	var ring []beat
	for _, p := range e.peers {
		if i := st.own[p]; i >= 0 {
			ring = append(ring, beat{e.at + bgp.Micros(below(mix(st.s.seed, forPhase, uint64(e.line), uint64(p)), int64(e.every))), i})
		}
	}
	if len(ring) == 0 {
		return nil
	}
	slices.SortStableFunc(ring, func(a, b beat) int { return int(min(max(a.at-b.at, -1), 1)) })
	k := 0
	c.at = ring[0].at
	c.do = func(c *cursor) bool {
		b := &ring[k]
		if x := &st.peers[b.i]; !x.down && c.order >= x.hush {
			st.repeat(b.at, x)
		}
		b.at += e.every // all beats have one period: the ring stays in order
		k = (k + 1) % len(ring)
		c.at = ring[k].at
		return c.at < e.at+e.length
	}
	return c
}

func (st *stream) repeat(at bgp.Micros, x *session) {
	for i, c := range x.cells {
		if c.carried() {
			st.batch = append(st.batch[:0], st.s.prefixes[i])
			st.send(at, x, c, st.batch)
			return
		}
	}
}

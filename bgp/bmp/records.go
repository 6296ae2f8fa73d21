package bmp

import (
	"encoding/binary"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// routes writes the records of a Route Monitoring.
func (r *router) routes(m *Message, now time.Time, at bgp.Micros) {
	c := &r.stats.Counts
	c.Monitored++
	if m.Peer.Time > 0 {
		r.stats.Lag = max(0, now.Sub(m.Peer.Time.Time()))
	}
	s := r.find(&m.Peer)
	for rest := m.Update; len(rest) > 0; {
		var msg []byte
		msg, rest = cutMessage(rest)
		sound := r.content.read(msg)
		if r.content.other != (wire.Family{}) {
			r.unsupported(r.content.other)
			if sound && r.content.only() {
				continue
			}
		}
		if s == nil || s.stale { // how the message is written nobody said on this connection
			c.Orphans++
			continue
		}
		if m.Peer.AS != 0 && m.Peer.AS != s.as {
			c.Contradictions++
		}
		r.update(s, m, msg, sound, at)
	}
}

// cutMessage splits the first BGP message off b when another one is behind it. What is no message stays with the one before, for whoever reads
// the record.
func cutMessage(b []byte) (msg, rest []byte) {
	if len(b) >= bgpLen {
		if n := int(binary.BigEndian.Uint16(b[16:])); n >= bgpLen && n+bgpLen <= len(b) {
			if _, err := wire.MessageType(b[n:]); err == nil {
				return b[:n], b[n:]
			}
		}
	}
	return b, nil
}

// update writes the record, or records, of one BGP message.
func (r *router) update(s *session, m *Message, msg []byte, sound bool, at bgp.Micros) {
	v := m.Peer.view()
	e := s.envelope()
	e.Local = v == viewOut || v == viewOutPost
	as2, wrong := r.content.as2(m.Peer.AS2())
	if wrong {
		r.stats.Counts.Contradictions++
	}
	if e.AS2 = as2; as2 && s.as > 0xffff {
		// MRT has no form for it, and BGP no reason: a neighbour with such a number writes four octets.
		if e.AS2 = false; r.content.path {
			r.stats.Counts.Unwritable++
			r.end(s, at, nil, false)
			return
		}
	}
	if !r.begin(s, v, at) {
		r.stats.Counts.Refused++
		return
	}
	v4, v6 := s.agreed(m)
	if r.content.update {
		var wrong4, wrong6 bool
		v4, wrong4 = s.identified(v4 && r.content.v4, v, msg, false)
		v6, wrong6 = s.identified(v6 && r.content.v6, v, msg, true)
		if wrong4 || wrong6 {
			r.stats.Counts.Contradictions++
		}
	}
	if r.content.v4 && r.content.v6 && v4 != v6 && sound {
		r.stats.Counts.Halved++
		for _, six := range []bool{false, true} {
			r.part = appendFamily(r.part[:0], msg, six)
			if e.AddPath = v4; six {
				e.AddPath = v6
			}
			r.write(s.names[v], at, e, r.part)
		}
		return
	}
	if e.AddPath = v4; !r.content.v4 {
		e.AddPath = v6
	}
	r.write(s.names[v], at, e, msg)
}

// write queues a record around a BGP message.
func (r *router) write(collector string, at bgp.Micros, e mrt.Envelope, msg []byte) {
	q := &r.queue
	start := len(q.in.buf)
	var err error
	if q.in.buf, err = mrt.AppendMessage(q.in.buf, at, e, msg); err != nil {
		r.stats.Counts.Unwritable++
		return
	}
	q.put(collector, len(q.in.buf)-start)
	r.stats.Counts.Records++
}

// state queues a record of a session's change.
func (r *router) state(collector string, at bgp.Micros, e mrt.Envelope, from, to bgp.State) {
	q := &r.queue
	start := len(q.in.buf)
	var err error
	if q.in.buf, err = mrt.AppendStateChange(q.in.buf, at, e, from, to); err != nil {
		r.stats.Counts.Unwritable++
		return
	}
	q.put(collector, len(q.in.buf)-start)
	r.stats.Counts.Records++
}

// begin writes that the session is established, and the OPENs that say so, in front of the first record of a view. What the router sends to
// the neighbour is no session that a neighbour speaks in: nothing is said of it. It is false when the station has too many collectors.
func (r *router) begin(s *session, v int, at bgp.Micros) bool {
	if s.open[v] {
		return true
	}
	if !r.names.take(s.names[v]) {
		return false
	}
	s.open[v] = true
	if v == viewOut || v == viewOutPost {
		return true
	}
	e := s.envelope()
	if v != viewLoc {
		sent := e
		sent.Local = true
		r.write(s.names[v], at, sent, s.sent)
		r.write(s.names[v], at, e, s.received)
	}
	r.state(s.names[v], at, e, bgp.State(5), bgp.Established)
	return true
}

// end writes that the session is over. notification may be nil; local says that the router sent it.
func (r *router) end(s *session, at bgp.Micros, notification []byte, local bool) {
	for v, open := range s.open {
		s.open[v] = false
		if !open || v == viewOut || v == viewOutPost {
			continue
		}
		e := s.envelope()
		if len(notification) >= bgpLen {
			e.Local = local
			r.write(s.names[v], at, e, notification)
		}
		r.state(s.names[v], at, e, bgp.Established, 1)
	}
}

package peering

import (
	"net/netip"
	"time"

	"github.com/corewatch/corewatch/bgp"
)

// Status is how the sessions are.
type Status struct {
	Neighbours []NeighbourStatus // as configured, those of ranges behind
	Refused    uint64            // connections that were not taken
	ListenErr  error             // why neighbours cannot connect
	Waiting    int               // octets of records not yet taken
}

// NeighbourStatus is how one neighbour is.
type NeighbourStatus struct {
	Address netip.Addr
	AS      uint32
	State   bgp.State
	Since   time.Time // of being established, or of not being
	Last    time.Time // last message; zero when there was none
	Err     error     // why it is not established
	Tries   int       // attempts since it was
	Restart time.Time // until when the neighbour said it would be back from its restart (RFC 4724); else zero
	Resumed int       // restarts that it was back from in time
	Expired int       // and those that it was not
	Hold    time.Duration
	SessionCounts
}

// Status is how the sessions are now.
func (s *Speaker) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Status{Refused: s.refused, ListenErr: s.listenErr}
	for _, n := range s.all() {
		st := NeighbourStatus{
			Address: n.conf.Address, AS: n.conf.AS, State: active, Since: n.since, Last: n.last, Err: n.err, Tries: n.tries,
			Restart: n.restart, Resumed: n.resumed, Expired: n.expired,
		}
		if !n.conf.Passive {
			st.State = connect
		}
		for _, c := range n.trying {
			st.State = max(st.State, c.state)
		}
		if c := n.current; c != nil {
			st.State, st.SessionCounts = bgp.Established, c.count
			st.Hold = time.Duration(c.agreed.HoldTime) * time.Second
			if !c.came.IsZero() {
				st.Last = c.came
			}
		}
		out.Neighbours = append(out.Neighbours, st)
	}
	s.queue.mu.Lock()
	out.Waiting = s.queue.size
	s.queue.mu.Unlock()
	return out
}

package signal

import (
	"slices"

	"github.com/corewatch/corewatch/bgp"
)

// dropAfter is how long a session is down before it is dropped. It is the time that expectation looks back over (section 2 of the method): a
// session that was away for all of it is expected to carry nothing, so its votes are not missed.
const dropAfter = 7 * 86400 * bgp.Second

// dropAway gives up, once an hour, the columns of sessions that have been down for dropAfter, so that a monitor which runs for months neither
// counts a session that was given up among those it waits for, nor runs out of columns because sessions came and went. A session by
// whose withdrawals a member of an open incident is told stays until that is over.
func (m *Monitor) dropAway(now bgp.Micros) {
	var away []*peer
	for _, p := range m.peers {
		if p.health == peerDown && now-p.since >= dropAfter {
			away = append(away, p)
		}
	}
	if len(away) == 0 {
		return
	}
	witness := map[*peer]bool{} // looked up only
	for _, w := range m.watched {
		for _, p := range w.peers {
			witness[p] = true
		}
	}
	for _, e := range m.trace.entries[m.trace.oldest-m.trace.base:] {
		witness[m.byID[e.peer]] = true
	}
	away = slices.DeleteFunc(away, func(p *peer) bool { return witness[p] })
	if len(away) == 0 {
		return
	}
	m.quietly(now, "sessions that have been away for long are not waited for any more", func() {
		for _, p := range away {
			m.drop(p, now)
		}
		for _, f := range m.fams {
			f.recountAll(m, now)
		}
	})
}

func (m *Monitor) drop(p *peer, now bgp.Micros) {
	m.engine.FaultGivenUp(m.peerEntity(p), int64(now), "the session has been away for long: it is not waited for any more")
	for _, f := range m.fams {
		f.table.DropPeer(p.id)
	}
	without := func(list []*peer) []*peer { return slices.DeleteFunc(list, func(q *peer) bool { return q == p }) }
	m.peers, p.coll.peers, p.as.peers = without(m.peers), without(p.coll.peers), without(p.as.peers)
	if len(p.as.peers) == 0 {
		m.ases = slices.DeleteFunc(m.ases, func(a *asn) bool { return a == p.as })
		delete(m.byAS, p.as.as)
	}
	delete(m.byPeer, p.name)
	m.byID[p.id] = nil
	m.near = [256]*peer{}
	m.dropped = true
}

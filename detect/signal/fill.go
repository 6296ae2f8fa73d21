package signal

import "github.com/corewatch/corewatch/bgp"

// BeginFill says that the routes of table dumps that follow of a collector are of a dump made before them: messages of its sessions were heard
// since, and know better. Until EndFill, Dump takes a route only where nobody knows anything (docs/decisions/042-ris-seeds-and-defaults.md).
func (m *Monitor) BeginFill(name string, at bgp.Micros) {
	c := m.collector(name, at)
	c.filling = true
	for _, p := range c.peers {
		p.filled = [2]bool{}
	}
}

// EndFill ends what BeginFill began. Where the dump was applied to its end, it describes the collector from now on.
func (m *Monitor) EndFill(name string, whole bool) {
	c := m.byColl[name]
	if c == nil || !c.filling {
		return
	}
	c.filling = false
	for _, p := range c.peers {
		for sig := range p.filled {
			p.dumped[sig] = p.dumped[sig] || whole && p.filled[sig]
		}
	}
}

// unknown keeps the routes that a dump from before may fill in: of sessions that are not down, of a collector that spoke since its last gap, and of
// cells of which nothing is known.
func (m *Monitor) unknown(msg bgp.Message, routes []Route) (kept []Route, err error) {
	kept = m.fills[:0]
	for i := range routes {
		r := &routes[i]
		if r.Elem.Cause == bgp.CauseMulticast {
			continue
		}
		msg.Peer.AS, msg.Peer.Addr = r.AS, r.Addr
		p, err := m.peer(msg.Peer, msg.At)
		if err != nil {
			return nil, err
		}
		if p.health == peerDown || p.coll.missed { // their tables are gone, and come from them
			continue
		}
		f := m.fams[0]
		if r.Elem.Prefix.IsV6() {
			f = m.fams[1]
		}
		row, err := f.table.Intern(r.Elem.Prefix)
		if err != nil {
			m.stats.Rejected++
			continue
		}
		f.grow(int(row))
		p.filled[f.sig] = true
		if !f.table.Known(row, p.id) {
			kept = append(kept, *r)
		}
	}
	m.fills = kept
	return kept, nil
}

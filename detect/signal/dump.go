package signal

import (
	"net/netip"

	"github.com/corewatch/corewatch/bgp"
)

// Route is one entry of a table dump: what a session announced for the prefix of the record. Elem is what RFC 7606 makes of it.
type Route struct {
	AS   uint32
	Addr netip.Addr
	Elem bgp.Elem
	Path []uint32 // in the words that the tables are to keep; of no effect without Options.KeepPaths
}

// Dump applies the routes of one record of a table dump, all of one prefix and heard at one instant, as if each were a message of its
// own: Begin, Path, Elem, End. msg is the record; the AS and the address of its peer are those of the routes. stays says that the raw bytes
// will not be written to again: then they are kept without a copy. It returns how many of the routes were applied (between BeginFill and
// EndFill only some of them are), and the error of Begin that stopped it there.
//
// Nearly all records of the first dump are of a prefix that nobody spoke about, with one origin. Such a row is filled at once and
// judged once.
func (m *Monitor) Dump(msg bgp.Message, routes []Route, stays bool) (n int, err error) {
	if c := m.byColl[msg.Peer.Collector]; c != nil && c.filling {
		if routes, err = m.unknown(msg, routes); err != nil {
			return 0, err
		}
		m.late = true
		defer func() { m.late = false }()
	}
	m.trace.stays = stays
	defer func() { m.trace.stays = false }()
	if m.fresh(msg, routes) {
		return len(routes), nil
	}
	for i := range routes {
		r := &routes[i]
		msg.Peer.AS, msg.Peer.Addr = r.AS, r.Addr
		if err := m.Begin(msg); err != nil {
			return i, err
		}
		m.Path(r.Path)
		m.Elem(&r.Elem)
		m.End()
	}
	return len(routes), nil
}

// fresh applies routes to a new row. It returns false, and has done nothing that Dump would not do again, where the order in which they
// are judged could matter: when a session's health may change, when anything was ever lost, when their origins differ.
func (m *Monitor) fresh(msg bgp.Message, routes []Route) bool {
	if m.fams[0].lostOnce+m.fams[1].lostOnce > 0 || m.curPeer != nil || len(routes) == 0 {
		return false
	}
	first := &routes[0].Elem
	m.dumpers, m.dumpIDs = m.dumpers[:0], m.dumpIDs[:0]
	for i := range routes {
		r := &routes[i]
		if r.Elem.Kind != bgp.RIB || r.Elem.Cause == bgp.CauseMulticast || r.Elem.Origin != first.Origin || r.Elem.Prefix != first.Prefix {
			return false
		}
		msg.Peer.AS, msg.Peer.Addr = r.AS, r.Addr
		p, err := m.peer(msg.Peer, msg.At)
		if err != nil || p.health != peerUp || p.coll.state != collectorUp {
			return false
		}
		m.dumpers, m.dumpIDs = append(m.dumpers, p), append(m.dumpIDs, p.id)
	}
	f := m.fams[0]
	if first.Prefix.IsV6() {
		f = m.fams[1]
	}
	row, err := f.table.Intern(first.Prefix)
	if err != nil {
		return false
	}
	f.grow(int(row))
	if f.rows[row].judged != unjudged {
		return false
	}
	cells, ok := f.table.SeedNew(row, m.dumpIDs, first.Origin, msg.At)
	if !ok {
		return false
	}
	for _, p := range m.dumpers {
		p.spoke(m, msg.At)
		p.dumped[f.sig], p.touched[f.sig] = p.dumped[f.sig] || !m.late, true
		p.tables |= 1 << f.sig
	}
	last := m.dumpers[len(m.dumpers)-1]
	msg.Peer = last.name
	m.cur, m.traced = msg, 0
	if m.paths {
		f.table.Watch(row, true)
		for i, id := range m.dumpIDs {
			f.table.SetPath(row, id, routes[i].Path)
		}
	}
	m.stats.Elems += uint64(len(routes))
	m.stats.Changes += uint64(cells)
	m.record(f, row, last, false)
	f.touch(m, row)
	return true
}

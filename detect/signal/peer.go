package signal

import (
	"fmt"
	"math/bits"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// health is the state of a peer (section 3 of the method).
type health uint8

const (
	peerUp health = iota
	peerDown
	peerStale
	peerMass   // mass-withdrawing: its session is most likely lost upstream of the collector
	peerResync // sending its table again
)

var healthNames = [...]string{"up", "down", "stale", "mass-withdrawing", "resync"}

// peer is one session of a collector. The same id is its column in both tables.
type peer struct {
	name    bgp.Peer
	id      visibility.PeerID
	coll    *collector
	as      *asn
	health  health
	since   bgp.Micros // of health
	last    bgp.Micros // last message
	gaps    gaps
	count   uint64 // messages
	tables  uint8  // bit per family it has spoken about
	touched [2]bool
	full    [2]bool
	before  int       // cells announced before its session was lost, the measure of its return
	gone    []massRow // what it withdrew in its mass withdrawal
	faults  int
	note    string
}

// collector is a box whose sessions we read.
type collector struct {
	name   string
	peers  []*peer
	last   bgp.Micros
	paused bool
}

// asn is a voter: all sessions of one AS.
type asn struct {
	as        uint32
	peers     []*peer
	sum       int       // prefixes withdrawn within the last MassWindow seconds
	rows      []massRow // which, for the test of agreement
	checkedAt int       // sum at the last test; the next is due when it has grown by a quarter
}

type massRow struct {
	fam *family
	row visibility.RowID
	at  bgp.Micros
}

// gaps is a histogram of the silences between a peer's messages: four buckets an octave of microseconds.
type gaps struct {
	n       uint64
	buckets [160]uint32
}

func (g *gaps) add(d bgp.Micros) {
	if d < 1 {
		d = 1
	}
	o := bits.Len64(uint64(d)) - 1
	b := o * 4
	if o >= 2 {
		b += int(uint64(d)>>(o-2)) & 3
	}
	g.buckets[min(b, len(g.buckets)-1)]++
	g.n++
}

// p999 is the silence that 99.9 % of the peer's silences are shorter than (upper edge of its bucket); 0 before 1,000 of them are known.
func (g *gaps) p999() bgp.Micros {
	if g.n < 1000 {
		return 0
	}
	left := g.n / 1000
	for b := len(g.buckets) - 1; b >= 0; b-- {
		if c := uint64(g.buckets[b]); c > left {
			o := uint(b / 4)
			return bgp.Micros(1)<<o + bgp.Micros(b%4+1)<<o/4
		} else {
			left -= c
		}
	}
	return 0
}

// peer finds or makes the session of a message.
func (m *Monitor) peer(name bgp.Peer, at bgp.Micros) (*peer, error) {
	if m.curPeer != nil && m.curPeer.name == name {
		return m.curPeer, nil
	}
	if p := m.byPeer[name]; p != nil {
		return p, nil
	}
	var id visibility.PeerID
	for _, f := range m.fams {
		v, err := f.table.Peer(name, m.started)
		if err != nil {
			return nil, fmt.Errorf("peer %s: %w", name, err)
		}
		f.table.SetPresume(v, true)
		id = v
	}
	c := m.byColl[name.Collector]
	if c == nil {
		c = &collector{name: name.Collector, last: at}
		m.byColl[name.Collector] = c
		m.colls = append(m.colls, c)
	}
	a := m.byAS[name.AS]
	if a == nil {
		a = &asn{as: name.AS}
		m.byAS[name.AS] = a
		m.ases = append(m.ases, a)
	}
	p := &peer{name: name, id: id, coll: c, as: a, since: at, last: at}
	c.peers = append(c.peers, p)
	a.peers = append(a.peers, p)
	m.peers = append(m.peers, p)
	m.byPeer[name] = p
	return p, nil
}

// spoke notes a message of the peer, and what it says about its health.
func (p *peer) spoke(m *Monitor, at bgp.Micros) {
	if p.count > 0 {
		p.gaps.add(at - p.last)
	}
	p.count++
	p.last = max(p.last, at)
	p.coll.last = max(p.coll.last, at)
	switch p.health {
	case peerStale:
		m.setHealth(p, peerUp, at, "")
	case peerDown: // up again with its first update: some archives never record the session
		m.sessionUp(p, at)
	}
}

// State applies a session state change that the collector recorded.
func (m *Monitor) State(msg bgp.Message, from, to bgp.State) error {
	p, err := m.peer(msg.Peer, msg.At)
	if err != nil {
		return err
	}
	p.coll.last = max(p.coll.last, msg.At)
	switch {
	case to == bgp.Established && from != bgp.Established:
		p.last = max(p.last, msg.At)
		m.sessionUp(p, msg.At)
	case from == bgp.Established && to != bgp.Established:
		m.sessionDown(p, msg.At, "the collector recorded the session going from "+from.String()+" to "+to.String())
	}
	m.read(msg.At)
	return nil
}

// sessionDown makes the peer's cells unknown at once: losing a peer lowers what we can say, never what we say of the world.
func (m *Monitor) sessionDown(p *peer, at bgp.Micros, why string) {
	if p.health == peerDown {
		return
	}
	p.before = max(p.announced(m), p.before*9/10)
	m.quietly(at, "peer "+p.name.String()+" was lost and no longer votes", func() {
		for _, f := range m.fams {
			f.table.SetPresume(p.id, false)
			f.table.FlushPeer(p.id, at)
			f.table.SetVoting(p.id, true) // its cells are unknown, which is no vote
			f.recountAll(m, at)
		}
		p.health, p.since, p.note = peerDown, at, why
	})
	m.fault(p, at, why)
}

// sessionUp begins the resync after a session loss; a first session has nothing to come back to.
func (m *Monitor) sessionUp(p *peer, at bgp.Micros) {
	if p.health != peerDown {
		return
	}
	m.setHealth(p, peerResync, at, "sending its table again")
	m.engine.FaultEnded(m.peerEntity(p), int64(at), "the session is back")
}

// EndOfRIB is the peer's own word that its table is complete (RFC 4724 section 2).
func (m *Monitor) EndOfRIB() {
	if p := m.curPeer; p.health == peerResync && p.announced(m) > 0 {
		m.believe(p, m.cur.At)
	}
}

// believe lets a peer vote again. What it withdrew while it was not believed is unknown, not down. After a session loss nothing
// is presumed of it any more: it has sent its table again, and what it did not mention may be gone.
func (m *Monitor) believe(p *peer, at bgp.Micros) {
	m.quietly(at, "peer "+p.name.String()+" votes again", func() {
		for _, f := range m.fams {
			f.table.ForgetWithdrawn(p.id, at)
		}
		m.setHealth(p, peerUp, at, "")
	})
}

// setHealth changes the state and, where that changes who votes, counts every prefix again.
func (m *Monitor) setHealth(p *peer, h health, at bgp.Micros, note string) {
	votes := func(h health) bool { return h == peerUp || h == peerDown } // down: its cells are unknown, which is no vote
	was := p.health
	p.health, p.since, p.note = h, at, note
	if votes(was) == votes(h) {
		return
	}
	m.quietly(at, "peer "+p.name.String()+" is "+healthNames[h], func() {
		for _, f := range m.fams {
			f.table.SetVoting(p.id, votes(h))
			f.recountAll(m, at)
		}
	})
}

// quietly runs a change of the monitor's own bookkeeping: what it moves opens nothing, and may retract what rested on it.
// What the current message moved before is read first, as the world's doing.
func (m *Monitor) quietly(at bgp.Micros, reason string, change func()) {
	if m.quiet {
		change()
		return
	}
	m.read(at)
	m.quiet = true
	m.engine.BeginMonitorChange()
	change()
	m.read(at)
	m.quiet = false
	m.engine.EndMonitorChange(reason)
}

// recountAll asks about every row again; a few milliseconds for a full table.
func (f *family) recountAll(m *Monitor, at bgp.Micros) {
	for r := range f.rows {
		if f.rows[r].judged != unjudged {
			f.recount(m, visibility.RowID(r), at)
		}
	}
}

func (p *peer) announced(m *Monitor) int {
	n := 0
	for _, f := range m.fams {
		n += f.table.Counters(p.id).Announced
	}
	return n
}

func (m *Monitor) peerEntity(p *peer) detect.Entity {
	return detect.Entity{Type: "peer", Code: p.name.String()}
}

// fault opens a monitor fault about the peer.
func (m *Monitor) fault(p *peer, at bgp.Micros, why string) {
	p.faults++
	m.engine.Fault(m.peerEntity(p), int64(at), why, detect.Context{
		Coverage: m.coverage(m.fams[0]), Sources: []detect.Source{m.sources(p.coll.name)},
	})
}

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
	voting  [2]bool // as the tables were told
	dumped  [2]bool // a table dump listed routes of it
	opening [2]bool // the session has begun and sends its table, which is not complete yet: see Feed.Tables
	opened  bgp.Micros
	filled  [2]bool   // so does the one that is being filled in
	syncing [2]bool   // in resync: so is the family
	before  [2]int    // cells announced before its session was lost, the measure of its return
	gone    []massRow // what it withdrew in its mass withdrawal
	had     int       // cells announced before that, at most
	left    int       // and the fewest since
	faults  int
	note    string
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

// longest is the longest silence when the longest of each so many are left out (upper edge of its bucket); 0 when none is known.
func (g *gaps) longest(of uint64) bgp.Micros {
	left := g.n / of
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
	addr := name.Addr.As16()
	near := &m.near[addr[15]^addr[14]^addr[7]<<4^byte(name.AS)]
	if p := *near; p != nil && p.name == name {
		return p, nil
	}
	if p := m.byPeer[name]; p != nil {
		*near = p
		return p, nil
	}
	c := m.collector(name.Collector, at)
	var id visibility.PeerID
	for _, f := range m.fams {
		v, err := f.table.Peer(name, m.started)
		if err != nil {
			return nil, fmt.Errorf("peer %s: %w", name, err)
		}
		f.table.SetPresume(v, !m.dropped) // it may be one of those that were, and is then not what it was
		f.table.SetVoting(v, c.votes())
		id = v
	}
	a := m.byAS[name.AS]
	if a == nil {
		a = &asn{as: name.AS}
		m.byAS[name.AS] = a
		m.ases = append(m.ases, a)
	}
	p := &peer{name: name, id: id, coll: c, as: a, since: at, last: at, voting: [2]bool{c.votes(), c.votes()}}
	c.peers = append(c.peers, p)
	a.peers = append(a.peers, p)
	m.peers = append(m.peers, p)
	m.byID = append(m.byID, make([]*peer, max(0, int(id)+1-len(m.byID)))...)
	m.byID[id] = p
	m.byPeer[name] = p
	return p, nil
}

// spoke notes a message of the peer, and what it says about its health.
func (p *peer) spoke(m *Monitor, at bgp.Micros) {
	if m.late {
		return // what a dump from before lists was not said now
	}
	if p.count > 0 {
		p.gaps.add(at - p.last)
	}
	p.count++
	p.last = max(p.last, at)
	p.coll.spoke(m, at)
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
	// While messages of the collector are known to be missed, the end of a session may be what was made of its silence: it does not say that
	// the collector is back.
	if to == bgp.Established || !p.coll.missed {
		p.coll.spoke(m, msg.At)
	}
	switch {
	case to == bgp.Established && from != bgp.Established:
		p.last = max(p.last, msg.At)
		if p.coll.feed != nil && p.coll.feed.Tables {
			p.opening, p.opened = [2]bool{true, true}, msg.At
		}
		m.sessionUp(p, msg.At)
	case from == bgp.Established && to != bgp.Established:
		p.opening = [2]bool{}
		m.sessionDown(p, msg.At, "the collector recorded the session going from "+from.String()+" to "+to.String())
	}
	return nil
}

// votes reports whether what the peer says about a family counts now.
func (p *peer) votes(sig int) bool {
	return p.coll.votes() && (p.health == peerUp || p.health == peerResync && !p.syncing[sig])
}

// speaks is what the table of a family is told: a session that is down has no cell that could vote.
func (p *peer) speaks(sig int) bool { return p.votes(sig) || p.health == peerDown && p.coll.votes() }

// vote tells the tables whether the session votes.
func (p *peer) vote(m *Monitor) {
	for sig, f := range m.fams {
		p.voting[sig] = p.speaks(sig)
		f.table.SetVoting(p.id, p.voting[sig])
	}
}

// status is the health as it is shown: a session of a collector that does not vote is not up, whatever it said last.
func (p *peer) status() (state string, since bgp.Micros, note string) {
	switch c := p.coll; {
	case p.health != peerUp || c.votes():
		return healthNames[p.health], p.since, p.note
	case c.young:
		return healthNames[peerResync], c.started, "its collector is new and no table dump described it"
	case c.state == collectorBack:
		return healthNames[peerStale], c.since, "its collector was silent, and is saying what it held back"
	default:
		return healthNames[peerStale], c.since, "its collector is silent while others speak"
	}
}

// sessionDown makes the peer's cells unknown at once: losing a peer lowers what we can say, never what we say of the world.
func (m *Monitor) sessionDown(p *peer, at bgp.Micros, why string) {
	if p.health == peerDown {
		return
	}
	m.reweigh(at, "peer "+p.name.String()+" was lost and no longer votes", m.freshFrom(p.last), [2]bool{true, true}, func() {
		m.forget(p, at)
		p.health, p.since, p.note = peerDown, at, why
		p.vote(m)
	})
	if p.coll.missed { // of which there is a fault, and its sessions are part of it
		return
	}
	m.fault(m.peerEntity(p), p.coll, at, why)
	p.faults++
}

// forget makes all cells of the peer unknown. Nothing is presumed of it any more: when it has sent its table again, what it did not
// mention may be gone.
func (m *Monitor) forget(p *peer, at bgp.Micros) {
	for sig, f := range m.fams {
		p.before[sig] = max(f.table.Counters(p.id).Announced, p.before[sig]*9/10)
		f.table.SetPresume(p.id, false)
		f.table.FlushPeer(p.id, at)
	}
}

// sessionUp begins the resync after a session loss; a first session has nothing to come back to.
func (m *Monitor) sessionUp(p *peer, at bgp.Micros) {
	if p.health != peerDown {
		return
	}
	p.resync(at, "sending its table again")
	m.revote(at, "peer "+p.name.String()+" is "+healthNames[peerResync], 0, p)
	m.engine.FaultEnded(m.peerEntity(p), int64(at), "the session is back")
}

// opens reports whether what a session announces now is the table that it begins with: it had these routes, for how long is not known, as the
// entries of a table dump. A session that does not say when its table is complete is believed to be done after ResyncMax.
func (p *peer) opens(m *Monitor, sig detect.SignalID) bool {
	return p.opening[sig] && m.cur.At-p.opened < bgp.Micros(m.cfg.ResyncMax)*bgp.Second
}

// resync begins the wait for the table. A family in which the session had nothing is not waited for, unless it had nothing in both.
func (p *peer) resync(at bgp.Micros, note string) {
	p.health, p.since, p.note = peerResync, at, note
	for sig := range p.syncing {
		p.syncing[sig] = p.before[sig] > 0 || p.before[1-sig] == 0
	}
}

// EndOfRIB is the peer's own word that its table of one family is complete (RFC 4724 section 2). Of a family in which nothing was announced since the session began it
// says nothing: some routers send it before they begin with their table.
func (m *Monitor) EndOfRIB(v6 bool) {
	sig := detect.BGPv4
	if v6 {
		sig = detect.BGPv6
	}
	p := m.curPeer
	known := m.fams[sig].table.Counters(p.id).Announced > 0
	if p.opening[sig] && known {
		p.opening[sig] = false
		p.dumped[sig] = true // it described the session as a table dump does
	}
	if p.health == peerResync && p.syncing[sig] && known {
		m.believe(p, m.cur.At, int(sig))
	}
}

// believe lets a peer vote again on some families. What it withdrew while it was not believed is unknown, not down.
func (m *Monitor) believe(p *peer, at bgp.Micros, families ...int) {
	m.quietly(at, "peer "+p.name.String()+" votes again", func() {
		for _, sig := range families {
			m.fams[sig].table.ForgetWithdrawn(p.id, at)
			p.syncing[sig] = false
		}
		if p.syncing == [2]bool{} {
			p.health, p.since, p.note = peerUp, at, ""
		}
		m.revote(at, "", 0, p)
	})
}

// setHealth changes the state and, where that changes who votes, counts every prefix again.
func (m *Monitor) setHealth(p *peer, h health, at bgp.Micros, note string) {
	p.health, p.since, p.note = h, at, note
	from := bgp.Micros(0)
	if h != peerUp {
		from = m.freshFrom(p.last)
	}
	m.revote(at, "peer "+p.name.String()+" is "+healthNames[h], from, p)
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
		if x := &f.rows[r]; x.judged != unjudged && !f.stays(m, visibility.RowID(r), x) {
			f.recount(m, visibility.RowID(r), at)
		}
	}
}

// stays reports a row of which recount would find what it found before: most rows, when a voter comes or goes.
func (f *family) stays(m *Monitor, r visibility.RowID, x *row) bool {
	return x.judged == up && x.loss8 == 0 && !x.watched && m.cfg.LostShare > 0 && f.table.Undisputed(r, m.cfg.MinVoters)
}

func (m *Monitor) peerEntity(p *peer) detect.Entity {
	return detect.Entity{Type: "peer", Code: p.name.String()}
}

// fault opens a monitor fault about one of our own: a peer or a collector.
func (m *Monitor) fault(about detect.Entity, c *collector, at bgp.Micros, why string) {
	m.engine.Fault(about, int64(at), why, detect.Context{
		Coverage: m.coverage(m.fams[0]), Sources: []detect.Source{m.sources(c.name)},
	})
}

package signal

import (
	"fmt"
	"slices"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// collector is a box whose sessions we read.
type collector struct {
	name    string
	peers   []*peer
	started bgp.Micros // when its feed began; the beginning of the run for those that were there while nothing could open yet
	last    bgp.Micros // last message
	paused  bool       // silent for longer than SpokeWithin
	gaps    gaps       // between its messages; silences that made it a fault are left out
	state   collectorState
	since   bgp.Micros // of state
	quiet   bgp.Micros // how long it has been silent while others spoke
	halved  bool       // most of its sessions are down
	missed  bool       // messages of it are known to be missed: see Missed
	filling bool       // a table dump from before is being read: see BeginFill
	feed    *liveFeed  // that it lives by; nil in an archive
	young   bool       // no table dump described it and it is new, while others are not: its sessions do not vote yet
}

// collectorState is the health of a collector's feed (section 3).
type collectorState uint8

const (
	collectorUp     collectorState = iota
	collectorSilent                // silent beyond its custom while others speak: its sessions do not vote
	collectorBack                  // speaks again; votes once it has had the time to say what it held back
)

// minGaps is how many gaps of a collector or a session must be known before its silence can be called unusual.
const minGaps = 100

func (c *collector) votes() bool { return c.state == collectorUp && !c.young }

func (m *Monitor) collector(name string, at bgp.Micros) *collector {
	if c := m.byColl[name]; c != nil {
		return c
	}
	c := &collector{name: name, started: at - at%bgp.Second, last: at}
	if c.started-m.started < bgp.Micros(m.cfg.SettleFor)*bgp.Second {
		c.started = m.started
	}
	m.byColl[name] = c
	m.colls = append(m.colls, c)
	if i := slices.IndexFunc(m.feeds, func(o *liveFeed) bool { return o.Name == name }); i >= 0 {
		c.feed = m.feeds[i]
	}
	m.age(c)
	return c
}

func (m *Monitor) collectorEntity(c *collector) detect.Entity {
	return detect.Entity{Type: "collector", Code: c.name}
}

// spoke notes a message of any of the collector's sessions.
func (c *collector) spoke(m *Monitor, at bgp.Micros) {
	if c.state == collectorUp {
		c.gaps.add(at - c.last)
	}
	quiet, told := c.quiet, c.feed != nil && c.feed.silent
	if told { // it must speak, whatever others do
		quiet, c.feed.silent = at-max(c.last, c.feed.from), false
	}
	c.last, c.quiet = max(c.last, at), 0
	if c.state != collectorSilent && !told {
		return
	}
	if c.state == collectorSilent {
		c.state, c.since = collectorBack, at
	}
	m.engine.FaultEnded(m.collectorEntity(c), int64(at), "the collector speaks again")
	if c.missed || quiet >= bgp.Micros(m.cfg.CollectorGap)*bgp.Second {
		c.state, c.missed = collectorUp, false
		m.afterGap(c, at)
	}
}

// tickCollector follows the collector's feed once a second. step is the time since the last tick; others: another collector spoke lately.
func (m *Monitor) tickCollector(c *collector, now, step bgp.Micros, others bool) {
	switch {
	case !others:
		c.quiet = 0 // silence of all tells nothing about one
	case c.last < now-step:
		c.quiet += step
	}
	limit := bgp.Micros(m.cfg.StaleAfter) * bgp.Second
	if c.quiet > limit {
		limit = max(limit, c.gaps.longest(1000))
	}
	switch {
	case c.feed == nil && c.state != collectorSilent && c.gaps.n >= minGaps && c.quiet > limit:
		why := fmt.Sprintf("silent for more than %d s while other collectors speak", limit/bgp.Second)
		c.state, c.since = collectorSilent, now
		m.revote(now, "collector "+c.name+" is silent and no longer votes", m.freshFrom(c.last), c.peers...)
		m.fault(m.collectorEntity(c), c, now, why)
	case c.feed != nil && c.feed.silent && c.state != collectorSilent && c.quiet > c.feed.patience(m): // its silence is a fault already
		c.state, c.since = collectorSilent, now
		m.revote(now, "collector "+c.name+" is silent and no longer votes", m.freshFrom(c.last), c.peers...)
	case c.state == collectorBack && now-c.since >= bgp.Micros(m.cfg.SpokeWithin)*bgp.Second:
		c.state, c.since = collectorUp, now
		m.revote(now, "collector "+c.name+" votes again", 0, c.peers...)
	}
	m.tickHalved(c, now)
}

// tickHalved gives notice of a collector most of whose sessions are down. Those that are not go on voting: what they say is as good
// as before (docs/decisions/013-collector-down.md).
func (m *Monitor) tickHalved(c *collector, now bgp.Micros) {
	known, down := 0, 0
	for _, p := range c.peers {
		if p.count > 0 {
			known++
			if p.health == peerDown {
				down++
			}
		}
	}
	if halved := known >= 3 && 2*down > known; halved != c.halved {
		c.halved = halved
		if halved {
			m.fault(m.collectorEntity(c), c, now, fmt.Sprintf("%d of its %d sessions are down", down, known))
		} else if c.state != collectorSilent {
			m.engine.FaultEnded(m.collectorEntity(c), int64(now), "most of its sessions are back")
		}
	}
}

// afterGap makes what the collector's sessions said before a long silence unknown: what changed meanwhile was not heard.
func (m *Monitor) afterGap(c *collector, at bgp.Micros) {
	m.quietly(at, "collector "+c.name+" had a gap: what it said before is unknown until said again", func() {
		for _, p := range c.peers {
			if p.health != peerDown {
				m.forget(p, at)
				p.resync(at, "its collector had a gap")
			}
		}
		m.revote(at, "", 0, c.peers...)
		for _, f := range m.fams {
			f.recountAll(m, at)
		}
	})
}

// described reports that table dumps listed routes of most of the collector's sessions: one stray entry does not describe a collector.
func (c *collector) described() bool {
	n := 0
	for _, p := range c.peers {
		if p.dumped[0] || p.dumped[1] {
			n++
		}
	}
	return 2*n > len(c.peers)
}

// ageCollectors judges, once a second, which collectors have been followed for long enough to be believed (section 3, "Settling in").
func (m *Monitor) ageCollectors(now bgp.Micros) {
	settle := bgp.Micros(m.cfg.SettleFor) * bgp.Second
	before := m.described
	m.described, m.settled = false, len(m.colls) == 0 && now-m.started >= settle
	for _, c := range m.colls {
		described := c.described()
		m.described = m.described || described
		m.settled = m.settled || described || now-c.started >= settle
	}
	if m.described && !before {
		m.describedAt = now
	}
	for _, c := range m.colls {
		m.age(c)
	}
	until := int64(0)
	if !m.settled {
		until = int64(m.started + settle)
	}
	m.engine.SettleUntil(until)
}

// age decides whether the collector is too new to vote. While all are, all vote, and the engine opens nothing.
func (m *Monitor) age(c *collector) {
	young := m.settled && !c.described() && m.now-c.started < bgp.Micros(m.cfg.SettleFor)*bgp.Second
	if young != c.young {
		c.young = young
		m.revote(m.now, "collector "+c.name+" has been followed for long enough to vote", 0, c.peers...)
	}
}

// revote brings the tables up to date with which of the peers vote, and counts every prefix again where that changed: see reweigh.
func (m *Monitor) revote(at bgp.Micros, reason string, from bgp.Micros, peers ...*peer) {
	var changed [2]bool
	for _, p := range peers {
		for sig := range m.fams {
			changed[sig] = changed[sig] || p.voting[sig] != p.speaks(sig)
		}
	}
	if changed == [2]bool{} {
		return
	}
	m.reweigh(at, reason, from, changed, func() {
		for _, p := range peers {
			p.vote(m)
		}
	})
}

// reweigh runs a change of who votes, and counts every prefix of the families again. It is our own bookkeeping and opens nothing, with
// one exception: a prefix that enough of those who still vote withdrew at or after from (0: no exception) is lost by the world's doing,
// and counts as such after the change. Before it, those who no longer vote were taken to carry it.
func (m *Monitor) reweigh(at bgp.Micros, reason string, from bgp.Micros, families [2]bool, change func()) {
	var news []massRow
	m.quietly(at, reason, func() {
		change()
		for sig, f := range m.fams {
			if !families[sig] {
				continue
			}
			if from != 0 {
				m.countVotes(f) // what is lost after the change is seen by those who are left
			}
			for r := range f.rows {
				switch id, x := visibility.RowID(r), &f.rows[r]; {
				case x.judged == unjudged || f.stays(m, id, x):
				case from != 0 && x.judged != lost && f.freshlyLost(m, id, from):
					news = append(news, massRow{f, id, at})
				default:
					f.recount(m, id, at)
				}
			}
		}
	})
	for _, x := range news {
		x.fam.recount(m, x.row, at)
	}
	if len(news) > 0 {
		m.read(at)
	}
}

// freshFrom is since when withdrawals are news beside the last word of one who no longer votes.
func (m *Monitor) freshFrom(last bgp.Micros) bgp.Micros {
	return max(1, last-bgp.Micros(m.cfg.FreshFor)*bgp.Second)
}

// freshlyLost reports a row that enough of the voters withdrew at or after from, and have not announced again.
func (f *family) freshlyLost(m *Monitor, r visibility.RowID, from bgp.Micros) bool {
	if m.trace.newest(f.rows[r].traced) < from {
		return false
	}
	v := f.table.Vote(r)
	if !f.observable(m, v) || float64(v.Withdrawn) < m.cfg.LostShare*float64(v.Expected) {
		return false
	}
	ases := map[*asn]bool{}
	for _, c := range m.standing(f, r, from) {
		ases[c.peer.as] = true
	}
	return float64(min(len(ases), v.Withdrawn)) >= m.cfg.LostShare*float64(v.Expected)
}

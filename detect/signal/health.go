package signal

import (
	"fmt"
	"slices"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
)

// tickHealth decides once a second which peers vote, before anything is said about the world.
func (m *Monitor) tickHealth(now, before bgp.Micros) {
	spoke := bgp.Micros(m.cfg.SpokeWithin) * bgp.Second
	silent := len(m.colls) > 0
	for _, c := range m.colls {
		c.paused = now-c.last > spoke
		silent = silent && c.paused
	}
	if silent && !m.paused {
		m.stats.Pauses++
	}
	m.paused = silent
	m.tickFeeds(now, before)
	for _, c := range m.colls {
		m.tickCollector(c, now, now-before, m.othersSpoke(c))
		if c.state != collectorUp {
			continue // its sessions are judged when it is back
		}
		lately := 0
		for _, p := range c.peers {
			if now-p.last <= spoke {
				lately++
			}
		}
		for _, p := range c.peers {
			m.tickPeer(p, now, 2*lately >= len(c.peers))
		}
	}
	for _, a := range m.ases {
		a.advance(now, m.cfg.MassWindow)
	}
	for _, f := range m.fams {
		m.countVotes(f)
	}
}

// othersSpoke reports whether another collector than c spoke lately.
func (m *Monitor) othersSpoke(c *collector) bool {
	return slices.ContainsFunc(m.colls, func(o *collector) bool { return o != c && !o.paused })
}

// tickPeer moves one peer between up, stale, mass-withdrawing and resync. othersSpoke: at least half of its collector's peers spoke lately.
func (m *Monitor) tickPeer(p *peer, now bgp.Micros, othersSpoke bool) {
	switch p.health {
	case peerUp:
		limit := bgp.Micros(m.cfg.StaleAfter) * bgp.Second
		if !othersSpoke || p.gaps.n < minGaps || now-p.last <= limit {
			return
		}
		if limit = max(limit, p.gaps.longest(1000)); now-p.last > limit {
			m.setHealth(p, peerStale, now, fmt.Sprintf("silent for more than %d s while the collector's other peers speak", limit/bgp.Second))
		}
	case peerMass:
		p.left = min(p.left, p.announced(m))
		switch {
		case now%(5*bgp.Second) == 0 && p.returned() >= m.cfg.ResyncShare:
			if float64(p.left) <= (1-m.cfg.ResyncShare)*float64(p.had) { // its table went and came again: what did not come is no longer its own
				for _, f := range m.fams {
					f.table.SetPresume(p.id, false)
				}
			}
			m.believe(p, now, 0, 1)
			m.engine.FaultEnded(m.peerEntity(p), int64(now), "its table is back")
		case now-p.since >= bgp.Micros(m.cfg.MassGiveUp)*bgp.Second:
			for _, f := range m.fams {
				f.table.SetPresume(p.id, false) // it counts for what it announces, and for nothing else
			}
			m.believe(p, now, 0, 1)
			m.engine.FaultEnded(m.peerEntity(p), int64(now), "its table did not come back; it votes for what is left of it")
		case now%(5*bgp.Second) == 0 && m.worldwide(p):
			p.health, p.since, p.note = peerUp, now, ""
			m.revote(now, "peer "+p.name.String()+" votes again", m.freshFrom(p.gone[0].at), p) // what they all withdrew is news, not bookkeeping
			m.engine.FaultEnded(m.peerEntity(p), int64(now), "most other networks withdrew the same within the same minutes: its withdrawals count")
		case now%(5*bgp.Second) == 0 && m.agreement(p.as, p.gone) >= m.cfg.MassAgree:
			m.setHealth(p, peerUp, now, "")
			m.engine.FaultEnded(m.peerEntity(p), int64(now), "other networks came to agree with it: its withdrawals count")
		}
	case peerResync:
		late := now-p.since >= bgp.Micros(m.cfg.ResyncMax)*bgp.Second
		var whole []int
		for sig, f := range m.fams {
			back := p.before[sig] > 0 && float64(f.table.Counters(p.id).Announced) >= m.cfg.ResyncShare*float64(p.before[sig])
			if p.syncing[sig] && (back || late) {
				whole = append(whole, sig)
			}
		}
		if whole != nil {
			m.believe(p, now, whole...)
		}
	}
}

// advance drops what left the window of mass withdrawal.
func (a *asn) advance(now bgp.Micros, window int) {
	if a.sum == 0 {
		return
	}
	cut := now - bgp.Micros(window)*bgp.Second
	i := 0
	for i < len(a.rows) && a.rows[i].at <= cut {
		i++
	}
	if i > 0 {
		a.rows = append(a.rows[:0], a.rows[i:]...)
		a.sum = len(a.rows)
		a.checkedAt = min(a.checkedAt, a.sum)
	}
}

// withdrew counts a withdrawal of something announced, and tests for mass withdrawal: too much at once from one AS for it to
// be the world, unless the world agrees.
func (a *asn) withdrew(m *Monitor, at bgp.Micros, f *family, r visibility.RowID) {
	if !a.votes() {
		for _, p := range a.peers {
			if p.health == peerMass {
				p.gone = append(p.gone, massRow{f, r, at})
			}
		}
		return
	}
	a.rows = append(a.rows, massRow{f, r, at})
	a.sum++
	if a.sum < m.cfg.MassMin || a.sum < a.checkedAt+a.checkedAt/4 {
		return
	}
	a.checkedAt = a.sum
	if a.sum < m.cfg.MassAlways && float64(a.sum) < m.cfg.MassShare*float64(max(a.table(m), m.medianTable)) {
		return
	}
	if agree := m.agreement(a, a.rows); agree < m.cfg.MassAgree {
		m.massWithdrawing(a, at, agree)
	}
}

// fullVoters counts the ASes with a full feed of the family that vote.
func (f *family) fullVoters(m *Monitor) int {
	n := 0
	for _, a := range m.ases {
		if slices.ContainsFunc(a.peers, func(p *peer) bool { return p.full[f.sig] && p.votes(int(f.sig)) }) {
			n++
		}
	}
	return n
}

func (a *asn) table(m *Monitor) int {
	n := 0
	for _, p := range a.peers {
		n = max(n, p.table(m))
	}
	return n
}

// table is how many prefixes the peer carries, as far as known: what it announced, and what a full feed is presumed to carry.
func (p *peer) table(m *Monitor) int {
	n := 0
	for _, f := range m.fams {
		c := f.table.Counters(p.id)
		n += c.Announced
		if p.full[f.sig] {
			n += len(f.rows) - c.Known
		}
	}
	return n
}

// announced is how many prefixes the session announces.
func (p *peer) announced(m *Monitor) int {
	return m.fams[0].table.Counters(p.id).Announced + m.fams[1].table.Counters(p.id).Announced
}

// returned is the share of what the peer withdrew in its mass withdrawal that it has announced again.
func (p *peer) returned() float64 {
	if len(p.gone) == 0 {
		return 0
	}
	step := max(1, len(p.gone)/2000)
	n, back := 0, 0
	for i := 0; i < len(p.gone); i += step {
		n++
		if x := p.gone[i]; x.fam.table.Cell(x.row, p.id).State == visibility.Announced {
			back++
		}
	}
	return float64(back) / float64(n)
}

// agreement is the mean share of the other voters that have withdrawn what the AS withdrew.
func (m *Monitor) agreement(a *asn, rows []massRow) float64 {
	if len(rows) == 0 {
		return 0
	}
	step := max(1, len(rows)/1000)
	var sum float64
	n := 0
	for i := 0; i < len(rows); i += step {
		x := rows[i]
		v := x.fam.table.Vote(x.row)
		own := 0
		if a.votes() {
			own = 1
		}
		if v.Expected-own > 0 {
			sum += float64(max(0, v.Withdrawn-own)) / float64(v.Expected-own)
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// worldwide reports that what a mass-withdrawing session withdrew was withdrawn by most networks, those among them that are not believed either: each of
// them was taken for a lost session because it was among the first. A session that lost most of its table proves nothing by that: when a collector loses its own
// sessions, all of them withdraw everything.
func (m *Monitor) worldwide(p *peer) bool {
	const sample = 50
	if len(p.gone) == 0 || 2*p.left < p.had {
		return false
	}
	step := max(1, len(p.gone)/sample)
	withdrew, all := 0, 0
	for i := 0; i < len(p.gone); i += step {
		x := p.gone[i]
		v := x.fam.table.Vote(x.row)
		n, w := v.Expected, v.Withdrawn
		for _, a := range m.ases {
			if a.votes() {
				continue // counted by Vote
			}
			carries, went := a.masked(x)
			if carries || went {
				n++
			}
			if went && !carries {
				w++
			}
		}
		if n >= m.cfg.MinVoters {
			withdrew, all = withdrew+w, all+n
		}
	}
	return all > 0 && float64(withdrew) >= m.cfg.LostShare*float64(all)
}

// masked is what the mass-withdrawing sessions of an AS say about a row: whether one carries it, and whether one withdrew it.
func (a *asn) masked(x massRow) (carries, went bool) {
	for _, p := range a.peers {
		if p.health != peerMass || !p.coll.votes() {
			continue
		}
		switch c := x.fam.table.Cell(x.row, p.id); {
		case c.State == visibility.Announced || c.Presumed:
			carries = true
		case c.State == visibility.Withdrawn && c.Expected:
			went = true
		}
	}
	return carries, went
}

func (a *asn) votes() bool {
	return slices.ContainsFunc(a.peers, func(p *peer) bool { return p.votes(0) || p.votes(1) })
}

// massWithdrawing takes the AS's sessions that did it out of the vote; what they withdrew no longer counts.
func (m *Monitor) massWithdrawing(a *asn, at bgp.Micros, agree float64) {
	why := fmt.Sprintf("%d prefixes withdrawn within %d s while %.1f %% of the other networks agree: most likely a lost session", a.sum, m.cfg.MassWindow, 100*agree)
	for _, p := range a.peers {
		if p.health != peerUp || !p.coll.votes() {
			continue
		}
		p.gone = append(p.gone[:0], a.rows...)
		p.left = p.announced(m)
		p.had = p.left + a.sum
		m.setHealth(p, peerMass, at, why)
		m.fault(m.peerEntity(p), p.coll, at, why)
		p.faults++
	}
}

// judgeFeeds decides once a minute which peers send a full table: they are presumed to carry what they have said nothing about.
func (m *Monitor) judgeFeeds(now bgp.Micros) {
	for _, f := range m.fams {
		var known []int
		for _, p := range m.peers {
			if n := f.table.Counters(p.id).Known; n > 0 && p.health == peerUp {
				known = append(known, n)
			}
		}
		if len(known) == 0 {
			continue
		}
		slices.Sort(known)
		median := known[len(known)/2]
		changed := false
		for _, p := range m.peers {
			full := float64(f.table.Counters(p.id).Known) >= m.cfg.FullFeedShare*float64(median)
			if p.health != peerUp {
				full = p.full[f.sig] // not judged while it is away
			}
			if full != p.full[f.sig] {
				p.full[f.sig] = full
				f.table.SetFullFeed(p.id, full)
				changed = true
			}
		}
		if small := f.fullVoters(m) < m.cfg.MinVoters; small != f.small {
			f.small, changed = small, true
		}
		if changed {
			m.quietly(now, "the set of full-feed peers changed", func() { f.recountAll(m, now) })
		}
	}
	var tables []int
	for _, p := range m.peers {
		if p.full[0] || p.full[1] {
			tables = append(tables, p.table(m))
		}
	}
	m.medianTable = 0
	if len(tables) > 0 {
		slices.Sort(tables)
		m.medianTable = tables[len(tables)/2]
	}
}

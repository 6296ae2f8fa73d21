package visibility

import "github.com/corewatch/corewatch/bgp"

// Change says what an Announce, Withdraw or Seed did, as a set of bits, so that the caller knows whether to count again.
type Change uint16

// The bits of a Change.
const (
	Learned               Change = 1 << iota // the cell was unknown
	BecameAnnounced                          // it was unknown or withdrawn
	BecameWithdrawn                          // it was unknown or announced
	Duplicate                                // the cell said so already, with the same origin
	OriginChanged                            // an announced cell changed its origin
	DominantOriginChanged                    // Table.Origin of the row changed
	BecameExpected                           // the cell is expected from now on: from a RIB, or learned by withdrawal
	BecameMuted                              // the cell flaps and stopped voting
	Revived                                  // the row was retired
	Ignored                                  // nothing was believed or done: unknown ids, a withdrawal that proves nothing, or of a retired row
)

// VoteMayChange reports whether Vote of the row may differ from what it was.
func (c Change) VoteMayChange() bool {
	return c&(Learned|BecameAnnounced|BecameWithdrawn|BecameExpected|BecameMuted|Revived) != 0
}

// Announce applies an announcement. A cell first heard of this way is expected only once Tick finds that it lasts, unless its
// session was presumed to carry the row, and the row has been known for Config.ExpectAfter or SetLearning is on: then the announcement is a change
// of path, most likely the first sign of a loss, and not a new route.
func (t *Table) Announce(r RowID, p PeerID, origin uint32, at bgp.Micros) Change {
	if !t.has(r) || int(p) >= len(t.peers) {
		return Ignored
	}
	at = t.advance(at)
	t.peers[p].count.Announcements++
	c := t.announce(r, p, origin, at, false)
	if c&Duplicate != 0 {
		t.peers[p].count.DuplicateAnnouncements++
	}
	return c
}

// Seed applies an entry of a table dump: the session had the route, for how long is not known. A cell without a history of at
// least Config.ExpectAfter is expected at once. From then on silence of this session no longer means that it carries a row
// it never mentioned: see SetPresume.
func (t *Table) Seed(r RowID, p PeerID, origin uint32, at bgp.Micros) Change {
	if !t.has(r) || int(p) >= len(t.peers) {
		return Ignored
	}
	at = t.advance(at)
	pe := &t.peers[p]
	pe.count.Seeds++
	if !pe.seeded {
		pe.seeded = true
		t.masks[pe.word].seeded |= pe.bit
	}
	return t.announce(r, p, origin, at, true)
}

func (t *Table) announce(r RowID, p PeerID, origin uint32, at bgp.Micros, rib bool) (c Change) {
	pe := &t.peers[p]
	pe.heard(at)
	q := t.quad(r, pe.word)
	t.knownFor(r, at)
	if q.announced&pe.bit != 0 {
		c |= t.setOrigin(r, p, origin, true)
		if c&OriginChanged == 0 {
			c |= Duplicate
		}
		if rib && q.expected&pe.bit == 0 {
			c |= t.expectFromRIB(r, p, q, at)
		}
		return c
	}
	if t.meta(r).dead {
		t.revive(r)
		c |= Revived
	}
	wasKnown := q.known&pe.bit != 0
	c |= BecameAnnounced
	if !wasKnown {
		c |= Learned
		pe.count.Known++
	}
	pe.count.Announced++

	i := t.recs.find(r, p)
	switch {
	case i == 0 && q.expected&pe.bit == 0 && rib: // learned from a RIB
		q.expected |= pe.bit
		c |= BecameExpected
	case i == 0 && q.expected&pe.bit != 0 && !wasKnown: // quiet before it was flushed, quiet now
	case i == 0 && !wasKnown && t.presumed(r, pe, at): // carried all along
		q.expected |= pe.bit
		c |= BecameExpected
	default:
		if rec, made := t.record(r, p); rec != nil {
			if wasKnown && !made {
				if t.transition(rec, at) && q.muted&pe.bit == 0 {
					q.muted |= pe.bit
					c |= BecameMuted
				}
			}
			t.fold(rec, at)
			rec.enter(true, wasKnown && !made, at)
			if rib && q.expected&pe.bit == 0 {
				c |= t.expectFromRIB(r, p, q, at)
			}
			t.schedule(rec, q.expected&pe.bit != 0, at)
		}
	}
	q.known |= pe.bit
	q.announced |= pe.bit
	return c | t.setOrigin(r, p, origin, false)
}

// SetLearning says that the feed is young and began without a RIB: nearly every row that is mentioned for the first time existed
// before, so that a presumed cell's first announcement is a change of path whatever the age of its row.
func (t *Table) SetLearning(on bool) { t.learning = on }

// presumed reports whether a silent cell of the session was taken as carrying the row, for a row old enough to be no news.
func (t *Table) presumed(r RowID, pe *peer, at bgp.Micros) bool {
	m := &t.masks[pe.word]
	return m.full&m.presume&^m.seeded&pe.bit != 0 && (t.learning || t.knownFor(r, at) >= t.cfg.ExpectAfter)
}

// knownFor is how long the row has been known, in whole seconds.
func (t *Table) knownFor(r RowID, at bgp.Micros) bgp.Micros {
	m := t.meta(r)
	if m.born == 0 {
		m.born = uint32(max(0, at/bgp.Second))
	}
	return (at/bgp.Second - bgp.Micros(m.born)) * bgp.Second
}

// expectFromRIB expects an announced cell that a RIB confirms, unless it has enough of a history to be judged by.
func (t *Table) expectFromRIB(r RowID, p PeerID, q *quad, at bgp.Micros) Change {
	if i := t.recs.find(r, p); i != 0 {
		rec := t.recs.at(i)
		if o, _ := t.sums(rec, at); o >= float64(t.cfg.ExpectAfter/ms) {
			return 0
		}
	}
	q.expected |= t.peers[p].bit
	return BecameExpected
}

// Withdraw applies a withdrawal. A session withdraws only what it had: when it is the first thing heard about the cell, the cell
// counts as carried since the session came up, unless the session is known to withdraw what it has not got.
func (t *Table) Withdraw(r RowID, p PeerID, at bgp.Micros) (c Change) {
	if !t.has(r) || int(p) >= len(t.peers) {
		return Ignored
	}
	at = t.advance(at)
	pe := &t.peers[p]
	pe.count.Withdrawals++
	pe.heard(at)
	if t.meta(r).dead {
		return Ignored
	}
	q := t.quad(r, pe.word)
	t.knownFor(r, at)
	known, announced, expected := q.known&pe.bit != 0, q.announced&pe.bit != 0, q.expected&pe.bit != 0
	if known && !announced {
		pe.count.DuplicateWithdrawals++
		return Duplicate
	}
	if !known {
		if !expected && t.recs.find(r, p) == 0 { // the first thing heard about this cell
			if t.duplicates(pe) {
				return Ignored
			}
			q.expected |= pe.bit
			expected = true
			c |= BecameExpected
		}
		c |= Learned
		pe.count.Known++
	} else {
		pe.count.Announced--
	}
	c |= BecameWithdrawn
	if rec, made := t.record(r, p); rec != nil {
		if made && expected { // as if carried without pause since the session came up
			up := uint32(min(pe.upTime(at), t.cfg.Window) / ms)
			rec.observed, rec.carried = up, up
		} else {
			t.fold(rec, at)
		}
		if known && t.transition(rec, at) && q.muted&pe.bit == 0 {
			q.muted |= pe.bit
			c |= BecameMuted
		}
		rec.enter(false, known, at)
		t.schedule(rec, expected, at)
	}
	q.known |= pe.bit
	q.announced &^= pe.bit
	if known {
		c |= t.clearOrigin(r, p)
	}
	return c
}

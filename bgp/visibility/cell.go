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

func (t *matrix) applyAnnounce(r RowID, p PeerID, origin uint32, at bgp.Micros) Change {
	at = t.advance(at)
	if !t.has(r) || !t.hasPeer(p) {
		return Ignored
	}
	t.peers[p].count.Announcements++
	c := t.announce(r, p, origin, at, false)
	if c&Duplicate != 0 {
		t.peers[p].count.DuplicateAnnouncements++
	}
	return c
}

func (t *matrix) applySeed(r RowID, p PeerID, origin uint32, at bgp.Micros) Change {
	at = t.advance(at)
	if !t.has(r) || !t.hasPeer(p) {
		return Ignored
	}
	pe := &t.peers[p]
	pe.count.Seeds++
	t.seededBy(p)
	return t.announce(r, p, origin, at, true)
}

// seededBy notes that a session's table was read from a RIB.
func (t *matrix) seededBy(p PeerID) {
	if pe := &t.peers[p]; !pe.seeded {
		pe.seeded = true
		t.masks[pe.word].seeded |= pe.bit
	}
}

func (t *matrix) announce(r RowID, p PeerID, origin uint32, at bgp.Micros, rib bool) (c Change) {
	pe := &t.peers[p]
	pe.heard(at)
	m, words := t.row(r)
	q := &words[pe.word]
	m.knownFor(at)
	if q.announced&pe.bit != 0 {
		c |= t.setOrigin(r, m, words, p, origin, true)
		if c&OriginChanged == 0 {
			c |= Duplicate
		}
		if rib && q.expected&pe.bit == 0 {
			c |= t.expectFromRIB(r, m, p, q, at)
		}
		return c
	}
	if m.dead {
		m.dead, m.born = false, 0
		t.dead--
		c |= Revived
	}
	wasKnown := q.known&pe.bit != 0
	c |= BecameAnnounced
	if !wasKnown {
		c |= Learned
		pe.count.Known++
	}
	pe.count.Announced++

	i := t.recordOf(m, r, p)
	switch {
	case i == 0 && q.expected&pe.bit == 0 && rib: // learned from a RIB
		q.expected |= pe.bit
		c |= BecameExpected
	case i == 0 && q.expected&pe.bit != 0 && !wasKnown: // quiet before it was flushed, quiet now
	case i == 0 && !wasKnown && t.presumed(m, pe, at): // carried all along
		q.expected |= pe.bit
		c |= BecameExpected
	default:
		if rec, made := t.record(i, m, r, p); rec != nil {
			if wasKnown && !made {
				if t.transition(rec, at) && t.mute(r, m, pe) {
					c |= BecameMuted
				}
			}
			t.fold(rec, at)
			rec.enter(true, wasKnown && !made, at)
			if rib && q.expected&pe.bit == 0 {
				c |= t.expectFromRIB(r, m, p, q, at)
			}
			t.schedule(rec, q.expected&pe.bit != 0, at)
		}
	}
	q.known |= pe.bit
	q.announced |= pe.bit
	return c | t.setOrigin(r, m, words, p, origin, false)
}

// SetLearning says that the feed is young and began without a RIB: nearly every row that is mentioned for the first time existed
// before, so that a presumed cell's first announcement is a change of path whatever the age of its row.
func (t *matrix) SetLearning(on bool) { t.learning = on }

// presumed reports whether a silent cell of the session was taken as carrying the row, for a row old enough to be no news.
func (t *matrix) presumed(m *rowMeta, pe *peer, at bgp.Micros) bool {
	k := &t.masks[pe.word]
	return k.full&k.presume&^k.seeded&pe.bit != 0 && (t.learning || m.knownFor(at) >= t.cfg.ExpectAfter)
}

// knownFor is how long the row has been known, in whole seconds.
func (m *rowMeta) knownFor(at bgp.Micros) bgp.Micros {
	if m.born == 0 {
		m.born = uint32(max(0, at/bgp.Second))
	}
	return (at/bgp.Second - bgp.Micros(m.born)) * bgp.Second
}

// expectFromRIB expects an announced cell that a RIB confirms, unless it has enough of a history to be judged by.
func (t *matrix) expectFromRIB(r RowID, m *rowMeta, p PeerID, q *word, at bgp.Micros) Change {
	if i := t.recordOf(m, r, p); i != 0 {
		rec := t.recs.at(i)
		if o, _ := t.sums(rec, at); o >= float64(t.cfg.ExpectAfter/ms) {
			return 0
		}
	}
	q.expected |= t.peers[p].bit
	return BecameExpected
}

func (t *matrix) applyWithdraw(r RowID, p PeerID, at bgp.Micros) (c Change) {
	at = t.advance(at)
	if !t.has(r) || !t.hasPeer(p) {
		return Ignored
	}
	pe := &t.peers[p]
	pe.count.Withdrawals++
	pe.heard(at)
	m, words := t.row(r)
	if m.dead {
		return Ignored
	}
	q := &words[pe.word]
	m.knownFor(at)
	known, announced, expected := q.known&pe.bit != 0, q.announced&pe.bit != 0, q.expected&pe.bit != 0
	if known && !announced {
		pe.count.DuplicateWithdrawals++
		return Duplicate
	}
	i := t.recordOf(m, r, p)
	if !known {
		if !expected && i == 0 { // the first thing heard about this cell
			if t.doubts(p) {
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
	if rec, made := t.record(i, m, r, p); rec != nil {
		if made && expected { // as if carried without pause since the session came up
			up := uint32(min(pe.upTime(at), t.cfg.Window) / ms)
			rec.observed, rec.carried = up, up
		} else {
			t.fold(rec, at)
		}
		if known && t.transition(rec, at) && t.mute(r, m, pe) {
			c |= BecameMuted
		}
		rec.leave(known, at, t.cfg.ExpectAfter)
		t.schedule(rec, expected, at)
	}
	q.known |= pe.bit
	q.announced &^= pe.bit
	if known {
		c |= t.clearOrigin(m, p)
	}
	return c
}

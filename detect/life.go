package detect

import (
	"fmt"
	"slices"
	"time"
)

// incident is an open outage: the document as published plus what its life needs.
type incident struct {
	doc        Incident
	serial     int
	t0         int64
	members    []*member // in order of joining
	byRow      map[Row]*member
	back       int   // members announced again
	present    int   // members not withdrawn permanently
	aboveSince int64 // since when a joined track has been above its floor; 0 when none is
	backSince  int64 // since when enough members are announced again; 0 when not
	backPaused int64 // of that, how long every collector was silent: the closing clock stood still
	halfBack   int64 // when half of them first were
	toggledAt  int64 // when a member changed state that was not weighed yet; 0 when none did
	wasAbove   bool  // above its floor before the monitor's change that is under way
	held       bool  // confirmation was held back for want of voters
	sizeAt     int64 // when the size was last revised, and what it was
	size       float64
	levels     levels
	episode    int64 // since when the level has been high enough for a new episode; 0 when not
	before     int   // prefixes lost at the lowest of the minutes before that
	inEpisode  bool
	fell       int64 // since when the level has been down in the open episode; 0 when it is not
	fellPaused int64 // of that, how long every collector was silent
	waveAt     int64 // since when it is up again after a lull in the open episode, until that is told; 0 when not
	lull       int64 // how long it had been down
	easedAt    int64 // since when it has been recovering, pauses not counted
	calmAt     int64 // when it had last been recovering for CloseAfter; 0 before that
	beforeRise float64
	// the rise above which an episode opens, and the largest of the open one
	episodeBase, episodePeak float64
	parent                   string  // id of the highest incident that this one is part of
	parentRank               int     // its wholeness
	ownPeak                  float64 // largest lost share, in units, of the incident's own rise, before any further episode
	rest                     rest
	again                    [numSignals]again
}

type member struct {
	row    Row
	lostAt int64
	state  PrefixState
	since  int64 // of state
	gone   bool  // withdrawn permanently
}

// openIncident opens at t0 + SuspectAfter.
func (e *Engine) openIncident(w *watch, t *track) {
	ent := e.entities[w.id]
	e.serial++
	inc := &incident{serial: e.serial, t0: t.crossedAt, byRow: map[Row]*member{}, aboveSince: t.crossedAt + t.held}
	inc.doc = Incident{
		V: SchemaVersion, ID: ID(ent, Outage, t.crossedAt), Data: e.data, Kind: Outage, State: Suspected, Entity: ent,
		PublicCore: []string{"routing"}, SuspectedAt: micros(e.now), Method: e.method,
	}
	w.inc = inc
	e.open[w.id], e.bySerial[inc.serial] = true, w
	inc.join(e, w, t)
	inc.partOf(e, e.wholes(w, t.sig)) // none of these is a part of this one: nothing knew of it so far
	inc.revise(e, w, "opened", e.opening(t))
	e.adopt(w, t.sig)
}

// opening says why an incident opened.
func (e *Engine) opening(t *track) string {
	if t.branch == slowDecline {
		return fmt.Sprintf("%s: %.1f points above the median of the last %d h, and rising over it since %s", slowDecline, 100*t.rise(&t.cur), e.cfg.SlowReference, micros(t.from))
	}
	return fmt.Sprintf("loss above the floor (%s) for %d s", t.branch, e.cfg.SuspectAfter)
}

// join makes a crossed signal part of the incident, with its members and its reading of when it began.
func (inc *incident) join(e *Engine, w *watch, t *track) {
	t.joined = true
	e.atPeak(t)
	window, since, first := int64(e.cfg.MemberWindow)*1e6, t.since(&e.cfg), t.crossedAt
	var seen []Withdrawal
	e.world.LostRows(w.id, t.sig, func(r Row, lostAt int64) {
		if lostAt < since {
			return
		}
		inc.add(e, r, lostAt)
		first = min(first, lostAt)
		if lostAt <= t.crossedAt {
			e.world.Withdrawals(r, lostAt-window, func(x Withdrawal) { seen = append(seen, x) })
		}
	})
	start := onset(seen, t.crossedAt)
	if t.from != 0 { // the withdrawals of its beginning are no longer kept: dated by the samples and the first prefix lost
		start = Interval{Time: micros(first), Earliest: micros(t.from), Latest: micros(t.crossedAt)}
	}
	if inc.doc.Start.Time.IsZero() || start.Time.Before(inc.doc.Start.Time.Time) {
		inc.doc.Start = start
	}
	inc.ownPeak = max(inc.ownPeak, t.peak.UnitShare())
	if inc.doc.Revision > 0 {
		inc.revise(e, w, "signal joined", t.sig.String()+" crossed its floor too")
		e.adopt(w, t.sig)
	}
}

// onset reads the start interval off the withdrawals of the members (section 5): the first, the second independent AS's, and t0.
// With a single AS the middle reading is t0 itself: one router never dates an event alone.
func onset(seen []Withdrawal, t0 int64) Interval {
	slices.SortFunc(seen, func(a, b Withdrawal) int {
		if a.At != b.At {
			if a.At < b.At {
				return -1
			}
			return 1
		}
		return int(int64(a.AS) - int64(b.AS))
	})
	iv := Interval{Time: micros(t0), Earliest: micros(t0), Latest: micros(t0)}
	for _, x := range seen {
		if x.At > t0 {
			break
		}
		if x.At < iv.Earliest.UnixMicro() {
			iv.Earliest = micros(x.At)
		}
		if x.AS != seen[0].AS {
			iv.Time = micros(x.At)
			break
		}
	}
	return iv
}

func micros(us int64) Time { return Time{time.UnixMicro(us).UTC()} }

func (inc *incident) add(e *Engine, r Row, lostAt int64) {
	if inc.byRow[r] != nil {
		return
	}
	m := &member{row: r, lostAt: lostAt, since: lostAt}
	inc.byRow[r] = m
	inc.members = append(inc.members, m)
	inc.present++
	e.world.Watch(r, inc.serial, lostAt-int64(e.cfg.MemberWindow)*1e6)
}

// toggle follows members, and takes in a prefix of the entity that is lost while the incident is open.
func (inc *incident) toggle(e *Engine, w *watch, r Row, at int64, st PrefixState) {
	m := inc.byRow[r]
	if m == nil {
		if st == PrefixLost && !e.monitor {
			inc.add(e, r, at)
			inc.toggledAt = at
		}
		return
	}
	if m.state == st || m.gone {
		return
	}
	if m.state == PrefixBack {
		inc.back--
	}
	m.state, m.since = st, at
	if st == PrefixBack {
		inc.back++
	}
	inc.toggledAt = at
}

// weigh keeps the instants at which half and CloseShare of the members were announced again.
func (inc *incident) weigh(e *Engine, at int64) {
	enough := inc.present > 0 && float64(inc.back) >= e.cfg.CloseShare*float64(inc.present)
	switch {
	case enough && inc.backSince == 0:
		inc.backSince, inc.backPaused = at, 0
	case !enough:
		inc.backSince = 0
	}
	half := 2*inc.back >= inc.present
	if half && inc.halfBack == 0 {
		inc.halfBack = at
	} else if !half {
		inc.halfBack = 0
	}
}

// changed runs at every reading of a joined signal.
func (inc *incident) changed(e *Engine, w *watch, at int64) {
	if len(inc.doc.Episodes) <= 1 && !inc.rising(w) {
		inc.ownPeak = max(inc.ownPeak, inc.unitShare(w))
	}
	if !inc.above(e, w) {
		inc.aboveSince = 0
	} else if inc.aboveSince == 0 {
		inc.aboveSince = at
	}
}

func (inc *incident) above(e *Engine, w *watch) bool {
	for _, t := range w.tracks {
		if t != nil && t.joined && e.above(t, e.entities[w.id].Type) {
			return true
		}
	}
	return false
}

// tick runs once a second.
func (inc *incident) tick(e *Engine, w *watch, now, step int64, paused bool) {
	if inc.toggledAt != 0 { // not at each toggle: of one second only the outcome counts
		inc.weigh(e, inc.toggledAt)
		inc.toggledAt = 0
	}
	if paused {
		if inc.aboveSince != 0 {
			inc.aboveSince += step
		}
		if inc.backSince != 0 {
			inc.backPaused += step
		}
		if inc.rest.since != 0 {
			inc.rest.since += step
		}
		if inc.fell != 0 {
			inc.fellPaused += step
		}
		inc.easedAt += step
		return
	}
	if now%60e6 == 0 {
		inc.levels.push(float32(inc.risen(w)))
		inc.settle(e, w, now)
		if now%3600e6 == 0 {
			inc.dropPermanent(e, w, now)
			if w.inc != inc {
				return
			}
		}
	}
	inc.confirm(e, w, now)
	if inc.doc.State == Recovering && now-inc.easedAt >= int64(e.cfg.CloseAfter)*1e6 {
		inc.calmAt = now
	}
	inc.follow(e, w, now)
	if w.inc == inc {
		inc.episodes(e, w, now)
	}
}

// confirm judges once ConfirmAfter seconds above the floor are complete, and again whenever partial may have become whole.
func (inc *incident) confirm(e *Engine, w *watch, now int64) {
	if inc.aboveSince == 0 || now-inc.aboveSince < int64(e.cfg.ConfirmAfter)*1e6 {
		return
	}
	if inc.doc.State != Suspected && inc.doc.State != Partial {
		return
	}
	if inc.doc.State == Partial && now%60e6 != 0 {
		return
	}
	mean, quorum := 0.0, false
	for _, t := range w.tracks {
		if t != nil && t.joined {
			if t.cur.SmallQuorum {
				continue
			}
			quorum = true
			mean = max(mean, e.world.MeanLoss(w.id, t.sig))
		}
	}
	if !quorum {
		if !inc.held {
			inc.held = true
			inc.revise(e, w, "held", fmt.Sprintf("above the floor for %d s, but too few networks vote for a confirmation", e.cfg.ConfirmAfter))
		}
		return
	}
	if mean >= e.cfg.ConfirmMeanLoss {
		inc.doc.State = Confirmed
		inc.doc.ConfirmedAt = micros(now)
		inc.revise(e, w, "confirmed", fmt.Sprintf("above the floor for %d s; %.1f %% of the voting networks withdrew the lost prefixes on average", e.cfg.ConfirmAfter, 100*mean))
	} else if inc.doc.State == Suspected {
		inc.doc.State = Partial
		inc.revise(e, w, "partial", fmt.Sprintf("above the floor for %d s, but only %.1f %% of the voting networks withdrew the lost prefixes on average", e.cfg.ConfirmAfter, 100*mean))
	}
}

// risen is the larger rise of the joined signals now.
func (inc *incident) risen(w *watch) float64 {
	v := 0.0
	for _, t := range w.tracks {
		if t != nil && t.joined {
			v = max(v, t.rise(&t.cur))
		}
	}
	return v
}

func (inc *incident) peakRise(w *watch) float64 {
	v := 0.0
	for _, t := range w.tracks {
		if t != nil && t.joined {
			v = max(v, t.rise(&t.peak))
		}
	}
	return v
}

// follow moves between confirmed, recovering and closed, and revises the size when it grew.
func (inc *incident) follow(e *Engine, w *watch, now int64) {
	rise, peak := inc.risen(w), inc.peakRise(w)
	if inc.backSince != 0 && now-inc.backSince-inc.backPaused >= int64(e.cfg.CloseAfter)*1e6 {
		inc.close(e, w, now)
		return
	}
	switch {
	case inc.doc.State != Recovering && rise < e.cfg.RecoveringShare*peak:
		inc.doc.State = Recovering
		inc.easedAt = now
		inc.revise(e, w, "recovering", "the loss is under half of its peak")
	case inc.doc.State == Recovering && rise >= e.cfg.RecoveringShare*peak:
		inc.doc.State = Suspected
		if !inc.doc.ConfirmedAt.IsZero() {
			inc.doc.State = Confirmed
		}
		inc.revise(e, w, "relapsed", "the loss is again at least half of its peak")
	case inc.doc.State != Suspected && peak >= inc.size+e.cfg.EpisodeRise && now-inc.sizeAt >= 60e6:
		inc.revise(e, w, "size", "the loss grew")
	}
}

func (inc *incident) close(e *Engine, w *watch, now int64) {
	inc.doc.State = Closed
	inc.doc.ClosedAt = micros(now)
	inc.doc.End = &Interval{Time: micros(inc.backSince), Earliest: micros(max(inc.halfBack, inc.t0)), Latest: micros(inc.lastBack())}
	if n := len(inc.doc.Episodes); n > 0 && inc.doc.Episodes[n-1].End.IsZero() {
		inc.doc.Episodes[n-1].End = inc.doc.End.Time
	}
	inc.revise(e, w, "closed", fmt.Sprintf("%d of %d member prefixes announced again for %d min", inc.back, inc.present, e.cfg.CloseAfter/60))
	e.drop(w)
}

// lastBack is when the last of the members that are back came back.
func (inc *incident) lastBack() int64 {
	t := inc.backSince
	for _, m := range inc.members {
		if m.state == PrefixBack && !m.gone {
			t = max(t, m.since)
		}
	}
	return t
}

// dropPermanent lets members go that have been away for PermanentAfter (section 5), unless they are the incident; an incident
// without members ends.
func (inc *incident) dropPermanent(e *Engine, w *watch, now int64) {
	if inc.stays(e, w) {
		return
	}
	n := 0
	for _, m := range inc.members {
		if !m.gone && m.state != PrefixBack && now-m.lostAt >= int64(e.cfg.PermanentAfter)*1e6 && now-m.since >= int64(e.cfg.PermanentAfter)*1e6 {
			m.gone = true
			inc.present--
			n++
		}
	}
	if n == 0 {
		return
	}
	inc.weigh(e, now)
	reason := fmt.Sprintf("%d member prefixes absent for %d h leave the membership", n, e.cfg.PermanentAfter/3600)
	if inc.present > 0 {
		inc.revise(e, w, "withdrawn_permanently", reason)
		return
	}
	inc.doc.State = Closed
	inc.doc.ClosedAt = micros(now)
	inc.revise(e, w, "withdrawn_permanently", reason+"; none is left")
	e.drop(w)
}

// retractable: what stood above the floor before a change of the monitor's own does not after it: nothing was announced again, a
// reading of ours was taken back.
func (inc *incident) retractable(e *Engine, w *watch) bool {
	return inc.wasAbove && inc.doc.State != Recovering && !inc.above(e, w) && 2*inc.back >= inc.present
}

func (inc *incident) retract(e *Engine, w *watch, reason string) {
	inc.doc.State = Retracted
	inc.doc.ClosedAt = micros(e.now)
	inc.revise(e, w, "retracted", reason)
	e.drop(w)
}

// drop ends the engine's interest in an incident and lets the entity be watched afresh.
func (e *Engine) drop(w *watch) {
	inc := w.inc
	for _, m := range inc.members {
		e.world.Unwatch(m.row, inc.serial)
	}
	doc := inc.doc
	e.closed = append(e.closed, &doc)
	w.inc = nil
	w.wake()
	e.open[w.id] = false
	delete(e.bySerial, inc.serial)
	for _, t := range w.tracks {
		if t != nil {
			t.joined, t.crossedAt, t.from, t.settled = false, 0, 0, 0
			t.slow.setAside(t.cur.Level(), e.now)
		}
	}
}

package detect

import "fmt"

// rest follows for how long the loss of an incident has stayed the same.
type rest struct {
	level   float64 // the rise at its last change
	since   int64   // of the change; pauses move it on
	settled bool
	at      float64 // the rise that has settled
}

func (inc *incident) isSettled() bool { return inc.rest.settled }

// settle runs once a minute. After SettledAfter without a change the loss is settled: the incident stays open, and alerts look at what
// lies above it. When part of it returns, it is measured from the beginning again (section 5).
func (inc *incident) settle(e *Engine, w *watch, now int64) {
	r, rise := &inc.rest, inc.risen(w)
	if move := rise - r.level; r.since == 0 || move > e.cfg.SettledChange || move < -e.cfg.SettledChange {
		r.level, r.since = rise, now
	}
	if r.settled && rise < r.at-e.cfg.SettledChange {
		back := r.at - rise
		r.settled = false
		inc.setSettled(e, w, now, 0)
		inc.revise(e, w, "settled loss returns", fmt.Sprintf("%.1f points of the settled loss are back", 100*back))
	}
	same := r.settled && rise-r.at <= e.cfg.SettledChange
	if same || now-r.since < int64(e.cfg.SettledAfter)*1e6 || rise <= 0 {
		return
	}
	r.settled, r.at = true, rise
	inc.setSettled(e, w, now, 1)
	inc.revise(e, w, "settled", fmt.Sprintf("no change of more than %.0f point in %d days; alerts look at what is lost beside it", 100*e.cfg.SettledChange, e.cfg.SettledAfter/86400))
}

// setSettled takes the joined signals' levels (times share) out of what alerts look at.
func (inc *incident) setSettled(e *Engine, w *watch, now int64, share float64) {
	for _, t := range w.tracks {
		if t != nil && t.joined {
			t.settled = share * t.cur.Level()
			t.slow.setAside(t.alertLevel(), now)
		}
	}
	inc.again = [numSignals]again{}
	inc.inEpisode, inc.episode = false, 0
}

// stays reports whether members that are away for long are what the incident is about: a country or zone does not end, nor does a
// network or region that is away as a whole. Elsewhere they are what remains of an outage that is over, or of a network that has changed.
func (inc *incident) stays(e *Engine, w *watch) bool {
	if inc.doc.State == Recovering {
		return false
	}
	if spread(e.entities[w.id].Type) {
		return true
	}
	for _, t := range w.tracks {
		if t != nil && t.joined && t.cur.Prefixes >= e.cfg.SmallNetwork && t.cur.Level() >= e.cfg.StayShare {
			return true
		}
	}
	return inc.parent != "" && e.openByID(inc.parent)
}

// openByID reports whether an open incident has the id.
func (e *Engine) openByID(id string) bool {
	for _, w := range e.active {
		if w.inc != nil && w.inc.doc.ID == id {
			return true
		}
	}
	return false
}

// again is a further loss above a settled one: it crosses the floors like any other.
type again struct {
	at   int64 // since when; 0 while there is none
	from int64 // where its slow decline began; 0 when it came at once
	base level
}

// further notes a slow decline above the settled loss.
func (inc *incident) further(t *track, now int64, base level, began int64) {
	if a := &inc.again[t.sig]; a.at == 0 && t.joined {
		*a = again{now, began, base}
	}
}

// crossedAgain follows the floors above the settled loss, or after a calm that the loss followed within MemberWindow, and gives the
// crossing that has lasted longest, with its signal.
func (inc *incident) crossedAgain(e *Engine, w *watch, now int64) (*again, *track) {
	calm := inc.calmAt != 0 && now-inc.calmAt <= int64(e.cfg.MemberWindow)*1e6
	var first *again
	var of *track
	for _, t := range w.tracks {
		if t == nil || !t.joined {
			continue
		}
		a := &inc.again[t.sig]
		if a.at == 0 && !inc.rest.settled && !calm {
			continue
		}
		fresh := again{at: now, base: t.recent.lowest(now)}
		if a.at != 0 {
			fresh = *a
		}
		if ok, _ := e.crossed(w.id, t.sig, &t.cur, fresh.base, e.risenSince(fresh.at, fresh.from), e.factor(e.entities[w.id].Type)); !ok || fresh.from == 0 && t.alertLevel() <= e.normal(t, now) {
			*a = again{}
			continue
		}
		*a = fresh
		if first == nil || a.at < first.at {
			first, of = a, t
		}
	}
	return first, of
}

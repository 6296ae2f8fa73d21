package detect

import "math"

// An open incident is looked at once a second, and hundreds may be open for weeks in which nothing happens to them. So a watch
// of which the next second cannot find anything else than the last one did is left alone until something is told about it, an instant that
// is known beforehand is reached, or a minute is full: what follows the minute (samples, settling, episodes, retries) is
// never put off. A rule that looks at the clock in between belongs in restsUntil.

// awake reports whether a watch has to be looked at.
func (w *watch) awake(now int64) bool { return w.restUntil <= now }

// wake has the watch looked at in the next second.
func (w *watch) wake() { w.restUntil = 0 }

// wakeAll is for what concerns every watch.
func (e *Engine) wakeAll() {
	for _, w := range e.active {
		w.wake()
	}
}

// restsUntil is how long the watch can be left alone after its second at now; 0 when it cannot. revision is the incident's before that
// second.
func (w *watch) restsUntil(e *Engine, now int64, revision int) int64 {
	inc := w.inc
	if inc == nil || inc.doc.Revision != revision || inc.episode != 0 || inc.waveAt != 0 {
		return 0
	}
	for _, t := range w.tracks {
		if t != nil && t.crossedAt != 0 && !t.joined {
			return 0
		}
	}
	if inc.doc.State != Suspected && inc.peakRise(w) >= inc.size+e.cfg.EpisodeRise { // its size is revised at most once a minute
		return 0
	}
	until := int64(math.MaxInt64)
	if inc.backSince != 0 {
		until = min(until, inc.backSince+inc.backPaused+int64(e.cfg.CloseAfter)*1e6)
	}
	if inc.inEpisode && inc.fell != 0 {
		until = min(until, inc.fell+inc.fellPaused+int64(e.cfg.CloseAfter)*1e6)
	}
	if due := inc.easedAt + int64(e.cfg.CloseAfter)*1e6; inc.doc.State == Recovering && due > now {
		until = min(until, due)
	}
	if inc.doc.State == Suspected && inc.aboveSince != 0 {
		// Once that has passed and the state is the same, it is held back for want of voters: a reading has to tell of more.
		if due := inc.aboveSince + int64(e.cfg.ConfirmAfter)*1e6; due > now {
			until = min(until, due)
		}
	}
	return until
}

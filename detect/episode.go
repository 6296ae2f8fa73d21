package detect

import "slices"

// levels keeps the last 24 h of per-minute rises of an open incident.
type levels struct {
	minutes []float32 // a ring once full
	sorted  []float32 // the same, in order
	next    int
}

const levelMinutes = 24 * 60

func (l *levels) push(v float32) {
	if len(l.minutes) < levelMinutes {
		l.minutes = append(l.minutes, v)
	} else {
		i, _ := slices.BinarySearch(l.sorted, l.minutes[l.next])
		l.sorted = slices.Delete(l.sorted, i, i+1)
		l.minutes[l.next] = v
		l.next = (l.next + 1) % levelMinutes
	}
	i, _ := slices.BinarySearch(l.sorted, v)
	l.sorted = slices.Insert(l.sorted, i, v)
}

func (l *levels) median() float64 {
	if len(l.sorted) == 0 {
		return 0
	}
	return float64(l.sorted[len(l.sorted)/2])
}

// episodes opens an episode when the level inside the incident exceeds its own 24 h median by max(floor, EpisodeRise) for
// EpisodeAfter seconds, or crosses a floor above a settled loss: the baseline is frozen but not blind (section 5). It needs
// EpisodeHistory minutes of level first, so that the ramp of the incident itself is not a second episode.
func (inc *incident) episodes(e *Engine, w *watch, now int64) {
	if len(inc.levels.minutes) < e.cfg.EpisodeHistory {
		return
	}
	floor := e.cfg.floorShare(e.entities[w.id].Type)
	step := max(floor, e.cfg.EpisodeRise)
	if inc.episodeBase == 0 || now%60e6 == 0 {
		inc.episodeBase = inc.levels.median() + step
	}
	rise := inc.risen(w)
	if inc.inEpisode {
		ep := &inc.doc.Episodes[len(inc.doc.Episodes)-1]
		ep.PeakLostShare = max(ep.PeakLostShare, Share(inc.unitShare(w)))
		if rise < inc.episodeEnd {
			ep.End = micros(now)
			inc.inEpisode, inc.episode = false, 0
			inc.again = [numSignals]again{}
			inc.revise(e, w, "episode ended", "the level fell back inside the incident")
		}
		return
	}
	over, t := inc.crossedAgain(e, w, now)
	high := rise > inc.episodeBase
	if !high && over == nil {
		inc.episode = 0
		return
	}
	if inc.episode == 0 {
		inc.episode = now
	}
	if now-inc.episode < int64(e.cfg.EpisodeAfter)*1e6 {
		return
	}
	inc.ensureFirstEpisode()
	if first := &inc.doc.Episodes[0]; len(inc.doc.Episodes) == 1 && first.End.IsZero() && inc.doc.State == Recovering && inc.halfBack != 0 {
		first.End = micros(inc.halfBack)
	}
	inc.inEpisode = true
	start, reason := inc.episode, "the level rose again inside the open incident"
	if high {
		inc.episodeEnd = inc.episodeBase - step/2
	} else {
		inc.episodeEnd = max(0, baseLevel(&t.cur, over.base)-t.baseLevel) + floor/2
		reason = "a further loss above the floor, beside the settled one"
	}
	if over != nil && over.from != 0 {
		start, reason = over.from, slowDecline+" beside the settled loss"
	}
	inc.doc.Episodes = append(inc.doc.Episodes, Episode{Start: micros(start), PeakLostShare: Share(inc.unitShare(w))})
	inc.revise(e, w, "episode", reason)
}

// rising reports a level that may become a further episode.
func (inc *incident) rising(w *watch) bool {
	return inc.episodeBase != 0 && inc.risen(w) > inc.episodeBase
}

// ensureFirstEpisode writes down the incident's own rise as the first episode.
func (inc *incident) ensureFirstEpisode() {
	if len(inc.doc.Episodes) == 0 {
		inc.doc.Episodes = []Episode{{Start: inc.doc.Start.Time}}
	}
}

// unitShare is the larger lost share, in units, of the joined signals now.
func (inc *incident) unitShare(w *watch) float64 {
	v := 0.0
	for _, t := range w.tracks {
		if t != nil && t.joined {
			v = max(v, t.cur.UnitShare())
		}
	}
	return v
}

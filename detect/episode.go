package detect

import "slices"

// levels keeps the last 24 h of per-minute rises of an open incident.
type levels struct {
	minutes []float32 // a ring once full
	next    int
}

const levelMinutes = 24 * 60

func (l *levels) push(v float32) {
	if len(l.minutes) < levelMinutes {
		l.minutes = append(l.minutes, v)
		return
	}
	l.minutes[l.next] = v
	l.next = (l.next + 1) % levelMinutes
}

func (l *levels) median() float64 {
	if len(l.minutes) == 0 {
		return 0
	}
	s := slices.Clone(l.minutes)
	slices.Sort(s)
	return float64(s[len(s)/2])
}

// episodes opens an episode when the level inside the incident exceeds its own 24 h median by max(floor, EpisodeRise) for
// EpisodeAfter seconds: the baseline is frozen but not blind (section 5). It needs EpisodeHistory minutes of level first, so
// that the ramp of the incident itself is not a second episode.
func (inc *incident) episodes(e *Engine, w *watch, now int64) {
	if len(inc.levels.minutes) < e.cfg.EpisodeHistory {
		return
	}
	if inc.episodeBase == 0 || now%60e6 == 0 {
		inc.episodeBase = inc.levels.median() + max(e.cfg.floorShare(e.entities[w.id].Type), e.cfg.EpisodeRise)
	}
	rise := inc.risen(w)
	if inc.inEpisode {
		ep := &inc.doc.Episodes[len(inc.doc.Episodes)-1]
		ep.PeakLostShare = max(ep.PeakLostShare, Share(inc.unitShare(w)))
		if rise < inc.episodeEnd {
			ep.End = micros(now)
			inc.inEpisode, inc.episode = false, 0
			inc.revise(e, w, "episode ended", "the level fell back inside the incident")
		}
		return
	}
	if rise <= inc.episodeBase {
		inc.episode = 0
		return
	}
	if inc.episode == 0 {
		inc.episode = now
	}
	if now-inc.episode >= int64(e.cfg.EpisodeAfter)*1e6 {
		inc.ensureFirstEpisode()
		if first := &inc.doc.Episodes[0]; len(inc.doc.Episodes) == 1 && first.End.IsZero() && inc.doc.State == Recovering && inc.halfBack != 0 {
			first.End = micros(inc.halfBack)
		}
		inc.inEpisode = true
		inc.episodeEnd = inc.episodeBase - max(e.cfg.floorShare(e.entities[w.id].Type), e.cfg.EpisodeRise)/2
		inc.doc.Episodes = append(inc.doc.Episodes, Episode{Start: micros(inc.episode), PeakLostShare: Share(inc.unitShare(w))})
		inc.revise(e, w, "episode", "the level rose again inside the open incident")
	}
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

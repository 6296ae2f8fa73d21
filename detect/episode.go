package detect

import (
	"fmt"
	"slices"
)

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
// EpisodeAfter seconds, or crosses a floor in a way that would be an incident if none were open: beside a settled loss, or after a
// calm of CloseAfter. The baseline is frozen but not blind (section 5). The median needs EpisodeHistory minutes of level first, so
// that the ramp of the incident itself is not a second episode.
func (inc *incident) episodes(e *Engine, w *watch, now int64) {
	if inc.inEpisode {
		inc.followEpisode(e, w, now)
		return
	}
	rise, high := inc.risen(w), false
	step := max(e.cfg.floorShare(e.entities[w.id].Type), e.cfg.EpisodeRise)
	if len(inc.levels.minutes) >= e.cfg.EpisodeHistory {
		if inc.episodeBase == 0 || now%60e6 == 0 {
			inc.episodeBase = inc.levels.median() + step
		}
		high = rise > inc.episodeBase
	}
	over, t := inc.crossedAgain(e, w, now)
	if !high && over == nil {
		inc.episode = 0
		return
	}
	if inc.episode == 0 {
		inc.episode = now
		inc.before, inc.beforeRise = inc.lowest(w, now)
	}
	if now-inc.episode < int64(e.cfg.EpisodeAfter)*1e6 {
		return
	}
	ep := inc.beginning(e, w, inc.episode)
	if !high && ep.Prefixes == 0 && over.from == 0 { // the share rose only because its denominator shrank
		inc.again, inc.episode = [numSignals]again{}, 0
		t.recent.rebase(now, levelOf(&t.cur))
		return
	}
	inc.ensureFirstEpisode()
	if first := &inc.doc.Episodes[0]; len(inc.doc.Episodes) == 1 && first.End.IsZero() && inc.doc.State == Recovering && inc.halfBack != 0 {
		first.End = micros(inc.halfBack)
	}
	reason := "the level rose again inside the open incident"
	switch {
	case high:
	case over.from != 0:
		ep.Start, ep.Earliest, reason = micros(over.from), micros(over.from), slowDecline+" beside the settled loss"
	case inc.rest.settled:
		reason = "a further loss above the floor, beside the settled one"
	default:
		reason = fmt.Sprintf("a further loss above the floor, after %d min under half of the peak", e.cfg.CloseAfter/60)
	}
	inc.inEpisode, inc.fell, inc.waveAt, inc.episodePeak = true, 0, 0, rise
	inc.doc.Episodes = append(inc.doc.Episodes, ep)
	inc.revise(e, w, "episode", reason)
}

// followEpisode keeps the peak of the open episode. It is over when what it added has been under RecoveringShare of its peak for
// CloseAfter: what rises again before that belongs to it, or is a network that flaps. It is told as a wave when the level had been down
// for ConfirmAfter and is up for EpisodeAfter.
func (inc *incident) followEpisode(e *Engine, w *watch, now int64) {
	ep := &inc.doc.Episodes[len(inc.doc.Episodes)-1]
	ep.PeakLostShare = max(ep.PeakLostShare, Share(inc.unitShare(w)))
	ep.Prefixes = max(ep.Prefixes, inc.lostPrefixes(w)-inc.before)
	rise := inc.risen(w)
	inc.episodePeak = max(inc.episodePeak, rise)
	switch {
	case rise-inc.beforeRise >= e.cfg.RecoveringShare*(inc.episodePeak-inc.beforeRise):
		if lull := now - inc.fell - inc.fellPaused; inc.fell != 0 && lull >= int64(e.cfg.ConfirmAfter)*1e6 {
			inc.waveAt, inc.lull = now, lull
		}
		inc.fell = 0
		if inc.waveAt != 0 && now-inc.waveAt >= int64(e.cfg.EpisodeAfter)*1e6 {
			ep.Waves++
			inc.revise(e, w, "wave", fmt.Sprintf("%d prefixes lost again since %s, after %d min under half of the episode's peak", inc.lostPrefixes(w)-inc.before, micros(inc.waveAt), inc.lull/60e6))
			inc.waveAt = 0
		}
	case inc.fell == 0:
		inc.fell, inc.fellPaused, inc.waveAt = now, 0, 0
	case now-inc.fell-inc.fellPaused >= int64(e.cfg.CloseAfter)*1e6:
		ep.End = micros(inc.fell)
		inc.inEpisode, inc.episode = false, 0
		inc.again = [numSignals]again{}
		inc.revise(e, w, "episode ended", "the level fell back inside the incident")
	}
}

// beginning is an episode as it is when it opens: its start as an interval, like the incident's own (section 5), and what it lost.
func (inc *incident) beginning(e *Engine, w *watch, at int64) Episode {
	window := int64(e.cfg.MemberWindow) * 1e6
	ep := Episode{PeakLostShare: Share(inc.unitShare(w))}
	var seen []Withdrawal
	for _, t := range w.tracks {
		if t == nil || !t.joined {
			continue
		}
		e.world.LostRows(w.id, t.sig, func(r Row, lostAt int64) {
			if lostAt < at-window {
				return
			}
			ep.Prefixes++
			if lostAt <= at {
				e.world.Withdrawals(r, lostAt-window, func(x Withdrawal) { seen = append(seen, x) })
			}
		})
	}
	start := onset(seen, at)
	ep.Start, ep.Earliest, ep.Latest = start.Time, start.Earliest, start.Latest
	return ep
}

// lostPrefixes is how many prefixes of the joined signals are lost now.
func (inc *incident) lostPrefixes(w *watch) (n int) {
	for _, t := range w.tracks {
		if t != nil && t.joined {
			n += t.cur.LostPrefixes
		}
	}
	return n
}

// lowest is how many were at the lowest of the last minutes, and the rise of the level then.
func (inc *incident) lowest(w *watch, now int64) (n int, rise float64) {
	for _, t := range w.tracks {
		if t != nil && t.joined {
			l := t.recent.lowest(now)
			n += l.all
			rise = max(rise, baseLevel(&t.cur, l)-t.baseLevel)
		}
	}
	return n, rise
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

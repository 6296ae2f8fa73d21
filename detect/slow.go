package detect

import "math"

// slow is the test for declines that never cross a floor within its quarter of an hour: a one-sided cumulative sum (CUSUM) of the
// per-minute level over its median of the last two days; while less is known of these, minutes in a row over the lowest level of the
// last hours (section 4).
type slow struct {
	sum   float64 // in share × minutes
	low   int64   // the last minute (µs) at which the level was not above the reference
	began int64   // low when sum left zero; 0 while it is zero

	ref     float64 // the median
	enough  bool    // there was enough history for it
	refHour uint32  // hour of the computation plus one

	aside float64 // a level that is known and no news, until it falls: what an incident or the monitor's own bookkeeping left behind
}

// reference is what the level is compared with.
func (s *slow) reference() float64 { return max(s.ref, s.aside) }

// setAside takes a level as known, so that only a rise over it counts.
func (s *slow) setAside(level float64, at int64) {
	s.aside = level
	s.sum, s.began, s.low = 0, 0, at
}

// slowly takes one sample, and opens a crossing when the sum is large enough and the rise over the median is above the floor.
func (e *Engine) slowly(w *watch, t *track, now int64, level float64) {
	s, kind := &t.slow, e.entities[t.id].Type
	h := hour(now)
	if s.refHour != h+1 {
		s.refHour = h + 1
		s.ref, s.enough = e.median(t, kind, h)
	}
	known, minutes := s.enough, 0
	if !s.enough {
		s.ref, minutes = e.lowest(t, kind, h)
		known = minutes > 60
	}
	s.aside = min(s.aside, level)
	ref := s.reference()
	if level <= ref || !s.enough && minutes == 0 {
		s.low = now
	}
	floor := e.cfg.floorShare(kind)
	limit := float64(e.cfg.SlowThreshold) * floor
	was := s.sum
	switch rise := level - ref; {
	case s.enough: // one minute counts for the floor's share at most: a spike is not slow
		s.sum = min(limit, max(0, s.sum+min(floor, rise-e.cfg.SlowAllowance*floor)))
	case known && rise >= floor-1e-9: // the lowest level is no usual one: what wanders about it must not add up
		s.sum = min(limit, s.sum+floor)
	default:
		s.sum = 0
	}
	switch {
	case s.sum == 0:
		s.began = 0
	case was == 0:
		s.began = s.low
	}
	if s.sum < limit-1e-9 || !known {
		return
	}
	base := t.levelAt(ref)
	if ok, _ := e.crossed(t.id, t.sig, &t.cur, base, s.began, 1); !ok {
		return
	}
	rise := t.cur.LostPrefixes - base.all
	if 2*e.lostWithin(t, s.began, now) < rise { // the share rose because its denominator shrank, or by our own bookkeeping
		s.setAside(level, now)
		return
	}
	if 2*e.lostWithin(t, s.began, now-int64(e.cfg.SlowThreshold)*60e6) < rise { // most of it came at once: that is for the recent low to judge
		return
	}
	if w.inc != nil {
		w.inc.further(t, now, base, s.began)
		s.setAside(level, now)
		return
	}
	e.cross(w, t, now, base, slowDecline)
	t.from, t.threshold = s.began, 0 // the median is its measure of what is usual, not the band
}

// slowDecline is the branch of a crossing that the CUSUM found.
const slowDecline = "slow decline"

// median is the level that at least half of the samples of the last hours do not exceed, this one included.
func (e *Engine) median(t *track, kind string, now uint32) (float64, bool) {
	hours := uint32(min(mostHours, e.cfg.SlowReference))
	if hours == 0 {
		return 0, false
	}
	c, per := &e.scratch, periodHours(kind)
	c.reset()
	e.tally(c, t, (now-min(now, hours-1))/per, now/per)
	return levelOfCode(c.quantile(0.5)), c.total > 0 && c.total >= 60*e.cfg.SlowHistory
}

// lowest is the lowest sample of the hour under way and of those before it that stand in for the median, and how many
// minutes of them were sampled, this one included. The history of a network is too coarse for it: six hours are one period.
func (e *Engine) lowest(t *track, kind string, now uint32) (float64, int) {
	hours := uint32(min(mostHours, e.cfg.SlowRecent))
	if hours == 0 || e.cfg.SlowReference == 0 || !seasonal(kind) {
		return 0, 0
	}
	c := &e.scratch
	c.reset()
	e.tally(c, t, now-min(now, hours), now)
	low, written := uint16(noCode), false
	for _, b := range c.bins {
		if b.code == 0 && b.minutes == 1 {
			continue // the minute under way: looked at, and not written down yet
		}
		low, written = min(low, b.code), true
	}
	if !written {
		low = 0
	}
	return levelOfCode(low), c.total
}

// levelAt is a share over the settled level as counts of today's denominators, rounded up.
func (t *track) levelAt(share float64) level {
	share += t.settled
	n := int(math.Ceil(share * float64(t.cur.Prefixes)))
	return level{units: int64(math.Ceil(share * float64(t.cur.Expected))), low: n, all: n}
}

// lostWithin is how many prefixes are lost now that were lost in [from, until].
func (e *Engine) lostWithin(t *track, from, until int64) (n int) {
	e.world.LostRows(t.id, t.sig, func(_ Row, at int64) {
		if at >= from && at <= until {
			n++
		}
	})
	return n
}

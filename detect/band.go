package detect

// hour is the hour of an instant (µs), counted from 1970.
func hour(at int64) uint32 { return uint32(at / 3600e6) }

const weekHours = 7 * 24

// Bounds of what is remembered, whatever the configuration says: a year.
const (
	mostWeeks = 52
	mostHours = mostWeeks * weekHours
)

// seasonal reports entities that are judged by hour of the week; networks have one band for all hours.
func seasonal(kind string) bool { return kind != "network" }

// periodHours is how many hours share a period of an entity's history. A network's band does not ask for the hour.
func periodHours(kind string) uint32 {
	if seasonal(kind) {
		return 1
	}
	return 6
}

// keep is the number of hours that the history of a kind of entity goes back.
func (c *Config) keep(kind string) uint32 {
	h := 24 * c.BandDays
	if seasonal(kind) {
		h = weekHours * c.BandWeeks
	}
	return uint32(min(mostHours, max(h, c.SlowReference)))
}

// tally adds the samples of the periods from..to, both included: what was written down, and zero for the other minutes in which the
// engine was looking.
func (e *Engine) tally(c *counts, t *track, from, to uint32) {
	per := periodHours(e.entities[t.id].Type)
	written := 0
	for _, b := range t.past.span(from, to) {
		written += int(b.minutes)
		if b.code != noCode {
			c.add(b.code, int(b.minutes))
		}
	}
	looked := 0
	for h := from * per; h < (to+1)*per; h++ {
		looked += e.looked.of(h)
	}
	c.add(0, looked-written)
}

// normal is the level that an alert must exceed beside its floor: the band under its cap, 0 while there is less history than the band
// asks for (section 4). The hour under way is not part of it.
func (e *Engine) normal(t *track, at int64) float64 {
	kind, now := e.entities[t.id].Type, hour(at)
	per := periodHours(kind)
	if p := now/per + 1; t.bandPeriod != p {
		t.bandPeriod, t.band = p, e.band(t, kind, now)
	}
	if seasonal(kind) {
		return min(e.cfg.CountryCap, t.band)
	}
	return min(e.cfg.NetworkCap, t.band)
}

// band is q99.9 + 3·MAD of the samples: for a country those of the same hour of the last weeks, for a network all of the last days.
func (e *Engine) band(t *track, kind string, now uint32) float64 {
	c := &e.scratch
	c.reset()
	want := 0
	if seasonal(kind) {
		weeks := uint32(min(mostWeeks, e.cfg.BandWeeks))
		for i := uint32(1); i <= weeks && i*weekHours <= now; i++ {
			e.tally(c, t, now-i*weekHours, now-i*weekHours)
		}
		want = 60 * int(weeks)
	} else if days := uint32(min(mostHours/24, e.cfg.BandDays)); days > 0 && days*24 < now {
		per := periodHours(kind)
		e.tally(c, t, now/per-days*24/per, now/per-1)
		want = 60 * 24 * int(days)
	}
	if c.total == 0 || float64(c.total) < e.cfg.BandHistory*float64(want) {
		return 0
	}
	q := levelOfCode(c.quantile(e.cfg.BandQuantile))
	return q + e.cfg.BandMADFactor*levelOfCode(c.deviation())
}

// minute takes the sample of each signal that has lost something, once a minute, and looks for slow declines. Silence of the feed and a
// young table give no sample: their levels are not those of the world.
func (e *Engine) minute(now int64, paused bool) {
	if paused || e.learning || e.settling(now) {
		return
	}
	h := hour(now)
	e.looked.add(h)
	keep := e.living[:0]
	for _, t := range e.living {
		w := e.watches[t.id]
		ent := &e.entities[t.id]
		level, code := t.alertLevel(), uint16(noCode)
		if out := w.inc != nil && !w.inc.isSettled() || t.crossedAt != 0 && !t.joined; !out && e.cfg.judged(&t.cur) {
			code = codeOf(level)
			e.slowly(w, t, now, level)
		}
		if code != 0 {
			per := periodHours(ent.Type)
			t.past.add(h/per, code, (h-min(h, e.cfg.keep(ent.Type)))/per)
		}
		if t.alive = t.cur.LostPrefixes > 0 || w.inc != nil || t.slow.sum > 0; t.alive {
			keep = append(keep, t)
		}
	}
	clear(e.living[len(keep):])
	e.living = keep
}

// live lists a signal whose level is to be sampled from now on.
func (e *Engine) live(t *track, at int64) {
	t.alive = true
	t.slow.low = at - at%60e6
	e.living = append(e.living, t)
}

// alertLevel is the level that alerts look at: without the part that has settled.
func (t *track) alertLevel() float64 { return max(0, t.cur.Level()-t.settled) }

// judged reports whether enough of the entity is observable for its level to mean something.
func (c *Config) judged(r *Reading) bool {
	seen := r.Expected + r.Unobservable
	return seen == 0 || float64(r.Expected) >= c.MinObservable*float64(seen)
}

package detect

// level is what the floors compare with the recent past: three counts that only mean something together.
type level struct {
	units int64 // lost, not deaggregated
	low   int   // lost prefixes, not deaggregated
	all   int   // lost prefixes
}

func levelOf(r *Reading) level {
	return level{units: r.Lost, low: r.LostPrefixes - r.Deaggregated, all: r.LostPrefixes}
}

func (l level) plus(d level) level {
	return level{max(0, l.units+d.units), max(0, l.low+d.low), max(0, l.all+d.all)}
}

func (l level) min(o level) level {
	return level{min(l.units, o.units), min(l.low, o.low), min(l.all, o.all)}
}

// recentLow keeps the lowest level of each of the last minutes (section 4: "over the lowest level of the last 15 min"), so that a
// chronic loss does not hold a floor open and a fresh one is measured from where it began.
type recentLow struct {
	minute int64 // minute number of the newest slot
	last   level // the level that held until now
	slots  []level
	filled bool
}

func newRecentLow(minutes int) recentLow { return recentLow{slots: make([]level, minutes+1)} }

func (b *recentLow) update(at int64, l level) {
	m := at / 60e6
	if !b.filled {
		b.filled, b.minute = true, m
		b.slots[b.slot(m)] = level{} // before the first reading nothing was lost
		b.last = l
		return
	}
	b.advance(m)
	s := b.slot(m)
	b.slots[s] = b.slots[s].min(l)
	b.last = l
}

// advance fills the minutes that passed without a reading with the level that held.
func (b *recentLow) advance(m int64) {
	if m <= b.minute {
		return
	}
	from := max(b.minute+1, m-int64(len(b.slots))+1)
	for i := from; i <= m; i++ {
		b.slots[b.slot(i)] = b.last
	}
	b.minute = m
}

// shift moves the remembered lows by a step that the monitor's own bookkeeping made, so that the step is never taken for news.
func (b *recentLow) shift(at int64, l level) {
	b.advance(at / 60e6)
	d := level{l.units - b.last.units, l.low - b.last.low, l.all - b.last.all}
	for i := range b.slots {
		b.slots[i] = b.slots[i].plus(d)
	}
	b.filled, b.last = true, l
}

// rebase takes a level as if it had held all along.
func (b *recentLow) rebase(at int64, l level) {
	b.advance(at / 60e6)
	for i := range b.slots {
		b.slots[i] = l
	}
	b.filled, b.last = true, l
}

func (b *recentLow) slot(m int64) int { return int(m % int64(len(b.slots))) }

func (b *recentLow) lowest(at int64) level {
	if !b.filled {
		return level{}
	}
	b.advance(at / 60e6)
	l := b.slots[0]
	for _, s := range b.slots[1:] {
		l = l.min(s)
	}
	return l
}

// crossed applies the floor of the entity's kind (section 4) and names the branch that decided, or the test that held.
// factor multiplies the shares while the feed is learning, because the denominators are still too small (docs/decisions/010-learning-factor.md).
func (c *Config) crossed(kind string, r *Reading, base level, factor float64) (bool, string) {
	share := func(s float64) float64 { return min(max(s, c.SmallShare), s*factor) }
	now := levelOf(r)
	low, all, units := now.low-base.low, now.all-base.all, now.units-base.units
	if all <= 0 {
		return false, "nothing lost"
	}
	if seen := r.Expected + r.Unobservable; seen > 0 && float64(r.Expected) < c.MinObservable*float64(seen) {
		return false, "too little is observable"
	}
	if spread(kind) {
		if r.Prefixes < c.SmallCountry {
			return all >= c.SmallPrefixes && float64(all) >= c.SmallShare*float64(r.Prefixes), small(kind)
		}
		if all >= c.CountryPrefixes && float64(all) >= share(c.CountryHighShare)*float64(r.Prefixes) {
			return true, "high branch"
		}
		return low >= c.CountryPrefixes && float64(low) >= share(c.CountryShare)*float64(r.Prefixes) &&
			float64(units) >= share(c.CountryShare)*float64(r.Expected) && r.Origins >= c.CountryOrigins, lowBranch
	}
	if r.Prefixes < c.SmallNetwork {
		return r.LostPrefixes == r.Prefixes && r.Deaggregated == 0, small(kind)
	}
	return units >= c.NetworkUnits && max(ratio(float64(units), float64(r.Expected)), ratio(float64(low), float64(r.Prefixes))) >= share(c.NetworkShare), kind
}

// lowBranch is the branch that asks for several origins.
const lowBranch = "low branch"

// spread reports the kinds of entity that have the floors of a country: their loss must be spread over origins, or large. A network
// and a region have the other (section 4).
func spread(kind string) bool { return kind == "country" || kind == "zone" }

// small names the branch for an entity of few prefixes.
func small(kind string) string {
	switch kind {
	case "country":
		return "small country"
	case "zone":
		return "small zone"
	case "region":
		return "small region"
	}
	return "small network"
}

// floorShare is the floor as a share, for episodes (section 5).
func (c *Config) floorShare(kind string) float64 {
	if spread(kind) {
		return c.CountryShare
	}
	return c.NetworkShare
}

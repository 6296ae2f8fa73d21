package detect

import (
	"fmt"
	"slices"
)

// Explanation is an entity whose members match what an incident lost (section 6): Precision is the share of its weight that was
// lost, Recall the share of the lost weight that is its.
type Explanation struct {
	Entity    Entity `json:"entity"`
	Precision Share  `json:"precision"`
	Recall    Share  `json:"recall"`
}

// Test is one comparison of a floor: what was found, what the method asks for, and whether that is enough.
type Test struct {
	Branch string  `json:"branch"` // of the floor (section 4)
	What   string  `json:"what"`
	Have   float64 `json:"have"`
	Need   float64 `json:"need"`
	Holds  bool    `json:"holds"`
}

// Missing is by how much the test failed; 0 when it holds.
func (t Test) Missing() float64 {
	if t.Holds {
		return 0
	}
	return t.Need - t.Have
}

// Standing is where one signal of an entity stands against what would make it an incident, with the figures it is judged by.
type Standing struct {
	ID        SignalID
	Signal    string // its public name
	Unit      string
	Reading   Reading
	Level     float64 // Reading.Level
	BaseUnits int64   // the lowest of the last minutes, of which the floors measure the rise
	Base      int     // the same in prefixes
	Factor    float64 // of the shares of the floors; above 1 while the feed is learning
	Tests     []Test
	Crossed   bool    // a branch of the floor is crossed, and the band
	Branch    string  // which, or what kept all of them
	Band      float64 // level that must be exceeded beside the floor; 0: none yet
	CrossedAt Time    // t0 of a crossing that lasts; zero when there is none
	Joined    bool    // it is part of the open incident
	Unlearned bool    // a branch of the floor would be crossed if Factor were 1
	Settling  bool    // nothing opens at this instant: the feed began without a table dump
	Unstable  bool    // more than UnstableShare of the units cannot be judged
}

// Standing reads where a signal of an entity stands at an event time (µs). reading is its present one: the engine keeps none of an
// entity that has lost nothing.
func (e *Engine) Standing(id EntityID, sig SignalID, at int64, reading Reading) Standing {
	kind := e.entities[id].Type
	s := Standing{
		ID: sig, Signal: sig.String(), Unit: sig.Unit(), Reading: reading, Level: reading.Level(), Factor: e.factor(kind), Settling: e.settling(at),
		Unstable: e.cfg.Unstable(reading.Expected, reading.Unobservable),
	}
	base, since := level{}, e.risenSince(at, 0)
	if w := e.watches[id]; w != nil && w.tracks[sig] != nil {
		t := w.tracks[sig]
		s.Band, s.Joined = e.normal(t, at), t.joined
		if t.crossedAt != 0 {
			base, s.CrossedAt, s.Band = t.base, micros(t.crossedAt), t.threshold
			since = e.risenSince(t.crossedAt, t.from)
		} else {
			recent := t.recent
			recent.slots = slices.Clone(recent.slots)
			base = recent.lowest(at)
		}
	}
	s.Base, s.BaseUnits = base.all, base.units
	s.Crossed, s.Branch = e.crossed(id, sig, &reading, base, since, s.Factor)
	if s.Crossed && s.Level <= s.Band {
		s.Crossed, s.Branch = false, "band"
	}
	s.Unlearned, _ = e.crossed(id, sig, &reading, base, since, 1)
	origins := 0
	if spread(kind) {
		origins = e.world.Origins(id, sig, since)
	}
	s.Tests = e.cfg.tests(kind, &reading, base, origins, s.Factor)
	return s
}

// Unstable reports an entity of whose units too many cannot be judged: it is shown so, never as normal (section 2).
func (c *Config) Unstable(expected, unobservable int64) bool {
	return float64(unobservable) > c.UnstableShare*float64(expected+unobservable)
}

// tests spells out what crossed compares.
func (c *Config) tests(kind string, r *Reading, base level, origins int, factor float64) (out []Test) {
	share := func(s float64) float64 { return min(max(s, c.SmallShare), s*factor) }
	now := levelOf(r)
	low, all, units := float64(now.low-base.low), float64(now.all-base.all), float64(now.units-base.units)
	prefixes, expected := float64(r.Prefixes), float64(r.Expected)
	add := func(branch, what string, have, need float64) {
		out = append(out, Test{branch, what, have, need, have >= need})
	}
	if seen := r.Expected + r.Unobservable; seen > 0 {
		add("any", "units that can be judged", expected, c.MinObservable*float64(seen))
	}
	switch {
	case spread(kind) && r.Prefixes < c.SmallCountry:
		add(small(kind), "prefixes lost", all, float64(c.SmallPrefixes))
		add(small(kind), fmt.Sprintf("%.0f %% of %d prefixes", 100*c.SmallShare, r.Prefixes), all, c.SmallShare*prefixes)
	case spread(kind):
		add("low branch", "prefixes lost, none of them deaggregated", low, float64(c.CountryPrefixes))
		add("low branch", fmt.Sprintf("%.0f %% of %d prefixes, none of them deaggregated", 100*share(c.CountryShare), r.Prefixes), low, share(c.CountryShare)*prefixes)
		add("low branch", fmt.Sprintf("%.0f %% of %d units", 100*share(c.CountryShare), r.Expected), units, share(c.CountryShare)*expected)
		add("low branch", "origins of newly lost prefixes", float64(origins), float64(c.CountryOrigins))
		add("high branch", "prefixes lost", all, float64(c.CountryPrefixes))
		add("high branch", fmt.Sprintf("%.0f %% of %d prefixes", 100*share(c.CountryHighShare), r.Prefixes), all, share(c.CountryHighShare)*prefixes)
	case r.Prefixes < c.SmallNetwork:
		add(small(kind), fmt.Sprintf("all of %d prefixes lost", r.Prefixes), float64(r.LostPrefixes), max(1, prefixes))
		add(small(kind), "of the lost, not deaggregated", float64(now.low), max(1, float64(r.LostPrefixes)))
	default:
		add(kind, "units lost", units, float64(c.NetworkUnits))
		if ratio(low, prefixes) > ratio(units, expected) { // the larger share decides
			add(kind, fmt.Sprintf("%.0f %% of %d prefixes, none of them deaggregated", 100*share(c.NetworkShare), r.Prefixes), low, share(c.NetworkShare)*prefixes)
		} else {
			add(kind, fmt.Sprintf("%.0f %% of %d units", 100*share(c.NetworkShare), r.Expected), units, share(c.NetworkShare)*expected)
		}
	}
	return out
}

// OpenIncidentOf is a copy of the entity's open incident; nil when there is none.
func (e *Engine) OpenIncidentOf(id EntityID) *Incident {
	if w := e.watches[id]; w != nil && w.inc != nil {
		doc := w.inc.doc
		doc.Revisions = slices.Clone(doc.Revisions)
		return &doc
	}
	return nil
}

// Config is the configuration that decides.
func (e *Engine) Config() Config { return e.cfg }

// LostOf is a count of lost prefixes with its denominator.
type LostOf struct {
	Lost, Prefixes int
}

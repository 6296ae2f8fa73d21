package detect

import (
	"math"
	"testing"
)

// TestFloors holds every number of the floors at its edge.
func TestFloors(t *testing.T) {
	country := func(lost, prefixes int, units, expected int64, origins int) Reading {
		return Reading{LostPrefixes: lost, Prefixes: prefixes, Lost: units, Expected: expected, Origins: origins}
	}
	cfg := DefaultConfig()
	for what, c := range map[string]struct {
		kind   string
		r      Reading
		base   level
		want   bool
		branch string
	}{
		"nothing lost":                     {"country", country(0, 100, 0, 100, 0), level{}, false, "nothing lost"},
		"low: all at their edges":          {"country", country(9, 300, 30, 1000, 3), level{}, true, "low branch"},
		"low: a prefix under 3 %":          {"country", country(8, 300, 300, 1000, 3), level{}, false, "low branch"},
		"low: a unit under 3 %":            {"country", country(9, 300, 29, 1000, 3), level{}, false, "low branch"},
		"low: two origins":                 {"country", country(9, 300, 30, 1000, 2), level{}, false, "low branch"},
		"low: eight prefixes":              {"country", country(8, 100, 30, 1000, 3), level{}, true, "low branch"},
		"low: seven prefixes":              {"country", country(7, 100, 30, 1000, 3), level{}, false, "low branch"},
		"low: over what was lost before":   {"country", country(17, 300, 80, 1000, 3), level{units: 50, low: 8, all: 8}, true, "low branch"},
		"low: prefixes under it":           {"country", country(16, 300, 80, 1000, 3), level{units: 50, low: 8, all: 8}, false, "low branch"},
		"low: units under it":              {"country", country(17, 300, 79, 1000, 3), level{units: 50, low: 8, all: 8}, false, "low branch"},
		"high: 30 %, of one origin":        {"country", country(30, 100, 0, 1000, 1), level{}, true, "high branch"},
		"high: a prefix under":             {"country", country(29, 100, 0, 1000, 1), level{}, false, "low branch"},
		"high: seven of 16":                {"country", country(7, 16, 16, 16, 1), level{}, false, "low branch"},
		"high: eight of 16":                {"country", country(8, 16, 0, 16, 1), level{}, true, "high branch"},
		"high: over what was lost before":  {"country", country(35, 100, 0, 1000, 1), level{low: 6, all: 6}, false, "low branch"},
		"small: 14 of 15":                  {"country", country(14, 15, 14, 15, 1), level{}, true, "small country"},
		"small: 13 of 15":                  {"country", country(13, 15, 13, 15, 1), level{}, false, "small country"},
		"small: three of three":            {"country", country(3, 3, 3, 3, 1), level{}, true, "small country"},
		"small: two of two":                {"country", country(2, 2, 2, 2, 1), level{}, false, "small country"},
		"small: nine of ten":               {"country", country(9, 10, 9, 10, 1), level{}, true, "small country"},
		"network: at both edges":           {"network", country(3, 3, 3, 60, 1), level{}, true, "network"},
		"network: two units":               {"network", country(2, 3, 2, 3, 1), level{}, false, "network"},
		"network: under 5 %":               {"network", country(3, 61, 3, 61, 1), level{}, false, "network"},
		"network: 5 % of prefixes":         {"network", country(3, 60, 3, 1000, 1), level{}, true, "network"},
		"network: 5 % of units":            {"network", country(3, 100, 50, 1000, 1), level{}, true, "network"},
		"network: covered prefixes":        {"network", Reading{LostPrefixes: 7, Deaggregated: 5, Prefixes: 23, Lost: 3, Expected: 100}, level{}, true, "network"},
		"network: all covered":             {"network", Reading{LostPrefixes: 7, Deaggregated: 7, Prefixes: 20, Expected: 100}, level{}, false, "network"},
		"network: over before":             {"network", country(9, 20, 8, 60, 1), level{units: 5, low: 5, all: 5}, true, "network"},
		"network: not over before":         {"network", country(9, 20, 7, 60, 1), level{units: 5, low: 5, all: 5}, false, "network"},
		"small network: one of one":        {"network", country(1, 1, 1, 1, 1), level{}, true, "small network"},
		"small network: two of two":        {"network", country(2, 2, 2, 2, 1), level{}, true, "small network"},
		"small network: one of two":        {"network", country(1, 2, 300, 300, 1), level{}, false, "small network"},
		"small network: gone before":       {"network", country(1, 1, 1, 1, 1), level{units: 1, low: 1, all: 1}, false, "nothing lost"},
		"region: at both edges":            {"region", country(3, 30, 3, 60, 1), level{}, true, "region"},
		"region: under 5 %":                {"region", country(1, 40, 3, 61, 9), level{}, false, "region"},
		"small region: one of two":         {"region", country(1, 2, 300, 300, 1), level{}, false, "small region"},
		"zone: as a country, low":          {"zone", country(9, 300, 30, 1000, 3), level{}, true, "low branch"},
		"zone: two origins":                {"zone", country(9, 300, 30, 1000, 2), level{}, false, "low branch"},
		"zone: as a country, high":         {"zone", country(30, 100, 0, 1000, 1), level{}, true, "high branch"},
		"small zone: 14 of 15":             {"zone", country(14, 15, 14, 15, 1), level{}, true, "small zone"},
		"small zone: 13 of 15":             {"zone", country(13, 15, 13, 15, 1), level{}, false, "small zone"},
		"half observable is enough":        {"country", Reading{LostPrefixes: 30, Prefixes: 30, Lost: 50, Expected: 50, Unobservable: 50, Origins: 3}, level{}, true, "high branch"},
		"a unit less than half is not":     {"country", Reading{LostPrefixes: 30, Prefixes: 30, Lost: 49, Expected: 49, Unobservable: 50, Origins: 3}, level{}, false, "too little is observable"},
		"deaggregated: not for the low":    {"country", Reading{LostPrefixes: 10, Deaggregated: 3, Prefixes: 100, Lost: 30, Expected: 100, Origins: 3}, level{}, false, "low branch"},
		"deaggregated: enough beside":      {"country", Reading{LostPrefixes: 11, Deaggregated: 3, Prefixes: 100, Lost: 30, Expected: 100, Origins: 3}, level{}, true, "low branch"},
		"deaggregated: but for the high":   {"country", Reading{LostPrefixes: 30, Deaggregated: 30, Prefixes: 100, Expected: 100}, level{}, true, "high branch"},
		"deaggregated: no network is gone": {"network", Reading{LostPrefixes: 2, Deaggregated: 1, Prefixes: 2, Lost: 1, Expected: 2, Origins: 1}, level{}, false, "small network"},
	} {
		if got, branch := cfg.crossed(c.kind, &c.r, c.base, 1); got != c.want || branch != c.branch {
			t.Errorf("%s: %v by %q, want %v by %q", what, got, branch, c.want, c.branch)
		}
	}
	if cfg.floorShare("country") != 0.03 || cfg.floorShare("network") != 0.05 || cfg.floorShare("region") != 0.05 || cfg.floorShare("zone") != 0.03 {
		t.Error("the floors as shares are not 3 % and 5 %")
	}
}

// TestFloorsWhileLearning: a young feed's denominators are too small, so its shares are taken times the factor, up to nine tenths.
func TestFloorsWhileLearning(t *testing.T) {
	cfg := DefaultConfig()
	cfg.LearningFactor = 3
	for what, c := range map[string]struct {
		kind string
		r    Reading
		want bool
	}{
		"low: 9 % of both":        {"country", Reading{LostPrefixes: 18, Prefixes: 200, Lost: 90, Expected: 1000, Origins: 3}, true},
		"low: prefixes under 9 %": {"country", Reading{LostPrefixes: 17, Prefixes: 200, Lost: 90, Expected: 1000, Origins: 3}, false},
		"low: units under 9 %":    {"country", Reading{LostPrefixes: 18, Prefixes: 200, Lost: 89, Expected: 1000, Origins: 3}, false},
		"high: 90 %":              {"country", Reading{LostPrefixes: 90, Prefixes: 100, Expected: 100, Origins: 1}, true},
		"high: under 90 %":        {"country", Reading{LostPrefixes: 89, Prefixes: 100, Expected: 100, Origins: 1}, false},
		"small: as ever":          {"country", Reading{LostPrefixes: 9, Prefixes: 10, Lost: 9, Expected: 10, Origins: 1}, true},
	} {
		if got, branch := cfg.crossed(c.kind, &c.r, level{}, 3); got != c.want {
			t.Errorf("%s: %v by %q", what, got, branch)
		}
	}
	r := Reading{LostPrefixes: 90, Prefixes: 100, Expected: 100, Origins: 1}
	if ok, _ := cfg.crossed("country", &r, level{}, 10); !ok {
		t.Error("no factor asks for more than nine tenths")
	}
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.e.SetLearning(true)
	s.run(9)
	s.lose(10, rows[:8]...)
	s.run(60)
	s.want()
	s.e.SetLearning(false)
	s.lose(61, rows[8])
	s.run(80)
	s.want("76 opened suspected")

	s = newSim(t) // a network has its usual floor
	rows = s.add(BGPv4, 60, 1, s.e.Register(Entity{Type: "network", Code: "AS64500"}))
	s.e.SetLearning(true)
	s.run(9)
	s.lose(10, rows[:3]...)
	s.run(30)
	s.want("25 opened suspected")
}

func TestRecentLow(t *testing.T) {
	minute := int64(60e6)
	n := func(i int) level { return level{units: int64(10 * i), low: i, all: 2 * i} }
	b := newRecentLow(15)
	if b.lowest(base) != (level{}) {
		t.Error("before anything was read")
	}
	b.update(base, n(5)) // nothing was lost before
	if got := b.lowest(base + 15*minute); got != (level{}) {
		t.Errorf("15 min after the first reading: %+v", got)
	}
	if got := b.lowest(base + 16*minute); got != n(5) {
		t.Errorf("16 min after it: %+v", got)
	}
	b.update(base+20*minute, n(9))
	b.update(base+20*minute+1, n(3)) // one microsecond is enough
	b.update(base+20*minute+2, n(9))
	if got := b.lowest(base + 35*minute); got != n(3) {
		t.Errorf("a short dip: %+v", got)
	}
	if got := b.lowest(base + 36*minute); got != n(9) {
		t.Errorf("16 min after the dip: %+v", got)
	}
	b.update(base+36*minute, level{units: 1, low: 20, all: 5}) // each count by itself
	b.update(base+37*minute, level{units: 90, low: 2, all: 50})
	if got := b.lowest(base + 38*minute); got != (level{units: 1, low: 2, all: 5}) {
		t.Errorf("counts apart: %+v", got)
	}
	if got := b.lowest(base + 3000*minute); got != (level{units: 90, low: 2, all: 50}) {
		t.Errorf("two days on: %+v", got)
	}
	if b.lowest(base+2990*minute) != b.lowest(base+3000*minute) {
		t.Error("time went back")
	}
}

// TestRecentLowShift: a step of the monitor's own making moves what is remembered and is never a rise or a fall.
func TestRecentLowShift(t *testing.T) {
	minute := int64(60e6)
	b := newRecentLow(15)
	b.shift(base, level{5, 5, 5}) // the first reading of all
	if got := b.lowest(base); got != (level{5, 5, 5}) {
		t.Errorf("%+v", got)
	}
	b.update(base+minute, level{7, 7, 7})
	b.shift(base+2*minute, level{17, 9, 7})
	if got := b.lowest(base + 3*minute); got != (level{15, 7, 5}) {
		t.Errorf("up: %+v", got)
	}
	b.shift(base+4*minute, level{1, 1, 1})
	if got := b.lowest(base + 5*minute); got != (level{0, 0, 0}) {
		t.Errorf("down, and not under nothing: %+v", got)
	}
	if got := b.lowest(base + 30*minute); got != (level{1, 1, 1}) {
		t.Errorf("later: %+v", got)
	}
}

func TestShares(t *testing.T) {
	r := Reading{Expected: 8, Lost: 2, Prefixes: 4, LostPrefixes: 3}
	if r.UnitShare() != 0.25 || r.PrefixShare() != 0.75 || r.Level() != 0.75 {
		t.Errorf("%v %v %v", r.UnitShare(), r.PrefixShare(), r.Level())
	}
	r.Lost = 7
	if r.Level() != 0.875 {
		t.Errorf("%v", r.Level())
	}
	if z := (Reading{Lost: 1, LostPrefixes: 1}); z.Level() != 0 || math.IsNaN(z.UnitShare()) {
		t.Errorf("of nothing: %v", z.Level())
	}
}

// TestOriginsOfTheRise: two networks have been away for an hour when a third loses 5 % of the country. That is the loss of a network: the
// origins of what was away before make no country's of it. With two more that lose something now, it is one.
func TestOriginsOfTheRise(t *testing.T) {
	for also, want := range map[int]int{0: 0, 1: 0, 2: 1} {
		s := newSim(t)
		id, rows := s.country("MT", 100, 1)
		for i := range 10 {
			s.rows[rows[80+i]].origin = uint32(64600 + i) // the others are of one
		}
		s.run(9)
		s.lose(10, rows[80:82]...)
		s.run(3600)
		s.lose(3600.5, append(rows[:10:10], rows[82:82+also]...)...)
		s.run(3700)
		if got := len(s.e.Incidents()); got != want {
			t.Errorf("%d networks beside: %d incidents", also, got)
		}
		var origins float64
		for _, x := range s.e.Standing(id, BGPv4, at(3700), s.reading(id, BGPv4)).Tests {
			if x.What == "origins of newly lost prefixes" {
				origins = x.Have
			}
		}
		if origins != float64(1+also) {
			t.Errorf("%d networks beside: explained with %v origins", also, origins)
		}
	}
}

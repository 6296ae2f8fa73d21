package detect

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestTestsSayWhatTheFloorDoes: the tests that are spelled out decide as the floor does, for readings of every size.
func TestTestsSayWhatTheFloorDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	cfg := DefaultConfig()
	crossings := map[string]int{}
	for range 200_000 {
		var x Reading
		x.Prefixes = r.IntN([]int{4, 20, 400}[r.IntN(3)])
		x.Expected = int64(x.Prefixes) * int64(1+r.IntN(3))
		x.Unobservable = int64(r.IntN(2 * (1 + x.Prefixes)))
		x.LostPrefixes = r.IntN(x.Prefixes + 1)
		x.Deaggregated = r.IntN(x.LostPrefixes + 1)
		x.Lost = int64(x.LostPrefixes-x.Deaggregated) * int64(1+r.IntN(2))
		x.Origins = r.IntN(6)
		var base level
		if r.IntN(2) == 0 {
			base = level{r.Int64N(x.Lost + 1), r.IntN(x.LostPrefixes - x.Deaggregated + 1), r.IntN(x.LostPrefixes + 1)}
		}
		kind, factor := []string{"country", "network"}[r.IntN(2)], []float64{1, 3}[r.IntN(2)]
		want, _ := cfg.crossed(kind, &x, base, factor)
		got, branch := passes(cfg.tests(kind, &x, base, x.Origins, factor))
		if x.LostPrefixes-base.all <= 0 { // the floor asks that first of all
			got = false
		}
		if got != want {
			t.Fatalf("%s %+v over %+v: the tests say %v (%s), the floor %v", kind, x, base, got, branch, want)
		}
		if got {
			crossings[branch]++
		}
	}
	for _, b := range []string{"low branch", "high branch", "small country", "network", "small network"} {
		if crossings[b] < 100 {
			t.Errorf("%s was crossed %d times", b, crossings[b])
		}
	}
}

// passes reports whether all tests of "any" and of one branch hold.
func passes(tests []Test) (bool, string) {
	holds := map[string]bool{}
	for _, x := range tests {
		if _, seen := holds[x.Branch]; !seen {
			holds[x.Branch] = true
		}
		holds[x.Branch] = holds[x.Branch] && x.Holds
		if x.Holds != (x.Missing() == 0) {
			return false, "missing " + x.What
		}
	}
	if any, asked := holds["any"]; asked && !any {
		return false, "any"
	}
	for _, x := range tests {
		if x.Branch != "any" && holds[x.Branch] {
			return true, x.Branch
		}
	}
	return false, ""
}

// TestStandingFollowsTheEngine: crossed, held back by the settling time, open, and quiet again.
func TestStandingFollowsTheEngine(t *testing.T) {
	s := newSim(t)
	xa, rows := s.country("XA", 100, 5)
	stand := func() Standing { return s.e.Standing(xa, BGPv4, s.now-1e6, s.reading(xa, BGPv4)) }
	s.run(60)
	if x := stand(); x.Crossed || x.Joined || !x.CrossedAt.IsZero() || x.Branch != "nothing lost" {
		t.Errorf("quiet: %+v", x)
	}
	s.lose(61, rows[:4]...)
	s.run(62)
	if x := stand(); x.Crossed || x.Branch != "low branch" || x.Reading.LostPrefixes != 4 || x.Base != 0 {
		t.Errorf("four lost: %+v", x)
	}
	s.lose(63, rows[4:20]...)
	s.run(64)
	if x := stand(); !x.Crossed || x.CrossedAt.Micros() != at(63) || x.Joined {
		t.Errorf("twenty lost: %+v", x)
	}
	s.run(100)
	if x, inc := stand(), s.e.OpenIncidentOf(xa); !x.Joined || inc == nil || !strings.HasPrefix(inc.ID, "XA-") {
		t.Errorf("open: %+v, %+v", x, inc)
	}
	before := len(s.log)
	for range 100 {
		stand()
	}
	s.giveBack(200, rows[:20]...)
	s.run(1200)
	if x, inc := stand(), s.e.OpenIncidentOf(xa); x.Crossed || inc != nil || len(s.log) == before {
		t.Errorf("over: %+v, %+v", x, inc)
	}
}

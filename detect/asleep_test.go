package detect

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestAsleepFindsTheSame: leaving incidents alone in which nothing happens changes no revision, whatever the world does.
func TestAsleepFindsTheSame(t *testing.T) {
	slept := 0
	for seed := range uint64(8) {
		watched, _ := drift(t, seed, true)
		rested, n := drift(t, seed, false)
		if !slices.Equal(watched, rested) {
			for i := range watched {
				if i >= len(rested) || watched[i] != rested[i] {
					t.Fatalf("seed %d, revision %d:\n%s\nlooked at every second:\n%s", seed, i, append(rested, "")[i], watched[i])
				}
			}
			t.Fatalf("seed %d: %d revisions, looked at every second %d", seed, len(rested), len(watched))
		}
		slept += n
		t.Logf("seed %d: %d revisions, %d seconds asleep", seed, len(rested), n)
	}
	if slept == 0 {
		t.Error("nothing was ever left alone")
	}
}

// drift runs a world in which everything that an engine can be told happens at random, for most of a day; wake has it look at everything
// every second. It gives the revisions, and for how many seconds an incident was left alone.
func drift(t *testing.T, seed uint64, wake bool) (revisions []string, slept int) {
	r := rand.New(rand.NewPCG(seed, 21))
	s := newSim(t)
	pk, rows := s.country("PK", 60, 5)
	var nets [][]Row
	for i, code := range []string{"AS64500", "AS64501", "AS64502"} {
		id := s.e.Register(Entity{Type: "network", Code: code})
		s.parents[id] = pk
		nets = append(nets, s.add(SignalID(i%2), 12, 1, id, pk))
	}
	all := append([][]Row{rows}, nets...)
	s.e.cfg.SettledAfter, s.e.cfg.PermanentAfter, s.e.cfg.SlowHistory = 1800, 7200, 1 // so that a day is enough for all of them
	for end := float64(0); end < 20*3600; {
		paused := r.IntN(8) == 0
		end += []float64{1, 20, 70, 400, 1500}[r.IntN(5)] * (0.5 + r.Float64())
		for s.now < at(end) {
			if wake {
				s.e.wakeAll()
			}
			for _, w := range s.e.active {
				if s.now%60e6 != 0 && !w.awake(s.now) {
					slept++
				}
			}
			s.tick((s.now-base)/1e6, paused)
		}
		set := all[r.IntN(len(all))]
		some := set[:1+r.IntN(len(set))]
		when := s.now - 1 - int64(r.IntN(9e5))
		switch r.IntN(9) {
		case 0, 1, 2:
			s.set(when, PrefixLost, some...)
		case 3, 4:
			s.set(when, PrefixBack, some...)
		case 5:
			s.set(when, PrefixUnobservable, some[:1]...)
		case 6:
			s.e.BeginMonitorChange()
			s.set(when, []PrefixState{PrefixLost, PrefixBack, PrefixUnobservable}[r.IntN(3)], some...)
			s.e.EndMonitorChange("a peer came or went")
		case 7:
			s.small, s.mean = r.IntN(4) == 0, 0.7+r.Float64()*0.3
		default:
			s.e.SetLearning(r.IntN(3) == 0)
		}
	}
	return s.json, slept
}

package app

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/detect/eval"
	"github.com/corewatch/corewatch/detect/eval/inject"
)

// faultSeeds is how many draws of faults to play: 50 (one of each kind in short runs), or as many as COREWATCH_SEEDS says, at most 1,000.
func faultSeeds(t testing.TB) uint64 {
	text := os.Getenv("COREWATCH_SEEDS")
	if text == "" {
		if testing.Short() {
			return 8
		}
		return 50
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatalf("COREWATCH_SEEDS=%q: want a number", text)
	}
	return min(n, 1000)
}

// TestFaults plays monitor faults alone and over a real loss. What is known to go wrong is named here and in docs/eval.md; anything
// else fails.
func TestFaults(t *testing.T) {
	oneGoroutine(t)
	n := faultSeeds(t)
	tally := map[inject.Fault]*faultTally{}
	for _, f := range inject.Faults {
		tally[f] = &faultTally{}
	}
	for seed := uint64(1); seed <= n; seed++ {
		d, err := drawFault(seed)
		if err != nil {
			t.Fatal(err)
		}
		differs, err := d.run(context.Background(), tally[d.fault])
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range differs {
			switch {
			// Counted below.
			case strings.Contains(text, "missed: "), strings.Contains(text, "not confirmed: "), strings.Contains(text, "told late: "):
			case strings.Contains(text, "size ") && strings.Contains(text, "incomplete_table"):
			default:
				t.Error(text)
			}
		}
	}
	sum := sumFaults(tally)
	if sum.alone.suspected.Of != int(n) || sum.over.found.Of != int(n) {
		t.Errorf("%d and %d runs of %d", sum.alone.suspected.Of, sum.over.found.Of, n)
	}
	for f, x := range tally {
		// Of a table that was never read, only a part is known; a third of the voters silent and back without having heard of the loss
		// takes the mean loss under what a confirmation asks for.
		least := map[string]float64{"found": 0.97, "confirmed": 0.97, "size": 1}
		switch f {
		case inject.SeedCut:
			least["found"], least["confirmed"], least["size"] = 0.5, 0.5, 0.85
		case inject.PeersLost:
			least["confirmed"] = 0.85
		}
		for name, r := range map[string]eval.Ratio{"found": x.over.found, "confirmed": x.over.confirmed, "size": x.over.sized} {
			if r.Of == 0 || r.Share() < least[name] {
				t.Errorf("%s over a real loss: %s %s, want %.0f %%", f, name, r, 100*least[name])
			}
		}
	}
	for _, g := range faultGoals(sum) {
		t.Logf("%s: %s, goal %s, met: %v", g.What, g.Got, g.Want, g.Met)
	}
}

// TestFaultTables: every kind has its line, and the last line is their sum.
func TestFaultTables(t *testing.T) {
	tally := map[inject.Fault]*faultTally{}
	for i, f := range inject.Faults {
		tally[f] = &faultTally{}
		tally[f].alone.warning = eval.Ratio{N: i, Of: 10}
		tally[f].over.found = eval.Ratio{N: 1, Of: 2}
	}
	tables := faultTables(tally)
	for _, x := range tables {
		if len(x.Rows) != len(inject.Faults)+1 || x.Rows[len(x.Rows)-1].Name != "all" {
			t.Fatalf("%d lines: %+v", len(x.Rows), x.Rows)
		}
		for _, r := range x.Rows {
			if len(r.Cells) != len(x.Columns) {
				t.Errorf("%s: %d cells under %d columns", r.Name, len(r.Cells), len(x.Columns))
			}
		}
	}
	last := len(inject.Faults)
	if got := tables[0].Rows[last].Cells[2]; got != (eval.Ratio{N: 28, Of: 80}) {
		t.Errorf("warnings in all: %v", got)
	}
	if got := tables[1].Rows[last].Cells[0]; got != (eval.Ratio{N: 8, Of: 16}) {
		t.Errorf("found in all: %v", got)
	}
}

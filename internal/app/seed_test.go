package app

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// jinx is a table dump of one collector and the updates that follow it 22 s later.
func jinx(t *testing.T) (rib, updates string) {
	dir := filepath.Join(needData(t, "seeding from a table dump"), "mrt", "formats", "jinx2014")
	return filepath.Join(dir, "route-views.jinx.rib.20140501.0000.bz2"), filepath.Join(dir, "sample.update.20140501.0000.bz2")
}

func TestSeed(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a full table")
	}
	rib, updates := jinx(t)
	var notes bytes.Buffer
	seeded, _ := replayed(t, Replay{Seeds: []string{rib}, Files: []string{updates}, Log: zerolog.New(&notes)})
	if !strings.Contains(notes.String(), `"routes":499651`) || !strings.Contains(notes.String(), "22s before the first record") {
		t.Errorf("the log does not say what the seed was: %s", notes.String())
	}
	if len(seeded) == 0 {
		t.Fatal("nothing was found: with a table in hand a loss in the first minutes must be")
	}
	for _, inc := range seeded {
		for _, why := range inc.Coverage.Because {
			if why == "learning" {
				t.Errorf("%s says learning, and a table was given", inc.ID)
			}
		}
	}
	// The dump is older than the updates, so that reading it among them gives the same incidents.
	merged, _ := replayed(t, Replay{Files: []string{rib, updates}})
	if len(merged) != len(seeded) {
		t.Fatalf("%d incidents with --seed, %d with the dump among the files", len(seeded), len(merged))
	}
	for i := range merged {
		if merged[i].ID != seeded[i].ID || merged[i].Evidence.SHA256 != seeded[i].Evidence.SHA256 {
			t.Errorf("with --seed %s %s, with the dump among the files %s %s",
				seeded[i].ID, seeded[i].Evidence.SHA256, merged[i].ID, merged[i].Evidence.SHA256)
		}
	}
}

func TestSeedRefused(t *testing.T) {
	rib, updates := jinx(t)
	for name, c := range map[string]struct {
		r    Replay
		want string
	}{
		"another collector": {Replay{Seeds: []string{"rrc00=" + rib}, Files: []string{updates}}, `collector "rrc00"`},
		"updates":           {Replay{Seeds: []string{updates}, Files: []string{updates}}, "holds no table"},
		"a scenario": {
			Replay{Seeds: []string{rib}, Files: []string{filepath.Join("..", "..", "detect", "scenario", "demo", "pakistan-2008.txt")}}, "scenario",
		},
	} {
		var out, errs bytes.Buffer
		c.r.Out, c.r.Err, c.r.Log = &out, &errs, zerolog.Nop()
		err := c.r.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v does not say %q", name, err, c.want)
		}
	}
}

package app

import (
	"bytes"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
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

// TestSnapshot: what a run holds at its end, written and read back, is what it was told. The witness reads the dump by itself.
func TestSnapshot(t *testing.T) {
	rib, updates := jinx(t)
	dir := t.TempDir()
	var report bytes.Buffer
	out := io.Discard
	r := Replay{Seeds: []string{rib}, Files: []string{updates}, Until: at("2014-05-01T00:00:24Z"), Snapshot: dir, Out: out, Err: &report}
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "jinx2014", "rib.20140501.*.mrt.gz"))
	if err != nil || len(files) != 1 {
		t.Fatalf("wrote %v (%v)\n%s", files, err, report.String())
	}
	want, got := routes(t, rib), routes(t, files[0])
	// One second of updates was applied: 48 announcements and 4 withdrawals.
	differ := 0
	for k, hash := range want {
		if got[k] != hash {
			differ++
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			differ++
		}
	}
	if len(want) < 400_000 || differ == 0 || differ > 52 {
		t.Errorf("%d of %d routes differ between the snapshot and the dump, with 52 changes in between\n%s", differ, len(want), report.String())
	}
	if err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("a second run over the same file says %v", err)
	}
}

type route struct {
	peer   netip.Addr
	as     uint32
	prefix bgp.Prefix
}

// routes reads a table dump: the hash of the AS path of each route.
func routes(t *testing.T, path string) map[route]uint64 {
	t.Helper()
	f, err := mrt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var (
		rd  = mrt.NewReader(f)
		d   mrt.Decoder
		c   mrt.Content
		e   mrt.RIBEntry
		u   wire.Update
		all = map[route]uint64{}
	)
	for {
		rec, err := rd.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(rec, &c); err != nil {
			t.Fatal(err)
		}
		for c.Kind == mrt.RIBEntries && c.RIB.Next(&e) {
			u.ParseRIB(e.Attrs, c.Opts)
			hash := uint64(1)
			for as := range u.Path().All {
				hash = (hash ^ uint64(as)) * 1099511628211
			}
			all[route{e.PeerAddr, e.PeerAS, e.Prefix}] = hash
		}
	}
}

package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/freeze"
	"github.com/corewatch/corewatch/store/sqlite"
)

// scenarioFile writes a scenario to a file.
func scenarioFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "story.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// outages is a day in which one country leaves, and a second one hours later; both are away when the scenario ends.
func outages() string {
	b := story("two countries leave, and stay away")
	b.WriteString("prefixes ya AS65301 40.0.0.0/24 x20\nprefixes yb AS65302 40.1.0.0/24 x20\nprefixes yc AS65303 40.2.0.0/24 x20\nprefixes y ya yb yc\n")
	b.WriteString("+0s table all y via AS64700\n+1h withdraw all xa over 20s lag 30s\n+5h withdraw all y over 20s lag 30s\n+8h end\nexpect nothing\n")
	return strings.Replace(b.String(), "country XW", "country YB 40.0.0.0/8\ncountry XW", 1)
}

// storyStart is when the stories begin.
var storyStart = bgp.MicrosOf(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))

func storyTime(d time.Duration) bgp.Micros { return storyStart + bgp.Micros(d/time.Microsecond) }

// TestNinetyDays: an outage of ninety days, restarted ten times, is one incident with one id.
func TestNinetyDays(t *testing.T) {
	if testing.Short() {
		t.Skip("did not run: ninety days, restarted ten times (short run)")
	}
	b := story("a whole country is withdrawn for ninety days")
	fmt.Fprintf(b, "+13h withdraw all xa over 20s lag 30s\n+%dh alive all 1m\n+%dh announce all xa via AS64700 over 20s lag 30s\n+%dh end\nexpect nothing\n",
		12+24*storyDays, 13+24*storyDays, 15+24*storyDays)
	// Silence is cheap: it is stepped over by the minute.
	file := scenarioFile(t, strings.Replace(b.String(), "+0s alive all 4m", fmt.Sprintf("+0s alive all 96h for %dh", 24*storyDays), 1))
	folder := t.TempDir() // without a store: nobody reads what two thousand hours left in it
	var of []*detect.Incident
	for n := range 11 {
		ctx, cancel := context.WithCancel(t.Context())
		j, err := Replay{Files: []string{file}, Log: zerolog.Nop()}.journal(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if j.keep, err = newKeeper(folder, zerolog.Nop()); err != nil {
			t.Fatal(err)
		}
		end := storyTime(time.Duration(14+n*211)*time.Hour + time.Duration(n)*7*time.Second)
		j.each = func(_ *signal.Monitor, now bgp.Micros) {
			if n < 10 && now >= end {
				cancel()
			}
		}
		res, err := j.run(ctx)
		cancel()
		if n < 10 && !errors.Is(err, context.Canceled) || n == 10 && err != nil {
			t.Fatal(n, err)
		}
		if n < 10 {
			continue
		}
		for _, inc := range res.monitor.Engine().Incidents() {
			if inc.Kind == detect.Outage && inc.Entity.Key() == "country:XA" {
				of = append(of, inc)
			}
		}
	}
	if len(of) != 1 || of[0].End == nil || of[0].End.Time.Sub(of[0].Start.Time.Time) < storyDays*24*time.Hour-time.Minute {
		t.Errorf("%d incidents of the country: %+v", len(of), of)
	}
}

// incidents gives the incidents of the run's store.
func (r *cutRun) incidents(t *testing.T, visit func(*detect.Incident)) error {
	t.Helper()
	rec, err := newRecorder(t.Context(), r.Store, detect.Synthetic)
	if err != nil {
		return err
	}
	defer rec.close()
	return rec.incidents(func(inc *detect.Incident) error { visit(inc); return nil })
}

// changes lists the changes of an incident's revisions.
func changes(inc *detect.Incident, change string) (out []detect.Revision) {
	for _, r := range inc.Revisions {
		if r.Change == change {
			out = append(out, r)
		}
	}
	return out
}

// TestConfigurationChange: a run that goes on with other numbers gives each open incident one revision, and what comes after is by the new
// ones. After a death of the process what was published with the old ones is first done again with them.
func TestConfigurationChange(t *testing.T) {
	if testing.Short() {
		t.Skip("did not run: other numbers in the middle (short run)")
	}
	file := scenarioFile(t, outages())
	conf := filepath.Join(t.TempDir(), "other.yaml")
	if err := os.WriteFile(conf, []byte("detect:\n  confirm_after_s: 600\n  baseline_minutes: 20\npeers:\n  min_voters: 9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, killed := range []bool{false, true} {
		r := &cutRun{Replay: Replay{Files: []string{file}}, every: 20 * 60 * bgp.Second}
		r.Store = t.TempDir()
		r.upTo(t, storyTime(time.Hour+70*time.Second), false) // after the onset, before the confirmation
		r.upTo(t, storyTime(time.Hour+9*time.Minute), killed) // confirmed by the old numbers
		r.Config = conf
		r.upTo(t, storyTime(3*time.Hour), true) // just after the change: what it wrote must not be lost
		if got := strings.Contains(r.log.String(), "until then the old configuration goes on"); got != killed {
			t.Errorf("killed %v: %s", killed, &r.log)
		}
		r.upTo(t, storyTime(4*time.Hour), false)
		if strings.Contains(r.log.String(), "by other rules") {
			t.Errorf("the change is told twice: %s", &r.log)
		}
		r.upTo(t, 0, false)
		seen := 0
		if err := r.incidents(t, func(inc *detect.Incident) {
			told, confirmed := changes(inc, detect.Reconfigured), changes(inc, "confirmed")
			at := inc.ConfirmedAt.Sub(inc.Start.Latest.Time)
			switch {
			case inc.Kind != detect.Outage || inc.Entity.Type != "country":
			case inc.Entity.Code == "XA":
				seen++
				if len(told) != 1 || !strings.Contains(told[0].Reason, "config_sha256 ") || !strings.Contains(told[0].Reason, " became "+inc.Method.ConfigSHA256) {
					t.Errorf("killed %v: reconfigured %+v by %+v", killed, told, inc.Method)
				}
				if len(confirmed) != 1 || at > 4*time.Minute {
					t.Errorf("killed %v: confirmed after %s by the old numbers", killed, at)
				}
				if len(told) == 1 && len(confirmed) == 1 && told[0].Revision != confirmed[0].Revision+1 {
					t.Errorf("killed %v: %+v", killed, inc.Revisions)
				}
			case inc.Entity.Code == "YB":
				seen++
				if len(told) != 0 || at < 10*time.Minute || at > 11*time.Minute {
					t.Errorf("killed %v: opened after the change, reconfigured %v, confirmed after %s", killed, told, at)
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
		if seen != 2 {
			t.Errorf("%d incidents of countries", seen)
		}
		r.Config = ""
		if _, err := r.Replay.try(t); err == nil || !strings.Contains(err.Error(), "made with another configuration") {
			t.Errorf("a complete run with another configuration: %v", err)
		}
	}
}

// try runs to the end or an error.
func (r Replay) try(t *testing.T) (log string, err error) {
	t.Helper()
	var b, out bytes.Buffer
	r.Log, r.Out, r.Err = zerolog.New(&b), &out, &out
	err = r.Run(t.Context())
	return b.String(), err
}

// TestOtherLayout: software that cannot read the state goes on from the same record with the usual levels, and ends what nobody follows.
func TestOtherLayout(t *testing.T) {
	if testing.Short() {
		t.Skip("did not run: a state of other software (short run)")
	}
	r := &cutRun{Replay: Replay{Files: []string{scenarioFile(t, outages())}}}
	r.Store = t.TempDir()
	r.upTo(t, storyTime(3*time.Hour), false)
	c, err := readCheckpoint(filepath.Join(r.Store, checkpointName))
	if err != nil {
		t.Fatal(err)
	}
	// The same checkpoint, as software wrote it that has no counters.
	j, err := r.journal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := &passage{j: j}
	where, err := j.places(timeOf(c.position.First))
	if err != nil {
		t.Fatal(err)
	}
	p.monitor(where)
	if err := c.thaw(j.keep.codec, &state{monitor: p.m, refs: map[string]bool{}}); err != nil {
		t.Fatal(err)
	}
	given := stateGiven()
	given[reflect.TypeFor[signal.Monitor]()] = append(given[reflect.TypeFor[signal.Monitor]()], "stats")
	older, err := freeze.New[state](given)
	if err != nil {
		t.Fatal(err)
	}
	c.position.Software = "corewatch 0.0.9"
	if err := writeCheckpoint(j.keep.path, older, &c.position, &state{monitor: p.m, refs: map[string]bool{}}); err != nil {
		t.Fatal(err)
	}
	if err := j.rec.close(); err != nil {
		t.Fatal(err)
	}
	r.upTo(t, storyTime(4*time.Hour), true)
	if log := r.log.String(); !strings.Contains(log, "without the tables") || !strings.Contains(log, "corewatch 0.0.9") {
		t.Errorf("what was lost is not said: %s", log)
	}
	r.upTo(t, 0, false)
	seen := map[string]int{}
	if err := r.incidents(t, func(inc *detect.Incident) {
		if inc.Kind != detect.Outage || inc.Entity.Type != "country" {
			return
		}
		seen[inc.Entity.Code]++
		lost := changes(inc, "lost sight")
		if inc.Entity.Code == "XA" && (len(lost) != 1 || inc.OpenAt.IsZero() || !inc.OpenAt.Equal(lost[0].At.Time) || inc.Revision != lost[0].Revision || inc.State != detect.Confirmed) {
			t.Errorf("an incident that nobody follows: %+v", inc)
		}
		if inc.Entity.Code == "YB" && len(lost) != 0 {
			t.Errorf("an incident of the new software: %+v", inc)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if seen["XA"] != 1 || seen["YB"] != 1 {
		t.Errorf("incidents: %v", seen)
	}
}

// TestOtherRunRefused: a checkpoint of another run is not gone on from, and says why; --fresh sets its store aside.
func TestOtherRunRefused(t *testing.T) {
	oneGoroutine(t)
	text := outages()
	base := Replay{Files: []string{scenarioFile(t, text)}, Store: t.TempDir()}
	r := &cutRun{Replay: base}
	r.upTo(t, storyTime(2*time.Hour), false)
	for want, change := range map[string]func(*Replay){
		"another scenario":     func(r *Replay) { r.Files = []string{scenarioFile(t, text+"# another\n")} },
		"--until nothing, and": func(r *Replay) { r.Until = at("2030-01-01T06:00:00Z") },
		"--from nothing, and":  func(r *Replay) { r.From = at("2030-01-01T00:30:00Z") },
		"--snapshot":           func(r *Replay) { r.Snapshot = t.TempDir() },
	} {
		x := base
		change(&x)
		if _, err := x.try(t); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--fresh") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	path := filepath.Join(base.Store, checkpointName)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{5, 40, len(good) / 2, len(good) - 1} {
		for _, bad := range [][]byte{good[:n], append(append(bytes.Clone(good[:n]), good[n]^1), good[n+1:]...)} {
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := base.try(t); !errors.Is(err, errCheckpoint) || !strings.Contains(err.Error(), "--fresh") {
				t.Errorf("a checkpoint damaged at %d: %v", n, err)
			}
		}
	}
	base.Fresh = true
	log, err := base.try(t)
	if err != nil || !strings.Contains(log, "before-1") {
		t.Errorf("begun anew: %v, %s", err, log)
	}
	if b, err := os.ReadFile(filepath.Join(base.Store, "before-1", checkpointName)); err != nil || len(b) != len(good) {
		t.Errorf("what was set aside: %d octets, %v", len(b), err)
	}
	base.Fresh = false
	other := Replay{Files: []string{filepath.Join("..", "..", "detect", "scenario", "demo", "pakistan-2008.txt")}, Store: base.Store}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := other.try(t); err == nil || !strings.Contains(err.Error(), "another run's store") {
		t.Errorf("the store of another run without a checkpoint: %v", err)
	}
	s, err := sqlite.OpenReadOnly(t.Context(), base.Store)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if data, err := s.Meta(t.Context(), "data"); err != nil || data != string(detect.Synthetic) {
		t.Errorf("a run that was refused left %q behind, %v", data, err)
	}
	if _, err := (Replay{Files: base.Files, Fresh: true}).try(t); err == nil || !strings.Contains(err.Error(), "--fresh goes with --store") {
		t.Errorf("--fresh without --store: %v", err)
	}
}

// TestKilled kills the process at moments that nothing chose, until it comes to the end by itself.
func TestKilled(t *testing.T) {
	demo := filepath.Join("..", "..", "detect", "scenario", "demo", "pakistan-2008.txt")
	if dir := os.Getenv("COREWATCH_TEST_KILL"); dir != "" {
		r := &cutRun{Replay: Replay{Files: []string{demo}}, every: 600 * bgp.Second}
		r.Store = dir
		fmt.Print("printed\n" + r.upTo(t, 0, false))
		return
	}
	if testing.Short() {
		t.Skip("did not run: a process that is killed (short run)")
	}
	whole := &cutRun{Replay: Replay{Files: []string{demo}}}
	whole.Store = t.TempDir()
	want := whole.upTo(t, 0, false)
	dir := t.TempDir()
	kills := 0
	for wait := 100 * time.Millisecond; ; wait += wait / 2 {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilled$") // killed when the time is over
		cmd.Env = append(os.Environ(), "COREWATCH_TEST_KILL="+dir)
		out, err := cmd.Output()
		cancel()
		if err == nil {
			_, got, _ := strings.Cut(string(out), "printed\n")
			got, _, _ = strings.Cut(got, "PASS\n")
			same(t, "printed", got, want)
			break
		}
		if cmd.ProcessState.Exited() {
			t.Fatalf("it ended by itself: %v\n%s", err, out)
		}
		if kills++; kills > 40 {
			t.Fatal("it never came to the end")
		}
	}
	same(t, "stored", contents(t, dir), contents(t, whole.Store))
	if t.Logf("killed %d times", kills); kills < 3 {
		t.Errorf("killed %d times only", kills)
	}
}

// TestStateCanBeKept: every field of the monitor is state that can be kept, or named as given by its package.
func TestStateCanBeKept(t *testing.T) {
	if _, err := freeze.New[state](stateGiven()); err != nil {
		t.Error(err)
	}
}

// TestCheckpointFails: a run that cannot write its checkpoint goes on without, and says so.
func TestCheckpointFails(t *testing.T) {
	r := &cutRun{Replay: Replay{Files: []string{scenarioFile(t, outages())}}, every: 3600 * bgp.Second}
	r.Store = t.TempDir()
	if err := os.MkdirAll(filepath.Join(r.Store, checkpointName+".new", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if out := r.upTo(t, 0, false); !strings.Contains(out, `"country:XA"`) && !strings.Contains(out, `"code":"XA"`) {
		t.Errorf("nothing was found: %s", out)
	}
	if n := strings.Count(r.log.String(), "no checkpoint: "); n < 3 {
		t.Errorf("%d complaints: %s", n, &r.log)
	}
}

// FuzzCheckpoint reads octets that may be a checkpoint.
func FuzzCheckpoint(f *testing.F) {
	f.Add([]byte(checkpointMagic))
	f.Add(append([]byte(checkpointMagic), make([]byte, 90)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &checkpoint{}
		if err := c.parse(b); err != nil && !errors.Is(err, errCheckpoint) {
			t.Error(err)
		}
	})
}

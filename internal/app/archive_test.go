package app

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/schematest"
)

// needData is the folder of real measurement data; without it, or in a short run, the case did not run and says so.
func needData(t *testing.T, what string) string {
	t.Helper()
	if testing.Short() {
		t.Skipf("did not run: %s (short run)", what)
	}
	dir := dataDir()
	if dir == "" {
		t.Skipf("did not run: %s (no COREWATCH_DATA)", what)
	}
	return dir
}

// replayed replays and parses what is printed; every line is validated against the published schema.
func replayed(t *testing.T, r Replay) ([]detect.Incident, []byte) {
	t.Helper()
	list, text, _ := replayedTelling(t, r)
	return list, text
}

// replayedTelling gives the revisions, too.
func replayedTelling(t *testing.T, r Replay) ([]detect.Incident, []byte, []alerts.Revision) {
	t.Helper()
	var out bytes.Buffer
	r.JSON, r.Out, r.Err = true, &out, io.Discard
	revisions, err := r.collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []detect.Incident
	for line := range bytes.Lines(out.Bytes()) {
		if err := schematest.Incident(bytes.TrimSpace(line)); err != nil {
			t.Errorf("%v\n%s", err, line)
		}
		var inc detect.Incident
		if err := json.Unmarshal(line, &inc); err != nil {
			t.Fatal(err)
		}
		list = append(list, inc)
	}
	return list, out.Bytes(), revisions
}

func at(s string) time.Time {
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return v
}

// pick is the confirmed outage of an entity whose t0 lies in the hour after from.
func pick(t *testing.T, list []detect.Incident, entity, from string) *detect.Incident {
	t.Helper()
	for i := range list {
		inc := &list[i]
		if inc.Kind == detect.Outage && inc.Entity.Key() == entity && !inc.ConfirmedAt.IsZero() {
			if d := inc.Start.Latest.Sub(at(from)); d >= 0 && d < time.Hour {
				return inc
			}
		}
	}
	t.Errorf("no confirmed outage of %s within the hour after %s", entity, from)
	return nil
}

func near(t *testing.T, what string, got detect.Time, want string) {
	t.Helper()
	if d := got.Sub(at(want)).Abs(); d > time.Minute {
		t.Errorf("%s: %s, want %s ± 60 s", what, got, want)
	}
}

// TestArchive2008 replays 42 hours of route-views2 with the reference table of that spring. The expected times were read off
// the raw elements (docs/accuracy.md), not off this detector.
func TestArchive2008(t *testing.T) {
	dir := needData(t, "42 hours of route-views2")
	tables := t.TempDir()
	b, err := os.ReadFile(filepath.Join(dir, "reference", "as2org", "20080402.as-org2info.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tables, "20080402.as-org2info.jsonl.gz"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	list, _, revisions := replayedTelling(t, Replay{Files: []string{"route-views2=" + filepath.Join(dir, "mrt", "rv2008")}, Reference: tables})
	pakistanTold(t, revisions, tables)

	if inc := pick(t, list, "country:DJ", "2008-02-19T13:00:00Z"); inc != nil {
		if first := at("2008-02-19T13:06:32Z"); first.Before(inc.Start.Earliest.Truncate(time.Second)) || first.After(inc.Start.Latest.Time) {
			t.Errorf("Djibouti: start %s to %s does not cover the first withdrawal", inc.Start.Earliest, inc.Start.Latest)
		}
		near(t, "Djibouti: end", inc.End.Time, "2008-02-19T13:50:33Z")
		if !strings.HasPrefix(inc.Title, "Network AS30990") {
			t.Errorf("a one-origin loss is titled %q", inc.Title)
		}
	}
	if inc := pick(t, list, "country:CI", "2008-02-20T20:00:00Z"); inc != nil {
		if first := at("2008-02-20T20:07:33Z"); first.Before(inc.Start.Earliest.Truncate(time.Second)) || first.After(inc.Start.Latest.Time) {
			t.Errorf("Côte d'Ivoire: start %s to %s does not cover the first withdrawal", inc.Start.Earliest, inc.Start.Latest)
		}
		near(t, "Côte d'Ivoire: end", inc.End.Time, "2008-02-20T20:46:54Z")
		if n := inc.Signals[0].Prefixes.Lost; n != 48 {
			t.Errorf("Côte d'Ivoire lost %d prefixes, the raw elements say 48", n)
		}
	}
	if inc := pick(t, list, "country:PK", "2008-02-21T03:00:00Z"); inc != nil {
		if e := inc.Start.Earliest; e.Before(at("2008-02-21T03:17:00Z")) || e.After(at("2008-02-21T03:20:05Z")) {
			t.Errorf("Pakistan: earliest %s", e)
		}
		if !inc.Start.Latest.Before(at("2008-02-21T03:23:00Z")) {
			t.Errorf("Pakistan: t0 %s", inc.Start.Latest)
		}
		near(t, "Pakistan: end", inc.End.Time, "2008-02-21T05:27:50Z")
	}
	for _, n := range []string{"AS24554", "AS9238"} {
		found := false
		for i := range list {
			inc := &list[i]
			found = found || inc.Entity.Code == n && inc.Start.Latest.Sub(at("2008-02-20T05:57:00Z")).Abs() < 5*time.Minute
		}
		if !found {
			t.Errorf("India, 02-20 05:58: no incident of %s", n)
		}
	}
	sessionLosses(t, list)
}

// sessionLosses: one peer withdrew its table twice. That is our fault and nobody's outage.
func sessionLosses(t *testing.T, list []detect.Incident) {
	const peer = "route-views2/AS3277/194.85.4.55"
	for _, when := range []string{"2008-02-20T15:36:00Z", "2008-02-20T21:18:00Z"} {
		fault := false
		for i := range list {
			inc := &list[i]
			if d := inc.Start.Time.Sub(at(when)); inc.Kind == detect.MonitorFault && inc.Entity.Code == peer && d >= 0 && d < 5*time.Minute {
				fault = true
			}
			if d := inc.Start.Latest.Sub(at(when)); inc.Kind == detect.Outage && inc.Entity.Type == "country" && d >= 0 && d < 4*time.Minute {
				t.Errorf("session loss of %s: outage %s", when, inc.Title)
			}
		}
		if !fault {
			t.Errorf("session loss of %s: no monitor fault of %s", when, peer)
		}
	}
}

// TestArchiveRIS2021 replays four hours of rrc04: few voters, many state changes, and beacons that go away on schedule.
func TestArchiveRIS2021(t *testing.T) {
	dir := needData(t, "four hours of rrc04")
	list, first := replayed(t, Replay{Files: []string{filepath.Join(dir, "mrt", "rrc04")}})
	lost := map[string]int{}
	for i := range list {
		inc := &list[i]
		if inc.Kind == detect.Outage {
			lost[inc.Entity.Code] = max(lost[inc.Entity.Code], inc.Signals[0].Prefixes.Lost)
			if inc.Coverage.Level != "reduced" || len(inc.Coverage.Because) == 0 {
				t.Errorf("%s: coverage %+v of six full feeds at one collector", inc.ID, inc.Coverage)
			}
			if !inc.ConfirmedAt.IsZero() {
				t.Errorf("%s is confirmed on the small quorum", inc.ID)
			}
		}
		if inc.Entity.Type == "country" {
			for _, p := range inc.Parts {
				if p.Entity.Code == "AS12654" && float64(p.Prefixes) > 0.1*float64(inc.Signals[0].Prefixes.Lost) {
					t.Errorf("%s rests on RIS beacons", inc.ID)
				}
			}
		}
	}
	if lost["AS17430"] < 30 || lost["AS11492"] < 25 {
		t.Errorf("AS17430 lost %d prefixes, AS11492 %d; the raw elements say 30 and 31", lost["AS17430"], lost["AS11492"])
	}
	_, again := replayed(t, Replay{Files: []string{filepath.Join(dir, "mrt", "rrc04")}})
	if !bytes.Equal(first, again) {
		t.Error("the same files gave other bytes the second time")
	}
}

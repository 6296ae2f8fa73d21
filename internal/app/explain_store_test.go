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

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/store/sqlite"
)

// kept is a store made of MRT files and tables, which can be changed afterwards.
type kept struct{ records, tables, store string }

// keep replays regionalStory into a store, with 30 s instead of 15 before an incident is suspected.
func keep(t *testing.T) kept {
	t.Helper()
	k := kept{recorded(t, regionalStory), regionalTables(t), t.TempDir()}
	config := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(config, []byte("detect:\n  suspect_after_s: 30\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := Replay{Config: config, Files: []string{k.records}, Reference: k.tables, Store: k.store, Out: io.Discard, Err: io.Discard, Log: zerolog.Nop()}
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return k
}

// ask explains from the store of k, so long after the start.
func (k kept) ask(t *testing.T, entity string, after time.Duration, asJSON bool) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := Explain{
		Store: k.store, Entity: entity, At: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Add(after), JSON: asJSON, Out: &out, Err: io.Discard, Log: zerolog.Nop(),
	}.Run(t.Context())
	return out.String(), err
}

// gone takes the records away.
func (k kept) gone(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(k.records); err != nil {
		t.Fatal(err)
	}
}

// TestExplainReplaysTheStore: as long as everything is as it was, a store explains as its records do, under the configuration of its run.
func TestExplainReplaysTheStore(t *testing.T) {
	oneGoroutine(t)
	k := keep(t)
	if err := os.WriteFile(filepath.Join(k.records, "rc0", "later.mrt"), []byte("not of the run"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := k.ask(t, "region:PK-SD", 10*time.Minute+20*time.Second, true)
	if err != nil {
		t.Fatal(err)
	}
	var e explanation
	if err := json.Unmarshal([]byte(got), &e); err != nil {
		t.Fatal(err)
	}
	if e.Checked != 1 || e.Verdict != verdictCrossed || e.Entity.Name != "Sindh" || len(e.Signals) != 1 || len(e.Signals[0].Tests) == 0 || len(e.Peers) != 24 {
		t.Errorf("%s", got)
	}
	if !strings.Contains(e.Because, "when that lasts 30 s") {
		t.Errorf("not the configuration of the run: %s", e.Because)
	}
	text, err := k.ask(t, "region:PK-SD", 10*time.Minute+20*time.Second, false)
	if err != nil || !strings.Contains(text, "(archive; the 1 files of the store, as they were)") {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestExplainWithoutTheRecords: what has changed is named, and what the store keeps is told.
func TestExplainWithoutTheRecords(t *testing.T) {
	for what, c := range map[string]struct {
		change func(t *testing.T, k kept)
		why    string
	}{
		"gone": {func(t *testing.T, k kept) { k.gone(t) }, "no such file or directory"},
		"one gone": {func(t *testing.T, k kept) {
			if err := os.Rename(filepath.Join(k.records, "rc0", "all.mrt"), filepath.Join(k.records, "rc0", "other.mrt")); err != nil {
				t.Fatal(err)
			}
		}, "rc0/all.mrt of rc0 is gone, and it is one of 1"},
		"another": {func(t *testing.T, k kept) { grow(t, filepath.Join(k.records, "rc0", "all.mrt")) }, "rc0/all.mrt of rc0 has another SHA-256"},
		"tables":  {func(t *testing.T, k kept) { grow(t, filepath.Join(k.tables, "overrides.csv")) }, "the reference tables are not those of the run"},
		"no tables": {func(t *testing.T, k kept) {
			if err := os.RemoveAll(k.tables); err != nil {
				t.Fatal(err)
			}
		}, "loading reference tables"},
		"an older store": {func(t *testing.T, k kept) { forget(t, k, "") }, "cannot be read (version 0)"},
		"a wild one": {func(t *testing.T, k kept) {
			forget(t, k, `{"v":1,"files":["/x"],"detect":{"learning_factor":3,"baseline_minutes":1000000000}}`)
		}, "detect.baseline_minutes: 1000000000; want 0 to 240"},
	} {
		if raceDetector && what != "gone" {
			continue // the others differ in what is read, not in who reads
		}
		t.Run(what, func(t *testing.T) {
			k := keep(t)
			c.change(t, k)
			text, err := k.ask(t, "region:PK-SD", 15*time.Minute, false)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{
				c.why, "INCIDENT: an incident was open: PK-SD-", "confirmed since 2030-01-01T00:13:1", "region:PK-SD (Sindh)", "from what the store keeps (archive)",
				"40 prefixes, 40 units; the lowest of the last minutes 0 prefixes", "members: 40 lost then", "24 of 24 voters had withdrawn", "24 sessions, first rc0/AS646", "cannot be told without the records",
			} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not said:\n%s", want, text)
				}
			}
		})
	}
}

// grow adds a comment to a CSV file, or some octets to another.
func grow(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("# more\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// forget puts something else in place of what a store says of its origin.
func forget(t *testing.T, k kept, text string) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), k.store)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetMeta(t.Context(), originKey, text); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestStoredVerdicts: each verdict that samples and revisions can carry, and what they cannot.
func TestStoredVerdicts(t *testing.T) {
	oneGoroutine(t)
	k := keep(t)
	k.gone(t)
	for _, c := range []struct {
		entity  string
		after   time.Duration
		verdict string
		says    string
		not     string
	}{
		{"region:PK-SD", 5 * time.Minute, verdictQuiet, "0 of 40 observable prefixes were lost, no more than lately", "members"},
		{"region:PK-SD", 10*time.Minute + 30*time.Second, verdictQuiet, "opened: loss above the floor (region) for 30 s", ""}, // the sample of the minute is from before
		{"region:PK-SD", 11 * time.Minute, verdictIncident, "suspected since", "confirmed since"},
		{"region:PK-SD", 57 * time.Minute, verdictQuiet, "the one before ended at 2030-01-01T00:55:", ""},
		{"country:PK", 15 * time.Minute, verdictNone, "40 of 800 observable prefixes were lost, 40 more than", ""},
		{"network:AS65001", 15 * time.Minute, verdictIncident, "AS65001-2030", ""},
		{"network:AS65003", 15 * time.Minute, verdictUnknown, "A network is sampled only while it has an open incident", ""},
		{"zone:coast", 30 * time.Minute, verdictIncident, "Country Pakistan: 40 of 130", ""},
		{"region:PK-KP", 15 * time.Minute, verdictUnknown, "There is no sample of it", ""},
	} {
		text, err := k.ask(t, c.entity, c.after, false)
		if err != nil {
			t.Fatalf("%s: %v", c.entity, err)
		}
		line, err := k.ask(t, c.entity, c.after, true)
		if err != nil {
			t.Fatal(err)
		}
		var e storedExplanation
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.V != 1 || !e.Stored || e.Why == "" || len(e.NotTold) == 0 || e.Verdict != c.verdict || e.Data != detect.Archive {
			t.Errorf("%s after %s: %s", c.entity, c.after, line)
		}
		if !strings.Contains(text, c.says) || c.not != "" && strings.Contains(text, c.not) {
			t.Errorf("%s after %s: want %q, not %q:\n%s", c.entity, c.after, c.says, c.not, text)
		}
	}
	for after, says := range map[time.Duration]string{-time.Hour: "lies before what the store covers, which begins at 2030-01-01T00:00:00Z", 100 * time.Hour: "lies after what the store covers"} {
		if out, err := k.ask(t, "region:PK-SD", after, false); err == nil || !strings.Contains(err.Error(), says) || out != "" {
			t.Errorf("%s: %v, want %q", after, err, says)
		}
	}
}

// TestStoredMembersAtTheInstant: a member that was back by then is not lost, and the sessions that had not withdrawn it yet are not counted.
func TestStoredMembersAtTheInstant(t *testing.T) {
	oneGoroutine(t)
	k := keep(t)
	k.gone(t)
	told := func(after time.Duration) storedExplanation {
		line, err := k.ask(t, "network:AS65001", after, true)
		if err != nil {
			t.Fatal(err)
		}
		var e storedExplanation
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	half, all, back := told(11*time.Minute), told(20*time.Minute), told(45*time.Minute)
	if half.Incident == nil || half.Incident.State != detect.Suspected || half.Lost == 0 {
		t.Errorf("a minute after the first withdrawal: %d lost, %+v", half.Lost, half.Incident)
	}
	if all.Lost != 20 || all.Members[0].Sessions != 24 || all.Incident.State != detect.Confirmed {
		t.Errorf("all are away: %d lost, %+v", all.Lost, all.Members[0])
	}
	if back.Lost != 0 || back.Members[0].Sessions != 0 || back.Messages <= all.Messages || back.Incident.State != detect.Recovering {
		t.Errorf("all are back: %d lost of %+v", back.Lost, back.Members[0])
	}
}

// TestExplainAsks refuses what cannot be meant.
func TestExplainAsks(t *testing.T) {
	for _, c := range []struct {
		x    Explain
		says string
	}{
		{Explain{}, "say what to explain from: FILE, or --store DIR"},
		{Explain{Store: "x", Files: []string{"y"}}, "--store goes alone"},
		{Explain{Store: "x", Reference: "y"}, "--store goes alone"},
		{Explain{Store: filepath.Join(t.TempDir(), "none")}, "no store in"},
	} {
		c.x.Entity, c.x.At, c.x.Out = "country:PK", time.Unix(1, 0), io.Discard
		if err := c.x.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %q", err, c.says)
		}
	}
}

// TestExplainAScenarioOfAStore: a scenario is known by its own digest; when it is another one, the store speaks of countries that do not exist.
func TestExplainAScenarioOfAStore(t *testing.T) {
	oneGoroutine(t)
	text, err := os.ReadFile(filepath.Join(scenarioFolder, "country-outage.txt"))
	if err != nil {
		t.Fatal(err)
	}
	k := kept{records: filepath.Join(t.TempDir(), "s.txt"), store: t.TempDir()}
	if err := os.WriteFile(k.records, text, 0o600); err != nil {
		t.Fatal(err)
	}
	r := Replay{Files: []string{k.records}, Store: k.store, Out: io.Discard, Err: io.Discard, Log: zerolog.Nop()}
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err := k.ask(t, "country:XA", 15*time.Minute, false); err != nil || !strings.Contains(out, "low branch") || !strings.Contains(out, "files of the store, as they were") {
		t.Errorf("%v\n%s", err, out)
	}
	grow(t, k.records)
	if out, err := k.ask(t, "country:XA", 15*time.Minute, false); err != nil || !strings.Contains(out, "is another scenario now") || !strings.Contains(out, "members: 120 lost then") {
		t.Errorf("%v\n%s", err, out)
	}
}

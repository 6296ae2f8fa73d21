package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
)

// explained runs the command over a scenario at so long after its start.
func explained(t *testing.T, file, entity string, after time.Duration, asJSON bool) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := Explain{
		Entity: entity, At: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Add(after), Files: []string{filepath.Join(scenarioFolder, file)},
		JSON: asJSON, Out: &out, Err: io.Discard, Log: zerolog.Nop(),
	}.Run(context.Background())
	return out.String(), err
}

// TestExplain asks of each verdict once, and what must be said with it.
func TestExplain(t *testing.T) {
	oneGoroutine(t)
	for _, c := range []struct {
		file, entity string
		after        time.Duration
		verdict      string
		says         []string // in the text
		not          string
	}{
		{"country-outage.txt", "country:XA", 5 * time.Minute, verdictQuiet, []string{"0 of 200 observable", "origins of newly lost prefixes", "3 short"}, "afterwards"},
		{"country-outage.txt", "country:XA", 10*time.Minute + 20*time.Second, verdictCrossed, []string{"t0", "low branch", "and it did", "opened", "confirmed"}, ""},
		{"country-outage.txt", "country:XA", 15 * time.Minute, verdictIncident, []string{"confirmed since", "explained by", "AS65001"}, ""},
		{"below-floor.txt", "country:XA", 10*time.Minute + 40*time.Second, verdictBelow, []string{"1 more (3 % of 400 units: 11 of 12)", " of 20 voters withdrew"}, "afterwards"},
		{"collector-silence.txt", "country:XA", 15 * time.Minute, verdictIncident, []string{"feed_paused"}, "confirmed:"},
		{"collector-silence-alone.txt", "country:XA", 65 * time.Minute, verdictQuiet, []string{"its collector is silent while others speak", "16 sessions do not vote", "no vote", "collector_down"}, ""},
		{"region-outage.txt", "region:XA-N", 10*time.Minute + 20*time.Second, verdictCrossed, []string{"region:XA-N (The North)", "the floor (region) was crossed", "explained by  region XA-N The North"}, ""},
		{"region-outage.txt", "region:XA-S", 15 * time.Minute, verdictBelow, []string{"1 more (units lost: 2 of 3)"}, ""},
		{"zone-of-one-country.txt", "zone:coast", 15 * time.Minute, verdictIncident, []string{"zone:coast (The coast)", "confirmed since", "explained by  country XA"}, ""},
		{"settling.txt", "country:XA", 12 * time.Minute, verdictSettling, []string{"--seed", "half an hour"}, ""},
	} {
		t.Run(c.file+" "+c.after.String(), func(t *testing.T) {
			text, err := explained(t, c.file, c.entity, c.after, false)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range append(c.says, strings.ToUpper(strings.ReplaceAll(c.verdict, "_", " "))) {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not said:\n%s", want, text)
				}
			}
			if c.not != "" && strings.Contains(text, c.not) {
				t.Errorf("%q is said:\n%s", c.not, text)
			}
			line, err := explained(t, c.file, c.entity, c.after, true)
			if err != nil {
				t.Fatal(err)
			}
			var e explanation
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			if e.V != 1 || e.Verdict != c.verdict || e.Entity.Key() != c.entity || len(e.Signals) == 0 || len(e.Peers) == 0 || e.Because == "" {
				t.Errorf("%s: %s", e.Verdict, line)
			}
			for _, s := range e.Signals {
				for _, x := range s.Tests {
					if x.Holds != (x.Have >= x.Need) || x.Holds != (x.Missing == 0) {
						t.Errorf("%+v", x)
					}
				}
			}
		})
	}
}

// TestExplainRefuses names what is wrong with each question.
func TestExplainRefuses(t *testing.T) {
	for _, c := range []struct {
		file, entity string
		after        time.Duration
		says         string
	}{
		{"below-floor.txt", "country:XZ", time.Minute, "country:XZ: no prefix of it was met between 2030-01-01T00:00:00Z and 2030-01-01T00:01:00Z"},
		{"below-floor.txt", "country:Pakistan", time.Minute, "want an ISO 3166-1 alpha-2 country code"},
		{"below-floor.txt", "network:AS99999", time.Minute, "network:AS99999: no prefix of it was met"},
		{"below-floor.txt", "peer:rc0/AS1/192.0.2.1", time.Minute, "alerts are about countries, regions, networks and zones only"},
		{"below-floor.txt", "zone:coast", time.Minute, "zone:coast: no prefix of it was met"},
		{"zone-outage.txt", "region:XA-N", time.Minute, "region:XA-N: no prefix of it was met"},
		{"below-floor.txt", "region:XA-NORTH", time.Minute, "want an ISO 3166-2 region code"},
		{"below-floor.txt", "XA", time.Minute, "want <type>:<code>"},
		{"below-floor.txt", "country:XA", -time.Hour, "lies before the records, which begin at 2030-01-01T00:00:00Z"},
		{"below-floor.txt", "country:XA", 100 * time.Hour, "lies after the records, which end at"},
	} {
		if out, err := explained(t, c.file, c.entity, c.after, false); err == nil || !strings.Contains(err.Error(), c.says) || out != "" {
			t.Errorf("%s at %s: %v, want %q; printed %q", c.entity, c.after, err, c.says, out)
		}
	}
}

// TestExplainChangesNothing: what is asked on the way leaves the incidents as they are.
func TestExplainChangesNothing(t *testing.T) {
	oneGoroutine(t)
	for _, s := range loadScenarios(t) {
		if !slices.Contains([]string{"country-outage.txt", "collector-gap.txt", "both-families.txt"}, s.Name) {
			continue
		}
		plain, err := runScenario(context.Background(), s, detect.DefaultConfig(), signal.DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		j := journal{
			files: scenarioFiles(s), data: s.Data, end: s.End, rec: &recorder{}, engine: detect.DefaultConfig(), peers: signal.DefaultConfig(), paths: true,
			places: func(time.Time) (signal.Places, error) { return newScenarioPlaces(s) },
		}
		asked := 0
		j.each = func(m *signal.Monitor, now bgp.Micros) {
			if now%(7*second) != 0 {
				return
			}
			if a, ok := m.Account(detect.Entity{Type: "country", Code: "XA"}); ok && len(a.Signals) > 0 {
				asked++
			}
		}
		out, err := j.run(context.Background())
		if err != nil || asked < 100 {
			t.Fatalf("asked %d times: %v", asked, err)
		}
		a, b := lines(t, plain), lines(t, out.monitor)
		if a != b || a == "" {
			t.Errorf("%s: asking changes\n%s\ninto\n%s", s.Name, a, b)
		}
	}
}

func lines(t *testing.T, m *signal.Monitor) (out string) {
	t.Helper()
	for _, inc := range m.Engine().Incidents() {
		line, err := inc.JSON()
		if err != nil {
			t.Fatal(err)
		}
		out += string(line) + "\n"
	}
	return out
}

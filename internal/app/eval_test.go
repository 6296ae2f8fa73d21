package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/eval"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/detect/signal"
)

// TestContestIsReplay: what is scored is what replay finds, incident by incident, and the rules beside it change nothing.
func TestContestIsReplay(t *testing.T) {
	oneGoroutine(t)
	for _, s := range loadScenarios(t) {
		if s.Name != "country-outage.txt" && s.Name != "both-families.txt" && s.Name != "table-transfer.txt" {
			continue
		}
		m, err := runScenario(context.Background(), s, detect.DefaultConfig(), signal.DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		p, err := newScenarioPlaces(s)
		if err != nil {
			t.Fatal(err)
		}
		ioda, alerter := rivals(p.Country, true)
		c := contest{files: scenarioFiles(s), data: s.Data, places: p, end: s.End, rules: nil}
		alone, err := c.play(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		c.rules = append(c.rules, ioda, alerter)
		beside, err := c.play(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		want := incidentLines(t, m.Engine().Incidents())
		if want == "" || incidentLines(t, alone.incidents) != want || incidentLines(t, beside.incidents) != want {
			t.Errorf("%s: the scored incidents are not those of a replay", s.Name)
		}
		if len(ioda.Alerts())+len(alerter.Alerts()) == 0 {
			t.Errorf("%s: the rules of others heard nothing", s.Name)
		}
	}
}

func incidentLines(t *testing.T, list []*detect.Incident) string {
	t.Helper()
	var b strings.Builder
	for _, inc := range list {
		line, err := inc.JSON()
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

// quietEval runs a suite of the seeded kind or of scenarios.
func quietEval(suite string) (Eval, *bytes.Buffer) {
	var out bytes.Buffer
	return Eval{Suite: suite, Out: &out, Err: io.Discard, Log: zerolog.Nop()}, &out
}

// TestEvalScenarios runs the suite over three files, one of which expects something else, and reads all three forms of the report.
func TestEvalScenarios(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"country-outage.txt", "below-floor.txt"} {
		text, err := os.ReadFile(filepath.Join(scenarioFolder, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(scenarioFolder, "country-outage.txt"))
	if err != nil {
		t.Fatal(err)
	}
	wrong := strings.Replace(string(text), "lost 120 of 200", "lost 121 of 200", 1)
	if err := os.WriteFile(filepath.Join(dir, "wrong.txt"), []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	e, out := quietEval("scenarios")
	e.Scenarios, e.Write = dir, filepath.Join(t.TempDir(), "docs", "accuracy.md")
	if err := e.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(e.Write)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{out.String(), string(page)} {
		for _, want := range []string{"wrong", "FAILS", "holds", "2/3 66.7 % (≥ 13.5 %)", "expected lost 121 of 200, found: lost 120 of 200", "corewatch eval scenarios"} {
			if !strings.Contains(form, want) {
				t.Errorf("the report lacks %q:\n%s", want, form)
			}
		}
	}
	e.JSON, e.Write = true, ""
	out.Reset()
	if err := e.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		V       int
		Method  detect.Method
		Results []struct {
			Suite   string
			Differs []string
			Tables  []struct {
				Rows []struct {
					Name  string
					Cells []any
				}
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	rows := doc.Results[0].Tables[0].Rows
	last := rows[len(rows)-1]
	if doc.V != 1 || doc.Method.Name != detect.MethodName || len(doc.Method.ConfigSHA256) != 64 || len(doc.Results[0].Differs) != 1 || last.Cells[0].(map[string]any)["n"] != 2.0 {
		t.Errorf("JSON: %+v", doc)
	}
}

// TestEvalRefuses: a suite that does not exist, data that is not there, and an interrupt.
func TestEvalRefuses(t *testing.T) {
	e, _ := quietEval("weather")
	if err := e.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "there is no suite") {
		t.Errorf("an unknown suite: %v", err)
	}
	e, _ = quietEval("rv2008")
	if err := e.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "COREWATCH_DATA") {
		t.Errorf("without data: %v", err)
	}
	e.Data = t.TempDir()
	if err := e.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "mrt/rv2008") {
		t.Errorf("with an empty folder: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	e, _ = quietEval("faults")
	e.Seeds = 1
	if err := e.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// TestOutages plays one outage of each speed that no method may miss, and one under the floor.
func TestOutages(t *testing.T) {
	oneGoroutine(t)
	at := func(share int) int {
		for i, s := range outageSizes {
			if s == share {
				return i
			}
		}
		t.Fatalf("no outage of %d %%", share)
		return 0
	}
	for _, c := range []struct {
		size, speed int
		six         bool
		found       int
	}{{5, 0, false, 1}, {25, 1, false, 1}, {50, 2, false, 1}, {50, 0, true, 1}, {2, 0, false, 0}} {
		d := outageDraw{seed: 7, size: at(c.size), speed: c.speed, six: c.six}
		var x outageTally
		differs, err := d.run(context.Background(), []*outageTally{&x})
		if err != nil {
			t.Fatal(err)
		}
		if want := (eval.Ratio{N: c.found, Of: 1}); x.suspected != want || x.confirmed != want || len(differs) > 0 {
			t.Errorf("%+v: suspected %v, confirmed %v; %q", c, x.suspected, x.confirmed, differs)
		}
		if x.warning.Of != 1 || x.alerter.Of != 1 {
			t.Errorf("%+v: the rules of others were not asked", c)
		}
	}
}

// TestBeaconSchedule reads the hours of one beacon, and leaves out anchors.
func TestBeaconSchedule(t *testing.T) {
	path := filepath.Join(t.TempDir(), "beacons.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`[{"prefix":"84.205.64.0/24","type":"beacon","origin":"rrc00","times":["04:00:00-06:00:00","08:00:00-10:00:00"]},
		{"prefix":"84.205.80.0/24","type":"anchor","times":["00:00:00-24:00:00"]}]`)
	from := bgp.Micros(1_609_477_200) * second // 2021-01-01T05:00:00Z
	got, err := beaconSchedule(path, from, from+4*3600*second)
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	for i, want := range []string{"06:00 false", "08:00 true"} {
		if have := got[i].at.Time().Format("15:04") + map[bool]string{true: " true", false: " false"}[got[i].up]; have != want || got[i].prefix.String() != "84.205.64.0/24" {
			t.Errorf("%s %s, want %s", got[i].prefix, have, want)
		}
	}
	for _, bad := range []string{"{", `[{"prefix":"84.205.64.0/24","type":"beacon","times":["at noon"]}]`} {
		write(bad)
		if _, err := beaconSchedule(path, from, from+second); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

// TestBeaconHalf: the raw log says when half of the networks had followed, exploration and all.
func TestBeaconHalf(t *testing.T) {
	p := bgp.PrefixFrom4(84<<24|205<<16|64<<8, 24)
	l := &beaconLog{of: map[bgp.Prefix][]beaconWord{p: nil}}
	say := func(s int64, as uint32, up bool) {
		if peer := (bgp.Peer{AS: as}); up {
			l.Announce(bgp.Seconds(s), peer, p, 12654)
		} else {
			l.Withdraw(bgp.Seconds(s), peer, p)
		}
	}
	for as := range uint32(4) {
		say(10, as, true)
	}
	say(1010, 1, false)
	say(1020, 1, true) // another path
	say(1030, 2, false)
	say(1050, 1, false)
	say(1090, 3, false)
	if got := l.half(transition{p, false, bgp.Seconds(1000)}); got != bgp.Seconds(1050) || l.carriers(p) != 4 {
		t.Errorf("half at %v of %d", got, l.carriers(p))
	}
	if got := l.half(transition{p, true, bgp.Seconds(2000)}); got != 0 {
		t.Errorf("nobody announced it, and half at %v", got)
	}
}

// TestEvalArchive scores the first hour of the recorded data in which something happens: the outage of Djibouti.
func TestEvalArchive(t *testing.T) {
	if testing.Short() {
		t.Skip("an hour of recorded data is scored without -short")
	}
	data := os.Getenv("COREWATCH_DATA")
	if data == "" {
		data = filepath.Join("..", "..", "..", "shared", "data")
	}
	dir := t.TempDir()
	into := filepath.Join(dir, "mrt", "rv2008")
	if err := os.MkdirAll(into, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"1226", "1241", "1256", "1311", "1326", "1341"} {
		name := "updates.20080219." + n + ".bz2"
		text, err := os.ReadFile(filepath.Join(data, "mrt", "rv2008", name))
		if err != nil {
			t.Skip("no real data (COREWATCH_DATA): no archive was scored: " + err.Error())
		}
		if err := os.WriteFile(filepath.Join(into, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, _ := quietEval("rv2008")
	e.Data, e.Reference = dir, filepath.Join(data, "reference", "as2org")
	r, err := e.rv2008(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	tuned := r.Reports[5] // countries of hours 0–21 at the published floors
	if tuned.Kind != "country" || tuned.Events == 0 || len(tuned.Scores) != 5 || len(r.References) == 0 || r.Inputs[0].Files != 6 {
		t.Fatalf("%s, %s: %d events of %d methods", tuned.Suite, tuned.Kind, tuned.Events, len(tuned.Scores))
	}
	for _, s := range tuned.Scores[:2] {
		for _, d := range s.Disagreements {
			if d.Entity.Code == "DJ" {
				t.Errorf("%s: Djibouti: %v", s.Method, d.Line())
			}
		}
		if s.Recall.N == 0 {
			t.Errorf("%s: nothing found; %v", s.Method, s.Disagreements)
		}
	}
	for _, g := range r.Goals {
		if g.Met { // hours 21–42 are not in this record
			t.Errorf("%s is met by nothing: %s", g.What, g.Got)
		}
	}
}

// TestGroundIsQuiet: in a world in which nothing is injected nobody but the single prefixes' own rule has anything to say.
func TestGroundIsQuiet(t *testing.T) {
	oneGoroutine(t)
	for seed := uint64(1); seed <= 3; seed++ {
		s, err := newGround(seed, faultMinutes).finish(faultMinutes)
		if err != nil {
			t.Fatal(err)
		}
		m, err := runScenario(context.Background(), s, detect.DefaultConfig(), signal.DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		if found := m.Engine().Incidents(); len(found) > 0 {
			t.Errorf("seed %d: %s", seed, Line(found[0]))
		}
	}
	if _, err := scenario.Parse("story", []byte(story("a test").String()+"+1h end\nexpect nothing\n")); err != nil {
		t.Error(err)
	}
}

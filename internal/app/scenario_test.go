package app

import (
	"context"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/detect/signal"
)

// scenarioFolder holds one file per phenomenon.
const scenarioFolder = "../../detect/scenario/testdata"

// loadScenarios reads every scenario file.
func loadScenarios(t testing.TB) []*scenario.Scenario {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(scenarioFolder, "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenario in %s: %v", scenarioFolder, err)
	}
	var out []*scenario.Scenario
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := scenario.Parse(filepath.Base(path), text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// verdict plays a scenario and gives what does not hold.
func verdict(t testing.TB, s *scenario.Scenario, engine detect.Config, peers signal.Config) []error {
	t.Helper()
	m, err := runScenario(context.Background(), s, engine, peers)
	if err != nil {
		t.Fatal(err)
	}
	return s.Check(m.Engine().Incidents())
}

// oneGoroutine leaves a test out under the race detector: it replays whole records in a single goroutine, as tests that stay do in
// part, and the detector has nothing to find in more of it. Hours of soaking leave nothing out.
func oneGoroutine(t *testing.T) {
	t.Helper()
	if raceDetector && os.Getenv("COREWATCH_SEEDS") == "" {
		t.Skip("one goroutine: nothing for the race detector")
	}
}

// TestScenarios plays every phenomenon to the published method.
func TestScenarios(t *testing.T) {
	for i, s := range loadScenarios(t) {
		if raceDetector && i%8 != 0 {
			continue // two side by side show what they share, and each has one goroutine
		}
		t.Run(strings.TrimSuffix(s.Name, ".txt"), func(t *testing.T) {
			t.Parallel()
			for _, err := range verdict(t, s, detect.DefaultConfig(), signal.DefaultConfig()) {
				t.Error(err)
			}
		})
	}
}

// rule is a number of the method, and a change that takes its effect away.
type rule struct {
	name string
	drop func(*detect.Config, *signal.Config)
}

// engineRule and peerRule keep the table below short.
func engineRule(name string, drop func(*detect.Config)) rule {
	return rule{name, func(c *detect.Config, _ *signal.Config) { drop(c) }}
}

func peerRule(name string, drop func(*signal.Config)) rule {
	return rule{name, func(_ *detect.Config, c *signal.Config) { drop(c) }}
}

// rules are the numbers of the method that decide verdicts. Where a number can fail in two directions it is here twice.
var rules = []rule{
	engineRule("country-share", func(c *detect.Config) { c.CountryShare = 0.001 }),
	engineRule("country-prefixes", func(c *detect.Config) { c.CountryPrefixes = 0 }),
	engineRule("country-origins", func(c *detect.Config) { c.CountryOrigins = 0 }),
	engineRule("low-branch", func(c *detect.Config) { c.CountryShare = 2 }),
	engineRule("high-branch", func(c *detect.Config) { c.CountryHighShare = 2 }),
	engineRule("high-share", func(c *detect.Config) { c.CountryHighShare = 0.05 }),
	engineRule("small-country", func(c *detect.Config) { c.SmallCountry = 0 }),
	engineRule("small-share", func(c *detect.Config) { c.SmallShare = 0 }),
	engineRule("small-prefixes", func(c *detect.Config) { c.SmallPrefixes = 0 }),
	engineRule("network-share", func(c *detect.Config) { c.NetworkShare = 0 }),
	engineRule("network-units", func(c *detect.Config) { c.NetworkUnits = 0 }),
	engineRule("small-network", func(c *detect.Config) { c.SmallNetwork = 0 }),
	engineRule("small-network-large", func(c *detect.Config) { c.SmallNetwork = 1000 }),
	engineRule("learning-factor", func(c *detect.Config) { c.LearningFactor = 1 }),
	engineRule("baseline-zero", func(c *detect.Config) { c.BaselineMinutes = 0 }),
	engineRule("baseline-long", func(c *detect.Config) { c.BaselineMinutes = 600 }),
	engineRule("suspect-after", func(c *detect.Config) { c.SuspectAfter = 0 }),
	engineRule("confirm-after", func(c *detect.Config) { c.ConfirmAfter = 0 }),
	engineRule("confirm-mean-loss", func(c *detect.Config) { c.ConfirmMeanLoss = 0 }),
	engineRule("member-window", func(c *detect.Config) { c.MemberWindow = 0 }),
	engineRule("recovering-never", func(c *detect.Config) { c.RecoveringShare = 0 }),
	engineRule("recovering-always", func(c *detect.Config) { c.RecoveringShare = 2 }),
	engineRule("close-share", func(c *detect.Config) { c.CloseShare = 0 }),
	engineRule("close-share-all", func(c *detect.Config) { c.CloseShare = 1 }),
	engineRule("close-after", func(c *detect.Config) { c.CloseAfter = 0 }),
	engineRule("permanent-after", func(c *detect.Config) { c.PermanentAfter = 1 << 30 }),
	engineRule("episode-rise", func(c *detect.Config) { c.EpisodeRise = 2 }),
	engineRule("episode-after", func(c *detect.Config) { c.EpisodeAfter = 0 }),
	engineRule("episode-history", func(c *detect.Config) { c.EpisodeHistory = 0 }),
	engineRule("title-share", func(c *detect.Config) { c.TitleShare = 2 }),
	engineRule("title-share-zero", func(c *detect.Config) { c.TitleShare = 0 }),
	engineRule("min-observable", func(c *detect.Config) { c.MinObservable = 0 }),
	engineRule("slow-reference", func(c *detect.Config) { c.SlowReference = 0 }),
	engineRule("slow-history", func(c *detect.Config) { c.SlowHistory = 0 }),
	engineRule("slow-recent", func(c *detect.Config) { c.SlowRecent = 0 }),
	engineRule("slow-allowance", func(c *detect.Config) { c.SlowAllowance = 0 }),
	engineRule("slow-threshold", func(c *detect.Config) { c.SlowThreshold = 0 }),
	engineRule("slow-threshold-long", func(c *detect.Config) { c.SlowThreshold = 1 << 20 }),
	engineRule("stay-share", func(c *detect.Config) { c.StayShare = 2 }),
	engineRule("stay-share-zero", func(c *detect.Config) { c.StayShare = 0 }),
	engineRule("settled-after", func(c *detect.Config) { c.SettledAfter = 1 << 30 }),
	engineRule("settled-change", func(c *detect.Config) { c.SettledChange = 0 }),

	peerRule("min-voters", func(c *signal.Config) { c.MinVoters = 0 }),
	peerRule("small-voters", func(c *signal.Config) { c.SmallVoters = 1 << 30 }),
	peerRule("peers-small-share", func(c *signal.Config) { c.SmallShare = 0 }),
	peerRule("settle-for", func(c *signal.Config) { c.SettleFor = 0 }),
	peerRule("lost-share", func(c *signal.Config) { c.LostShare = 0.05 }),
	peerRule("lost-share-all", func(c *signal.Config) { c.LostShare = 0.99 }),
	peerRule("full-feed-share", func(c *signal.Config) { c.FullFeedShare = 2 }),
	peerRule("stale-after", func(c *signal.Config) { c.StaleAfter = 1 << 30 }),
	peerRule("fresh-for", func(c *signal.Config) { c.FreshFor = 0 }),
	peerRule("fresh-for-long", func(c *signal.Config) { c.FreshFor = 1 << 30 }),
	peerRule("collector-gap", func(c *signal.Config) { c.CollectorGap = 1 << 30 }),
	peerRule("collector-gap-zero", func(c *signal.Config) { c.CollectorGap = 0 }),
	peerRule("pause", func(c *signal.Config) { c.SpokeWithin = 1 << 30 }),
	peerRule("mass-window", func(c *signal.Config) { c.MassWindow = 1 }),
	peerRule("mass-share", func(c *signal.Config) { c.MassShare = 2 }),
	peerRule("mass-share-zero", func(c *signal.Config) { c.MassShare = 0 }),
	peerRule("mass-min", func(c *signal.Config) { c.MassMin, c.MassAlways = 1<<30, 1<<30 }),
	peerRule("mass-min-zero", func(c *signal.Config) { c.MassMin = 1 }),
	peerRule("mass-always-zero", func(c *signal.Config) { c.MassAlways = 1 }),
	peerRule("mass-agree", func(c *signal.Config) { c.MassAgree = 2 }),
	peerRule("mass-agree-zero", func(c *signal.Config) { c.MassAgree = 0 }),
	peerRule("mass-give-up", func(c *signal.Config) { c.MassGiveUp = 1 << 30 }),
	peerRule("mass-give-up-zero", func(c *signal.Config) { c.MassGiveUp = 0 }),
	peerRule("resync-share", func(c *signal.Config) { c.ResyncShare = 0 }),
	peerRule("resync-max", func(c *signal.Config) { c.ResyncMax = 1 << 30 }),
	peerRule("learn-for", func(c *signal.Config) { c.LearnFor = 0 }),
	peerRule("unlisted-share", func(c *signal.Config) { c.UnlistedShare = 2 }),
	peerRule("full-voters", func(c *signal.Config) { c.FullVoters = 1 << 30 }),
	peerRule("full-collectors", func(c *signal.Config) { c.FullCollectors = 1 << 30 }),
	peerRule("full-projects", func(c *signal.Config) { c.FullProjects = 1 << 30 }),
}

// TestEveryRuleIsProtected drops one rule of the method after the other: some scenario must notice, or the rule could be broken
// by a slip that no test sees. The files that say "protects RULE" must all notice: the line is documentation.
func TestEveryRuleIsProtected(t *testing.T) {
	oneGoroutine(t)
	all := loadScenarios(t)
	names := map[string]bool{}
	for _, r := range rules {
		names[r.name] = true
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			engine, peers := detect.DefaultConfig(), signal.DefaultConfig()
			r.drop(&engine, &peers)
			claimed := 0
			for _, s := range all {
				if !slices.Contains(s.Protects, r.name) {
					continue
				}
				claimed++
				if len(verdict(t, s, engine, peers)) == 0 {
					t.Errorf("%s says that it protects %s, but holds without that rule", s.Name, r.name)
				}
			}
			if claimed > 0 {
				return
			}
			for _, s := range all {
				if len(verdict(t, s, engine, peers)) > 0 {
					t.Logf("%s notices; a line \"protects %s\" there makes this test faster", s.Name, r.name)
					return
				}
			}
			t.Errorf("no scenario protects the rule %s: without it every verdict is the same", r.name)
		})
	}
	for _, s := range all {
		for _, name := range s.Protects {
			if !names[name] {
				t.Errorf("%s protects %s, which is no rule of this test", s.Name, name)
			}
		}
	}
}

// TestDemo holds the demonstration to what was measured: the onset, the end, the size, and the honest coverage. The expectations stand
// in the file itself.
func TestDemo(t *testing.T) {
	s, err := scenario.Demo()
	if err != nil {
		t.Fatal(err)
	}
	if s.Data != detect.Reconstruction || len(s.Sources) == 0 {
		t.Errorf("the demonstration is %s from %v", s.Data, s.Sources)
	}
	m, err := runScenario(context.Background(), s, detect.DefaultConfig(), signal.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	all := m.Engine().Incidents()
	for _, err := range s.Check(all) {
		t.Error(err)
	}
	for _, inc := range all {
		if inc.Data != detect.Reconstruction || inc.Coverage.Level != "reduced" || len(inc.Coverage.Because) == 0 {
			t.Errorf("%s is %s with coverage %v", inc.ID, inc.Data, inc.Coverage)
		}
	}
}

// TestScenarioIsDeterministic plays a scenario of three collectors twice: the incidents are the same byte for byte.
func TestScenarioIsDeterministic(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(scenarioFolder, "full-coverage.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var runs [2]string
	for i := range runs {
		s, err := scenario.Parse("full-coverage.txt", text)
		if err != nil {
			t.Fatal(err)
		}
		m, err := runScenario(context.Background(), s, detect.DefaultConfig(), signal.DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		for _, inc := range m.Engine().Incidents() {
			line, err := inc.JSON()
			if err != nil {
				t.Fatal(err)
			}
			runs[i] += string(line) + "\n"
		}
	}
	if runs[0] != runs[1] || runs[0] == "" {
		t.Errorf("two runs differ:\n%s\n%s", runs[0], runs[1])
	}
}

// TestScenarioWithoutPlaces falls back on the built-in tables: 192.0.2.0/24 and its neighbours are nobody's, 193.0.0.0/21 is in NL.
func TestScenarioWithoutPlaces(t *testing.T) {
	s, err := scenario.Parse("places.txt", []byte(`corewatch scenario 1
reason   the built-in tables decide where there is no country line
start    2026-01-01T00:00:00Z
peers    all rc0 AS64601..AS64624
prefixes p AS3333 193.0.0.0/21
prefixes w AS65001 192.0.2.0/24
+0s      table all p,w
+0s      alive all 20s
+5m      withdraw all p
+20m     end
expect   outage network:AS3333 open
`))
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	m, err := runScenario(context.Background(), s, detect.DefaultConfig(), signal.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	m.OnSample = func(x detect.Sample) { seen = append(seen, x.Entity) }
	m.Tick(s.End + 60*second)
	if !slices.Contains(seen, "country:NL") || slices.Contains(seen, "country:") {
		t.Errorf("countries of the run: %v", seen)
	}
	for _, err := range s.Check(m.Engine().Incidents()) {
		t.Error(err)
	}
}

// TestScenarioOfTheDocs plays the worked example of docs/scenarios.md.
func TestScenarioOfTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(page), "```\n"+scenario.Magic)
	text, _, closed := strings.Cut(text, "```")
	if !ok || !closed {
		t.Fatal("docs/scenarios.md holds no worked example")
	}
	s, err := scenario.Parse("docs/scenarios.md", []byte(scenario.Magic+text))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range verdict(t, s, detect.DefaultConfig(), signal.DefaultConfig()) {
		t.Error(err)
	}
}

// decideNothing are numbers of the configurations that no verdict depends on, with what they are for.
var decideNothing = map[string]string{
	"detect.UnstableShare":   "how a page shows an entity",
	"signal.RetireAfter":     "how long a lost prefix stays in memory and in the denominators: longer than any scenario here",
	"signal.TraceWindow":     "which messages become evidence",
	"signal.SampleHeartbeat": "how often a sample is stored",
}

// weeksLong are numbers that decide only after weeks, which no scenario lasts. The stories of detect/band_test.go live through them by the
// minute, and change each of these numbers.
var weeksLong = []string{"BandWeeks", "BandDays", "BandHistory", "BandQuantile", "BandMADFactor", "CountryCap", "NetworkCap"}

// TestEveryNumberIsARule: a number added to a configuration needs a rule above, and with it a scenario, or a word why not.
func TestEveryNumberIsARule(t *testing.T) {
	changed := map[string]bool{}
	stories, err := os.ReadFile("../../detect/band_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range weeksLong {
		changed["detect."+name] = regexp.MustCompile(`c\.` + name + `\b[^{}]*= `).Match(stories)
	}
	for _, r := range rules {
		engine, peers := detect.DefaultConfig(), signal.DefaultConfig()
		r.drop(&engine, &peers)
		for name := range differing(engine, detect.DefaultConfig()) {
			changed["detect."+name] = true
		}
		for name := range differing(peers, signal.DefaultConfig()) {
			changed["signal."+name] = true
		}
	}
	for pkg, config := range map[string]any{"detect.": detect.Config{}, "signal.": signal.Config{}} {
		for i := range reflect.TypeOf(config).NumField() {
			name := pkg + reflect.TypeOf(config).Field(i).Name
			if _, exempt := decideNothing[name]; exempt == changed[name] {
				t.Errorf("%s: a rule drops it: %v; said to decide nothing: %v; want one of the two", name, changed[name], exempt)
			}
		}
	}
}

// differing yields the names of the fields in which two configurations of one type differ.
func differing(a, b any) iter.Seq[string] {
	return func(yield func(string) bool) {
		x, y := reflect.ValueOf(a), reflect.ValueOf(b)
		for i := range x.NumField() {
			if !x.Field(i).Equal(y.Field(i)) && !yield(x.Type().Field(i).Name) {
				return
			}
		}
	}
}

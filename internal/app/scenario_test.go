package app

import (
	"context"
	"os"
	"path/filepath"
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

// TestScenarios plays every phenomenon to the published method.
func TestScenarios(t *testing.T) {
	for _, s := range loadScenarios(t) {
		t.Run(strings.TrimSuffix(s.Name, ".txt"), func(t *testing.T) {
			t.Parallel()
			for _, err := range verdict(t, s, detect.DefaultConfig(), signal.DefaultConfig()) {
				t.Error(err)
			}
		})
	}
}

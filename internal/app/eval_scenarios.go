package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/eval"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/detect/signal"
)

// scenarios plays every scenario file and judges what was found by the file's own expectations.
func (e Eval) scenarios(ctx context.Context) (*evalResult, error) {
	paths, err := filepath.Glob(filepath.Join(e.Scenarios, "*.txt"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("no scenario (*.txt) in %s: name their folder with --scenarios", e.Scenarios)
	}
	r := &evalResult{About: "One named phenomenon a file (docs/scenarios.md): what must be found, what must not, and when. An incident that no line of the file expects fails it."}
	t := eval.Table{Title: "scenarios", Columns: []string{"verdict", "what it shows"}}
	good := eval.Ratio{}
	bar := e.progress("scenarios", int64(len(paths)))
	defer bar.done()
	for i, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading a scenario: %w", err)
		}
		s, err := scenario.Parse(filepath.Base(path), text)
		if err != nil {
			return nil, err
		}
		m, err := runScenario(ctx, s, detect.DefaultConfig(), signal.DefaultConfig())
		if err != nil {
			return nil, err
		}
		verdict := "holds"
		bad := s.Check(m.Engine().Incidents())
		good.Of++
		if len(bad) > 0 {
			verdict = "FAILS"
			for _, b := range bad {
				r.Differs = append(r.Differs, b.Error())
			}
		} else {
			good.N++
		}
		t.Add(strings.TrimSuffix(s.Name, ".txt"), eval.Text(verdict), eval.Text(s.Reason))
		bar.at(int64(i + 1))
	}
	t.Add("all", good, eval.Text(""))
	r.Tables = append(r.Tables, t)
	return r, nil
}

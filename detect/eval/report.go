package eval

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/corewatch/corewatch/detect"
)

// Report is one table: what several methods made of the same truth.
type Report struct {
	Suite  string      `json:"suite"`
	Kind   string      `json:"kind"` // of the entities: "country" or "network"
	From   detect.Time `json:"from,omitzero"`
	Until  detect.Time `json:"until,omitzero"`
	Events int         `json:"events"`       // of the truth in that time
	Minor  int         `json:"minor_events"` // beside them, those nobody must find
	Scores []Score     `json:"scores"`
}

// Compare scores the methods on the events of one kind of entity. Events and alerts of other kinds are left out.
func Compare(suite, kind string, events []Event, methods []Method, o Options) Report {
	r := Report{Suite: suite, Kind: kind}
	if o.Until > o.From {
		r.From, r.Until = detect.At(o.From.Time()), detect.At(o.Until.Time())
	}
	var mine []Event
	for _, e := range events {
		if e.Entity.Type != kind {
			continue
		}
		mine = append(mine, e)
		switch {
		case !o.within(e.Start):
		case e.Minor:
			r.Minor++
		default:
			r.Events++
		}
	}
	for _, m := range methods {
		var alerts []Alert
		for _, a := range m.Alerts {
			if a.Entity.Type == kind {
				alerts = append(alerts, a)
			}
		}
		r.Scores = append(r.Scores, Evaluate(mine, Method{m.Name, alerts, m.Brief}, o))
	}
	return r
}

// JSON is the stable form: keys in this order, numbers with at most four decimals, no final newline. The same figures give the
// same bytes.
func (r *Report) JSON() ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("report of %s as JSON: %w", r.Suite, err)
	}
	return b, nil
}

// rows are the lines of the table.
var rows = []struct {
	name string
	cell func(s *Score) fmt.Stringer
}{
	{"recall", func(s *Score) fmt.Stringer { return s.Recall }},
	{"... or told as a wave", func(s *Score) fmt.Stringer { return s.Waves }},
	{"... or while one was open", func(s *Score) fmt.Stringer { return s.Inside }},
	{"precision", func(s *Score) fmt.Stringer { return s.Precision }},
	{"false alarms", func(s *Score) fmt.Stringer { return s.FalseAlarms }},
	{"start to alert", func(s *Score) fmt.Stringer { return s.StartToRaised }},
	{"start to published", func(s *Score) fmt.Stringer { return s.StartToPublished }},
	{"start to word of a wave", func(s *Score) fmt.Stringer { return s.StartToWave }},
	{"first withdrawal to t0", func(s *Score) fmt.Stringer { return s.FirstToCrossed }},
	{"t0 to alert", func(s *Score) fmt.Stringer { return s.CrossedToRaised }},
	{"start interval holds start", func(s *Score) fmt.Stringer { return s.StartCovered }},
	{"... holds first withdrawal", func(s *Score) fmt.Stringer { return s.FirstCovered }},
	{"start interval width", func(s *Score) fmt.Stringer { return s.Width }},
	{"end error", func(s *Score) fmt.Stringer { return s.EndError }},
	{"retracted", func(s *Score) fmt.Stringer { return s.Retracted }},
	{"too small to judge", func(s *Score) fmt.Stringer { return Count(s.Small) }},
}

// Table is the figures without the disagreements, methods side by side. Delays are median / 95th percentile; bounds in brackets are
// one-sided at 95 %.
func (r *Report) Table() Table {
	t := Table{Title: fmt.Sprintf("%s, %s: %d events, %d minor", r.Suite, r.Kind, r.Events, r.Minor)}
	if !r.From.IsZero() {
		t.Title += fmt.Sprintf(", %s to %s", r.From, r.Until)
	}
	for i := range r.Scores {
		t.Columns = append(t.Columns, r.Scores[i].Method)
	}
	for _, row := range rows {
		line := Row{Name: row.name}
		for i := range r.Scores {
			line.Cells = append(line.Cells, row.cell(&r.Scores[i]))
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}

// WriteText writes the table, and below it the disagreements of every method: each one, or their number where the method is Brief.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	t := r.Table()
	t.text(&b)
	for i := range r.Scores {
		s := &r.Scores[i]
		b.WriteString("\n" + s.Summary() + "\n")
		if s.brief {
			continue
		}
		var list [][]string
		for _, d := range s.Disagreements {
			line := d.Line()
			list = append(list, append([]string{"  " + line[0]}, line[1:]...))
		}
		writeColumns(&b, list)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write report of %s: %w", r.Suite, err)
	}
	return nil
}

// Listed reports whether the method's disagreements are to be listed one by one in text.
func (s *Score) Listed() bool { return !s.brief }

// Summary is the line above a list of disagreements.
func (s *Score) Summary() string {
	text := fmt.Sprintf("%s: %d disagreements", s.Method, len(s.Disagreements))
	if len(s.Disagreements) == 0 {
		return text
	}
	var parts []string
	for _, what := range []string{"missed", "wave", "false", "start", "retracted"} {
		n, of := 0, map[string]bool{}
		for _, d := range s.Disagreements {
			if d.What == what {
				n++
				of[d.Entity.Key()] = true
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s of %d entities", n, what, len(of)))
		}
	}
	text += " (" + strings.Join(parts, ", ") + ")"
	if s.brief {
		text += ", each with --json"
	}
	return text
}

// Line is the disagreement in columns: what, entity, signal, from, until, alert, detail.
func (d Disagreement) Line() []string {
	return []string{d.What, d.Entity.Key(), d.Signal, d.From.String(), d.Until.String(), d.Alert, d.Detail}
}

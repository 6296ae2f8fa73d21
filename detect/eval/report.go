package eval

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

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
		r.Scores = append(r.Scores, Evaluate(mine, Method{m.Name, alerts}, o))
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
	{"precision", func(s *Score) fmt.Stringer { return s.Precision }},
	{"false alarms", func(s *Score) fmt.Stringer { return s.FalseAlarms }},
	{"start to alert", func(s *Score) fmt.Stringer { return s.StartToRaised }},
	{"start to published", func(s *Score) fmt.Stringer { return s.StartToPublished }},
	{"first withdrawal to t0", func(s *Score) fmt.Stringer { return s.FirstToCrossed }},
	{"t0 to alert", func(s *Score) fmt.Stringer { return s.CrossedToRaised }},
	{"start interval holds start", func(s *Score) fmt.Stringer { return s.StartCovered }},
	{"... holds first withdrawal", func(s *Score) fmt.Stringer { return s.FirstCovered }},
	{"start interval width", func(s *Score) fmt.Stringer { return s.Width }},
	{"end error", func(s *Score) fmt.Stringer { return s.EndError }},
	{"retracted", func(s *Score) fmt.Stringer { return s.Retracted }},
}

// WriteText writes the table, methods side by side, and below it every disagreement of every method. Delays are median / 95th
// percentile; bounds in brackets are one-sided at 95 %.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s: %d events, %d minor", r.Suite, r.Kind, r.Events, r.Minor)
	if !r.From.IsZero() {
		fmt.Fprintf(&b, ", %s to %s", r.From, r.Until)
	}
	b.WriteString("\n\n")
	table := [][]string{{""}}
	for i := range r.Scores {
		table[0] = append(table[0], r.Scores[i].Method)
	}
	for _, row := range rows {
		line := []string{row.name}
		for i := range r.Scores {
			line = append(line, row.cell(&r.Scores[i]).String())
		}
		table = append(table, line)
	}
	writeColumns(&b, table)
	for i := range r.Scores {
		s := &r.Scores[i]
		fmt.Fprintf(&b, "\n%s: %d disagreements\n", s.Method, len(s.Disagreements))
		var list [][]string
		for _, d := range s.Disagreements {
			list = append(list, []string{"  " + d.What, d.Entity.Key(), d.Signal, d.From.String(), d.Until.String(), d.Alert, d.Detail})
		}
		writeColumns(&b, list)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write report of %s: %w", r.Suite, err)
	}
	return nil
}

// writeColumns aligns the cells and drops columns that are empty throughout.
func writeColumns(b *strings.Builder, table [][]string) {
	var width []int
	for _, line := range table {
		for i, cell := range line {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range table {
		var text strings.Builder
		for i, cell := range line {
			if width[i] == 0 {
				continue
			}
			if i > 0 {
				text.WriteString("  ")
			}
			text.WriteString(cell)
			text.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString(strings.TrimRight(text.String(), " "))
		b.WriteString("\n")
	}
}

package scenario

import (
	"fmt"
	"strings"

	"github.com/corewatch/corewatch/detect"
)

// Check compares what was found with what the file expects. Every expect line must match the incident of its kind and entity (the
// second line of an entity the second incident, in order of start), and every incident must be named by a line. Each error
// names the file and line, what was expected and what was found; none means that the scenario holds.
func (s *Scenario) Check(incidents []*detect.Incident) (bad []error) {
	used := make([]bool, len(incidents))
	find := func(x *expectation) *detect.Incident {
		for i, inc := range incidents {
			if !used[i] && inc.Kind == x.kind && inc.Entity.Key() == x.entity {
				used[i] = true
				return inc
			}
		}
		return nil
	}
	for _, x := range s.expects {
		inc := find(x)
		if inc == nil {
			bad = append(bad, fmt.Errorf("%s:%d: expected %s of %s, found %s", s.Name, x.line, x.kind, x.entity, list(incidents)))
			continue
		}
		for _, c := range x.clauses {
			if found := c.test(incidents, inc); found != "" {
				bad = append(bad, fmt.Errorf("%s:%d: %s of %s: expected %s, found: %s", s.Name, x.line, x.kind, x.entity, c.text, found))
			}
		}
	}
	for i, inc := range incidents {
		if !used[i] {
			bad = append(bad, fmt.Errorf("%s: found %s of %s, which no line expects: %q, %s", s.Name, inc.Kind, inc.Entity.Key(), inc.Title, life(inc)))
		}
	}
	return bad
}

// list names what was found, in one line.
func list(incidents []*detect.Incident) string {
	if len(incidents) == 0 {
		return "nothing"
	}
	var b strings.Builder
	for i, inc := range incidents {
		if i == 10 {
			fmt.Fprintf(&b, ", and %d more", len(incidents)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s of %s", inc.Kind, inc.Entity.Key())
	}
	return b.String()
}

// life is the story of an incident in one line.
func life(inc *detect.Incident) string {
	var b strings.Builder
	for i, r := range inc.Revisions {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", r.Change, r.At)
	}
	return b.String()
}

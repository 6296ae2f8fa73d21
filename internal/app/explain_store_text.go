package app

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// text writes the explanation for a person at a terminal.
func (e *storedExplanation) text(w io.Writer) error {
	var b bytes.Buffer
	name := e.Entity.Key()
	if e.Entity.Name != "" {
		name += " (" + e.Entity.Name + ")"
	}
	fmt.Fprintf(&b, "%s at %s, from what the store keeps (%s)\n", name, e.At, e.Data)
	fmt.Fprintf(&b, "The records are not replayed: %s.\n\n", e.Why)
	fmt.Fprintf(&b, "%s: %s\n", strings.ToUpper(strings.ReplaceAll(e.Verdict, "_", " ")), e.Because)
	for _, s := range e.Signals {
		fmt.Fprintf(&b, "\n%s, sample of %s%s\n", s.Signal, s.At, onlyIf(s.NoData, ": no data"))
		fmt.Fprintf(&b, "  expected      %d prefixes, %d units\n", s.Prefixes, s.Expected)
		fmt.Fprintf(&b, "  lost          %d prefixes, %d units; the lowest of the last minutes %d prefixes\n", s.LostPrefixes, s.Lost, s.Base)
		fmt.Fprintf(&b, "  unobservable  %d units%s\n", s.Unobservable, onlyIf(s.Unstable, ": UNSTABLE, more than can be called normal"))
		fmt.Fprintf(&b, "  voters        %d networks\n", s.Voting)
	}
	if e.Incident != nil {
		fmt.Fprintf(&b, "\nincident %s, revision %d as it was then\n  %s\n", e.Incident.ID, e.Incident.Revision, e.Incident.Title)
		for _, r := range e.Incident.Revisions {
			fmt.Fprintf(&b, "  %s  %s: %s\n", r.At, r.Change, r.Reason)
		}
	}
	if len(e.Later) > 0 {
		fmt.Fprintf(&b, "\nafterwards\n")
		for _, a := range e.Later {
			fmt.Fprintf(&b, "  %s  %s\n", a.At, a.What)
		}
	}
	if len(e.Members) > 0 {
		fmt.Fprintf(&b, "\nmembers: %d lost then; from %d raw messages up to then\n", e.Lost, e.Messages)
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, m := range e.Members[:min(most, len(e.Members))] {
			fmt.Fprintf(t, "  %s\tAS%d\t%d of %d voters had withdrawn\t%d sessions%s\tlost %s%s\n", m.Prefix, m.Origin, m.Withdrawn, m.Expected, m.Sessions,
				onlyIf(!m.First.IsZero(), ", first "+m.FirstPeer+" at "+m.First.String()), m.LostAt, onlyIf(m.MovedFrom != 0, fmt.Sprintf(", moved from AS%d", m.MovedFrom)))
		}
		t.Flush()
		if n := len(e.Members) - most; n > 0 {
			fmt.Fprintf(&b, "  and %d more\n", n)
		}
	}
	fmt.Fprintf(&b, "\ncannot be told without the records\n")
	for _, n := range e.NotTold {
		fmt.Fprintf(&b, "  %s\n", n)
	}
	_, err := w.Write(b.Bytes())
	return err
}

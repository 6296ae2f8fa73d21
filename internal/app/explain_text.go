package app

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// text writes the explanation for a person at a terminal.
func (e *explanation) text(w io.Writer) error {
	var b bytes.Buffer
	name := e.Entity.Key()
	if e.Entity.Name != "" {
		name += " (" + e.Entity.Name + ")"
	}
	fmt.Fprintf(&b, "%s at %s, from records since %s (%s%s)\n\n", name, e.At, e.From, e.Data, onlyIf(e.Checked > 0, fmt.Sprintf("; the %d files of the store, as they were", e.Checked)))
	fmt.Fprintf(&b, "%s: %s\n", strings.ToUpper(strings.ReplaceAll(e.Verdict, "_", " ")), e.Because)
	for i := range e.Signals {
		e.Signals[i].text(&b)
	}
	if len(e.After) > 0 {
		fmt.Fprintf(&b, "\nafterwards\n")
		for _, a := range e.After {
			fmt.Fprintf(&b, "  %s  %s\n", a.At, a.What)
		}
	}
	if len(e.WouldChange) > 0 {
		fmt.Fprintf(&b, "\nwhat would have changed it (each branch of a floor is enough)\n")
		for _, c := range e.WouldChange {
			fmt.Fprintf(&b, "  %s\n", c)
		}
	}
	e.peers(&b)
	_, err := w.Write(b.Bytes())
	return err
}

func (s *signalReport) text(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n%s\n", s.Signal)
	p := s.Prefixes
	fmt.Fprintf(b, "  expected      %d prefixes, %d %s\n", p.Expected, s.Units.Expected, s.Unit)
	fmt.Fprintf(b, "  lost          %d prefixes (%d of them deaggregated), %d %s, %d origins; level %s\n", p.Lost, p.Deaggregated, s.Units.Lost, s.Unit, s.Origins, percent(s.Level))
	fmt.Fprintf(b, "  before        %d prefixes, %d %s: the lowest of the last minutes, from which floors measure\n", p.Base, s.Units.Base, s.Unit)
	fmt.Fprintf(b, "  unobservable  %d prefixes, %d %s%s\n", p.Unobservable, s.Units.Unobservable, s.Unit, onlyIf(s.Unstable, ": UNSTABLE, more than can be called normal"))
	if p.Moved > 0 {
		fmt.Fprintf(b, "  moved         %d prefixes live on under another origin\n", p.Moved)
	}
	fmt.Fprintf(b, "  voters        %d of %d networks (%d sessions), %d masked; coverage %s %s\n", s.ASNs.Voting, s.ASNs.Expected, s.ASNs.Sessions, s.ASNs.Masked, s.Coverage.Level, strings.Join(s.Coverage.Because, " "))
	if p.Lost > 0 {
		fmt.Fprintf(b, "  mean loss     %s of the voters withdrew the lost prefixes\n", percent(s.MeanLoss))
	}
	if s.Factor != 1 {
		fmt.Fprintf(b, "  learning      the shares of the floors are %g times higher\n", s.Factor)
	}
	if s.Band > 0 {
		fmt.Fprintf(b, "  usual         up to %s\n", percent(s.Band))
	}
	if !s.T0.IsZero() {
		fmt.Fprintf(b, "  t0            %s (%s)\n", s.T0, s.Branch)
	}
	fmt.Fprintf(b, "  floors\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, x := range s.Tests {
		verdict := "holds"
		if !x.Holds {
			verdict = fmt.Sprintf("%.0f short", math.Ceil(x.Missing))
		}
		fmt.Fprintf(t, "    %s\t%s\t%.0f of %.0f\t%s\n", x.Branch, x.What, x.Have, math.Ceil(x.Need), verdict)
	}
	t.Flush()
	for _, x := range s.Explanations {
		name := strings.TrimSpace(x.Entity.Code + " " + x.Entity.Name)
		fmt.Fprintf(b, "  explained by  %s %s: %s of what is lost, and %s of it was lost\n", x.Entity.Type, name, percent(x.Recall), percent(x.Precision))
	}
	list(b, "lost", s.Lost)
	list(b, "nearly lost", s.Near)
	list(b, "unobservable", s.Unobservable)
}

func onlyIf(yes bool, s string) string {
	if yes {
		return s
	}
	return ""
}

// most is how many prefixes the text names of each list; the JSON has more.
const most = 8

func list(b *bytes.Buffer, what string, rows []rowReport) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "  %s\n", what)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, r := range rows[:min(most, len(rows))] {
		fmt.Fprintf(t, "    %s\tAS%d\t%d of %d voters withdrew\t%s%s%s\n", r.Prefix, r.Origin, r.Withdrawn, r.Expected,
			onlyIf(!r.Since.IsZero(), "since "+r.Since.String()), onlyIf(r.Deaggregated, ", deaggregated"), onlyIf(r.Muted > 0, fmt.Sprintf(", %d flap", r.Muted)))
	}
	t.Flush()
	if n := len(rows) - most; n > 0 {
		fmt.Fprintf(b, "    and %d more\n", n)
	}
}

// peers lists the sessions: those that do not vote first, then by what they withdrew.
func (e *explanation) peers(b *bytes.Buffer) {
	list := slices.Clone(e.Peers)
	withdrew := func(p peerReport) (n int) {
		for _, c := range p.Cells {
			n += c.Withdrawn
		}
		return n
	}
	healthy := func(p peerReport) int {
		if p.State == "up" {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(list, func(x, y peerReport) int {
		return cmp.Or(cmp.Compare(healthy(x), healthy(y)), cmp.Compare(withdrew(y), withdrew(x)))
	})
	fmt.Fprintf(b, "\npeers (of its prefixes: expected or presumed to carry, announce, withdrew)\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, p := range list {
		fmt.Fprintf(t, "  %s\t%s", p.Peer, p.State)
		for _, s := range e.Signals {
			c, ok := p.Cells[s.Signal]
			if !ok {
				fmt.Fprintf(t, "\t")
				continue
			}
			fmt.Fprintf(t, "\t%s %d, %d, %d%s%s", strings.TrimPrefix(s.Signal, "bgp."), c.Expected+c.Presumed, c.Announced, c.Withdrawn, onlyIf(c.Muted > 0, fmt.Sprintf(", %d flap", c.Muted)), onlyIf(!c.Votes, ", no vote"))
		}
		fmt.Fprintf(t, "\t%s\n", p.Note)
	}
	t.Flush()
}

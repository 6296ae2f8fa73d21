package app

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/corewatch/corewatch/detect"
)

// The verdicts: what stood about the entity at the instant. docs/explain.md lists them.
const (
	verdictIncident     = "incident"     // an incident was open
	verdictCrossed      = "crossed"      // above a floor, and a hold was not over
	verdictPaused       = "paused"       // no collector spoke
	verdictSettling     = "settling"     // something is lost, in the first half hour without a table dump
	verdictBand         = "below_band"   // above a floor, and not above what is usual at that hour
	verdictUnobservable = "unobservable" // too little could be judged
	verdictBelow        = "below_floor"
	verdictQuiet        = "quiet" // nothing was lost beyond what had been lost before
)

// conclude says what decided, and what would have changed it.
func (e *explanation) conclude(cfg detect.Config) {
	main := e.main()
	switch {
	case e.Incident != nil && !e.Incident.SuspectedAt.After(e.At.Time):
		e.Verdict = verdictIncident
		e.Because = "an incident was open: " + e.standing()
	case main == nil:
		e.Verdict, e.Because = verdictQuiet, "no prefix of it was counted yet"
	case e.Paused:
		e.Verdict, e.Because = verdictPaused, "every collector was silent: its clock stands, nothing opens and nothing closes"
	case main.Settling && main.Prefixes.Lost > 0:
		e.Verdict = verdictSettling
		e.Because = fmt.Sprintf("%d of %d observable prefixes are lost, but the run began without a table dump and is in its first half hour: nothing opens, and what is lost is taken as lost before", main.Prefixes.Lost, main.Prefixes.Expected)
	case main.Crossed:
		e.Verdict = verdictCrossed
		e.Because = fmt.Sprintf("the floor (%s) was crossed at %s; an incident opens when that lasts %d s", main.Branch, main.T0, cfg.SuspectAfter)
		if e.Incident != nil {
			e.Because += ", and it did: " + e.Incident.ID
		}
	case main.Branch == "band":
		e.Verdict = verdictBand
		e.Because = fmt.Sprintf("the floor is crossed, but a level of %s is not above what is usual for it at this hour (%s)", percent(main.Level), percent(main.Band))
	case !main.Tests[0].Holds && main.Tests[0].Branch == "any":
		e.Verdict = verdictUnobservable
		e.Because = fmt.Sprintf("only %d of %d units can be judged: neither up nor down", main.Units.Expected, main.Units.Expected+main.Units.Unobservable)
	case main.Prefixes.Lost <= main.Prefixes.Base:
		e.Verdict = verdictQuiet
		e.Because = fmt.Sprintf("%d of %d observable prefixes are lost, no more than lately", main.Prefixes.Lost, main.Prefixes.Expected)
	default:
		e.Verdict = verdictBelow
		e.Because = fmt.Sprintf("%d of %d observable prefixes are lost, %d of them newly, and no branch of the floor is crossed", main.Prefixes.Lost, main.Prefixes.Expected, main.Prefixes.Lost-main.Prefixes.Base)
	}
	for i := range e.Signals {
		e.change(&e.Signals[i], cfg)
	}
}

// main is the signal nearest to an alert.
func (e *explanation) main() *signalReport {
	rank := func(s *signalReport) float64 {
		switch {
		case s.Crossed:
			return 3 + float64(s.Level)
		case s.Branch == "band":
			return 2
		case s.Prefixes.Expected > 0:
			return 1 + float64(s.Level)
		}
		return 0
	}
	var best *signalReport
	for i := range e.Signals {
		if s := &e.Signals[i]; best == nil || rank(s) > rank(best) {
			best = s
		}
	}
	return best
}

// standing is the state of the incident at the instant, from its revisions.
func (e *explanation) standing() string {
	last := e.Incident.Revisions[0]
	for _, r := range e.Incident.Revisions {
		if !r.At.After(e.At.Time) {
			last = r
		}
	}
	return fmt.Sprintf("%s, %s since %s (%s)", e.Incident.ID, last.State, last.At, last.Reason)
}

// change adds what would have changed the outcome as far as a signal goes.
func (e *explanation) change(s *signalReport, cfg detect.Config) {
	add := func(format string, args ...any) {
		e.WouldChange = append(e.WouldChange, s.Signal+": "+fmt.Sprintf(format, args...))
	}
	if e.Verdict != verdictIncident && !s.Crossed {
		for _, branch := range s.branches() {
			add("%s: %s", branch, strings.Join(s.missing(branch), ", and "))
		}
		if s.unlearned {
			add("a table dump (--seed), or 12 h of feed before: while the feed is learning, the shares of the floors are %g times higher", s.Factor)
		}
	}
	if s.Settling {
		add("a table dump (--seed), or half an hour of feed before: nothing opens in the first half hour of a feed without a dump")
	}
	if s.Branch == "band" {
		add("a level above %s", percent(s.Band))
	}
	if m := s.Masked; m != nil && (m.Lost != s.Prefixes.Lost || m.Prefixes != s.Prefixes.Expected) {
		add("%d sessions do not vote; by what they said last, %d of %d prefixes would be lost", m.Sessions, m.Lost, m.Prefixes)
	}
	if n := len(s.Near); n > 0 {
		add("%s%d prefixes are withdrawn by a quarter of their voters or more, and are not lost", atLeast(n), n)
	}
	if s.Crossed && s.small {
		add("at least 10 networks with a full feed: on fewer, nothing is confirmed")
	}
	if s.Crossed && s.Prefixes.Lost > 0 && float64(s.MeanLoss) < cfg.ConfirmMeanLoss {
		add("a mean loss of %.0f %%, not %s: a confirmation asks that the voters agree", 100*cfg.ConfirmMeanLoss, percent(s.MeanLoss))
	}
}

func atLeast(n int) string {
	if n >= 100 { // the list is cut there
		return "at least "
	}
	return ""
}

// branches are the branches of the floor, that which lacks least first.
func (s *signalReport) branches() (out []string) {
	lack := map[string]float64{}
	for _, t := range s.Tests {
		if !slices.Contains(out, t.Branch) {
			out = append(out, t.Branch)
		}
		if t.Missing > 0 {
			lack[t.Branch] = max(lack[t.Branch], t.Missing/max(1, t.Need))
		}
	}
	out = slices.DeleteFunc(out, func(b string) bool { return lack[b] == 0 })
	slices.SortStableFunc(out, func(a, b string) int {
		switch {
		case lack[a] < lack[b]:
			return -1
		case lack[a] > lack[b]:
			return 1
		}
		return 0
	})
	return out
}

// missing says of each test of a branch that fails by how much.
func (s *signalReport) missing(branch string) (out []string) {
	for _, t := range s.Tests {
		if t.Branch == branch && !t.Holds {
			out = append(out, fmt.Sprintf("%.0f more (%s: %.0f of %.0f)", math.Ceil(t.Missing), t.What, t.Have, math.Ceil(t.Need)))
		}
	}
	return out
}

func percent(s detect.Share) string { return fmt.Sprintf("%.1f %%", 100*float64(s)) }

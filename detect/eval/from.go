package eval

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/eval/rival"
	"github.com/corewatch/corewatch/detect/eval/truth"
)

// Level is how sure our method must have been for an incident to count as its alert.
type Level string

// The levels. An incident retracted afterwards was an alert all the same.
const (
	Suspected Level = "suspected"
	Confirmed Level = "confirmed"
)

// says are the changes of revisions that say that the loss is there, or there again.
var says = []string{"opened", "confirmed", "partial", "relapsed", "size", "episode", "wave"}

// FromIncidents makes alerts of our method's outages, each in its last revision, that reached the level. Every later episode of
// an incident is an alert of its own: it begins at the episode's start and is raised by the revision that announces it.
func FromIncidents(incidents []*detect.Incident, level Level) (alerts []Alert) {
	for _, inc := range incidents {
		raised := inc.SuspectedAt
		if level == Confirmed {
			raised = inc.ConfirmedAt
		}
		if inc.Kind != detect.Outage || raised.IsZero() {
			continue
		}
		a := Alert{
			ID: inc.ID, Entity: inc.Entity,
			Earliest: micros(inc.Start.Earliest), Latest: micros(inc.Start.Latest), Crossed: micros(inc.Start.Latest),
			Raised: micros(raised), Published: micros(raised), Retracted: inc.State == detect.Retracted, Detail: inc.Title,
		}
		if inc.End != nil {
			a.End = micros(inc.End.Time)
		}
		for _, s := range inc.Signals {
			a.Signals = append(a.Signals, s.Signal)
		}
		if len(inc.Signals) > 0 {
			p := inc.Signals[0].Prefixes
			a.Size, a.Detail = p.Lost, fmt.Sprintf("%d of %d prefixes", p.Lost, p.Expected)
		}
		for _, r := range inc.Revisions {
			if at := micros(r.At); at >= a.Raised && slices.Contains(says, r.Change) {
				a.Told = append(a.Told, at)
			}
		}
		alerts = append(alerts, a)
		a.Told = nil
		for n, e := range inc.Episodes {
			if n == 0 {
				continue
			}
			if at := episodeRaised(inc, e); at != 0 && at >= a.Raised {
				again := a
				again.ID = inc.ID + "/episode-" + strconv.Itoa(n+1)
				again.Earliest, again.Latest, again.Crossed = micros(e.Start), micros(e.Start), micros(e.Start)
				if !e.Earliest.IsZero() {
					again.Earliest, again.Latest, again.Crossed = micros(e.Earliest), micros(e.Latest), micros(e.Latest)
				}
				again.Raised, again.Published, again.End = at, at, micros(e.End)
				again.Size = e.Prefixes
				again.Detail = fmt.Sprintf("episode, %d prefixes, peak %.1f %%", e.Prefixes, 100*float64(e.PeakLostShare))
				alerts = append(alerts, again)
			}
		}
	}
	return alerts
}

// episodeRaised is the time of the revision that announced the episode; 0 when there is none.
func episodeRaised(inc *detect.Incident, e detect.Episode) bgp.Micros {
	for _, r := range inc.Revisions {
		if r.Change == "episode" && !r.At.Before(e.Start.Time) {
			return micros(r.At)
		}
	}
	return 0
}

func micros(t detect.Time) bgp.Micros { return bgp.Micros(t.Micros()) }

// FromTruth makes events of a derived truth. minor says which of them nobody must find; nil says none.
func FromTruth(found []truth.Event, minor func(*truth.Event) bool) (events []Event) {
	for i := range found {
		t := &found[i]
		e := Event{
			Entity: detect.Entity{Type: t.Kind, Code: t.Code}, Signal: signalOf(t.Family),
			First: bgp.Micros(t.First), Start: bgp.Micros(t.Start), Recovered: bgp.Micros(t.Recovered),
			Minor:  minor != nil && minor(t),
			Detail: fmt.Sprintf("%d of %d prefixes dark, %d covered, %d origins", t.Dark, t.Total, t.Covered, len(t.Origins)),
		}
		if t.Ending != truth.EndedRecord {
			e.End = bgp.Micros(t.End)
		}
		events = append(events, e)
	}
	return events
}

// FromRival makes alerts of a rule's. With a level, only those of that level.
func FromRival(found []rival.Alert, level string) (alerts []Alert) {
	for i, r := range found {
		if level != "" && r.Level != level {
			continue
		}
		detail := fmt.Sprintf("%d of %d blocks", r.Lost, r.Expected)
		if r.Expected == 0 {
			detail = fmt.Sprintf("%d prefixes", r.Lost)
		}
		alerts = append(alerts, Alert{
			ID: r.Level + "-" + strconv.Itoa(i+1), Entity: detect.Entity{Type: r.Entity.Kind, Code: r.Entity.Code},
			Signals: []string{signalOf(r.Family)}, Earliest: r.Start, Latest: r.Raised, Crossed: 0,
			Raised: r.Raised, Published: r.Published, End: r.Ended, Size: int(r.Lost), Detail: detail,
		})
	}
	return alerts
}

func signalOf(family int) string {
	if family == 6 {
		return detect.BGPv6.String()
	}
	return detect.BGPv4.String()
}

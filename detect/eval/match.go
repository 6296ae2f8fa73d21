package eval

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// matching says which alert is about which event.
type matching struct {
	o      Options
	events []Event  // by start
	alerts []Alert  // by the end of their start interval
	best   []int    // by event: the alert that gives its delays; -1 when none
	joined []bool   // by event: found as the continuation of another
	wave   []told   // by event: otherwise, the alert that told of it
	inside []string // by event: the alert that was open when it began
	about  []bool   // by alert: about an event
}

func newMatching(events []Event, alerts []Alert, o Options) *matching {
	m := &matching{o: o, events: slices.Clone(events), alerts: slices.Clone(alerts)}
	slices.SortStableFunc(m.events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Entity.Key(), b.Entity.Key()), cmp.Compare(a.Signal, b.Signal))
	})
	slices.SortStableFunc(m.alerts, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(a.begun(), b.begun()), cmp.Compare(a.Entity.Key(), b.Entity.Key()), cmp.Compare(a.ID, b.ID))
	})
	m.best, m.joined, m.about = make([]int, len(events)), make([]bool, len(events)), make([]bool, len(alerts))
	m.wave, m.inside = make([]told, len(events)), make([]string, len(events))
	byEntity := map[string][]int{}
	for i := range m.alerts {
		k := m.alerts[i].Entity.Key()
		byEntity[k] = append(byEntity[k], i)
	}
	covered := make([]bgp.Micros, len(alerts)) // end of the last event an alert covers
	for i := range m.events {
		m.best[i] = -1
		e := &m.events[i]
		of := byEntity[e.Entity.Key()]
		for _, j := range of {
			if a := &m.alerts[j]; a.fits(e) && m.begins(a, e) {
				m.about[j] = true
				covered[j] = max(covered[j], e.until())
				if a.begun() > e.Start+o.Late {
					continue
				}
				if m.best[i] < 0 || distance(a.begun(), e.Start) < distance(m.alerts[m.best[i]].begun(), e.Start) {
					m.best[i] = j
				}
			}
		}
		if m.best[i] >= 0 {
			continue
		}
		for _, j := range of {
			a := &m.alerts[j]
			open := a.begun() <= e.Start && (a.End == 0 || a.End >= e.Start)
			if m.about[j] && a.fits(e) && open && covered[j] != 0 && e.Start-covered[j] <= o.Join {
				m.joined[i] = true
				covered[j] = max(covered[j], e.until())
			}
			if open && a.fits(e) && m.inside[i] == "" {
				m.inside[i] = a.ID
			}
			if at := a.told(e, m.o.Late); at != 0 && a.fits(e) && open && (m.wave[i].at == 0 || at < m.wave[i].at) {
				m.wave[i] = told{at, a.ID}
			}
		}
	}
	return m
}

// told is when an alert told of an event, and which.
type told struct {
	at bgp.Micros
	id string
}

// told is the first word about the loss during the event; 0 when there is none.
func (a *Alert) told(e *Event, late bgp.Micros) bgp.Micros {
	for _, t := range a.Told {
		if t >= cmp.Or(e.First, e.Start) && t <= min(e.until(), e.Start+late) {
			return t
		}
	}
	return 0
}

// begun is the latest moment at which the alert can have started: the end of its start interval.
func (a *Alert) begun() bgp.Micros { return cmp.Or(a.Latest, a.Crossed, a.Raised) }

func (a *Alert) fits(e *Event) bool {
	return e.Signal == "" || len(a.Signals) == 0 || slices.Contains(a.Signals, e.Signal)
}

const forever = bgp.Micros(1 << 62)

func (e *Event) until() bgp.Micros {
	if e.End == 0 {
		return forever
	}
	return e.End
}

// begins reports whether the alert's start interval overlaps the event.
func (m *matching) begins(a *Alert, e *Event) bool {
	lo := cmp.Or(a.Earliest, a.begun())
	return lo-m.o.Tolerance <= e.until() && a.begun() >= cmp.Or(e.First, e.Start)-m.o.Tolerance
}

func distance(a, b bgp.Micros) bgp.Micros { return max(a-b, b-a) }

// whole cuts to seconds: incidents are printed so, and an interval must not miss a start by a fraction that nobody sees.
func whole(t bgp.Micros) bgp.Micros { return t - t%bgp.Second }

func (m *matching) score(name string) Score {
	s := Score{Method: name}
	s.FalseAlarms.Days = m.o.Days()
	for i := range m.events {
		e := &m.events[i]
		if e.Minor || !m.o.within(e.Start) {
			continue
		}
		s.Recall.Of++
		s.Waves.Of++
		s.Inside.Of++
		switch {
		case m.best[i] >= 0:
			s.Recall.N++
			s.Waves.N++
			m.times(&s, e, &m.alerts[m.best[i]])
		case m.joined[i]:
			s.Recall.N++
			s.Waves.N++
		case m.wave[i].at != 0:
			s.Waves.N++
			s.StartToWave.add(m.wave[i].at, e.Start)
			s.differ("wave", e.Entity, e.Signal, e.Start, e.End, m.wave[i].id, e.Detail+", told at "+detect.At(m.wave[i].at.Time()).String())
		default:
			s.differ("missed", e.Entity, e.Signal, e.Start, e.End, m.inside[i], e.Detail)
		}
		if m.best[i] >= 0 || m.joined[i] || m.wave[i].at != 0 || m.inside[i] != "" {
			s.Inside.N++
		}
	}
	for j := range m.alerts {
		a := &m.alerts[j]
		if !m.o.within(a.begun()) {
			continue
		}
		if !m.about[j] && a.Size > 0 && a.Size < m.o.MinSize {
			s.Small++
			continue
		}
		s.Precision.Of++
		s.Retracted.Of++
		if m.about[j] {
			s.Precision.N++
		} else {
			s.FalseAlarms.N++
			s.differ("false", a.Entity, a.signal(), a.begun(), a.End, a.ID, a.Detail)
		}
		if a.Retracted {
			s.Retracted.N++
			s.differ("retracted", a.Entity, a.signal(), a.begun(), a.End, a.ID, a.Detail)
		}
	}
	for _, p := range s.spreads() {
		p.settle()
	}
	slices.SortStableFunc(s.Disagreements, func(a, b Disagreement) int {
		return cmp.Or(a.From.Compare(b.From.Time), cmp.Compare(a.What, b.What), cmp.Compare(a.Entity.Key(), b.Entity.Key()), cmp.Compare(a.Alert, b.Alert))
	})
	return s
}

// times takes the delays of one event found.
func (m *matching) times(s *Score, e *Event, a *Alert) {
	s.StartToRaised.add(a.Raised, e.Start)
	s.StartToPublished.add(a.Published, e.Start)
	s.FirstToCrossed.add(a.Crossed, e.First)
	s.CrossedToRaised.add(a.Raised, a.Crossed)
	if a.End != 0 && e.Recovered != 0 {
		s.EndError.add(max(a.End, e.Recovered), min(a.End, e.Recovered))
	}
	if a.Earliest == 0 || a.Latest == 0 {
		return
	}
	s.Width.add(a.Latest, a.Earliest)
	holds := func(t bgp.Micros) bool { return whole(a.Earliest) <= whole(t) && whole(t) <= whole(a.Latest) }
	s.StartCovered.Of++
	if holds(e.Start) {
		s.StartCovered.N++
	} else {
		side, off := "after it", e.Start-a.Latest
		if e.Start < a.Earliest {
			side, off = "before it", a.Earliest-e.Start
		}
		s.differ("start", e.Entity, e.Signal, a.Earliest, a.Latest, a.ID, "the start lies "+seconds(off)+" "+side)
	}
	if e.First != 0 {
		s.FirstCovered.Of++
		if holds(e.First) {
			s.FirstCovered.N++
		}
	}
}

func (a *Alert) signal() string {
	if len(a.Signals) == 1 {
		return a.Signals[0]
	}
	return ""
}

func (s *Score) differ(what string, of detect.Entity, signal string, from, until bgp.Micros, alert, detail string) {
	d := Disagreement{What: what, Entity: of, Signal: signal, From: detect.At(from.Time()), Alert: alert, Detail: detail}
	if until != 0 {
		d.Until = detect.At(until.Time())
	}
	s.Disagreements = append(s.Disagreements, d)
}

func (s *Score) spreads() []*Spread {
	return []*Spread{&s.StartToRaised, &s.StartToPublished, &s.StartToWave, &s.FirstToCrossed, &s.CrossedToRaised, &s.Width, &s.EndError}
}

func seconds(d bgp.Micros) string {
	return strconv.FormatFloat(float64(d)/float64(bgp.Second), 'f', 0, 64) + " s"
}

// Package eval scores detectors: it compares the alerts of our method and of rivals' rules, made from the same input, with the
// events of a truth, and says how often, how fast and how exactly they agree. Every figure comes with its numerator and
// denominator, every disagreement is listed, and of what was never seen (no false alarm, no miss) the bound is given that the
// sample size allows.
//
// # When an alert is about an event
//
// Entity and signal must be the same, and the alert must have begun with the event: the interval in which it places its own start
// must overlap the event, widened by Tolerance (5 min) on both sides. An alert that happens to be open when another event of the
// entity begins is not about that one. There is one exception: an event that begins at most Join (15 min) after the end of the
// last one an open alert covers is taken as its continuation, for a method may rightly treat the two as one; it counts as found,
// and gives no delays. Where several alerts begin with one event, the one whose start lies nearest to the event's gives the delays,
// and none is a false alarm. An alert that begins more than Late (1 h) after the event's start, while the event lasts, is no false
// alarm either, and has not found it.
//
// Waves are counted beside that. An event that was not found is a wave when an alert of its entity had begun before it, was open, and
// told during it (between First and End, and within Late of Start) that the loss is there again: a reader of the alert knows of it, and when. It
// is found in Score.Waves alone, and gives no start: the alert is about something larger. Score.Inside adds the events that began while an
// alert of their entity was open and said nothing then: known to be in trouble, and not told of.
//
// An event marked Minor must not be found, and finding it is no false alarm: it is real by the truth, and below what the methods
// publish. An alert smaller than Options.MinSize that is about no event is neither right nor false: a truth that has no events of
// that size cannot say. Such alerts are counted apart.
package eval

import (
	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// Event is one event of the truth. Times are 0 when not known.
type Event struct {
	Entity    detect.Entity // Type and Code count
	Signal    string        // "bgp.v4" or "bgp.v6"; empty fits any alert
	First     bgp.Micros    // earliest withdrawal that belongs to it
	Start     bgp.Micros
	End       bgp.Micros // 0 when open at the end of the input
	Recovered bgp.Micros // what an alert's end is compared with
	Minor     bool
	Detail    string // for the list of disagreements
}

// Alert is one alarm of a method at one level of certainty. Times are 0 when the method has no such thing.
type Alert struct {
	ID        string
	Entity    detect.Entity
	Signals   []string   // empty fits any event
	Earliest  bgp.Micros // the interval in which the method places the start
	Latest    bgp.Micros // and its end: t0 for our method
	Crossed   bgp.Micros // t0, when the method's own threshold was crossed; 0 when it does not say
	Raised    bgp.Micros // the method says so
	Published bgp.Micros // others can know
	End       bgp.Micros
	Retracted bool
	Told      []bgp.Micros // while it was open, the revisions that said the loss is there, or there again; raised with the first
	Size      int          // prefixes lost, or blocks where the method counts those; 0 when it does not say
	Detail    string
}

// Method is one column of the table.
type Method struct {
	Name   string
	Alerts []Alert
	Brief  bool // in text its disagreements are counted, not listed
}

// Options bound a comparison. Zero values mean the defaults.
type Options struct {
	// From and Until bound the scored time: events by their start, alerts by the end of their start interval, [From, Until). Events
	// outside still excuse alerts inside. Both are needed for rates.
	From, Until bgp.Micros
	Tolerance   bgp.Micros // default 300 s
	Join        bgp.Micros // default 900 s
	Late        bgp.Micros // default 3,600 s
	MinSize     int        // of an alert about no event, to be false; 0: every one is
}

func (o Options) withDefaults() Options {
	if o.Tolerance <= 0 {
		o.Tolerance = 300 * bgp.Second
	}
	if o.Join <= 0 {
		o.Join = 900 * bgp.Second
	}
	if o.Late <= 0 {
		o.Late = 3600 * bgp.Second
	}
	return o
}

func (o *Options) within(t bgp.Micros) bool {
	return t >= o.From && (o.Until == 0 || t < o.Until)
}

// Days is the length of the scored time; 0 when it is not bounded.
func (o Options) Days() float64 {
	if o.Until <= o.From {
		return 0
	}
	return float64(o.Until-o.From) / float64(86400*bgp.Second)
}

// Score is what one method achieved.
type Score struct {
	Method string `json:"method"`

	Recall      Ratio `json:"recall"`            // events found, of those that are not Minor
	Waves       Ratio `json:"recall_with_waves"` // found, or told as a wave of an alert that was open before
	Inside      Ratio `json:"recall_with_open"`  // or began while one was open, whatever that said
	Precision   Ratio `json:"precision"`         // alerts about an event, of all
	FalseAlarms Rate  `json:"false_alarms"`      // the rest, a day

	StartToRaised    Spread `json:"start_to_raised"`    // from the event's start to the alert, seconds
	StartToPublished Spread `json:"start_to_published"` // until others can know
	StartToWave      Spread `json:"start_to_wave"`      // until a wave was told
	FirstToCrossed   Spread `json:"first_withdrawal_to_t0"`
	CrossedToRaised  Spread `json:"t0_to_raised"`

	StartCovered Ratio  `json:"start_covered"` // start intervals that hold the event's start
	FirstCovered Ratio  `json:"first_covered"` // that hold its first withdrawal
	Width        Spread `json:"start_width"`   // of the start intervals
	EndError     Spread `json:"end_error"`     // distance of the alert's end from the recovery

	Retracted Ratio `json:"retracted"` // alerts taken back, of all

	Small int `json:"too_small_to_judge"` // alerts about no event that are smaller than the truth's smallest; in no other figure

	Disagreements []Disagreement `json:"disagreements,omitempty"`

	brief bool
}

// Disagreement is one place where method and truth differ.
type Disagreement struct {
	What   string        `json:"what"` // "missed", "wave" (not found, but told as a wave of an open alert), "false", "start" (interval does not hold the start), "retracted"
	Entity detect.Entity `json:"entity"`
	Signal string        `json:"signal,omitempty"`
	From   detect.Time   `json:"from"`
	Until  detect.Time   `json:"until,omitzero"`
	Alert  string        `json:"alert,omitempty"`
	Detail string        `json:"detail,omitempty"`
}

// Evaluate scores one method.
func Evaluate(events []Event, m Method, o Options) Score {
	o = o.withDefaults()
	s := newMatching(events, m.Alerts, o).score(m.Name)
	s.brief = m.Brief
	return s
}

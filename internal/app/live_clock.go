package app

import (
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/clock"
	"github.com/corewatch/corewatch/web"
)

// clockWords are the states of the clock as a journal has them. Another word is of a later version: nothing is known.
var clockWords = map[string]signal.Clock{"right": signal.ClockRight, "off": signal.ClockOff, "unknown": signal.ClockUnknown}

const (
	clockLimit = time.Second            // an offset beyond it is told,
	clockBack  = 800 * time.Millisecond // until it is below this again
	clockStale = 15 * time.Minute       // what was known so long ago is not known
)

// lookAtClock tells the journal when what is known of the machine's clock is another state than before, or the offset has moved by a second.
func (l *live) lookAtClock() error {
	if l.ownClock == nil {
		return nil
	}
	r := l.ownClock()
	now := clockOf(r, l.clock(), l.clockTold.State)
	if r.At.IsZero() { // it was not asked yet
		if l.clockTold.State != "" || l.second-l.began < clockFirst {
			return nil
		}
		now = clockState{State: "unknown", Why: "nobody has answered yet"}
	}
	l.meter.live.Clock = web.ClockStatus{State: now.State, Offset: bgp.Micros(now.Offset * 1e6), From: now.From, Why: now.Why}
	if moved := now.Offset - l.clockTold.Offset; now.State == l.clockTold.State && (now.State != "off" || moved > -1 && moved < 1) {
		return nil
	}
	l.clockTold = now
	return l.tell(controlClock, now)
}

// clockFirst is how long the first answer may take before the clock is called unknown.
const clockFirst = 30 * second

// clockOf judges a reading.
func clockOf(r clock.Reading, now time.Time, before string) clockState {
	limit := clockLimit
	if before == "off" {
		limit = clockBack
	}
	switch {
	case !r.Known:
		return clockState{State: "unknown", Why: r.Why}
	case now.Sub(r.At) > clockStale:
		return clockState{State: "unknown", Why: r.From + " said so last more than 15 min ago"}
	case r.Offset.Abs() > limit:
		return clockState{State: "off", Offset: r.Offset.Seconds(), From: r.From}
	}
	return clockState{State: "right", Offset: r.Offset.Seconds(), From: r.From}
}

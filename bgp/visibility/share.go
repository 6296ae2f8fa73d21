package visibility

import (
	"math"

	"github.com/corewatch/corewatch/bgp"
)

// The share of a cell is the time it was announced over the time it was known, within the last Config.Window.
//
// A record does not keep the whole history, only two sums up to its last change. Since that change the state is constant, so
// the share is exact until the window is full; after that, what slides out of the window is taken from the sums at their
// average. The share of a cell announced for longer than the window and then withdrawn is exact all the way.

const ms = bgp.Second / 1000

// sums are the record's observed and carried time in ms within the window, at a time not before its last change.
func (t *matrix) sums(rec *record, at bgp.Micros) (observed, carried float64) {
	w := float64(t.cfg.Window / ms)
	observed, carried = float64(rec.observed), float64(rec.carried)
	if !rec.is(recKnown) {
		return observed, carried
	}
	d := min(float64(max(0, at-rec.since)/ms), w)
	if over := observed + d - w; over > 0 {
		carried *= 1 - over/observed
		observed = w - d
	}
	if rec.is(recAnnounced) {
		carried += d
	}
	return observed + d, carried
}

// fold closes the sums at a change.
func (t *matrix) fold(rec *record, at bgp.Micros) {
	o, c := t.sums(rec, at)
	rec.observed, rec.carried = uint32(math.Round(o)), uint32(math.Round(c))
}

// risesAt is how long after its last change an announced record's share reaches s; +Inf for never.
func (t *matrix) risesAt(rec *record, s float64) float64 {
	w, o, c := float64(t.cfg.Window/ms), float64(rec.observed), float64(rec.carried)
	if c >= s*o {
		return 0
	}
	if s >= 1 {
		return w
	}
	if d := (s*o - c) / (1 - s); o+d <= w {
		return d
	}
	mean := c / o
	return w * (s - mean) / (1 - mean)
}

// fallsAt is how long after its last change a withdrawn record's share falls to s.
func (t *matrix) fallsAt(rec *record, s float64) float64 {
	w, o, c := float64(t.cfg.Window/ms), float64(rec.observed), float64(rec.carried)
	if c <= s*o {
		return 0
	}
	if d := c/s - o; o+d <= w {
		return d
	}
	return w * (1 - s*o/c)
}

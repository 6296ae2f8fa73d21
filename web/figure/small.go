package figure

import (
	"strconv"
	"time"
)

// Meter draws a small bar: part of whole.
func Meter(part, whole int64) string {
	f := 0.0
	if whole > 0 {
		f = min(1, max(0, float64(part)/float64(whole)))
	}
	return `<svg class="meter" aria-hidden="true" focusable="false"><rect class="mb" width="100%" height="100%"/><rect class="mv" width="` +
		percent(f) + `" height="100%"/></svg>`
}

// Bar is one event on a lane: Level 1 to 4 is its severity, drawn as height and colour.
type Bar struct {
	Span
	Level int
}

// Lane draws events over a long period, for a page, as wide as its box. What is not in covered is hatched.
func Lane(from, until time.Time, covered Span, bars []Bar) string {
	var c canvas
	const height = 40
	c.add(`<svg class="lane" aria-hidden="true" focusable="false">`)
	hatch := func(a, b float64) {
		if b-a > 0.002 {
			c.add(`<rect fill="url(#hatch)" x="`, percent(a), `" width="`, percent(b-a), `" height="`, strconv.Itoa(height), `"/>`)
		}
	}
	hatch(0, frac(from, until, covered.From))
	hatch(frac(from, until, covered.Until), 1)
	for _, b := range bars {
		end := b.Until
		if end.IsZero() {
			end = until
		}
		a, z := frac(from, until, b.From), frac(from, until, end)
		h := 8 + 7*min(4, max(1, b.Level))
		c.add(`<rect class="b`, strconv.Itoa(min(4, max(1, b.Level))), `" x="`, percent(min(a, 0.995)), `" y="`, strconv.Itoa(height-h), `" width="`,
			percent(max(0.005, z-a)), `" height="`, strconv.Itoa(h), `"/>`)
	}
	c.add(`<line class="base" x2="100%" y1="`, strconv.Itoa(height), `" y2="`, strconv.Itoa(height), `"/></svg>`)
	return c.String()
}

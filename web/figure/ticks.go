package figure

import (
	"strings"
	"time"
)

// Tick is one label of a time axis. Pos is 0..1; Day marks a midnight, which is labelled with its date.
type Tick struct {
	At  time.Time
	Pos float64
	Day bool
}

// Ticks places at most about n round instants (UTC) on [from, until].
func Ticks(from, until time.Time, n int) []Tick {
	if !until.After(from) || n < 1 {
		return nil
	}
	span := until.Sub(from)
	step := 24 * time.Hour
	for _, s := range []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		if span/s <= time.Duration(n) {
			step = s
			break
		}
	}
	for span/step > time.Duration(n) {
		step *= 2
	}
	var out []Tick
	for t := from.UTC().Truncate(step); !t.After(until); t = t.Add(step) {
		if t.Before(from) {
			continue
		}
		out = append(out, Tick{At: t, Pos: frac(from, until, t), Day: t.Hour() == 0 && t.Minute() == 0})
	}
	return out
}

// TickText is what a tick says: the time, or the date at midnight.
func (t Tick) TickText() string {
	if t.Day {
		return t.At.UTC().Format("2 Jan")
	}
	return t.At.UTC().Format("15:04")
}

// TimeAxis draws the labels of [from, until] for a page: as wide as its box, never stretched.
func TimeAxis(from, until time.Time, n int) string {
	var c canvas
	c.add(`<svg class="xax" aria-hidden="true" focusable="false">`)
	for _, t := range Ticks(from, until, n) {
		anchor := ""
		if t.Pos < 0.02 {
			anchor = ` text-anchor="start"`
		} else if t.Pos > 0.98 {
			anchor = ` text-anchor="end"`
		}
		day := ""
		if t.Day {
			day = ` class="day"`
		}
		c.add(`<text x="`, percent(t.Pos), `" y="13"`, anchor, day, `>`, t.TickText(), `</text>`)
	}
	c.add(`</svg>`)
	return c.String()
}

// Flags draws the names of incidents above a panel, for a page.
func Flags(from, until time.Time, spans []Span, names []string) string {
	var c canvas
	c.add(`<svg class="flags" aria-hidden="true" focusable="false">`)
	for i, s := range spans {
		if s.From.After(until) || i >= len(names) {
			continue
		}
		f := frac(from, until, s.From)
		anchor, dx := "start", "0"
		if f > 0.55 {
			anchor = "end"
			if end := frac(from, until, s.Until); !s.Until.IsZero() && end > f {
				f = end
			} else {
				f = 1
			}
		}
		c.add(`<text x="`, percent(f), `" y="14" dx="`, dx, `" text-anchor="`, anchor, `">`, strings.TrimSpace(Escape(names[i])), `</text>`)
	}
	c.add(`</svg>`)
	return c.String()
}

package figure

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// StripHeight is the drawing height of a Strip.
const StripHeight = 20

// Share is one step of a prefix's visibility: from At on, Carried of Of networks carried it. Of = 0 means nobody could say.
type Share struct {
	At          time.Time
	Carried, Of int
}

// Strip draws, for a page, which share of the networks carried a prefix over [from, until). The height is the share. What lies
// before the first step is hatched: nothing is recorded about it.
func Strip(from, until time.Time, steps []Share) string {
	var c canvas
	c.add(`<svg viewBox="0 0 `, strconv.Itoa(Width), ` `, strconv.Itoa(StripHeight), `" preserveAspectRatio="none" aria-hidden="true" focusable="false">`)
	strip(&c, from, until, steps)
	c.add(`</svg>`)
	return c.String()
}

func strip(c *canvas, from, until time.Time, steps []Share) {
	p := Panel{From: from, Until: until}
	var area strings.Builder
	gap := func(x0, x1 int) {
		if x1 > x0 {
			c.add(`<rect `, c.style("gap"), ` x="`, strconv.Itoa(x0), `" width="`, strconv.Itoa(x1-x0), `" height="`, strconv.Itoa(StripHeight), `"/>`)
		}
	}
	if len(steps) == 0 {
		gap(0, Width)
		return
	}
	if steps[0].At.After(from) {
		gap(0, p.x(steps[0].At))
	}
	// One column of drawing units can hold several steps: the last is the one that goes on to the next column.
	type column struct {
		x    int
		y    int // drawing units from the top; StripHeight = nobody carries it
		none bool
	}
	var cols []column
	for _, s := range steps {
		if s.At.After(until) {
			break
		}
		col := column{x: p.x(s.At), none: s.Of <= 0}
		if !col.none {
			col.y = StripHeight - int(math.Round(StripHeight*min(1, max(0, float64(s.Carried)/float64(s.Of)))))
		}
		if n := len(cols); n > 0 && cols[n-1].x == col.x {
			cols[n-1] = col
			continue
		}
		if n := len(cols); n > 0 && cols[n-1].y == col.y && cols[n-1].none == col.none {
			continue
		}
		cols = append(cols, col)
	}
	for i, col := range cols {
		end := Width
		if i+1 < len(cols) {
			end = cols[i+1].x
		}
		switch {
		case col.none:
			gap(col.x, end)
		case col.y < StripHeight && end > col.x:
			area.WriteString("M" + strconv.Itoa(col.x) + " " + strconv.Itoa(StripHeight) + "V" + strconv.Itoa(col.y) + "h" + strconv.Itoa(end-col.x) + "V" + strconv.Itoa(StripHeight) + "z")
		}
	}
	if area.Len() > 0 {
		c.path("vis", area.String())
	}
	c.path("base", "M0 "+strconv.Itoa(StripHeight)+"h"+strconv.Itoa(Width))
}

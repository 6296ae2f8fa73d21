package figure

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Width and Height are the drawing units of a panel. A page stretches them to the room it has; strokes keep their width.
const (
	Width  = 720
	Height = 200
)

// Value is one point of a series. It holds until the next one. Unknown means that nothing is known from At on: drawn hatched.
type Value struct {
	At      time.Time
	V       float64
	Unknown bool
}

// Span is an interval of time; a zero Until means it has not ended.
type Span struct{ From, Until time.Time }

// Panel is one series over [From, Until) in absolute units.
type Panel struct {
	Class       string // "bgp" or "vote": which hue
	From, Until time.Time
	Values      []Value // ascending in time
	Incidents   []Span  // shaded, with a dashed edge at the start
}

// Axis is the vertical scale of a panel: three labelled levels. Cut says that it does not start at zero.
type Axis struct {
	Low, High float64
	Cut       bool
}

// Mid is the level between Low and High.
func (a Axis) Mid() float64 { return (a.Low + a.High) / 2 }

// Axis finds round levels. It starts at zero unless the lowest value is above 60 % of the highest: then the change would be
// too small to see, and the axis is cut and must be marked as cut.
func (p Panel) Axis() Axis {
	lo, hi := math.Inf(1), 0.0
	for _, v := range p.Values {
		if !v.Unknown {
			lo, hi = min(lo, v.V), max(hi, v.V)
		}
	}
	if hi == 0 {
		return Axis{High: 1}
	}
	if lo <= 0.6*hi || hi < 10 {
		step := niceStep(hi / 2)
		return Axis{High: 2 * step}
	}
	step := niceStep(max(hi-lo, hi*0.02) / 1.6)
	top := math.Ceil(hi*1.0005/step) * step
	low := top - 2*step
	for low > lo-0.16*(top-low) { // room for the label of the lowest point below it
		step = niceStep(step * 1.01)
		top = math.Ceil(hi*1.0005/step) * step
		low = top - 2*step
	}
	if low <= 0 {
		return Axis{High: 2 * niceStep(hi/2)}
	}
	return Axis{Low: low, High: top, Cut: true}
}

// niceStep is the smallest round whole number that is at least x.
func niceStep(x float64) float64 {
	x = max(x, 1)
	base := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10} {
		if s := base * m; s >= x-1e-9 && s == math.Trunc(s) {
			return s
		}
	}
	return base * 10
}

// x places an instant on the panel in drawing units, kept inside it.
func (p Panel) x(t time.Time) int { return int(math.Round(Width * frac(p.From, p.Until, t))) }

// frac is where t lies in [from, until], kept to 0..1.
func frac(from, until, t time.Time) float64 {
	if !until.After(from) {
		return 0
	}
	return min(1, max(0, float64(t.Sub(from))/float64(until.Sub(from))))
}

// Gaps lists the intervals of the panel about which nothing is known, including what lies before the first value.
func (p Panel) Gaps() []Span {
	var out []Span
	open := p.From
	known := false
	for _, v := range p.Values {
		switch {
		case v.Unknown && known:
			open, known = v.At, false
		case !v.Unknown && !known:
			if v.At.After(open) {
				out = append(out, Span{open, v.At})
			}
			known = true
		}
	}
	if !known && p.Until.After(open) {
		out = append(out, Span{open, p.Until})
	}
	return out
}

// SVG draws the panel for a page: an element that fills whatever box the style sheet gives it, and holds no text.
func (p Panel) SVG() string {
	var c canvas
	class := "pan"
	if p.Axis().Cut {
		class = "pan cut"
	}
	c.add(`<svg class="`, class, `" viewBox="0 0 `, strconv.Itoa(Width), ` `, strconv.Itoa(Height), `" preserveAspectRatio="none" aria-hidden="true" focusable="false">`)
	p.draw(&c)
	c.add(`</svg>`)
	return c.String()
}

// draw puts the panel's shapes onto a canvas of Width by Height.
func (p Panel) draw(c *canvas) {
	a := p.Axis()
	h := strconv.Itoa(Height)
	for _, s := range p.Incidents {
		until := s.Until
		if until.IsZero() {
			until = p.Until
		}
		x0, x1 := p.x(s.From), p.x(until)
		if s.From.After(p.Until) || until.Before(p.From) {
			continue
		}
		c.add(`<rect `, c.style("inc"), ` x="`, strconv.Itoa(x0), `" width="`, strconv.Itoa(max(1, x1-x0)), `" height="`, h, `"/>`)
	}
	c.path("grid", "M0 "+strconv.Itoa(Height/4)+"h"+strconv.Itoa(Width)+"M0 "+strconv.Itoa(Height/2)+"h"+strconv.Itoa(Width)+"M0 "+strconv.Itoa(3*Height/4)+"h"+strconv.Itoa(Width))
	for _, g := range p.Gaps() {
		x0, x1 := p.x(g.From), p.x(g.Until)
		c.add(`<rect `, c.style("gap"), ` x="`, strconv.Itoa(x0), `" width="`, strconv.Itoa(max(1, x1-x0)), `" height="`, h, `"/>`)
	}
	if d := p.line(a); d != "" {
		c.path("line "+p.Class, d)
	}
	for _, s := range p.Incidents {
		if s.From.Before(p.From) || s.From.After(p.Until) {
			continue
		}
		c.path("edge", "M"+strconv.Itoa(p.x(s.From))+" 0v"+h)
	}
}

// line is the path of the series as steps: a value holds until the next.
func (p Panel) line(a Axis) string {
	y := func(v float64) int { return int(math.Round(Height * (a.High - v) / (a.High - a.Low))) }
	var b strings.Builder
	pen := false
	cx, cy := 0, 0
	run := func(x int) {
		if x > cx {
			b.WriteString("h" + strconv.Itoa(x-cx))
			cx = x
		}
	}
	for _, v := range p.Values {
		x := p.x(v.At)
		if v.Unknown {
			if pen {
				run(x)
				pen = false
			}
			continue
		}
		ny := min(Height, max(0, y(v.V)))
		switch {
		case !pen:
			b.WriteString("M" + strconv.Itoa(x) + " " + strconv.Itoa(ny))
			cx, cy, pen = x, ny, true
		case ny != cy:
			run(x)
			b.WriteString("v" + strconv.Itoa(ny-cy))
			cy = ny
		}
	}
	if pen {
		run(Width)
	}
	return b.String()
}

// Labels draws the texts that lie on the panel, for a page: an element laid over the panel that is never stretched. NoData is
// the word put into gaps, low the text of the lowest point and last that of the last value; empty texts are left out.
func (p Panel) Labels(noData, low, last string) string {
	var c canvas
	a := p.Axis()
	at := func(v float64) float64 { return (a.High - v) / (a.High - a.Low) }
	c.add(`<svg class="ov" aria-hidden="true" focusable="false">`)
	for _, g := range p.Gaps() {
		f, u := frac(p.From, p.Until, g.From), frac(p.From, p.Until, g.Until)
		if u-f > 0.09 {
			c.add(`<text class="nd" x="`, percent((f+u)/2), `" y="50%" dy=".35em">`, Escape(noData), `</text>`)
		}
	}
	if i := p.Lowest(); i >= 0 && low != "" {
		v := p.Values[i]
		f, y := frac(p.From, p.Until, v.At), at(v.V)
		anchor, dx := "start", "2"
		if f > 0.6 {
			anchor, dx = "end", "-2"
		}
		dy := "15"
		if y > 0.9 {
			dy = "-6"
		}
		c.add(`<circle class="dot `, p.Class, `" cx="`, percent(f), `" cy="`, percent(y), `" r="3"/><text class="low" x="`, percent(f), `" y="`, percent(y),
			`" dx="`, dx, `" dy="`, dy, `" text-anchor="`, anchor, `">`, Escape(low), `</text>`)
	}
	if n := len(p.Values); n > 0 && !p.Values[n-1].Unknown && last != "" {
		c.add(`<text class="end `, p.Class, `" x="100%" y="`, percent(at(p.Values[n-1].V)), `" dx="7" dy=".35em">`, Escape(last), `</text>`)
	}
	c.add(`</svg>`)
	return c.String()
}

// Lowest is the index of the first of the lowest known values, or -1 when the series does not vary or holds none.
func (p Panel) Lowest() int {
	at, hi := -1, math.Inf(-1)
	for i, v := range p.Values {
		if v.Unknown {
			continue
		}
		if at < 0 || v.V < p.Values[at].V {
			at = i
		}
		hi = max(hi, v.V)
	}
	if at >= 0 && p.Values[at].V == hi {
		return -1
	}
	return at
}

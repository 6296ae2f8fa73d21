package figure

import (
	"math"
	"strconv"
	"strings"
	"sync"
)

// Shade says how one country is drawn: a class of the map's scale and a short text ("89 %") under its name.
type Shade struct {
	Class    string // "s0" to "s4", "nd" (nothing known) or "" (not judged)
	Note     string
	Unstable bool // hatched: too much of it could not be judged for its class to be called normal
}

// outline is a country's path in drawing units, and where a label fits.
type outline struct {
	code, d string
	label   point
	room    float64
}

// frame is a projected map, ready to be coloured.
type frame struct {
	w, h     float64
	outlines []outline
	centre   string
}

// Size of the maps in drawing units; a page scales them without distortion.
const (
	regionW, regionH = 704, 620
	worldW, worldH   = 1040, 480
)

var (
	regions    sync.Map // country code → frame; at most one entry for each code of world.txt
	worldFrame = sync.OnceValue(func() frame {
		return projectWorld(loadWorld())
	})
)

// Region draws the surroundings of a country. name gives the name of a code; shades say what is known about each. ok is false
// when the country has no outline at this scale. text is the map's content in words, put before the label list.
func Region(code string, shades map[string]Shade, name func(code string) string, label string) (svg string, ok bool) {
	f, ok := region(code)
	if !ok {
		return "", false
	}
	return f.draw(shades, name, label, 30), true
}

// World draws all countries.
func World(shades map[string]Shade, name func(code string) string, label string) string {
	return worldFrame().draw(shades, name, label, math.Inf(1))
}

func region(code string) (frame, bool) {
	if f, ok := regions.Load(code); ok {
		return f.(frame), true
	}
	w := loadWorld()
	r := w.largest(code)
	if r == nil {
		return frame{}, false
	}
	_, centre := areaAndCentre(r)
	pr := azimuthal(centre)
	reach := 0.09 // no closer than about 10 degrees across: a small country needs its neighbours to be found
	for _, p := range r {
		if q, ok := pr(p); ok {
			reach = max(reach, math.Abs(q.x)*1.06, math.Abs(q.y)*regionW/regionH*1.06)
		}
	}
	k := regionW / 2 / min(0.8, reach*1.85)
	f := project(w, pr, regionW, regionH, k, point{regionW / 2, regionH / 2}, 1.7, 30)
	f.centre = code
	regions.Store(code, f)
	return f, true
}

// project makes the outlines that fall into w × h: arcs are projected, thinned, put together into rings and cut to the box.
// Rings smaller than least square units are left out unless they are all a country has.
func project(wd world, pr projection, w, h, scale float64, origin point, eps, least float64) frame {
	arcs := make([][]point, len(wd.arcs))
	for i, a := range wd.arcs {
		q := make([]point, len(a))
		for k, p := range a {
			u, ok := pr(p)
			if !ok {
				u = point{u.x * 4, u.y * 4} // far side: well outside the box
			}
			q[k] = point{origin.x + u.x*scale, origin.y + u.y*scale}
		}
		arcs[i] = thin(q, eps)
	}
	f := frame{w: w, h: h}
	for _, c := range wd.countries {
		o := outline{code: c.code}
		var d strings.Builder
		big := 0.0
		for _, ids := range c.rings {
			r := clip(ring(arcs, ids), -6, -6, w+6, h+6)
			area, _ := areaAndCentre(r)
			if len(r) < 3 || area < least && len(c.rings) > 1 || area < 1 {
				continue
			}
			write(&d, r)
			if area > big {
				big = area
				o.label, o.room = roomiest(clip(r, 4, 4, w-4, h-4))
			}
		}
		if o.d = d.String(); o.d != "" {
			f.outlines = append(f.outlines, o)
		}
	}
	return f
}

// projectWorld makes the outlines of the whole world. Rings that cross the antimeridian are unrolled first and then cut there:
// half of Chukotka belongs on either side of the map.
func projectWorld(wd world) frame {
	const scale, degrees = worldW / 5.52, 0.42
	arcs := make([][]point, len(wd.arcs))
	for i, a := range wd.arcs {
		arcs[i] = thin(unroll(a), degrees)
	}
	f := frame{w: worldW, h: worldH}
	for _, c := range wd.countries {
		o := outline{code: c.code}
		var d strings.Builder
		big := 0.0
		for _, ids := range c.rings {
			whole := unroll(ring(arcs, ids))
			for _, shift := range []float64{-360, 0, 360} {
				moved := make([]point, len(whole))
				for i, p := range whole {
					moved[i] = point{p.x + shift, p.y}
				}
				r := clip(moved, -180, -60, 180, 84)
				for i, p := range r {
					q := equalEarth(p)
					r[i] = point{worldW/2 + q.x*scale, worldH/2 + 34 + q.y*scale}
				}
				area, _ := areaAndCentre(r)
				if len(r) < 3 || area < 9 && len(c.rings) > 1 || area < 0.5 {
					continue
				}
				write(&d, r)
				if area > big {
					big = area
					o.label, o.room = roomiest(r)
				}
			}
		}
		if o.d = d.String(); o.d != "" {
			f.outlines = append(f.outlines, o)
		}
	}
	return f
}

// write appends a ring as a closed path of whole, relative units.
func write(b *strings.Builder, r []point) {
	px, py := int(math.Round(r[0].x)), int(math.Round(r[0].y))
	b.WriteString("M" + strconv.Itoa(px) + " " + strconv.Itoa(py) + "l")
	first := true
	for _, p := range r[1:] {
		x, y := int(math.Round(p.x)), int(math.Round(p.y))
		if x == px && y == py {
			continue
		}
		if !first && x >= px {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(x - px))
		if y >= py {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(y - py))
		px, py, first = x, y, false
	}
	b.WriteByte('z')
}

// draw colours the frame. Countries that nobody judged share one path. Names are written where there is at least minRoom, and
// always for the country in the centre and for those that lost something.
func (f frame) draw(shades map[string]Shade, name func(string) string, label string, minRoom float64) string {
	var c canvas
	c.add(`<svg viewBox="0 0 `, num(f.w), ` `, num(f.h), `" role="img" aria-label="`, Escape(label), `">`)
	var rest strings.Builder
	for _, o := range f.outlines {
		if shades[o.code].Class == "" {
			rest.WriteString(o.d)
		}
	}
	c.add(`<path class="out" d="`, rest.String(), `"/>`)
	for pass := range 2 { // the country in the centre goes last: its border must not be covered
		for _, o := range f.outlines {
			s := shades[o.code]
			if s.Class == "" || (o.code == f.centre) != (pass == 1) {
				continue
			}
			class := s.Class
			if o.code == f.centre {
				class += " own"
			}
			c.add(`<path class="`, class, `" d="`, o.d, `"/>`)
			switch s.Class {
			case "s3", "s4":
				c.add(`<path fill="url(#dots)" d="`, o.d, `"/>`)
			}
			if s.Class == "nd" || s.Unstable {
				c.add(`<path fill="url(#hatch2)" d="`, o.d, `"/>`)
			}
		}
	}
	for _, o := range f.outlines {
		s := shades[o.code]
		lost := s.Class != "" && (s.Class != "s0" || s.Unstable) && s.Class != "nd"
		text := name(o.code)
		if o.code == "-" || text == "" {
			continue
		}
		room := minRoom
		if lost && !math.IsInf(minRoom, 1) {
			room = minRoom / 2
		}
		if o.code != f.centre && (o.room < room || float64(len(text))*6.4 > o.room*4.4) {
			continue
		}
		class := "ml " + s.Class
		if o.code == f.centre {
			class += " own"
		}
		x, y := num(o.label.x), o.label.y
		if o.code == f.centre && s.Note != "" {
			y -= 14 // two lines: the pair is centred
		}
		c.add(`<text class="`, strings.TrimSpace(class), `" x="`, x, `" y="`, num(y), `">`, Escape(text))
		if s.Note != "" && (lost || o.code == f.centre) {
			c.add(`<tspan class="n" x="`, x, `" dy="1.25em">`, Escape(s.Note), `</tspan>`)
		}
		c.add(`</text>`)
	}
	c.add(`</svg>`)
	return c.String()
}

// RegionCodes are the ISO 3166-1 alpha-2 codes of the countries that Region draws around code, in order.
func RegionCodes(code string) []string {
	f, ok := region(code)
	if !ok {
		return nil
	}
	var out []string
	for _, o := range f.outlines {
		if o.code != "-" {
			out = append(out, o.code)
		}
	}
	return out
}

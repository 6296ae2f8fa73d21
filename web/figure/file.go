package figure

import (
	"strconv"
	"strings"
	"time"
)

// File is a figure that travels alone: the panels with everything that a reader needs to know what they show and where they
// come from, inside the image.
type File struct {
	Title, Subtitle string
	From, Until     time.Time
	Panels          []FilePanel
	Flags           []string // texts of the shaded intervals, in the order of Panel.Incidents
	NoData          string   // the word put into gaps
	Text            string   // the figure in words, for those who cannot see it
	Notice          string   // what the data are: live, archive, reconstruction
	Source          string   // whose measurements, under which licence
	Link            string
	Digest          string
}

// FilePanel is one panel of a File, with its texts. Levels label the top, the middle and the bottom of the axis.
type FilePanel struct {
	Panel
	Head, Unit string
	Levels     [3]string
	Lowest     string // text of the lowest point; empty for none
}

const (
	fileWidth  = 880
	fileLeft   = 76
	fileTop    = 92
	panelTall  = 120
	panelPitch = 168
)

// SVG writes the file. It refers to nothing outside itself and carries no style sheet and no script.
func (f File) SVG() string {
	c := canvas{file: true}
	foot := fileTop + len(f.Panels)*panelPitch + 26
	lines := append(append(append(wrap(f.Notice, 120), wrap(f.Source, 120)...), f.Link), wrap(f.Digest, 120)...)
	height := foot + 18*len(lines) + 14
	text := func(x, y int, attr, s string) {
		c.add(`<text x="`, strconv.Itoa(x), `" y="`, strconv.Itoa(y), `" `, attr, `>`, Escape(s), `</text>`, "\n")
	}
	c.add(`<svg xmlns="http://www.w3.org/2000/svg" width="`, strconv.Itoa(fileWidth), `" height="`, strconv.Itoa(height), `" viewBox="0 0 `, strconv.Itoa(fileWidth), ` `, strconv.Itoa(height),
		`" role="img" font-family="Inter, system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif" font-size="13" fill="#15202b">`, "\n")
	c.add(`<title>`, Escape(f.Title+", "+f.Subtitle), `</title><desc>`, Escape(f.Text), `</desc>`, "\n")
	c.add(`<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0V6" stroke="#9aa6b2" stroke-width="1.4"/></pattern></defs>`, "\n")
	c.add(`<rect width="`, strconv.Itoa(fileWidth), `" height="`, strconv.Itoa(height), `" fill="#ffffff"/>`, "\n")
	text(24, 38, `font-size="20" font-weight="650"`, f.Title)
	text(24, 60, `fill="#54626f"`, f.Subtitle)
	y := fileTop
	for i, p := range f.Panels {
		text(fileLeft, y+8, `font-weight="600"`, p.Head)
		text(fileLeft+Width-1, y+8, `fill="#54626f" text-anchor="end"`, p.Unit)
		top := y + 18
		c.add(`<svg x="`, strconv.Itoa(fileLeft), `" y="`, strconv.Itoa(top), `" width="`, strconv.Itoa(Width), `" height="`, strconv.Itoa(panelTall), `" viewBox="0 0 `, strconv.Itoa(Width), ` `, strconv.Itoa(Height), `" preserveAspectRatio="none">`)
		p.draw(&c)
		c.path("grid", "M0 0h"+strconv.Itoa(Width)+"M0 "+strconv.Itoa(Height)+"h"+strconv.Itoa(Width))
		c.add(`</svg>`, "\n")
		for k, l := range p.Levels {
			text(fileLeft-8, top+k*panelTall/2+4, `fill="#54626f" font-size="12" text-anchor="end"`, l)
		}
		for _, g := range p.Gaps() {
			a, z := frac(f.From, f.Until, g.From), frac(f.From, f.Until, g.Until)
			if z-a > 0.08 {
				text(fileLeft+int((a+z)/2*Width), top+panelTall/2+4, `text-anchor="middle" stroke="#ffffff" stroke-width="4" paint-order="stroke"`, f.NoData)
			}
		}
		if k := p.Panel.Lowest(); k >= 0 && p.Lowest != "" {
			a, at := p.Axis(), p.Values[k]
			pos := frac(f.From, f.Until, at.At)
			x, py := fileLeft+int(pos*Width), top+int((a.High-at.V)/(a.High-a.Low)*panelTall)
			anchor := "start"
			if pos > 0.6 {
				anchor = "end"
			}
			c.add(`<circle cx="`, strconv.Itoa(x), `" cy="`, strconv.Itoa(py), `" r="3" fill="#ffffff" stroke="#0072b2" stroke-width="2"/>`, "\n")
			text(x+2, py+16, `font-size="12" font-weight="600" text-anchor="`+anchor+`" stroke="#ffffff" stroke-width="3" paint-order="stroke"`, p.Lowest)
		}
		if i == 0 {
			for k, s := range p.Incidents {
				if k < len(f.Flags) && !s.From.Before(f.From) && s.From.Before(f.Until) {
					a := frac(f.From, f.Until, s.From)
					anchor := "start"
					if a > 0.7 {
						anchor = "end"
					}
					text(fileLeft+int(a*Width)+10, top+15, `font-size="12" fill="#9a3c00" text-anchor="`+anchor+`" stroke="#ffffff" stroke-width="3" paint-order="stroke"`, f.Flags[k])
				}
			}
		}
		y += panelPitch
	}
	for _, t := range Ticks(f.From, f.Until, 8) {
		weight := ""
		if t.Day {
			weight = ` font-weight="650"`
		}
		text(fileLeft+int(t.Pos*Width), y-8, `fill="#54626f" font-size="12" text-anchor="middle"`+weight, t.TickText())
	}
	for i, l := range lines {
		text(24, foot+18*i, `fill="#54626f" font-size="12"`, l)
	}
	c.add(`</svg>`, "\n")
	return c.String()
}

// wrap breaks a text into lines of at most n characters, at spaces; a word longer than a line (a digest) stays whole.
func wrap(s string, n int) []string {
	var out []string
	line := ""
	for _, w := range strings.Fields(s) {
		if line != "" && len(line)+1+len(w) > n {
			out = append(out, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	if line != "" {
		out = append(out, line)
	}
	return out
}

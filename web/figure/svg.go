// Package figure draws: time series, visibility strips and maps, as SVG. There is one drawing layer for the page and for the
// file that people download and cite, so that the figure cited is the figure seen. It knows nothing of HTTP, HTML or stores.
//
// Everything is a pure function of its arguments: the same figure has the same bytes everywhere. Inside a page, shapes carry
// classes and the style sheet colours them; in a file, the same shapes carry the colours themselves, because a file that
// travels alone must not lose its meaning.
package figure

import (
	"math"
	"strconv"
	"strings"
)

// paint gives the light-theme attributes of a class in a file that stands alone. The page's style sheet holds the same values.
var paint = map[string]string{
	"line bgp":  `fill="none" stroke="#0072b2" stroke-width="1.9" stroke-linejoin="round" vector-effect="non-scaling-stroke"`,
	"line vote": `fill="none" stroke="#54626f" stroke-width="1.9" stroke-linejoin="round" vector-effect="non-scaling-stroke"`,
	"band":      `fill="#dde3ea"`,
	"inc":       `fill="#d55e00" fill-opacity="0.11"`,
	"edge":      `fill="none" stroke="#c25500" stroke-width="1.2" stroke-dasharray="3 3" vector-effect="non-scaling-stroke"`,
	"grid":      `fill="none" stroke="#dfe4ea" vector-effect="non-scaling-stroke"`,
	"gap":       `fill="url(#hatch)"`,
	"vis":       `fill="#5b7f9e"`,
	"base":      `fill="none" stroke="#c3ccd5" vector-effect="non-scaling-stroke"`,
}

// canvas collects SVG. File says whether it is drawn for a file of its own (colours inside) or for a page (classes).
type canvas struct {
	strings.Builder
	file bool
}

// style is the attribute text that gives a shape its look.
func (c *canvas) style(class string) string {
	if c.file {
		return paint[class]
	}
	return `class="` + class + `"`
}

func (c *canvas) add(parts ...string) {
	for _, p := range parts {
		c.WriteString(p)
	}
}

func (c *canvas) path(class, d string) { c.add(`<path `, c.style(class), ` d="`, d, `"/>`) }

// num writes a coordinate with at most one decimal.
func num(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }

// percent writes a position as a percentage with at most one decimal.
func percent(x float64) string { return num(x*100) + "%" }

// Escape makes any text safe inside SVG and drops what could not be shown or would reorder the text around it: control and
// bidirectional formatting characters, and bytes that are not UTF-8.
func Escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < 0x20 || r == 0x7f || r == 0xfffd || r >= 0x80 && r < 0xa0, Reorders(r):
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&#34;")
		case r == '\'':
			b.WriteString("&#39;")
		case r >= 0xfffe && r <= 0xffff:
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Reorders reports whether r is an invisible character that changes the order or the joining of its neighbours: bidirectional
// marks, embeddings and isolates, and the line and paragraph separators.
func Reorders(r rune) bool {
	return r == 0x61c || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff
}

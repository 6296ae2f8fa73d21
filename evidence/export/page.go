package export

import (
	"bytes"
	"cmp"
	_ "embed" // index.html
	"encoding/xml"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/web/figure"
)

//go:embed texts/index.html.tmpl
var pageText string

var pageTemplate = template.Must(template.New("index.html").Parse(pageText))

// pageRows is how many rows of the timeline the page shows; the files hold all.
const pageRows = 400

// page adds index.html: the incident for a person, in one file that refers to nothing outside itself.
func (b *builder) page() error {
	type row struct{ N, Time, What, Detail string }
	var rows []row
	for n, e := range b.story.events {
		if strings.HasPrefix(e.what, "prefix_") && e.what != "prefix_lost" {
			continue
		}
		if len(rows) == pageRows {
			break
		}
		rows = append(rows, row{strconv.Itoa(n + 1), e.at.String(), strings.ReplaceAll(e.what, "_", " "), cell(strings.TrimSpace(strings.Join([]string{e.prefix, e.seen, e.detail}, " ")))})
	}
	info := b.info()
	var out bytes.Buffer
	err := pageTemplate.Execute(&out, map[string]any{
		"Mark": mark(b.inc.Data), "Title": cell(cmp.Or(b.inc.Title, b.inc.Entity.Key())), "Info": info, "Draft": b.edition == nil,
		"Start": interval(b.inc.Start), "End": b.end(), "State": cell(string(b.inc.State)), "Data": cell(string(b.inc.Data)), "Coverage": cell(reasons(b.inc.Coverage)),
		"Figures": b.figures(), "Claims": b.sentences, "Rows": rows, "All": len(b.story.events), "Warnings": b.warnings, "Digest": b.digest.Sum(), "Messages": b.digest.Messages(),
	})
	if err != nil {
		return fmt.Errorf("index.html: %w", err)
	}
	return b.add("data/index.html", out.Bytes())
}

// silence is the distance between samples from which on nothing is claimed about what lies between: the detector writes one at least
// every ten minutes.
const silence = 11 * time.Minute

// maxDrawn bounds the points of a figure; of a longer series the worst of each interval is drawn.
const maxDrawn = 720

// figures draws each signal that has samples: blocks seen, and networks that voted.
func (b *builder) figures() (out []template.HTML) {
	from, until := b.window()
	for _, signal := range []string{"bgp.v4", "bgp.v6"} {
		var list []detect.Sample
		for _, s := range b.series {
			if s.Signal == signal {
				list = append(list, s)
			}
		}
		if len(list) == 0 {
			continue
		}
		slices.SortStableFunc(list, func(x, y detect.Sample) int { return x.At.Compare(y.At.Time) })
		list = worst(list, from, until)
		unit := map[string]string{"bgp.v4": "/24 blocks", "bgp.v6": "/48 blocks"}[signal]
		f := figure.File{
			Title: cell(cmp.Or(b.inc.Title, b.inc.Entity.Key())), Subtitle: signal + ", " + from.Format("2006-01-02 15:04") + " to " + until.Format("2006-01-02 15:04") + " UTC",
			From: from, Until: until, NoData: "nothing known", Notice: cmp.Or(mark(b.inc.Data), "Data: "+cell(string(b.inc.Data))),
			Source: strings.Join(b.attributions(), "; "), Link: b.info().Identifier, Digest: "Evidence digest sha256:" + b.digest.Sum(),
		}
		f.Panels = []figure.FilePanel{
			panel("bgp", "Visible "+unit, "of those that could be judged", from, until, list, b.span(), func(s detect.Sample) int64 { return s.Expected - s.Lost }),
			panel("bgp", unit+" that could be judged", "", from, until, list, b.span(), func(s detect.Sample) int64 { return s.Expected }),
			panel("vote", "Networks that voted", "", from, until, list, b.span(), func(s detect.Sample) int64 { return int64(s.Voting) }),
		}
		for _, p := range f.Panels {
			f.Text = strings.TrimSpace(f.Text + " " + p.Head + ": " + p.Lowest)
		}
		f.Flags = []string{cell(b.inc.ID)}
		out = append(out, template.HTML(f.SVG()))
	}
	return out
}

func (b *builder) span() figure.Span {
	s := figure.Span{From: b.inc.Start.Time.Time}
	if b.inc.End != nil {
		s.Until = b.inc.End.Time.Time
	} else if !b.inc.OpenAt.IsZero() {
		s.Until = b.inc.OpenAt.Time
	}
	return s
}

// worst thins a series to at most maxDrawn points.
func worst(list []detect.Sample, from, until time.Time) []detect.Sample {
	if len(list) <= maxDrawn {
		return list
	}
	step := until.Sub(from)/maxDrawn + 1
	var out []detect.Sample
	for _, s := range list {
		n := len(out)
		if n == 0 || s.At.Sub(from)/step != out[n-1].At.Sub(from)/step {
			out = append(out, s)
		} else if !s.NoData && (out[n-1].NoData || s.Lost > out[n-1].Lost) {
			out[n-1] = s
		}
	}
	return out
}

func panel(class, head, unit string, from, until time.Time, list []detect.Sample, incident figure.Span, value func(detect.Sample) int64) figure.FilePanel {
	p := figure.Panel{Class: class, From: from, Until: until, Incidents: []figure.Span{incident}}
	for n, s := range list {
		if n > 0 && s.At.Sub(list[n-1].At.Time) > silence && len(list) < maxDrawn/2 {
			p.Values = append(p.Values, figure.Value{At: list[n-1].At.Add(time.Minute), Unknown: true})
		}
		p.Values = append(p.Values, figure.Value{At: s.At.Time, V: float64(value(s)), Unknown: s.NoData})
	}
	f := figure.FilePanel{Panel: p, Head: head, Unit: unit}
	a := p.Axis()
	for n, v := range []float64{a.High, a.Mid(), a.Low} {
		f.Levels[n] = strconv.FormatInt(int64(v), 10)
	}
	if n := p.Lowest(); n >= 0 {
		f.Lowest = fmt.Sprintf("%d at %s", int64(p.Values[n].V), p.Values[n].At.UTC().Format("15:04:05"))
	}
	return f
}

// feed adds timeline.atom: the rows about the incident as a whole, the last one first.
func (b *builder) feed() error {
	type person struct {
		Name string `xml:"name"`
	}
	type entry struct {
		ID      string `xml:"id"`
		Title   string `xml:"title"`
		Updated string `xml:"updated"`
		Content string `xml:"content"`
	}
	type atom struct {
		XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
		ID      string   `xml:"id"`
		Title   string   `xml:"title"`
		Updated string   `xml:"updated"`
		Author  person   `xml:"author"`
		Entries []entry  `xml:"entry"`
	}
	c := b.cited()
	base := "urn:corewatch:" + b.inc.ID
	f := atom{ID: base, Title: c.Title, Updated: lastChange(b.inc).String(), Author: person{c.Publisher}}
	if m := mark(b.inc.Data); m != "" {
		f.Title = m + " " + c.Title
	}
	for n, e := range slices.Backward(b.story.events) {
		if strings.HasPrefix(e.what, "prefix_") {
			continue
		}
		f.Entries = append(f.Entries, entry{fmt.Sprintf("%s:%d:%d", base, b.inc.Revision, n+1), strings.ReplaceAll(e.what, "_", " "), e.at.String(), cell(e.detail)})
	}
	text, err := xml.MarshalIndent(f, "", " ")
	if err != nil {
		return fmt.Errorf("timeline.atom: %w", err)
	}
	return b.add("data/timeline.atom", append(append([]byte(xml.Header), text...), '\n'))
}

package web

import (
	"context"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/web/figure"
)

// The signals of this version and their units.
const (
	sigV4 = "bgp.v4"
	sigV6 = "bgp.v6"
)

// window is a period of time to show.
type window struct{ From, Until time.Time }

// chart is the aligned panels of an entity over a window.
type chart struct {
	window
	Caption string
	Note    string // why there is no band of usual values
	Label   string // the panels in words
	Rows    []chartRow
	Flags   template.HTML
	Axis    template.HTML
	Table   []tableRow
	Heads   []string
	Seg     []link
	Query   template.URL // "?from=…&until=…" of exactly this window
	Series  string       // address of the data, without extension
	Empty   bool
	Gaps    string // the silences in words
}

type chartRow struct {
	Class, Head, Of string
	High, Mid, Low  string
	Panel, Labels   template.HTML
	Lowest          string // text of the lowest point
}

type tableRow struct {
	At    time.Time
	Cells []string
}

type link struct {
	Text    string
	Href    string
	Current bool
}

// track is one drawn quantity of a signal.
type track struct {
	class, key string // key: message "track.<key>" and its ".of"
	value      func(detect.Sample) (have, of int64)
}

func tracks(signal string) []track {
	unit := "slash24"
	if signal == sigV6 {
		unit = "slash48"
	}
	return []track{
		{"bgp", "prefixes." + signal, func(p detect.Sample) (int64, int64) { return int64(p.Prefixes - p.LostPrefixes), int64(p.Prefixes) }},
		{"bgp", unit, func(p detect.Sample) (int64, int64) { return p.Expected - p.Lost, p.Expected }},
	}
}

var votes = track{"vote", "voting", func(p detect.Sample) (int64, int64) { return int64(p.Voting), 0 }}

// maxPoints is how many points a panel draws; longer series are thinned to the worst of each interval.
const maxPoints = 360

// silence is the distance between samples from which on nothing is claimed about what lies between. A sample is written when
// a value changed and at least every ten minutes (detect/signal, sample_heartbeat_s): a longer silence is no statement.
const silence = 11 * time.Minute

// held reads the samples that say what was so during w: those in it, and the last one before it, which still held when it began.
func held(ctx context.Context, lib Library, entity, signal string, w window) ([]detect.Sample, error) {
	list, err := lib.Samples(ctx, entity, signal, w.From.Add(-silence), w.Until)
	if err != nil {
		return nil, fmt.Errorf("samples of %s: %w", entity, err)
	}
	first := 0
	for first+1 < len(list) && !list[first+1].At.After(w.From) {
		first++
	}
	if list = slices.Clone(list[first:]); len(list) > 0 && list[0].At.Before(w.From) {
		list[0].At = detect.At(w.From)
	}
	return list, nil
}

// thinned bounds a series for drawing: of each interval the sample with the largest loss. It also returns the interval.
func thinned(list []detect.Sample, w window) ([]detect.Sample, time.Duration) {
	if len(list) <= maxPoints {
		return list, time.Minute
	}
	step := (w.Until.Sub(w.From)/maxPoints + time.Minute - 1).Truncate(time.Minute)
	var out []detect.Sample
	var bin time.Time
	for _, p := range list {
		b := p.At.Truncate(step)
		if n := len(out); n > 0 && b.Equal(bin) {
			if last := out[n-1]; last.NoData || !p.NoData && p.LostPrefixes > last.LostPrefixes {
				p.At = last.At
				out[n-1] = p
			}
			continue
		}
		bin = b
		out = append(out, p)
	}
	return out, step
}

// values makes the drawn series of a track: a sample holds until the next, and a silence is unknown.
func values(list []detect.Sample, step time.Duration, w window, t track) []figure.Value {
	out := make([]figure.Value, 0, len(list)+1)
	hold := max(silence, 2*step)
	for i, p := range list {
		if i > 0 && p.At.Sub(list[i-1].At.Time) > hold {
			out = append(out, figure.Value{At: list[i-1].At.Add(step), Unknown: true})
		}
		have, _ := t.value(p)
		out = append(out, figure.Value{At: p.At.Time, V: float64(have), Unknown: p.NoData})
	}
	if n := len(list); n > 0 && w.Until.Sub(list[n-1].At.Time) > hold {
		out = append(out, figure.Value{At: list[n-1].At.Add(step), Unknown: true})
	}
	return out
}

// spans are the shaded intervals of incidents.
func spans(list []detect.Incident) []figure.Span {
	out := make([]figure.Span, len(list))
	for i, in := range list {
		out[i].From = in.Start.Time.Time
		if in.End != nil {
			out[i].Until = in.End.Time.Time
		} else if !in.OpenAt.IsZero() {
			out[i].Until = in.OpenAt.Time
		}
	}
	return out
}

// newChart reads and draws the panels of an entity. base is the page's own address.
func (s *Server) newChart(ctx context.Context, st site, entity, base string, w window, incidents []detect.Incident, at time.Time, own bool) (*chart, error) {
	c := &chart{window: w, Series: base + "/series", Query: query(w)}
	c.Seg = s.periods(base, w, at, own, len(incidents) > 0)
	shade := spans(incidents)
	var say []string
	step := time.Minute
	seen := false
	for _, signal := range []string{sigV4, sigV6} {
		list, err := held(ctx, st.lib, entity, signal, w)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			continue
		}
		list, step = thinned(list, w)
		ts := tracks(signal)
		if !seen {
			ts = append(ts, votes)
		}
		seen = true
		for _, t := range ts {
			row, text := s.row(list, step, w, t, shade)
			if c.Gaps == "" {
				c.Gaps = s.gaps(figure.Panel{From: w.From, Until: w.Until, Values: values(list, step, w, t)})
			}
			c.Rows = append(c.Rows, row)
			say = append(say, text)
		}
		c.table(s, list, ts)
	}
	if !seen {
		c.Empty = true
		return c, nil
	}
	names := make([]string, len(incidents))
	for i, in := range incidents {
		names[i] = s.flag(in)
	}
	c.Flags = template.HTML(figure.Flags(w.From, w.Until, shade, names))
	c.Axis = template.HTML(figure.TimeAxis(w.From, w.Until, 8))
	points := s.cat.text("chart.minute")
	if step > time.Minute {
		points = s.cat.text("chart.worst", length(step))
	}
	c.Caption = s.cat.text("chart.caption", period(w.From, w.Until), points)
	c.Label = s.cat.text("chart.label", period(w.From, w.Until), strings.Join(say, " "))
	return c, nil
}

// gaps writes the silences of a panel, at most six of them.
func (s *Server) gaps(p figure.Panel) string {
	var out []string
	for i, g := range p.Gaps() {
		if i == 6 {
			out = append(out, "…")
			break
		}
		out = append(out, g.From.UTC().Format(minute)+"–"+g.Until.UTC().Format(minute))
	}
	if len(out) == 0 {
		return ""
	}
	return s.cat.text("chart.gaps", strings.Join(out, ", "))
}

func (s *Server) row(list []detect.Sample, step time.Duration, w window, t track, shade []figure.Span) (chartRow, string) {
	p := figure.Panel{Class: t.class, From: w.From, Until: w.Until, Values: values(list, step, w, t), Incidents: shade}
	a := p.Axis()
	var first, last, low string
	var lowAt time.Time
	for _, v := range p.Values {
		if !v.Unknown {
			last = grouped(int64(v.V))
			if first == "" {
				first = last
			}
		}
	}
	if i := p.Lowest(); i >= 0 {
		low, lowAt = grouped(int64(p.Values[i].V)), p.Values[i].At
	}
	row := chartRow{
		Class: t.class, Head: s.cat.text("track." + t.key),
		High: grouped(int64(a.High)), Mid: grouped(int64(a.Mid())), Low: grouped(int64(a.Low)),
	}
	lo, hi := int64(-1), int64(0)
	for _, p := range list {
		if _, of := t.value(p); !p.NoData && of > 0 {
			if lo < 0 || of < lo {
				lo = of
			}
			hi = max(hi, of)
		}
	}
	switch {
	case hi == 0:
		row.Of = s.cat.text("track." + t.key + ".of")
	case lo == hi:
		row.Of = s.cat.text("track."+t.key+".of", grouped(hi))
	default:
		row.Of = s.cat.text("track."+t.key+".of", grouped(lo)+"–"+grouped(hi))
	}
	if a.Cut {
		row.Of += " · " + s.cat.text("chart.cut", grouped(int64(a.Low)))
	}
	text := s.cat.text("chart.say", row.Head, first, last)
	note := ""
	if low != "" {
		note = s.cat.text("chart.low", low, lowAt.UTC().Format(minute))
		text = s.cat.text("chart.say.low", row.Head, first, low, lowAt.UTC().Format(minute), last)
	}
	for _, g := range p.Gaps() {
		text += " " + s.cat.text("chart.say.gap", g.From.UTC().Format(minute), g.Until.UTC().Format(minute))
	}
	if t.class != "bgp" {
		note = ""
	}
	row.Lowest = note
	row.Panel = template.HTML(p.SVG())
	row.Labels = template.HTML(p.Labels(s.cat.text("nodata"), note, last))
	return row, text
}

// table adds at most 16 rows of a signal to the data table; the files hold all points.
func (c *chart) table(s *Server, list []detect.Sample, ts []track) {
	if len(c.Heads) > 0 {
		return // the second signal has its own columns in the file only: the page stays small
	}
	for _, t := range ts {
		c.Heads = append(c.Heads, s.cat.text("track."+t.key))
	}
	every := max(1, (len(list)+15)/16)
	for i := 0; i < len(list); i += every {
		p := list[i]
		row := tableRow{At: p.At.Time}
		for _, t := range ts {
			have, of := t.value(p)
			switch {
			case p.NoData:
				row.Cells = append(row.Cells, s.cat.text("nodata"))
			case of > 0:
				row.Cells = append(row.Cells, s.cat.text("of", grouped(have), grouped(of)))
			default:
				row.Cells = append(row.Cells, grouped(have))
			}
		}
		c.Table = append(c.Table, row)
	}
}

// flag is the text above the shaded interval.
func (s *Server) flag(in detect.Incident) string {
	from := in.Start.Time.UTC().Format(minute)
	if in.End == nil {
		return s.cat.text("flag.open", from)
	}
	return s.cat.text("flag.closed", from, in.End.Time.UTC().Format(minute))
}

// periods are the links to other windows. They hold absolute times, so that a link means the same tomorrow.
func (s *Server) periods(base string, w window, at time.Time, own, incident bool) []link {
	var out []link
	if incident {
		out = append(out, link{s.cat.text("seg.incident"), base, !own})
	}
	if at.IsZero() {
		return out
	}
	until := at.UTC().Truncate(time.Minute).Add(time.Minute)
	for _, h := range []int{6, 24, 48} {
		v := window{until.Add(-time.Duration(h) * time.Hour), until}
		out = append(out, link{fmt.Sprintf("%d%sh", h, nbsp), base + string(query(v)), own && v.From.Equal(w.From) && v.Until.Equal(w.Until)})
	}
	return out
}

func query(w window) template.URL {
	q := url.Values{"from": {w.From.UTC().Format(instZ)}, "until": {w.Until.UTC().Format(instZ)}}
	return template.URL("?" + strings.ReplaceAll(q.Encode(), "%3A", ":"))
}

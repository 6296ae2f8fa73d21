package web

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"sort"
	"strings"
	"time"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/web/figure"
)

type nowPage struct {
	page
	Head    string
	Lede    template.HTML
	Open    []incidentRow
	Recent  []incidentRow
	Map     *regionMap
	Sources []sourceRow
	Source  string // the sources in one line
	Card    *demoCard
}

// incidentRow is one incident in a list.
type incidentRow struct {
	ID, Href, Place, Kind, State, Title string
	Level                               string // "sev1" to "sev4"
	Severity                            int
	Start                               time.Time
	End                                 time.Time
	Length                              string
	Lost, Of                            int
	Share                               string
	Data                                string
	Country                             string
}

type sourceRow struct {
	Name, State, Detail, Class string
	Last                       time.Time
	Demo                       bool // feeds the demonstration, and is no live source
}

// demoCard leads to the demonstration.
type demoCard struct {
	Title  string
	Lede   template.HTML
	Banner string
	Panel  template.HTML
	Labels template.HTML
	Axis   template.HTML
	Links  []link
	Label  string
	Head   string
	Of     string
}

func (s *Server) incidentRow(st site, in *detect.Incident) incidentRow {
	v := incidentRow{
		ID: clean(in.ID), Href: st.incident(in.ID), Place: s.name(in.Entity), Kind: s.word("kind", string(in.Kind)), State: s.word("state", string(in.State)), Title: clean(in.Title),
		Level: fmt.Sprintf("sev%d", min(4, max(1, in.Severity))), Severity: in.Severity, Start: in.Start.Time.Time, Data: s.word("data", string(in.Data)),
	}
	if !in.State.Open() {
		v.Level += " past"
	}
	if in.End != nil {
		v.End, v.Length = in.End.Time.Time, length(in.End.Time.Sub(in.Start.Time.Time))
	}
	if g := mainSignal(in); g != nil {
		v.Lost, v.Of, v.Share = g.Prefixes.Lost, g.Prefixes.Expected, share(seen(g.Prefixes.Lost), seen(g.Prefixes.Expected))
	}
	v.Country = st.country(in.Entity)
	return v
}

func (s *Server) now(w http.ResponseWriter, r *http.Request, st site) error {
	ctx := r.Context()
	list, _, err := st.lib.Incidents(ctx, Query{Limit: 100})
	if err != nil {
		return fmt.Errorf("incidents: %w", err)
	}
	v := &nowPage{page: s.newPage(st, r, s.cat.text("now.title"), "now")}
	if st.demo {
		v.Title = s.cat.text("now.title.demo")
	}
	v.Description = s.cat.text("now.description")
	for i := range list {
		row := s.incidentRow(st, &list[i])
		if list[i].State.Open() {
			v.Open = append(v.Open, row)
		} else {
			v.Recent = append(v.Recent, row)
		}
	}
	sort.SliceStable(v.Open, func(i, k int) bool {
		a, b := v.Open[i], v.Open[k]
		if a.Severity != b.Severity {
			return a.Severity > b.Severity
		}
		return a.Lost > b.Lost
	})
	if len(v.Recent) > 12 {
		v.Recent = v.Recent[:12]
	}
	latest, err := st.lib.Latest(ctx, sigV4)
	if err != nil {
		return fmt.Errorf("latest samples: %w", err)
	}
	var peak time.Time // the demonstration's world is that of its event
	if in := foremost(list); st.demo && in != nil && in.Peak != nil {
		peak = in.Peak.Time.Time
	}
	var at time.Time
	shades := map[string]figure.Shade{}
	watched, unstable := 0, 0
	for _, p := range latest {
		code, ok := strings.CutPrefix(p.Entity, "country:")
		if !ok {
			continue
		}
		if !peak.IsZero() {
			then, err := st.lib.Samples(ctx, p.Entity, sigV4, peak.Add(-silence), peak.Add(time.Second))
			if err != nil {
				return fmt.Errorf("samples of %s: %w", p.Entity, err)
			}
			if len(then) == 0 {
				continue
			}
			p = then[len(then)-1]
		}
		watched++
		shades[code] = s.shade(p)
		if shades[code].Unstable {
			unstable++
		}
		if p.At.After(at) {
			at = p.At.Time
		}
	}
	n := len(v.Open)
	v.Head = s.cat.text(s.cat.count("now.open", n), grouped(n))
	if n == 0 {
		v.Head = s.cat.text("now.none")
		if st.demo {
			v.Head = s.cat.text("now.demo")
		}
	}
	switch {
	case st.demo:
		v.Lede = s.cat.html("now.lede.demo")
		if s.deps.Status().DemoData == detect.Archive {
			v.Lede = s.cat.html("now.lede.demo.archive")
		}
	case watched == 0:
		v.Lede = s.cat.html("now.lede.nothing")
	default:
		v.Lede = s.cat.html("now.lede", grouped(watched), full(at))
		if unstable > 0 {
			v.Lede += " " + s.cat.html(s.cat.count("now.unstable", unstable), grouped(unstable))
		}
	}
	if watched > 0 {
		caption := s.cat.text("map.world", at.UTC().Format("2 Jan 2006, 15:04"), grouped(watched))
		v.Map = &regionMap{SVG: template.HTML(figure.World(shades, s.countryName, caption)), Caption: caption}
	}
	if !st.demo {
		v.Sources = s.sources()
		v.Source = s.sourceLine(v.Sources)
	}
	if s.deps.Demo != nil && n == 0 {
		if v.Card, err = s.demoCard(ctx); err != nil {
			return err
		}
		if st.demo && v.Card != nil {
			v.Card.Banner = "" // it stands on top of the page already
		}
	}
	return s.render(w, r, "now.html", v)
}

// sources are the running process's sources, worst first.
func (s *Server) sources() []sourceRow { return s.sourceRows(s.deps.Status().Sources) }

func (s *Server) sourceRows(list []SourceStatus) []sourceRow {
	var out []sourceRow
	for _, x := range list {
		class := "bad"
		switch x.State {
		case "connected", "done":
			class = "good"
		case "connecting":
			class = "mid"
		case "off", "demo":
			class = "off"
		}
		out = append(out, sourceRow{clean(x.Name), s.word("source", x.State), clean(x.Detail), class, x.Last, x.State == "demo"})
	}
	sort.SliceStable(out, func(i, k int) bool { return strings.Compare(out[i].Class, out[k].Class) < 0 })
	return out
}

// sourceLine says in one line how many sources are connected, honestly.
func (s *Server) sourceLine(rows []sourceRow) string {
	if len(rows) == 0 {
		return s.cat.text("sources.none")
	}
	n, of := 0, 0
	for _, r := range rows {
		if r.Demo {
			continue
		}
		of++
		if r.Class == "good" {
			n++
		}
	}
	if of == 0 {
		return s.cat.text("sources.none")
	}
	return s.cat.text("sources.line", grouped(n), grouped(of))
}

// demoCard shows the demonstration's main incident on the front page when nothing is open.
func (s *Server) demoCard(ctx context.Context) (*demoCard, error) {
	st := site{lib: s.deps.Demo, prefix: "/demo", demo: true}
	in, err := largest(ctx, st.lib)
	if err != nil {
		return nil, fmt.Errorf("incidents of the demonstration: %w", err)
	}
	if in == nil {
		return nil, nil
	}
	last, err := newest(ctx, st.lib, in.Entity.Key(), sigV4)
	if err != nil {
		return nil, err
	}
	w := s.windowOf(in, last)
	c := &demoCard{Title: s.name(in.Entity), Lede: s.lede(in, s.name(in.Entity)), Banner: s.demoBanner()}
	if href := st.country(in.Entity); in.Entity.Type == "country" && href != "" {
		c.Links = append(c.Links, link{Text: s.cat.text("demo.country", s.name(in.Entity)), Href: href})
	}
	c.Links = append(c.Links, link{Text: s.cat.text("demo.incident"), Href: st.incident(in.ID)})
	samples, err := held(ctx, st.lib, in.Entity.Key(), sigV4, w)
	if err != nil {
		return nil, err
	}
	if len(samples) > 0 {
		samples, step := thinned(samples, w)
		row, text := s.row(samples, step, w, tracks(sigV4)[0], spans([]detect.Incident{*in}))
		c.Panel, c.Labels, c.Label, c.Head, c.Of = row.Panel, row.Labels, text, row.Head, row.Of
		c.Axis = template.HTML(figure.TimeAxis(w.From, w.Until, 6))
	}
	return c, nil
}

// demoSearch bounds how many incidents of the demonstration are looked at for its main one.
const demoSearch = 5000

// largest is the country's outage that lost the most prefixes, or the largest of any kind when no country had one.
func largest(ctx context.Context, lib Library) (*detect.Incident, error) {
	var best *detect.Incident
	size := func(in *detect.Incident) int {
		n := 0
		for _, x := range in.Signals {
			n = max(n, x.Prefixes.Lost)
		}
		if in.Entity.Type == "country" && !in.ConfirmedAt.IsZero() {
			n += 1 << 30
		}
		return n
	}
	q := Query{Kinds: []string{string(detect.Outage)}, Limit: MaxLimit}
	for seen := 0; seen < demoSearch; {
		list, next, err := lib.Incidents(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range list {
			if in := &list[i]; in.State != detect.Retracted && (best == nil || size(in) > size(best)) {
				best = in
			}
		}
		seen += len(list)
		if q.Cursor = next; next == "" || len(list) == 0 {
			break
		}
	}
	return best, nil
}

type incidentsPage struct {
	page
	Rows  []incidentRow
	Next  string
	Asked template.URL // the query, for the feeds
}

func (s *Server) incidents(w http.ResponseWriter, r *http.Request, st site) error {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	asked := q
	list, next, err := st.lib.Incidents(r.Context(), q)
	if err != nil {
		return fmt.Errorf("incidents: %w", err)
	}
	v := &incidentsPage{page: s.newPage(st, r, s.cat.text("incidents.title"), "incidents")}
	for i := range list {
		v.Rows = append(v.Rows, s.incidentRow(st, &list[i]))
	}
	if r.URL.RawQuery != "" {
		v.Asked = template.URL("?" + encode(q))
	}
	if next != "" {
		asked.Cursor = next
		v.Next = st.prefix + "/incidents?" + encode(asked)
	}
	return s.render(w, r, "incidents.html", v)
}

package web

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/web/figure"
)

type countryPage struct {
	page
	Code, Name string
	Lede       template.HTML // when there is no incident to tell
	Unstable   template.HTML // too much of it cannot be judged now; empty: enough can
	Story      *story
	Others     []incidentRow
	Chart      *chart
	Map        *regionMap
	Strip      *strip
	Lane       *lane
	Tiles      []tile
	Regions    []regionRow
	More       int // regions that are not listed
	Evidence   bool
}

type regionMap struct {
	SVG     template.HTML
	Caption string
	Missing string // why there is no map
}

// lane is what the store holds about incidents over a long period.
type lane struct {
	SVG, Axis template.HTML
	Caption   string
}

func (s *Server) country(w http.ResponseWriter, r *http.Request, st site) error {
	code := r.PathValue("code")
	if up := strings.ToUpper(code); up != code && countryForm.MatchString(up) {
		http.Redirect(w, r, st.prefix+"/country/"+up, http.StatusPermanentRedirect)
		return nil
	}
	if !countryForm.MatchString(code) {
		return ErrNotFound
	}
	asked, own, err := parseWindow(r.URL.Query())
	if err != nil {
		return err
	}
	v, err := s.countryPage(r, st, code, asked, own)
	if err != nil {
		return err
	}
	return s.render(w, r, "country.html", v)
}

func (s *Server) countryPage(r *http.Request, st site, code string, asked window, own bool) (*countryPage, error) {
	ctx := r.Context()
	entity := detect.Entity{Type: "country", Code: code}
	list, _, err := st.lib.Incidents(ctx, Query{Entity: entity.Key(), Kinds: []string{string(detect.Outage)}, Limit: 50})
	if err != nil {
		return nil, fmt.Errorf("incidents of %s: %w", code, err)
	}
	all, err := st.lib.Latest(ctx, sigV4)
	if err != nil {
		return nil, fmt.Errorf("latest samples: %w", err)
	}
	latest := sampleOf(all, entity.Key())
	if len(list) > 0 {
		entity.Name = list[0].Entity.Name
	}
	name := s.name(entity)
	if name == code && len(list) == 0 && latest.At.IsZero() {
		return nil, ErrNotFound // neither the names table nor the store knows such a country
	}
	v := &countryPage{page: s.newPage(st, r, "", "countries"), Code: code, Name: name, Evidence: s.deps.Evidence != nil}
	focus := foremost(list)
	w := asked
	if !own {
		w = s.windowOf(focus, latest)
	}
	if focus == nil || !focus.State.Open() { // of an open one the incident says it
		if v.Unstable, err = s.notice(ctx, st.lib, entity.Key(), name, latest); err != nil {
			return nil, err
		}
	}
	if focus != nil {
		if v.Banner == "" {
			v.setBanner(s, st, focus.Data, "")
		}
		members, err := st.lib.Members(ctx, focus.ID)
		if err != nil {
			return nil, fmt.Errorf("members of %s: %w", focus.ID, err)
		}
		v.Story = s.tell(st, focus, members, focus.Revision)
		v.Strip = s.newStrip(members, w, 16)
		if err := s.v6Tile(ctx, st.lib, focus, v.Story); err != nil {
			return nil, err
		}
		v.Tiles = v.Story.Tiles
		v.Title = s.cat.text("country.title.incident", name, s.word("kind", string(focus.Kind)), focus.Start.Time.UTC().Format("2 Jan 2006"))
		v.Description = s.cat.text("country.description", name)
	} else {
		v.Title = s.cat.text("country.title", name)
		v.Lede, v.Tiles = s.calm(name, latest)
	}
	for i := range list {
		if focus == nil || list[i].ID != focus.ID {
			v.Others = append(v.Others, s.incidentRow(st, &list[i]))
		}
	}
	if !w.Until.IsZero() {
		if v.Chart, err = s.newChart(ctx, st, entity.Key(), st.prefix+"/country/"+code, w, within(list, w), latest.At.Time, own); err != nil {
			return nil, err
		}
	}
	if v.Map, err = s.region(ctx, st, code, name, focus, latest); err != nil {
		return nil, err
	}
	if v.Regions, v.More, err = s.regions(ctx, st, code, all); err != nil {
		return nil, err
	}
	if v.Lane, err = s.lane(ctx, st, list, latest); err != nil {
		return nil, err
	}
	return v, nil
}

// newest is the last sample of an entity; zero when there is none.
func newest(ctx context.Context, lib Library, entity, signal string) (detect.Sample, error) {
	all, err := lib.Latest(ctx, signal)
	if err != nil {
		return detect.Sample{}, fmt.Errorf("latest samples: %w", err)
	}
	return sampleOf(all, entity), nil
}

// sampleOf is an entity's sample among many; zero when there is none.
func sampleOf(all []detect.Sample, entity string) detect.Sample {
	for _, p := range all {
		if p.Entity == entity {
			return p
		}
	}
	return detect.Sample{}
}

// foremost is the incident that a page is about: the open one with the largest severity, else the latest.
func foremost(list []detect.Incident) *detect.Incident {
	var best *detect.Incident
	rank := func(in *detect.Incident) int {
		switch {
		case in.State == detect.Retracted:
			return -1
		case in.State.Open():
			return in.Severity + 1
		}
		return 0
	}
	for i := range list {
		in := &list[i]
		if best == nil || rank(in) > rank(best) || rank(in) == rank(best) && in.Start.Time.After(best.Start.Time.Time) {
			best = in
		}
	}
	return best
}

// within keeps the incidents that overlap the window.
func within(list []detect.Incident, w window) []detect.Incident {
	var out []detect.Incident
	for _, in := range list {
		if in.Start.Time.Before(w.Until) && (in.End == nil || in.End.Time.After(w.From)) && in.State != detect.Retracted {
			out = append(out, in)
		}
	}
	return out
}

// windowOf is the period shown when the reader asked for none: the incident with half its length before and after it, or the
// last day that there are samples for.
func (s *Server) windowOf(in *detect.Incident, latest detect.Sample) window {
	last := latest.At.Time
	if last.IsZero() {
		last = s.deps.Status().EventTime
	}
	if in == nil {
		if last.IsZero() {
			return window{}
		}
		until := last.Truncate(time.Minute).Add(time.Minute)
		return window{until.Add(-24 * time.Hour), until}
	}
	from, until := in.Start.Time.Time, last
	switch {
	case in.End != nil:
		until = in.End.Time.Time
	case !in.OpenAt.IsZero():
		until = in.OpenAt.Time
	}
	if !until.After(from) {
		until = from.Add(10 * time.Minute)
	}
	pad := min(24*time.Hour, max(30*time.Minute, until.Sub(from)/2))
	w := window{from.Add(-pad).Truncate(time.Minute), until.Add(pad).Truncate(time.Minute)}
	if end := last.Truncate(time.Minute).Add(time.Minute); !last.IsZero() && w.Until.After(end) && end.After(until) {
		w.Until = end
	}
	if w.Until.Sub(w.From) > longest {
		w.From = w.Until.Add(-longest)
	}
	return w
}

// v6Tile replaces "no IPv6 data" by the IPv6 reading at the incident's deepest point, when there is one: an incident names only
// the family that lost something, and silence about the other would be wrong.
func (s *Server) v6Tile(ctx context.Context, lib Library, in *detect.Incident, y *story) error {
	at := slices.IndexFunc(y.Tiles, func(t tile) bool { return t.None })
	if at < 0 || in.Peak == nil {
		return nil
	}
	list, err := lib.Samples(ctx, in.Entity.Key(), sigV6, in.Peak.Time.Add(-silence), in.Peak.Time.Add(time.Second))
	if err != nil {
		return fmt.Errorf("samples of %s: %w", in.Entity.Key(), err)
	}
	if len(list) == 0 {
		return nil
	}
	p := list[len(list)-1]
	if p.NoData || p.Prefixes <= 0 {
		y.Tiles[at].Rest, y.Tiles[at].Sub = s.cat.text("tile.v6.nodata"), s.cat.html("tile.v6.why")
		return nil
	}
	vis := int64(p.Prefixes - p.LostPrefixes)
	big, unit := number(share(vis, int64(p.Prefixes)))
	y.Tiles[at] = tile{
		Class: "bgp", Head: s.cat.text("tile.routes", "IPv6"), Big: big, Unit: unit, Rest: s.cat.text("tile.visible"), Part: vis, Whole: int64(p.Prefixes),
		Sub: s.cat.html("tile.prefixes", grouped(vis), grouped(p.Prefixes)), Source: s.cat.html("tile.at", hourMinute(in.Peak.Time.Time)),
	}
	return nil
}

// region draws the country and its neighbours: at the incident's deepest point, or now.
func (s *Server) region(ctx context.Context, st site, code, name string, in *detect.Incident, latest detect.Sample) (*regionMap, error) {
	if !figure.HasOutline(code) {
		return &regionMap{Missing: s.cat.text("map.small", name)}, nil
	}
	at := latest.At.Time
	if in != nil && in.Peak != nil {
		at = in.Peak.Time.Time
	}
	shades := map[string]figure.Shade{}
	var say []string
	if !at.IsZero() {
		for _, c := range figure.RegionCodes(code) {
			list, err := st.lib.Samples(ctx, "country:"+c, sigV4, at.Add(-silence), at.Add(time.Second))
			if err != nil {
				return nil, fmt.Errorf("samples of country:%s: %w", c, err)
			}
			if len(list) == 0 {
				continue
			}
			sh := s.shade(list[len(list)-1])
			shades[c] = sh
			if n := s.countryName(c); n != "" && (c == code || sh.Class != "s0" || sh.Unstable) {
				note := sh.Note
				if note == "" {
					note = s.cat.text("nodata")
				}
				if sh.Unstable {
					note += ", " + s.cat.text("unstable.word")
				}
				say = append(say, n+": "+note+".")
			}
		}
	}
	if _, ok := shades[code]; !ok {
		shades[code] = figure.Shade{Class: "nd", Note: s.cat.text("nodata")}
	}
	caption := s.cat.text("map.nodata")
	if !at.IsZero() {
		key := "map.now"
		if in != nil && in.Peak != nil {
			key = "map.peak"
		}
		caption = s.cat.text(key, at.UTC().Format("2 Jan 2006, 15:04"))
	}
	svg, _ := figure.Region(code, shades, s.countryName, s.cat.text("map.label", caption, strings.Join(say, " ")))
	return &regionMap{SVG: template.HTML(svg), Caption: caption}, nil
}

// shade puts a sample on the map's scale: the share of observable prefixes that is visible, and whether enough is observable.
func (s *Server) shade(p detect.Sample) figure.Shade {
	if p.NoData || p.Prefixes <= 0 {
		return figure.Shade{Class: "nd", Unstable: s.unstable(p)}
	}
	vis := int64(p.Prefixes - p.LostPrefixes)
	class := "s4"
	switch f := float64(vis) / float64(p.Prefixes); {
	case f >= 0.95:
		class = "s0"
	case f >= 0.8:
		class = "s1"
	case f >= 0.5:
		class = "s2"
	case f >= 0.2:
		class = "s3"
	}
	return figure.Shade{Class: class, Note: share(vis, int64(p.Prefixes)), Unstable: s.unstable(p)}
}

// lane draws the incidents of the period that the store covers, at most twelve months; what it does not cover is hatched.
func (s *Server) lane(ctx context.Context, st site, list []detect.Incident, latest detect.Sample) (*lane, error) {
	inputs, err := st.lib.Inputs(ctx)
	if err != nil {
		return nil, fmt.Errorf("inputs: %w", err)
	}
	var covered figure.Span
	for _, in := range inputs {
		if in.First == 0 {
			continue
		}
		if f := in.First.Time(); covered.From.IsZero() || f.Before(covered.From) {
			covered.From = f
		}
		if l := in.Last.Time(); l.After(covered.Until) {
			covered.Until = l
		}
	}
	if latest.At.After(covered.Until) {
		covered.Until = latest.At.Time
	}
	if covered.From.IsZero() || !covered.Until.After(covered.From) {
		return nil, nil
	}
	w := window{covered.Until.AddDate(-1, 0, 0), covered.Until}
	key := "lane.year"
	if covered.Until.Sub(covered.From) < 60*24*time.Hour {
		pad := covered.Until.Sub(covered.From) / 40
		w, key = window{covered.From.Add(-pad), covered.Until.Add(pad)}, "lane.short"
	}
	var bars []figure.Bar
	for i, sp := range spans(list) {
		bars = append(bars, figure.Bar{Span: sp, Level: list[i].Severity})
	}
	n := len(list)
	return &lane{
		SVG:     template.HTML(figure.Lane(w.From, w.Until, covered, bars)),
		Axis:    template.HTML(figure.TimeAxis(w.From, w.Until, 8)),
		Caption: s.cat.text(s.cat.count(key, n), grouped(n), period(covered.From, covered.Until), length(covered.Until.Sub(covered.From))),
	}, nil
}

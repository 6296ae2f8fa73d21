package web

import (
	"html/template"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/web/figure"
)

// story is an incident told: the parts that the page of a country and the page of the incident have in common.
type story struct {
	ID      string
	URL     string // of the incident's page
	Version int
	Latest  int
	Frozen  bool   // an older version is shown
	Place   string // name of the entity
	Title   string
	Lede    template.HTML
	Also    template.HTML // a second address family, never added to the first
	Pill    pill
	Facts   []fact
	Tiles   []tile
	Log     []entry
	Parts   []partRow
	More    []partRow
	Says    []statement
	Cite    cite
	Because []string // why coverage is reduced, in words
	Level   string   // "full" or "reduced"
}

type pill struct{ Class, Text string }

type fact struct {
	Head  string
	Value template.HTML
	Small template.HTML
}

type tile struct {
	Class, Head, Big, Unit, Rest string
	Part, Whole                  int64
	Sub, Source                  template.HTML
	None                         bool
}

type entry struct {
	At   time.Time
	Kind string // "bgp" or "det"
	Chip string
	Text template.HTML
	Ref  string // what the entry rests on
	// For the files:
	Code  string // stable word for the kind of entry
	Plain string
}

type partRow struct {
	Name, Code     string
	Lost, Expected int64
	Unit           string
	Prefixes       int
}

type statement struct {
	Mark string // "y", "n" or "u"
	Text template.HTML
}

type cite struct {
	Text   template.HTML
	Plain  string
	Signed bool
	Digest string
}

// mainSignal is the reading with the largest share lost; nil when the incident carries none.
func mainSignal(in *detect.Incident) *detect.Signal {
	var best *detect.Signal
	for i := range in.Signals {
		if best == nil || in.Signals[i].LostShare > best.LostShare {
			best = &in.Signals[i]
		}
	}
	return best
}

func family(signal string) string {
	if signal == sigV6 {
		return "IPv6"
	}
	return "IPv4"
}

func seen(v int) int64 { return int64(v) }

// tell makes the story of an incident. members may be nil: then what rests on them is left out.
func (s *Server) tell(st site, in *detect.Incident, members []detect.Member, latest int) *story {
	y := &story{
		ID: in.ID, URL: st.incident(in.ID), Version: in.Revision, Latest: max(latest, in.Revision), Place: s.name(in.Entity),
		Title: clean(in.Title), Level: in.Coverage.Level,
	}
	y.Frozen = y.Version < y.Latest
	for _, c := range in.Coverage.Because {
		y.Because = append(y.Because, s.reason(c))
	}
	y.Pill = pill{"sev" + strconv.Itoa(min(4, max(1, in.Severity))), s.cat.text("pill", s.word("state", string(in.State)), strconv.Itoa(in.Severity))}
	if !in.State.Open() {
		y.Pill.Class += " past"
	}
	y.Lede = s.lede(in, y.Place)
	y.Facts = s.facts(in, y)
	y.Tiles = s.tiles(in)
	y.Log = s.timeline(in, members)
	y.Parts = s.parts(in)
	if len(y.Parts) > 8 {
		y.Parts, y.More = y.Parts[:8], y.Parts[8:]
	}
	y.Says = s.says(in, members)
	y.Cite = s.cite(st, in, y)
	return y
}

// word is the catalogue's text for a code of an open list, or the code itself.
func (s *Server) word(group, code string) string {
	if k := group + "." + code; s.cat.has(k) {
		return s.cat.text(k)
	}
	return words(code)
}

func (s *Server) reason(code string) string { return s.word("because", code) }

// lede is the sentence that opens the page: what was observed, its denominator, and who saw it. It says nothing of causes.
func (s *Server) lede(in *detect.Incident, place string) template.HTML {
	var out []string
	for _, g := range order(in.Signals) {
		key := "lede.closed"
		var when template.HTML
		switch {
		case in.End != nil:
			when = s.between(in.Start.Time.Time, in.End.Time.Time)
		default:
			key = "lede.open"
			when = full(in.Start.Time.Time)
		}
		if len(out) > 0 {
			key = "lede.also"
		}
		out = append(out, string(s.cat.html(key, when, grouped(g.Prefixes.Lost), grouped(g.Prefixes.Expected),
			share(seen(g.Prefixes.Lost), seen(g.Prefixes.Expected)), place, s.seenBy(g), family(g.Signal))))
	}
	if len(out) == 0 {
		return s.cat.html("lede.nosignal", full(in.Start.Time.Time), s.word("kind", string(in.Kind)), place)
	}
	return template.HTML(strings.Join(out, " "))
}

// order puts the signal with the larger loss first.
func order(in []detect.Signal) []detect.Signal {
	out := append([]detect.Signal(nil), in...)
	sort.SliceStable(out, func(i, k int) bool { return out[i].LostShare > out[k].LostShare })
	return out
}

// seenBy is "39 of 40 networks at 1 collector".
func (s *Server) seenBy(g detect.Signal) string {
	n := len(g.Collectors)
	if n == 0 {
		return s.cat.text("seenby.networks", grouped(g.ASNs.Voting), grouped(g.ASNs.Expected))
	}
	return s.cat.text(s.cat.count("seenby", n), grouped(g.ASNs.Voting), grouped(g.ASNs.Expected), grouped(n))
}

func (s *Server) facts(in *detect.Incident, y *story) []fact {
	c := s.cat
	var out []fact
	start := fact{Head: c.text("fact.start"), Value: second(in.Start.Time.Time)}
	if !in.Start.Earliest.IsZero() && !in.Start.Latest.IsZero() {
		start.Small = c.html("fact.range", hourMinuteSecond(in.Start.Earliest.Time), hourMinuteSecond(in.Start.Latest.Time))
	}
	out = append(out, start)
	switch {
	case in.End != nil:
		out = append(out, fact{Head: c.text("fact.duration"), Value: c.html("plain", length(in.End.Time.Sub(in.Start.Time.Time)))})
	case !in.OpenAt.IsZero():
		out = append(out, fact{Head: c.text("fact.duration"), Value: c.html("fact.atleast", length(in.OpenAt.Sub(in.Start.Time.Time))), Small: c.html("fact.inputend")})
	default:
		out = append(out, fact{Head: c.text("fact.duration"), Value: c.html("fact.ongoing")})
	}
	if !in.ConfirmedAt.IsZero() {
		out = append(out, fact{Head: c.text("fact.confirmed"), Value: c.html("fact.after", length(in.ConfirmedAt.Sub(in.Start.Time.Time)))})
	}
	coverage := fact{Head: c.text("fact.coverage"), Value: c.html("plain", s.word("coverage", y.Level))}
	if len(y.Because) > 0 {
		coverage.Small = c.html("plain", strings.Join(y.Because, "; "))
	}
	out = append(out,
		fact{Head: c.text("fact.cause"), Value: c.html("fact.nocause")},
		fact{Head: c.text("fact.incident"), Value: anchor(y.URL, "mono", in.ID), Small: c.html("fact.version", y.Version)},
		coverage)
	return out
}

func hourMinuteSecond(t time.Time) template.HTML { return stamp(t, "hms0", t.UTC().Format("15:04:05")) }

// tiles are the numbers at the deepest point, each with its denominator.
func (s *Server) tiles(in *detect.Incident) []tile {
	c := s.cat
	var out []tile
	v6 := false
	for _, g := range in.Signals {
		v6 = v6 || g.Signal == sigV6
		at := c.html("tile.at", hourMinute(g.At.Time))
		vis := int64(g.Prefixes.Expected - g.Prefixes.Lost)
		sub := c.html("tile.prefixes", grouped(vis), grouped(g.Prefixes.Expected))
		src := at
		if g.Prefixes.Unobservable > 0 {
			src = c.html("tile.unobservable", at, grouped(g.Prefixes.Unobservable))
		}
		big, unit := number(share(vis, int64(g.Prefixes.Expected)))
		out = append(out, tile{Class: "bgp", Head: c.text("tile.routes", family(g.Signal)), Big: big, Unit: unit, Rest: c.text("tile.visible"), Part: vis, Whole: int64(g.Prefixes.Expected), Sub: sub, Source: src})
		src = at
		if g.Unobservable > 0 {
			src = c.html("tile.unobservable", at, grouped(g.Unobservable))
		}
		big, unit = number(share(g.Observed, g.Expected))
		out = append(out, tile{
			Class: "bgp", Head: c.text("tile." + g.Unit), Big: big, Unit: unit, Rest: c.text("tile.visible"), Part: g.Observed, Whole: g.Expected,
			Sub: c.html("tile.blocks", grouped(g.Observed), grouped(g.Expected)), Source: src,
		})
	}
	if !v6 {
		out = append(out, tile{Class: "none", Head: c.text("tile.v6"), Rest: c.text("tile.v6.none"), Sub: c.html("tile.v6.why"), None: true})
	}
	if g := mainSignal(in); g != nil {
		t := tile{
			Class: "vote", Head: c.text("tile.vantage"), Big: grouped(g.ASNs.Voting), Unit: c.text("tile.ofn", grouped(g.ASNs.Expected)), Rest: c.text("tile.vote"),
			Part: int64(g.ASNs.Voting), Whole: int64(g.ASNs.Expected),
			Sub: c.html("tile.quorum", grouped(g.ASNs.Needed)), Source: c.html(c.count("tile.collectors", len(g.Collectors)), len(g.Collectors), strings.Join(g.Collectors, ", ")),
		}
		out = append(out, t)
	}
	return out
}

// number parts a share into its figure and its sign.
func number(s string) (string, string) {
	n, unit, _ := strings.Cut(s, nbsp)
	return n, unit
}

func (s *Server) parts(in *detect.Incident) []partRow {
	list := append([]detect.Part(nil), in.Parts...)
	sort.SliceStable(list, func(i, k int) bool {
		a, b := list[i], list[k]
		if a.Lost != b.Lost {
			return a.Lost > b.Lost
		}
		return a.Entity.Code < b.Entity.Code
	})
	out := make([]partRow, len(list))
	for i, p := range list {
		n := s.name(p.Entity)
		if n == p.Entity.Code {
			n = ""
		}
		out[i] = partRow{n, clean(p.Entity.Code), p.Lost, p.Expected, s.word("unit", p.Unit), p.Prefixes}
	}
	return out
}

func (s *Server) cite(st site, in *detect.Incident, y *story) cite {
	c := cite{Signed: s.cfg.Operator != ""}
	who := clean(s.cfg.Operator)
	if who == "" {
		who = s.cat.text("cite.draft")
	}
	title := y.Title
	if title == "" {
		title = s.cat.text("cite.title", s.word("kind", string(in.Kind)), y.Place)
	}
	observed := s.cat.text("cite.open", in.Start.Time.String())
	if in.End != nil {
		observed = s.cat.text("cite.closed", in.Start.Time.String(), in.End.Time.String())
	}
	at := s.cfg.PublicURL + st.incident(in.ID) + "/v" + strconv.Itoa(in.Revision)
	if in.Evidence != nil {
		c.Digest = clean(in.Evidence.SHA256)
	}
	digest := c.Digest
	if digest == "" {
		digest = s.cat.text("cite.nodigest")
	}
	args := []any{who, title, y.Version, observed, s.word("data", string(in.Data)), at, digest}
	c.Text, c.Plain = s.cat.html("cite.text", args...), s.cat.text("cite.text", args...)
	return c
}

// incident is the path of an incident's page on this side.
func (st site) incident(id string) string { return st.prefix + "/i/" + url.PathEscape(id) }

// country is the path of a country's page, for a region that of its country; empty for other entities.
func (st site) country(e detect.Entity) string {
	code := e.Code
	if e.Type == "region" {
		code, _, _ = strings.Cut(code, "-")
	}
	if e.Type != "country" && e.Type != "region" || !countryForm.MatchString(code) {
		return ""
	}
	return st.prefix + "/country/" + code
}

// anchor makes a link. Both href and text are escaped.
func anchor(href, class, text string) template.HTML {
	return template.HTML(`<a class="` + class + `" href="` + template.HTMLEscapeString(href) + `">` + figure.Escape(clean(text)) + `</a>`)
}

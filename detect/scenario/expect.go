package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// expectation is one incident that must be found, from an expect line.
type expectation struct {
	line    int
	kind    detect.Kind
	entity  string // Entity.Key, as in country:PK
	clauses []clause
}

// clause is one property of the incident. It returns "" or what was found instead.
type clause struct {
	text string
	test func(all []*detect.Incident, inc *detect.Incident) string
}

// span is a range of counts, ends included.
type span struct{ from, to int64 }

func (s span) holds(n int64) bool { return n >= s.from && n <= s.to }

var states = []detect.State{detect.Suspected, detect.Partial, detect.Confirmed, detect.Recovering, detect.Closed, detect.Retracted}

// expect reads: expect nothing | expect outage ENTITY CLAUSE... | expect fault COLLECTOR[/AS<n>] CLAUSE...
func (p *parser) expect(w []string) {
	if len(w) == 1 && w[0] == "nothing" {
		p.s.nothing = true
		return
	}
	if len(w) < 2 || w[0] != "outage" && w[0] != "fault" {
		p.fail("write expect nothing, expect outage country:XA ..., expect outage network:AS64500 ..., or expect fault COLLECTOR[/AS64500] ...")
		return
	}
	x := &expectation{line: p.line, kind: detect.Outage}
	names := []string{w[1]}
	switch {
	case w[0] == "fault":
		x.kind = detect.MonitorFault
		names = p.faultNames(w[1])
	case strings.HasPrefix(w[1], "network:"):
		names = nil
		if from, to, ok := p.asRange(w[1][len("network:"):]); ok {
			for as := uint64(from); as <= uint64(to); as++ {
				names = append(names, fmt.Sprintf("network:AS%d", as))
			}
		}
	case !place(w[1]):
		p.fail("%q: want an entity like country:XA, region:XA-N, zone:coast, network:AS64500 or network:AS64500..AS64509", w[1])
		return
	}
	rest := w[2:]
	for len(rest) > 0 {
		c, n := p.clause(rest)
		if n == 0 {
			return
		}
		c.text = strings.Join(rest[:n], " ")
		x.clauses = append(x.clauses, c)
		rest = rest[n:]
	}
	for _, name := range names {
		y := *x
		y.entity = name
		p.s.expects = append(p.s.expects, &y)
	}
	if len(p.s.expects) > maxPeers {
		p.fail("more than %d expectations: use fewer", maxPeers)
	}
}

// place reports the key of a country, region or zone.
func place(key string) bool {
	kind, code, _ := strings.Cut(key, ":")
	form := map[string]*regexp.Regexp{"country": countryCode, "region": regionCode, "zone": zoneSlug}[kind]
	return form != nil && form.MatchString(code)
}

// faultNames resolves COLLECTOR/AS1[..AS9] into the codes of the sessions, and COLLECTOR into its own; the peers lines come before.
func (p *parser) faultNames(word string) (out []string) {
	collector, as, ok := strings.Cut(word, "/")
	if !ok {
		if !slices.Contains(p.s.Collectors(), collector) {
			p.fail("%q names no collector: put its peers line above, or write COLLECTOR/AS64500", word)
			return nil
		}
		return []string{"collector:" + collector}
	}
	from, to, ok := p.asRange(as)
	if !ok {
		return nil
	}
	for _, x := range p.s.peers {
		if x.name.Collector == collector && x.name.AS >= from && x.name.AS <= to {
			out = append(out, "peer:"+x.name.String())
		}
	}
	if len(out) == 0 {
		p.fail("%q names no peer: put its peers line above", word)
	}
	return out
}

// clause reads the next clause and says how many words it took; 0 after a fault.
func (p *parser) clause(w []string) (clause, int) {
	switch w[0] {
	case "never", "finally":
		if i := slices.Index(states, detect.State(at(w, 1))); i >= 0 {
			if w[0] == "finally" {
				return clause{test: finally(states[i])}, 2
			}
			return clause{test: never(states[i])}, 2
		}
		p.fail("after %s comes a state: suspected, partial, confirmed, recovering, closed or retracted", w[0])
		return clause{}, 0
	case "open":
		return clause{test: open}, 1
	case "start", "end":
		return p.interval(w)
	case "lost", "deaggregated", "units", "unobservable", "episodes", "severity", "voting":
		return p.count(w)
	case "signals":
		if len(w) < 2 {
			p.fail("write signals v4, signals v6 or signals v4+v6")
			return clause{}, 0
		}
		return clause{test: signals(w[1])}, 2
	case "title":
		return p.text(w, func(inc *detect.Incident) string { return inc.Title })
	case "coverage":
		return p.text(w, func(inc *detect.Incident) string {
			return inc.Coverage.Level + " " + strings.Join(inc.Coverage.Because, " ")
		})
	case "revision":
		return p.text(w, func(inc *detect.Incident) string {
			var b strings.Builder
			for _, r := range inc.Revisions {
				b.WriteString(r.Change + ": " + r.Reason + "\n")
			}
			return b.String()
		})
	case "part":
		if at(w, 1) == "of" && len(w) > 2 {
			return clause{test: partOf(w[2])}, 3
		}
		p.fail("write part of country:XA")
		return clause{}, 0
	}
	if i := slices.Index(states, detect.State(w[0])); i >= 0 {
		return p.reached(w, states[i])
	}
	p.fail("%q is no clause: a state, never, finally, open, start, end, lost, deaggregated, units, unobservable, voting, episodes, severity, signals, title, coverage, revision, part of", w[0])
	return clause{}, 0
}

// within reads within D of T.
func (p *parser) within(w []string) (d, t bgp.Micros, ok bool) {
	if len(w) < 4 || w[2] != "of" {
		p.fail("write within 60s of +13h")
		return 0, 0, false
	}
	if d, ok = p.duration(w[1], "within"); !ok {
		return 0, 0, false
	}
	t, ok = p.instant(w[3])
	return d, t, ok
}

func near(got detect.Time, d, t bgp.Micros) bool {
	x := bgp.Micros(got.Micros()) - t
	return !got.IsZero() && x >= -d && x <= d
}

// reached reads STATE [within D of T]: when the incident first came to be in the state.
func (p *parser) reached(w []string, state detect.State) (clause, int) {
	first := func(inc *detect.Incident) (detect.Time, bool) {
		for _, r := range inc.Revisions {
			if r.State == state {
				return r.At, true
			}
		}
		return detect.Time{}, false
	}
	if at(w, 1) != "within" {
		return clause{test: func(_ []*detect.Incident, inc *detect.Incident) string {
			if _, ok := first(inc); ok {
				return ""
			}
			return "was never " + string(state) + ": " + life(inc)
		}}, 1
	}
	d, t, ok := p.within(w[1:])
	if !ok {
		return clause{}, 0
	}
	return clause{test: func(_ []*detect.Incident, inc *detect.Incident) string {
		got, ok := first(inc)
		switch {
		case !ok:
			return "was never " + string(state) + ": " + life(inc)
		case !near(got, d, t):
			return fmt.Sprintf("was %s first at %s", state, got)
		}
		return ""
	}}, 5
}

func never(state detect.State) func([]*detect.Incident, *detect.Incident) string {
	return func(_ []*detect.Incident, inc *detect.Incident) string {
		for _, r := range inc.Revisions {
			if r.State == state {
				return "was " + string(state) + " at " + r.At.String() + ": " + life(inc)
			}
		}
		return ""
	}
}

func finally(state detect.State) func([]*detect.Incident, *detect.Incident) string {
	return func(_ []*detect.Incident, inc *detect.Incident) string {
		if inc.State == state {
			return ""
		}
		return "is " + string(inc.State) + ": " + life(inc)
	}
}

func open(_ []*detect.Incident, inc *detect.Incident) string {
	if inc.State.Open() && !inc.OpenAt.IsZero() {
		return ""
	}
	return "is " + string(inc.State) + ": " + life(inc)
}

// interval reads start covers T, start within D of T, and the same of end. An interval covers a second when the second
// lies between its ends; it is within D of T when its best reading is.
func (p *parser) interval(w []string) (clause, int) {
	which := w[0]
	of := func(inc *detect.Incident) (iv detect.Interval, ok bool) {
		if which == "start" {
			return inc.Start, true
		}
		if inc.End == nil {
			return iv, false
		}
		return *inc.End, true
	}
	show := func(iv detect.Interval) string {
		return fmt.Sprintf("%s is %s (%s to %s)", which, iv.Time, iv.Earliest, iv.Latest)
	}
	switch at(w, 1) {
	case "covers":
		t, ok := p.instant(at(w, 2))
		if !ok {
			return clause{}, 0
		}
		return clause{test: func(_ []*detect.Incident, inc *detect.Incident) string {
			iv, ok := of(inc)
			if !ok {
				return "there is no " + which + ": " + life(inc)
			}
			early, late := bgp.Micros(iv.Earliest.Micros()), bgp.Micros(iv.Latest.Micros())
			if early/bgp.Second*bgp.Second <= t && t <= late {
				return ""
			}
			return show(iv)
		}}, 3
	case "within":
		d, t, ok := p.within(w[1:])
		if !ok {
			return clause{}, 0
		}
		return clause{test: func(_ []*detect.Incident, inc *detect.Incident) string {
			iv, ok := of(inc)
			if !ok {
				return "there is no " + which + ": " + life(inc)
			}
			if near(iv.Time, d, t) {
				return ""
			}
			return show(iv)
		}}, 5
	}
	p.fail("write %s covers +13h, or %s within 60s of +13h", which, which)
	return clause{}, 0
}

// span reads 20 or 20..30.
func (p *parser) span(word string) (span, bool) {
	a, b, ranged := strings.Cut(word, "..")
	if !ranged {
		b = a
	}
	from, err1 := strconv.ParseInt(a, 10, 64)
	to, err2 := strconv.ParseInt(b, 10, 64)
	if err1 != nil || err2 != nil || from < 0 || to < from {
		p.fail("%q: want a number like 20, or a range like 20..30", word)
		return span{}, false
	}
	return span{from, to}, true
}

// count reads lost N [of M], deaggregated N, units N [of M], unobservable N, voting N, episodes N, severity N. The figures are those
// of the incident's first signal, at its peak.
func (p *parser) count(w []string) (clause, int) {
	what := w[0]
	n, ok := p.span(at(w, 1))
	if !ok {
		return clause{}, 0
	}
	used, of := 2, span{0, 1 << 62}
	if at(w, 2) == "of" && (what == "lost" || what == "units") {
		if of, ok = p.span(at(w, 3)); !ok {
			return clause{}, 0
		}
		used = 4
	}
	return clause{test: func(_ []*detect.Incident, inc *detect.Incident) string {
		got, whole := figure(inc, what)
		if n.holds(got) && of.holds(whole) {
			return ""
		}
		if what == "lost" || what == "units" {
			return fmt.Sprintf("%s %d of %d", what, got, whole)
		}
		return fmt.Sprintf("%s %d", what, got)
	}}, used
}

// figure reads a count off an incident, with its denominator where it has one.
func figure(inc *detect.Incident, what string) (got, of int64) {
	switch what {
	case "episodes":
		return int64(len(inc.Episodes)), 0
	case "severity":
		return int64(inc.Severity), 0
	}
	if len(inc.Signals) == 0 {
		return -1, -1
	}
	s := &inc.Signals[0]
	switch what {
	case "lost":
		return int64(s.Prefixes.Lost), int64(s.Prefixes.Expected)
	case "deaggregated":
		return int64(s.Prefixes.Deaggregated), 0
	case "unobservable":
		return int64(s.Prefixes.Unobservable), 0
	case "voting":
		return int64(s.ASNs.Voting), 0
	}
	return s.Expected - s.Observed, s.Expected
}

// signals reads v4, v6 or v4+v6: the signals that crossed their floors.
func signals(want string) func([]*detect.Incident, *detect.Incident) string {
	return func(_ []*detect.Incident, inc *detect.Incident) string {
		var got []string
		for _, s := range inc.Signals {
			got = append(got, strings.TrimPrefix(s.Signal, "bgp."))
		}
		if g := strings.Join(got, "+"); g != want {
			return "signals " + g
		}
		return ""
	}
}

// text reads WORD "words", or WORD not "words": that they occur, or do not.
func (p *parser) text(w []string, of func(*detect.Incident) string) (clause, int) {
	used, want := 2, at(w, 1)
	not := want == "not"
	if not {
		used, want = 3, at(w, 2)
	}
	if want == "" {
		p.fail("after %s comes what it must hold, in quotation marks", w[0])
		return clause{}, 0
	}
	return clause{test: func(_ []*detect.Incident, inc *detect.Incident) string {
		got := of(inc)
		if strings.Contains(got, want) != not {
			return ""
		}
		return fmt.Sprintf("%s is %q", w[0], strings.TrimSpace(got))
	}}, used
}

// partOf reads part of ENTITY: the incident is linked to one of the entity; or part of nothing: it is an alert of its own.
func partOf(entity string) func([]*detect.Incident, *detect.Incident) string {
	return func(all []*detect.Incident, inc *detect.Incident) string {
		if entity == "nothing" {
			if slices.ContainsFunc(inc.Related, func(r detect.Related) bool { return r.Relation == "part_of" }) {
				return fmt.Sprintf("is a part: related %v", inc.Related)
			}
			return ""
		}
		for _, r := range inc.Related {
			for _, other := range all {
				if r.Relation == "part_of" && other.ID == r.ID && other.Entity.Key() == entity {
					return ""
				}
			}
		}
		return fmt.Sprintf("is part of nothing of that name: related %v", inc.Related)
	}
}

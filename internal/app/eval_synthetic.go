package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/eval"
	"github.com/corewatch/corewatch/detect/eval/rival"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/detect/signal"
)

// What an outage of the suite can be: its share of the country, in percent; how fast it goes, in seconds from the first prefix to the
// last; and whether it is of IPv4 or of IPv6.
var (
	outageSizes  = []int{1, 2, 3, 4, 5, 7, 10, 15, 25, 50, 100}
	outageSpeeds = []struct {
		name string
		over int
	}{{"within seconds", 0}, {"over 10 minutes", 600}, {"over an hour", 3600}}
)

// outageTally is one line of the tables of outages.
type outageTally struct {
	suspected, confirmed, warning, critical, alerter eval.Ratio
	sized                                            eval.Ratio
	raised                                           []float64
}

// synthetic puts outages of a drawn place into a quiet world, one a seed: sizes, speeds and families take turns. It then plays two
// long stories, and outages in recorded data.
func (e Eval) synthetic(ctx context.Context) (*evalResult, error) {
	n, first := e.seeds("synthetic"), e.firstSeed()
	r := &evalResult{About: fmt.Sprintf("%d draws, seeds %d to %d: one outage of a chosen size, speed and family in a quiet world of 36 peers at three collectors; which prefixes of which networks is drawn. "+
		"Country XA has 400 IPv4 prefixes of ten networks, and 80 IPv6 prefixes of four. A country's floor is 3 %% with three networks: less must not be found. Then two long stories.", n, first, first+uint64(n)-1)}
	bySize := make([]outageTally, len(outageSizes))
	bySpeed := make([]outageTally, len(outageSpeeds))
	var byFamily [2]outageTally
	bar := e.progress("outages", int64(n))
	for seed := first; seed < first+uint64(n); seed++ {
		d := outageDraw{seed: seed, size: int(seed % uint64(len(outageSizes)))}
		rest := seed / uint64(len(outageSizes))
		d.speed, d.six = int(rest%uint64(len(outageSpeeds))), rest/uint64(len(outageSpeeds))%3 == 2
		var into []*outageTally
		if !d.six {
			into = append(into, &bySize[d.size])
		}
		if outageSizes[d.size] > 3 && d.lost() >= 8 { // the other tables are of what must be found
			into = append(into, &bySpeed[d.speed], &byFamily[map[bool]int{true: 1}[d.six]])
		}
		differs, err := d.run(ctx, into)
		if err != nil {
			return nil, fmt.Errorf("seed %d: %w", seed, err)
		}
		r.Differs = append(r.Differs, differs...)
		bar.at(int64(seed - first + 1))
	}
	bar.done()
	sizes := newOutageTable("IPv4 outages by share of the country")
	for i := range bySize {
		bySize[i].row(&sizes, fmt.Sprintf("%d %%", outageSizes[i]))
	}
	others := newOutageTable("outages of 4 % and more, and of 8 prefixes and more, by speed and family")
	for i := range bySpeed {
		bySpeed[i].row(&others, outageSpeeds[i].name)
	}
	byFamily[0].row(&others, "IPv4 only")
	byFamily[1].row(&others, "IPv6 only")
	long, err := e.stories(ctx, r)
	if err != nil {
		return nil, err
	}
	r.Tables = []eval.Table{sizes, others, long}
	r.Goals = append(r.Goals, ratioGoal("slow drains over an hour of 4 % and more, quiet world: found", bySpeed[2].suspected, 0.97),
		ratioGoal("IPv6 only, quiet world: found", byFamily[1].suspected, 0.97))
	if err := e.overReal(ctx, r, e.realOutages); err != nil {
		return nil, err
	}
	return r, nil
}

func newOutageTable(title string) eval.Table {
	return eval.Table{Title: title, Columns: []string{"ours, suspected", "ours, confirmed", "first withdrawal to suspected", "size within 1 point", "IODA, warning", "IODA, critical", "BGPalerter"}}
}

func (t *outageTally) row(into *eval.Table, name string) {
	into.Add(name, t.suspected, t.confirmed, eval.Seconds(t.raised), t.sized, t.warning, t.critical, t.alerter)
}

// outageDraw is one seed.
type outageDraw struct {
	seed        uint64
	size, speed int // indexes into outageSizes and outageSpeeds
	six         bool
}

// lost is how many prefixes leave.
func (d *outageDraw) lost() int {
	whole := groundNetworks * groundEach
	if d.six {
		whole = groundSix * groundEachSix
	}
	return (whole*outageSizes[d.size] + 99) / 100
}

// run plays one outage.
func (d *outageDraw) run(ctx context.Context, into []*outageTally) (differs []string, err error) {
	over := outageSpeeds[d.speed].over
	at := 68*60 + int(d.seed*131%300)
	minutes := (at+over)/60 + 45
	g := newGround(d.seed, minutes)
	n, each := d.lost(), groundEach
	if d.six {
		each = groundEachSix
	}
	origins := max(3+g.draw.IntN(2), (n+each-1)/each)
	l := g.lose(n, origins, at, over, 20+g.draw.IntN(40), 1200, d.six)
	s, err := g.finish(minutes)
	if err != nil {
		return nil, err
	}
	ioda, alerter := rivals(s.Country, true)
	c := contest{files: scenarioFiles(s), data: detect.Synthetic, places: scenarioPlaces{s: s}, end: s.End, rules: []rival.Rule{ioda, alerter}}
	out, err := c.play(ctx)
	if err != nil {
		return nil, err
	}
	if out.damaged() {
		return nil, fmt.Errorf("the outage cannot be read back: %s", out.count)
	}
	name := fmt.Sprintf("seed %d, %d of %d prefixes, %s, IPv6 %v: ", d.seed, l.lost, l.of, outageSpeeds[d.speed].name, d.six)
	start, last := s.Start+bgp.Seconds(int64(l.at)), s.Start+bgp.Seconds(int64(l.back))
	var mine *detect.Incident
	for _, inc := range out.incidents {
		t0 := bgp.Micros(inc.Start.Latest.Micros())
		switch {
		case inc.Kind != detect.Outage:
		case inc.Entity.Key() == "country:XA" && t0 >= start && t0 <= last && mine == nil:
			mine = inc
		case inc.Entity.Type == "network" && l.networks[inc.Entity.Code]:
		default:
			differs = append(differs, name+"beside it: "+Line(inc))
		}
	}
	want := float64(l.lost) / float64(l.of)
	switch due := want >= 0.03 && l.lost >= 8; {
	case mine == nil && due:
		differs = append(differs, name+"missed")
	case mine != nil && !due:
		differs = append(differs, name+"under the floor, and found: "+Line(mine))
	}
	theirs := func(list []rival.Alert, level string) bool {
		for _, a := range list {
			if a.Entity == (rival.Entity{Kind: "country", Code: "XA"}) && a.Level == level && a.Raised >= start && a.Start <= last {
				return true
			}
		}
		return false
	}
	for _, t := range into {
		count(&t.suspected, mine != nil)
		count(&t.confirmed, mine != nil && !mine.ConfirmedAt.IsZero())
		if mine != nil {
			got := float64(mine.Signals[0].LostShare)
			count(&t.sized, got >= want-0.01 && got <= want+0.01)
			t.raised = append(t.raised, float64(bgp.Micros(mine.SuspectedAt.Micros())-start)/float64(second))
		}
		count(&t.warning, theirs(ioda.Alerts(), "warning"))
		count(&t.critical, theirs(ioda.Alerts(), "critical"))
		count(&t.alerter, theirs(alerter.Alerts(), "visibility"))
	}
	return differs, nil
}

// The long stories: a country of 40 prefixes and four networks, seen by 24 peers.
const (
	storyNights = 57
	storyDays   = 90
)

// story begins a long scenario.
func story(reason string) *strings.Builder {
	b := &strings.Builder{}
	fmt.Fprintf(b, "%s\nreason %s\nstart 2030-01-01T00:00:00Z\ncountry XA 10.0.0.0/8\ncountry XW 30.0.0.0/8\npeers all rc0 AS64601..AS64624\n", scenario.Magic, reason)
	for i := range 4 {
		fmt.Fprintf(b, "prefixes xa%d AS%d 10.%d.0.0/24 x10\n", i, 65001+i, i)
	}
	b.WriteString("prefixes xa xa0 xa1 xa2 xa3\nprefixes world AS65201 30.1.0.0/24 x60\n+0s table all xa,world via AS64700\n+0s alive all 4m\n")
	return b
}

// stories plays the two and makes their table.
func (e Eval) stories(ctx context.Context, r *evalResult) (eval.Table, error) {
	t := eval.Table{Title: "long stories", Columns: []string{"found", "what must be so"}}
	curfew := story("every night from 23:00 to 05:00 a whole country is withdrawn, for eight weeks and a night")
	for night := range storyNights {
		fmt.Fprintf(curfew, "+%dh withdraw all xa over 20s lag 30s\n+%dh announce all xa via AS64700 over 20s lag 30s\n", 24*night+23, 24*night+29)
	}
	fmt.Fprintf(curfew, "+%dh end\nexpect nothing\n", 24*storyNights+12)
	found, err := e.story(ctx, "curfews", curfew.String())
	if err != nil {
		return t, err
	}
	nights, last, other := eval.Ratio{Of: storyNights}, false, 0
	seen := map[int]bool{}
	for _, inc := range found {
		if inc.Kind != detect.Outage || inc.Entity.Key() != "country:XA" || inc.ConfirmedAt.IsZero() {
			continue
		}
		hour := int(inc.Start.Latest.Unix()-1893456000) / 3600 // from 2030-01-01
		if night := (hour - 23) / 24; hour%24 == 23 && night < storyNights && !seen[night] {
			seen[night], nights.N = true, nights.N+1
			last = last || night == storyNights-1
		} else {
			other++
		}
	}
	t.Add("nightly curfews for eight weeks: nights with an incident of their own", nights, eval.Text("each, and the 57th"))
	r.Goals = append(r.Goals, ratioGoal("nightly curfews for eight weeks: nights found, the 57th too", nights, 1))
	if !last || other > 0 || nights.N < nights.Of {
		r.Differs = append(r.Differs, fmt.Sprintf("curfews: %s nights found, the last one: %v, other incidents of the country: %d", nights, last, other))
	}
	shutdown := story("a whole country is withdrawn for ninety days")
	fmt.Fprintf(shutdown, "+13h withdraw all xa over 20s lag 30s\n+%dh announce all xa via AS64700 over 20s lag 30s\n+%dh end\nexpect nothing\n", 13+24*storyDays, 16+24*storyDays)
	if found, err = e.story(ctx, "ninety days", shutdown.String()); err != nil {
		return t, err
	}
	var of []*detect.Incident
	for _, inc := range found {
		if inc.Kind == detect.Outage && inc.Entity.Key() == "country:XA" {
			of = append(of, inc)
		}
	}
	days := eval.Ratio{N: 0, Of: storyDays}
	if len(of) > 0 {
		until := of[0].OpenAt
		if of[0].End != nil {
			until = of[0].End.Time
		} else if !of[0].ClosedAt.IsZero() {
			until = of[0].ClosedAt
		}
		days.N = min(storyDays, int(until.Sub(of[0].Start.Time.Time).Hours()+0.5)/24)
	}
	t.Add("shutdown of ninety days: incidents of the country", eval.Count(len(of)), eval.Text("one"))
	t.Add("… days that the first of them lasted", days, eval.Text("90"))
	r.Goals = append(r.Goals, evalGoal{"shutdown of ninety days: one incident, one id", "1 of 90 days", fmt.Sprintf("%d, the first of %d days", len(of), days.N), len(of) == 1 && days.N == storyDays})
	if len(of) != 1 || days.N != storyDays {
		for _, inc := range of {
			r.Differs = append(r.Differs, "ninety days: "+Line(inc)+", "+lastChange(inc))
		}
	}
	return t, nil
}

// lastChange is the last line of an incident's story.
func lastChange(inc *detect.Incident) string {
	if len(inc.Revisions) == 0 {
		return "without a revision"
	}
	v := inc.Revisions[len(inc.Revisions)-1]
	return fmt.Sprintf("%s at %s: %s", v.Change, v.At, v.Reason)
}

// story plays a long scenario to our detector alone.
func (e *Eval) story(ctx context.Context, name, text string) ([]*detect.Incident, error) {
	s, err := scenario.Parse(name, []byte(text))
	if err != nil {
		return nil, err
	}
	bar := e.progress(name, 1)
	defer bar.done()
	m, err := runScenario(ctx, s, detect.DefaultConfig(), signal.DefaultConfig())
	if err != nil {
		return nil, err
	}
	return m.Engine().Incidents(), nil
}

package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/eval"
	"github.com/corewatch/corewatch/detect/eval/inject"
	"github.com/corewatch/corewatch/detect/eval/rival"
	"github.com/corewatch/corewatch/detect/scenario"
)

// faultMinutes is how long the ground of a fault is: the rule of IODA judges nothing in its first hour.
const faultMinutes = 125

// faultTally is one line of the table of faults.
type faultTally struct {
	alone struct{ suspected, confirmed, warning, critical, alerter eval.Ratio }
	over  struct{ found, confirmed, sized, others, warning, alerter eval.Ratio }
}

// faults injects the faults of a monitor into a quiet world, alone and over a real loss of 3 % of a country. A seed draws the world, the
// loss and the fault's details; the kinds take turns. Then it does so in recorded data.
func (e Eval) faults(ctx context.Context) (*evalResult, error) {
	n, first := e.seeds("faults"), e.firstSeed()
	r := &evalResult{About: fmt.Sprintf("%d draws, seeds %d to %d: a fault of the monitor in a quiet world of 36 peers at three collectors, once alone, where every outage of a country or network is false, "+
		"and once with a real loss of 12 to 14 of the 400 prefixes of a country, from four of its networks. "+
		"A loss that lies wholly inside a gap of the whole feed cannot be seen by anyone; there the loss begins after the gap, or before it.", n, first, first+uint64(n)-1)}
	tally := map[inject.Fault]*faultTally{}
	for _, f := range inject.Faults {
		tally[f] = &faultTally{}
	}
	bar := e.progress("faults", int64(n))
	for seed := first; seed < first+uint64(n); seed++ {
		d, err := drawFault(seed)
		if err != nil {
			return nil, err
		}
		differs, err := d.run(ctx, tally[d.fault])
		if err != nil {
			return nil, fmt.Errorf("seed %d, %s: %w", seed, d.fault, err)
		}
		r.Differs = append(r.Differs, differs...)
		bar.at(int64(seed - first + 1))
	}
	r.Tables, r.Goals = faultTables(tally), faultGoals(sumFaults(tally))
	bar.done()
	if err := e.overReal(ctx, r, e.realFaults); err != nil {
		return nil, err
	}
	return r, nil
}

// faultDraw is one seed.
type faultDraw struct {
	seed   uint64
	fault  inject.Fault
	span   inject.Span
	loss   loss
	worlds [2]*scenario.Scenario // without and with the loss
}

// drawFault makes the worlds of a seed.
func drawFault(seed uint64) (*faultDraw, error) {
	d := &faultDraw{seed: seed, fault: inject.Faults[seed%uint64(len(inject.Faults))]}
	for i := range d.worlds {
		g := newGround(seed, faultMinutes)
		from := 68*60 + g.draw.IntN(300)
		length := 240 + g.draw.IntN(900)
		at := from - 120 + g.draw.IntN(length+120)
		if d.fault == inject.FeedGap {
			at = from + length + 20 + g.draw.IntN(300)
			if g.draw.IntN(2) == 0 {
				at = from - 400 + g.draw.IntN(200)
			}
		}
		n, lag := 12+g.draw.IntN(3), 20+g.draw.IntN(60)
		if i == 1 {
			d.loss = g.lose(n, 4, at, 20, lag, 1200, false)
		}
		s, err := g.finish(faultMinutes)
		if err != nil {
			return nil, err
		}
		d.worlds[i] = s
		d.span = inject.Span{From: s.Start + bgp.Seconds(int64(from)), Until: s.Start + bgp.Seconds(int64(from+length))}
	}
	return d, nil
}

// run plays both worlds with the fault in them, and says what was not as it should be.
func (d *faultDraw) run(ctx context.Context, t *faultTally) (differs []string, err error) {
	for i, s := range d.worlds {
		world, err := lanes(s)
		if err != nil {
			return nil, err
		}
		world, what, err := inject.Inject(world, d.fault, d.span, d.seed)
		if err != nil {
			return nil, err
		}
		ioda, alerter := rivals(s.Country, true)
		c := contest{files: laneFiles(world), data: detect.Synthetic, places: scenarioPlaces{s: s}, end: s.End, rules: []rival.Rule{ioda, alerter}}
		out, err := c.play(ctx)
		if err != nil {
			return nil, err
		}
		if out.damaged() {
			return nil, fmt.Errorf("the injected records cannot be read back: %s, %d torn, %v", out.count, out.merge.Torn, out.count.Kinds)
		}
		list := d.alone
		if i == 1 {
			list = d.over
		}
		for _, text := range list(t, out.incidents, ioda.Alerts(), alerter.Alerts()) {
			differs = append(differs, fmt.Sprintf("%s, seed %d (%s): %s", d.fault, d.seed, what, text))
		}
	}
	return differs, nil
}

// count adds one run to a ratio.
func count(r *eval.Ratio, yes bool) {
	r.Of++
	if yes {
		r.N++
	}
}

// alone counts what was found where nothing happened.
func (d *faultDraw) alone(t *faultTally, found []*detect.Incident, theirs, alerter []rival.Alert) (differs []string) {
	suspected, confirmed := false, false
	for _, inc := range found {
		if inc.Kind != detect.Outage {
			continue
		}
		suspected = true
		confirmed = confirmed || !inc.ConfirmedAt.IsZero()
		differs = append(differs, "false: "+Line(inc))
	}
	level := func(l string) bool {
		return slices.ContainsFunc(theirs, func(a rival.Alert) bool { return a.Level == l && calm(a.Entity) })
	}
	count(&t.alone.suspected, suspected)
	count(&t.alone.confirmed, confirmed)
	count(&t.alone.warning, level("warning"))
	count(&t.alone.critical, level("critical"))
	count(&t.alone.alerter, slices.ContainsFunc(alerter, func(a rival.Alert) bool { return calm(a.Entity) }))
	return differs
}

// calm says that nothing at all happens to an entity: it is not the country XW or one of its networks.
func calm(e rival.Entity) bool { return e.Code != "XW" && !strings.HasPrefix(e.Code, "AS652") }

// over counts what was found of the real loss, and beside it.
func (d *faultDraw) over(t *faultTally, found []*detect.Incident, theirs, alerter []rival.Alert) (differs []string) {
	start := d.worlds[1].Start + bgp.Seconds(int64(d.loss.at))
	about := func(at bgp.Micros) bool { return at >= start-300*second && at <= start+900*second }
	var mine *detect.Incident
	others := false
	for _, inc := range found {
		switch {
		case inc.Kind != detect.Outage:
		case inc.Entity.Key() == "country:XA" && about(bgp.Micros(inc.Start.Latest.Micros())):
			if mine == nil || mine.ConfirmedAt.IsZero() {
				mine = inc
			}
		case inc.Entity.Type == "network" && d.loss.networks[inc.Entity.Code]:
		case inc.Entity.Key() == "country:XA" && about(bgp.Micros(inc.Start.Time.Micros())): // it is about the loss, and no use: not found
			differs = append(differs, "told late: "+Line(inc))
		default:
			others = true
			differs = append(differs, "beside the loss: "+Line(inc))
		}
	}
	sized := false
	if mine != nil {
		want := float64(d.loss.lost) / float64(d.loss.of)
		got := float64(mine.Signals[0].LostShare)
		if sized = got >= want-0.01 && got <= want+0.01; !sized {
			differs = append(differs, fmt.Sprintf("size %.1f %%, not %.1f %% (coverage %s %s): %s", 100*got, 100*want, mine.Coverage.Level, strings.Join(mine.Coverage.Because, ", "), Line(mine)))
		}
		count(&t.over.sized, sized)
	} else {
		differs = append(differs, fmt.Sprintf("missed: %d of %d prefixes from %s", d.loss.lost, d.loss.of, start.Time().Format("15:04:05")))
	}
	if mine != nil && mine.ConfirmedAt.IsZero() {
		differs = append(differs, "not confirmed: "+Line(mine))
	}
	theirsFound := func(list []rival.Alert) bool {
		return slices.ContainsFunc(list, func(a rival.Alert) bool {
			return a.Entity == rival.Entity{Kind: "country", Code: "XA"} && about(a.Start)
		})
	}
	count(&t.over.found, mine != nil)
	count(&t.over.confirmed, mine != nil && !mine.ConfirmedAt.IsZero())
	count(&t.over.others, others)
	count(&t.over.warning, theirsFound(theirs))
	count(&t.over.alerter, theirsFound(alerter))
	return differs
}

// faultTables are the two tables of the suite, with the sum in the last line.
func faultTables(tally map[inject.Fault]*faultTally) []eval.Table {
	alone := eval.Table{
		Title:   "faults alone: runs in which an outage of a country or network was reported",
		Columns: []string{"ours, suspected", "ours, confirmed", "IODA, warning", "IODA, critical", "BGPalerter"},
		Note:    "Nothing happened in these runs but single prefixes of country XW that came and went: what the others' rules say about it and its networks is right, and not counted.",
	}
	over := eval.Table{
		Title:   "faults over a real loss of 3 % of a country",
		Columns: []string{"ours, found", "ours, confirmed", "size within 1 point (of those found)", "ours, something else too", "IODA, warning", "BGPalerter"},
	}
	lines := func(name string, t *faultTally) {
		a, o := &t.alone, &t.over
		alone.Add(name, a.suspected, a.confirmed, a.warning, a.critical, a.alerter)
		over.Add(name, o.found, o.confirmed, o.sized, o.others, o.warning, o.alerter)
	}
	for _, f := range inject.Faults {
		lines(string(f), tally[f])
	}
	lines("all", sumFaults(tally))
	return []eval.Table{alone, over}
}

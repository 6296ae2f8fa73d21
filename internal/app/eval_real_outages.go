package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/eval"
	"github.com/corewatch/corewatch/detect/eval/inject"
)

// The grounds of the outages over real background, and how many draws are made of them: each size twice at each speed and family.
var (
	realStretches = []realStretch{
		{folder: "rv2008", collector: "route-views2", deal: 3, after: 13 * time.Hour, learn: time.Hour, length: 170 * time.Minute},
		{folder: "rv2008", collector: "route-views2", deal: 3, after: 20 * time.Hour, learn: time.Hour, length: 170 * time.Minute},
	}
	realStretch6 = realStretch{folder: "rrc04", collector: "rrc04", deal: 1, after: time.Hour, learn: time.Hour, length: 170 * time.Minute}
	realDraws    = 2 * 3 * len(outageSizes)
)

// chosen is an outage of a ground, before it is put in.
type chosen struct {
	land     *land
	routes   []inject.Route
	networks map[string]bool
	prefixes float64 // share of the country's prefixes
	due      bool    // it reaches the floors
}

// errNoPlace says that a draw cannot be played: it is told among the disagreements, and counted nowhere.
var errNoPlace = errors.New("not played: no country is large and even enough for the outage")

// pick draws a country that nothing happens to between from and until, and blocks of it that hold a share of its prefixes and of its units.
func (g *realGround) pick(draw *rand.Rand, share float64, six bool, from, until bgp.Micros) (*chosen, error) {
	var fit []*land
	for i := range g.lands {
		l := &g.lands[i]
		if l.v6 == six && share*float64(l.count) >= 8*min(1, share/0.03) && l.count >= 40 && l.count <= 3000 && g.judged(l, until) && g.calm(l, from, until) {
			fit = append(fit, l)
		}
	}
	for range 50 {
		if len(fit) == 0 {
			break
		}
		if p := fit[draw.IntN(len(fit))].take(draw, share); p != nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%s: %w: %d countries, %.0f %%", g.name, errNoPlace, len(fit), 100*share)
}

// take draws blocks; nil when the country's are too uneven for the share.
func (l *land) take(draw *rand.Rand, share float64) *chosen {
	n, units := share*float64(l.count), share*float64(l.units)
	p := &chosen{land: l, networks: map[string]bool{}}
	got, weight, of := 0, uint64(0), map[uint32]int{}
	for _, i := range draw.Perm(len(l.blocks)) {
		b := &l.blocks[i]
		if float64(got) >= n && float64(weight) >= units {
			break
		}
		more, heavier := got+len(b.prefixes), weight+b.units
		if share < 1 && (float64(more) > 1.1*n+2 || float64(heavier) > 1.3*units+2 || float64(of[b.origin]+len(b.prefixes)) > n/3+1) {
			continue
		}
		got, weight = more, heavier
		of[b.origin] += len(b.prefixes)
		p.networks[fmt.Sprintf("AS%d", b.origin)] = true
		for _, q := range b.prefixes {
			p.routes = append(p.routes, inject.Route{Prefix: q, Origin: b.origin})
		}
	}
	if float64(got) < n || float64(weight) < units || len(of) < 3 {
		return nil
	}
	p.prefixes = float64(got) / float64(l.count)
	p.due = share >= 0.03 && got >= 8
	draw.Shuffle(len(p.routes), func(i, j int) { p.routes[i], p.routes[j] = p.routes[j], p.routes[i] })
	return p
}

// realTally is one line of the tables of outages over real background.
type realTally struct {
	suspected, confirmed, sized, ended, others eval.Ratio
	raised                                     []float64
}

func (t *realTally) row(into *eval.Table, name string) {
	into.Add(name, t.suspected, t.confirmed, eval.Seconds(t.raised), t.sized, t.ended, t.others)
}

// realOutage is one seed.
type realOutage struct {
	seed        uint64
	size, speed int
	six         bool
}

func newRealOutage(seed uint64) realOutage {
	n := uint64(len(outageSizes))
	return realOutage{seed: seed, size: int(seed % n), speed: int(seed / n % 3), six: seed/(3*n)%2 == 1}
}

// run puts the outage into the ground and plays it. It says what was not as it should be.
func (d realOutage) run(ctx context.Context, g *realGround, into []*realTally) (differs []string, err error) {
	draw := rand.New(rand.NewPCG(d.seed, 0xea1))
	over := bgp.Seconds(int64(outageSpeeds[d.speed].over))
	at := g.from + bgp.Seconds(int64(24*60+draw.IntN(20*60)))
	if d.speed == 2 { // what is usual is known after an hour
		at = g.from + bgp.Seconds(int64(62*60+draw.IntN(10*60)))
	}
	o := inject.Outage{From: at, Over: over, Spread: bgp.Seconds(27 + draw.Int64N(166))}
	o.Back = at + over + bgp.Seconds(900+draw.Int64N(300))
	until := min(o.Back+20*60*second, g.until)
	p, err := g.pick(draw, float64(outageSizes[d.size])/100, d.six, at-3600*second, until)
	if err != nil {
		return nil, err
	}
	o.Routes = p.routes
	lanes, cells, err := inject.Lose(g.lanes, o, d.seed)
	if err != nil {
		return nil, err
	}
	out, err := g.play(ctx, lanes, until, nil)
	if err != nil {
		return nil, err
	}
	if out.damaged() {
		return nil, fmt.Errorf("the outage cannot be read back: %s, %v", out.count, out.count.Kinds)
	}
	name := fmt.Sprintf("%s, seed %d, %s, %d of %d prefixes (%d cells), %s from %s: ", g.name, d.seed, p.land.code, len(p.routes), p.land.count, cells,
		outageSpeeds[d.speed].name, at.Time().Format("15:04:05"))
	mine, others := g.sift(out.incidents, p, o)
	for _, inc := range others {
		differs = append(differs, name+"beside it: "+Line(inc))
	}
	switch {
	case mine == nil && p.due:
		differs = append(differs, name+"missed")
	case mine != nil && !p.due:
		differs = append(differs, name+"under the floor, and found: "+Line(mine))
	}
	sized, ended := false, false
	if mine != nil {
		var text string
		if sized, text = g.sized(mine, p); !sized && p.due {
			differs = append(differs, name+text+Line(mine))
		}
		ended = mine.End != nil && bgp.Micros(mine.End.Time.Micros()) >= o.Back && bgp.Micros(mine.End.Time.Micros()) <= o.Back+180*second
		if !ended && p.due {
			differs = append(differs, name+"no end at "+o.Back.Time().Format("15:04:05")+": "+Line(mine))
		}
	}
	for _, t := range into {
		count(&t.suspected, mine != nil)
		count(&t.confirmed, mine != nil && !mine.ConfirmedAt.IsZero())
		count(&t.others, len(others) > 0)
		if mine != nil {
			count(&t.sized, sized)
			count(&t.ended, ended)
			t.raised = append(t.raised, float64(bgp.Micros(mine.SuspectedAt.Micros())-at)/float64(second))
		}
	}
	return differs, nil
}

// sift finds the incident of the outage, the confirmed one if there are two, and what is reported beside it and not without it.
func (g *realGround) sift(found []*detect.Incident, p *chosen, o inject.Outage) (mine *detect.Incident, others []*detect.Incident) {
	for _, inc := range found {
		t0 := bgp.Micros(inc.Start.Latest.Micros())
		if inc.Kind == detect.Outage && inc.Entity.Key() == p.land.key() && t0 >= o.From && t0 <= o.Back && (mine == nil || mine.ConfirmedAt.IsZero()) {
			mine = inc
		}
	}
	others = slices.DeleteFunc(g.additional(found), func(inc *detect.Incident) bool {
		return inc.Entity.Key() == p.land.key() || inc.Entity.Type == "network" && p.networks[inc.Entity.Code]
	})
	return mine, others
}

// sized compares the share of the country's prefixes that an incident names with what was put in and what is lost without it.
func (g *realGround) sized(inc *detect.Incident, p *chosen) (bool, string) {
	for _, s := range inc.Signals {
		if s.Signal != p.land.signal() {
			continue
		}
		plain := g.at(p.land, bgp.Micros(s.At.Micros()))
		of := float64(max(1, plain.Prefixes))
		want, got := min(1, (float64(len(p.routes))+float64(plain.LostPrefixes))/of), float64(s.Prefixes.Lost)/float64(max(1, s.Prefixes.Expected))
		return got >= want-0.01 && got <= want+0.01, fmt.Sprintf("size %.1f %%, not %.1f %%: ", 100*got, 100*want)
	}
	return false, "no signal of the family: "
}

// realOutages plays the seeds' outages, ground by ground, and makes their table.
func (e *Eval) realOutages(ctx context.Context, r *evalResult) error {
	n, first := e.Seeds, e.firstSeed()
	if n == 0 {
		n = realDraws
	}
	bySize, bySpeed := make([]realTally, len(outageSizes)), make([]realTally, 2*len(outageSpeeds))
	bar := e.progress("outages over real background", int64(n))
	defer bar.done()
	done := int64(0)
	differs := map[uint64][]string{}
	for i, s := range append(slices.Clone(realStretches), realStretch6) {
		var g *realGround
		for seed := first; seed < first+uint64(n); seed++ {
			d := newRealOutage(seed)
			if mine := int(seed % uint64(len(realStretches))); d.six != (i == len(realStretches)) || !d.six && mine != i {
				continue
			}
			if g == nil {
				var err error
				if g, err = e.realGround(ctx, s); err != nil {
					return err
				}
			}
			var into []*realTally
			if !d.six {
				into = append(into, &bySize[d.size])
			}
			if outageSizes[d.size] > 3 {
				line := d.speed
				if d.six {
					line += len(outageSpeeds)
				}
				into = append(into, &bySpeed[line])
			}
			found, err := d.run(ctx, g, into)
			if errors.Is(err, errNoPlace) {
				found = []string{fmt.Sprintf("seed %d, %v", seed, err)}
			} else if err != nil {
				return fmt.Errorf("%s, seed %d: %w", g.name, seed, err)
			}
			differs[seed] = found
			done++
			bar.at(done)
		}
	}
	for seed := first; seed < first+uint64(n); seed++ {
		r.Differs = append(r.Differs, differs[seed]...)
	}
	r.About += fmt.Sprintf(" At last %d draws, seeds %d to %d, over real background: an outage of a drawn country put into %d h %d min of rv2008, from hour 13 or 20, or of rrc04 for IPv6, whose records are played as they were stored.",
		n, first, first+uint64(n)-1, int(realStretch6.length.Hours()), int(realStretch6.length.Minutes())%60)
	columns := []string{"suspected", "confirmed", "first withdrawal to suspected", "size within 1 point", "ended when it came back", "something else too"}
	sizes := eval.Table{Title: "IPv4 outages over real background, by share of the country", Columns: columns}
	for i := range bySize {
		bySize[i].row(&sizes, fmt.Sprintf("%d %%", outageSizes[i]))
	}
	others := eval.Table{
		Title: "outages over real background of 4 % and more, by family and speed", Columns: columns,
		Note: "Ours. IPv6 is rrc04, where fewer than ten networks vote: nothing is confirmed there, by the small quorum. " +
			"Something else is an outage of an entity of which nothing is reported when the same records are played with nothing put in.",
	}
	for i := range bySpeed {
		bySpeed[i].row(&others, []string{"IPv4 ", "IPv6 only, "}[i/3]+outageSpeeds[i%3].name)
	}
	r.Tables = append(r.Tables, sizes, others)
	r.Goals = append(r.Goals, realOutageGoals(bySpeed)...)
	return nil
}

package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect/eval"
	"github.com/corewatch/corewatch/detect/eval/inject"
)

// The grounds of the faults over real background, and how many draws are made: each kind alone and over a loss, on both.
var realFaultStretches = []realStretch{
	{folder: "rv2008", collector: "route-views2", deal: 3, after: 13 * time.Hour, learn: time.Hour, length: 85 * time.Minute},
	{folder: "rv2008", collector: "route-views2", deal: 3, after: 20 * time.Hour, learn: time.Hour, length: 85 * time.Minute},
}

// realFaultLoss is the share of a country's prefixes that the loss under a fault takes: a little more than its floor.
const realFaultLoss = 0.033

// realFaultTally is one line of the table of faults over real background.
type realFaultTally struct {
	alone                           eval.Ratio // runs with an outage that is not reported without the fault
	found, confirmed, sized, others eval.Ratio
}

// realFault is one seed: one fault, alone or over a loss.
type realFault struct {
	seed  uint64
	fault inject.Fault
	alone bool
}

func newRealFault(seed uint64) realFault {
	n := uint64(len(inject.Faults))
	return realFault{seed: seed, fault: inject.Faults[seed%n], alone: seed/n%2 == 0}
}

// ground says which of the grounds the draw is for.
func (d realFault) ground() int {
	return int(d.seed / uint64(2*len(inject.Faults)) % uint64(len(realFaultStretches)))
}

// run puts the fault into the ground, over a loss or alone, and plays it. It says what was not as it should be.
func (d realFault) run(ctx context.Context, g *realGround, t *realFaultTally) (differs []string, err error) {
	draw := rand.New(rand.NewPCG(d.seed, 0xfa0))
	begin := 26*60 + draw.Int64N(300)
	length := 240 + draw.Int64N(900)
	at := begin - 120 + draw.Int64N(length+120)
	if d.fault == inject.FeedGap { // a loss that lies wholly inside cannot be seen by anyone
		at = begin + length + 20 + draw.Int64N(300)
		if draw.IntN(2) == 0 {
			at = begin - 400 + draw.Int64N(200)
		}
	}
	span := inject.Span{From: g.from + bgp.Seconds(begin), Until: g.from + bgp.Seconds(begin+length)}
	until := min(span.Until+20*60*second, g.until)
	lanes := g.lanes
	var (
		p *chosen
		o inject.Outage
	)
	if !d.alone {
		o = inject.Outage{From: g.from + bgp.Seconds(at), Spread: bgp.Seconds(27 + draw.Int64N(166))}
		o.Back = o.From + 1200*second
		until = min(max(until, o.Back), g.until)
		if p, err = g.pick(draw, realFaultLoss, false, o.From-3600*second, until); err != nil {
			return nil, err
		}
		o.Routes = p.routes
		if lanes, _, err = inject.Lose(lanes, o, d.seed); err != nil {
			return nil, err
		}
	}
	lanes, what, err := inject.Inject(lanes, d.fault, span, d.seed)
	if err != nil {
		return nil, err
	}
	out, err := g.play(ctx, lanes, until, nil)
	if err != nil {
		return nil, err
	}
	if out.damaged() {
		return nil, fmt.Errorf("the injected records cannot be read back: %s, %v", out.count, out.count.Kinds)
	}
	name := fmt.Sprintf("%s, %s, seed %d (%s): ", g.name, d.fault, d.seed, what)
	if d.alone {
		others := g.additional(out.incidents)
		for _, inc := range others {
			differs = append(differs, name+"false: "+Line(inc))
		}
		count(&t.alone, len(others) > 0)
		return differs, nil
	}
	name += fmt.Sprintf("%s, %d of %d prefixes from %s: ", p.land.code, len(p.routes), p.land.count, o.From.Time().Format("15:04:05"))
	mine, others := g.sift(out.incidents, p, o)
	for _, inc := range others {
		differs = append(differs, name+"beside the loss: "+Line(inc))
	}
	count(&t.found, mine != nil)
	count(&t.confirmed, mine != nil && !mine.ConfirmedAt.IsZero())
	count(&t.others, len(others) > 0)
	if mine == nil {
		return append(differs, name+"missed"), nil
	}
	if mine.ConfirmedAt.IsZero() {
		differs = append(differs, name+"not confirmed: "+Line(mine))
	}
	sized, text := g.sized(mine, p)
	if count(&t.sized, sized); !sized {
		differs = append(differs, name+text+Line(mine))
	}
	return differs, nil
}

// realFaults plays the seeds' faults, ground by ground, and makes their table.
func (e *Eval) realFaults(ctx context.Context, r *evalResult) error {
	n, first := e.Seeds, e.firstSeed()
	if n == 0 {
		n = 2 * len(inject.Faults) * len(realFaultStretches)
	}
	tally := map[inject.Fault]*realFaultTally{}
	for _, f := range inject.Faults {
		tally[f] = &realFaultTally{}
	}
	bar := e.progress("faults over real background", int64(n))
	defer bar.done()
	done := int64(0)
	differs := map[uint64][]string{}
	for i, s := range realFaultStretches {
		var g *realGround
		for seed := first; seed < first+uint64(n); seed++ {
			d := newRealFault(seed)
			if d.ground() != i {
				continue
			}
			var err error
			if g == nil {
				if g, err = e.realGround(ctx, s); err != nil {
					return err
				}
			}
			if differs[seed], err = d.run(ctx, g, tally[d.fault]); errors.Is(err, errNoPlace) {
				differs[seed] = []string{fmt.Sprintf("seed %d, %v", seed, err)}
			} else if err != nil {
				return fmt.Errorf("%s, seed %d, %s: %w", g.name, seed, d.fault, err)
			}
			done++
			bar.at(done)
		}
	}
	for seed := first; seed < first+uint64(n); seed++ {
		r.Differs = append(r.Differs, differs[seed]...)
	}
	r.About += fmt.Sprintf(" At last %d draws, seeds %d to %d, over real background: a fault put into 85 min of rv2008, from hour 13 or 20, alone or over a loss of 3.3 to 4 %% of a drawn country.", n, first, first+uint64(n)-1)
	table, sum := realFaultTable(tally)
	r.Tables = append(r.Tables, table)
	r.Goals = append(r.Goals,
		zeroGoal("faults alone over real background: runs with an outage that is not reported without the fault", sum.alone),
		ratioGoal("faults over a real loss, over real background: found", sum.found, 0.97),
		ratioGoal("faults over a real loss, over real background: size within 1 point", sum.sized, 1))
	return nil
}

// realFaultTable has a line for each kind, and their sum.
func realFaultTable(tally map[inject.Fault]*realFaultTally) (eval.Table, *realFaultTally) {
	t := eval.Table{
		Title:   "faults over real background",
		Columns: []string{"alone: an outage too many", "over a loss: found", "confirmed", "size within 1 point (of those found)", "something else too"},
		Note: "Ours. The same records without the fault report outages of their own: only one of an entity of which nothing is reported without the fault counts, so that a second incident of an " +
			"entity that has one anyway does not.",
	}
	sum := &realFaultTally{}
	for _, f := range inject.Faults {
		x := tally[f]
		t.Add(string(f), x.alone, x.found, x.confirmed, x.sized, x.others)
		for _, p := range [][2]*eval.Ratio{{&sum.alone, &x.alone}, {&sum.found, &x.found}, {&sum.confirmed, &x.confirmed}, {&sum.sized, &x.sized}, {&sum.others, &x.others}} {
			p[0].N, p[0].Of = p[0].N+p[1].N, p[0].Of+p[1].Of
		}
	}
	t.Add("all", sum.alone, sum.found, sum.confirmed, sum.sized, sum.others)
	return t, sum
}

package app

import (
	"fmt"

	"github.com/corewatch/corewatch/detect/eval"
	"github.com/corewatch/corewatch/detect/eval/inject"
)

// evalGoal is what the method is held to, and what came out.
type evalGoal struct {
	What string `json:"what"`
	Want string `json:"want"`
	Got  string `json:"got"`
	Met  bool   `json:"met"`
}

// ratioGoal holds a share to a lower limit. Of nothing, no goal is met.
func ratioGoal(what string, r eval.Ratio, least float64) evalGoal {
	return evalGoal{what, fmt.Sprintf("≥ %.0f %%", 100*least), r.String(), r.Of > 0 && r.Share() >= least}
}

// zeroGoal holds a count to nought.
func zeroGoal(what string, r eval.Ratio) evalGoal {
	return evalGoal{what, "0", r.String(), r.Of > 0 && r.N == 0}
}

// spreadGoal holds a quantile of a duration to an upper limit in seconds.
func spreadGoal(what string, p eval.Spread, quantile string, most float64) evalGoal {
	got := p.P95
	if quantile == "median" {
		got = p.P50
	}
	return evalGoal{what + ", " + quantile, fmt.Sprintf("≤ %.0f s", most), p.String(), p.N > 0 && got <= most}
}

// archiveGoals are those of a record, from the tables of one stretch in the order in which compare makes them.
func archiveGoals(name string, reports []eval.Report) (out []evalGoal) {
	const suspected, confirmed = 0, 1
	country, network := reports[0].Scores, reports[2].Scores
	for _, g := range []evalGoal{
		ratioGoal("country recall, suspected", country[suspected].Recall, 0.95),
		ratioGoal("country precision, suspected", country[suspected].Precision, 0.95),
		ratioGoal("country recall, confirmed", country[confirmed].Recall, 0.95),
		ratioGoal("country precision, confirmed", country[confirmed].Precision, 0.95),
		spreadGoal("countries, t0 to suspected", country[suspected].CrossedToRaised, "95th percentile", 20),
		spreadGoal("countries, t0 to confirmed", country[confirmed].CrossedToRaised, "95th percentile", 190),
		ratioGoal("countries, start interval holds the start", country[suspected].StartCovered, 0.95),
		spreadGoal("countries, width of the start interval", country[suspected].Width, "median", 120),
		ratioGoal("network recall, suspected", network[suspected].Recall, 0.90),
		spreadGoal("networks, t0 to suspected", network[suspected].CrossedToRaised, "95th percentile", 20),
		spreadGoal("networks, t0 to confirmed", network[confirmed].CrossedToRaised, "95th percentile", 190),
		ratioGoal("networks, start interval holds the start", network[suspected].StartCovered, 0.95),
		spreadGoal("networks, width of the start interval", network[suspected].Width, "median", 120),
	} {
		g.What = name + ": " + g.What
		out = append(out, g)
	}
	return out
}

// faultGoals are those of the injected faults.
func faultGoals(sum *faultTally) []evalGoal {
	return []evalGoal{
		zeroGoal("faults alone: runs with an outage reported", sum.alone.suspected),
		ratioGoal("faults over a real loss: found", sum.over.found, 0.97),
		ratioGoal("faults over a real loss: size within 1 point", sum.over.sized, 1),
	}
}

// sumFaults adds the kinds up.
func sumFaults(tally map[inject.Fault]*faultTally) *faultTally {
	sum := &faultTally{}
	for _, t := range tally {
		for _, p := range [][2]*eval.Ratio{
			{&sum.alone.suspected, &t.alone.suspected},
			{&sum.alone.confirmed, &t.alone.confirmed},
			{&sum.alone.warning, &t.alone.warning},
			{&sum.alone.critical, &t.alone.critical},
			{&sum.alone.alerter, &t.alone.alerter},
			{&sum.over.found, &t.over.found},
			{&sum.over.confirmed, &t.over.confirmed},
			{&sum.over.sized, &t.over.sized},
			{&sum.over.others, &t.over.others},
			{&sum.over.warning, &t.over.warning},
			{&sum.over.alerter, &t.over.alerter},
		} {
			p[0].N += p[1].N
			p[0].Of += p[1].Of
		}
	}
	return sum
}

// realOutageGoals are those of the outages over real background, from the lines by family and speed.
func realOutageGoals(bySpeed []realTally) []evalGoal {
	var sudden, six eval.Ratio
	for i, into := range []*eval.Ratio{&sudden, &sudden, nil, &six, &six, &six} {
		if into != nil {
			into.N, into.Of = into.N+bySpeed[i].suspected.N, into.Of+bySpeed[i].suspected.Of
		}
	}
	return []evalGoal{
		ratioGoal("outages of 4 % and more over real background, within 10 minutes: found", sudden, 0.97),
		ratioGoal("slow drains over an hour, over real background: found", bySpeed[2].suspected, 0.97),
		ratioGoal("IPv6 only, over real background: found", six, 0.97),
	}
}

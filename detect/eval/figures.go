package eval

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/corewatch/corewatch/bgp"
)

// Ratio is N of Of.
type Ratio struct{ N, Of int }

// Share is N/Of; NaN of nothing.
func (r Ratio) Share() float64 { return float64(r.N) / float64(r.Of) }

// Upper is the one-sided 95 % upper bound of the share (Clopper and Pearson): with a true share above it, at most N of Of would be
// seen in fewer than one sample of twenty. For N = 0 it is 1 − 0.05^(1/Of), close to the rule of three, 3/Of. 1 when Of is 0.
func (r Ratio) Upper() float64 {
	if r.N >= r.Of {
		return 1
	}
	if r.N == 0 {
		return 1 - math.Pow(0.05, 1/float64(r.Of))
	}
	return solve(0, 1, func(p float64) float64 { return binomial(r.N, r.Of, p) })
}

// Lower is the one-sided 95 % lower bound of the share; 0 when Of is 0.
func (r Ratio) Lower() float64 { return 1 - Ratio{r.Of - r.N, r.Of}.Upper() }

// MarshalJSON writes the counts, and the share and its bounds where there are any.
func (r Ratio) MarshalJSON() ([]byte, error) {
	type figures struct {
		N     int      `json:"n"`
		Of    int      `json:"of"`
		Share *float64 `json:"share,omitempty"`
		Lower *float64 `json:"lower95,omitempty"`
		Upper *float64 `json:"upper95,omitempty"`
	}
	f := figures{N: r.N, Of: r.Of}
	if r.Of > 0 {
		f.Share, f.Lower, f.Upper = round(r.Share()), round(r.Lower()), round(r.Upper())
	}
	return json.Marshal(f)
}

// Rate is N in Days.
type Rate struct {
	N    int
	Days float64
}

// PerDay is the rate; NaN in no time.
func (r Rate) PerDay() float64 { return float64(r.N) / r.Days }

// Upper is the one-sided 95 % upper bound of the rate of a Poisson process: 2.996/Days for N = 0. Infinite in no time.
func (r Rate) Upper() float64 {
	if r.Days <= 0 {
		return math.Inf(1)
	}
	high := float64(r.N) + 10 + 4*math.Sqrt(float64(r.N)+1)
	return solve(0, high, func(mean float64) float64 { return poisson(r.N, mean) }) / r.Days
}

// MarshalJSON writes the count, and the rate and its bound where the time is known.
func (r Rate) MarshalJSON() ([]byte, error) {
	type figures struct {
		N      int      `json:"n"`
		Days   *float64 `json:"days,omitempty"`
		PerDay *float64 `json:"per_day,omitempty"`
		Upper  *float64 `json:"upper95,omitempty"`
	}
	f := figures{N: r.N}
	if r.Days > 0 {
		f.Days, f.PerDay, f.Upper = round(r.Days), round(r.PerDay()), round(r.Upper())
	}
	return json.Marshal(f)
}

// Spread is how a duration, in seconds, was distributed. Quantiles are by nearest rank: a value that occurred.
type Spread struct {
	N             int
	P50, P95, Max float64
	all           []float64
}

// add takes in to − from; nothing when one of them is not known.
func (p *Spread) add(to, from bgp.Micros) {
	if to != 0 && from != 0 {
		p.all = append(p.all, float64(to-from)/float64(bgp.Second))
	}
}

func (p *Spread) settle() {
	p.N = len(p.all)
	if p.N == 0 {
		return
	}
	slices.Sort(p.all)
	rank := func(q float64) float64 { return p.all[int(math.Ceil(q*float64(p.N)))-1] }
	p.P50, p.P95, p.Max = rank(0.5), rank(0.95), p.all[p.N-1]
}

// MarshalJSON writes the count, and the quantiles where there are any.
func (p Spread) MarshalJSON() ([]byte, error) {
	type figures struct {
		N   int      `json:"n"`
		P50 *float64 `json:"p50_s,omitempty"`
		P95 *float64 `json:"p95_s,omitempty"`
		Max *float64 `json:"max_s,omitempty"`
	}
	f := figures{N: p.N}
	if p.N > 0 {
		f.P50, f.P95, f.Max = round(p.P50), round(p.P95), round(p.Max)
	}
	return json.Marshal(f)
}

// round keeps four decimals, half to even, as incidents do.
func round(x float64) *float64 {
	x = math.RoundToEven(x*1e4) / 1e4
	return &x
}

// solve finds where a falling function passes 0.05.
func solve(low, high float64, f func(float64) float64) float64 {
	for range 100 {
		if mid := (low + high) / 2; f(mid) > 0.05 {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}

// binomial is the probability of at most k of n at p.
func binomial(k, n int, p float64) (sum float64) {
	if p <= 0 {
		return 1
	}
	if p >= 1 {
		return 0
	}
	all, _ := math.Lgamma(float64(n + 1))
	for i := range k + 1 {
		a, _ := math.Lgamma(float64(i + 1))
		b, _ := math.Lgamma(float64(n - i + 1))
		sum += math.Exp(all - a - b + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}

// poisson is the probability of at most k events where mean are expected.
func poisson(k int, mean float64) (sum float64) {
	if mean <= 0 {
		return 1
	}
	for i := range k + 1 {
		a, _ := math.Lgamma(float64(i + 1))
		sum += math.Exp(float64(i)*math.Log(mean) - mean - a)
	}
	return sum
}

// String is the form of the text table: "14/15 93.3 % (≥ 73.6 %)", with the bound that is the news: the upper one of a zero, else
// the lower one.
func (r Ratio) String() string {
	switch {
	case r.Of == 0:
		return "–"
	case r.N == 0:
		return fmt.Sprintf("0/%d (≤ %.1f %%)", r.Of, 100*r.Upper())
	}
	return fmt.Sprintf("%d/%d %.1f %% (≥ %.1f %%)", r.N, r.Of, 100*r.Share(), 100*r.Lower())
}

// String is the form of the text table: "3, 1.71 a day (≤ 4.43)".
func (r Rate) String() string {
	if r.Days <= 0 {
		return fmt.Sprint(r.N)
	}
	return fmt.Sprintf("%d, %.2f a day (≤ %.2f)", r.N, r.PerDay(), r.Upper())
}

// String is the form of the text table: "15 s / 19 s (n 14)", median and 95th percentile.
func (p Spread) String() string {
	if p.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f s / %.0f s (n %d)", p.P50, p.P95, p.N)
}

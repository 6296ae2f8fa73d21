package rival

import (
	"math"
	"slices"
)

// Chocolatine is the rule of the detector of that name on one series: a value is low when it lies more than
// Deviations × 1.4826 × MAD below what the season predicts, the MAD being that of the residuals of the seasons kept. The
// published method predicts with a seasonal ARMA fitted to weeks of data; here the prediction is the median of the values one,
// two, … seasons ago, which needs no fitting and is its limit when the series repeats itself. The first season predicts nothing,
// and with fewer than 30 residuals nothing is low.
type Chocolatine struct {
	Season     int     // samples in a season: 288 bins of 5 min are a day
	Seasons    int     // seasons kept, at least 1
	Deviations float64 // 3 in the published method

	values    []float64 // the last Season × Seasons, the oldest at next once full
	residuals []float64 // beside them; NaN where nothing was predicted
	next      int
}

// NewChocolatine makes the rule for samples of which season make a season.
func NewChocolatine(season, seasons int) *Chocolatine {
	return &Chocolatine{Season: max(season, 1), Seasons: max(seasons, 1), Deviations: 3}
}

// Add takes in the next value (NaN: no data) and says whether it is low, and below what it would have been. While nothing can be
// predicted, limit is NaN and low is false.
func (c *Chocolatine) Add(value float64) (limit float64, low bool) {
	forecast := c.forecast()
	limit = math.NaN()
	if !math.IsNaN(forecast) {
		if mad, ok := c.mad(); ok {
			limit = forecast - c.Deviations*1.4826*mad
			low = value < limit
		}
	}
	c.keep(value, value-forecast)
	return limit, low
}

func (c *Chocolatine) forecast() float64 {
	var same []float64
	n := len(c.values)
	for back := c.Season; back <= n; back += c.Season {
		if v := c.values[((c.next-back)%n+n)%n]; !math.IsNaN(v) {
			same = append(same, v)
		}
	}
	return median(same)
}

const minResiduals = 30

// mad is the median of the distances of the residuals from their median; of too few it is not known.
func (c *Chocolatine) mad() (float64, bool) {
	var r []float64
	for _, x := range c.residuals {
		if !math.IsNaN(x) {
			r = append(r, x)
		}
	}
	if len(r) < minResiduals {
		return 0, false
	}
	m := median(r)
	for i := range r {
		r[i] = math.Abs(r[i] - m)
	}
	return median(r), true
}

func (c *Chocolatine) keep(value, residual float64) {
	if full := c.Season * c.Seasons; len(c.values) < full {
		c.values, c.residuals = append(c.values, value), append(c.residuals, residual)
		c.next = len(c.values) % full
		return
	}
	c.values[c.next], c.residuals[c.next] = value, residual
	c.next = (c.next + 1) % len(c.values)
}

// median is NaN of nothing. It sorts its argument.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	slices.Sort(v)
	m := len(v) / 2
	if len(v)%2 == 1 {
		return v[m]
	}
	return (v[m-1] + v[m]) / 2
}

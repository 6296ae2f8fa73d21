package detect

import (
	"cmp"
	"math"
	"slices"
)

// A level is remembered as a code: the upper edge of a bin of a tenth of a point, so that no remembered level is lower than what was.
const (
	codeScale = 1000
	noCode    = math.MaxUint16 // minutes that are no sample: an incident was open, or too little was observable
	maxCodes  = 8              // different levels kept of one period; more are joined, the nearest two into the larger
)

func codeOf(level float64) uint16 {
	return uint16(max(0, min(codeScale, math.Ceil(level*codeScale-1e-6))))
}

func levelOfCode(c uint16) float64 { return float64(c) / codeScale }

// bin counts the minutes of a period at one level.
type bin struct {
	period  uint32
	code    uint16
	minutes uint16
}

// history is the per-minute level of one signal of an entity: bins ordered by period. Minutes at zero are not written down: they are
// what is left of the minutes in which the engine was looking. Most entities lose nothing and have no bin.
type history []bin

// add counts a minute of the period, which is not before the last one added. Periods before from are forgotten.
func (h *history) add(period uint32, code uint16, from uint32) {
	l := *h
	if n := len(l); n == 0 || l[n-1].period != period {
		old := 0
		for old < n && l[old].period < from {
			old++
		}
		if old > 0 {
			l = l[:copy(l, l[old:])]
		}
		*h = append(l, bin{period, code, 1})
		return
	}
	first, codes := len(l), 0
	for first > 0 && l[first-1].period == period {
		first--
		if l[first].code == code {
			l[first].minutes++
			return
		}
		if l[first].code != noCode {
			codes++
		}
	}
	l = append(l, bin{period, code, 1})
	if code != noCode && codes == maxCodes {
		l = join(l, first)
	}
	*h = l
}

// join makes one of the two bins from first on whose levels are nearest: the larger one.
func join(l history, first int) history {
	tail := l[first:]
	slices.SortFunc(tail, func(a, b bin) int { return cmp.Compare(a.code, b.code) })
	at := 1
	for i := 1; i < len(tail) && tail[i].code != noCode; i++ {
		if tail[i].code-tail[i-1].code < tail[at].code-tail[at-1].code {
			at = i
		}
	}
	tail[at].minutes += tail[at-1].minutes
	return slices.Delete(l, first+at-1, first+at)
}

// span is the bins of the periods from..to, both included.
func (h history) span(from, to uint32) history {
	i, _ := slices.BinarySearchFunc(h, from, func(b bin, p uint32) int { return cmp.Compare(b.period, p) })
	j := i
	for j < len(h) && h[j].period <= to {
		j++
	}
	return h[i:j]
}

// watched counts, by hour, the minutes in which the engine looked: the feed spoke, and was not young. A ring.
type watched struct {
	hour    uint32 // the newest, in hours since 1970
	minutes []uint8
}

func (w *watched) slot(hour uint32) *uint8 { return &w.minutes[int(hour)%len(w.minutes)] }

func (w *watched) add(hour uint32) {
	if hour > w.hour {
		if hour-w.hour >= uint32(len(w.minutes)) {
			clear(w.minutes)
		} else {
			for h := w.hour + 1; h <= hour; h++ {
				*w.slot(h) = 0
			}
		}
		w.hour = hour
	}
	if s := w.slot(hour); *s < 60 {
		*s++
	}
}

func (w *watched) of(hour uint32) int {
	if hour > w.hour || w.hour-hour >= uint32(len(w.minutes)) {
		return 0
	}
	return int(*w.slot(hour))
}

// counts are samples of a level, for the quantiles.
type counts struct {
	bins  []codeCount
	total int
}

type codeCount struct {
	code    uint16
	minutes int
}

func (c *counts) reset() { c.bins, c.total = c.bins[:0], 0 }

func (c *counts) add(code uint16, minutes int) {
	if minutes > 0 {
		c.bins = append(c.bins, codeCount{code, minutes})
		c.total += minutes
	}
}

// quantile is the smallest level that at least the share q of the samples do not exceed. It orders the samples.
func (c *counts) quantile(q float64) uint16 {
	slices.SortFunc(c.bins, func(a, b codeCount) int { return cmp.Compare(a.code, b.code) })
	rank := max(1, int(math.Ceil(q*float64(c.total)-1e-9)))
	for _, b := range c.bins {
		if rank -= b.minutes; rank <= 0 {
			return b.code
		}
	}
	return 0
}

// deviation is the median absolute deviation from the median. It replaces the samples by their deviations.
func (c *counts) deviation() uint16 {
	m := c.quantile(0.5)
	for i := range c.bins {
		b := &c.bins[i]
		b.code = max(b.code, m) - min(b.code, m)
	}
	return c.quantile(0.5)
}

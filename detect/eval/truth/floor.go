package truth

import (
	"cmp"
	"slices"
)

// Floors are the floors that a method may publish (docs/method.md, section 4) and that an event reached, by this package's own count.
// They are for choosing which events a method that names its floors must find; which events there are does not depend on them.
type Floors struct {
	Low  bool // country: 3 % of prefixes and of blocks, 8 prefixes, 3 origins, covered and young prefixes not counted; network: 5 % of either, 3 blocks, 3 prefixes
	High bool // country: 30 % of prefixes and 8, or 90 % and 3 of fewer than 16; covered ones counted, young ones not
}

// Any reports whether a floor was reached.
func (f Floors) Any() bool { return f.Low || f.High }

// described is what was dark of an entity at the end of a second.
type described struct {
	dark, covered, young, youngCovered int
	gone                               int64
	origins                            []OriginCount // of all that were dark
	plainOrigins                       int           // of those neither covered nor young
}

// describe counts what is dark now.
func (j *judge) describe(e *entity, at int64) (d described) {
	count, plain := map[uint32]int{}, map[uint32]bool{}
	d.dark = len(e.dark)
	for _, n := range e.dark {
		w := &j.rows[n]
		origin := w.origin()
		count[origin]++
		covered, young := j.covered(w, at), j.young(w)
		switch {
		case covered && young:
			d.covered++
			d.youngCovered++
		case covered:
			d.covered++
		case young:
			d.young++
		default:
			d.gone += w.blocks
			if origin != 0 {
				plain[origin] = true
			}
		}
	}
	for as, n := range count {
		d.origins = append(d.origins, OriginCount{as, n})
	}
	slices.SortFunc(d.origins, func(a, b OriginCount) int {
		return cmp.Or(cmp.Compare(b.Dark, a.Dark), cmp.Compare(a.AS, b.AS))
	})
	d.plainOrigins = len(plain)
	return d
}

// young reports a prefix of which the record, an hour old by then, had not said anything an hour before it was dark: it was there for
// less than that. What is known from the beginning of the record is not young.
func (j *judge) young(w *row) bool {
	return w.dark-w.since < memory && w.since-j.result.From >= memory
}

// floors says which floors are reached.
func (e *entity) floors(d *described) (f Floors) {
	lost, plain := d.dark-d.young-d.youngCovered, d.dark-d.covered-d.young
	share := func(n, percent int) bool { return 100*n >= percent*e.total }
	blocks := func(percent int64) bool { return 100*d.gone >= percent*e.blocks }
	switch {
	case e.kind == "network":
		f.Low = plain >= 3 && d.gone >= 3 && (share(plain, networkFloor) || blocks(networkFloor))
	case e.total < smallCountry:
		f.High = lost >= 3 && share(lost, 90)
	default:
		f.High = lost >= 8 && share(lost, 30)
		f.Low = plain >= 8 && share(plain, countryFloor) && blocks(countryFloor) && d.plainOrigins >= 3
	}
	return f
}

// smallCountry is the number of prefixes under which a country has only the high floor.
const smallCountry = 16

// stretchOf follows for how long a floor has been reached without a break.
type stretchOf struct {
	since         int64 // 0 while it is not
	reached, held bool
}

func (s *stretchOf) note(on bool, at int64) {
	s.until(at)
	switch {
	case !on:
		s.since = 0
	case s.since == 0:
		s.since, s.reached = at, true
	}
}

func (s *stretchOf) until(at int64) {
	s.held = s.held || s.since != 0 && at-s.since >= hold
}

// weigh gives each prefix its blocks, /24 or /48: those it covers that no more specific prefix of the record covers. Prefixes longer
// than a block share one, which counts for the lowest of them. The whole record decides, whenever a prefix was named.
func (j *judge) weigh() {
	order := make([]int32, len(j.rows))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return compareKeys(j.rows[a].key, j.rows[b].key) })
	var above []int32 // those that cover the present one, outermost first
	var shared key    // the block last given to a longer prefix
	for _, n := range order {
		w := &j.rows[n]
		for len(above) > 0 && !j.rows[above[len(above)-1]].key.contains(&w.key) {
			above = above[:len(above)-1]
		}
		size := uint8(24)
		if w.key.family == 6 {
			size = 48
		}
		if w.key.bits <= size {
			w.blocks = 1 << (size - w.key.bits)
		} else if b := w.key.shorten(size); b != shared {
			w.blocks, shared = 1, b
		}
		if len(above) > 0 {
			j.rows[above[len(above)-1]].blocks -= w.blocks
		}
		above = append(above, n)
	}
	for i := range j.rows {
		w := &j.rows[i]
		for _, m := range w.members {
			if m.entity != nil {
				m.entity.blocks += w.blocks
			}
		}
	}
}

// contains reports whether o is k or lies in it.
func (k *key) contains(o *key) bool {
	return k.family == o.family && k.bits <= o.bits && o.shorten(k.bits).addr == k.addr
}

package signal

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// peakKey names the peak of one signal of an entity.
type peakKey struct {
	id  detect.EntityID
	sig detect.SignalID
}

// peakRows are the rows that were lost when an entity's reading was at its peak.
type peakRows struct {
	rows []visibility.RowID
	told int // serial of the incident whose explanations were made of them
}

// atPeak keeps what is lost of an entity now; the engine asks for its parts at each new peak.
func (m *Monitor) atPeak(e detect.EntityID, s detect.SignalID) {
	k := peakKey{e, s}
	p := m.peaks[k]
	if p == nil {
		p = &peakRows{}
		m.peaks[k] = p
	}
	p.rows, p.told = p.rows[:0], 0
	m.fams[s].each(e, func(r visibility.RowID, x *row) {
		if x.judged == lost {
			p.rows = append(p.rows, r)
		}
	})
}

// revised completes a revision of the engine with the smallest explanation of what was lost, and hands it on.
func (m *Monitor) revised(serial int, inc *detect.Incident, members []detect.Member) {
	if inc.Kind == detect.Outage && len(inc.Signals) > 0 {
		m.explain(serial, inc)
	}
	if m.sink != nil {
		slices.SortStableFunc(members, func(a, b detect.Member) int { // those of one second not by the order in the journal
			return cmp.Or(a.LostAt.Compare(b.LostAt.Time), cmp.Compare(a.Prefix, b.Prefix))
		})
		m.sink(serial, inc, members)
	}
}

func (m *Monitor) explain(serial int, inc *detect.Incident) {
	id, ok := m.lookup(inc.Entity)
	if !ok {
		return
	}
	for s := range m.fams {
		sig := detect.SignalID(s)
		i := slices.IndexFunc(inc.Signals, func(x detect.Signal) bool { return x.Signal == sig.String() })
		if i < 0 || inc.Peak == nil || !inc.Signals[i].At.Equal(inc.Peak.Time.Time) {
			continue
		}
		p := m.peaks[peakKey{id, sig}]
		if p != nil && p.told != serial {
			p.told = serial
			f := m.fams[s]
			inc.Explanations = m.smallest(f, slices.DeleteFunc(slices.Clone(p.rows), func(r visibility.RowID) bool {
				w := m.watched[f.handle(r)]
				return w == nil || !slices.Contains(w.incidents, serial)
			}), false)
		}
		break
	}
	if !inc.State.Open() {
		for s := range m.fams {
			delete(m.peaks, peakKey{id, detect.SignalID(s)})
		}
	}
}

// lookup is the handle of an entity of detection that has been met.
func (m *Monitor) lookup(e detect.Entity) (id detect.EntityID, ok bool) {
	switch e.Type {
	case "country":
		id, ok = m.countries[e.Code]
		return id, ok
	case "region", "zone":
		id, ok = m.others[e.Key()]
		return id, ok
	}
	as, err := strconv.ParseUint(strings.TrimPrefix(e.Code, "AS"), 10, 32)
	if err != nil || e.Type != "network" {
		return detect.NoEntity, false
	}
	id, ok = m.networks[uint32(as)]
	return id, ok
}

// candidate is an entity that may explain a loss.
type candidate struct {
	entity detect.Entity
	rank   int // of equals the narrower kind goes first
	whole  int64
	lost   int64 // of the whole, lost
	left   int64 // of the lost, not covered by an earlier pick
	rows   []int // indexes into the lost rows
}

const (
	maxExplanations = 3
	enoughCovered   = 0.95 // of the lost weight
)

// smallest ranks what lost rows have in common by F1 and covers them greedily (section 6). The weight is the units of the rows, or
// their number when they have none. edges: links of the AS paths too, where paths are kept.
func (m *Monitor) smallest(f *family, of []visibility.RowID, edges bool) []detect.Explanation {
	weight := make([]int64, len(of))
	sum := int64(0)
	for i, r := range of {
		weight[i] = int64(f.rows[r].units)
		sum += weight[i]
	}
	counted := sum == 0
	if counted {
		for i := range weight {
			weight[i] = 1
		}
		sum = int64(len(of))
	}
	if sum == 0 {
		return nil
	}
	list := m.candidates(f, of, weight, counted)
	if edges && m.paths {
		list = append(list, f.edges(m, of, weight, counted)...)
	}
	var out []detect.Explanation
	covered := make([]bool, len(of))
	for left := sum; len(out) < maxExplanations && float64(left) > (1-enoughCovered)*float64(sum); {
		best := slices.MaxFunc(list, func(a, b *candidate) int {
			x, y := a.f1(left), b.f1(left)
			return cmp.Or(cmp.Compare(x, y), cmp.Compare(b.rank, a.rank), cmp.Compare(b.entity.Code, a.entity.Code))
		})
		if best.left == 0 {
			break
		}
		out = append(out, detect.Explanation{
			Entity: best.entity, Precision: detect.Share(float64(best.lost) / float64(best.whole)), Recall: detect.Share(float64(best.lost) / float64(sum)),
		})
		for _, i := range best.rows {
			covered[i] = true
		}
		left = 0
		for _, c := range list {
			c.left = 0
			for _, i := range c.rows {
				if !covered[i] {
					c.left += weight[i]
				}
			}
		}
		for i, w := range weight {
			if !covered[i] {
				left += w
			}
		}
	}
	return out
}

// f1 is the harmonic mean of precision and recall against what is left to explain; what earlier picks explain is no error.
func (c *candidate) f1(left int64) float64 {
	return 2 * float64(c.left) / float64(2*c.left+(c.whole-c.lost)+(left-c.left))
}

// ranks order candidates that explain equally much; links stand at 1.
var ranks = [...]int{kindNetwork: 0, kindRegion: 2, kindZone: 3, kindCountry: 4}

// candidates are the networks, regions, countries and zones that the rows belong to, in order of first appearance.
func (m *Monitor) candidates(f *family, rows []visibility.RowID, weight []int64, counted bool) []*candidate {
	var list []*candidate
	byID := map[detect.EntityID]*candidate{} // look-ups only
	add := func(c *candidate, i int) {
		c.lost += weight[i]
		c.left = c.lost
		c.whole = max(c.whole, c.lost) // a member may have become unobservable since
		c.rows = append(c.rows, i)
	}
	for i, r := range rows {
		x := &f.rows[r]
		pair := [2]detect.EntityID{x.network, x.country}
		for _, id := range slices.Concat(pair[:], f.groups.of(x.group)) {
			if id == detect.NoEntity {
				continue
			}
			c := byID[id]
			if c == nil {
				c = &candidate{entity: m.engine.Entity(id), rank: ranks[m.kinds[id]], whole: f.aggs[id].units}
				if counted {
					c.whole = int64(f.aggs[id].n)
				}
				byID[id] = c
				list = append(list, c)
			}
			add(c, i)
		}
	}
	return list
}

package truth

import (
	"bytes"
	"cmp"
	"slices"
)

type entityKey struct {
	kind, code string
	family     uint8
}

// entity is a country or a network, of one family.
type entity struct {
	entityKey
	total, need int
	blocks      int64
	dark        []int32 // rows, in no order
	overdue     []int32 // rows dark for an hour inside the run: they leave with its end
	run         *run    // from the floor being reached until it has been missed for 3 minutes
	trail       *run    // ended, and waiting for its recovery
}

// membership is a row's place in an entity.
type membership struct {
	entity *entity
	place  int32 // in entity.dark, one-based; 0 when not counted
}

type run struct {
	of           *entity
	first, start int64
	begin        int64
	stretch      int64 // beginning of the present stretch without a break
	gap          int64 // beginning of the present break; 0 when there is none
	long         bool  // a stretch lasted 3 minutes
	ending       Ending
	peak         int
	peakAt       int64
	dirty, grew  bool
	atPeak       described
	low, high    stretchOf // of the floors
	members      map[int32]*Prefix
	back         int // members that are back
	recovered    int64
}

func (j *judge) join(w *row, i int, k entityKey) {
	e := j.entities[k]
	if e == nil {
		e = &entity{entityKey: k}
		j.entities[k] = e
	}
	e.total++
	w.members[i].entity = e
}

// advance lets time pass up to at: prefixes are gone an hour after they became dark, and peaks are described once their second is
// over.
func (j *judge) advance(at int64) {
	if s := at - at%second; s > j.flushed {
		j.describeRuns(j.flushed)
		j.flushed = s
	}
	for len(j.gone) > 0 && j.gone[0].dark+memory <= at {
		g := j.gone[0]
		j.gone = j.gone[1:]
		w := &j.rows[g.row]
		if w.dark != g.dark {
			continue
		}
		for i := range w.members {
			e := w.members[i].entity
			if e == nil || w.members[i].place == 0 {
				continue
			}
			if j.settle(e, g.dark+memory); e.run != nil {
				e.overdue = append(e.overdue, g.row)
			} else {
				j.drop(e, g.row, i)
			}
		}
	}
}

// enter counts a prefix that became dark.
func (j *judge) enter(e *entity, n int32, i int, at int64) {
	j.settle(e, at)
	w := &j.rows[n]
	if w.members[i].place == 0 {
		e.dark = append(e.dark, n)
		w.members[i].place = int32(len(e.dark))
	}
	if e.trail != nil {
		e.trail.relapse(n)
	}
	r := e.run
	if r != nil {
		r.relapse(n)
	}
	if len(e.dark) < e.need {
		return
	}
	switch {
	case r == nil:
		r = j.begin(e, at)
	case r.gap != 0:
		r.gap, r.stretch = 0, at
		for _, d := range e.dark {
			r.add(d, &j.rows[d], j.rows[d].dark)
		}
	default:
		r.add(n, w, at)
	}
	if len(e.dark) > r.peak {
		r.peak, r.peakAt, r.grew = len(e.dark), at, true
	}
	j.changed(r)
}

// leave takes out a prefix that is not dark any more: it is back, or can no longer be judged.
func (j *judge) leave(e *entity, n int32, i int, at int64, back bool) {
	j.settle(e, at)
	j.drop(e, n, i)
	if e.trail != nil && back {
		e.trail.returned(n, at)
	}
	r := e.run
	if r == nil {
		return
	}
	j.changed(r)
	if back {
		r.returned(n, at)
	}
	if r.gap == 0 && len(e.dark) < e.need {
		r.rest(at)
		r.ending = EndedUnjudged
		if back {
			r.ending = EndedBack
		}
	}
}

func (j *judge) drop(e *entity, n int32, i int) {
	place := j.rows[n].members[i].place
	if place == 0 {
		return
	}
	last := e.dark[len(e.dark)-1]
	e.dark[place-1] = last
	j.rows[last].members[i].place = place
	e.dark = e.dark[:len(e.dark)-1]
	j.rows[n].members[i].place = 0
}

func (j *judge) begin(e *entity, at int64) *run {
	j.close(e.trail, at)
	e.trail = nil
	r := &run{of: e, begin: at, stretch: at, members: map[int32]*Prefix{}}
	starts := make([]int64, 0, len(e.dark))
	for _, n := range e.dark {
		w := &j.rows[n]
		r.add(n, w, w.dark)
		starts = append(starts, w.fell)
	}
	slices.Sort(starts)
	r.start = starts[e.need-1]
	k, _ := slices.BinarySearch(starts, r.start-firstWindow)
	r.first = starts[k]
	e.run = r
	return r
}

// settle ends a run whose break has lasted 3 minutes by now, and closes a recovery that has.
func (j *judge) settle(e *entity, now int64) {
	if r := e.run; r != nil && r.gap != 0 && now-r.gap >= hold {
		e.run = nil
		i := 0
		if e.kind == "country" {
			i = 1
		}
		for _, n := range e.overdue {
			if d := j.rows[n].dark; d != 0 && d+memory <= now {
				j.drop(e, n, i)
			}
		}
		e.overdue = e.overdue[:0]
		if r.long {
			e.trail = r
		}
	}
	if r := e.trail; r != nil && r.recovered != 0 && now-r.recovered >= hold {
		e.trail = nil
		j.close(r, now)
	}
}

func (r *run) rest(at int64) {
	r.long = r.long || at-r.stretch >= hold
	r.gap = at
}

func (r *run) add(n int32, w *row, at int64) {
	if r.members[n] != nil {
		return
	}
	r.members[n] = &Prefix{Prefix: w.key.prefix(), Origin: w.origin(), Start: w.fell, Dark: at}
	r.slip()
}

func (r *run) relapse(n int32) {
	if m := r.members[n]; m != nil && m.Back != 0 {
		m.Back = 0
		r.back--
		r.slip()
	}
}

// slip forgets a recovery that does not hold any more.
func (r *run) slip() {
	if 10*r.back < 9*len(r.members) {
		r.recovered = 0
	}
}

func (r *run) returned(n int32, at int64) {
	if m := r.members[n]; m != nil && m.Back == 0 {
		m.Back = at
		r.back++
		if r.recovered == 0 && 10*r.back >= 9*len(r.members) {
			r.recovered = at
		}
	}
}

// describeRuns notes what was dark, in the second that is over, in runs that changed in it.
func (j *judge) describeRuns(at int64) {
	for _, r := range j.dirty {
		r.dirty = false
		d := j.describe(r.of, at)
		if r.grew {
			r.grew, r.atPeak = false, d
		}
		f := r.of.floors(&d)
		r.low.note(f.Low, at)
		r.high.note(f.High, at)
	}
	j.dirty = j.dirty[:0]
}

func (j *judge) changed(r *run) {
	if !r.dirty {
		r.dirty = true
		j.dirty = append(j.dirty, r)
	}
}

// close writes the event of a run that is over; of one without a stretch of 3 minutes, none.
func (j *judge) close(r *run, now int64) {
	if r == nil || !r.long {
		return
	}
	if now-r.recovered < hold {
		r.recovered = 0
	}
	r.low.until(r.gap)
	r.high.until(r.gap)
	e := Event{
		Kind: r.of.kind, Code: r.of.code, Family: int(r.of.family),
		First: r.first, Start: r.start, Begin: r.begin, Peak: r.peakAt, End: r.gap, Recovered: r.recovered, Ending: r.ending,
		Dark: r.peak, Total: r.of.total, Need: r.of.need, Covered: r.atPeak.covered, Young: r.atPeak.young, Origins: r.atPeak.origins,
		Units: r.of.blocks, Gone: r.atPeak.gone,
		Reached: Floors{r.low.reached, r.high.reached}, Held: Floors{r.low.held, r.high.held},
	}
	rows := make([]int32, 0, len(r.members))
	for n := range r.members {
		rows = append(rows, n)
	}
	slices.SortFunc(rows, func(a, b int32) int {
		return cmp.Or(cmp.Compare(r.members[a].Start, r.members[b].Start), compareKeys(j.rows[a].key, j.rows[b].key))
	})
	for _, n := range rows {
		e.Prefixes = append(e.Prefixes, *r.members[n])
	}
	j.result.Events = append(j.result.Events, e)
}

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.family, b.family), bytes.Compare(a.addr[:], b.addr[:]), cmp.Compare(a.bits, b.bits))
}

// finish ends what is open at the end of the record.
func (j *judge) finish() {
	end := j.result.Until
	j.advance(end)
	j.describeRuns(end)
	for _, e := range j.entities {
		j.settle(e, end)
		j.close(e.trail, end)
		if r := e.run; r != nil {
			if r.gap == 0 {
				r.rest(end)
				r.ending = EndedRecord
			}
			j.close(r, end)
		}
	}
	slices.SortFunc(j.result.Events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.Begin, b.Begin), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Family, b.Family))
	})
}

package rival

import (
	"slices"

	"github.com/corewatch/corewatch/bgp"
)

// series is the count of one entity.
type series struct {
	key      entityKey
	rows     []int32 // its prefixes, in order, once sorted; may hold some that have moved away
	unsorted bool
	stirred  bool

	seen, all int64
	flat      int     // bins so far, while all had the same sample
	sample    int64   // that sample, or the last one
	ring      []int64 // samples, from the first that differed on
	next      int
	sorted    []int64
	open      [2]int // index into done, one-based, by level
}

var levels = [2]string{"warning", "critical"}

// bin ends the present bin.
func (o *IODA) bin() {
	if o.judgeFeeds() {
		for i := range o.rows {
			o.touch(int32(i))
		}
	}
	var voters [2]int // full-feed ASNs
	full := make([][2]bool, len(o.ases))
	for s := range o.sessions {
		for v, is := range o.sessions[s].full {
			if a := o.asOf[s]; is && !full[a][v] {
				full[a][v] = true
				voters[v]++
			}
		}
	}
	o.seen = make([]bool, len(o.ases))
	for _, n := range o.dirty {
		w := &o.rows[n]
		w.dirty = false
		v := family(w.prefix)
		visible := voters[v] > 0 && float64(o.carriers(w, v)) >= o.cfg.Visible*float64(voters[v])
		if visible != w.visible {
			w.visible = visible
			for _, e := range w.of {
				if e != none {
					o.stir(e)
				}
			}
		}
	}
	o.dirty = o.dirty[:0]
	for v := range voters {
		if voters[v] > 0 {
			o.bins[v]++
		}
	}
	for _, e := range o.changed {
		o.count(&o.of[e], e)
	}
	for i := range o.of {
		s := &o.of[i]
		if v := family(o.rowOf(s)); voters[v] > 0 {
			o.judge(s)
		}
		s.stirred = false
	}
	o.changed = o.changed[:0]
}

// rowOf is a prefix of the entity's family.
func (o *IODA) rowOf(s *series) bgp.Prefix { return o.rows[s.rows[0]].prefix }

// judgeFeeds decides which sessions are full feeds, and which are presumed to carry what they have not named; it reports whether any
// of that changed.
func (o *IODA) judgeFeeds() (changed bool) {
	for v, least := range [2]int{o.cfg.FullFeed4, o.cfg.FullFeed6} {
		var named []int
		for s := range o.sessions {
			if n := o.sessions[s].known[v]; n > 0 {
				named = append(named, n)
			}
		}
		slices.Sort(named)
		median := 0
		if len(named) > 0 {
			median = named[len(named)/2]
		}
		size := make([]int, len(o.sessions))
		largest := 0
		for s := range o.sessions {
			f := &o.sessions[s]
			presumed := !o.cfg.Table && !f.lost && f.known[v] > 0 && 2*f.known[v] >= median
			changed = changed || presumed != f.presumed[v]
			f.presumed[v] = presumed
			if size[s] = f.up[v]; presumed {
				size[s] += o.total[v] - f.known[v]
			}
			largest = max(largest, size[s])
		}
		need := min(float64(least), o.cfg.OldShare*float64(largest))
		for s := range o.sessions {
			full := size[s] > 0 && float64(size[s]) >= need
			changed = changed || full != o.sessions[s].full[v]
			o.sessions[s].full[v] = full
		}
	}
	return changed
}

// carriers counts the full-feed ASNs that carry the prefix over a full-feed session.
func (o *IODA) carriers(w *route, v int) (n int) {
	clear(o.seen)
	for s := range o.sessions {
		f := &o.sessions[s]
		c := unknown
		if s < len(w.cells) {
			c = w.cells[s]
		}
		if a := o.asOf[s]; f.full[v] && !o.seen[a] && (c == announced || c == unknown && f.presumed[v]) {
			o.seen[a] = true
			n++
		}
	}
	return n
}

// count takes the blocks of an entity anew: of its visible prefixes, and of all.
func (o *IODA) count(s *series, number int32) {
	if s.unsorted {
		kind := 0
		if s.key.Kind == "country" {
			kind = 1
		}
		moved := func(n int32) bool { return o.rows[n].of[kind] != number }
		if kept := slices.DeleteFunc(slices.Clone(s.rows), moved); len(kept) > 0 {
			s.rows = kept
		}
		slices.SortFunc(s.rows, func(a, b int32) int { return o.rows[a].prefix.Compare(o.rows[b].prefix) })
		s.unsorted = false
	}
	block := 24
	if s.key.v6 {
		block = 48
	}
	kind := 0
	if s.key.Kind == "country" {
		kind = 1
	}
	var lastSeen, lastAll bgp.Prefix
	s.seen, s.all = 0, 0
	for _, n := range s.rows {
		w := &o.rows[n]
		if w.of[kind] != number {
			continue
		}
		q := w.prefix.Shorten(block)
		if !lastAll.Valid() || !lastAll.Covers(q) {
			lastAll = q
			s.all += int64(q.Units())
		}
		if w.visible && (!lastSeen.Valid() || !lastSeen.Covers(q)) {
			lastSeen = q
			s.seen += int64(q.Units())
		}
	}
}

// judge compares the entity's count with the median before, and takes it into the history.
func (o *IODA) judge(s *series) {
	sample := s.seen
	if !o.cfg.Table {
		sample = s.all - s.seen
	}
	bins := s.flat + len(s.ring)
	if bins >= o.cfg.MinHistory {
		usual := s.median()
		if !o.cfg.Table {
			usual = s.all - usual
		}
		share := 1.0
		if usual > 0 {
			share = float64(s.seen) / float64(usual)
		}
		for l, below := range [2]float64{o.cfg.Warning, o.cfg.Critical} {
			o.alert(s, l, share < below, usual)
		}
	}
	if o.cfg.OnBin != nil {
		o.cfg.OnBin(s.key.Entity, s.key.family(), o.end, s.seen, s.all)
	}
	s.add(sample, o.cfg.History)
}

func (o *IODA) alert(s *series, level int, is bool, usual int64) {
	switch open := s.open[level]; {
	case is && open == 0:
		o.done = append(o.done, Alert{
			Entity: s.key.Entity, Family: s.key.family(), Level: levels[level],
			Start: o.end - o.cfg.Bin, Raised: o.end, Published: o.end + o.cfg.Publication, Lost: usual - s.seen, Expected: usual,
		})
		s.open[level] = len(o.done)
	case is:
		if a := &o.done[open-1]; usual-s.seen > a.Lost {
			a.Lost, a.Expected = usual-s.seen, usual
		}
	case open != 0:
		o.done[open-1].Ended = o.end
		s.open[level] = 0
	}
}

// median is the lower of two medians.
func (s *series) median() int64 {
	if len(s.ring) == 0 {
		return s.sample
	}
	return s.sorted[(len(s.sorted)-1)/2]
}

// add takes in a sample. Most entities never change, and need no list.
func (s *series) add(sample int64, history int) {
	if len(s.ring) == 0 {
		if s.flat == 0 || sample == s.sample {
			s.flat, s.sample = min(s.flat+1, history), sample
			return
		}
		for range s.flat {
			s.ring = append(s.ring, s.sample)
		}
		s.sorted = slices.Clone(s.ring)
		s.flat = 0
		if len(s.ring) == history {
			s.next = 0
		}
	}
	if len(s.ring) < history {
		s.ring = append(s.ring, sample)
	} else {
		i, _ := slices.BinarySearch(s.sorted, s.ring[s.next])
		s.sorted = slices.Delete(s.sorted, i, i+1)
		s.ring[s.next] = sample
		s.next = (s.next + 1) % history
	}
	i, _ := slices.BinarySearch(s.sorted, sample)
	s.sorted = slices.Insert(s.sorted, i, sample)
}

package truth

import (
	"math"
	"math/bits"
	"net/netip"
)

// carried is the value of row.carry of an ASN that is up.
const carried = math.MaxUint32

// Derive finds the events of a record. country gives the country of a prefix with an origin AS (0 when unknown), and "" for none;
// nil finds networks only. The source is walked twice. An error is the source's, or says that the record is beyond the bounds.
func Derive(src Source, country func(prefix netip.Prefix, origin uint32) string) (*Result, error) {
	r := &record{byKey: map[sessionKey]int{}, byNumber: map[uint32]int{}, byPrefix: map[key]int32{}}
	v := survey{r}
	if err := r.walk(src, v); err != nil {
		return nil, err
	}
	v.conclude()
	r.complete = true
	j := newJudge(r, country)
	if err := r.walk(src, j); err != nil {
		return nil, err
	}
	j.finish()
	return &r.result, nil
}

// judge is the second walk.
type judge struct {
	*record
	need     [2]int // known carriers, by family
	entities map[entityKey]*entity
	gone     []goneAt // in order of time
	flushed  int64    // second up to which runs are described
	dirty    []*run   // that changed in the second after that
	blinded  []int    // by session: how many of its blind spans have begun
}

type goneAt struct {
	row  int32
	dark int64
}

func newJudge(r *record, country func(netip.Prefix, uint32) string) *judge {
	j := &judge{
		record:   r,
		need:     [2]int{r.result.Carriers4, r.result.Carriers6},
		entities: map[entityKey]*entity{},
		blinded:  make([]int, len(r.sessions)),
	}
	for i := range r.rows {
		w := &r.rows[i]
		w.carry = make([]uint32, len(r.asns))
		for s := range w.cells {
			proven := w.cells[s]&fromStart != 0 && !r.sessions[s].untrusted
			w.cells[s] = unknown
			if proven {
				w.cells[s] = up
				w.carry[r.sessions[s].asn] = carried
				w.since = r.result.From
				r.result.LearnedByWithdrawn++
			}
		}
		origin := w.origin()
		if origin != 0 {
			j.join(w, 0, entityKey{"network", networkCode(origin), w.key.family})
		}
		if country != nil {
			if c := country(w.key.prefix(), origin); c != "" {
				j.join(w, 1, entityKey{"country", c, w.key.family})
			}
		}
	}
	j.weigh()
	for _, e := range j.entities {
		percent := countryFloor
		if e.kind == "network" {
			percent = networkFloor
		}
		e.need = max(minPrefixes, (e.total*percent+99)/100)
	}
	return j
}

func (j *judge) lost(s int, at int64) {
	j.advance(at)
	for i := range j.rows {
		if w := &j.rows[i]; s < len(w.cells) && w.cells[s] != unknown {
			j.set(s, int32(i), unknown, at)
		}
	}
}

func (j *judge) said(s int, n int32, e *elem, at int64) {
	j.advance(at)
	x := &j.sessions[s]
	for k := j.blinded[s]; k < len(x.blind) && at >= x.blind[k].from; k++ {
		j.blinded[s] = k + 1
		j.lost(s, at)
	}
	state := down
	if e.up {
		state = up
	} else if k := j.blinded[s]; k > 0 && at < x.blind[k-1].until {
		state = unknown
	}
	if *j.rows[n].cell(s) != state {
		j.set(s, n, state, at)
	}
}

// set changes one cell and follows what that does to the prefix.
func (j *judge) set(s int, n int32, state uint8, at int64) {
	w, x := &j.rows[n], &j.sessions[s]
	before := w.cells[s]
	w.cells[s] = state
	now := unknown
	for _, t := range j.asns[x.asn].sessions {
		if t >= len(w.cells) {
			continue
		}
		if c := w.cells[t]; c == up || c == down && now == unknown {
			now = c
		}
	}
	was := w.carry[x.asn]
	next := was
	switch {
	case now == up:
		next = carried
	case now == unknown:
		next = 0
	case was == carried:
		next = seconds(at)
	case was == 0 && before == unknown && !x.untrusted:
		next = seconds(at) // a session withdraws only what it had: carried until now
	case was == 0:
		next = 1 // down, and no proof that it ever carried it
	}
	if next == was {
		return
	}
	if have, had := w.count90(at); 10*have >= 9*had {
		w.fell = 0
	}
	w.carry[x.asn] = next
	have, had := w.count90(at)
	switch {
	case 10*have >= 9*had:
		w.fell = 0
	case w.fell == 0 && state == down:
		w.fell = at
	}
	if w.dark == 0 {
		if had >= j.need[w.key.family/2-2] && 10*have < had {
			j.darken(n, at)
		}
		return
	}
	if next == 0 {
		w.ref[x.asn/64] &^= 1 << (x.asn % 64)
	}
	have, had = w.countRef()
	switch {
	case had < minCarriers:
		j.lighten(n, at, false)
	case 10*have >= had:
		j.lighten(n, at, true)
	}
}

func seconds(at int64) uint32 { return uint32(min(max(at/second, 2), carried-1)) }

// count90 is how many ASNs carry the prefix, and how many carried it in the hour before at.
func (w *row) count90(at int64) (have, had int) {
	since := seconds(at - memory)
	for _, c := range w.carry {
		if c == carried {
			have++
			had++
		} else if c > since {
			had++
		}
	}
	return have, had
}

// countRef is how many of the ASNs that carried the prefix before it was dark carry it, and how many of these are still known.
func (w *row) countRef() (have, had int) {
	for i, word := range w.ref {
		had += bits.OnesCount64(word)
		for word != 0 {
			a := bits.TrailingZeros64(word)
			word &= word - 1
			if w.carry[i*64+a] == carried {
				have++
			}
		}
	}
	return have, had
}

func (j *judge) darken(n int32, at int64) {
	w := &j.rows[n]
	w.dark = at
	if w.fell == 0 { // by ASNs that became unknown; no withdrawal says when
		w.fell = at
	}
	w.ref = make([]uint64, (len(w.carry)+63)/64)
	since := seconds(at - memory)
	for a, c := range w.carry {
		if c > since {
			w.ref[a/64] |= 1 << (a % 64)
		}
	}
	j.gone = append(j.gone, goneAt{n, at})
	for i := range w.members {
		if e := w.members[i].entity; e != nil {
			j.enter(e, n, i, at)
		}
	}
}

func (j *judge) lighten(n int32, at int64, back bool) {
	w := &j.rows[n]
	w.dark, w.ref = 0, nil
	for i := range w.members {
		if e := w.members[i].entity; e != nil {
			j.leave(e, n, i, at, back)
		}
	}
}

// covered reports whether most of the known carriers of a less specific prefix of the same origin still carry that one. One is enough: a
// block of which nothing was withdrawn is seldom named, and less often by many.
func (j *judge) covered(w *row, at int64) bool {
	shortest := uint8(8)
	if w.key.family == 6 {
		shortest = 16
	}
	origin := w.origin()
	for b := w.key.bits; b > shortest; {
		b--
		n, ok := j.byPrefix[w.key.shorten(b)]
		if !ok {
			continue
		}
		c := &j.rows[n]
		if c.dark != 0 || c.origin() != origin {
			continue
		}
		if have, had := c.count90(at); have > 0 && 2*have >= had {
			return true
		}
	}
	return false
}

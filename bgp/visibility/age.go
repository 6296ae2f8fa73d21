package visibility

import (
	"math"
	"slices"

	"github.com/corewatch/corewatch/bgp"
)

// horizon is how many minutes ahead the due queue holds; what is due later comes up at its end and is queued again.
const horizon = 1 << 14

// dueQueue says in which minute a record has to be looked at again: a ring of buckets, each in the order of entry.
type dueQueue struct {
	buckets [][]cellKey
	n       int   // entries
	tidyAt  int   // sweep stale entries out when there are more
	at      int64 // the last minute processed
	started bool
	spare   []cellKey // empty
}

// maxSpare bounds what an empty bucket may hold on to.
const maxSpare = 1 << 12

type cellKey struct {
	row  RowID
	peer PeerID
}

func (q *dueQueue) start(now bgp.Micros) {
	if !q.started {
		q.started = true
		q.at = int64(now / minute)
		q.buckets = make([][]cellKey, horizon)
	}
}

func (q *dueQueue) bytes() int {
	n := 24*len(q.buckets) + 8*cap(q.spare)
	for _, b := range q.buckets {
		n += 8 * cap(b)
	}
	return n
}

// wake queues a record for the first whole minute at or after the instant.
func (t *matrix) wake(rec *record, at bgp.Micros) {
	q := &t.due
	m := int64((at - ms + minute - 1) / minute) // a rounding of the closed forms may only bring us early
	m = min(max(m, q.at+1), q.at+horizon-1)
	if old := rec.minute(); old > q.at && old <= m {
		return // it comes up before that, and will be queued again
	}
	rec.setMinute(m)
	b := &q.buckets[m%horizon]
	if *b == nil {
		*b, q.spare = q.spare, nil
	}
	*b = append(*b, cellKey{rec.row, rec.peer})
	q.n++
}

// schedule queues a record for the next instant at which anything about it may change by the mere passing of time.
func (t *matrix) schedule(rec *record, expected bool, now bgp.Micros) {
	next := float64(math.MaxInt64)
	soon := func(d float64) { next = min(next, d) }
	observed, _ := t.sums(rec, now)
	mature := float64(t.cfg.ExpectAfter / ms)
	switch {
	case !rec.is(recKnown):
		soon(float64(t.cfg.Window / ms)) // forgotten
	case observed < mature:
		soon(mature - float64(rec.observed))
	case expected && !rec.is(recAnnounced):
		soon(max(mature, t.fallsAt(rec, t.cfg.ExpectShare)))
	case expected != t.deserves(rec, now): // a session came back before this was judged
		soon(float64((now - rec.since) / ms))
	case rec.is(recAnnounced) && !expected:
		soon(min(t.risesAt(rec, t.cfg.ExpectShare), mature))
	case rec.is(recAnnounced):
		d := t.risesAt(rec, t.cfg.QuietShare)
		if rec.is(recMoved) {
			d = max(d, float64(t.cfg.QuietAfter/ms))
		}
		soon(d) // dropped
	default:
		soon(float64(t.cfg.Window / ms)) // forgotten
	}
	at := rec.since + bgp.Micros(min(next, float64(horizon*minute/ms)))*ms
	if rec.flap != 0 {
		quiet := clock(now) - last(t.flaps.ring(rec.flap))
		at = min(at, now-bgp.Micros(quiet)*ms+t.cfg.FlapWindow)
	}
	t.wake(rec, at)
}

// Tick moves time on and does, once for every whole minute that has passed, what time alone does: cells become expected, stop
// being expected, are heard again after flapping, and records that say nothing any more are dropped. changed, which may be
// nil, is called for every row whose vote may have changed, possibly more than once, and must not write to the table.
//
// A cell known for at least Config.ExpectAfter is expected while its share is at least Config.ExpectShare, and when it has been
// announced for Config.ExpectAfter without pause, whatever was before, until it has been withdrawn for as long; the change is seen at
// most one minute after, and of a withdrawn cell when it has been so for Config.ExpectAfter. A cell withdrawn without pause for Config.Window is forgotten: what is announced
// after that is learned anew. Rows that are frozen keep what they expect, see Freeze.
func (t *matrix) Tick(now bgp.Micros, changed func(RowID)) {
	now = t.advance(now)
	t.tidyQueue()
	q := &t.due
	end := int64(now / minute)
	if end-q.at >= horizon { // after a jump in time no bucket is left in the future
		var all []cellKey
		for m := q.at + 1; m < q.at+horizon; m++ {
			for _, e := range q.take(m) {
				if i := t.isDue(e, m); i != 0 {
					t.recs.at(i).setMinute(0)
					all = append(all, e)
				}
			}
		}
		q.at = end
		for _, e := range all {
			if i := t.recs.find(e.row, e.peer); i != 0 {
				t.age(i, e, now, changed)
			}
		}
		return
	}
	for q.at < end {
		q.at++
		due := q.take(q.at)
		for _, e := range due {
			if i := t.isDue(e, q.at); i != 0 {
				t.age(i, e, now, changed)
			}
		}
		q.spend(due)
	}
}

func (q *dueQueue) take(m int64) []cellKey {
	b := &q.buckets[m%horizon]
	entries := *b
	*b = nil
	q.n -= len(entries)
	return entries
}

// spend keeps the memory of a bucket that was taken for the next one that needs some.
func (q *dueQueue) spend(entries []cellKey) {
	if cap(entries) > cap(q.spare) && cap(entries) <= maxSpare {
		q.spare = entries[:0]
	}
}

// tidyQueue takes out the entries whose records are gone: those of retired rows and dropped sessions would stay until their minute.
func (t *matrix) tidyQueue() {
	q := &t.due
	if q.n <= max(q.tidyAt, 4*t.recs.n, 1<<12) {
		return
	}
	for m := q.at + 1; m < q.at+horizon; m++ {
		b := &q.buckets[m%horizon]
		if len(*b) == 0 {
			continue
		}
		q.n -= len(*b)
		kept := slices.DeleteFunc(*b, func(e cellKey) bool { return t.isDue(e, m) == 0 })
		q.n += len(kept)
		if len(kept) == 0 {
			kept = nil
		} else if cap(kept) > 2*len(kept) {
			kept = slices.Clone(kept)
		}
		*b = kept
	}
	q.tidyAt = 2 * q.n // what is left are at most copies of what is due
}

// isDue is the index of the record of an entry; 0 when it is gone or an earlier entry took over.
func (t *matrix) isDue(e cellKey, m int64) uint32 {
	i := t.recs.find(e.row, e.peer)
	if i == 0 || t.recs.at(i).minute() != m {
		return 0
	}
	return i
}

// age does what time does to one cell.
func (t *matrix) age(i uint32, e cellKey, now bgp.Micros, changed func(RowID)) {
	rec := t.recs.at(i)
	rec.setMinute(0)
	t.settle(rec)
	pe := &t.peers[e.peer]
	m, words := t.row(e.row)
	q := &words[pe.word]
	was := *q
	heard := t.quieten(rec, m, pe, now)
	if m.frozen == 0 {
		t.expect(rec, q, pe.bit, now)
		if t.spent(rec, q.expected&pe.bit != 0, now) {
			t.dropRecord(i)
			rec = nil
		}
	} else if rec.flap == 0 {
		rec = nil // Freeze wakes it
	}
	if rec != nil {
		t.schedule(rec, q.expected&pe.bit != 0, now)
	}
	if (heard || *q != was) && changed != nil {
		changed(e.row)
	}
}

// quieten lets a cell vote again that has been quiet for Config.FlapWindow; true when it was muted.
func (t *matrix) quieten(rec *record, m *rowMeta, pe *peer, now bgp.Micros) bool {
	if rec.flap == 0 || bgp.Micros(clock(now)-last(t.flaps.ring(rec.flap)))*ms < t.cfg.FlapWindow {
		return false
	}
	t.flaps.release(rec.flap)
	rec.flap = 0
	return t.unmute(m, pe)
}

// deserves reports whether a cell known for long enough is expected: by its share; or because it has been steady for as long as would
// make a stranger expected, so that a network that was often away and has come back is seen when it fails again.
func (t *matrix) deserves(rec *record, now bgp.Micros) bool {
	if in := now - rec.since; rec.is(recAnnounced) && in >= t.cfg.ExpectAfter || rec.is(recSteady) && in < t.cfg.ExpectAfter {
		return true
	}
	observed, carried := t.sums(rec, now)
	return carried >= t.cfg.ExpectShare*observed
}

// expect judges a cell by its history.
func (t *matrix) expect(rec *record, q *word, bit uint64, now bgp.Micros) {
	if !rec.is(recKnown) {
		return // away: nothing ages
	}
	if observed, _ := t.sums(rec, now); observed < float64(t.cfg.ExpectAfter/ms) {
		return
	}
	switch {
	case t.deserves(rec, now):
		q.expected |= bit
	case rec.is(recAnnounced) || now-rec.since >= t.cfg.ExpectAfter: // in its first hours a short absence would be a quarter of all that is known
		q.expected &^= bit
	}
}

// spent reports that a record says nothing that its absence does not say.
func (t *matrix) spent(rec *record, expected bool, now bgp.Micros) bool {
	in := now - rec.since
	switch {
	case rec.flap != 0:
		return false
	case !rec.is(recKnown):
		return in >= t.cfg.Window
	case rec.is(recAnnounced):
		observed, carried := t.sums(rec, now)
		return expected && observed >= float64(t.cfg.ExpectAfter/ms) && carried >= t.cfg.QuietShare*observed &&
			(!rec.is(recMoved) || in >= t.cfg.QuietAfter)
	default:
		return !expected && in >= t.cfg.Window
	}
}

// Freeze adds n to the row's freeze count, which never falls below 0. While it is above 0 time does not change what is expected
// of the row, so that an outage under observation keeps its baseline. What was held back is judged at the first whole
// minute after the count returns to 0.
func (t *matrix) Freeze(r RowID, n int) {
	if !t.has(r) {
		return
	}
	m := t.meta(r)
	was := m.frozen
	m.frozen = uint16(min(max(int(was)+n, 0), math.MaxUint16))
	if was == 0 || m.frozen != 0 || !t.due.started {
		return
	}
	left := m.recs
	for p := 0; left > 0 && p < len(t.peers); p++ {
		if i := t.recs.find(r, PeerID(p)); i != 0 {
			t.wake(t.recs.at(i), t.now)
			left--
		}
	}
}

// Frozen is the row's freeze count.
func (t *matrix) Frozen(r RowID) int {
	if !t.has(r) {
		return 0
	}
	return int(t.meta(r).frozen)
}

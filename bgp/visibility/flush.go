package visibility

import (
	"iter"

	"github.com/corewatch/corewatch/bgp"
)

// FlushPeer makes every cell of the session unknown at once: it is lost, or what it said is no longer believed. What it was
// expected to carry stays, and time until a cell is seen again counts neither for nor against it. Rows are not reported; see
// RowsOf. A session is up again with the next thing heard from it.
func (t *matrix) FlushPeer(p PeerID, at bgp.Micros) {
	if !t.hasPeer(p) {
		return
	}
	at = t.advance(at)
	pe := &t.peers[p]
	if pe.away {
		return
	}
	pe.upFor = pe.upTime(at)
	pe.away = true
	pe.count.Flushes++
	t.loseColumn(pe)
	pe.count.Known, pe.count.Announced = 0, 0
	t.flushOrigins(p)

	pe.cutAt = append(pe.cutAt, at)
	pe.gen++
	if pe.gen == maxGenerations {
		t.recs.each(func(_ uint32, rec *record) {
			if rec.peer == p {
				t.settle(rec)
				rec.gen = 0
			}
		})
		pe.gen, pe.cutAt = 0, pe.cutAt[:0]
	}
}

// ForgetWithdrawn makes every withdrawn cell of a session unknown: what it withdrew while it was not believed is taken back
// when it is believed again. What the cells are expected to be, and their carried time, stay as they are.
func (t *matrix) ForgetWithdrawn(p PeerID, at bgp.Micros) {
	if !t.hasPeer(p) {
		return
	}
	at = t.advance(at)
	pe := &t.peers[p]
	if pe.count.Known == pe.count.Announced {
		return
	}
	for r := range RowID(t.n) {
		m, words := t.row(r)
		q := &words[pe.word]
		if q.known&^q.announced&pe.bit == 0 {
			continue
		}
		q.known &^= pe.bit
		pe.count.Known--
		if i := t.recordOf(m, r, p); i != 0 {
			rec := t.recs.at(i)
			t.settle(rec)
			if rec.is(recMoved) {
				t.rememberTransition(rec)
			}
			t.fold(rec, at)
			rec.since = at
			rec.due &^= recFlags
		}
	}
}

// RowsOf iterates the rows whose cell the session has told, in row order; the value is whether it announces the row (else it
// withdrew it). Retired rows are left out. Calls that write to the table are not allowed while iterating.
func (t *matrix) RowsOf(p PeerID) iter.Seq2[RowID, bool] {
	return func(yield func(RowID, bool) bool) {
		if !t.hasPeer(p) {
			return
		}
		pe := &t.peers[p]
		for r := range RowID(t.n) {
			_, words := t.row(r)
			if q := &words[pe.word]; q.known&pe.bit != 0 && !yield(r, q.announced&pe.bit != 0) {
				return
			}
		}
	}
}

// DropPeer forgets a session and everything it said, as if it had never been: its column and its id are given to a session that
// Peer makes later. The votes of any row may change. It visits every row and every record.
func (t *matrix) DropPeer(p PeerID) {
	if !t.hasPeer(p) {
		return
	}
	pe := &t.peers[p]
	for r := range RowID(t.n) {
		_, words := t.row(r)
		q := &words[pe.word]
		q.known &^= pe.bit
		q.announced &^= pe.bit
		q.expected &^= pe.bit
	}
	t.recs.each(func(i uint32, rec *record) {
		if rec.peer == p {
			t.dropRecord(i)
		}
	})
	t.flushOrigins(p)
	for i := range t.extras {
		x := &t.extras[i]
		if x.cells == nil && x.muted == nil && x.paths == nil { // spare
			continue
		}
		m := t.meta(x.row)
		if int(p) < len(x.paths) {
			t.paths.drop(x.paths[p])
			x.paths[p] = 0
		}
		t.unmute(m, pe)
	}
	t.removeColumn(p)
	delete(t.byPeer, pe.name)
	*pe = peer{gone: true}
	t.vacant = append(t.vacant, p)
}

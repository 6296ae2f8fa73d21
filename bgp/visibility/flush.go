package visibility

import "github.com/corewatch/corewatch/bgp"

func (t *matrix) flushPeer(p PeerID, at bgp.Micros) {
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

func (t *matrix) forgetWithdrawn(p PeerID, at bgp.Micros) {
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

func (t *matrix) dropPeer(p PeerID) {
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

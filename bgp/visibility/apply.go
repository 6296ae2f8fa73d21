package visibility

import (
	"slices"

	"github.com/corewatch/corewatch/bgp"
)

// NoRow is no row.
const NoRow = ^RowID(0)

// Update is an announcement or a withdrawal, for Apply.
type Update struct {
	Prefix    bgp.Prefix
	At        bgp.Micros
	Origin    uint32 // of an announcement
	Row       RowID  // of the prefix; Apply sets it
	Peer      PeerID
	Withdrawn bool
}

// Share calls do(0) to do(n-1) once each, in any order or at the same time, and returns when all have returned.
type Share func(n int, do func(int))

func inTurn(n int, do func(int)) {
	for i := range n {
		do(i)
	}
}

// Share says who does the work of Apply and Tick from now on: a table starts no goroutine. Until it is called, and after Share(nil), the
// caller's goroutine does all. The answers do not depend on it.
func (t *Table) Share(s Share) {
	if t.share = s; s == nil {
		t.share = inTurn
	}
}

// batch is the work of one Apply. All of it is scratch.
type batch struct {
	list    []Update
	pieces  []piece
	aged    []RowID      // of Tick
	revived [][]reviving // by part
}

type reviving struct {
	i   int
	row RowID
}

// piece is what one worker made of a stretch of the list.
type piece struct {
	from, to int
	unknown  bool       // prefixes without a row
	early    bool       // an update before the one that precedes it
	away     bool       // a session that was flushed
	queues   [][]queued // by part
	peers    []PeerID   // the sessions with withdrawals
	coming   []uint32   // by PeerID: how many
	_        [64]byte   // workers do not share a cache line
}

// queued is an Update without what its part need not know.
type queued struct {
	at        bgp.Micros
	row       RowID // in the part
	origin    uint32
	i         int32 // in the list
	peer      PeerID
	withdrawn bool
}

// fewest is how many updates are worth the cost of dividing them, and so many at least make a piece.
const fewest = 128

// Apply applies updates in their order, as Intern and then Announce or Withdraw of each would, and sets the Row of each. enter is called,
// in order, for updates of a prefix that has no row: it makes one by calling Intern, and returns what that gave, or NoRow for an update
// that is to be left out. changed is called for every update that did something, not for one of which the change is
// Duplicate or Ignored, soon after it was applied: for the updates of one part in their order, for several parts maybe at the same time. It
// may ask for the Vote, the Origin and the Cell of that row, and must not write to the table.
//
// Units follow rows that came back when all is done. A caller that gives Tick every minute ends its batches there.
func (t *Table) Apply(list []Update, enter func(i int) RowID, changed func(part, i int, c Change)) {
	if len(list) < fewest || len(t.parts) == 1 {
		t.inOrder(list, enter, changed)
		return
	}
	b := &t.batch
	b.list = list
	t.cut()
	t.share(len(b.pieces), t.divide)
	if unknown, plain := t.look(); !plain {
		t.inOrder(list, enter, changed)
	} else {
		if unknown {
			for i := range list {
				if list[i].Row == NoRow {
					if r, ok := t.Row(list[i].Prefix); ok {
						list[i].Row = r
					} else {
						list[i].Row = enter(i)
					}
				}
			}
			t.share(len(b.pieces), t.redivide)
		}
		t.tell(list[len(list)-1].At)
		t.share(len(t.parts), func(k int) { t.work(k, changed) })
		t.settle()
	}
	b.list = nil
}

// inOrder applies the updates one by one.
func (t *Table) inOrder(list []Update, enter func(i int) RowID, changed func(part, i int, c Change)) {
	for i := range list {
		u := &list[i]
		var ok bool
		if u.Row, ok = t.Row(u.Prefix); !ok {
			if u.Row = enter(i); u.Row == NoRow {
				t.tell(u.At)
				continue
			}
		}
		var c Change
		if u.Withdrawn {
			c = t.Withdraw(u.Row, u.Peer, u.At)
		} else {
			c = t.Announce(u.Row, u.Peer, u.Origin, u.At)
		}
		if c&^(Duplicate|Ignored) != 0 {
			changed(int(u.Row)&(len(t.parts)-1), i, c)
		}
	}
}

// cut divides the list into pieces, more than there are likely to be workers: one may come late.
func (t *Table) cut() {
	b := &t.batch
	n := min(len(b.list)/(fewest/2), len(t.parts))
	for len(b.pieces) < n {
		b.pieces = append(b.pieces, piece{queues: make([][]queued, len(t.parts))})
	}
	b.pieces = b.pieces[:n]
	for i := range b.pieces {
		b.pieces[i].from, b.pieces[i].to = i*len(b.list)/n, (i+1)*len(b.list)/n
	}
	if b.revived == nil {
		b.revived = make([][]reviving, len(t.parts))
	}
}

// divide finds the rows of the updates of a piece, queues them for their parts, and notes what all parts must agree on.
func (t *Table) divide(n int) {
	b := &t.batch
	p := &b.pieces[n]
	p.unknown, p.early, p.away, p.peers = false, false, false, p.peers[:0]
	for len(p.coming) < len(t.sessions) {
		p.coming = append(p.coming, 0)
	}
	before := t.now
	if p.from > 0 {
		before = b.list[p.from-1].At
	}
	for i := p.from; i < p.to; i++ {
		u := &b.list[i]
		if u.At < max(before, 0) || u.At > lastTime || int(u.Peer) >= len(t.sessions) {
			p.early = true
			return
		}
		before = u.At
		var ok bool
		if u.Row, ok = t.find(u.Prefix, u.Prefix.Hash()); !ok {
			u.Row, p.unknown = NoRow, true
		}
		if t.sessions[u.Peer].away {
			p.away = true
		}
		if u.Withdrawn {
			if p.coming[u.Peer] == 0 {
				p.peers = append(p.peers, u.Peer)
			}
			p.coming[u.Peer]++
		}
	}
	t.redivide(n)
}

// redivide queues the updates of a piece for their parts.
func (t *Table) redivide(n int) {
	b := &t.batch
	p := &b.pieces[n]
	for k := range p.queues {
		p.queues[k] = p.queues[k][:0]
	}
	mask := RowID(len(t.parts) - 1)
	for i := p.from; i < p.to; i++ {
		u := &b.list[i]
		if u.Row != NoRow {
			q := &p.queues[u.Row&mask]
			*q = append(*q, queued{u.At, u.Row >> t.partBits, u.Origin, int32(i), u.Peer, u.Withdrawn})
		}
	}
}

// look puts together what the pieces found, and tells the parts. unknown: there are prefixes without a row. plain: each part can do its
// updates without knowing of the others.
func (t *Table) look() (unknown, plain bool) {
	b := &t.batch
	plain = true
	for n := range b.pieces {
		p := &b.pieces[n]
		unknown = unknown || p.unknown
		plain = plain && !p.early
	}
	first := &b.pieces[0]
	for n := range b.pieces[1:] {
		p := &b.pieces[n+1]
		for _, id := range p.peers {
			if first.coming[id] == 0 {
				first.peers = append(first.peers, id)
			}
			first.coming[id] += p.coming[id]
			p.coming[id] = 0
		}
	}
	cfg := &t.parts[0].cfg
	for _, id := range first.peers {
		s, coming := &t.sessions[id], uint64(first.coming[id])
		first.coming[id] = 0
		// Its first withdrawal here and its last, with none and with all of them duplicates: is it always doubted, or never?
		never := s.withdrawals+coming < cfg.DuplicateMin || !cfg.doubts(max(s.withdrawals+1, cfg.DuplicateMin), s.duplicates+coming-1)
		always := s.withdrawals+1 >= cfg.DuplicateMin && cfg.doubts(s.withdrawals+coming, s.duplicates)
		if !never && !always {
			plain = false
			continue
		}
		for _, m := range t.parts {
			m.doubted[id] = always
		}
	}
	if !plain {
		return unknown, false
	}
	if unknown && slices.ContainsFunc(t.parts, func(m *matrix) bool { return m.dead > 0 }) {
		for i := range b.list { // units would change in another order
			if u := &b.list[i]; u.Row != NoRow && !u.Withdrawn && t.Retired(u.Row) {
				return unknown, false
			}
		}
	}
	var back []int // updates of sessions that were flushed
	for n := range b.pieces {
		if p := &b.pieces[n]; p.away {
			for i := p.from; i < p.to; i++ {
				if u := &b.list[i]; t.sessions[u.Peer].away {
					if u.Row == NoRow {
						return unknown, false // who knows whether it will have one
					}
					back = append(back, i)
				}
			}
		}
	}
	for _, i := range back {
		t.hear(b.list[i].Peer, t.tell(b.list[i].At), false)
	}
	return unknown, true
}

// work applies what was queued for a part.
func (t *Table) work(k int, changed func(part, i int, c Change)) {
	b, m := &t.batch, t.parts[k]
	revived := b.revived[k][:0]
	for n := range b.pieces {
		list := b.pieces[n].queues[k]
		for j := range list {
			q := &list[j]
			if !m.hasPeer(q.peer) {
				continue
			}
			var c Change
			if q.withdrawn {
				c = m.applyWithdraw(q.row, q.peer, q.at)
			} else {
				c = m.applyAnnounce(q.row, q.peer, q.origin, q.at)
			}
			if c&^(Duplicate|Ignored) == 0 {
				continue
			}
			if c&Revived != 0 {
				revived = append(revived, reviving{int(q.i), q.row<<t.partBits | RowID(k)})
			}
			changed(k, int(q.i), c)
		}
	}
	m.advance(t.now)
	b.revived[k] = revived
}

// settle does what concerns all parts after their work: units of the rows that came back, and the withdrawals of the sessions.
func (t *Table) settle() {
	b := &t.batch
	for _, id := range b.pieces[0].peers {
		s := &t.sessions[id]
		s.withdrawals, s.duplicates = 0, 0
		for _, m := range t.parts {
			s.withdrawals += m.peers[id].count.Withdrawals
			s.duplicates += m.peers[id].count.DuplicateWithdrawals
		}
	}
	all := b.revived[0]
	for _, l := range b.revived[1:] {
		all = append(all, l...)
	}
	slices.SortFunc(all, func(x, y reviving) int { return x.i - y.i })
	for _, x := range all {
		t.revive(x.row)
	}
	b.revived[0] = all[:0]
}

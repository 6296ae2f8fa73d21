package visibility

import "github.com/corewatch/corewatch/bgp"

// Op is one update to be applied.
type Op struct {
	At     bgp.Micros
	Row    RowID
	Origin uint32 // not of withdrawals
	Peer   PeerID
	Kind   bgp.Kind // Announce, Withdraw or RIB: Table.Announce, Withdraw or Seed
}

// batch is the work of one Apply and what came of it.
type batch struct {
	ops     []Op
	now     bgp.Micros // before the first of them
	results [shardCount]results
	peers   []PeerID // the sessions with withdrawals in the batch
}

// results are the updates of one part that did something, in their order.
type results struct {
	list []result
	_    [104]byte // workers do not share a cache line
}

type result struct {
	i int // in the batch
	c Change
	v Vote
}

// Apply applies updates in their order, and then calls each, which may be nil, in the same order for every update that did
// something: not for those of which the change is Duplicate or Ignored. v is the vote on the row right after the update if
// c.VoteMayChange(), else zero. What each reads of the table itself is as the last update left it. A caller that gives Tick every
// minute ends its batches there.
func (s *Shards) Apply(ops []Op, each func(i int, c Change, v Vote)) {
	done := 0
	for done < len(ops) {
		n, inOrder := s.prepare(ops[done:])
		b := &s.batch
		b.ops, b.now = ops[done:done+n], s.parts[0].now
		if inOrder {
			s.applyInOrder()
		} else {
			s.run(s.workers, s.work)
			s.countWithdrawals()
		}
		s.deliver(done, each)
		done += n
	}
	s.batch.ops = nil
}

// prepare tells all parts what the updates say about their sessions, and how many of the updates may be applied together. inOrder
// says that whether a session is doubted may change on the way.
func (s *Shards) prepare(ops []Op) (n int, inOrder bool) {
	b := &s.batch
	b.peers = b.peers[:0]
	front := &s.parts[0]
	if front.now < 0 { // the first thing ever told starts the clocks
		s.each(func(m *matrix) { m.advance(ops[0].At) })
	}
	now := front.now
	for n = range ops {
		op := &ops[n]
		now = max(now, min(max(op.At, 0), lastTime))
		if int(op.Peer) >= len(s.flags) {
			continue
		}
		flags := s.flags[op.Peer]
		switch {
		case op.Kind == bgp.Withdraw:
			j := &s.judged[op.Peer]
			if j.coming == 0 {
				b.peers = append(b.peers, op.Peer)
			}
			j.coming++
		case op.Kind == bgp.RIB && flags&unseeded != 0 && s.listed(op.Row):
			if n > 0 { // the votes before it do not know it yet
				return n, s.judge()
			}
			s.each(func(m *matrix) { m.seededBy(op.Peer) })
			s.flags[op.Peer] &^= unseeded
		}
		if flags&away != 0 && s.listed(op.Row) {
			s.each(func(m *matrix) { m.peers[op.Peer].heard(now) })
			s.flags[op.Peer] &^= away
		}
	}
	return len(ops), s.judge()
}

// judge decides for each session whose withdrawals are coming whether its first-heard ones are believed. It returns true when
// that depends on what comes of them.
func (s *Shards) judge() (open bool) {
	cfg := &s.parts[0].cfg
	for _, p := range s.batch.peers {
		j := &s.judged[p]
		first, last := j.withdrawals+1, j.withdrawals+j.coming
		never := last < cfg.DuplicateMin || !cfg.doubts(max(first, cfg.DuplicateMin), j.duplicates+j.coming-1)
		always := first >= cfg.DuplicateMin && cfg.doubts(last, j.duplicates)
		j.coming = 0
		if !never && !always {
			open = true
		}
		s.doubt(p, always)
	}
	return open
}

func (s *Shards) doubt(p PeerID, yes bool) {
	if s.parts[0].doubted[p] != yes {
		s.each(func(m *matrix) { m.doubted[p] = yes })
	}
}

// work applies the updates of the parts that worker w has.
func (s *Shards) work(w int) {
	b := &s.batch
	now := b.now
	var mine [shardCount]bool
	for i := w; i < shardCount; i += s.workers {
		mine[i] = true
	}
	for i := range b.ops {
		op := &b.ops[i]
		now = max(now, min(max(op.At, 0), lastTime))
		if k := op.Row & shardMask; mine[k] {
			b.results[k].add(i, s.parts[k].apply(op, now), &s.parts[k], op.Row)
		}
	}
	for i := w; i < shardCount; i += s.workers {
		s.parts[i].advance(now)
	}
}

// applyInOrder applies the updates one by one and judges anew before each withdrawal.
func (s *Shards) applyInOrder() {
	b := &s.batch
	now := b.now
	cfg := &s.parts[0].cfg
	for i := range b.ops {
		op := &b.ops[i]
		now = max(now, min(max(op.At, 0), lastTime))
		m, local := s.part(op.Row)
		if op.Kind == bgp.Withdraw && m.has(local) && m.hasPeer(op.Peer) {
			j := &s.judged[op.Peer]
			s.doubt(op.Peer, cfg.doubts(j.withdrawals+1, j.duplicates))
			c := m.apply(op, now)
			j.count(c)
			b.results[op.Row&shardMask].add(i, c, m, op.Row)
			continue
		}
		b.results[op.Row&shardMask].add(i, m.apply(op, now), m, op.Row)
	}
	s.each(func(m *matrix) { m.advance(now) })
}

func (j *judged) count(c Change) {
	j.withdrawals++
	if c&Duplicate != 0 {
		j.duplicates++
	}
}

func (t *matrix) apply(op *Op, at bgp.Micros) Change {
	r := op.Row >> shardBits
	switch op.Kind {
	case bgp.Withdraw:
		return t.applyWithdraw(r, op.Peer, at)
	case bgp.RIB:
		return t.applySeed(r, op.Peer, op.Origin, at)
	default:
		return t.applyAnnounce(r, op.Peer, op.Origin, at)
	}
}

// add notes what an update did, and the vote if it may have moved one.
func (x *results) add(i int, c Change, t *matrix, r RowID) {
	if c&^(Duplicate|Ignored) == 0 {
		return
	}
	x.list = append(x.list, result{i: i, c: c})
	if c.VoteMayChange() {
		x.list[len(x.list)-1].v = t.Vote(r >> shardBits)
	}
}

// countWithdrawals brings what is known of the sessions that withdrew something up to date.
func (s *Shards) countWithdrawals() {
	for _, p := range s.batch.peers {
		j := judged{}
		for i := range s.parts {
			n := &s.parts[i].peers[p].count
			j.withdrawals += n.Withdrawals
			j.duplicates += n.DuplicateWithdrawals
		}
		s.judged[p] = j
	}
}

// deliver hands the results on in the order of the updates. Units follow rows that came back.
func (s *Shards) deliver(offset int, each func(i int, c Change, v Vote)) {
	b := &s.batch
	var next [shardCount]int
	for {
		var first *result
		from := 0
		for k := range next {
			if l := b.results[k].list; next[k] < len(l) && (first == nil || l[next[k]].i < first.i) {
				first, from = &l[next[k]], k
			}
		}
		if first == nil {
			break
		}
		next[from]++
		if first.c&Revived != 0 {
			s.revive(b.ops[first.i].Row)
		}
		if each != nil {
			each(offset+first.i, first.c, first.v)
		}
	}
	for k := range b.results {
		b.results[k].list = b.results[k].list[:0]
	}
}

package visibility

import (
	"iter"

	"github.com/corewatch/corewatch/bgp"
)

// shardCount is fixed, so that nothing depends on how many processors there are.
const (
	shardBits  = 3
	shardCount = 1 << shardBits
	shardMask  = shardCount - 1
)

// Shards is a Table whose updates several processors can share: its rows are dealt out by number to eight matrices, which have
// no cell in common, while the prefixes and their units stay in one place. It starts no goroutine: Parallel says who does the work.
//
// The same calls give the same answers as a Table, whatever does the work, with three exceptions. Config.MaxRecords and
// Config.MaxHops bound each eighth. Tick names the changed rows in another order, always the same, after all of them changed.
// The answers of Apply come at its end.
//
// Like a Table it is not safe for concurrent use.
type Shards struct {
	directory
	parts   [shardCount]matrix
	workers int
	run     Run
	judged  []judged // by PeerID
	flags   []uint8  // by PeerID: what every part says of the session
	batch   batch
}

const (
	away     uint8 = 1 << iota // flushed, and not heard since
	unseeded                   // never read from a RIB
)

// Run calls part(0) to part(n-1) once each, in any order or at the same time, and returns when all have returned.
type Run func(n int, part func(int))

// judged is what the whole table knows of a session's withdrawals; the parts know only their own.
type judged struct {
	withdrawals, duplicates uint64
	coming                  uint64 // withdrawals in the batch being looked at
}

// NewShards makes an empty table. Until Parallel is called the caller's goroutine does all work.
func NewShards(cfg Config) *Shards {
	cfg = cfg.withDefaults()
	s := &Shards{workers: 1, run: inTurn}
	s.directory.init(&cfg)
	cfg.MaxRecords = max(1, cfg.MaxRecords/shardCount)
	cfg.MaxHops = max(1, cfg.MaxHops/shardCount)
	for i := range s.parts {
		s.parts[i].init(cfg)
		s.parts[i].doubted = []bool{}
	}
	return s
}

func inTurn(n int, part func(int)) {
	for i := range n {
		part(i)
	}
}

// Parallel divides the work of Apply and Tick into n pieces, at most eight, that run may do at the same time.
func (s *Shards) Parallel(n int, run Run) { s.workers, s.run = min(max(n, 1), shardCount), run }

func (s *Shards) part(r RowID) (*matrix, RowID) { return &s.parts[r&shardMask], r >> shardBits }

// each calls f for every part on behalf of its worker.
func (s *Shards) each(f func(*matrix)) {
	for i := range s.parts {
		f(&s.parts[i])
	}
}

// Intern is Table.Intern.
func (s *Shards) Intern(p bgp.Prefix) (RowID, error) {
	r, made, err := s.enter(p)
	if made {
		m, local := s.part(r)
		m.addRow(local)
		s.setLive(r, true)
	}
	return r, err
}

// Peer is Table.Peer.
func (s *Shards) Peer(p bgp.Peer, since bgp.Micros) (PeerID, error) {
	var id PeerID
	for i := range s.parts {
		m := &s.parts[i]
		var err error
		if id, err = m.Peer(p, since); err != nil {
			return 0, err
		}
		if len(m.doubted) < len(m.peers) {
			m.doubted = append(m.doubted, false)
		}
	}
	if len(s.judged) < s.Peers() {
		s.judged = append(s.judged, judged{})
		s.flags = append(s.flags, 0)
	}
	s.flag(id)
	return id, nil
}

// flag brings flags up to date.
func (s *Shards) flag(p PeerID) {
	if int(p) >= len(s.flags) {
		return
	}
	pe := &s.parts[0].peers[p]
	s.flags[p] = 0
	if pe.away {
		s.flags[p] |= away
	}
	if !pe.seeded && !pe.gone {
		s.flags[p] |= unseeded
	}
}

// Peers is Table.Peers.
func (s *Shards) Peers() int { return s.parts[0].Peers() }

// PeerName is Table.PeerName.
func (s *Shards) PeerName(p PeerID) bgp.Peer { return s.parts[0].PeerName(p) }

// Counters is Table.Counters.
func (s *Shards) Counters(p PeerID) (sum Counters) {
	for i := range s.parts {
		c := s.parts[i].Counters(p)
		sum.Known += c.Known
		sum.Announced += c.Announced
		sum.Announcements += c.Announcements
		sum.DuplicateAnnouncements += c.DuplicateAnnouncements
		sum.Withdrawals += c.Withdrawals
		sum.DuplicateWithdrawals += c.DuplicateWithdrawals
		sum.Seeds += c.Seeds
		sum.Flushes = c.Flushes // every part is told
	}
	return sum
}

// SetVoting is Table.SetVoting.
func (s *Shards) SetVoting(p PeerID, on bool) { s.each(func(m *matrix) { m.SetVoting(p, on) }) }

// SetFullFeed is Table.SetFullFeed.
func (s *Shards) SetFullFeed(p PeerID, on bool) { s.each(func(m *matrix) { m.SetFullFeed(p, on) }) }

// SetPresume is Table.SetPresume.
func (s *Shards) SetPresume(p PeerID, on bool) { s.each(func(m *matrix) { m.SetPresume(p, on) }) }

// SetLearning is Table.SetLearning.
func (s *Shards) SetLearning(on bool) { s.each(func(m *matrix) { m.SetLearning(on) }) }

// FlushPeer is Table.FlushPeer.
func (s *Shards) FlushPeer(p PeerID, at bgp.Micros) {
	s.each(func(m *matrix) { m.FlushPeer(p, at) })
	s.flag(p)
}

// ForgetWithdrawn is Table.ForgetWithdrawn.
func (s *Shards) ForgetWithdrawn(p PeerID, at bgp.Micros) {
	s.each(func(m *matrix) { m.ForgetWithdrawn(p, at) })
}

// DropPeer is Table.DropPeer.
func (s *Shards) DropPeer(p PeerID) {
	if s.parts[0].hasPeer(p) {
		s.each(func(m *matrix) { m.DropPeer(p) })
		s.judged[p] = judged{}
		s.flag(p)
	}
}

// RowsOf is Table.RowsOf.
func (s *Shards) RowsOf(p PeerID) iter.Seq2[RowID, bool] {
	return func(yield func(RowID, bool) bool) {
		if !s.parts[0].hasPeer(p) {
			return
		}
		for r := range RowID(s.rows) {
			m, local := s.part(r)
			pe := &m.peers[p]
			_, words := m.row(local)
			if q := &words[pe.word]; q.known&pe.bit != 0 && !yield(r, q.announced&pe.bit != 0) {
				return
			}
		}
	}
}

// Retire is Table.Retire.
func (s *Shards) Retire(r RowID) bool {
	m, local := s.part(r)
	if !m.has(local) || !m.retire(local) {
		return false
	}
	s.descend(r)
	s.setLive(r, false)
	return true
}

// Retired is Table.Retired.
func (s *Shards) Retired(r RowID) bool {
	m, local := s.part(r)
	return m.Retired(local)
}

// Release is Table.Release.
func (s *Shards) Release(r RowID) bool {
	m, local := s.part(r)
	if !m.has(local) || !m.release(local) {
		return false
	}
	s.remove(r)
	return true
}

// Freeze is Table.Freeze.
func (s *Shards) Freeze(r RowID, n int) {
	m, local := s.part(r)
	m.Freeze(local, n)
}

// Frozen is Table.Frozen.
func (s *Shards) Frozen(r RowID) int {
	m, local := s.part(r)
	return m.Frozen(local)
}

// Vote is Table.Vote.
func (s *Shards) Vote(r RowID) Vote {
	m, local := s.part(r)
	return m.Vote(local)
}

// Cell is Table.Cell.
func (s *Shards) Cell(r RowID, p PeerID) CellState {
	m, local := s.part(r)
	return m.Cell(local, p)
}

// Origin is Table.Origin.
func (s *Shards) Origin(r RowID) uint32 {
	m, local := s.part(r)
	return m.Origin(local)
}

// OriginNow is Table.OriginNow.
func (s *Shards) OriginNow(r RowID, dst []uint32) []uint32 {
	m, local := s.part(r)
	return m.OriginNow(local, dst)
}

// Announced is Table.Announced.
func (s *Shards) Announced(r RowID) iter.Seq[Route] {
	m, local := s.part(r)
	return m.Announced(local)
}

// Watch is Table.Watch.
func (s *Shards) Watch(r RowID, on bool) {
	m, local := s.part(r)
	m.Watch(local, on)
}

// Watched is Table.Watched.
func (s *Shards) Watched(r RowID) bool {
	m, local := s.part(r)
	return m.Watched(local)
}

// SetPath is Table.SetPath.
func (s *Shards) SetPath(r RowID, p PeerID, path []uint32) bool {
	m, local := s.part(r)
	return m.SetPath(local, p, path)
}

// Path is Table.Path.
func (s *Shards) Path(r RowID, p PeerID) []uint32 {
	m, local := s.part(r)
	return m.Path(local, p)
}

// Now is Table.Now.
func (s *Shards) Now() bgp.Micros { return s.parts[0].Now() }

// Tick is Table.Tick, but for the order and the time of the calls of changed.
func (s *Shards) Tick(now bgp.Micros, changed func(RowID)) {
	var rows [shardCount][]RowID
	s.run(s.workers, func(w int) {
		for i := w; i < shardCount; i += s.workers {
			s.parts[i].Tick(now, func(r RowID) { rows[i] = append(rows[i], r<<shardBits|RowID(i)) })
		}
	})
	if changed == nil {
		return
	}
	for _, l := range rows {
		for _, r := range l {
			changed(r)
		}
	}
}

// Stats is Table.Stats.
func (s *Shards) Stats() Stats {
	sum := s.parts[0].stats() // what every part counts: sessions, and those rejected
	for i := range s.parts[1:] {
		x := s.parts[i+1].stats()
		sum.Retired += x.Retired
		sum.Records += x.Records
		sum.Flapping += x.Flapping
		sum.MultiOrigin += x.MultiOrigin
		sum.Watched += x.Watched
		sum.Hops += x.Hops
		sum.Due += x.Due
		sum.PathsRejected += x.PathsRejected
		sum.RecordsRejected += x.RecordsRejected
		sum.Bytes += x.Bytes
	}
	s.directory.stats(&sum)
	return sum
}

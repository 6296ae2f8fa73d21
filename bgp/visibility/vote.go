package visibility

import "github.com/corewatch/corewatch/bgp"

// Vote is what the networks say about one prefix. Every number counts ASes, however many sessions an AS has.
type Vote struct {
	// Expected is the voters: ASes of which a voting session is expected, or presumed, to carry the prefix and is not muted.
	Expected int
	// Withdrawn is the voters of which an expected voting session withdrew the prefix and no voting session announces it or
	// is presumed to. Muted cells speak on neither side.
	Withdrawn int
	// Announced is the ASes of which a voting session announces the prefix, expected or not, muted or not.
	Announced int
	// Muted is the ASes that would be voters if their cells did not flap.
	Muted int
	// ExpectedTotal is the ASes expected to carry the prefix, voting or not: it includes those that are away.
	ExpectedTotal int
	// Unstable: more than half of the expected ASes flap together. Then it is the network that flaps, and their cells vote.
	Unstable bool
}

// said is one word of a row, turned into what counts.
type said struct {
	expected  uint64 // expected or presumed, and voting
	withdrawn uint64 // expected, withdrawn, voting
	holds     uint64 // announced or presumed, voting
	announced uint64
	total     uint64
}

func (m *mask) read(q *word) said {
	silent := m.full & m.presume &^ q.known
	presumed := silent & (q.expected | ^m.seeded)
	expected := (q.known&q.expected | presumed) & m.voting
	return said{
		expected:  expected,
		withdrawn: expected & q.known &^ q.announced,
		holds:     (q.announced | presumed) & m.voting,
		announced: q.announced & m.voting,
		total:     q.expected | presumed,
	}
}

// Vote counts the networks' votes on a row; zeros for a retired or unknown row.
func (t *matrix) Vote(r RowID) Vote {
	if int(r) >= t.n {
		return Vote{}
	}
	row, q := t.row(r)
	if row.dead {
		return Vote{}
	}
	var v Vote
	var flapping []uint64
	if row.muted {
		flapping = t.extraOf(row).muted
	}
	for w := range t.masks {
		m := &t.masks[w]
		s := m.read(&q[w])
		voters := m.anyOf(s.expected)
		v.Expected += pop(voters)
		muted := uint64(0)
		if w < len(flapping) {
			muted = flapping[w]
		}
		if muted&s.expected != 0 {
			left := m.anyOf(s.expected &^ muted)
			v.Expected -= pop(voters &^ left)
			v.Muted += pop(voters &^ left)
		}
		if s.withdrawn != 0 {
			v.Withdrawn += pop(m.anyOf(s.withdrawn&^muted) &^ m.anyOf(s.holds&^muted))
		}
		v.Announced += pop(m.anyOf(s.announced))
		v.ExpectedTotal += pop(m.anyOf(s.total))
	}
	for _, g := range t.wide {
		t.voteWide(q, g, &v, flapping)
	}
	if flapping != nil && 2*v.Muted > v.Expected+v.Muted {
		t.voteUnstable(q, &v)
	}
	return v
}

// Undisputed reports, in a fraction of the time of Vote, a row of which Vote would say that nobody withdrew it and that at least so many
// are expected to carry it. False says nothing: ask Vote.
func (t *matrix) Undisputed(r RowID, least int) bool {
	if int(r) >= t.n {
		return false
	}
	row, q := t.row(r)
	if row.dead || row.muted || len(t.wide) > 0 {
		return false
	}
	n := 0
	for w := range q {
		m, c := &t.masks[w], &q[w]
		if c.known&c.expected&m.voting&^c.announced != 0 {
			return false
		}
		presumed := m.full & m.presume &^ c.known & (c.expected | ^m.seeded)
		n += pop(m.anyOf((c.known&c.expected | presumed) & m.voting))
	}
	return n >= least
}

// voteUnstable counts again with the muted cells.
func (t *matrix) voteUnstable(q []word, v *Vote) {
	muted := v.Muted
	*v = Vote{Unstable: true}
	for w := range t.masks {
		m := &t.masks[w]
		s := m.read(&q[w])
		v.Expected += pop(m.anyOf(s.expected))
		v.Withdrawn += pop(m.anyOf(s.withdrawn) &^ m.anyOf(s.holds))
		v.Announced += pop(m.anyOf(s.announced))
		v.ExpectedTotal += pop(m.anyOf(s.total))
	}
	for _, g := range t.wide {
		t.voteWide(q, g, v, nil)
	}
	v.Muted = muted
}

// voteWide adds the vote of an AS with more than 64 sessions.
func (t *matrix) voteWide(words []word, gi int32, v *Vote, muted []uint64) {
	var all, expected, withdrawn, holds, announced, total bool
	for _, p := range t.groups[gi].peers {
		pe := &t.peers[p]
		s := t.masks[pe.word].read(&words[pe.word])
		heard := pe.bit
		if int(pe.word) < len(muted) {
			heard &^= muted[pe.word]
		}
		all = all || s.expected&pe.bit != 0
		expected = expected || s.expected&heard != 0
		withdrawn = withdrawn || s.withdrawn&heard != 0
		holds = holds || s.holds&heard != 0
		announced = announced || s.announced&pe.bit != 0
		total = total || s.total&pe.bit != 0
	}
	count := func(n *int, yes bool) {
		if yes {
			*n++
		}
	}
	count(&v.Expected, expected)
	count(&v.Withdrawn, withdrawn && !holds)
	count(&v.Announced, announced)
	count(&v.Muted, all && !expected)
	count(&v.ExpectedTotal, total)
}

// State is what a session last said about a prefix.
type State uint8

// The states of a cell.
const (
	Unknown State = iota
	Announced
	Withdrawn
)

// String is the word used in JSON and text.
func (s State) String() string {
	switch s {
	case Announced:
		return "announced"
	case Withdrawn:
		return "withdrawn"
	}
	return "unknown"
}

// CellState is everything known about one cell.
type CellState struct {
	State    State
	Expected bool // by its history or a RIB
	Presumed bool // silent, and counted as carrying the prefix (SetPresume)
	Voting   bool // its session votes
	Muted    bool // it flaps
	Origin   uint32
	// Since is when the state began; 0 when that is no longer kept: quiet for long, or known from a RIB.
	Since bgp.Micros
}

// Known reports whether a cell is announced or withdrawn.
func (t *matrix) Known(r RowID, p PeerID) bool {
	if !t.has(r) || !t.hasPeer(p) {
		return false
	}
	pe := &t.peers[p]
	_, words := t.row(r)
	return words[pe.word].known&pe.bit != 0
}

// Cell reads one cell.
func (t *matrix) Cell(r RowID, p PeerID) CellState {
	if !t.has(r) || !t.hasPeer(p) {
		return CellState{}
	}
	pe := &t.peers[p]
	row, words := t.row(r)
	q, m := &words[pe.word], &t.masks[pe.word]
	is := func(x uint64) bool { return x&pe.bit != 0 }
	c := CellState{
		Expected: is(q.expected),
		Presumed: !row.dead && is(m.full&m.presume&^q.known&(q.expected|^m.seeded)),
		Voting:   is(m.voting),
		Muted:    t.isMuted(row, pe),
	}
	switch {
	case is(q.announced):
		c.State = Announced
		c.Origin = t.originOf(row, p)
	case is(q.known):
		c.State = Withdrawn
	default:
		return c
	}
	c.Since = t.sinceOf(row, r, p)
	return c
}

// sinceOf is when the state of a known cell began, or 0.
func (t *matrix) sinceOf(m *rowMeta, r RowID, p PeerID) bgp.Micros {
	if i := t.recordOf(m, r, p); i != 0 {
		if rec := t.recs.at(i); rec.gen == t.peers[p].gen && rec.is(recKnown) {
			return rec.since
		}
	}
	return 0
}

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

func (m *mask) read(q *quad) said {
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
func (t *Table) Vote(r RowID) Vote {
	if !t.has(r) || t.meta(r).dead {
		return Vote{}
	}
	quads := t.quads(r)
	var v Vote
	muted := len(t.wide) > 0
	for w := range t.masks {
		q, m := &quads[2*w], &t.masks[w]
		s := m.read(q)
		voters := m.anyOf(s.expected)
		v.Expected += pop(voters)
		if q.muted&s.expected != 0 {
			muted = true
			left := m.anyOf(s.expected &^ q.muted)
			v.Expected -= pop(voters &^ left)
			v.Muted += pop(voters &^ left)
		}
		if s.withdrawn != 0 {
			v.Withdrawn += pop(m.anyOf(s.withdrawn&^q.muted) &^ m.anyOf(s.holds&^q.muted))
		}
		v.Announced += pop(m.anyOf(s.announced))
		v.ExpectedTotal += pop(m.anyOf(s.total))
	}
	for _, g := range t.wide {
		t.voteWide(quads, g, &v, false)
	}
	if muted && 2*v.Muted > v.Expected+v.Muted {
		t.voteUnstable(quads, &v)
	}
	return v
}

// voteUnstable counts again with the muted cells.
func (t *Table) voteUnstable(quads []quad, v *Vote) {
	muted := v.Muted
	*v = Vote{Unstable: true}
	for w := range t.masks {
		m := &t.masks[w]
		s := m.read(&quads[2*w])
		v.Expected += pop(m.anyOf(s.expected))
		v.Withdrawn += pop(m.anyOf(s.withdrawn) &^ m.anyOf(s.holds))
		v.Announced += pop(m.anyOf(s.announced))
		v.ExpectedTotal += pop(m.anyOf(s.total))
	}
	for _, g := range t.wide {
		t.voteWide(quads, g, v, true)
	}
	v.Muted = muted
}

// voteWide adds the vote of an AS with more than 64 sessions.
func (t *Table) voteWide(quads []quad, gi int32, v *Vote, withMuted bool) {
	var all, expected, withdrawn, holds, announced, total bool
	for _, p := range t.groups[gi].peers {
		pe := &t.peers[p]
		q := &quads[2*pe.word]
		s := t.masks[pe.word].read(q)
		heard := pe.bit
		if !withMuted {
			heard &^= q.muted
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

// Cell reads one cell.
func (t *Table) Cell(r RowID, p PeerID) CellState {
	if !t.has(r) || int(p) >= len(t.peers) {
		return CellState{}
	}
	pe := &t.peers[p]
	q, m := t.quad(r, pe.word), &t.masks[pe.word]
	is := func(x uint64) bool { return x&pe.bit != 0 }
	c := CellState{
		Expected: is(q.expected),
		Presumed: !t.meta(r).dead && is(m.full&m.presume&^q.known&(q.expected|^m.seeded)),
		Voting:   is(m.voting),
		Muted:    is(q.muted),
	}
	switch {
	case is(q.announced):
		c.State = Announced
		c.Origin = t.originOf(r, p)
	case is(q.known):
		c.State = Withdrawn
	default:
		return c
	}
	if i := t.recs.find(r, p); i != 0 {
		if rec := t.recs.at(i); rec.gen == pe.gen && rec.is(recKnown) {
			c.Since = rec.since
		}
	}
	return c
}

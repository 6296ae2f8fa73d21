package visibility

import (
	"math/bits"
	"slices"
)

// The sessions of one AS lie in neighbouring columns of one word. That makes "does any session of this AS" a single addition for
// all ASes of the word at once (anyOf), so votes per AS cost what votes per session would. Columns move when an AS gains
// a session and has no free neighbour; that is rare once a collector's peers are known.

// group is the sessions of one AS.
type group struct {
	peers []PeerID
	start int  // first column; meaningless when wide
	wide  bool // more than 64 sessions: scattered, counted the slow way
}

// mask is what the table knows about the 64 columns of one word.
type mask struct {
	voting  uint64
	full    uint64
	presume uint64
	seeded  uint64
	top     uint64 // the last column of each AS
	rest    uint64 // the other columns of each AS; columns of wide groups are in neither
}

// anyOf reduces columns to ASes: the top bit of each AS is set when any of its columns is set in x.
func (m *mask) anyOf(x uint64) uint64 {
	return ((x & m.rest) + m.rest | x) & m.top
}

const noPeer = maxPeers // PeerID of a free column

func (t *matrix) grownWords() {
	for len(t.masks) < t.words {
		t.masks = append(t.masks, mask{})
		for range 64 {
			t.columns = append(t.columns, noPeer)
		}
	}
}

// freeRun finds n free neighbouring columns in one word.
func (t *matrix) freeRun(n int) int {
	for w := range t.words {
		run := 0
		for b := range 64 {
			if t.columns[w*64+b] == noPeer {
				run++
			} else {
				run = 0
			}
			if run == n {
				return w*64 + b - n + 1
			}
		}
	}
	t.addWord()
	return (t.words - 1) * 64
}

func (t *matrix) addColumn(id PeerID) {
	as := t.peers[id].name.AS
	gi, ok := t.byAS[as]
	if !ok {
		gi = int32(len(t.groups))
		if n := len(t.emptied); n > 0 {
			gi = t.emptied[n-1]
			t.emptied = t.emptied[:n-1]
		} else {
			t.groups = append(t.groups, group{})
		}
		t.byAS[as] = gi
	}
	g := &t.groups[gi]
	t.peers[id].group = gi
	n := len(g.peers)
	at := 0
	switch end := g.start + n; {
	case n == 0:
		g.start = t.freeRun(1)
		at = g.start
	case g.wide || n == 64:
		if !g.wide {
			g.wide = true
			t.wide = append(t.wide, gi)
		}
		at = t.freeRun(1)
	case end%64 != 0 && t.columns[end] == noPeer:
		at = end
	default:
		to := t.freeRun(n + 1)
		t.moveColumns(g.start, to, n)
		g.start = to
		at = to + n
	}
	g.peers = append(g.peers, id)
	t.setColumn(id, at)
	t.regroup()
}

func (t *matrix) setColumn(id PeerID, col int) {
	t.columns[col] = id
	t.peers[id].word, t.peers[id].bit = int32(col/64), 1<<(col%64)
}

// removeColumn frees the column of a session, all of whose cells are clear. The last column of its AS takes its place.
func (t *matrix) removeColumn(p PeerID) {
	pe := &t.peers[p]
	g := &t.groups[pe.group]
	col := int(pe.word)*64 + bits.TrailingZeros64(pe.bit)
	k := &t.masks[pe.word]
	for _, f := range []*uint64{&k.voting, &k.full, &k.presume, &k.seeded} {
		*f &^= pe.bit
	}
	t.columns[col] = noPeer
	n := len(g.peers)
	if last := g.start + n - 1; !g.wide && col != last {
		t.moveColumns(last, col, 1)
	}
	g.peers = slices.DeleteFunc(g.peers, func(q PeerID) bool { return q == p })
	if n == 1 {
		delete(t.byAS, pe.name.AS)
		t.wide = slices.DeleteFunc(t.wide, func(gi int32) bool { return gi == pe.group })
		*g = group{}
		t.emptied = append(t.emptied, pe.group)
	}
	t.regroup()
}

// moveColumns moves n neighbouring columns, in every plane of every row, to free ones.
func (t *matrix) moveColumns(from, to, n int) {
	fw, fb, tw, tb := from/64, from%64, to/64, to%64
	ones := uint64(1)<<n - 1
	move := func(src, dst *uint64) {
		x := *src >> fb & ones
		*src &^= ones << fb
		*dst |= x << tb
	}
	for r := range RowID(t.n) {
		_, q := t.row(r)
		src, dst := &q[fw], &q[tw]
		move(&src.known, &dst.known)
		move(&src.announced, &dst.announced)
		move(&src.expected, &dst.expected)
	}
	for i := range t.extras {
		x := &t.extras[i]
		if x.muted == nil || len(x.muted) <= fw || x.muted[fw]>>fb&ones == 0 {
			continue
		}
		for len(x.muted) <= tw {
			x.muted = append(x.muted, 0)
		}
		move(&x.muted[fw], &x.muted[tw])
	}
	src, dst := &t.masks[fw], &t.masks[tw]
	move(&src.voting, &dst.voting)
	move(&src.full, &dst.full)
	move(&src.presume, &dst.presume)
	move(&src.seeded, &dst.seeded)
	ids := slices.Clone(t.columns[from : from+n])
	for i := range n {
		t.columns[from+i] = noPeer
	}
	for i, id := range ids {
		t.setColumn(id, to+i)
	}
}

// regroup rebuilds the masks that hold the shape of the groups.
func (t *matrix) regroup() {
	for w := range t.masks {
		t.masks[w].top, t.masks[w].rest = 0, 0
	}
	for i := range t.groups {
		g := &t.groups[i]
		if g.wide || len(g.peers) == 0 {
			continue
		}
		n := len(g.peers)
		m, b := &t.masks[g.start/64], g.start%64
		top := uint64(1) << (b + n - 1)
		m.top |= top
		m.rest |= (uint64(1)<<n - 1) << b &^ top
	}
}

func pop(x uint64) int { return bits.OnesCount64(x) }

package visibility

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// together does the pieces of the work on goroutines of their own.
func together(n int, do func(int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// TestApplyIsOneByOne gives the same random calls to a table of one part, update by update, and in batches to tables of several parts, whose
// work is done in turn and at the same time. Every change, vote, cell, counter, unit and route must be equal.
func TestApplyIsOneByOne(t *testing.T) {
	for seed := range seeds(t) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			newTwins(t, seed).run()
		})
	}
}

// twins are a table and others that must be like it.
type twins struct {
	t     *testing.T
	rng   *rand.Rand
	seed  uint64
	v6    bool
	at    bgp.Micros
	one   *Table
	units map[RowID]uint32
	like  []*twin
	tried struct{ revived, away, unknown, doubted, backwards, refused int }
}

type twin struct {
	*Table
	name    string
	units   map[RowID]uint32
	divided int // batches whose parts were worked on apart
}

// answer is what came of an update.
type answer struct {
	c      Change
	v      Vote
	origin uint32
}

const twinPrefixes = 500 // at most: one in fifty is refused

func newTwins(t *testing.T, seed uint64) *twins {
	w := &twins{t: t, rng: rand.New(rand.NewPCG(seed, 21)), seed: seed, v6: seed%2 == 1, at: start, units: map[RowID]uint32{}}
	cfg := brisk
	cfg.V6 = w.v6
	cfg.OnUnits = func(r RowID, _, now uint32) { w.units[r] = now }
	w.one = New(cfg)
	for _, parts := range []int{1, 2, 4} {
		for name, share := range map[string]Share{"in turn": nil, "together": together} {
			x := &twin{name: fmt.Sprintf("%d parts %s", parts, name), units: map[RowID]uint32{}}
			cfg.Parts = parts
			cfg.OnUnits = func(r RowID, _, now uint32) { x.units[r] = now }
			x.Table = New(cfg)
			x.Share(share)
			if share != nil {
				x.Share(func(n int, do func(int)) { x.divided++; share(n, do) })
			}
			w.like = append(w.like, x)
		}
	}
	return w
}

// all calls f for every table.
func (w *twins) all(f func(*Table)) {
	f(w.one)
	for _, x := range w.like {
		f(x.Table)
	}
}

func (w *twins) addPeer() {
	p := bgp.Peer{Collector: "c", AS: uint32(w.rng.IntN(20)), Addr: netip.AddrFrom4([4]byte{192, 0, byte(w.rng.IntN(2)), byte(w.rng.IntN(60))})}
	w.all(func(x *Table) {
		if _, err := x.Peer(p, w.at-day); err != nil {
			w.t.Fatal(err)
		}
	})
}

func (w *twins) prefix() bgp.Prefix {
	n := uint32(w.rng.IntN(twinPrefixes))
	n = min(n, uint32(w.rng.IntN(twinPrefixes))) // some more often
	if length := uint8(9 + n%20); !w.v6 {
		return bgp.PrefixFrom4(n*0x9e3779b1&0x0f0f0000|0x0a000000, length)
	}
	return bgp.PrefixFrom6(0x20010db8<<32|uint64(n*0x9e3779b1)&0x0f0f0000, 0, uint8(33+n%20))
}

func (w *twins) row() RowID   { return RowID(w.rng.IntN(w.one.Rows() + 1)) }
func (w *twins) peer() PeerID { return PeerID(w.rng.IntN(w.one.Peers() + 1)) }

// batch makes updates. One session withdraws much, so that it comes to be doubted; now and then time goes back.
func (w *twins) batch() []Update {
	list := make([]Update, w.rng.IntN(3*fewest))
	hot, back := w.peer(), w.rng.IntN(10) == 0
	for i := range list {
		if w.rng.IntN(8) == 0 {
			w.at += bgp.Micros(w.rng.IntN(3)) * bgp.Second
		}
		u := &list[i]
		*u = Update{Prefix: w.prefix(), At: w.at, Peer: w.peer(), Origin: uint32(w.rng.IntN(3))}
		switch n := w.rng.IntN(20); {
		case n < 7:
			u.Withdrawn = true
		case n < 9:
			u.Withdrawn, u.Peer = true, hot
		}
		if back && w.rng.IntN(20) == 0 {
			u.At -= bgp.Micros(w.rng.IntN(30)) * bgp.Second
			w.tried.backwards++
		}
	}
	return list
}

// refused are updates of prefixes that the caller does not let in.
func refused(u *Update) bool { return u.Prefix.Hash()%50 == 0 }

// want applies a batch update by update.
func (w *twins) want(list []Update) map[int]answer {
	out := map[int]answer{}
	for i := range list {
		u := &list[i]
		if int(u.Peer) < len(w.one.sessions) && w.one.sessions[u.Peer].away {
			w.tried.away++
		}
		r, ok := w.one.Row(u.Prefix)
		if !ok {
			if w.tried.unknown++; refused(u) {
				w.tried.refused++
				w.one.tell(u.At)
				continue
			}
			r, _ = w.one.Intern(u.Prefix)
		}
		var c Change
		if u.Withdrawn {
			c = w.one.Withdraw(r, u.Peer, u.At)
		} else {
			c = w.one.Announce(r, u.Peer, u.Origin, u.At)
		}
		if m := w.one.parts[0]; int(u.Peer) < len(m.doubted) && m.doubted[u.Peer] {
			w.tried.doubted++
		}
		if c&Revived != 0 {
			w.tried.revived++
		}
		if c&^(Duplicate|Ignored) != 0 {
			out[i] = answer{c, w.one.Vote(r), w.one.Origin(r)}
		}
	}
	return out
}

func (w *twins) apply(list []Update) {
	want := w.want(list)
	for _, x := range w.like {
		mine := slices.Clone(list)
		got := make([]map[int]answer, len(x.parts))
		for k := range got {
			got[k] = map[int]answer{}
		}
		x.Apply(mine, func(i int) RowID {
			if refused(&mine[i]) {
				return NoRow
			}
			r, err := x.Intern(mine[i].Prefix)
			if err != nil {
				w.t.Fatal(err)
			}
			return r
		}, func(part, i int, c Change) {
			got[part][i] = answer{c, x.Vote(mine[i].Row), x.Origin(mine[i].Row)}
		})
		n := 0
		for _, m := range got {
			n += len(m)
			for i, a := range m {
				if a != want[i] {
					w.t.Fatalf("%s: update %d of %d, %+v: %+v, want %+v", x.name, i, len(list), mine[i], a, want[i])
				}
			}
		}
		if n != len(want) {
			w.t.Fatalf("%s: %d updates did something, want %d", x.name, n, len(want))
		}
		for i := range mine {
			if r, ok := w.one.Row(mine[i].Prefix); ok != (mine[i].Row != NoRow) || ok && mine[i].Row != r {
				w.t.Fatalf("%s: update %d has row %d, want %d, %v", x.name, i, mine[i].Row, r, ok)
			}
		}
	}
}

// other is one of the calls beside updates.
func (w *twins) other(step int) {
	p, r, on := w.peer(), w.row(), w.rng.IntN(2) == 0
	w.all(func(x *Table) {
		switch step % 13 {
		case 0:
			x.SetVoting(p, on)
		case 1, 2:
			x.SetFullFeed(p, true)
			x.SetPresume(p, on)
		case 3:
			x.SetLearning(on)
		case 4, 5:
			x.FlushPeer(p, w.at)
		case 6:
			x.ForgetWithdrawn(p, w.at)
		case 7:
			x.Freeze(r, 1-2*int(p%2))
		case 8:
			if p%4 == 0 {
				x.DropPeer(p)
			}
			x.Seed(r, p, uint32(step%3), w.at)
		case 9:
			x.Watch(r, on)
			x.SetPath(r, p, []uint32{uint32(step % 3), 5})
		}
	})
	switch step % 13 {
	case 10, 11:
		w.all(func(x *Table) {
			for q := range PeerID(x.Peers()) {
				x.Withdraw(r, q, w.at)
			}
			if x.Retire(r) && on {
				x.Release(r)
			}
		})
	case 12:
		w.addPeer()
	}
}

func (w *twins) run() {
	for range 40 {
		w.addPeer()
	}
	for step := range 150 {
		w.apply(w.batch())
		w.other(step)
		if step%3 == 0 {
			w.at += minute
			w.tick()
		}
		if step%10 == 0 {
			for _, x := range w.like {
				w.compare(x)
			}
		}
	}
	x := w.tried
	if x.revived == 0 || x.away == 0 || x.unknown == 0 || x.doubted == 0 || x.backwards == 0 || x.refused == 0 {
		w.t.Errorf("something was not tried: %+v", x)
	}
	for _, x := range w.like {
		if len(x.parts) > 1 && x.divided == 0 && x.name != fmt.Sprintf("%d parts in turn", len(x.parts)) {
			w.t.Errorf("%s: no batch was divided", x.name)
		}
	}
}

func (w *twins) tick() {
	var want []RowID
	w.one.Tick(w.at, func(r RowID) { want = append(want, r) })
	slices.Sort(want)
	want = slices.Compact(want)
	for _, x := range w.like {
		var got []RowID
		x.Tick(w.at, func(r RowID) { got = append(got, r) })
		if len(x.parts) == 1 {
			slices.Sort(got)
			got = slices.Compact(got)
		}
		if !slices.Equal(got, want) {
			w.t.Fatalf("%s: Tick told of %v, want %v", x.name, got, want)
		}
	}
}

func (w *twins) compare(got *twin) {
	w.t.Helper()
	t, want := w.t, w.one
	if got.Rows() != want.Rows() || got.Peers() != want.Peers() || got.Now() != want.Now() {
		t.Fatalf("%s: %d rows, %d sessions at %d; want %d, %d, %d", got.name, got.Rows(), got.Peers(), got.Now(), want.Rows(), want.Peers(), want.Now())
	}
	a, b := got.Stats(), want.Stats()
	a.Bytes, b.Bytes = 0, 0
	a.Due, b.Due = 0, 0   // stale entries are swept out when a part has many
	a.Hops, b.Hops = 0, 0 // each part keeps its own
	if a != b {
		t.Fatalf("%s: %+v\nwant %+v", got.name, a, b)
	}
	for p := range PeerID(want.Peers()) {
		if got.Counters(p) != want.Counters(p) || got.PeerName(p) != want.PeerName(p) {
			t.Fatalf("%s: session %d: %+v, want %+v", got.name, p, got.Counters(p), want.Counters(p))
		}
		rows := map[RowID]bool{}
		for r, announced := range want.RowsOf(p) {
			rows[r] = announced
		}
		for r, announced := range got.RowsOf(p) {
			if was, ok := rows[r]; !ok || was != announced {
				t.Fatalf("%s: session %d has row %d, %v", got.name, p, r, announced)
			}
			delete(rows, r)
		}
		if len(rows) > 0 {
			t.Fatalf("%s: session %d misses rows %v", got.name, p, rows)
		}
	}
	for r := range RowID(want.Rows() + 1) {
		if got.Vote(r) != want.Vote(r) || got.Origin(r) != want.Origin(r) || !slices.Equal(got.OriginNow(r, nil), want.OriginNow(r, nil)) ||
			got.Retired(r) != want.Retired(r) || got.Frozen(r) != want.Frozen(r) || got.Watched(r) != want.Watched(r) ||
			got.Prefix(r) != want.Prefix(r) || got.OwnUnits(r) != want.OwnUnits(r) || got.units[r] != w.units[r] ||
			got.Undisputed(r, 3) != want.Undisputed(r, 3) {
			t.Fatalf("%s: row %d: %+v of AS%d, want %+v of AS%d", got.name, r, got.Vote(r), got.Origin(r), want.Vote(r), want.Origin(r))
		}
		for p := range PeerID(want.Peers()) {
			if got.Cell(r, p) != want.Cell(r, p) || !slices.Equal(got.Path(r, p), want.Path(r, p)) {
				t.Fatalf("%s: cell %d, %d: %+v, want %+v", got.name, r, p, got.Cell(r, p), want.Cell(r, p))
			}
		}
		x, y := slices.Collect(got.Announced(r)), slices.Collect(want.Announced(r))
		if !slices.EqualFunc(x, y, func(x, y Route) bool { return x.Peer == y.Peer && x.Origin == y.Origin && x.Since == y.Since }) {
			t.Fatalf("%s: row %d is announced as %v, want %v", got.name, r, x, y)
		}
	}
	if x, y := slices.Collect(got.InOrder()), slices.Collect(want.InOrder()); !slices.Equal(x, y) {
		t.Fatalf("%s: rows in order %v, want %v", got.name, x, y)
	}
}

package visibility

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// together runs the parts on goroutines of their own.
func together(n int, part func(int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			part(i)
		}()
	}
	wg.Wait()
}

type answer struct {
	i int
	c Change
	v Vote
}

// TestShardsAgainstTable gives a Table and tables in shards, with different numbers of workers, the same calls.
func TestShardsAgainstTable(t *testing.T) {
	for name, workers := range map[string]int{"one worker": 1, "three workers": 3, "more than shards": 40} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range seeds(t) {
				againstTable(t, seed, workers)
			}
		})
	}
}

func againstTable(t *testing.T, seed uint64, workers int) {
	rng := rand.New(rand.NewPCG(seed, 21))
	cfg := brisk
	cfg.V6 = seed%2 == 1
	units := [2]map[RowID]uint32{{}, {}}
	onUnits := func(i int) func(RowID, uint32, uint32) {
		return func(r RowID, _, now uint32) { units[i][r] = now }
	}
	cfg.OnUnits = onUnits(0)
	tab := New(cfg)
	cfg.OnUnits = onUnits(1)
	sh := NewShards(cfg)
	runs, ticks, oneByOne, revived, seeded := 0, 0, 0, 0, 0
	sh.Parallel(workers, func(n int, part func(int)) {
		runs++
		together(n, part)
	})
	at := start
	addPeer := func() {
		p := bgp.Peer{Collector: "c", AS: uint32(rng.IntN(20)), Addr: netip.AddrFrom4([4]byte{192, 0, byte(rng.IntN(2)), byte(rng.IntN(60))})}
		a, err := tab.Peer(p, at-day)
		b, err2 := sh.Peer(p, at-day)
		if a != b || err != nil || err2 != nil {
			t.Fatalf("Peer = %d, %v and %d, %v", a, err, b, err2)
		}
	}
	addRow := func() {
		p := bgp.PrefixFrom4(rng.Uint32()&0x0f0f0000|0x0a000000, uint8(9+rng.IntN(20)))
		if cfg.V6 {
			p = bgp.PrefixFrom6(0x20010db8<<32|rng.Uint64()&0x0f0f0000, 0, uint8(33+rng.IntN(20)))
		}
		a, err := tab.Intern(p)
		b, err2 := sh.Intern(p)
		if a != b || err != nil || err2 != nil || tab.Prefix(a) != sh.Prefix(a) {
			t.Fatalf("Intern = %d, %v and %d, %v", a, err, b, err2)
		}
	}
	for range 40 {
		addPeer()
	}
	for range 50 {
		addRow()
	}
	randomRow := func() RowID { return RowID(rng.IntN(tab.Rows() + 1)) }
	randomPeer := func() PeerID { return PeerID(rng.IntN(tab.Peers() + 1)) }
	for step := range 400 {
		ops := make([]Op, rng.IntN(60))
		hot := randomPeer() // withdraws much, so that it comes to be doubted
		for i := range ops {
			at += bgp.Micros(rng.IntN(20)) * bgp.Second
			ops[i] = Op{At: at - bgp.Micros(rng.IntN(30))*bgp.Second, Row: randomRow(), Peer: randomPeer(), Origin: uint32(rng.IntN(3)), Kind: bgp.Announce}
			switch rng.IntN(20) {
			case 0, 1, 2, 3, 4, 5, 6, 7:
				ops[i].Kind = bgp.Withdraw
			case 8, 9, 10:
				ops[i].Kind, ops[i].Peer = bgp.Withdraw, hot
			case 11:
				if step > 50 {
					ops[i].Kind = bgp.RIB
				}
			}
		}
		var want, got []answer
		for i, op := range ops {
			var c Change
			switch op.Kind {
			case bgp.Withdraw:
				c = tab.Withdraw(op.Row, op.Peer, op.At)
			case bgp.RIB:
				c = tab.Seed(op.Row, op.Peer, op.Origin, op.At)
				seeded++
			default:
				c = tab.Announce(op.Row, op.Peer, op.Origin, op.At)
			}
			if c&Revived != 0 {
				revived++
			}
			if c&^(Duplicate|Ignored) != 0 {
				a := answer{i: i, c: c}
				if c.VoteMayChange() {
					a.v = tab.Vote(op.Row)
				}
				want = append(want, a)
			}
		}
		before := runs
		sh.Apply(ops, func(i int, c Change, v Vote) { got = append(got, answer{i, c, v}) })
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d step %d: %v\nwant %v", seed, step, got, want)
		}
		if len(ops) > 0 && runs == before {
			oneByOne++
		}
		p, r, on := randomPeer(), randomRow(), rng.IntN(2) == 0
		for _, x := range []table{tab, sh} {
			switch step % 13 {
			case 0:
				x.SetVoting(p, on)
			case 1, 2:
				x.SetFullFeed(p, true)
				x.SetPresume(p, on)
			case 3:
				x.SetLearning(on)
			case 4:
				x.FlushPeer(p, at)
			case 5:
				x.ForgetWithdrawn(p, at)
			case 6:
				x.Freeze(r, 1-2*int(p%2))
			case 7:
				if p%4 == 0 {
					x.DropPeer(p)
				}
			case 8, 9:
				x.Watch(r, on)
				x.SetPath(r, p, []uint32{uint32(step % 3), 5})
			}
		}
		switch step % 13 {
		case 10, 11:
			var last []Op
			for q := range PeerID(tab.Peers()) {
				tab.Withdraw(r, q, at)
				last = append(last, Op{At: at, Row: r, Peer: q, Kind: bgp.Withdraw})
			}
			sh.Apply(last, nil)
			if tab.Retire(r) != sh.Retire(r) || on && tab.Release(r) != sh.Release(r) {
				t.Fatalf("row %d is retired in one only", r)
			}
		case 12:
			addPeer()
			addRow()
		}
		if step%3 == 0 {
			at += minute
			ticks++
			told := [2][]RowID{}
			tab.Tick(at, func(r RowID) { told[0] = append(told[0], r) })
			sh.Tick(at, func(r RowID) { told[1] = append(told[1], r) })
			slices.Sort(told[0])
			slices.Sort(told[1])
			if !slices.Equal(told[0], told[1]) {
				t.Fatalf("Tick told of %v and %v", told[0], told[1])
			}
		}
		if step%5 == 0 {
			compare(t, tab, sh)
		}
		for r, n := range units[0] {
			if units[1][r] != n || sh.OwnUnits(r) != tab.OwnUnits(r) {
				t.Fatalf("row %d has %d units, want %d", r, units[1][r], n)
			}
		}
	}
	if runs <= ticks || oneByOne == 0 || revived == 0 || seeded == 0 {
		t.Errorf("%d runs, %d ticks, %d batches one by one, %d rows revived, %d seeds: something was not tried", runs, ticks, oneByOne, revived, seeded)
	}
}

// TestShardsHearTogether: a session that one part hears from is up for all of them, which shows when a cell of another part is
// withdrawn and ages.
func TestShardsHearTogether(t *testing.T) {
	tab, sh := New(brisk), NewShards(brisk)
	for _, x := range []table{tab, sh} {
		if _, err := x.Peer(bgp.Peer{AS: 1}, start); err != nil {
			t.Fatal(err)
		}
		for n := range uint32(2) {
			if _, err := x.Intern(bgp.PrefixFrom4(n<<8, 24)); err != nil {
				t.Fatal(err)
			}
		}
	}
	tell := func(op Op) {
		switch op.Kind {
		case bgp.Withdraw:
			tab.Withdraw(op.Row, op.Peer, op.At)
		case bgp.RIB:
			tab.Seed(op.Row, op.Peer, op.Origin, op.At)
		default:
			tab.Announce(op.Row, op.Peer, op.Origin, op.At)
		}
		sh.Apply([]Op{op}, nil)
	}
	tell(Op{At: start, Row: 0, Kind: bgp.RIB})
	tell(Op{At: start, Row: 1, Kind: bgp.RIB})
	for _, x := range []table{tab, sh} {
		x.FlushPeer(0, start+minute)
	}
	tell(Op{At: start + 2*minute, Row: 0, Kind: bgp.Announce})
	tell(Op{At: start + 62*minute, Row: 1, Kind: bgp.Withdraw})
	fell := 0
	for at := start + 62*minute; at < start+4*hour; at += minute {
		tab.Tick(at, nil)
		sh.Tick(at, nil)
		if got, want := sh.Cell(1, 0), tab.Cell(1, 0); got != want {
			t.Fatalf("after %d min: %+v, want %+v", (at-start)/minute, got, want)
		}
		if !tab.Cell(1, 0).Expected {
			fell++
		}
	}
	if fell == 0 {
		t.Error("the cell is expected for ever")
	}
}

// table is what Table and Shards have in common.
type table interface {
	Intern(bgp.Prefix) (RowID, error)
	Peer(bgp.Peer, bgp.Micros) (PeerID, error)
	Rows() int
	Peers() int
	Vote(RowID) Vote
	Cell(RowID, PeerID) CellState
	Origin(RowID) uint32
	OriginNow(RowID, []uint32) []uint32
	Retired(RowID) bool
	Frozen(RowID) int
	Watched(RowID) bool
	Path(RowID, PeerID) []uint32
	SetPath(RowID, PeerID, []uint32) bool
	Counters(PeerID) Counters
	PeerName(PeerID) bgp.Peer
	Now() bgp.Micros
	Stats() Stats
	SetVoting(PeerID, bool)
	SetFullFeed(PeerID, bool)
	SetPresume(PeerID, bool)
	SetLearning(bool)
	FlushPeer(PeerID, bgp.Micros)
	ForgetWithdrawn(PeerID, bgp.Micros)
	DropPeer(PeerID)
	Freeze(RowID, int)
	Watch(RowID, bool)
}

func compare(t *testing.T, want *Table, got *Shards) {
	t.Helper()
	if got.Rows() != want.Rows() || got.Peers() != want.Peers() || got.Now() != want.Now() {
		t.Fatalf("%d rows, %d sessions at %d; want %d, %d, %d", got.Rows(), got.Peers(), got.Now(), want.Rows(), want.Peers(), want.Now())
	}
	s, w := got.Stats(), want.Stats()
	s.Bytes, w.Bytes = 0, 0
	s.Due, w.Due = 0, 0   // stale entries are swept out when a matrix has many
	s.Hops, w.Hops = 0, 0 // each part keeps its own
	if s != w {
		t.Fatalf("%+v\nwant %+v", s, w)
	}
	for p := range PeerID(want.Peers()) {
		if got.Counters(p) != want.Counters(p) || got.PeerName(p) != want.PeerName(p) {
			t.Fatalf("session %d: %+v, want %+v", p, got.Counters(p), want.Counters(p))
		}
		rows := map[RowID]bool{}
		for r, announced := range want.RowsOf(p) {
			rows[r] = announced
		}
		n := 0
		for r, announced := range got.RowsOf(p) {
			if was, ok := rows[r]; !ok || was != announced {
				t.Fatalf("session %d has row %d, %v", p, r, announced)
			}
			n++
		}
		if n != len(rows) {
			t.Fatalf("session %d has %d rows, want %d", p, n, len(rows))
		}
	}
	for r := range RowID(want.Rows() + 1) {
		if got.Vote(r) != want.Vote(r) || got.Origin(r) != want.Origin(r) || !slices.Equal(got.OriginNow(r, nil), want.OriginNow(r, nil)) ||
			got.Retired(r) != want.Retired(r) || got.Frozen(r) != want.Frozen(r) || got.Watched(r) != want.Watched(r) {
			t.Fatalf("row %d: %+v of AS%d, want %+v of AS%d", r, got.Vote(r), got.Origin(r), want.Vote(r), want.Origin(r))
		}
		for p := range PeerID(want.Peers()) {
			if got.Cell(r, p) != want.Cell(r, p) || !slices.Equal(got.Path(r, p), want.Path(r, p)) {
				t.Fatalf("cell %d, %d: %+v, want %+v", r, p, got.Cell(r, p), want.Cell(r, p))
			}
		}
		a, b := slices.Collect(got.Announced(r)), slices.Collect(want.Announced(r))
		if !slices.EqualFunc(a, b, func(x, y Route) bool { return x.Peer == y.Peer && x.Origin == y.Origin && x.Since == y.Since }) {
			t.Fatalf("row %d is announced as %v, want %v", r, a, b)
		}
	}
}

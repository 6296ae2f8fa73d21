package visibility

import (
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

func mustRow(t *testing.T, tab *Table, s string) RowID {
	t.Helper()
	p, err := bgp.ParsePrefix(s)
	if err != nil {
		t.Fatal(err)
	}
	r, err := tab.Intern(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustPeer(t *testing.T, tab *Table, as uint32, since bgp.Micros) PeerID {
	t.Helper()
	n := tab.Peers()
	p, err := tab.Peer(bgp.Peer{Collector: "c", AS: as, Addr: netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)})}, since)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLimitsAreErrors(t *testing.T) {
	tab := New(Config{MaxRows: 2, MaxPeers: 1, MaxRecords: 1})
	a, b := mustRow(t, tab, "192.0.2.0/24"), mustRow(t, tab, "198.51.100.0/24")
	if _, err := tab.Intern(bgp.PrefixFrom4(1<<24, 8)); !errors.Is(err, ErrRows) {
		t.Errorf("third row: %v", err)
	}
	if r, err := tab.Intern(tab.Prefix(b)); r != b || err != nil {
		t.Errorf("known row: %d, %v", r, err)
	}
	for _, p := range []bgp.Prefix{{}, bgp.PrefixFrom6(1<<61, 0, 32)} {
		if _, err := tab.Intern(p); !errors.Is(err, ErrFamily) {
			t.Errorf("%v: %v", p, err)
		}
		if _, ok := tab.Row(p); ok {
			t.Errorf("%v has a row", p)
		}
	}
	p := mustPeer(t, tab, 1, start)
	if _, err := tab.Peer(bgp.Peer{AS: 2}, start); !errors.Is(err, ErrPeers) {
		t.Errorf("second peer: %v", err)
	}
	tab.Announce(a, p, 1, start)
	tab.Announce(b, p, 1, start)
	tab.Withdraw(b, p, start+hour)
	s := tab.Stats()
	if s.RowsRejected != 1 || s.PeersRejected != 1 || s.FamilyRejected != 2 || s.RecordsRejected != 2 || s.Records != 1 {
		t.Errorf("%+v", s)
	}
	if got := tab.Cell(b, p).State; got != Withdrawn {
		t.Errorf("a cell without a record is %v", got)
	}
}

// TestPathBound: a path that does not fit leaves nothing behind, and what shares its end still fits.
func TestPathBound(t *testing.T) {
	tab := New(Config{MaxHops: 3})
	r, p, q := mustRow(t, tab, "192.0.2.0/24"), mustPeer(t, tab, 1, start), mustPeer(t, tab, 2, start)
	if tab.SetPath(r, p, []uint32{1}) || tab.Path(r, p) != nil || tab.Stats().Hops != 0 {
		t.Error("a path of a row that is not watched is kept")
	}
	tab.Watch(r, true)
	tab.SetPath(r, p, []uint32{1, 2, 3})
	tab.SetPath(r, q, []uint32{4, 5, 2, 3})
	if s := tab.Stats(); tab.Path(r, q) != nil || s.PathsRejected != 1 || s.Hops != 3 {
		t.Errorf("beyond the bound: %v, %+v", tab.Path(r, q), s)
	}
	tab.SetPath(r, q, []uint32{2, 3})
	if got := tab.Path(r, q); !slices.Equal(got, []uint32{2, 3}) {
		t.Errorf("the end of a known path: %v", got)
	}
	if tab.SetPath(r, q, nil) || !tab.SetPath(r, q, nil) || tab.Path(r, q) == nil || len(tab.Path(r, q)) != 0 {
		t.Errorf("the empty path: %v", tab.Path(r, q))
	}
	tab.Withdraw(r, p, start)
	if !tab.SetPath(r, p, []uint32{1, 2, 3}) {
		t.Error("a withdrawal forgets the path")
	}
	tab.Watch(r, false)
	if s := tab.Stats(); s.Hops != 0 || s.Watched != 0 || tab.Path(r, p) != nil {
		t.Errorf("not watched any more: %+v", s)
	}
}

// TestForeignIDs calls everything with ids the table never gave out.
func TestForeignIDs(t *testing.T) {
	tab := New(Config{})
	known, p := mustRow(t, tab, "192.0.2.0/24"), mustPeer(t, tab, 1, start)
	for _, r := range []RowID{1, math.MaxUint32} {
		if c := tab.Announce(r, p, 1, start) | tab.Withdraw(r, p, start) | tab.Seed(r, p, 1, start); c != Ignored {
			t.Errorf("row %d: %b", r, c)
		}
		_, hasParent := tab.Parent(r)
		if tab.Vote(r) != (Vote{}) || tab.Cell(r, p) != (CellState{}) || tab.Prefix(r).Valid() || tab.OwnUnits(r) != 0 || hasParent ||
			tab.Retire(r) || tab.Release(r) || !tab.Retired(r) || tab.Watched(r) || tab.SetPath(r, p, []uint32{1}) || tab.Path(r, p) != nil || tab.Origin(r) != 0 || tab.OriginNow(r, nil) != nil || tab.Frozen(r) != 0 {
			t.Errorf("row %d reads as something", r)
		}
		tab.Freeze(r, 1)
		tab.Watch(r, true)
		for range tab.Announced(r) {
			t.Errorf("row %d has routes", r)
		}
	}
	for _, q := range []PeerID{1, math.MaxUint16} {
		if c := tab.Announce(known, q, 1, start) | tab.Withdraw(known, q, start) | tab.Seed(known, q, 1, start); c != Ignored {
			t.Errorf("peer %d: %b", q, c)
		}
		tab.SetVoting(q, true)
		tab.FlushPeer(q, start)
		tab.ForgetWithdrawn(q, start)
		tab.DropPeer(q)
		for range tab.RowsOf(q) {
			t.Errorf("peer %d has rows", q)
		}
		if tab.Cell(known, q) != (CellState{}) || tab.Counters(q) != (Counters{}) || tab.PeerName(q) != (bgp.Peer{}) {
			t.Errorf("peer %d reads as something", q)
		}
	}
}

// TestWildTimes moves time by more than the due queue holds, and to both ends of what a Micros can say.
func TestWildTimes(t *testing.T) {
	tab := New(Config{})
	r := mustRow(t, tab, "192.0.2.0/24")
	p, far := mustPeer(t, tab, 1, math.MinInt64), mustPeer(t, tab, 2, math.MaxInt64)
	tab.Tick(math.MinInt64, nil)
	tab.Announce(r, p, 1, -5)
	tab.Withdraw(r, far, 0)
	tab.Tick(start, nil) // 38 years on
	if c := tab.Cell(r, p); !c.Expected {
		t.Errorf("after 38 years: %+v", c)
	}
	tab.Withdraw(r, p, start)
	tab.Tick(start+2*day-hour, nil)
	if c := tab.Cell(r, p); c.Expected {
		t.Errorf("after 47 h of 7 days: %+v, want a share below 0.75", c)
	}
	tab.Tick(math.MaxInt64, nil)
	tab.Announce(r, p, 1, 0)
	tab.Tick(math.MaxInt64, nil)
	if c := tab.Cell(r, p); c.State != Announced {
		t.Errorf("at the end of time: %+v", c)
	}
}

// TestAgeingTimes pins the moments of the method: an hour to be expected, 42 h (a quarter of 7 days) of absence to be no more.
func TestAgeingTimes(t *testing.T) {
	tab := New(Config{})
	r := mustRow(t, tab, "192.0.2.0/24")
	p := mustPeer(t, tab, 1, start-30*day)
	expectedAt := func(at bgp.Micros, want bool) {
		t.Helper()
		told := 0
		was := tab.Vote(r)
		tab.Tick(at, func(RowID) { told++ })
		if got := tab.Cell(r, p).Expected; got != want {
			t.Errorf("at %v expected = %v", at.Time(), got)
		}
		if tab.Vote(r) != was && told == 0 {
			t.Errorf("at %v the change was not told", at.Time())
		}
	}
	tab.Announce(r, p, 1, start)
	expectedAt(start+59*minute, false)
	expectedAt(start+60*minute, true)
	if n := tab.Stats().Records; n != 0 {
		t.Errorf("%d records once the cell is quiet", n)
	}
	down := start + 2*hour
	tab.Withdraw(r, p, down)
	expectedAt(down+42*hour, true)
	tab.Freeze(r, 1)
	expectedAt(down+90*day, true)
	tab.Freeze(r, -1)
	expectedAt(down+90*day+minute, false)
	if n := tab.Stats().Records; n != 0 {
		t.Errorf("%d records once the cell is forgotten", n)
	}
}

// TestRIBPresumptionFlush walks through the three together: what silence means depends on what the session has said before.
func TestRIBPresumptionFlush(t *testing.T) {
	tab := New(Config{})
	had, not := mustRow(t, tab, "192.0.2.0/24"), mustRow(t, tab, "198.51.100.0/24")
	seeded, streamed := mustPeer(t, tab, 1, start), mustPeer(t, tab, 2, start)
	expected := func(what string, wantHad, wantNot int) {
		t.Helper()
		if a, b := tab.Vote(had).Expected, tab.Vote(not).Expected; a != wantHad || b != wantNot {
			t.Errorf("%s: %d and %d voters, want %d and %d", what, a, b, wantHad, wantNot)
		}
	}
	expected("partial feeds say nothing by silence", 0, 0)
	for _, p := range []PeerID{seeded, streamed} {
		tab.SetFullFeed(p, true)
		tab.SetPresume(p, true)
	}
	expected("full feeds do", 2, 2)
	tab.Seed(had, seeded, 1, start)
	expected("but not about what their RIB lacks", 2, 1)
	tab.FlushPeer(seeded, start+hour)
	tab.FlushPeer(streamed, start+hour)
	tab.SetPresume(seeded, false)
	tab.SetPresume(streamed, false)
	expected("sessions lost", 0, 0)
	if v := tab.Vote(had); v.ExpectedTotal != 1 {
		t.Errorf("away, %+v", v)
	}
	tab.SetPresume(seeded, true)
	expected("the seeded one is back: it is presumed to carry what it carried", 1, 0)
	tab.Withdraw(had, seeded, start+2*hour)
	if v := tab.Vote(had); v.Expected != 1 || v.Withdrawn != 1 {
		t.Errorf("withdrawn after the flush: %+v", v)
	}
}

// TestManyFlushes goes beyond the generations a column keeps.
func TestManyFlushes(t *testing.T) {
	tab := New(Config{})
	r := mustRow(t, tab, "192.0.2.0/24")
	p := mustPeer(t, tab, 1, start)
	at := start
	for range maxGenerations + 10 { // half a second up each time: an hour needs 7200 of them
		tab.Announce(r, p, 1, at)
		at += bgp.Second / 2
		tab.FlushPeer(p, at)
		at += bgp.Second
	}
	for range 7200 - maxGenerations - 10 {
		tab.Announce(r, p, 1, at)
		at += bgp.Second / 2
		tab.FlushPeer(p, at)
		at += bgp.Second
	}
	tab.Announce(r, p, 1, at)
	tab.Tick(at+minute, nil)
	if c := tab.Cell(r, p); !c.Expected {
		t.Errorf("an hour of half seconds: %+v", c)
	}
}

// TestDuplicateWithdrawer: a session that withdraws what it has not got proves nothing by a first-heard withdrawal.
func TestDuplicateWithdrawer(t *testing.T) {
	tab := New(Config{})
	p := mustPeer(t, tab, 1, start-day)
	fresh := func(n uint32) RowID {
		r, err := tab.Intern(bgp.PrefixFrom4(n<<8, 24))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for n := range uint32(999) {
		tab.Withdraw(fresh(n), p, start)
	}
	for n := range uint32(60) {
		if c := tab.Withdraw(fresh(n), p, start); c != Duplicate {
			t.Fatalf("second withdrawal: %b", c)
		}
	}
	if c := tab.Withdraw(fresh(5000), p, start); c != Ignored || tab.Cell(fresh(5000), p).State != Unknown {
		t.Errorf("withdrawal of a duplicate withdrawer: %b", c)
	}
	for n := range uint32(999) {
		tab.Announce(fresh(n), p, 1, start)
		tab.Withdraw(fresh(n), p, start)
	}
	if c := tab.Withdraw(fresh(5001), p, start); c != Learned|BecameWithdrawn|BecameExpected {
		t.Errorf("once its share is below 5 %%: %b", c)
	}
}

// TestUnitsSaturate: IPv6 prefixes shorter than /17 have more /48s than a uint32 holds.
func TestUnitsSaturate(t *testing.T) {
	tab := New(Config{V6: true})
	all := mustRow(t, tab, "::/0")
	if got := tab.OwnUnits(all); got != math.MaxUint32 {
		t.Errorf("::/0 has %d units", got)
	}
	for _, s := range []string{"2000::/3", "2000::/16", "2001:db8::/32", "2001:db8::/48"} {
		mustRow(t, tab, s)
	}
	site, _ := tab.Row(bgp.PrefixFrom6(0x20010db8<<32, 0, 32))
	if got := tab.OwnUnits(site); got != 65535 {
		t.Errorf("2001:db8::/32 without one /48 has %d units", got)
	}
}

// TestReproducible: two tables fed the same are the same.
func TestReproducible(t *testing.T) {
	run := func() []Vote {
		tab := New(brisk)
		for i := range uint32(30) {
			mustPeer(t, tab, i%11, start)
			if _, err := tab.Intern(bgp.PrefixFrom4(i<<10, 22)); err != nil {
				t.Fatal(err)
			}
		}
		var votes []Vote
		at := start
		rng := rand.New(rand.NewPCG(2, 2))
		for range 20_000 {
			r, p := RowID(rng.IntN(30)), PeerID(rng.IntN(30))
			at += bgp.Second
			if rng.IntN(8) == 0 {
				tab.Withdraw(r, p, at)
			} else {
				tab.Announce(r, p, uint32(r), at)
			}
			tab.Tick(at, func(r RowID) { votes = append(votes, tab.Vote(r)) })
			votes = append(votes, tab.Vote(r))
		}
		return votes
	}
	a, b := run(), run()
	if len(a) != len(b) {
		t.Fatalf("%d and %d votes", len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("vote %d is %+v and %+v", i, a[i], b[i])
		}
	}
}

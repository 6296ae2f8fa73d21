package visibility

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// TestWalksAgainstAllPairs compares Covering and Beneath with a look at every pair of rows, some of them retired.
func TestWalksAgainstAllPairs(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(7, seed))
		tab := New(Config{V6: seed%2 == 1})
		for range 120 {
			p := bgp.PrefixFrom4(r.Uint32()&0x03030303|0x0a000000, uint8(6+r.IntN(27)))
			if tab.cfg.V6 {
				p = bgp.PrefixFrom6(r.Uint64()&0x0101010101010101|0x20<<56, r.Uint64()&0x8000000000000001, uint8(r.IntN(129)))
			}
			if _, err := tab.Intern(p); err != nil {
				t.Fatal(err)
			}
		}
		n := RowID(tab.Rows())
		for range n / 4 {
			tab.Retire(RowID(r.IntN(int(n))))
		}
		covered := 0
		for a := range n {
			var above, below []RowID
			for b := range n {
				if a == b || tab.Retired(b) {
					continue
				}
				if tab.Prefix(b).Covers(tab.Prefix(a)) {
					above = append(above, b)
				}
				if tab.Prefix(a).Covers(tab.Prefix(b)) {
					below = append(below, b)
				}
			}
			slices.SortFunc(above, func(x, y RowID) int { return tab.Prefix(y).Len() - tab.Prefix(x).Len() }) // nearest first
			slices.SortFunc(below, func(x, y RowID) int { return tab.Prefix(x).Compare(tab.Prefix(y)) })      // trie order
			if got := slices.Collect(tab.Covering(a)); !slices.Equal(got, above) {
				t.Fatalf("seed %d: above %v: %v, want %v", seed, tab.Prefix(a), got, above)
			}
			if got := slices.Collect(tab.Beneath(a)); !slices.Equal(got, below) {
				t.Fatalf("seed %d: beneath %v: %v, want %v", seed, tab.Prefix(a), got, below)
			}
			covered += len(above)
			for range tab.Beneath(a) {
				break // a walk may end early
			}
			for range tab.Covering(a) {
				break
			}
		}
		if covered == 0 {
			t.Fatalf("seed %d: no row covers another", seed)
		}
		if got := slices.Collect(tab.Covering(n)); got != nil {
			t.Errorf("above a foreign row: %v", got)
		}
		if got := slices.Collect(tab.Beneath(n)); got != nil {
			t.Errorf("beneath a foreign row: %v", got)
		}
	}
}

// TestForgetWithdrawn: what was withdrawn is unknown, what is announced stays, and so does what is expected of either.
func TestForgetWithdrawn(t *testing.T) {
	tab := New(Config{})
	kept, lost, other := mustRow(t, tab, "192.0.2.0/24"), mustRow(t, tab, "198.51.100.0/24"), mustRow(t, tab, "203.0.113.0/24")
	p, q := mustPeer(t, tab, 1, start), mustPeer(t, tab, 2, start)
	for _, r := range []RowID{kept, lost, other} {
		tab.Seed(r, p, 64500, start)
		tab.Seed(r, q, 64500, start)
	}
	tab.Withdraw(lost, p, start+hour)
	tab.Withdraw(lost, q, start+hour)
	tab.Withdraw(other, q, start+hour)
	if v := tab.Vote(lost); v.Withdrawn != 2 || v.Expected != 2 {
		t.Fatalf("before: %+v", v)
	}
	tab.ForgetWithdrawn(p, start+2*hour)
	if v := tab.Vote(lost); v.Withdrawn != 1 || v.Expected != 1 || v.ExpectedTotal != 2 {
		t.Errorf("after: %+v", v)
	}
	if c := tab.Cell(lost, p); c.State != Unknown || !c.Expected || c.Since != 0 {
		t.Errorf("forgotten: %+v", c)
	}
	if c := tab.Cell(kept, p); c.State != Announced || !c.Expected || c.Origin != 64500 {
		t.Errorf("kept: %+v", c)
	}
	if c := tab.Cell(other, q); c.State != Withdrawn || c.Since != start+hour {
		t.Errorf("another session's: %+v", c)
	}
	if n := tab.Counters(p); n.Known != 2 || n.Announced != 2 {
		t.Errorf("counters %+v", n)
	}
	if n := tab.Counters(q); n.Known != 3 || n.Announced != 1 {
		t.Errorf("the other's counters %+v", n)
	}
	// Heard again, it is learned anew and votes at once: the expectation was kept.
	if c := tab.Announce(lost, p, 64500, start+3*hour); c&(Learned|BecameAnnounced) != Learned|BecameAnnounced {
		t.Errorf("heard again: %b", c)
	}
	if v := tab.Vote(lost); v.Expected != 2 || v.Withdrawn != 1 || v.Announced != 1 {
		t.Errorf("heard again: %+v", v)
	}
	tab.ForgetWithdrawn(PeerID(9), start+3*hour) // a foreign session
	before := tab.Vote(lost)
	tab.ForgetWithdrawn(p, start+4*hour)
	if v := tab.Vote(lost); v != before {
		t.Errorf("with nothing withdrawn: %+v, was %+v", v, before)
	}
}

// TestForgetWithdrawnTime: the hours after which a cell was forgotten count neither for nor against it.
func TestForgetWithdrawnTime(t *testing.T) {
	tab := New(Config{})
	r, p := mustRow(t, tab, "192.0.2.0/24"), mustPeer(t, tab, 1, start)
	tab.Announce(r, p, 64500, start)
	tab.Tick(start+4*hour, nil)
	if !tab.Cell(r, p).Expected {
		t.Fatal("announced for four hours and not expected")
	}
	tab.Withdraw(r, p, start+4*hour)
	tab.ForgetWithdrawn(p, start+4*hour+30*minute)
	for at := start + 4*hour + 30*minute; at <= start+40*hour; at += minute {
		tab.Tick(at, nil)
	}
	if !tab.Cell(r, p).Expected {
		t.Error("a day of not knowing made the cell unexpected")
	}
	tab.Announce(r, p, 64500, start+40*hour)
	tab.Withdraw(r, p, start+41*hour)
	fell := bgp.Micros(0)
	for at := start + 41*hour; at <= start+60*hour && fell == 0; at += minute {
		tab.Tick(at, nil)
		if !tab.Cell(r, p).Expected {
			fell = at
		}
	}
	// Carried 5 h in all, withdrawn for half an hour and then for d: 5/(5.5+d) < 0.75 from d = 1 h 10 min on.
	if want := start + 41*hour + 70*minute; fell < want || fell > want+2*minute {
		t.Errorf("it fell %d min after the withdrawal, want 70 to 72", (fell-start-41*hour)/minute)
	}
}

// TestPresumedFirstAnnouncement: what a full feed says first about a row that is old, or while the feed is young, is a change of
// path of something it carried; about a young row of an old feed it is a new route, which has to last first.
func TestPresumedFirstAnnouncement(t *testing.T) {
	for what, c := range map[string]struct {
		age      bgp.Micros // of the row at the first announcement of the session
		learning bool
		full     bool
		presume  bool
		seeded   bool
		want     bool
	}{
		"a row of an hour":                          {age: hour, full: true, presume: true, want: true},
		"a row of a second less":                    {age: hour - bgp.Second, full: true, presume: true},
		"a new row":                                 {full: true, presume: true},
		"a new row while learning":                  {full: true, presume: true, learning: true, want: true},
		"a partial feed, while learning":            {age: hour, presume: true, learning: true},
		"a feed of which nothing is presumed":       {age: hour, full: true, learning: true},
		"a feed whose RIB would have had it":        {age: hour, full: true, presume: true, seeded: true},
		"a feed whose RIB lacked it, also learning": {age: hour, full: true, presume: true, seeded: true, learning: true},
	} {
		tab := New(Config{})
		r, elsewhere := mustRow(t, tab, "192.0.2.0/24"), mustRow(t, tab, "198.51.100.0/24")
		first, p := mustPeer(t, tab, 1, start), mustPeer(t, tab, 2, start)
		tab.SetFullFeed(p, c.full)
		tab.SetPresume(p, c.presume)
		if c.seeded {
			tab.Seed(elsewhere, p, 64500, start)
		}
		tab.Announce(r, first, 64500, start)
		tab.SetLearning(c.learning)
		change := tab.Announce(r, p, 64500, start+c.age)
		if got := tab.Cell(r, p).Expected; got != c.want || (change&BecameExpected != 0) != c.want {
			t.Errorf("%s: expected %v (change %b), want %v", what, got, change, c.want)
		}
		tab.Withdraw(r, p, start+c.age+minute)
		if v := tab.Vote(r); (v.Withdrawn == 1) != c.want {
			t.Errorf("%s: its withdrawal a minute later: %+v", what, v)
		}
	}
}

// TestLearningEnds: SetLearning is a switch, and a retired row that comes back is young again.
func TestLearningEnds(t *testing.T) {
	tab := New(Config{})
	r := mustRow(t, tab, "192.0.2.0/24")
	a, b, c := mustPeer(t, tab, 1, start), mustPeer(t, tab, 2, start), mustPeer(t, tab, 3, start)
	for _, p := range []PeerID{a, b, c} {
		tab.SetFullFeed(p, true)
		tab.SetPresume(p, true)
	}
	tab.SetLearning(true)
	tab.Announce(r, a, 64500, start)
	tab.SetLearning(false)
	tab.Announce(r, b, 64500, start)
	if !tab.Cell(r, a).Expected || tab.Cell(r, b).Expected {
		t.Errorf("expected while learning %v, after it %v", tab.Cell(r, a).Expected, tab.Cell(r, b).Expected)
	}
	tab.Withdraw(r, a, start+hour)
	tab.Withdraw(r, b, start+hour)
	if !tab.Retire(r) {
		t.Fatal("not retired")
	}
	if ch := tab.Announce(r, a, 64500, start+5*hour); ch&Revived == 0 {
		t.Fatalf("not revived: %b", ch)
	}
	tab.Announce(r, c, 64500, start+5*hour+minute)
	if tab.Cell(r, c).Expected {
		t.Error("a route that came back a minute ago is taken for an old one")
	}
}

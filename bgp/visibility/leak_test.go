package visibility

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// TestNothingLeaks lets prefixes and sessions come and go for months: what they leave behind must not add up, and when all are
// gone nothing is left.
func TestNothingLeaks(t *testing.T) {
	for name, v6 := range map[string]bool{"v4": false, "v6": true} {
		t.Run(name, func(t *testing.T) {
			cfg := brisk
			cfg.V6 = v6
			tab := New(cfg)
			rng := rand.New(rand.NewPCG(11, 11))
			at := start
			bytes, highest := 0, 0
			const cycles, settled = 24, 8
			for cycle := range cycles {
				var peers []PeerID
				for i := range 70 { // more than a word
					as := uint32(1 + cycle*7 + rng.IntN(30))
					name := bgp.Peer{Collector: "c", AS: as, Addr: netip.AddrFrom4([4]byte{10, byte(cycle >> 8), byte(cycle), byte(i)})}
					p, err := tab.Peer(name, at)
					if err != nil {
						t.Fatal(err)
					}
					peers = append(peers, p)
				}
				var rows []RowID
				for len(rows) < 500 {
					p := bgp.PrefixFrom4(rng.Uint32(), uint8(8+rng.IntN(25)))
					if v6 {
						p = bgp.PrefixFrom6(rng.Uint64(), 0, uint8(16+rng.IntN(49)))
					}
					if _, known := tab.Row(p); known {
						continue
					}
					r, err := tab.Intern(p)
					if err != nil {
						t.Fatal(err)
					}
					tab.Watch(r, rng.IntN(4) == 0)
					rows = append(rows, r)
				}
				for range 6000 {
					at += bgp.Micros(rng.IntN(2)) * bgp.Second
					r, p := rows[rng.IntN(len(rows))], peers[rng.IntN(len(peers))]
					if rng.IntN(3) == 0 { // some flap
						r, p = rows[rng.IntN(5)], peers[rng.IntN(5)]
					}
					if rng.IntN(2) == 0 {
						tab.Withdraw(r, p, at)
					} else {
						tab.Announce(r, p, uint32(rng.IntN(3)), at)
						tab.SetPath(r, p, []uint32{uint32(cycle), uint32(rng.IntN(50))})
					}
					tab.Tick(at, nil)
				}
				if s := tab.Stats(); cycle == 0 && (s.Records == 0 || s.Flapping == 0 || s.MultiOrigin == 0 || s.Hops == 0 || s.Due == 0 || s.Watched == 0) {
					t.Fatalf("the churn leaves something out: %+v", s)
				}
				if b := tab.Stats().Bytes; cycle < settled {
					bytes = max(bytes, b)
				} else {
					highest = max(highest, b)
				}
				for i, p := range peers {
					if i%2 == 0 {
						tab.FlushPeer(p, at)
					}
					tab.DropPeer(p)
				}
				for i, r := range rows {
					p := tab.Prefix(r)
					if !tab.Retire(r) || !tab.Release(r) {
						t.Fatalf("row %d is not released", r)
					}
					if _, known := tab.Row(p); known {
						t.Fatalf("%v is found after its release", p)
					}
					for _, left := range rows[i+1 : min(i+40, len(rows))] {
						if found, ok := tab.Row(tab.Prefix(left)); !ok || found != left {
							t.Fatalf("%v is found as row %d, %v; want %d", tab.Prefix(left), found, ok, left)
						}
					}
				}
			}
			if highest > bytes+bytes/20 {
				t.Errorf("%d bytes at most in the first %d cycles, %d later", bytes, settled, highest)
			}
			if tab.Rows() > 500 || tab.Peers() > 70 {
				t.Errorf("ids go up to %d rows and %d sessions", tab.Rows(), tab.Peers())
			}
			tab.Tick(at+20*day, nil)
			s := tab.Stats()
			s.Bytes = 0
			if s != (Stats{}) {
				t.Errorf("when all is gone there is left %+v", s)
			}
			if len(tab.spare) != len(tab.extras) || len(tab.groups) != len(tab.emptied) || tab.root != 0 {
				t.Errorf("%d of %d extras are free, %d of %d groups, root %d", len(tab.spare), len(tab.extras),
					len(tab.emptied), len(tab.groups), tab.root)
			}
		})
	}
}

// TestStaleQueue: rows that come and go within a minute leave nothing in the queue for what would have been due in days.
func TestStaleQueue(t *testing.T) {
	tab := New(Config{})
	p := mustPeer(t, tab, 1, start)
	most := 0
	for cycle := range 200 {
		for n := range uint32(200) {
			r, err := tab.Intern(bgp.PrefixFrom4(n<<8, 24))
			if err != nil {
				t.Fatal(err)
			}
			tab.Withdraw(r, p, start+bgp.Micros(cycle)*bgp.Second)
			if !tab.Retire(r) || !tab.Release(r) {
				t.Fatal("not released")
			}
		}
		tab.Tick(start+bgp.Micros(cycle)*bgp.Second, nil)
		most = max(most, tab.Stats().Due)
	}
	if most == 0 || most > 10_000 {
		t.Errorf("%d entries, of no record", most)
	}
}

// TestMutedColumn: a muted cell stays muted when its column moves, and does not mute the session that has the column next.
func TestMutedColumn(t *testing.T) {
	tab := New(brisk)
	r := mustRow(t, tab, "192.0.2.0/24")
	var peers []PeerID
	for as := range uint32(64) { // a full word: the next session of AS 0 makes its column move
		peers = append(peers, mustPeer(t, tab, as, start))
	}
	flap := func(p PeerID, at bgp.Micros) {
		for range brisk.FlapTransitions + 2 {
			tab.Announce(r, p, 1, at)
			tab.Withdraw(r, p, at)
		}
	}
	flap(peers[0], start)
	if !tab.Cell(r, peers[0]).Muted {
		t.Fatal("not muted")
	}
	second := mustPeer(t, tab, 0, start)
	if !tab.Cell(r, peers[0]).Muted || tab.Cell(r, second).Muted || tab.Cell(r, peers[1]).Muted {
		t.Errorf("after a move: %v, %v, %v", tab.Cell(r, peers[0]).Muted, tab.Cell(r, second).Muted, tab.Cell(r, peers[1]).Muted)
	}
	tab.DropPeer(peers[0])
	for range 3 {
		if p := mustPeer(t, tab, 0, start); tab.Cell(r, p).Muted {
			t.Errorf("session %d inherits", p)
		}
	}
	if len(tab.spare) != len(tab.extras) {
		t.Errorf("%d of %d extras are free after the drop", len(tab.spare), len(tab.extras))
	}
	flap(second, start)
	tab.Tick(start+hour, nil)
	if tab.Cell(r, second).Muted || len(tab.spare) != len(tab.extras) {
		t.Errorf("muted %v after an hour, %d of %d extras are free", tab.Cell(r, second).Muted, len(tab.spare), len(tab.extras))
	}
}

// TestManyLostColumns loses more columns than a row can be behind, while rows are not looked at.
func TestManyLostColumns(t *testing.T) {
	tab := New(Config{})
	var rows []RowID
	for n := range uint32(3) {
		r, err := tab.Intern(bgp.PrefixFrom4(n<<8, 24))
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	kept, lost := mustPeer(t, tab, 1, start), mustPeer(t, tab, 2, start)
	for i := range 1000 {
		for _, r := range rows {
			if i == 0 {
				tab.Announce(r, kept, 1, start)
			}
		}
		tab.Announce(rows[i%2], lost, 1, start)
		tab.FlushPeer(lost, start)
	}
	for _, r := range rows {
		if tab.Cell(r, kept).State != Announced || tab.Cell(r, lost).State != Unknown {
			t.Errorf("row %d: %v and %v", r, tab.Cell(r, kept).State, tab.Cell(r, lost).State)
		}
	}
	big := New(Config{})
	p, q := mustPeer(t, big, 1, start), mustPeer(t, big, 2, start)
	for n := range uint32(10_000) {
		r, err := big.Intern(bgp.PrefixFrom4(n<<8, 24))
		if err != nil {
			t.Fatal(err)
		}
		big.Seed(r, p, 1, start)
		big.Seed(r, q, 1, start)
	}
	for i := range 700 {
		big.FlushPeer(p, start)
		if i < 600 { // its cells stay lost for the last 100
			big.Announce(RowID(i), p, 1, start)
		} else {
			big.Announce(0, p, 1, start)
		}
	}
	for r := range RowID(10_000) {
		if want := r == 0; (big.Cell(r, p).State == Announced) != want || big.Cell(r, q).State != Announced {
			t.Fatalf("row %d: %v and %v", r, big.Cell(r, p).State, big.Cell(r, q).State)
		}
	}
}

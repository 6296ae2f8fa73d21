package signal

import (
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
)

// TestMissed: when messages of a collector are known to be missed its sessions do not vote from that instant on, and what they said is unknown
// once it speaks again, however short that was. Nothing about the world is opened by it.
func TestMissed(t *testing.T) {
	a, b := peers(12), second(14)
	f := seeded(t, append(slices.Clone(a), b...), 40)
	f.run(300)
	f.m.Missed("rrc01", at(300.5), "the connection broke")
	f.m.Missed("rrc99", at(300.5), "nobody has heard of it")
	if n, s := f.voters(), f.state(b[3]); n != 12 || s.State != "stale" {
		t.Fatalf("%d vote, %+v", n, s)
	}
	f.speak = a
	f.run(303)
	f.say(304, b[0], bgp.Announce, block(1))
	cell := func(p int, r visibility.RowID) visibility.State {
		return f.m.fams[0].table.Cell(r, f.m.byPeer[b[p]].id).State
	}
	if cell(0, 1) != visibility.Announced || cell(0, 2) != visibility.Unknown || cell(5, 1) != visibility.Unknown || f.voters() != 12 {
		t.Errorf("%v, %v, %v, %d vote", cell(0, 1), cell(0, 2), cell(5, 1), f.voters())
	}
	f.all(310, b, bgp.Announce, blocks(0, 39)...)
	f.speak = append(slices.Clone(a), b...)
	f.run(1500)
	if n := f.voters(); n != 26 {
		t.Errorf("back for a while: %d vote", n)
	}
	f.want("300 rrc01 opened", "304 rrc01 recovering", "1204 rrc01 closed")
}

// TestSessionsEndWhileMissed: sessions that are recorded as ended while the collector is missed are down, and neither bring it back nor have faults
// of their own.
func TestSessionsEndWhileMissed(t *testing.T) {
	a, b := peers(12), second(14)
	f := seeded(t, append(slices.Clone(a), b...), 40)
	f.run(300)
	f.m.Missed("rrc01", at(300.5), "the connection broke")
	f.speak = a
	f.run(360)
	for _, p := range b {
		f.session(361, p, bgp.Established, 1)
	}
	f.run(400)
	if n, s := f.voters(), f.state(b[3]); n != 12 || s.State != "down" || s.Faults != 0 {
		t.Errorf("%d vote, %+v", n, s)
	}
	f.session(401, b[3], 1, bgp.Established)
	if s := f.state(b[3]); s.State != "resync" {
		t.Errorf("%+v", s)
	}
	f.run(420)
	f.want("300 rrc01 opened", "361 rrc01 continued", "401 rrc01 recovering")
}

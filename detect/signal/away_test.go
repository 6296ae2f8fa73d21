package signal

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

const week = int64(dropAfter / bgp.Second)

// TestSessionGivenUp: a session that has been down for as long as expectation looks back is not waited for any more. Nothing that the others say
// changes with it, and when it returns it is met as one of which nothing is known.
func TestSessionGivenUp(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 100)
	gone := ps[4]
	f.speak = slices.Delete(slices.Clone(ps), 4, 5)
	f.session(61.5, gone, bgp.Established, 1)
	f.now, f.step = at(120), 60*bgp.Second
	f.run(week)
	before := f.reading("PK", detect.BGPv4)
	if s := f.state(gone); s.State != "down" {
		t.Errorf("an hour before: %+v", s)
	}
	f.log = nil
	f.run(week + 3600 + 120)
	f.want(fmt.Sprintf("%d %s closed", f.hourAfter(61+week), gone))
	if s := f.m.Peers(); len(s) != 19 || slices.ContainsFunc(s, func(s bgp.PeerStatus) bool { return s.Peer == gone }) {
		t.Errorf("%d sessions are left: %v", len(s), s)
	}
	if v := f.m.fams[0].table.Vote(0); v.Expected != 19 || v.ExpectedTotal != 19 {
		t.Errorf("%+v", v)
	}
	if before.Votes = (detect.VantageCount{Expected: 19, Voting: 19, Sessions: 19, Needed: 10}); f.reading("PK", detect.BGPv4) != before {
		t.Errorf("%+v, want %+v", f.reading("PK", detect.BGPv4), before)
	}
	if n := len(f.m.byAS); n != 19 || len(f.m.ases) != 19 {
		t.Errorf("%d and %d networks vote", n, len(f.m.ases))
	}

	// Another one has its column, in both tables, and what it says is its own.
	other := bgp.Peer{Collector: "rrc00", AS: 999, Addr: netip.MustParseAddr("192.0.2.200")}
	back := float64(week + 7200)
	f.step = bgp.Second
	f.say(back, other, bgp.Announce, block(1))
	if p := f.m.byPeer[other]; p.id != 4 || f.m.byID[4] != p || f.m.fams[1].table.PeerName(4) != other {
		t.Errorf("%+v has column %d", p.name, p.id)
	}
	// The first one returns. It sends half of its table: that it carries the rest is not presumed.
	f.session(back+10, gone, 1, bgp.Established)
	f.say(back+11, gone, bgp.Announce, blocks(0, 60)...)
	f.speak = append(f.speak, gone)
	f.run(int64(back) + 7200)
	if s := f.state(gone); s.State != "up" || s.KnownV4 != 60 || !s.FullFeed {
		t.Errorf("%+v", s)
	}
	for i, want := range map[int]int{0: 20, 80: 19} {
		if v := f.m.fams[0].table.Vote(visibility.RowID(i)); v.Expected != want || v.Withdrawn != 0 {
			t.Errorf("%s: %+v, want %d expected", block(i), v, want)
		}
	}
}

// TestSessionsComeAndGo: more sessions than there are columns, over years, and the incident by whose withdrawals one of them is known keeps it.
func TestSessionsComeAndGo(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 100)
	f.all(100, ps, bgp.Withdraw, blocks(0, 40)...) // an outage that stays open
	f.run(400)
	f.session(500, ps[7], bgp.Established, 1)
	f.speak = slices.Delete(slices.Clone(ps), 7, 8)
	f.step = 3600 * bgp.Second
	f.now = start + bgp.Seconds(3600)
	for round := range int64(45) {
		now := 3600 + round*week
		f.run(now)
		for i := range uint32(100) {
			p := bgp.Peer{Collector: "rrc00", AS: 4_200_000_000 + uint32(round)*100 + i, Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})}
			f.apply(float64(now+1), p, bgp.Announce, block(50))
			if err := f.m.State(bgp.Message{At: at(float64(now + 2)), Peer: p}, bgp.Established, 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.run(3600 + 47*week)
	if n := f.m.fams[0].table.Peers(); n > 420 {
		t.Errorf("%d columns for 20 sessions and 45 times 100 that went", n)
	}
	if n := len(f.m.Peers()); n != 20 {
		t.Errorf("%d sessions are known", n)
	}
	if s := f.state(ps[7]); s.State != "down" {
		t.Errorf("the session by which the open incident's members are told: %+v", s)
	}
	if r := f.m.fams[0].table.Stats().PeersRejected; r != 0 {
		t.Errorf("%d were refused", r)
	}
	var open []string
	for _, in := range f.m.Engine().Incidents() {
		if in.Entity.Type == "peer" && in.State != detect.Closed {
			open = append(open, in.Entity.Code)
		}
	}
	if !slices.Equal(open, []string{ps[7].String()}) {
		t.Errorf("faults about sessions are open: %v, want that of %s", open, ps[7])
	}
}

// hourAfter is the first full hour at or after a second of the feed.
func (f *feed) hourAfter(sec int64) int64 {
	first := (start/bgp.Second + bgp.Micros(sec) + 3599) / 3600 * 3600
	return int64(first - start/bgp.Second)
}

package signal

import (
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
)

// TestFeedSilent: a feed that speaks each second and stops is a fault after 45 s, whether another speaks or not; it votes until another does.
func TestFeedSilent(t *testing.T) {
	a, b := peers(12), second(14)
	f := seeded(t, append(slices.Clone(a), b...), 40)
	f.m.Feeds([]Feed{{Name: "rrc01"}, {Name: "rrc00"}}, at(2))
	f.speak = nil
	each := func(from, to int, who ...bgp.Peer) {
		for s := from; s <= to; s++ {
			f.all(float64(s)+0.5, who, bgp.Announce)
		}
	}
	each(2, 199, a[0], b[0])
	each(200, 244, a[0])
	f.want()
	f.run(245) // the first second more than 45 s after the message at 199.5
	f.want("245 rrc01 opened")
	each(245, 247, a[0])
	if n := f.voters(); n != 12 {
		t.Errorf("%d vote", n)
	}
	if got := f.m.feeds[0].patience(f.m); got != 45*bgp.Second {
		t.Errorf("%d µs of patience", got)
	}
	f.run(400) // now both are silent
	f.want("293 rrc00 opened")
	if n := f.voters(); n != 12 {
		t.Errorf("silence of all: %d vote", n)
	}
	each(400, 401, a[0])
	f.run(450)
	each(450, 480, b[0], a[0])
	f.want("400 rrc00 recovering", "446 rrc00 relapsed", "450 rrc01 recovering", "450 rrc00 recovering")
	// rrc00 was silent for 107 s, and votes on; rrc01 for 250 s: what it said is unknown.
	for p, want := range map[bgp.Peer]visibility.State{a[3]: visibility.Announced, b[3]: visibility.Unknown} {
		if s := f.m.fams[0].table.Cell(1, f.m.byPeer[p].id).State; s != want {
			t.Errorf("%s: %v", p, s)
		}
	}
}

// TestFeedRhythm: one that hands over a file each five minutes, many messages at once, is not silent in between, and neither is one of which nobody
// knows yet how often it speaks.
func TestFeedRhythm(t *testing.T) {
	a, b := peers(12), second(1)
	f := seeded(t, append(slices.Clone(a), b...), 40)
	f.speak = a
	f.m.Feeds([]Feed{{Name: "rrc01"}}, at(2))
	batch := func(s int) {
		for i := range 200 {
			f.say(float64(s)+float64(i)/1000, b[0], bgp.Announce)
		}
	}
	for s := 300; s <= 300*130; s += 300 {
		batch(s)
	}
	f.want()
	f.run(300*130 + 480)
	f.want()
	f.run(300*130 + 510) // one and a half times the edge above 300 s
	f.want("39504 rrc01 opened")
	batch(300 * 132)
	f.want("39600 rrc01 recovering")
}

// TestStreamSilent: a stream that must speak and never does, one of which a collector stops, and one that is no longer configured.
func TestStreamSilent(t *testing.T) {
	a, b := peers(12), second(14)
	f := seeded(t, append(slices.Clone(a), b...), 40)
	f.speak = a
	f.m.Feeds([]Feed{{Name: "ris-live", Steady: true}, {Name: "filtered"}}, at(100))
	f.run(145)
	f.want()
	f.run(146)
	f.want("146 ris-live opened")
	f.m.AddFeed(Feed{Name: "rrc01", Of: "ris-live"}, at(150))
	f.m.AddFeed(Feed{Name: "rrc01"}, at(150))
	f.say(150.5, b[0], bgp.Announce)
	f.run(196)
	f.want("150 ris-live recovering", "195 ris-live relapsed")
	f.m.Feeds([]Feed{{Name: "filtered"}}, at(200))
	f.run(7300)
	f.want("196 ris-live recovering", "1100 ris-live closed")
	f.m.Feeds([]Feed{{Name: "filtered"}}, at(7300)) // the monitor began again
	f.run(7300 + 7200)
	f.want()
	f.run(7300 + 7201)
	f.want("14501 filtered opened")
}

// TestFeedsAreBounded: whoever invents names does not fill the memory.
func TestFeedsAreBounded(t *testing.T) {
	f := newFeed(t)
	for i := range 2 * maxFeeds {
		f.m.AddFeed(Feed{Name: string(rune('a'+i%26)) + string(rune(0x4e00+i))}, at(1))
	}
	if n := len(f.m.feeds); n != maxFeeds {
		t.Errorf("%d", n)
	}
}

package signal

import (
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// endOfRIB applies the message with which a session says that its IPv4 table is complete.
func (f *feed) endOfRIB(sec float64, p bgp.Peer) {
	f.t.Helper()
	f.run(int64(sec))
	if err := f.m.Begin(bgp.Message{At: at(sec), Peer: p}); err != nil {
		f.t.Fatal(err)
	}
	f.m.EndOfRIB(false)
	f.m.End()
}

// TestOpeningTable: what a session of a feed that begins with whole tables announces until its End-of-RIB is what it had: an outage a minute later is
// found as behind a table dump. Without that promise, and for what comes after the End-of-RIB, nothing is expected yet.
func TestOpeningTable(t *testing.T) {
	for name, c := range map[string]struct {
		feed  Feed
		end   bool // an End-of-RIB comes
		after int  // blocks announced after it
		want  bool
	}{
		"tables and their end":                 {Feed{Name: "rrc00", Tables: true}, true, 0, true},
		"a session that never says it is done": {Feed{Name: "rrc00", Tables: true}, false, 0, false},
		"a feed that promises nothing":         {Feed{Name: "rrc00"}, true, 0, false},
		"lost blocks came after the end":       {Feed{Name: "rrc00", Tables: true}, true, 40, false},
	} {
		t.Run(name, func(t *testing.T) {
			ps := peers(20)
			f := newFeedIn(t, atlas{})
			f.m.Feeds([]Feed{c.feed}, at(0))
			for _, p := range ps {
				f.session(1, p, 5, bgp.Established)
				f.say(1.5, p, bgp.Announce, blocks(c.after, 200)...)
				if c.end {
					f.endOfRIB(2, p)
				}
				f.say(2.5, p, bgp.Announce, blocks(0, c.after)...)
			}
			f.speak = ps
			f.run(30)
			f.all(30.5, ps, bgp.Withdraw, blocks(0, 40)...)
			f.run(90)
			found := false
			for _, line := range f.log {
				found = found || strings.Contains(line, "opened")
			}
			if found != c.want {
				t.Errorf("found %v: %q", found, f.log)
			}
		})
	}
}

// TestOpeningAgain: after a session loss the table comes again, and with its end the session votes about what it carries: nobody has to wait an hour.
// What it did not announce again is unknown, not down.
func TestOpeningAgain(t *testing.T) {
	ps := peers(20)
	f := newFeedIn(t, atlas{})
	f.m.Feeds([]Feed{{Name: "rrc00", Tables: true}}, at(0))
	begin := func(sec float64, n int) {
		for _, p := range ps {
			f.session(sec, p, 5, bgp.Established)
			f.say(sec+0.5, p, bgp.Announce, blocks(0, n)...)
			f.endOfRIB(sec+1, p)
		}
	}
	begin(1, 200)
	f.speak = ps
	f.run(60)
	for _, p := range ps {
		f.session(61, p, bgp.Established, 1)
	}
	f.run(70)
	f.log = nil
	begin(71, 160) // 40 blocks are not there again
	f.run(200)
	for _, line := range f.log {
		if strings.Contains(line, "opened") {
			t.Errorf("what was not said again is an outage: %s", line)
		}
	}
	if r := f.reading("PK", 0); r.LostPrefixes != 0 || r.Prefixes+r.UnobservablePrefixes != 200 {
		t.Errorf("%+v", r)
	}
	f.log = nil
	f.all(200.5, ps, bgp.Withdraw, blocks(0, 40)...)
	f.run(260)
	if !strings.Contains(strings.Join(f.log, "\n"), "opened") {
		t.Errorf("what was said again and withdrawn is not found: %q", f.log)
	}
}

// TestEmptyEndFirst: a session that says that its table is complete before it announces anything, as ExaBGP does, has said nothing: what it announces then is the table
// it begins with. Nothing is described by it, so that nothing opens for half an hour; with a second word at the end, at once.
func TestEmptyEndFirst(t *testing.T) {
	for name, c := range map[string]struct {
		again bool  // it says so again, when it is done
		lost  int64 // when the outage is, in seconds
		want  bool
	}{
		"once":                   {false, 60, false},
		"once, and half an hour": {false, 2000, true},
		"twice":                  {true, 60, true},
	} {
		t.Run(name, func(t *testing.T) {
			ps := peers(20)
			f := newFeedIn(t, atlas{})
			f.m.Feeds([]Feed{{Name: "rrc00", Tables: true}}, at(0))
			for _, p := range ps {
				f.session(1, p, 5, bgp.Established)
				f.endOfRIB(1.5, p)
				f.say(2, p, bgp.Announce, blocks(0, 200)...)
				if c.again {
					f.endOfRIB(2.5, p)
				}
			}
			f.speak = ps
			f.run(c.lost)
			f.all(float64(c.lost)+0.5, ps, bgp.Withdraw, blocks(0, 40)...)
			f.run(c.lost + 60)
			found := false
			for _, line := range f.log {
				found = found || strings.Contains(line, "opened")
			}
			if found != c.want {
				t.Errorf("found %v: %q", found, f.log)
			}
		})
	}
}

package detect

import (
	"slices"
	"strings"
	"testing"
)

// TestReconfigure: each open incident and fault gets one revision that names the old and the new; what has ended gets none; the new
// numbers decide from then on.
func TestReconfigure(t *testing.T) {
	s := newSim(t)
	_, pk := s.country("PK", 100, 5)
	_, lk := s.country("LK", 100, 5)
	_, np := s.country("NP", 100, 5)
	s.run(9)
	s.lose(10, pk[:10]...)
	s.lose(10, lk[:20]...)
	s.e.Fault(Entity{Type: "peer", Code: "rrc00/AS1/192.0.2.1"}, at(10), "session lost", Context{})
	s.run(300)
	s.giveBack(300.5, pk[:10]...)
	s.run(1300) // closed
	s.lose(1300.5, np[:10]...)
	s.run(1310)
	was := s.e.Method()
	before := len(s.e.Incidents())
	cfg := s.e.Config()
	s.e.Reconfigure(cfg, was.Software, was.ConfigSHA256)
	if n := revisions(s.e, Reconfigured); n != 0 {
		t.Fatalf("nothing changed, and %d revisions", n)
	}
	cfg.CloseAfter, cfg.BaselineMinutes, cfg.BandWeeks, cfg.BandDays = 60, 5, 2, 3
	s.e.Reconfigure(cfg, was.Software, "new digest")
	if n := revisions(s.e, Reconfigured); n != 2 || len(s.e.Incidents()) != before {
		t.Fatalf("%d revisions, %d incidents for %d", n, len(s.e.Incidents()), before)
	}
	for _, inc := range s.e.Incidents() {
		last := inc.Revisions[len(inc.Revisions)-1]
		switch {
		case !inc.State.Open():
			if inc.Method != was {
				t.Errorf("an incident that had ended was computed by %+v", inc.Method)
			}
		case inc.Method.ConfigSHA256 != "new digest" || last.Change != Reconfigured || inc.Revision != last.Revision ||
			last.Reason != "config_sha256 "+was.ConfigSHA256+" became new digest" || last.At.UnixMicro() != at(1310):
			t.Errorf("%s: %+v by %+v", inc.ID, last, inc.Method)
		}
	}
	s.run(1330) // NP was pending: it opens under the new numbers
	s.giveBack(1330.5, lk[:20]...)
	s.run(1400)
	opened := false
	for _, inc := range s.e.Incidents() {
		opened = opened || inc.Entity.Code == "NP"
		if inc.Entity.Code == "NP" && inc.Method.ConfigSHA256 != "new digest" {
			t.Errorf("opened after the change, by %+v", inc.Method)
		}
		if inc.Entity.Code == "LK" && inc.State != Closed {
			t.Errorf("60 s of return, and %s", inc.State)
		}
	}
	if !opened {
		t.Error("a pending crossing was forgotten")
	}
	s.e.Reconfigure(cfg, "corewatch next", "new digest")
	if !slices.ContainsFunc(s.e.Incidents(), func(i *Incident) bool {
		r := i.Revisions[len(i.Revisions)-1]
		return strings.HasPrefix(r.Reason, "software ") && strings.HasSuffix(r.Reason, " became corewatch next")
	}) {
		t.Error("other software is not told")
	}
}

// revisions counts those of one change.
func revisions(e *Engine, change string) (n int) {
	for _, inc := range e.Incidents() {
		for _, r := range inc.Revisions {
			if r.Change == change {
				n++
			}
		}
	}
	return n
}

// TestRefit: what a change of the configuration keeps is what the new length can hold, the newest first.
func TestRefit(t *testing.T) {
	for _, n := range [][2]int{{15, 5}, {5, 15}, {15, 15}, {0, 3}} {
		b, want := newRecentLow(n[0]), map[int64]level{}
		for m := range int64(100) {
			l := level{units: (m * 7919) % 50, low: int(m % 7), all: int(m % 11)}
			b.update(m*60e6, l)
			want[m] = b.slots[b.slot(m)]
		}
		b.refit(n[1])
		lowest := want[99]
		for m := int64(98); m >= 99-int64(min(n[0], n[1])); m-- {
			lowest = lowest.min(want[m])
		}
		if got := b.lowest(99 * 60e6); got != lowest || len(b.slots) != n[1]+1 {
			t.Errorf("%d to %d minutes: %+v, want %+v", n[0], n[1], got, lowest)
		}
	}
	for _, n := range [][2]int{{40, 10}, {10, 40}} {
		w := watched{minutes: make([]uint8, n[0])}
		for h := range uint32(100) {
			for range h % 60 {
				w.add(h)
			}
		}
		newest := w.hour
		w.refit(n[1])
		for h := range newest + 1 {
			want := int(h % 60)
			if newest-h >= uint32(min(n[0], n[1])) {
				want = 0
			}
			if got := w.of(h); got != want {
				t.Errorf("%d to %d hours: hour %d has %d minutes, not %d", n[0], n[1], h, got, want)
			}
		}
	}
}

package detect

import (
	"slices"
	"testing"
	"time"
)

func TestPendingCrossing(t *testing.T) {
	for what, c := range map[string]struct {
		lost, back float64 // back 0: never
		want       []string
	}{
		"gone after 14.9 s":          {10, 24.9, nil},
		"gone in the opening second": {10, 25, nil},
		"kept for 15 s":              {10, 0, []string{"25 opened suspected"}},
		"kept for 14.999999 s":       {10.000001, 0, []string{"26 opened suspected"}},
	} {
		s := newSim(t)
		_, rows := s.country("PK", 100, 5)
		s.run(9)
		s.lose(c.lost, rows[:10]...)
		if c.back != 0 {
			s.run(int64(c.back - 0.5))
			s.giveBack(c.back, rows[:10]...)
		}
		s.run(60)
		t.Log(what)
		s.want(c.want...)
		if c.want == nil && (len(s.e.Incidents()) != 0 || len(s.e.active) != 0) {
			t.Errorf("%s: something is remembered", what)
		}
	}
}

// TestPendingBeginsAgain: a crossing that was dropped does not count towards the next.
func TestPendingBeginsAgain(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:10]...)
	s.run(20)
	s.giveBack(20.5, rows[:10]...)
	s.lose(21, rows[:10]...)
	s.run(35)
	s.want()
	s.run(36)
	s.want("36 opened suspected")
	if inc := s.only(); inc.Start.Latest.UnixMicro() != at(21) || inc.ID != ID(inc.Entity, Outage, at(21)) || inc.SuspectedAt.UnixMicro() != at(36) {
		t.Errorf("%+v", inc)
	}
}

func TestConfirmation(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:10]...)
	s.run(189)
	s.want("25 opened suspected")
	s.run(300)
	s.want("190 confirmed confirmed")
	if inc := s.only(); inc.ConfirmedAt.UnixMicro() != at(190) || inc.State != Confirmed {
		t.Errorf("%v %v", inc.ConfirmedAt, inc.State)
	}
}

// TestConfirmationNeedsOneStretch: a dip under the floor, however short, starts the 180 s again.
func TestConfirmationNeedsOneStretch(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:10]...)
	s.run(100)
	s.giveBack(100.2, rows[:3]...) // 7 prefixes: under the floor, above half of the peak
	s.lose(100.7, rows[:3]...)
	s.run(280)
	s.want("25 opened suspected")
	s.run(281)
	s.want("281 confirmed confirmed")
}

func TestPartial(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.mean = 0.7999
	s.run(9)
	s.lose(10, rows[:10]...)
	s.run(199)
	s.want("25 opened suspected", "190 partial partial")
	s.mean = 0.8
	s.run(239)
	s.want() // it is asked again once a minute
	s.run(400)
	s.want("240 confirmed confirmed")
}

func TestSmallQuorumNeverConfirms(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.small = true
	s.run(9)
	s.lose(10, rows[:10]...)
	s.run(1000)
	s.want("25 opened suspected", "190 held suspected")
	s.small = false
	s.lose(1000.5, rows[10])
	s.run(1001)
	s.want("1001 confirmed confirmed")
}

func TestRecoveryAndClose(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(299)
	s.giveBack(299.5, rows[:10]...) // half of the peak is not under half
	s.run(300)
	s.want("25 opened suspected", "190 confirmed confirmed")
	s.giveBack(300.5, rows[10])
	s.run(400)
	s.want("301 recovering recovering")
	s.giveBack(400.5, rows[11:17]...) // 17 of 20
	s.run(500)
	s.giveBack(500.25, rows[17]) // 18: nine tenths
	s.run(700)
	s.giveBack(700.75, rows[18:20]...)
	s.run(800)
	s.lose(800.5, rows[19]) // nine tenths are still there
	s.run(1400)
	s.want()
	s.run(1401)
	s.want("1401 closed closed")
	inc := s.only()
	if inc.End == nil || inc.End.Time.UnixMicro() != at(500.25) || inc.End.Earliest.UnixMicro() != at(299.5) || inc.End.Latest.UnixMicro() != at(700.75) {
		t.Errorf("end %+v", inc.End)
	}
	if inc.ClosedAt.UnixMicro() != at(1401) || len(inc.Episodes) != 1 || inc.Episodes[0].End != inc.End.Time || inc.Episodes[0].PeakLostShare != 0.2 {
		t.Errorf("%+v", inc)
	}
	if len(s.watched) != 0 || len(s.members) != 20 {
		t.Errorf("%d rows are still watched; %d members told", len(s.watched), len(s.members))
	}
	for i, m := range s.members {
		if m.LostAt.UnixMicro() != at(10) || m.BackAt.IsZero() != (i == 19) {
			t.Errorf("member %d: %+v", i, m)
		}
	}
	if s.e.OpenIncident(0) != "" || s.e.Open(0) {
		t.Error("still open")
	}
}

// TestCloseStartsAgain: fewer than nine tenths at the end of one second, and the 15 minutes count from the next time; so does the end.
// What is lost and back within a second does not count.
func TestCloseStartsAgain(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(300)
	s.giveBack(300.5, rows[:18]...)
	s.run(600)
	s.lose(600.25, rows[0])
	s.giveBack(600.5, rows[0])
	s.run(1199)
	s.lose(1199.25, rows[0]) // a second before it would have closed
	s.run(1200)
	s.giveBack(1200.5, rows[0])
	s.run(2100)
	s.want("25 opened suspected", "190 confirmed confirmed", "301 recovering recovering")
	s.run(2101)
	s.want("2101 closed closed")
	if inc := s.only(); inc.End.Time.UnixMicro() != at(1200.5) {
		t.Errorf("end %v", inc.End.Time)
	}
}

// TestChangeInsideASecond: one member leaves and another returns in one second. Which is told first does not move the end.
func TestChangeInsideASecond(t *testing.T) {
	for _, leavesFirst := range []bool{false, true} {
		s := newSim(t)
		_, rows := s.country("PK", 100, 5)
		s.run(9)
		s.lose(10, rows[:20]...)
		s.run(300)
		s.giveBack(300.5, rows[:18]...)
		s.run(600)
		if leavesFirst {
			s.lose(600.5, rows[0])
			s.giveBack(600.5, rows[18])
		} else {
			s.giveBack(600.5, rows[18])
			s.lose(600.5, rows[0])
		}
		s.run(1300)
		s.want("25 opened suspected", "190 confirmed confirmed", "301 recovering recovering", "1201 closed closed")
		if inc := s.only(); inc.End.Time.UnixMicro() != at(300.5) {
			t.Errorf("leaves first: %v: end %v", leavesFirst, inc.End.Time)
		}
	}
}

func TestRelapse(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(99)
	s.giveBack(100, rows[:15]...)
	s.run(199)
	s.lose(200, rows[:14]...)
	s.run(600)
	s.want("25 opened suspected", "100 recovering recovering", "200 relapsed suspected", "380 confirmed confirmed")
	s.giveBack(601, rows[:15]...)
	s.run(650)
	s.lose(651, rows[:15]...)
	s.run(700)
	s.want("601 recovering recovering", "651 relapsed confirmed")
}

// TestUnobservableIsNotBack: when nobody can judge the members any more, nothing closes.
func TestUnobservableIsNotBack(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(300)
	s.set(at(300.5), PrefixUnobservable, rows[:20]...)
	s.run(8000)
	if inc := s.only(); !inc.State.Open() || inc.End != nil {
		t.Fatalf("%s, end %v", inc.State, inc.End)
	}
	s.giveBack(8000.5, rows[:18]...)
	s.run(8901)
	if inc := s.only(); inc.State != Closed || inc.End.Time.UnixMicro() != at(8000.5) {
		t.Errorf("%s, end %v", inc.State, inc.End)
	}
}

// TestMembers: who is lost at most 300 s before t0, and who joins later.
func TestMembers(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 200, 5)
	s.run(99)
	s.lose(99.5, rows[0])     // 300.5 s before t0: not a member
	s.lose(100, rows[1])      // 300 s: a member
	s.lose(399, rows[2:6]...) // under the floor (8 prefixes)
	s.run(399)
	s.lose(400, rows[6:8]...) // t0
	s.run(409)
	s.lose(410, rows[8])
	s.run(420)
	s.want("415 opened suspected")
	if len(s.members) != 8 || s.watched[rows[0]] != nil {
		t.Errorf("%d members", len(s.members))
	}
	if inc := s.only(); inc.Start.Earliest.UnixMicro() != at(100) || inc.Start.Latest.UnixMicro() != at(400) {
		t.Errorf("start %+v", inc.Start)
	}
	s.lose(421, rows[9]) // joins the open incident
	s.run(600)
	if len(s.watched) != 9 {
		t.Errorf("%d rows watched", len(s.watched))
	}
	if inc := s.only(); inc.Signals[0].Prefixes.Lost != 10 || inc.Peak.Time.UnixMicro() != at(421) {
		t.Errorf("peak %+v of %v", inc.Signals[0], inc.Peak.Time)
	}
}

// TestOnsetOfMembersLostLater: a prefix lost after t0 does not date what began before, though somebody withdrew it earlier.
func TestOnsetOfMembersLostLater(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(99)
	s.rows[rows[10]].by = []Withdrawal{{at(50), 65009, "p9"}}
	s.rows[rows[1]].by = []Withdrawal{{at(60), 65008, "p8"}}
	s.lose(100, rows[:10]...)
	s.lose(105, rows[10])
	s.run(120)
	if inc := s.only(); inc.Start.Earliest.UnixMicro() != at(60) || inc.Start.Time.UnixMicro() != at(100) || len(s.members) != 11 {
		t.Errorf("%+v, %d members", inc.Start, len(s.members))
	}
}

func TestPauseStopsTheClocks(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(60)
	s.silence(160) // 100 s while waiting for confirmation
	s.run(289)
	s.want("25 opened suspected")
	s.run(399)
	s.want("290 confirmed confirmed")
	s.giveBack(400, rows[:20]...)
	s.run(500)
	s.silence(2500) // 2,000 s while waiting to close: nothing recovers in silence
	s.run(3299)
	s.want("400 recovering recovering")
	s.run(3300)
	s.want("3300 closed closed")
	if inc := s.only(); inc.End.Time.UnixMicro() != at(400) || inc.ClosedAt.UnixMicro() != at(3300) {
		t.Errorf("%v %v", inc.End.Time, inc.ClosedAt)
	}
}

// TestPauseWhilePending: silence holds back the opening, and moves neither t0 nor the start.
func TestPauseWhilePending(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(14)
	s.silence(44) // 30 s
	s.run(54)
	s.want()
	s.run(60)
	s.want("55 opened suspected")
	if inc := s.only(); inc.Start.Latest.UnixMicro() != at(10) || inc.ID != ID(inc.Entity, Outage, at(10)) {
		t.Errorf("%+v", inc.Start)
	}
}

// TestRetractionIsNotRecovery: a change of the monitor's that moves nothing takes back nothing, though the world has just recovered.
func TestRetractionIsNotRecovery(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(1000)
	s.giveBack(1000.5, rows[:20]...)
	s.e.BeginMonitorChange()
	s.e.EndMonitorChange("a peer elsewhere")
	s.run(2000)
	if inc := s.only(); inc.State != Closed || inc.End == nil || inc.End.Time.UnixMicro() != at(1000.5) {
		t.Errorf("%s, end %v", inc.State, inc.End)
	}
}

func TestEpisodes(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(3000)
	s.log = nil
	s.lose(3001, rows[40:50]...) // inside the first hour a rise is part of the ramp
	s.run(3100)
	s.want("3001 size confirmed")
	s.giveBack(3101, rows[40:50]...)
	s.run(4999)
	s.lose(5000, rows[50:54]...) // 24 %: not more than the median and 5 points
	s.run(5099)
	s.want()
	s.lose(5100, rows[54:74]...)
	s.run(5114)
	s.giveBack(5114.5, rows[54:74]...) // 14 s are too short
	s.run(5199)
	s.lose(5200, rows[54:74]...)
	s.run(5214)
	n := len(s.only().Episodes)
	s.run(5215)
	if l := s.only().Episodes; n != 1 || len(l) != 2 || l[1].Earliest.UnixMicro() != at(5000) || l[1].Latest.UnixMicro() != at(5200) || l[1].Prefixes != 24 || !l[1].End.IsZero() || l[1].PeakLostShare != 0.44 {
		t.Fatalf("%d, then %+v", n, l)
	}
	s.run(5400)
	s.log = nil
	s.giveBack(5400.5, rows[50:62]...) // 32 %: of the 24 % that came half are left
	s.run(5499)
	s.want()
	s.giveBack(5499.5, rows[62])
	s.run(6000)
	s.lose(6000.5, rows[62]) // within 15 min the same episode goes on, and after more than 3 it is told as a wave of it
	s.run(6015)
	s.want()
	s.run(6099)
	s.want("6016 wave confirmed")
	if l := s.only().Episodes; len(l) != 2 || l[1].Waves != 1 {
		t.Errorf("%+v", l)
	}
	if r := s.only().Revisions; r[len(r)-1].Reason != "12 prefixes lost again since 2008-02-24T20:40:01Z, after 8 min under half of the episode's peak" {
		t.Error(r[len(r)-1].Reason)
	}
	s.log = nil
	s.giveBack(6099.5, rows[62])
	s.run(6200)
	s.lose(6200.5, rows[62]) // 100 s are no lull
	s.run(6230)
	s.giveBack(6230.5, rows[62])
	s.run(6500)
	s.lose(6500.5, rows[62]) // 270 s are, but 10 s are no wave
	s.run(6510)
	s.giveBack(6510.5, rows[62])
	s.run(7410)
	s.want()
	s.run(7411)
	s.want("7411 episode ended confirmed")
	if l := s.only().Episodes; len(l) != 2 || l[1].End.UnixMicro() != at(6511) || l[1].PeakLostShare != 0.44 {
		t.Errorf("%+v", l)
	}
}

// TestWaves: what would open an incident opens an episode once the incident has been recovering for 15 min; before that it is the
// same wave.
func TestWaves(t *testing.T) {
	for gap, want := range map[int]int{880: 1, 920: 2} {
		s := newSim(t)
		_, rows := s.country("PK", 100, 5)
		s.run(9)
		s.lose(10, rows[:20]...)
		s.run(300)
		s.giveBack(300.5, rows[:17]...) // three stay away, so that the incident stays open
		s.run(int64(300 + gap))
		from := at(float64(300+gap) + 0.5)
		s.lose(float64(300+gap)+0.5, rows[40:48]...)
		s.run(int64(300 + gap + 16))
		s.run(int64(300 + gap + 400))
		s.giveBack(float64(300+gap)+400.5, rows[40:48]...)
		s.run(int64(300 + gap + 400 + 901))
		inc := s.only()
		if len(inc.Episodes) != want || !inc.State.Open() {
			t.Fatalf("after %d s: %+v, %s", gap, inc.Episodes, inc.State)
		}
		if want == 1 {
			continue
		}
		ep := inc.Episodes[1]
		if ep.Earliest.UnixMicro() != from || ep.Latest.UnixMicro() != at(float64(301+gap)) || ep.Prefixes != 8 || ep.End.UnixMicro() != at(float64(300+gap+401)) {
			t.Errorf("after %d s: %+v", gap, ep)
		}
	}
}

func TestWithdrawnPermanently(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(200)
	s.giveBack(200.5, rows[:15]...)
	s.run(86400)
	s.log = nil
	s.run(89999)
	s.want() // judged on the hour, not before 24 h are full
	s.run(90000)
	s.want("90000 withdrawn_permanently recovering")
	s.run(90900)
	s.want("90900 closed closed")

	s = newSim(t) // one that came back for a moment during the day is absent since then
	rows = s.add(BGPv4, 100, 1, s.e.Register(Entity{Type: "network", Code: "AS64500"}))
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(40000)
	s.giveBack(40000.5, rows[0])
	s.lose(40001, rows[0])
	s.run(90000)
	if inc := s.only(); !inc.State.Open() || inc.Revisions[len(inc.Revisions)-1].Reason != "19 member prefixes absent for 24 h leave the membership" {
		t.Errorf("%s: %+v", inc.State, inc.Revisions)
	}

	s = newSim(t)
	rows = s.add(BGPv4, 100, 1, s.e.Register(Entity{Type: "network", Code: "AS64500"}))
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(90000)
	inc := s.only()
	if last := inc.Revisions[len(inc.Revisions)-1]; last.Change != "withdrawn_permanently" || inc.State != Closed || inc.End != nil || inc.ClosedAt.UnixMicro() != at(90000) {
		t.Errorf("%+v, end %v", last, inc.End)
	}
	s.run(90060)
	if len(s.e.Incidents()) != 1 || len(s.watched) != 0 {
		t.Error("what is gone for good opened an incident again")
	}
}

func TestRetraction(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(100)
	s.e.BeginMonitorChange()
	s.giveBack(100.5, rows[:9]...) // 11 are left: above the floor
	s.e.EndMonitorChange("a peer was masked")
	s.run(101)
	s.want("25 opened suspected")
	s.e.BeginMonitorChange()
	s.giveBack(101.5, rows[9:18]...)
	s.e.EndMonitorChange("another peer was masked")
	s.want("101 retracted retracted")
	inc := s.only()
	if last := inc.Revisions[len(inc.Revisions)-1]; last.Reason != "another peer was masked" || inc.State != Retracted || inc.End != nil || len(s.watched) != 0 {
		t.Errorf("%+v, end %v", last, inc.End)
	}
	s.run(2000)
	s.want()
	s.lose(2001, rows[:20]...) // the world, this time
	s.run(2100)
	s.want("2016 opened suspected")
}

// TestRetractionNeedsMembersBack: a monitor change that makes the members unobservable takes nothing back.
func TestRetractionNeedsMembersBack(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(100)
	s.e.BeginMonitorChange()
	s.set(at(100.5), PrefixUnobservable, rows[:20]...)
	s.e.EndMonitorChange("half of the peers went")
	if inc := s.only(); inc.State != Suspected {
		t.Errorf("%s", inc.State)
	}
}

func TestMonitorChangeNeverOpens(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.e.BeginMonitorChange()
	s.lose(10, rows[:20]...)
	s.e.EndMonitorChange("x")
	s.run(399)
	s.lose(400, rows[20:27]...) // 27 are lost, 7 of them by the world
	s.run(500)
	s.want()
	s.lose(501, rows[27])
	s.run(520)
	s.want("516 opened suspected")
	if len(s.members) != 8 {
		t.Errorf("%d members", len(s.members))
	}
	// The shift works downwards too: what the monitor gives back does not leave room for the world's next loss.
	s = newSim(t)
	_, rows = s.country("PK", 100, 5)
	s.e.BeginMonitorChange()
	s.lose(10, rows[:20]...)
	s.giveBack(20, rows[:20]...)
	s.e.EndMonitorChange("x")
	s.run(60)
	s.lose(61, rows[:8]...)
	s.run(100)
	s.want("76 opened suspected")
}

func TestSettleUntil(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.e.SettleUntil(at(1800))
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(1799)
	s.lose(1799.999999, rows[20:40]...)
	s.run(3000)
	s.want()
	s.lose(3000.5, rows[40:48]...) // from the level that the settling left
	s.run(3020)
	s.want("3016 opened suspected")

	s = newSim(t)
	_, rows = s.country("PK", 100, 5)
	s.e.SettleUntil(at(1800))
	s.run(1799)
	s.lose(1800, rows[:8]...)
	s.run(1820)
	s.want("1815 opened suspected")
}

// TestShrinkingDenominator: a share that rose because prefixes left the count is no loss of now.
func TestShrinkingDenominator(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 400, 5)
	s.run(9)
	s.lose(10, rows[:10]...) // 2.5 %: under the floor
	s.run(700)
	s.set(at(700.5), PrefixUnobservable, rows[200:390]...) // 10 of 210, still within 15 min of having had none
	s.run(800)
	s.want()
}

func TestPartOf(t *testing.T) {
	s := newSim(t)
	land := s.e.Register(Entity{Type: "country", Code: "PK"})
	first := s.e.Register(Entity{Type: "network", Code: "AS64500"})
	second := s.e.Register(Entity{Type: "network", Code: "AS64501"})
	abroad := s.e.Register(Entity{Type: "network", Code: "AS64502"})
	a, b := s.add(BGPv4, 30, 1, land, first), s.add(BGPv4, 30, 1, land, second)
	c, rest := s.add(BGPv4, 30, 1, abroad), s.add(BGPv4, 40, 3, land)
	s.parents[first], s.parents[second] = land, land
	s.run(9)
	s.lose(10, append(a[:5:5], c[:5]...)...)
	s.run(99)
	s.want("AS64500 25 opened suspected", "AS64502 25 opened suspected")
	s.lose(100, append(a[5:10:10], rest[:5]...)...)
	s.run(119)
	s.want("PK 115 opened suspected", "AS64500 115 linked suspected")
	s.lose(120, b[:5]...)
	s.run(140)
	s.want("AS64501 135 opened suspected")
	id := s.e.OpenIncident(land)
	for _, inc := range s.e.Incidents() {
		want := inc.Entity.Code == "AS64500" || inc.Entity.Code == "AS64501"
		if got := slices.Equal(inc.Related, []Related{{id, "part_of"}}); got != want || !want && inc.Related != nil {
			t.Errorf("%s: %v", inc.Entity.Code, inc.Related)
		}
		if (inc.Parts != nil) && inc.Entity.Type == "network" {
			t.Errorf("%s has parts", inc.Entity.Code)
		}
	}
}

// TestSecondSignalJoins: IPv6 of the same country is one incident, with both readings, and the earlier start.
func TestSecondSignalJoins(t *testing.T) {
	s := newSim(t)
	land, rows := s.country("PK", 100, 5)
	six := s.add(BGPv6, 50, 5, land)
	s.run(99)
	s.lose(100, rows[:10]...)
	s.run(120)
	s.lose(120.5, six[:40]...)
	s.run(140)
	s.want("115 opened suspected", "136 signal joined suspected")
	inc := s.only()
	if len(inc.Signals) != 2 || inc.Signals[0].Signal != "bgp.v4" || inc.Signals[1].Signal != "bgp.v6" || inc.Signals[1].Unit != "slash48" ||
		inc.Signals[1].LostShare != 0.8 || inc.Signals[0].LostShare != 0.1 {
		t.Errorf("%+v", inc.Signals)
	}
	if inc.Start.Time.UnixMicro() != at(100) || inc.Peak.Time.UnixMicro() != at(120.5) || len(s.members) != 50 {
		t.Errorf("start %v, peak %v, %d members", inc.Start.Time, inc.Peak.Time, len(s.members))
	}
	if want := "Land PK: 40 of 50 observable IPv6 prefixes left the routing table (80.0 %)"; inc.Title != want {
		t.Errorf("%q, want %q", inc.Title, want)
	}
	// One signal back is not the incident over: nine tenths of all members are.
	s.giveBack(200, six[:40]...)
	s.run(1500)
	if inc := s.only(); !inc.State.Open() {
		t.Error("closed with all of IPv4 away")
	}
}

func TestFinish(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:10]...)
	s.run(60)
	s.e.Fault(Entity{Type: "peer", Code: "p"}, at(60), "lost", Context{})
	s.e.Finish(time.UnixMicro(at(61)))
	for _, inc := range s.e.Incidents() {
		if inc.OpenAt.UnixMicro() != at(61) || inc.End != nil || !inc.State.Open() || inc.Revisions[len(inc.Revisions)-1].Change != "input ended" {
			t.Errorf("%s: open at %v, %s, %+v", inc.Entity.Code, inc.OpenAt, inc.State, inc.Revisions)
		}
	}
}

// TestEngineRepeats: the same calls give the same bytes, revision by revision.
func TestEngineRepeats(t *testing.T) {
	story := func() []string {
		s := newSim(t)
		land := s.e.Register(Entity{Type: "country", Code: "PK"})
		var nets []EntityID
		var rows []Row
		for range 12 {
			id := s.e.Register(Entity{Type: "network", Code: "AS" + string(rune('a'+len(nets)))})
			s.parents[id] = land
			nets = append(nets, id)
			rows = append(rows, s.add(SignalID(len(nets)%2), 20, 1, land, id)...)
		}
		s.run(9)
		for i := range 40 {
			s.set(at(float64(10+i*30)), PrefixState(i%3/2), rows[(i*37)%200:(i*37)%200+40]...)
			s.run(int64(30 + i*30))
		}
		s.giveBack(1500, rows...)
		s.run(3000)
		return s.json
	}
	a, b := story(), story()
	if len(a) < 30 || !slices.Equal(a, b) {
		t.Errorf("%d and %d revisions", len(a), len(b))
	}
}

// TestFirstEpisodeWithoutHalfBack: members nobody can judge lower the level and are not back, so the first rise has no end to give.
func TestFirstEpisodeWithoutHalfBack(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(4000)
	s.set(at(4000.5), PrefixUnobservable, rows[:18]...)
	s.run(4000 + 5000)
	s.lose(9001, rows[20:25]...)
	s.run(9100)
	for _, l := range s.log {
		t.Log(l)
	}
	for _, ep := range s.only().Episodes {
		t.Log(ep)
		if !ep.End.IsZero() && ep.End.Year() == 1970 {
			t.Errorf("%v", ep)
		}
	}
}

package detect

import (
	"testing"
	"time"
)

func TestSecondWaveWhileRecovering(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(600)
	s.giveBack(600.5, rows[:20]...)
	s.run(700)
	s.lose(700.5, rows[40:60]...)
	s.run(4000)
	s.lose(4000.5, rows[60])
	s.run(5000)
	for _, l := range s.log {
		t.Log(l)
	}
	if s.e.OpenIncident(0) == "" {
		t.Errorf("21 of 100 prefixes are lost for an hour and nothing is open")
	}
}

func TestFirstEpisodePeak(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(4999)
	s.lose(5000, rows[20:40]...)
	s.run(5100)
	for _, l := range s.log {
		t.Log(l)
	}
	if ep := s.only().Episodes; len(ep) != 2 || ep[0].PeakLostShare != 0.2 {
		t.Errorf("%+v", ep)
	}
}

func TestEpisodeDip(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(4999)
	s.lose(5000, rows[20:40]...)
	s.run(5100)
	s.giveBack(5100.5, rows[20:40]...)
	s.run(5101)
	s.lose(5101.5, rows[20:40]...)
	s.run(5102)
	if ep := s.only().Episodes; len(ep) != 2 {
		t.Errorf("%+v", ep)
	}
}

func TestFinishThenClose(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(60)
	s.e.Finish(time.UnixMicro(at(61)))
	s.giveBack(61, rows[:20]...)
	s.run(2000)
	if inc := s.only(); inc.State != Closed || !inc.OpenAt.IsZero() {
		t.Errorf("%s open_at %v", inc.State, inc.OpenAt)
	}
}

func TestMonitorRowsAreMembers(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(99)
	s.e.BeginMonitorChange()
	s.lose(100, rows[:20]...)
	s.e.EndMonitorChange("x")
	s.lose(110, rows[20:30]...)
	s.run(130)
	if len(s.members) != 10 {
		t.Errorf("%d members, start %+v", len(s.members), s.only().Start)
	}
}

func TestPendingPauseCountsForConfirmation(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	s.run(9)
	s.lose(10, rows[:20]...)
	s.run(14)
	s.silence(44) // 30 s
	s.run(219)
	s.want("55 opened suspected") // 180 s above the floor, of which 30 s were silent, are complete at 220
	s.run(220)
	s.want("220 confirmed confirmed")
}

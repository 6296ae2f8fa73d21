package detect

import "testing"

func TestFaults(t *testing.T) {
	s := newSim(t)
	s.country("PK", 10, 3) // a second entity, so that the log names the peer
	s.e.Register(Entity{Type: "country", Code: "LK"})
	p := Entity{Type: "peer", Code: "rrc00/AS1/192.0.2.1"}
	ctx := Context{Coverage: Coverage{Level: "reduced", Because: []string{"few_voters"}}, Sources: []Source{{Name: "n", Collector: "rrc00"}}}
	s.run(10)
	s.e.Fault(p, at(10.5), "session lost", ctx)
	s.run(20)
	s.e.Fault(p, at(20.5), "lost again", ctx)
	s.e.FaultEnded(Entity{Type: "peer", Code: "another"}, at(21), "x")
	s.run(99)
	s.want(p.Code+" 10 opened confirmed", p.Code+" 20 continued confirmed")
	s.e.FaultEnded(p, at(100), "back")
	s.e.FaultEnded(p, at(101), "still back") // the first word counts
	s.run(500)
	inc := s.only()
	if inc.End.Time.UnixMicro() != at(100) || inc.State != Recovering {
		t.Errorf("%+v", inc)
	}
	s.e.Fault(p, at(501), "lost once more", ctx)
	s.run(600)
	if s.only().End != nil {
		t.Error("a relapse has an end")
	}
	s.e.FaultEnded(p, at(600.5), "back")
	s.run(700)
	s.silence(800)
	s.run(1600)
	s.want(p.Code+" 99 recovering recovering", p.Code+" 500 relapsed confirmed", p.Code+" 600 recovering recovering")
	s.run(1601) // 900 s of health and 100 s of silence
	s.want(p.Code + " 1601 closed closed")
	inc = s.only()
	if inc.Kind != MonitorFault || inc.Entity != p || inc.Start.Time.UnixMicro() != at(10.5) || inc.End.Time.UnixMicro() != at(600.5) ||
		inc.ClosedAt.UnixMicro() != at(1601) || inc.ID != ID(p, MonitorFault, at(10.5)) || inc.Severity != 1 ||
		inc.Title != p.Code+": session lost" || inc.Coverage.Level != "reduced" || len(inc.Sources) != 1 {
		t.Errorf("%+v", inc)
	}
	s.e.Fault(p, at(1700), "lost", ctx)
	s.run(1700)
	if l := s.e.Incidents(); len(l) != 2 || l[0].ID == l[1].ID || l[1].State != Confirmed {
		t.Errorf("%d incidents", len(l))
	}
}

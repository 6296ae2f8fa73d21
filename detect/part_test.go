package detect

import "testing"

// TestPartsMakeNoCircle: a region is a part of the network that lost more elsewhere; when what the network has lost is mostly in that region
// later, and a second signal joins the region's incident, the network does not become a part of its own part.
func TestPartsMakeNoCircle(t *testing.T) {
	s := newSim(t)
	network := s.e.Register(Entity{Type: "network", Code: "AS17563"})
	region := s.e.Register(Entity{Type: "region", Code: "PK-SD"})
	s.parts = []Part{{Entity: Entity{Type: "network", Code: "AS17563"}, Prefixes: 10}}
	both := s.add(BGPv4, 10, 1, region, network)
	s.add(BGPv4, 90, 3, region)
	v6 := s.add(BGPv6, 20, 1, region, network)
	s.run(9)
	s.lose(10, both...)
	s.run(60)
	s.parents[network] = region
	s.lose(61, v6...)
	s.run(120)
	linked := map[string][]Related{}
	for _, inc := range s.e.Incidents() {
		linked[inc.Entity.Key()] = inc.Related
		if len(inc.Signals) != 2 {
			t.Errorf("%s: the second signal has not joined", inc.Entity.Key())
		}
	}
	if r := linked["region:PK-SD"]; len(r) != 1 || r[0].ID != s.e.OpenIncident(network) || len(linked["network:AS17563"]) != 0 {
		t.Errorf("linked %v", linked)
	}
}

// TestWiderNetwork: a region is a part of the network that is nine tenths of its loss and lost more elsewhere, and of none that is less; a
// country never is.
func TestWiderNetwork(t *testing.T) {
	for what, c := range map[string]struct {
		kind     string
		prefixes int
		linked   bool
	}{"nine tenths": {"region", 18, true}, "less": {"region", 17, false}, "a zone": {"zone", 18, true}, "a country": {"country", 20, false}} {
		s := newSim(t)
		network := s.e.Register(Entity{Type: "network", Code: "AS17563"})
		place := s.e.Register(Entity{Type: c.kind, Code: "X"})
		s.parts = []Part{{Entity: Entity{Type: "network", Code: "AS17563"}, Prefixes: c.prefixes}}
		rows := append(s.add(BGPv4, 20, 3, place), s.add(BGPv4, 20, 1, network)...)
		s.add(BGPv4, 20, 3, place)
		s.run(9)
		s.lose(10, rows...)
		s.run(60)
		id := s.e.OpenIncident(network)
		for _, inc := range s.e.Incidents() {
			if inc.Entity.Type == c.kind && (len(inc.Related) == 1 && inc.Related[0].ID == id) != c.linked {
				t.Errorf("%s: related %v", what, inc.Related)
			}
		}
		if id == "" || s.e.OpenIncident(place) == "" {
			t.Errorf("%s: not both are open", what)
		}
	}
}

package detect

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// base is when the simulated journal begins: 2008-02-24T19:00:00Z, a whole hour.
const base = int64(1203879600e6)

// at is a moment of the simulation, seconds after base.
func at(s float64) int64 { return base + int64(s*1e6+0.5) }

// fakeRow is a prefix of the simulated world.
type fakeRow struct {
	sig    SignalID
	in     []EntityID
	units  int64
	origin uint32
	state  PrefixState
	lostAt int64
	deagg  bool
	by     []Withdrawal // newest first
}

// sim is a World small enough to see through, with the engine it drives and the log of what that said.
type sim struct {
	t         *testing.T
	e         *Engine
	rows      []*fakeRow
	now       int64 // of the next tick
	small     bool
	mean      float64
	parts     []Part
	parents   map[EntityID]EntityID
	countries map[EntityID][]CountryLoss
	watched   map[Row][]int
	log       []string // "second change state", with the entity's code in front when there are several
	json      []string // every revision as it was handed out
	members   []Member // of the last revision
}

func newSim(t *testing.T) *sim {
	s := &sim{t: t, now: base, mean: 1, parents: map[EntityID]EntityID{}, watched: map[Row][]int{}}
	s.e = New(DefaultConfig(), Synthetic, "corewatch test", "d1gest", s, func(_ int, inc *Incident, ms []Member) {
		b, err := inc.JSON()
		if err != nil {
			t.Fatal(err)
		}
		s.json = append(s.json, string(b))
		s.members = ms
		r := inc.Revisions[len(inc.Revisions)-1]
		line := fmt.Sprintf("%d %s %s", (r.At.UnixMicro()-base)/1e6, r.Change, r.State)
		if len(s.e.entities) > 1 {
			line = inc.Entity.Code + " " + line
		}
		s.log = append(s.log, line)
		if inc.Revision != len(inc.Revisions) || r.Revision != inc.Revision || r.State != inc.State {
			t.Fatalf("revision %d of %d: %+v", inc.Revision, len(inc.Revisions), r)
		}
	})
	return s
}

// country registers a country with n prefixes of one unit each, of so many origins in turn, and gives their rows.
func (s *sim) country(code string, n, origins int) (EntityID, []Row) {
	id := s.e.Register(Entity{Type: "country", Code: code, Name: "Land " + code})
	return id, s.add(BGPv4, n, origins, id)
}

func (s *sim) add(sig SignalID, n, origins int, in ...EntityID) (rows []Row) {
	for i := range n {
		rows = append(rows, Row(len(s.rows)))
		s.rows = append(s.rows, &fakeRow{sig: sig, in: in, units: 1, origin: uint32(64500 + i%origins), state: PrefixBack})
	}
	return rows
}

// set changes rows at an instant, in the order in which detect/signal reports it: toggles first, then the readings that moved.
func (s *sim) set(us int64, st PrefixState, rows ...Row) {
	type key struct {
		id  EntityID
		sig SignalID
	}
	var moved []key
	for _, r := range rows {
		x := s.rows[r]
		x.state = st
		if st == PrefixLost {
			x.lostAt = us
			if s.e.monitor { // the World's contract: no time that says anything about the world
				x.lostAt = 0
			}
			x.by = append([]Withdrawal{{us, 65001, "p1"}, {us, 65002, "p2"}}, x.by...)
		}
		for _, id := range x.in {
			if s.e.Open(id) {
				s.e.Toggle(id, r, us, st)
			}
			if k := (key{id, x.sig}); !slices.Contains(moved, k) {
				moved = append(moved, k)
			}
		}
	}
	for _, k := range moved {
		s.e.Observe(k.id, k.sig, us, s.reading(k.id, k.sig))
	}
}

func (s *sim) lose(sec float64, rows ...Row)     { s.set(at(sec), PrefixLost, rows...) }
func (s *sim) giveBack(sec float64, rows ...Row) { s.set(at(sec), PrefixBack, rows...) }

func (s *sim) each(id EntityID, sig SignalID, f func(Row, *fakeRow)) {
	for i, x := range s.rows {
		if x.sig == sig && slices.Contains(x.in, id) {
			f(Row(i), x)
		}
	}
}

func (s *sim) reading(id EntityID, sig SignalID) (r Reading) {
	r.SmallQuorum = s.small
	r.Votes = VantageCount{Expected: 20, Voting: 20, Needed: 10}
	var origins []uint32
	s.each(id, sig, func(_ Row, x *fakeRow) {
		if x.state == PrefixUnobservable {
			r.Unobservable += x.units
			r.UnobservablePrefixes++
			return
		}
		r.Prefixes++
		r.Expected += x.units
		if x.state != PrefixLost {
			return
		}
		r.LostPrefixes++
		if x.deagg {
			r.Deaggregated++
			return
		}
		r.Lost += x.units
		if !slices.Contains(origins, x.origin) {
			origins = append(origins, x.origin)
		}
	})
	r.Origins = len(origins)
	return r
}

// run ticks up to and including a second.
func (s *sim) run(to int64)     { s.tick(to, false) }
func (s *sim) silence(to int64) { s.tick(to, true) }

func (s *sim) tick(to int64, paused bool) {
	for ; s.now <= base+to*1e6; s.now += 1e6 {
		s.e.Tick(s.now, paused)
	}
}

// want compares the log since the last call.
func (s *sim) want(lines ...string) {
	s.t.Helper()
	if !slices.Equal(s.log, lines) {
		s.t.Errorf("the story is\n\t%s\nwant\n\t%s", strings.Join(s.log, "\n\t"), strings.Join(lines, "\n\t"))
	}
	s.log = nil
}

func (s *sim) only() *Incident {
	s.t.Helper()
	l := s.e.Incidents()
	if len(l) != 1 {
		s.t.Fatalf("%d incidents", len(l))
	}
	return l[0]
}

func (s *sim) LostRows(e EntityID, sig SignalID, yield func(Row, int64)) {
	s.each(e, sig, func(r Row, x *fakeRow) {
		if x.state == PrefixLost {
			yield(r, x.lostAt)
		}
	})
}

func (s *sim) Origins(e EntityID, sig SignalID, from int64) int {
	seen := map[uint32]bool{}
	s.each(e, sig, func(_ Row, x *fakeRow) {
		if x.state == PrefixLost && x.lostAt >= from {
			seen[x.origin] = true
		}
	})
	return len(seen)
}

func (s *sim) Withdrawals(r Row, from int64, yield func(Withdrawal)) {
	for _, w := range s.rows[r].by {
		if w.At >= from {
			yield(w)
		}
	}
}

func (s *sim) MeanLoss(EntityID, SignalID) float64 { return s.mean }
func (s *sim) Parts(EntityID, SignalID) []Part     { return slices.Clone(s.parts) }
func (s *sim) Member(r Row, _ int) Member {
	return Member{Prefix: fmt.Sprint(r), Units: s.rows[r].units}
}

func (s *sim) Evidence(incident int) *Evidence { return &Evidence{Messages: incident, SHA256: "ab"} }

func (s *sim) Context(EntityID, SignalID) Context    { return Context{Coverage: Coverage{Level: "full"}} }
func (s *sim) Watch(r Row, incident int, from int64) { s.watch(r, incident, from) }
func (s *sim) Within(e EntityID, _ SignalID) []EntityID {
	if p, ok := s.parents[e]; ok {
		return []EntityID{p}
	}
	return nil
}

func (s *sim) Countries(e EntityID, _ SignalID) []CountryLoss { return slices.Clone(s.countries[e]) }

func (s *sim) watch(r Row, incident int, from int64) {
	if slices.Contains(s.watched[r], incident) {
		s.t.Errorf("row %d is watched twice for incident %d", r, incident)
	}
	if want := s.rows[r].lostAt - 300e6; from != want {
		s.t.Errorf("row %d is watched from %d, want %d", r, from, want)
	}
	s.watched[r] = append(s.watched[r], incident)
}

func (s *sim) Unwatch(r Row, incident int) {
	i := slices.Index(s.watched[r], incident)
	if i < 0 {
		s.t.Fatalf("row %d is not watched for incident %d", r, incident)
	}
	if s.watched[r] = slices.Delete(s.watched[r], i, i+1); len(s.watched[r]) == 0 {
		delete(s.watched, r)
	}
}

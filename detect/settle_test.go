package detect

import (
	"slices"
	"testing"
)

const day = 24 * 60

// life lists the changes of an incident.
func life(inc *Incident) (l []string) {
	for _, r := range inc.Revisions {
		l = append(l, r.Change)
	}
	return l
}

// TestNinetyDays: a country is away for 90 days: one incident with one id, settled after seven, closed when it returns.
func TestNinetyDays(t *testing.T) {
	m, id := slowLand(t, nil)
	m.pass(2 * day)
	m.loses(id, 950)
	m.pass(90 * day)
	inc := m.only()
	if want := []string{"opened", "confirmed", "settled"}; !slices.Equal(life(inc), want) || inc.State != Confirmed {
		t.Fatalf("%v, %s", life(inc), inc.State)
	}
	if at := inc.Revisions[2].At.UnixMicro(); at/86400e6 != (inc.Start.Latest.UnixMicro()+7*86400e6)/86400e6 {
		t.Errorf("settled at %v", inc.Revisions[2].At)
	}
	name := inc.ID
	m.loses(id, 800) // part of it returns, and says so
	m.pass(60)
	m.loses(id, 0)
	back := m.now + 1e6
	m.pass(60)
	if inc = m.only(); inc.ID != name || inc.State != Closed || inc.End == nil || inc.End.Time.UnixMicro() != back {
		t.Errorf("%s %s, end %v", inc.ID, inc.State, inc.End)
	}
	if want := []string{"opened", "confirmed", "settled", "settled loss returns", "recovering", "closed"}; !slices.Equal(life(inc), want) {
		t.Errorf("%v", life(inc))
	}
	m.pass(day)
	for i := range 60 { // and the next loss, however slow, is the next incident
		m.loses(id, i+1)
		m.pass(1)
	}
	if n := len(m.e.Incidents()); n != 2 {
		t.Errorf("%d incidents", n)
	}
}

// TestSettledTeachesNothing: 8 % are away for ten weeks. When they have returned, the loss of 5 % is news at once: what had settled was never
// usual. What is usual beside it still is.
func TestSettledTeachesNothing(t *testing.T) {
	m, id := slowLand(t, nil)
	m.pass(day)
	m.loses(id, 80)
	m.pass(10 * weekHours * 60)
	m.loses(id, 0)
	m.pass(day)
	m.loses(id, 50)
	m.pass(2)
	if n := len(m.e.Incidents()); n != 2 {
		t.Errorf("%d incidents", n)
	}
	for history, episodes := range map[float64]int{0.9: 2, 0.5: 1} { // of the eight hours, one lay in the incident
		m := newMinutes(t, func(c *Config) { c.BandHistory = history })
		id := m.land("XA")
		busyHour(m, id, 8)
		m.pass(120)
		m.loses(id, 100)
		m.pass(2*weekHours*60 - 110) // the tenth minute of the busy hour
		m.loses(id, 145)             // under the 5 points of an episode
		m.pass(5)
		if inc := m.only(); len(inc.Episodes) != episodes {
			t.Errorf("history of %v: %v", history, inc.Episodes)
		}
	}
}

// TestBlackoutInsideChronicLoss: 1.2 % are left of an outage for good, for some days or for weeks; then everything goes: a second alert.
func TestBlackoutInsideChronicLoss(t *testing.T) {
	for what, c := range map[string]struct {
		first, days int
		opened      int
		episodes    int
	}{
		"never an incident":                 {0, 30, 1, 0},
		"left of an outage, for two hours":  {40, 0, 1, 1},
		"left of an outage, and given up":   {40, 3, 2, 0},
		"left of an outage, given up, long": {40, 30, 2, 0},
	} {
		m, id := slowLand(t, nil)
		m.pass(day)
		if c.first > 0 {
			m.loses(id, c.first)
			m.pass(120)
		}
		m.loses(id, 12)
		m.pass(c.days*day + 120)
		m.loses(id, 700)
		m.pass(30)
		if o, e := m.changes("opened"), m.changes("episode"); o != c.opened || e != c.episodes {
			t.Errorf("%s: opened %d, episodes %d, want %d and %d", what, o, e, c.opened, c.episodes)
		}
	}
}

// TestFurtherLossBesideSettled: what has settled is not looked at any more, so that the floors are as low as ever: 3.2 % more is news,
// which one before the settling is not; so is a slow decline.
func TestFurtherLossBesideSettled(t *testing.T) {
	story := func(days int, further func(*minutes, EntityID)) *Incident {
		m, id := slowLand(t, nil)
		m.pass(2 * day)
		m.loses(id, 100)
		m.pass(days * day)
		further(m, id)
		return m.only()
	}
	fast := func(m *minutes, id EntityID) { m.loses(id, 132); m.pass(10) }
	if inc := story(6, fast); len(inc.Episodes) != 1 {
		t.Errorf("before it settled: %v", life(inc))
	}
	inc := story(9, fast)
	if last := inc.Revisions[len(inc.Revisions)-1]; last.Change != "episode" || last.Reason != "a further loss above the floor, beside the settled one" || len(inc.Episodes) != 2 {
		t.Errorf("settled: %v", inc.Revisions)
	}
	inc = story(9, func(m *minutes, id EntityID) { fast(m, id); m.loses(id, 100); m.pass(20); m.loses(id, 132); m.pass(10) })
	if len(inc.Episodes) != 3 || inc.Episodes[1].End.IsZero() || !inc.Episodes[2].End.IsZero() || inc.State != Confirmed {
		t.Errorf("twice: %+v, %s", inc.Episodes, inc.State)
	}
	inc = story(9, func(m *minutes, id EntityID) { m.loses(id, 128); m.pass(60); m.loses(id, 100); m.pass(60) })
	if len(inc.Episodes) != 1 {
		t.Errorf("under the floor: %+v", inc.Episodes)
	}
	var began int64
	inc = story(12, func(m *minutes, id EntityID) {
		began = m.now
		for i := range 60 {
			m.loses(id, 101+i)
			m.pass(1)
		}
	})
	if last := inc.Revisions[len(inc.Revisions)-1]; last.Reason != "slow decline beside the settled loss" || len(inc.Episodes) != 2 || inc.Episodes[1].Start.UnixMicro() != began {
		t.Errorf("slowly: %v, %+v", inc.Revisions, inc.Episodes)
	}
	// It settles again with what came beside it, and a third loss is news.
	inc = story(9, func(m *minutes, id EntityID) { fast(m, id); m.pass(8 * day); m.loses(id, 164); m.pass(10) })
	if want := []string{"opened", "confirmed", "settled", "episode", "settled", "episode"}; !slices.Equal(life(inc), want) {
		t.Errorf("%v", life(inc))
	}
}

// TestNothingSettlesInMotion: a loss that moves by more than a point every few days does not settle; one of less than a point does.
func TestNothingSettlesInMotion(t *testing.T) {
	for step, settled := range map[int]int{8: 1, 12: 0} {
		m, id := slowLand(t, nil)
		m.pass(day)
		for range 10 {
			m.loses(id, 300)
			m.pass(2 * day)
			m.loses(id, 300+step)
			m.pass(2 * day)
		}
		if n := m.changes("settled"); n != settled {
			t.Errorf("moves of %d thousandths: settled %d times", step, n)
		}
	}
	m, id := slowLand(t, nil) // silence is not stillness
	m.pass(day)
	m.loses(id, 300)
	m.pass(3 * day)
	for range 10 * day {
		m.now += 60e6
		m.e.Tick(m.now, true)
	}
	m.pass(3 * day)
	if n := m.changes("settled"); n != 0 {
		t.Error("settled while the feed was silent")
	}
	m.pass(2 * day)
	if n := m.changes("settled"); n != 1 {
		t.Errorf("settled %d times after seven days of sight", n)
	}
}

// TestWhoStays: members that are away for a day leave a network that lost a part, and stay where they are the incident.
func TestWhoStays(t *testing.T) {
	for what, c := range map[string]struct {
		country bool
		lost    int
		open    bool
	}{
		"a country":            {true, 100, true},
		"a third of a net":     {false, 333, false},
		"half of a network":    {false, 500, true},
		"less than half":       {false, 499, false},
		"a network as a whole": {false, 1000, true},
	} {
		m, _ := slowLand(t, nil)
		id := m.net("AS64500")
		if c.country {
			id = m.land("XB")
		}
		m.pass(60)
		m.loses(id, c.lost)
		m.pass(3 * day)
		if inc := m.only(); inc.State.Open() != c.open {
			t.Errorf("%s: %s", what, inc.State)
		}
	}
	// A part of a country's outage stays as long as that is open.
	m, land := slowLand(t, nil)
	net := m.net("AS64500")
	m.parents[net] = land
	m.pass(60)
	m.loses(land, 300)
	m.loses(net, 300)
	m.pass(3 * day)
	if m.e.OpenIncident(land) == "" || m.e.OpenIncident(net) == "" {
		t.Error("the part ended before the whole")
	}
	m.loses(land, 0)
	m.pass(120)
	if m.e.OpenIncident(land) != "" || m.e.OpenIncident(net) != "" {
		t.Error("the part goes on without the whole")
	}
}

// TestNightlyCurfews: half of a country, or as little as 8 % of it, is away each night for six hours, for eight weeks; the 57th night is
// found like the first, because the minutes of incidents are no samples. One of half would be found anyway: no band is above its cap.
func TestNightlyCurfews(t *testing.T) {
	for _, step := range []int{50, 8} {
		m, id := slowLand(t, nil)
		const nights = 56
		for night := range nights + 1 {
			for i := range 10 { // it takes ten minutes, so that some of it is seen before the floor
				m.loses(id, step*(i+1))
				m.pass(1)
			}
			if n := m.changes("opened"); n != night+1 {
				t.Fatalf("steps of %d: night %d: %d incidents", step, night+1, n)
			}
			m.pass(6*60 - 10)
			m.loses(id, step/2)
			m.pass(18 * 60)
		}
	}
}

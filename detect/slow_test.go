package detect

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// slowLand is a country with the test for slow declines on.
func slowLand(t *testing.T, change func(*Config)) (*minutes, EntityID) {
	m := newMinutes(t, func(c *Config) {
		c.SlowReference = DefaultConfig().SlowReference
		if change != nil {
			change(c)
		}
	})
	return m, m.land("XA")
}

// TestSlowDecline: 6 % of a country go within an hour, a tenth of a point a minute: nothing for the floors, which look at a quarter of an
// hour, and found while it goes on. The interval begins with the last minute at which all was as it used to be.
func TestSlowDecline(t *testing.T) {
	m, id := slowLand(t, nil)
	m.loses(id, 20) // 2 % have been away all the time
	m.pass(26 * 60)
	began := m.now
	for i := range 60 {
		m.loses(id, 21+i)
		m.pass(1)
	}
	inc := m.only()
	if inc.Start.Earliest.UnixMicro() != began || inc.Start.Time.UnixMicro() != began+1e6 && inc.Start.Time.Before(inc.Start.Earliest.Time) {
		t.Errorf("start %v, want from %v", inc.Start, micros(began))
	}
	if after := inc.Start.Latest.UnixMicro() - began; after < 31*60e6 || after > 50*60e6 {
		t.Errorf("t0 is %d min after the beginning", after/60e6)
	}
	first := inc.Revisions[0]
	if !strings.HasPrefix(first.Reason, "slow decline: ") || !strings.HasSuffix(first.Reason, "since "+micros(began).String()) || inc.State != Confirmed {
		t.Errorf("%+v, now %s", first, inc.State)
	}
	// The loss stands for a day: the same incident. It returns: closed, with an end, and no second one.
	m.pass(24 * 60)
	m.loses(id, 20)
	m.pass(3 * 24 * 60)
	if inc := m.only(); inc.State != Closed || inc.End == nil {
		t.Errorf("%s, end %v", inc.State, inc.End)
	}
}

// TestMembersOfSlowDecline: all that went since it began belong to it, not only those of the last minutes; what was away before does not.
func TestMembersOfSlowDecline(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 400, 5)
	minute := func(i int) { s.e.Tick(base+int64(i)*60e6, false) }
	minute(0)
	s.lose(30, rows[:8]...)
	for i := 1; i <= 13*60; i++ {
		minute(i)
	}
	lost := 0
	for i := 13*60 + 1; len(s.log) == 0 && i < 15*60; i++ {
		if i%2 == 0 {
			s.lose(float64(i)*60-30, rows[8+lost])
			lost++
		}
		minute(i)
	}
	if len(s.log) == 0 || lost < 12 || len(s.members) != lost {
		t.Errorf("%d members of %d, %v", len(s.members), lost, s.log)
	}
}

// TestSlowDeclineNeeds holds each number of the test at both sides.
func TestSlowDeclineNeeds(t *testing.T) {
	for what, c := range map[string]struct {
		before, minutes, step int // hours at 2 %, then so many minutes of step thousandths each
		stand                 int // minutes at the level reached
		change                func(*Config)
		want                  int
	}{
		"a slow decline":             {26, 60, 1, 0, nil, 1},
		"one of a day":               {26, 24 * 60, 0, 0, nil, 0},
		"less than half a day known": {10, 60, 1, 0, nil, 1}, // measured from the lowest of the last hours
		"… and they do not count":    {10, 60, 1, 0, func(c *Config) { c.SlowRecent = 0 }, 0},
		"… and just above":           {10, 35, 1, 30, nil, 1},
		"… for four minutes":         {10, 32, 1, 1, nil, 0},
		"… over ten hours":           {10, 60, 0, 0, func(c *Config) { c.SlowRecent = 10 }, 0},
		"ten hours asked for":        {10, 60, 1, 0, func(c *Config) { c.SlowHistory = 10 }, 1},
		"under the floor":            {26, 29, 1, 600, nil, 0},
		"just above, and it stands":  {26, 33, 1, 60, nil, 1},
		"just above, for minutes":    {26, 33, 1, 20, nil, 0},
		"no test":                    {26, 60, 1, 0, func(c *Config) { c.SlowReference = 0 }, 0},
		"a higher threshold":         {26, 60, 1, 0, func(c *Config) { c.SlowThreshold = 60 }, 0},
		"a lower one":                {26, 33, 1, 20, func(c *Config) { c.SlowThreshold = 1 }, 1},
		"no allowance":               {26, 29, 1, 600, func(c *Config) { c.SlowAllowance = 0 }, 0}, // the floor is asked all the same
	} {
		m, id := slowLand(t, c.change)
		m.loses(id, 20)
		m.pass(c.before * 60)
		for i := range c.minutes {
			m.loses(id, 20+(i+1)*c.step)
			m.pass(1)
		}
		m.pass(c.stand)
		if got := len(m.e.Incidents()); got != c.want {
			t.Errorf("%s: %d incidents, want %d", what, got, c.want)
		}
	}
}

// TestSlowDeclineOfYoungFeed: with less than an hour known nothing is said of a decline; then it is measured from the lowest of that hour,
// and so is where it began.
func TestSlowDeclineOfYoungFeed(t *testing.T) {
	m, id := slowLand(t, nil)
	m.pass(20)
	began := m.now
	for i := range 40 {
		m.loses(id, (i+1)*14/10)
		if m.pass(1); len(m.e.Incidents()) > 0 {
			t.Fatalf("an incident after %d minutes", 21+i)
		}
	}
	m.pass(10)
	if inc := m.only(); inc.Start.Earliest.UnixMicro() != began || !strings.HasPrefix(inc.Revisions[0].Reason, slowDecline) {
		t.Errorf("start %v, want from %v: %s", inc.Start, micros(began), inc.Revisions[0].Reason)
	}
}

// TestSlowDeclineIsNoSpike: a country that stands a little higher than usual for hours and has a spike of a few minutes. Without the
// allowance the sum is full before the spike; then it is one as long as most of the rise came within the last minutes.
func TestSlowDeclineIsNoSpike(t *testing.T) {
	for _, c := range []struct {
		allowance     float64
		minutes, want int
	}{{1, 2, 0}, {1, 10, 0}, {0, 2, 0}, {0, 10, 1}} {
		m, id := slowLand(t, func(cfg *Config) { cfg.SlowAllowance = c.allowance })
		m.pass(26 * 60)
		for i := range 20 {
			m.loses(id, i)
			m.pass(2)
		}
		m.pass(120)
		m.loses(id, 40) // 2.1 points more: under the floor of a quarter of an hour, over the one of the median
		m.pass(c.minutes)
		m.loses(id, 20)
		m.pass(60)
		if got := len(m.e.Incidents()); got != c.want {
			t.Errorf("allowance %v, %d minutes: %d incidents", c.allowance, c.minutes, got)
		}
	}
}

// TestNoiseIsNoDecline: two weeks of seeded noise around a level, three kinds of it, three seeds each, never above the floor for long.
func TestNoiseIsNoDecline(t *testing.T) {
	for seed := range uint64(3) {
		for what, noise := range map[string]func(*rand.Rand, int) float64{
			"white, half a point":      func(r *rand.Rand, _ int) float64 { return 5 * r.NormFloat64() },
			"daily swing of 2 points":  func(r *rand.Rand, i int) float64 { return 20*math.Sin(2*math.Pi*float64(i)/1440) + 2*r.NormFloat64() },
			"sticky, about 0.7 points": sticky(7, 0.98),
		} {
			r := rand.New(rand.NewPCG(seed, 11))
			m, id := slowLand(t, nil)
			for i := range 2 * weekHours * 60 {
				m.loses(id, max(0, 40+int(noise(r, i))))
				m.pass(1)
			}
			for _, inc := range m.e.Incidents() {
				if strings.HasPrefix(inc.Revisions[0].Reason, slowDecline) {
					t.Errorf("%s, seed %d: %s", what, seed, inc.Revisions[0].Reason)
				}
			}
		}
	}
}

// sticky is noise that remembers: each minute keeps the given share of the last.
func sticky(sd, keep float64) func(*rand.Rand, int) float64 {
	x := 0.0
	return func(r *rand.Rand, i int) float64 {
		if i == 0 {
			x = 0
		}
		x = keep*x + sd*math.Sqrt(1-keep*keep)*r.NormFloat64()
		return x
	}
}

// TestKnownLevelsAreNoDecline: what is left of an incident that closed, and what our own bookkeeping moved, is no news, however long it
// stands; a further decline from there is.
func TestKnownLevelsAreNoDecline(t *testing.T) {
	m, id := slowLand(t, nil)
	m.pass(26 * 60)
	m.loses(id, 600)
	m.pass(60)
	m.loses(id, 50) // nine tenths are back, and 5 % stay away
	m.pass(100 * 60)
	if inc := m.only(); inc.State != Closed {
		t.Fatal(inc.State)
	}
	m, id = slowLand(t, nil) // but once it has returned, it is news again
	m.pass(26 * 60)
	m.loses(id, 600)
	m.pass(60)
	m.loses(id, 50)
	m.pass(60)
	m.loses(id, 0)
	m.pass(60)
	for i := range 60 {
		m.loses(id, i+1)
		m.pass(1)
	}
	if n := len(m.e.Incidents()); n != 2 {
		t.Errorf("%d incidents", n)
	}
	m, id = slowLand(t, nil)
	m.pass(26 * 60)
	m.e.BeginMonitorChange()
	m.loses(id, 60)
	m.e.EndMonitorChange("a session was masked")
	m.pass(100 * 60)
	if n := len(m.e.Incidents()); n != 0 {
		t.Fatalf("%d incidents of our own making", n)
	}
	for i := range 60 {
		m.loses(id, 61+i)
		m.pass(1)
	}
	m.only()
}

// TestOwnStepDuringDecline: a session that is masked for seconds while a country drains away moves its level down and up again. The decline
// goes on from where it began.
func TestOwnStepDuringDecline(t *testing.T) {
	m, id := slowLand(t, nil)
	m.pass(120)
	began := m.now
	for i := range 50 {
		if i == 20 {
			m.e.BeginMonitorChange()
			m.loses(id, 17)
			m.loses(id, 20)
			m.e.EndMonitorChange("a session was masked and came back")
		}
		m.loses(id, i+1)
		m.pass(1)
	}
	if inc := m.only(); inc.Start.Earliest.UnixMicro() != began {
		t.Errorf("start %v, want from %v", inc.Start, micros(began))
	}
}

// TestShrinkingIsNoDecline: a share that rises because the denominator shrinks is no decline.
func TestShrinkingIsNoDecline(t *testing.T) {
	m, id := slowLand(t, nil)
	m.loses(id, 29)
	m.pass(26 * 60)
	m.w.old = 29
	m.loses(id, 30)               // one more does not make it a decline
	for n := 1000; n > 290; n-- { // to a tenth
		m.e.Observe(id, BGPv4, m.now+1e6, Reading{Expected: int64(n), Lost: 30, Prefixes: n, LostPrefixes: 30, Origins: 10})
		m.pass(2)
	}
	if n := len(m.e.Incidents()); n != 0 {
		t.Errorf("%d incidents", n)
	}
}

// TestLevelInJumps: deaggregated prefixes make the level jump, which no floor takes for a loss. Two minutes of that are no slow decline.
func TestLevelInJumps(t *testing.T) {
	for minutes, want := range map[int]int{2: 0, 10: 1} {
		m, id := slowLand(t, nil)
		m.pass(26 * 60)
		for i := range 25 {
			m.loses(id, i)
			m.pass(2)
		}
		m.pass(30)
		m.w.age(id, 250, m.now+1e6)
		m.w.lost[id] = 250
		m.e.Observe(id, BGPv4, m.now+1e6, Reading{Expected: 1000, Lost: 40, Prefixes: 1000, LostPrefixes: 250, Deaggregated: 210, Origins: 10})
		m.pass(minutes)
		m.loses(id, 24)
		m.pass(30)
		if n := len(m.e.Incidents()); n != want {
			t.Errorf("%d minutes: %d incidents", minutes, n)
		}
	}
}

// TestDeclineInsideBand: weeks at 6 % leave a band of 6 %. A slow decline to less than that, days after the return, is found and confirmed;
// a sudden one is what the band is for.
func TestDeclineInsideBand(t *testing.T) {
	for _, slowly := range []bool{true, false} {
		m, id := slowLand(t, nil)
		m.e.BeginMonitorChange()
		m.loses(id, 60)
		m.e.EndMonitorChange("it was so when we began")
		m.pass(8 * weekHours * 60)
		m.loses(id, 0)
		m.pass(3 * day)
		if slowly {
			for i := range 120 {
				m.loses(id, min(55, i+1))
				m.pass(1)
			}
			if inc := m.only(); inc.ConfirmedAt.IsZero() || m.e.normal(m.e.watches[id].tracks[0], m.now) < 0.06 {
				t.Errorf("%+v", inc.Revisions)
			}
			continue
		}
		m.loses(id, 55)
		m.pass(4)
		if n := len(m.e.Incidents()); n != 0 {
			t.Errorf("%d incidents", n)
		}
	}
}

// TestSilenceIsNoSample: while the feed is silent or young nothing is learned, and nothing declines.
func TestSilenceIsNoSample(t *testing.T) {
	m, id := slowLand(t, nil)
	m.loses(id, 20)
	m.e.SetLearning(true)
	m.pass(30 * 60)
	m.e.SetLearning(false)
	for range 30 * 60 {
		m.now += 60e6
		m.e.Tick(m.now, true)
	}
	if tr := m.e.watches[id].tracks[BGPv4]; len(tr.past) != 0 || m.e.looked.hour != 0 {
		t.Errorf("%v", tr.past)
	}
}

package detect

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The stories of this file run by the minute: the engine reads weeks of them in a second. share lets a signal of an entity stand at a
// level without naming prefixes.

// shareWorld is a World whose prefixes are lost in order, and return in the opposite one: enough for what counts shares only.
type shareWorld struct {
	*sim
	lostAt map[EntityID][]int64 // when each was lost
	lost   map[EntityID]int
	old    int // so many of the rows were lost in another time
}

func (s *shareWorld) LostRows(e EntityID, _ SignalID, yield func(Row, int64)) {
	for i := range s.lost[e] {
		if i < s.old {
			yield(Row(i), base)
		} else {
			yield(Row(i), s.lostAt[e][i])
		}
	}
}

func (s *shareWorld) Origins(EntityID, SignalID, int64) int    { return 10 }
func (s *shareWorld) Withdrawals(Row, int64, func(Withdrawal)) {}
func (s *shareWorld) Watch(Row, int, int64)                    {}
func (s *shareWorld) Unwatch(Row, int)                         {}
func (s *shareWorld) Member(Row, int) Member                   { return Member{} }

// minutes drives an engine by the minute.
type minutes struct {
	*sim
	w   *shareWorld
	now int64 // the last minute ticked
}

func newMinutes(t *testing.T, change func(*Config)) *minutes {
	s := newSim(t)
	cfg := DefaultConfig()
	cfg.SlowReference = 0 // the test for slow declines has stories of its own
	if change != nil {
		change(&cfg)
	}
	w := &shareWorld{sim: s, lostAt: map[EntityID][]int64{}, lost: map[EntityID]int{}}
	s.e = New(cfg, Synthetic, "corewatch test", "d1gest", w, nil)
	return &minutes{sim: s, w: w, now: base - 60e6}
}

// age notes that n are lost, those beyond what was lost before since at.
func (s *shareWorld) age(id EntityID, n int, at int64) {
	list := s.lostAt[id]
	list = list[:min(n, len(list))]
	for len(list) < n {
		list = append(list, at)
	}
	s.lostAt[id] = list
}

// loses makes n of a thousand prefixes of an entity lost, of as many units and of ten origins, now.
func (m *minutes) loses(id EntityID, n int) {
	was := m.w.lost[id]
	m.w.age(id, n, m.now+1e6)
	m.w.lost[id] = n
	if m.e.Open(id) {
		for i := was; i < n; i++ {
			m.e.Toggle(id, Row(i), m.now+1e6, PrefixLost)
		}
		for i := n; i < was; i++ {
			m.e.Toggle(id, Row(i), m.now+1e6, PrefixBack)
		}
	}
	m.e.Observe(id, BGPv4, m.now+1e6, Reading{Expected: 1000, Lost: int64(n), Prefixes: 1000, LostPrefixes: n, Origins: min(n, 10), Votes: VantageCount{Expected: 20, Voting: 20, Needed: 10}})
}

// pass lets n minutes go by.
func (m *minutes) pass(n int) {
	for range n {
		m.now += 60e6
		m.e.Tick(m.now, false)
	}
}

func (m *minutes) land(code string) EntityID {
	return m.e.Register(Entity{Type: "country", Code: code})
}

func (m *minutes) net(code string) EntityID { return m.e.Register(Entity{Type: "network", Code: code}) }

// opened lists the changes of all incidents of a kind.
func (m *minutes) changes(what ...string) (n int) {
	for _, inc := range m.e.Incidents() {
		for _, r := range inc.Revisions {
			if slices.Contains(what, r.Change) {
				n++
			}
		}
	}
	return n
}

// TestCounts holds quantile and deviation to the slow and obvious way: every sample written out.
func TestCounts(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	for range 300 {
		var c counts
		var all []int
		for range 1 + r.IntN(12) {
			code, n := r.IntN(30), r.IntN(70)
			c.add(uint16(code), n)
			all = append(all, slices.Repeat([]int{code}, n)...)
		}
		if c.total != len(all) {
			t.Fatalf("%d samples of %d", c.total, len(all))
		}
		if len(all) == 0 {
			continue
		}
		rank := func(l []int, q float64) int {
			slices.Sort(l)
			return l[max(0, int(math.Ceil(q*float64(len(l))))-1)]
		}
		for _, q := range []float64{0.5, 0.9, 0.999, 1} {
			if got := int(c.quantile(q)); got != rank(all, q) {
				t.Fatalf("quantile %v of %v: %d, want %d", q, all, got, rank(all, q))
			}
		}
		m := rank(all, 0.5)
		dev := make([]int, len(all))
		for i, x := range all {
			dev[i] = max(x-m, m-x)
		}
		if got := int(c.deviation()); got != rank(dev, 0.5) {
			t.Fatalf("deviation of %v: %d, want %d", all, got, rank(dev, 0.5))
		}
	}
}

// TestHistoryIsBounded: whatever the levels are, a period keeps few bins, all minutes, its largest level, and errs upwards only.
func TestHistoryIsBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 2))
	var h history
	for period := uint32(100); period < 2000; period++ {
		largest, sum := uint16(0), 0
		for range 60 {
			code := uint16(1 + r.IntN(codeScale))
			if r.IntN(4) == 0 {
				code = noCode
			} else {
				largest = max(largest, code)
				sum += int(code)
			}
			h.add(period, code, period-min(period, 50))
		}
		s := h.span(period, period)
		got, kept, minutes := uint16(0), 0, 0
		for _, b := range s {
			minutes += int(b.minutes)
			if b.code != noCode {
				got = max(got, b.code)
				kept += int(b.code) * int(b.minutes)
			}
		}
		if minutes != 60 || len(s) > maxCodes+1 || got != largest || kept < sum {
			t.Fatalf("period %d: %d minutes in %d bins, largest %d of %d, sum %d of %d", period, minutes, len(s), got, largest, kept, sum)
		}
	}
	if len(h) > 51*(maxCodes+1) || h[0].period != 1999-50 {
		t.Errorf("%d bins from %d", len(h), h[0].period)
	}
	for level, code := range map[float64]uint16{0: 0, 0.0001: 1, 0.0300000001: 30, 0.03001: 31, 1: 1000, 1.5: 1000, 9. / 300: 30} {
		if codeOf(level) != code {
			t.Errorf("%v is %d, want %d", level, codeOf(level), code)
		}
	}
}

func TestWatched(t *testing.T) {
	w := watched{minutes: make([]uint8, 10)}
	for range 70 {
		w.add(1000)
	}
	w.add(1003)
	for hour, want := range map[uint32]int{1000: 60, 1001: 0, 1003: 1, 1004: 0, 990: 0, 0: 0, math.MaxUint32: 0} {
		if got := w.of(hour); got != want {
			t.Errorf("hour %d: %d, want %d", hour, got, want)
		}
	}
	w.add(1010)
	if w.of(1000) != 0 || w.of(1010) != 1 || w.of(1003) != 1 {
		t.Error("the ring forgets what is ten hours old, and only that")
	}
	w.add(5000)
	if w.of(1003) != 0 || w.of(1010) != 0 || w.of(5000) != 1 {
		t.Error("a long gap clears it")
	}
}

// busyHour lives through weeks in which a country's level swings up to 5.4 % and back each Sunday from 19:00 to 20:00 UTC, and is at
// nothing else: never a floor within 15 minutes. The band of that hour is 5.4 % and three times 1.3 or 1.4 points.
func busyHour(m *minutes, id EntityID, weeks int) {
	for range weeks {
		for i := range 60 {
			m.loses(id, 18*min(i, 60-i)/10)
			m.pass(1)
		}
		m.loses(id, 0)
		m.pass(weekHours*60 - 60)
	}
}

// TestBand: after eight weeks a rise within what is usual for this hour of the week is no news; the same rise an hour later is, and so
// is a larger one.
func TestBand(t *testing.T) {
	for what, c := range map[string]struct {
		weeks, after int // minutes into the week
		lost         int
		change       func(*Config)
		want         int
	}{
		"within the band":                  {8, 5, 54, nil, 0},
		"at its upper edge":                {8, 5, 93, nil, 0},
		"over the band":                    {8, 5, 97, nil, 1},
		"an hour later":                    {8, 65, 54, nil, 1},
		"seven weeks are too few":          {7, 5, 54, nil, 1},
		"seven weeks are enough for seven": {7, 5, 54, func(c *Config) { c.BandWeeks = 7 }, 0},
		"no band":                          {8, 5, 54, func(c *Config) { c.BandWeeks = 0 }, 1},
		"less history asked for":           {7, 5, 54, func(c *Config) { c.BandHistory = 0.5 }, 0},
		"the median":                       {8, 5, 54, func(c *Config) { c.BandQuantile, c.BandMADFactor = 0.5, 0 }, 1},
		"without the deviation":            {8, 5, 93, func(c *Config) { c.BandMADFactor = 0 }, 1},
		"a lower cap":                      {8, 5, 54, func(c *Config) { c.CountryCap = 0.02 }, 1},
		"the cap":                          {8, 5, 105, func(c *Config) { c.BandMADFactor = 10 }, 1},
		"a higher cap":                     {8, 5, 105, func(c *Config) { c.BandMADFactor, c.CountryCap = 10, 1 }, 0},
	} {
		t.Run(what, func(t *testing.T) {
			m := newMinutes(t, c.change)
			id := m.land("XA")
			busyHour(m, id, c.weeks)
			if len(m.e.Incidents()) != 0 {
				t.Fatalf("the weeks before were not silent: %d incidents", len(m.e.Incidents()))
			}
			m.pass(c.after)
			m.loses(id, c.lost)
			m.pass(5)
			if got := len(m.e.Incidents()); got != c.want {
				t.Errorf("%d incidents, want %d; normal is %v", got, c.want, m.e.watches[id].tracks[0].band)
			}
		})
	}
}

// TestNetworkBand: one band for all hours, over four weeks.
func TestNetworkBand(t *testing.T) {
	for what, c := range map[string]struct {
		days   int
		lost   int
		change func(*Config)
		want   int
	}{
		"within the band":        {29, 100, nil, 0},
		"over the band":          {29, 103, nil, 1},
		"too few days":           {25, 100, nil, 1},
		"half of the days asked": {25, 100, func(c *Config) { c.BandDays = 14 }, 0},
		"no band":                {29, 100, func(c *Config) { c.BandDays = 0 }, 1},
		"a lower cap":            {29, 100, func(c *Config) { c.NetworkCap = 0.05 }, 1},
		"more than all days":     {29, 100, func(c *Config) { c.BandHistory = 1; c.BandDays = 30 }, 1},
	} {
		t.Run(what, func(t *testing.T) {
			m := newMinutes(t, c.change)
			id := m.net("AS64500")
			for range c.days { // up to 10 % and back within the day, two thousandths in five minutes
				for i := range 100 {
					m.loses(id, 2*min(i, 100-i))
					m.pass(5)
				}
				m.loses(id, 0)
				m.pass(24*60 - 500)
			}
			if len(m.e.Incidents()) != 0 {
				t.Fatalf("the days before were not silent: %d incidents", len(m.e.Incidents()))
			}
			m.pass(60)
			m.loses(id, c.lost)
			m.pass(5)
			if got := len(m.e.Incidents()); got != c.want {
				t.Errorf("%d incidents, want %d; normal is %v", got, c.want, m.e.watches[id].tracks[0].band)
			}
		})
	}
}

// TestBandIsFrozen: a loss that falls back inside the band is over before it is confirmed, though it is above the floor.
func TestBandIsFrozen(t *testing.T) {
	m := newMinutes(t, nil)
	id := m.land("XA")
	busyHour(m, id, 8)
	m.pass(5)
	m.loses(id, 97)
	m.pass(1)
	m.loses(id, 60)
	m.pass(10)
	if inc := m.only(); !inc.ConfirmedAt.IsZero() {
		t.Errorf("%+v", inc.Revisions)
	}
}

// TestTooLittleIsNoSample: what a few observable prefixes say is no level of the entity.
func TestTooLittleIsNoSample(t *testing.T) {
	m := newMinutes(t, nil)
	id := m.land("XA")
	m.e.Observe(id, BGPv4, m.now+1e6, Reading{Expected: 499, Unobservable: 501, Lost: 20, Prefixes: 499, LostPrefixes: 20, Origins: 1})
	m.pass(30)
	for _, b := range m.e.watches[id].tracks[BGPv4].past {
		if b.code != noCode {
			t.Errorf("%+v", b)
		}
	}
}

package rival

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// t0 is the beginning of a bin.
const t0 = 1_200_000_000 * bgp.Second

func at(s int) bgp.Micros { return t0 + bgp.Seconds(int64(s)) }

func peer(n int) bgp.Peer {
	return bgp.Peer{Collector: "c", AS: 64600 + uint32(n), Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})}
}

// block is the n-th /24 of 10/8.
func block(n int) bgp.Prefix { return bgp.PrefixFrom4(10<<24|uint32(n)<<8, 24) }

func country(bgp.Prefix, uint32) string { return "ZZ" }

// only are the alerts about the country, as text with times in seconds.
func only(alerts []Alert) (out []string) {
	sec := func(m bgp.Micros) int64 {
		if m == 0 {
			return -1
		}
		return int64((m - t0) / bgp.Second)
	}
	for _, a := range alerts {
		if a.Entity.Kind == "country" {
			out = append(out, fmt.Sprintf("%s %s v%d %d %d %d %d lost %d of %d", a.Level, a.Entity.Code, a.Family, sec(a.Start), sec(a.Raised), sec(a.Published), sec(a.Ended), a.Lost, a.Expected))
		}
	}
	return out
}

func same(t *testing.T, got []Alert, want ...string) {
	t.Helper()
	if g := only(got); !slices.Equal(g, want) {
		t.Errorf("alerts\n%q, want\n%q", g, want)
	}
}

// iodaWith feeds a table of 10 blocks over 4 sessions and lets 20 bins pass.
func iodaWith(table bool) *IODA {
	o := NewIODA(IODAConfig{Table: table, Country: country})
	for p := range 4 {
		for n := range 10 {
			o.Announce(at(1), peer(p), block(n), 64500+uint32(n%2))
		}
	}
	o.Tick(at(6000))
	return o
}

func TestIODA(t *testing.T) {
	withdraw := func(o *IODA, when int, peers []int, blocks ...int) {
		for _, p := range peers {
			for _, n := range blocks {
				o.Withdraw(at(when), peer(p), block(n))
			}
		}
	}
	t.Run("one of ten, then six", func(t *testing.T) {
		o := iodaWith(true)
		withdraw(o, 6010, []int{0, 1}, 0) // two of four still carry it: visible
		withdraw(o, 6310, []int{2}, 0)    // one of four: not
		withdraw(o, 6610, []int{0, 1, 2, 3}, 1, 2, 3, 4, 5)
		for p := range 4 {
			for n := range 6 {
				o.Announce(at(7210), peer(p), block(n), 64500)
			}
		}
		o.Tick(at(9000))
		// With a table, a session that lost six of ten prefixes carries too few to be a full feed; here all four did, so all are.
		same(t, o.Alerts(), "warning ZZ v4 6300 6600 9000 7500 lost 6 of 10", "critical ZZ v4 6600 6900 9300 7500 lost 6 of 10")
	})
	t.Run("half is not critical", func(t *testing.T) {
		o := iodaWith(true)
		withdraw(o, 6010, []int{0, 1, 2, 3}, 0, 1, 2, 3, 4)
		o.Tick(at(7000))
		same(t, o.Alerts(), "warning ZZ v4 6000 6300 8700 -1 lost 5 of 10")
	})
	t.Run("one session withdraws its table", func(t *testing.T) {
		o := iodaWith(true)
		withdraw(o, 6010, []int{0}, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
		o.Tick(at(9000))
		same(t, o.Alerts())
	})
	t.Run("all sessions are lost: no data, no alert", func(t *testing.T) {
		o := iodaWith(true)
		for p := range 4 {
			o.State(at(6010), peer(p), false)
		}
		o.Tick(at(9000))
		same(t, o.Alerts())
	})
	t.Run("three of four sessions are lost, the rest loses half: the rule believes it", func(t *testing.T) {
		o := iodaWith(true)
		for p := range 3 {
			o.State(at(6010), peer(p), false)
		}
		withdraw(o, 6010, []int{3}, 0, 1, 2, 3, 4, 5)
		o.Tick(at(6301))
		same(t, o.Alerts(), "critical ZZ v4 6000 6300 8700 -1 lost 6 of 10", "warning ZZ v4 6000 6300 8700 -1 lost 6 of 10")
	})
	t.Run("without a table prefixes named late were there before", func(t *testing.T) {
		o := iodaWith(false)
		for n := 10; n < 20; n++ { // named by one session only: the others are presumed to carry them
			o.Announce(at(6010+300*n), peer(0), block(n), 64500)
		}
		o.Tick(at(12_600))
		same(t, o.Alerts())
		withdraw(o, 12_610, []int{0, 1, 2}, 15)
		o.Tick(at(12_900))
		same(t, o.Alerts(), "warning ZZ v4 12600 12900 15300 -1 lost 1 of 20")
	})
	t.Run("without a table a country first named by its outage was there before", func(t *testing.T) {
		o := NewIODA(IODAConfig{Country: func(p bgp.Prefix, _ uint32) string {
			return map[bool]string{true: "ZZ", false: "YY"}[p == block(100)]
		}})
		for p := range 4 {
			for n := range 10 {
				o.Announce(at(1), peer(p), block(n), 64500)
			}
		}
		for p := range 3 {
			o.Withdraw(at(6010), peer(p), block(100))
		}
		o.Tick(at(6300))
		same(t, o.Alerts(), "critical ZZ v4 6000 6300 8700 -1 lost 1 of 1", "warning ZZ v4 6000 6300 8700 -1 lost 1 of 1")
	})
	t.Run("blocks are counted once", func(t *testing.T) {
		o := iodaWith(true)
		for p := range 4 {
			o.Announce(at(6010), peer(p), bgp.PrefixFrom4(10<<24, 20), 64500) // 16 blocks, ten of them known
			o.Announce(at(6010), peer(p), bgp.PrefixFrom4(10<<24|3<<8|128, 25), 64500)
		}
		o.Tick(at(6300))
		if s := o.of[o.entities[entityKey{Entity{"country", "ZZ"}, false}]]; s.seen != 16 || s.all != 16 {
			t.Errorf("seen %d of %d blocks, want 16", s.seen, s.all)
		}
	})
}

// TestIODAMedian compares the sorted list with sorting, over more samples than it keeps.
func TestIODAMedian(t *testing.T) {
	var s series
	var all []int64
	for i := range 1000 {
		v := int64(i*i*7919%101) / 10
		if i < 50 {
			v = 5
		}
		all = append(all, v)
		s.add(v, 288)
		last := slices.Clone(all[max(0, len(all)-288):])
		slices.Sort(last)
		if got, want := s.median(), last[(len(last)-1)/2]; got != want {
			t.Fatalf("after %d samples the median is %d, want %d", i+1, got, want)
		}
	}
}

func TestBGPalerter(t *testing.T) {
	fresh := func(sessions int) *BGPalerter {
		b := NewBGPalerter(BGPalerterConfig{Country: country})
		for p := range sessions {
			b.Announce(at(0), peer(p), block(0), 64500)
			b.Announce(at(0), peer(p), block(1), 64500)
		}
		return b
	}
	t.Run("eight of ten within the window, announced again in between", func(t *testing.T) {
		b := fresh(10)
		for p := range 8 {
			b.Withdraw(at(100+50*p), peer(p), block(0))
			b.Announce(at(101+50*p), peer(p), block(0), 64500)
		}
		same(t, b.Alerts(), "visibility ZZ v4 100 450 450 -1 lost 1 of 0")
	})
	t.Run("seven of ten", func(t *testing.T) {
		b := fresh(10)
		for p := range 7 {
			b.Withdraw(at(100), peer(p), block(0))
			b.Withdraw(at(101), peer(p), block(0)) // the same peer counts once
		}
		same(t, b.Alerts())
	})
	t.Run("too slow", func(t *testing.T) {
		b := fresh(10)
		for p := range 8 {
			b.Withdraw(at(100+52*p), peer(p), block(0)) // 364 s from first to last
		}
		same(t, b.Alerts())
	})
	t.Run("two prefixes, one event; another an hour later", func(t *testing.T) {
		b := fresh(10)
		for _, when := range []int{100, 3700} {
			for p := range 10 {
				b.Withdraw(at(when+p), peer(p), block(0))
			}
			for p := range 10 {
				b.Withdraw(at(when+60+p), peer(p), block(1))
			}
		}
		same(t, b.Alerts(), "visibility ZZ v4 100 107 107 -1 lost 2 of 0", "visibility ZZ v4 3700 3707 3707 -1 lost 2 of 0")
		if n := len(b.Alerts()); n != 4 {
			t.Errorf("%d alerts, want the country's two and the network's two", n)
		}
	})
	t.Run("sixty sessions need forty", func(t *testing.T) {
		b := fresh(60)
		for p := range 40 {
			b.Withdraw(at(100+p), peer(p), block(0))
		}
		same(t, b.Alerts(), "visibility ZZ v4 100 139 139 -1 lost 1 of 0")
	})
	t.Run("two prefixes asked for", func(t *testing.T) {
		b := NewBGPalerter(BGPalerterConfig{Country: country, EntityPrefixes: 2})
		for p := range 10 {
			b.Announce(at(0), peer(p), block(0), 64500)
		}
		for p := range 10 {
			b.Withdraw(at(100), peer(p), block(0))
		}
		same(t, b.Alerts())
		for p := range 10 {
			b.Withdraw(at(200), peer(p), block(1))
		}
		same(t, b.Alerts(), "visibility ZZ v4 100 200 200 -1 lost 2 of 0")
	})
}

func TestChocolatine(t *testing.T) {
	c := NewChocolatine(24, 3)
	// Days of 100 + hour, with something between 0 and 1 on top that does not repeat daily: the residuals are triangular between -1
	// and 1, their MAD is near 0.29, and three deviations are more than 1.
	chance := rand.New(rand.NewPCG(1, 2))
	value := func(i int) float64 { return 100 + float64(i%24) + chance.Float64() }
	for i := range 24 * 3 {
		if limit, low := c.Add(value(i)); low || i < 24+30 && !math.IsNaN(limit) {
			t.Fatalf("sample %d: limit %v, low %v", i, limit, low)
		}
	}
	hour := 24 * 3 % 24
	limit, low := c.Add(100 + float64(hour) - 10)
	if !low || limit < 90 || limit > 101 {
		t.Errorf("a fall by ten: limit %v, low %v", limit, low)
	}
	if _, low := c.Add(math.NaN()); low {
		t.Error("no data is low")
	}
	if _, low := c.Add(102); low {
		t.Error("the next day's usual value is low")
	}
}

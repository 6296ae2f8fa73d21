package truth

import (
	"fmt"
	"net/netip"
	"testing"
)

// TestCountryFloors: 100 prefixes of a country, nine of which are withdrawn, and five more. Which floor is reached, and held for 3 minutes,
// depends on their networks, on the blocks they cover, on what covers them, on how old they are, and on when they are back.
func TestCountryFloors(t *testing.T) {
	for name, c := range map[string]struct {
		origins int
		wide    bool // ten blocks of 65,536 beside them
		cover   int  // so many ASNs name a block above all nine
		young   bool // they appear twenty minutes before, an hour into the record
		back    int  // 8 of 9 are announced again after so many seconds; 0: never
		want    [2]bool
	}{
		"spread and lasting":                      {origins: 3, want: [2]bool{true, true}},
		"of two networks":                         {origins: 2},
		"a small part of the blocks":              {origins: 3, wide: true},
		"covered, as far as one ASN says":         {origins: 3, cover: 1},
		"announced for twenty minutes":            {origins: 3, young: true},
		"back after two minutes, but for the run": {origins: 3, back: 120, want: [2]bool{true, false}},
		"back after four minutes":                 {origins: 3, back: 240, want: [2]bool{true, true}},
	} {
		p := &paper{}
		start, since := 1000, 0
		if c.young {
			start, since = 5200, 4000
		}
		nine, five := block(0, 9), block(300, 5)
		for i, s := range ten() {
			p.announce(0, s, 64500, five...)
			p.announce(0, s, 64510, block(100, 86)...)
			for n := range 3 {
				if i < c.cover {
					p.announce(0, s, 64500+uint32(n), fmt.Sprintf("10.0.0.0/%d", 18-n))
				}
			}
			for n := range 10 {
				if c.wide {
					p.announce(0, s, 64510, fmt.Sprintf("%d.0.0.0/8", 20+n))
				}
			}
		}
		for _, s := range ten() {
			for k, x := range nine {
				p.announce(since, s, 64500+uint32(k%c.origins), x)
			}
		}
		for _, s := range ten() { // the run goes on with the five
			p.withdraw(start, s, append(nine, five...)...)
		}
		if c.back != 0 {
			for _, s := range ten() {
				for k, x := range nine[:8] {
					p.announce(start+c.back, s, 64500+uint32(k%c.origins), x)
				}
			}
		}
		p.idle(start + 2000)
		res := derive(t, p, func(netip.Prefix, uint32) string { return "ZZ" })
		var e *Event
		for i := range res.Events {
			if res.Events[i].Kind == "country" {
				e = &res.Events[i]
			}
		}
		if e == nil {
			t.Errorf("%s: no event", name)
			continue
		}
		if got := [2]bool{e.Reached.Low, e.Held.Low}; got != c.want || e.Reached.High {
			t.Errorf("%s: reached and held %v, want %v: %+v", name, got, c.want, e)
		}
	}
}

// TestBlocks: each block counts once, for the lowest prefix that covers it.
func TestBlocks(t *testing.T) {
	r := &record{}
	for _, x := range []string{"10.0.0.0/22", "10.0.1.0/24", "10.0.2.0/25", "10.0.2.128/25", "10.0.3.0/24", "10.0.3.0/26", "11.0.0.0/8", "2001:db8::/46", "2001:db8:1::/48"} {
		r.rows = append(r.rows, row{key: keyOf(netip.MustParsePrefix(x))})
	}
	(&judge{record: r}).weigh()
	for i, want := range []int64{1, 1, 1, 0, 0, 1, 1 << 16, 3, 1} {
		if got := r.rows[i].blocks; got != want {
			t.Errorf("%v: %d blocks, want %d", r.rows[i].key.prefix(), got, want)
		}
	}
}

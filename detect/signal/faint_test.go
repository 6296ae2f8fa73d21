package signal

import (
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// wide is the i-th /20 of 10.0.0.0/8, narrow the j-th /24 in it.
func wide(i int) bgp.Prefix      { return bgp.PrefixFrom4(10<<24|uint32(i)<<12, 20) }
func narrow(i, j int) bgp.Prefix { return bgp.PrefixFrom4(10<<24|uint32(i)<<12|uint32(j)<<8, 24) }

// TestInventedMoreSpecifics: one session announces every /24 of a country. It takes no block from the prefixes that everybody carries, so an outage of
// these is found, with its size.
func TestInventedMoreSpecifics(t *testing.T) {
	ps := peers(20)
	f := newFeed(t)
	for i := range 40 {
		f.all(0.5, ps, bgp.RIB, wide(i))
	}
	f.speak = ps
	f.run(3600)
	for i := range 40 {
		for j := range 16 {
			f.say(3600.5, ps[3], bgp.Announce, narrow(i, j))
		}
	}
	f.run(3700)
	if r := f.reading("PK", detect.BGPv4); r.Expected != 640 || r.Unobservable != 0 || r.UnobservablePrefixes != 640 || r.Prefixes != 40 {
		t.Errorf("640 blocks, each announced by one of 20: %+v", r)
	}
	f.all(3800.5, ps, bgp.Withdraw, wide(0), wide(1), wide(2), wide(3), wide(4), wide(5), wide(6), wide(7), wide(8), wide(9))
	f.run(4100)
	if r := f.reading("PK", detect.BGPv4); r.Lost != 160 || r.Expected != 640 {
		t.Errorf("a quarter is withdrawn by all: %+v", r)
	}
	f.log = slices.DeleteFunc(f.log, func(l string) bool { return !strings.Contains(l, " PK ") })
	f.want("3816 PK opened", "3981 PK confirmed")
}

// TestMoreSpecificsOfTheWorld: more specifics that enough networks announce take their blocks at once, before there is anything to expect of them: who
// announces them in place of the wide prefix has lost nothing.
func TestMoreSpecificsOfTheWorld(t *testing.T) {
	ps := peers(20)
	f := newFeed(t)
	for i := range 40 {
		f.all(0.5, ps, bgp.RIB, wide(i))
	}
	f.speak = ps
	f.run(3600)
	for i := range 40 {
		for j := range 16 {
			f.all(3600.5, ps[:9], bgp.Announce, narrow(i, j))
		}
	}
	f.run(3610)
	if r := f.reading("PK", detect.BGPv4); r.Expected != 640 || r.Unobservable != 0 {
		t.Errorf("by 9 of 20: %+v", r)
	}
	for i := range 40 {
		for j := range 16 {
			f.all(3620.5, ps[9:10], bgp.Announce, narrow(i, j))
		}
	}
	f.run(3700)
	if r := f.reading("PK", detect.BGPv4); r.Expected != 0 || r.Unobservable != 640 {
		t.Errorf("by 10 of 20: %+v", r)
	}
	f.all(3800.5, ps, bgp.Withdraw, wide(0), wide(1), wide(2), wide(3), wide(4), wide(5), wide(6), wide(7), wide(8), wide(9))
	f.run(3900)
	if r := f.reading("PK", detect.BGPv4); r.Lost != 0 {
		t.Errorf("%+v", r)
	}
	f.want()
	f.run(3620 + 3600 + 120)
	if r := f.reading("PK", detect.BGPv4); r.Expected != 640 || r.Lost != 0 || r.Unobservable != 0 {
		t.Errorf("an hour later they are expected: %+v", r)
	}
	f.want()
}

// TestInventedMoreSpecificsLeave: what one session invented and took back does not stay in the table.
func TestInventedMoreSpecificsLeave(t *testing.T) {
	ps := peers(20)
	f := newFeed(t)
	f.all(0.5, ps, bgp.RIB, wide(0))
	f.speak = ps
	f.m.cfg.RetireAfter = 7200
	f.run(3600)
	for j := range 16 {
		f.say(3600.5, ps[3], bgp.Announce, narrow(0, j))
	}
	f.run(4000)
	for j := range 16 {
		f.say(4000.5, ps[3], bgp.Withdraw, narrow(0, j))
	}
	f.now, f.step = at(4020), 60*bgp.Second
	f.run(7 * 3600)
	if s := f.m.fams[0].table.Stats(); s.Rows != 1 {
		t.Errorf("%d rows are left", s.Rows)
	}
}

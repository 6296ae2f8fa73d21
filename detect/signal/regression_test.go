package signal

import (
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

func TestMeanLossExactly80(t *testing.T) {
	for n := 1; n < 40; n++ {
		ps := peers(20)
		f := seeded(t, ps, 40)
		f.all(61, ps[:16], bgp.Withdraw, blocks(0, n)...)
		f.run(62)
		if got := f.m.MeanLoss(f.m.countries["PK"], detect.BGPv4); got < 0.8 {
			t.Errorf("16 of 20 withdrew %d prefixes: mean loss %v", n, got)
		}
	}
}

func TestRetireYoung(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 100)
	f.all(61, ps, bgp.Withdraw, block(7), block(8))
	f.now, f.step = at(120), 60*bgp.Second
	f.run(10 * 86400)
	if r := f.reading("PK", detect.BGPv4); r.UnobservablePrefixes != 0 || r.Prefixes != 98 {
		t.Errorf("%+v", r)
	}
}

// TestRetireUnits: what is lost for a day and in no incident leaves the count; its return is counted again.
func TestRetireUnits(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 100)
	const days = 86400
	f.now, f.step = at(120), 60*bgp.Second
	f.run(5 * days) // long enough that a day away does not end what is expected
	f.all(5*days+1, ps, bgp.Withdraw, block(7), block(8))
	f.run(6 * days)
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 2 || r.Prefixes != 100 {
		t.Errorf("before a day is full: %+v", r)
	}
	f.run(6*days + 3600)
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 0 || r.Prefixes != 98 || r.Lost != 0 || r.Expected != 98 || r.UnobservablePrefixes != 0 {
		t.Errorf("after a day: %+v", r)
	}
	f.all(6*days+3601, ps, bgp.RIB, block(7))
	if r := f.reading("PK", detect.BGPv4); r.LostPrefixes != 0 || r.Prefixes != 99 {
		t.Errorf("one came back: %+v", r)
	}
}

package signal

import (
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// TestRelease: prefixes that come, go and never return do not fill the table; the ids of their rows serve others, which are counted as
// any new prefix is.
func TestRelease(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 100)
	f.m.cfg.RetireAfter = 7200
	f.now, f.step = at(120), 60*bgp.Second
	const round = int64(4 * 3600)
	for i := range int64(40) {
		start := float64(3600 + i*round)
		f.run(int64(start))
		f.all(start+1, ps, bgp.Announce, block(100+int(i)))
		f.run(int64(start) + 7200)
		if r := f.reading("PK", detect.BGPv4); r.Prefixes < 101 || r.LostPrefixes > 1 {
			t.Fatalf("round %d, one more is announced: %+v", i, r)
		}
		f.all(start+7201, ps, bgp.Withdraw, block(100+int(i)))
	}
	f.run(3600 + 40*round + round)
	if s := f.m.fams[0].table.Stats(); s.Rows > 105 {
		t.Errorf("%d rows for 100 prefixes and 40 that are gone", s.Rows)
	}
	if r := f.reading("PK", detect.BGPv4); r.Prefixes != 100 || r.LostPrefixes != 0 || r.Expected != 100 {
		t.Errorf("%+v", r)
	}
	if n, pk := len(f.m.fams[0].rows), len(f.m.fams[0].aggs[f.m.countries["PK"]].rows); n > 110 || pk > 110 {
		t.Errorf("%d rows are remembered, %d of the country", n, pk)
	}
	f.all(float64(3600+41*round+1), ps, bgp.Announce, block(100)) // the first of them, after all
	f.run(3600 + 41*round + 7200)
	if r := f.reading("PK", detect.BGPv4); r.Prefixes != 101 {
		t.Errorf("one came back after its row was given away: %+v", r)
	}
}

package signal

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// TestViewsAreOneCollector: the tables of one router count once in the coverage, and an AS that is seen in several of them votes once.
func TestViewsAreOneCollector(t *testing.T) {
	f := newFeed(t)
	for i, name := range []string{"edge1", "edge1~post", "edge1~vrf-65000:7", "edge1~loc", "edge2"} {
		p := bgp.Peer{Collector: name, AS: 65001, Addr: netip.AddrFrom4([4]byte{192, 0, 2, 1})}
		f.apply(float64(i), p, bgp.Announce, block(1))
		f.run(int64(i) + 1)
		why := f.m.coverage(f.m.fams[0]).Because
		if single := slices.Contains(why, "single_collector"); single != (name != "edge2") || slices.Contains(why, "few_collectors") == single {
			t.Errorf("with %s: %v", name, why)
		}
	}
	if v := f.m.fams[0].table.Vote(0); v.Announced != 1 {
		t.Errorf("%d ASes announce it", v.Announced)
	}
}

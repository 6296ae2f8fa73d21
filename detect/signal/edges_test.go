package signal

import (
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// TestEdges: what left was behind one link, whatever its origins; a network that has another way stayed.
func TestEdges(t *testing.T) {
	ps := peers(14)
	f := newFeed(t)
	f.m.paths = true
	announce := func(p bgp.Peer, x bgp.Prefix, path ...uint32) {
		f.seq++
		if err := f.m.Begin(bgp.Message{Seq: f.seq, At: at(0.5), Peer: p, Raw: []byte("announcement")}); err != nil {
			t.Fatal(err)
		}
		f.m.Path(path)
		f.m.Elem(&bgp.Elem{Prefix: x, Kind: bgp.RIB, Origin: path[len(path)-1]})
		f.m.End()
	}
	for _, p := range ps {
		for i := range 60 {
			if i < 30 { // six origins behind 900>901, every other session with the origin prepended
				announce(p, block(i), p.AS, 900, 901, 65100+uint32(i%6), 65100+uint32(i%6))
			} else {
				announce(p, block(i), p.AS, 900, 902, 65100+uint32(i%6))
			}
		}
	}
	f.speak = ps
	f.run(60)
	f.all(61, ps, bgp.Withdraw, blocks(0, 30)...)
	f.run(70)
	a, ok := f.m.Account(detect.Entity{Type: "country", Code: "PK"})
	if !ok || len(a.Signals) != 1 {
		t.Fatalf("%+v", a)
	}
	want := []detect.Explanation{{Entity: detect.Entity{Type: "edge", Code: "AS900>AS901"}, Precision: 1, Recall: 1}}
	if got := a.Signals[0].Explanations; !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if s := a.Signals[0]; len(s.Lost) != 30 || s.Lost[0].Since != at(61) || s.Masked != 0 || s.Unmasked != nil || !s.Crossed {
		t.Errorf("%+v", s)
	}
	if c := a.Peers[3].Cells[detect.BGPv4]; c != (CellCount{Votes: true, Expected: 60, Announced: 30, Withdrawn: 30}) {
		t.Errorf("%+v", c)
	}
}

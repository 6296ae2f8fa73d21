package signal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
)

// storm is seconds of many messages: losses and returns of two countries, new and more specific prefixes, sessions that are lost and come back,
// and one that withdraws too much. The same seed gives the same storm.
func storm(f *feed, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 11))
	ps := peers(40)
	v6 := func(i int) bgp.Prefix { return bgp.PrefixFrom6(0x20010db8<<32|uint64(i)<<16, 0, 48) }
	land := func(i int) bgp.Prefix {
		switch {
		case i < 80:
			return block(i)
		case i < 120:
			return bgp.PrefixFrom4(20<<24|uint32(i)<<8, 24)
		default:
			return v6(i)
		}
	}
	var all []bgp.Prefix
	for i := range 140 {
		all = append(all, land(i))
	}
	f.all(0.5, ps, bgp.Announce, all...)
	f.speak = ps
	f.run(1900)
	var mass []bgp.Prefix
	for i := range 1200 {
		mass = append(mass, bgp.PrefixFrom4(30<<24|uint32(i)<<8, 24))
	}
	f.say(1901, ps[3], bgp.Announce, mass...)
	kind := bgp.Announce
	for s := range 240 {
		sec := float64(1910 + s)
		if r.IntN(40) == 0 {
			kind = other(kind)
		}
		f.run(int64(sec))
		for n := range 30 + r.IntN(30) {
			p, k := ps[r.IntN(len(ps))], kind
			if r.IntN(6) == 0 {
				k = other(k)
			}
			var list []bgp.Prefix
			for i, from := 0, r.IntN(140); i < 1+r.IntN(20); i++ {
				list = append(list, land((from+i)%140))
			}
			if r.IntN(100) == 0 {
				list = append(list, bgp.PrefixFrom4(10<<24|r.Uint32N(80<<8), uint8(25+r.IntN(4))))
			}
			at := sec + float64(n)/100 + r.Float64()/50 // now and then before the one that precedes it
			f.apply(at, p, k, list...)
			switch r.IntN(400) {
			case 0:
				f.session(at, p, bgp.Established, 1)
				f.apply(at, ps[(n+1)%len(ps)], kind, all...)
				f.apply(at, p, kind, all[:20]...)
			case 1:
				if err := f.m.Begin(bgp.Message{At: start + bgp.Micros(at*1e6), Peer: p}); err != nil {
					f.t.Fatal(err)
				}
				f.m.EndOfRIB(false)
				f.m.End()
			case 2:
				q := ps[r.IntN(len(ps))] // while a country goes
				f.apply(at, q, bgp.Announce, mass...)
				f.apply(at, q, bgp.Withdraw, mass[:500+r.IntN(700)]...)
			case 3:
				f.apply(at, bgp.Peer{Collector: "rrc00", AS: 1000 + r.Uint32N(3), Addr: p.Addr}, bgp.Announce, list...)
			case 4:
				if s%100 != 99 {
					continue
				}
				f.m.Missed("rrc00", f.now, "somebody stumbled")
			}
		}
	}
	f.run(1910 + 240 + 1200)
}

// TestSharedIsMessageByMessage: whether the messages of a second are gathered, and who applies them, changes nothing: not a revision,
// its evidence, a sample, a counter or a cell.
func TestSharedIsMessageByMessage(t *testing.T) {
	together := func(n int, do func(int)) {
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() { do(i) })
		}
		all.Wait()
	}
	for seed := range uint64(3) {
		plain, times := newFeed(t), 0
		storm(plain, seed)
		shared := newFeed(t)
		shared.m.gather.on = true
		for _, f := range shared.m.fams {
			f.table.Share(func(n int, do func(int)) { times++; together(n, do) })
		}
		storm(shared, seed)
		if times < 100 {
			t.Errorf("seed %d: work was shared %d times only", seed, times)
		}
		faults := 0
		for _, p := range plain.m.Peers() {
			faults += p.Faults
		}
		if faults < 10 {
			t.Errorf("seed %d: only %d times a session was lost or not believed", seed, faults)
		}
		if len(plain.json) < 20 || !slices.Equal(plain.json, shared.json) {
			t.Errorf("seed %d: %d revisions, shared %d, or not the same", seed, len(plain.json), len(shared.json))
		}
		if !slices.Equal(plain.samples, shared.samples) || plain.m.Stats() != shared.m.Stats() {
			t.Errorf("seed %d: %d samples and %+v, shared %d and %+v, or not the same", seed, len(plain.samples), plain.m.Stats(), len(shared.samples), shared.m.Stats())
		}
		if a, b := fmt.Sprint(plain.taken), fmt.Sprint(shared.taken); a != b {
			t.Errorf("seed %d: other messages are evidence", seed)
		}
		if a, b := fmt.Sprint(plain.m.Peers()), fmt.Sprint(shared.m.Peers()); a != b {
			t.Errorf("seed %d: sessions\n%s\nshared\n%s", seed, a, b)
		}
		for sig, a := range plain.m.Tables() {
			b := shared.m.Tables()[sig]
			for r := range visibility.RowID(a.Rows() + 1) {
				if a.Prefix(r) != b.Prefix(r) || a.Vote(r) != b.Vote(r) || a.OwnUnits(r) != b.OwnUnits(r) || a.Origin(r) != b.Origin(r) {
					t.Fatalf("seed %d: %s is %+v, shared %s is %+v", seed, a.Prefix(r), a.Vote(r), b.Prefix(r), b.Vote(r))
				}
				for p := range visibility.PeerID(a.Peers()) {
					if a.Cell(r, p) != b.Cell(r, p) {
						t.Fatalf("seed %d: %s of session %d is %+v, shared %+v", seed, a.Prefix(r), p, a.Cell(r, p), b.Cell(r, p))
					}
				}
			}
		}
	}
}

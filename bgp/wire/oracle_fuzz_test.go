package wire_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp/wire"
)

// FuzzUpdateOracle holds any bytes against certain and against gobgp, by the rules of judge.
func FuzzUpdateOracle(f *testing.F) {
	flags := func(o wire.Options) (b uint8) {
		for i, set := range []bool{o.AS4, o.AddPath4, o.AddPath6, o.IBGP, o.Truncated} {
			if set {
				b |= 1 << i
			}
		}
		return b
	}
	g := newGenerator(0)
	for i := 0; i < 12*len(mutations); {
		in := g.message(f)
		if len(in.msg) > 200 {
			continue // the mutator works on short messages best
		}
		f.Add(in.msg, flags(in.opts))
		msg, o, _ := mutations[i%len(mutations)].make(g, in)
		f.Add(msg, flags(o))
		i++
	}
	var u wire.Update
	f.Fuzz(func(t *testing.T, msg []byte, flags uint8) {
		o := wire.Options{AS4: flags&1 != 0, AddPath4: flags&2 != 0, AddPath6: flags&4 != 0, IBGP: flags&8 != 0, Truncated: flags&16 != 0}
		a, b, err := judge(&u, msg, o)
		if err != nil {
			t.Fatalf("%x (%+v)\n%s %q, gobgp %s %q\n%v", msg, o, a.verdict, a.why, b.verdict, b.why, err)
		}
		if !framed(msg) || a.verdict == refused || o.Truncated {
			return
		}
		// The order of attributes says nothing, except of the first of two of a kind, which discard tells.
		if !a.faults.Has(wire.FaultDuplicate) {
			shuffle := rand.New(rand.NewPCG(uint64(len(msg)), 0))
			other := rebuild(msg, func(list [][]byte) [][]byte {
				shuffle.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
				return list
			})
			r, err := ourReading(&u, other, o)
			if err != nil || r.verdict != a.verdict || !slices.Equal(r.elems, a.elems) || !slices.Equal(r.path, a.path) {
				t.Fatalf("%x and reordered %x (%+v)\n%v and %v, error %v", msg, other, o, a, r, err)
			}
		}
	})
}

package signal

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// said is a message of a history.
type said struct {
	peer     int
	kind     bgp.Kind
	prefixes []bgp.Prefix
}

// history is what peers say of two countries, second by second: turns of loss and of return, with some of the other in each second, so
// that prefixes are lost and regained in one second and cells flap.
func history(r *rand.Rand, peers, seconds int) [][]said {
	lands := [2]func(int) bgp.Prefix{block, func(i int) bgp.Prefix { return bgp.PrefixFrom4(20<<24|uint32(i)<<8, 24) }}
	var out [][]said
	kind, turns := bgp.Announce, 0
	for range seconds {
		if turns < 5 && r.IntN(60) == 0 {
			turns++
			kind = other(kind)
		}
		var now []said
		for _, prefix := range lands {
			for range r.IntN(40) {
				m := said{peer: r.IntN(peers), kind: kind}
				if r.IntN(5) == 0 {
					m.kind = other(kind)
				}
				from := r.IntN(40)
				for i := from; i < from+1+r.IntN(30); i++ {
					m.prefixes = append(m.prefixes, prefix(i))
				}
				now = append(now, m)
			}
		}
		out = append(out, now)
	}
	return out
}

func other(k bgp.Kind) bgp.Kind {
	if k == bgp.Withdraw {
		return bgp.Announce
	}
	return bgp.Withdraw
}

// shuffled is a second in another order; each peer's own messages keep theirs.
func shuffled(r *rand.Rand, l []said) []said {
	turns := make([]int, len(l))
	queue := map[int][]said{}
	for i, m := range l {
		turns[i] = m.peer
		queue[m.peer] = append(queue[m.peer], m)
	}
	r.Shuffle(len(turns), func(i, k int) { turns[i], turns[k] = turns[k], turns[i] })
	var out []said
	for _, p := range turns {
		out = append(out, queue[p][0])
		queue[p] = queue[p][1:]
	}
	return out
}

// story plays a history and gives every revision with its members, the digest of the evidence left out.
func story(t *testing.T, h [][]said, ps []bgp.Peer, order func([]said) []said) (out []string) {
	f := newFeed(t)
	f.m.sink = func(_ int, inc *detect.Incident, members []detect.Member) {
		doc := *inc
		if e := inc.Evidence; e != nil {
			doc.Evidence = &detect.Evidence{Messages: e.Messages, SHA256: fmt.Sprintf("%064d", 0)}
		}
		line, err := doc.JSON()
		if err != nil {
			t.Fatal(err)
		}
		more, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(line), string(more))
	}
	all := blocks(0, 80)
	for i := range 80 {
		all = append(all, bgp.PrefixFrom4(20<<24|uint32(i)<<8, 24))
	}
	f.all(0.5, ps, bgp.RIB, all...)
	f.speak = ps
	f.run(60)
	for i, now := range h {
		f.run(int64(61 + i))
		for _, m := range order(slices.Clone(now)) {
			f.apply(float64(61+i), ps[m.peer], m.kind, m.prefixes...)
		}
	}
	f.run(int64(61 + len(h) + 2000))
	return out
}

// TestOrderInsideASecond: in which order messages of different peers stand in one second of the journal changes nothing but the
// digest of the evidence.
func TestOrderInsideASecond(t *testing.T) {
	found := 0
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 7))
		ps := peers(14 + r.IntN(8))
		h := history(r, len(ps), 400)
		want := story(t, h, ps, func(l []said) []said { return l })
		found += len(want)
		for range 2 {
			got := story(t, h, ps, func(l []said) []said { return shuffled(r, l) })
			if len(got) != len(want) {
				t.Fatalf("seed %d: %d revisions, then %d", seed, len(want)/2, len(got)/2)
			}
			for i := range want {
				if got[i] != want[i] {
					at := 0
					for at < min(len(got[i]), len(want[i])) && got[i][at] == want[i][at] {
						at++
					}
					at = max(0, at-200)
					t.Fatalf("seed %d: another order gives\n%.600s\nnot\n%.600s", seed, got[i][at:], want[i][at:])
				}
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d revisions were compared", found/2)
	}
}

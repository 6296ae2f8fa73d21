package wire

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPath covers the merge of RFC 6793 section 4.2.3 and what the view answers. 5ba0 is AS_TRANS; 00030d40 is 200000.
func TestPath(t *testing.T) {
	for _, c := range []struct {
		name             string
		attrs            string
		as4              bool
		want             []uint32
		origin, upstream uint32
	}{
		{"two octets", path2, false, []uint32{65000, 65001}, 65001, 65000},
		{"four octets", path4, true, []uint32{65000, 65001}, 65001, 65000},
		{"empty", "400200", false, nil, 0, 0},
		{"prepends are skipped for upstream", "4002 0c 0205 0001 0002 0003 0003 0003", false, []uint32{1, 2, 3, 3, 3}, 3, 2},
		{"only the origin", "4002 06 0202 0003 0003", false, []uint32{3, 3}, 3, 0},
		{"ends in a set of several", "4002 0a 0201 0001 0102 0002 0003", false, []uint32{1, 2, 3}, 0, 0},
		{"ends in a set of one", "4002 08 0201 0001 0101 0002", false, []uint32{1, 2}, 2, 1},
		{"several sequences", "4002 08 0201 0001 0201 0002", false, []uint32{1, 2}, 2, 1},

		{"AS4_PATH of equal length", "4002 06 0202 0001 5ba0 c011 0a 0202 00000001 00030d40", false, []uint32{1, 200000}, 200000, 1},
		{"AS4_PATH before AS_PATH", "c011 0a 0202 00000001 00030d40 4002 06 0202 0001 5ba0", false, []uint32{1, 200000}, 200000, 1},
		{"shorter AS4_PATH", "4002 0a 0204 0001 0002 5ba0 5ba0 c011 0a 0202 00030d40 00030d41", false, []uint32{1, 2, 200000, 200001}, 200001, 200000},
		{"longer AS4_PATH is ignored", "4002 04 0201 5ba0 c011 0a 0202 00000001 00030d40", false, []uint32{23456}, 23456, 0},
		{"cut in the second segment", "4002 0c 0202 0001 0002 0202 0003 5ba0 c011 06 0201 00030d40", false, []uint32{1, 2, 3, 200000}, 200000, 3},
		{"a set counts one", "4002 0e 0201 0001 0102 0002 0003 0201 5ba0 c011 06 0201 00030d40", false, []uint32{1, 2, 3, 200000}, 200000, 3},
		{"a set in AS4_PATH", "4002 0a 0201 0001 0102 0002 5ba0 c011 0a 0102 00000002 00030d40", false, []uint32{1, 2, 200000}, 0, 0},
		{"confederation leads", "4002 0a 0301 fc00 0202 0001 5ba0 c011 0a 0202 00000001 00030d40", false, []uint32{64512, 1, 200000}, 200000, 1},
		{"confederation touches what is prepended", "4002 0c 0201 0001 0301 fc00 0201 5ba0 c011 06 0201 00030d40", false, []uint32{1, 64512, 200000}, 200000, 64512},
		{"confederation behind the cut is dropped", "4002 0a 0202 0001 5ba0 0301 fc00 c011 06 0201 00030d40", false, []uint32{1, 200000}, 200000, 1},
		{"confederation in AS4_PATH is dropped", "4002 04 0201 5ba0 c011 0c 0301 0000fc00 0201 00030d40", false, []uint32{200000}, 200000, 0},
		{"AS4_PATH of confederations only", "4002 04 0201 0007 c011 06 0301 0000fc00", false, []uint32{7}, 7, 0},
		{"malformed AS4_PATH", "4002 04 0201 5ba0 c011 05 0201 00030d", false, []uint32{23456}, 23456, 0},
		{"stale by AGGREGATOR", "4002 04 0201 5ba0 c007 06 0009 c0000201 c012 08 00030d40 c0000201 c011 06 0201 00030d40", false, []uint32{23456}, 23456, 0},
		{"AGGREGATOR of AS_TRANS is not stale", "4002 04 0201 5ba0 c007 06 5ba0 c0000201 c012 08 00030d40 c0000201 c011 06 0201 00030d40", false, []uint32{200000}, 200000, 0},
		{"new speaker's AS4_PATH is dropped", path4 + "c011 06 0201 00030d40", true, []uint32{65000, 65001}, 65001, 65000},
		{"malformed path is empty", "4002 03 0201 00", false, nil, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var u Update
			u.ParseRIB(unhex(c.attrs), Options{AS4: c.as4})
			p := u.Path()
			if got := slices.Collect(p.All); !slices.Equal(got, c.want) {
				t.Errorf("path %d, want %d", got, c.want)
			}
			if p.Origin() != c.origin || p.Upstream() != c.upstream || p.Len() != len(c.want) {
				t.Errorf("origin %d upstream %d length %d", p.Origin(), p.Upstream(), p.Len())
			}
			for range p.All { // stopping early must be possible
				break
			}
		})
	}
}

// TestHasZero holds the search eight octets at a time against one number at a time.
func TestHasZero(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		wide := rng.IntN(2) == 0
		size := 2
		if wide {
			size = 4
		}
		seg := make([]byte, size*(1+rng.IntN(9)))
		for i := range seg { // few bits, so that zeros and near zeros come often
			seg[i] = []byte{0, 0, 0, 0, 1, 0x80}[rng.IntN(6)]
		}
		want := false
		for i := 0; i < len(seg); i += size {
			want = want || !slices.ContainsFunc(seg[i:i+size], func(b byte) bool { return b != 0 })
		}
		if got := hasZero(seg, wide); got != want {
			t.Fatalf("%x wide %v: %v, want %v", seg, wide, got, want)
		}
	}
}

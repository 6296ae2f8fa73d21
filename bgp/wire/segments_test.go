package wire

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// sameAsAll checks that the segments of a path are its AS numbers, in segments of known type that are not empty.
func sameAsAll(t *testing.T, p Path) {
	t.Helper()
	var got []uint32
	for typ, asns := range p.Segments() {
		before := len(got)
		got = slices.AppendSeq(got, asns)
		if len(got) == before || typ < ASSet || typ > ConfedSet {
			t.Fatalf("segment of type %v with %d AS numbers", typ, len(got)-before)
		}
	}
	if want := slices.Collect(p.All); !slices.Equal(got, want) {
		t.Fatalf("segments hold %d, the path is %d", got, want)
	}
}

// shown writes a path as segments, type and AS numbers.
func shown(p Path) string {
	var s []string
	for typ, asns := range p.Segments() {
		s = append(s, fmt.Sprintf("%v%d", typ, slices.Collect(asns)))
	}
	return strings.Join(s, " ")
}

// TestSegments has a case for each rule by which AS_PATH and AS4_PATH are merged. 5ba0 is AS_TRANS, 00030d40 is 200000.
func TestSegments(t *testing.T) {
	for _, c := range []struct {
		name  string
		attrs string
		as4   bool
		want  string
	}{
		{"none", "", false, ""},
		{"empty", "400200", false, ""},
		{"two octets", path2, false, "AS_SEQUENCE[65000 65001]"},
		{"four octets", path4, true, "AS_SEQUENCE[65000 65001]"},
		{"malformed", "4002 03 0201 00", false, ""},
		{
			"all types", "4002 14 0301 fc00 0402 fc01 fc02 0201 0001 0102 0002 0003", false,
			"AS_CONFED_SEQUENCE[64512] AS_CONFED_SET[64513 64514] AS_SEQUENCE[1] AS_SET[2 3]",
		},
		{"two sequences stay two", "4002 08 0201 0001 0201 0002", false, "AS_SEQUENCE[1] AS_SEQUENCE[2]"},
		{"AS4_PATH of equal length", "4002 06 0202 0001 5ba0 c011 0a 0202 00000001 00030d40", false, "AS_SEQUENCE[1 200000]"},
		{"cut through a sequence", "4002 08 0203 0001 0002 5ba0 c011 06 0201 00030d40", false, "AS_SEQUENCE[1 2] AS_SEQUENCE[200000]"},
		{
			"a set counts one", "4002 0e 0201 0001 0102 0002 0003 0201 5ba0 c011 06 0201 00030d40", false,
			"AS_SEQUENCE[1] AS_SET[2 3] AS_SEQUENCE[200000]",
		},
		{"a set in AS4_PATH", "4002 0a 0201 0001 0102 0002 5ba0 c011 0a 0102 00000002 00030d40", false, "AS_SEQUENCE[1] AS_SET[2 200000]"},
		{"longer AS4_PATH is ignored", "4002 04 0201 5ba0 c011 0a 0202 00000001 00030d40", false, "AS_SEQUENCE[23456]"},
		{
			"confederation touches what is prepended", "4002 0c 0201 0001 0301 fc00 0201 5ba0 c011 06 0201 00030d40", false,
			"AS_SEQUENCE[1] AS_CONFED_SEQUENCE[64512] AS_SEQUENCE[200000]",
		},
		{
			"confederation behind the cut is dropped", "4002 0a 0202 0001 5ba0 0301 fc00 c011 06 0201 00030d40", false,
			"AS_SEQUENCE[1] AS_SEQUENCE[200000]",
		},
		{"confederation in AS4_PATH is dropped", "4002 04 0201 5ba0 c011 0c 0301 0000fc00 0201 00030d40", false, "AS_SEQUENCE[200000]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var u Update
			u.ParseRIB(unhex(c.attrs), Options{AS4: c.as4})
			if got := shown(u.Path()); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			sameAsAll(t, u.Path())
			for _, asns := range u.Path().Segments() { // stopping early must be possible, inside and outside
				for range asns {
					break
				}
				break
			}
		})
	}
	if got := SegmentType(9).String(); got != "SegmentType(9)" {
		t.Errorf("unknown type is %q", got)
	}
}

// TestSegmentsAreThePath holds Segments against All on random paths, with and without an AS4_PATH to merge.
func TestSegmentsAreThePath(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	segments := func(wide bool) string {
		var b []byte
		for range r.IntN(5) {
			n := 1 + r.IntN(4)
			b = append(b, byte(1+r.IntN(4)), byte(n))
			for range n {
				if wide {
					b = append(b, 0, byte(r.IntN(4)))
				}
				b = append(b, byte(r.IntN(256)), byte(1+r.IntN(255)))
			}
		}
		return fmt.Sprintf("%02x", len(b)) + hex.EncodeToString(b)
	}
	merged := 0
	for range 20000 {
		var u Update
		wide := r.IntN(4) == 0
		attrs := "4002" + segments(wide)
		if r.IntN(4) > 0 {
			attrs += "c011" + segments(true)
		}
		u.ParseRIB(unhex(attrs), Options{AS4: wide})
		sameAsAll(t, u.Path())
		if u.Path().as4 != nil {
			merged++
		}
	}
	if merged < 1000 {
		t.Errorf("only %d paths were merged", merged)
	}
}

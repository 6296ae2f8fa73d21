package entity

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

const regionsHead = "# A comment.\n# vintage: 2026-06-17\n# source: a survey\n# licence: CC-BY-4.0\n" + RegionsHeader + "\n"

const regionsText = regionsHead + `10.0.0.0/8,PK-SD,Sindh
# in between
10.128.0.0/9,PK-PB,"Punjab, the"
10.128.1.0/24,PK-SD,
2001:db8::/32,NO-03,Oslo
`

func TestParseRegions(t *testing.T) {
	x, err := ParseRegions("f.csv", strings.NewReader("\ufeff"+regionsText), Reference{Name: "regions"})
	if err != nil {
		t.Fatal(err)
	}
	if n, m := x.Size(); n != 4 || m != 3 || x.Source() != "a survey" || x.Licence() != "CC-BY-4.0" || x.Reference().Vintage != "2026-06-17" {
		t.Errorf("%d %d %+v", n, m, x)
	}
	for _, c := range []struct{ prefix, code, name string }{
		{"10.0.0.0/8", "PK-SD", "Sindh"},
		{"10.1.2.0/24", "PK-SD", "Sindh"},
		{"10.200.0.0/16", "PK-PB", "Punjab, the"},
		{"10.128.1.0/24", "PK-SD", "Sindh"},
		{"10.128.1.128/25", "PK-SD", "Sindh"},
		{"10.128.0.0/16", "PK-PB", "Punjab, the"}, // what covers it whole, though part of it has an entry of its own
		{"8.0.0.0/5", "", ""},
		{"11.0.0.0/24", "", ""},
		{"2001:db8:1::/48", "NO-03", "Oslo"},
		{"2001::/16", "", ""},
		{"::/0", "", ""},
	} {
		r, ok := x.Region(prefix(t, c.prefix))
		if r.Code != c.code || r.Name != c.name || ok != (c.code != "") {
			t.Errorf("%s: %+v, %v; want %s", c.prefix, r, ok, c.code)
		}
		if ok && (r.Country() != c.code[:2] || r.Entity() != Entity{TypeRegion, c.code, c.name}) {
			t.Errorf("%s: %s, %+v", c.prefix, r.Country(), r.Entity())
		}
	}
	if _, ok := (*Regions)(nil).Region(prefix(t, "10.0.0.0/8")); ok {
		t.Error("no table knows a region")
	}
}

func TestParseRegionsErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "f.csv:1: not a regions file: it ends before"},
		{"something else", "network,country,source\n", "f.csv:1: not a regions file"},
		{"no header", "# a\n# b\n", "f.csv:3: not a regions file: it ends before"},
		{"comments without end", strings.Repeat("# a\n", 200), "f.csv:101: not a regions file"},
		{"long line", "# " + strings.Repeat("a", 1<<20), "f.csv:1: not a regions file: a line too long"},
		{"no vintage", strings.Replace(regionsText, "# vintage", "# date", 1), `f.csv:5: no line "# vintage: ..."`},
		{"bad vintage", strings.Replace(regionsText, "2026-06-17", "17.6.2026", 1), `f.csv:2: vintage: date "17.6.2026"`},
		{"no source", strings.Replace(regionsText, "# source", "# sauce", 1), `f.csv:5: no line "# source: ..."`},
		{"no licence", strings.Replace(regionsText, "# licence: CC-BY-4.0", "# licence:\u202e", 1), `f.csv:5: no line "# licence: ..."`},
		{"no prefix", regionsHead, "f.csv:5: no prefix"},
		{"fields", regionsText + "11.0.0.0/8,PK-SD\n", "f.csv:11: 2 fields, want 3"},
		{"prefix", regionsText + "11.0.0.1/8,PK-SD,\n", `f.csv:11: prefix "11.0.0.1/8": bits set`},
		{"region", regionsText + "11.0.0.0/8,PK,x\n", `f.csv:11: entity "region:PK": want an ISO 3166-2`},
		{"country of a region", regionsText + "11.0.0.0/8,XK-1,x\n", `f.csv:11: entity "region:XK-1": want a region code that begins`},
		{"no name", regionsText + "11.0.0.0/8,PK-KP,\n", "f.csv:11: region PK-KP has no name"},
		{"two names", regionsText + "11.0.0.0/8,PK-SD,Sind\n", `f.csv:11: region PK-SD is called "Sind" here and "Sindh" above`},
		{"twice", regionsText + "10.128.0.0/9,PK-SD,\n", "f.csv:11: 10.128.0.0/9 was already given in line 8"},
		{"quote", regionsText + "11.0.0.0/8,PK-SD,\"x\n", "f.csv:1"},
		{"wide row", regionsText + "11.0.0.0/8,PK-SD," + strings.Repeat("x", 2000) + "\n", "f.csv:11: a row of more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseRegions("f.csv", strings.NewReader(c.text), Reference{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
		})
	}
}

// TestRegionsAgainstOracle compares the search with a walk over all rows.
func TestRegionsAgainstOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	type entry struct {
		p    bgp.Prefix
		code string
	}
	var rows []entry
	seen := map[bgp.Prefix]bool{}
	text := strings.Builder{}
	text.WriteString(regionsHead)
	for range 400 {
		p := bgp.PrefixFrom4(10<<24|r.Uint32N(1<<12)<<12, uint8(6+r.IntN(20)))
		if r.IntN(3) == 0 {
			p = bgp.PrefixFrom6(0x2001_0db8_0000_0000|uint64(r.Uint32N(1<<8))<<24, 0, uint8(20+r.IntN(40)))
		}
		if seen[p] {
			continue
		}
		seen[p] = true
		e := entry{p, fmt.Sprintf("PK-%d", r.IntN(9))}
		rows = append(rows, e)
		fmt.Fprintf(&text, "%s,%s,%s\n", e.p, e.code, e.code)
	}
	x, err := ParseRegions("f", strings.NewReader(text.String()), Reference{})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for range 5000 {
		p := bgp.PrefixFrom4(10<<24|r.Uint32N(1<<16)<<8, uint8(8+r.IntN(25)))
		if r.IntN(3) == 0 {
			p = bgp.PrefixFrom6(0x2001_0db8_0000_0000|uint64(r.Uint32N(1<<16))<<16, 0, uint8(24+r.IntN(60)))
		}
		want, longest := "", -1
		for _, e := range rows {
			if e.p.Covers(p) && e.p.Len() > longest {
				want, longest = e.code, e.p.Len()
			}
		}
		got, ok := x.Region(p)
		if got.Code != want || ok != (want != "") {
			t.Fatalf("%s: %q, want %q", p, got.Code, want)
		}
		if ok {
			found++
		}
	}
	if found < 500 {
		t.Errorf("only %d of 5000 were in a region: the test says little", found)
	}
}

func FuzzParseRegions(f *testing.F) {
	f.Add(regionsText)
	f.Add(regionsHead + "0.0.0.0/0,PK-SD,a\n::/0,PK-SD,\n")
	f.Fuzz(func(t *testing.T, text string) {
		x, err := ParseRegions("f", strings.NewReader(text), Reference{})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("error does not name the file: %v", err)
			}
			return
		}
		for _, row := range x.rows {
			r, ok := x.Region(row.prefix)
			if !ok || r != x.regions[row.region] || r.Name == "" || CleanName(r.Name) != r.Name || !regionForm.MatchString(r.Code) {
				t.Fatalf("%s: %+v, %v", row.prefix, r, ok)
			}
		}
		if x.source == "" || x.licence == "" || x.ref.Day() == 0 {
			t.Fatalf("a table without vintage, source or licence was taken: %+v", x.ref)
		}
	})
}

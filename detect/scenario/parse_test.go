package scenario

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// head is a file that is whole but for what a test adds before the end line.
const head = `corewatch scenario 1
reason   x
start    2030-01-01T00:00:00Z
peers    a rc0 AS64601..AS64604
prefixes p AS65001 10.1.0.0/24 x4
`

const foot = "+1h end\nexpect nothing\n"

// TestFaults holds each refusal to the line it must name and the words it must use.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
	}{
		{"another file", "BZh91AY", "test.txt:1: the first line must be"},
		{"a later version", "corewatch scenario 12\n", "test.txt:1: the first line must be"},
		{"not text", Magic + "\n\xff\xfe", "not UTF-8"},
		{"too long", Magic + "\n" + strings.Repeat("# padding\n", 1<<17), "1048576 are allowed"},
		{"a long line", Magic + "\n# " + strings.Repeat("x", 70_000) + "\n", "test.txt:2: the line has"},
		{"a word", head + "wihdraw a p\n" + foot, `test.txt:6: "wihdraw" is no word a line begins with`},
		{"a verb", head + "+1s wihdraw a p\n" + foot, `test.txt:6: "wihdraw" is no verb`},
		{"a quotation", head + "expect outage country:XA title \"x\n" + foot, "test.txt:6: a quotation is not closed"},
		{"no reason", Magic + "\nstart 2030-01-01T00:00:00Z\n" + foot, "no reason line"},
		{"no start", Magic + "\nreason x\n" + foot, "start line must come before"},
		{"no end", head + "expect nothing\n", "no end line"},
		{"no expectation", head + "+1h end\n", "no expect line"},
		{"nothing and something", head + foot + "expect outage country:XA\n", "contradicts"},
		{"no source", head + "data reconstruction\n" + foot, "needs a source line"},
		{"data", head + "data live\n" + foot, "synthetic (made up)"},
		{"a wrong start", Magic + "\nstart yesterday\n", "test.txt:2: start \"yesterday\""},
		{"a late start", head + "+1s announce a p\nstart 2030-01-01T00:00:00Z\n" + foot, "before the first timed line"},
		{"seed", head + "seed x\n" + foot, "whole number"},
		{"a time", head + "+1x announce a p\n" + foot, `"+1x": want a time after the start`},
		{"a clock time", head + "25:00:00 announce a p\n" + foot, "want a time like"},
		{"before the start", head + "2029-12-31T23:59:59Z announce a p\n" + foot, "before the start"},
		{"after the end", head + "+1s announce a p over 2h\n" + foot, "the end comes before line 6"},
		{"behind the end", head + foot + "+2h announce a p\n", "nothing may follow the end"},
		{"an unknown set", head + "+1s announce b p\n" + foot, `no set "b"`},
		{"an unknown prefix set", head + "+1s announce a q\n" + foot, `no set "q"`},
		{"an unknown AS", head + "+1s announce AS1 p\n" + foot, "is no session"},
		{"a part", head + "+1s announce a:5 p\n" + foot, "the set has 4 members"},
		{"a turned part", head + "+1s announce a:3-2 p\n" + foot, "the set has 4 members"},
		{"a set twice", head + "peers a rc0 AS1\n" + foot, "is there already"},
		{"the name of a set", head + "peers A rc0 AS1\n" + foot, "the name of a set"},
		{"an AS", head + "prefixes q AS0 10.2.0.0/24\n" + foot, "want an AS number"},
		{"a turned range", head + "peers b rc0 AS9..AS1\n" + foot, "the range must rise"},
		{"an address", head + "peers b rc0 AS9@2001:db8::1\n" + foot, "IPv4 address of one session"},
		{"a prefix", head + "prefixes q AS1 10.2.0.1/24\n" + foot, "did you mean 10.2.0.0/24"},
		{"a count", head + "prefixes q AS1 10.2.0.0/24 x0\n" + foot, "want x and a number"},
		{"a block over the edge", head + "prefixes q AS1 255.255.255.0/24 x2\n" + foot, "end of the address space"},
		{"too many prefixes", head + "prefixes q AS1 10.0.0.0/32 x200000\n" + foot, "more than 200000 prefixes"},
		{"too many peers", head + "peers b rc0 AS1..AS4096\npeers c rc0 AS5001..AS6000\n" + foot, "more than 4096 peers"},
		{"country", head + "country xa 10.0.0.0/8\n" + foot, "two capital letters"},
		{"region", head + "region XA 10.0.0.0/8\n" + foot, "write region CODE ITEM"},
		{"region of nothing", head + "region XA-N \"The North:\"\n" + foot, "write region CODE ITEM"},
		{"region of an unknown set", head + "region XA-N q\n" + foot, `no set "q"`},
		{"zone", head + "zone Coast XA\n" + foot, "write zone SLUG MEMBER"},
		{"zone twice", head + "zone coast XA\nzone coast XB\n" + foot, `test.txt:7: the zone "coast" is there already`},
		{"a large zone", head + "zone coast AS1..AS4096 AS5001..AS9000 AS10001..AS14000\n" + foot, "more than 10000 members of a zone"},
		{"zones without a country", head + "zone coast AS1\n" + foot, "regions and zones need a country line"},
		{"the entity of a region", head + "expect outage region:XA\n" + foot, "want an entity like"},
		{"via", head + "+1s announce a p via\n" + foot, "after via come"},
		{"an option", head + "+1s withdraw a p via AS1\n" + foot, `"via" is not understood here`},
		{"over", head + "+1s withdraw a p over 0s\n" + foot, "want a length of time"},
		{"churn", head + "+1s churn a 0/s\n" + foot, "want changes for all these peers"},
		{"churn without a rate", head + "+1s churn a\n" + foot, "write churn PEERS"},
		{"alive", head + "+1s alive a often\n" + foot, "want a length of time"},
		{"too much churn", head + "+1s churn a 1000000/s\n" + foot, "more than 20000000 changes"},
		{"too many messages", head + "peers b rc0 AS1..AS999\nprefixes q AS1 10.0.0.0/32 x9000\n+0s announce b q over 59m\n" + foot, "messages at once"},
		{"expect", head + "expect disaster country:XA\n" + foot, "write expect nothing"},
		{"an entity", head + "expect outage planet:x\n" + foot, "want an entity like"},
		{"a clause", head + "expect outage country:XA soon\n" + foot, `"soon" is no clause`},
		{"never what", head + "expect outage country:XA never\n" + foot, "after never comes a state"},
		{"a figure", head + "expect outage country:XA lost many\n" + foot, "want a number like 20"},
		{"an interval", head + "expect outage country:XA start at +1h\n" + foot, "write start covers"},
		{"a state within", head + "expect outage country:XA confirmed within 60s\n" + foot, "write within 60s of"},
		{"a fault", head + "expect fault rc1/AS64601\n" + foot, "names no peer"},
		{"a fault of no collector", head + "expect fault rc1\n" + foot, "names no collector"},
		{"part", head + "expect outage network:AS1 part of\n" + foot, "write part of"},
		{"signals", head + "expect outage network:AS1 signals\n" + foot, "write signals"},
		{"title", head + "expect outage network:AS1 title\n" + foot, "in quotation marks"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("test.txt", []byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q, got %v", c.want, err)
			}
			var list Errors
			if !errors.As(err, &list) || len(list) > maxErrors {
				t.Errorf("%T of %d", err, len(list))
			}
		})
	}
}

func TestIsScenario(t *testing.T) {
	for text, want := range map[string]bool{
		Magic: true, Magic + "\n": true, Magic + "\r\nreason": true, Magic + "1\n": false, "": false, "corewatch": false, " " + Magic: false,
	} {
		if IsScenario([]byte(text)) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
}

func TestCountry(t *testing.T) {
	s := mustParse(t, head+"country XA 10.0.0.0/8 AS65009\ncountry XB 10.1.0.0/16 2001:db8::/32\ncountry XC p:2\n"+foot)
	for _, c := range []struct {
		prefix string
		origin uint32
		want   string
	}{
		{"10.2.0.0/24", 0, "XA"},
		{"10.1.9.0/24", 0, "XB"},
		{"10.1.1.0/24", 0, "XC"},
		{"10.0.0.0/7", 0, ""},
		{"20.0.0.0/8", 65009, "XA"},
		{"20.0.0.0/8", 1, ""},
		{"2001:db8:1::/48", 0, "XB"},
	} {
		p, err := bgp.ParsePrefix(c.prefix)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Country(p, c.origin); got != c.want {
			t.Errorf("%s of AS%d: %q, want %q", c.prefix, c.origin, got, c.want)
		}
	}
}

// TestCheck holds the judge to telling right from wrong: each clause once kept and once broken.
func TestCheck(t *testing.T) {
	at := func(s string) detect.Time {
		var x detect.Time
		if err := x.UnmarshalJSON([]byte(`"` + s + `"`)); err != nil {
			t.Fatal(err)
		}
		return x
	}
	country := &detect.Incident{
		ID: "c", Kind: detect.Outage, State: detect.Closed, Entity: detect.Entity{Type: "country", Code: "XA"}, Title: "XA: 20 of 120",
		Severity: 2, Start: detect.Interval{Time: at("2030-01-01T00:10:05Z"), Earliest: at("2030-01-01T00:10:00Z"), Latest: at("2030-01-01T00:10:20Z")},
		End:      &detect.Interval{Time: at("2030-01-01T00:40:00Z"), Earliest: at("2030-01-01T00:39:00Z"), Latest: at("2030-01-01T00:41:00Z")},
		Signals:  []detect.Signal{{Signal: "bgp.v4", Expected: 200, Observed: 170, Prefixes: detect.PrefixCount{Expected: 120, Lost: 20, Deaggregated: 3, Unobservable: 4}, ASNs: detect.VantageCount{Voting: 12}}},
		Coverage: detect.Coverage{Level: "reduced", Because: []string{"learning"}}, Episodes: make([]detect.Episode, 1),
		Revisions: []detect.Revision{{At: at("2030-01-01T00:10:35Z"), State: detect.Suspected, Change: "opened"}, {At: at("2030-01-01T00:55:00Z"), State: detect.Closed, Change: "closed"}},
	}
	network := &detect.Incident{ID: "n", Kind: detect.Outage, State: detect.Suspected, OpenAt: at("2030-01-01T01:00:00Z"), Entity: detect.Entity{Type: "network", Code: "AS65001"}, Related: []detect.Related{{ID: "c", Relation: "part_of"}}}
	fault := &detect.Incident{ID: "f", Kind: detect.MonitorFault, State: detect.Confirmed, Entity: detect.Entity{Type: "peer", Code: "rc0/AS64602/100.64.0.2"}}
	const c, n = "expect outage country:XA ", "expect outage network:AS65001 "
	others := map[string]string{c: "expect outage network:AS65001\nexpect fault rc0/AS64602\n", n: "expect outage country:XA\nexpect fault rc0/AS64602\n"}
	for _, x := range []struct{ line, kept, broken string }{
		{c, "suspected", "confirmed"},
		{c, "never confirmed", "never suspected"},
		{c, "finally closed", "finally retracted"},
		{c, "suspected within 5s of +10m30s", "suspected within 4s of +10m30s"},
		{c, "start covers +10m20s", "start covers +10m21s"},
		{c, "end covers +39m", "end covers +38m59s"},
		{c, "start within 5s of +10m", "start within 4s of +10m"},
		{c, "end within 1s of +40m", "end within 1s of +40m2s"},
		{c, "lost 20 of 120", "lost 20 of 121"},
		{c, "lost 19..20", "lost 21..30"},
		{c, "units 30 of 200", "units 29"},
		{c, "deaggregated 3", "deaggregated 0"},
		{c, "unobservable 4", "unobservable 0..3"},
		{c, "voting 12", "voting 13"},
		{c, "episodes 1", "episodes 2"},
		{c, "severity 2", "severity 3..4"},
		{c, "signals v4", "signals v4+v6"},
		{c, `title "20 of 120"`, `title not "20 of 120"`},
		{c, `coverage "reduced learning"`, "coverage full"},
		{c, `revision "opened"`, `revision "retracted"`},
		{n, "open", "finally closed"},
		{n, "part of country:XA", "part of country:XB"},
		{n, "suspected within 1s of +1h", ""}, // it has no revision: broken either way
	} {
		all := []*detect.Incident{country, network, fault}
		if x.broken != "" {
			if bad := mustParse(t, head+"+1h end\n"+x.line+x.kept+"\n"+others[x.line]).Check(all); len(bad) > 0 {
				t.Errorf("%s%s: kept, but %v", x.line, x.kept, bad)
			}
		} else {
			x.broken = x.kept
		}
		if bad := mustParse(t, head+"+1h end\n"+x.line+x.broken+"\n"+others[x.line]).Check(all); len(bad) != 1 || !strings.Contains(bad[0].Error(), "test.txt:7: ") {
			t.Errorf("%s%s: broken, but %v", x.line, x.broken, bad)
		}
	}
	if bad := mustParse(t, head+"+1h end\n"+c+"\n"+n+"\n").Check([]*detect.Incident{country, network, fault}); len(bad) != 1 || !strings.Contains(bad[0].Error(), "no line expects") {
		t.Errorf("an incident nobody expects: %v", bad)
	}
	if bad := mustParse(t, head+"+1h end\n"+c+"\n"+c+"\n").Check([]*detect.Incident{country}); len(bad) != 1 || !strings.Contains(bad[0].Error(), "test.txt:8: expected outage of country:XA") {
		t.Errorf("a second incident expected: %v", bad)
	}
	if bad := mustParse(t, head+foot).Check(nil); len(bad) != 0 {
		t.Errorf("nothing expected, nothing found: %v", bad)
	}
}

// TestCostIsBounded: what a small file can ask for is refused or done in little time and memory.
func TestCostIsBounded(t *testing.T) {
	text := head + "prefixes q AS1 20.0.0.0/24 x190000\n" + strings.Repeat("+0s announce a "+strings.TrimSuffix(strings.Repeat("q,", 3000), ",")+"\n", 150) + foot
	if _, err := Parse("test.txt", []byte(text)); err == nil || !strings.Contains(err.Error(), "members in all") {
		t.Errorf("naming large sets for ever: %v", err)
	}
}

// FuzzParse: no text makes the parser or the streams panic, and what parses can be read back as MRT.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(head + foot))
	paths, _ := filepath.Glob("testdata/*.txt")
	for _, path := range paths {
		if text, err := os.ReadFile(path); err == nil {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse("fuzz.txt", text)
		if err != nil {
			return
		}
		s.Check(nil)
		for _, c := range s.Collectors() {
			if _, err := io.CopyN(io.Discard, s.Stream(c), 1<<20); err != nil && err != io.EOF {
				t.Fatal(err)
			}
		}
	})
}

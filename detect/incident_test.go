package detect

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestShareRounding(t *testing.T) {
	for in, want := range map[Share]string{
		0: "0", 1: "1", 0.5: "0.5", 0.123449: "0.1234", 0.12346: "0.1235", 0.99996: "1", 0.00004: "0", 1.0 / 3: "0.3333",
		1.0 / 32: "0.0312", // 312.5: the half goes to the even neighbour, down
		3.0 / 32: "0.0938", // 937.5: and up
		5.0 / 32: "0.1562",
	} {
		if b, err := json.Marshal(in); err != nil || string(b) != want {
			t.Errorf("%v: %s, %v; want %s", float64(in), b, err, want)
		}
	}
	for _, in := range []float64{math.NaN(), math.Inf(1)} {
		if b, err := json.Marshal(Share(in)); err == nil {
			t.Errorf("%v became %s", in, b)
		}
	}
}

func TestTime(t *testing.T) {
	pk := time.FixedZone("PKT", 5*3600)
	v := At(time.Date(2008, 2, 25, 0, 47, 12, 999_999_999, pk))
	if b, err := json.Marshal(v); err != nil || string(b) != `"2008-02-24T19:47:12Z"` || v.String() != "2008-02-24T19:47:12Z" {
		t.Errorf("%s, %v: UTC, and cut, not rounded", b, err)
	}
	if v.Micros() != 1203882432999999 || (Time{}).Micros() != 0 || (Time{}).String() != "" {
		t.Errorf("%d", v.Micros())
	}
	var back Time
	for in, want := range map[string]int64{
		`"2008-02-24T19:47:12Z"`: 1203882432000000, `"2008-02-24T19:47:12.5Z"`: 1203882432500000,
		`"2008-02-25T00:47:12.1234567+05:00"`: 1203882432123456, `""`: 0,
	} {
		if err := json.Unmarshal([]byte(in), &back); err != nil || back.Micros() != want {
			t.Errorf("%s: %d, %v", in, back.Micros(), err)
		}
	}
	for _, in := range []string{`"2008-02-24"`, `"yesterday"`, `5`, `"2008-02-30T00:00:00Z"`} {
		if err := json.Unmarshal([]byte(in), &back); err == nil || !strings.Contains(err.Error(), "time") {
			t.Errorf("%s: %v, %v", in, back, err)
		}
	}
}

// TestCanonicalJSON: keys in the order of the document, unknown absent, no HTML escapes, one line.
func TestCanonicalJSON(t *testing.T) {
	when := At(time.Unix(1203882432, 0))
	inc := Incident{
		V: 1, ID: "x", Revision: 1, Data: Archive, Kind: Outage, State: Suspected, Severity: 2,
		Entity: Entity{Type: "country", Code: "PK", Name: "A <&> B"}, PublicCore: []string{"routing"}, Start: Interval{Time: when},
		Signals:  []Signal{{Signal: "bgp.v4", Unit: "slash24", Expected: 4, Observed: 3, At: when, LostShare: 0.25, Prefixes: PrefixCount{Expected: 2, Lost: 1}, ASNs: VantageCount{Expected: 3, Voting: 3, Needed: 10}}},
		Coverage: Coverage{Level: "full"}, Method: Method{Name: "m", Version: "1", ConfigSHA256: "c", Software: "s"},
		Revisions: []Revision{{Revision: 1, At: when, State: Suspected, Change: "opened"}},
	}
	want := `{"v":1,"id":"x","revision":1,"data":"archive","kind":"outage","state":"suspected","severity":2,` +
		`"entity":{"type":"country","code":"PK","name":"A <&> B"},"public_core":["routing"],"start":{"time":"2008-02-24T19:47:12Z"},` +
		`"signals":[{"signal":"bgp.v4","unit":"slash24","expected":4,"observed":3,"at":"2008-02-24T19:47:12Z","lost_share":0.25,` +
		`"prefixes":{"expected":2,"lost":1},"asns":{"expected":3,"voting":3,"needed":10}}],` +
		`"coverage":{"level":"full"},"method":{"name":"m","version":"1","config_sha256":"c","software":"s"},` +
		`"revisions":[{"revision":1,"at":"2008-02-24T19:47:12Z","state":"suspected","change":"opened"}]}`
	got, err := inc.JSON()
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	inc.Signals[0].LostShare = Share(math.NaN())
	if got, err := inc.JSON(); err == nil || !strings.Contains(err.Error(), "incident x") {
		t.Errorf("%s, %v", got, err)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 12: "12", 999: "999", 1000: "1,000", 12345: "12,345", 999999: "999,999", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestTitle(t *testing.T) {
	zone := Entity{Type: "zone", Code: "gulf", Name: "Gulf"}
	engine := &Engine{cfg: DefaultConfig(), entities: []Entity{{Type: "country", Code: "PK", Name: "Pakistan"}, {Type: "country", Code: "XA"}}}
	part := func(n int, name string) []Part {
		return []Part{{Entity: Entity{Type: "network", Code: "AS17557", Name: name}, Prefixes: n}, {Entity: Entity{Type: "network", Code: "AS1"}, Prefixes: 1}}
	}
	country, unnamed := Entity{Type: "country", Code: "PK", Name: "Pakistan"}, Entity{Type: "country", Code: "PK"}
	peak := Reading{Prefixes: 1614, LostPrefixes: 1000}
	for what, c := range map[string]struct {
		e     Entity
		sig   SignalID
		parts []Part
		in    []CountryLoss
		want  string
	}{
		"a country":                 {country, BGPv4, part(899, "PTCL"), nil, "Pakistan: 1,000 of 1,614 observable IPv4 prefixes left the routing table (62.0 %)"},
		"without a name, of IPv6":   {unnamed, BGPv6, nil, nil, "PK: 1,000 of 1,614 observable IPv6 prefixes left the routing table (62.0 %)"},
		"nine tenths of one origin": {country, BGPv4, part(900, "PTCL"), nil, "Network AS17557 PTCL: 1,000 of 1,614 observable IPv4 prefixes of Pakistan (62.0 %)"},
		"which has no name":         {country, BGPv4, part(1000, ""), nil, "Network AS17557: 1,000 of 1,614 observable IPv4 prefixes of Pakistan (62.0 %)"},
		"a network is named itself": {Entity{Type: "network", Code: "AS17557"}, BGPv4, part(1000, "PTCL"), nil, "AS17557: 1,000 of 1,614 observable IPv4 prefixes left the routing table (62.0 %)"},
		"a region":                  {Entity{Type: "region", Code: "PK-SD", Name: "Sindh"}, BGPv4, part(899, "PTCL"), nil, "Sindh: 1,000 of 1,614 observable IPv4 prefixes left the routing table (62.0 %)"},
		"one origin of a region":    {Entity{Type: "region", Code: "PK-SD", Name: "Sindh"}, BGPv4, part(900, "PTCL"), nil, "Network AS17557 PTCL: 1,000 of 1,614 observable IPv4 prefixes of Sindh (62.0 %)"},
		"a zone":                    {zone, BGPv4, part(899, "PTCL"), []CountryLoss{{0, 899}, {1, 101}}, "Gulf: 1,000 of 1,614 observable IPv4 prefixes left the routing table (62.0 %)"},
		"one country of a zone":     {zone, BGPv4, part(899, "PTCL"), []CountryLoss{{0, 900}, {1, 100}}, "Country Pakistan: 1,000 of 1,614 observable IPv4 prefixes of Gulf (62.0 %)"},
		"which has no name either":  {zone, BGPv4, part(899, "PTCL"), []CountryLoss{{1, 1000}}, "Country XA: 1,000 of 1,614 observable IPv4 prefixes of Gulf (62.0 %)"},
		"one origin of a zone":      {zone, BGPv4, part(900, "PTCL"), []CountryLoss{{0, 1000}}, "Network AS17557 PTCL: 1,000 of 1,614 observable IPv4 prefixes of Gulf (62.0 %)"},
	} {
		if got := engine.title(c.e, &track{sig: c.sig, peak: peak, peakParts: c.parts, peakIn: c.in}); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
}

// TestOnset: the first withdrawal, the second network's, and t0. One network never dates an event alone.
func TestOnset(t *testing.T) {
	for what, c := range map[string]struct {
		seen           []Withdrawal
		earliest, time float64
	}{
		"nobody":                            {nil, 100, 100},
		"one network, however often":        {[]Withdrawal{{at(70), 1, "a"}, {at(60), 1, "b"}, {at(80), 1, "a"}}, 60, 100},
		"two networks, in any order":        {[]Withdrawal{{at(90), 3, "c"}, {at(75), 2, "b"}, {at(60), 1, "a"}, {at(65), 1, "a"}}, 60, 75},
		"two at the same instant":           {[]Withdrawal{{at(60), 2, "b"}, {at(60), 1, "a"}}, 60, 60},
		"the second only after t0":          {[]Withdrawal{{at(60), 1, "a"}, {at(101), 2, "b"}}, 60, 100},
		"the second at t0":                  {[]Withdrawal{{at(60), 1, "a"}, {at(100), 2, "b"}}, 60, 100},
		"all after t0":                      {[]Withdrawal{{at(101), 1, "a"}, {at(102), 2, "b"}}, 100, 100},
		"the first network between others'": {[]Withdrawal{{at(60), 1, "a"}, {at(70), 1, "a"}, {at(80), 2, "b"}, {at(85), 3, "c"}}, 60, 80},
		"numbers of 32 bits":                {[]Withdrawal{{at(60), 4294967295, "a"}, {at(60), 1, "b"}}, 60, 60},
	} {
		iv := onset(slices.Clone(c.seen), at(100))
		if iv.Earliest.UnixMicro() != at(c.earliest) || iv.Time.UnixMicro() != at(c.time) || iv.Latest.UnixMicro() != at(100) {
			t.Errorf("%s: %v, %v, %v", what, iv.Earliest, iv.Time, iv.Latest)
		}
	}
}

// TestFigures: the document's numbers are those at the peak, with their denominators, whatever the level is now.
func TestFigures(t *testing.T) {
	s := newSim(t)
	_, rows := s.country("PK", 100, 5)
	for _, r := range rows[:50] {
		s.rows[r].units = 4
	}
	s.parts = []Part{{Entity: Entity{Type: "network", Code: "AS64500"}, Unit: "slash24", Lost: 8, Expected: 40, Prefixes: 2}}
	s.run(9)
	s.lose(10, rows[:10]...)
	s.run(60)
	s.rows[rows[10]].deagg = true
	s.lose(60.5, rows[10:12]...)
	s.set(at(61), PrefixUnobservable, rows[50:53]...)
	s.lose(62, rows[12])
	s.giveBack(63, rows[:4]...)
	s.run(200)
	inc := s.only()
	sig := inc.Signals[0]
	want := Signal{
		Signal: "bgp.v4", Unit: "slash24", Expected: 50*4 + 47, Observed: 50*4 + 47 - 12*4, Unobservable: 3, At: micros(at(62)), LostShare: Share(48.0 / 247),
		Prefixes: PrefixCount{Expected: 97, Lost: 13, Deaggregated: 1, Unobservable: 3}, ASNs: VantageCount{Expected: 20, Voting: 20, Needed: 10},
	}
	sig.Collectors = nil
	if !slices.Equal([]any{sig.Signal, sig.Unit, sig.Expected, sig.Observed, sig.Unobservable, sig.At.Micros(), sig.LostShare, sig.Prefixes, sig.ASNs},
		[]any{want.Signal, want.Unit, want.Expected, want.Observed, want.Unobservable, want.At.Micros(), want.LostShare, want.Prefixes, want.ASNs}) {
		t.Errorf("%+v\nwant %+v", sig, want)
	}
	if inc.Peak.Time.UnixMicro() != at(62) || inc.Severity != 2 || len(inc.Parts) != 1 || inc.Evidence.Messages != 1 || inc.Coverage.Level != "full" {
		t.Errorf("peak %v, severity %d, parts %v, evidence %v", inc.Peak.Time, inc.Severity, inc.Parts, inc.Evidence)
	}
	if inc.Data != Synthetic || inc.V != 1 || inc.Method != (Method{"expected-peers", "1", "d1gest", "corewatch test"}) || !slices.Equal(inc.PublicCore, []string{"routing"}) {
		t.Errorf("%+v", inc)
	}
}

func TestSortIncidents(t *testing.T) {
	inc := func(id string, s float64) *Incident { return &Incident{ID: id, Start: Interval{Time: micros(at(s))}} }
	l := []*Incident{inc("b", 2), inc("a", 2), inc("z", 1), inc("c", 2.000001), inc("b", 0)}
	SortIncidents(l)
	got := ""
	for _, i := range l {
		got += i.ID
	}
	if got != "bzabc" {
		t.Error(got)
	}
}

func TestConfigDigest(t *testing.T) {
	a := DefaultConfig()
	b := a
	b.UnstableShare += 1e-9
	d := a.Digest()
	if len(d) != 64 || d != a.Digest() || d == b.Digest() || d == a.Digest(1) || a.Digest(1, 2) == a.Digest(2, 1) || a.Digest(1, 2) == a.Digest(12) {
		t.Errorf("%s", d)
	}
}

package entity

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestParseEntity(t *testing.T) {
	for _, c := range []struct{ in, out, name string }{
		{"country:PK", "country:PK", "Pakistan"},
		{"country:pk", "country:PK", "Pakistan"},
		{"country:AN", "country:AN", "Netherlands Antilles"},
		{"region:pk-sd", "region:PK-SD", ""},
		{"network:AS17563", "network:AS17563", ""},
		{"network:17563", "network:AS17563", ""},
		{"network:as4294967295", "network:AS4294967295", ""},
		{"prefix:192.0.2.0/24", "prefix:192.0.2.0/24", ""},
		{"prefix:2001:0DB8::/32", "prefix:2001:db8::/32", ""},
		{"zone:a-zone", "zone:a-zone", ""},
		{"collector:route-views2", "collector:route-views2", ""},
		{"peer:rrc00/AS3333/2001:db8::1", "peer:rrc00/AS3333/2001:db8::1", ""},
		{"service:root.dns/a", "service:root.dns/a", ""},
	} {
		e, err := ParseEntity(c.in)
		if err != nil || e.String() != c.out || e.Name != c.name {
			t.Errorf("%s: %+v, %v; want %s %q", c.in, e, err, c.out, c.name)
		}
	}
	for _, in := range []string{
		"", "country", "country:", "country:XK", "country:ZZ", "country:PAK", "planet:X", "region:PK", "region:XK-1", "network:AS0", "network:AS",
		"network:1.1", "network:+1", "network:AS4294967296", "prefix:192.0.2.1/24", "prefix:x", "zone:A", "zone:-a", "zone:a--b",
		"peer:rrc00/3333/192.0.2.1", "peer:rrc00/AS03333/192.0.2.1", "peer:rrc00/AS1/x", "collector:a b", "service:\u202ex", "collector:" + strings.Repeat("a", 200),
	} {
		if e, err := ParseEntity(in); err == nil {
			t.Errorf("%q was accepted as %+v", in, e)
		}
	}
}

func TestEntityJSON(t *testing.T) {
	b, err := json.Marshal([]Entity{Country("PK"), Network(17563)})
	if want := `[{"type":"country","code":"PK","name":"Pakistan"},{"type":"network","code":"AS17563"}]`; err != nil || string(b) != want {
		t.Errorf("%s, %v; want %s", b, err, want)
	}
}

func FuzzParseEntity(f *testing.F) {
	f.Add("country:PK")
	f.Add("peer:rrc00/AS3333/2001:db8::1")
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseEntity(s)
		if err != nil {
			return
		}
		again, err := ParseEntity(e.String())
		if err != nil || again != e {
			t.Fatalf("%q gave %+v, which gave %+v, %v", s, e, again, err)
		}
	})
}

func TestDay(t *testing.T) {
	d, err := ParseDay("2008-02-21")
	if err != nil || d.String() != "2008-02-21" || DayOf(time.Date(2008, 2, 21, 23, 59, 59, 999, time.UTC)) != d {
		t.Fatalf("%v %v", d, err)
	}
	if DayOf(time.Date(1969, 12, 31, 23, 0, 0, 0, time.UTC)) != -1 {
		t.Error("the day before 1970 is not -1")
	}
	later, _ := ParseDay("2026-06-17")
	if d.GapDays(later) != 6691 || later.GapDays(d) != 6691 {
		t.Errorf("gap %d, want 6691", d.GapDays(later))
	}
	for _, s := range []string{"", "2008-2-21", "2008-02-30", "1969-12-31", "20080221"} {
		if _, err := ParseDay(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

func TestCountryNames(t *testing.T) {
	codes := CountryCodes()
	if len(codes) != 249 || !slices.IsSorted(codes) {
		t.Errorf("%d codes, want the 249 of ISO 3166-1, sorted", len(codes))
	}
	seen := map[string]string{}
	for code, name := range loadNames().name {
		if CleanName(name) != name || strings.ContainsRune(name, '.') && code != "VI" {
			t.Errorf("%s: name %q is not clean or abbreviated", code, name)
		}
		if seen[name] != "" {
			t.Errorf("%s and %s are both %q", code, seen[name], name)
		}
		seen[name] = code
	}
	for code, want := range map[string]string{"CI": "Côte d'Ivoire", "NO": "Norway", "CD": "Democratic Republic of the Congo", "TR": "Türkiye", "AU": "Australia"} {
		if name, ok := CountryName(code); !ok || name != want {
			t.Errorf("%s is %q, want %q", code, name, want)
		}
	}
	for _, code := range []string{"XK", "ZZ", "EU", "AP", "UK", "pk", ""} {
		if name, ok := CountryName(code); ok {
			t.Errorf("%q has the name %q", code, name)
		}
	}
	if slices.Contains(codes, "AN") {
		t.Error("a withdrawn code is listed as current")
	}
}

// The time zone database keeps an independent list of the codes.
func TestCountryCodesAgainstTZ(t *testing.T) {
	raw, err := os.ReadFile("/usr/share/zoneinfo/iso3166.tab")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("TestCountryCodesAgainstTZ did not run: the system has no iso3166.tab")
	}
	var want []string
	for line := range strings.Lines(string(raw)) {
		if code, _, ok := strings.Cut(line, "\t"); ok && !strings.HasPrefix(line, "#") {
			want = append(want, code)
		}
	}
	slices.Sort(want)
	if got := CountryCodes(); !slices.Equal(got, want) {
		t.Errorf("codes differ from the time zone database's:\n%v\n%v", got, want)
	}
}

func TestParseNamesBad(t *testing.T) {
	for _, text := range []string{"AA\tcurrent\n", "AAA\tcurrent\tx\n", "AA\tnow\tx\n", "AB\tcurrent\tx\nAA\tcurrent\ty\n", "AA\tcurrent\t\n"} {
		if _, err := parseNames(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestCleanName(t *testing.T) {
	for in, want := range map[string]string{
		"Pakistan Telecom":                "Pakistan Telecom",
		"  a \t\n b\u00a0c ":              "a b c",
		"abc\u202egnp.exe":                "abcgnp.exe",
		"\u2066x\u2069\u200f\u200b\ufeff": "x",
		"a\x00b\x1b[31mc":                 "ab[31mc",
		"bad\xffutf8":                     "badutf8",
		"z\u0301\u0301\u0301\u0301":       "z\u0301\u0301",
		"\u0301start":                     "start",
		"\ue000private":                   "private",
		strings.Repeat("é", 500):          strings.Repeat("é", maxName),
	} {
		if got := CleanName(in); got != want {
			t.Errorf("%q gave %q, want %q", in, got, want)
		}
	}
}

func FuzzCleanName(f *testing.F) {
	f.Add("a\u202eb  c\u0301\u0301 \u0301")
	f.Add(strings.Repeat("a ", 100))
	f.Fuzz(func(t *testing.T, s string) {
		c := CleanName(s)
		if CleanName(c) != c || !utf8.ValidString(c) || utf8.RuneCountInString(c) > maxName || strings.TrimSpace(c) != c {
			t.Fatalf("%q gave %q, which is not clean", s, c)
		}
	})
}

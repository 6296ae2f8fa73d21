package reference

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/entity"
)

const goodZone = `zones:
  - slug: a-zone
    name: A zone
    kind: region
    since: 2020-01-02
    until: 2020-01-03
    members:
      countries: [NO, PK]
      regions: [pk-sd]
      networks: [AS64500, 64501]
      prefixes: [192.0.2.0/24, "2001:db8::/32"]
    sources:
      - title: A source
        url: https://example.net/x
        retrieved: 2024-05-06
        records: ["1", 2]
`

func TestParseZonesGood(t *testing.T) {
	zones, err := ParseZones("z.yaml", strings.NewReader(goodZone))
	if err != nil {
		t.Fatal(err)
	}
	z := zones[0]
	if z.Countries[0] != "NO" || z.Since.String() != "2020-01-02" || z.Networks[1] != 64501 || z.Sources[0].Records[1] != "2" {
		t.Fatalf("got %+v", z)
	}
	in := time.Date(2020, 1, 3, 23, 59, 59, 0, time.UTC)
	mustPrefix := func(s string) bgp.Prefix {
		p, err := bgp.ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	index := entity.NewZones(zones)
	other := mustPrefix("198.51.100.0/24")
	for _, c := range []struct {
		name    string
		p       bgp.Prefix
		origin  uint32
		country string
		region  string
		at      time.Time
		want    bool
	}{
		{"country", other, 0, "NO", "", in, true},
		{"region", other, 0, "IR", "PK-SD", in, true},
		{"another region", other, 0, "IR", "IR-07", in, false},
		{"network", other, 64501, "", "", in, true},
		{"covered prefix", mustPrefix("192.0.2.128/25"), 0, "", "", in, true},
		{"covering prefix is not covered", mustPrefix("192.0.0.0/16"), 0, "", "", in, false},
		{"v6", mustPrefix("2001:db8:1::/48"), 0, "SE", "", in, true},
		{"nothing matches", other, 1, "SE", "", in, false},
		{"unknown matches nothing", bgp.Prefix{}, 0, "", "", in, false},
		{"day after", other, 0, "NO", "", in.Add(time.Second), false},
		{"first moment", other, 0, "NO", "", time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC), true},
		{"day before", other, 0, "NO", "", time.Date(2020, 1, 1, 23, 59, 59, 0, time.UTC), false},
	} {
		got := index.Of(c.p, c.origin, c.country, c.region, c.at)
		if (len(got) == 1) != c.want || c.want && got[0].Slug != z.Slug {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if first := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC); !index.Change(first, first.AddDate(1, 0, 0)) || index.Change(first.AddDate(1, 0, 0), first.AddDate(2, 0, 0)) {
		t.Error("a jump over the change is not noticed, or one after it is")
	}
	for day, want := range map[int]bool{1: false, 2: true, 3: false, 4: true, 5: false} {
		midnight := time.Date(2020, 1, day, 0, 0, 0, 0, time.UTC)
		if got := index.Change(midnight.Add(-1), midnight); got != want || index.Change(midnight, midnight.Add(86399*time.Second)) {
			t.Errorf("January %d changes the zones: %v", day, got)
		}
	}
}

func TestParseZonesBad(t *testing.T) {
	replace := func(old, with string) string {
		if !strings.Contains(goodZone, old) {
			t.Fatalf("the good zone has no %q", old)
		}
		return strings.Replace(goodZone, old, with, 1)
	}
	sources := goodZone[strings.Index(goodZone, "    sources:"):]
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", replace("kind:", "king:"), `z.yaml:4: unknown field "king"`},
		{"repeated key", replace("    kind: region\n", "    kind: region\n    kind: x\n"), `z.yaml:5: `},
		{"no source", replace(sources, ""), `z.yaml:2: zone "a-zone": sources: none`},
		{"slug", replace("a-zone", "A_zone"), `z.yaml:2: zone "A_zone": slug`},
		{"dates", replace("2020-01-03", "2020-01-01"), `z.yaml:2: zone "a-zone": until 2020-01-01 is before since 2020-01-02`},
		{"date form", replace("2020-01-03", "3.1.2020"), `z.yaml:6: date "3.1.2020"`},
		{"country", replace("PK", "XK"), `z.yaml:8: country "XK" is not in ISO 3166-1`},
		{"region", replace("pk-sd", "PK"), `z.yaml:9: entity "region:PK"`},
		{"network", replace("AS64500", "AS0"), `z.yaml:10: network "AS0"`},
		{"prefix", replace("192.0.2.0/24", "192.0.2.1/24"), `z.yaml:11: prefix "192.0.2.1/24": bits set`},
		{"source date", replace("        retrieved: 2024-05-06\n", ""), `z.yaml:2: zone "a-zone": source 1: retrieved is missing`},
		{"source place", replace("https://example.net/x", "ftp://example.net/x"), `source 1: url "ftp://example.net/x"`},
		{"both places", replace("        url:", "        file: x\n        url:"), `give a url or a file, and not both`},
		{"twice", goodZone + strings.TrimPrefix(goodZone, "zones:\n"), `z.yaml:17: zone "a-zone" is already defined in line 2`},
		{"anchor", replace("A zone", "&a zone"), `z.yaml:3: "&": anchors`},
		{"alias", replace("A zone", "*a"), `z.yaml:3: "*": anchors`},
		{"tag", replace("A zone", "!!binary aGk="), `anchors, aliases, tags`},
		{"list for a value", replace("A zone", "[a]"), `z.yaml:3: want a single value`},
		{"null", replace("A zone", "null"), "z.yaml:"},
		{"bidi", replace("A zone", "\"a\\u202eb\""), `name: want`},
		{"empty", "", "z.yaml: it is empty"},
		{"two documents", goodZone + "---\n" + goodZone, "more than one YAML document"},
		{"deep", "zones: " + strings.Repeat("[", 1000), "z.yaml:1: brackets nested deeper"},
		{"deep blocks", "zones:\n" + strings.Repeat("- ", 500), "z.yaml:2: longer than"},
		{"large", goodZone + strings.Repeat("# x\n", maxZoneFile/4), "too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseZones("z.yaml", strings.NewReader(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
		})
	}
}

func FuzzParseZones(f *testing.F) {
	f.Add(goodZone)
	f.Add("zones:\n  - &a {slug: *a}\n")
	f.Add("zones: [{slug: [}, {]}]")
	f.Fuzz(func(t *testing.T, text string) {
		zones, err := ParseZones("z", strings.NewReader(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "z:") {
				t.Fatalf("error does not name the file: %v", err)
			}
			return
		}
		for i := range zones {
			if err := zones[i].Validate(); err != nil {
				t.Fatalf("accepted an invalid zone: %v", err)
			}
		}
	})
}

// The example must parse, and everything it says must be in the data it cites.
func TestExampleZones(t *testing.T) {
	f, err := os.Open("../../deploy/zones.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zones, err := ParseZones("zones.example.yaml", f)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("cited facts", func(t *testing.T) {
		data := dataDir(t)
		for _, z := range zones {
			for _, s := range z.Sources {
				checkCited(t, &z, filepath.Join(data, s.File), s)
			}
		}
	})
}

// curatedNames are the names of the cited data set for codes whose name it writes differently.
var curatedNames = map[string]string{"CD": "Democratic Republic of (DRC)"}

func checkCited(t *testing.T, z *entity.Zone, path string, s entity.Source) {
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(raw); "sha256:"+hex.EncodeToString(sum[:]) != s.Digest {
		t.Errorf("%s: digest is sha256:%x, the example says %s", s.File, sum, s.Digest)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(raw), "\ufeff"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	country := map[string]string{} // id → country, of national rows with the label
	count := map[string]int{}
	for _, r := range rows[1:] {
		if strings.TrimSpace(r[7]) == "Country" && strings.TrimSpace(r[10]) == "Government-Ordered" {
			country[r[0]] = r[3]
			count[r[3]]++
		}
	}
	cited := map[string]int{}
	for _, id := range s.Records {
		if country[id] == "" {
			t.Errorf("record %s is not a national row with the label", id)
		}
		cited[country[id]]++
	}
	listed := map[string]bool{}
	for _, code := range z.Countries {
		name, ok := curatedNames[code]
		if !ok {
			name, _ = entity.CountryName(code)
		}
		listed[name] = true
		if cited[name] < 2 {
			t.Errorf("%s (%s): %d cited rows, want 2", code, name, cited[name])
		}
	}
	for name, n := range count {
		if n >= 2 != listed[name] {
			t.Errorf("%s has %d rows; listed: %v", name, n, listed[name])
		}
	}
	for code, want := range map[string]int{"Iraq": 18, "Syria": 8, "Sudan": 3, "Benin": 2, "Democratic Republic of (DRC)": 2, "Ethiopia": 2, "Zimbabwe": 2} {
		if count[code] != want {
			t.Errorf("%s: %d rows, the example's comment says %d", code, count[code], want)
		}
	}
}

// dataDir is the folder of real data, or the test does not run.
func dataDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("COREWATCH_DATA")
	if dir == "" {
		dir = "../../../shared/data"
	}
	if _, err := os.Stat(filepath.Join(dir, "INDEX.md")); err != nil {
		t.Skipf("%s did not run: no real data (set COREWATCH_DATA)", t.Name())
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

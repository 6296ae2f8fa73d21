package reference

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/entity"
)

func registryFile(registry, day, country string) string {
	return "# comment\n2|" + registry + "|1|1|00000000|" + day + "|00000\n" +
		registry + "|*|ipv4|*|1|summary\n" + registry + "|" + country + "|ipv4|10.0.0.0|65536|20000101|allocated|x\n"
}

func regionsFile(day, region string) string {
	return "# vintage: " + day + "\n# source: a survey\n# licence: CC0-1.0\n" + entity.RegionsHeader + "\n10.0.0.0/9," + region + ",A region\n"
}

const as2org = `{"asn":"64500","changed":"20080402","name":"EX","organizationId":"O","type":"ASN"}
{"changed":"20080402","country":"NG","name":"Ex","organizationId":"O","type":"Organization"}
`

func packed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad(t *testing.T) {
	dir := folder(t, map[string]string{
		"a":                   registryFile("afrinic", "20080220", "NG"),
		"b.zip":               packed(t, registryFile("afrinic", "20210101", "ZA")),
		"20080402.x.jsonl.gz": packed(t, as2org),
		"nets":                strings.ReplaceAll(as2org, "20080402", "20211001"),
		"o.txt":               entity.OverridesHeader + "\nAS64501,PK,a letter\n",
		"z.txt":               "# zones\n" + goodZone,
		"r1":                  regionsFile("2008-01-01", "NG-LA"),
		"r2.gz":               packed(t, regionsFile("2021-01-01", "ZA-GT")),
		"letter.doc":          "hello",
		".hidden":             "hello",
		"delegated-afrinic-20200101-0123456789ab": registryFile("afrinic", "20200101", "EG"),
	})
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Vintages(); !slices.Equal(got, []string{"afrinic 2008-02-20", "afrinic 2021-01-01"}) {
		t.Errorf("vintages %v", got)
	}
	if len(s.Networks) != 2 || s.Networks[0].Reference().Vintage != "2008-04-02" || s.Networks[1].Reference().Vintage != "2021-10-01" {
		t.Errorf("networks %v", s.Networks)
	}
	if len(s.Zones) != 1 || len(s.ZoneReferences) != 1 || len(s.Overrides.All()) != 1 || s.Overrides.Reference().SHA256 == "" {
		t.Errorf("%+v", s)
	}
	if len(s.Notes) != 3 || !strings.HasPrefix(s.Notes[0], "delegated-afrinic") || !strings.HasPrefix(s.Notes[1], "letter.doc: not recognised") || !strings.HasPrefix(s.Notes[2], "sub: a folder") {
		t.Errorf("notes %q", s.Notes)
	}
	p := bgp.PrefixFrom4(10<<24, 24)
	for _, c := range []struct {
		event    string
		origin   uint32
		byOrigin bool
		code     string
		basis    string
		vintage  string // of the first table
	}{
		{"2008-02-21", 0, true, "NG", entity.BasisDelegated, "2008-02-20"},
		{"2008-02-21", 64500, true, "NG", entity.BasisDelegated, "2008-02-20"}, // the registry file is a day off, the mapping 41
		{"2020-12-01", 64500, true, "ZA", entity.BasisDelegated, "2021-01-01"},
		{"2021-10-02", 64500, true, "NG", entity.BasisOrigin, "2021-01-01"},
		{"2021-10-02", 64500, false, "ZA", entity.BasisDelegated, "2021-01-01"},
		{"2021-10-02", 64501, false, "PK", entity.BasisOverride, "2021-01-01"},
	} {
		at, err := time.Parse(time.DateOnly, c.event)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Resolver(at, c.byOrigin)
		if err != nil {
			t.Fatal(err)
		}
		code, basis := r.Country(p, c.origin)
		if code != c.code || basis != c.basis || r.Countries[0].Reference().Vintage != c.vintage {
			t.Errorf("%+v: %s by %s, tables %+v", c, code, basis, r.References())
		}
		region, ok := r.Region(p, code)
		if want := map[string]string{"2008-02-21 NG": "NG-LA", "2020-12-01 ZA": "ZA-GT", "2021-10-02 ZA": "ZA-GT"}[c.event+" "+code]; region.Code != want || ok != (want != "") {
			t.Errorf("%+v: region %+v of %s, want %q", c, region, code, want)
		}
		if last := r.References()[len(r.References())-1]; last.Name != "regions" || last.Vintage != r.Regions.Reference().Vintage {
			t.Errorf("%+v: the regions are not cited: %+v", c, r.References())
		}
		if len(r.Countries) != 2 {
			t.Errorf("one registry covers the world: %+v", r.References())
		}
	}
}

func TestLoadWholeWorld(t *testing.T) {
	files := map[string]string{}
	for _, registry := range registries {
		files[registry] = registryFile(registry, "20240102", "SE")
	}
	files["arin"] = registryFile("arin", "20240101", "US")
	s, err := Load(folder(t, files))
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolver(time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC), true)
	if err != nil {
		t.Fatal(err)
	}
	if refs := r.References(); len(refs) != 1 || refs[0].Vintage != "2024-01-01" || refs[0].Quality != entity.QualityRegistry || len(refs[0].SHA256) != 64 {
		t.Errorf("%+v", refs)
	}
	if code, _ := r.Country(bgp.PrefixFrom4(10<<24, 16), 0); code != "SE" {
		t.Errorf("%s: the file farther from the event won", code)
	}
}

func TestLoadErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"damaged registry file", map[string]string{"a": registryFile("afrinic", "20080220", "NG") + "x\n"}, "a:5: 1 fields"},
		{"cut gzip", map[string]string{"a": packed(t, registryFile("afrinic", "20080220", "NG"))[:60]}, "a"},
		{"not gzip", map[string]string{"a": "\x1f\x8bxxx"}, "a: "},
		{"two of a day", map[string]string{"a": registryFile("afrinic", "20080220", "NG"), "b": registryFile("afrinic", "20080220", "ZA")}, "two different files of afrinic for 2008-02-20"},
		{"two overrides", map[string]string{"a": entity.OverridesHeader + "\n", "b": entity.OverridesHeader + "\n"}, "b: a second overrides file"},
		{"bad region", map[string]string{"a": regionsFile("2008-01-01", "NG")}, `a:5: entity "region:NG"`},
		{"two of regions", map[string]string{"a": regionsFile("2008-01-01", "NG-LA"), "b": regionsFile("2008-01-01", "NG-FC")}, "two regions files of 2008-01-01; keep one"},
		{"bad override", map[string]string{"a": entity.OverridesHeader + "\nAS1,PK,\n"}, "a:2: source is empty"},
		{"zone twice", map[string]string{"a": goodZone, "b": goodZone}, `zone "a-zone" is defined twice`},
		{"bad as2org", map[string]string{"a": as2org + "{\n"}, "a:3: "},
		{"no country at all", map[string]string{"a": registryFile("afrinic", "20080220", "ZZ")}, "a: no address range"},
		{"manifest", map[string]string{"manifest.json": "{"}, "manifest.json: damaged"},
		{"manifest format", map[string]string{"manifest.json": "{}"}, `manifest.json: format ""`},
		{"manifest entry", map[string]string{"manifest.json": `{"format":"corewatch-reference-1","files":[{"name":"../x"}]}`}, `the entry of "../x" is damaged`},
		{"manifest without file", map[string]string{"manifest.json": `{"format":"corewatch-reference-1","files":[{"name":"delegated-arin-20240101-0123456789ab","registry":"arin","vintage":"2024-01-01","sha256":"` + strings.Repeat("0", 64) + `","source":"x","retrieved":"2024-01-01T00:00:00Z"}]}`}, "cannot be read; run the update again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(folder(t, c.files))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing folder gives %v", err)
	}
}

// A small file that unpacks to more than the limit must be refused, not truncated.
func TestBoundedReader(t *testing.T) {
	r := &boundedReader{strings.NewReader("0123456789"), 4}
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); !errors.Is(err, errTooLarge) || b.String() != "0123" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestLoadRealFiles(t *testing.T) {
	data := dataDir(t)
	s, err := Load(filepath.Join(data, "reference/delegated"))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Vintages(); !slices.Equal(got, []string{"afrinic 2024-07-18"}) || len(s.Notes) != 0 {
		t.Errorf("%v %q", got, s.Notes)
	}
	r, err := s.Resolver(time.Date(2024, 7, 18, 0, 0, 0, 0, time.UTC), false)
	if err != nil {
		t.Fatal(err)
	}
	if code, basis := r.Country(bgp.PrefixFrom4(41<<24, 11), 0); code != "ZA" || basis != entity.BasisDelegated {
		t.Errorf("41.0.0.0/11 is %s by %s", code, basis)
	}
	builtIn, err := entity.DefaultCountries()
	if err != nil {
		t.Fatal(err)
	}
	v4, v6 := r.Countries[0].Compare(builtIn)
	t.Logf("AFRINIC 2024-07-18 against the built-in table: IPv4 %+v, IPv6 %+v", v4, v6)
	if v4.Differ > 0.02*(v4.Agree+v4.Differ) || v6.Differ > 0.02*(v6.Agree+v6.Differ) {
		t.Errorf("more than 2 %% of what both name differs")
	}
}

func TestLoadRealNetworks(t *testing.T) {
	s, err := Load(filepath.Join(dataDir(t), "reference/as2org"))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Networks) != 2 || s.Networks[0].Reference().Vintage != "2008-04-02" || s.Networks[1].Reference().Vintage != "2021-10-01" || len(s.Notes) != 0 {
		t.Fatalf("%v %q", s.Networks, s.Notes)
	}
	for _, c := range []struct {
		event, vintage string
		byOrigin       bool
	}{{"2008-02-20", "2008-04-02", true}, {"2021-01-01", "2021-10-01", true}, {"2026-06-01", "2021-10-01", false}} {
		at, err := time.Parse(time.DateOnly, c.event)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Resolver(at, true)
		if err != nil {
			t.Fatal(err)
		}
		if r.Networks.Reference().Vintage != c.vintage || r.ByOrigin != c.byOrigin {
			t.Errorf("%s: %s, by origin %v", c.event, r.Networks.Reference().Vintage, r.ByOrigin)
		}
	}
}

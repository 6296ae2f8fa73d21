package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/detect/schematest"
	"github.com/corewatch/corewatch/entity"
)

// regionalStory is a record in which the prefixes of two networks leave; the tables of regionalTables say where they are.
const regionalStory = scenario.Magic + `
reason   all of a region leaves, and with it a third of a zone
start    2030-01-01T00:00:00Z
peers    all rc0 AS64601..AS64624
prefixes one AS65001 100.65.0.0/24 x20
prefixes two AS65002 100.66.0.0/24 x20
prefixes rest AS65003 100.67.0.0/24 x90 AS65004 100.68.0.0/24 x200 AS65005 100.69.0.0/24 x470
+0s      table all one,two,rest via AS64700
+0s      alive all 20s
+10m     withdraw all one,two over 20s lag 20s
+40m     announce all one,two via AS64700 over 20s lag 20s
+70m     end
expect   outage network:AS65001..AS65002
`

// regionalTables puts all of it into Pakistan, and the two networks into a region and a zone.
func regionalTables(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var overrides strings.Builder
	overrides.WriteString(entity.OverridesHeader + "\n")
	for _, as := range []string{"AS65001", "AS65002", "AS65003", "AS65004", "AS65005"} {
		overrides.WriteString(as + ",PK,a test\n")
	}
	for name, text := range map[string]string{
		"overrides.csv": overrides.String(),
		"regions.csv":   "# vintage: 2029-12-30\n# source: a test\n# licence: CC0-1.0\n" + entity.RegionsHeader + "\n100.64.0.0/14,PK-SD,Sindh\n100.67.0.0/16,PK-PB,Punjab\n100.64.0.0/10,AF-KAB,Kabul\n",
		"zones.yaml":    "zones:\n  - slug: coast\n    name: The coast\n    kind: example\n    members:\n      regions: [PK-SD]\n      networks: [AS65003]\n    sources:\n      - title: A test\n        file: test\n        retrieved: 2029-12-31\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// recorded writes the streams of a scenario as MRT files.
func recorded(t *testing.T, text string) string {
	t.Helper()
	s, err := scenario.Parse("story", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, c := range s.Collectors() {
		if err := os.MkdirAll(filepath.Join(dir, c), 0o700); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(filepath.Join(dir, c, "all.mrt"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(f, s.Stream(c)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestReplayWithRegionsAndZones replays MRT files with a table of regions and a zone beside the country tables.
func TestReplayWithRegionsAndZones(t *testing.T) {
	var out bytes.Buffer
	r := Replay{Files: []string{recorded(t, regionalStory)}, Reference: regionalTables(t), JSON: true, Out: &out, Err: io.Discard, Log: zerolog.Nop()}
	if err := r.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	found := map[string]detect.Incident{}
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		if err := schematest.Incident(lines.Bytes()); err != nil {
			t.Errorf("%v\n%s", err, lines.Text())
		}
		var inc detect.Incident
		if err := json.Unmarshal(lines.Bytes(), &inc); err != nil {
			t.Fatal(err)
		}
		found[inc.Entity.Key()] = inc
	}
	region, zone := found["region:PK-SD"], found["zone:coast"]
	if len(found) != 4 || region.Entity.Name != "Sindh" || region.Signals[0].Prefixes.Lost != 40 || region.Signals[0].Prefixes.Expected != 40 ||
		zone.Entity.Name != "The coast" || !strings.HasPrefix(zone.Title, "Country Pakistan: 40 of 130 observable IPv4 prefixes of The coast") {
		t.Fatalf("%d incidents: %+v\n%+v", len(found), region, zone)
	}
	names := map[string]detect.Reference{}
	for _, ref := range region.References {
		names[ref.Name] = ref
	}
	if x := names["regions"]; x.Vintage != "2029-12-30" || x.Gap() != 2 || len(x.SHA256) != 64 || x.Quality != string(entity.QualityOperator) {
		t.Errorf("regions are cited as %+v", x)
	}
	for _, undated := range []string{"overrides", "zones"} {
		if x := names[undated]; x.Vintage != "" || x.VintageGapDays != nil || len(x.SHA256) != 64 {
			t.Errorf("%s are cited as %+v", undated, x)
		}
	}
	if e := region.Explanations; len(e) == 0 || e[0].Entity != region.Entity || e[0].Precision != 1 || e[0].Recall != 1 {
		t.Errorf("explained by %+v", e)
	}
}

// TestShowReference says what a folder holds.
func TestShowReference(t *testing.T) {
	var out bytes.Buffer
	if err := ShowReference(regionalTables(t), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"regions: 2029-12-30, 3 prefixes in 3 regions, from a test, CC0-1.0, sha256 ", "overrides: 5\n", "zone: coast (The coast), sources: 1\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not said:\n%s", want, out.String())
		}
	}
}

// TestSourceOfViews: the views of a router, and the routers of a range, are one project.
func TestSourceOfViews(t *testing.T) {
	for collector, want := range map[string]string{"edge1": "edge1", "edge1~post": "edge1", "lab@192.0.2.1~vrf-65000:7~loc": "lab", "rrc00": "RIPE RIS", "route-views2": "RouteViews"} {
		if s := sourceOf(collector); s.Name != want || s.Collector != collector {
			t.Errorf("%s: %+v", collector, s)
		}
	}
}

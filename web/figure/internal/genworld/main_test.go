package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestTable: the table in the repository is what the generator makes of the published file.
func TestTable(t *testing.T) {
	dir := os.Getenv("COREWATCH_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "..", "shared", "data")
	}
	path := filepath.Join(dir, "reference", "geo", "countries-110m.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Skip("the table is not compared with its source: no reference/geo/countries-110m.json in COREWATCH_DATA")
	}
	got, err := generate(raw, "countries-110m.json")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../../world.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("world.txt is not what the generator makes: run go generate in web/figure")
	}
}

func TestRefuses(t *testing.T) {
	for _, bad := range []string{"", "{}", `{"arcs":[[[0,0],[1,1]]],"objects":{"countries":{"geometries":[{"type":"Point","id":"586"}]}}}`, `{"arcs":[[[0,0],[1,1]]],"objects":{"countries":{"geometries":[{"type":"Polygon","id":"999","arcs":[[0]]}]}}}`, `{"arcs":[[[0,0],[1,1]]],"objects":{"countries":{"geometries":[{"type":"Polygon","id":"586","arcs":[["x"]]}]}}}`} {
		if _, err := generate([]byte(bad), "x"); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestSimplify(t *testing.T) {
	island := [][2]int{{0, 0}, {10, 1}, {20, 0}, {20, 10}, {10, 11}, {0, 10}, {0, 0}}
	got := simplify(island)
	if len(got) < 5 || got[0] != island[0] || got[len(got)-1] != island[6] {
		t.Errorf("an island became %v", got)
	}
	line := [][2]int{{0, 0}, {5, 0}, {10, 1}, {15, 0}, {20, 0}}
	if got := simplify(line); len(got) != 2 {
		t.Errorf("a straight border became %v", got)
	}
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// names.tsv must be what this generator makes of the map it names.
func TestNamesAreGenerated(t *testing.T) {
	data := os.Getenv("COREWATCH_DATA")
	if data == "" {
		data = "../../../../shared/data"
	}
	atlas, err := os.ReadFile(filepath.Join(data, atlasFile))
	if err != nil {
		t.Skip("TestNamesAreGenerated did not run: no real data (set COREWATCH_DATA)")
	}
	want, err := generate(atlas, codes)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../names.tsv")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("entity/names.tsv is not what the generator makes; run go generate in entity")
	}
}

func TestGenerate(t *testing.T) {
	atlas := `{"objects":{"countries":{"geometries":[{"id":"004","properties":{"name":"Afghanistan"}},{"properties":{"name":"Nowhere"}},{"id":"016","properties":{"name":"Am. Samoa"}}]}}}`
	got, err := generate([]byte(atlas), "# c\nAF\t004\tcurrent\t\nAN\t-\tformer\tNetherlands Antilles\n")
	if err != nil || !strings.HasSuffix(string(got), "\nAF\tcurrent\tAfghanistan\nAN\tformer\tNetherlands Antilles\n") {
		t.Errorf("%q, %v", got, err)
	}
	for name, list := range map[string]string{"abbreviated": "AS\t016\tcurrent\t\n", "not drawn": "BV\t074\tcurrent\t\n", "fields": "AF\t004\n"} {
		if _, err := generate([]byte(atlas), list); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := generate([]byte("x"), ""); err == nil {
		t.Error("a broken map was accepted")
	}
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var root = filepath.Join("..", "..")

// TestPage: the published page lists every key of the code with its default and meaning.
func TestPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := rewrite(root, page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page, want) {
		t.Error("docs/configuration.md has other keys than the code: run `make method`")
	}
	for _, row := range []string{"| `listen` | `\"127.0.0.1:8480\"` |", "| `sources[].ris_live.endpoint` |", "| `pages.operator` |"} {
		if !strings.Contains(string(page), row) {
			t.Errorf("no row begins with %s", row)
		}
	}
}

func TestRewriteRefuses(t *testing.T) {
	for name, page := range map[string]string{"no marks": "# Configuration\n", "no end": "# Configuration\n" + beginMark} {
		if _, err := rewrite(root, []byte(page)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := rewrite(t.TempDir(), []byte(beginMark+endMark)); err == nil || !strings.Contains(err.Error(), "no source of") {
		t.Errorf("without source: %v", err)
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPage: the published page has the numbers of the code, each in its table and wherever a sentence names it.
func TestPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "method.md"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := rewrite(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page, want) {
		t.Error("docs/method.md has other numbers than the code: run `make method`")
	}
	for _, key := range []string{"country_share", "suspect_after_s", "confirm_after_s", "close_share", "peers.min_voters", "peers.lost_share", "cells.ExpectShare"} {
		if !strings.Contains(string(page), "<!--"+key+"-->") {
			t.Errorf("no sentence of docs/method.md is marked with %s", key)
		}
	}
}

// Each kind of fault of a page is refused.
func TestRewriteRefuses(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "method.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(string) string{
		"a row missing":        func(s string) string { return strings.Replace(s, "| `country_share` |", "| country_share |", 1) },
		"an unknown row":       func(s string) string { return strings.Replace(s, "| `country_share` |", "| `country_shard` |", 1) },
		"an unknown key":       func(s string) string { return s + "3 %<!--no_such-->\n" },
		"a mark behind a word": func(s string) string { return s + "three<!--country_share-->\n" },
		"a share in seconds":   func(s string) string { return s + "3 s<!--country_share-->\n" },
	} {
		if _, err := rewrite([]byte(change(string(page)))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestUnits(t *testing.T) {
	for _, c := range []struct{ value, key, unit, want string }{
		{"0.03", "country_share", "%", "3"},
		{"0.05", "episode_rise", "points", "5"},
		{"900", "close_after_s", "min", "15"},
		{"900", "close_after_s", "s", "900"},
		{"604800", "settled_after_s", "days", "7"},
		{"8", "band_weeks", "weeks", "8"},
		{"3600000000", "cells.ExpectAfter", "h", "1"},
		{"5000", "peers.mass_always", "", "5,000"},
		{"0.999", "band_quantile", "%", "99.9"},
		{"0.8", "confirm_mean_loss", "", "0.8"},
	} {
		if got, err := in(json.Number(c.value), c.key, c.unit); err != nil || got != c.want {
			t.Errorf("%s of %s in %q: %s, %v; want %s", c.value, c.key, c.unit, got, err, c.want)
		}
	}
}

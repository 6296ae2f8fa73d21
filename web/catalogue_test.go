package web

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestCatalogue: every text that templates and code ask for is there, and every text is asked for.
func TestCatalogue(t *testing.T) {
	c, err := loadCatalogue("en")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, dir := range []string{".", "templates"} {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if n := e.Name(); e.IsDir() || strings.HasSuffix(n, "_test.go") || !strings.HasSuffix(n, ".go") && !strings.HasSuffix(n, ".html") {
				continue
			}
			b, err := os.ReadFile(dir + "/" + e.Name())
			if err != nil {
				t.Fatal(err)
			}
			all.Write(b)
		}
	}
	asked := regexp.MustCompile(`(?:\{\{(?:t|h) |\(t |cat\.(?:text|html)\(|\bc\.(?:text|html)\(|label="\{\{t )"([a-z0-9._-]+)"`)
	for _, m := range asked.FindAllStringSubmatch(all.String(), -1) {
		if !c.has(m[1]) && !strings.HasSuffix(m[1], ".") {
			t.Errorf("no text for %q", m[1])
		}
	}
	code := all.String()
	for key := range c.msgs {
		base := strings.TrimSuffix(strings.TrimSuffix(key, ".one"), ".other")
		group, _, _ := strings.Cut(key, ".")
		if strings.Contains(code, `"`+base+`"`) || strings.Contains(code, `"`+group+`."`) || strings.Contains(code, `"`+group+`", `) {
			continue
		}
		t.Errorf("nobody asks for %q", key)
	}
}

// TestLanguages: a language that lacks a text falls back to English, and its direction is its own.
func TestLanguages(t *testing.T) {
	if _, err := loadCatalogue("xx"); !os.IsNotExist(err) && !strings.Contains(err.Error(), fs.ErrNotExist.Error()) {
		t.Errorf("unknown language: %v", err)
	}
	for lang, want := range map[string]string{"en": "ltr", "ar": "rtl", "fa-IR": "rtl", "fr": "ltr", "ur": "rtl"} {
		if got := direction(lang); got != want {
			t.Errorf("direction of %s is %s", lang, got)
		}
	}
}

// TestArguments: an argument is never markup and never a place for another argument.
func TestArguments(t *testing.T) {
	c := &catalogue{lang: "en", msgs: map[string]string{"x": "<b>{1}</b> {2}", "n.one": "one", "n.other": "other"}}
	if got := c.html("x", "<i>{2}", "\u202eZ"); got != "<b>&lt;i&gt;{2}</b> Z" {
		t.Errorf("html: %q", got)
	}
	if got := c.text("x", "{2}", "y"); got != "{2} y" {
		t.Errorf("text: %q", got)
	}
	if c.count("n", 1) != "n.one" || c.count("n", 0) != "n.other" || c.text("missing") != "missing" {
		t.Error("forms")
	}
	if n := len([]rune(clean(strings.Repeat("é", 5000)))); n != maxText {
		t.Errorf("a long text is cut at %d", n)
	}
}

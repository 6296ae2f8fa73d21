package alerts

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/detect"
)

func language(t testing.TB, lang string) *Words {
	t.Helper()
	w, err := Language(lang)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// blame are words of cause and of who did it. The catalogue may say that the cause is not known, and that a fault of the monitor's own was one.
var blame = map[string]*regexp.Regexp{
	"en": regexp.MustCompile(`(?i)shut ?down|censor|attack|sabotage|hack|hijack|government|regime|military|minist|police|order(ed|s)? by|block(ed|ing)\b|kill ?switch|because of|due to|caused|blame|deliberate|on purpose|cut cable|war\b|power (cut|failure)`),
	"ar": regexp.MustCompile(`حكوم|نظام|هجوم|تخريب|حجب|(^|\s)قطع|إغلاق|جيش|عسكري|شرطة|وزار|أمر|متعمد|عمدًا|حرب|اختراق|بسبب`),
}

// TestNothingIsBlamed: no text says why, or who did it.
func TestNothingIsBlamed(t *testing.T) {
	for lang, re := range blame {
		w := language(t, lang)
		for key, text := range w.text {
			if found := re.FindString(text); found != "" && !(key == "part" || strings.HasPrefix(key, "plane") && found == "blocks") {
				t.Errorf("%s, %s: %q in %q", lang, key, found, text)
			}
		}
		for _, m := range examples() {
			if found := re.FindString(w.Full(m) + w.Short(m)); found != "" {
				t.Errorf("%s: %q in %s", lang, found, w.Full(m))
			}
		}
	}
	if !blame["en"].MatchString("CONFIRMED: shutdown ordered by the ministry") || !blame["ar"].MatchString("قطعت الحكومة الإنترنت") {
		t.Error("the list of words finds nothing")
	}
}

var isolated = regexp.MustCompile("\u2068[^\u2068\u2069]*\u2069")

// TestLanguagesSayTheSame: each form has as many lines in each language, and the same figures, names and times; from right to left each of them is
// kept to itself.
func TestLanguagesSayTheSame(t *testing.T) {
	en, ar := language(t, "en"), language(t, "ar")
	token := regexp.MustCompile(`https?://\S+|[0-9a-f]{64}|\d{4}-\d\d-\d\dT[\d:]+Z|[A-Z]{2}-\d{8}T\d{4}Z-\w+|AS\d+|\d[\d,.]*\d|\d`)
	for _, m := range examples() {
		for form, say := range map[string]func(*Words, *Message) string{"line": (*Words).Line, "short": (*Words).Short, "full": (*Words).Full} {
			a, b := say(en, m), say(ar, m)
			if strings.Count(a, "\n") != strings.Count(b, "\n") {
				t.Errorf("%s: other lines\n%s\n%s", form, a, b)
			}
			in := map[string]int{}
			for _, x := range token.FindAllString(a, -1) {
				in[x]++
			}
			for _, x := range token.FindAllString(b, -1) {
				in[x]--
			}
			for x, n := range in {
				if n != 0 {
					t.Errorf("%s: %q stands %d times more in English\n%s\n%s", form, x, n, a, b)
				}
			}
			rest := b
			for isolated.MatchString(rest) { // from the inside out
				rest = isolated.ReplaceAllString(rest, "")
			}
			if strings.ContainsAny(rest, "\u2068\u2069") || strings.Contains(rest, "AS64500") || regexp.MustCompile(`\d{4}-\d\d-`).MatchString(regexp.MustCompile(`(?m)^http.*$`).ReplaceAllString(rest, "")) {
				t.Errorf("%s: not kept to itself: %q", form, rest)
			}
		}
	}
	if got := en.isolate("شبكة"); got != "\u2068شبكة\u2069" || en.isolate("AS1") != "AS1" {
		t.Errorf("%q", got)
	}
}

// TestWhatATextHolds: all that a reader must know stands in the full text, and what a group chat needs in the short one.
func TestWhatATextHolds(t *testing.T) {
	m := examples()[1]
	w := language(t, "en")
	for _, want := range []string{
		"[CONFIRMED]", "State: confirmed; severity 3 of 4", "An example (ZZ)", "between 2030-01-01T00:00:00Z and 2030-01-01T00:01:00Z", "153 of 1,374", "11.1 %",
		"IPv4 shows it; that of IPv6 shows no loss above its floor, or could not be judged", "none took part", "310 blocks cannot be judged",
		"reduced (one collector only, still learning", "Not known: the cause", "https://monitor.example.org/i/", "SHA-256 e3b0c442", "Revision 3",
	} {
		if !strings.Contains(w.Full(m), want) {
			t.Errorf("the full text lacks %q:\n%s", want, w.Full(m))
		}
	}
	short := w.Short(m)
	for _, want := range []string{"[CONFIRMED]", "153 of 1,374", "Began between", "IPv4 shows it", "one collector only", "Not known: the cause", "https://", "Revision 3, evidence SHA-256 e3b0c442"} {
		if !strings.Contains(short, want) {
			t.Errorf("the short text lacks %q:\n%s", want, short)
		}
	}
	if n := len(short); n > 1000 {
		t.Errorf("the short text has %d octets", n)
	}
	fault := examples()[7]
	if text := w.Full(fault); strings.Contains(text, "who is affected") || !strings.Contains(text, "nothing about the networks") {
		t.Errorf("a fault of the monitor: %s", text)
	}
}

// hostile is what a name of a network may hold.
var hostile = []string{
	"AS_NAME evil.example [click](https://evil.example/) *bold* _it_ `code` ~~no~~ <!channel>",
	"AS_NAME evil.example <b>x</b> @everyone #all |a| \\*\r\nBcc: all@example.org\n# Title",
	"AS_NAME evil.example\n- [ ] todo\u202e\u2066\u200b\x00 {{.Secret}} {1} ]]> &amp; //evil.example http://evil.example",
}

// TestInjection: a name from outside links, formats and calls nothing in any text, in any place that names stand in.
func TestInjection(t *testing.T) {
	bad := regexp.MustCompile("\\]\\(|https?://evil|[*`~<>|@\\[\\\\\r\\x00\u202e\u200b]|\\b_it_|(?m:^(Bcc|#|- \\[))|//")
	ours := regexp.MustCompile(`(?m)^(- )?\[[^\]\n]*\] |^https://monitor\.example\.org/\S*$`)
	for _, name := range hostile {
		in := examples()[0].Items[0].Incident
		in.Entity.Name, in.Coverage.Because = name, []string{name}
		in.Parts = []detect.Part{{Entity: detect.Entity{Type: "network", Code: "AS64500", Name: name}, Lost: 1, Expected: 1}}
		in.Revisions = []detect.Revision{{Revision: 1, Reason: name}}
		fault := in
		fault.Kind, fault.Entity.Code = detect.MonitorFault, "rc0/AS1/"+name
		for _, lang := range languages {
			w := language(t, lang)
			for _, x := range []detect.Incident{in, fault} {
				m := &Message{Items: []Item{{Incident: x, Occasion: Confirmed, URL: "https://monitor.example.org/i/x"}}}
				many := &Message{Items: []Item{m.Items[0], m.Items[0], m.Items[0], m.Items[0]}}
				for _, text := range []string{w.Line(m), w.Short(m), w.Full(m), w.Line(many), w.Short(many), w.Full(many)} {
					if found := bad.FindString(ours.ReplaceAllString(text, "")); found != "" {
						t.Errorf("%s: %q in\n%s", lang, found, text)
					}
					if !strings.Contains(text, "evil.example") || !strings.Contains(text, "AS_NAME") {
						t.Errorf("%s: the name is gone:\n%s", lang, text)
					}
				}
			}
		}
	}
}

// FuzzInert: whatever comes in, what goes out is one line without anything that acts.
func FuzzInert(f *testing.F) {
	f.Add(hostile[0])
	f.Add("\xff\xfe//_ _a_b_/")
	f.Fuzz(func(t *testing.T, s string) {
		out := Inert(s)
		if strings.ContainsAny(out, "<>[]*`~|@#\\\r\n\x00\u202e\u2066") || strings.Contains(out, "//") || strings.HasPrefix(out, "_") || len([]rune(out)) > nameLength+1 {
			t.Errorf("%q became %q", s, out)
		}
		if Inert(out) != out && len([]rune(out)) <= nameLength {
			t.Errorf("%q became %q, and that %q", s, out, Inert(out))
		}
	})
}

func templates(t *testing.T, files map[string]string) (*Templates, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return LoadTemplates(dir)
}

// TestTemplates: an operator's text stands in for the built-in one; where it fails the built-in one is said, and the failure told.
func TestTemplates(t *testing.T) {
	got, err := templates(t, map[string]string{
		"short.en.tmpl": "{{range .Items}}{{if eq .Occasion \"over\"}}Back after {{.Lasted}}{{else}}{{.OccasionWord}} in {{.Place}}: {{.Lost}} of {{.Expected}}{{end}}\n{{end}}{{with .More}}and {{.}}\n{{end}}",
		"line.en.tmpl":  "{{(index .Items 0).Place}}\n  {{.Language}}\u202e",
		"README":        "not a template",
	})
	if err != nil {
		t.Fatal(err)
	}
	w := language(t, "en")
	w.Use(got)
	list := examples()
	if s := w.Short(list[1]); s != "CONFIRMED in An example (ZZ): 153 of 1,374\n" {
		t.Errorf("%q", s)
	}
	if s := w.Short(list[4]); s != "Back after 2 h 5 min\n" {
		t.Errorf("%q", s)
	}
	if s := w.Line(list[1]); s != "An example (ZZ)   en" {
		t.Errorf("%q", s)
	}
	_, mine, _ := strings.Cut(w.Full(list[1]), "\n")
	if _, builtIn, _ := strings.Cut(language(t, "en").Full(list[1]), "\n"); mine != builtIn { // but for its first line
		t.Errorf("without a template: %q", mine)
	}
	ar := language(t, "ar")
	if ar.Use(got); ar.Short(list[1]) != language(t, "ar").Short(list[1]) {
		t.Error("a template of one language speaks in another")
	}
	// It is sound for the examples, and fails for what it meets later.
	got, err = templates(t, map[string]string{"full.en.tmpl": "{{range .Items}}{{if eq .Type \"region\"}}{{index .Parts 99}}{{end}}{{.Place}}{{end}}"})
	if err != nil || got.Failure() != nil {
		t.Fatal(err, got.Failure())
	}
	w.Use(got)
	region := *list[1]
	region.Items = []Item{list[1].Items[0]}
	region.Items[0].Incident.Entity.Type = "region"
	if s := w.Full(&region); s != language(t, "en").Full(&region) {
		t.Errorf("a template that failed: %q", s)
	}
	if err := got.Failure(); err == nil || !strings.Contains(err.Error(), "full.en.tmpl") {
		t.Errorf("%v", err)
	}
}

// TestTemplatesRefused: what reaches beyond its text, has no end, or says nothing is refused before anything is sent, with the file's name.
func TestTemplatesRefused(t *testing.T) {
	for _, x := range [][2]string{
		{"{{.Secret}}", "Secret"},
		{"{{range .Items}}{{.Incident}}", "EOF"},
		{"{{range 1000000000}}{{end}}x", "range"},
		{"{{$n := 9}}{{range $n}}{{end}}x", "range"},
		{"{{range .More}}{{end}}x", "range"},
		{"{{printf \"%1000000d\" 1}}", "printf"},
		{"{{call .Line}}", "call"},
		{"{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}", "define"},
		{"{{block \"b\" .}}x{{end}}", "define"},
		{"{{range .Items}}{{range $.Items}}{{$.Full}}{{end}}{{end}}", "more than"},
		{"{{if false}}x{{end}}", "no text"},
		{"{{range .Items}}{{if (html .Line)}}x{{end}}{{end}}", "html"},
		{strings.Repeat("x", maxTemplate+1), "larger than"},
		{"{{range .Items}}{{with $x := (index .Parts 5)}}{{$x}}{{end}}{{end}}", "index"},
	} {
		text, want := x[0], x[1]
		_, err := templates(t, map[string]string{"full.en.tmpl": text})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "full.en.tmpl") {
			t.Errorf("%.60q: %v", text, err)
		}
	}
	for _, name := range []string{"long.en.tmpl", "full.xx.tmpl", "full.tmpl"} {
		if _, err := templates(t, map[string]string{name: "x"}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := LoadTemplates(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there was read")
	}
}

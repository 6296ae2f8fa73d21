package annotation

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func by(role string) Stamp { return Stamp{noon, role, "a reason"} }

var (
	loose   = Source{Citation: "a notice of an operator, seen on its page"}
	checked = Source{Citation: "a notice", URL: "https://example.org/n", RetrievedAt: "2026-11-22T11:00:00Z", SHA256: strings.Repeat("a", 64), SourceChecked: true}
)

func written(t testing.TB) *Document {
	t.Helper()
	d := &Document{Incident: "PK-20080221T0321Z-k3f9q2xa"}
	for _, it := range []Item{{Kind: "context", Text: "power was out in the city", Source: loose}, {Kind: "operator_statement", Text: "the operator says a cable was cut", Source: checked}, {Kind: "attribution", Text: "the ministry says it gave the order", Source: checked}} {
		if _, err := d.Add(by("editor"), it); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		d.Norm(by("editor"), "13f", []int{2, 3}), d.Element(by("editor"), "physical", []int{2}), d.Element(by("editor"), "routing", []int{1}),
		d.Assess(by("editor"), Finding{"responders", "the emergency number did not answer", []int{1}}), d.Assess(by("editor"), Finding{"people", "no mobile data", []int{2}}),
		d.Publish(by("reviewer"), 2),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// Each edit is a revision with time, role and reason; the document comes back as it was, octet for octet.
func TestEdits(t *testing.T) {
	d := written(t)
	if d.Revision != 9 || len(d.Revisions) != 9 || d.Revisions[8].Change != "item 2 published" || d.Revisions[8].Role != "reviewer" || d.Revisions[0].At != "2026-11-22T12:00:00Z" {
		t.Errorf("%+v", d.Revisions)
	}
	text, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(text)
	if err != nil || !reflect.DeepEqual(again, d) {
		t.Errorf("%+v, %v", again, err)
	}
	if !bytes.Contains(text, []byte(`"origin":"entered by people, not measured"`)) || !bytes.Contains(text, []byte(`"source_checked":false`)) {
		t.Errorf("%s", text)
	}
	for at := range text { // no other form of it is taken
		b := append(bytes.Clone(text[:at]), ' ')
		if _, err := Parse(append(b, text[at:]...)); err == nil && text[at] != ' ' && !insideText(text, at) {
			t.Fatalf("a blank at %d is taken", at)
		}
	}
}

// insideText reports whether an octet stands in a text of the JSON.
func insideText(b []byte, at int) bool { return bytes.Count(b[:at], []byte(`"`))%2 == 1 }

// Before a reviewer has published it nobody sees an item, nor a tag or finding that rests on it; what is withdrawn stays as a mark.
func TestPublic(t *testing.T) {
	d := written(t)
	p := d.Public()
	if len(p.Items) != 1 || p.Items[0].N != 2 || len(p.Norms) != 0 || len(p.Core) != 1 || p.Core[0].Tag != "physical" || len(p.Impact) != 1 || p.Impact[0].Field != "people" {
		t.Errorf("%+v", p)
	}
	if err := d.Publish(by("editor"), 1); err == nil {
		t.Error("an editor published")
	}
	if err := d.Publish(by("reviewer"), 2); err == nil {
		t.Error("published twice")
	}
	if err := d.Correct(by("editor"), 2, "the operator says two cables were cut", checked); err != nil {
		t.Fatal(err)
	}
	if p := d.Public(); len(p.Items) != 0 {
		t.Errorf("a correction is seen before it is published: %+v", p.Items)
	}
	for _, n := range []int{1, 2} {
		if err := d.Withdraw(by("editor"), n); err != nil {
			t.Fatal(err)
		}
	}
	if p := d.Public(); len(p.Items) != 1 || p.Items[0].State != "withdrawn" || p.Items[0].Text != "" || p.Items[0].N != 2 {
		t.Errorf("after withdrawal: %+v", p.Items)
	}
	if len(d.Items) != 3 || d.Items[1].Text == "" {
		t.Error("an item was deleted")
	}
}

// What says more than it can show is refused, and changes nothing.
func TestRefused(t *testing.T) {
	d := written(t)
	before, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	with := func(s Source, f func(*Source)) Source { f(&s); return s }
	add := func(s Stamp, kind, text string, src Source) error {
		_, err := d.Add(s, Item{Kind: kind, Text: text, Source: src})
		return err
	}
	for what, err := range map[string]error{
		"an attribution that nobody can look up": add(by("editor"), "attribution", "X did it", loose),
		"checked without a copy":                 add(by("editor"), "context", "x", with(checked, func(s *Source) { s.SHA256 = "" })),
		"checked without a time":                 add(by("editor"), "context", "x", with(checked, func(s *Source) { s.RetrievedAt = "" })),
		"no citation":                            add(by("editor"), "context", "x", Source{}),
		"no text":                                add(by("editor"), "context", " ", loose),
		"two lines":                              add(by("editor"), "context", "a\nb", loose),
		"text that turns around":                 add(by("editor"), "context", "a\u202eb", loose),
		"a guess":                                add(by("editor"), "guess", "x", loose),
		"a script":                               add(by("editor"), "context", "x", with(loose, func(s *Source) { s.URL = "javascript:alert(1)" })),
		"a password":                             add(by("editor"), "context", "x", with(loose, func(s *Source) { s.URL = "https://u:p@example.org" })),
		"another time":                           add(by("editor"), "context", "x", with(loose, func(s *Source) { s.RetrievedAt = "yesterday" })),
		"no role":                                add(Stamp{noon, "boss", "x"}, "context", "x", loose),
		"no reason":                              add(Stamp{noon, "editor", ""}, "context", "x", loose),
		"too long":                               add(by("editor"), "context", strings.Repeat("x", maxText+1), loose),
		"a norm of nobody":                       d.Norm(by("editor"), "13g", []int{9}),
		"a norm that is no name":                 d.Norm(by("editor"), "<b>", []int{1}),
		"an element that is none":                d.Element(by("editor"), "cables", []int{1}),
		"impact on something else":               d.Assess(by("editor"), Finding{"economy", "x", []int{1}}),
		"an item that is not there":              d.Withdraw(by("editor"), 7),
	} {
		if err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	if after, err := d.JSON(); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%v: a refused edit changed the document: %s", err, after)
	}
}

// FuzzParse: what is taken is valid, and is written again octet for octet.
func FuzzParse(f *testing.F) {
	text, err := written(f).JSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Parse(b)
		if err != nil {
			return
		}
		if again, err := d.JSON(); err != nil || !bytes.Equal(again, b) || d.Public().Check() == nil && len(d.Public().Items) > len(d.Items) {
			t.Errorf("%q came back as %q, %v", b, again, err)
		}
	})
}

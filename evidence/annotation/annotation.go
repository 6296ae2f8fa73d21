// Package annotation is what people write about an incident: context, statements of operators, attributions by others, norms and impact. It is a document of its
// own, ID.context.json, beside the measurement and never in it: every part says where it is from, and every edit is a revision that says when, in which role and
// why. Standard library only.
package annotation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Version of the document's form.
const Version = 1

// Document is ID.context.json. The zero value with an incident is a document that nobody has written yet.
type Document struct {
	V         int        `json:"v"`
	Incident  string     `json:"incident"`
	Revision  int        `json:"revision"`
	Origin    string     `json:"origin"` // always NotMeasured
	Core      []Tag      `json:"public_core,omitempty"`
	Norms     []Tag      `json:"norm_tags,omitempty"`
	Impact    []Finding  `json:"impact,omitempty"`
	Items     []Item     `json:"items,omitempty"`
	Revisions []Revision `json:"revisions"`
}

// NotMeasured stands in every document.
const NotMeasured = "entered by people, not measured"

// Tag is an element of the public core, or a norm, that an incident touches; Items are the numbers of those that say so.
type Tag struct {
	Tag   string `json:"tag"`
	Items []int  `json:"items"`
}

// Finding is what an incident did to one of Fields; Items are the numbers of those that say so.
type Finding struct {
	Field string `json:"field"`
	Text  string `json:"text"`
	Items []int  `json:"items"`
}

// Item is one thing that somebody said, with where it was said.
type Item struct {
	N      int    `json:"n"` // from 1
	Kind   string `json:"kind"`
	State  string `json:"state"`
	Text   string `json:"text"`
	Source Source `json:"source"`
}

// Source is where something was said. SourceChecked: whoever entered it has opened it; else it is shown as not checked.
type Source struct {
	Citation      string `json:"citation"`
	URL           string `json:"url,omitempty"`
	RetrievedAt   string `json:"retrieved_at,omitempty"`
	SHA256        string `json:"sha256,omitempty"` // of the copy that was kept
	SourceChecked bool   `json:"source_checked"`
}

// Revision is one edit.
type Revision struct {
	Revision int    `json:"revision"`
	At       string `json:"at"`
	Role     string `json:"role"`
	Change   string `json:"change"`
	Reason   string `json:"reason"`
}

// Stamp is who edits, when and why. Roles stand for persons: a name in a document about a conflict can harm its bearer.
type Stamp struct {
	At     time.Time
	Role   string
	Reason string
}

// What a document may say.
var (
	Roles  = []string{"editor", "reviewer", "operator", "examiner"}
	Kinds  = []string{"context", "operator_statement", "attribution", "dispute"}
	States = []string{"held", "public", "withdrawn"}
	Core   = []string{"routing", "naming", "crypto", "physical"}
	// Fields are the five in which the IGF's Best Practice Forum of 2023 recorded the impact of incidents.
	Fields = []string{"people", "critical_infrastructure", "government_services", "technical_infrastructure", "responders"}
)

const (
	maxItems     = 200
	maxRevisions = 2000
	maxText      = 4000 // octets
	maxDocument  = 4 << 20
)

var (
	digest  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	normTag = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,31}$`)
)

// edit makes a change to a copy, with its revision, and takes it when the whole is valid.
func (d *Document) edit(s Stamp, change string, make func(*Document) error) error {
	next := d.clone()
	next.V, next.Origin = Version, NotMeasured
	if err := make(next); err != nil {
		return err
	}
	next.Revision++
	next.Revisions = append(next.Revisions, Revision{next.Revision, s.At.UTC().Format(time.RFC3339), s.Role, change, s.Reason})
	if err := next.Check(); err != nil {
		return err
	}
	*d = *next
	return nil
}

func (d *Document) clone() *Document {
	n := *d
	n.Core, n.Norms, n.Impact = slices.Clone(d.Core), slices.Clone(d.Norms), slices.Clone(d.Impact)
	n.Items, n.Revisions = slices.Clone(d.Items), slices.Clone(d.Revisions)
	return &n
}

// Add adds an item, which is held until somebody publishes it, and gives its number.
func (d *Document) Add(s Stamp, it Item) (n int, err error) {
	it.N, it.State = len(d.Items)+1, "held"
	return it.N, d.edit(s, fmt.Sprintf("item %d added", it.N), func(x *Document) error {
		x.Items = append(x.Items, it)
		return nil
	})
}

// Correct replaces text and source of an item. What it said before stays in the revisions before; it is held until it is published again.
func (d *Document) Correct(s Stamp, n int, text string, src Source) error {
	return d.edit(s, fmt.Sprintf("item %d corrected", n), func(x *Document) error {
		it, err := x.item(n)
		if err != nil {
			return err
		}
		it.Text, it.Source, it.State = text, src, "held"
		return nil
	})
}

// Publish lets an item be seen by all. Only a reviewer may.
func (d *Document) Publish(s Stamp, n int) error {
	if s.Role != "reviewer" {
		return fmt.Errorf("annotation: only a reviewer publishes, not a role %q", s.Role)
	}
	return d.turn(s, n, "public", "published")
}

// Withdraw takes an item back. It stays in the document, marked.
func (d *Document) Withdraw(s Stamp, n int) error { return d.turn(s, n, "withdrawn", "withdrawn") }

func (d *Document) turn(s Stamp, n int, state, word string) error {
	return d.edit(s, fmt.Sprintf("item %d %s", n, word), func(x *Document) error {
		it, err := x.item(n)
		if err == nil && it.State == state {
			err = fmt.Errorf("annotation: item %d is %s already", n, word)
		}
		if err == nil {
			it.State = state
		}
		return err
	})
}

func (d *Document) item(n int) (*Item, error) {
	if n < 1 || n > len(d.Items) {
		return nil, fmt.Errorf("annotation: there is no item %d", n)
	}
	return &d.Items[n-1], nil
}

// Norm says that items name a norm as touched; without items it takes that back.
func (d *Document) Norm(s Stamp, tag string, items []int) error {
	return d.edit(s, "norm "+tag, func(x *Document) error { x.Norms = put(x.Norms, tag, items); return nil })
}

// Element says that items name an element of the public core as touched; without items it takes that back.
func (d *Document) Element(s Stamp, tag string, items []int) error {
	return d.edit(s, "public core "+tag, func(x *Document) error { x.Core = put(x.Core, tag, items); return nil })
}

func put(list []Tag, tag string, items []int) []Tag {
	list = slices.DeleteFunc(list, func(t Tag) bool { return t.Tag == tag })
	if len(items) > 0 {
		list = append(list, Tag{tag, items})
	}
	slices.SortFunc(list, func(a, b Tag) int { return strings.Compare(a.Tag, b.Tag) })
	return list
}

// Assess says what an incident did to one of Fields; without items it takes that back.
func (d *Document) Assess(s Stamp, f Finding) error {
	return d.edit(s, "impact "+f.Field, func(x *Document) error {
		x.Impact = slices.DeleteFunc(x.Impact, func(o Finding) bool { return o.Field == f.Field })
		if len(f.Items) > 0 {
			x.Impact = append(x.Impact, f)
		}
		slices.SortFunc(x.Impact, func(a, b Finding) int { return slices.Index(Fields, a.Field) - slices.Index(Fields, b.Field) })
		return nil
	})
}

// Public is what all may see: public items, those withdrawn after they were public without their text, and tags and findings as far as they rest on public items.
func (d *Document) Public() *Document {
	n := d.clone()
	shown := map[int]bool{}
	n.Items = nil
	for _, it := range d.Items {
		switch {
		case it.State == "public":
			shown[it.N] = true
			n.Items = append(n.Items, it)
		case it.State == "withdrawn" && d.wasPublic(it.N):
			n.Items = append(n.Items, Item{N: it.N, Kind: it.Kind, State: it.State})
		}
	}
	rests := func(items []int) bool { return !slices.ContainsFunc(items, func(i int) bool { return !shown[i] }) }
	n.Core = slices.DeleteFunc(n.Core, func(t Tag) bool { return !rests(t.Items) })
	n.Norms = slices.DeleteFunc(n.Norms, func(t Tag) bool { return !rests(t.Items) })
	n.Impact = slices.DeleteFunc(n.Impact, func(f Finding) bool { return !rests(f.Items) })
	return n
}

func (d *Document) wasPublic(n int) bool {
	return slices.ContainsFunc(d.Revisions, func(r Revision) bool { return r.Change == fmt.Sprintf("item %d published", n) })
}

// JSON is the document's canonical line, without a line feed.
func (d *Document) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("annotation: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// Parse reads a document; what JSON would not have written is refused.
func Parse(text []byte) (*Document, error) {
	if len(text) > maxDocument {
		return nil, errors.New("annotation: the document is too large")
	}
	d := &Document{}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(d); err != nil {
		return nil, fmt.Errorf("annotation: %w", err)
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	if again, err := d.JSON(); err != nil || !bytes.Equal(again, text) {
		return nil, errors.New("annotation: the document is not in its canonical form")
	}
	return d, nil
}

// Check says what is wrong with a document.
func (d *Document) Check() error {
	switch {
	case d.V != Version || d.Origin != NotMeasured:
		return errors.New("annotation: it is no document of version 1")
	case !plain(d.Incident) || d.Revision < 1 || d.Revision != len(d.Revisions):
		return errors.New("annotation: the incident, or a revision, is missing")
	case len(d.Items) > maxItems || len(d.Revisions) > maxRevisions:
		return fmt.Errorf("annotation: more than %d items, or %d revisions", maxItems, maxRevisions)
	}
	for i, r := range d.Revisions {
		if r.Revision != i+1 || !slices.Contains(Roles, r.Role) || !instant(r.At) || !plain(r.Change) || !plain(r.Reason) {
			return fmt.Errorf("annotation: revision %d: want a role of %s, a time and a reason in one line", i+1, strings.Join(Roles, ", "))
		}
	}
	for i := range d.Items {
		if err := d.Items[i].check(i + 1); err != nil {
			return fmt.Errorf("annotation: item %d: %w", i+1, err)
		}
	}
	for _, t := range d.Core {
		if !slices.Contains(Core, t.Tag) || !d.named(t.Items) {
			return fmt.Errorf("annotation: public core %q: want one of %s, and the items that say so", t.Tag, strings.Join(Core, ", "))
		}
	}
	for _, t := range d.Norms {
		if !normTag.MatchString(t.Tag) || !d.named(t.Items) {
			return fmt.Errorf("annotation: norm %q: want a short name such as 13f, and the items that say so", t.Tag)
		}
	}
	for _, f := range d.Impact {
		if !slices.Contains(Fields, f.Field) || !plain(f.Text) || !d.named(f.Items) {
			return fmt.Errorf("annotation: impact on %q: want one of %s, a text, and the items that say so", f.Field, strings.Join(Fields, ", "))
		}
	}
	return nil
}

// named reports whether items are there, and at least one.
func (d *Document) named(items []int) bool {
	return len(items) > 0 && !slices.ContainsFunc(items, func(n int) bool { return n < 1 || n > len(d.Items) })
}

func (it *Item) check(n int) error {
	s := it.Source
	switch {
	case it.N != n || !slices.Contains(Kinds, it.Kind) || !slices.Contains(States, it.State):
		return fmt.Errorf("want a kind of %s", strings.Join(Kinds, ", "))
	case !plain(it.Text):
		return fmt.Errorf("want a text of at most %d octets in one line, without control characters", maxText)
	case !plain(s.Citation):
		return errors.New("want a citation: who said it, where and when")
	case s.URL != "" && !webAddress(s.URL):
		return errors.New("the address of its source is no http or https URL without a user")
	case s.RetrievedAt != "" && !instant(s.RetrievedAt):
		return errors.New("when its source was retrieved is no time such as 2026-11-22T12:00:00Z")
	case s.SHA256 != "" && !digest.MatchString(s.SHA256):
		return errors.New("the digest of its source's copy is no SHA-256")
	case (s.SourceChecked || it.Kind == "attribution") && (s.RetrievedAt == "" || s.SHA256 == ""):
		return errors.New("a source that was checked, and any attribution, needs when it was retrieved and the digest of a copy: only what somebody else has said, and can be shown to have said, is attributed")
	}
	return nil
}

func instant(s string) bool {
	t, err := time.Parse(time.RFC3339, s)
	return err == nil && t.UTC().Format(time.RFC3339) == s
}

func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil && plain(s)
}

// plain reports whether a text is one line of UTF-8 that shows what it says: no control characters, none that turn or hide text.
func plain(s string) bool {
	if strings.TrimSpace(s) == "" || len(s) > maxText || !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool {
		return c < 0x20 || c >= 0x7f && c <= 0x9f || c >= 0x200b && c <= 0x200f || c >= 0x2028 && c <= 0x202e || c >= 0x2060 && c <= 0x206f || c == 0xfeff || c == 0xfffd
	})
}

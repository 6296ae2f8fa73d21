package export

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// citation is all that a citation of a bundle holds; each form is written from it.
type citation struct {
	Title     string
	Version   string
	Publisher string
	Contact   string
	URL       string // of the publisher's pages; empty: none
	Licence   string
	SPDX      bool // Licence is an SPDX identifier
	Published time.Time
	From      detect.Time // the interval observed
	Until     detect.Time // zero: not over
	Digest    string      // of the evidence
	ID        string      // <incident>/v<N>
	Draft     bool
	Abstract  string
}

const notPublished = "unsigned draft, not published"

// cited fills in the citation.
func (b *builder) cited() citation {
	i := b.inc
	info := b.info()
	c := citation{
		Title: cell(cmp.Or(i.Title, i.Entity.Key())) + " (evidence of incident " + cell(i.ID) + ")", Publisher: notPublished, Published: info.Date.UTC(),
		From: i.Start.Time, Digest: b.digest.Sum(), ID: info.Identifier, Draft: b.edition == nil,
	}
	if m := mark(i.Data); m != "" {
		c.Title = m[:strings.IndexAny(m, ":")] + ": " + c.Title
	}
	_, c.Version, _ = strings.Cut(info.Identifier, "/")
	if i.End != nil {
		c.Until = i.End.Time
	} else {
		c.Until = i.OpenAt
	}
	if e := b.edition; e != nil {
		c.Publisher, c.Contact, c.URL, c.Licence = cell(e.Operator.Name), cell(e.Operator.Contact), cell(e.Operator.URL), cell(e.Operator.Licence)
		c.SPDX = !strings.ContainsAny(c.Licence, " /")
	}
	c.Abstract = fmt.Sprintf("Loss of routes of %s as seen in BGP, %s. Evidence digest sha256:%s over %d messages.", cell(i.Entity.Key()), c.interval(), c.Digest, b.digest.Messages())
	return c
}

func (c citation) interval() string {
	if c.Until.IsZero() {
		return "observed from " + c.From.String() + " on"
	}
	return "observed from " + c.From.String() + " to " + c.Until.String()
}

// citations adds the four forms.
func (b *builder) citations() error {
	c := b.cited()
	csl, err := c.csl()
	if err != nil {
		return err
	}
	datacite, err := c.datacite()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		path string
		text []byte
	}{{"data/CITATION.cff", c.cff()}, {"data/csl.json", csl}, {"data/citation.bib", c.bibtex()}, {"data/datacite.json", datacite}} {
		if err := b.add(f.path, f.text); err != nil {
			return err
		}
	}
	return nil
}

// cff is the Citation File Format 1.2.0: YAML, whose double-quoted strings are written as JSON strings, which YAML 1.2 reads alike.
func (c citation) cff() []byte {
	var b bytes.Buffer
	put := func(indent, key, value string) {
		if value != "" {
			q, _ := json.Marshal(value) // a string can always be marshalled
			fmt.Fprintf(&b, "%s%s: %s\n", indent, key, q)
		}
	}
	b.WriteString("cff-version: 1.2.0\ntype: dataset\n")
	put("", "message", "Cite the version and the SHA-256 of its tagmanifest (corewatch-verify prints it), and say when you accessed it.")
	put("", "title", c.Title)
	put("", "abstract", c.Abstract)
	put("", "version", c.Version)
	put("", "date-released", c.Published.Format(time.DateOnly))
	b.WriteString("authors:\n")
	put("  - ", "name", c.Publisher)
	if strings.HasPrefix(c.URL, "https://") || strings.HasPrefix(c.URL, "http://") {
		put("", "url", c.URL)
	}
	if c.SPDX {
		put("", "license", c.Licence)
	}
	b.WriteString("identifiers:\n  - type: other\n")
	put("    ", "value", "sha256:"+c.Digest)
	put("    ", "description", "Evidence digest over the raw messages")
	b.WriteString("  - type: other\n")
	put("    ", "value", c.ID)
	put("    ", "description", "Incident and version")
	return b.Bytes()
}

// csl is CSL-JSON: a list of one item.
func (c citation) csl() ([]byte, error) {
	type name struct {
		Literal string `json:"literal"`
	}
	type date struct {
		Parts [][]int `json:"date-parts"`
	}
	item := struct {
		ID        string `json:"id"`
		Type      string `json:"type"`
		Title     string `json:"title"`
		Author    []name `json:"author"`
		Publisher string `json:"publisher"`
		Issued    date   `json:"issued"`
		Version   string `json:"version"`
		URL       string `json:"URL,omitempty"`
		Number    string `json:"number"`
		Abstract  string `json:"abstract"`
		Note      string `json:"note"`
	}{
		c.ID, "dataset", c.Title,
		[]name{{c.Publisher}},
		c.Publisher,
		date{[][]int{{c.Published.Year(), int(c.Published.Month()), c.Published.Day()}}},
		c.Version, c.URL, c.ID, c.Abstract, "sha256:" + c.Digest,
	}
	return indented([]any{item})
}

// bibtex is one @misc entry; @dataset is not known to every style.
func (c citation) bibtex() []byte {
	var b bytes.Buffer
	key := strings.Map(func(r rune) rune {
		if r == '/' || r == ',' {
			return '-'
		}
		return r
	}, c.ID)
	fmt.Fprintf(&b, "@misc{%s,\n", key)
	put := func(k, v string) {
		if v != "" {
			fmt.Fprintf(&b, "  %s = {%s},\n", k, texSafe(v))
		}
	}
	put("title", c.Title)
	put("author", "{"+c.Publisher+"}")
	put("year", strconv.Itoa(c.Published.Year()))
	put("month", strconv.Itoa(int(c.Published.Month())))
	put("version", c.Version)
	put("howpublished", "Evidence bundle "+c.ID)
	put("note", c.interval()+"; sha256:"+c.Digest)
	put("url", c.URL)
	b.WriteString("}\n")
	return b.Bytes()
}

// texSafe writes what TeX would act on as itself. The braces of the author are put on by us.
func texSafe(s string) string {
	inner, braced := strings.CutPrefix(s, "{")
	if braced {
		inner = strings.TrimSuffix(inner, "}")
	}
	inner = strings.NewReplacer(`\`, `{\textbackslash}`, "{", `\{`, "}", `\}`, "&", `\&`, "%", `\%`, "$", `\$`, "#", `\#`, "_", `\_`, "~", `{\textasciitilde}`, "^", `{\textasciicircum}`).Replace(inner)
	if braced {
		return "{" + inner + "}"
	}
	return inner
}

// datacite is DataCite metadata, schema 4, without a DOI: registering one is a person's step.
func (c citation) datacite() ([]byte, error) {
	type name struct {
		Name string `json:"name"`
		Type string `json:"nameType"`
	}
	type title struct {
		Title string `json:"title"`
	}
	type date struct {
		Date string `json:"date"`
		Type string `json:"dateType"`
	}
	type description struct {
		Text string `json:"description"`
		Type string `json:"descriptionType"`
	}
	type alternate struct {
		ID   string `json:"alternateIdentifier"`
		Type string `json:"alternateIdentifierType"`
	}
	type identifier struct {
		ID   string `json:"identifier"`
		Type string `json:"identifierType"`
	}
	type rights struct {
		Rights string `json:"rights"`
	}
	type kinds struct {
		General string `json:"resourceTypeGeneral"`
		Type    string `json:"resourceType"`
	}
	collected := c.From.String()
	if !c.Until.IsZero() {
		collected += "/" + c.Until.String()
	}
	d := struct {
		Schema       string        `json:"schemaVersion"`
		Identifiers  []identifier  `json:"identifiers"`
		Types        kinds         `json:"types"`
		Creators     []name        `json:"creators"`
		Titles       []title       `json:"titles"`
		Publisher    string        `json:"publisher"`
		Year         string        `json:"publicationYear"`
		Dates        []date        `json:"dates"`
		Alternates   []alternate   `json:"alternateIdentifiers"`
		Descriptions []description `json:"descriptions"`
		Version      string        `json:"version"`
		Rights       []rights      `json:"rightsList,omitempty"`
	}{
		Schema: "http://datacite.org/schema/kernel-4", Identifiers: []identifier{{c.ID, "incident and version"}}, Types: kinds{"Dataset", "Evidence bundle"}, Creators: []name{{c.Publisher, "Organizational"}}, Titles: []title{{c.Title}},
		Publisher: c.Publisher, Year: strconv.Itoa(c.Published.Year()), Dates: []date{{collected, "Collected"}, {c.Published.Format(time.DateOnly), "Issued"}},
		Alternates:   []alternate{{"sha256:" + c.Digest, "evidence digest"}},
		Descriptions: []description{{c.Abstract, "Abstract"}}, Version: c.Version,
	}
	if c.Licence != "" {
		d.Rights = []rights{{c.Licence}}
	}
	return indented(d)
}

// indented writes a JSON document for people too: indented, HTML not escaped.
func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("as JSON: %w", err)
	}
	return b.Bytes(), nil
}

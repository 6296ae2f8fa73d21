package export

import (
	"bytes"
	_ "embed" // the text of README.txt
	"fmt"
	"strings"
	"text/template"

	"github.com/corewatch/corewatch/detect"
)

//go:embed readme.txt.tmpl
var readmeText string

// digestScript recomputes the evidence digest with Python 3 and nothing else; a test runs what README.txt prints.
//
//go:embed digest.py.txt
var digestScript string

var readmeTemplate = template.Must(template.New("README.txt").Parse(readmeText))

// readme adds README.txt: what the bundle is, how to check it and what remains to be believed. It runs last, when all is known.
func (b *builder) readme() error {
	i := b.inc
	b.warn()
	var out bytes.Buffer
	err := readmeTemplate.Execute(&out, map[string]any{
		"Mark": mark(i.Data), "ID": cell(i.ID), "Revision": i.Revision, "Title": cell(i.Title),
		"Entity": cell(strings.TrimSpace(i.Entity.Key() + " " + i.Entity.Name)), "Kind": cell(string(i.Kind)), "State": cell(string(i.State)), "Data": cell(string(i.Data)),
		"Start": interval(i.Start), "End": b.end(), "Coverage": cell(reasons(i.Coverage)),
		"Method":   cell(fmt.Sprintf("%s %s, configuration SHA-256 %s, computed by %s", i.Method.Name, i.Method.Version, i.Method.ConfigSHA256, i.Method.Software)),
		"Software": orUnnamed(b.software), "Members": len(b.members), "Samples": b.samples, "Messages": b.digest.Messages(),
		"RawPath": rawPath(i.Data), "Digest": b.digest.Sum(), "NoDigest": i.Evidence == nil,
		"Script": hereDocument(rawPath(i.Data)), "Warnings": b.warnings, "Sources": b.attributions(),
	})
	if err != nil {
		return fmt.Errorf("README.txt: %w", err)
	}
	return b.add("README.txt", out.Bytes())
}

// warn collects what a reader must know before citing the bundle.
func (b *builder) warn() {
	i := b.inc
	if m := mark(i.Data); m != "" {
		b.warnings = append(b.warnings, m)
	}
	b.warnings = append(b.warnings, "unsigned draft: nothing in the bundle proves who made it or when")
	if i.Evidence == nil {
		b.warnings = append(b.warnings, "the incident states no evidence digest, so its messages could not be compared with it")
	}
	if b.digest.Messages() == 0 {
		b.warnings = append(b.warnings, "the bundle holds no raw messages: nothing in it can be traced to what a collector received")
	}
	if i.State.Open() {
		b.warnings = append(b.warnings, fmt.Sprintf("the incident is not over (state %s): a later revision may say something else", cell(string(i.State))))
	}
	if i.State == detect.Retracted {
		b.warnings = append(b.warnings, "the incident was retracted: its cause was the monitor itself")
	}
	if i.Coverage.Level != "full" {
		b.warnings = append(b.warnings, cell("coverage is "+reasons(i.Coverage)))
	}
	unnamed := 0
	for _, in := range b.inputs {
		if in.SHA256 == "" {
			unnamed++
		}
	}
	if unnamed > 0 {
		b.warnings = append(b.warnings, fmt.Sprintf("%d of %d inputs were streams without a file digest: their messages cannot be fetched again", unnamed, len(b.inputs)))
	}
}

// attributions name the sources with their licences, as the incident states them.
func (b *builder) attributions() []string {
	var out []string
	for _, s := range b.inc.Sources {
		line := s.Name + ", collector " + s.Collector
		if s.Licence != "" {
			line += ", licence " + s.Licence
		}
		if s.Attribution != "" {
			line += ": " + s.Attribution
		}
		out = append(out, cell(line))
	}
	return out
}

func (b *builder) end() string {
	switch i := b.inc; {
	case i.End != nil:
		return interval(*i.End)
	case !i.OpenAt.IsZero():
		return "none: still open at " + i.OpenAt.String() + ", where the input ended"
	}
	return "none"
}

func interval(i detect.Interval) string {
	s := i.Time.String()
	if !i.Earliest.IsZero() && !i.Latest.IsZero() {
		s += " (not before " + i.Earliest.String() + ", not after " + i.Latest.String() + ")"
	}
	return s
}

func reasons(c detect.Coverage) string {
	if len(c.Because) == 0 {
		return c.Level
	}
	return c.Level + ": " + strings.Join(c.Because, ", ")
}

func orUnnamed(s string) string {
	if s == "" {
		return "a program that did not give its name"
	}
	return s
}

// hereDocument is the script as a shell command, not indented so that it can be pasted.
func hereDocument(rawPath string) string {
	return "python3 - " + rawPath + " <<'END'\n" + digestScript + "END\n"
}

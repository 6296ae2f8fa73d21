package export

import (
	"bytes"
	"cmp"
	_ "embed" // METHOD.md, CODEBOOK.md, LIMITS.md, LICENSE
	"encoding/json"
	"fmt"
	"slices"
	"text/template"
)

//go:embed texts/method.md.tmpl
var methodText string

//go:embed texts/codebook.md.tmpl
var codebookText string

//go:embed texts/limits.md.tmpl
var limitsText string

//go:embed texts/licence.txt.tmpl
var licenceText string

// texts adds METHOD.md, CODEBOOK.md, LIMITS.md and LICENSE.
func (b *builder) texts() error {
	i := b.inc
	type reference struct{ Name, Vintage, SHA256, Quality, Gap string }
	var tables []reference
	for _, r := range i.References {
		gap := "no date"
		if r.VintageGapDays != nil {
			gap = fmt.Sprintf("%d days from the event", *r.VintageGapDays)
		}
		tables = append(tables, reference{cell(r.Name), cell(cmp.Or(r.Vintage, "no date")), cell(r.SHA256), cell(r.Quality), gap})
	}
	numbers, err := thresholds(b.configuration)
	if err != nil {
		return err
	}
	messages, decisions := 0, 0
	for _, e := range b.story.events {
		if e.basis == fromMessages {
			messages++
		} else {
			decisions++
		}
	}
	var operator Operator
	if b.edition != nil {
		operator = b.edition.Operator
	}
	values := map[string]any{
		"Mark": mark(i.Data), "ID": cell(i.ID), "Identifier": b.info().Identifier, "Draft": b.edition == nil, "Revision": i.Revision, "Raw": rawPath(i.Data),
		"Method": cell(i.Method.Name + " " + i.Method.Version), "Config": cell(i.Method.ConfigSHA256), "Software": cell(i.Method.Software), "Exporter": b.software,
		"Numbers": numbers, "References": tables, "Warnings": b.warnings, "Coverage": cell(reasons(i.Coverage)), "Sources": b.attributions(), "Digest": b.digest.Sum(), "Stated": i.Evidence != nil,
		"FromMessages": messages, "FromDecision": decisions, "Full": slices.Contains(b.story.in.Replay, "full"), "Inputs": len(b.inputs),
		"Publisher": cell(operator.Name), "Licence": cell(operator.Licence), "Contact": cell(operator.Contact), "Policy": cell(operator.Policy),
	}
	for _, f := range []struct{ path, text string }{
		{"data/METHOD.md", methodText}, {"data/CODEBOOK.md", codebookText}, {"data/LIMITS.md", limitsText}, {"data/LICENSE", licenceText},
	} {
		t, err := template.New(f.path).Parse(f.text)
		if err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
		var out bytes.Buffer
		if err := t.Execute(&out, values); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
		if err := b.add(f.path, out.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// number is one threshold of the method.
type number struct{ Group, Key, Value string }

// thresholds lists the numbers of a configuration, ordered.
func thresholds(configuration json.RawMessage) (out []number, err error) {
	if configuration == nil {
		return nil, nil
	}
	var groups map[string]map[string]json.RawMessage
	if err := json.Unmarshal(configuration, &groups); err != nil {
		return nil, fmt.Errorf("the configuration that decided: %w", err)
	}
	for group, keys := range groups {
		for key, value := range keys {
			out = append(out, number{cell(group), cell(key), cell(string(value))})
		}
	}
	slices.SortFunc(out, func(x, y number) int { return cmp.Or(cmp.Compare(x.Group, y.Group), cmp.Compare(x.Key, y.Key)) })
	return out, nil
}

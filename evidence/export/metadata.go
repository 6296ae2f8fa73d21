package export

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/corewatch/corewatch/detect"
)

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

// licences adds licences.csv. Nobody has compared what the incident says with the sources' own texts.
func (b *builder) licences() error {
	t := b.newTable("data/licences.csv", "source", "collector", "licence", "attribution", "source_checked")
	for _, s := range b.inc.Sources {
		if err := t.add(s.Name, s.Collector, s.Licence, s.Attribution, "false"); err != nil {
			return err
		}
	}
	for _, r := range b.inc.References {
		if err := t.add(r.Name+" "+r.Vintage, "", "", "", "false"); err != nil {
			return err
		}
	}
	return t.done()
}

// custody adds custody.csv: what happened to the records, as far as the store and this export know.
func (b *builder) custody() error {
	t := b.newTable("data/custody.csv", "time", "action", "by", "what", "sha256")
	for _, in := range b.inputs {
		by := in.Collector
		if in.Project != "" {
			by = in.Project + " " + by
		}
		if err := t.add(instant(in.Last), "recorded", by, in.Name, in.SHA256); err != nil {
			return err
		}
	}
	i := b.inc
	for _, r := range i.Revisions {
		if err := t.add(r.At.String(), "computed", i.Method.Software, fmt.Sprintf("revision %d of %s: %s", r.Revision, i.ID, r.Change), ""); err != nil {
			return err
		}
	}
	if i.Evidence != nil {
		if err := t.add(lastChange(i).String(), "kept", i.Method.Software, fmt.Sprintf("%d raw messages", i.Evidence.Messages), i.Evidence.SHA256); err != nil {
			return err
		}
	}
	at, by, what := "", b.software, "unsigned draft"
	if e := b.edition; e != nil {
		at, by, what = e.At.UTC().Format(time.RFC3339), e.Operator.Name, "version "+strconv.Itoa(e.Version)
		if e.Supersedes != "" {
			if err := t.add(at, "superseded", by, "version "+strconv.Itoa(e.Version-1), strings.TrimPrefix(e.Supersedes, "urn:sha256:")); err != nil {
				return err
			}
		}
	}
	if err := t.add(at, "exported", by, what, ""); err != nil {
		return err
	}
	return t.done()
}

// thing is a node of linked data.
type thing = map[string]any

func ref(id string) thing { return thing{"@id": id} }

func refs(ids []string) (out []thing) {
	for _, id := range ids {
		out = append(out, ref(id))
	}
	return out
}

// provenance adds provenance.jsonld: which file was made out of which, by what.
func (b *builder) provenance() error {
	i := b.inc
	agent := thing{"@id": "#publisher", "@type": "prov:Organization", "prov:label": b.cited().Publisher}
	graph := []thing{
		agent,
		{"@id": "#detector", "@type": "prov:SoftwareAgent", "prov:label": cell(i.Method.Software)},
		{"@id": "#exporter", "@type": "prov:SoftwareAgent", "prov:label": b.software, "prov:actedOnBehalfOf": ref("#publisher")},
		{"@id": "#detection", "@type": "prov:Activity", "prov:wasAssociatedWith": ref("#detector"), "prov:label": cell(fmt.Sprintf("%s %s, configuration sha256:%s", i.Method.Name, i.Method.Version, i.Method.ConfigSHA256))},
		{"@id": "#export", "@type": "prov:Activity", "prov:wasAssociatedWith": ref("#exporter")},
	}
	var inputs []string
	for n, in := range b.inputs {
		id := fmt.Sprintf("#input-%d", n)
		inputs = append(inputs, id)
		by := fmt.Sprintf("#collector-%s", cell(in.Collector))
		x := thing{"@id": id, "@type": "prov:Entity", "prov:label": cell(in.Name), "prov:wasAttributedTo": ref(by)}
		if in.SHA256 != "" {
			x["prov:value"] = "sha256:" + in.SHA256
		}
		graph = append(graph, x)
	}
	seen := map[string]bool{}
	for _, in := range b.inputs {
		if !seen[in.Collector] {
			seen[in.Collector] = true
			graph = append(graph, thing{"@id": "#collector-" + cell(in.Collector), "@type": "prov:Agent", "prov:label": cell(strings.TrimSpace(in.Project + " " + in.Collector))})
		}
	}
	raw := strings.TrimPrefix(rawPath(i.Data), "data/")
	graph = append(graph,
		thing{"@id": raw, "@type": "prov:Entity", "prov:wasDerivedFrom": refs(inputs), "prov:wasGeneratedBy": ref("#detection")},
		thing{"@id": "incident.json", "@type": "prov:Entity", "prov:wasGeneratedBy": ref("#detection"), "prov:used": refs(inputs)},
		thing{"@id": "timeline.json", "@type": "prov:Entity", "prov:wasGeneratedBy": ref("#export"), "prov:wasDerivedFrom": refs([]string{raw, "raw/bgp/sources.csv", "inputs.json"})},
		thing{"@id": "claims.json", "@type": "prov:Entity", "prov:wasGeneratedBy": ref("#export"), "prov:wasDerivedFrom": refs([]string{"timeline.json", "incident.json", "working/members.csv"})},
	)
	for _, r := range i.References {
		graph = append(graph, thing{"@id": "#reference-" + cell(r.Name+"-"+r.Vintage), "@type": "prov:Entity", "prov:label": cell(r.Name + " " + r.Vintage), "prov:value": "sha256:" + r.SHA256})
	}
	text, err := indented(thing{"@context": thing{"prov": "http://www.w3.org/ns/prov#"}, "@graph": graph})
	if err != nil {
		return err
	}
	return b.add("data/provenance.jsonld", text)
}

// mediaTypes by extension.
var mediaTypes = map[string]string{
	".json": "application/json", ".jsonl": "application/jsonl", ".jsonld": "application/ld+json", ".csv": "text/csv", ".html": "text/html", ".atom": "application/atom+xml",
	".md": "text/markdown", ".mrt": "application/octet-stream", ".bib": "text/x-bibtex", ".cff": "application/yaml",
}

// crate adds ro-crate-metadata.json; it runs last, when all other files are there.
func (b *builder) crate() error {
	c := b.cited()
	var parts []string
	var files []thing
	for _, f := range b.files {
		id := strings.TrimPrefix(f.Path, "data/")
		parts = append(parts, id)
		x := thing{"@id": id, "@type": "File", "name": path.Base(id), "contentSize": strconv.Itoa(len(f.Data)), "sha256": sha256Hex(f.Data)}
		if m := mediaTypes[path.Ext(id)]; m != "" {
			x["encodingFormat"] = m
		}
		files = append(files, x)
	}
	licence := c.Licence
	if licence == "" {
		licence = "No licence was stated: an unsigned draft."
	}
	root := thing{
		"@id": "./", "@type": "Dataset", "name": c.Title, "description": c.Abstract, "datePublished": c.Published.Format(time.DateOnly), "version": c.Version,
		"license": ref("LICENSE"), "publisher": ref("#publisher"), "hasPart": refs(parts), "identifier": c.ID, "temporalCoverage": c.From.String() + "/" + c.Until.String(),
	}
	publisher := thing{"@id": "#publisher", "@type": "Organization", "name": c.Publisher}
	if c.URL != "" {
		publisher["url"] = c.URL
	}
	graph := append([]thing{
		{"@id": "ro-crate-metadata.json", "@type": "CreativeWork", "conformsTo": ref("https://w3id.org/ro/crate/1.1"), "about": ref("./")},
		root, publisher,
	}, files...)
	for _, x := range graph {
		if x["@id"] == "LICENSE" {
			x["@type"], x["description"] = []string{"File", "CreativeWork"}, licence
		}
	}
	text, err := indented(thing{"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph})
	if err != nil {
		return err
	}
	return b.add("data/ro-crate-metadata.json", text)
}

// lastChange is when the last revision was made, in event time: the one time that the exported state can be said to have.
func lastChange(inc *detect.Incident) detect.Time {
	if n := len(inc.Revisions); n > 0 {
		return inc.Revisions[n-1].At
	}
	return inc.Start.Time
}

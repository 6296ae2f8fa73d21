package app

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/corewatch/corewatch/evidence/annotation"
	"github.com/corewatch/corewatch/store/sqlite"
)

// contextOf reads what people wrote about an incident; a document without revisions when nobody did.
func contextOf(ctx context.Context, s *sqlite.Store, id string) (*annotation.Document, error) {
	if _, err := s.Incident(ctx, id); err != nil {
		return nil, err
	}
	list, err := s.Annotations(ctx, id, 0)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return &annotation.Document{V: annotation.Version, Incident: id, Origin: annotation.NotMeasured}, nil
	}
	last := list[len(list)-1]
	d, err := annotation.Parse(last.Text)
	if err == nil && (d.Incident != id || d.Revision != last.Revision) {
		err = fmt.Errorf("the document says that it is revision %d of incident %s", d.Revision, d.Incident)
	}
	return d, err
}

// EditContext makes one edit of what people wrote about an incident, also beside a running monitor. The incident itself is not touched.
func EditContext(ctx context.Context, dir, id string, edit func(*annotation.Document) error, w io.Writer) error {
	s, err := sqlite.OpenBeside(ctx, dir)
	if err != nil {
		return err
	}
	defer s.Close()
	d, err := contextOf(ctx, s, id)
	if err != nil {
		return err
	}
	if err := edit(d); err != nil {
		return err
	}
	text, err := d.JSON()
	if err != nil {
		return err
	}
	if err := s.SaveAnnotation(ctx, id, d.Revision, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s: context revision %d: %s\n", id, d.Revision, d.Revisions[d.Revision-1].Change)
	return err
}

// ShowContext prints what people wrote about an incident: all of it, or what all may see.
func ShowContext(ctx context.Context, dir, id string, public, asJSON bool, w io.Writer) error {
	s, err := sqlite.OpenReadOnly(ctx, dir)
	if err != nil {
		return err
	}
	defer s.Close()
	d, err := contextOf(ctx, s, id)
	if err != nil {
		return err
	}
	if public {
		d = d.Public()
	}
	if asJSON {
		text, err := d.JSON()
		if err == nil {
			_, err = fmt.Fprintf(w, "%s\n", text)
		}
		return err
	}
	fmt.Fprintf(w, "%s: %s; revision %d\n", id, annotation.NotMeasured, d.Revision)
	for _, it := range d.Items {
		checked := "source not checked"
		if it.Source.SourceChecked {
			checked = "source checked"
		}
		fmt.Fprintf(w, "%3d  %s, %s, %s: %s\n     source: %s\n", it.N, it.Kind, it.State, checked, it.Text,
			strings.Join(strings.Fields(strings.Join([]string{it.Source.Citation, it.Source.URL, it.Source.RetrievedAt, it.Source.SHA256}, " ")), " "))
	}
	for _, t := range d.Core {
		fmt.Fprintf(w, "public core: %s (items %v)\n", t.Tag, t.Items)
	}
	for _, t := range d.Norms {
		fmt.Fprintf(w, "norm: %s (items %v)\n", t.Tag, t.Items)
	}
	for _, f := range d.Impact {
		fmt.Fprintf(w, "impact on %s: %s (items %v)\n", f.Field, f.Text, f.Items)
	}
	for _, r := range d.Revisions {
		fmt.Fprintf(w, "     %d  %s  %s by %s: %s\n", r.Revision, r.At, r.Change, r.Role, r.Reason)
	}
	return nil
}

// Stamped is the stamp of an edit made now.
func Stamped(role, reason string) annotation.Stamp {
	return annotation.Stamp{At: time.Now(), Role: role, Reason: reason}
}

package app

import (
	"context"
	"fmt"
	"io"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/entity/reference"
	"github.com/corewatch/corewatch/store/sqlite"
)

// ListIncidents prints the incidents of a store, newest first; faults includes monitor faults.
func ListIncidents(ctx context.Context, dir string, faults, asJSON bool, w io.Writer) error {
	s, err := sqlite.OpenReadOnly(ctx, dir)
	if err != nil {
		return err
	}
	defer s.Close()
	q := sqlite.Query{}
	if faults {
		q.Kinds = []string{string(detect.Outage), string(detect.MonitorFault)}
	}
	for {
		list, next, err := s.Incidents(ctx, q)
		if err != nil {
			return err
		}
		for i := range list {
			if err := printIncident(w, &list[i], asJSON); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		q.Cursor = next
	}
}

// ShowIncident prints one incident with its revisions.
func ShowIncident(ctx context.Context, dir, id string, asJSON bool, w io.Writer) error {
	s, err := sqlite.OpenReadOnly(ctx, dir)
	if err != nil {
		return err
	}
	defer s.Close()
	inc, err := s.Incident(ctx, id)
	if err != nil {
		return err
	}
	if err := printIncident(w, inc, asJSON); err != nil || asJSON {
		return err
	}
	for _, r := range inc.Revisions {
		fmt.Fprintf(w, "  %3d  %s  %-10s %s: %s\n", r.Revision, r.At, r.State, r.Change, r.Reason)
	}
	return nil
}

func printIncident(w io.Writer, inc *detect.Incident, asJSON bool) error {
	if !asJSON {
		_, err := fmt.Fprintln(w, Line(inc))
		return err
	}
	line, err := inc.JSON()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", line)
	return err
}

// Backup copies a store to a new file, beside a running monitor if there is one.
func Backup(ctx context.Context, dir, out string) error {
	s, err := sqlite.OpenReadOnly(ctx, dir)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Backup(ctx, out)
}

// Migrate brings a store to the schema of this software, and keeps a copy of it as it was.
func Migrate(ctx context.Context, dir string, w io.Writer) error {
	m, err := sqlite.Migrate(ctx, dir)
	if err != nil {
		return err
	}
	if m.From == m.To {
		_, err = fmt.Fprintf(w, "%s: schema %d is that of this software; nothing was to be done\n", dir, m.To)
		return err
	}
	_, err = fmt.Fprintf(w, "%s: schema %d became %d; as it was before it is in %s\n", dir, m.From, m.To, m.Copy)
	return err
}

// CheckStore verifies everything a store holds.
func CheckStore(ctx context.Context, dir string) error {
	s, err := sqlite.OpenReadOnly(ctx, dir)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Check(ctx)
}

// UpdateReference takes registry statistics into a folder of reference tables.
func UpdateReference(ctx context.Context, dir, from string, w io.Writer) error {
	v, err := reference.Update(ctx, dir, from, func(line string) { fmt.Fprintln(w, line) })
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: vintage %s, sha256 %s\n", dir, v.Day, v.SHA256)
	return nil
}

// ShowReference verifies a folder of reference tables and zones, and says what is in it.
func ShowReference(dir string, w io.Writer) error {
	set, err := reference.Load(dir)
	if err != nil {
		return err
	}
	for _, v := range set.Vintages() {
		fmt.Fprintf(w, "delegated statistics: %s\n", v)
	}
	for _, n := range set.Networks {
		fmt.Fprintf(w, "networks: %s of %s, %d ASes, sha256 %s\n", n.Reference().Name, n.Reference().Vintage, n.Len(), n.Reference().SHA256)
	}
	for _, t := range set.Regions {
		prefixes, regions := t.Size()
		fmt.Fprintf(w, "regions: %s, %d prefixes in %d regions, from %s, %s, sha256 %s\n", t.Reference().Vintage, prefixes, regions, t.Source(), t.Licence(), t.Reference().SHA256)
	}
	if set.Overrides != nil {
		fmt.Fprintf(w, "overrides: %d\n", len(set.Overrides.All()))
	}
	for _, z := range set.Zones {
		fmt.Fprintf(w, "zone: %s (%s), sources: %d\n", z.Slug, z.Name, len(z.Sources))
	}
	for _, n := range set.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	return nil
}

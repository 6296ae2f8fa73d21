package reference

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/corewatch/corewatch/entity"
)

// maxFiles bounds the files of one folder.
const maxFiles = 512

// Load reads the reference files of a folder. Files it does not recognise, and folders, are left out with a note; a file it
// recognises but cannot read whole is an error, as is one whose digest differs from the manifest's. Errors name file and line.
func Load(dir string) (*Set, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read reference folder: %w", err)
	}
	if len(entries) > maxFiles {
		return nil, fmt.Errorf("reference folder %s: more than %d files", dir, maxFiles)
	}
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	var s Set
	for _, e := range entries { // sorted by name
		name := e.Name()
		switch {
		case name == manifestName || strings.HasPrefix(name, "."):
			continue
		case e.IsDir():
			s.note("%s: a folder; only files directly in the reference folder are read", name)
			continue
		case m.find(name) == nil && ownName.MatchString(name):
			s.note("%s: left over from an update that did not finish, or replaced by one; not read", name)
			continue
		}
		raw, err := readFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("reference folder: %w", err)
		}
		if err := s.add(name, raw, m.find(name)); err != nil {
			return nil, err
		}
	}
	for _, f := range m.Files {
		if _, err := os.Stat(filepath.Join(dir, f.Name)); err != nil {
			return nil, fmt.Errorf("reference folder: %s is in %s but cannot be read; run the update again: %w", f.Name, manifestName, err)
		}
	}
	return &s, s.finish()
}

func (s *Set) note(format string, args ...any) {
	s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
}

// add takes in one file; listed is its manifest entry, or nil.
func (s *Set) add(name string, raw []byte, listed *File) error {
	sum := hexDigest(raw)
	if listed != nil && listed.SHA256 != sum {
		return fmt.Errorf("%s: its SHA-256 is %s, %s says %s: it was changed or damaged; run the update again", name, sum, manifestName, listed.SHA256)
	}
	r, err := open(name, raw)
	if err != nil {
		return err
	}
	switch recognise(r) {
	case kindDelegated:
		d, err := parseDelegated(name, raw)
		if err != nil {
			return err
		}
		s.delegated = append(s.delegated, d)
		for what, n := range map[string]int{"with a status this version does not know": d.info.OtherStatus, "longer than /64": d.info.LongIPv6} {
			if n > 0 {
				s.note("%s: %d records %s left out", name, n, what)
			}
		}
	case kindAS2Org:
		ref := entity.Reference{Name: "caida-as2org", SHA256: sum, Quality: entity.QualityResearch, Vintage: vintageOf(name)}
		n, err := entity.ParseAS2Org(name, r, ref)
		if err != nil {
			return err
		}
		s.Networks = append(s.Networks, n)
	case kindOverrides:
		if s.Overrides != nil {
			return fmt.Errorf("%s: a second overrides file; keep one", name)
		}
		ref := entity.Reference{Name: "overrides", SHA256: sum, Quality: entity.QualityOperator}
		s.Overrides, err = entity.ParseOverrides(name, r, ref)
		return err
	case kindRegions:
		t, err := entity.ParseRegions(name, r, entity.Reference{Name: "regions", SHA256: sum, Quality: entity.QualityOperator})
		if err != nil {
			return err
		}
		s.Regions = append(s.Regions, t)
	case kindZones:
		zones, err := ParseZones(name, r)
		if err != nil {
			return err
		}
		s.Zones = append(s.Zones, zones...)
		s.ZoneReferences = append(s.ZoneReferences, entity.Reference{Name: "zones", SHA256: sum, Quality: entity.QualityOperator})
	default:
		if listed != nil {
			return fmt.Errorf("%s: listed in %s but not a reference file; run the update again", name, manifestName)
		}
		s.note("%s: not recognised; expected RIR delegated statistics, CAIDA AS to organisation, %q or %q CSV or zones YAML", name, entity.OverridesHeader, entity.RegionsHeader)
	}
	return nil
}

// finish orders everything and refuses what is there twice.
func (s *Set) finish() error {
	slices.SortStableFunc(s.delegated, func(a, b delegated) int {
		return cmp.Or(cmp.Compare(a.info.Registry, b.info.Registry), cmp.Compare(a.info.Day, b.info.Day))
	})
	for i := 1; i < len(s.delegated); i++ {
		a, b := &s.delegated[i-1], &s.delegated[i]
		if a.info.Registry == b.info.Registry && a.info.Day == b.info.Day && a.sha256 != b.sha256 {
			return fmt.Errorf("reference folder: two different files of %s for %s; keep one", a.info.Registry, a.info.Day)
		}
	}
	slices.SortStableFunc(s.Networks, func(a, b *entity.Networks) int { return cmp.Compare(a.Reference().Vintage, b.Reference().Vintage) })
	slices.SortStableFunc(s.Regions, func(a, b *entity.Regions) int { return cmp.Compare(a.Reference().Vintage, b.Reference().Vintage) })
	for i := 1; i < len(s.Regions); i++ {
		if v := s.Regions[i].Reference().Vintage; v == s.Regions[i-1].Reference().Vintage {
			return fmt.Errorf("reference folder: two regions files of %s; keep one", v)
		}
	}
	slices.SortStableFunc(s.Zones, func(a, b entity.Zone) int { return cmp.Compare(a.Slug, b.Slug) })
	for i := 1; i < len(s.Zones); i++ {
		if s.Zones[i].Slug == s.Zones[i-1].Slug {
			return fmt.Errorf("reference folder: zone %q is defined twice", s.Zones[i].Slug)
		}
	}
	slices.Sort(s.Notes)
	return nil
}

var datedName = regexp.MustCompile(`^(\d{4})(\d{2})(\d{2})\.`)

// vintageOf reads the date with which CAIDA begins its file names; empty when there is none.
func vintageOf(name string) string {
	m := datedName.FindStringSubmatch(name)
	if m == nil {
		return ""
	}
	d, err := entity.ParseDay(m[1] + "-" + m[2] + "-" + m[3])
	if err != nil {
		return ""
	}
	return d.String()
}

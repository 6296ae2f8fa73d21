package entity

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/corewatch/corewatch/bgp"
)

// Zone is a dated, sourced list of countries, regions, networks and prefixes that are watched together.
type Zone struct {
	Slug  string
	Name  string
	Kind  string // what the list is of, a slug: "conflict", "region", "cable", ...
	Since Day    // first day on which it applies; zero: no beginning
	Until Day    // last day on which it applies; zero: no end

	Countries []string // ISO 3166-1 alpha-2
	Regions   []string // ISO 3166-2
	Networks  []uint32
	Prefixes  []bgp.Prefix

	Sources []Source // never empty
}

// Source says where a zone's definition is known from.
type Source struct {
	Title     string
	URL       string   // http or https; URL or File is given
	File      string   // name or relative path of a file, when it is not on the web
	Retrieved Day      // the day it was read
	Digest    string   // "sha256:" and 64 lower-case hex digits; empty when not kept
	Records   []string // ids of the rows or paragraphs that support the entry; may be empty
}

// Limits of one zone.
const (
	maxZoneMembers = 10_000
	maxZoneSources = 100
	maxZoneRecords = 1_000
)

// Validate checks everything that can be checked without opening a source: slug, kind, name, order of dates, that there is a
// member, and that every source says where and when. The error names the zone and the field.
func (z *Zone) Validate() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("zone %q: %w", short(z.Slug), fmt.Errorf(format, args...))
	}
	members := len(z.Countries) + len(z.Regions) + len(z.Networks) + len(z.Prefixes)
	switch {
	case !validSlug(z.Slug):
		return fail("slug: want 1 to 64 of a-z, 0-9 and single hyphens")
	case z.Name == "" || CleanName(z.Name) != z.Name:
		return fail("name: want 1 to %d printable characters", maxName)
	case !validSlug(z.Kind):
		return fail("kind: want a slug such as conflict or region")
	case z.Since != 0 && z.Until != 0 && z.Until < z.Since:
		return fail("until %s is before since %s", z.Until, z.Since)
	case members == 0:
		return fail("members: none; give countries, regions, networks or prefixes")
	case members > maxZoneMembers:
		return fail("members: more than %d", maxZoneMembers)
	case len(z.Sources) == 0:
		return fail("sources: none; every zone must say where its definition is known from")
	case len(z.Sources) > maxZoneSources:
		return fail("sources: more than %d", maxZoneSources)
	}
	for _, c := range z.Countries {
		if _, ok := CountryName(c); !ok {
			return fail("country %q is not in ISO 3166-1", short(c))
		}
	}
	for _, c := range z.Regions {
		if !regionForm.MatchString(c) {
			return fail("region %q is not an ISO 3166-2 code", short(c))
		}
	}
	if slices.Contains(z.Networks, 0) {
		return fail("network AS0 is not a network")
	}
	for _, p := range z.Prefixes {
		if !p.Valid() {
			return fail("a prefix is not valid")
		}
	}
	for i := range z.Sources {
		if err := z.Sources[i].validate(); err != nil {
			return fail("source %d: %w", i+1, err)
		}
	}
	return nil
}

func validSlug(s string) bool { return len(s) <= 64 && slugForm.MatchString(s) }

func (s *Source) validate() error {
	switch {
	case s.Title == "" || CleanName(s.Title) != s.Title:
		return fmt.Errorf("title: want 1 to %d printable characters", maxName)
	case (s.URL == "") == (s.File == ""):
		return errors.New("give a url or a file, and not both")
	case s.Retrieved == 0:
		return errors.New("retrieved is missing: the day the source was read")
	case s.Digest != "" && !validDigest(s.Digest):
		return errors.New(`digest: want "sha256:" and 64 lower-case hex digits`)
	case len(s.Records) > maxZoneRecords:
		return fmt.Errorf("records: more than %d", maxZoneRecords)
	}
	if s.URL != "" {
		u, err := url.Parse(s.URL)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
			return fmt.Errorf("url %q: want an http or https address", short(s.URL))
		}
	}
	if s.File != "" && (CleanName(s.File) != s.File || strings.HasPrefix(s.File, "/")) {
		return fmt.Errorf("file %q: want a name or a relative path", short(s.File))
	}
	for _, r := range s.Records {
		if r == "" || CleanName(r) != r {
			return fmt.Errorf("record %q: want a printable id", short(r))
		}
	}
	return nil
}

func validDigest(s string) bool {
	digits, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(digits) == 64 && strings.Trim(digits, "0123456789abcdef") == ""
}

// Entity is the zone's entity.
func (z *Zone) Entity() Entity { return Entity{Type: TypeZone, Code: z.Slug, Name: z.Name} }

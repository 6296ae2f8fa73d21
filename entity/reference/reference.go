// Package reference loads and updates the dated tables that say which prefix and which network belongs to which country, region and zone.
//
// A folder of reference files may hold, under any names: RIR delegated statistics, CAIDA AS to organisation mappings, one
// overrides file, regions files and zone files. Load recognises them by content. Update fetches registry statistics into such a folder and
// records their digests; Load verifies them, so that a damaged or altered file is an error and never a silently different map.
package reference

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/corewatch/corewatch/entity"
)

// Set is everything a folder of reference files holds. It is immutable after Load and safe for concurrent use.
type Set struct {
	Networks       []*entity.Networks // ascending by vintage
	Overrides      *entity.Overrides  // nil when there are none
	Regions        []*entity.Regions  // ascending by vintage
	Zones          []entity.Zone      // ascending by slug
	ZoneReferences []entity.Reference // one a zone file; without a vintage, because zones carry their own dates
	Notes          []string           // what was not read and why, for the operator; one sentence each

	delegated []delegated // ascending by registry, then day
}

// delegated is one registry file in memory.
type delegated struct {
	info    entity.Delegated
	sha256  string
	records []entity.Record // IPv4 and IPv6 with a country
}

// registries are the registries as their files name them. Together, or as the combined file "nro", they cover the whole world.
var registries = []string{"afrinic", "apnic", "arin", "lacnic", "ripencc"}

// Vintages lists the registry files of the set as "<registry> <day>", in order.
func (s *Set) Vintages() []string {
	var out []string
	for i := range s.delegated {
		out = append(out, s.delegated[i].info.Registry+" "+s.delegated[i].info.Day.String())
	}
	return out
}

// Resolver makes the resolver for events of about the given time: of every registry the file nearest to it, and the nearest AS
// to organisation mapping and table of regions. The built-in table answers last unless the registry files cover the whole world. With byOrigin, the
// mapping goes before the registries when its vintage is nearer to the event than theirs (see entity.Resolver.ByOrigin).
func (s *Set) Resolver(event time.Time, byOrigin bool) (*entity.Resolver, error) {
	day := entity.DayOf(event)
	r := &entity.Resolver{Overrides: s.Overrides}
	own, whole, err := s.countries(day)
	if err != nil {
		return nil, err
	}
	if own != nil {
		r.Countries = append(r.Countries, own)
	}
	if !whole {
		builtIn, err := entity.DefaultCountries()
		if err != nil {
			return nil, err
		}
		r.Countries = append(r.Countries, builtIn)
	}
	for _, n := range s.Networks {
		if r.Networks == nil || entity.Nearer(n.Reference(), r.Networks.Reference(), day) {
			r.Networks = n
		}
	}
	for _, t := range s.Regions {
		if r.Regions == nil || entity.Nearer(t.Reference(), r.Regions.Reference(), day) {
			r.Regions = t
		}
	}
	r.ByOrigin = byOrigin && r.Networks != nil && entity.Nearer(r.Networks.Reference(), r.Countries[0].Reference(), day)
	return r, nil
}

// countries builds the table of the registry files nearest to day; whole says whether it covers the world. It is nil without files.
func (s *Set) countries(day entity.Day) (t *entity.CountryTable, whole bool, err error) {
	nearest := map[string]*delegated{}
	for i := range s.delegated {
		d := &s.delegated[i]
		if n := nearest[d.info.Registry]; n == nil || day.GapDays(d.info.Day) < day.GapDays(n.info.Day) {
			nearest[d.info.Registry] = d
		}
	}
	if len(nearest) == 0 {
		return nil, false, nil
	}
	chosen := make([]*delegated, 0, len(nearest))
	for _, d := range nearest {
		chosen = append(chosen, d)
	}
	// Where two files disagree about the same range, the builder keeps the later one: the nearest goes last.
	slices.SortFunc(chosen, func(a, b *delegated) int {
		return cmp.Or(cmp.Compare(day.GapDays(b.info.Day), day.GapDays(a.info.Day)), cmp.Compare(a.info.Registry, b.info.Registry))
	})
	var b entity.TableBuilder
	ref := entity.Reference{Name: "rir-delegated", Quality: entity.QualityRegistry}
	var digests []string
	for _, d := range chosen {
		digests = append(digests, d.sha256)
		if v := d.info.Day.String(); ref.Vintage == "" || v < ref.Vintage {
			ref.Vintage = v
		}
		for i := range d.records {
			if err := b.Add(d.records[i]); err != nil {
				return nil, false, fmt.Errorf("registry file of %s, %s: %w", d.info.Registry, d.info.Day, err)
			}
		}
	}
	ref.SHA256 = Digest(digests)
	whole = nearest["nro"] != nil || !slices.ContainsFunc(registries, func(r string) bool { return nearest[r] == nil })
	return b.Build(ref), whole, nil
}

// Digest identifies a table made of several files by theirs: of one file its own SHA-256; of several the SHA-256 of their
// lower-case hex digests in ascending order, each followed by a line feed.
func Digest(files []string) string {
	if len(files) == 1 {
		return files[0]
	}
	h := sha256.New()
	for _, f := range slices.Sorted(slices.Values(files)) {
		h.Write([]byte(f + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func hexDigest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/entity"
	"github.com/corewatch/corewatch/entity/reference"
)

// places answers where a prefix counts, from the best tables there are for the time of the event.
type places struct {
	r     *entity.Resolver
	zones *entity.Zones // nil when there are none
	lists []entity.Reference
}

// newPlaces loads the reference folder, if one is given, and picks the tables nearest to the event.
func newPlaces(dir string, event time.Time) (*places, []string, error) {
	set := &reference.Set{}
	if dir != "" {
		var err error
		if set, err = reference.Load(dir); err != nil {
			return nil, nil, fmt.Errorf("loading reference tables: %w", err)
		}
	}
	r, err := set.Resolver(event, true)
	if err != nil {
		return nil, nil, fmt.Errorf("choosing reference tables: %w", err)
	}
	p := &places{r: r, lists: set.ZoneReferences}
	if len(set.Zones) > 0 {
		p.zones = entity.NewZones(set.Zones)
	}
	return p, set.Notes, nil
}

// Country implements signal.Places.
func (p *places) Country(prefix bgp.Prefix, origin uint32) string {
	c, _ := p.r.Country(prefix, origin)
	return c
}

// CountryName implements signal.Places.
func (p *places) CountryName(code string) string {
	name, _ := entity.CountryName(code)
	return name
}

// NetworkName implements signal.Places.
func (p *places) NetworkName(as uint32) string { return p.r.Networks.Entity(as).Name }

// Region implements signal.Regions.
func (p *places) Region(prefix bgp.Prefix, country string) (code, name string) {
	r, _ := p.r.Region(prefix, country)
	return r.Code, r.Name
}

// Zones implements signal.Zones.
func (p *places) Zones(prefix bgp.Prefix, origin uint32, country, region string, at bgp.Micros) []detect.Entity {
	return zonesOf(p.zones, prefix, origin, country, region, at)
}

// ZonesChange implements signal.Zones.
func (p *places) ZonesChange(after, until bgp.Micros) bool {
	return p.zones != nil && p.zones.Change(after.Time(), until.Time())
}

// zonesOf asks an index of zones, if there is one.
func zonesOf(zones *entity.Zones, prefix bgp.Prefix, origin uint32, country, region string, at bgp.Micros) (out []detect.Entity) {
	if zones == nil {
		return nil
	}
	for _, z := range zones.Of(prefix, origin, country, region, at.Time()) {
		out = append(out, detect.Entity{Type: string(entity.TypeZone), Code: z.Slug, Name: z.Name})
	}
	return out
}

// References implements signal.Places.
func (p *places) References(at bgp.Micros) []detect.Reference {
	day := entity.DayOf(at.Time())
	var out []detect.Reference
	for _, r := range slices.Concat(p.r.References(), p.lists) {
		d := detect.Reference{Name: r.Name, Vintage: r.Vintage, SHA256: r.SHA256, Quality: string(r.Quality)}
		if v := r.Day(); v != 0 {
			d.VintageGapDays = new(day.GapDays(v))
		}
		out = append(out, d)
	}
	return out
}

// sourceOf says whose measurement a collector's is, from the name its project gave it.
func sourceOf(collector string) detect.Source {
	switch {
	case strings.HasPrefix(collector, "route-views"):
		return detect.Source{Name: "RouteViews", Collector: collector, Licence: "CC-BY-4.0", Attribution: "University of Oregon RouteViews Project"}
	case len(collector) == 5 && strings.HasPrefix(collector, "rrc"):
		return detect.Source{Name: "RIPE RIS", Collector: collector, Attribution: "RIPE NCC Routing Information Service"}
	}
	// The views of a router, and the routers of a range, are one project.
	name, _, _ := strings.Cut(bgp.CollectorOf(collector), "@")
	return detect.Source{Name: name, Collector: collector}
}

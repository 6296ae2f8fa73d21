package app

import (
	"fmt"
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
	zones []entity.Zone
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
	return &places{r, set.Zones}, set.Notes, nil
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

// Zones implements signal.Zones.
func (p *places) Zones(prefix bgp.Prefix, origin uint32, country string, at bgp.Micros) (out []detect.Entity) {
	for i := range p.zones {
		if z := &p.zones[i]; z.Contains(prefix, origin, country, at.Time()) {
			out = append(out, detect.Entity{Type: "zone", Code: z.Slug, Name: z.Name})
		}
	}
	return out
}

// References implements signal.Places.
func (p *places) References(at bgp.Micros) []detect.Reference {
	day := entity.DayOf(at.Time())
	var out []detect.Reference
	for _, r := range p.r.References() {
		d := detect.Reference{Name: r.Name, Vintage: r.Vintage, SHA256: r.SHA256, Quality: string(r.Quality)}
		if v := r.Day(); v != 0 {
			d.VintageGapDays = day.GapDays(v)
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
	return detect.Source{Name: collector, Collector: collector}
}

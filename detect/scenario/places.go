package scenario

import (
	"regexp"
	"slices"
	"strings"

	"github.com/corewatch/corewatch/bgp"
)

var (
	countryCode = regexp.MustCompile(`^[A-Z]{2}$`)
	regionCode  = regexp.MustCompile(`^[A-Z]{2}-[A-Z0-9]{1,3}$`)
	zoneSlug    = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
)

const (
	maxZones       = 100
	maxZoneMembers = 10_000
)

// country reads CODE ITEM..., an item being a block, an origin or a set of prefixes.
func (p *parser) country(w []string) {
	if len(w) < 2 || !countryCode.MatchString(w[0]) {
		p.fail("write country CODE ITEM..., with two capital letters and blocks (10.0.0.0/8), origins (AS64500) or prefix sets")
		return
	}
	for _, item := range w[1:] {
		switch {
		case strings.Contains(item, "/"):
			if x, ok := p.prefix(item); ok {
				p.s.blocks[x] = w[0]
			}
		case strings.HasPrefix(item, "AS"):
			if as, ok := p.as(item); ok {
				p.s.origins[as] = w[0]
			}
		default:
			for _, r := range p.routes(item) {
				p.s.blocks[p.s.prefixes[r.prefix]] = w[0]
			}
		}
	}
}

// region reads CODE [NAME:] ITEM...: a name in quotation marks ends with a colon.
func (p *parser) region(w []string) {
	if len(w) > 0 && regionCode.MatchString(w[0]) {
		code := w[0]
		w = w[1:]
		if len(w) > 0 && strings.HasSuffix(w[0], ":") && !strings.Contains(w[0], "/") {
			p.s.names[code] = strings.TrimSuffix(w[0], ":")
			w = w[1:]
		}
		if len(w) > 0 {
			for _, item := range w {
				for _, x := range p.where(item) {
					p.s.regions[x] = code
				}
			}
			return
		}
	}
	p.fail("write region CODE ITEM..., with a code like XA-N and blocks (10.0.0.0/8) or prefix sets; a name may stand before them as \"The North:\"")
}

// zone reads SLUG [NAME:] MEMBER...
func (p *parser) zone(w []string) {
	if len(w) < 2 || !zoneSlug.MatchString(w[0]) {
		p.fail("write zone SLUG MEMBER..., with countries (XA), regions (XA-N), networks (AS64500), blocks (10.0.0.0/8) or prefix sets; a name may stand before them as \"The coast:\"")
		return
	}
	z := Zone{Slug: w[0], Name: w[0]}
	w = w[1:]
	if name, ok := strings.CutSuffix(w[0], ":"); ok && !strings.Contains(name, "/") {
		z.Name, w = name, w[1:]
	}
	for _, item := range w {
		switch {
		case countryCode.MatchString(item):
			z.Countries = append(z.Countries, item)
		case regionCode.MatchString(item):
			z.Regions = append(z.Regions, item)
		case strings.HasPrefix(item, "AS"):
			if from, to, ok := p.asRange(item); ok {
				for as := uint64(from); as <= uint64(to); as++ {
					z.Networks = append(z.Networks, uint32(as))
				}
			}
		default:
			z.Prefixes = append(z.Prefixes, p.where(item)...)
		}
		if len(z.Countries)+len(z.Regions)+len(z.Networks)+len(z.Prefixes) > maxZoneMembers {
			p.fail("more than %d members of a zone: use fewer", maxZoneMembers)
			return
		}
	}
	switch {
	case slices.ContainsFunc(p.s.zones, func(x Zone) bool { return x.Slug == z.Slug }):
		p.fail("the zone %q is there already: choose another slug", z.Slug)
	case len(p.s.zones) == maxZones:
		p.fail("more than %d zones: use fewer", maxZones)
	default:
		p.s.zones = append(p.s.zones, z)
	}
}

// where reads a block or a set of prefixes.
func (p *parser) where(item string) (out []bgp.Prefix) {
	if strings.Contains(item, "/") {
		if x, ok := p.prefix(item); ok {
			out = append(out, x)
		}
		return out
	}
	for _, r := range p.routes(item) {
		out = append(out, p.s.prefixes[r.prefix])
	}
	return out
}

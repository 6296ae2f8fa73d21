package entity

import "github.com/corewatch/corewatch/bgp"

// The bases of a Resolver's answer.
const (
	BasisOverride  = "override"  // the operator said so for the origin
	BasisOrigin    = "origin"    // the organisation that held the origin AS
	BasisDelegated = "delegated" // the registry's delegation of the address space
)

// Resolver answers in which country and region a route is counted, from tables of one event's time. Its fields may be nil; they must not
// change while it is in use, and then it is safe for concurrent use.
type Resolver struct {
	Overrides *Overrides
	Networks  *Networks

	// Countries are asked in order until one answers: the tables of the event's time first, the built-in one last, when the
	// others do not cover the whole world.
	Countries []*CountryTable

	// ByOrigin asks Networks before Countries. It is meant for old data: networks stay with their holder longer than address
	// blocks do, so an AS mapping of the event's month beats delegations of years later. See Nearer.
	ByOrigin bool

	Regions *Regions
}

// Country is the country of a route to p with the given origin AS (0 when unknown), and the table the answer rests on: one of
// the Basis constants. Both are empty when no table answers.
func (r *Resolver) Country(p bgp.Prefix, origin uint32) (code, basis string) {
	if origin != 0 {
		if o, ok := r.Overrides.Lookup(origin); ok {
			return o.Country, BasisOverride
		}
		if r.ByOrigin {
			if n, ok := r.Networks.Lookup(origin); ok && n.Country != "" {
				return n.Country, BasisOrigin
			}
		}
	}
	for _, t := range r.Countries {
		if c, ok := t.Country(p); ok {
			return c, BasisDelegated
		}
	}
	return "", ""
}

// Region is the region of a prefix that is counted in a country. What the table puts into a region of another country is in none, so
// that regions never hold more than their country.
func (r *Resolver) Region(p bgp.Prefix, country string) (Region, bool) {
	x, ok := r.Regions.Region(p)
	if !ok || x.Country() != country {
		return Region{}, false
	}
	return x, true
}

// References lists the tables that can have a say in an answer, in the order in which they are asked.
func (r *Resolver) References() []Reference {
	var out []Reference
	if r.Overrides != nil {
		out = append(out, r.Overrides.ref)
	}
	if r.ByOrigin && r.Networks != nil {
		out = append(out, r.Networks.ref)
	}
	for _, t := range r.Countries {
		if t != nil {
			out = append(out, t.ref)
		}
	}
	if r.Regions != nil {
		out = append(out, r.Regions.ref)
	}
	return out
}

// Nearer reports whether the vintage of a is strictly nearer to the event than that of b. A table without a vintage is never nearer.
func Nearer(a, b Reference, event Day) bool {
	da, db := a.Day(), b.Day()
	if da == 0 {
		return false
	}
	return db == 0 || event.GapDays(da) < event.GapDays(db)
}

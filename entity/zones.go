package entity

import (
	"slices"
	"time"

	"github.com/corewatch/corewatch/bgp"
)

// Zones finds the zones that a route belongs to. It is immutable and safe for concurrent use. The values of its maps are indexes into
// the list of zones, ascending; the maps are only looked up.
type Zones struct {
	list      []Zone
	byCountry map[string][]int
	byRegion  map[string][]int
	byNetwork map[uint32][]int
	byPrefix  map[bgp.Prefix][]int
	lengths   [2][129]bool // by family: the lengths of member prefixes
	changes   []Day        // days on which a zone begins, or is over; ascending
}

// NewZones indexes zones, each of which is valid; their order is that of the answers.
func NewZones(list []Zone) *Zones {
	z := &Zones{
		list: list, byCountry: map[string][]int{}, byRegion: map[string][]int{}, byNetwork: map[uint32][]int{}, byPrefix: map[bgp.Prefix][]int{},
	}
	for i := range list {
		for _, c := range list[i].Countries {
			z.byCountry[c] = append(z.byCountry[c], i)
		}
		for _, c := range list[i].Regions {
			z.byRegion[c] = append(z.byRegion[c], i)
		}
		for _, as := range list[i].Networks {
			z.byNetwork[as] = append(z.byNetwork[as], i)
		}
		for _, p := range list[i].Prefixes {
			z.byPrefix[p] = append(z.byPrefix[p], i)
			z.lengths[family(p)][p.Len()] = true
		}
		if list[i].Since != 0 {
			z.changes = append(z.changes, list[i].Since)
		}
		if list[i].Until != 0 {
			z.changes = append(z.changes, list[i].Until+1)
		}
	}
	slices.Sort(z.changes)
	return z
}

func family(p bgp.Prefix) int {
	if p.IsV6() {
		return 1
	}
	return 0
}

// Of lists the zones that a route belongs to at an instant: its country, its region or its origin is a member, or a member prefix
// covers it. Since and Until are whole UTC days, both included. Country and region "" and origin 0 match nothing.
func (z *Zones) Of(p bgp.Prefix, origin uint32, country, region string, at time.Time) []*Zone {
	var found []int
	found = append(found, z.byCountry[country]...)
	found = append(found, z.byRegion[region]...)
	found = append(found, z.byNetwork[origin]...)
	if p.Valid() && len(z.byPrefix) > 0 {
		for n := p.Len(); n >= 0; n-- {
			if z.lengths[family(p)][n] {
				found = append(found, z.byPrefix[p.Shorten(n)]...)
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	slices.Sort(found)
	var out []*Zone
	day := DayOf(at)
	for _, i := range slices.Compact(found) {
		if x := &z.list[i]; (x.Since == 0 || day >= x.Since) && (x.Until == 0 || day <= x.Until) {
			out = append(out, x)
		}
	}
	return out
}

// Change reports whether a zone begins or is over after an instant and at or before another: what belongs where is to be asked again.
func (z *Zones) Change(after, until time.Time) bool {
	i, _ := slices.BinarySearch(z.changes, DayOf(after)+1)
	return i < len(z.changes) && z.changes[i] <= DayOf(until)
}

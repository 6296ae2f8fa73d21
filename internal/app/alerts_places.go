package app

import (
	"context"
	"slices"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/entity"
	"github.com/corewatch/corewatch/internal/conf"
)

// networkCountries says in which countries a network is counted, for subscriptions by country: the one that the operator's overrides or the table of
// organisations register it in, and the one that holds more than half of the prefixes it lost. Answers are kept while the incident's revision is the same.
type networkCountries struct {
	r       *entity.Resolver
	members func(id string) ([]detect.Member, error)
	known   map[string]countriesOf // by incident
}

type countriesOf struct {
	revision int
	list     []string
}

// knownMost bounds how many answers are kept.
const knownMost = 10_000

// newNetworkCountries loads the reference tables of a configuration, those nearest to an instant. members reads what an incident lost.
func newNetworkCountries(ctx context.Context, c conf.Config, at time.Time, members func(context.Context, string) ([]detect.Member, error)) (*networkCountries, error) {
	p, _, err := newPlaces(c.Reference, at)
	if err != nil {
		return nil, err
	}
	return &networkCountries{
		r: p.r, known: map[string]countriesOf{},
		members: func(id string) ([]detect.Member, error) { return members(ctx, id) },
	}, nil
}

// of is for one goroutine. What cannot be read is in no country: the next revision asks again.
func (n *networkCountries) of(in *detect.Incident) []string {
	if k, ok := n.known[in.ID]; ok && k.revision == in.Revision {
		return k.list
	}
	as, err := entity.ParseNetwork(in.Entity.Code)
	if err != nil {
		return nil
	}
	var list []string
	if o, ok := n.r.Overrides.Lookup(as); ok {
		list = append(list, o.Country)
	} else if info, ok := n.r.Networks.Lookup(as); ok && info.Country != "" {
		list = append(list, info.Country)
	}
	members, err := n.members(in.ID)
	if err != nil {
		return list
	}
	count := map[string]int{}
	for i := range members {
		if p, err := bgp.ParsePrefix(members[i].Prefix); err == nil {
			c, _ := n.r.Country(p, members[i].Origin)
			count[c]++
		}
	}
	for c, k := range count { // at most one has more than half
		if c != "" && 2*k > len(members) && !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	if len(n.known) >= knownMost {
		clear(n.known)
	}
	n.known[in.ID] = countriesOf{in.Revision, list}
	return list
}

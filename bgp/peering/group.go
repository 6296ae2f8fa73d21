package peering

import (
	"errors"
	"net/netip"
	"time"
)

// group is a range of addresses, and the routers that have connected from it.
type group struct {
	conf    Neighbour
	members map[netip.Addr]*neighbour
}

// member finds or makes the router of an address. A router that has no session makes room for a new one.
func (g *group) member(addr netip.Addr, now time.Time) (*neighbour, error) {
	if n := g.members[addr]; n != nil {
		return n, nil
	}
	if len(g.members) >= g.conf.MaxSessions {
		var oldest *neighbour
		for _, n := range g.members {
			if n.current == nil && len(n.trying) == 0 && n.expiry == nil && (oldest == nil || n.since.Before(oldest.since)) {
				oldest = n
			}
		}
		if oldest == nil {
			return nil, errors.New("its range has as many sessions as it may have")
		}
		delete(g.members, oldest.conf.Address)
	}
	conf := g.conf
	conf.Address, conf.Range = addr, netip.Prefix{}
	n := newNeighbour(conf, g, now)
	g.members[addr] = n
	return n, nil
}

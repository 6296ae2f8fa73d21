// Package rival holds the published rules of other detectors, to be run on the same input as ours and scored in the same way. They
// are rules, not the tools: what a tool does besides (drop messages beyond 6,000 a second, lose its connection for hours) is not
// held against it here. Each rule is a pure function of its calls; time comes with them.
//
// # Fairness
//
// A rule gets what our detector gets: the elems in the same order, the sessions' states, the same country function, and all
// prefixes of the feed, not only configured ones.
//
// Entities. A prefix counts for the network of the first origin AS announced for it, and for the country the function gives for
// prefix and origin; before an origin is known, for the country alone. IODA's rule has signals for both kinds already. BGPalerter
// alerts about prefixes: an entity is alerted when one of its prefixes is (EntityPrefixes asks for more), and further prefixes of
// the entity within a window of the last belong to the same alert, so that one event is not counted as hundreds.
//
// A feed that begins without a table: a session that names at least half as many prefixes as the median session is taken to carry
// whatever it has not spoken of, until its first session loss. Without this neither rule of visibility has a denominator. With a
// table (IODAConfig.Table) nothing is presumed.
package rival

import (
	"cmp"
	"slices"

	"github.com/corewatch/corewatch/bgp"
)

// Rule is one rule fed with elems in order of time. Calls with a time before an earlier call's are taken to happen at that one's.
type Rule interface {
	// Announce says that the peer has the prefix (announcement or table entry); origin is 0 when unknown.
	Announce(at bgp.Micros, peer bgp.Peer, prefix bgp.Prefix, origin uint32)
	// Withdraw says that the peer withdrew the prefix.
	Withdraw(at bgp.Micros, peer bgp.Peer, prefix bgp.Prefix)
	// State says that a session came up or went down.
	State(at bgp.Micros, peer bgp.Peer, up bool)
	// Tick lets time pass without an elem.
	Tick(now bgp.Micros)
	// Alerts are all alerts up to now, by time of raising, then entity and level.
	Alerts() []Alert
}

// Entity is what an alert is about.
type Entity struct {
	Kind string // "country" or "network"
	Code string // as the country function gives it; "AS<number>"
}

// Alert is one alarm of a rule.
type Alert struct {
	Entity    Entity
	Family    int    // 4 or 6
	Level     string // "warning" or "critical" for IODA; "visibility" for BGPalerter
	Start     bgp.Micros
	Raised    bgp.Micros // the rule's condition was first true
	Published bgp.Micros // someone outside could know, at the latest
	Ended     bgp.Micros // the condition was false again; 0 when it never was, or the tool has no such event
	Lost      int64      // IODA: /24 or /48 blocks missing against the median; BGPalerter: prefixes alerted
	Expected  int64      // IODA: the median; 0 for BGPalerter
}

func sortAlerts(a []Alert) []Alert {
	slices.SortStableFunc(a, func(x, y Alert) int {
		return cmp.Or(cmp.Compare(x.Raised, y.Raised), cmp.Compare(x.Entity.Kind, y.Entity.Kind), cmp.Compare(x.Entity.Code, y.Entity.Code),
			cmp.Compare(x.Family, y.Family), cmp.Compare(x.Level, y.Level))
	})
	return a
}

// Bounds against hostile input; what is beyond is not counted.
const (
	maxPrefixes = 4_000_000
	maxPeers    = 4096
)

// registry gives numbers to peers, prefixes and entities.
type registry struct {
	country  func(prefix bgp.Prefix, origin uint32) string
	peers    map[bgp.Peer]int
	asOf     []int // by peer: number of its AS
	ases     map[uint32]int
	prefixes map[bgp.Prefix]int32
	entities map[entityKey]int32
	now      bgp.Micros
}

type entityKey struct {
	Entity
	v6 bool
}

func (k entityKey) family() int {
	if k.v6 {
		return 6
	}
	return 4
}

// none is the number of no entity, peer or prefix.
const none = -1

func newRegistry(country func(bgp.Prefix, uint32) string) registry {
	if country == nil {
		country = func(bgp.Prefix, uint32) string { return "" }
	}
	return registry{
		country: country, peers: map[bgp.Peer]int{}, ases: map[uint32]int{},
		prefixes: map[bgp.Prefix]int32{}, entities: map[entityKey]int32{},
	}
}

// peer is the peer's number; fresh when it is its first mention.
func (r *registry) peer(p bgp.Peer) (n int, fresh bool) {
	if n, ok := r.peers[p]; ok {
		return n, false
	}
	if len(r.peers) == maxPeers {
		return none, false
	}
	a, ok := r.ases[p.AS]
	if !ok {
		a = len(r.ases)
		r.ases[p.AS] = a
	}
	n = len(r.asOf)
	r.peers[p] = n
	r.asOf = append(r.asOf, a)
	return n, true
}

func (r *registry) prefix(p bgp.Prefix) (n int32, fresh bool) {
	if n, ok := r.prefixes[p]; ok {
		return n, false
	}
	if len(r.prefixes) == maxPrefixes {
		return none, false
	}
	n = int32(len(r.prefixes))
	r.prefixes[p] = n
	return n, true
}

// of are the numbers of the prefix's network and country, none where there is none.
func (r *registry) of(p bgp.Prefix, origin uint32) (of [2]int32, added []entityKey) {
	of = [2]int32{none, none}
	number := func(i int, e Entity) {
		k := entityKey{e, p.IsV6()}
		n, ok := r.entities[k]
		if !ok {
			n = int32(len(r.entities))
			r.entities[k] = n
			added = append(added, k)
		}
		of[i] = n
	}
	if origin != 0 {
		number(0, Entity{"network", networkCode(origin)})
	}
	if c := r.country(p, origin); c != "" {
		number(1, Entity{"country", c})
	}
	return of, added
}

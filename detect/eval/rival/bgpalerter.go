package rival

import (
	"math"
	"slices"
	"strconv"

	"github.com/corewatch/corewatch/bgp"
)

// BGPalerterConfig holds the numbers of the visibility rule.
type BGPalerterConfig struct {
	Window         bgp.Micros // in which the withdrawals are counted, and after which a prefix can be alerted again
	Peers          int        // that must have withdrawn the prefix
	Share          float64    // of the peers heard, where that is fewer than Peers
	EntityPrefixes int        // alerted prefixes within Window that make an alert of their entity
	Country        func(prefix bgp.Prefix, origin uint32) string
}

// DefaultBGPalerter is the rule as that tool is configured when nobody changes it, scaled to the feed.
func DefaultBGPalerter() BGPalerterConfig {
	return BGPalerterConfig{Window: 360 * bgp.Second, Peers: 40, Share: 0.8, EntityPrefixes: 1}
}

// BGPalerter is the visibility rule of BGPalerter: at least Peers sessions withdrew exactly this prefix within Window. That a peer
// announced it again in between does not matter, nor do other prefixes. There is one alert a prefix in a window, and no event for
// its end. Alerts are published at once.
type BGPalerter struct {
	registry
	cfg  BGPalerterConfig
	rows []watched
	of   []groupAlert // by entity
	done []Alert
}

type watched struct {
	hits   []hit // of the last window, in order of time, one a peer
	origin uint32
	quiet  bgp.Micros // no alert before this
}

type hit struct {
	at   bgp.Micros
	peer int32
}

type groupAlert struct {
	key    entityKey
	recent []group // prefix alerts of the last window
	open   int     // index into done, one-based; 0 when there is none
}

type group struct{ first, at bgp.Micros }

// NewBGPalerter makes the rule; zero numbers of cfg become the default's.
func NewBGPalerter(cfg BGPalerterConfig) *BGPalerter {
	d := DefaultBGPalerter()
	if cfg.Window <= 0 {
		cfg.Window = d.Window
	}
	if cfg.Peers <= 0 {
		cfg.Peers = d.Peers
	}
	if cfg.Share <= 0 {
		cfg.Share = d.Share
	}
	cfg.EntityPrefixes = max(cfg.EntityPrefixes, 1)
	return &BGPalerter{registry: newRegistry(cfg.Country), cfg: cfg}
}

// Announce learns the origin of a prefix. It cancels nothing.
func (b *BGPalerter) Announce(at bgp.Micros, peer bgp.Peer, prefix bgp.Prefix, origin uint32) {
	b.Tick(at)
	b.peer(peer)
	if w := b.row(prefix); w != nil && w.origin == 0 {
		w.origin = origin
	}
}

// Withdraw counts one peer for the prefix.
func (b *BGPalerter) Withdraw(at bgp.Micros, peer bgp.Peer, prefix bgp.Prefix) {
	b.Tick(at)
	p, _ := b.peer(peer)
	w := b.row(prefix)
	if p == none || w == nil {
		return
	}
	old := b.now - b.cfg.Window
	w.hits = slices.DeleteFunc(w.hits, func(h hit) bool { return h.at < old || h.peer == int32(p) })
	w.hits = append(w.hits, hit{b.now, int32(p)})
	if len(w.hits) < b.threshold() || b.now < w.quiet {
		return
	}
	w.quiet = b.now + b.cfg.Window
	b.alerted(prefix, w.origin, w.hits[0].at)
}

// State is of no interest to the rule: a lost session withdraws nothing.
func (b *BGPalerter) State(at bgp.Micros, _ bgp.Peer, _ bool) { b.Tick(at) }

// Tick moves the clock.
func (b *BGPalerter) Tick(now bgp.Micros) { b.now = max(b.now, now) }

// Alerts are all alerts up to now.
func (b *BGPalerter) Alerts() []Alert { return sortAlerts(slices.Clone(b.done)) }

func (b *BGPalerter) threshold() int {
	return min(b.cfg.Peers, max(1, int(math.Ceil(b.cfg.Share*float64(len(b.asOf))))))
}

func (b *BGPalerter) row(prefix bgp.Prefix) *watched {
	n, fresh := b.prefix(prefix)
	if n == none {
		return nil
	}
	if fresh {
		b.rows = append(b.rows, watched{})
	}
	return &b.rows[n]
}

// alerted brings one prefix's alert to its entities.
func (b *BGPalerter) alerted(prefix bgp.Prefix, origin uint32, first bgp.Micros) {
	of, added := b.registry.of(prefix, origin)
	for _, k := range added {
		b.of = append(b.of, groupAlert{key: k})
	}
	for _, n := range of {
		if n == none {
			continue
		}
		g := &b.of[n]
		old := b.now - b.cfg.Window
		g.recent = slices.DeleteFunc(g.recent, func(x group) bool { return x.at < old })
		if len(g.recent) == 0 {
			g.open = 0
		}
		g.recent = append(g.recent, group{first, b.now})
		switch {
		case g.open != 0:
			b.done[g.open-1].Lost++
		case len(g.recent) >= b.cfg.EntityPrefixes:
			start := first
			for _, x := range g.recent {
				start = min(start, x.first)
			}
			b.done = append(b.done, Alert{
				Entity: g.key.Entity, Family: g.key.family(), Level: "visibility",
				Start: start, Raised: b.now, Published: b.now, Lost: int64(len(g.recent)),
			})
			g.open = len(b.done)
		}
	}
}

func networkCode(as uint32) string { return "AS" + strconv.FormatUint(uint64(as), 10) }

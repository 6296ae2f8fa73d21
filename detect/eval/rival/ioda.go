package rival

import (
	"slices"

	"github.com/corewatch/corewatch/bgp"
)

// IODAConfig holds the numbers of IODA's BGP rule.
type IODAConfig struct {
	Bin         bgp.Micros // length of a bin
	FullFeed4   int        // prefixes that a full-feed session carries, by family
	FullFeed6   int
	OldShare    float64    // of the largest table, where that is smaller than the above asks for
	Visible     float64    // share of the full-feed ASNs that must carry a prefix
	History     int        // bins whose median a bin is compared with
	MinHistory  int        // bins before anything is compared
	Critical    float64    // below this share of the median
	Warning     float64    // below this
	Publication bgp.Micros // from the end of a bin until its alert is out, at most
	Table       bool       // the feed begins with a table dump: nothing is presumed
	Country     func(prefix bgp.Prefix, origin uint32) string

	// OnBin, when set, is told of every entity at the end of every bin: blocks seen, and all that the prefixes named so far would
	// cover. It is what Chocolatine is fed from.
	OnBin func(e Entity, family int, end bgp.Micros, seen, all int64)
}

// DefaultIODA is the published rule.
func DefaultIODA() IODAConfig {
	return IODAConfig{
		Bin: 300 * bgp.Second, FullFeed4: 400_000, FullFeed6: 10_000, OldShare: 0.8, Visible: 0.5,
		History: 288, MinHistory: 12, Critical: 0.5, Warning: 0.99, Publication: 2400 * bgp.Second,
	}
}

// IODA is the BGP rule of IODA: every 5 minutes the /24 blocks (/48 of IPv6) of the prefixes that at least half of the full-feed
// ASNs carry are counted for each entity, and compared with the median of the 24 h before. In a feed without a table the
// median is taken of what was missing, so that an entity does not seem to grow as its prefixes are first named. A prefix keeps the
// first origin announced for it.
type IODA struct {
	registry
	cfg      IODAConfig
	end      bgp.Micros // of the present bin; 0 before the first call
	sessions []feed
	rows     []route
	of       []series // by entity
	dirty    []int32  // rows to look at when the bin ends
	changed  []int32  // entities whose rows changed
	total    [2]int   // prefixes named, by family
	bins     [2]int   // bins with data, by family
	done     []Alert
	seen     []bool // scratch of visible, by AS
}

// feed is one session.
type feed struct {
	lost     bool
	known    [2]int // cells not unknown, by family
	up       [2]int // announced
	presumed [2]bool
	full     [2]bool
}

// route is one prefix.
type route struct {
	prefix  bgp.Prefix
	cells   []cell // by session; may be shorter than the list of sessions
	origin  uint32
	of      [2]int32
	visible bool
	dirty   bool
}

type cell uint8

const (
	unknown cell = iota
	announced
	withdrawn
)

// NewIODA makes the rule. Numbers of cfg that are zero become the default's.
func NewIODA(cfg IODAConfig) *IODA {
	d := DefaultIODA()
	for _, x := range []struct{ have, want *int }{
		{&cfg.FullFeed4, &d.FullFeed4}, {&cfg.FullFeed6, &d.FullFeed6}, {&cfg.History, &d.History}, {&cfg.MinHistory, &d.MinHistory},
	} {
		if *x.have <= 0 {
			*x.have = *x.want
		}
	}
	for _, x := range []struct{ have, want *float64 }{
		{&cfg.OldShare, &d.OldShare}, {&cfg.Visible, &d.Visible}, {&cfg.Critical, &d.Critical}, {&cfg.Warning, &d.Warning},
	} {
		if *x.have <= 0 {
			*x.have = *x.want
		}
	}
	if cfg.Bin <= 0 {
		cfg.Bin = d.Bin
	}
	if cfg.Publication <= 0 {
		cfg.Publication = d.Publication
	}
	return &IODA{registry: newRegistry(cfg.Country), cfg: cfg}
}

// Announce sets a cell.
func (o *IODA) Announce(at bgp.Micros, peer bgp.Peer, prefix bgp.Prefix, origin uint32) {
	o.set(at, peer, prefix, announced, origin)
}

// Withdraw sets a cell.
func (o *IODA) Withdraw(at bgp.Micros, peer bgp.Peer, prefix bgp.Prefix) {
	o.set(at, peer, prefix, withdrawn, 0)
}

// State empties the table of a session, whichever way it went: after a loss nothing is known, and a new session begins with nothing.
func (o *IODA) State(at bgp.Micros, peer bgp.Peer, _ bool) {
	o.Tick(at)
	s := o.session(peer)
	if s == none {
		return
	}
	f := &o.sessions[s]
	f.lost = true
	if f.known == [2]int{} {
		return
	}
	f.known, f.up = [2]int{}, [2]int{}
	for i := range o.rows {
		if w := &o.rows[i]; s < len(w.cells) && w.cells[s] != unknown {
			w.cells[s] = unknown
			o.touch(int32(i))
		}
	}
}

// Tick ends the bins that are over by now. A silence of more than History bins is stepped over.
func (o *IODA) Tick(now bgp.Micros) {
	o.now = max(o.now, now)
	if o.end == 0 {
		o.end = o.now - o.now%o.cfg.Bin + o.cfg.Bin
		return
	}
	for n := 0; o.end <= o.now; n++ {
		if n > o.cfg.History {
			o.end = o.now - o.now%o.cfg.Bin + o.cfg.Bin
			return
		}
		o.bin()
		o.end += o.cfg.Bin
	}
}

// Alerts are all alerts up to now.
func (o *IODA) Alerts() []Alert { return sortAlerts(slices.Clone(o.done)) }

func family(p bgp.Prefix) int {
	if p.IsV6() {
		return 1
	}
	return 0
}

func (o *IODA) session(peer bgp.Peer) int {
	s, fresh := o.peer(peer)
	if fresh {
		o.sessions = append(o.sessions, feed{})
	}
	return s
}

func (o *IODA) set(at bgp.Micros, peer bgp.Peer, prefix bgp.Prefix, c cell, origin uint32) {
	o.Tick(at)
	s := o.session(peer)
	n, fresh := o.prefix(prefix)
	if s == none || n == none {
		return
	}
	v := family(prefix)
	if fresh {
		o.rows = append(o.rows, route{prefix: prefix, of: [2]int32{none, none}})
		o.total[v]++
	}
	w := &o.rows[n]
	if fresh || origin != 0 && w.origin == 0 {
		w.origin = origin
		o.place(n)
	}
	if s >= len(w.cells) {
		w.cells = append(w.cells, make([]cell, s+1-len(w.cells))...)
	}
	old := w.cells[s]
	if old == c {
		return
	}
	f := &o.sessions[s]
	if old == unknown {
		f.known[v]++
	}
	if c == announced {
		f.up[v]++
	} else if old == announced {
		f.up[v]--
	}
	w.cells[s] = c
	o.touch(n)
}

func (o *IODA) touch(n int32) {
	if w := &o.rows[n]; !w.dirty {
		w.dirty = true
		o.dirty = append(o.dirty, n)
	}
}

// place puts a prefix into its entities.
func (o *IODA) place(n int32) {
	w := &o.rows[n]
	of, added := o.registry.of(w.prefix, w.origin)
	for _, k := range added {
		e := series{key: k}
		if !o.cfg.Table { // what was first named now is presumed to have been there, and whole
			e.flat = min(o.bins[family(w.prefix)], o.cfg.History)
		}
		o.of = append(o.of, e)
	}
	for i := range of {
		if of[i] == w.of[i] {
			continue
		}
		if w.of[i] != none {
			o.stir(w.of[i])
		}
		w.of[i] = of[i]
		if of[i] != none {
			e := &o.of[of[i]]
			e.rows, e.unsorted = append(e.rows, n), true
			o.stir(of[i])
		}
	}
}

// stir has an entity counted anew when the bin ends.
func (o *IODA) stir(e int32) {
	if s := &o.of[e]; !s.stirred {
		s.stirred = true
		o.changed = append(o.changed, e)
	}
}

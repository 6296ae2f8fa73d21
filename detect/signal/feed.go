package signal

import (
	"fmt"
	"slices"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// Feed is something that gives messages live: a collector's own, or a stream of several collectors. Of an archive one cannot tell silence
// from the end; a feed that lives must speak, and its silence is a fault of ours (section 3, "Live feeds").
type Feed struct {
	Name   string `json:"name"`             // of the collector, or of the stream
	Of     string `json:"of,omitempty"`     // the stream that the collector came with; empty: none
	Steady bool   `json:"steady,omitempty"` // it is never silent in health, so that nothing need be known of its rhythm
	Tables bool   `json:"tables,omitempty"` // its sessions begin with their whole table, and say when that is complete (RFC 4724 section 2)
}

// liveFeed is the state of a Feed.
type liveFeed struct {
	Feed
	from   bgp.Micros // when it was declared: silence before is not its own
	last   bgp.Micros // last message, 0 for none yet
	spoke  bgp.Micros // latest tick before which it spoke; 0 at the beginning, and after a silence that was a fault
	rhythm gaps       // between the seconds in which it speaks
	silent bool       // and a fault says so
}

const (
	maxFeeds = 1000
	// unknownRhythm is how long a feed may be silent of which it is not known yet how often it speaks: some write once an hour.
	unknownRhythm = 7200 * bgp.Second
)

// Feeds says which feeds there are from an instant on, the instant at which the monitor begins to listen. Others are forgotten.
func (m *Monitor) Feeds(list []Feed, at bgp.Micros) {
	before := m.feeds
	m.feeds = nil
	for _, f := range list {
		i := slices.IndexFunc(before, func(o *liveFeed) bool { return o.Name == f.Name })
		if i < 0 {
			m.AddFeed(f, at)
			continue
		}
		o := before[i]
		o.Feed, o.from, o.spoke = f, at, 0
		m.feeds = append(m.feeds, o)
	}
	for _, o := range before {
		if slices.Contains(m.feeds, o) {
			continue
		}
		if c := m.byColl[o.Name]; c != nil {
			c.feed = nil
		}
		if o.silent {
			m.engine.FaultEnded(m.feedEntity(o), int64(at), "it is no longer watched")
		}
	}
}

// AddFeed says that there is one more from an instant on. One that there is already is left as it is.
func (m *Monitor) AddFeed(f Feed, at bgp.Micros) {
	if len(m.feeds) >= maxFeeds || slices.ContainsFunc(m.feeds, func(o *liveFeed) bool { return o.Name == f.Name }) {
		return
	}
	fd := &liveFeed{Feed: f, from: at}
	m.feeds = append(m.feeds, fd)
	if c := m.byColl[f.Name]; c != nil {
		c.feed = fd
	}
}

func (m *Monitor) feedEntity(f *liveFeed) detect.Entity {
	return detect.Entity{Type: "collector", Code: f.Name}
}

// tickFeeds looks once a second which feeds have been silent for too long.
func (m *Monitor) tickFeeds(now, before bgp.Micros) {
	for _, f := range m.feeds {
		if c := m.byColl[f.Name]; c != nil {
			c.feed, f.last = f, c.last
		}
		if i := slices.IndexFunc(m.feeds, func(o *liveFeed) bool { return o.Name == f.Of }); i >= 0 {
			m.feeds[i].last = max(m.feeds[i].last, f.last)
		}
	}
	for _, f := range m.feeds {
		if f.last > max(before, f.from) {
			f.heard(m, now)
		}
		limit := f.patience(m)
		if last := max(f.last, f.from); !f.silent && now-last > limit {
			f.silent, f.spoke = true, 0
			why := fmt.Sprintf("nothing came for %d s", limit/bgp.Second)
			if f.last == 0 {
				why = fmt.Sprintf("nothing came in the first %d s", limit/bgp.Second)
			}
			m.engine.Fault(m.feedEntity(f), int64(now), why, detect.Context{
				Coverage: m.coverage(m.fams[0]), Sources: []detect.Source{m.sources(f.Name)},
			})
		}
	}
}

// heard notes that the feed spoke since the last tick.
func (f *liveFeed) heard(m *Monitor, now bgp.Micros) {
	if f.spoke != 0 {
		f.rhythm.add(now - f.spoke)
	}
	f.spoke = now
	if f.silent { // of a collector that was known its message ended it
		m.engine.FaultEnded(m.feedEntity(f), int64(now), "it speaks again")
	}
	f.silent = false
}

// patience is how long the feed may be silent.
func (f *liveFeed) patience(m *Monitor) bgp.Micros {
	limit := bgp.Micros(m.cfg.SpokeWithin) * bgp.Second
	switch {
	case f.Steady:
		return limit
	case f.rhythm.n < minGaps:
		return max(limit, unknownRhythm)
	}
	usual := f.rhythm.longest(1000)
	return max(limit, usual+usual/2)
}

// FeedState is a feed with whether it is silent.
type FeedState struct {
	Feed
	Silent bool
}

// FeedStates lists the feeds, in order of declaration, with whether each is silent for longer than it may be.
func (m *Monitor) FeedStates() []FeedState {
	out := make([]FeedState, len(m.feeds))
	for i, f := range m.feeds {
		out[i] = FeedState{f.Feed, f.silent}
	}
	return out
}

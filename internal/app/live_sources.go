package app

import (
	"maps"
	"slices"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	order "github.com/corewatch/corewatch/bgp/journal"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/web"
)

// source is where records come from. It never loses one: what take refuses to go on with comes again.
type source interface {
	name() string // its own, among the sources
	// poll gives what is there, in order, and stops when take says false.
	poll(now time.Time, take func(received) bool) error
	// position is what resume needs to go on behind the last record given; empty for a stream, of which nothing can be read again.
	position() string
	resume(position string)
	// feed is what must speak as long as the source lives: a collector, or the stream that its collectors come with; no name: only they.
	feed() signal.Feed
	status() web.SourceStatus
}

// received is one thing that a source gives.
type received struct {
	collector string
	raw       []byte // an MRT record, valid during the call; nil:
	gap       string // records of the collector are being missed, and why; or:
	table     *collectorTable
}

// queued is a source that receives while the monitor is at work.
type queued interface{ queue() web.QueueStatus }

// declare tells which feeds there are from now on.
func (l *live) declare() error {
	l.feeds = map[string]bool{}
	list := []signal.Feed{}
	for _, s := range l.sources {
		if f := s.feed(); f.Name != "" {
			list, l.feeds[f.Name] = append(list, f), true
		}
	}
	if err := l.tell(controlFeeds, list[:min(len(list), feedsAtOnce)]); err != nil {
		return err
	}
	for i := feedsAtOnce; i < len(list); i++ {
		if err := l.tell(controlFeed, list[i]); err != nil {
			return err
		}
	}
	return nil
}

// missed tells of the collectors that were heard by a stream before this run: nobody knows what they said meanwhile.
func (l *live) missed() error {
	for _, name := range slices.Sorted(maps.Keys(l.decoder)) {
		if l.again[name] {
			continue
		}
		if err := l.gap(name, "the monitor was not running"); err != nil {
			return err
		}
	}
	return nil
}

// drain takes what one source has, in bounded batches.
func (l *live) drain(s source) error {
	for full := true; full; {
		if l.log.Room() < batchRoom {
			if err := l.apply(); err != nil {
				return err
			}
		}
		full = false
		n := 0
		var failed error
		err := s.poll(l.clock(), func(r received) bool {
			switch {
			case r.table != nil:
				failed = l.tell(controlTable, *r.table)
			case r.raw == nil:
				failed = l.gap(r.collector, r.gap)
			default:
				if failed = l.met(s, r.collector); failed != nil {
					break
				}
				failed = l.accept(r.collector, r.raw)
			}
			n++
			full = l.bytes >= batchBytes || n >= batchRecords || l.log.Room() < roomLeft
			return failed == nil && !full
		})
		if failed != nil {
			return failed
		}
		l.say(s.name(), err)
		if p := s.position(); p != l.told[s.name()] {
			if _, err := l.note(controlSource, sourcePosition{s.name(), p}); err != nil {
				return err
			}
			l.told[s.name()] = p
		}
		if full {
			if err := l.apply(); err != nil {
				return err
			}
		}
	}
	return nil
}

// say logs what became of a source, once: it is asked five times a second. The pages show it, too.
func (l *live) say(name string, err error) {
	now := ""
	if err != nil {
		now = err.Error()
	}
	if was := l.said[name]; now == was {
		return
	}
	if l.said == nil {
		l.said = map[string]string{}
	}
	if l.said[name] = now; err != nil {
		l.logger.Warn().Err(err).Str("source", name).Msg("a source gives nothing; it is asked again")
		return
	}
	l.logger.Info().Str("source", name).Msg("the source is back")
}

// gap notes that records of a collector are being missed.
func (l *live) gap(collector, why string) error {
	l.meter.feed(collector).Gaps++
	return l.tell(controlGap, collectorGap{collector, why})
}

// met tells of a collector that a source has not named before in this run.
func (l *live) met(s source, collector string) error {
	if l.feeds[collector] || len(l.feeds) >= maxFeeds {
		return nil
	}
	l.feeds[collector] = true
	return l.tell(controlFeed, signal.Feed{Name: collector, Of: s.feed().Name, Tables: s.feed().Tables})
}

// accept keeps one record.
func (l *live) accept(collector string, raw []byte) error {
	at := l.now()
	if err := l.advance(at); err != nil {
		return err
	}
	p, err := l.log.Append(collector, raw, at)
	if err != nil {
		return err
	}
	l.at = at
	if p.Input == l.base+len(l.inputs) {
		l.inputs = append(l.inputs, &bgp.Input{Name: p.Name, Collector: collector})
	}
	in := l.inputs[p.Input-l.base]
	dec := l.decoder[collector]
	if dec == nil {
		dec = &mrt.Decoder{}
		l.decoder[collector] = dec
	}
	if cap(l.arena)-len(l.arena) < len(raw) { // the records before it stay in the old one
		l.arena = make([]byte, 0, max(arenaSize, len(raw)))
	}
	from := len(l.arena)
	l.arena = append(l.arena, raw...)
	if l.used == len(l.records) {
		l.records = append(l.records, &mrt.Record{})
	}
	rec := l.records[l.used]
	if err := rec.Parse(l.arena[from:], p.Offset); err != nil {
		return err
	}
	l.used++
	if in.First == 0 {
		in.First = rec.Time
	}
	in.Last, in.Bytes = max(in.Last, rec.Time), p.Offset+int64(len(raw))
	l.meter.received(collector, len(raw), at, rec.Time)
	l.bytes += len(raw)
	l.batch = append(l.batch, collect.Event{
		Entry: order.Entry{Kind: order.Message, At: at, Input: p.Input, Offset: p.Offset, Length: int64(len(raw))},
		Item:  collect.Item{Index: p.Input, Input: in, Record: rec, Decoder: dec},
	})
	return nil
}

package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/eval/rival"
	"github.com/corewatch/corewatch/detect/signal"
)

// contest plays a journal once, to our detector as replay does and to the rules of others.
type contest struct {
	files  []collect.File
	data   detect.Data
	places signal.Places
	end    bgp.Micros // tick on to here after the last record; 0: one second
	rules  []rival.Rule
	sink   detect.Sink // may be nil
	sample func(detect.Sample)
	watch  func(done int64)
}

// contested is what our detector found, and what was read.
type contested struct {
	incidents   []*detect.Incident
	first, last bgp.Micros // times of the first and last record
	count       recordCounts
	merge       collect.Counts
}

func (c *contested) damaged() bool {
	return c.count.Malformed > 0 || c.merge.Torn > 0 || c.merge.Unreadable > 0
}

// play reads the journal to its end. The records go to the follower that replay uses, one by one.
func (c *contest) play(ctx context.Context) (*contested, error) {
	merger := collect.NewMerger(append([]collect.File(nil), c.files...), collect.Options{})
	defer merger.Close()
	m := signal.New(signal.Options{
		Config: signal.DefaultConfig(), Engine: detect.DefaultConfig(), Data: c.data, Software: Software(),
		Places: c.places, Sources: sourceOf, Sink: c.sink,
	})
	m.OnSample = c.sample
	f := &follower{m: m}
	feed := ruleFeed{rules: c.rules}
	out := &contested{}
	for n := 0; ; n++ {
		item, err := merger.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if out.first == 0 {
			out.first = item.Record.Time
		}
		out.last = max(out.last, item.Record.Time)
		f.record(item.Record, item.Decoder, item.Input, item.Index)
		if len(c.rules) > 0 {
			feed.record(item, f.now)
		}
		if n%4096 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("interrupted at %s: %w", f.now.Time().Format(time.RFC3339), err)
			}
			if c.watch != nil {
				c.watch(merger.Counts().BytesDone)
			}
		}
	}
	if f.now != 0 {
		f.tickTo(max(c.end, f.now+second))
		m.Engine().Finish(f.now.Time())
		for _, r := range c.rules {
			r.Tick(f.now)
		}
	}
	out.incidents, out.count, out.merge = m.Engine().Incidents(), f.count, merger.Counts()
	return out, nil
}

// ruleFeed reads records for the rules of others. It decodes again what the follower has decoded: the follower keeps nothing.
type ruleFeed struct {
	rules   []rival.Rule
	content mrt.Content
	update  wire.Update
	elem    bgp.Elem
}

// record gives what a record says to every rule. What our detector refuses as malformed is refused here too.
func (d *ruleFeed) record(item collect.Item, now bgp.Micros) {
	c := &d.content
	if item.Decoder.Decode(item.Record, c) != nil {
		return
	}
	at := max(item.Record.Time, now)
	peer := bgp.Peer{Collector: item.Input.Collector, AS: c.PeerAS, Addr: c.PeerAddr}
	switch c.Kind {
	case mrt.Message:
		if c.Local || d.update.Parse(c.BGP, c.Opts) != nil {
			return
		}
		for d.update.Next(&d.elem) {
			d.give(at, peer)
		}
	case mrt.StateChange:
		was, is := c.OldState == bgp.Established, c.NewState == bgp.Established
		if was != is {
			for _, r := range d.rules {
				r.State(at, peer, is)
			}
		}
	case mrt.RIBEntries:
		var e mrt.RIBEntry
		for c.RIB.Next(&e) {
			peer.AS, peer.Addr = e.PeerAS, e.PeerAddr
			d.update.ParseRIB(e.Attrs, c.Opts)
			d.elem = d.update.RIBElem(e.Prefix, e.PathID)
			d.give(at, peer)
		}
	}
}

func (d *ruleFeed) give(at bgp.Micros, peer bgp.Peer) {
	e := &d.elem
	switch {
	case e.Cause == bgp.CauseMulticast:
	case e.Kind == bgp.Withdraw:
		for _, r := range d.rules {
			r.Withdraw(at, peer, e.Prefix)
		}
	default:
		for _, r := range d.rules {
			r.Announce(at, peer, e.Prefix, e.Origin)
		}
	}
}

// evalProgress prints how far a stage is, every ten seconds, on a terminal over itself.
type evalProgress struct {
	w        io.Writer
	terminal bool
	name     string
	total    int64
	began    time.Time
	last     time.Time
}

func (e *Eval) progress(name string, total int64) *evalProgress {
	now := time.Now()
	return &evalProgress{w: e.Err, terminal: e.Terminal, name: name, total: total, began: now, last: now}
}

func (p *evalProgress) at(done int64) {
	now := time.Now()
	every := 10 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	if now.Sub(p.last) < every {
		return
	}
	p.last = now
	line := fmt.Sprintf("eval: %s: %d %%, %.0f s", p.name, 100*done/max(p.total, 1), now.Sub(p.began).Seconds())
	if p.terminal {
		fmt.Fprintf(p.w, "\r%-60s", line)
		return
	}
	fmt.Fprintln(p.w, line)
}

func (p *evalProgress) done() {
	if p.terminal {
		fmt.Fprintf(p.w, "\r%-60s\r", "")
	}
	fmt.Fprintf(p.w, "eval: %s: done, %.0f s\n", p.name, time.Since(p.began).Seconds())
}

package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	order "github.com/corewatch/corewatch/bgp/journal"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/freeze"
)

// The kinds of control events of a journal.
const (
	controlStart     = "start"     // a monitor began, or began again: a liveStart
	controlSource    = "source"    // how far a source was read: a sourcePosition
	controlGap       = "gap"       // records of a collector are being missed: a collectorGap
	controlReference = "reference" // other reference tables are in force: a liveReference
	controlTable     = "table"     // a table dump from before is being read of a collector: a collectorTable
	controlFeeds     = "feeds"     // what is listened to from now on, and must speak: a list of signal.Feed
	controlFeed      = "feed"      // and a collector that was met since: a signal.Feed
	controlClock     = "clock"     // how far the machine's clock is off: a clockState
	controlDisk      = "disk"      // whether the disk is nearly full: a diskState
	// The detector knows nothing of who is told; the journal says when that changed.
	controlSubscriptions = "subscriptions" // other receivers are told from now on: a liveSubscriptions
)

type liveStart struct {
	Software  string         `json:"software"`
	Detect    detect.Config  `json:"detect"`
	Peers     signal.Config  `json:"peers"`
	Reference *liveReference `json:"reference,omitempty"` // in force from the beginning of the journal
}

type sourcePosition struct {
	Source   string `json:"source"`
	Position string `json:"position"`
}

type clockState struct {
	State  string  `json:"state"`    // right, off, unknown
	Offset float64 `json:"offset_s"` // not of unknown
	From   string  `json:"from,omitempty"`
	Why    string  `json:"why,omitempty"`
}

type collectorGap struct {
	Collector string `json:"collector"`
	Why       string `json:"why"`
}

// collectorTable is the beginning or the end of a table dump, made before it is read, of which the records stand between the two.
type collectorTable struct {
	Collector string `json:"collector"`
	Table     string `json:"table"` // its name in the archive
	State     string `json:"state"` // one of those below
}

const (
	tableBegins = "begins"
	tableWhole  = "whole"
	tableBroken = "broken off"
)

// event applies one entry of a journal: live, and when the journal is followed again. It is the one code path of both.
func (f *follower) event(e *collect.Event) {
	switch e.Kind {
	case order.Message:
		f.apply(e.Item.Record, e.At, e.Item.Decoder, e.Item.Input, e.Item.Index)
	case order.Tick:
		f.tick(e.At)
	case order.Control:
		f.control(e)
	}
}

// control applies what happened beside the messages. A text that does not say it is of a later version, and about something else.
func (f *follower) control(e *collect.Event) {
	switch e.Name {
	case controlGap:
		var g collectorGap
		if json.Unmarshal([]byte(e.Text), &g) == nil {
			f.m.Missed(g.Collector, e.At, g.Why)
		}
	case controlTable:
		var t collectorTable
		if json.Unmarshal([]byte(e.Text), &t) != nil {
			return
		}
		if t.State == tableBegins {
			f.m.BeginFill(t.Collector, e.At)
		} else {
			f.m.EndFill(t.Collector, t.State == tableWhole)
		}
	case controlFeeds:
		var list []signal.Feed
		if json.Unmarshal([]byte(e.Text), &list) == nil {
			f.m.Feeds(list, e.At)
		}
	case controlFeed:
		var feed signal.Feed
		if json.Unmarshal([]byte(e.Text), &feed) == nil {
			f.m.AddFeed(feed, e.At)
		}
	case controlClock:
		var c clockState
		if json.Unmarshal([]byte(e.Text), &c) == nil {
			f.m.SetClock(clockWords[c.State])
		}
	case controlDisk:
		var d diskState
		if json.Unmarshal([]byte(e.Text), &d) == nil {
			f.m.SetDisk(d.Low, d.why(), e.At)
		}
	case controlStart:
		var s liveStart
		if json.Unmarshal([]byte(e.Text), &s) == nil {
			f.m.Reconfigure(s.Peers, s.Detect, s.Software)
		}
	case controlReference:
		var t liveReference
		if json.Unmarshal([]byte(e.Text), &t) == nil {
			f.relocate(t)
		}
	}
}

// logRun is what following a log needs beside the log.
type logRun struct {
	tables tableFolder
	rec    *recorder
	paths  bool                             // keep AS paths, for a snapshot
	from   func(*position)                  // where it goes on from, when that is a checkpoint; may be nil
	each   func(*order.Entry)               // for every entry, those passed over included; may be nil
	watch  func(done int64, now bgp.Micros) // now and then; may be nil
	fresh  bool                             // take from an anchor where it lies, and nothing else
	keep   string                           // checkpoint to go on from; "" applies the log from its beginning
	codec  *freeze.Codec[state]             // of the checkpoint
	log    zerolog.Logger
}

// followed is what following a log gave.
type followed struct {
	f        *follower
	first    bgp.Micros              // when the journal began
	base     int                     // number of the first segment that is kept
	from     int                     // inputs before this one are as they were when the checkpoint was made
	decoders map[string]*mrt.Decoder // by collector
	files    []collect.File          // the segments, as messages number them
}

// errUnusable says that a checkpoint is not of this software, or not of this journal.
var errUnusable = errors.New("the checkpoint cannot be used")

// followLog makes a monitor and applies what stands in the log in dir. The numbers of the method are those that the journal says. Everything
// can be made again from the journal, so that a checkpoint which cannot be used costs time and nothing else.
func followLog(ctx context.Context, dir string, r logRun) (*followed, error) {
	var c *checkpoint
	var err error
	if r.keep != "" {
		if c, err = readCheckpoint(r.keep); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err == nil && (c == nil || c.position.Software != Software()) {
		err = r.retell(c)
	}
	var out *followed
	if err == nil {
		out, err = r.follow(ctx, dir, c)
		if !errors.Is(err, errUnusable) {
			return out, err
		}
	}
	r.log.Warn().Err(err).Msg("the checkpoint cannot be used: the journal is followed from its beginning")
	if err := r.retell(c); err != nil {
		return nil, err
	}
	if out, err = r.follow(ctx, dir, nil); errors.Is(err, errUnusable) {
		r.log.Warn().Err(err).Msg("the beginning of the journal was given up (keep), and this version cannot read what was known there: that is unknown now")
		r.fresh = true
		return r.follow(ctx, dir, nil)
	}
	return out, err
}

// retell has the recorder compare what is found with what is in the store: c is the checkpoint that is not of this software or cannot be used; may be nil.
func (r *logRun) retell(c *checkpoint) error {
	var at bgp.Micros
	if c != nil {
		at = c.position.At
	}
	return r.rec.retell(at)
}

// follow applies the log in dir from its beginning, or from a checkpoint.
func (r *logRun) follow(ctx context.Context, dir string, c *checkpoint) (*followed, error) {
	log, err := collect.Follow(dir)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	f, first, err := r.begin(dir, log, c)
	if err != nil {
		return nil, err
	}
	e, err := log.Next()
	for ; err == nil; e, err = log.Next() {
		f.event(&e)
		r.see(&e.Entry)
		if e.Seq%4096 == 0 {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("interrupted at %s: %w", stamp(f.now), ctx.Err())
			}
			if r.watch != nil {
				r.watch(log.Done(), f.now)
			}
		}
		if err := cmp.Or(r.rec.err, f.err); err != nil {
			return nil, err
		}
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, order.ErrTorn) {
		return nil, err
	}
	return &followed{f, first, log.Base().Inputs, max(oldest(c), log.Base().Inputs), log.Decoders(), log.Files()}, nil
}

// oldest is the first input that grew when a checkpoint was made.
func oldest(c *checkpoint) int {
	if c == nil {
		return 0
	}
	n := c.position.Inputs
	for i := range c.position.Growing {
		n = min(n, i)
	}
	return n
}

// begin makes the monitor, afresh or as a checkpoint has it, and leaves the log behind what the monitor knows. It says when the journal began.
func (r *logRun) begin(dir string, log *collect.Follower, c *checkpoint) (*follower, bgp.Micros, error) {
	var s liveStart
	var first bgp.Micros
	if b := log.Base(); b.Entries > 0 {
		if r.rec.own || r.paths {
			return nil, 0, errors.New("the beginning of this journal was given up (keep): it can be followed, but not into a store of its own, nor into a snapshot")
		}
		if c == nil || c.position.Entries < b.Entries {
			var err error
			if c, err = readCheckpoint(anchorFile(dir, b)); err != nil {
				return nil, 0, fmt.Errorf("the beginning of this journal was given up (keep), and what was known there: %w", err)
			}
		}
		if c.position.Start == nil {
			return nil, 0, fmt.Errorf("%w: it is of no live monitor", errUnusable)
		}
		s, first = *c.position.Start, c.position.First
	} else {
		e, err := log.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, err
		}
		if e.Name != controlStart || json.Unmarshal([]byte(e.Text), &s) != nil {
			return nil, 0, errors.New("the journal does not begin with the start of a monitor that this version knows")
		}
		r.see(&e.Entry)
		first = e.At
	}
	if s.Software != Software() {
		r.log.Info().Str("software", Software()).Msgf("the journal was begun by %s: what is found bears the name of the software that watched then", s.Software)
	}
	tables := liveReference{For: first}
	switch {
	case c != nil && c.position.Reference != nil:
		tables = *c.position.Reference
	case s.Reference != nil:
		tables = *s.Reference
	}
	where, err := r.tables.open(tables)
	if err != nil {
		return nil, 0, err
	}
	m, err := r.rec.monitor(signal.Options{
		Config: s.Peers, Engine: s.Detect, Data: detect.Live, Software: s.Software,
		Places: where, Sources: sourceOf, KeepPaths: r.paths,
	})
	if err != nil {
		return nil, 0, err
	}
	f := &follower{m: m, onTick: r.rec.tick, paths: r.paths, routes: routeReader{paths: r.paths}, tables: r.tables, inForce: tables}
	if c == nil {
		return f, first, nil
	}
	return f, first, r.resume(log, f, c)
}

// resume brings a monitor made afresh to where a checkpoint left it.
func (r *logRun) resume(log *collect.Follower, f *follower, c *checkpoint) error {
	if r.from != nil {
		r.from(&c.position)
	}
	if r.fresh {
		f.now, f.seq, f.count = c.position.At, c.position.Seq, c.position.Count
		if err := f.m.Engine().RestoreBaselines(bytes.NewReader(c.baselines)); err != nil {
			r.log.Warn().Err(err).Msg("the usual levels of the checkpoint cannot be used either, and are learned anew")
		}
		return nil
	}
	if r.codec == nil {
		var err error
		if r.codec, err = freeze.New[state](stateGiven()); err != nil {
			return err
		}
	}
	at := &c.position
	st := state{monitor: f.m, refs: r.rec.refs, decoders: log.Decoders(), astray: r.rec.astray}
	if err := c.thaw(r.codec, &st); err != nil {
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	if err := log.Skip(at.Entries, st.decoders, r.see); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if head := log.Head(); hex.EncodeToString(head[:]) != at.Head {
		return fmt.Errorf("%w: it is of another journal", errUnusable)
	}
	for n, in := range at.Growing {
		if x := log.Input(n); x != nil && x.Name == in.Name {
			*x = in
		}
	}
	r.rec.refs, r.rec.astray = st.refs, st.astray
	if r.rec.astray == nil {
		r.rec.astray = map[string]bool{}
	}
	f.now, f.seq, f.count = at.At, at.Seq, at.Count
	r.log.Info().Msgf("going on from the checkpoint at %s", stamp(at.At))
	return nil
}

func (r *logRun) see(e *order.Entry) {
	if r.each != nil {
		r.each(e)
	}
}

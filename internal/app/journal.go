package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
)

// journal is one run over stored records, whatever they are: an archive, a reconstruction, a scenario. Every command that
// detects goes through it.
type journal struct {
	files  []collect.File
	seeds  []collect.File // table dumps that fill the table before the first record
	data   detect.Data
	places func(first time.Time) (signal.Places, error)
	rec    *recorder // may record nothing
	engine detect.Config
	peers  signal.Config
	from   time.Time // records before are only looked at for peer tables; zero: all
	until  time.Time
	end    bgp.Micros // tick on to here after the last record; 0: one second
	watch  func(done int64, now bgp.Micros, count recordCounts)
	paths  bool                                    // keep AS paths
	stop   bgp.Micros                              // reading ends with the first record of this time or later; 0: with the last
	each   func(m *signal.Monitor, now bgp.Micros) // after each tick; may be nil
	log    zerolog.Logger
}

// outcome is what a run gave.
type outcome struct {
	monitor *signal.Monitor
	count   recordCounts
	merge   collect.Counts
	broken  []error
	files   []collect.File
	now     bgp.Micros
	elapsed time.Duration
}

// damaged reports input that was torn, truncated, unreadable or malformed.
func (o *outcome) damaged() bool {
	return o.count.Malformed > 0 || o.merge.Torn > 0 || o.merge.Unreadable > 0
}

// run follows the records to their end. When the names of the files are not in the order of their content it starts again with
// every file open. A run that records cannot start again: what it wrote is not taken back.
func (j journal) run(ctx context.Context) (*outcome, error) {
	files := append([]collect.File(nil), j.files...)
	out, err := j.pass(ctx, files, collect.Options{})
	if errors.Is(err, collect.ErrOrder) {
		if j.rec.on() {
			return nil, fmt.Errorf("%w; name them in order, or replay without --store", err)
		}
		out, err = j.pass(ctx, append([]collect.File(nil), j.files...), collect.Options{OpenAll: true})
	}
	return out, err
}

func (j journal) pass(ctx context.Context, files []collect.File, opt collect.Options) (*outcome, error) {
	began := time.Now()
	merger := collect.NewMerger(files, opt)
	defer merger.Close()
	var seeds *seeder
	if len(j.seeds) > 0 {
		seeds = &seeder{merger: collect.NewMerger(append([]collect.File(nil), j.seeds...), collect.Options{OpenAll: true}), log: j.log}
		defer seeds.merger.Close()
	}
	item, err := merger.Next()
	empty := errors.Is(err, io.EOF)
	if err != nil && !empty {
		return nil, err
	}
	var first time.Time
	if !empty {
		first = item.Record.Time.Time()
	}
	where, err := j.places(first)
	if err != nil {
		return nil, err
	}
	m := signal.New(signal.Options{
		Config: j.peers, Engine: j.engine, Data: j.data, Software: Software(),
		Places: where, Sources: sourceOf, Sink: j.rec.revision, KeepMessages: j.rec.on(), KeepPaths: j.paths,
	})
	j.rec.attach(m)
	f := &follower{m: m, onTick: j.rec.tick, paths: j.paths, routes: routeReader{paths: j.paths}}
	if j.each != nil {
		f.onTick = func(now bgp.Micros) {
			j.rec.tick(now)
			j.each(m, now)
		}
	}
	progress := func(now bgp.Micros) {
		if j.watch != nil {
			j.watch(merger.Counts().BytesDone+seeds.counts().BytesDone, now, f.count)
		}
	}
	for !empty && (j.stop == 0 || item.Record.Time < j.stop) {
		if at := item.Record.Time.Time(); (j.from.IsZero() || !at.Before(j.from)) && (j.until.IsZero() || at.Before(j.until)) {
			if f.now == 0 {
				if err := seeds.seed(ctx, f, item.Record.Time, progress); err != nil {
					return nil, err
				}
			}
			f.record(item.Record, item.Decoder, item.Input, len(j.seeds)+item.Index)
		} else if item.Record.Type == mrt.TypeTableDumpV2 { // a table from before --from still says who is who
			var c mrt.Content
			if err := item.Decoder.Decode(item.Record, &c); err != nil {
				f.bad(item.Input, err)
			}
		}
		if f.seq%4096 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("interrupted at %s: %w", f.now.Time().Format(time.RFC3339), err)
			}
			if j.rec.err != nil {
				return nil, j.rec.err
			}
			progress(f.now)
		}
		if item, err = merger.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	if f.now != 0 { // else there was no record, or none between --from and --until: nothing is known, which is an answer
		f.tickTo(max(j.end, f.now+second))
		m.Engine().Finish(f.now.Time())
	}
	read := append(seeds.files(), merger.Files()...)
	if err := j.rec.finish(f.now, read); err != nil {
		return nil, err
	}
	progress(f.now)
	return &outcome{
		monitor: m, count: f.count, merge: merger.Counts().Add(seeds.counts()), broken: append(seeds.broken(), merger.Broken()...),
		files: read, now: f.now, elapsed: time.Since(began),
	}, nil
}

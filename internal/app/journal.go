package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
)

// journal is one run over stored records, whatever they are: an archive, a reconstruction, a scenario. Every command that
// detects goes through it.
type journal struct {
	files    []collect.File
	seeds    []collect.File // table dumps that fill the table before the first record
	scenario string         // SHA-256 of the scenario's text, when files are its streams
	data     detect.Data
	places   func(first time.Time) (signal.Places, error)
	rec      *recorder // may record nothing
	copy     *copier   // nil: what is recorded is copied nowhere
	keep     *keeper   // nil: the run cannot be interrupted and gone on with
	engine   detect.Config
	peers    signal.Config
	from     time.Time // records before are only looked at for peer tables; zero: all
	until    time.Time
	end      bgp.Micros // tick on to here after the last record; 0: one second
	watch    func(done int64, now bgp.Micros, count recordCounts)
	paths    bool                                    // keep AS paths
	stop     bgp.Micros                              // reading ends with the first record of this time or later; 0: with the last
	each     func(m *signal.Monitor, now bgp.Micros) // after each tick; may be nil
	log      zerolog.Logger
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
	copied  error // why the copy lacks something that the store has; nil: it lacks nothing, or there is none
}

// damaged reports input that was torn, truncated, unreadable or malformed.
func (o *outcome) damaged() bool {
	return o.count.Malformed > 0 || o.merge.Torn > 0 || o.merge.Unreadable > 0
}

// run follows the records to their end. When the names of the files are not in the order of their content it starts again with
// every file open. A run that records cannot start again: what it wrote is not taken back.
func (j journal) run(ctx context.Context) (*outcome, error) {
	out, err := j.pass(ctx, collect.Options{})
	if errors.Is(err, collect.ErrOrder) {
		if j.rec.on() {
			return nil, fmt.Errorf("%w; name them in order, or replay without --store", err)
		}
		out, err = j.pass(ctx, collect.Options{OpenAll: true})
	}
	return out, err
}

func (j journal) pass(ctx context.Context, opt collect.Options) (*outcome, error) {
	began := time.Now()
	p, err := j.begin(slices.Clone(j.files), opt)
	if err != nil {
		return nil, err
	}
	defer p.close()
	if !p.done {
		if err := p.run(ctx); err != nil {
			return nil, err
		}
	}
	seeds := p.seeds.result()
	out := &outcome{
		monitor: p.m, count: p.f.count, merge: p.merger.Counts().Add(seeds.Counts),
		files: p.files(), now: p.f.now, elapsed: time.Since(began),
	}
	for _, text := range seeds.Broken {
		out.broken = append(out.broken, errors.New(text))
	}
	out.broken = append(out.broken, p.merger.Broken()...)
	return out, nil
}

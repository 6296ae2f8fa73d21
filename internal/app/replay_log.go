package app

import (
	"context"
	"errors"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/detect"
)

// logIn is the folder of a live monitor's log, when that is what was given; "" otherwise.
func logIn(args []string) string {
	if len(args) == 1 && collect.HasLog(args[0]) {
		return args[0]
	}
	return ""
}

// follow replays what a live monitor kept, in the order and at the times at which it consumed it: the same incidents, octet for octet.
func (r Replay) follow(ctx context.Context, dir string) (*outcome, error) {
	if len(r.Seeds) > 0 || !r.From.IsZero() || !r.Until.IsZero() {
		return nil, errors.New("--seed, --from and --until go with MRT files: the journal of a live monitor is followed as it is; its segments are MRT files, too")
	}
	if r.Config != "" {
		return nil, errors.New("--config goes with MRT files: the journal says itself which numbers it was made with")
	}
	if r.Reference != "" {
		return nil, errors.New("--reference goes with MRT files: the tables of a journal are kept beside it")
	}
	rec, err := newRecorder(ctx, r.Store, detect.Live)
	if err != nil {
		return nil, err
	}
	defer rec.close()
	rec.each = r.each
	began := time.Now()
	out := &outcome{}
	bar := newProgress(r.Err, "replay", r.Terminal, 0)
	got, err := followLog(ctx, dir, logRun{
		rec: rec, paths: r.Snapshot != "", log: r.Log,
		tables: keptIn(dir, r.Log),
		watch:  func(done int64, now bgp.Micros) { bar.at(done, now) },
	})
	bar.done()
	if err != nil {
		return nil, err
	}
	f := got.f
	if f.now != 0 {
		f.m.Engine().Finish(f.now.Time())
	}
	if err := rec.finish(f.now, got.files); err != nil {
		return nil, err
	}
	out.files = got.files
	out.monitor, out.count, out.now, out.elapsed = f.m, f.count, f.now, time.Since(began)
	return out, nil
}

package app

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/internal/clock"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
	"github.com/corewatch/corewatch/web"
)

// watcher is the live side of `corewatch run`: it owns the goroutine that watches, and tells the pages how far it is.
type watcher struct {
	conf    conf.Config
	given   conf.Config // as it was read, without what suits the machine
	why     string      // these sources, when nobody named any
	dir     string
	store   *sqlite.Store
	log     zerolog.Logger
	sources []source
	streams []func(context.Context) // run beside
	notary  *notary                 // nil: no ledger
	again   map[string]bool         // collectors whose source reads again what came while the monitor was not running

	refresh chan string // names of reference tables that were kept and are to be in force

	mu    sync.Mutex // guards what follows
	phase string
	now   bgp.Micros
	live  *web.LiveStatus
}

// liveFolder is where, in the monitor's folder, a live monitor keeps what it receives.
const liveFolder = "live"

func newWatcher(c conf.Config, why, data string, store *sqlite.Store, log zerolog.Logger) (*watcher, error) {
	w := &watcher{conf: c, why: why, dir: filepath.Join(data, liveFolder), store: store, log: log, again: map[string]bool{}, refresh: make(chan string, 1)}
	w.notary = newNotary(c.Ledger, data, store, log)
	for _, s := range c.Sources {
		switch {
		case s.RISLive != nil:
			ris, err := newRISSource(*s.RISLive, c.Archives.RIS, w.dir, log)
			if err != nil {
				return nil, fmt.Errorf("sources: %w", err)
			}
			w.sources, w.streams = append(w.sources, ris), append(w.streams, ris.run)
		case s.BMP != nil:
			b, err := newBMPSource(*s.BMP)
			if err != nil {
				return nil, fmt.Errorf("sources: %w", err)
			}
			w.sources, w.streams = append(w.sources, b), append(w.streams, b.station.Run)
		case s.Peering != nil:
			own, err := newPeeringSource(s, log)
			if err != nil {
				return nil, fmt.Errorf("sources: %w", err)
			}
			w.sources, w.streams = append(w.sources, own), append(w.streams, own.speaker.Run)
		default:
			w.sources, w.again[s.Collector] = append(w.sources, &folderSource{conf: s}), true
		}
	}
	return w, nil
}

// run watches until ctx ends.
func (w *watcher) run(ctx context.Context) (err error) {
	w.set("replaying", 0, nil)
	l := &live{rec: recordInto(ctx, w.store, detect.Live), conf: w.conf, logger: w.log, sources: w.sources, again: w.again, notary: w.notary}
	if w.notary != nil {
		l.rec.saved = w.notary.revision
		until, stop := context.WithCancel(context.WithoutCancel(ctx)) // it writes what the monitor says last, too
		var written sync.WaitGroup
		written.Go(func() { w.notary.run(until) })
		defer written.Wait()
		defer stop()
	}
	l.tables, l.refresh = keptIn(w.dir, w.log), w.refresh
	if err := l.open(ctx, w.dir); err != nil {
		return err
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	for _, run := range w.streams {
		beside.Go(func() { run(ctx) })
	}
	chronyc := ""
	if w.conf.Clock.Chrony {
		chronyc, _ = exec.LookPath("chronyc") // without it the servers are asked
	}
	own := clock.New(clock.Options{Chronyc: chronyc, Servers: w.conf.Clock.Servers})
	beside.Go(func() { own.Run(ctx) })
	l.ownClock = own.Reading
	l.onSecond = func(now bgp.Micros, figures *web.LiveStatus) { w.set("watching", now, figures) }
	err = l.run(ctx)
	if cerr := l.close(); err == nil {
		err = cerr
	}
	return err
}

func (w *watcher) set(phase string, now bgp.Micros, figures *web.LiveStatus) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.phase = phase
	w.now, w.live = max(w.now, now), figures
}

// figures are those of the last second, nil before the first.
func (w *watcher) figures() *web.LiveStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.live
}

// tell fills in what the pages show of the live side.
func (w *watcher) tell(out *web.Status) {
	if len(w.sources) == 0 {
		out.Sources = []web.SourceStatus{{Name: "live BGP sources", State: "off", Detail: cmp.Or(w.why, "none is configured: see docs/configuration.md, sources")}}
		return
	}
	w.mu.Lock()
	out.Phase, out.Live = w.phase, w.live
	if w.now != 0 {
		out.EventTime = w.now.Time()
	}
	w.mu.Unlock()
	if w.notary != nil {
		out.Ledger = w.notary.status()
	}
	for _, s := range w.sources {
		st := s.status()
		if w.why != "" {
			st.Detail += "; " + w.why
		}
		out.Sources = append(out.Sources, st)
	}
	if out.Phase == "" {
		out.Phase = "starting"
	}
}

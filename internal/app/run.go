package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/entity"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
	"github.com/corewatch/corewatch/web"
)

// Monitor is `corewatch run`: pages, interface for machines and the demonstration, until the context ends.
type Monitor struct {
	Config string // configuration file; "" for the defaults
	Listen string // address of the pages; "" for the configuration's
	Data   string // folder of the store; "" for the configuration's
	// Archive is a folder laid out like the project's reference data; when set, its recorded messages are the demonstration
	// instead of the built-in reconstruction.
	Archive string
	Reload  <-chan os.Signal // each time: read the reference tables and zones anew; may be nil
	Out     io.Writer
	Log     zerolog.Logger
	Ready   func(addr string) // called once the pages can be read; may be nil
}

// Run serves until ctx ends, then stops in reverse order of the start.
func (r Monitor) Run(ctx context.Context) error {
	c, err := conf.Load(r.Config)
	if err != nil {
		return err
	}
	r.Listen, r.Data = cmp.Or(r.Listen, c.Listen), cmp.Or(r.Data, c.Data)
	given := c
	c, why, err := withDefaults(c, thisMachine(os.DirFS("/")), time.Now())
	if err != nil {
		return err
	}
	if why != "" {
		r.Log.Info().Msg("watching " + why)
	}
	store, err := sqlite.Open(ctx, r.Data)
	if err != nil {
		return err
	}
	defer store.Close()
	demoStore, err := sqlite.OpenMemory(ctx)
	if err != nil {
		return fmt.Errorf("opening the demonstration's store: %w", err)
	}
	defer demoStore.Close()

	copied, err := newCopier(c.ClickHouse, store, r.Log)
	if err != nil {
		return err
	}

	ln, err := net.Listen("tcp", r.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use by another program; stop it, or choose another address with --listen", r.Listen)
	}
	if err != nil {
		return fmt.Errorf("listening on %s: %w", r.Listen, err)
	}
	d := &demonstration{store: demoStore, conf: c, log: r.Log.With().Str("component", "demo").Logger()}
	if _, err := c.Alerts.LoadTemplates(); err != nil {
		ln.Close()
		return err
	}
	w, err := newWatcher(c, why, r.Data, store, r.Log.With().Str("component", "live").Logger())
	if err != nil {
		ln.Close()
		return err
	}
	w.given = given
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newMetrics(d, w.figures), newLedgerMetrics(w.notary))
	feeds, err := newFeedFiles(c, store, r.Log.With().Str("component", "feeds").Logger())
	if err != nil {
		ln.Close()
		return err
	}
	tell, err := newDispatcher(c, store, r.Log.With().Str("component", "alerts").Logger())
	if err != nil {
		ln.Close()
		return err
	}
	w.teller = tell
	mail, err := newPost(ctx, c, r.Data, store, true, r.Log.With().Str("component", "alerts").Logger())
	if err != nil {
		ln.Close()
		return err
	}
	var mailing web.MailList
	if mail != nil {
		tell.Subscribers, tell.Mail, mailing = mail.list.Subscriptions, mail.channel, mail.list
	}
	if copied != nil {
		reg.MustRegister(newCopyMetrics(copied))
	}
	look := newLookout(c, store, w, copied, tell, r.Data, r.Log.With().Str("component", "alerts").Logger())
	working := atWork(w, tell, time.Duration(c.Heartbeat.StalledAfterS)*time.Second)
	heart, err := newPulse(c, working, r.Log.With().Str("component", "heartbeat").Logger())
	if err != nil {
		ln.Close()
		return err
	}
	reg.MustRegister(newLookMetrics(look, working))
	st := &status{started: time.Now(), demo: d, live: w, copy: copied, feeds: feeds, look: look, working: working}
	pages := web.DefaultConfig()
	pages.PublicURL, pages.Operator, pages.Contact = c.Pages.PublicURL, c.Pages.Operator, c.Pages.Contact
	pages.UnstableShare = c.Detect.UnstableShare
	srv, err := web.New(pages, web.Deps{
		Live: library{store}, Demo: library{demoStore}, Status: st.get, Names: entityName, Log: r.Log, Mail: mailing,
		Metrics: promhttp.HandlerFor(reg, promhttp.HandlerOpts{}),
		Evidence: func(ctx context.Context, demo bool, id string, w io.Writer) error {
			if demo {
				return evidenceTo(ctx, demoStore, "", id, w)
			}
			return evidenceTo(ctx, store, r.Data, id, w)
		},
	})
	if err != nil {
		ln.Close()
		return err
	}
	httpd := &http.Server{
		Handler: srv.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 60 * time.Second, MaxHeaderBytes: 16 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- httpd.Serve(ln) }()
	addr := ln.Addr().String()
	fmt.Fprintf(r.Out, "corewatch: pages on http://%s/ — demonstration on http://%s/demo/country/PK\n", addr, addr)
	if len(c.Sources) == 0 {
		fmt.Fprintln(r.Out, "corewatch: no live source (docs/configuration.md, sources); what is shown is the demonstration. Stop with Ctrl-C.")
	} else {
		fmt.Fprintf(r.Out, "corewatch: watching %d live sources, see http://%s/health. Stop with Ctrl-C.\n", len(c.Sources), addr)
	}
	if r.Ready != nil {
		r.Ready(addr)
	}

	work, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		if err := d.play(work, r.Archive); err != nil && work.Err() == nil {
			d.fail(err)
			fmt.Fprintf(r.Out, "corewatch: the demonstration failed: %v\n", err)
		} else if work.Err() == nil {
			fmt.Fprintf(r.Out, "corewatch: demonstration ready after %.0f s: %s\n", time.Since(st.started).Seconds(), d.summary())
		}
	})

	ended := make(chan error, 3)
	done.Go(func() {
		if err := tell.Run(work); err != nil {
			ended <- err
		}
	})
	done.Go(func() { look.run(work) })
	if heart != nil {
		done.Go(func() { heart.run(work) })
	}
	if mail != nil {
		done.Go(func() {
			if err := mail.list.Run(work); err != nil {
				ended <- err
			}
		})
	}
	if copied != nil {
		done.Go(func() { copied.run(work, work) })
	}
	if feeds != nil {
		feeds.data = detect.Live
		done.Go(func() { feeds.run(work) })
	}

	if len(c.Sources) > 0 {
		done.Go(func() {
			if err := w.run(work); err != nil && work.Err() == nil {
				ended <- fmt.Errorf("watching: %w", err)
			}
		})
	}

	done.Go(func() { w.reloads(work, r.Config, r.Reload) })

	var failed, blind error
	select {
	case <-ctx.Done():
	case failed = <-served:
	case blind = <-ended: // a monitor that cannot keep what it receives must not look as if it watched
	}
	stop()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = httpd.Shutdown(grace)
	done.Wait()
	if blind != nil {
		return blind
	}
	if failed != nil && !errors.Is(failed, http.ErrServerClosed) {
		return fmt.Errorf("serving pages: %w", failed)
	}
	if err != nil {
		r.Log.Warn().Err(err).Msg("some readers were cut off")
	}
	fmt.Fprintln(r.Out, "corewatch: stopped")
	return nil
}

// alerts is what of the telling is not as it should be.
func (s *status) alerts() (list []web.SourceStatus) {
	if err := s.live.texts().Failure(); err != nil {
		list = append(list, web.SourceStatus{Name: "templates", State: "failed", Detail: "the built-in text is said instead: " + err.Error()})
	}
	if s.feeds != nil {
		if err := s.feeds.failure(); err != nil {
			list = append(list, web.SourceStatus{Name: "feeds", State: "failed", Detail: "the files are not up to date; the log says why"})
		}
	}
	return list
}

// entityName names what the pages show.
func entityName(key string) string {
	e, err := entity.ParseEntity(key)
	if err != nil {
		return ""
	}
	return e.Name
}

// demonstration plays recorded or reconstructed messages into a store of its own.
type demonstration struct {
	store *sqlite.Store
	conf  conf.Config
	log   zerolog.Logger

	mu       sync.Mutex // guards what follows
	data     detect.Data
	source   string
	phase    string
	progress float64
	now      bgp.Micros
	count    recordCounts
	merge    collect.Counts
	peers    int
	err      error
}

// archiveFolders are, inside a folder of reference data, the recorded messages of the demonstration and the reference tables of their time.
const (
	archiveMessages = "mrt/rv2008"
	archiveTables   = "reference/as2org"
	archiveName     = "route-views2"
)

// play runs the demonstration once, as fast as the machine can.
func (d *demonstration) play(ctx context.Context, archive string) error {
	j := journal{engine: d.conf.Detect, peers: d.conf.Peers}
	if archive != "" {
		folder := filepath.Join(archive, filepath.FromSlash(archiveMessages))
		files, err := collect.Expand([]string{archiveName + "=" + folder})
		if err != nil {
			return fmt.Errorf("COREWATCH_DATA: %w", err)
		}
		tables := filepath.Join(archive, filepath.FromSlash(archiveTables))
		if _, err := os.Stat(tables); err != nil {
			tables = ""
		}
		if err := digests(files); err != nil {
			return err
		}
		j.files, j.data = files, detect.Archive
		j.places = func(first time.Time) (signal.Places, error) {
			p, notes, err := newPlaces(tables, first)
			for _, n := range notes {
				d.log.Info().Msg(n)
			}
			return p, err
		}
	} else {
		s, err := scenario.Demo()
		if err != nil {
			return fmt.Errorf("the built-in demonstration: %w", err)
		}
		j.files, j.data, j.end = scenarioFiles(s), s.Data, s.End
		j.places = func(time.Time) (signal.Places, error) { return newScenarioPlaces(s) }
	}
	total := totalBytes(j.files)
	d.set(func() { d.data, d.phase, d.source = j.data, "replaying", archiveName })
	j.rec = recordInto(ctx, d.store, j.data)
	j.watch = func(done int64, now bgp.Micros, count recordCounts) {
		d.set(func() {
			d.now, d.count.Parsed, d.count.Skipped, d.count.Malformed = now, count.Parsed, count.Skipped, count.Malformed
			if total > 0 {
				d.progress = float64(done) / float64(total)
			}
		})
	}
	out, err := j.run(ctx)
	if err != nil {
		return err
	}
	d.set(func() {
		d.phase, d.progress, d.now, d.merge, d.peers = "done", 1, out.now, out.merge, len(out.monitor.Peers())
	})
	return nil
}

func (d *demonstration) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *demonstration) fail(err error) { d.set(func() { d.phase, d.err = "failed", err }) }

func (d *demonstration) summary() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprintf("%d records of %s (%s), up to %s", d.count.Parsed, d.source, d.data, d.now.Time().Format(time.RFC3339))
}

// status tells the pages about the process.
type status struct {
	started time.Time
	demo    *demonstration
	live    *watcher
	copy    *copier    // nil: there is no copy
	feeds   *feedFiles // nil: there are none
	look    *lookout
	working func(now time.Time) error
}

func (s *status) get() web.Status {
	d := s.demo
	d.mu.Lock()
	defer d.mu.Unlock()
	v, rev := Version()
	out := web.Status{
		Software: "corewatch " + v, Commit: rev, Started: s.started, Data: detect.Live, Phase: "watching", Progress: d.progress, EventTime: d.now.Time(),
	}
	if d.phase != "done" {
		out.Phase = d.phase
	}
	if out.Phase == "" {
		out.Phase = "starting"
	}
	out.DemoData = d.data
	demo := web.SourceStatus{Name: d.source + " (" + string(d.data) + ")", State: "demo", Detail: fmt.Sprintf("being replayed: %.0f %%", 100*d.progress)}
	if d.now != 0 {
		demo.Last = d.now.Time()
	}
	switch d.phase {
	case "done":
		demo.Detail = fmt.Sprintf("%d records of %d peers replayed", d.count.Parsed, d.peers)
	case "failed":
		demo.State, demo.Detail = "unreachable", "demonstration: "+d.err.Error()
	}
	s.live.tell(&out)
	if s.copy != nil {
		c := s.copy.status()
		out.Copies = append(out.Copies, c.page())
	}
	out.Alerts = s.alerts()
	out.Sources = append(out.Sources, demo)
	out.Troubles = s.look.troubles()
	if err := s.working(time.Now()); err != nil {
		out.Idle = err.Error()
	}
	return out
}

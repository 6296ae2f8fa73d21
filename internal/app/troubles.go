package app

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
	"github.com/corewatch/corewatch/web"
)

// lookout looks again and again at what can go wrong with the monitor itself, and keeps in the store what operators are to be told of.
type lookout struct {
	store *sqlite.Store
	live  *watcher
	copy  *copier // nil: there is no copy
	tell  *alerts.Dispatcher
	log   zerolog.Logger
	dir   string
	certs []certificate
	stall time.Duration // without a second applied, and it is stalled
	room  int64         // so many octets of the disk are to stay free; 0: any
	free  func(dir string) (free, size int64, err error)

	tracker *alerts.Tracker // of the goroutine that looks
	wrong   string          // why the last look failed, as logged
	begun   time.Time

	mu   sync.Mutex
	open []web.TroubleStatus // as told; guarded by mu
}

const (
	lookAround = 5 * time.Second
	// certLook is how often certificates are read.
	certLook = time.Hour
	// flapMemory is how long what ended is remembered.
	flapMemory = 6 * time.Hour
	// failingFrom is from how many attempts on a receiver is said not to take its messages.
	failingFrom = 4
	// deadFor is how long a message that was given up is a trouble.
	deadFor = 24 * time.Hour
)

func newLookout(c conf.Config, store *sqlite.Store, live *watcher, copied *copier, tell *alerts.Dispatcher, dir string, log zerolog.Logger) *lookout {
	return &lookout{
		store: store, live: live, copy: copied, tell: tell, log: log, dir: dir, certs: certificates(c), stall: time.Duration(c.Heartbeat.StalledAfterS) * time.Second,
		room: int64(c.Keep.FreeGiB) << 30, free: freeDisk, begun: time.Now(),
	}
}

// run looks until ctx ends.
func (o *lookout) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := o.look(ctx, time.Now())
		if ctx.Err() != nil {
			return
		}
		now := ""
		if err != nil {
			now = err.Error()
		}
		if now != "" && now != o.wrong {
			o.log.Error().Err(err).Msg("operators cannot be told of the monitor's own troubles")
		}
		o.wrong = now
		sleep(ctx, lookAround)
	}
}

// look looks once, and keeps what changed.
func (o *lookout) look(ctx context.Context, now time.Time) error {
	if o.tracker == nil {
		kept, err := o.store.Troubles(ctx, now.Add(-flapMemory))
		if err != nil {
			return err
		}
		bounds, _ := json.Marshal(o.live.thresholds()) // numbers: cannot fail
		sum := sha256.Sum256(bounds)
		o.tracker = alerts.NewTracker(kept, detect.Method{Name: "lookout", Version: "1", ConfigSHA256: hex.EncodeToString(sum[:]), Software: Software()})
	}
	found, err := o.find(ctx, now)
	if err != nil {
		return err
	}
	changed := o.tracker.Look(now, found)
	for _, t := range changed {
		in := &t.Incident
		o.log.Warn().Str("trouble", t.Key).Msgf("%s: %s", in.State, in.Revisions[len(in.Revisions)-1].Reason)
	}
	if len(changed) > 0 {
		if err := o.store.SaveTroubles(ctx, changed); err != nil {
			o.tracker = nil // what the store has is what holds
			return err
		}
	}
	var open []web.TroubleStatus
	for _, t := range o.tracker.Open() {
		kind, _, _ := strings.Cut(t.Key, ":") // the page is everybody's: neither receivers nor files
		open = append(open, web.TroubleStatus{Kind: kind, Since: t.Incident.Start.Time.Time})
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open = open
	return nil
}

// troubles are those that are open, for the pages.
func (o *lookout) troubles() []web.TroubleStatus {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open
}

// find gives what is wrong now.
func (o *lookout) find(ctx context.Context, now time.Time) (found []alerts.Trouble, err error) {
	add := func(key string, severity int, after time.Duration, format string, args ...any) {
		found = append(found, alerts.Trouble{Key: key, Severity: severity, After: after, Text: fmt.Sprintf(format, args...)})
	}
	bounds := o.live.thresholds()
	o.feeds(now, bounds, add)
	if o.room > 0 {
		free, size, err := o.free(o.dir)
		switch {
		case err != nil:
			add("disk", 2, time.Minute, "how much room the data folder has cannot be seen: %v", err)
		case free < o.room:
			add("disk", 3, time.Minute, "%.1f GiB of %.1f GiB are free on the disk of the data folder: make room, or lower keep, before it is full", gib(free), gib(size))
		}
	}
	for i := range o.certs {
		if text, severity := o.certs[i].look(now, bounds.CertificateDays); text != "" {
			add("certificate:"+o.certs[i].name, severity, 0, "%s", text)
		}
	}
	if at, err := o.live.reloaded(); err != nil {
		add("reload", 2, 0, "the configuration as read at %s cannot be used, and the one before is in force: %v", at.UTC().Format(time.RFC3339), err)
	}
	if n := o.live.notary; n != nil {
		if why := n.failing(); why != "" {
			add("ledger", 2, time.Minute, "the ledger is not written, and gets later what is received and found now: %s", why)
		}
	}
	if o.copy != nil {
		switch s := o.copy.status(); {
		case !s.connected:
			add("copy", 1, time.Duration(bounds.CopyMin)*time.Minute, "nothing is copied to ClickHouse: %s", s.public)
		case s.late() > time.Duration(bounds.CopyMin)*time.Minute+copyLag:
			add("copy", 1, time.Minute, "the copy in ClickHouse is behind: %s", s.reach())
		}
	}
	err = o.outbox(ctx, now, bounds, add)
	for i := range found {
		if kind, _, _ := strings.Cut(found[i].Key, ":"); kind == "reload" || kind == "certificate" { // somebody did something about it
			found[i].Settle = time.Second
		}
	}
	return found, err
}

type adder func(key string, severity int, after time.Duration, format string, args ...any)

// feeds looks at what the sources give, and whether it is applied.
func (o *lookout) feeds(now time.Time, bounds conf.Troubles, add adder) {
	s := o.live.state()
	if s.phase != "watching" {
		return // following the journal after a start takes as long as it takes
	}
	if idle := now.Sub(s.turned); idle > o.stall {
		add("stalled", 4, 0, "nothing was applied for %s: what the sources give is not looked at", idle.Round(time.Second))
	}
	if s.figures == nil {
		return
	}
	for _, f := range s.figures.Feeds {
		if lag := time.Duration(f.Lag) * time.Microsecond; !f.Silent && f.Last != 0 && lag > time.Duration(bounds.LagS)*time.Second {
			add("lag:"+f.Name, 2, 2*time.Minute, "messages of %s arrive %s after the time written in them", f.Name, lag.Round(time.Second))
		}
	}
	switch c := s.figures.Clock; c.State {
	case "off":
		add("clock", 2, time.Minute, "the clock of the machine is off by %.1f s, %s says; times are wrong by as much", float64(c.Offset)/1e6, c.From)
	case "unknown":
		add("clock", 2, time.Minute, "nobody says whether the clock of the machine is right: %s", c.Why)
	}
}

// outbox looks at what is to be sent.
func (o *lookout) outbox(ctx context.Context, now time.Time, bounds conf.Troubles, add adder) error {
	box, err := o.store.Outbox(ctx, now, now.Add(-deadFor), failingFrom)
	if err != nil {
		return err
	}
	if idle := now.Sub(o.tell.Turned()); now.Sub(o.begun) > time.Minute && idle > time.Minute {
		add("outbox", 4, 0, "nothing is decided or sent any more: the outbox was last looked at %s ago", idle.Round(time.Second))
	} else if old := now.Sub(box.Oldest); !box.Oldest.IsZero() && old > time.Duration(bounds.OutboxMin)*time.Minute {
		add("outbox", 3, time.Minute, "a message that is due waits for %s; %d wait (corewatch alerts list)", old.Round(time.Minute), box.Waiting)
	} else if box.Dead > 0 {
		add("outbox", 2, time.Minute, "%d messages were given up within a day (corewatch alerts list; alerts retry)", box.Dead)
	}
	for _, f := range box.Failing {
		add("channel:"+f.Receiver, 2, 0, "%s has not taken a message since %s, after %d attempts: %s", f.Receiver, f.Since.Format(time.RFC3339), f.Attempts, f.Note)
	}
	return nil
}

func gib(n int64) float64 { return float64(n) / (1 << 30) }

// certificate is a file with certificates that something of ours shows or believes.
type certificate struct {
	name string // the key of the configuration
	file string

	read time.Time // when it was read last
	text string    // what is wrong
	ends time.Time // the first of them
}

// certificates are those of a configuration.
func certificates(c conf.Config) (list []certificate) {
	add := func(name, file string) {
		if file != "" {
			list = append(list, certificate{name: name, file: file})
		}
	}
	for i, s := range c.Sources {
		if b := s.BMP; b != nil {
			add(fmt.Sprintf("sources[%d].bmp.tls_cert", i), b.TLSCert)
			add(fmt.Sprintf("sources[%d].bmp.client_ca", i), b.ClientCA)
		}
	}
	add("clickhouse.tls_cert", c.ClickHouse.TLSCert)
	add("clickhouse.tls_ca", c.ClickHouse.TLSCA)
	add("mail.ca_file", c.Mail.CAFile)
	return list
}

// look says what is wrong, and how severe that is; nothing: "".
func (c *certificate) look(now time.Time, days int) (string, int) {
	if c.read.IsZero() || now.Sub(c.read) >= certLook {
		c.read, c.text = now, ""
		var err error
		if c.ends, err = firstEnd(c.file); err != nil {
			c.text = fmt.Sprintf("%s cannot be read: %v", c.name, err)
		}
	}
	switch left := c.ends.Sub(now); {
	case c.text != "":
		return c.text, 2
	case left <= 0:
		return fmt.Sprintf("%s ended at %s: connections that need it fail", c.name, c.ends.UTC().Format(time.RFC3339)), 3
	case left < time.Duration(days)*24*time.Hour:
		return fmt.Sprintf("%s ends at %s, in %.0f days: put a new one there, and start the monitor again", c.name, c.ends.UTC().Format(time.RFC3339), left.Hours()/24), 2
	}
	return "", 0
}

// firstEnd is when the first of the certificates in a file ends.
func firstEnd(name string) (end time.Time, err error) {
	text, err := secretFile(name)
	if err != nil {
		return end, err
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		crt, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return end, err
		}
		if end.IsZero() || crt.NotAfter.Before(end) {
			end = crt.NotAfter
		}
	}
	if end.IsZero() {
		return end, errors.New("there is no certificate in it")
	}
	return end, nil
}

// lookMetrics are the figures of the monitor's own state.
type lookMetrics struct {
	look    *lookout
	working func(now time.Time) error
	works   *prometheus.Desc
	trouble *prometheus.Desc
}

func newLookMetrics(look *lookout, working func(now time.Time) error) *lookMetrics {
	return &lookMetrics{
		look: look, working: working,
		works:   prometheus.NewDesc("corewatch_app_watching", "1 while the detector moves, something is heard, and the outbox is looked after: while the heartbeat is sent.", nil, nil),
		trouble: prometheus.NewDesc("corewatch_app_troubles", "Troubles of the monitor itself that are open, by kind.", []string{"kind"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *lookMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- m.works
	ch <- m.trouble
}

// Collect implements prometheus.Collector.
func (m *lookMetrics) Collect(ch chan<- prometheus.Metric) {
	out := series{ch}
	out.gauge(m.works, bit(m.working(time.Now()) == nil))
	open := map[string]int{}
	for _, t := range m.look.troubles() {
		open[t.Kind]++
	}
	for _, kind := range alerts.TroubleKinds[1:] { // the first is that of faults, which are incidents
		out.gauge(m.trouble, float64(open[kind]), kind)
	}
}

package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/alerts/alertmanager"
	"github.com/corewatch/corewatch/alerts/heartbeat"
	"github.com/corewatch/corewatch/internal/conf"
)

// pulse tells watchers outside, again and again, that the monitor works; it is silent as soon as that is not so.
type pulse struct {
	every   time.Duration
	working func(now time.Time) error // why it does not; nil: it does
	beats   []beat
	log     zerolog.Logger
	since   time.Time

	resting string // why the last one was not sent, as logged
}

// beat is one watcher.
type beat struct {
	name string
	send func(ctx context.Context, until time.Time) error
	last *string // the failure as logged
}

const (
	beatTimeout = 20 * time.Second
	// beatsMissed is how many heartbeats in a row an Alertmanager may miss before the alert ends there.
	beatsMissed = 4
	// tellerIdle is how long the dispatcher may do nothing before the outbox counts as standing still: it looks twice a second, and a write of the
	// store may take 10 s.
	tellerIdle = 30 * time.Second
)

// newPulse makes the heartbeat of a configuration; nil when nobody is to be told.
func newPulse(c conf.Config, working func(now time.Time) error, log zerolog.Logger) (*pulse, error) {
	p := &pulse{every: time.Duration(c.Heartbeat.EveryS) * time.Second, working: working, log: log, since: time.Now()}
	for i, b := range c.Heartbeat.URLs {
		name := fmt.Sprintf("heartbeat.urls[%d]", i)
		if b.URLFile != "" {
			u, err := secretFile(b.URLFile)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			b.URL = string(u)
		}
		h, err := heartbeat.New(heartbeat.Options{URL: b.URL, Method: b.Method})
		if err != nil {
			return nil, fmt.Errorf("%s.%w", name, err)
		}
		p.beats = append(p.beats, beat{name, func(ctx context.Context, _ time.Time) error { return h.Beat(ctx) }, new(string)})
	}
	for i, a := range c.Heartbeat.Alertmanagers {
		name := fmt.Sprintf("heartbeat.alertmanagers[%d]", i)
		opt := alertmanager.Options{URL: a.URL}
		if a.TokenFile != "" {
			var err error
			if opt.Token, err = secretFile(a.TokenFile); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		m, err := alertmanager.New(opt)
		if err != nil {
			return nil, fmt.Errorf("%s.%w", name, err)
		}
		p.beats = append(p.beats, beat{name, func(ctx context.Context, until time.Time) error { return m.Watchdog(ctx, p.since, until) }, new(string)})
	}
	if len(p.beats) == 0 {
		return nil, nil
	}
	return p, nil
}

// run beats until ctx ends.
func (p *pulse) run(ctx context.Context) {
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for {
		p.beat(ctx, time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// beat asks everybody, side by side, if the monitor works.
func (p *pulse) beat(ctx context.Context, now time.Time) {
	why := ""
	if err := p.working(now); err != nil {
		why = err.Error()
	}
	if why != "" {
		if p.resting == "" {
			p.log.Warn().Msg("no heartbeat: " + why)
		}
		p.resting = why
		return
	}
	if p.resting != "" {
		p.log.Info().Msg("the heartbeat goes on")
	}
	p.resting = ""
	ctx, stop := context.WithTimeout(ctx, min(beatTimeout, max(p.every, time.Second)))
	defer stop()
	var all sync.WaitGroup
	for _, b := range p.beats {
		all.Go(func() {
			text := ""
			err := b.send(ctx, now.Add(beatsMissed*p.every))
			if err != nil {
				text = err.Error()
			}
			if text != "" && text != *b.last && ctx.Err() == nil {
				p.log.Warn().Err(err).Msg("a heartbeat was not taken by " + b.name)
			}
			*b.last = text
		})
	}
	all.Wait()
}

// atWork says why the monitor does not work now: the detector, the sources, and what sends messages. nil: it does.
func atWork(live *watcher, tell *alerts.Dispatcher, stall time.Duration) func(now time.Time) error {
	return func(now time.Time) error {
		if err := live.working(now, stall); err != nil {
			return err
		}
		if now.Sub(tell.Turned()) > max(tellerIdle, stall) {
			return errors.New("nothing is decided or sent any more")
		}
		return nil
	}
}

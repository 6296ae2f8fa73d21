package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/clickhouse"
	"github.com/corewatch/corewatch/store/sqlite"
)

// secondStore is a store beside ours, for history and analysis. What comes to it again counts once.
type secondStore interface {
	// Connect makes sure of a connection and gives the store's own name.
	Connect(ctx context.Context) (id string, err error)
	WriteRevisions(ctx context.Context, store string, first uint64, list []*detect.Incident) error
	WriteSamples(ctx context.Context, store string, data detect.Data, generation uint64, list []detect.Sample) error
}

// copier copies what a store keeps to a second one. It reads what the store has on disk, behind a place that the store remembers, so nothing
// waits for it: neither the detector nor the store. While the second one is away the place stands still, and nothing is kept in memory.
type copier struct {
	store    *sqlite.Store
	to       secondStore
	log      zerolog.Logger
	block    int           // samples at once
	pause    time.Duration // when nothing is due
	ask      time.Duration // so long after the last answer the second store is asked whether it is there
	again    time.Duration // first wait after a failure; it doubles up to a minute
	patience time.Duration // without anything copied: finish gives up

	id string           // the store's; "" until the first step
	f  *sqlite.Follower // nil: not connected

	answered time.Time // when the second store answered last

	mu sync.Mutex // guards what follows
	st copyStatus
}

// copyStatus is what is told about a copy.
type copyStatus struct {
	name      string
	connected bool
	failure   string    // why not; empty before the first attempt
	public    string    // the same without addresses
	last      time.Time // when the second store acknowledged something
	behind    sqlite.Behind
	revisions uint64 // acknowledged
	samples   uint64
	blocks    uint64
	failures  uint64
}

const (
	// copyBlock is how many samples make a block: about 6 MB in memory.
	copyBlock = 50_000
	// copyLag is how far behind the newest sample a copy stays while the detector runs: a sample may come that is a minute older than the
	// newest one (the foot of a step).
	copyLag = 2 * time.Minute
	// copyWaitMax bounds the wait between two attempts.
	copyWaitMax = time.Minute
)

// newCopier prepares the copy of a store that the configuration asks for; nil when it asks for none.
func newCopier(c conf.ClickHouse, store *sqlite.Store, log zerolog.Logger) (*copier, error) {
	if c.Address == "" {
		return nil, nil
	}
	to, err := clickhouse.New(clickhouse.Config{
		Address: c.Address, Database: c.Database, User: c.User, PasswordFile: c.PasswordFile, TLS: c.TLS, CA: c.TLSCA, Cert: c.TLSCert, Key: c.TLSKey, ServerName: c.TLSName,
	})
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return &copier{
		store: store, to: to, log: log.With().Str("component", "clickhouse").Logger(), block: copyBlock, pause: time.Second, ask: 5 * time.Second, again: time.Second, patience: 30 * time.Second,
		st: copyStatus{name: "ClickHouse " + to.Name()},
	}, nil
}

// run copies until the one or the other context ends: ctx in the middle of a step, until between two.
func (c *copier) run(ctx, until context.Context) {
	wait := c.again
	for until.Err() == nil {
		n, err := c.step(ctx, copyLag)
		switch {
		case err != nil:
			sleep(until, wait)
			wait = min(2*wait, copyWaitMax)
			continue
		case n == 0:
			sleep(until, c.pause)
		}
		wait = c.again
	}
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// background runs the copy beside, until the function that it gives is called: that one copies the rest when the work is complete. A nil
// copier does nothing.
func (c *copier) background(ctx context.Context) (end func(complete bool) error) {
	if c == nil {
		return func(bool) error { return nil }
	}
	ctx, cut := context.WithCancel(ctx)
	beside, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { c.run(ctx, beside) })
	return func(complete bool) error {
		defer cut()
		if stop(); !complete {
			cut() // what is under way is not waited for: it is due again
		}
		done.Wait()
		if !complete {
			return nil
		}
		return c.finish(ctx)
	}
}

// finish copies everything that is stored.
func (c *copier) finish(ctx context.Context) error {
	moved := time.Now()
	for {
		n, err := c.step(ctx, 0)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && n == 0:
			return nil
		case err == nil:
			moved = time.Now()
			continue
		case time.Since(moved) > c.patience:
			return fmt.Errorf("%w; what is missing in the copy is in the store, and goes there when the same command runs again", err)
		}
		sleep(ctx, c.again)
	}
}

// step copies one block of each kind and says how many rows that were.
func (c *copier) step(ctx context.Context, lag time.Duration) (n int, err error) {
	if c.f == nil || time.Since(c.answered) >= c.ask {
		if err = c.connect(ctx); err != nil {
			c.f = nil
			c.tell(ctx, 0, 0, err)
			return 0, err
		}
	}
	revisions, err := c.revisions(ctx)
	samples := 0
	if err == nil {
		samples, err = c.samples(ctx, lag)
	}
	c.tell(ctx, revisions, samples, err)
	if err != nil {
		c.f = nil
	} else if revisions+samples > 0 {
		c.answered = time.Now()
	}
	return revisions + samples, err
}

// connect finds the second store, and the place up to which it has a copy.
func (c *copier) connect(ctx context.Context) (err error) {
	if c.id == "" {
		if c.id, err = c.store.ID(ctx); err != nil {
			return err
		}
	}
	id, err := c.to.Connect(ctx)
	if err != nil {
		return err
	}
	c.answered = time.Now()
	c.f, err = c.store.Follow(ctx, "clickhouse:"+id)
	return err
}

func (c *copier) revisions(ctx context.Context) (int, error) {
	b, err := c.f.Revisions(ctx)
	if err != nil || len(b.Revisions) == 0 {
		return 0, err
	}
	if err := c.to.WriteRevisions(ctx, c.id, b.First, b.Revisions); err != nil {
		return 0, err
	}
	return len(b.Revisions), c.f.RevisionsDone(ctx, b)
}

func (c *copier) samples(ctx context.Context, lag time.Duration) (int, error) {
	data, err := c.store.Meta(ctx, "data")
	if errors.Is(err, sqlite.ErrNotFound) { // nothing was recorded yet
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	b, err := c.f.Samples(ctx, c.block, lag)
	if err != nil || len(b.Samples) == 0 {
		return 0, err
	}
	if err := c.to.WriteSamples(ctx, c.id, detect.Data(data), b.Generation, b.Samples); err != nil {
		return 0, err
	}
	return len(b.Samples), c.f.SamplesDone(ctx, b)
}

// tell notes what became of a step. The log has a line when it changes, not at each attempt.
func (c *copier) tell(ctx context.Context, revisions, samples int, err error) {
	if ctx.Err() != nil {
		return // stopped, not failed
	}
	var behind sqlite.Behind
	if c.f != nil {
		var berr error
		if behind, berr = c.f.Behind(ctx); err == nil {
			err = berr
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.st
	if c.f != nil {
		c.st.behind = behind
	}
	c.st.revisions += uint64(revisions)
	c.st.samples += uint64(samples)
	for _, n := range []int{revisions, samples} {
		if n > 0 {
			c.st.blocks++
			c.st.last = time.Now()
		}
	}
	if c.st.connected, c.st.failure, c.st.public = err == nil, "", ""; err != nil {
		c.st.failure, c.st.public = err.Error(), public(err)
		c.st.failures++
	}
	switch {
	case err != nil && c.st.failure != was.failure:
		c.log.Warn().Err(err).Msg("what is stored is not copied; it is tried again, and nothing is lost")
	case err == nil && !was.connected:
		c.log.Info().Int64("revisions_due", behind.Revisions).Time("samples_until", behind.Until).Msg("copying to " + c.st.name)
	}
}

// status is how the copy stands.
func (c *copier) status() copyStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.st
}

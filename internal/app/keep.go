package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/freeze"
	"github.com/corewatch/corewatch/store/sqlite"
)

// A checkpoint is written when at least so much event time and so much wall time have passed since the last one.
const (
	keepEvery = 3600 * bgp.Second
	keepWall  = 60 * time.Second
)

// keeper writes the checkpoints of a run that records, and goes on from them. What the store holds may be ahead of the checkpoint, never
// behind it: what is then done again is the same, and storing it again changes nothing.
//
// A nil keeper writes nothing and has nothing to go on from.
type keeper struct {
	path  string // of the checkpoint
	codec *freeze.Codec[state]
	every bgp.Micros
	wall  time.Duration
	log   zerolog.Logger

	run   identity
	at    bgp.Micros // event and wall time of the last checkpoint
	wrote time.Time
	// changed: the numbers or the software are not those of the checkpoint. They take over once all is done again that the store held of the
	// run that was cut off: what was published with the old ones stays as it is.
	changed bool
	until   bgp.Micros // event time up to which that is so
}

// newKeeper keeps checkpoints beside the store of a folder.
func newKeeper(folder string, log zerolog.Logger) (*keeper, error) {
	codec, err := freeze.New[state](stateGiven())
	if err != nil {
		return nil, err
	}
	return &keeper{path: filepath.Join(folder, checkpointName), codec: codec, every: keepEvery, wall: keepWall, log: log}, nil
}

// again is what to do when a checkpoint cannot be gone on from.
const again = "to begin anew use --fresh, which keeps the old store aside, or another folder"

// load reads the checkpoint; nil when there is none.
func (k *keeper) load() (*checkpoint, error) {
	if k == nil {
		return nil, nil
	}
	c, err := readCheckpoint(k.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w; %s", err, again)
	}
	return c, nil
}

// start notes a run that begins anew. A store of other inputs is told of now, not at the end.
func (k *keeper) start(p *passage, where signal.Places) error {
	if k == nil {
		return nil
	}
	k.run, k.at, k.wrote = p.j.identity(where, p.first), p.first, time.Now()
	return p.j.rec.settle(p.files())
}

// same refuses to go on with another run.
func (k *keeper) same(at *position, run identity) error {
	if why := at.Run.differs(&run); why != "" {
		return fmt.Errorf("the checkpoint %s is of another run: %s; %s", k.path, why, again)
	}
	k.run, k.at, k.wrote = run, at.At, time.Now()
	return nil
}

// method is what decides in this run.
func (j *journal) method() detect.Method {
	return detect.Method{
		Name: detect.MethodName, Version: detect.MethodVersion, Software: Software(), ConfigSHA256: j.engine.Digest(j.peers, visibility.Defaults()),
	}
}

// resumed is called when the state of a checkpoint is in place.
func (k *keeper) resumed(p *passage, at *position) error {
	was, now := p.m.Engine().Method(), p.j.method()
	if at.Done {
		if was.ConfigSHA256 != now.ConfigSHA256 {
			return fmt.Errorf("the run of %s is complete, and was made with another configuration; %s", k.path, again)
		}
		k.log.Info().Msgf("complete up to %s: what was found is printed again", stamp(at.At))
		return nil
	}
	k.log.Info().Msgf("resuming at %s", stamp(at.At))
	if k.changed = was != now; !k.changed {
		return nil
	}
	var err error
	if k.until, err = p.j.rec.ahead(p.m.Engine()); err != nil {
		return err
	}
	if k.until >= at.At {
		k.log.Info().Msgf("the store holds what was found up to %s: until then the old configuration goes on", stamp(k.until))
		return nil
	}
	return k.reconfigure(p)
}

func stamp(at bgp.Micros) string { return at.Time().Format(time.RFC3339) }

// reconfigure goes on with the numbers of this run. It is in the checkpoint at once.
func (k *keeper) reconfigure(p *passage) error {
	k.changed = false
	was := p.m.Engine().Method()
	p.m.Reconfigure(p.j.peers, p.j.engine, Software())
	now := p.m.Engine().Method()
	k.log.Warn().Str("config_was", was.ConfigSHA256).Str("config", now.ConfigSHA256).Str("software_was", was.Software).Str("software", now.Software).
		Msgf("from %s on by other rules: each open incident has a revision that says so", stamp(p.f.now))
	return k.save(p)
}

// salvage goes on when the state of the checkpoint is of other software: from the same record, with what can still be read.
func (k *keeper) salvage(p *passage, c *checkpoint) error {
	at := &c.position
	if at.Done {
		return fmt.Errorf("the run of %s is complete, and was made by %s: read it with `corewatch incidents`; %s", k.path, at.Software, again)
	}
	if err := p.m.Engine().RestoreBaselines(bytes.NewReader(c.baselines)); err != nil {
		return fmt.Errorf("%s: %w; %s", k.path, err, again)
	}
	n, err := p.j.rec.lose(at.At, fmt.Sprintf("%s cannot read the tables of %s: the event was open then, and is no longer followed", Software(), at.Software), nil)
	if err != nil {
		return err
	}
	k.log.Warn().Str("software_was", at.Software).Str("software", Software()).Msgf("resuming at %s without the tables, which this software cannot read: "+
		"it learns anew who carries what; the usual levels are kept; %d open incidents are no longer followed", stamp(at.At), n)
	return k.save(p)
}

// look is called now and then between two records: it does what is due.
func (k *keeper) look(p *passage) error {
	switch {
	case k == nil || p.f.now == 0:
		return nil
	case k.changed && p.f.now > k.until:
		return k.reconfigure(p)
	case p.f.now-k.at >= k.every && time.Since(k.wrote) >= k.wall:
		return k.try(p)
	}
	return nil
}

// try writes a checkpoint, and goes on without when that fails: the run is no worse for it, and the one before is still there.
func (k *keeper) try(p *passage) error {
	if k == nil {
		return nil
	}
	err := k.save(p)
	if p.j.rec.err != nil {
		return p.j.rec.err
	}
	if err != nil {
		k.log.Error().Err(err).Msg("no checkpoint: after an interrupt it goes on from the one before")
		k.at, k.wrote = p.f.now, time.Now()
	}
	return nil
}

// save writes a checkpoint, when the store has all that was found up to now.
func (k *keeper) save(p *passage) error {
	if err := p.j.rec.settle(p.files()); err != nil {
		return err
	}
	at := p.position(k.run)
	if err := writeCheckpoint(k.path, k.codec, &at, &state{monitor: p.m, refs: p.j.rec.refs}); err != nil {
		return err
	}
	k.at, k.wrote = p.f.now, time.Now()
	return nil
}

// ahead is the time of the last revision in the store that the engine does not know yet; 0 when there is none. Revisions that told of
// other rules do not count: they are made again at the same moment, or a later one.
func (r *recorder) ahead(e *detect.Engine) (until bgp.Micros, err error) {
	known := map[string]int{}
	for _, inc := range e.Incidents() {
		known[inc.ID] = inc.Revision
	}
	err = r.incidents(func(inc *detect.Incident) error {
		for _, v := range inc.Revisions[min(known[inc.ID], len(inc.Revisions)):] {
			if v.Change != detect.Reconfigured {
				until = max(until, bgp.Micros(v.At.Micros()))
			}
		}
		return nil
	})
	return until, err
}

// incidents gives each incident of the store, of whatever kind, in its last state.
func (r *recorder) incidents(visit func(*detect.Incident) error) error {
	for _, kinds := range [][]string{nil, {string(detect.MonitorFault)}} { // nil is all but these
		q := sqlite.Query{Kinds: kinds, Limit: sqlite.MaxLimit}
		for more := true; more; more = q.Cursor != "" {
			list, next, err := r.store.Incidents(r.ctx, q)
			if err != nil {
				return err
			}
			for i := range list {
				if err := visit(&list[i]); err != nil {
					return err
				}
			}
			q.Cursor = next
		}
	}
	return nil
}

// lose ends what the store has as open and nobody follows any more: the state that knew of it cannot be read. The event may go on. followed says of an open
// one that somebody does; nil is nobody.
func (r *recorder) lose(at bgp.Micros, reason string, followed func(*detect.Incident) bool) (n int, err error) {
	err = r.incidents(func(inc *detect.Incident) error {
		if !inc.State.Open() || followed != nil && followed(inc) || !inc.OpenAt.IsZero() {
			return nil
		}
		when := detect.At(at.Time())
		if last := inc.Revisions[len(inc.Revisions)-1].At; when.Before(last.Time) {
			when = last
		}
		members, err := r.store.Members(r.ctx, inc.ID)
		if err != nil {
			return err
		}
		inc.Revision++
		inc.OpenAt = when
		inc.Revisions = append(inc.Revisions, detect.Revision{Revision: inc.Revision, At: when, State: inc.State, Change: detect.LostSight, Reason: reason})
		n++
		return r.store.SaveRevision(r.ctx, inc, members)
	})
	return n, err
}

package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// Replay is the offline run: archives in, incidents out.
type Replay struct {
	Config    string   // configuration file; "" for the defaults
	Files     []string // [COLLECTOR=]FILE|DIR
	Seeds     []string // [COLLECTOR=]FILE|DIR: table dumps that fill the table before the first record
	Archives  []string // collectors of RouteViews and RIPE RIS: From until Until is fetched from their archives
	Cache     string   // folder for what is fetched; "" for the one in the folder that the configuration names
	Reference string   // folder of reference tables; "" for the built-in table only
	From      time.Time
	Until     time.Time
	JSON      bool
	Store     string // folder; "" keeps nothing. A run that was interrupted goes on from the checkpoint in it
	Fresh     bool   // set aside what Store holds, and begin anew
	Snapshot  string // folder for the tables as they are at the end; "" writes none
	Out       io.Writer
	Err       io.Writer
	Terminal  bool // Err is a terminal: draw a bar
	Log       zerolog.Logger

	each func(inc *detect.Incident, members []detect.Member) // every revision as it is made; see recorder
}

// ErrTorn says that input was torn, truncated or malformed somewhere; the rest was processed.
var ErrTorn = errors.New("some input was torn, truncated or malformed")

// Run replays. The error is ErrTorn when all input was read but some of it was damaged.
func (r Replay) Run(ctx context.Context) error {
	if len(r.Archives) > 0 {
		if err := r.fetch(ctx); err != nil {
			return err
		}
	}
	var out *outcome
	var err error
	if dir := logIn(r.Files); dir != "" {
		out, err = r.follow(ctx, dir)
	} else {
		out, err = r.archive(ctx)
	}
	if err != nil {
		return err
	}
	if err := r.print(out); err != nil {
		return err
	}
	if r.Snapshot != "" {
		if err := writeSnapshot(r.Snapshot, out.monitor, out.now, r.Err); err != nil {
			return err
		}
	}
	if out.copied != nil {
		return out.copied
	}
	if out.damaged() {
		return ErrTorn
	}
	return nil
}

// archive replays MRT files or a scenario.
func (r Replay) archive(ctx context.Context) (*outcome, error) {
	j, err := r.journal(ctx)
	if err != nil {
		return nil, err
	}
	defer j.rec.close()
	bar := newProgress(r.Err, "replay", r.Terminal, totalBytes(j.seeds)+totalBytes(j.files))
	j.watch = func(done int64, now bgp.Micros, _ recordCounts) { bar.at(done, now) }
	defer bar.done()
	end := j.copy.background(ctx)
	out, err := j.run(ctx)
	copied := end(err == nil)
	if err == nil {
		out.copied = copied
	}
	return out, err
}

// journal prepares the run: over a scenario when the only file is one, else over MRT files.
func (r Replay) journal(ctx context.Context) (*journal, error) {
	c, err := conf.Load(r.Config)
	if err != nil {
		return nil, err
	}
	if r.Reference == "" {
		r.Reference = c.Reference
	}
	j := &journal{data: detect.Archive, engine: c.Detect, peers: c.Peers, from: r.From, until: r.Until, paths: r.Snapshot != "", log: r.Log}
	j.places = func(first time.Time) (signal.Places, error) {
		p, notes, err := newPlaces(r.Reference, first)
		for _, n := range notes {
			r.Log.Info().Msg(n)
		}
		return p, err
	}
	if s, text, err := scenarioIn(r.Files); err != nil {
		return nil, err
	} else if s != nil && len(r.Seeds) > 0 {
		return nil, errors.New("--seed goes with MRT files: a scenario says itself what its peers carry")
	} else if s != nil {
		j.files, j.data, j.end = scenarioFiles(s), s.Data, s.End
		j.scenario = fmt.Sprintf("%x", sha256.Sum256(text))
		j.places = func(time.Time) (signal.Places, error) { return newScenarioPlaces(s) }
	} else if j.files, err = collect.Expand(r.Files); err != nil {
		return nil, err
	} else if j.seeds, err = collect.Expand(r.Seeds); err != nil {
		return nil, err
	} else if err := checkSeeds(j.seeds, j.files); err != nil {
		return nil, err
	}
	if r.Fresh {
		if err := r.setAside(); err != nil {
			return nil, err
		}
	}
	if j.rec, err = newRecorder(ctx, r.Store, j.data); err != nil {
		return nil, err
	}
	j.rec.each = r.each
	if j.rec.on() {
		if j.copy, err = newCopier(c.ClickHouse, j.rec.store, r.Log); err != nil {
			j.rec.close()
			return nil, err
		}
		err := errors.Join(digests(j.seeds), digests(j.files))
		if slices.ContainsFunc(slices.Concat(j.seeds, j.files), func(f collect.File) bool { return f.Path == "-" }) {
			r.Log.Info().Msg("standard input cannot be read again: no checkpoints are kept")
		} else if err == nil {
			j.keep, err = newKeeper(r.Store, r.Log)
		}
		if err != nil {
			j.rec.close()
			return nil, err
		}
		if err := r.note(ctx, j); err != nil {
			j.rec.close()
			return nil, err
		}
	}
	return j, nil
}

// setAside moves the store, if there is one, out of the way.
func (r Replay) setAside() error {
	if r.Store == "" {
		return errors.New("--fresh goes with --store")
	}
	to, err := sqlite.SetAside(r.Store, checkpointName)
	if to != "" {
		r.Log.Info().Msgf("the store that was there is now in %s", to)
	}
	return err
}

// note makes the run say in its store what it is made of, once the tables are chosen.
func (r Replay) note(ctx context.Context, j *journal) error {
	o, err := newOrigin(r, j)
	if err != nil {
		return err
	}
	choose := j.places
	j.places = func(first time.Time) (signal.Places, error) {
		p, err := choose(first)
		if err == nil {
			err = o.save(ctx, j.rec.store, p.References(bgp.MicrosOf(first)))
		}
		return p, err
	}
	return nil
}

// digests fills in the SHA-256 of each file: evidence names its files by it.
func digests(files []collect.File) (err error) {
	for i := range files {
		if files[i].Path == "-" || files[i].Open != nil {
			continue
		}
		if files[i].Input.SHA256, err = files[i].Digest(); err != nil {
			return err
		}
	}
	return nil
}

func totalBytes(files []collect.File) (n int64) {
	for _, f := range files {
		n += f.Input.Bytes
	}
	return n
}

// print writes the incidents to Out and the summary to Err.
func (r Replay) print(res *outcome) error {
	list := res.monitor.Engine().Incidents()
	for _, inc := range list {
		if r.JSON {
			line, err := inc.JSON()
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(r.Out, "%s\n", line); err != nil {
				return fmt.Errorf("writing incidents: %w", err)
			}
			continue
		}
		if inc.Kind == detect.MonitorFault {
			continue
		}
		if _, err := fmt.Fprintln(r.Out, Line(inc)); err != nil {
			return fmt.Errorf("writing incidents: %w", err)
		}
	}
	st := res.monitor.Stats()
	fmt.Fprintf(r.Err, "%s\n", res.count)
	for _, k := range slices.Sorted(maps.Keys(res.count.Kinds)) {
		fmt.Fprintf(r.Err, "  %s: %d\n", k, res.count.Kinds[k])
	}
	fmt.Fprintf(r.Err, "damage: %d torn places (%d bytes), %d unreadable files\n", res.merge.Torn, res.merge.TornBytes, res.merge.Unreadable)
	for i, b := range res.broken {
		if i == 20 {
			fmt.Fprintf(r.Err, "  … and %d more\n", len(res.broken)-20)
			break
		}
		fmt.Fprintf(r.Err, "  %v\n", b)
	}
	fmt.Fprintf(r.Err, "elems: %d announced, %d withdrawn (%d by treat-as-withdraw), %d not unicast; %d changed a cell; %d collector pauses\n",
		st.Announcements, st.Withdrawals, st.TreatedAsWithdraw, st.NotUnicast, st.Changes, st.Pauses)
	fmt.Fprintf(r.Err, "incidents: %d\n", len(list))
	fmt.Fprintf(r.Err, "time: %.1f s for %d files\n", res.elapsed.Seconds(), len(res.files))
	return nil
}

// Line is one incident for a person at a terminal.
func Line(inc *detect.Incident) string {
	end := "open"
	if inc.End != nil {
		end = inc.End.Time.String()
	}
	return fmt.Sprintf("%s  %s – %s  %-10s severity %d  %s  [%s]", inc.ID, inc.Start.Time, end, inc.State, inc.Severity, inc.Title, inc.Coverage.Level)
}

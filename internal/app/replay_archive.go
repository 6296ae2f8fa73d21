package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	archives "github.com/corewatch/corewatch/bgp/archive"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/internal/conf"
)

// archiveFolder is where, in the monitor's folder, the files of archives are kept.
const archiveFolder = "archive"

// oddHole is how far two update files of an archive may lie apart before the reader is told: RIS cuts every 5 min, RouteViews every 15.
const oddHole = time.Hour

// fetch downloads what the archives named have of the period, and makes it part of the run: the last table of each before it as a seed, the
// updates as files. What is in the cache stays there; the same command goes on where an earlier one was interrupted.
func (r *Replay) fetch(ctx context.Context) error {
	if r.From.IsZero() || r.Until.IsZero() {
		return errors.New("--archive goes with --from and --until: the period to fetch")
	}
	if logIn(r.Files) != "" {
		return errors.New("--archive goes with MRT files: the journal of a live monitor is followed as it is")
	}
	names := slices.Compact(slices.Sorted(slices.Values(r.Archives)))
	for _, name := range names {
		if err := archives.CheckCollector(name); err != nil {
			return fmt.Errorf("--archive: %w", err)
		}
	}
	c, err := conf.Load(r.Config)
	if err != nil {
		return err
	}
	show := &downloads{w: r.Err, terminal: r.Terminal, began: time.Now()}
	a, err := archives.New(archives.Options{
		RouteViews: c.Archives.RouteViews, RIS: c.Archives.RIS, Cache: cmp.Or(r.Cache, filepath.Join(c.Data, archiveFolder)),
		Say:      func(text string) { show.clear(); r.Log.Warn().Msg(text) },
		Progress: show.at,
	})
	if err != nil {
		return err
	}
	seeded, err := collect.Expand(r.Seeds)
	if err != nil {
		return err
	}
	var plans []*archives.Plan
	for _, name := range names {
		p, err := a.Plan(ctx, name, r.From, r.Until)
		if err != nil {
			return stopped(ctx, err)
		}
		if slices.ContainsFunc(seeded, func(f collect.File) bool { return f.Input.Collector == name }) {
			p.Table = nil
		} else if p.Table == nil {
			r.Log.Warn().Str("collector", name).Msg("the archive has no table of the week before --from: who carries what is learned from the updates, and nothing opens at first")
		}
		if p.Hole > oddHole {
			r.Log.Warn().Str("collector", name).Msgf("the archive has a hole: no update file begins within %s from %s on", p.Hole.Round(time.Minute), p.HoleAt.Format(time.RFC3339))
		}
		plans = append(plans, p)
		show.files += len(p.Updates)
		if p.Table != nil {
			show.files++
		}
	}
	defer show.clear()
	for _, p := range plans {
		if p.Table != nil {
			path, err := show.fetch(ctx, a, *p.Table)
			if err != nil {
				return err
			}
			r.Seeds = append(r.Seeds, p.Collector+"="+path)
		}
		for _, f := range p.Updates {
			path, err := show.fetch(ctx, a, f)
			if err != nil {
				return err
			}
			r.Files = append(r.Files, p.Collector+"="+path)
		}
	}
	show.clear()
	r.Log.Info().Msgf("%d files of %s are in the cache, %.1f MB", show.done, strings.Join(names, ", "), float64(show.bytes)/1e6)
	return nil
}

// stopped says how to go on after an interrupt.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted while downloading; the same command goes on from there: %w", ctx.Err())
	}
	return err
}

// downloads shows how far downloading is: a bar on a terminal, a plain line every ten seconds elsewhere.
type downloads struct {
	w        io.Writer
	terminal bool
	began    time.Time
	last     time.Time // of what was shown
	shown    bool      // there is a bar to be wiped out
	files    int       // to be there at the end
	done     int       // that are there
	bytes    int64     // of the files that are there
	have     int64     // of the one under way
}

func (d *downloads) fetch(ctx context.Context, a *archives.Archive, f archives.File) (string, error) {
	d.have = 0
	path, err := a.Fetch(ctx, f)
	if err != nil {
		return "", stopped(ctx, err)
	}
	d.done++
	d.bytes += d.have
	return path, nil
}

func (d *downloads) at(f archives.File, have, size int64) {
	d.have = have
	now := time.Now()
	every := 10 * time.Second
	if d.terminal {
		every = 200 * time.Millisecond
	}
	if now.Sub(d.last) < every {
		return
	}
	d.last = now
	part := 0.0
	if size > 0 {
		part = float64(have) / float64(size)
	}
	share := (float64(d.done) + part) / float64(max(d.files, 1))
	text := fmt.Sprintf("%d of %d files, %d MB", d.done, d.files, (d.bytes+have)/1e6)
	if !d.terminal {
		fmt.Fprintf(d.w, "download: %s, %s %s, %.0f s\n", text, f.Collector, f.Name, now.Sub(d.began).Seconds())
		return
	}
	d.shown = true
	const width = 20 // so that all of it fits a line of 80
	n := int(share * width)
	fmt.Fprintf(d.w, "\r\x1b[K[%s%s] %s, %s ", strings.Repeat("█", n), strings.Repeat("·", width-n), text, f.Name)
}

// clear wipes the bar out, for what comes next.
func (d *downloads) clear() {
	if d.shown {
		fmt.Fprint(d.w, "\r\x1b[K")
		d.shown = false
	}
}

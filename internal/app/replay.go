package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
)

// Replay is the offline run: archives in, incidents out.
type Replay struct {
	Files     []string // [COLLECTOR=]FILE|DIR
	Reference string   // folder of reference tables; "" for the built-in table only
	From      time.Time
	Until     time.Time
	JSON      bool
	Store     string // folder; "" keeps nothing
	Out       io.Writer
	Err       io.Writer
	Terminal  bool // Err is a terminal: draw a bar
	Log       zerolog.Logger
}

// ErrTorn says that input was torn, truncated or malformed somewhere; the rest was processed.
var ErrTorn = errors.New("some input was torn, truncated or malformed")

// Run replays. The error is ErrTorn when all input was read but some of it was damaged.
func (r Replay) Run(ctx context.Context) error {
	files, err := collect.Expand(r.Files)
	if err != nil {
		return err
	}
	res, err := r.pass(ctx, files, collect.Options{})
	if errors.Is(err, collect.ErrOrder) {
		r.Log.Warn().Err(err).Msg("reading again with every file open, so that the order is right")
		if files, err = collect.Expand(r.Files); err != nil {
			return err
		}
		res, err = r.pass(ctx, files, collect.Options{OpenAll: true})
	}
	if err != nil {
		return err
	}
	if err := res.print(r); err != nil {
		return err
	}
	if res.follow.count.Malformed > 0 || res.merge.Torn > 0 || res.merge.Unreadable > 0 {
		return ErrTorn
	}
	return nil
}

// result is what a pass over the input gave.
type result struct {
	follow  *follower
	monitor *signal.Monitor
	merge   collect.Counts
	broken  []error
	files   []collect.File
	elapsed time.Duration
}

func (r Replay) pass(ctx context.Context, files []collect.File, opt collect.Options) (*result, error) {
	began := time.Now()
	merger := collect.NewMerger(files, opt)
	defer merger.Close()
	first, err := merger.Next()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("no MRT record in %d files%s", len(files), firstOf(merger.Broken()))
	}
	if err != nil {
		return nil, err
	}
	places, notes, err := newPlaces(r.Reference, first.Record.Time.Time())
	if err != nil {
		return nil, err
	}
	for _, n := range notes {
		r.Log.Info().Msg(n)
	}
	rec, err := newRecorder(ctx, r.Store, detect.Archive)
	if err != nil {
		return nil, err
	}
	defer rec.close()
	if rec.on() { // evidence names its files by digest
		for i := range files {
			if files[i].Path == "-" {
				continue
			}
			if files[i].Input.SHA256, err = files[i].Digest(); err != nil {
				return nil, err
			}
		}
	}
	m := signal.New(signal.Options{
		Config: signal.DefaultConfig(), Engine: detect.DefaultConfig(), Data: detect.Archive, Software: Software(),
		Places: places, Sources: sourceOf, Sink: rec.revision, KeepMessages: rec.on(),
	})
	rec.attach(m)
	f := &follower{m: m, onTick: rec.tick}
	bar := newProgress(r.Err, r.Terminal, totalBytes(files))
	for item := first; ; {
		if at := item.Record.Time.Time(); (r.From.IsZero() || !at.Before(r.From)) && (r.Until.IsZero() || at.Before(r.Until)) {
			f.record(item.Record, item.Decoder, item.Input, item.Index)
		} else if isTable(item.Record) { // a table from before --from still says who is who
			var c mrt.Content
			_ = item.Decoder.Decode(item.Record, &c)
		}
		if f.seq%4096 == 0 {
			if err := ctx.Err(); err != nil {
				bar.done()
				return nil, fmt.Errorf("interrupted at %s: %w", f.now.Time().Format(time.RFC3339), err)
			}
			if rec.err != nil {
				return nil, rec.err
			}
			bar.at(merger.Counts().BytesDone, f.now)
		}
		item, err = merger.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			bar.done()
			return nil, err
		}
	}
	f.tick(f.now + second)
	m.Engine().Finish(f.now.Time())
	bar.done()
	if err := rec.finish(f.now, merger.Files()); err != nil {
		return nil, err
	}
	return &result{follow: f, monitor: m, merge: merger.Counts(), broken: merger.Broken(), files: merger.Files(), elapsed: time.Since(began)}, nil
}

func isTable(rec mrt.Record) bool { return rec.Type == mrt.TypeTableDumpV2 }

func firstOf(broken []error) string {
	if len(broken) == 0 {
		return ""
	}
	return ": " + broken[0].Error()
}

func totalBytes(files []collect.File) (n int64) {
	for _, f := range files {
		n += f.Input.Bytes
	}
	return n
}

// print writes the incidents to Out and the summary to Err.
func (res *result) print(r Replay) error {
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
	fmt.Fprintf(r.Err, "%s\n", res.follow.count)
	for _, k := range slices.Sorted(maps.Keys(res.follow.count.Kinds)) {
		fmt.Fprintf(r.Err, "  %s: %d\n", k, res.follow.count.Kinds[k])
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

package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/entity"
	"github.com/corewatch/corewatch/store/sqlite"
)

// Explain says why there was, or was not, an alert about an entity at an instant: it replays up to then, and a little longer, to see
// what came of it.
type Explain struct {
	Entity    string // country:PK, region:PK-SD, network:AS64500 or zone:<slug>
	At        time.Time
	Config    string   // configuration file; "" for the defaults
	Store     string   // folder of a store whose records are replayed, or else what it keeps is told; "" with Files
	Files     []string // [COLLECTOR=]FILE|DIR, or one scenario
	Seeds     []string // [COLLECTOR=]FILE|DIR of table dumps
	Reference string   // folder of reference tables; "" for the built-in table only
	From      time.Time
	JSON      bool // the form of docs/explain.md
	Out       io.Writer
	Err       io.Writer
	Terminal  bool // Err is a terminal: draw a bar
	Log       zerolog.Logger
}

// dataSlack is how far past the last record an instant may lie and still be explained: the world did not stop with it.
const dataSlack = 60 * time.Second

var anyPlace = regexp.MustCompile(`^(country:[A-Z]{2}|region:[A-Z]{2}-[A-Z0-9]{1,3})$`)

// Run explains. The errors are those of a replay, and: the entity is not one that alerts are about, or no prefix of it was met; the
// instant lies outside the records.
func (x Explain) Run(ctx context.Context) error {
	switch {
	case x.At.IsZero():
		return errors.New("--at: say which instant, as in 2008-02-21T03:25:00Z")
	case x.Store == "" && len(x.Files) == 0:
		return errors.New("say what to explain from: FILE, or --store DIR")
	case x.Store != "" && (len(x.Files) > 0 || len(x.Seeds) > 0 || x.Config != "" || x.Reference != "" || !x.From.IsZero()):
		return errors.New("--store goes alone: a store knows its files, --seed, --reference, --from and configuration")
	}
	if !x.From.IsZero() && !x.At.After(x.From) {
		return fmt.Errorf("--at %s is not after --from %s", x.At.UTC().Format(time.RFC3339), x.From.UTC().Format(time.RFC3339))
	}
	if x.Store != "" {
		return x.store(ctx)
	}
	s, _, err := scenarioIn(x.Files)
	if err != nil {
		return err
	}
	about, err := x.about(s != nil)
	if err != nil {
		return err
	}
	j, err := Replay{Config: x.Config, Files: x.Files, Seeds: x.Seeds, Reference: x.Reference, From: x.From, Log: x.Log}.journal(ctx)
	if err != nil {
		return err
	}
	defer j.rec.close()
	return x.replay(ctx, j, about, 0)
}

// store explains from a store: by a replay when everything it was made of is still there, else from what it keeps.
func (x Explain) store(ctx context.Context) error {
	s, err := sqlite.OpenReadOnly(ctx, x.Store)
	if err != nil {
		return err
	}
	defer s.Close()
	data, err := s.Meta(ctx, "data")
	if err != nil && !errors.Is(err, sqlite.ErrNotFound) {
		return err
	}
	about, err := x.about(data == string(detect.Synthetic) || data == string(detect.Reconstruction))
	if err != nil {
		return err
	}
	j, inputs, why := replayOf(ctx, s)
	if why == nil {
		defer j.rec.close()
		if why = x.replay(ctx, j, about, len(inputs)); !errors.Is(why, errChanged) {
			return why
		}
	}
	if !errors.Is(why, errChanged) {
		return why
	}
	e, err := x.fromStore(ctx, s, about, storedConfig(ctx, s), why)
	if err != nil {
		return err
	}
	if x.JSON {
		err = json.NewEncoder(x.Out).Encode(e)
	} else {
		err = e.text(x.Out)
	}
	if err != nil {
		return fmt.Errorf("writing the explanation: %w", err)
	}
	return nil
}

// replay explains from records; checked is how many of them are files of a store, whose digests are right.
func (x Explain) replay(ctx context.Context, j *journal, about detect.Entity, checked int) error {
	w := newExplainer(about, bgp.MicrosOf(x.At.Truncate(time.Second)), j.engine)
	scenarioEnd := j.end
	j.paths, j.each, j.stop, j.end = true, w.tick, w.until+second, w.until
	bar := newProgress(x.Err, "explain", x.Terminal, totalBytes(j.seeds)+totalBytes(j.files))
	j.watch = func(done int64, now bgp.Micros, _ recordCounts) { bar.at(done, now) }
	out, err := j.run(ctx)
	bar.done()
	if err != nil {
		return err
	}
	first, last := bgp.Micros(0), scenarioEnd
	for _, f := range out.files {
		last = max(last, f.Input.Last)
		if x := f.Input.First; x != 0 && (first == 0 || x < first) {
			first = x
		}
	}
	if err := w.check(first, last); err != nil {
		return err
	}
	w.finish(out.monitor, j.data, last)
	w.report.Checked = checked
	if x.JSON {
		err = json.NewEncoder(x.Out).Encode(&w.report)
	} else {
		err = w.report.text(x.Out)
	}
	if err != nil {
		return fmt.Errorf("writing the explanation: %w", err)
	}
	if out.damaged() {
		return ErrTorn
	}
	return nil
}

// about reads the entity. What is made up may name countries and regions that do not exist.
func (x Explain) about(made bool) (detect.Entity, error) {
	e, err := entity.ParseEntity(x.Entity)
	if err != nil {
		if made && anyPlace.MatchString(x.Entity) {
			kind, code, _ := strings.Cut(x.Entity, ":")
			return detect.Entity{Type: kind, Code: code}, nil
		}
		return detect.Entity{}, err
	}
	switch e.Type {
	case entity.TypeCountry, entity.TypeRegion, entity.TypeNetwork, entity.TypeZone:
		return detect.Entity{Type: string(e.Type), Code: e.Code, Name: e.Name}, nil
	}
	return detect.Entity{}, fmt.Errorf("%s: alerts are about countries, regions, networks and zones only, as in country:PK, region:PK-SD, network:AS64500 and zone:gulf", x.Entity)
}

// explainer follows one entity through a replay.
type explainer struct {
	about   detect.Entity
	at      bgp.Micros
	until   bgp.Micros // at, and the time a confirmation would take
	cfg     detect.Config
	first   bgp.Micros // tick
	account *signal.Account
	met     bool // an account was asked for
	crossed map[string]detect.Time
	report  explanation
}

func newExplainer(about detect.Entity, at bgp.Micros, cfg detect.Config) *explainer {
	hold := bgp.Micros(cfg.SuspectAfter+cfg.ConfirmAfter+15) * bgp.Second
	return &explainer{about: about, at: at, until: at + hold, cfg: cfg}
}

// tick looks at the monitor after each second.
func (w *explainer) tick(m *signal.Monitor, now bgp.Micros) {
	if w.first == 0 || now < w.first { // the replay may begin again with every file open
		*w = *newExplainer(w.about, w.at, w.cfg)
		w.first = now
	}
	switch {
	case now < w.at:
	case !w.met:
		w.met = true
		w.account, _ = m.Account(w.about)
		w.crossed = map[string]detect.Time{}
		for _, s := range m.Standing(w.about) {
			w.crossed[s.Signal] = s.CrossedAt
		}
	case now <= w.until:
		w.follow(m, now)
	}
}

// follow notes the crossings that begin and end after the instant.
func (w *explainer) follow(m *signal.Monitor, now bgp.Micros) {
	for _, s := range m.Standing(w.about) {
		was := w.crossed[s.Signal]
		if was.Equal(s.CrossedAt.Time) {
			continue
		}
		w.crossed[s.Signal] = s.CrossedAt
		if s.CrossedAt.IsZero() {
			lasted := int64(now-bgp.Micros(was.Micros())) / int64(bgp.Second)
			w.report.after(now, fmt.Sprintf("%s is below its floor again, %d s after it crossed it", s.Signal, lasted))
		} else {
			w.report.after(now, fmt.Sprintf("%s crossed its floor (%s)", s.Signal, s.Branch))
		}
	}
}

// check says why nothing can be explained.
func (w *explainer) check(first, last bgp.Micros) error {
	show := func(t bgp.Micros) string { return t.Time().UTC().Format(time.RFC3339) }
	if w.first != 0 {
		first = w.first
	}
	switch {
	case first != 0 && w.at < first:
		return fmt.Errorf("--at %s lies before the records, which begin at %s", show(w.at), show(first))
	case w.first == 0:
		return errors.New("there is no record to explain anything from; check FILE and --from")
	case w.at.Time().Sub(last.Time()) > dataSlack:
		return fmt.Errorf("--at %s lies after the records, which end at %s", show(w.at), show(last))
	case w.account == nil:
		return fmt.Errorf("%s: no prefix of it was met between %s and %s; the tables of --reference say where prefixes belong, regions and zones too", w.about.Key(), show(w.first), show(w.at))
	}
	return nil
}

// finish completes the report with what came of it.
func (w *explainer) finish(m *signal.Monitor, data detect.Data, last bgp.Micros) {
	w.report.fill(w.account, data)
	w.report.From = detect.At(w.first.Time())
	for _, inc := range m.Engine().Incidents() {
		if inc.Kind != detect.Outage || inc.Entity.Key() != w.about.Key() {
			continue
		}
		began := inc.SuspectedAt.Micros() <= int64(w.until)
		if over := inc.ClosedAt; !began || !over.IsZero() && over.Micros() <= int64(w.at) {
			continue
		}
		w.report.Incident = inc
		for _, r := range inc.Revisions {
			if t := bgp.Micros(r.At.Micros()); t > w.at && t <= w.until && r.Change != "input ended" {
				w.report.after(t, fmt.Sprintf("incident %s: %s: %s", inc.ID, r.Change, r.Reason))
			}
		}
	}
	slices.SortStableFunc(w.report.After, func(a, b afterwards) int { return a.At.Compare(b.At.Time) })
	if last < w.until {
		w.report.after(last, "the records end: what came later is not known")
	}
	w.report.conclude(w.cfg)
}

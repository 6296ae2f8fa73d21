package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/eval"
	"github.com/corewatch/corewatch/detect/eval/rival"
	"github.com/corewatch/corewatch/detect/eval/truth"
	"github.com/corewatch/corewatch/detect/signal"
)

// smallestJudged is the smallest event of the truth, in prefixes. An alert about fewer cannot be right or wrong by it.
const smallestJudged = 4

// archive is a record of one collector, scored against the truth of its own elements.
type archive struct {
	name   string // of the suite
	files  []collect.File
	input  evalInput
	places signal.Places
	start  time.Time
}

// openArchive lists the files of a folder of the data and picks the tables of their time.
func (e *Eval) openArchive(collector string, folder ...string) (*archive, error) {
	dir, err := e.folder(folder...)
	if err != nil {
		return nil, err
	}
	a := &archive{}
	if a.files, err = collect.Expand([]string{collector + "=" + dir}); err != nil {
		return nil, err
	}
	if a.input, err = inputDigest(filepath.ToSlash(filepath.Join(folder...)), a.files); err != nil {
		return nil, err
	}
	if a.start, err = firstRecord(a.files[0].Path); err != nil {
		return nil, err
	}
	p, notes, err := newPlaces(e.reference(), a.start)
	for _, n := range notes {
		e.Log.Info().Msg(n)
	}
	a.places = p
	return a, err
}

// inputDigest names a folder by the SHA-256 over the lines that sha256sum prints for its files in order of name.
func inputDigest(name string, files []collect.File) (evalInput, error) {
	in := evalInput{Name: name, Files: len(files)}
	h := sha256.New()
	for _, f := range files {
		sum, err := f.Digest()
		if err != nil {
			return in, err
		}
		in.Bytes += f.Input.Bytes
		fmt.Fprintf(h, "%s  %s\n", sum, f.Input.Name)
	}
	in.SHA256 = hex.EncodeToString(h.Sum(nil))
	return in, nil
}

// firstRecord is the time of the first record of a file.
func firstRecord(path string) (time.Time, error) {
	f, err := mrt.Open(path)
	if err != nil {
		return time.Time{}, err
	}
	defer f.Close()
	rec, err := mrt.NewReader(f).Next()
	if err != nil {
		return time.Time{}, fmt.Errorf("first record of %s: %w", filepath.Base(path), err)
	}
	return rec.Time.Time(), nil
}

// watched is a truth.Source that can be interrupted and shows how far it is.
type watched struct {
	files *truth.Files
	ctx   context.Context
	bar   *evalProgress
	sizes []int64 // of the files
	done  int64
}

// Each implements truth.Source.
func (w *watched) Each(each func(string, *mrt.Record, *mrt.Content) error) error {
	for i, path := range w.files.Paths {
		one := truth.Files{Collector: w.files.Collector, Paths: []string{path}}
		n := 0
		err := one.Each(func(c string, rec *mrt.Record, content *mrt.Content) error {
			if n++; n%4096 == 0 {
				if err := w.ctx.Err(); err != nil {
					return fmt.Errorf("interrupted: %w", err)
				}
			}
			return each(c, rec, content)
		})
		if err != nil {
			return err
		}
		w.done += w.sizes[i]
		w.bar.at(w.done)
	}
	return nil
}

// derive finds the true events.
func (a *archive) derive(ctx context.Context, e *Eval) (*truth.Result, error) {
	src := &watched{files: &truth.Files{Collector: a.files[0].Input.Collector}, ctx: ctx}
	for _, f := range a.files {
		src.files.Paths = append(src.files.Paths, f.Path)
		src.sizes = append(src.sizes, f.Input.Bytes)
	}
	src.bar = e.progress(a.name+" truth", 2*totalBytes(a.files))
	defer src.bar.done()
	return truth.Derive(src, func(p netip.Prefix, origin uint32) string { return a.places.Country(bgp.PrefixOf(p), origin) })
}

// compete plays the record to our detector and the rules of others; extra rules are fed too.
func (a *archive) compete(ctx context.Context, e *Eval, sink detect.Sink, extra ...rival.Rule) (*contested, []eval.Method, error) {
	ioda, alerter := rivals(a.places.Country, false)
	bar := e.progress(a.name+" detectors", totalBytes(a.files))
	defer bar.done()
	c := contest{files: a.files, data: detect.Archive, places: a.places, rules: append([]rival.Rule{ioda, alerter}, extra...), sink: sink, watch: bar.at}
	out, err := c.play(ctx)
	if err != nil {
		return nil, nil, err
	}
	return out, methods(out.incidents, ioda, alerter), nil
}

// rivals are the rules of others with their published numbers.
func rivals(country func(bgp.Prefix, uint32) string, table bool) (*rival.IODA, *rival.BGPalerter) {
	i, b := rival.DefaultIODA(), rival.DefaultBGPalerter()
	i.Country, b.Country, i.Table = country, country, table
	return rival.NewIODA(i), rival.NewBGPalerter(b)
}

// methods are the columns of every comparison.
func methods(incidents []*detect.Incident, ioda *rival.IODA, alerter *rival.BGPalerter) []eval.Method {
	theirs := ioda.Alerts()
	return []eval.Method{
		{Name: "ours, suspected", Alerts: eval.FromIncidents(incidents, eval.Suspected)},
		{Name: "ours, confirmed", Alerts: eval.FromIncidents(incidents, eval.Confirmed)},
		{Name: "IODA, warning", Alerts: eval.FromRival(theirs, "warning"), Brief: true},
		{Name: "IODA, critical", Alerts: eval.FromRival(theirs, "critical"), Brief: true},
		{Name: "BGPalerter", Alerts: eval.FromRival(alerter.Alerts(), ""), Brief: true},
	}
}

// stretch is a part of a record that is reported apart.
type stretch struct {
	name        string
	from, until bgp.Micros
}

// notified is the size from which a network's outage is notified about, in prefixes.
const notified = 10

// compare makes the tables of a record: countries and networks, in each stretch, first against the events that reach the floors which
// the method publishes, then against every event of the truth; and the networks' outages that are large enough for a notification.
func (a *archive) compare(found []truth.Event, m []eval.Method, stretches []stretch) (out []eval.Report) {
	for _, s := range stretches {
		o := eval.Options{From: s.from, Until: s.until, MinSize: smallestJudged}
		for _, kind := range []string{"country", "network"} {
			out = append(out, eval.Compare(a.name+", "+s.name+", events at the published floors", kind, eval.FromTruth(found, belowFloor), m, o))
			out = append(out, eval.Compare(a.name+", "+s.name+", every event of the truth", kind, eval.FromTruth(found, nil), brief(m), o))
		}
		o.MinSize = notified
		out = append(out, eval.Compare(fmt.Sprintf("%s, %s, %d prefixes or more", a.name, s.name, notified), "network", eval.FromTruth(found, belowNotice), m, o))
	}
	return out
}

// brief has the disagreements of all methods counted only: those that matter are listed under another table.
func brief(m []eval.Method) []eval.Method {
	m = slices.Clone(m)
	for i := range m {
		m[i].Brief = true
	}
	return m
}

// belowFloor says that a method which publishes its floors owes nobody an alert about the event: it reached none of them for three
// minutes, by the truth's own count.
func belowFloor(t *truth.Event) bool { return !t.Held.Any() }

// belowNotice says that an event is too small for a notification.
func belowNotice(t *truth.Event) bool { return belowFloor(t) || t.Dark-t.Covered-t.Young < notified }

// rv2008 scores 42 hours of a RouteViews collector. The first 21 were looked at when numbers were chosen.
func (e Eval) rv2008(ctx context.Context) (*evalResult, error) {
	a, err := e.openArchive("route-views2", "mrt", "rv2008")
	if err != nil {
		return nil, err
	}
	a.name = "rv2008"
	events, err := a.derive(ctx, &e)
	if err != nil {
		return nil, err
	}
	out, m, err := a.compete(ctx, &e, nil)
	if err != nil {
		return nil, err
	}
	middle := out.first + 21*3600*second
	reports := a.compare(events.Events, m, []stretch{
		{"hours 21–42", middle, out.last}, {"hours 0–21 (tuned)", out.first, middle},
	})
	return &evalResult{
		About: "42 hours of RouteViews route-views2, 2008-02-19 12:09 to 02-21 06:05 UTC, against the events that detect/eval/truth derives from the same raw elements. " +
			"Some numbers of the method were chosen on hours 0–21; hours 21–42 were held back.",
		Inputs: []evalInput{a.input}, References: a.places.References(out.first),
		Goals: archiveGoals("rv2008, hours 21–42", reports), Reports: reports,
		damaged: out.damaged(),
	}, nil
}

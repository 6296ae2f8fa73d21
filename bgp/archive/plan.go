package archive

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Plan is what a replay of a period of one collector needs.
type Plan struct {
	Collector string
	Table     *File  // the last dump at or before the beginning; nil when there is none not too old
	Updates   []File // in order of time
	// Hole is the longest stretch of the period in which no update file begins, from HoleAt on.
	Hole   time.Duration
	HoleAt time.Time
}

const (
	// MaxPeriod bounds a plan: a longer period is several.
	MaxPeriod = 92 * 24 * time.Hour
	// maxFileSpan is how long before the beginning an update file may begin that reaches into it. RIS cuts every 5 min, RouteViews every 15.
	maxFileSpan = time.Hour
	// maxTableAge is how old a dump may be. RIS makes one every 8 h, RouteViews every 2.
	maxTableAge = 7 * 24 * time.Hour
)

// Plan lists what the archive has of a collector from an instant until another.
func (a *Archive) Plan(ctx context.Context, collector string, from, until time.Time) (*Plan, error) {
	from, until = from.UTC(), until.UTC()
	switch err := CheckCollector(collector); {
	case err != nil:
		return nil, err
	case !until.After(from):
		return nil, fmt.Errorf("the period from %s until %s is empty", from.Format(time.RFC3339), until.Format(time.RFC3339))
	case until.Sub(from) > MaxPeriod:
		return nil, fmt.Errorf("the period from %s until %s is longer than %.0f days: take it in parts", from.Format(time.RFC3339), until.Format(time.RFC3339), MaxPeriod.Hours()/24)
	}
	p := &Plan{Collector: collector}
	there, err := a.updates(ctx, p, from, until)
	if err != nil {
		return nil, err
	}
	if len(p.Updates) == 0 {
		_, dir := a.folder(collector, Updates, from)
		if !there {
			return nil, fmt.Errorf("%s: the archive has no folder %s: is that the collector's name, and was it there then?", collector, dir)
		}
		return nil, fmt.Errorf("%s: the archive has no updates from %s until %s in %s", collector, from.Format(time.RFC3339), until.Format(time.RFC3339), dir)
	}
	at := from
	for _, f := range append(slices.Clone(p.Updates), File{Time: until}) {
		if d := f.Time.Sub(at); d > p.Hole {
			p.Hole, p.HoleAt = d, at
		}
		at = f.Time
	}
	p.Table, err = a.TableBefore(ctx, collector, from, maxTableAge)
	return p, err
}

// updates lists the update files that reach into the period.
func (a *Archive) updates(ctx context.Context, p *Plan, from, until time.Time) (there bool, err error) {
	var all []File
	for m := month(from.Add(-maxFileSpan)); m.Before(until); m = m.AddDate(0, 1, 0) {
		files, ok, err := a.list(ctx, p.Collector, Updates, m)
		if err != nil {
			return false, err
		}
		there = there || ok
		all = append(all, files...)
	}
	slices.SortStableFunc(all, func(a, b File) int { return a.Time.Compare(b.Time) })
	for i, f := range all {
		if !f.Time.Before(until) {
			break
		}
		reaches := !f.Time.Before(from) || from.Sub(f.Time) < maxFileSpan && (i+1 == len(all) || all[i+1].Time.After(from))
		if reaches {
			p.Updates = append(p.Updates, f)
		}
	}
	return there, nil
}

// TableBefore is the last dump of a collector's tables at or before an instant; nil when the archive has none that is not older than age.
func (a *Archive) TableBefore(ctx context.Context, collector string, at time.Time, age time.Duration) (*File, error) {
	at = at.UTC()
	if err := CheckCollector(collector); err != nil {
		return nil, err
	}
	for m := month(at); m.AddDate(0, 1, 0).After(at.Add(-age)); m = m.AddDate(0, -1, 0) {
		files, _, err := a.list(ctx, collector, Table, m)
		if err != nil {
			return nil, err
		}
		for _, f := range slices.Backward(files) {
			if d := at.Sub(f.Time); d >= 0 && d <= age {
				return &f, nil
			}
		}
	}
	return nil, nil
}

func month(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }

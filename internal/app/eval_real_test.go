package app

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/eval"
	"github.com/corewatch/corewatch/detect/eval/inject"
)

// realData is an Eval over the recorded data, or skips.
func realData(t *testing.T) *Eval {
	t.Helper()
	if testing.Short() {
		t.Skip("hours of recorded data are played without -short")
	}
	data := os.Getenv("COREWATCH_DATA")
	if data == "" {
		data = filepath.Join("..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(data, "mrt", "rv2008")); err != nil {
		t.Skip("no real data (COREWATCH_DATA): nothing was put into real background: " + err.Error())
	}
	e, _ := quietEval("synthetic")
	e.Data = data
	return &e
}

// TestRealGround puts an outage of a tenth of a country into half an hour of recorded data, which ends before it does.
func TestRealGround(t *testing.T) {
	if os.Getenv("COREWATCH_SEEDS") == "" {
		t.Skip("a table of a million routes is read twice for it: set COREWATCH_SEEDS")
	}
	e, ctx := realData(t), context.Background()
	g, err := e.realGround(ctx, realStretch{folder: "rv2008", collector: "route-views2", deal: 3, after: 50 * time.Minute, learn: 5 * time.Minute, length: 35 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if len(g.lanes) != 3 || len(g.found) == 0 || len(g.lands) < 50 {
		t.Fatalf("%d lanes, %d incidents, %d countries", len(g.lanes), len(g.found), len(g.lands))
	}
	// The records themselves hold the outage of Djibouti, 13:06:32.
	if !slices.ContainsFunc(g.found, func(i *detect.Incident) bool { return i.Entity.Key() == "country:DJ" && !i.ConfirmedAt.IsZero() }) {
		t.Error("the outage of Djibouti is not in the ground")
	}
	d := realOutage{seed: 6, size: slices.Index(outageSizes, 10), speed: 0}
	var x realTally
	differs, err := d.run(ctx, g, []*realTally{&x})
	if err != nil {
		t.Fatal(err)
	}
	one := eval.Ratio{N: 1, Of: 1}
	if x.suspected != one || x.confirmed != one || x.sized != one || x.others != (eval.Ratio{Of: 1}) {
		t.Errorf("%+v: %q", x, differs)
	}
}

// TestRealGround6: a loss of IPv6 only, at a collector where too few vote for a confirmation; and a fault that must say nothing new.
func TestRealGround6(t *testing.T) {
	e, ctx := realData(t), context.Background()
	s := realStretch6
	s.learn, s.length = 20*time.Minute, 85*time.Minute
	g, err := e.realGround(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	d := realOutage{seed: 5, size: slices.Index(outageSizes, 25), speed: 0, six: true}
	var x realTally
	differs, err := d.run(ctx, g, []*realTally{&x})
	if err != nil {
		t.Fatal(err)
	}
	one := eval.Ratio{N: 1, Of: 1}
	if x.suspected != one || x.confirmed != (eval.Ratio{Of: 1}) || x.sized != one || len(differs) > 0 {
		t.Errorf("%+v: %q", x, differs)
	}
	var y realFaultTally
	differs, err = realFault{seed: 7, fault: inject.Duplicates, alone: true}.run(ctx, g, &y)
	if err != nil {
		t.Fatal(err)
	}
	if y.alone != (eval.Ratio{Of: 1}) || len(differs) > 0 {
		t.Errorf("%+v: %q", y, differs)
	}
}

// TestWithoutData: the suites say that they played nothing over real background.
func TestWithoutData(t *testing.T) {
	e, _ := quietEval("faults")
	e.Seeds = 1
	r, err := e.faults(context.Background())
	if err != nil || len(r.Tables) != 2 || !strings.Contains(r.About, "Nothing was played over real background") {
		t.Errorf("%v: %s", err, r.About)
	}
}

// TestRealDraws: the draws of a run go over every size, speed, family, kind and ground.
func TestRealDraws(t *testing.T) {
	type kind struct {
		size, speed int
		six         bool
	}
	seen := map[kind]int{}
	for seed := uint64(1); seed <= uint64(realDraws); seed++ {
		d := newRealOutage(seed)
		seen[kind{d.size, d.speed, d.six}]++
	}
	if len(seen) != 2*len(outageSizes)*len(outageSpeeds) {
		t.Errorf("%d kinds of outage", len(seen))
	}
	type fault struct {
		fault  inject.Fault
		alone  bool
		ground int
	}
	faults := map[fault]int{}
	for seed := uint64(1); seed <= uint64(2*len(inject.Faults)*len(realFaultStretches)); seed++ {
		d := newRealFault(seed)
		faults[fault{d.fault, d.alone, d.ground()}]++
	}
	if len(faults) != 2*len(inject.Faults)*len(realFaultStretches) {
		t.Errorf("%d kinds of fault", len(faults))
	}
}

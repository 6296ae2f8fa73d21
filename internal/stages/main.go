// Command stages runs the named stages behind `make check`, `make test`, `make lint`, `make fuzz` and `make soak`, and closes
// with a table of stages, seconds and results, the list of what did not run and why, and one line that counts tests.
//
//	go run ./internal/stages [-pkgs './...'] [-fuzztime 5s] check|test|soak|lint|fuzz
//
// A stage that cannot run for want of a program says so and passes; with CI=true it fails, because a green run there must
// mean that everything ran. The one exception is the vulnerability database, which is not on this side of every network.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	pkgs := flag.String("pkgs", "./...", "package patterns, separated by spaces")
	fuzzTime := flag.Duration("fuzztime", 0, "how long to fuzz each target (default 5s, soak 10m)")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: stages [-pkgs PATTERNS] [-fuzztime D] "+strings.Join(tierNames(), "|"))
		flag.PrintDefaults()
	}
	flag.Parse()
	t, ok := tiers[flag.Arg(0)]
	if !ok || flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if *fuzzTime == 0 {
		*fuzzTime = t.fuzz
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r := &runner{
		out:      os.Stdout,
		ci:       os.Getenv("CI") == "true",
		pkgs:     strings.Fields(*pkgs),
		fuzzTime: *fuzzTime,
		fresh:    t.fresh,
	}
	if !r.runAll(ctx, t) {
		stop()
		os.Exit(1)
	}
}

// tier is one of the make targets: which stages, in which order, within what time.
type tier struct {
	stages []stage
	budget time.Duration // what the tier promises on two cores; passing it is said, not failed; 0 = no promise
	fuzz   time.Duration // per fuzz target
	fresh  bool          // test results are not taken from the cache
}

var (
	lintStages  = []stage{{"format", formatted}, {"vet", vet}, {"staticcheck", staticcheck}}
	unitStages  = []stage{{"archtest", archtest}, {"unit", unit}}
	quickStages = []stage{{"archtest", archtest}, {"unit", quick}}

	tiers = map[string]tier{
		"check": {stages: slices.Concat(lintStages, quickStages), budget: 2 * time.Minute},
		"lint":  {stages: slices.Concat([]stage{{"tools", tools}}, lintStages)},
		"fuzz":  {stages: []stage{{"fuzz", fuzz}}, fuzz: 5 * time.Second},
		"test": {
			stages: slices.Concat([]stage{{"install", install}, {"tools", tools}}, lintStages, unitStages,
				[]stage{{"lab", lab}, {"race", race}, {"fuzz", fuzz}, {"vulnerabilities", vulnerabilities}, {"clone", clone}}),
			budget: 15 * time.Minute, fuzz: 5 * time.Second, fresh: true,
		},
		"soak": {stages: []stage{{"seeds", seeds}, {"fuzz", fuzz}}, fuzz: 10 * time.Minute, fresh: true},
	}
)

func tierNames() []string { return []string{"check", "test", "soak", "lint", "fuzz"} }

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"
)

// fuzz runs each target with one worker, as many targets at a time as there are processors; a package is compiled once for all of
// its targets. A crasher is left in testdata/fuzz for the commit that mends it.
func fuzz(ctx context.Context, r *runner) result {
	pkgs, err := list(ctx, "", r.pkgs)
	if err != nil {
		return result{err: err}
	}
	targets := fuzzTargets(pkgs)
	if len(targets) == 0 {
		return result{nothing: true, skips: []string{"fuzzing: no target in " + strings.Join(r.pkgs, " ")}}
	}
	z, err := newFuzzer(ctx)
	if err != nil {
		return result{err: err}
	}
	defer os.RemoveAll(z.dir)

	var res result
	failed := func(t target, err error) {
		res.tests.failed++
		res.err = fmt.Errorf("%s %s failed; a new file under testdata/fuzz is the input to commit with the fix", shortPackage(t.pkg), t.name)
		fmt.Fprintln(r.out, err)
	}
	var compiled []target
	for _, t := range targets {
		if err := z.compile(ctx, t); err != nil {
			failed(t, err)
			continue
		}
		compiled = append(compiled, t)
	}
	for o := range z.all(ctx, compiled, r.fuzzTime) {
		if o.err != nil {
			failed(o.target, o.err)
			continue
		}
		fmt.Fprintf(r.out, "%s %s: %s\n", shortPackage(o.pkg), o.name, o.said)
		res.tests.passed++
	}
	return res
}

// fuzzer holds the test programs with the instrumentation of go test -fuzz. Compiling is done by one goroutine before the first run.
type fuzzer struct {
	dir, cache string
	programs   map[string]program // by package
}

// program is a compiled package, or why there is none.
type program struct {
	path string
	err  error
}

// outcome is how one target ended: said is the last line of progress.
type outcome struct {
	target
	said string
	err  error
}

func newFuzzer(ctx context.Context) (*fuzzer, error) {
	out, err := command(ctx, "", nil, "go", "env", "GOCACHE").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOCACHE: %w", err)
	}
	dir, err := os.MkdirTemp("", "corewatch-fuzz-")
	if err != nil {
		return nil, err
	}
	return &fuzzer{dir: dir, cache: filepath.Join(strings.TrimSpace(string(out)), "fuzz"), programs: map[string]program{}}, nil
}

// compile makes the program of a target's package, once.
func (z *fuzzer) compile(ctx context.Context, t target) error {
	p, done := z.programs[t.pkg]
	if !done {
		p.path = filepath.Join(z.dir, fmt.Sprintf("%d.test", len(z.programs)))
		ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
		defer cancel()
		p.err = quiet(ctx, "", nil, "go", "test", "-c", "-fuzz=^"+t.name+"$", "-o", p.path, t.pkg)
		z.programs[t.pkg] = p
	}
	return p.err
}

// all fuzzes the targets and sends how each ended; the channel is closed after the last.
func (z *fuzzer) all(ctx context.Context, targets []target, d time.Duration) <-chan outcome {
	todo, ended := make(chan target), make(chan outcome)
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Go(func() {
			for t := range todo {
				o := outcome{target: t}
				o.said, o.err = z.one(ctx, t, d)
				ended <- o
			}
		})
	}
	go func() {
		for _, t := range targets {
			if ctx.Err() != nil {
				break
			}
			todo <- t
		}
		close(todo)
		workers.Wait()
		close(ended)
	}()
	return ended
}

// one fuzzes a target, a second time where the first says nothing about it.
func (z *fuzzer) one(ctx context.Context, t target, d time.Duration) (said string, err error) {
	said, err = z.run(ctx, t, d)
	switch {
	case errors.Is(err, errOnlyCorpus):
		return z.run(ctx, t, 6*d)
	case err != nil && deadlineOnly(err.Error()):
		return z.run(ctx, t, d)
	}
	return said, err
}

// errOnlyCorpus is a run that was over before the corpus was: the cache of earlier runs grows.
var errOnlyCorpus = errors.New("no execution of the target is reported")

// run is what go test -fuzz does with the program, with one worker. Like go test it stands in the folder of the package.
func (z *fuzzer) run(ctx context.Context, t target, d time.Duration) (said string, err error) {
	ctx, cancel := context.WithTimeout(ctx, d+time.Minute)
	defer cancel()
	var b bytes.Buffer
	c := command(ctx, t.dir, nil, z.programs[t.pkg].path, "-test.run=^$", "-test.fuzz=^"+t.name+"$", "-test.fuzztime="+d.String(),
		"-test.parallel=1", "-test.paniconexit0", "-test.fuzzcachedir="+filepath.Join(z.cache, filepath.FromSlash(t.pkg)))
	c.Stdout, c.Stderr = &b, &b
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s\nfuzzing %s of %s: %w", tail(b.String(), maxLines), t.name, t.pkg, err)
	}
	last := fuzzProgress.FindAllString(b.String(), -1)
	if len(last) == 0 {
		return "", fmt.Errorf("%s\n%s: %w", tail(b.String(), maxLines), t.name, errOnlyCorpus)
	}
	return last[len(last)-1], nil
}

var fuzzProgress = regexp.MustCompile(`execs: \d+`)

// deadlineOnly recognises go.dev/issue/48591: a worker that is still busy when the time is up is reported as a failure
// without an input. It is tried once more; a second time it counts.
func deadlineOnly(said string) bool {
	return strings.Contains(said, "context deadline exceeded") && !strings.Contains(said, "Failing input")
}

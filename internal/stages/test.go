package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

const archtestPackage = "github.com/corewatch/corewatch/internal/archtest"

// archtest runs the rules of the architecture first: when they fail, what follows is likely to be built wrong.
func archtest(ctx context.Context, r *runner) result {
	return r.goTest(ctx, nil, []string{archtestPackage})
}

// unit runs every other test: unit tests, scenarios, the corpora of fuzz targets, and the real parts that are installed.
func unit(ctx context.Context, r *runner) result {
	return r.tests(ctx, nil, "-timeout=12m")
}

// quick is unit without the long cases: hours of real archives, browsers.
func quick(ctx context.Context, r *runner) result {
	return r.tests(ctx, nil, "-short", "-timeout=5m")
}

// seedsVariable asks a randomised test for so many seeds instead of its few.
const seedsVariable = "COREWATCH_SEEDS"

// seeds runs the packages whose tests read seedsVariable, under the race detector when there is a compiler for it.
func seeds(ctx context.Context, r *runner) result {
	pkgs, err := list(ctx, "", r.pkgs)
	if err != nil {
		return result{err: err}
	}
	paths, err := mentioning(pkgs, `"`+seedsVariable+`"`)
	if err != nil {
		return result{err: err}
	}
	if len(paths) == 0 {
		return result{nothing: true, skips: []string{"random seeds: no test reads " + seedsVariable}}
	}
	env, args := []string{seedsVariable + "=5000"}, []string{"-timeout=6h"}
	if _, err := exec.LookPath("gcc"); err == nil {
		env, args = append(env, "CGO_ENABLED=1"), append(args, "-race")
	}
	return r.goTest(ctx, env, append(args, paths...))
}

func (r *runner) tests(ctx context.Context, env []string, flags ...string) result {
	pkgs, err := list(ctx, "", r.pkgs)
	if err != nil {
		return result{err: err}
	}
	args := flags
	for _, p := range pkgs {
		if p.ImportPath != archtestPackage {
			args = append(args, p.ImportPath)
		}
	}
	res := r.goTest(ctx, env, args)
	if os.Getenv("COREWATCH_DATA") == "" {
		res.skips = append(res.skips, "cases on real measurement data: COREWATCH_DATA is not set")
	}
	return res
}

// race runs the packages that start goroutines, with -short: the long cases ran without the detector.
func race(ctx context.Context, r *runner) result {
	if _, err := exec.LookPath("gcc"); err != nil {
		return r.missing("race detector: it needs a C compiler (Debian: gcc libc6-dev)")
	}
	pkgs, err := list(ctx, "", r.pkgs)
	if err != nil {
		return result{err: err}
	}
	paths := concurrent(pkgs)
	if len(paths) == 0 {
		return result{nothing: true, skips: []string{"race detector: no package starts a goroutine"}}
	}
	res := r.goTest(ctx, []string{"CGO_ENABLED=1"}, append([]string{"-race", "-short", "-timeout=10m"}, paths...))
	res.skips = nil // the unit stage listed them
	return res
}

// fuzz runs each target alone; go test accepts one at a time. A crasher is left in testdata/fuzz for the commit that mends it.
func fuzz(ctx context.Context, r *runner) result {
	pkgs, err := list(ctx, "", r.pkgs)
	if err != nil {
		return result{err: err}
	}
	targets := fuzzTargets(pkgs)
	if len(targets) == 0 {
		return result{nothing: true, skips: []string{"fuzzing: no target in " + strings.Join(r.pkgs, " ")}}
	}
	var res result
	for _, t := range targets {
		if ctx.Err() != nil {
			break
		}
		err := r.fuzzOne(ctx, t)
		if err != nil && deadlineOnly(err.Error()) {
			err = r.fuzzOne(ctx, t)
		}
		if err != nil {
			res.tests.failed++
			res.err = fmt.Errorf("%s %s failed; a new file under testdata/fuzz is the input to commit with the fix", shortPackage(t.pkg), t.name)
			fmt.Fprintln(r.out, err)
			continue
		}
		res.tests.passed++
	}
	return res
}

func (r *runner) fuzzOne(ctx context.Context, t target) error {
	ctx, cancel := context.WithTimeout(ctx, r.fuzzTime+5*time.Minute) // the excess is for compiling with instrumentation
	defer cancel()
	var b bytes.Buffer
	c := command(ctx, "", nil, "go", "test", "-run=^$", "-fuzz=^"+t.name+"$", "-fuzztime="+r.fuzzTime.String(), t.pkg)
	c.Stdout, c.Stderr = &b, &b
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s\ngo test -fuzz=^%s$ %s: %w", tail(b.String(), maxLines), t.name, t.pkg, err)
	}
	last := fuzzProgress.FindAllString(b.String(), -1)
	if len(last) == 0 {
		return fmt.Errorf("%s\n%s: go test reports no execution of the target", tail(b.String(), maxLines), t.name)
	}
	fmt.Fprintf(r.out, "%s %s: %s\n", shortPackage(t.pkg), t.name, last[len(last)-1])
	return nil
}

var fuzzProgress = regexp.MustCompile(`execs: \d+`)

// deadlineOnly recognises go.dev/issue/48591: a worker that is still busy when the time is up is reported as a failure
// without an input. It is tried once more; a second time it counts.
func deadlineOnly(said string) bool {
	return strings.Contains(said, "context deadline exceeded") && !strings.Contains(said, "Failing input")
}

// clone builds the last commit from a shallow clone: what was forgotten in a commit, or needs history or tags, shows here.
func clone(ctx context.Context, r *runner) result {
	if exec.CommandContext(ctx, "git", "rev-parse", "--verify", "-q", "HEAD").Run() != nil {
		return r.missing("clean clone: no commit to clone")
	}
	here, err := os.Getwd()
	if err != nil {
		return result{err: err}
	}
	dir, err := os.MkdirTemp("", "corewatch-clone-")
	if err != nil {
		return result{err: err}
	}
	defer os.RemoveAll(dir)
	steps := [][]string{
		{"git", "clone", "-q", "--depth=1", "file://" + here, "."},
		{"make", "build"},
		{"bin/corewatch", "version"},
	}
	for _, s := range steps {
		s[0] = strings.Replace(s[0], "bin/", dir+"/bin/", 1)
		if err := quiet(ctx, dir, nil, s[0], s[1:]...); err != nil {
			return result{err: err}
		}
	}
	var left bytes.Buffer
	c := command(ctx, dir, nil, "git", "status", "--porcelain")
	c.Stdout = &left
	if err := c.Run(); err != nil {
		return result{err: fmt.Errorf("git status: %w", err)}
	}
	if left.Len() > 0 {
		return result{err: fmt.Errorf("the build leaves files that .gitignore does not name:\n%s", left.String())}
	}
	if out, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output(); err == nil && len(out) > 0 {
		fmt.Fprintln(r.out, "built the last commit; the working tree has changes that are not in it")
	}
	return result{}
}

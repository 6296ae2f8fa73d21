package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
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

// labPackage has routers in network namespaces. Most of its time it waits, so it runs apart from what needs the processors.
const labPackage = "github.com/corewatch/corewatch/internal/lab"

// lab runs the monitor against real routers.
func lab(ctx context.Context, r *runner) result {
	pkgs, err := list(ctx, "", r.pkgs)
	if err != nil {
		return result{err: err}
	}
	if !slices.ContainsFunc(pkgs, func(p goPackage) bool { return p.ImportPath == labPackage }) {
		return result{nothing: true, skips: []string{"routing lab: not in " + strings.Join(r.pkgs, " ")}}
	}
	return r.goTest(ctx, nil, []string{"-timeout=4m", labPackage})
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
	var paths []string
	for _, p := range pkgs {
		if p.ImportPath != archtestPackage && p.ImportPath != labPackage {
			paths = append(paths, p.ImportPath)
		}
	}
	if len(paths) == 0 {
		return result{nothing: true, skips: []string{"unit tests: what is named has a stage of its own"}}
	}
	res := r.goTest(ctx, env, append(flags, longestFirst(paths)...))
	if os.Getenv("COREWATCH_DATA") == "" {
		res.skips = append(res.skips, "cases on real measurement data: COREWATCH_DATA is not set")
	}
	return res
}

// longest is the package whose tests take as long as all others together.
const longest = "github.com/corewatch/corewatch/internal/app"

// longestFirst puts that package in front: go test takes packages in the order given, and the others fill the second processor
// beside it. In their own order it would come last and alone.
func longestFirst(paths []string) []string {
	return slices.SortedStableFunc(slices.Values(paths), func(a, b string) int {
		return cmp.Compare(weight(a), weight(b))
	})
}

func weight(path string) int {
	if path == longest {
		return 0
	}
	return 1
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
	res := r.goTest(ctx, []string{"CGO_ENABLED=1"}, append([]string{"-race", "-short", "-timeout=10m"}, longestFirst(paths)...))
	res.skips = nil // the unit stage listed them
	return res
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

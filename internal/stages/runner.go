package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// stage is one named step of a tier.
type stage struct {
	name string
	run  func(ctx context.Context, r *runner) result
}

// runner carries what the stages share. Its fields are set before the first stage and only read by stages.
type runner struct {
	out      io.Writer
	ci       bool // a missing part fails instead of being reported
	pkgs     []string
	fuzzTime time.Duration
	fresh    bool
}

// result is what a stage hands back. The zero value is success.
type result struct {
	err     error    // why the stage failed; what was wrong has been printed already or is in the error
	nothing bool     // the stage had nothing to do, or its program is missing: skips says which
	skips   []string // "what: why" of everything that did not run
	tests   counts
}

// counts of tests, subtests included.
type counts struct{ passed, failed, skipped int }

func (c *counts) add(d counts) {
	c.passed, c.failed, c.skipped = c.passed+d.passed, c.failed+d.failed, c.skipped+d.skipped
}

// missing is the result of a stage that lacks a program: reported locally, a failure when CI=true.
func (r *runner) missing(what string) result {
	if r.ci {
		return result{err: fmt.Errorf("CI=true and %s", what)}
	}
	return result{nothing: true, skips: []string{what}}
}

// row is one line of the closing table.
type row struct {
	name    string
	took    time.Duration
	outcome result
}

func (w row) word() string {
	switch {
	case w.outcome.err != nil:
		return "FAILED"
	case w.outcome.nothing:
		return "did not run"
	}
	return "ok"
}

// runAll runs every stage, also after a failure, so that one run tells everything. It reports whether all passed.
func (r *runner) runAll(ctx context.Context, t tier) bool {
	start := time.Now()
	var rows []row
	for _, s := range t.stages {
		if ctx.Err() != nil {
			break
		}
		fmt.Fprintf(r.out, "== %s\n", s.name)
		begin := time.Now()
		w := row{name: s.name, outcome: s.run(ctx, r)}
		w.took = time.Since(begin)
		if w.outcome.err != nil {
			fmt.Fprintf(r.out, "%s\n", strings.TrimRight(w.outcome.err.Error(), "\n"))
		}
		fmt.Fprintf(r.out, "== %s: %s, %.1f s\n", w.name, w.word(), w.took.Seconds())
		rows = append(rows, w)
	}
	ok := summarize(r.out, rows, time.Since(start), t.budget)
	if ctx.Err() != nil {
		fmt.Fprintln(r.out, "interrupted: the stages above are not all there are")
		return false
	}
	return ok
}

// summarize prints the table, what did not run, and the count of tests, and reports whether every stage passed.
func summarize(out io.Writer, rows []row, took, budget time.Duration) bool {
	ok, total := true, counts{}
	fmt.Fprintf(out, "\n%-16s %8s  %-11s %7s %7s\n", "stage", "seconds", "result", "tests", "skipped")
	for _, w := range rows {
		c := w.outcome.tests
		tests, skipped := "", ""
		if c != (counts{}) {
			tests, skipped = fmt.Sprint(c.passed+c.failed), fmt.Sprint(c.skipped)
		}
		line := fmt.Sprintf("%-16s %8.1f  %-11s %7s %7s", w.name, w.took.Seconds(), w.word(), tests, skipped)
		fmt.Fprintln(out, strings.TrimRight(line, " "))
		ok = ok && w.outcome.err == nil
		total.add(c)
	}
	fmt.Fprintf(out, "%-16s %8.1f\n", "all", took.Seconds())
	if budget > 0 && took > budget {
		fmt.Fprintf(out, "over the budget of %.0f s\n", budget.Seconds())
	}
	if printed := skipLines(rows); len(printed) > 0 {
		fmt.Fprintf(out, "\ndid not run:\n  %s\n", strings.Join(printed, "\n  "))
	}
	if total != (counts{}) {
		fmt.Fprintf(out, "\ntests: %d passed, %d failed, %d skipped\n", total.passed, total.failed, total.skipped)
	}
	return ok
}

// skipLines lists what did not run, once each, in the order of the stages.
func skipLines(rows []row) (lines []string) {
	seen := map[string]bool{}
	for _, w := range rows {
		for _, s := range w.outcome.skips {
			if !seen[s] {
				seen[s] = true
				lines = append(lines, s)
			}
		}
	}
	return lines
}

// command prepares a child that is interrupted, not killed, when ctx ends, so that go test can end its own children.
func command(ctx context.Context, dir string, env []string, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), env...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	return c
}

// quiet runs a child and returns an error that holds the end of its output when it fails.
func quiet(ctx context.Context, dir string, env []string, name string, args ...string) error {
	var b bytes.Buffer
	c := command(ctx, dir, env, name, args...)
	c.Stdout, c.Stderr = &b, &b
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s\n%s %s: %w", tail(b.String(), maxLines), name, strings.Join(args, " "), err)
	}
	return nil
}

// maxLines bounds what one failure may print.
const maxLines = 200

// tail is the last n lines of s, with a note when something was cut.
func tail(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) <= n {
		return strings.Join(lines, "\n")
	}
	return fmt.Sprintf("(%d lines above left out)\n%s", len(lines)-n, strings.Join(lines[len(lines)-n:], "\n"))
}

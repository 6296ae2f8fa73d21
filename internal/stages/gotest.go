package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output
	Test       string
	Output     string
}

// goTest runs `go test -json` and prints the closing line of each package and the output of what failed. No test at all is a
// failure: a pattern that matches nothing must not look like success.
func (r *runner) goTest(ctx context.Context, env, args []string) result {
	args = append([]string{"test", "-json"}, args...)
	if r.fresh {
		args = slices.Insert(args, 2, "-count=1")
	}
	c := command(ctx, "", env, "go", args...)
	stdout, err := c.StdoutPipe()
	if err != nil {
		return result{err: err}
	}
	var stderr strings.Builder
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		return result{err: fmt.Errorf("cannot start go test: %w", err)}
	}
	res := readEvents(stdout, r.out)
	if err := c.Wait(); err != nil {
		res.err = fmt.Errorf("%sgo test: %w", tail(stderr.String(), maxLines), err)
	} else if res.tests == (counts{}) {
		res.err = errors.New("no test ran: " + strings.Join(args, " "))
	}
	return res
}

// readEvents follows a test2json stream to its end.
func readEvents(in io.Reader, out io.Writer) (res result) {
	type key struct{ pkg, test string }
	logs := map[key][]string{}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		if jsonErr := json.Unmarshal(line, &e); len(line) > 0 && jsonErr != nil {
			fmt.Fprintf(out, "%s", line) // go itself speaking, for instance about a package that does not parse
		}
		k := key{e.Package, e.Test}
		switch e.Action {
		case "output":
			if e.Test == "" && closing.MatchString(e.Output) {
				fmt.Fprint(out, e.Output)
			} else {
				logs[k] = append(logs[k], e.Output)
			}
		case "build-output":
			fmt.Fprint(out, e.Output)
		case "pass":
			if e.Test != "" {
				res.tests.passed++
			}
			delete(logs, k)
		case "skip":
			if e.Test != "" {
				res.tests.skipped++
				res.skips = append(res.skips, shortPackage(e.Package)+" "+e.Test+": "+reason(logs[k]))
			}
			delete(logs, k)
		case "fail":
			if e.Test != "" {
				res.tests.failed++
			}
			fmt.Fprintln(out, tail(strings.Join(logs[k], ""), maxLines))
			delete(logs, k)
		}
		if err != nil {
			return res
		}
	}
}

var (
	closing  = regexp.MustCompile(`^(ok|FAIL|\?) *\t`)
	progress = regexp.MustCompile(`^\s*(=== |--- )`)
	place    = regexp.MustCompile(`^\S+\.go:\d+: `)
)

// reason is what a skipped test said.
func reason(log []string) string {
	var said []string
	for _, l := range log {
		if l = strings.TrimSpace(l); l != "" && !progress.MatchString(l) {
			said = append(said, place.ReplaceAllString(l, ""))
		}
	}
	if said == nil {
		return "no reason given"
	}
	return strings.Join(said, " ")
}

func shortPackage(p string) string {
	if _, rest, found := strings.Cut(p, "corewatch/corewatch/"); found {
		return rest
	}
	return p
}

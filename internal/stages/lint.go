package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// toolDir is where the tools stage puts the pinned tools of the module in tools/.
const toolDir = "bin/tools"

// tools builds what tools/go.mod pins. It is quick when nothing changed.
func tools(ctx context.Context, r *runner) result {
	dir, err := filepath.Abs(toolDir)
	if err != nil {
		return result{err: err}
	}
	if err := quiet(ctx, "tools", []string{"CGO_ENABLED=0"}, "go", "build", "-buildvcs=false", "-o", dir+string(filepath.Separator), "tool"); err != nil {
		fmt.Fprintln(r.out, err)
		return r.missing("lint tools: they could not be built (are the modules of tools/go.mod reachable?)")
	}
	return result{}
}

// tool is the path of a built tool, or "" when it is not there.
func tool(name string) string {
	path := filepath.Join(toolDir, name)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// formatFiles holds every Go file that is formatted, whatever its build constraints.
func formatFiles(root string) (files []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "bin" || name == "data") {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(name, ".go") {
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// unformatted is the files that gofmt would change.
func unformatted(files []string) (bad []string, err error) {
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", f, err)
		}
		want, err := format.Source(src)
		if err != nil {
			bad = append(bad, fmt.Sprintf("%s: %v", f, err))
		} else if !bytes.Equal(src, want) {
			bad = append(bad, f)
		}
	}
	return bad, nil
}

// formatted runs gofmt's rules in this process, and gofumpt's when it has been built.
func formatted(ctx context.Context, r *runner) result {
	files, err := formatFiles(".")
	if err != nil {
		return result{err: err}
	}
	bad, err := unformatted(files)
	if err != nil {
		return result{err: err}
	}
	if len(bad) > 0 {
		return result{err: fmt.Errorf("not formatted; run gofmt -w on:\n  %s", strings.Join(bad, "\n  "))}
	}
	gofumpt := tool("gofumpt")
	if gofumpt == "" {
		res := r.missing("gofumpt: not built; `make lint` builds it")
		res.nothing = false // gofmt's rules were applied
		return res
	}
	var out bytes.Buffer
	c := command(ctx, "", nil, gofumpt, append([]string{"-l"}, files...)...)
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		return result{err: fmt.Errorf("%sgofumpt: %w", out.String(), err)}
	}
	if out.Len() > 0 {
		return result{err: fmt.Errorf("not formatted; run %s -w on:\n%s", gofumpt, out.String())}
	}
	return result{}
}

func vet(ctx context.Context, r *runner) result {
	return result{err: quiet(ctx, "", nil, "go", append([]string{"vet"}, r.pkgs...)...)}
}

func staticcheck(ctx context.Context, r *runner) result {
	path := tool("staticcheck")
	if path == "" {
		return r.missing("staticcheck: not built; `make lint` builds it")
	}
	return result{err: quiet(ctx, "", nil, path, r.pkgs...)}
}

// vulnerabilities asks the Go vulnerability database about what the code calls. A finding fails; a database that cannot be
// reached does not, not even in CI, because the database is no part of the repository.
func vulnerabilities(ctx context.Context, r *runner) result {
	path := tool("govulncheck")
	if path == "" {
		return r.missing("govulncheck: not built; `make lint` builds it")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	err := quiet(ctx, "", nil, path, r.pkgs...)
	if err != nil && (unreachable(err.Error()) || errors.Is(ctx.Err(), context.DeadlineExceeded)) {
		return result{nothing: true, skips: []string{"govulncheck: no vulnerability database in reach"}}
	}
	return result{err: err}
}

// unreachable recognises govulncheck's failure to fetch the database.
func unreachable(said string) bool {
	return strings.Contains(said, "fetching vulnerabilities") && !strings.Contains(said, "Vulnerability #")
}

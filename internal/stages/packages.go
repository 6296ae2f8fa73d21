package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// goPackage is what `go list -json` says about one package.
type goPackage struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Error        *struct{ Err string }
}

func (p goPackage) testFiles() []string { return slices.Concat(p.TestGoFiles, p.XTestGoFiles) }

// list resolves patterns in dir ("" = here). Packages that do not parse are listed too: go vet says what is wrong with them.
func list(ctx context.Context, dir string, patterns []string) (pkgs []goPackage, err error) {
	var out, stderr bytes.Buffer
	c := command(ctx, dir, nil, "go", append([]string{"list", "-e", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Error"}, patterns...)...)
	c.Stdout, c.Stderr = &out, &stderr
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("%sgo list %s: %w", stderr.String(), strings.Join(patterns, " "), err)
	}
	for dec := json.NewDecoder(&out); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("reading the answer of go list: %w", err)
		}
		if p.Dir != "" {
			pkgs = append(pkgs, p)
		}
	}
	if len(pkgs) == 0 {
		return nil, fmt.Errorf("no package matches %s", strings.Join(patterns, " "))
	}
	return pkgs, nil
}

// parse reads the named files of p. A file that does not parse is left out: other stages report it.
func (p goPackage) parse(names []string) (files []*ast.File) {
	for _, n := range names {
		if f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, n), nil, parser.SkipObjectResolution); err == nil {
			files = append(files, f)
		}
	}
	return files
}

// target is one fuzz function, and the folder of its package.
type target struct{ pkg, dir, name string }

// fuzzTargets finds every func FuzzX(*testing.F), in the order of packages, files and declarations.
func fuzzTargets(pkgs []goPackage) (targets []target) {
	for _, p := range pkgs {
		for _, f := range p.parse(p.testFiles()) {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && isFuzz(fn) {
					targets = append(targets, target{p.ImportPath, p.Dir, fn.Name.Name})
				}
			}
		}
	}
	return targets
}

func isFuzz(fn *ast.FuncDecl) bool {
	if fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Fuzz") || len(fn.Type.Params.List) != 1 {
		return false
	}
	ptr, ok := fn.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	sel, ok := ptr.X.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "F"
}

// concurrent picks the packages that start goroutines outside their tests: the race detector has nothing to find in the others
// and costs them a factor of five to ten.
func concurrent(pkgs []goPackage) (paths []string) {
	for _, p := range pkgs {
		if len(p.testFiles()) == 0 {
			continue
		}
		starts := false
		for _, f := range p.parse(p.GoFiles) {
			ast.Inspect(f, func(n ast.Node) bool {
				starts = starts || startsGoroutine(n)
				return !starts
			})
		}
		if starts {
			paths = append(paths, p.ImportPath)
		}
	}
	return paths
}

// startsGoroutine is a go statement, or x.Go(f) as of sync.WaitGroup.
func startsGoroutine(n ast.Node) bool {
	if _, ok := n.(*ast.GoStmt); ok {
		return true
	}
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return false
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	return ok && method.Sel.Name == "Go"
}

// mentioning picks the packages whose test files hold a text.
func mentioning(pkgs []goPackage, text string) (paths []string, err error) {
	for _, p := range pkgs {
		for _, name := range p.testFiles() {
			b, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				return nil, fmt.Errorf("reading the tests of %s: %w", p.ImportPath, err)
			}
			if strings.Contains(string(b), text) {
				paths = append(paths, p.ImportPath)
				break
			}
		}
	}
	return paths, nil
}

package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	module = "github.com/corewatch/corewatch"
	root   = "../.." // of the repository, seen from this folder
)

// goPackage is what `go list -json` says about one package of ours. Tests may build one by hand.
type goPackage struct {
	ImportPath   string
	Dir          string
	Name         string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string // the whole closure of Imports
}

// name is the import path inside the module: "bgp/wire", "cmd/corewatch"; "" for the root.
func (p goPackage) name() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// ours turns an import path into a name inside the module.
func ours(path string) (name string, ok bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// thirdParty reports whether an import path belongs to another module. The standard library has no dot in its first element.
func thirdParty(path string) bool {
	if _, ok := ours(path); ok || strings.HasPrefix(path, "vendor/") {
		return false
	}
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".")
}

// matches reports whether name is covered by pattern: "bgp/wire" is that package alone, "bgp/*" every package below bgp,
// "detect/..." detect and every package below it.
func matches(pattern, name string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == base || strings.HasPrefix(name, base+"/")
	}
	if base, ok := strings.CutSuffix(pattern, "/*"); ok {
		return strings.HasPrefix(name, base+"/")
	}
	return name == pattern
}

func matchesAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if matches(p, name) {
			return true
		}
	}
	return false
}

// repositoryFiles reads every directory and file that the rules look at, except what git would ignore, and returns the paths
// relative to the root. It also is what makes a cached result honest: `go test` reuses a result as long as the files that the
// test process itself opened are unchanged, and does not see what the children it starts (go list, git) have read.
func repositoryFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || rel == ".git" || rel == "bin" || rel == "data") {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			files[filepath.ToSlash(rel)], err = os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) { // an editor's temporary file
				delete(files, filepath.ToSlash(rel))
				err = nil
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// Where there is git (not in a source archive) only what is tracked, or about to be, counts.
	out, err := exec.Command("git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return files
	}
	kept := map[string][]byte{}
	for name := range strings.SplitSeq(string(out), "\x00") {
		if b, ok := files[name]; ok {
			kept[name] = b
		}
	}
	return kept
}

// packages asks the go command; packages that do not compile are judged all the same.
func packages(t *testing.T) (pkgs []goPackage) {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,Name,Imports,TestImports,XTestImports,Deps", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) == 0 {
		t.Fatal("go list found no package")
	}
	return pkgs
}

// source is one parsed Go file and the package (by name inside the module) that it belongs to.
type source struct {
	pkg  string
	path string
	fset *token.FileSet
	ast  *ast.File
}

// parse makes a source out of text. The path says whether it is a test and in which package it lies.
func parse(path, text string) (source, error) {
	s := source{path: path, fset: token.NewFileSet()}
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		s.pkg = path[:i]
	}
	var err error
	s.ast, err = parser.ParseFile(s.fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
	return s, err
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// at renders a position as "file:line".
func (s source) at(n ast.Node) string {
	p := s.fset.Position(n.Pos())
	return s.path + ":" + itoa(p.Line)
}

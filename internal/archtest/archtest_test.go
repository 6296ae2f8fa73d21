package archtest

import (
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRepository applies every rule to this repository.
func TestRepository(t *testing.T) {
	files := repositoryFiles(t)
	names := slices.Sorted(maps.Keys(files))
	pkgs := packages(t)

	t.Run("imports", func(t *testing.T) { report(t, checkImports(pkgs)) })
	t.Run("dependencies", func(t *testing.T) {
		direct := directModules(requirements(t), pkgs)
		if len(direct) > maxDirect {
			t.Errorf("%d direct dependencies, at most %d: %s", len(direct), maxDirect, strings.Join(direct, ", "))
		}
	})
	t.Run("sources", func(t *testing.T) {
		var all []source
		for _, name := range names {
			// Files of the go command's own exceptions are not compiled and not judged.
			if !strings.HasSuffix(name, ".go") || strings.Contains("/"+name, "/testdata/") || strings.HasPrefix(name, "tools/") {
				continue
			}
			s, err := parse(name, string(files[name]))
			if err != nil {
				t.Errorf("%v", err)
				continue
			}
			all = append(all, s)
			report(t, checkPure(s))
			report(t, checkDocs(s))
		}
		if len(all) == 0 {
			t.Error("no Go file was looked at")
		}
		report(t, checkPackageDocs(all))
	})
	t.Run("marks", func(t *testing.T) {
		for _, name := range names {
			report(t, checkMarks(name, files[name]))
		}
	})
}

func report(t *testing.T, bad []string) {
	t.Helper()
	for _, b := range bad {
		t.Error(b)
	}
}

// requirements reads go.mod through the go command, which owns its grammar.
func requirements(t *testing.T) []requirement {
	t.Helper()
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = filepath.FromSlash(root)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go mod edit -json: %v", err)
	}
	var mod struct{ Require []requirement }
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatalf("go mod edit -json: %v", err)
	}
	if len(mod.Require) == 0 {
		t.Fatal("go.mod requires nothing: it was not read")
	}
	return mod.Require
}

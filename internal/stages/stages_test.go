package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// module writes files into a new module and makes it the working directory of the test.
func module(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.org/m\n\ngo 1.26\n"
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

// TestGoTestForReal runs go test over a module with every kind of ending.
func TestGoTestForReal(t *testing.T) {
	module(t, map[string]string{
		"good/a_test.go": "package good\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Run(\"sub\", func(t *testing.T) {}) }\n",
		"bad/a_test.go":  "package bad\nimport \"testing\"\nfunc TestB(t *testing.T) { t.Error(\"two is not three\") }\n",
		"skip/a_test.go": "package skip\nimport \"testing\"\nfunc TestC(t *testing.T) { t.Skip(\"no moon\") }\n",
		"torn/a_test.go": "package torn\nfunc TestD(t *testing.T) {}\n",
		"empty/a.go":     "package empty\n",
	})
	run := func(pattern string) (result, string) {
		var out strings.Builder
		res := (&runner{out: &out}).goTest(context.Background(), nil, []string{pattern})
		return res, out.String()
	}

	res, out := run("./good")
	if res.err != nil || res.tests != (counts{passed: 2}) || !strings.HasPrefix(out, "ok  \texample.org/m/good\t") {
		t.Errorf("good: %+v\n%s", res, out)
	}
	res, out = run("./bad")
	if res.err == nil || res.tests != (counts{failed: 1}) || !strings.Contains(out, "two is not three") || !strings.Contains(out, "FAIL\texample.org/m/bad") {
		t.Errorf("bad: %+v\n%s", res, out)
	}
	res, out = run("./skip")
	if want := []string{"example.org/m/skip TestC: no moon"}; res.err != nil || res.tests != (counts{skipped: 1}) || !slices.Equal(res.skips, want) {
		t.Errorf("skip: %+v\n%s", res, out)
	}
	if res, out = run("./torn"); res.err == nil || !strings.Contains(out, "undefined: testing") {
		t.Errorf("torn: %+v\n%s", res, out)
	}
	if res, out = run("./empty"); res.err == nil || !strings.Contains(res.err.Error(), "no test ran") {
		t.Errorf("empty: %+v\n%s", res, out)
	}
}

func TestPackagesForReal(t *testing.T) {
	module(t, map[string]string{
		"a/a.go":      "package a\nfunc A() { go func() {}() }\n",
		"a/a_test.go": "package a\nimport \"testing\"\nfunc FuzzIn(f *testing.F) {}\nfunc FuzzyThing(i int) {}\n",
		"a/x_test.go": "package a_test\nimport \"testing\"\nfunc FuzzOut(f *testing.F) {}\nfunc TestX(t *testing.T) {}\n",
		"b/b.go":      "package b\n",
		"b/b_test.go": "package b\nfunc f() { go f() }\n",
		"d/d.go":      "package d\nimport \"sync\"\nfunc D() { var g sync.WaitGroup; g.Go(func() {}) }\n",
		"d/d_test.go": "package d\n",
		"c/c.go":      "package c\nfunc C() { go C() }\n", // starts a goroutine but has no test
	})
	pkgs, err := list(context.Background(), "", []string{"./..."})
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(here, "a")
	want := []target{{"example.org/m/a", dir, "FuzzIn"}, {"example.org/m/a", dir, "FuzzOut"}}
	if got := fuzzTargets(pkgs); !slices.Equal(got, want) {
		t.Errorf("fuzz targets %v, want %v", got, want)
	}
	if got := concurrent(pkgs); !slices.Equal(got, []string{"example.org/m/a", "example.org/m/d"}) {
		t.Errorf("packages for the race detector: %v", got)
	}
	got, err := mentioning(pkgs, "FuzzOut")
	if err != nil || !slices.Equal(got, []string{"example.org/m/a"}) {
		t.Errorf("packages that mention FuzzOut: %v, %v", got, err)
	}
	if _, err := list(context.Background(), "", []string{"./nowhere"}); err == nil {
		t.Error("a pattern that matches nothing is not an error")
	}
}

func TestFuzzForReal(t *testing.T) {
	module(t, map[string]string{
		"a/a_test.go": "package a\nimport \"testing\"\nfunc FuzzGood(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, i int) {}) }\n" +
			"func FuzzBad(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, i int) { t.Error(\"always\") }) }\n",
	})
	var out strings.Builder
	res := fuzz(context.Background(), &runner{out: &out, pkgs: []string{"./..."}, fuzzTime: 100 * time.Millisecond})
	if res.err == nil || !strings.Contains(res.err.Error(), "FuzzBad") || res.tests != (counts{passed: 1, failed: 1}) {
		t.Errorf("%+v\n%s", res, out.String())
	}
	if !strings.Contains(out.String(), "FuzzGood: execs: ") {
		t.Errorf("the good target has no progress line:\n%s", out.String())
	}
}

func TestFormat(t *testing.T) {
	module(t, map[string]string{
		"good.go":               "package m\n",
		"bad.go":                "package m\nvar   x = 1\n",
		"torn.go":               "package\n",
		"testdata/untouched.go": "package   x\n",
	})
	files, err := formatFiles(".")
	if err != nil {
		t.Fatal(err)
	}
	bad, err := unformatted(files)
	if err != nil || len(bad) != 2 || bad[0] != "bad.go" || !strings.HasPrefix(bad[1], "torn.go: ") {
		t.Errorf("%q, %v", bad, err)
	}
}

func TestMissingPartsFailOnlyInCI(t *testing.T) {
	if res := (&runner{}).missing("no moon"); res.err != nil || !res.nothing || !slices.Equal(res.skips, []string{"no moon"}) {
		t.Errorf("local: %+v", res)
	}
	if res := (&runner{ci: true}).missing("no moon"); res.err == nil {
		t.Errorf("CI: %+v", res)
	}
}

func TestNeededParts(t *testing.T) {
	t.Setenv("CLICKHOUSE_ADDR", "")
	names := func(ps []part) (n []string) {
		for _, p := range ps {
			n = append(n, p.program)
		}
		return n
	}
	for _, c := range []struct {
		source  string
		browser bool
		want    string
	}{
		{`nothing`, false, "gcc git"},
		{`exec.LookPath("bgpdump")`, false, "bgpdump gcc git"},
		{`// like bgpdump prints`, false, "gcc git"},
		{``, true, "chromium gcc git npm"},
		{`srv := clickhousetest.Start(t)`, false, "gcc git npm"},
	} {
		if strings.Contains(c.want, "npm") && !c.browser && (runtime.GOOS != "linux" || runtime.GOARCH != "amd64") {
			continue // there is no engine for it
		}
		if got := strings.Join(names(needed([]string{c.source}, c.browser)), " "); got != c.want {
			t.Errorf("%q: needs %s, want %s", c.source, got, c.want)
		}
	}
	if got, want := describe(parts[:1]), "bgpdump (Debian: bgpdump)"; got != want {
		t.Errorf("describe: %q", got)
	}
}

func TestSummary(t *testing.T) {
	rows := []row{
		{"format", 400 * time.Millisecond, result{}},
		{"unit", 90 * time.Second, result{tests: counts{passed: 10, skipped: 2}, skips: []string{"a TestA: no moon", "a TestA: no moon"}}},
		{"fuzz", time.Second, result{err: errors.New("x"), tests: counts{passed: 1, failed: 1}}},
		{"vulnerabilities", 0, result{nothing: true, skips: []string{"govulncheck: no database"}}},
	}
	const want = `
stage             seconds  result        tests skipped
format                0.4  ok
unit                 90.0  ok               10       2
fuzz                  1.0  FAILED            2       0
vulnerabilities       0.0  did not run
all                 130.0
over the budget of 120 s

did not run:
  a TestA: no moon
  govulncheck: no database

tests: 11 passed, 1 failed, 2 skipped
`
	var out strings.Builder
	if summarize(&out, rows, 130*time.Second, 2*time.Minute) {
		t.Error("a failed stage counts as success")
	}
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
	if !summarize(&out, rows[:2], 0, 0) {
		t.Error("skips count as failure")
	}
}

// TestRunAllGoesOn checks that a failure does not hide the stages after it.
func TestRunAllGoesOn(t *testing.T) {
	var ran []string
	step := func(name string, err error) stage {
		return stage{name, func(context.Context, *runner) result {
			ran = append(ran, name)
			return result{err: err}
		}}
	}
	var out strings.Builder
	ok := (&runner{out: &out}).runAll(context.Background(), tier{stages: []stage{step("a", errors.New("a is broken")), step("b", nil)}})
	if ok || !slices.Equal(ran, []string{"a", "b"}) || !strings.Contains(out.String(), "a is broken") {
		t.Errorf("ok=%v ran=%v\n%s", ok, ran, out.String())
	}
}

func TestTail(t *testing.T) {
	if got := tail("1\n2\n3\n", 2); got != "(1 lines above left out)\n2\n3" {
		t.Errorf("%q", got)
	}
	if got := tail("1\n2\n", 2); got != "1\n2" {
		t.Errorf("%q", got)
	}
}

func TestErrorsThatAreNotFindings(t *testing.T) {
	if !unreachable("govulncheck: fetching vulnerabilities: Get …: no such host") || unreachable("Vulnerability #1: GO-2026-0001") {
		t.Error("unreachable database not told from a finding")
	}
	if !deadlineOnly("--- FAIL: FuzzX\n    context deadline exceeded") || deadlineOnly("context deadline exceeded\nFailing input written to testdata") {
		t.Error("the deadline is not told from a crasher")
	}
}

// TestPlaceEngine: only what has the pinned digest gets into its place, and tests look for it there.
func TestPlaceEngine(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	if err := os.WriteFile(from, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := placeEngine(from, engineSHA256, to); err == nil || !strings.Contains(err.Error(), "it is not used") {
		t.Errorf("another file: %v", err)
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("another file is in the place of the engine")
	}
	// SHA-256 of "abc": FIPS 180-2, appendix B.1.
	if err := placeEngine(from, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", to); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(filepath.FromSlash("../../store/clickhouse/clickhousetest/root.go"))
	if err != nil || !strings.Contains(string(text), `"`+engineFile+`"`) {
		t.Errorf("tests look for the engine elsewhere than in %s: %v", engineFile, err)
	}
	if !strings.Contains(engineFile, strings.SplitN(strings.SplitN(enginePackage, "@", 3)[2], "-", 2)[0]) {
		t.Errorf("%s is not %s", engineFile, enginePackage)
	}
}

package archtest

import (
	"strings"
	"testing"
)

// pk builds a package by hand: its imports, which are its closure too.
func pk(name string, imports ...string) goPackage {
	p := goPackage{ImportPath: module + "/" + name, Name: name[strings.LastIndexByte(name, '/')+1:]}
	for _, i := range imports {
		i = strings.Replace(i, "~", module, 1)
		p.Imports, p.Deps = append(p.Imports, i), append(p.Deps, i)
	}
	return p
}

// deep is pk with imports that are reached only through others.
func deep(name string, closure ...string) goPackage {
	p := pk(name, closure...)
	p.Imports = nil
	return p
}

func inTest(name, imp string) goPackage {
	p := pk(name)
	p.TestImports = []string{strings.Replace(imp, "~", module, 1)}
	return p
}

// TestImportRules holds, for every rule, what it must refuse (with words of the refusal) and what it must let pass.
func TestImportRules(t *testing.T) {
	for _, c := range []struct {
		name   string
		pkg    goPackage
		refuse string // "" = must pass
	}{
		// Never 1: the vocabularies.
		{"root with third party", deep("bgp", "github.com/rs/zerolog"), "no third party"},
		{"root with ours", pk("detect", "~/bgp"), "leaf"},
		{"root with a socket", pk("probes", "net"), "pure"},
		{"root with a logger", pk("entity", "log/slog"), "pure"},
		{"root with files", pk("detect", "os"), "pure"},
		{"root with chance", pk("detect", "math/rand/v2"), "pure"},
		{"root with addresses", pk("bgp", "net/netip", "net/url", "time", "io/fs"), ""},
		{"entity may speak of prefixes", pk("entity", "~/bgp"), ""},
		{"entity and the detector", pk("entity", "~/detect"), "leaf"},
		{"samples are pure", pk("detect/signal", "net/http"), "pure"},
		// Never 2: one place for each foreign library.
		{"gobgp in the decoder", pk("bgp/wire", "github.com/osrg/gobgp/v3/pkg/packet/bgp"), "only bgp/peering"},
		{"gobgp in peering", pk("bgp/peering", "github.com/osrg/gobgp/v3/pkg/packet/bgp"), ""},
		{"gobgp as an oracle", inTest("bgp/wire", "github.com/osrg/gobgp/v3/pkg/packet/bgp"), ""},
		{"ch-go outside its store", pk("web", "github.com/ClickHouse/ch-go/proto"), "only store/clickhouse"},
		{"ch-go in its store", pk("store/clickhouse", "github.com/ClickHouse/ch-go"), ""},
		{"the test server's loader in the store", pk("store/clickhouse", "github.com/ebitengine/purego"), "only store/clickhouse/clickhousetest/engine"},
		{"the test server in a program", deep("cmd/corewatch", "~/store/clickhouse/clickhousetest"), "no part of a program"},
		{"sqlite outside its store", pk("internal/app", "modernc.org/sqlite"), "only store/sqlite"},
		{"sqlite in another's test", inTest("detect/eval", "modernc.org/sqlite"), "only store/sqlite"},
		{"kong outside cmd", pk("internal/app", "github.com/alecthomas/kong"), "only cmd"},
		{"kong in cmd", pk("cmd/corewatch", "github.com/alecthomas/kong"), ""},
		{"an unlisted module", pk("bgp/mrt", "example.org/new"), "no package may"},
		{"an unlisted module in a test", inTest("bgp/mrt", "example.org/new"), "in its tests"},
		{"a logger in the engine's samples", pk("detect/signal", "github.com/rs/zerolog"), "may"},
		// Never 3: which way things flow.
		{"detector and stores", deep("detect/eval", "~/store/sqlite"), "nothing of what is done"},
		{"detector and alerts", deep("detect/signal", "~/alerts"), "nothing of what is done"},
		{"alerts and routes", deep("alerts/mail", "~/bgp/mrt"), "not routes"},
		{"alerts and stores", deep("alerts", "~/store/sqlite"), "not routes"},
		{"alerts and incidents", pk("alerts", "~/detect", "~/entity"), ""},
		{"a source that interprets", deep("bgp/bmp", "~/bgp/visibility"), "does not interpret"},
		{"a source that judges", deep("bgp/rislive", "~/detect"), "does not interpret"},
		{"a source", pk("bgp/bmp", "~/bgp", "~/bgp/wire", "net", "github.com/rs/zerolog"), ""},
		{"signals and mrt", pk("detect/signal", "~/bgp/mrt"), "may use only"},
		{"signals", pk("detect/signal", "~/bgp", "~/bgp/visibility", "~/entity", "~/detect"), ""},
		// Never 4: evidence stands alone.
		{"evidence with ours", deep("evidence", "~/bgp"), "leaf"},
		{"evidence with a logger", deep("evidence", "github.com/rs/zerolog"), "no third party"},
		{"evidence with sumdb", pk("evidence", "golang.org/x/mod/sumdb/note"), ""},
		{"verifier with the detector", deep("cmd/corewatch-verify", "~/detect"), "may use only"},
		{"verifier", pk("cmd/corewatch-verify", "~/evidence", "~/evidence/tsa"), ""},
		// Never 5: the agent.
		{"agent with gobgp", deep("cmd/corewatch-agent", "github.com/osrg/gobgp/v3/pkg/packet/bgp"), "small"},
		{"agent with ch-go", deep("cmd/corewatch-agent", "github.com/ClickHouse/ch-go/proto"), "small"},
		{"agent with sqlite", deep("cmd/corewatch-agent", "modernc.org/sqlite/lib"), "small"},
		{"agent that judges", deep("cmd/corewatch-agent", "~/detect/signal"), "never judges"},
		{"agent", pk("cmd/corewatch-agent", "~/probes", "~/probes/agent"), ""},
		// Never 6: adapters and the wiring.
		{"store and store", deep("store/sqlite", "~/store/clickhouse"), "no adapter"},
		{"channel and channel", deep("alerts/mail", "~/alerts/webhook"), "no adapter"},
		{"pages and a store", deep("web", "~/store/sqlite"), "no adapter"},
		{"a source and another", deep("bgp/openbmp", "~/bgp/rislive"), "no adapter"},
		{"an adapter and its own part", deep("store/sqlite", "~/store/sqlite/schema"), ""},
		{"wiring from a domain", pk("web", "~/internal/app"), "only cmd"},
		{"wiring from a test", inTest("web", "~/internal/app"), "only cmd"},
		{"wiring from its own test", inTest("internal/app", "~/internal/app"), ""},
		{"wiring from cmd", pk("cmd/corewatch", "~/internal/app"), ""},
		// Names, and testing in the product.
		{"a drawer for everything", pk("internal/util"), "names no job"},
		{"a drawer below", pk("bgp/types/peer"), "names no job"},
		{"testing in the product", pk("bgp/mrt", "testing"), "outside its tests"},
		{"testing in a test kit", pk("detect/schematest", "testing"), ""},
	} {
		got := strings.Join(checkImports([]goPackage{c.pkg}), "\n")
		switch {
		case c.refuse == "" && got != "":
			t.Errorf("%s: must pass, was refused: %s", c.name, got)
		case c.refuse != "" && !strings.Contains(got, c.refuse):
			t.Errorf("%s: must be refused with %q, got %q", c.name, c.refuse, got)
		}
	}
}

// TestSourceRules gives each rule about code something to refuse and something to pass.
func TestSourceRules(t *testing.T) {
	for _, c := range []struct {
		name, path, text string
		refuse           string
	}{
		{"the clock", "detect/a.go", "package detect\nimport \"time\"\nvar t = time.Now()\n", "detect/a.go:3: time.Now"},
		{"the clock as a value", "bgp/a.go", "package bgp\nimport \"time\"\nvar now = time.Now\n", "time.Now"},
		{"the clock by another name", "bgp/a.go", "package bgp\nimport clk \"time\"\nvar t = clk.Since\n", "time.Since"},
		{"the clock without a name", "bgp/a.go", "package bgp\nimport . \"time\"\nvar t = Now()\n", "dot import"},
		{"a goroutine", "entity/a.go", "package entity\nfunc f() { go f() }\n", "entity/a.go:2: go statement"},
		{"time as data", "detect/a.go", "package detect\nimport \"time\"\nvar d = time.Duration(3)\nvar t = time.Unix(1, 0)\n", ""},
		{"another thing called Now", "detect/a.go", "package detect\nvar clock struct{ Now int }\nvar t = clock.Now\n", ""},
		{"the clock in a test", "detect/a_test.go", "package detect\nimport \"time\"\nvar t = time.Now()\n", ""},
		{"the clock elsewhere", "bgp/collect/a.go", "package collect\nimport \"time\"\nvar t = time.Now()\nfunc f() { go f() }\n", ""},

		{"a bare function", "a/a.go", "package a\nfunc F() {}\n", "a/a.go:2: F has no comment"},
		{"a bare method", "a/a.go", "package a\n// T is.\ntype T[K any] int\nfunc (t *T[K]) M() {}\n", "T.M has no comment"},
		{"a bare type", "a/a.go", "package a\ntype T int\n", "T has no comment"},
		{"a bare constant", "a/a.go", "package a\nconst C = 1\n", "C has no comment"},
		{"a bare variable in a group", "a/a.go", "package a\nvar (\n\tx = 1\n\tV = 2\n)\n", "a/a.go:4: V has no comment"},
		{"a group with a comment", "a/a.go", "package a\n// The kinds.\nconst (\n\tA = 1\n\tB = 2\n)\n", ""},
		{"a comment at the end of the line", "a/a.go", "package a\nvar V = 2 // why\n", ""},
		{"an empty comment", "a/a.go", "package a\n//\nfunc F() {}\n", "F has no comment"},
		{"a directive is no comment", "a/a.go", "package a\n\n//go:noinline\nfunc F() {}\n", "F has no comment"},
		{"unexported things", "a/a.go", "package a\nfunc f() {}\ntype t int\nfunc (t) M() {}\n", ""},
		{"a command", "cmd/a/a.go", "package main\nfunc F() {}\n", ""},
		{"generated code", "a/a.go", "// Code generated by x. DO NOT EDIT.\n\npackage a\nfunc F() {}\n", ""},
	} {
		s, err := parse(c.path, c.text)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got := strings.Join(append(checkPure(s), checkDocs(s)...), "\n")
		if c.refuse == "" && got != "" || !strings.Contains(got, c.refuse) {
			t.Errorf("%s: want %q, got %q", c.name, c.refuse, got)
		}
	}
}

func TestPackageCommentRule(t *testing.T) {
	sources := func(texts ...string) (all []source) {
		for i, text := range texts {
			s, err := parse("a/f"+itoa(i)+".go", text)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		return all
	}
	if got := checkPackageDocs(sources("package a\n", "package a\n")); len(got) != 1 {
		t.Errorf("a package without a comment: %q", got)
	}
	if got := checkPackageDocs(sources("package a\n", "// Package a is.\npackage a\n")); got != nil {
		t.Errorf("one comment is enough: %q", got)
	}
}

// TestMarkRule puts its needles together so that this file does not hold them.
func TestMarkRule(t *testing.T) {
	here := "/wo" + "rk/"
	for _, c := range []struct {
		name, file, text string
		refuse           bool
	}{
		{"a path at the start", "a.md", here + "main\n", true},
		{"a path in quotes", "a.go", "x := \"" + here + "data\"\n", true},
		{"a path on the last line", "a.sh", "one\ntwo " + here + "x", true},
		{"a scratch path", "a.md", "see /tm" + "p/bash_jobs.0/1\n", true},
		{"a registry", "a.yaml", "https://registry.npm" + "js.org/x\n", true},
		{"a registry in a lock file", "web/browsertest/package-lock.json", "https://registry.npm" + "js.org/x\n", false},
		{"a folder on the way", "a.md", "docs" + here + "x, https://example.org" + here + "x\n", false},
		{"a word", "a.md", "network/works\n", false},
		{"a binary file", "a.bin", "\x00" + here + "main\n", false},
	} {
		if got := checkMarks(c.file, []byte(c.text)); (len(got) > 0) != c.refuse {
			t.Errorf("%s: refused %v, want %v: %q", c.name, len(got) > 0, c.refuse, got)
		}
	}
}

func TestDependencyRule(t *testing.T) {
	requires := []requirement{
		{Path: "example.org/called-direct"},
		{Path: "example.org/called-indirect", Indirect: true},
		{Path: "example.org/truly-indirect", Indirect: true},
		{Path: "example.org/in-test/v2", Indirect: true},
	}
	pkgs := []goPackage{pk("a", "example.org/called-indirect/sub"), inTest("b", "example.org/in-test/v2")}
	got := strings.Join(directModules(requires, pkgs), " ")
	if want := "example.org/called-direct example.org/called-indirect example.org/in-test/v2"; got != want {
		t.Errorf("direct: %s, want %s", got, want)
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"bgp", "bgp", true},
		{"bgp", "bgp/wire", false},
		{"bgp/*", "bgp", false},
		{"bgp/*", "bgp/wire", true},
		{"bgp/*", "bgpx/wire", false},
		{"detect/...", "detect", true},
		{"detect/...", "detect/eval", true},
		{"detect/...", "detector", false},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("matches(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
	if thirdParty("net/http") || thirdParty(module+"/bgp") || !thirdParty("modernc.org/sqlite") {
		t.Error("thirdParty tells modules apart wrongly")
	}
}

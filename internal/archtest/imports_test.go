package archtest

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// mayImport lists every outside module and the packages whose code may import it. A module that is not listed may not be
// imported at all: adding one is a decision that belongs in a commit of its own. Tests may use gobgp anywhere as an oracle.
var mayImport = map[string][]string{
	"github.com/osrg/gobgp/v3":                {"bgp/peering"},
	"github.com/ClickHouse/ch-go":             {"store/clickhouse/..."},
	"github.com/ebitengine/purego":            {"store/clickhouse/clickhousetest/engine"}, // a server for tests
	"modernc.org/sqlite":                      {"store/sqlite/..."},
	"github.com/alecthomas/kong":              {"cmd/*"},
	"github.com/goccy/go-yaml":                {"internal/conf", "internal/app", "detect/eval", "entity/*"},
	"github.com/gaissmai/bart":                {"bgp/visibility", "detect/signal", "entity/*"},
	"github.com/klauspost/compress":           {"bgp/*", "store/*", "probes/*", "evidence/export", "internal/*"},
	"github.com/prometheus/client_golang":     adapters,
	"github.com/prometheus/client_model":      adapters,
	"github.com/rs/zerolog":                   adapters,
	"github.com/coder/websocket":              {"bgp/rislive"},
	"github.com/miekg/dns":                    {"probes/*"},
	"github.com/beevik/ntp":                   {"probes/*", "internal/clock"},
	"github.com/quic-go/quic-go":              {"probes/*"},
	"filippo.io/age":                          {"probes/*"},
	"golang.org/x/net":                        {"probes/*"},
	"golang.org/x/sys":                        {"bgp/peering", "bgp/bmp", "probes/*", "internal/*"},
	"golang.org/x/mod":                        {"evidence/...", "cmd/corewatch-verify"},
	"github.com/oschwald/maxminddb-golang/v2": {"entity/*"},
	"github.com/transparency-dev/tessera":     {"evidence/ledger"},
	"k8s.io/klog/v2":                          {"evidence/ledger"}, // tessera logs through it: taken so that nothing goes to standard error
	"github.com/digitorus/timestamp":          {"evidence/tsa"},
	"github.com/wneessen/go-mail":             {"alerts/*"},
	"github.com/emersion/go-msgauth":          {"alerts/*"},
	"github.com/fogleman/gg":                  {"web/...", "alerts/*"},
	"golang.org/x/image":                      {"web/...", "alerts/*"},
}

// adapters are the packages that may log and count: never a vocabulary, never the pure engine, never the evidence format.
var adapters = []string{"bgp/*", "probes/*", "alerts/*", "store/*", "web/...", "internal/*", "cmd/*", "evidence/ledger"}

// oracles are modules that any test may import.
var oracles = []string{"github.com/osrg/gobgp/v3"}

// pure are the packages that must give the same answer for the same input for ever: the vocabularies, and the chain from
// bytes to samples that a replay goes through.
var pure = []string{"bgp", "probes", "detect", "entity", "bgp/wire", "bgp/visibility", "detect/signal", "detect/cause"}

// roots are the vocabularies: no third party, and nothing of ours but what is listed.
var roots = map[string][]string{
	"bgp":      nil,
	"probes":   nil,
	"detect":   nil,
	"entity":   {"bgp", "entity/internal/..."},
	"evidence": nil,
}

// notPure are standard packages a pure package does not import: they reach outside, wait, log, or answer at random.
var notPure = []string{
	"net", "net/http/...", "net/rpc/...", "net/smtp", "net/textproto", "log/...", "os/...", "syscall/...", "database/sql/...",
	"expvar", "plugin", "math/rand/...", "crypto/rand", "crypto/tls", "io/ioutil",
}

// sources are the packages that receive; each knows one technology and nothing about what its messages mean.
var sources = []string{"bgp/wire", "bgp/mrt", "bgp/rislive", "bgp/bmp", "bgp/peering", "bgp/archive", "bgp/openbmp"}

// neverIn are closure rules: whatever `in` imports, directly or not, holds none of `never`.
var neverIn = []struct {
	in, never []string
	why       string
}{
	{[]string{"detect/..."}, []string{"alerts/...", "evidence/...", "store/...", "web/..."}, "the detector knows nothing of what is done with its verdicts"},
	{[]string{"alerts/..."}, []string{"bgp/*", "store/..."}, "alerts know incidents, not routes, and reach stores through their own interfaces"},
	{sources, []string{"bgp/visibility", "detect/..."}, "a source delivers, it does not interpret"},
	{[]string{"cmd/corewatch-agent"}, []string{"detect/..."}, "the agent measures and never judges"},
	{[]string{"cmd/..."}, []string{"store/clickhouse/clickhousetest/..."}, "a server for tests is no part of a program"},
}

// neverModules are closure rules about outside modules.
var neverModules = []struct {
	in      string
	modules []string
	why     string
}{
	{"cmd/corewatch-agent", []string{"github.com/osrg/gobgp", "github.com/ClickHouse/ch-go", "modernc.org/sqlite", "github.com/transparency-dev/tessera"}, "the agent is small"},
	{"cmd/corewatch-verify", []string{"github.com/transparency-dev/tessera", "k8s.io/klog/v2"}, "the verifier can be read in an hour"},
}

// onlyOurs bounds what of ours a package's closure may hold.
var onlyOurs = map[string][]string{
	"cmd/corewatch-verify": {"evidence", "evidence/tsa"},
	"evidence/tsa":         {"evidence"},
	"detect/signal":        {"bgp", "bgp/visibility", "entity", "entity/internal/...", "detect"},
	"bgp/wire":             {"bgp"},
	"bgp/mrt":              {"bgp", "bgp/wire"},
}

// adapterFamilies: two packages matched by these patterns are two adapters, and none may reach another.
var adapterFamilies = []string{
	"bgp/rislive", "bgp/bmp", "bgp/peering", "bgp/archive", "bgp/openbmp", "store/*", "alerts/*", "evidence/tsa", "evidence/ledger", "web",
}

// adapterOf is the adapter a package belongs to: "store/sqlite/x" belongs to "store/sqlite".
func adapterOf(name string) string {
	for _, f := range adapterFamilies {
		if base, ok := strings.CutSuffix(f, "/*"); ok {
			if rest, ok := strings.CutPrefix(name, base+"/"); ok {
				child, _, _ := strings.Cut(rest, "/")
				return base + "/" + child
			}
		} else if matches(f+"/...", name) {
			return f
		}
	}
	return ""
}

// moduleOf is the listed module that an import path belongs to, or "".
func moduleOf(importPath string) (found string) {
	for m := range mayImport {
		if (importPath == m || strings.HasPrefix(importPath, m+"/")) && len(m) > len(found) {
			found = m
		}
	}
	return found
}

// checkImports applies every import rule to the packages and returns what is wrong, sorted.
func checkImports(pkgs []goPackage) (bad []string) {
	say := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	for _, p := range pkgs {
		checkDirect(p, say)
		checkClosure(p, say)
		checkNames(p, say)
	}
	slices.Sort(bad)
	return slices.Compact(bad)
}

// checkDirect looks at what the package's own files import.
func checkDirect(p goPackage, say func(string, ...any)) {
	name := p.name()
	for _, imp := range p.Imports {
		if thirdParty(imp) {
			m := moduleOf(imp)
			if m == "" {
				say("%s imports %s: no package may; see mayImport in internal/archtest", name, imp)
			} else if !matchesAny(mayImport[m], name) {
				say("%s imports %s: only %s may", name, imp, strings.Join(mayImport[m], ", "))
			}
		}
		if imp == "testing" && !strings.HasSuffix(p.Name, "test") {
			say("%s imports testing outside its tests", name)
		}
		if slices.Contains(pure, name) && matchesAny(notPure, imp) {
			say("%s imports %s: it is pure and must not reach outside", name, imp)
		}
		if dep, ok := ours(imp); ok && dep == "internal/app" && !matches("cmd/*", name) {
			say("%s imports internal/app: only cmd may", name)
		}
	}
	for _, imp := range slices.Concat(p.TestImports, p.XTestImports) {
		m := moduleOf(imp)
		if thirdParty(imp) && !slices.Contains(oracles, m) && (m == "" || !matchesAny(mayImport[m], name)) {
			say("%s imports %s in its tests: only %s may", name, imp, strings.Join(mayImport[m], ", "))
		}
		if dep, ok := ours(imp); ok && dep == "internal/app" && !matches("cmd/*", name) && name != dep {
			say("%s imports internal/app in its tests: only cmd may", name)
		}
	}
}

// checkClosure looks at everything the package is linked with.
func checkClosure(p goPackage, say func(string, ...any)) {
	name := p.name()
	allowed, isRoot := roots[name]
	for _, dep := range p.Deps {
		if isRoot && thirdParty(dep) && (name != "evidence" || !strings.HasPrefix(dep, "golang.org/x/mod/")) {
			say("%s depends on %s: a vocabulary has no third party", name, dep)
		}
		for _, r := range neverModules {
			if name == r.in && slices.ContainsFunc(r.modules, func(m string) bool { return strings.HasPrefix(dep, m) }) {
				say("%s depends on %s: %s", name, dep, r.why)
			}
		}
		of, ok := ours(dep)
		if !ok {
			continue
		}
		if isRoot && !matchesAny(allowed, of) {
			say("%s depends on %s: a vocabulary is a leaf", name, of)
		}
		if only, ok := onlyOurs[name]; ok && !matchesAny(only, of) {
			say("%s depends on %s: of ours it may use only %s", name, of, strings.Join(only, ", "))
		}
		if a, b := adapterOf(name), adapterOf(of); a != "" && b != "" && a != b {
			say("%s depends on %s: no adapter imports another adapter", name, of)
		}
		for _, r := range neverIn {
			if matchesAny(r.in, name) && matchesAny(r.never, of) {
				say("%s depends on %s: %s", name, of, r.why)
			}
		}
	}
}

// noJob are names that say nothing about what a package is for, and so collect everything.
var noJob = []string{"util", "utils", "common", "helper", "helpers", "type", "types", "model", "models", "misc", "base", "shared"}

func checkNames(p goPackage, say func(string, ...any)) {
	for element := range strings.SplitSeq(p.name(), "/") {
		if slices.Contains(noJob, element) {
			say("%s: %q names no job", p.name(), element)
		}
	}
	if slices.Contains(noJob, p.Name) {
		say("%s: package %q names no job", p.name(), p.Name)
	}
}

// maxDirect bounds the direct dependencies of go.mod.
const maxDirect = 25

// requirement is one line of go.mod's require blocks, as `go mod edit -json` gives it.
type requirement struct {
	Path     string
	Indirect bool
}

// directModules is every module that our code or tests import, whatever the comments in go.mod say, and those that go.mod
// itself calls direct.
func directModules(requires []requirement, pkgs []goPackage) (direct []string) {
	for _, r := range requires {
		imported := slices.ContainsFunc(pkgs, func(p goPackage) bool {
			return slices.ContainsFunc(slices.Concat(p.Imports, p.TestImports, p.XTestImports), func(imp string) bool {
				return imp == r.Path || strings.HasPrefix(imp, r.Path+"/")
			})
		})
		if imported || !r.Indirect {
			direct = append(direct, path.Clean(r.Path))
		}
	}
	return direct
}

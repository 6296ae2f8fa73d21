package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// part is a program that some test or stage runs for real, and the Debian packages that bring it.
type part struct {
	program string
	debian  []string
}

// browserDir holds what the browser tests of the pages need from npm.
const browserDir = "web/browsertest"

// parts is every real part there is. One is needed when a Go test names it in quotes, so a new real-part test adds a line
// here and nothing else.
var parts = []part{
	{"bgpdump", []string{"bgpdump"}},
	{"aiosmtpd", []string{"python3-aiosmtpd"}},
	{"bird", []string{"bird2"}},
	{"chromium", []string{"chromium"}},
	{"dkimverify", []string{"python3-dkim"}},
	{"exabgp", []string{"exabgp"}},
	{"gcc", []string{"gcc", "libc6-dev"}},
	{"git", []string{"git"}},
	{"ip", []string{"iproute2"}},
	{"npm", []string{"npm"}},
	{"openssl", []string{"openssl"}},
	{"prometheus-alertmanager", []string{"prometheus-alertmanager"}},
	{"python3", []string{"python3"}},
	{"ssh-keygen", []string{"openssh-client"}},
	{"unzip", []string{"unzip"}},
	{"vtysh", []string{"frr"}},
}

// needed picks the parts that tests name, the compiler of the race detector, git for the clean clone, and what browser tests need.
func needed(testSources []string, browserTests bool) (want []part) {
	for _, p := range parts {
		named := regexp.MustCompile(`"` + regexp.QuoteMeta(p.program) + `"`)
		if p.program == "gcc" || p.program == "git" ||
			browserTests && (p.program == "npm" || p.program == "chromium") ||
			p.program == "npm" && wantsEngine(testSources) ||
			slices.ContainsFunc(testSources, named.MatchString) {
			want = append(want, p)
		}
	}
	return want
}

// install brings what is missing: Debian packages when this is root on Debian, npm packages of the browser tests.
func install(ctx context.Context, r *runner) result {
	sources, err := testSources(".")
	if err != nil {
		return result{err: err}
	}
	_, statErr := os.Stat(filepath.Join(browserDir, "package-lock.json"))
	browserTests := statErr == nil
	missing := lacking(needed(sources, browserTests))
	if len(missing) > 0 {
		if why := cannotInstall(); why != "" {
			fmt.Fprintln(r.out, why)
		} else if err := aptInstall(ctx, r, missing); err != nil {
			fmt.Fprintln(r.out, err)
		}
		missing = lacking(missing)
	}
	var res result
	if len(missing) > 0 {
		res = r.missing("install: missing " + describe(missing))
	}
	if wantsEngine(sources) && res.err == nil {
		if err := installEngine(ctx, r); err != nil {
			fmt.Fprintln(r.out, err)
			res = merge(res, r.missing("install: the ClickHouse engine ("+enginePackage+") could not be installed"))
		}
	}
	if browserTests && res.err == nil {
		fmt.Fprintln(r.out, "npm ci in "+browserDir)
		if err := quiet(ctx, browserDir, nil, "npm", "ci", "--no-audit", "--no-fund"); err != nil {
			fmt.Fprintln(r.out, err)
			res = merge(res, r.missing("install: npm ci in "+browserDir+" failed"))
		}
	}
	return res
}

// merge keeps what both say.
func merge(a, b result) result {
	return result{err: errors.Join(a.err, b.err), nothing: a.nothing || b.nothing, skips: slices.Concat(a.skips, b.skips)}
}

// testSources reads every Go test file below root.
func testSources(root string) (sources []string, err error) {
	files, err := formatFiles(root)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		// The tests of this package name every part without running one.
		if !strings.HasSuffix(f, "_test.go") || strings.HasPrefix(filepath.ToSlash(f), "internal/stages/") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", f, err)
		}
		sources = append(sources, string(b))
	}
	return sources, nil
}

func lacking(want []part) (missing []part) {
	for _, p := range want {
		if _, err := exec.LookPath(p.program); err != nil {
			missing = append(missing, p)
		}
	}
	return missing
}

// describe is the exact list a person has to install: "bgpdump (Debian: bgpdump), gcc (Debian: gcc libc6-dev)".
func describe(missing []part) string {
	var words []string
	for _, p := range missing {
		words = append(words, fmt.Sprintf("%s (Debian: %s)", p.program, strings.Join(p.debian, " ")))
	}
	return strings.Join(words, ", ")
}

// cannotInstall says why packages cannot be installed here, or "".
func cannotInstall() string {
	if _, err := os.Stat("/etc/debian_version"); err != nil {
		return "not a Debian system: nothing is installed"
	}
	if os.Geteuid() != 0 {
		return "not root: nothing is installed"
	}
	return ""
}

// aptInstall installs without starting any daemon: RUNLEVEL=1 tells invoke-rc.d that nothing runs at this level.
func aptInstall(ctx context.Context, r *runner, missing []part) error {
	args := []string{"install", "-y", "--no-install-recommends"}
	for _, p := range missing {
		args = append(args, p.debian...)
	}
	env := []string{"RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive"}
	fmt.Fprintln(r.out, "apt-get update")
	if err := quiet(ctx, "", env, "apt-get", "update"); err != nil {
		return err
	}
	fmt.Fprintln(r.out, "apt-get "+strings.Join(args, " "))
	return quiet(ctx, "", env, "apt-get", args...)
}

package app

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/evidence"
)

// program finds a program that a reader of a bundle would use. Without it the test says what did not run; on CI that is a failure.
func program(t *testing.T, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed: %v", name, err)
		}
		t.Skipf("%s is not installed: what it says about a bundle was not checked", name)
	}
	return p
}

// says runs a program in a folder and wants words of its output.
func says(t *testing.T, dir, stdin, want, name string, args ...string) {
	t.Helper()
	c := exec.Command(program(t, name), args...)
	c.Dir = dir
	if stdin != "" {
		f, err := os.Open(filepath.Join(dir, stdin))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		c.Stdin = f
	}
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%s %v: %v, want %q in\n%.2000s", name, args, err, want, out)
	}
}

// TestPakistanBundle freezes the outage of Pakistan as route-views2 recorded it, with the authority away at first, and has everything
// that a stranger has at hand check the bundle: no network, no part of the monitor.
func TestPakistanBundle(t *testing.T) {
	dir := needData(t, "a bundle of the outage of Pakistan")
	notUnderRace(t)
	tables, store := t.TempDir(), t.TempDir()
	b, err := os.ReadFile(filepath.Join(dir, "reference", "as2org", "20080402.as-org2info.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tables, "20080402.as-org2info.jsonl.gz"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, at := range []string{"0245", "03", "04", "050", "051", "0534"} {
		list, _ := filepath.Glob(filepath.Join(dir, "mrt", "rv2008", "updates.20080221."+at+"*"))
		for _, f := range list {
			files = append(files, "route-views2="+f)
		}
	}
	list, _ := replayed(t, Replay{Files: files, Reference: tables, Store: store})
	inc := pick(t, list, "country:PK", "2008-02-21T03:00:00Z")
	if inc == nil {
		return
	}
	if first := at("2008-02-21T03:20:02Z"); first.Before(inc.Start.Earliest.Truncate(time.Second)) || first.After(inc.Start.Latest.Time) {
		t.Errorf("start %s to %s does not cover the first withdrawal", inc.Start.Earliest, inc.Start.Latest)
	}
	p := newPress(t, store)
	p.away = true
	first := p.freeze(inc.ID)
	if !errors.Is(first.Lacks, evidence.ErrIncomplete) || first.Version != 1 || !first.New {
		t.Errorf("with the authority away: %+v", first)
	}
	p.away = false
	second := p.freeze(inc.ID)
	if second.Lacks != nil || second.Version != 1 || second.New || second.BundleID != first.BundleID {
		t.Errorf("with the authority back: %+v", second)
	}
	one, sum := p.export(inc.ID, 0)
	if third := p.freeze(inc.ID); third.Lacks != nil || third.New {
		t.Errorf("frozen a third time: %+v", third)
	}
	two, _ := p.export(inc.ID, 1)
	x, err1 := os.ReadFile(one)
	y, err2 := os.ReadFile(two)
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(x, y) {
		t.Errorf("two exports of the frozen version differ (%v)", err)
	}
	if sum.BundleID != first.BundleID || sum.Identifier != inc.ID+"/v1" {
		t.Errorf("%+v", sum)
	}

	// corewatch-verify, as a reader has it.
	bin := filepath.Join(t.TempDir(), "corewatch-verify")
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/corewatch-verify").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	checkpoint := filepath.Join(store, ledgerFolder, "checkpoint")
	says(t, ".", "", "VERIFIED", bin, "--key", first.Signer, "--checkpoint", checkpoint, "--tsa-ca", p.ca, one)

	// Stock tools.
	out := t.TempDir()
	says(t, out, "", "", "unzip", "-q", one)
	in := filepath.Join(out, sum.Folder)
	says(t, in, "", "data/timeline.json: OK", "sha256sum", "--strict", "-c", "manifest-sha256.txt")
	says(t, in, "", "keys/allowed_signers: OK", "sha256sum", "--strict", "-c", "tagmanifest-sha256.txt")
	says(t, in, "", "tlog-proof: OK", "sha256sum", "--strict", "-c", "seals-sha256.txt")
	for file, space := range map[string]string{"tagmanifest-sha256.txt": evidence.Namespace, "seals-sha256.txt": evidence.SealsNamespace} {
		says(t, in, file, first.Signer, "ssh-keygen", "-Y", "verify", "-f", "keys/allowed_signers", "-I", evidence.Namespace, "-n", space, "-s", file+".sig")
	}
	says(t, in, "", "Verification: OK", "openssl", "ts", "-verify", "-data", "tagmanifest-sha256.txt", "-in", "tagmanifest-sha256.txt.test.tsr", "-CAfile", p.ca)
	says(t, in, "", "logged in log.example/test, entry 1 of 2", "python3", "verify.py")
	says(t, in, "", "consistent", "sh", "verify.sh")
	says(t, in, "", "|W|", "bgpdump", "-v", "-m", "data/raw/bgp/messages.mrt")

	rowsLead(t, in, files)
	if err := (EvidenceReplay{Bundle: one, Out: io.Discard, Log: zerolog.Nop()}).Run(t.Context()); err != nil {
		t.Error(err)
	}
}

// rowsLead follows every row of sources.csv to its octets in the original file, and compares them with those in the bundle.
func rowsLead(t *testing.T, in string, files []string) {
	t.Helper()
	raw, err1 := os.ReadFile(filepath.Join(in, "data", "raw", "bgp", "messages.mrt"))
	text, err2 := os.ReadFile(filepath.Join(in, "data", "raw", "bgp", "sources.csv"))
	rows, err3 := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err := errors.Join(err1, err2, err3); err != nil || len(rows) < 1000 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	content := map[string][]byte{}
	for _, row := range rows[1:] {
		name, offset, length := row[3], number(t, row[5]), number(t, row[6])
		if content[name] == nil {
			i := slices.IndexFunc(files, func(f string) bool { return filepath.Base(f) == filepath.Base(name) })
			if i < 0 {
				t.Fatalf("%s is none of the files", name)
			}
			content[name] = unpackedFile(t, strings.TrimPrefix(files[i], "route-views2="))
		}
		if !bytes.Equal(content[name][offset:offset+length], raw[:length]) {
			t.Fatalf("row %v does not lead to its message", row)
		}
		raw = raw[length:]
	}
	if len(raw) != 0 {
		t.Errorf("%d octets of messages without a row", len(raw))
	}
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func unpackedFile(t *testing.T, name string) []byte {
	t.Helper()
	f, err := mrt.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

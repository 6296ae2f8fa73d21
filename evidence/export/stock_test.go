package export

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/detect"
)

// tool finds a program that a reader of a bundle would use. Without it the test says what did not run; on CI that is a failure.
func tool(t *testing.T, name string) string {
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

// unpacked exports s and unpacks it with unzip.
func unpacked(t *testing.T, s *store) (dir string, sum Summary) {
	t.Helper()
	unzip := tool(t, "unzip")
	sum, zip, _ := run(t, s)
	dir = t.TempDir()
	file := filepath.Join(dir, "b.zip")
	if err := os.WriteFile(file, zip, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-tq", file}, {"-q", file, "-d", dir}} {
		if out, err := exec.Command(unzip, args...).CombinedOutput(); err != nil {
			t.Fatalf("unzip %v: %v\n%s", args, err, out)
		}
	}
	return filepath.Join(dir, sum.Folder), sum
}

func TestSha256sum(t *testing.T) {
	sha256sum := tool(t, "sha256sum")
	dir, sum := unpacked(t, made(detect.Synthetic))
	check := func() (string, error) {
		c := exec.Command(sha256sum, "--strict", "-c", "manifest-sha256.txt", "tagmanifest-sha256.txt")
		c.Dir = dir
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := check(); err != nil || strings.Count(out, ": OK") != sum.Files-1 {
		t.Fatalf("%v\n%s", err, out)
	}
	name := filepath.Join(dir, "data", "raw", "bgp", "messages.synthetic.mrt")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := check(); err == nil || !strings.Contains(out, "raw/bgp/messages.synthetic.mrt: FAILED") {
		t.Errorf("a changed octet was not found: %v\n%s", err, out)
	}
}

func TestBgpdump(t *testing.T) {
	bgpdump := tool(t, "bgpdump")
	dir, _ := unpacked(t, closed())
	out, err := exec.Command(bgpdump, "-v", "-m", filepath.Join(dir, "data", "raw", "bgp", "messages.mrt")).Output()
	want := "BGP4MP|1203564002|W|203.0.113.1|64501|192.0.0.0/23\nBGP4MP|1203564022|W|203.0.113.2|64502|192.0.2.0/24\n"
	if err != nil || string(out) != want {
		t.Errorf("bgpdump -m (%v) says\n%swant\n%s", err, out, want)
	}
}

// TestVerifyPy runs verify.py of a draft, and has it find what was changed, added and removed.
func TestVerifyPy(t *testing.T) {
	python := tool(t, "python3")
	dir, _ := unpacked(t, made(detect.Reconstruction))
	check := func() (string, error) {
		out, err := exec.Command(python, filepath.Join(dir, "verify.py")).CombinedOutput()
		return string(out), err
	}
	if out, err := check(); err != nil || !strings.Contains(out, "2 raw messages are those of the incident") {
		t.Fatalf("%v: %s", err, out)
	}
	more := filepath.Join(dir, "data", "more.txt")
	if err := os.WriteFile(more, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := check(); err == nil || !strings.Contains(out, "no list names data/more.txt") {
		t.Errorf("an added file: %v: %s", err, out)
	}
	if err := errors.Join(os.Remove(more), os.WriteFile(filepath.Join(dir, "data", "LICENSE"), []byte("free\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if out, err := check(); err == nil || !strings.Contains(out, "data/LICENSE has been changed") {
		t.Errorf("a changed file: %v: %s", err, out)
	}
}

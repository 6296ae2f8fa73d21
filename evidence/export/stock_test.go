package export

import (
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
	dir = filepath.Join(dir, "out")
	for _, args := range [][]string{{"-tq", file}, {"-q", file, "-d", dir}} {
		if out, err := exec.Command(unzip, args...).CombinedOutput(); err != nil {
			t.Fatalf("unzip %v: %v\n%s", args, err, out)
		}
	}
	return dir, sum
}

func TestSha256sum(t *testing.T) {
	sha256sum := tool(t, "sha256sum")
	dir, sum := unpacked(t, made(detect.Synthetic))
	check := func() (string, error) {
		c := exec.Command(sha256sum, "--strict", "-c", "manifest-sha256.txt")
		c.Dir = dir
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := check(); err != nil || strings.Count(out, ": OK") != sum.Files-1 {
		t.Fatalf("%v\n%s", err, out)
	}
	name := filepath.Join(dir, "raw", "messages.synthetic.mrt")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := check(); err == nil || !strings.Contains(out, "raw/messages.synthetic.mrt: FAILED") {
		t.Errorf("a changed octet was not found: %v\n%s", err, out)
	}
}

func TestBgpdump(t *testing.T) {
	bgpdump := tool(t, "bgpdump")
	dir, _ := unpacked(t, closed())
	out, err := exec.Command(bgpdump, "-v", "-m", filepath.Join(dir, "raw", "messages.mrt")).Output()
	want := "BGP4MP|1203564002|W|203.0.113.1|64501|192.0.0.0/23\nBGP4MP|1203564022|W|203.0.113.2|64502|192.0.2.0/24\n"
	if err != nil || string(out) != want {
		t.Errorf("bgpdump -m (%v) says\n%swant\n%s", err, out, want)
	}
}

// TestReadmeScript runs the command that README.txt prints, exactly as a reader would paste it.
func TestReadmeScript(t *testing.T) {
	tool(t, "python3")
	shell := tool(t, "sh")
	for _, s := range []*store{closed(), made(detect.Reconstruction)} {
		dir, sum := unpacked(t, s)
		readme, err := os.ReadFile(filepath.Join(dir, "README.txt"))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, begins := strings.Cut(string(readme), "\npython3 ")
		script, _, ends := strings.Cut(rest, "\nEND\n")
		if !begins || !ends {
			t.Fatalf("no script in\n%s", readme)
		}
		c := exec.Command(shell, "-c", "python3 "+script+"\nEND\n")
		c.Dir = dir
		out, err := c.CombinedOutput()
		if want := "2 " + s.inc.Evidence.SHA256 + "\n"; err != nil || string(out) != want || sum.EvidenceSHA256 != s.inc.Evidence.SHA256 {
			t.Errorf("%v: %q, want %q", err, out, want)
		}
	}
}

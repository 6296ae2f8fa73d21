package main

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/evidence"
	"github.com/corewatch/corewatch/evidence/tsa"
	"github.com/corewatch/corewatch/evidence/tsa/tsatest"
)

var testKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32))

// bundle writes a signed bundle with a time stamp of a (nil: none announced) and returns its file.
func bundle(t *testing.T, a *tsatest.Authority, form string) string {
	t.Helper()
	public := testKey.Public().(ed25519.PublicKey)
	b := evidence.Bag{
		Info:    evidence.Info{Identifier: "XX-1/r1", Date: time.Now(), Software: "test", Form: form, Data: "archive", Status: evidence.Retracted},
		Payload: []evidence.File{{Path: "data/x", Data: []byte("x")}},
		Tags:    []evidence.File{{Path: "VERIFY.md"}, {Path: "verify.sh"}, {Path: "verify.py"}},
	}
	if form == evidence.Signed {
		b.Info.Identifier, b.Info.Organization, b.Info.Contact, b.Info.Signer = "XX-1/v1", "Example Watch", "mail", evidence.Fingerprint(public)
		b.Tags = append(b.Tags, evidence.File{Path: "keys/allowed_signers", Data: evidence.AllowedSigners(public)})
		if a != nil {
			b.Info.TimeStamps = []string{"test"}
		}
	}
	f, err := b.Fix()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	switch {
	case form == evidence.Draft:
		err = f.Write(&out)
	case a == nil:
		err = f.WriteSigned(&out, testKey, nil, nil)
	default:
		req, rerr := tsa.Request(f.TagManifest(), nil)
		if rerr != nil {
			t.Fatal(rerr)
		}
		reply, rerr := a.Reply(req)
		if rerr != nil {
			t.Fatal(rerr)
		}
		err = f.WriteSigned(&out, testKey, nil, []evidence.File{{Path: evidence.SealName("test", time.Time{}), Data: reply}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return file(t, "b.zip", out.Bytes())
}

func file(t *testing.T, name string, data []byte) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// says runs the command and wants its exit code and words of what it prints.
func says(t *testing.T, code int, want string, args ...string) {
	t.Helper()
	var out, errs bytes.Buffer
	got := run(args, &out, &errs)
	if text := out.String() + errs.String(); got != code || !strings.Contains(text, want) {
		t.Errorf("%v: exit code %d, want %d and %q:\n%s", args, got, code, want, text)
	}
}

func TestExitCodes(t *testing.T) {
	signed, draft := bundle(t, nil, evidence.Signed), bundle(t, nil, evidence.Draft)
	public := testKey.Public().(ed25519.PublicKey)
	print := evidence.Fingerprint(public)
	ours, foreign := file(t, "k.pub", []byte(evidence.AuthorizedKey(public)+" somebody\n")), "SHA256:"+strings.Repeat("A", 43)
	says(t, 0, "VERIFIED", "--key", print, signed)
	says(t, 0, "VERIFIED", "--key", foreign, "--key", ours, signed)
	says(t, 0, "RETRACTED", "--key", ours, signed)
	says(t, 4, "Whose key that is, the bundle cannot prove", signed)
	says(t, 4, "NOT SIGNED", draft)
	says(t, 1, "no key signed it", "--key", print, draft)
	says(t, 1, "none of the keys you gave", "--key", foreign, signed)
	says(t, 1, "no such file", filepath.Join(t.TempDir(), "none.zip"))
	for _, bad := range [][]string{{}, {signed, signed}, {"--key", "SHA256:short", signed}, {"--nothing", signed}, {"--tsa-ca", signed, signed}, {"--checkpoint", "/nonexistent", signed}, {"--key", signed, signed}} {
		says(t, 2, "corewatch-verify", bad...)
	}
	says(t, 0, "usage", "--help")
}

// TestVectors: the published vectors are judged as their list says; where it says verified or what fails, so does the command.
func TestVectors(t *testing.T) {
	dir := filepath.Join("..", "..", "evidence", "testdata", "vectors")
	text, err := os.ReadFile(filepath.Join(dir, "expect.txt"))
	if err != nil {
		t.Fatal(err)
	}
	_, key, _ := strings.Cut(string(text), "trusts ")
	key = key[:len(evidence.Fingerprint(make([]byte, 32)))]
	n := 0
	for line := range strings.Lines(string(text)) {
		name, want, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			continue
		}
		n++
		switch kind, why, _ := strings.Cut(want, ": "); kind {
		case "verified": // but for the time stamp, which is none
			says(t, 1, "tsa.tsr", "--key", key, filepath.Join(dir, name))
		case "incomplete":
			says(t, 3, why, "--key", key, filepath.Join(dir, name))
		case "failed":
			says(t, 1, why, "--key", key, filepath.Join(dir, name))
		default:
			t.Errorf("%s: %s", name, want)
		}
	}
	if n < 20 {
		t.Errorf("%d vectors", n)
	}
}

// TestTimeStamps: with a CA one stamp must lead to it; without, only its own signature and what it is about are checked.
func TestTimeStamps(t *testing.T) {
	a, other := tsatest.New(t, "Test TSA"), tsatest.New(t, "Other TSA")
	signed, bare := bundle(t, a, evidence.Signed), bundle(t, nil, evidence.Signed)
	print := evidence.Fingerprint(testKey.Public().(ed25519.PublicKey))
	says(t, 0, "leads to a CA that you gave", "--key", print, "--tsa-ca", a.CA, signed)
	says(t, 0, "no CA of yours was given", "--key", print, signed)
	says(t, 1, "does not lead to a CA you gave", "--key", print, "--tsa-ca", other.CA, signed)
	says(t, 3, "no time stamp", "--key", print, "--tsa-ca", a.CA, bare)
	says(t, 3, "no log", "--key", print, "--checkpoint", file(t, "c", []byte("x")), bare)
}

// TestPrintable: what a certificate or a checkpoint calls itself cannot act on the terminal.
func TestPrintable(t *testing.T) {
	var out bytes.Buffer
	if _, err := (printable{&out}).Write([]byte("a\x1b[2J\u202eb\n")); err != nil || out.String() != "a\uFFFD[2J\uFFFDb\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

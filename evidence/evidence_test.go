package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

// TestDigest checks the rule against its own words: the octets are written out here by hand.
func TestDigest(t *testing.T) {
	var d Digest
	if got, want := d.Sum(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; got != want {
		t.Errorf("digest of no message is %s, want that of no octets", got)
	}
	d.Add([]byte("abc"))
	d.Add(nil)
	d.Add(bytes.Repeat([]byte{7}, 258))
	sum := sha256.Sum256([]byte("\x00\x00\x00\x03abc\x00\x00\x00\x00\x00\x00\x01\x02" + strings.Repeat("\x07", 258)))
	if got, want := d.Sum(), hex.EncodeToString(sum[:]); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	if d.Messages() != 3 || d.Octets() != 261 {
		t.Errorf("%d messages of %d octets, want 3 of 261", d.Messages(), d.Octets())
	}
	var published Digest // the test vector of docs/evidence-format.md
	published.Add([]byte("abc"))
	published.Add(nil)
	if got, want := published.Sum(), "2ddb14a1438cb06f0658085e174f50efba5cfb97b27cfcc9d5c69735e9602e1e"; got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	var cut Digest
	cut.Add([]byte("ab"))
	cut.Add([]byte("c"))
	var whole Digest
	whole.Add([]byte("abc"))
	if cut.Sum() == whole.Sum() {
		t.Error("where one message ends does not matter to the digest")
	}
}

func TestCheckPath(t *testing.T) {
	for _, p := range []string{"a", "README.txt", "raw/messages.mrt", "a_b/c-d.e", strings.Repeat("a", MaxPath)} {
		if err := CheckPath(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range []string{"", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".x", "-rf", "a/-b", `a\b`, "a b", "ä", "a\nb", "C:x", strings.Repeat("a", MaxPath+1)} {
		if CheckPath(p) == nil {
			t.Errorf("%q is allowed", p)
		}
	}
}

func TestParseManifestRefuses(t *testing.T) {
	h := strings.Repeat("0123456789abcdef", 4)
	good := h + "  a\n" + h + "  b/c\n"
	if m, err := ParseManifest([]byte(good)); err != nil || len(m) != 2 || m[1].Path != "b/c" {
		t.Fatalf("%v, %v", m, err)
	}
	for name, c := range map[string][2]string{
		"empty":         {"", "lists no file"},
		"no line feed":  {h + "  a", "line 1 does not end"},
		"carriage":      {h + "  a\r\n", "entry 1: path"},
		"binary mode":   {h + " *a\n", "line 1 is not"},
		"short":         {h[1:] + "  a\n", "line 1 is not"},
		"not hex":       {"g" + h[1:] + "  a\n", "line 1: digest"},
		"capitals":      {strings.ToUpper(h) + "  a\n", "upper-case"},
		"no path":       {h + "  \n", "line 1 is not"},
		"escape":        {h + "  ../a\n", "begins with"},
		"order":         {h + "  b\n" + h + "  a\n", "out of order"},
		"twice":         {h + "  a\n" + h + "  a\n", "already there"},
		"letter case":   {h + "  A\n" + h + "  a\n", "already there"},
		"empty line":    {good + "\n", "line 3 is not"},
		"comment":       {"# x\n" + good, "line 1 is not"},
		"second broken": {h + "  a\n" + h + " b\n", "line 2 is not"},
		"too large":     {strings.Repeat("x", MaxFiles*(64+2+MaxPath+1)+1), "larger than"},
	} {
		if _, err := ParseManifest([]byte(c[0])); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c[1])
		}
	}
}

func TestStampStaysInItsYears(t *testing.T) {
	for in, want := range map[string]string{
		"1969-01-01T00:00:00Z":      "1980-01-01T00:00:00Z",
		"2024-02-29T23:59:59Z":      "2024-02-29T23:59:58Z",
		"2024-01-01T01:00:00+02:00": "2023-12-31T23:00:00Z",
		"2200-01-01T00:00:00Z":      "2107-12-31T23:59:58Z",
	} {
		at, err := time.Parse(time.RFC3339, in)
		if err != nil {
			t.Fatal(err)
		}
		if got := stampOf(at).time().Format(time.RFC3339); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// FuzzParseManifest: what is accepted has exactly one form.
func FuzzParseManifest(f *testing.F) {
	h := strings.Repeat("0123456789abcdef", 4)
	f.Add([]byte(h + "  a\n" + h + "  b/c\n"))
	f.Add([]byte(h + " *a\n"))
	f.Add([]byte(h + "  a\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseManifest(b)
		if err != nil {
			return
		}
		again, err := m.AppendText(nil)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q is written as %q (%v)", b, again, err)
		}
	})
}

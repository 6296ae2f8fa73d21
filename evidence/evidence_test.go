package evidence

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2008, 2, 21, 3, 21, 37, 0, time.UTC)

func small() []File {
	return []File{{"raw/b.mrt", []byte("\x00\x01")}, {"README.txt", []byte("hello\n")}, {"empty.csv", nil}}
}

func write(t *testing.T, files []File) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := WriteBundle(&b, noon, files); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// verify is all that a reader does.
func verify(b []byte) error {
	z, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	_, err = z.Verify()
	return err
}

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
		"itself":        {h + "  " + ManifestName + "\n", "cannot list itself"},
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

// TestBundle writes a bundle and reads it with our reader and with the standard library's.
func TestBundle(t *testing.T) {
	b := write(t, small())
	other := small()
	slices.Reverse(other)
	if !bytes.Equal(b, write(t, other)) {
		t.Error("the order in which files are given changes the bundle")
	}
	if err := verify(b); err != nil {
		t.Fatal(err)
	}
	ours, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"README.txt", "empty.csv", "raw/b.mrt", ManifestName}
	if got := ours.Paths(); !slices.Equal(got, want) {
		t.Errorf("paths %v, want %v", got, want)
	}
	if got := ours.Time(); !got.Equal(noon.Add(-time.Second)) {
		t.Errorf("time %v, want %v cut to two seconds", got, noon)
	}
	std, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range std.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r) // checks the CRC
		if err != nil {
			t.Fatal(err)
		}
		mine, size, ok := ours.File(f.Name)
		if !ok || f.Name != want[i] || f.Method != zip.Store || len(f.Extra) != 0 || f.Flags != 0 {
			t.Errorf("file %d is %+v", i, f.FileHeader)
		}
		if again, err := io.ReadAll(mine); err != nil || !bytes.Equal(got, again) || size != int64(len(got)) {
			t.Errorf("%s: the two readers differ: %q, %q, %v", f.Name, got, again, err)
		}
	}
	if _, _, ok := ours.File("none"); ok {
		t.Error("a file that is not there was found")
	}
}

// TestEveryChangedBitIsFound flips each bit of a bundle, drops each octet's successors and doubles each octet.
func TestEveryChangedBitIsFound(t *testing.T) {
	b := write(t, small())
	for i := range b {
		for bit := range 8 {
			c := bytes.Clone(b)
			c[i] ^= 1 << bit
			if verify(c) == nil {
				t.Errorf("octet %d of %d: bit %d can be flipped", i, len(b), bit)
			}
		}
		if verify(b[:i]) == nil {
			t.Errorf("the bundle can be cut at %d", i)
		}
		if verify(slices.Insert(bytes.Clone(b), i, b[i])) == nil {
			t.Errorf("octet %d can be doubled", i)
		}
	}
	if verify(append(bytes.Clone(b), 0)) == nil {
		t.Error("an octet can be appended")
	}
}

// TestVerifyNamesTheFile: a changed file whose zip is consistent is found by the manifest, by name.
func TestVerifyNamesTheFile(t *testing.T) {
	b := write(t, small())
	c := bytes.Replace(b, []byte("hello"), []byte("hellO"), 1)
	if err := verify(c); err == nil || !strings.Contains(err.Error(), "README.txt has been changed") {
		t.Errorf("got %v", err)
	}
}

// TestOtherZipsAreRefused: a zip of any other program is not the canonical one.
func TestOtherZipsAreRefused(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(ManifestName)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := verify(b.Bytes()); err == nil || !strings.Contains(err.Error(), "canonical") {
		t.Errorf("got %v", err)
	}
	if err := verify([]byte("this is no zip, but long enough to be one")); err == nil || !strings.Contains(err.Error(), "end record") {
		t.Errorf("got %v", err)
	}
}

func TestWriteBundleRefuses(t *testing.T) {
	for name, files := range map[string][]File{
		"nothing":  nil,
		"twice":    {{"a", nil}, {"a", nil}},
		"case":     {{"a", nil}, {"A", nil}},
		"escape":   {{"../a", nil}},
		"manifest": {{ManifestName, nil}},
	} {
		var b bytes.Buffer
		if _, err := WriteBundle(&b, noon, files); err == nil || b.Len() != 0 {
			t.Errorf("%s: error %v after %d octets", name, err, b.Len())
		}
	}
	if _, err := WriteBundle(failing{}, noon, small()); err == nil || !strings.Contains(err.Error(), "writing the bundle: disk full") {
		t.Errorf("a writer that fails: got %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("disk full")

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

// FuzzOpen: what opens and verifies is, octet for octet, what WriteBundle writes.
func FuzzOpen(f *testing.F) {
	var b bytes.Buffer
	if _, err := WriteBundle(&b, noon, small()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[30:])
	f.Fuzz(func(t *testing.T, in []byte) {
		z, err := Open(bytes.NewReader(in), int64(len(in)))
		if err != nil {
			return
		}
		if _, err := z.Verify(); err != nil {
			return
		}
		var files []File
		for _, p := range z.Paths() {
			r, _, _ := z.File(p)
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if p != ManifestName {
				files = append(files, File{p, data})
			}
		}
		var out bytes.Buffer
		if _, err := WriteBundle(&out, z.Time(), files); err != nil || !bytes.Equal(out.Bytes(), in) {
			t.Errorf("verified, but not what would be written (%v)", err)
		}
	})
}

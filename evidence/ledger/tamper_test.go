package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// TestEveryFileCounts changes, cuts, lengthens and removes every file that a ledger of 600 leaves rests on. Each is found when the ledger is opened, with the
// place, and nothing is signed.
func TestEveryFileCounts(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	appendTo(t, l, records(0, 520)...)
	publish(t, l)
	appendTo(t, l, records(520, 80)...)
	publish(t, l)
	l.Close()
	used := map[string]bool{
		"checkpoint": true, ".state/treeState": true,
		entriesPath(0, 256): true, entriesPath(1, 256): true, entriesPath(2, 88): true,
		tilePath(0, 0, 256): true, tilePath(0, 1, 256): true, tilePath(0, 2, 88): true, tilePath(1, 0, 2): true,
	}
	seen := 0
	err := filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(p.dir, path)
		if err != nil || d.IsDir() || !used[filepath.ToSlash(name)] {
			return err
		}
		seen++
		was, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for what, b := range map[string][]byte{
			"first octet":  change(was, 0),
			"an octet":     change(was, len(was)/2),
			"last octet":   change(was, len(was)-2),
			"cut":          was[:len(was)-1],
			"longer":       append(bytes.Clone(was), 'x'),
			"empty":        {},
			"of zeros":     make([]byte, len(was)),
			"twice":        append(bytes.Clone(was), was...),
			"not there":    nil,
			"another file": []byte("x"),
		} {
			if b == nil {
				err = os.Remove(path)
			} else {
				err = os.WriteFile(path, b, 0o600)
			}
			if err != nil {
				return err
			}
			l, err := p.try()
			if err == nil && name != "checkpoint" || err == nil && b != nil {
				t.Errorf("%s: %s: not found", name, what)
			}
			if err == nil {
				l.Close()
			} else if !strings.HasPrefix(err.Error(), "ledger") && !errors.As(err, new(*ForkError)) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
			if err := os.WriteFile(path, was, 0o600); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || seen != len(used) {
		t.Fatalf("%d of %d files, %v", seen, len(used), err)
	}
	p.open(t)
}

func change(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// An operator who changes a leaf and everything that follows from it (the hashes above, the state, even the checkpoint, signed with the key) is found by
// whoever kept a checkpoint; without signing it, at once.
func TestWholeRewrite(t *testing.T) {
	p, q := newPlace(t), newPlace(t)
	l := p.open(t)
	appendTo(t, l, records(0, 300)...)
	kept := publish(t, l)
	l.Close()
	if err := os.CopyFS(q.keys, os.DirFS(p.keys)); err != nil { // the same key
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(q.keys, 0o700), os.Chmod(filepath.Join(q.keys, "ledger-0001.key"), 0o600), os.Remove(filepath.Join(q.keys, headName))); err != nil {
		t.Fatal(err)
	}
	m := q.open(t)
	list := records(0, 300)
	list[17].SHA256[3] ^= 1
	appendTo(t, m, list...)
	publish(t, m)
	appendTo(t, m, record(300))
	rewritten := publish(t, m)
	m.Close()
	r, err := Read(q.dir, p.known(t))
	if err != nil || r.Checkpoint().Size != 301 {
		t.Fatalf("the forgery is signed and whole, and yet: %v", err)
	}
	var fork *ForkError
	if err := r.Extends(kept); !errors.As(err, &fork) || !strings.Contains(err.Error(), "rewritten") {
		t.Errorf("%v", err)
	}
	// The tree of the one under the checkpoint of the other.
	if err := os.WriteFile(filepath.Join(q.dir, checkpointName), kept.Note, 0o600); err != nil {
		t.Fatal(err)
	}
	if m, err := q.try(); !errors.As(err, &fork) {
		t.Errorf("%v", err)
		m.Close()
	}
	if _, err := OpenCheckpoint(rewritten.Note, note.VerifierList()); err == nil {
		t.Error("verified by no key")
	}
}

// A leaf that is sound in itself and no record is given as such.
func TestForeignLeaf(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	appendTo(t, l, record(0))
	if err := l.append(context.Background(), [][]byte{[]byte("hello")}); err != nil {
		t.Fatal(err)
	}
	publish(t, l)
	l.Close()
	var bad []int64
	m, err := Open(context.Background(), p.dir, Options{Keys: p.keys, Each: func(i int64, _ Record, err error) {
		if err != nil {
			bad = append(bad, i)
		}
	}})
	if err != nil || len(bad) != 1 || bad[0] != 1 || m.Origin() != "log.example/test" {
		t.Errorf("%v, %v", bad, err)
	}
	m.Close()
}

func TestRecords(t *testing.T) {
	all := []Record{
		{Kind: Revision, At: noon, Name: "PK-20080221T0321Z-k3f9q2xa", Number: 4, Note: "live", SHA256: [32]byte{1}},
		{Kind: Segment, At: noon, Name: "segments/rrc00/updates.20261122.120000.7.mrt", Number: 3, Octets: 1 << 40, Note: "rrc00", SHA256: [32]byte{2}},
		{Kind: Journal, At: noon, Number: 12345, SHA256: [32]byte{3}},
		{Kind: Reference, At: noon, SHA256: [32]byte{4}},
		{Kind: Configuration, At: noon, SHA256: [32]byte{5}},
		{Kind: Software, At: noon, Name: "corewatch 0.1.0 (abc)"},
		{Kind: Key, At: noon, Name: "bundle", Number: 1, SHA256: [32]byte{6}},
		{Kind: Bundle, At: noon, Name: "PK-1", Number: 2, SHA256: [32]byte{7}},
		{Kind: Context, At: noon, Name: "PK-1", Number: 1, Note: "editor", SHA256: [32]byte{8}},
	}
	if len(all) != len(shapes) {
		t.Errorf("%d kinds of %d", len(all), len(shapes))
	}
	var text bytes.Buffer
	for _, r := range all {
		b, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		text.Write(append(b, '\n'))
		got, err := Decode(b)
		if err != nil || got != r {
			t.Errorf("%+v came back as %+v, %v", r, got, err)
		}
	}
	golden := filepath.Join("testdata", "records.txt")
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(want, text.Bytes()) {
		t.Errorf("%s, %v: want\n%s", golden, err, text.Bytes())
	}
	for what, r := range map[string]Record{
		"no kind":             {At: noon},
		"a line in a name":    {Kind: Software, At: noon, Name: "a\nb"},
		"no name":             {Kind: Software, At: noon},
		"a number of none":    {Kind: Software, At: noon, Name: "x", Number: 1},
		"a digest of none":    {Kind: Software, At: noon, Name: "x", SHA256: [32]byte{1}},
		"a text of none":      {Kind: Journal, At: noon, Name: "x"},
		"parts of a second":   {Kind: Software, At: noon.Add(1), Name: "x"},
		"no time":             {Kind: Software, Name: "x"},
		"too long":            {Kind: Software, At: noon, Name: strings.Repeat("x", maxText+1)},
		"not UTF-8":           {Kind: Software, At: noon, Name: "\xff"},
		"turned line":         {Kind: Software, At: noon, Name: "a\u2028b"},
		"a control character": {Kind: Software, At: noon, Name: "a\u009bb"},
	} {
		if b, err := r.Encode(); err == nil {
			t.Errorf("%s: %q", what, b)
		}
	}
}

// FuzzDecode: what is taken is written again octet for octet.
func FuzzDecode(f *testing.F) {
	golden, err := os.ReadFile(filepath.Join("testdata", "records.txt"))
	if err != nil {
		f.Fatal(err)
	}
	for b := range bytes.SplitSeq(golden, []byte("\n\n")) {
		f.Add(append(b, '\n'))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Decode(b)
		if err != nil {
			return
		}
		again, err := r.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q came back as %q, %v", b, again, err)
		}
	})
}

// FuzzCheckpoint: what is taken is written again octet for octet.
func FuzzCheckpoint(f *testing.F) {
	c := Checkpoint{Origin: "log.example/test", Size: 3}
	f.Add(c.text())
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := parseText(s); err == nil && c.text() != s {
			t.Errorf("%q came back as %q", s, c.text())
		}
	})
}

// What the storage below keeps as its state is what is read of it: another version of it may write it otherwise.
func TestState(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	appendTo(t, l, records(0, 5)...)
	text, err := os.ReadFile(filepath.Join(p.dir, filepath.FromSlash(stateName)))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil || m["size"] != 5.0 || len(m) != 2 {
		t.Errorf("%s, %v", text, err)
	}
	ctx, stop := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer stop()
	if _, err := l.Append(ctx, record(5)); !errors.Is(err, context.DeadlineExceeded) || l.Size() != 5 {
		t.Errorf("%v", err)
	}
	appendTo(t, l, record(5)) // it had not begun
}

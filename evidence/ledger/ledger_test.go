package ledger

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/corewatch/corewatch/evidence/keys"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// place is a ledger's folder and that of its keys.
type place struct{ dir, keys string }

func newPlace(t testing.TB) place {
	dir := t.TempDir()
	return place{filepath.Join(dir, "ledger"), filepath.Join(dir, "keys")}
}

func (p place) open(t testing.TB) *Ledger {
	t.Helper()
	l, err := p.try()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func (p place) try() (*Ledger, error) {
	return Open(context.Background(), p.dir, Options{Keys: p.keys, Origin: "log.example/test"})
}

func (p place) known(t testing.TB) note.Verifiers {
	t.Helper()
	s, err := keys.Read(p.keys, keys.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.NoteVerifiers("log.example/test")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func record(i int) Record {
	return Record{Kind: Revision, At: noon.Add(time.Duration(i) * time.Second), Name: "PK-" + strconv.Itoa(i), Number: 1, Note: "live", SHA256: sha256.Sum256([]byte{byte(i), byte(i >> 8)})}
}

func records(from, n int) (list []Record) {
	for i := range n {
		list = append(list, record(from+i))
	}
	return list
}

func appendTo(t testing.TB, l *Ledger, list ...Record) int64 {
	t.Helper()
	first, err := l.Append(context.Background(), list...)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

func publish(t testing.TB, l *Ledger) Checkpoint {
	t.Helper()
	c, err := l.Publish(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checkProof verifies a proof as a stranger does: with the octets of the leaf, the proof's text, and a verifier of the key.
func checkProof(leaf, proof []byte, known note.Verifiers) error {
	head, signed, ok := bytes.Cut(proof, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	var p tlog.RecordProof
	for _, line := range lines[2:] {
		h, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(h) != tlog.HashSize {
			return errors.New("not a hash")
		}
		p = append(p, tlog.Hash(h))
	}
	c, err := OpenCheckpoint(signed, known)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(p, c.Size, c.Root, index, tlog.RecordHash(leaf))
}

// What was appended is there after every opening, in order, and each leaf can be proven by a proof of at most 2 KB; also over full tiles.
func TestAppendProve(t *testing.T) {
	p := newPlace(t)
	rng := rand.New(rand.NewPCG(7, 1))
	n := 0
	for range 6 {
		l := p.open(t)
		for range 3 {
			k := 1 + rng.IntN(130)
			if first := appendTo(t, l, records(n, k)...); first != int64(n) {
				t.Fatalf("came to %d, want %d", first, n)
			}
			n += k
		}
		if c := publish(t, l); c.Size != int64(n) || l.Size() != int64(n) {
			t.Fatalf("the checkpoint is over %d leaves of %d", c.Size, n)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n < 2*tileWidth {
		t.Fatalf("only %d leaves: no tile is full", n)
	}
	r, err := Read(p.dir, p.known(t))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	err = r.Walk(func(i int64, rec Record, err error) error {
		if err != nil || rec != record(int(i)) {
			t.Errorf("leaf %d is %+v, %v", i, rec, err)
		}
		seen++
		return nil
	})
	if err != nil || seen != n {
		t.Fatalf("%d of %d leaves, %v", seen, n, err)
	}
	for i := range n {
		proof, err := r.Proof(int64(i))
		if err != nil || len(proof) > 2048 {
			t.Fatalf("leaf %d: %d octets, %v", i, len(proof), err)
		}
		rec := record(i)
		leaf, err := rec.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := checkProof(leaf, proof, p.known(t)); err != nil {
			t.Fatalf("leaf %d: %v", i, err)
		}
		if i%37 == 0 { // and nothing but this leaf, this proof and this checkpoint
			other := record(i + 1)
			wrong, err := other.Encode()
			if err != nil || checkProof(wrong, proof, p.known(t)) == nil {
				t.Fatalf("leaf %d is proven to be another, %v", i, err)
			}
			for range 40 {
				b := bytes.Clone(proof)
				at := rng.IntN(len(b))
				b[at] ^= 1 << rng.IntN(8)
				if checkProof(leaf, b, p.known(t)) == nil && !bytes.Equal(b, proof) && !insignificant(proof, at) {
					t.Fatalf("leaf %d: a proof changed at octet %d (%q) passes:\n%s", i, at, b[at], b)
				}
			}
		}
	}
	at, ok, err := r.Find(Record{Kind: Revision, Name: "PK-300", Number: 1, Note: "live", SHA256: record(300).SHA256})
	if err != nil || !ok || at != 300 {
		t.Errorf("found at %d, %v, %v", at, ok, err)
	}
}

// insignificant reports whether an octet of a proof is one that this test's reader of it does not hold to one form: what stands in the index and in the
// base64 of a hash's last character has several.
func insignificant(proof []byte, at int) bool {
	line := bytes.Count(proof[:at], []byte("\n"))
	hashes := bytes.Count(proof[:bytes.Index(proof, []byte("\n\n"))], []byte("\n"))
	return line >= 1 && line <= hashes && (line == 1 || proof[at+1] == '=')
}

// A second writer is refused, in this process or another; so is one that wrote behind our back, and nothing is signed then.
func TestOneWriter(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	appendTo(t, l, records(0, 3)...)
	var used *InUseError
	if _, err := p.try(); !errors.As(err, &used) {
		t.Fatalf("a second writer: %v", err)
	}
	if err := os.Remove(filepath.Join(p.dir, lockName)); err != nil { // so that the lock is no help
		t.Fatal(err)
	}
	other := p.open(t)
	appendTo(t, other, record(3))
	publish(t, other)
	_, err := l.Append(context.Background(), record(4))
	var damage *DamageError
	if !errors.As(err, &damage) {
		t.Errorf("appending behind another writer: %v", err)
	}
	if _, err := l.Publish(context.Background()); err == nil {
		t.Error("signed behind another writer")
	}
	if c := other.Published(); c.Size != 4 {
		t.Errorf("the checkpoint is over %d", c.Size)
	}
}

// A ledger put back from a backup, or begun anew beside the old keys, is not signed.
func TestNoFork(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	appendTo(t, l, records(0, 5)...)
	publish(t, l)
	l.Close()
	backup := filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(backup, os.DirFS(p.dir)); err != nil {
		t.Fatal(err)
	}
	l = p.open(t)
	appendTo(t, l, records(5, 2)...)
	kept := publish(t, l)
	l.Close()
	var fork *ForkError
	for what, dir := range map[string]string{"put back": backup, "begun anew": filepath.Join(t.TempDir(), "new")} {
		if l, err := (place{dir, p.keys}).try(); !errors.As(err, &fork) {
			t.Errorf("%s: %v", what, err)
			if err == nil {
				l.Close()
			}
		}
	}
	// Who does it all the same, without the note of what was signed, is caught by whoever kept a checkpoint.
	if err := os.Remove(filepath.Join(p.keys, headName)); err != nil {
		t.Fatal(err)
	}
	l = place{backup, p.keys}.open(t)
	appendTo(t, l, records(100, 9)...)
	publish(t, l)
	if err := l.Reader().Extends(kept); !errors.As(err, &fork) {
		t.Errorf("a rewritten ledger: %v", err)
	}
}

// Every older checkpoint is a past of the ledger, at every size; none of another ledger is.
func TestExtends(t *testing.T) {
	p, q := newPlace(t), newPlace(t)
	l, m := p.open(t), q.open(t)
	var old, others []Checkpoint
	for i := range 20 {
		old, others = append(old, publish(t, l)), append(others, publish(t, m))
		appendTo(t, l, records(i*31, 31)...)
		appendTo(t, m, records(i*31+1, 31)...)
	}
	publish(t, l)
	r := l.Reader()
	for i := range old {
		c, err := OpenCheckpoint(old[i].Note, p.known(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Extends(c); err != nil {
			t.Errorf("over %d: %v", c.Size, err)
		}
		if _, err := OpenCheckpoint(others[i].Note, p.known(t)); err == nil {
			t.Error("a checkpoint of another key was taken")
		}
		var fork *ForkError
		if err := r.Extends(others[i]); others[i].Size > 0 && !errors.As(err, &fork) {
			t.Errorf("another history over %d: %v", others[i].Size, err)
		}
	}
	var fork *ForkError
	ahead := old[3]
	ahead.Size = 10_000
	if err := r.Extends(ahead); !errors.As(err, &fork) {
		t.Errorf("a longer one: %v", err)
	}
}

// While keys overlap both sign, and a checkpoint without new leaves is signed anew when a key came.
func TestRotatedKeys(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	appendTo(t, l, record(0))
	first := publish(t, l)
	old := p.known(t)
	if again := publish(t, l); !bytes.Equal(again.Note, first.Note) {
		t.Error("signed anew without reason")
	}
	if _, err := keys.Rotate(p.keys, keys.Ledger, time.Now().Add(time.Second), time.Hour); err != nil {
		t.Fatal(err)
	}
	second := publish(t, l)
	if n := bytes.Count(second.Note, []byte("\n— ")); n != 2 || second.Root != first.Root {
		t.Errorf("%d signatures: %s", n, second.Note)
	}
	if _, err := OpenCheckpoint(second.Note, old); err != nil {
		t.Errorf("who knows the old key: %v", err)
	}
	if _, err := keys.Rotate(p.keys, keys.Ledger, time.Now().Add(2*time.Second), 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, l, record(1))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = p.open(t) // the first key goes on for an hour, the second one has ended
	third := publish(t, l)
	if _, err := OpenCheckpoint(third.Note, p.known(t)); err != nil || third.Size != 2 {
		t.Errorf("%v: %s", err, third.Note)
	}
	l.Close()
	if _, err := Open(context.Background(), p.dir, Options{Keys: p.keys, Origin: "log.example/other"}); err == nil || !strings.Contains(err.Error(), "cannot be renamed") {
		t.Errorf("renamed: %v", err)
	}
}

// A witness's line on a checkpoint stays, and does no harm.
func TestWitness(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	appendTo(t, l, records(0, 300)...)
	c := publish(t, l)
	skey, vkey, err := note.GenerateKey(crand.Reader, "witness.example")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(c.Note, p.known(t))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(n, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(filepath.Join(p.dir, checkpointName), signed, 0o640); err != nil {
		t.Fatal(err)
	}
	r, err := Read(p.dir, p.known(t))
	if err != nil {
		t.Fatal(err)
	}
	proof, err := r.Proof(299)
	if err != nil || !bytes.Contains(proof, []byte("— witness.example ")) {
		t.Errorf("%v: %s", err, proof)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCheckpoint(r.Checkpoint().Note, note.VerifierList(v)); err != nil {
		t.Errorf("by the witness's key: %v", err)
	}
	l.Close()
	p.open(t)
}

// When it is closed none of its goroutines is left.
func TestNothingRunsOn(t *testing.T) {
	p := newPlace(t)
	before := runtime.NumGoroutine()
	for i := range 3 {
		l := p.open(t)
		appendTo(t, l, record(i))
		publish(t, l)
		l.Close()
		if _, err := l.Append(context.Background(), record(9)); err == nil {
			t.Error("appended to a closed ledger")
		}
	}
	for i := 0; runtime.NumGoroutine() > before+1 && i < 200; i++ { // one flushes the storage's log
		time.Sleep(5 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+1 {
		b := make([]byte, 1<<16)
		t.Errorf("%d goroutines were %d:\n%s", n, before, b[:runtime.Stack(b, true)])
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, batch := range []int{1, 32} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			l := newPlace(b).open(b)
			for i := range b.N {
				appendTo(b, l, records(i*batch, batch)...)
			}
		})
	}
}

// BenchmarkOpen verifies a ledger of 100,000 leaves as a whole: about what a month of forty collectors gives.
func BenchmarkOpen(b *testing.B) {
	p := newPlace(b)
	l := p.open(b)
	for i := range 100 {
		appendTo(b, l, records(i*1000, 1000)...)
	}
	publish(b, l)
	l.Close()
	for b.Loop() {
		l := p.open(b)
		l.Close()
	}
}

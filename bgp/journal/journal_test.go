package journal

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// fill writes n seeded entries with commits between them, and returns what a reader must give and how many entries each commit covered.
func fill(t testing.TB, w *Writer, rng *rand.Rand, n int) (want []Entry, commits []int) {
	t.Helper()
	at := max(w.Last(), 1_700_000_000_000_000)
	ends := map[int]int64{}
	inputs := w.inputs
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		at += bgp.Micros(rng.Int64N(3_000_000) - 500_000) // a clock may be set back
		e := Entry{Seq: w.Entries() + 1}
		switch k := rng.IntN(12); {
		case k == 0 || inputs == 0:
			e.Kind, e.Text, e.Name = Input, "rrc00", "segments/rrc00/a.mrt"
			id, err := w.Input(e.Text, e.Name)
			must(err)
			e.Input = id
			inputs++
		case k < 8:
			e.Kind, e.Input, e.At, e.Length = Message, rng.IntN(inputs), at, rng.Int64N(5000)
			e.Offset = ends[e.Input] + rng.Int64N(2)*rng.Int64N(100)
			ends[e.Input] = e.Offset + e.Length
			must(w.Message(e.Input, e.Offset, e.Length, e.At))
		case k < 10:
			e.Kind, e.At = Tick, at
			must(w.Tick(at))
		case k == 10:
			e.Kind, e.Input, e.Length = Closed, rng.IntN(inputs), 77
			e.Sum[3] = byte(i)
			must(w.Closed(e.Input, e.Length, e.Sum))
		default:
			e.Kind, e.At, e.Name, e.Text = Control, at, "configuration", "{}"
			must(w.Control(e.At, e.Name, e.Text))
		}
		want = append(want, e)
		if rng.IntN(8) == 0 {
			must(w.Commit())
			commits = append(commits, len(want))
		}
	}
	must(w.Commit())
	return want, append(commits, len(want))
}

func readAll(dir string) (got []Entry, err error) {
	r, err := Open(dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		var e Entry
		if err := r.Next(&e); err != nil {
			return got, err
		}
		got = append(got, e)
	}
}

// What was written comes back, over several openings.
func TestJournalComesBack(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	var want []Entry
	for range 5 {
		w, err := Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		more, _ := fill(t, w, rng, 400)
		want = append(want, more...)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readAll(dir)
	if !errors.Is(err, io.EOF) || !reflect.DeepEqual(got, want) {
		t.Fatalf("%d of %d entries, %v", len(got), len(want), err)
	}
}

// A journal cut at any octet gives every commit before the cut, and a writer goes on behind the last whole one.
func TestJournalCutAnywhere(t *testing.T) {
	src := t.TempDir()
	w, err := Create(src)
	if err != nil {
		t.Fatal(err)
	}
	want, commits := fill(t, w, rand.New(rand.NewPCG(3, 4)), 40)
	w.Close()
	whole, err := os.ReadFile(filepath.Join(src, fileName(1)))
	if err != nil {
		t.Fatal(err)
	}
	committed := func(got []Entry) bool {
		for _, c := range commits {
			if c == len(got) {
				return true
			}
		}
		return len(got) == 0
	}
	for cut := range whole {
		dir := t.TempDir()
		name := filepath.Join(dir, fileName(1))
		if err := os.WriteFile(name, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(dir)
		if !errors.Is(err, ErrTorn) && !errors.Is(err, io.EOF) || !committed(got) || !reflect.DeepEqual(got, append([]Entry(nil), want[:len(got)]...)) && len(got) > 0 {
			t.Fatalf("cut at %d: %d entries, %v", cut, len(got), err)
		}
		if cut%5 != 0 && cut > 40 { // each continuation syncs several times
			continue
		}
		w, err := Create(dir)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if err := w.Tick(5); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := readAll(dir)
		if !errors.Is(err, io.EOF) || len(again) != len(got)+1 {
			t.Fatalf("cut at %d and gone on: %d entries after %d, %v", cut, len(again), len(got), err)
		}
		if kept, _ := filepath.Glob(filepath.Join(dir, "*.cut")); (len(kept) > 0) != (w.Cut() > 0) {
			t.Fatalf("cut at %d: %d octets cut off, kept in %v", cut, w.Cut(), kept)
		}
	}
}

// Any octet changed before the last block is found, and no writer goes on behind it.
func TestJournalChangedAnywhere(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, w, rand.New(rand.NewPCG(5, 6)), 30)
	before := w.size
	fill(t, w, rand.New(rand.NewPCG(7, 8)), 3)
	w.Close()
	name := filepath.Join(dir, fileName(1))
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	all, _ := readAll(dir)
	for at := range int(before) {
		b := bytes.Clone(whole)
		b[at] ^= 0x41
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(dir)
		if errors.Is(err, io.EOF) || len(got) >= len(all) {
			t.Fatalf("octet %d changed: %d of %d entries and %v", at, len(got), len(all), err)
		}
		var damage *DamageError
		if errors.As(err, &damage) || errors.Is(err, ErrVersion) {
			if _, err := Create(dir); err == nil {
				t.Fatalf("octet %d changed: a writer went on", at)
			}
		}
	}
}

// A block taken out, or a file, breaks the chain.
func TestJournalLeftOut(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	var ends []int64
	for i := range 4 {
		if err := w.Tick(bgp.Micros(i)); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, w.size)
	}
	w.Close()
	name := filepath.Join(dir, fileName(1))
	whole, _ := os.ReadFile(name)
	if err := os.WriteFile(name, append(bytes.Clone(whole[:ends[0]]), whole[ends[1]:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	var damage *DamageError
	if got, err := readAll(dir); !errors.As(err, &damage) || len(got) != 1 || damage.Offset != ends[0] {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	if err := os.Rename(name, filepath.Join(dir, fileName(2))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil {
		t.Fatal("the first file is missing, and nobody noticed")
	}
}

// Hostile entries under right hashes are refused without a panic.
func FuzzEntries(f *testing.F) {
	dir := f.TempDir()
	w, err := Create(dir)
	if err != nil {
		f.Fatal(err)
	}
	for range 20 { // a block not yet committed, without its head
		if _, err := w.Input("rrc00", "a"); err != nil {
			f.Fatal(err)
		}
		if err := errors.Join(w.Message(0, 12, 90, 1e15), w.Tick(1e15), w.Closed(0, 102, [32]byte{7}), w.Control(2e15, "gap", "rrc00")); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(bytes.Clone(w.block[4+len(Hash{}):]))
	f.Add([]byte{byte(Message), 0, 0, 0, 0})
	f.Add([]byte{byte(Input), 0, 1, 'a', 1, 'b', byte(Message), 0, 2, 3, 4, byte(Tick), 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &Reader{rest: b}
		r.ctx.reset()
		var e Entry
		for len(r.rest) > 0 {
			before := len(r.rest)
			if err := r.entry(&e); err != nil {
				var damage *DamageError
				if !errors.As(err, &damage) {
					t.Fatal(err)
				}
				return
			}
			if len(r.rest) >= before {
				t.Fatal("no progress")
			}
		}
	})
}

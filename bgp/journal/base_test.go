package journal

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// TestPrune: a journal whose first files were given up goes on with the numbers and the chain it had, for a reader and for a writer that opens it; and is
// refused when the file it begins with is missing, or what it says of the block before is not so.
func TestPrune(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	var bases []Base
	for i := range 4 {
		in, err := w.Input("rrc00", "segments/x")
		if err != nil {
			t.Fatal(err)
		}
		at := bgp.Micros(i+1) * bgp.Second
		if err := errors.Join(w.Message(in, 0, 10, at), w.Closed(in, 10, [32]byte{1}), w.Commit(), w.Tick(at)); err != nil {
			t.Fatal(err)
		}
		b, err := w.Rotate()
		if err != nil {
			t.Fatal(err)
		}
		bases = append(bases, b)
	}
	if err := w.Prune(Base{File: 9}); err == nil {
		t.Error("a file that is not there was made the first")
	}
	if err := w.Prune(bases[1]); err != nil {
		t.Fatal(err)
	}
	first := filepath.Join(dir, fileName(2)) // as if the machine had stopped before this one was removed
	if err := os.WriteFile(first, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	seqs := func() (out []uint64, inputs []int, err error) {
		r, err := Open(dir)
		if err != nil {
			return nil, nil, err
		}
		defer r.Close()
		var e Entry
		for err = r.Next(&e); err == nil; err = r.Next(&e) {
			out, inputs = append(out, e.Seq), append(inputs, e.Input)
		}
		return out, inputs, err
	}
	if got, inputs, err := seqs(); !errors.Is(err, io.EOF) || len(got) != 8 || got[0] != 9 || got[7] != 16 || inputs[0] != 2 {
		t.Errorf("%v %v %v", got, inputs, err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w, err = Create(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(first); err == nil || w.Entries() != 16 || w.Inputs() != 4 || w.Last() != 4*bgp.Second || !Exists(dir) || w.Base() != bases[1] {
		t.Errorf("%v, %d entries, %d inputs, %+v", err, w.Entries(), w.Inputs(), w.Base())
	}
	if err := errors.Join(w.Message(1, 0, 1, 5*bgp.Second), w.Close()); err != nil { // of an input that is given up
		t.Fatal(err)
	}
	var damage *DamageError
	if _, _, err := seqs(); !errors.As(err, &damage) {
		t.Errorf("a message of an input before the beginning: %v", err)
	}
	base := filepath.Join(dir, baseName)
	text, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	for what, other := range map[string]string{
		"another hash": strings.Replace(string(text), bases[1].Previous[:4], "0000", 1), "no hash": `{"file":3,"previous":"zz","entries":8}`, "no JSON": "x", "a file below 1": `{"file":0}`,
	} {
		if err := os.WriteFile(base, []byte(other), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := seqs(); !errors.As(err, &damage) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := errors.Join(os.WriteFile(base, text, 0o600), os.Remove(filepath.Join(dir, fileName(3)))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := seqs(); err == nil || !strings.Contains(err.Error(), fileName(3)+" is missing") {
		t.Errorf("%v", err)
	}
}

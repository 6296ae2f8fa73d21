package journal

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/corewatch/corewatch/bgp"
)

// Base is the place between two files of a journal from which it is kept. The files before it may be gone: the block behind it names the hash of the
// block before it, as every block does, so that what is left is still one chain with what was there.
type Base struct {
	File     int        `json:"file"`     // number of the first file behind it
	Previous string     `json:"previous"` // hash of the last block before it, hexadecimal
	Entries  uint64     `json:"entries"`  // before it
	Inputs   int        `json:"inputs"`   // before it, all of them closed
	Last     bgp.Micros `json:"last"`     // newest time before it
}

// baseName is the file in the folder that holds the Base, if the journal is not whole from its beginning.
const baseName = "base"

// maxBase bounds what is read of it.
const maxBase = 4096

// readBase gives the base of the journal in dir; the zero Base but File 1 when it is whole.
func readBase(dir string) (Base, error) {
	text, err := os.ReadFile(filepath.Join(dir, baseName))
	if errors.Is(err, os.ErrNotExist) {
		return Base{File: 1}, nil
	}
	if err != nil {
		return Base{}, fmt.Errorf("journal: %w", err)
	}
	var b Base
	if len(text) > maxBase || json.Unmarshal(text, &b) != nil || b.File < 1 || b.Inputs < 0 || b.Inputs > maxInputs {
		return Base{}, &DamageError{baseName, 0, "it does not say where the journal begins"}
	}
	if _, err := b.head(); err != nil {
		return Base{}, &DamageError{baseName, 0, "it holds no hash"}
	}
	return b, nil
}

func (b *Base) head() (h Hash, err error) {
	if b.Previous == "" && b.Entries == 0 {
		return h, nil
	}
	raw, err := hex.DecodeString(b.Previous)
	if err != nil || len(raw) != len(h) {
		return h, errors.New("no hash")
	}
	return Hash(raw), nil
}

// Rotate commits, begins the next file, and gives the place between the two. Every input must be closed: the entries behind it refer to none before.
func (w *Writer) Rotate() (Base, error) {
	if err := w.Commit(); err != nil {
		return Base{}, err
	}
	if w.err = w.next(); w.err != nil {
		return Base{}, w.err
	}
	return Base{File: w.number, Previous: hex.EncodeToString(w.head[:]), Entries: w.seq, Inputs: w.inputs, Last: w.last}, nil
}

// Prune gives up all files before a place that Rotate gave. First the place is noted, and durable: a stop in between leaves files that the next
// Prune or Create removes.
func (w *Writer) Prune(b Base) error {
	if b.File > w.number || b.File < 1 {
		return fmt.Errorf("journal: there is no file %d", b.File)
	}
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	tmp := filepath.Join(w.dir, baseName+".new")
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(tmp, filepath.Join(w.dir, baseName))
	}
	if err == nil {
		err = syncDir(w.dir)
	}
	if err != nil {
		return fmt.Errorf("journal: noting where it begins: %w", err)
	}
	w.base = b
	return w.sweep()
}

// sweep removes the files before the base.
func (w *Writer) sweep() error {
	list, err := present(w.dir, 1)
	if err != nil {
		return err
	}
	for _, n := range list {
		if n >= w.base.File {
			break
		}
		if err := os.Remove(filepath.Join(w.dir, fileName(n))); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	return nil
}

// Base is where the journal begins.
func (w *Writer) Base() Base { return w.base }

// Base is where the journal begins.
func (r *Reader) Base() Base { return r.base }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

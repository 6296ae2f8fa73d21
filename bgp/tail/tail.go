// Package tail reads the MRT files that a collector on this machine is writing (BIRD, FRR, OpenBGPD and GoBGP all dump to files),
// record by record as they grow, in order of name.
package tail

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/corewatch/corewatch/bgp/mrt"
)

// Position is how far a folder has been read: all files before File, and File up to Offset. The zero Position is its beginning.
type Position struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
}

// Folder is the folder a collector writes to. Not safe for concurrent use.
type Folder struct {
	dir  string
	pos  Position
	grew time.Time // when the file at pos last grew, by the clock of the caller
	size int64     // of it, then
	torn Counts
}

// Counts is what could not be read as records.
type Counts struct {
	Torn      uint64
	TornBytes int64
}

const (
	// maxFiles bounds how many files the folder may hold.
	maxFiles = 100_000
	// patience is how long a file may stand still, half a record at its end, before the next one is begun.
	patience = 10 * time.Second
)

// Open begins to follow the folder at a position given by Position before, or at its newest file for the zero Position: what a collector
// wrote earlier is an archive, for replay.
func Open(dir string, from Position) (*Folder, error) {
	f := &Folder{dir: dir, pos: from}
	names, err := f.names()
	if err != nil {
		return nil, err
	}
	if from.File == "" && len(names) > 0 {
		f.pos.File = names[len(names)-1]
	}
	return f, nil
}

// Position is how far the folder was read.
func (f *Folder) Position() Position { return f.pos }

// Torn counts what could not be read as records so far.
func (f *Folder) Torn() Counts { return f.torn }

// names lists the files, ascending. Dot files are left out.
func (f *Folder) names() ([]string, error) {
	list, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("folder of MRT files: %w", err)
	}
	if len(list) > maxFiles {
		return nil, fmt.Errorf("the folder holds more than %d files; move old ones away", maxFiles)
	}
	var out []string
	for _, e := range list {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			out = append(out, e.Name())
		}
	}
	return out, nil // ReadDir sorts by name
}

// Read gives what the collector wrote since the last call to take, record by record, which is valid during the call only, and stops early when take
// says false. now is the caller's clock. Files are plain MRT. An error is about the folder or a file; the next call tries again.
func (f *Folder) Read(now time.Time, take func(*mrt.Record) bool) error {
	for {
		more, err := f.file(now, take)
		if err != nil || !more {
			return err
		}
	}
}

// file reads on in the file at the position, and moves to the next file when this one is finished. It reports whether to go on.
func (f *Folder) file(now time.Time, take func(*mrt.Record) bool) (bool, error) {
	if f.pos.File == "" {
		return f.next(now)
	}
	h, err := os.Open(filepath.Join(f.dir, f.pos.File))
	if errors.Is(err, fs.ErrNotExist) { // removed once it was read, or before: nothing can be read of it
		return f.next(now)
	}
	if err != nil {
		return false, fmt.Errorf("MRT file: %w", err)
	}
	defer h.Close()
	st, err := h.Stat()
	if err != nil {
		return false, fmt.Errorf("MRT file: %w", err)
	}
	size := st.Size()
	if size < f.pos.Offset {
		return false, fmt.Errorf("MRT file %s ends at byte %d and was read up to byte %d: a collector that writes its files anew cannot be followed; let it begin a new name", f.pos.File, size, f.pos.Offset)
	}
	if size != f.size || f.grew.IsZero() {
		f.grew, f.size = now, size
	}
	still := now.Sub(f.grew) >= patience
	if size > f.pos.Offset {
		if on, err := f.records(io.NewSectionReader(h, f.pos.Offset, size-f.pos.Offset), still, take); !on || err != nil {
			return false, err
		}
	}
	if f.pos.Offset < size && !still {
		return false, nil // half a record: the rest will come
	}
	return f.next(now)
}

// records reads whole records; false when take had enough. What is cut off at the end is left for the next time, unless the file stands still.
func (f *Folder) records(r io.Reader, still bool, take func(*mrt.Record) bool) (bool, error) {
	base := f.pos.Offset
	rd := mrt.NewReader(r)
	for {
		rec, err := rd.Next()
		var torn *mrt.TornError
		switch {
		case err == nil:
			rec.Offset += base
			on := take(rec)
			f.pos.Offset = rec.Offset + int64(len(rec.Raw))
			if !on {
				return false, nil
			}
		case errors.Is(err, io.EOF):
			return true, nil
		case errors.As(err, &torn):
			if torn.Kind != mrt.Torn && !still {
				return true, nil
			}
			f.torn.Torn++
			f.torn.TornBytes += torn.Length
			f.pos.Offset = base + torn.Offset + torn.Length
		default:
			return false, fmt.Errorf("MRT file %s: %w", f.pos.File, err)
		}
	}
}

// next moves to the file after the one at the position, if there is one and it is begun.
func (f *Folder) next(now time.Time) (bool, error) {
	names, err := f.names()
	if err != nil {
		return false, err
	}
	i, found := slices.BinarySearch(names, f.pos.File)
	if found {
		i++
	}
	if i >= len(names) {
		return false, nil
	}
	st, err := os.Stat(filepath.Join(f.dir, names[i]))
	if err != nil || st.Size() == 0 { // not begun: the one before may still grow
		return false, nil
	}
	f.pos, f.grew, f.size = Position{File: names[i]}, now, 0
	return true, nil
}

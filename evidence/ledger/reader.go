package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Reader reads a ledger up to its published checkpoint, also while somebody writes to it. It does not change; it is safe for concurrent use.
type Reader struct {
	dir string
	c   Checkpoint
}

// checkpointName is the file of the published checkpoint, in the folder of the ledger.
const checkpointName = "checkpoint"

// ErrNone says that there is no ledger.
var ErrNone = errors.New("there is no ledger")

// Read opens the ledger in dir with the checkpoint published last, whose signature must be of a known key. Without a ledger the error wraps ErrNone.
func Read(dir string, known note.Verifiers) (*Reader, error) {
	signed, err := readFile(filepath.Join(dir, checkpointName), maxCheckpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("ledger, checkpoint: %w", err)
	}
	c, err := OpenCheckpoint(signed, known)
	if err != nil {
		return nil, &DamageError{checkpointName, err.Error()}
	}
	return &Reader{dir, c}, nil
}

// Origin reads the name of a ledger from its checkpoint, which is not verified; "" when there is none.
func Origin(dir string) string {
	signed, err := readFile(filepath.Join(dir, checkpointName), maxCheckpoint)
	if err != nil {
		return ""
	}
	for i, c := range signed {
		if c == '\n' && validOrigin(string(signed[:i])) {
			return string(signed[:i])
		}
	}
	return ""
}

// Checkpoint is the one that everything read is held against.
func (r *Reader) Checkpoint() Checkpoint { return r.c }

// Walk gives every record up to the checkpoint, in order, and checks the tree as a whole: each file of hashes, and the root against the checkpoint. A leaf
// that is no record of this version is given with err set, and does not end the walk.
func (r *Reader) Walk(each func(index int64, rec Record, err error) error) error {
	f, err := walk(r.dir, r.c.Size, func(f *frontier, leaf []byte) error {
		rec, err := Decode(leaf)
		return each(f.size, rec, err)
	})
	if err != nil {
		return err
	}
	if f.root() != r.c.Root {
		return &DamageError{checkpointName, "the leaves do not give the hash that was signed: a leaf was changed"}
	}
	return nil
}

// Find gives the place of the newest record that vouches for the same as rec; false when there is none under the checkpoint.
func (r *Reader) Find(rec Record) (index int64, ok bool, err error) {
	err = r.Walk(func(i int64, x Record, bad error) error {
		if bad == nil && x.Says(&rec) {
			index, ok = i, true
		}
		return nil
	})
	return index, ok, err
}

// hashes reads the tree's hashes, each checked against the checkpoint's root.
func (r *Reader) hashes() tlog.HashReader {
	return tlog.TileHashReader(tlog.Tree{N: r.c.Size, Hash: r.c.Root}, tiles(r.dir))
}

// Leaf is the leaf at a place.
func (r *Reader) Leaf(index int64) ([]byte, error) {
	if index < 0 || index >= r.c.Size {
		return nil, fmt.Errorf("ledger: there is no leaf %d under a checkpoint over %d", index, r.c.Size)
	}
	n := index / tileWidth
	list, err := entries(r.dir, n, min(tileWidth, r.c.Size-n*tileWidth))
	if err != nil {
		return nil, err
	}
	return list[index%tileWidth], nil
}

// Proof proves that the leaf at a place is in the ledger: a C2SP tlog-proof@v1, with the checkpoint. It verifies what it gives.
func (r *Reader) Proof(index int64) ([]byte, error) {
	leaf, err := r.Leaf(index)
	if err != nil {
		return nil, err
	}
	p, err := tlog.ProveRecord(r.c.Size, index, r.hashes())
	if err == nil {
		err = tlog.CheckRecord(p, r.c.Size, r.c.Root, index, tlog.RecordHash(leaf))
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: proving leaf %d: %w", index, err)
	}
	return formatProof(index, p, &r.c), nil
}

// ForkError says that a checkpoint somebody kept is no past of this ledger.
type ForkError struct {
	Old, Now Checkpoint
	Why      string
}

// Error says how the two differ.
func (e *ForkError) Error() string {
	return fmt.Sprintf("the ledger was rewritten: a checkpoint over %d leaves was signed, and the ledger of now, of %d leaves, %s", e.Old.Size, e.Now.Size, e.Why)
}

// Extends proves that the ledger grew out of an older state of it; a *ForkError when it did not.
func (r *Reader) Extends(old Checkpoint) error {
	fork := func(why string) error { return &ForkError{old, r.c, why} }
	var empty frontier
	switch {
	case old.Origin != r.c.Origin:
		return fmt.Errorf("the checkpoint is of another ledger: %q, not %q", old.Origin, r.c.Origin)
	case old.Size > r.c.Size:
		return fork("has lost some")
	case old.Size == 0 && old.Root != empty.root(), old.Size == r.c.Size && old.Root != r.c.Root:
		return fork("holds others")
	case old.Size == 0 || old.Size == r.c.Size:
		return nil
	}
	p, err := tlog.ProveTree(r.c.Size, old.Size, r.hashes())
	if err != nil {
		return fmt.Errorf("ledger: proving that it grew: %w", err)
	}
	if tlog.CheckTree(p, r.c.Size, r.c.Root, old.Size, old.Root) != nil {
		return fork("does not begin with them")
	}
	return nil
}

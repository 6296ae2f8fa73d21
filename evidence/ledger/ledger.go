// Package ledger is the append-only log of what an operator's monitor has held and said: digests of what was received, of every revision of every incident,
// of tables and numbers, and the versions of the program. Every minute a checkpoint over all of it is signed. Who holds a checkpoint can tell later
// whether anything before it was changed, left out or put in (docs/ledger.md).
//
// It is a C2SP tlog-tiles log in a folder, kept by the POSIX storage of github.com/transparency-dev/tessera. This package decides what may be signed: it
// recomputes the tree from its leaves when it opens, keeps the tree's state in memory, and signs nothing else.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/transparency-dev/tessera"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/corewatch/corewatch/evidence/keys"
)

// Options are what a ledger needs beside its folder.
type Options struct {
	Keys   string // folder of the keys; the first one is made
	Origin string // name of the ledger; empty: that of the ledger, or of a new one a name made of its key
	// Each is called while it opens, for every leaf that is there, in order; err: it is no record of this version. May be nil.
	Each func(index int64, rec Record, err error)
	// Warn is told what the storage below complains about; may be nil. It may be called from any goroutine.
	Warn func(line string)
}

// Ledger is a ledger open for writing. One process writes at a time, by a lock. It is safe for concurrent use.
type Ledger struct {
	dir  string
	opt  Options
	lock *os.File

	mu        sync.Mutex // guards what follows
	tree      frontier   // all that was appended
	head      Checkpoint // the newest state that was signed, or was about to be; without Note
	published Checkpoint
	add       tessera.AddFn
	stop      context.CancelFunc // of the storage's goroutines
	err       error              // after which nothing more is accepted
}

const (
	// headName is, in the folder of the keys, what the key signed last. It lies with the keys, and not with the ledger: a ledger that was put back from a
	// backup must not be signed once more from there on.
	headName = "ledger.head"
	// waitMost is how long a batch may take: the storage waits for its lock without end.
	waitMost = 30 * time.Second
)

var errClosed = errors.New("ledger: it is closed")

// InUseError says that another process writes to the ledger.
type InUseError struct{ Dir string }

// Error says what to do.
func (e *InUseError) Error() string {
	return "the ledger in " + e.Dir + " is being written to by another process: stop that one first"
}

// Open opens the ledger in dir for writing, and makes it where there is none. All of it is verified: the tree is computed anew from its leaves, and compared with
// the files of hashes, with the checkpoint and with what was signed last. A ledger in which anything is not as it must be is refused with the place, and
// nothing of it is touched.
func Open(ctx context.Context, dir string, opt Options) (l *Ledger, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	l = &Ledger{dir: dir, opt: opt}
	if l.lock, err = lockFolder(dir); err != nil {
		return nil, err
	}
	if err := l.open(ctx); err != nil {
		l.lock.Close()
		return nil, err
	}
	return l, nil
}

func (l *Ledger) open(ctx context.Context) error {
	set, err := keys.Load(l.opt.Keys, keys.Ledger, time.Now())
	if err != nil {
		return err
	}
	if l.opt.Origin, err = l.name(set); err != nil {
		return err
	}
	known, err := set.NoteVerifiers(l.opt.Origin)
	if err != nil {
		return err
	}
	v, err := verify(ctx, l.dir, filepath.Join(l.opt.Keys, headName), known, l.opt.Each)
	if err != nil {
		return err
	}
	if v.head.Size > 0 && v.head.Origin != l.opt.Origin {
		return fmt.Errorf("ledger: the last checkpoint signed is of a ledger named %q, this one is %q", v.head.Origin, l.opt.Origin)
	}
	l.tree, l.head, l.published = *v.tree, v.head, v.published
	if err := sweep(l.dir); err != nil {
		return err
	}
	if v.adopted { // the note was gone: the checkpoint stands for it
		if err := replaceFile(filepath.Join(l.opt.Keys, headName), []byte(v.head.text()), 0o600); err != nil {
			return fmt.Errorf("ledger: noting what was signed: %w", err)
		}
	}
	return l.start(set)
}

// name is what the ledger is called.
func (l *Ledger) name(set *keys.Set) (string, error) {
	there := Origin(l.dir)
	switch want := l.opt.Origin; {
	case want == "" && there != "":
		return there, nil
	case want == "":
		first := set.Public()[0].Key
		return fmt.Sprintf("corewatch/%x", first[:8]), nil
	case !validOrigin(want):
		return "", fmt.Errorf("ledger: %.140q cannot be its name: want 1 to 128 characters without blanks and +", want)
	case there != "" && there != want:
		return "", fmt.Errorf("ledger: it is named %q and cannot be renamed to %q: those who hold its checkpoints would not know it", there, want)
	default:
		return want, nil
	}
}

// Origin is the ledger's name.
func (l *Ledger) Origin() string { return l.opt.Origin }

// Size is how many leaves there are, those without a checkpoint included.
func (l *Ledger) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tree.size
}

// Published is the checkpoint published last.
func (l *Ledger) Published() Checkpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.published
}

// Append writes records, in this order, and gives the place of the first. When it returns without an error they are on the disk, and the next checkpoint
// holds them. After an error nothing more is accepted: open the ledger anew, which tells what is in it.
func (l *Ledger) Append(ctx context.Context, records ...Record) (first int64, err error) {
	leaves := make([][]byte, len(records))
	for i := range records {
		if leaves[i], err = records[i].Encode(); err != nil {
			return 0, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := cmpErr(l.err, ctx.Err()); err != nil {
		return 0, err
	}
	first = l.tree.size
	for len(leaves) > 0 && l.err == nil {
		n := min(len(leaves), batchMost)
		if l.err = l.append(ctx, leaves[:n]); l.err == nil {
			leaves = leaves[n:]
		}
	}
	return first, l.err
}

// append writes one batch. The head is compared before and after: who else wrote, and where, must not be signed.
func (l *Ledger) append(ctx context.Context, leaves [][]byte) error {
	if err := l.expect(); err != nil {
		return err
	}
	futures := make([]tessera.IndexFuture, len(leaves))
	for i, leaf := range leaves {
		futures[i] = l.add(ctx, tessera.NewEntry(leaf))
	}
	done := make(chan error, 1)
	go func() {
		for i, f := range futures {
			at, err := f()
			if want := uint64(l.tree.size) + uint64(i); err == nil && at.Index != want {
				err = fmt.Errorf("a leaf came to place %d where %d was free: somebody else writes to this ledger", at.Index, want)
			}
			if err != nil {
				done <- fmt.Errorf("ledger: writing: %w", err)
				return
			}
		}
		done <- nil
	}()
	t := time.NewTimer(waitMost)
	defer t.Stop()
	select {
	case err := <-done:
		if err != nil {
			return err
		}
	case <-t.C:
		return fmt.Errorf("ledger: writing took longer than %s: another program holds its lock", waitMost)
	}
	for _, leaf := range leaves {
		l.tree.add(tlog.RecordHash(leaf))
	}
	return l.expect()
}

// expect compares the state on the disk with the one in memory.
func (l *Ledger) expect() error {
	at, err := readState(l.dir)
	if err != nil {
		return err
	}
	if at.Size != l.tree.size || at.Root != l.tree.root() {
		return &DamageError{stateName, fmt.Sprintf("the tree on the disk has %d leaves and is not the one of %d that was written: somebody else writes to this ledger", at.Size, l.tree.size)}
	}
	return nil
}

// Publish signs a checkpoint over all leaves and puts it in place. Without new leaves, and with the same keys, it does nothing.
func (l *Ledger) Publish(ctx context.Context) (Checkpoint, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := cmpErr(l.err, ctx.Err()); err != nil {
		return Checkpoint{}, err
	}
	set, err := keys.Read(l.opt.Keys, keys.Ledger) // each time: they may have been rotated
	if err != nil {
		return Checkpoint{}, err
	}
	var signers []note.Signer
	for _, k := range set.Active(time.Now()) {
		s, err := keys.NoteSigner(l.opt.Origin, k)
		if err != nil {
			return Checkpoint{}, err
		}
		signers = append(signers, s)
	}
	next := Checkpoint{Origin: l.opt.Origin, Size: l.tree.size, Root: l.tree.root()}
	if next.Note, err = note.Sign(&note.Note{Text: next.text()}, signers...); err != nil {
		return Checkpoint{}, fmt.Errorf("ledger: signing: %w", err)
	}
	if string(next.Note) == string(l.published.Note) || next.Size == l.published.Size && signedBy(l.published.Note, signers) {
		return l.published, nil
	}
	if l.err = l.publish(&next); l.err != nil {
		return Checkpoint{}, l.err
	}
	l.published = next
	return next, nil
}

// publish puts a checkpoint in place. Before that the new state is noted where the keys are, and must have grown out of the state noted there: compare and swap.
func (l *Ledger) publish(next *Checkpoint) error {
	if err := l.expect(); err != nil {
		return err
	}
	name := filepath.Join(l.opt.Keys, headName)
	was, err := readHead(name)
	if err != nil {
		return err
	}
	if was.Size != l.head.Size || was.Size > 0 && was.Root != l.head.Root {
		return fmt.Errorf("ledger: a checkpoint over %d leaves was signed with this key, and not by this process: two monitors share a folder of keys", was.Size)
	}
	grown := Reader{l.dir, *next}
	if was.Size > 0 {
		if err := grown.Extends(was); err != nil {
			return err
		}
	}
	if err := replaceFile(name, []byte(next.text()), 0o600); err != nil {
		return fmt.Errorf("ledger: noting what is signed: %w", err)
	}
	l.head = Checkpoint{Origin: next.Origin, Size: next.Size, Root: next.Root}
	if err := replaceFile(filepath.Join(l.dir, checkpointName), next.Note, 0o640); err != nil {
		return fmt.Errorf("ledger: publishing the checkpoint: %w", err)
	}
	return nil
}

// signedBy reports whether a note bears a signature line of each signer.
func signedBy(signed []byte, signers []note.Signer) bool {
	for _, s := range signers {
		found := false
		n, err := note.Open(signed, note.VerifierList())
		var foreign *note.UnverifiedNoteError
		if errors.As(err, &foreign) {
			n = foreign.Note
		} else if err != nil {
			return false
		}
		for _, sig := range append(n.Sigs, n.UnverifiedSigs...) {
			found = found || sig.Name == s.Name() && sig.Hash == s.KeyHash()
		}
		if !found {
			return false
		}
	}
	return true
}

// Reader reads up to the checkpoint published last.
func (l *Ledger) Reader() *Reader { return &Reader{l.dir, l.Published()} }

// Close ends the writing. What was appended stays; what has no checkpoint yet gets one from who opens it next: Publish before.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.err, errClosed) {
		return nil
	}
	l.err = errClosed
	l.stop()
	return l.lock.Close()
}

// cmpErr is the first error that is one.
func cmpErr(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

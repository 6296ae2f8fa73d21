package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"k8s.io/klog/v2"

	"github.com/corewatch/corewatch/evidence/keys"
)

const (
	stateName = ".state/treeState" // where the storage keeps size and root of all that was written
	stateMost = 4096
	lockName  = "writer.lock"
	batchMost = 1024
	// batchAge is how long the storage waits for a batch to fill: a caller's records come at once.
	batchAge = time.Millisecond
	// never is as far off as a checkpoint of the storage's own: this package publishes.
	never = 100 * 365 * 24 * time.Hour
	// tidyEvery is how often files of unfinished tiles are removed of which there is a full one.
	tidyEvery = 10 * time.Minute
)

// state is the storage's word on the tree.
type state struct {
	Size int64
	Root tlog.Hash
}

// readState reads it; fs.ErrNotExist when there is none.
func readState(dir string) (state, error) {
	text, err := readFile(filepath.Join(dir, filepath.FromSlash(stateName)), stateMost)
	if err != nil {
		return state{}, fmt.Errorf("ledger, %s: %w", stateName, err)
	}
	var s struct {
		Size int64  `json:"size"`
		Root []byte `json:"root"`
	}
	if err := json.Unmarshal(text, &s); err != nil || s.Size < 0 || len(s.Root) != tlog.HashSize {
		return state{}, &DamageError{stateName, "it does not say how large the tree is"}
	}
	return state{s.Size, tlog.Hash(s.Root)}, nil
}

// readHead reads what was signed last; the zero Checkpoint when nothing was.
func readHead(name string) (Checkpoint, error) {
	text, err := readFile(name, stateMost)
	if errors.Is(err, fs.ErrNotExist) {
		return Checkpoint{}, nil
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("ledger, %s: %w", headName, err)
	}
	c, err := parseText(string(text))
	if err != nil {
		return Checkpoint{}, &DamageError{headName, err.Error()}
	}
	return c, nil
}

// verified is what verify found.
type verified struct {
	tree            *frontier
	head, published Checkpoint
	adopted         bool // head is the checkpoint, because nothing was noted
}

// verify computes the tree of a ledger from its leaves, and compares it with everything that was said of it. It writes nothing.
func verify(ctx context.Context, dir, head string, known note.Verifiers, each func(int64, Record, error)) (v verified, err error) {
	if v.head, err = readHead(head); err != nil {
		return v, err
	}
	r, err := Read(dir, known)
	switch {
	case err == nil:
		v.published = r.c
	case !errors.Is(err, ErrNone):
		return v, err
	}
	at, err := readState(dir)
	if errors.Is(err, fs.ErrNotExist) {
		at = state{Root: sha256.Sum256(nil)}
		if _, err := os.Lstat(filepath.Join(dir, "tile")); err == nil || v.published.Size > 0 {
			return v, &DamageError{stateName, "it is missing, and there are leaves: restore it from a backup"}
		}
	} else if err != nil {
		return v, err
	}
	roots := map[int64]tlog.Hash{}
	v.tree, err = walk(dir, at.Size, func(f *frontier, leaf []byte) error {
		if f.size == v.head.Size || f.size == v.published.Size {
			roots[f.size] = f.root()
		}
		if each != nil {
			rec, err := Decode(leaf)
			each(f.size, rec, err)
		}
		return ctx.Err()
	})
	if err != nil {
		return v, err
	}
	if v.tree.root() != at.Root {
		return v, &DamageError{stateName, "the leaves do not give the hash that was written: a leaf was changed"}
	}
	roots[at.Size] = at.Root
	if v.published.Size > at.Size || v.published.Note != nil && roots[v.published.Size] != v.published.Root {
		return v, &ForkError{v.published, Checkpoint{Size: at.Size}, "is another one: leaves were changed, or a part of it was put back from a backup"}
	}
	if v.head.Size == 0 { // the note of what was signed is gone: the checkpoint is what was
		v.head, v.adopted = Checkpoint{Origin: v.published.Origin, Size: v.published.Size, Root: v.published.Root}, v.published.Size > 0
	}
	if v.head.Size > at.Size || v.head.Size > 0 && roots[v.head.Size] != v.head.Root {
		return v, &ForkError{v.head, Checkpoint{Size: at.Size}, "is another one: it was put back from a backup, or begun anew, and must not be signed with the same key"}
	}
	return v, nil
}

// lockFolder takes the lock of the one writer. The kernel releases it with the process, however that ends.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, &InUseError{dir}
		}
		return nil, fmt.Errorf("ledger: locking %s: %w", dir, err)
	}
	return f, nil
}

// litter is what a stop leaves of files that were being replaced.
var litter = regexp.MustCompile(`^(treeState|gcState|checkpoint)[0-9]+$|^\.checkpoint-[0-9]+$`)

// sweep removes it.
func sweep(dir string) error {
	for _, d := range []string{dir, filepath.Join(dir, ".state")} {
		list, err := os.ReadDir(d)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("ledger: %w", err)
		}
		for _, e := range list {
			if e.Type().IsRegular() && litter.MatchString(e.Name()) {
				if err := os.Remove(filepath.Join(d, e.Name())); err != nil {
					return fmt.Errorf("ledger: %w", err)
				}
			}
		}
	}
	return nil
}

// onlyEmpty is the signer that the storage is given: it signs a checkpoint over nothing, with which the storage begins, and refuses all others. What is signed
// is decided by Publish.
type onlyEmpty struct{ note.Signer }

// Sign signs nothing but the empty tree.
func (s onlyEmpty) Sign(msg []byte) ([]byte, error) {
	if c, err := parseText(string(msg)); err != nil || c.Size != 0 {
		return nil, errors.New("the storage does not sign")
	}
	return s.Signer.Sign(msg)
}

// quiet takes the storage's log, which would go to standard error, once for the process.
var quiet sync.Once

type complaints struct {
	mu   sync.Mutex
	warn func(string) // guarded by mu: of the ledger opened last
}

var complaint complaints

// Write hands a line on.
func (c *complaints) Write(b []byte) (int, error) {
	c.mu.Lock()
	warn := c.warn
	c.mu.Unlock()
	if warn != nil && !bytes.HasPrefix(b, []byte("I")) { // I: information
		warn(string(bytes.TrimSpace(b)))
	}
	return len(b), nil
}

// start begins the storage's goroutines, which stop ends. What the life cycle of tessera.NewAppender would put around the driver is not taken: it reads the
// state from the disk twenty times a second for figures that nobody asks for, and waits for checkpoints that the storage does not make here.
func (l *Ledger) start(set *keys.Set) error {
	quiet.Do(func() {
		klog.LogToStderr(false)
		klog.SetOutput(&complaint)
	})
	complaint.mu.Lock()
	complaint.warn = l.opt.Warn
	complaint.mu.Unlock()
	_, key := set.Current()
	signer, err := keys.NoteSigner(l.opt.Origin, key)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	driver, err := posix.New(ctx, posix.Config{Path: l.dir})
	if err != nil {
		stop()
		return fmt.Errorf("ledger: %w", err)
	}
	d, ok := driver.(interface {
		Appender(context.Context, *tessera.AppendOptions) (*tessera.Appender, tessera.LogReader, error)
	})
	if !ok {
		stop()
		return fmt.Errorf("ledger: a storage of type %T does not append", driver)
	}
	a, _, err := d.Appender(ctx, tessera.NewAppendOptions().WithCheckpointSigner(onlyEmpty{signer}).WithCheckpointInterval(never).
		WithBatching(batchMost, batchAge).WithGarbageCollectionInterval(tidyEvery))
	if err != nil {
		stop()
		return fmt.Errorf("ledger: %w", err)
	}
	l.add, l.stop = a.Add, stop
	if l.published.Note == nil { // it was made just now
		_, err := l.Publish(ctx)
		if err != nil {
			stop()
		}
		return err
	}
	return nil
}

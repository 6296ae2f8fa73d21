package ledger

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/mod/sumdb/note"
)

// Check verifies the ledger in dir as Open does, and changes nothing: every leaf, every file of hashes, the state of the storage, the checkpoint, and what was
// signed last, where the folder of the keys is given. While somebody writes to it, what is under the checkpoint is verified, and writing is true. each is as in
// Options; it may be nil.
func Check(ctx context.Context, dir, keyFolder string, known note.Verifiers, each func(index int64, rec Record, err error)) (r *Reader, writing bool, err error) {
	if r, err = Read(dir, known); err != nil {
		return nil, false, err
	}
	f, err := os.Open(filepath.Join(dir, lockName))
	if err == nil {
		defer f.Close()
		writing = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
	} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return nil, false, err
	}
	if writing || errors.Is(err, fs.ErrPermission) {
		return r, true, r.Walk(func(i int64, rec Record, bad error) error {
			if each != nil {
				each(i, rec, bad)
			}
			return ctx.Err()
		})
	}
	head := filepath.Join(keyFolder, headName)
	if keyFolder == "" {
		head = filepath.Join(dir, "no such file") // nobody says what was signed last
	}
	_, err = verify(ctx, dir, head, known, each)
	return r, false, err
}

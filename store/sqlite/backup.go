package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Backup writes a consistent copy of the store to a new file, while writers go on. The file appears under its name only when
// it is complete, verified and durable; a name that exists is refused (os.ErrExist). Its folder must exist. To restore, put
// the file into an empty folder as FileName.
func (s *Store) Backup(ctx context.Context, path string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("backup of store %s to %s: %w", s.name, path, explain(err))
		}
	}()
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("the file exists, choose another name: %w", fs.ErrExist)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".corewatch-backup-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	part := filepath.Join(dir, FileName)
	if err := s.vacuumInto(ctx, part); err != nil {
		return err
	}
	if err := verifyCopy(ctx, part); err != nil {
		return fmt.Errorf("the copy is not good: %w", err)
	}
	if err := syncFile(part); err != nil {
		return err
	}
	// A hard link, unlike a rename, never replaces a file that came up meanwhile.
	if err := os.Link(part, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// vacuumInto copies the store with VACUUM INTO, which reads one snapshot.
func (s *Store) vacuumInto(ctx context.Context, path string) error {
	if s.reader == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closed {
			return errClosed
		}
		_, err := s.w.ExecContext(ctx, "VACUUM INTO ?", path)
		return err
	}
	c, err := s.reader.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // back to the pool
	// VACUUM INTO writes another file only, yet query_only forbids it. The pragma is put back whatever happens.
	if _, err := c.ExecContext(ctx, "PRAGMA query_only=0"); err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, "VACUUM INTO ?", path)
	_, back := c.ExecContext(context.WithoutCancel(ctx), "PRAGMA query_only=1")
	return errors.Join(err, back)
}

// verifyCopy opens the copy as a store and lets SQLite check it.
func verifyCopy(ctx context.Context, path string) (err error) {
	s, err := openReaderFrom(ctx, path, path, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var p problems
	if err := s.read(ctx, "integrity", func(q querier) error { return p.pragma(ctx, q, "integrity_check") }); err != nil {
		return err
	}
	return p.err()
}

// syncFile makes the content of a file durable, readable by its owner only.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Sync(), f.Close())
}

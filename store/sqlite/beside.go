package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// OpenBeside opens an existing store for small writes beside the monitor that may be writing it: what people tell a monitor, and write about incidents. SQLite itself keeps the
// two apart. It takes no lock, makes and migrates nothing: a folder without a store gives an error that wraps os.ErrNotExist, and a store of another
// schema is refused.
func OpenBeside(ctx context.Context, dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("store folder %s: %w", dir, err)
	}
	path := filepath.Join(dir, FileName)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("no store in %s: %w", dir, err)
	}
	s := &Store{name: dir, stmts: map[string]*sql.Stmt{}}
	s.forget()
	if err := s.openBeside(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("store %s: %w", dir, explain(err)), s.Close())
	}
	return s, nil
}

func (s *Store) openBeside(ctx context.Context, path string) (err error) {
	if s.db, err = sql.Open("sqlite", fileURI(path)+"?"+pragmas("foreign_keys(1)", "synchronous(FULL)")); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(1)
	if s.w, err = s.db.Conn(ctx); err != nil {
		return err
	}
	version, err := identify(ctx, s.w)
	if err == nil && version != schemaVersion {
		err = fmt.Errorf("its schema is %d, and that of this software %d: start the monitor of this version on it once", version, schemaVersion)
	}
	if err != nil {
		return err
	}
	s.reader, err = openPool(path, "")
	return err
}

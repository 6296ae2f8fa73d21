package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Migration is what Migrate did.
type Migration struct {
	From, To int    // versions of the schema; equal when there was nothing to do
	Copy     string // the store as it was before; "" when there was nothing to do
}

// maxCopies bounds how many copies of one version lie in a folder.
const maxCopies = 100

// Migrate brings the store of a folder to the schema of this software, as Open does, and keeps a verified copy of it as it was in the same folder. A folder
// without a store gives an error that wraps os.ErrNotExist, one that another process writes *InUseError, a file of newer software *NewerSchemaError.
func Migrate(ctx context.Context, dir string) (m Migration, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return m, fmt.Errorf("store folder %s: %w", dir, err)
	}
	path := filepath.Join(dir, FileName)
	if !fileExists(path) {
		return m, fmt.Errorf("no store in %s: %w", dir, fs.ErrNotExist)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if m.Copy, m.From, err = setCopyAside(ctx, dir, path); err != nil {
		return m, err
	}
	s, err := openWriter(ctx, dir, path)
	if err != nil {
		return m, err
	}
	m.To = schemaVersion
	return m, s.Close()
}

// setCopyAside copies a store that is not of this schema, and says of which it is.
func setCopyAside(ctx context.Context, dir, path string) (name string, version int, err error) {
	s, err := openReaderFrom(ctx, dir, path, 1)
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.read(ctx, "schema version", func(q querier) error { version, err = identify(ctx, q); return err }); err != nil {
		return "", 0, err
	}
	if version == schemaVersion {
		return "", version, nil
	}
	for n := range maxCopies {
		name = filepath.Join(dir, fmt.Sprintf("corewatch-schema-%d.db", version))
		if n > 0 {
			name = filepath.Join(dir, fmt.Sprintf("corewatch-schema-%d-%d.db", version, n+1))
		}
		if err = s.Backup(ctx, name); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return name, version, err
}

// Package sqlite is the embedded default store of corewatch: incidents with every revision, their members, time series, raw
// evidence and the facts of a run, in one SQLite file (corewatch.db) of a folder. It needs no server and no C compiler.
//
// What a method has acknowledged by returning nil survives a killed process and a power cut: the file is in WAL mode with
// synchronous=FULL. What is read back is verified (checksums, digests, columns against JSON) before it is handed out.
//
// Times inside incidents and members keep whole seconds, as their published JSON does; samples and messages keep microseconds.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	driver "modernc.org/sqlite" // registers itself as "sqlite"
)

// FileName is the database inside the folder of a store. SQLite keeps its -wal and -shm files beside it.
const FileName = "corewatch.db"

// lockName is the file whose advisory lock says that a writer owns the folder.
const lockName = "corewatch.lock"

// applicationID marks the file as ours in the SQLite header: "CORW".
const applicationID = 0x434F5257

// busyTimeout is how long SQLite waits for another process (a reader that recovers the WAL, a backup) before it gives up.
const busyTimeout = 10 * time.Second

// Store is one open store. It is safe for concurrent use: writers queue behind one connection, readers of a file run beside
// them on their own snapshots.
type Store struct {
	name   string    // how errors call it: the folder, or "memory"
	lock   *os.File  // the held writer lock; nil when reading or in memory
	db     *sql.DB   // owns the writing connection; nil in a read-only store
	reader *sql.DB   // snapshots; nil in memory, where everything runs on the one connection
	now    time.Time // set only by tests, else the zero value

	mu     sync.Mutex            // serialises every use of the writing connection; guards what follows
	w      *sql.Conn             // the writing connection; nil in a read-only store
	stmts  map[string]*sql.Stmt  // prepared on w, by text
	series map[seriesKey]*series // write state of the series touched so far; dropped whenever a transaction fails
	peers  map[peerKey]int64     // row numbers of interned peers; dropped likewise
	follow bool                  // somebody follows the store: what is stored is noted for him
	closed bool
}

// Open opens the store of a folder for writing, creating folder (mode 0700) and file when they are missing and migrating an
// older file. A folder that another process writes gives *InUseError, a file of newer software *NewerSchemaError.
func Open(ctx context.Context, dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("store folder %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store folder %s cannot be created, choose a folder that this user may write: %w", dir, err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	s, err := openWriter(ctx, dir, filepath.Join(dir, FileName))
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.lock = lock
	return s, nil
}

// OpenReadOnly opens an existing store for reading only, also while a monitor writes it. A folder without a store gives an
// error that wraps os.ErrNotExist; a file of an older schema is refused, because reading must not migrate.
func OpenReadOnly(ctx context.Context, dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("store folder %s: %w", dir, err)
	}
	return openReader(ctx, dir, filepath.Join(dir, FileName))
}

// OpenMemory opens an empty store that lives in memory and is gone after Close.
func OpenMemory(ctx context.Context) (*Store, error) {
	return openWriter(ctx, "memory", "")
}

// openWriter opens path ("" is memory) with its schema brought up to date.
func openWriter(ctx context.Context, name, path string) (*Store, error) {
	s := &Store{name: name, stmts: map[string]*sql.Stmt{}}
	s.forget()
	dsn := ":memory:?" + pragmas("foreign_keys(1)")
	if path != "" {
		// Created here rather than by SQLite, so that nobody else can ever read it.
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("store %s cannot be written: %w", name, err)
		}
		if err := f.Close(); err != nil {
			return nil, fmt.Errorf("store %s: %w", name, err)
		}
		dsn = fileURI(path) + "?" + pragmas("foreign_keys(1)", "synchronous(FULL)", "journal_size_limit(67108864)", "cache_size(-32000)")
	}
	if err := s.openDB(ctx, dsn, path); err != nil {
		return nil, errors.Join(fmt.Errorf("store %s: %w", name, err), s.Close())
	}
	return s, nil
}

func (s *Store) openDB(ctx context.Context, dsn, path string) (err error) {
	if s.db, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(1)
	if s.w, err = s.db.Conn(ctx); err != nil {
		return explain(err)
	}
	// The identity comes first: a file that is not ours is left as it is, journal mode included.
	if _, err := identify(ctx, s.w); err != nil {
		return explain(err)
	}
	if path != "" {
		var mode string
		if err := s.w.QueryRowContext(ctx, "PRAGMA journal_mode=WAL").Scan(&mode); err != nil {
			return explain(err)
		}
		if mode != "wal" {
			return fmt.Errorf("journal mode is %q where WAL is needed: the file system does not support shared memory", mode)
		}
	}
	if err := migrate(ctx, s.w); err != nil {
		return explain(err)
	}
	if s.follow, err = followed(ctx, s.w); err != nil {
		return explain(err)
	}
	if path == "" {
		return nil
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return err
	}
	s.reader, err = openPool(path, "")
	return err
}

// openReader opens path for reading only.
func openReader(ctx context.Context, name, path string) (*Store, error) {
	return openReaderFrom(ctx, name, path, readableFrom)
}

// openReaderFrom does so with a file of a version from oldest on.
func openReaderFrom(ctx context.Context, name, path string, oldest int) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("no store in %s: %w", name, err)
	}
	s := &Store{name: name}
	err := s.openPools(ctx, path, "&mode=ro", oldest)
	if (isCode(err, codeCantOpen) || isCode(err, codeReadOnly)) && !fileExists(path+"-wal") {
		// A folder we may not write has no place for the WAL index. Nobody writes this file (there is no WAL), so it can be
		// read as it is.
		err = s.openPools(ctx, path, "&mode=ro&immutable=1", oldest)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store %s: %w", name, explain(err)), s.Close())
	}
	return s, nil
}

func (s *Store) openPools(ctx context.Context, path, extra string, oldest int) (err error) {
	if s.reader != nil {
		_ = s.reader.Close() // the attempt before this one; nothing was read through it
	}
	if s.reader, err = openPool(path, extra); err != nil {
		return err
	}
	conn, err := s.reader.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	version, err := identify(ctx, conn)
	if err == nil && version < oldest {
		err = fmt.Errorf("schema %d is older than this software reads (%d): bring it up to date with corewatch migrate", version, oldest)
	}
	return err
}

// openPool makes the connections that readers share.
func openPool(path, extra string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", fileURI(path)+"?"+pragmas("query_only(1)")+extra)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(2)
	return db, nil
}

func fileURI(path string) string {
	return "file://" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()
}

func pragmas(list ...string) string {
	q := url.Values{"_pragma": append([]string{"busy_timeout(" + strconv.FormatInt(busyTimeout.Milliseconds(), 10) + ")"}, list...)}
	return q.Encode()
}

// Close ends the store; acknowledged writes are durable already. A second Close does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for _, st := range s.stmts {
		errs = append(errs, st.Close())
	}
	if s.reader != nil {
		errs = append(errs, s.reader.Close())
	}
	if s.w != nil {
		errs = append(errs, s.w.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close()) // closing releases the lock
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing store %s: %w", s.name, err)
	}
	return nil
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// isCode reports whether err is the driver's error of a primary SQLite result code.
func isCode(err error, code int) bool {
	var e *driver.Error
	return errors.As(err, &e) && e.Code()&0xff == code
}

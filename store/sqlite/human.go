package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"
)

// OpenBeside opens an existing store for what people write (annotations and holds), also while a monitor writes it: SQLite lets one wait for the other. Nothing
// else may be written through it, and the file must be of this software's schema.
func OpenBeside(ctx context.Context, dir string) (*Store, error) {
	s, err := OpenReadOnly(ctx, dir) // that it is there, and ours
	if err != nil {
		return nil, err
	}
	s.Close()
	if s, err = Open(ctx, dir); !errors.As(err, new(*InUseError)) {
		return s, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, FileName)
	s = &Store{name: dir, stmts: map[string]*sql.Stmt{}}
	s.forget()
	fail := func(err error) (*Store, error) {
		return nil, errors.Join(fmt.Errorf("store %s: %w", dir, explain(err)), s.Close())
	}
	if s.db, err = sql.Open("sqlite", fileURI(path)+"?"+pragmas("foreign_keys(1)", "synchronous(FULL)")); err != nil {
		return fail(err)
	}
	s.db.SetMaxOpenConns(1)
	if s.w, err = s.db.Conn(ctx); err != nil {
		return fail(err)
	}
	version, err := identify(ctx, s.w)
	if err == nil && version != schemaVersion {
		err = fmt.Errorf("a monitor of other software (schema %d, here %d) writes it: use its program, or stop it", version, schemaVersion)
	}
	if err == nil {
		s.reader, err = openPool(path, "")
	}
	if err != nil {
		return fail(err)
	}
	return s, nil
}

// SaveAnnotation stores a revision of what people wrote about an incident: the next one, or ErrConflict. ErrNotFound without such an incident.
func (s *Store) SaveAnnotation(ctx context.Context, id string, revision int, text []byte) error {
	return s.write(ctx, fmt.Sprintf("annotation of incident %.80q", id), func(ctx context.Context) error {
		var n int64
		if err := s.row(ctx, "SELECT n FROM incident WHERE id=?", []any{id}, &n); err != nil {
			return absent(err)
		}
		var last int
		if err := s.row(ctx, "SELECT coalesce(max(revision),0) FROM annotation WHERE incident=?", []any{id}, &last); err != nil {
			return err
		}
		if revision != last+1 {
			return fmt.Errorf("%w: revision %d, and %d is the newest: somebody else has edited it", ErrConflict, revision, last)
		}
		_, err := s.exec(ctx, "INSERT INTO annotation (incident, revision, crc, body) VALUES (?,?,?,?)", id, revision, checksum(text, id, strconv.Itoa(revision)), string(text))
		return err
	})
}

// StoredAnnotation is a revision of what people wrote about an incident.
type StoredAnnotation struct {
	N        int64 // in the order of storing, from 1
	Incident string
	Revision int
	Text     []byte
}

// Annotations gives the revisions stored after a place (see StoredAnnotation.N; 0: all) about an incident ("": about all), in the order of storing.
func (s *Store) Annotations(ctx context.Context, id string, after int64) (list []StoredAnnotation, err error) {
	err = s.human(ctx, "annotations", "annotation", func(q querier) error {
		rows, err := q.QueryContext(ctx, "SELECT n, incident, revision, crc, body FROM annotation WHERE n>? AND (?='' OR incident=?) ORDER BY n", after, id, id)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var a StoredAnnotation
			var crc int64
			var text string
			if err := rows.Scan(&a.N, &a.Incident, &a.Revision, &crc, &text); err != nil {
				return err
			}
			if a.Text = []byte(text); checksum(a.Text, a.Incident, strconv.Itoa(a.Revision)) != crc {
				return &CorruptError{fmt.Sprintf("annotation %d of incident %s", a.Revision, a.Incident), errors.New("its checksum does not match")}
			}
			list = append(list, a)
		}
		return rows.Err()
	})
	return list, err
}

// Hold is an entry of the log of holds: put on an incident, or lifted.
type Hold struct {
	Incident string
	Held     bool
	At       time.Time
	Role     string
	Reason   string
}

// AddHold notes that a hold was put or lifted. ErrConflict when it is so already; ErrNotFound without such an incident.
func (s *Store) AddHold(ctx context.Context, h Hold) error {
	return s.write(ctx, fmt.Sprintf("hold of incident %.80q", h.Incident), func(ctx context.Context) error {
		var n int64
		if err := s.row(ctx, "SELECT n FROM incident WHERE id=?", []any{h.Incident}, &n); err != nil {
			return absent(err)
		}
		held := 0
		err := s.row(ctx, "SELECT held FROM hold WHERE incident=? ORDER BY n DESC LIMIT 1", []any{h.Incident}, &held)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if (held == 1) == h.Held {
			return fmt.Errorf("%w: %s", ErrConflict, map[bool]string{true: "it is held already", false: "it is not held"}[h.Held])
		}
		_, err = s.exec(ctx, "INSERT INTO hold (incident, held, at, role, reason) VALUES (?,?,?,?,?)", h.Incident, 1-held, h.At.UnixMicro(), h.Role, h.Reason)
		return err
	})
}

// Holds gives the log of holds, the first one first.
func (s *Store) Holds(ctx context.Context) (list []Hold, err error) {
	err = s.human(ctx, "holds", "hold", func(q querier) error {
		rows, err := q.QueryContext(ctx, "SELECT incident, held, at, role, reason FROM hold ORDER BY n")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var h Hold
			var at int64
			if err := rows.Scan(&h.Incident, &h.Held, &at, &h.Role, &h.Reason); err != nil {
				return err
			}
			h.At = time.UnixMicro(at).UTC()
			list = append(list, h)
		}
		return rows.Err()
	})
	return list, err
}

// human reads from a table that a file of an older schema, opened for reading only, has not: nobody wrote anything then.
func (s *Store) human(ctx context.Context, what, table string, fn func(q querier) error) error {
	return s.read(ctx, what, func(q querier) error {
		have, err := columns(ctx, q, table)
		if err != nil || len(have) == 0 {
			return err
		}
		return fn(q)
	})
}

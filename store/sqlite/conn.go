package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// clock is the wall clock, used only where a row says when the store first met something.
func (s *Store) clock() time.Time {
	if !s.now.IsZero() {
		return s.now
	}
	return time.Now()
}

// forget drops what the writer remembers about rows, after a transaction whose rows may not exist.
func (s *Store) forget() {
	s.series = map[seriesKey]*series{}
	s.peers = map[peerKey]int64{}
}

// querier is what reading needs from a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// read runs fn on one consistent snapshot. In memory it holds the only connection, so fn must never call back to a user.
func (s *Store) read(ctx context.Context, what string, fn func(q querier) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store %s: %s: %w", s.name, what, explain(err))
		}
	}()
	if s.reader == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closed {
			return errClosed
		}
		return fn(s.w)
	}
	tx, err := s.reader.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return fn(tx)
}

// write runs fn in one transaction of the writing connection and returns nil only when it is durable. A context that ends is
// noticed before the transaction and wherever fn looks; it never leaves half a write.
func (s *Store) write(ctx context.Context, what string, fn func(ctx context.Context) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store %s: %s: %w", s.name, what, explain(err))
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if s.w == nil {
		return ErrReadOnly
	}
	// The driver starts a goroutine for each statement of a context that can end; a batch has thousands.
	inner := context.WithoutCancel(ctx)
	if _, err := s.w.ExecContext(inner, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err = fn(inner)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		if _, err = s.w.ExecContext(inner, "COMMIT"); err == nil {
			return nil
		}
	}
	s.forget()
	// A failed COMMIT (disk full) may have rolled back by itself; then this says that no transaction is active.
	_, _ = s.w.ExecContext(inner, "ROLLBACK")
	return err
}

// stmt is a statement prepared once on the writing connection. The caller holds mu.
func (s *Store) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	if st, ok := s.stmts[text]; ok {
		return st, nil
	}
	st, err := s.w.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s.stmts[text] = st
	return st, nil
}

// exec runs a prepared statement on the writing connection. The caller holds mu.
func (s *Store) exec(ctx context.Context, text string, args ...any) (sql.Result, error) {
	st, err := s.stmt(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

// row queries one row with a prepared statement on the writing connection. The caller holds mu.
func (s *Store) row(ctx context.Context, text string, args []any, dest ...any) error {
	st, err := s.stmt(ctx, text)
	if err != nil {
		return err
	}
	return st.QueryRowContext(ctx, args...).Scan(dest...)
}

// rowsAtOnce is how many rows one statement of insert carries; more gains little.
const rowsAtOnce = 32

// insert writes rows of width values each, given one after another in args, and returns how many were not left out by tail
// (an ON CONFLICT clause, or empty). The caller holds mu.
func (s *Store) insert(ctx context.Context, into string, width int, tail string, args []any) (written int64, err error) {
	return s.insertRows(ctx, into, "(?"+strings.Repeat(",?", width-1)+")", width, tail, args)
}

// insertRows is insert with a row of its own form, which takes width values.
func (s *Store) insertRows(ctx context.Context, into, row string, width int, tail string, args []any) (written int64, err error) {
	many := into + " VALUES " + row + strings.Repeat(","+row, rowsAtOnce-1) + " " + tail
	one := into + " VALUES " + row + " " + tail
	for len(args) > 0 {
		text, n := one, width
		if len(args) >= rowsAtOnce*width {
			text, n = many, rowsAtOnce*width
		}
		res, err := s.exec(ctx, text, args[:n]...)
		if err != nil {
			return written, err
		}
		k, err := res.RowsAffected()
		if err != nil {
			return written, err
		}
		written += k
		args = args[n:]
	}
	return written, nil
}

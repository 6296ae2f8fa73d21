package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// step is one idempotent change of the schema: it compares what is wanted with what exists and does only what is missing, so
// that a list of steps can run again over any state of the file.
type step struct {
	kind  string // "table", "index", "trigger" or "column"
	table string
	name  string   // of the index, trigger or column; empty for a table
	ddl   string   // statement that makes it
	cols  []string // columns that an existing table must have
}

// migration is the list of steps from one version to the next.
type migration struct {
	version int
	name    string
	steps   []step
}

// conn is what a migration needs.
type conn interface {
	querier
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// identify reads whose file this is. A new file gives version 0; a file of others and one of newer software are refused.
func identify(ctx context.Context, c querier) (version int, err error) {
	var app, objects int
	if err := c.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app); err != nil {
		return 0, err
	}
	if err := c.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return 0, err
	}
	if err := c.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&objects); err != nil {
		return 0, err
	}
	switch {
	case app == 0 && version == 0 && objects == 0:
		return 0, nil
	case app != applicationID:
		return 0, fmt.Errorf("%s is a database, but not one of corewatch: choose another folder", FileName)
	case version > schemaVersion:
		return 0, &NewerSchemaError{Found: version, Supported: schemaVersion}
	case version < 1:
		return 0, fmt.Errorf("schema version %d makes no sense: restore a backup", version)
	}
	return version, nil
}

// migrate brings the schema to schemaVersion in one transaction, or leaves it as it was.
func migrate(ctx context.Context, c conn) (err error) {
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_, rollback := c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
			err = errors.Join(fmt.Errorf("migration: %w", err), rollback)
		}
	}()
	for _, m := range migrations {
		for _, st := range m.steps {
			if err := st.apply(ctx, c); err != nil {
				return fmt.Errorf("%d (%s): %w", m.version, m.name, err)
			}
		}
	}
	for _, p := range []string{
		fmt.Sprintf("PRAGMA application_id=%d", applicationID),
		fmt.Sprintf("PRAGMA user_version=%d", schemaVersion),
		"COMMIT",
	} {
		if _, err := c.ExecContext(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// apply does the step unless its result exists.
func (st step) apply(ctx context.Context, c conn) error {
	have, err := columns(ctx, c, st.table)
	if err != nil {
		return err
	}
	switch st.kind {
	case "table":
		if len(have) > 0 {
			for _, col := range st.cols {
				if !have[col] {
					return fmt.Errorf("table %s exists without its column %s: restore a backup", st.table, col)
				}
			}
			return nil
		}
	case "column":
		if have[st.name] {
			return nil
		}
	case "index", "trigger":
		var n int
		err := c.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE type=? AND name=? AND tbl_name=?", st.kind, st.name, st.table).Scan(&n)
		if err != nil {
			return err
		}
		if n > 0 {
			return nil
		}
	default:
		return fmt.Errorf("step of unknown kind %q", st.kind)
	}
	if _, err := c.ExecContext(ctx, st.ddl); err != nil {
		return fmt.Errorf("%s %s %s: %w", st.kind, st.table, st.name, err)
	}
	return nil
}

// columns is the set of column names of a table, empty when there is no such table.
func columns(ctx context.Context, c querier, table string) (set map[string]bool, err error) {
	rows, err := c.QueryContext(ctx, "SELECT name FROM pragma_table_info(?)", table)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	set = map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		set[name] = true
	}
	return set, rows.Err()
}

package clickhouse

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// NewerSchemaError says that newer software made the tables.
type NewerSchemaError struct{ Found, Supported int }

// Error says what to do.
func (e *NewerSchemaError) Error() string {
	return fmt.Sprintf("schema %d was made by newer software (this one writes %d, and %d): upgrade corewatch, or use another database", e.Found, e.Supported, e.Supported+1)
}

// in is the qualified name of a table.
func (s *Store) in(table string) string { return "`" + s.conf.Database + "`.`" + table + "`" }

// quoted is a string of SQL.
func quoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

// migrate brings database, tables and view to schemaVersion. Each step compares what is wanted with what exists and does what is missing, so
// that it can be cut off anywhere, and run by several monitors at once. The caller holds mu.
func (s *Store) migrate(ctx context.Context) error {
	database := quoted(s.conf.Database)
	rows, err := s.strings(ctx, "SELECT name FROM system.databases WHERE name = "+database, "name")
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		if err := s.exec(ctx, "CREATE DATABASE IF NOT EXISTS `"+s.conf.Database+"`"); err != nil {
			return err
		}
	}
	found, err := s.version(ctx)
	if err != nil {
		return err
	}
	switch {
	case found > schemaVersion+1:
		return &NewerSchemaError{found, schemaVersion}
	case found > schemaVersion:
		return nil // the newer software has looked after the tables
	}
	for i := range tables {
		if err := s.apply(ctx, &tables[i]); err != nil {
			return fmt.Errorf("table %s: %w", tables[i].name, err)
		}
	}
	if found == schemaVersion {
		return nil
	}
	text := strings.ReplaceAll(view, "{revisions}", s.in(revisionTable))
	if err := s.exec(ctx, "CREATE OR REPLACE VIEW "+s.in(incidentView)+" AS "+text); err != nil {
		return fmt.Errorf("view %s: %w", incidentView, err)
	}
	return s.exec(ctx, fmt.Sprintf("INSERT INTO %s SELECT %d, 'corewatch', now64(3)", s.in(versionTable), schemaVersion))
}

// version is the schema's, 0 when there is none.
func (s *Store) version(ctx context.Context) (int, error) {
	rows, err := s.strings(ctx, "SELECT name FROM system.tables WHERE database = "+quoted(s.conf.Database)+" AND name = "+quoted(versionTable), "name")
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	rows, err = s.strings(ctx, "SELECT toString(max(version)) AS version FROM "+s.in(versionTable), "version")
	if err != nil || len(rows) != 1 {
		return 0, fmt.Errorf("%d rows: %w", len(rows), err)
	}
	return strconv.Atoi(rows[0][0])
}

// apply makes a table, or adds the columns that it lacks.
func (s *Store) apply(ctx context.Context, t *table) error {
	if err := s.exec(ctx, t.create(s.in)); err != nil {
		return err
	}
	where := " WHERE database = " + quoted(s.conf.Database)
	rows, err := s.strings(ctx, "SELECT engine, sorting_key FROM system.tables"+where+" AND name = "+quoted(t.name), "engine", "sorting_key")
	if err != nil {
		return err
	}
	if len(rows) != 1 {
		return fmt.Errorf("it was made, and is not there: may %s read system.tables?", s.conf.User)
	}
	engine, key := rows[0][0], rows[0][1]
	if engine != t.engine && engine != "Replicated"+t.engine && engine != "Shared"+t.engine {
		return fmt.Errorf("its engine is %s where %s is wanted: rename it, or use another database", engine, t.engine)
	}
	if key != t.key {
		return fmt.Errorf("it is ordered by (%s) where (%s) is wanted: rename it, or use another database", key, t.key)
	}
	rows, err = s.strings(ctx, "SELECT name, type FROM system.columns"+where+" AND table = "+quoted(t.name), "name", "type")
	if err != nil {
		return err
	}
	have := map[string]string{}
	for _, r := range rows {
		have[r[0]] = r[1]
	}
	for _, c := range t.columns {
		switch have[c.name] {
		case c.kind:
		case "":
			if err := s.exec(ctx, "ALTER TABLE "+s.in(t.name)+" ADD COLUMN IF NOT EXISTS "+c.definition()); err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
		default:
			return fmt.Errorf("its column %s is %s where %s is wanted: rename the table, or use another database", c.name, have[c.name], c.kind)
		}
	}
	return nil
}

// identity gives the database its name, once, and reads it. Of two monitors that do so at the same moment one may see the other's only the
// next time it connects: it then copies again what the database holds already.
func (s *Store) identity(ctx context.Context) (string, error) {
	read := func() (string, error) {
		rows, err := s.strings(ctx, "SELECT id FROM "+s.in(identityTable)+" ORDER BY at, id LIMIT 1", "id")
		if err != nil || len(rows) == 0 {
			return "", err
		}
		return rows[0][0], nil
	}
	id, err := read()
	if err != nil || id != "" {
		return id, err
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	if err := s.exec(ctx, "INSERT INTO "+s.in(identityTable)+" SELECT "+quoted(hex.EncodeToString(b[:]))+", now64(6)"); err != nil {
		return "", err
	}
	if id, err = read(); err == nil && id == "" {
		err = fmt.Errorf("table %s does not keep what is written", identityTable)
	}
	return id, err
}

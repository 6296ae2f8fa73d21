package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var writeDump = flag.Bool("write-schema", false, "write testdata/schema-v<current>.sql; only before that version is released")

// schemaText is the schema of a store as SQL, ordered by name.
func schemaText(t testing.TB, s *Store) string {
	t.Helper()
	lines := []string{fmt.Sprintf("PRAGMA application_id=%d;", applicationID), fmt.Sprintf("PRAGMA user_version=%d;", schemaVersion)}
	err := s.read(t.Context(), "schema", func(q querier) error {
		return each(t.Context(), q, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC, name", func(rows *sql.Rows) error {
			var text string
			err := rows.Scan(&text)
			lines = append(lines, text+";")
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n") + "\n"
}

// rawDB runs SQL on the file of a folder, past the store.
func rawDB(t testing.TB, dir, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", fileURI(filepath.Join(dir, FileName)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestHistoricalSchemas opens a file of every version there was; the result must be the schema of today.
func TestHistoricalSchemas(t *testing.T) {
	fresh := openTest(t, t.TempDir())
	want := schemaText(t, fresh)
	current := filepath.Join("testdata", fmt.Sprintf("schema-v%d.sql", schemaVersion))
	if *writeDump {
		if err := os.WriteFile(current, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for version := 1; version <= schemaVersion; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("schema-v%d.sql", version)))
			if err != nil {
				t.Fatal(err)
			}
			if version == schemaVersion && string(text) != want {
				t.Errorf("%s is not the schema of this software:\n%s", current, want)
			}
			dir := t.TempDir()
			rawDB(t, dir, string(text))
			old, err := OpenReadOnly(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			check(t, old)
			if err := old.Close(); err != nil {
				t.Fatal(err)
			}
			s := openTest(t, dir)
			if got := schemaText(t, s); got != want {
				t.Errorf("after migration:\n%s\nwant\n%s", got, want)
			}
			fill(t, s)
			check(t, s)
		})
	}
	if n := migrations[len(migrations)-1].version; n != schemaVersion || !slices.IsSortedFunc(migrations, func(a, b migration) int { return a.version - b.version }) {
		t.Errorf("migrations end at %d, the version is %d", n, schemaVersion)
	}
}

func TestMigrationRepairs(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	fill(t, s)
	want := schemaText(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rawDB(t, dir, "DROP INDEX incident_by_entity; DROP TABLE peer_status")
	s = openTest(t, dir)
	if got := schemaText(t, s); got != want {
		t.Errorf("after repair:\n%s", got)
	}
	check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rawDB(t, dir, "ALTER TABLE input DROP COLUMN malformed")
	if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "table input exists without its column malformed") {
		t.Errorf("a table without a column gave %v", err)
	}
}

// TestColumnStep tries the kind of step that later versions will need.
func TestColumnStep(t *testing.T) {
	s, err := OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	st := step{kind: "column", table: "meta", name: "more", ddl: "ALTER TABLE meta ADD COLUMN more TEXT NOT NULL DEFAULT ''"}
	for range 2 {
		if err := st.apply(t.Context(), s.w); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := columns(t.Context(), s.w, "meta"); err != nil || !have["more"] {
		t.Errorf("columns %v: %v", have, err)
	}
	if err := (step{kind: "trigger", table: "meta"}).apply(t.Context(), s.w); err == nil {
		t.Error("a step of unknown kind was accepted")
	}
}

func TestForeignFiles(t *testing.T) {
	cases := map[string]struct{ sql, want string }{
		"newer":     {fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=99", applicationID), fmt.Sprintf("schema 99 was written by newer software (this one knows up to %d): upgrade corewatch", schemaVersion)},
		"not ours":  {"CREATE TABLE a (b)", "is a database, but not one of corewatch"},
		"other app": {"PRAGMA application_id=7; CREATE TABLE a (b)", "is a database, but not one of corewatch"},
		"negative":  {fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=-1", applicationID), "schema version -1 makes no sense"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			rawDB(t, dir, c.sql)
			before, err := os.ReadFile(filepath.Join(dir, FileName))
			if err != nil {
				t.Fatal(err)
			}
			for _, open := range []func(context.Context, string) (*Store, error){Open, OpenReadOnly} {
				_, err := open(t.Context(), dir)
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "\n") {
					t.Errorf("got %v, want %q", err, c.want)
				}
				var newer *NewerSchemaError
				if name == "newer" && !errors.As(err, &newer) {
					t.Errorf("%T", err)
				}
			}
			if after, err := os.ReadFile(filepath.Join(dir, FileName)); err != nil || string(after) != string(before) {
				t.Errorf("the refused file was changed: %v", err)
			}
		})
	}
	// An empty file is a store that was never begun: a writer makes it one, a reader cannot.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReadOnly(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "schema 0 is older than this software reads (1)") {
		t.Errorf("an empty file gave %v", err)
	}
	check(t, openTest(t, dir))
}

package clickhouse

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/store/clickhouse/clickhousetest"
)

var writeDump = flag.Bool("write-schema", false, "write testdata/schema-v<current>.sql; only before that version is released")

// schemaText is what a server says of our tables.
func schemaText(srv *clickhousetest.Server) string {
	list := srv.Strings("SELECT concat(create_table_query, ';') FROM system.tables WHERE database = '" + srv.Database + "' ORDER BY engine = 'View', name")
	return strings.ReplaceAll(strings.Join(list, "\n")+"\n", srv.Database, "corewatch")
}

// load makes the tables of a dump.
func load(t *testing.T, srv *clickhousetest.Server, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	srv.Strings("CREATE DATABASE " + srv.Database)
	for statement := range strings.SplitSeq(strings.ReplaceAll(string(text), "corewatch.", srv.Database+"."), ";\n") {
		if strings.TrimSpace(statement) != "" {
			srv.Strings(statement)
		}
	}
}

// TestHistoricalSchemas connects to a database of every version there was; the result must be the schema of today, and take rows.
func TestHistoricalSchemas(t *testing.T) {
	srv := clickhousetest.Start(t)
	connected(t, srv)
	want := schemaText(srv)
	current := filepath.Join("testdata", fmt.Sprintf("schema-v%d.sql", schemaVersion))
	if *writeDump {
		if err := os.WriteFile(current, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Another server words some defaults in its own way.
	if text, err := os.ReadFile(current); err != nil || srv.Ours() && string(text) != want {
		t.Errorf("%s is not the schema of this software: %v\n%s", current, err, want)
	}
	main := srv.Database
	for version := 1; version <= schemaVersion; version++ {
		srv.Database = fmt.Sprintf("%s_v%d", main, version)
		load(t, srv, filepath.Join("testdata", fmt.Sprintf("schema-v%d.sql", version)))
		srv.Strings(fmt.Sprintf("INSERT INTO %s.schema_version SELECT %d, 'then', now64(3)", srv.Database, version))
		s, _ := connected(t, srv)
		if got := schemaText(srv); got != want {
			t.Errorf("version %d after migration:\n%s\nwant\n%s", version, got, want)
		}
		if err := s.WriteRevisions(t.Context(), "a", 1, []*detect.Incident{incidentOf("PK", 1)}); err != nil {
			t.Error(err)
		}
		srv.Strings("DROP DATABASE " + srv.Database)
	}
	srv.Database = main
}

// TestMigration: what is missing is made, whatever was cut off; what would count rows twice, or is of software to come, is refused in words.
func TestMigration(t *testing.T) {
	srv := clickhousetest.Start(t)
	s, id := connected(t, srv)
	want := schemaText(srv)
	db := srv.Database
	connect := func() (string, error) {
		_ = s.Close() // a connection that is there is only asked whether it still is
		return s.Connect(t.Context())
	}
	for _, done := range []string{
		"ALTER TABLE DB.samples DROP COLUMN voting",
		"DROP TABLE DB.revisions",
		"TRUNCATE TABLE DB.schema_version", // the version is written last
		"DROP TABLE DB.schema_version",
	} {
		srv.Strings(strings.ReplaceAll(done, "DB", db))
		if again, err := connect(); err != nil || again != id {
			t.Fatalf("%s: %q %v", done, again, err)
		}
		got := schemaText(srv)
		if strings.Contains(done, "COLUMN") { // it is the last one now
			if !strings.Contains(got, "`voting` Int32") {
				t.Errorf("%s:\n%s", done, got)
			}
			srv.Strings("DROP TABLE " + db + ".samples")
			continue
		}
		if got != want {
			t.Errorf("%s:\n%s\nwant\n%s", done, got, want)
		}
	}

	srv.Strings("INSERT INTO " + db + ".schema_version SELECT 2, 'later', now64(3)")
	if _, err := connect(); err != nil {
		t.Errorf("one version ahead: %v", err)
	}
	if err := s.WriteSamples(t.Context(), "a", detect.Live, 1, samplesOf(2)); err != nil {
		t.Error(err)
	}
	srv.Strings("INSERT INTO " + db + ".schema_version SELECT 3, 'later', now64(3)")
	var newer *NewerSchemaError
	if _, err := connect(); !errors.As(err, &newer) || newer.Found != 3 || !strings.Contains(err.Error(), "upgrade corewatch") {
		t.Errorf("two versions ahead: %v", err)
	}
	srv.Strings("TRUNCATE TABLE " + db + ".schema_version")

	for made, why := range map[string]string{
		"`at` DateTime64(6, 'UTC'), `voting` Int64) ENGINE = ReplacingMergeTree(voting) ORDER BY at":                                  "table samples: it is ordered by (at) where (entity, signal, store, at) is wanted",
		"`at` DateTime64(6, 'UTC'), `voting` Int64) ENGINE = MergeTree ORDER BY at":                                                   "its engine is MergeTree where ReplacingMergeTree is wanted",
		"`at` DateTime, entity String, signal String, store String) ENGINE = ReplacingMergeTree ORDER BY (entity, signal, store, at)": "where LowCardinality(String) is wanted",
	} {
		srv.Strings("DROP TABLE " + db + ".samples")
		srv.Strings("CREATE TABLE " + db + ".samples (" + made)
		if _, err := connect(); err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "use another database") {
			t.Errorf("%s: %v, want %q", made, err, why)
		}
	}
}

package clickhouse

import "strings"

// schemaVersion is what this software writes. One version more is written to as well: its columns have defaults. What is further on is
// refused.
const schemaVersion = 1

// column is a column as it must be.
type column struct {
	name, kind string
	codec      string // how it is kept; another one is no fault
}

// table is a table as it must be. engine and key decide whether a row that comes twice counts once, so they are compared.
type table struct {
	name      string
	columns   []column
	engine    string // without Replicated or Shared, which a cluster's may have before it
	arguments string
	key       string // as system.tables words it
	partition string
	settings  string
}

// Names of tables and of the view.
const (
	versionTable  = "schema_version"
	identityTable = "identity"
	revisionTable = "revisions"
	sampleTable   = "samples"
	incidentView  = "incidents"
)

// deduplicate makes a table that is not replicated remember the tokens of its newest blocks, as a replicated one does by itself.
const deduplicate = "non_replicated_deduplication_window = 10000"

var tables = []table{
	{
		name: versionTable, engine: "MergeTree", key: "version",
		columns: []column{{"version", "UInt32", ""}, {"software", "String", ""}, {"at", "DateTime64(3, 'UTC')", ""}},
	},
	{
		name: identityTable, engine: "MergeTree", key: "at",
		columns: []column{{"id", "String", ""}, {"at", "DateTime64(6, 'UTC')", ""}},
	},
	{
		name: revisionTable, engine: "ReplacingMergeTree", arguments: "saved", key: "incident, revision, store", settings: deduplicate,
		columns: []column{
			{"store", "LowCardinality(String)", ""}, // of which it is a copy
			{"incident", "String", ""},
			{"revision", "UInt32", ""},
			{"saved", "UInt64", ""}, // which number the revision had in the order of that store
			{"data", "LowCardinality(String)", ""},
			{"kind", "LowCardinality(String)", ""},
			{"state", "LowCardinality(String)", ""},
			{"severity", "UInt8", ""},
			{"entity", "String", ""}, // "country:PK"
			{"start", "DateTime('UTC')", ""},
			{"at", "DateTime('UTC')", ""}, // event time of the revision
			{"json", "String", "ZSTD(3)"}, // canonical
		},
	},
	{
		name: sampleTable, engine: "ReplacingMergeTree", arguments: "generation", key: "entity, signal, store, at", partition: "toYYYYMM(at)", settings: deduplicate,
		columns: []column{
			{"store", "LowCardinality(String)", ""},
			{"data", "LowCardinality(String)", ""},
			{"entity", "LowCardinality(String)", ""},
			{"signal", "LowCardinality(String)", ""},
			{"at", "DateTime64(6, 'UTC')", "Delta(8), ZSTD(1)"},
			{"generation", "UInt64", "Delta(8), ZSTD(1)"}, // of the copy: the sample of the highest stays
			{"expected", "Int64", "Delta(8), ZSTD(1)"},
			{"lost", "Int64", "Delta(8), ZSTD(1)"},
			{"unobservable", "Int64", "Delta(8), ZSTD(1)"},
			{"prefixes", "Int32", "Delta(4), ZSTD(1)"},
			{"lost_prefixes", "Int32", "Delta(4), ZSTD(1)"},
			{"voting", "Int32", "Delta(4), ZSTD(1)"},
			{"no_data", "Bool", ""}, // the feed was silent: neither up nor down
		},
	},
}

// view gives each incident in its last state.
const view = "SELECT * FROM {revisions} FINAL ORDER BY revision DESC LIMIT 1 BY incident, store"

// create is the statement that makes a table; in qualifies names.
func (t *table) create(in func(string) string) string {
	var b strings.Builder
	b.WriteString("CREATE TABLE IF NOT EXISTS " + in(t.name) + " (")
	for i, c := range t.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.definition())
	}
	b.WriteString(") ENGINE = " + t.engine)
	if t.arguments != "" {
		b.WriteString("(" + t.arguments + ")")
	}
	if t.partition != "" {
		b.WriteString(" PARTITION BY " + t.partition)
	}
	if strings.Contains(t.key, ",") {
		b.WriteString(" ORDER BY (" + t.key + ")")
	} else {
		b.WriteString(" ORDER BY " + t.key)
	}
	if t.settings != "" {
		b.WriteString(" SETTINGS " + t.settings)
	}
	return b.String()
}

func (c *column) definition() string {
	text := "`" + c.name + "` " + c.kind
	if c.codec != "" {
		text += " CODEC(" + c.codec + ")"
	}
	return text
}

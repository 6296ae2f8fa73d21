package sqlite

// schemaVersion is what this software writes (PRAGMA user_version). testdata/schema-v<n>.sql holds a dump of every version
// there ever was; each must open.
const schemaVersion = 6

// readableFrom is the oldest version that can be read without bringing it up to date: what came since is for writers.
const readableFrom = 1

// migrations is the numbered list. Released entries are never edited: a change is a new entry with steps that also run, as
// no-ops, over a file that is up to date.
var migrations = []migration{
	{1, "first schema", []step{
		// Facts of the run.
		table("meta", `CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID`, "key", "value"),

		// Last state of an incident: the canonical JSON, and the columns that queries need, in whole seconds as in the JSON.
		table("incident", `CREATE TABLE incident (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  revision INTEGER NOT NULL,
  data TEXT NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  severity INTEGER NOT NULL,
  entity TEXT NOT NULL,
  start INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  json TEXT NOT NULL
) STRICT`, "n", "id", "revision", "data", "kind", "state", "severity", "entity", "start", "crc", "json"),
		index("incident", "incident_by_start", `CREATE INDEX incident_by_start ON incident (start DESC, id)`),
		index("incident", "incident_by_entity", `CREATE INDEX incident_by_entity ON incident (entity, start DESC, id)`),

		// Every revision as it was, compressed.
		table("revision", `CREATE TABLE revision (
  incident INTEGER NOT NULL REFERENCES incident (n),
  revision INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (incident, revision)
) STRICT`, "incident", "revision", "crc", "body"),

		// The members of the last state: compressed JSON lines, in parts.
		table("member", `CREATE TABLE member (
  incident INTEGER NOT NULL REFERENCES incident (n),
  part INTEGER NOT NULL,
  count INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (incident, part)
) STRICT`, "incident", "part", "count", "crc", "body"),

		// Time series. chunk: sealed and never overlapping within a series; tail: what came since, one small chunk for each
		// append, where the higher n wins over the lower and every tail row over every chunk.
		table("series", `CREATE TABLE series (
  n INTEGER PRIMARY KEY,
  entity TEXT NOT NULL,
  signal TEXT NOT NULL,
  UNIQUE (entity, signal)
) STRICT`, "n", "entity", "signal"),
		index("series", "series_by_signal", `CREATE INDEX series_by_signal ON series (signal, entity)`),
		table("chunk", `CREATE TABLE chunk (
  n INTEGER PRIMARY KEY,
  series INTEGER NOT NULL REFERENCES series (n),
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  count INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (series, first)
) STRICT`, "n", "series", "first", "last", "count", "crc", "body"),
		table("tail", `CREATE TABLE tail (
  series INTEGER NOT NULL REFERENCES series (n),
  last INTEGER NOT NULL,
  n INTEGER NOT NULL,
  first INTEGER NOT NULL,
  count INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (series, last, n)
) STRICT, WITHOUT ROWID`, "series", "last", "n", "first", "count", "crc", "body"),

		// Raw evidence. raw holds each message once, under its SHA-256; evidence says which incident rests on it, in journal
		// order. subject is not incident: evidence may be stored before the first revision is.
		table("peer", `CREATE TABLE peer (
  n INTEGER PRIMARY KEY,
  collector TEXT NOT NULL,
  asn INTEGER NOT NULL,
  addr TEXT NOT NULL,
  UNIQUE (collector, asn, addr)
) STRICT`, "n", "collector", "asn", "addr"),
		table("raw", `CREATE TABLE raw (
  n INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL UNIQUE,
  body BLOB NOT NULL
) STRICT`, "n", "sha256", "body"),
		table("subject", `CREATE TABLE subject (
  n INTEGER PRIMARY KEY,
  incident TEXT NOT NULL UNIQUE
) STRICT`, "n", "incident"),
		table("evidence", `CREATE TABLE evidence (
  subject INTEGER NOT NULL REFERENCES subject (n),
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  peer INTEGER NOT NULL REFERENCES peer (n),
  file INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  length INTEGER NOT NULL,
  raw INTEGER NOT NULL REFERENCES raw (n),
  PRIMARY KEY (subject, seq)
) STRICT, WITHOUT ROWID`, "subject", "seq", "at", "peer", "file", "offset", "length", "raw"),

		// The run's inputs (evidence.file is a position), peers and reference tables.
		table("input", `CREATE TABLE input (
  position INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  collector TEXT NOT NULL,
  project TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  format TEXT NOT NULL,
  elems INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  parsed INTEGER NOT NULL,
  skipped INTEGER NOT NULL,
  malformed INTEGER NOT NULL
) STRICT`, "position", "name", "collector", "project", "sha256", "bytes", "format", "elems", "first", "last", "parsed", "skipped", "malformed"),
		table("peer_status", `CREATE TABLE peer_status (
  collector TEXT NOT NULL,
  asn INTEGER NOT NULL,
  addr TEXT NOT NULL,
  at INTEGER NOT NULL,
  state TEXT NOT NULL,
  since INTEGER NOT NULL,
  last_message INTEGER NOT NULL,
  messages INTEGER NOT NULL,
  withdrawals INTEGER NOT NULL,
  duplicates INTEGER NOT NULL,
  known_v4 INTEGER NOT NULL,
  known_v6 INTEGER NOT NULL,
  full_feed INTEGER NOT NULL,
  faults INTEGER NOT NULL,
  note TEXT NOT NULL,
  PRIMARY KEY (collector, asn, addr)
) STRICT, WITHOUT ROWID`, "collector", "asn", "addr", "at", "state", "since", "last_message", "messages", "withdrawals", "duplicates",
			"known_v4", "known_v6", "full_feed", "faults", "note"),
		table("reference", `CREATE TABLE reference (
  name TEXT NOT NULL,
  vintage TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  quality TEXT NOT NULL,
  gap_days INTEGER NOT NULL,
  first_used INTEGER NOT NULL,
  PRIMARY KEY (name, vintage, sha256)
) STRICT, WITHOUT ROWID`, "name", "vintage", "sha256", "quality", "gap_days", "first_used"),
	}},
	{2, "followers", []step{
		// Who copies what is stored elsewhere, and how far each has come: see follow.go. saved is the order in which revisions were
		// stored; it is kept from the first follower on.
		table("follower", `CREATE TABLE follower (
  name TEXT PRIMARY KEY,
  generation INTEGER NOT NULL,
  head INTEGER NOT NULL,
  done INTEGER NOT NULL,
  claim INTEGER NOT NULL,
  series INTEGER NOT NULL,
  at INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  revision_claim INTEGER NOT NULL
) STRICT, WITHOUT ROWID`, "name", "generation", "head", "done", "claim", "series", "at", "revision", "revision_claim"),
		table("saved", `CREATE TABLE saved (
  n INTEGER PRIMARY KEY,
  incident INTEGER NOT NULL REFERENCES incident (n),
  revision INTEGER NOT NULL
) STRICT`, "n", "incident", "revision"),
	}},
	{3, "alerts", []step{
		// What each receiver was told last of an incident; and the messages, which wait, were sent, replaced or given up.
		table("alert_told", `CREATE TABLE alert_told (
  incident TEXT NOT NULL,
  receiver TEXT NOT NULL,
  revision INTEGER NOT NULL,
  occasion TEXT NOT NULL,
  severity INTEGER NOT NULL,
  episodes INTEGER NOT NULL,
  whole TEXT NOT NULL,
  PRIMARY KEY (incident, receiver)
) STRICT, WITHOUT ROWID`, "incident", "receiver", "revision", "occasion", "severity", "episodes", "whole"),
		table("alert_out", `CREATE TABLE alert_out (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  receiver TEXT NOT NULL,
  first INTEGER NOT NULL,
  not_until INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  state TEXT NOT NULL,
  at INTEGER NOT NULL,
  note TEXT NOT NULL,
  crc INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT`, "n", "id", "receiver", "first", "not_until", "attempts", "state", "at", "note", "crc", "body"),
		index("alert_out", "alert_out_by_state", `CREATE INDEX alert_out_by_state ON alert_out (state, n)`),
	}},
	{4, "what people say", []step{
		// Documents that people write about incidents, each revision as it was; and holds, as they were put and lifted. Neither touches what was measured.
		table("annotation", `CREATE TABLE annotation (
  n INTEGER PRIMARY KEY,
  incident TEXT NOT NULL,
  revision INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (incident, revision)
) STRICT`, "n", "incident", "revision", "crc", "body"),
		table("hold", `CREATE TABLE hold (
  n INTEGER PRIMARY KEY,
  incident TEXT NOT NULL,
  held INTEGER NOT NULL,
  at INTEGER NOT NULL,
  role TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT`, "n", "incident", "held", "at", "role", "reason"),
	}},
	{5, "orders", []step{
		// What people told the monitor about its messages: silences, acknowledgements, maintenance, and what ended them early. Nothing of it is changed.
		table("alert_order", `CREATE TABLE alert_order (
  n INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  until INTEGER NOT NULL,
  ends INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT`, "n", "at", "until", "ends", "crc", "body"),
		index("alert_order", "alert_order_by_until", `CREATE INDEX alert_order_by_until ON alert_order (until)`),
		index("alert_order", "alert_order_by_ends", `CREATE INDEX alert_order_by_ends ON alert_order (ends)`),
		trigger("alert_order", "alert_order_stays", `CREATE TRIGGER alert_order_stays BEFORE UPDATE ON alert_order BEGIN SELECT raise(ABORT, 'an order is never changed'); END`),
		trigger("alert_order", "alert_order_kept", `CREATE TRIGGER alert_order_kept BEFORE DELETE ON alert_order BEGIN SELECT raise(ABORT, 'an order is never deleted'); END`),
		// What was not said because of an order, and what became of it.
		table("alert_held", `CREATE TABLE alert_held (
  n INTEGER PRIMARY KEY,
  receiver TEXT NOT NULL,
  incident TEXT NOT NULL,
  revision INTEGER NOT NULL,
  occasion TEXT NOT NULL,
  ordered INTEGER NOT NULL,
  at INTEGER NOT NULL,
  became TEXT NOT NULL
) STRICT`, "n", "receiver", "incident", "revision", "occasion", "ordered", "at", "became"),
		index("alert_held", "alert_held_open", `CREATE INDEX alert_held_open ON alert_held (became, incident)`),
		// The subscriptions in force last, as digests.
		table("alert_receiver", `CREATE TABLE alert_receiver (
  receiver TEXT PRIMARY KEY,
  sha256 TEXT NOT NULL
) STRICT, WITHOUT ROWID`, "receiver", "sha256"),
		// The monitor's own troubles, that operators are told of.
		table("alert_trouble", `CREATE TABLE alert_trouble (
  n INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  revision INTEGER NOT NULL,
  decided INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT`, "n", "key", "id", "revision", "decided", "ended", "crc", "body"),
		index("alert_trouble", "alert_trouble_ended", `CREATE INDEX alert_trouble_ended ON alert_trouble (ended)`),
	}},
	{6, "mail", []step{
		column("alert_told", "thread", "ALTER TABLE alert_told ADD COLUMN thread TEXT NOT NULL DEFAULT ''"),
		index("alert_out", "alert_out_by_receiver", `CREATE INDEX alert_out_by_receiver ON alert_out (receiver, state, n)`),
		// Who is told by mail, sealed; and what operators did with it. See subscriber.go.
		table("alert_subscriber", `CREATE TABLE alert_subscriber (
  id TEXT PRIMARY KEY,
  active INTEGER NOT NULL,
  address BLOB NOT NULL,
  mailbox BLOB NOT NULL,
  sealed BLOB NOT NULL,
  token BLOB NOT NULL,
  asked INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  try INTEGER NOT NULL,
  attempts INTEGER NOT NULL
) STRICT`, "id", "active", "address", "mailbox", "sealed", "token", "asked", "expires", "try", "attempts"),
		index("alert_subscriber", "alert_subscriber_by_address", `CREATE INDEX alert_subscriber_by_address ON alert_subscriber (address)`),
		table("alert_subscriber_log", `CREATE TABLE alert_subscriber_log (
  n INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  what TEXT NOT NULL
) STRICT`, "n", "at", "what"),
	}},
}

func table(name, ddl string, cols ...string) step {
	return step{kind: "table", table: name, ddl: ddl, cols: cols}
}

func index(table, name, ddl string) step {
	return step{kind: "index", table: table, name: name, ddl: ddl}
}

func column(table, name, ddl string) step {
	return step{kind: "column", table: table, name: name, ddl: ddl}
}

func trigger(table, name, ddl string) step {
	return step{kind: "trigger", table: table, name: name, ddl: ddl}
}

PRAGMA application_id=1129271895;
PRAGMA user_version=6;
CREATE TABLE alert_held (
  n INTEGER PRIMARY KEY,
  receiver TEXT NOT NULL,
  incident TEXT NOT NULL,
  revision INTEGER NOT NULL,
  occasion TEXT NOT NULL,
  ordered INTEGER NOT NULL,
  at INTEGER NOT NULL,
  became TEXT NOT NULL
) STRICT;
CREATE TABLE alert_order (
  n INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  until INTEGER NOT NULL,
  ends INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE alert_out (
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
) STRICT;
CREATE TABLE alert_receiver (
  receiver TEXT PRIMARY KEY,
  sha256 TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE alert_subscriber (
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
) STRICT;
CREATE TABLE alert_subscriber_log (
  n INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  what TEXT NOT NULL
) STRICT;
CREATE TABLE alert_told (
  incident TEXT NOT NULL,
  receiver TEXT NOT NULL,
  revision INTEGER NOT NULL,
  occasion TEXT NOT NULL,
  severity INTEGER NOT NULL,
  episodes INTEGER NOT NULL,
  whole TEXT NOT NULL, thread TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (incident, receiver)
) STRICT, WITHOUT ROWID;
CREATE TABLE alert_trouble (
  n INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  revision INTEGER NOT NULL,
  decided INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE annotation (
  n INTEGER PRIMARY KEY,
  incident TEXT NOT NULL,
  revision INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (incident, revision)
) STRICT;
CREATE TABLE chunk (
  n INTEGER PRIMARY KEY,
  series INTEGER NOT NULL REFERENCES series (n),
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  count INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (series, first)
) STRICT;
CREATE TABLE evidence (
  subject INTEGER NOT NULL REFERENCES subject (n),
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  peer INTEGER NOT NULL REFERENCES peer (n),
  file INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  length INTEGER NOT NULL,
  raw INTEGER NOT NULL REFERENCES raw (n),
  PRIMARY KEY (subject, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE follower (
  name TEXT PRIMARY KEY,
  generation INTEGER NOT NULL,
  head INTEGER NOT NULL,
  done INTEGER NOT NULL,
  claim INTEGER NOT NULL,
  series INTEGER NOT NULL,
  at INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  revision_claim INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE hold (
  n INTEGER PRIMARY KEY,
  incident TEXT NOT NULL,
  held INTEGER NOT NULL,
  at INTEGER NOT NULL,
  role TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT;
CREATE TABLE incident (
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
) STRICT;
CREATE TABLE input (
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
) STRICT;
CREATE TABLE member (
  incident INTEGER NOT NULL REFERENCES incident (n),
  part INTEGER NOT NULL,
  count INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (incident, part)
) STRICT;
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE peer (
  n INTEGER PRIMARY KEY,
  collector TEXT NOT NULL,
  asn INTEGER NOT NULL,
  addr TEXT NOT NULL,
  UNIQUE (collector, asn, addr)
) STRICT;
CREATE TABLE peer_status (
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
) STRICT, WITHOUT ROWID;
CREATE TABLE raw (
  n INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL UNIQUE,
  body BLOB NOT NULL
) STRICT;
CREATE TABLE reference (
  name TEXT NOT NULL,
  vintage TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  quality TEXT NOT NULL,
  gap_days INTEGER NOT NULL,
  first_used INTEGER NOT NULL,
  PRIMARY KEY (name, vintage, sha256)
) STRICT, WITHOUT ROWID;
CREATE TABLE revision (
  incident INTEGER NOT NULL REFERENCES incident (n),
  revision INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (incident, revision)
) STRICT;
CREATE TABLE saved (
  n INTEGER PRIMARY KEY,
  incident INTEGER NOT NULL REFERENCES incident (n),
  revision INTEGER NOT NULL
) STRICT;
CREATE TABLE series (
  n INTEGER PRIMARY KEY,
  entity TEXT NOT NULL,
  signal TEXT NOT NULL,
  UNIQUE (entity, signal)
) STRICT;
CREATE TABLE subject (
  n INTEGER PRIMARY KEY,
  incident TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE tail (
  series INTEGER NOT NULL REFERENCES series (n),
  last INTEGER NOT NULL,
  n INTEGER NOT NULL,
  first INTEGER NOT NULL,
  count INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (series, last, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_held_open ON alert_held (became, incident);
CREATE INDEX alert_order_by_ends ON alert_order (ends);
CREATE INDEX alert_order_by_until ON alert_order (until);
CREATE INDEX alert_out_by_receiver ON alert_out (receiver, state, n);
CREATE INDEX alert_out_by_state ON alert_out (state, n);
CREATE INDEX alert_subscriber_by_address ON alert_subscriber (address);
CREATE INDEX alert_trouble_ended ON alert_trouble (ended);
CREATE INDEX incident_by_entity ON incident (entity, start DESC, id);
CREATE INDEX incident_by_start ON incident (start DESC, id);
CREATE INDEX series_by_signal ON series (signal, entity);
CREATE TRIGGER alert_order_kept BEFORE DELETE ON alert_order BEGIN SELECT raise(ABORT, 'an order is never deleted'); END;
CREATE TRIGGER alert_order_stays BEFORE UPDATE ON alert_order BEGIN SELECT raise(ABORT, 'an order is never changed'); END;

package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// maxProblems is how many problems Check lists before it only counts.
const maxProblems = 100

// problems gathers what a check finds.
type problems struct{ e CheckError }

func (p *problems) add(format string, args ...any) {
	if len(p.e.Problems) >= maxProblems {
		p.e.More++
		return
	}
	p.e.Problems = append(p.e.Problems, fmt.Sprintf(format, args...))
}

// note adds err unless it is nil.
func (p *problems) note(err error) {
	if err != nil {
		p.add("%v", err)
	}
}

func (p *problems) err() error {
	if len(p.e.Problems) == 0 {
		return nil
	}
	return &p.e
}

// Check verifies everything in the store: the file's own structure, references between tables, every incident's JSON against
// its columns and against its highest revision, every part of members, every chunk, every digest. It returns a *CheckError
// that lists what is wrong, or another error when it could not look.
func (s *Store) Check(ctx context.Context) error {
	var p problems
	for _, step := range []func(context.Context, querier) error{
		func(ctx context.Context, q querier) error { return p.pragma(ctx, q, "integrity_check") },
		p.foreignKeys, p.incidents, p.revisions, p.members, p.chunks, p.overlaps, p.raw, p.evidence, p.followers,
	} {
		err := s.read(ctx, "check", func(q querier) error { return step(ctx, q) })
		if isCode(err, codeCorrupt) { // one table that cannot be read must not hide what is wrong with the others
			p.note(err)
		} else if err != nil {
			return err
		}
	}
	for _, list := range []func() error{
		func() error { _, err := s.Inputs(ctx); return err },
		func() error { _, err := s.Peers(ctx); return err },
		func() error { _, err := s.References(ctx); return err },
		func() error { _, err := s.outbox(ctx, "", "", -1, "n"); return err },
		func() error { _, err := s.Annotations(ctx, "", 0); return err },
		func() error { _, err := s.Holds(ctx); return err },
		func() error { _, err := s.Orders(ctx, time.Time{}); return err },
		func() error { _, err := s.troubles(ctx, "1"); return err },
		func() error { _, err := s.subscribers(ctx, "1"); return err },
	} {
		if err := list(); err != nil {
			var bad *CorruptError
			if !errors.As(err, &bad) && !isCode(err, codeCorrupt) {
				return err
			}
			p.note(err)
		}
	}
	if err := p.err(); err != nil {
		return fmt.Errorf("store %s: %w", s.name, err)
	}
	return nil
}

// each runs fn for every row of a query.
func each(ctx context.Context, q querier, text string, fn func(rows *sql.Rows) error) (err error) {
	rows, err := q.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// pragma runs SQLite's own check, which answers "ok" or one line a problem.
func (p *problems) pragma(ctx context.Context, q querier, name string) error {
	return each(ctx, q, "PRAGMA "+name, func(rows *sql.Rows) error {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		if line != "ok" {
			p.add("%s: %s", name, line)
		}
		return nil
	})
}

func (p *problems) foreignKeys(ctx context.Context, q querier) error {
	return each(ctx, q, "PRAGMA foreign_key_check", func(rows *sql.Rows) error {
		var child, parent string
		var row, key sql.NullInt64
		if err := rows.Scan(&child, &row, &parent, &key); err != nil {
			return err
		}
		p.add("a row of %s refers to a row of %s that is not there", child, parent)
		return nil
	})
}

func (p *problems) incidents(ctx context.Context, q querier) error {
	return each(ctx, q, "SELECT "+incidentColumns+" FROM incident ORDER BY id", func(rows *sql.Rows) error {
		var r incidentRow
		if err := r.scan(rows.Scan); err != nil {
			return err
		}
		_, err := r.verify()
		p.note(err)
		return nil
	})
}

func (p *problems) revisions(ctx context.Context, q querier) error {
	err := each(ctx, q, `SELECT i.id, i.revision, i.json, r.revision, r.crc, r.body FROM revision r JOIN incident i ON i.n=r.incident
  ORDER BY i.id, r.revision`, func(rows *sql.Rows) error {
		var id, text string
		var last, n int
		var crc int64
		var body []byte
		if err := rows.Scan(&id, &last, &text, &n, &crc, &body); err != nil {
			return err
		}
		if _, err := verifyRevision(id, n, crc, body); err != nil {
			p.note(err)
			return nil
		}
		switch got, err := jsonDecoder().DecodeAll(body, nil); {
		case n > last:
			p.add("incident %s: revision %d is stored, but its last state is revision %d", id, n, last)
		case n == last && (err != nil || string(got) != text):
			p.add("incident %s: its last state differs from its revision %d", id, n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return each(ctx, q, `SELECT id FROM incident i WHERE NOT EXISTS (SELECT 1 FROM revision r WHERE r.incident=i.n AND r.revision=i.revision)`,
		func(rows *sql.Rows) error {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			p.add("incident %s: the revision of its last state is missing", id)
			return nil
		})
}

func (p *problems) members(ctx context.Context, q querier) error {
	id, want := "", 0
	return each(ctx, q, `SELECT i.id, m.part, m.count, m.crc, m.body FROM member m JOIN incident i ON i.n=m.incident ORDER BY i.id, m.part`,
		func(rows *sql.Rows) error {
			var of string
			var part, count int
			var crc int64
			var body []byte
			if err := rows.Scan(&of, &part, &count, &crc, &body); err != nil {
				return err
			}
			if of != id {
				id, want = of, 0
			}
			if part != want {
				p.add("members of incident %s: part %d is missing", of, want)
			}
			want = part + 1
			_, err := verifyMembers(of, part, count, crc, body)
			p.note(err)
			return nil
		})
}

// chunks checks every chunk and tail row.
func (p *problems) chunks(ctx context.Context, q querier) error {
	for _, table := range []string{"chunk", "tail"} {
		err := each(ctx, q, "SELECT s.entity, s.signal, c.n, c.first, c.last, c.count, c.crc, c.body FROM "+table+
			" c JOIN series s ON s.n=c.series ORDER BY c.series, c.first", func(rows *sql.Rows) error {
			var k seriesKey
			var c chunkRow
			if err := rows.Scan(&k.entity, &k.signal, &c.n, &c.first, &c.last, &c.count, &c.crc, &c.body); err != nil {
				return err
			}
			_, err := c.decode(k, table)
			p.note(err)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// overlaps checks the rule that reading rests on: sealed chunks of a series never overlap.
func (p *problems) overlaps(ctx context.Context, q querier) error {
	return each(ctx, q, `SELECT s.entity, s.signal, c.first FROM (SELECT series, first, lag(last) OVER (PARTITION BY series ORDER BY first) AS before
  FROM chunk) c JOIN series s ON s.n=c.series WHERE c.before>=c.first`, func(rows *sql.Rows) error {
		var k seriesKey
		var first int64
		if err := rows.Scan(&k.entity, &k.signal, &first); err != nil {
			return err
		}
		p.add("series %s: two chunks overlap at %s", k, timeOf(first))
		return nil
	})
}

// raw checks every stored message against its digest.
func (p *problems) raw(ctx context.Context, q querier) error {
	return each(ctx, q, "SELECT sha256, body FROM raw", func(rows *sql.Rows) error {
		var sum, body sql.RawBytes
		if err := rows.Scan(&sum, &body); err != nil {
			return err
		}
		if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
			p.add("raw message %x: its bytes do not have this digest", []byte(sum))
		}
		return nil
	})
}

// evidence checks that every message that is cited can be read; broken digests are found by raw.
func (p *problems) evidence(ctx context.Context, q querier) error {
	err := each(ctx, q, "SELECT collector, asn, addr FROM peer ORDER BY n", func(rows *sql.Rows) error {
		var collector, addr string
		var as int64
		if err := rows.Scan(&collector, &as, &addr); err != nil {
			return err
		}
		if _, err := parseAddr(addr); err != nil || !fits32(as) {
			p.add("peer %s/AS%d/%s: not an address, or not an AS number", collector, as, addr)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return each(ctx, q, `SELECT s.incident, e.seq FROM evidence e LEFT JOIN subject s ON s.n=e.subject LEFT JOIN peer p ON p.n=e.peer
  LEFT JOIN raw r ON r.n=e.raw WHERE s.n IS NULL OR p.n IS NULL OR r.n IS NULL OR e.seq<0`, func(rows *sql.Rows) error {
		var incident sql.NullString
		var seq int64
		if err := rows.Scan(&incident, &seq); err != nil {
			return err
		}
		p.add("message %d of incident %s: its incident, peer or bytes are missing", seq, incident.String)
		return nil
	})
}

package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// A follower copies what is stored to another place. The store remembers how far it has come, in the transactions that write: whatever is
// stored after it was copied is due again. Nothing is kept twice for it.
//
// Revisions are copied in the order in which they were stored; their numbers in that order, from 1 without gaps, are their versions.
//
// Samples are copied a window of event time after another. The window done < time <= claim is claimed before it is read, and copied in
// order of (series, time); (series, at) is the last sample that is known to have arrived. Samples that are stored at or before the claim
// take the follower back to before them and begin a new generation: the version of the samples copied in it. So what is read for a
// generation and a window is always the same, also by a process that knows nothing of the attempt before.

// storeID is the key of the store's own name: random, made when it is first followed.
const storeID = reserved + "id"

// ID names the store: the same for ever, and no other's but that of its copies.
func (s *Store) ID(ctx context.Context) (id string, err error) {
	err = s.write(ctx, "id", func(ctx context.Context) error {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails
		_, err := s.exec(ctx, "INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT (key) DO NOTHING", storeID, hex.EncodeToString(b[:]))
		if err != nil {
			return err
		}
		return s.row(ctx, "SELECT value FROM meta WHERE key=?", []any{storeID}, &id)
	})
	return id, err
}

// Follower copies a store. One goroutine uses it.
type Follower struct {
	s    *Store
	name string
}

// maxWindow bounds the event time of a claim, and with it what is read of one series at once.
const maxWindow = 7 * 24 * int64(time.Hour/time.Microsecond)

// Limits of a block of revisions: in number, and in octets as stored.
const (
	maxRevisions     = 500
	maxRevisionBytes = 4 << 20
)

// Follow makes or finds the follower of a name. To a new one everything that is stored is due.
func (s *Store) Follow(ctx context.Context, name string) (*Follower, error) {
	if err := checkName("follower", name); err != nil {
		return nil, fmt.Errorf("store %s: %w", s.name, err)
	}
	err := s.write(ctx, "follower "+name, func(ctx context.Context) error {
		for _, text := range []string{
			"DELETE FROM saved WHERE NOT EXISTS (SELECT 1 FROM follower)",
			"INSERT INTO saved (incident, revision) SELECT incident, revision FROM revision WHERE NOT EXISTS (SELECT 1 FROM follower) ORDER BY incident, revision",
		} {
			if _, err := s.exec(ctx, text); err != nil {
				return err
			}
		}
		_, err := s.exec(ctx, `INSERT INTO follower (name, generation, head, done, claim, series, at, revision, revision_claim)
  SELECT ?, 1, max(coalesce((SELECT max(last) FROM chunk), 0), coalesce((SELECT max(last) FROM tail), 0)), 0, 0, 0, 0, 0, 0
  WHERE true ON CONFLICT (name) DO NOTHING`, name)
		s.follow = s.follow || err == nil // should it not be durable: what is noted for nobody does no harm
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Follower{s, name}, nil
}

// followed reports whether somebody follows the store.
func followed(ctx context.Context, q querier) (yes bool, err error) {
	err = q.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM follower)").Scan(&yes)
	return yes, err
}

// noteSaved notes for the followers that a revision was stored. The caller holds mu.
func (s *Store) noteSaved(ctx context.Context, incident int64, revision int) error {
	if !s.follow {
		return nil
	}
	_, err := s.exec(ctx, "INSERT INTO saved (incident, revision) VALUES (?,?)", incident, revision)
	return err
}

// noteSamples notes for the followers that samples were stored. The caller holds mu.
func (s *Store) noteSamples(ctx context.Context, batches [][]point) error {
	if !s.follow {
		return nil
	}
	first, last := batches[0][0].at, int64(0)
	for _, b := range batches {
		first, last = min(first, b[0].at), max(last, b[len(b)-1].at)
	}
	_, err := s.exec(ctx, `UPDATE follower SET head=max(head, ?1), generation=generation+(claim>=?2), series=iif(claim>=?2, 0, series),
  at=iif(claim>=?2, 0, at), done=iif(claim>=?2, min(done, ?2-1), done), claim=iif(claim>=?2, min(done, ?2-1), claim)`, last, first)
	return err
}

// cursor is a row of follower.
type cursor struct {
	generation              int64
	head, done, claim       int64 // event time in microseconds
	series, at              int64
	revision, revisionClaim int64
	saved                   int64 // newest revision's number
}

const cursorQuery = `SELECT generation, head, done, claim, series, at, revision, revision_claim, (SELECT coalesce(max(n), 0) FROM saved)
  FROM follower WHERE name=?`

func (c *cursor) fields() []any {
	return []any{&c.generation, &c.head, &c.done, &c.claim, &c.series, &c.at, &c.revision, &c.revisionClaim, &c.saved}
}

// verify looks whether the row can be what this software wrote.
func (c *cursor) verify(name string) error {
	if c.generation < 1 || c.done < 0 || c.claim < c.done || c.head < c.claim || c.claim == c.done && (c.series != 0 || c.at != 0) ||
		c.revision < 0 || c.revisionClaim < c.revision || c.saved < c.revisionClaim {
		return &CorruptError{"follower " + name, errors.New("it is ahead of itself")}
	}
	return nil
}

// load reads the follower's row. The caller holds mu.
func (f *Follower) load(ctx context.Context) (c cursor, err error) {
	if err := f.s.row(ctx, cursorQuery, []any{f.name}, c.fields()...); err != nil {
		return c, absent(err)
	}
	return c, c.verify(f.name)
}

// Behind is what a follower has still to copy.
type Behind struct {
	Revisions int64     // number of revisions
	Until     time.Time // samples up to here are copied; zero when none is
	Head      time.Time // the newest sample stored; zero when there is none
}

// Behind tells how far the follower has come.
func (f *Follower) Behind(ctx context.Context) (b Behind, err error) {
	err = f.s.read(ctx, "follower "+f.name, func(q querier) error {
		var c cursor
		if err := q.QueryRowContext(ctx, cursorQuery, f.name).Scan(c.fields()...); err != nil {
			return absent(err)
		}
		if err := c.verify(f.name); err != nil {
			return err
		}
		b.Revisions = c.saved - c.revision
		if c.done > 0 {
			b.Until = time.UnixMicro(c.done).UTC()
		}
		if c.head > 0 {
			b.Head = time.UnixMicro(c.head).UTC()
		}
		return nil
	})
	return b, err
}

// RevisionBlock is revisions that are due, in the order in which they were stored.
type RevisionBlock struct {
	First     uint64 // number of the first; the others follow one by one
	Revisions []*detect.Incident
}

// Revisions gives the next revisions that are due; none when all are copied. Until RevisionsDone it gives the same ones again, except that
// a revision that was stored again meanwhile has its later content.
func (f *Follower) Revisions(ctx context.Context) (b RevisionBlock, err error) {
	var c cursor
	err = f.s.write(ctx, "follower "+f.name, func(ctx context.Context) (err error) {
		if c, err = f.load(ctx); err != nil || c.revisionClaim > c.revision || c.saved == c.revision {
			return err
		}
		if c.revisionClaim, err = f.s.revisionsFrom(ctx, c.revision); err != nil {
			return err
		}
		_, err = f.s.exec(ctx, "UPDATE follower SET revision_claim=? WHERE name=?", c.revisionClaim, f.name)
		return err
	})
	if err != nil || c.revisionClaim == c.revision {
		return b, err
	}
	b.First = uint64(c.revision) + 1
	err = f.s.read(ctx, "revisions for "+f.name, func(q querier) (err error) {
		rows, err := q.QueryContext(ctx, `SELECT s.n, i.id, r.revision, r.crc, r.body FROM saved s JOIN incident i ON i.n=s.incident
  JOIN revision r ON r.incident=s.incident AND r.revision=s.revision WHERE s.n>? AND s.n<=? ORDER BY s.n`, c.revision, c.revisionClaim)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var n, crc int64
			var id string
			var revision int
			var body sql.RawBytes
			if err := rows.Scan(&n, &id, &revision, &crc, &body); err != nil {
				return err
			}
			if uint64(n) != b.First+uint64(len(b.Revisions)) {
				return &CorruptError{fmt.Sprintf("saved revision %d", n), errors.New("the one before it is missing")}
			}
			inc, err := verifyRevision(id, revision, crc, body)
			if err != nil {
				return err
			}
			b.Revisions = append(b.Revisions, inc)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if int64(len(b.Revisions)) != c.revisionClaim-c.revision {
			return &CorruptError{"saved revisions", errors.New("the last of a block is missing")}
		}
		return nil
	})
	return b, err
}

// revisionsFrom is the number of the last revision of a block that begins behind a number. The caller holds mu.
func (s *Store) revisionsFrom(ctx context.Context, after int64) (last int64, err error) {
	st, err := s.stmt(ctx, `SELECT s.n, length(r.body) FROM saved s JOIN revision r ON r.incident=s.incident AND r.revision=s.revision
  WHERE s.n>? ORDER BY s.n LIMIT ?`)
	if err != nil {
		return 0, err
	}
	rows, err := st.QueryContext(ctx, after, maxRevisions)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	last = after
	for room := maxRevisionBytes; rows.Next() && room > 0; {
		var size int
		if err := rows.Scan(&last, &size); err != nil {
			return 0, err
		}
		room -= size
	}
	return last, rows.Err()
}

// RevisionsDone says that a block has arrived.
func (f *Follower) RevisionsDone(ctx context.Context, b RevisionBlock) error {
	return f.s.write(ctx, "follower "+f.name, func(ctx context.Context) error {
		last := int64(b.First) + int64(len(b.Revisions)) - 1
		_, err := f.s.exec(ctx, "UPDATE follower SET revision=revision_claim WHERE name=? AND revision_claim=?", f.name, last)
		return err
	})
}

// followers verifies what is noted for followers.
func (p *problems) followers(ctx context.Context, q querier) error {
	var there bool
	err := q.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type='table' AND name='follower')").Scan(&there)
	if err != nil || !there { // a file of schema 1 that is only read
		return err
	}
	return each(ctx, q, `SELECT name, generation, head, done, claim, series, at, revision, revision_claim, (SELECT coalesce(max(n), 0) FROM saved)
  FROM follower ORDER BY name`, func(rows *sql.Rows) error {
		var name string
		var c cursor
		if err := rows.Scan(append([]any{&name}, c.fields()...)...); err != nil {
			return err
		}
		p.note(c.verify(name))
		return nil
	})
}

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/corewatch/corewatch/alerts"
)

// reachedKey is the fact that says up to which revision receivers were told.
const reachedKey = reserved + "alerts_reached"

// The states of a message in the outbox.
const (
	outWaiting  = "waiting"
	outSent     = "sent"
	outDead     = "dead"
	outReplaced = "replaced"
)

// Revisions implements alerts.Store.
func (s *Store) Revisions(ctx context.Context, n int64, limit int) (list []alerts.Revision, err error) {
	err = s.read(ctx, "revisions", func(q querier) error {
		return each(ctx, q, `SELECT r.rowid, i.id, r.revision, r.crc, r.body FROM revision r JOIN incident i ON i.n=r.incident
  WHERE r.rowid>`+strconv.FormatInt(n, 10)+` ORDER BY r.rowid LIMIT `+strconv.Itoa(limit), func(rows *sql.Rows) error {
			var at, crc int64
			var id string
			var number int
			var body []byte
			if err := rows.Scan(&at, &id, &number, &crc, &body); err != nil {
				return err
			}
			inc, err := verifyRevision(id, number, crc, body)
			if err != nil {
				return err
			}
			list = append(list, alerts.Revision{N: at, Incident: *inc})
			return nil
		})
	})
	return list, err
}

// LastRevision is the number of the revision that was stored last, in the order of Revisions; 0: there is none.
func (s *Store) LastRevision(ctx context.Context) (n int64, err error) {
	err = s.read(ctx, "revisions", func(q querier) error {
		return q.QueryRowContext(ctx, "SELECT coalesce(max(rowid), 0) FROM revision").Scan(&n)
	})
	return n, err
}

// Reached implements alerts.Store. A store that nobody was told of begins with what comes: its past is no news.
func (s *Store) Reached(ctx context.Context) (n int64, err error) {
	text, err := s.Meta(ctx, reachedKey)
	switch {
	case err == nil:
		if n, err = strconv.ParseInt(text, 10, 64); err != nil {
			return 0, fmt.Errorf("store %s: %w", s.name, &CorruptError{"fact " + reachedKey, err})
		}
		return n, nil
	case !errors.Is(err, ErrNotFound):
		return 0, err
	}
	return n, s.write(ctx, "fact "+reachedKey, func(ctx context.Context) error {
		if err := s.row(ctx, "SELECT coalesce(max(rowid), 0) FROM revision", nil, &n); err != nil {
			return err
		}
		return s.reach(ctx, n)
	})
}

func (s *Store) reach(ctx context.Context, n int64) error {
	_, err := s.exec(ctx, "INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value=excluded.value", reachedKey, strconv.FormatInt(n, 10))
	return err
}

// Told implements alerts.Store.
func (s *Store) Told(ctx context.Context, incident string) (list []alerts.Told, err error) {
	err = s.read(ctx, fmt.Sprintf("what was told of %.80q", incident), func(q querier) (err error) {
		rows, err := q.QueryContext(ctx, "SELECT receiver, incident, revision, occasion, severity, episodes, whole, thread FROM alert_told WHERE incident=? ORDER BY receiver", incident)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var t alerts.Told
			if err := rows.Scan(&t.Receiver, &t.Incident, &t.Revision, &t.Occasion, &t.Severity, &t.Episodes, &t.Whole, &t.Thread); err != nil {
				return err
			}
			list = append(list, t)
		}
		return rows.Err()
	})
	return list, err
}

// Decide implements alerts.Store.
func (s *Store) Decide(ctx context.Context, d *alerts.Decision) error {
	return s.write(ctx, "the outbox", func(ctx context.Context) error {
		for _, t := range d.Told {
			_, err := s.exec(ctx, `INSERT INTO alert_told (receiver, incident, revision, occasion, severity, episodes, whole, thread) VALUES (?,?,?,?,?,?,?,?)
  ON CONFLICT (incident, receiver) DO UPDATE SET revision=excluded.revision, occasion=excluded.occasion, severity=max(severity, excluded.severity), episodes=max(episodes, excluded.episodes), whole=excluded.whole, thread=excluded.thread`,
				t.Receiver, t.Incident, t.Revision, string(t.Occasion), t.Severity, t.Episodes, t.Whole, t.Thread)
			if err != nil {
				return err
			}
		}
		for _, n := range d.Replaced {
			if err := s.mark(ctx, n, outReplaced, time.Time{}, ""); err != nil {
				return err
			}
		}
		for i := range d.Out {
			o := &d.Out[i]
			text, err := json.Marshal(&o.Message)
			if err != nil {
				return err
			}
			if len(text) > maxJSON {
				return fmt.Errorf("message %s: %w size: %d bytes", o.Message.ID, ErrInvalid, len(text))
			}
			body := encoder().EncodeAll(text, nil)
			_, err = s.exec(ctx, `INSERT INTO alert_out (id, receiver, first, not_until, attempts, state, at, note, crc, body) VALUES (?,?,?,?,0,?,0,'',?,?) ON CONFLICT (id) DO NOTHING`,
				o.Message.ID, o.Message.Receiver, o.First.UnixMicro(), o.NotUntil.UnixMicro(), outWaiting, checksum(body, o.Message.ID), body)
			if err != nil {
				return err
			}
		}
		if err := s.decideBeside(ctx, d); err != nil {
			return err
		}
		return s.reach(ctx, d.UpTo)
	})
}

// mark ends a message that waits. The caller is in a write.
func (s *Store) mark(ctx context.Context, n int64, state string, at time.Time, note string) error {
	var micros int64
	if !at.IsZero() {
		micros = at.UnixMicro()
	}
	res, err := s.exec(ctx, "UPDATE alert_out SET state=?, at=?, note=?, attempts=attempts+? WHERE n=? AND state=?", state, micros, note, b2i(state != outReplaced), n, outWaiting)
	if err != nil {
		return err
	}
	if k, err := res.RowsAffected(); err != nil || k != 1 {
		return errors.Join(err, fmt.Errorf("message %d does not wait", n))
	}
	return nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Waiting implements alerts.Store.
func (s *Store) Waiting(ctx context.Context, receiver string, limit int) (list []alerts.Outgoing, err error) {
	return s.outbox(ctx, outWaiting, receiver, limit, "n")
}

// DeadLetters gives the messages that were given up, newest first, with the reason in Note of each.
func (s *Store) DeadLetters(ctx context.Context, limit int) ([]alerts.Outgoing, error) {
	return s.outbox(ctx, outDead, "", limit, "n DESC")
}

// outbox reads messages in a state, of a receiver; empty is all.
func (s *Store) outbox(ctx context.Context, state, receiver string, limit int, order string) ([]alerts.Outgoing, error) {
	where, args := "1", []any{}
	if state != "" {
		where, args = where+" AND state=?", append(args, state)
	}
	if receiver != "" { // with an index of its own: there may be thousands of receivers, and each is asked for
		where, args = where+" AND receiver=?", append(args, receiver)
	}
	return s.outgoing(ctx, where+" ORDER BY "+order+" LIMIT ?", append(args, limit)...)
}

// Next implements alerts.Store.
func (s *Store) Next(ctx context.Context, now time.Time, skip []string, limit int) ([]alerts.Outgoing, error) {
	names, err := json.Marshal(append([]string{}, skip...))
	if err != nil {
		return nil, err
	}
	at := now.UnixMicro()
	return s.outgoing(ctx, `n IN (SELECT min(n) FROM alert_out WHERE state=? AND (attempts>0 OR not_until<=?) AND receiver NOT IN (SELECT value FROM json_each(?)) GROUP BY receiver)
  AND not_until<=? ORDER BY attempts>0, n LIMIT ?`, outWaiting, at, string(names), at, limit)
}

// SentSince implements alerts.Store.
func (s *Store) SentSince(ctx context.Context, from time.Time) (sent map[string][]time.Time, err error) {
	sent = map[string][]time.Time{}
	err = s.read(ctx, "the outbox", func(q querier) (err error) {
		rows, err := q.QueryContext(ctx, "SELECT receiver, at FROM alert_out WHERE state=? AND at>=? ORDER BY at", outSent, from.UnixMicro())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var to string
			var at int64
			if err := rows.Scan(&to, &at); err != nil {
				return err
			}
			sent[to] = append(sent[to], time.UnixMicro(at).UTC())
		}
		return rows.Err()
	})
	return sent, err
}

// outgoing reads the messages that a condition names.
func (s *Store) outgoing(ctx context.Context, where string, args ...any) (list []alerts.Outgoing, err error) {
	err = s.read(ctx, "the outbox", func(q querier) (err error) {
		if have, err := columns(ctx, q, "alert_out"); err != nil || len(have) == 0 {
			return err // a store of older software, opened for reading: it told nobody
		}
		rows, err := q.QueryContext(ctx, "SELECT n, id, first, not_until, attempts, note, crc, body FROM alert_out WHERE "+where, args...)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var o alerts.Outgoing
			var id string
			var first, notUntil, crc int64
			var body []byte
			if err := rows.Scan(&o.N, &id, &first, &notUntil, &o.Attempts, &o.Note, &crc, &body); err != nil {
				return err
			}
			bad := func(err error) error { return &CorruptError{"message " + id, err} }
			if checksum(body, id) != crc {
				return bad(errors.New("its checksum does not match"))
			}
			text, err := jsonDecoder().DecodeAll(body, nil)
			if err != nil {
				return bad(err)
			}
			if err := json.Unmarshal(text, &o.Message); err != nil {
				return bad(err)
			}
			o.First, o.NotUntil = time.UnixMicro(first).UTC(), time.UnixMicro(notUntil).UTC()
			list = append(list, o)
		}
		return rows.Err()
	})
	return list, err
}

// Sent implements alerts.Store.
func (s *Store) Sent(ctx context.Context, n int64, at time.Time, receipt string) error {
	return s.write(ctx, "a receipt", func(ctx context.Context) error { return s.mark(ctx, n, outSent, at, receipt) })
}

// Dead implements alerts.Store.
func (s *Store) Dead(ctx context.Context, n int64, at time.Time, why string) error {
	return s.write(ctx, "a message that was given up", func(ctx context.Context) error { return s.mark(ctx, n, outDead, at, why) })
}

// Later implements alerts.Store.
func (s *Store) Later(ctx context.Context, n int64, notUntil time.Time, why string) error {
	return s.write(ctx, "a failure to send", func(ctx context.Context) error {
		_, err := s.exec(ctx, "UPDATE alert_out SET attempts=attempts+1, not_until=?, note=? WHERE n=? AND state=?", notUntil.UnixMicro(), why, n, outWaiting)
		return err
	})
}

// Retry lets the messages that were given up wait again, and gives how many.
func (s *Store) Retry(ctx context.Context, now time.Time) (n int64, err error) {
	return n, s.write(ctx, "the outbox", func(ctx context.Context) error {
		res, err := s.exec(ctx, "UPDATE alert_out SET state=?, first=?, not_until=? WHERE state=?", outWaiting, now.UnixMicro(), now.UnixMicro(), outDead)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
}

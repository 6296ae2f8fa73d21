package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/detect"
)

// Subject implements alerts.Store.
func (s *Store) Subject(ctx context.Context, id string) (*detect.Incident, error) {
	in, err := s.Incident(ctx, id)
	if !errors.Is(err, ErrNotFound) {
		return in, err
	}
	list, terr := s.troubles(ctx, "id=?", id)
	if terr != nil {
		return nil, terr
	}
	if len(list) == 0 {
		return nil, err
	}
	return &list[0].Incident, nil
}

// Troubles implements alerts.Store.
func (s *Store) Troubles(ctx context.Context, since time.Time) ([]alerts.TroubleState, error) {
	return s.troubles(ctx, "ended=0 OR ended>? OR decided<revision", since.UnixMicro())
}

func (s *Store) troubles(ctx context.Context, where string, args ...any) (list []alerts.TroubleState, err error) {
	err = s.read(ctx, "the monitor's troubles", func(q querier) (err error) {
		if have, err := columns(ctx, q, "alert_trouble"); err != nil || len(have) == 0 {
			return err
		}
		rows, err := q.QueryContext(ctx, "SELECT n, key, id, decided, crc, body FROM alert_trouble WHERE "+where+" ORDER BY n", args...)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var t alerts.TroubleState
			var id, body string
			var crc int64
			if err := rows.Scan(&t.N, &t.Key, &id, &t.Decided, &crc, &body); err != nil {
				return err
			}
			if checksum([]byte(body), id) != crc {
				return &CorruptError{"trouble " + id, errors.New("its checksum does not match")}
			}
			if err := json.Unmarshal([]byte(body), &t.Incident); err != nil {
				return &CorruptError{"trouble " + id, err}
			}
			list = append(list, t)
		}
		return rows.Err()
	})
	return list, err
}

// SaveTroubles implements alerts.Store.
func (s *Store) SaveTroubles(ctx context.Context, list []*alerts.TroubleState) error {
	return s.write(ctx, "the monitor's troubles", func(ctx context.Context) error {
		for _, t := range list {
			in := &t.Incident
			body, err := json.Marshal(in)
			if err != nil {
				return err
			}
			var ended int64
			if !in.State.Open() {
				ended = in.ClosedAt.UnixMicro()
			}
			err = s.row(ctx, `INSERT INTO alert_trouble (key, id, revision, decided, ended, crc, body) VALUES (?,?,?,0,?,?,?)
  ON CONFLICT (id) DO UPDATE SET revision=excluded.revision, ended=excluded.ended, crc=excluded.crc, body=excluded.body RETURNING n`,
				[]any{t.Key, in.ID, in.Revision, ended, checksum(body, in.ID), string(body)}, &t.N)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Outbox is how the outbox stands.
type Outbox struct {
	Waiting int       // due or not
	Oldest  time.Time // since when the oldest waits that could have gone; zero: none
	Dead    int       // given up since an instant
	// Failing are the receivers of which the oldest message failed several times: since when it waits, and the last failure.
	Failing []Failing
}

// Failing is a receiver that does not take its messages.
type Failing struct {
	Receiver string
	Since    time.Time
	Attempts int
	Note     string
}

// Outbox looks at it. A receiver is failing from so many attempts on.
func (s *Store) Outbox(ctx context.Context, now, since time.Time, attempts int) (o Outbox, err error) {
	err = s.read(ctx, "the outbox", func(q querier) error {
		var oldest sql.NullInt64
		err := q.QueryRowContext(ctx, "SELECT count(*), min(CASE WHEN attempts>0 OR not_until<=? THEN max(first, CASE WHEN attempts=0 THEN not_until ELSE 0 END) END) FROM alert_out WHERE state=?", now.UnixMicro(), outWaiting).Scan(&o.Waiting, &oldest)
		if err != nil {
			return err
		}
		if oldest.Valid {
			o.Oldest = time.UnixMicro(oldest.Int64).UTC()
		}
		if err := q.QueryRowContext(ctx, "SELECT count(*) FROM alert_out WHERE state=? AND at>?", outDead, since.UnixMicro()).Scan(&o.Dead); err != nil {
			return err
		}
		return each(ctx, q, "SELECT receiver, min(first), max(attempts), note FROM alert_out WHERE state='"+outWaiting+"' AND attempts>="+strconv.Itoa(attempts)+" GROUP BY receiver ORDER BY receiver LIMIT 100", func(rows *sql.Rows) error {
			var f Failing
			var at int64
			err := rows.Scan(&f.Receiver, &at, &f.Attempts, &f.Note)
			f.Since = time.UnixMicro(at).UTC()
			o.Failing = append(o.Failing, f)
			return err
		})
	})
	return o, err
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/corewatch/corewatch/alerts"
)

const subscriberColumns = "id, active, address, mailbox, sealed, token, asked, expires, try, attempts"

// Subscribers gives those who confirmed, oldest first.
func (s *Store) Subscribers(ctx context.Context) ([]alerts.Subscriber, error) {
	return s.subscribers(ctx, "active=1 ORDER BY asked, id")
}

// OpenRequests gives the requests that wait for confirmation, oldest first.
func (s *Store) OpenRequests(ctx context.Context) ([]alerts.Subscriber, error) {
	return s.subscribers(ctx, "active=0 ORDER BY asked, id")
}

// Subscriber gives the subscriber or request with an ID; nil when there is none.
func (s *Store) Subscriber(ctx context.Context, id string) (*alerts.Subscriber, error) {
	return first(s.subscribers(ctx, "id=?", id))
}

// SubscriberByToken gives the request with the hash of a token; nil when there is none.
func (s *Store) SubscriberByToken(ctx context.Context, token []byte) (*alerts.Subscriber, error) {
	return first(s.subscribers(ctx, "token=? AND length(token)>0 AND active=0", token))
}

// SubscribersOf gives subscriber and requests of an address, by its hash.
func (s *Store) SubscribersOf(ctx context.Context, address []byte) ([]alerts.Subscriber, error) {
	return s.subscribers(ctx, "address=? ORDER BY asked, id", address)
}

// Asked counts the requests since an instant: of a mailbox, by its hash, and all. Those that were confirmed meanwhile count.
func (s *Store) Asked(ctx context.Context, mailbox []byte, since time.Time) (of, all int, err error) {
	err = s.read(ctx, "requests", func(q querier) error {
		return q.QueryRowContext(ctx, "SELECT count(*) FILTER (WHERE mailbox=?), count(*) FROM alert_subscriber WHERE asked>=?", mailbox, micros(since)).Scan(&of, &all)
	})
	return of, all, err
}

func first(list []alerts.Subscriber, err error) (*alerts.Subscriber, error) {
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

func (s *Store) subscribers(ctx context.Context, where string, args ...any) (list []alerts.Subscriber, err error) {
	err = s.read(ctx, "subscribers", func(q querier) (err error) {
		if have, err := columns(ctx, q, "alert_subscriber"); err != nil || len(have) == 0 {
			return err // a store of older software, opened for reading
		}
		rows, err := q.QueryContext(ctx, "SELECT "+subscriberColumns+" FROM alert_subscriber WHERE "+where, args...)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var m alerts.Subscriber
			var asked, expires, try int64
			if err := rows.Scan(&m.ID, &m.Active, &m.Address, &m.Mailbox, &m.Sealed, &m.Token, &asked, &expires, &try, &m.Attempts); err != nil {
				return err
			}
			m.Asked, m.Expires, m.Try = instant(asked), instant(expires), instant(try)
			list = append(list, m)
		}
		return rows.Err()
	})
	return list, err
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func instant(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// SaveSubscriber stores a subscriber or request, new or changed, and erases those with the IDs in instead, whose place it takes. Where none of these is there
// any more, somebody forgot them: then nothing is stored, and the error wraps ErrNotFound.
func (s *Store) SaveSubscriber(ctx context.Context, m *alerts.Subscriber, instead ...string) error {
	return s.private(ctx, "a subscriber", func(ctx context.Context) error {
		gone := int64(0)
		for _, id := range instead {
			res, err := s.exec(ctx, "DELETE FROM alert_subscriber WHERE id=?", id)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			gone += n
		}
		if len(instead) > 0 && gone == 0 {
			return ErrNotFound
		}
		_, err := s.exec(ctx, `INSERT INTO alert_subscriber (`+subscriberColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?)
  ON CONFLICT (id) DO UPDATE SET active=excluded.active, address=excluded.address, mailbox=excluded.mailbox, sealed=excluded.sealed, token=excluded.token,
  asked=excluded.asked, expires=excluded.expires, try=excluded.try, attempts=excluded.attempts`,
			m.ID, b2i(m.Active), m.Address, m.Mailbox, m.Sealed, append([]byte{}, m.Token...), micros(m.Asked), micros(m.Expires), micros(m.Try), m.Attempts)
		return err
	})
}

// UpdateRequest notes how far the letter is that asks for confirmation. A request that is not there any more stays away: then it gives false.
func (s *Store) UpdateRequest(ctx context.Context, id string, token []byte, try time.Time, attempts int) (there bool, err error) {
	return there, s.private(ctx, "a request", func(ctx context.Context) error {
		res, err := s.exec(ctx, "UPDATE alert_subscriber SET token=?, try=?, attempts=? WHERE id=? AND active=0", append([]byte{}, token...), micros(try), attempts, id)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		there = n == 1
		return err
	})
}

// ForgetSubscribers erases subscribers and requests, with what they were told and what waits for them.
func (s *Store) ForgetSubscribers(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	return s.private(ctx, "forgetting subscribers", func(ctx context.Context) error {
		for _, id := range ids {
			if _, err := s.exec(ctx, "DELETE FROM alert_subscriber WHERE id=?", id); err != nil {
				return err
			}
			for _, table := range []string{"alert_told", "alert_out", "alert_held", "alert_receiver"} {
				if _, err := s.exec(ctx, "DELETE FROM "+table+" WHERE receiver=?", alerts.MailPrefix+id); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// private is a write after which what was deleted or changed is in no file any more: pages are cleared of it (a deleted row alone would stay until
// something else needs the room), and older copies of pages leave the write-ahead log, unless somebody still reads them; then the next write does it.
func (s *Store) private(ctx context.Context, what string, fn func(ctx context.Context) error) error {
	err := s.write(ctx, what, func(ctx context.Context) error {
		if _, err := s.w.ExecContext(ctx, "PRAGMA secure_delete=ON"); err != nil {
			return err
		}
		err := fn(ctx)
		_, off := s.w.ExecContext(ctx, "PRAGMA secure_delete=OFF")
		return errors.Join(err, off)
	})
	if err != nil || s.reader == nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	var busy, log, moved sql.NullInt64
	return s.w.QueryRowContext(context.WithoutCancel(ctx), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved)
}

// SubscriberLog notes what an operator did with subscribers.
func (s *Store) SubscriberLog(ctx context.Context, at time.Time, what string) error {
	return s.write(ctx, "the log of subscribers", func(ctx context.Context) error {
		_, err := s.exec(ctx, "INSERT INTO alert_subscriber_log (at, what) VALUES (?,?)", at.UnixMicro(), what)
		return err
	})
}

// SubscriberLogged gives what was noted last, newest first, each with its time.
func (s *Store) SubscriberLogged(ctx context.Context, limit int) (list []string, err error) {
	err = s.read(ctx, "the log of subscribers", func(q querier) error {
		return each(ctx, q, "SELECT at, what FROM alert_subscriber_log ORDER BY n DESC LIMIT "+strconv.Itoa(limit), func(rows *sql.Rows) error {
			var at int64
			var what string
			err := rows.Scan(&at, &what)
			list = append(list, time.UnixMicro(at).UTC().Format(time.RFC3339)+"  "+what)
			return err
		})
	})
	return list, err
}

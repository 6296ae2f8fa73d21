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
	"github.com/corewatch/corewatch/detect"
)

// Order keeps an order and gives its number. An end must name an order that holds or is to come.
func (s *Store) Order(ctx context.Context, o alerts.Order) (n int64, err error) {
	text, err := json.Marshal(&o)
	if err != nil {
		return 0, err
	}
	err = s.write(ctx, "an order", func(ctx context.Context) error {
		if o.Kind == alerts.EndOrder {
			var ends int
			err := s.row(ctx, "SELECT count(*) FROM alert_order WHERE n=? AND ends=0 AND until>? AND NOT EXISTS (SELECT 1 FROM alert_order e WHERE e.ends=alert_order.n)", []any{o.Ends, o.At.UnixMicro()}, &ends)
			if err != nil {
				return err
			}
			if ends == 0 {
				return fmt.Errorf("there is no order %d that holds or is to come", o.Ends)
			}
		}
		var until int64
		if !o.Until.IsZero() {
			until = o.Until.UnixMicro()
		}
		res, err := s.exec(ctx, "INSERT INTO alert_order (at, until, ends, crc, body) VALUES (?,?,?,?,?)", o.At.UnixMicro(), until, o.Ends, checksum(text, "order"), string(text))
		if err != nil {
			return err
		}
		n, err = res.LastInsertId()
		return err
	})
	return n, err
}

// Orders implements alerts.Store.
func (s *Store) Orders(ctx context.Context, since time.Time) (list []alerts.Order, err error) {
	at := strconv.FormatInt(since.UnixMicro(), 10)
	if since.IsZero() {
		at = "-1"
	}
	err = s.read(ctx, "the orders", func(q querier) error {
		if have, err := columns(ctx, q, "alert_order"); err != nil || len(have) == 0 {
			return err // a store of older software, opened for reading
		}
		return each(ctx, q, "SELECT n, crc, body FROM alert_order WHERE until>"+at+" OR ends IN (SELECT n FROM alert_order WHERE until>"+at+") ORDER BY n", func(rows *sql.Rows) error {
			var o alerts.Order
			var n, crc int64
			var body string
			if err := rows.Scan(&n, &crc, &body); err != nil {
				return err
			}
			what := "order " + strconv.FormatInt(n, 10)
			if checksum([]byte(body), "order") != crc {
				return &CorruptError{what, errors.New("its checksum does not match")}
			}
			if err := json.Unmarshal([]byte(body), &o); err != nil {
				return &CorruptError{what, err}
			}
			o.N = n
			list = append(list, o)
			return nil
		})
	})
	return list, err
}

// Held implements alerts.Store.
func (s *Store) Held(ctx context.Context) ([]alerts.Held, error) {
	return s.heldBack(ctx, "became='' ORDER BY n")
}

// HeldLately is what was held back last, newest first, with what became of it.
func (s *Store) HeldLately(ctx context.Context, limit int) ([]alerts.Held, error) {
	return s.heldBack(ctx, "1 ORDER BY n DESC LIMIT "+strconv.Itoa(limit))
}

func (s *Store) heldBack(ctx context.Context, where string) (list []alerts.Held, err error) {
	err = s.read(ctx, "what is held back", func(q querier) error {
		if have, err := columns(ctx, q, "alert_held"); err != nil || len(have) == 0 {
			return err
		}
		return each(ctx, q, "SELECT receiver, incident, revision, occasion, ordered, at, became FROM alert_held WHERE "+where, func(rows *sql.Rows) error {
			var h alerts.Held
			var at int64
			if err := rows.Scan(&h.Receiver, &h.Incident, &h.Revision, &h.Occasion, &h.Order, &at, &h.Became); err != nil {
				return err
			}
			h.At = time.UnixMicro(at).UTC()
			list = append(list, h)
			return nil
		})
	})
	return list, err
}

// Receivers implements alerts.Store.
func (s *Store) Receivers(ctx context.Context) (known map[string]string, err error) {
	known = map[string]string{}
	err = s.read(ctx, "the receivers", func(q querier) error {
		return each(ctx, q, "SELECT receiver, sha256 FROM alert_receiver", func(rows *sql.Rows) error {
			var name, sum string
			err := rows.Scan(&name, &sum)
			known[name] = sum
			return err
		})
	})
	return known, err
}

// decideBeside notes what was decided beside messages. The caller is in a write.
func (s *Store) decideBeside(ctx context.Context, d *alerts.Decision) error {
	for i := range d.Settled {
		h := &d.Settled[i]
		if _, err := s.exec(ctx, "UPDATE alert_held SET became=? WHERE incident=? AND receiver=? AND became=''", h.Became, h.Incident, h.Receiver); err != nil {
			return err
		}
	}
	for i := range d.Kept {
		h := &d.Kept[i]
		_, err := s.exec(ctx, "INSERT INTO alert_held (receiver, incident, revision, occasion, ordered, at, became) VALUES (?,?,?,?,?,?,'')",
			h.Receiver, h.Incident, h.Revision, string(h.Occasion), h.Order, h.At.UnixMicro())
		if err != nil {
			return err
		}
	}
	if d.Receivers != nil {
		if _, err := s.exec(ctx, "DELETE FROM alert_receiver"); err != nil {
			return err
		}
		for name, sum := range d.Receivers {
			if _, err := s.exec(ctx, "INSERT INTO alert_receiver (receiver, sha256) VALUES (?,?)", name, sum); err != nil {
				return err
			}
		}
	}
	for i := range d.Troubles {
		t := &d.Troubles[i]
		if _, err := s.exec(ctx, "UPDATE alert_trouble SET decided=? WHERE n=?", t.Incident.Revision, t.N); err != nil {
			return err
		}
	}
	return nil
}

// Open implements alerts.Store.
func (s *Store) Open(ctx context.Context) (all []detect.Incident, err error) {
	q := Query{Data: string(detect.Live), Kinds: nil, States: []string{string(detect.Suspected), string(detect.Partial), string(detect.Confirmed), string(detect.Recovering)}, Limit: MaxLimit}
	for _, kinds := range [][]string{nil, {string(detect.MonitorFault)}} { // none given leaves these out
		for q.Kinds, q.Cursor = kinds, ""; ; {
			list, next, err := s.Incidents(ctx, q)
			if err != nil {
				return nil, err
			}
			all = append(all, list...)
			if q.Cursor = next; next == "" {
				break
			}
		}
	}
	return all, nil
}

// Postpone implements alerts.Store.
func (s *Store) Postpone(ctx context.Context, n int64, notUntil time.Time) error {
	return s.write(ctx, "the outbox", func(ctx context.Context) error {
		_, err := s.exec(ctx, "UPDATE alert_out SET not_until=? WHERE n=? AND state=? AND attempts=0", notUntil.UnixMicro(), n, outWaiting)
		return err
	})
}

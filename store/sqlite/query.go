package sqlite

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// Sizes of a page of incidents.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// maxValues is the largest number of values of one filter.
const maxValues = 64

// Query selects incidents. The zero value selects all but monitor faults, newest first.
type Query struct {
	Entity string    // key such as "country:PK"; empty is all
	Kinds  []string  // empty is all but monitor_fault
	States []string  // empty is all
	Data   string    // empty is all
	From   time.Time // From <= start; zero is no bound
	Until  time.Time // start < Until; zero is no bound
	Limit  int       // 1..MaxLimit; 0 is DefaultLimit, more is MaxLimit
	Cursor string    // from the page before; the other fields but Limit must be the same
}

// Incidents lists the last states that a query selects, ordered by start, newest first, then id. next is the cursor of the
// following page, empty when this is the last. A cursor that is not from this query gives ErrCursor.
func (s *Store) Incidents(ctx context.Context, query Query) (list []detect.Incident, next string, err error) {
	where, args, err := query.where()
	if err != nil {
		return nil, "", fmt.Errorf("store %s: incidents: %w", s.name, err)
	}
	limit := query.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	limit = min(limit, MaxLimit)
	text := "SELECT " + incidentColumns + " FROM incident WHERE " + where + " ORDER BY start DESC, id LIMIT ?"
	err = s.read(ctx, "incidents", func(q querier) (err error) {
		rows, err := q.QueryContext(ctx, text, append(args, limit+1)...)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		var r incidentRow
		for rows.Next() {
			if len(list) == limit { // there is one more: r is still the last of this page
				next = query.cursor(r.start, r.id)
				return nil
			}
			if err := r.scan(rows.Scan); err != nil {
				return err
			}
			inc, err := r.verify()
			if err != nil {
				return err
			}
			list = append(list, *inc)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, "", err
	}
	return list, next, nil
}

// where is the condition of a query and its values.
func (q *Query) where() (text string, args []any, err error) {
	if q.Limit < 0 {
		return "", nil, fmt.Errorf("%w limit %d", ErrInvalid, q.Limit)
	}
	cond := []string{"1"}
	add := func(c string, v ...any) { cond, args = append(cond, c), append(args, v...) }
	in := func(column string, values []string) error {
		if len(values) > maxValues {
			return fmt.Errorf("%w %s: %d values, at most %d", ErrInvalid, column, len(values), maxValues)
		}
		if len(values) > 0 {
			add(column + " IN (?" + strings.Repeat(",?", len(values)-1) + ")")
			for _, v := range values {
				args = append(args, v)
			}
		}
		return nil
	}
	if q.Entity != "" {
		add("entity=?", q.Entity)
	}
	if len(q.Kinds) == 0 {
		add("kind<>?", string(detect.MonitorFault))
	}
	if err := errors.Join(in("kind", q.Kinds), in("state", q.States)); err != nil {
		return "", nil, err
	}
	if q.Data != "" {
		add("data=?", q.Data)
	}
	if !q.From.IsZero() {
		add("start>=?", ceilSeconds(q.From))
	}
	if !q.Until.IsZero() {
		add("start<?", ceilSeconds(q.Until))
	}
	if q.Cursor != "" {
		start, id, err := q.position()
		if err != nil {
			return "", nil, err
		}
		add("start<=? AND (start<? OR id>?)", start, start, id)
	}
	return strings.Join(cond, " AND "), args, nil
}

// ceilSeconds rounds up to whole seconds, in which starts are stored.
func ceilSeconds(t time.Time) int64 {
	s := t.Unix()
	if t.Nanosecond() != 0 {
		s++
	}
	return s
}

// A cursor is base64url over: version 1, fingerprint of the filters (4 bytes), start of the last incident (8 bytes), its id,
// CRC-32C of all that (4 bytes).
const cursorFixed = 1 + 4 + 8

// fingerprint binds a cursor to the filters it was made for.
func (q *Query) fingerprint() uint32 {
	text := fmt.Sprintf("%q %q %q %q %d %d", q.Entity, q.Kinds, q.States, q.Data, q.From.UnixNano(), q.Until.UnixNano())
	return crc32.Checksum([]byte(text), castagnoli)
}

func (q *Query) cursor(start int64, id string) string {
	b := binary.BigEndian.AppendUint32([]byte{1}, q.fingerprint())
	b = binary.BigEndian.AppendUint64(b, uint64(start))
	b = append(b, id...)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return base64.RawURLEncoding.EncodeToString(b)
}

// position reads the query's cursor.
func (q *Query) position() (start int64, id string, err error) {
	if len(q.Cursor) > 2*maxName {
		return 0, "", ErrCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(q.Cursor)
	if err != nil || len(b) <= cursorFixed+4 || b[0] != 1 {
		return 0, "", ErrCursor
	}
	b, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(b, castagnoli) != sum || binary.BigEndian.Uint32(b[1:]) != q.fingerprint() {
		return 0, "", ErrCursor
	}
	return int64(binary.BigEndian.Uint64(b[5:])), string(b[cursorFixed:]), nil
}

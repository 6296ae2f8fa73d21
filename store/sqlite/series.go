package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// MaxSamples is the largest number of samples that one call of Samples returns: almost four years of minutes.
const MaxSamples = 2_000_000

// collect verifies and decodes rows of (n, first, last, count, crc, body) and appends their points. It closes rows.
func collect(rows *sql.Rows, k seriesKey, what string, points []point) (_ []point, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	var c chunkRow
	for rows.Next() {
		if err := rows.Scan(&c.n, &c.first, &c.last, &c.count, &c.crc, &c.body); err != nil {
			return nil, err
		}
		got, err := c.decode(k, what)
		if err != nil {
			return nil, err
		}
		if points = append(points, got...); len(points) > 2*MaxSamples {
			return nil, fmt.Errorf("%w range: more than %d samples, ask for less time", ErrInvalid, MaxSamples)
		}
	}
	return points, rows.Err()
}

// chunkRow is a row of chunk or tail.
type chunkRow struct {
	n, first, last int64
	count          int
	crc            int64
	body           sql.RawBytes // valid until the next row
}

// decode gives the points of the row, or a *CorruptError that names it.
func (c *chunkRow) decode(k seriesKey, what string) ([]point, error) {
	bad := func(err error) error {
		return &CorruptError{fmt.Sprintf("%s %d of series %s from %s", what, c.n, k, timeOf(c.first)), err}
	}
	if checksum(c.body, k.entity, k.signal) != c.crc {
		return nil, bad(errors.New("its checksum does not match"))
	}
	points, err := decodeChunk(c.body)
	if err != nil {
		return nil, bad(err)
	}
	if len(points) != c.count || points[0].at != c.first || points[len(points)-1].at != c.last {
		return nil, bad(errors.New("it does not hold what its row says"))
	}
	return points, nil
}

// Samples lists the samples of one series with from <= time < until, ascending. A zero time is no bound. A series that is not
// there gives none. More than MaxSamples is an error.
func (s *Store) Samples(ctx context.Context, entity, signal string, from, until time.Time) (out []detect.Sample, err error) {
	k := seriesKey{entity, signal}
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	if !from.IsZero() {
		lo = ceilMicros(from)
	}
	if !until.IsZero() {
		hi = ceilMicros(until)
	}
	err = s.read(ctx, "samples of "+k.String(), func(q querier) error {
		var n int64
		err := q.QueryRowContext(ctx, "SELECT n FROM series WHERE entity=? AND signal=?", entity, signal).Scan(&n)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		var points []point
		for _, t := range []struct{ name, order string }{{"chunk", "first"}, {"tail", "n"}} {
			rows, err := q.QueryContext(ctx, "SELECT n, first, last, count, crc, body FROM "+t.name+
				" WHERE series=? AND last>=? AND first<? ORDER BY "+t.order, n, lo, hi)
			if err != nil {
				return err
			}
			if points, err = collect(rows, k, t.name, points); err != nil {
				return err
			}
		}
		for _, p := range ascending(points) {
			if p.at >= lo && p.at < hi {
				out = append(out, p.sample(k))
			}
		}
		if len(out) > MaxSamples {
			return fmt.Errorf("%w range: %d samples, ask for less time", ErrInvalid, len(out))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ceilMicros rounds up to microseconds: no instant that is stored lies between t and the result.
func ceilMicros(t time.Time) int64 {
	m := t.UnixMicro()
	if t.Nanosecond()%1000 != 0 {
		m++
	}
	return m
}

// SampleEntities lists the entity keys that have samples, in order.
func (s *Store) SampleEntities(ctx context.Context) (list []string, err error) {
	err = s.read(ctx, "entities", func(q querier) (err error) {
		rows, err := q.QueryContext(ctx, "SELECT DISTINCT entity FROM series ORDER BY entity")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var e string
			if err := rows.Scan(&e); err != nil {
				return err
			}
			list = append(list, e)
		}
		return rows.Err()
	})
	return list, err
}

// latestQuery finds, for each series of a signal, the chunk and the tail row that reach furthest. Of tail rows that end at
// the same time the primary key puts the one that was written last at the end; sealed chunks do not overlap.
const latestQuery = `SELECT s.entity, 0, c.n, c.first, c.last, c.count, c.crc, c.body FROM series s JOIN chunk c
  ON c.series=s.n AND c.first=(SELECT max(first) FROM chunk WHERE series=s.n) WHERE s.signal=?1
UNION ALL SELECT s.entity, 1, t.n, t.first, t.last, t.count, t.crc, t.body FROM series s JOIN tail t
  ON t.series=s.n AND (t.last, t.n)=(SELECT last, n FROM tail WHERE series=s.n ORDER BY last DESC, n DESC LIMIT 1) WHERE s.signal=?1
ORDER BY 1, 2`

// Latest lists the newest sample of every entity that has the signal, ordered by entity.
func (s *Store) Latest(ctx context.Context, signal string) (list []detect.Sample, err error) {
	err = s.read(ctx, "latest samples of "+signal, func(q querier) (err error) {
		rows, err := q.QueryContext(ctx, latestQuery, signal)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			k := seriesKey{signal: signal}
			var c chunkRow
			var tail int
			if err := rows.Scan(&k.entity, &tail, &c.n, &c.first, &c.last, &c.count, &c.crc, &c.body); err != nil {
				return err
			}
			points, err := c.decode(k, [...]string{"chunk", "tail"}[tail&1])
			if err != nil {
				return err
			}
			newest := points[len(points)-1].sample(k)
			switch n := len(list); {
			case n == 0 || list[n-1].Entity != k.entity:
				list = append(list, newest)
			case !newest.At.Before(list[n-1].At.Time): // the tail wins where both have the time
				list[n-1] = newest
			}
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

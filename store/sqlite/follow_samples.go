package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// SampleBlock is samples that are due.
type SampleBlock struct {
	Generation uint64 // of two samples with the same entity, signal and time that of the higher generation stays
	Samples    []detect.Sample

	from cursor // when it was read
	at   point  // the last sample: its time
	last int64  // its series
	end  bool   // nothing more in the window
}

// Samples gives the next samples that are due, at most limit; none when all are copied that are older than lag before the newest one.
// Samples as late as lag are so not copied twice. Until SamplesDone it gives the same ones again, unless some of them were stored anew.
func (f *Follower) Samples(ctx context.Context, limit int, lag time.Duration) (b SampleBlock, err error) {
	if limit < 1 {
		return b, fmt.Errorf("store %s: %w limit %d", f.s.name, ErrInvalid, limit)
	}
	for {
		b = SampleBlock{}
		if b.from, err = f.claim(ctx, lag.Microseconds()); err != nil || b.from.claim == b.from.done {
			return b, err
		}
		b.Generation = uint64(b.from.generation)
		err = f.s.read(ctx, "samples for "+f.name, func(q querier) error { return b.read(ctx, q, limit) })
		if err != nil || len(b.Samples) > 0 {
			return b, err
		}
		if err := f.skip(ctx, b); err != nil {
			return b, err
		}
	}
}

// claim gives the row with a window that is claimed, or none when there is nothing to claim.
func (f *Follower) claim(ctx context.Context, lag int64) (c cursor, err error) {
	err = f.s.write(ctx, "follower "+f.name, func(ctx context.Context) (err error) {
		if c, err = f.load(ctx); err != nil || c.claim > c.done {
			return err
		}
		until := c.head - lag
		if until <= c.done {
			return nil
		}
		if c.done == 0 { // the first window begins with the first sample, not in 1970
			if c.done, err = f.s.before(ctx, 0); err != nil {
				return err
			}
		}
		if c.claim = min(until, c.done+maxWindow); c.claim <= c.done {
			c.done, c.claim = 0, 0
			return nil
		}
		_, err = f.s.exec(ctx, "UPDATE follower SET done=?, claim=?, series=0, at=0 WHERE name=?", c.done, c.claim, f.name)
		return err
	})
	return c, err
}

// before is the time just before the next sample behind an instant, or earlier, but not before the instant; the instant itself when there is
// none. The caller holds mu.
func (s *Store) before(ctx context.Context, after int64) (at int64, err error) {
	err = s.row(ctx, `SELECT coalesce(min(at), ?1) FROM (SELECT min(max(first-1, ?1)) AS at FROM chunk WHERE last>?1
  UNION ALL SELECT min(max(first-1, ?1)) FROM tail WHERE last>?1)`, []any{after}, &at)
	return at, err
}

// SamplesDone says that a block has arrived. When samples of its window were stored anew meanwhile it changes nothing: they are due.
func (f *Follower) SamplesDone(ctx context.Context, b SampleBlock) error {
	return f.s.write(ctx, "follower "+f.name, func(ctx context.Context) error {
		if b.end {
			return f.advance(ctx, b.from, b.from.claim)
		}
		_, err := f.s.exec(ctx, "UPDATE follower SET series=?, at=? WHERE name=? AND generation=? AND claim=?",
			b.last, b.at.at, f.name, b.from.generation, b.from.claim)
		return err
	})
}

// skip leaves a window in which nothing is due, and what is empty behind it.
func (f *Follower) skip(ctx context.Context, b SampleBlock) error {
	return f.s.write(ctx, "follower "+f.name, func(ctx context.Context) error {
		to := b.from.claim
		if b.from.series == 0 {
			next, err := f.s.before(ctx, to)
			if err != nil {
				return err
			}
			to = min(next, b.from.head)
		}
		return f.advance(ctx, b.from, to)
	})
}

// advance ends a window. The caller holds mu.
func (f *Follower) advance(ctx context.Context, from cursor, to int64) error {
	_, err := f.s.exec(ctx, "UPDATE follower SET done=?1, claim=?1, series=0, at=0 WHERE name=?2 AND generation=?3 AND claim=?4",
		to, f.name, from.generation, from.claim)
	return err
}

// seriesAtOnce is how many series are looked up together.
const seriesAtOnce = 1024

// dueSeries finds the series from a number on with a chunk or tail row that reaches into a window. Chunks of a series do not overlap: the
// only one that begins before the window and reaches into it is the last that begins before.
const dueSeries = `SELECT n, entity, signal FROM series s WHERE n>=?1 AND (
  EXISTS (SELECT 1 FROM tail WHERE series=s.n AND last>?2 AND first<=?3) OR
  EXISTS (SELECT 1 FROM chunk WHERE series=s.n AND last>?2 AND first<=?3
    AND first>=coalesce((SELECT max(first) FROM chunk WHERE series=s.n AND first<=?2), ?2))
) ORDER BY n LIMIT ?4`

// read fills the block with what is due behind its place.
func (b *SampleBlock) read(ctx context.Context, q querier, limit int) error {
	from := b.from.series
	for {
		list, err := seriesIn(ctx, q, from, b.from.done, b.from.claim)
		if err != nil {
			return err
		}
		for _, sr := range list {
			after := b.from.done
			if sr.n == b.from.series {
				after = max(after, b.from.at)
			}
			points, err := pointsIn(ctx, q, sr, after, b.from.claim)
			if err != nil {
				return err
			}
			for i := range points {
				if len(b.Samples) == limit {
					return nil
				}
				b.Samples = append(b.Samples, points[i].sample(sr.key))
				b.last, b.at = sr.n, points[i]
			}
		}
		if len(list) < seriesAtOnce {
			b.end = true
			return nil
		}
		from = list[len(list)-1].n + 1
	}
}

// numbered is a series and its row.
type numbered struct {
	n   int64
	key seriesKey
}

func seriesIn(ctx context.Context, q querier, from, done, claim int64) (list []numbered, err error) {
	rows, err := q.QueryContext(ctx, dueSeries, from, done, claim, seriesAtOnce)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var sr numbered
		if err := rows.Scan(&sr.n, &sr.key.entity, &sr.key.signal); err != nil {
			return nil, err
		}
		list = append(list, sr)
	}
	return list, rows.Err()
}

// pointsIn gives the points of a series with after < time <= until.
func pointsIn(ctx context.Context, q querier, sr numbered, after, until int64) (points []point, err error) {
	for _, t := range []struct{ name, rest string }{
		{"chunk", " AND first>=coalesce((SELECT max(first) FROM chunk WHERE series=?1 AND first<=?2), ?2) ORDER BY first"},
		{"tail", " ORDER BY n"},
	} {
		rows, err := q.QueryContext(ctx, "SELECT n, first, last, count, crc, body FROM "+t.name+" WHERE series=?1 AND last>?2 AND first<=?3"+t.rest, sr.n, after, until)
		if err != nil {
			return nil, err
		}
		if points, err = collect(rows, sr.key, t.name, points); err != nil {
			return nil, err
		}
	}
	points = ascending(points)
	in := points[:0]
	for _, p := range points {
		if p.at > after && p.at <= until {
			in = append(in, p)
		}
	}
	return in, nil
}

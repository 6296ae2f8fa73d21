package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/corewatch/corewatch/detect"
)

// Limits of names and times.
const (
	maxName   = 512
	maxMicros = 1 << 58 // year 11000
)

// seriesKey names a series.
type seriesKey struct{ entity, signal string }

func (k seriesKey) String() string { return k.entity + " " + k.signal }

// series is what the writer knows about one series: its row and how much of it is in the tail.
type series struct {
	n       int64
	samples int   // in the tail, duplicates counted
	next    int64 // n of the next tail row
}

// AppendSamples stores samples of any number of series, in any order; of two with the same entity, signal and time the later
// one stays. All of them are durable when it returns nil; none of them is when it returns an error.
func (s *Store) AppendSamples(ctx context.Context, samples []detect.Sample) error {
	if len(samples) == 0 {
		return nil
	}
	keys, batches, err := bySeries(samples)
	if err != nil {
		return fmt.Errorf("store %s: samples: %w", s.name, err)
	}
	return s.write(ctx, "samples", func(inner context.Context) error {
		tail := make([]any, 0, tailWidth*len(keys))
		for i, k := range keys {
			if i%256 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			row, err := s.appendSeries(inner, k, batches[i])
			if err != nil {
				return fmt.Errorf("series %s: %w", k, err)
			}
			tail = append(tail, row...)
		}
		if _, err := s.insert(inner, "INSERT INTO tail (series, last, n, first, count, crc, body)", tailWidth, "", tail); err != nil {
			return err
		}
		return s.noteSamples(inner, batches)
	})
}

// bySeries sorts samples into their series, in order of first appearance, each strictly ascending.
func bySeries(samples []detect.Sample) (keys []seriesKey, batches [][]point, err error) {
	at := map[seriesKey]int{}
	for i := range samples {
		k := seriesKey{samples[i].Entity, samples[i].Signal}
		n, ok := at[k]
		if !ok {
			if err := errors.Join(checkName("entity", k.entity), checkName("signal", k.signal)); err != nil {
				return nil, nil, err
			}
			n = len(keys)
			at[k] = n
			keys, batches = append(keys, k), append(batches, nil)
		}
		p := pointOf(samples[i])
		if p.at <= 0 || p.at > maxMicros {
			return nil, nil, fmt.Errorf("%w time %d of a sample of %s", ErrInvalid, p.at, k)
		}
		batches[n] = append(batches[n], p)
	}
	for i := range batches {
		batches[i] = ascending(batches[i])
	}
	return keys, batches, nil
}

// ascending sorts points by time; of equal times the one further back in the list stays.
func ascending(points []point) []point {
	ok := true
	for i := 1; i < len(points) && ok; i++ {
		ok = points[i-1].at < points[i].at
	}
	if ok {
		return points
	}
	slices.SortStableFunc(points, func(a, b point) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	out := points[:0]
	for i := range points {
		if i+1 < len(points) && points[i+1].at == points[i].at {
			continue
		}
		out = append(out, points[i])
	}
	return out
}

func checkName(what, name string) error {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return fmt.Errorf("%w %s %.40q: want 1 to %d bytes of UTF-8", ErrInvalid, what, name, maxName)
	}
	return nil
}

// tailWidth is the number of columns of a tail row.
const tailWidth = 7

// appendSeries makes the tail row of a batch, or seals it with the tail when enough has come together; then there is no row.
func (s *Store) appendSeries(ctx context.Context, k seriesKey, batch []point) (row []any, err error) {
	sr, err := s.loadSeries(ctx, k)
	if err != nil {
		return nil, err
	}
	if sr.samples+len(batch) >= sealAt {
		return nil, s.seal(ctx, k, sr, batch)
	}
	body := encodeChunk(batch)
	row = []any{sr.n, batch[len(batch)-1].at, sr.next, batch[0].at, len(batch), checksum(body, k.entity, k.signal), body}
	sr.samples += len(batch)
	sr.next++
	return row, nil
}

// loadSeries finds or makes the row of a series.
func (s *Store) loadSeries(ctx context.Context, k seriesKey) (*series, error) {
	if sr, ok := s.series[k]; ok {
		return sr, nil
	}
	sr := &series{}
	err := s.row(ctx, "SELECT n FROM series WHERE entity=? AND signal=?", []any{k.entity, k.signal}, &sr.n)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		res, err := s.exec(ctx, "INSERT INTO series (entity, signal) VALUES (?,?)", k.entity, k.signal)
		if err != nil {
			return nil, err
		}
		if sr.n, err = res.LastInsertId(); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	default:
		err = s.row(ctx, "SELECT coalesce(sum(count),0), coalesce(max(n),0) FROM tail WHERE series=?", []any{sr.n}, &sr.samples, &sr.next)
		if err != nil {
			return nil, err
		}
		sr.next++
	}
	s.series[k] = sr
	return sr, nil
}

// seal moves the tail of a series and a new batch into sealed chunks.
func (s *Store) seal(ctx context.Context, k seriesKey, sr *series, batch []point) error {
	st, err := s.stmt(ctx, "SELECT n, first, last, count, crc, body FROM tail WHERE series=? ORDER BY n")
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, sr.n)
	if err != nil {
		return err
	}
	points, err := collect(rows, k, "tail", nil)
	if err != nil {
		return err
	}
	points = ascending(append(points, batch...))
	if err := s.placeInChunks(ctx, k, sr.n, points); err != nil {
		return err
	}
	_, err = s.exec(ctx, "DELETE FROM tail WHERE series=?", sr.n)
	sr.samples = 0
	return err
}

// placeInChunks stores ascending points without ever letting two chunks of a series overlap: what falls inside a chunk is
// merged into it, what falls between two becomes chunks of its own.
func (s *Store) placeInChunks(ctx context.Context, k seriesKey, n int64, points []point) error {
	spans, err := s.chunkSpans(ctx, n, points[0].at, points[len(points)-1].at)
	if err != nil {
		return err
	}
	for len(points) > 0 {
		for len(spans) > 0 && spans[0].last < points[0].at {
			spans = spans[1:]
		}
		end := len(points) // of the run that belongs together
		if len(spans) > 0 {
			limit := spans[0].first // the run lies before the chunk
			inside := points[0].at >= spans[0].first
			if inside {
				limit = spans[0].last + 1
			}
			end, _ = slices.BinarySearchFunc(points, limit, func(p point, at int64) int {
				if p.at < at {
					return -1
				}
				return 1
			})
			if inside {
				old, err := s.takeChunk(ctx, k, spans[0].n)
				if err != nil {
					return err
				}
				if err := s.putChunks(ctx, k, n, ascending(append(old, points[:end]...))); err != nil {
					return err
				}
				points = points[end:]
				continue
			}
		}
		if err := s.putChunks(ctx, k, n, points[:end]); err != nil {
			return err
		}
		points = points[end:]
	}
	return nil
}

// span is where a chunk lies.
type span struct{ n, first, last int64 }

// chunkSpans lists the chunks of a series that touch [from, until], ascending.
func (s *Store) chunkSpans(ctx context.Context, series, from, until int64) (list []span, err error) {
	// Chunks do not overlap, so the only one that starts before from and reaches it is the last that starts before.
	st, err := s.stmt(ctx, `SELECT n, first, last FROM chunk WHERE series=?1 AND last>=?2 AND first<=?3
  AND first >= coalesce((SELECT max(first) FROM chunk WHERE series=?1 AND first<=?2), ?2) ORDER BY first`)
	if err != nil {
		return nil, err
	}
	rows, err := st.QueryContext(ctx, series, from, until)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var sp span
		if err := rows.Scan(&sp.n, &sp.first, &sp.last); err != nil {
			return nil, err
		}
		list = append(list, sp)
	}
	return list, rows.Err()
}

// takeChunk reads a chunk and removes it.
func (s *Store) takeChunk(ctx context.Context, k seriesKey, n int64) ([]point, error) {
	st, err := s.stmt(ctx, "SELECT n, first, last, count, crc, body FROM chunk WHERE n=?")
	if err != nil {
		return nil, err
	}
	rows, err := st.QueryContext(ctx, n)
	if err != nil {
		return nil, err
	}
	points, err := collect(rows, k, "chunk", nil)
	if err != nil {
		return nil, err
	}
	_, err = s.exec(ctx, "DELETE FROM chunk WHERE n=?", n)
	return points, err
}

// putChunks writes ascending points as chunks of at most maxChunk, of even sizes.
func (s *Store) putChunks(ctx context.Context, k seriesKey, n int64, points []point) error {
	pieces := (len(points) + maxChunk - 1) / maxChunk
	for ; pieces > 0; pieces-- {
		size := (len(points) + pieces - 1) / pieces
		body := encodeChunk(points[:size])
		_, err := s.exec(ctx, "INSERT INTO chunk (series, first, last, count, crc, body) VALUES (?,?,?,?,?,?)",
			n, points[0].at, points[size-1].at, size, checksum(body, k.entity, k.signal), body)
		if err != nil {
			return err
		}
		points = points[size:]
	}
	return nil
}

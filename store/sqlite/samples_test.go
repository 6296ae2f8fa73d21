package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/corewatch/corewatch/detect"
)

func sample(entity string, minute int64) detect.Sample {
	return detect.Sample{
		Entity: entity, Signal: "bgp.v4", At: detect.At(epoch.Add(time.Duration(minute) * time.Minute)), Expected: 5120 + minute%7, Lost: minute % 3,
		Unobservable: 310, Prefixes: 1374, LostPrefixes: int32(minute % 2), Voting: 39,
	}
}

// randomSample is one at a random place of a few series, sometimes with extreme values.
func randomSample(r *rand.Rand) detect.Sample {
	s := sample(fmt.Sprintf("country:%c", 'A'+r.IntN(3)), r.Int64N(4000))
	s.At = detect.At(s.At.Add(time.Duration(r.IntN(2)) * time.Microsecond))
	s.Lost, s.NoData = r.Int64N(1000), r.IntN(4) == 0
	if r.IntN(2) == 0 {
		s.Signal = "bgp.v6"
	}
	if r.IntN(10) == 0 {
		s.Expected, s.Unobservable = math.MaxInt64-r.Int64N(2), math.MinInt64+r.Int64N(2)
		s.Prefixes, s.LostPrefixes, s.Voting = math.MaxInt32, math.MinInt32, -1
	}
	return s
}

// model is the slow, obvious store of samples.
type model map[seriesKey]map[int64]detect.Sample

func (m model) add(list []detect.Sample) {
	for _, s := range list {
		k := seriesKey{s.Entity, s.Signal}
		if m[k] == nil {
			m[k] = map[int64]detect.Sample{}
		}
		m[k][s.At.Micros()] = s
	}
}

func (m model) list(k seriesKey, from, until time.Time) (out []detect.Sample) {
	for _, s := range m[k] {
		if (from.IsZero() || !s.At.Before(from)) && (until.IsZero() || s.At.Before(until)) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b detect.Sample) int { return a.At.Compare(b.At.Time) })
	return out
}

// compare asks a store for everything the model knows.
func (m model) compare(t *testing.T, s *Store, r *rand.Rand) {
	t.Helper()
	ctx := t.Context()
	entities := map[string]bool{}
	latest := map[string][]detect.Sample{}
	for k := range m {
		entities[k.entity] = true
		all := m.list(k, time.Time{}, time.Time{})
		latest[k.signal] = append(latest[k.signal], all[len(all)-1])
		from := epoch.Add(time.Duration(r.Int64N(int64(4000 * time.Minute))))
		for _, span := range [][2]time.Time{{}, {from}, {{}, from}, {from, from.Add(time.Duration(r.Int64N(int64(900 * time.Minute))))}} {
			got, err := s.Samples(ctx, k.entity, k.signal, span[0], span[1])
			if err != nil {
				t.Fatal(err)
			}
			if want := m.list(k, span[0], span[1]); !reflect.DeepEqual(got, want) {
				t.Fatalf("series %s in %v: %d samples that differ from %d", k, span, len(got), len(want))
			}
		}
	}
	got, err := s.SampleEntities(ctx)
	if err != nil || len(got) != len(entities) || !slices.IsSorted(got) {
		t.Fatalf("entities %v, want %v: %v", got, entities, err)
	}
	for signal, want := range latest {
		slices.SortFunc(want, func(a, b detect.Sample) int { return cmp.Compare(a.Entity, b.Entity) })
		if got, err := s.Latest(ctx, signal); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("latest of %s\n%v\nwant\n%v: %v", signal, got, want, err)
		}
	}
}

// TestSamplesAgainstModel appends random batches, out of order and with duplicates, across restarts, and compares with a map.
func TestSamplesAgainstModel(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			dir := t.TempDir()
			s := openTest(t, dir)
			m := model{}
			for step := range 120 {
				var batch []detect.Sample
				size := []int{1, 3, 40, 2500}[r.IntN(4)]
				if r.IntN(8) > 0 {
					size = min(size, 40)
				}
				for range size {
					batch = append(batch, randomSample(r))
				}
				if err := s.AppendSamples(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
				m.add(batch)
				if step%40 == 39 {
					m.compare(t, s, r)
					check(t, s)
				}
				if r.IntN(20) == 0 {
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					s = openTest(t, dir)
				}
			}
			var chunks int
			if err := s.read(t.Context(), "count", func(q querier) error {
				return q.QueryRowContext(context.Background(), "SELECT count(*) FROM chunk").Scan(&chunks)
			}); err != nil || chunks < 6 {
				t.Fatalf("%d chunks were sealed: %v", chunks, err)
			}
		})
	}
}

func TestSamplesInMemory(t *testing.T) {
	s, err := OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	r, m := rand.New(rand.NewPCG(9, 9)), model{}
	for range 100 {
		batch := []detect.Sample{randomSample(r), randomSample(r), randomSample(r), randomSample(r)}
		if err := s.AppendSamples(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		m.add(batch)
	}
	m.compare(t, s, r)
	if got, err := s.Samples(t.Context(), "country:ZZ", "bgp.v4", time.Time{}, time.Time{}); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
}

func TestBadSamplesStoreNothing(t *testing.T) {
	s := openTest(t, t.TempDir())
	good := sample("country:PK", 1)
	for name, change := range map[string]func(*detect.Sample){
		"entity": func(s *detect.Sample) { s.Entity = "" }, "signal": func(s *detect.Sample) { s.Signal = "a\x00b" },
		"utf-8": func(s *detect.Sample) { s.Entity = "\xff" }, "time": func(s *detect.Sample) { s.At = detect.Time{} },
		"far time": func(s *detect.Sample) { s.At = detect.At(time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC)) },
	} {
		bad := good
		change(&bad)
		if err := s.AppendSamples(t.Context(), []detect.Sample{good, bad}); !errors.Is(err, ErrInvalid) {
			t.Errorf("bad %s gave %v", name, err)
		}
	}
	if list, err := s.SampleEntities(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("entities %v after refused calls: %v", list, err)
	}
}

func TestChunkForms(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for n := 1; n <= maxChunk; n += 1 + n/8 {
		points := make([]point, n)
		for i := range points {
			p := pointOf(randomSample(r))
			p.at = int64(i)*60e6 + r.Int64N(60e6)
			points[i] = p
		}
		got, err := decodeChunk(encodeChunk(points))
		if err != nil || !reflect.DeepEqual(got, points) {
			t.Fatalf("%d points: %v", n, err)
		}
	}
	// The worst there is still fits the decoder's limit.
	points := make([]point, maxChunk)
	for i := range points {
		points[i] = point{
			at: int64(i) << 53, expected: r.Int64() * int64(1-2*(i&1)), lost: math.MinInt64 * int64(i&1), unobservable: int64(r.Uint64()),
			prefixes: int32(r.Uint32()), lostPrefixes: math.MinInt32 + int32(i&1)*-1, voting: int32(r.Uint32()), noData: i&1 == 0,
		}
	}
	if got, err := decodeChunk(encodeChunk(points)); err != nil || !reflect.DeepEqual(got, points) {
		t.Fatal(err)
	}
}

func TestChunkSize(t *testing.T) {
	var points []point
	for i := range int64(maxChunk) {
		points = append(points, pointOf(sample("country:PK", i)))
	}
	if size := float64(len(encodeChunk(points))) / maxChunk; size > 4 {
		t.Errorf("%.2f bytes a sample", size)
	}
}

func FuzzChunk(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{1, 2, 300} {
		var points []point
		for i := range n {
			p := pointOf(randomSample(r))
			p.at = int64(i) * 60e6
			points = append(points, p)
		}
		b := encodeChunk(points)
		f.Add(b)
		f.Add(b[:len(b)-1])
		f.Add(append(slices.Clone(b), 0))
	}
	f.Add([]byte{formZstd})
	f.Add([]byte{formPlain, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		points, err := decodeChunk(b)
		if err != nil {
			return
		}
		if len(points) == 0 || len(points) > maxChunk {
			t.Fatalf("%d points", len(points))
		}
		for i := 1; i < len(points); i++ {
			if points[i].at <= points[i-1].at {
				t.Fatalf("point %d is not later than the one before", i)
			}
		}
		again, err := decodeChunk(encodeChunk(points))
		if err != nil || !reflect.DeepEqual(again, points) {
			t.Fatalf("encoding what was decoded: %v", err)
		}
	})
}

package sqlite

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// copyOf is the other place: the higher version stays, of equal ones the later.
type copyOf struct {
	samples   map[string]versioned[detect.Sample]
	revisions map[string]versioned[string]
	blocks    map[string][]detect.Sample // by generation and first sample: a block that comes again must be the same
}

type versioned[T any] struct {
	version uint64
	value   T
}

func newCopy() *copyOf {
	return &copyOf{map[string]versioned[detect.Sample]{}, map[string]versioned[string]{}, map[string][]detect.Sample{}}
}

func put[T any](m map[string]versioned[T], key string, version uint64, value T) {
	if m[key].version <= version {
		m[key] = versioned[T]{version, value}
	}
}

func sampleKey(s detect.Sample) string { return fmt.Sprint(s.Entity, s.Signal, s.At.Micros()) }

// take copies one block of each kind; arrive says whether the store is told. It reports whether anything was due.
func (c *copyOf) take(t *testing.T, f *Follower, limit int, lag time.Duration, arrive bool) bool {
	t.Helper()
	ctx := t.Context()
	revisions, err := f.Revisions(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i, inc := range revisions.Revisions {
		put(c.revisions, fmt.Sprint(inc.ID, inc.Revision), revisions.First+uint64(i), jsonOf(t, inc))
	}
	samples, err := f.Samples(ctx, limit, lag)
	if err != nil || len(samples.Samples) > limit {
		t.Fatalf("%d samples: %v", len(samples.Samples), err)
	}
	for _, s := range samples.Samples {
		put(c.samples, sampleKey(s), samples.Generation, s)
	}
	if len(samples.Samples) > 0 {
		key := fmt.Sprint(samples.Generation, samples.from.done, samples.from.claim, limit, sampleKey(samples.Samples[0]))
		if was, ok := c.blocks[key]; ok && !reflect.DeepEqual(was, samples.Samples) {
			t.Fatalf("the block %s is another one the second time", key)
		}
		c.blocks[key] = samples.Samples
	}
	if arrive {
		if len(revisions.Revisions) > 0 {
			err = f.RevisionsDone(ctx, revisions)
		}
		if err = errors.Join(err, f.SamplesDone(ctx, samples)); err != nil {
			t.Fatal(err)
		}
	}
	return len(revisions.Revisions) > 0 || len(samples.Samples) > 0
}

// drain copies what is due.
func (c *copyOf) drain(t *testing.T, f *Follower, limit int) {
	t.Helper()
	for n := 0; c.take(t, f, limit, 0, true); n++ {
		if n > 10_000 {
			t.Fatal("the copy does not come to an end")
		}
	}
}

// TestFollower stores and copies at random, with blocks whose arrival the store never learns of, and processes that end: in the end each
// copy holds what the store holds.
func TestFollower(t *testing.T) {
	seeds := 4
	if n, err := strconv.Atoi(os.Getenv("COREWATCH_SEEDS")); err == nil {
		seeds = n
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 8))
			dir := t.TempDir()
			s := openTest(t, dir)
			want, last := model{}, map[string]string{}
			names := []string{"first"}
			copies := map[string]*copyOf{"first": newCopy()}
			follow := func(name string) *Follower {
				f, err := s.Follow(t.Context(), name)
				if err != nil {
					t.Fatal(err)
				}
				return f
			}
			minute, next := int64(0), map[int]int{}
			for step := range 150 {
				switch r.IntN(8) {
				case 0, 1, 2: // time goes on; now and then something before it comes, or all of it again
					minute += r.Int64N(40)
					if r.IntN(40) == 0 {
						minute += 30 * 24 * 60
					}
					list := make([]detect.Sample, 1+r.IntN(120))
					for i := range list {
						list[i] = randomSample(r)
						list[i].At = detect.At(epoch.Add(time.Duration(minute-r.Int64N(3)*r.Int64N(30)) * time.Minute))
					}
					if err := s.AppendSamples(t.Context(), list); err != nil {
						t.Fatal(err)
					}
					want.add(list)
				case 3, 4:
					i := r.IntN(20)
					if next[i] == 0 || r.IntN(3) > 0 { // else the same one again, with other content
						next[i]++
					}
					inc := incident(i, next[i])
					inc.Severity = 1 + r.IntN(4)
					if err := s.SaveRevision(t.Context(), inc, nil); err != nil {
						t.Fatal(err)
					}
					last[fmt.Sprint(inc.ID, inc.Revision)] = jsonOf(t, inc)
				case 5:
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					s = openTest(t, dir)
				default:
					if step > 30 { // what was stored before there was a follower is due to him, too
						name := names[r.IntN(len(names))]
						copies[name].take(t, follow(name), 1+r.IntN(200), time.Duration(r.IntN(3))*time.Minute, r.IntN(3) > 0)
					}
					if len(names) == 1 && step > 80 {
						names, copies["second"] = append(names, "second"), newCopy()
					}
				}
			}
			for _, name := range names {
				f := follow(name)
				copies[name].drain(t, f, 97)
				b, err := f.Behind(t.Context())
				if err != nil || b.Revisions != 0 || !b.Until.Equal(b.Head) {
					t.Errorf("%s is behind: %+v %v", name, b, err)
				}
				compareCopy(t, copies[name], want, last)
			}
			check(t, s)
		})
	}
}

func compareCopy(t *testing.T, c *copyOf, want model, last map[string]string) {
	t.Helper()
	n := 0
	for _, series := range want {
		for _, s := range series {
			n++
			if got := c.samples[sampleKey(s)].value; got != s {
				t.Fatalf("the copy has %+v, the store %+v", got, s)
			}
		}
	}
	if len(c.samples) != n || len(c.revisions) != len(last) {
		t.Errorf("%d samples and %d revisions in the copy, %d and %d in the store", len(c.samples), len(c.revisions), n, len(last))
	}
	for k, text := range last {
		if c.revisions[k].value != text {
			t.Errorf("revision %s is %s", k, c.revisions[k].value)
		}
	}
}

// TestFollowerStoredMeanwhile: samples stored while their window is under way are due, and win over what was read before.
func TestFollowerStoredMeanwhile(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		old, late := sample("country:PK", 5), sample("country:PK", 3)
		if err := s.AppendSamples(ctx, []detect.Sample{old}); err != nil {
			t.Fatal(err)
		}
		f, err := s.Follow(ctx, "x")
		if err != nil {
			t.Fatal(err)
		}
		b, err := f.Samples(ctx, 10, 0)
		if err != nil || len(b.Samples) != 1 || b.Generation != 1 {
			t.Fatalf("%+v %v", b, err)
		}
		changed := old
		changed.Lost = 7
		if err := s.AppendSamples(ctx, []detect.Sample{late, changed}); err != nil {
			t.Fatal(err)
		}
		if err := f.SamplesDone(ctx, b); err != nil {
			t.Fatal(err)
		}
		b, err = f.Samples(ctx, 10, 0)
		if err != nil || !reflect.DeepEqual(b.Samples, []detect.Sample{late, changed}) || b.Generation != 2 {
			t.Fatalf("%+v %v", b, err)
		}
		if err := f.SamplesDone(ctx, b); err != nil {
			t.Fatal(err)
		}
		newer := sample("country:PK", 6)
		if err := s.AppendSamples(ctx, []detect.Sample{newer}); err != nil {
			t.Fatal(err)
		}
		if b, err = f.Samples(ctx, 10, 2*time.Minute); err != nil || len(b.Samples) != 0 {
			t.Fatalf("not yet due: %+v %v", b, err)
		}
		if b, err = f.Samples(ctx, 10, 0); err != nil || !reflect.DeepEqual(b.Samples, []detect.Sample{newer}) || b.Generation != 2 {
			t.Fatalf("%+v %v", b, err)
		}
	})
}

// TestFollowerRefuses: damage is named, and a name must be one.
func TestFollowerRefuses(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	if _, err := s.Follow(t.Context(), ""); !errors.Is(err, ErrInvalid) {
		t.Errorf("no name: %v", err)
	}
	f, err := s.Follow(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Samples(t.Context(), 0, 0); !errors.Is(err, ErrInvalid) {
		t.Errorf("no limit: %v", err)
	}
	first, err := s.ID(t.Context())
	if err != nil || len(first) != 32 {
		t.Errorf("%q %v", first, err)
	}
	if again, err := s.ID(t.Context()); again != first || err != nil {
		t.Errorf("%q, then %q %v", first, again, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rawDB(t, dir, "UPDATE follower SET claim=7")
	s = openTest(t, dir)
	if f, err = s.Follow(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	var bad *CorruptError
	if _, err := f.Samples(t.Context(), 1, 0); !errors.As(err, &bad) {
		t.Errorf("damage gave %v", err)
	}
	if err := s.Check(t.Context()); err == nil {
		t.Error("the check found nothing")
	}
}

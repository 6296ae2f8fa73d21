package tail

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp/mrt"
)

// record is a BGP4MP_MESSAGE record with a body of n octets.
func record(seconds uint32, n int) []byte {
	b := make([]byte, 12+n)
	binary.BigEndian.PutUint32(b, seconds)
	b[5], b[7] = 16, 4
	binary.BigEndian.PutUint32(b[8:], uint32(n))
	for i := range n {
		b[12+i] = byte(i) | 1
	}
	return b
}

func add(t *testing.T, dir, name string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// However the writer's octets arrive, and whenever the reader stops and goes on, every record comes once, in order.
func TestTailGivesEveryRecordOnce(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		add(t, dir, "updates.0000", record(1, 9)) // older than the start: an archive
		var want, got [][]byte
		var f *Folder
		var err error
		now := time.Unix(1_700_000_000, 0)
		reopen := func(from Position) {
			if f, err = Open(dir, from); err != nil {
				t.Fatal(err)
			}
		}
		read := func(limit int) {
			now = now.Add(200 * time.Millisecond)
			err := f.Read(now, func(r *mrt.Record) bool {
				got = append(got, bytes.Clone(r.Raw))
				limit--
				return limit != 0
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		reopen(Position{File: "updates.0000", Offset: 21})
		for file := 1; file < 6; file++ {
			name := fmt.Sprintf("updates.%04d", file)
			for range rng.IntN(40) + 1 {
				r := record(uint32(1000+file), rng.IntN(300)+20)
				want = append(want, r)
				for len(r) > 0 {
					n := min(len(r), rng.IntN(200)+1)
					add(t, dir, name, r[:n])
					r = r[n:]
					if rng.IntN(3) == 0 {
						read(rng.IntN(4)) // 0: no limit
					}
					if rng.IntN(20) == 0 {
						reopen(f.Position())
					}
				}
			}
		}
		read(0)
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("seed %d: %d records of %d, or in another order", seed, len(got), len(want))
		}
	}
}

// A half record at the end of a file that stands still, with another file begun, is counted and left.
func TestTailLeavesHalfRecord(t *testing.T) {
	dir := t.TempDir()
	f, err := Open(dir, Position{})
	if err != nil {
		t.Fatal(err)
	}
	add(t, dir, "a", append(record(5, 30), record(5, 50)[:20]...))
	add(t, dir, "b", record(6, 40))
	n := 0
	take := func(*mrt.Record) bool { n++; return true }
	now := time.Unix(1_700_000_000, 0)
	for range 2 {
		if err := f.Read(now, take); err != nil || n != 1 {
			t.Fatalf("%d records, %v", n, err)
		}
		now = now.Add(patience / 2)
	}
	if err := f.Read(now, take); err != nil || n != 2 || f.Torn() != (Counts{1, 20}) || f.Position() != (Position{"b", 52}) {
		t.Fatalf("%d records, torn %v, at %v, %v", n, f.Torn(), f.Position(), err)
	}
}

// Without a position the newest file is followed; a file that became shorter is an error that says what to do.
func TestTailBeginsAndRefuses(t *testing.T) {
	dir := t.TempDir()
	add(t, dir, "a", record(5, 30))
	add(t, dir, "b", record(6, 40))
	f, err := Open(dir, Position{})
	if err != nil {
		t.Fatal(err)
	}
	var times []uint32
	take := func(r *mrt.Record) bool { times = append(times, uint32(r.Time/1e6)); return true }
	if err := f.Read(time.Unix(9, 0), take); err != nil || !slices.Equal(times, []uint32{6}) {
		t.Fatalf("%v, %v", times, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b"), record(7, 3), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Read(time.Unix(10, 0), take); err == nil || !strings.Contains(err.Error(), "anew") {
		t.Fatalf("%v", err)
	}
	if _, err := Open(filepath.Join(dir, "none"), Position{}); err == nil {
		t.Fatal("a folder that is not there was opened")
	}
}

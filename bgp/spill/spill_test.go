package spill

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func numbered(i, size int) []byte {
	b := make([]byte, max(8, size))
	binary.BigEndian.PutUint64(b, uint64(i))
	return b
}

// TestOrder: whatever the pace of the two sides, what was taken in comes out once, in order, with its name; and memory and disk keep to their bounds.
func TestOrder(t *testing.T) {
	const n, memory, disk = 200_000, 3 << 20, 8 << 20
	path := filepath.Join(t.TempDir(), "spill")
	q := New(path, memory, disk)
	rnd := rand.New(rand.NewPCG(1, 2))
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = 8 + rnd.IntN(300)
	}
	var done sync.WaitGroup
	ahead := make(chan struct{}, 1) // the one that puts is that far ahead, at least now and then
	put := make([]bool, n)
	done.Go(func() {
		defer close(ahead)
		for i := range n {
			if i%70_000 == 69_999 {
				ahead <- struct{}{}
			}
			ok, err := q.Put(byte(i%3), fmt.Sprint("rrc", i%40), numbered(i, sizes[i]), false)
			if err != nil {
				t.Error(err)
			}
			put[i] = ok
		}
	})
	var got []int
	full := false
	finished := make(chan struct{})
	go func() { done.Wait(); close(finished) }()
	for last := false; ; {
		<-ahead
		some := 0
		if err := q.Take(func(kind byte, name string, content []byte) bool {
			i := int(binary.BigEndian.Uint64(content))
			if kind != byte(i%3) || name != fmt.Sprint("rrc", i%40) || len(content) != sizes[i] {
				t.Fatalf("record %d: kind %d of %s, %d octets", i, kind, name, len(content))
			}
			got = append(got, i)
			some++
			return some%7777 != 0
		}); err != nil {
			t.Fatal(err)
		}
		f := q.Figures()
		if f.Memory > memory+2*chunkSize || f.Disk > disk {
			t.Fatalf("%+v", f)
		}
		full = full || f.Disk > disk/2
		if some == 0 && last {
			break
		}
		select {
		case <-finished:
			last = true
		default:
		}
	}
	want := 0
	for i, k := range got {
		for want < n && !put[want] {
			want++
		}
		if k != want {
			t.Fatalf("number %d is record %d, want %d", i, k, want)
		}
		want++
	}
	if f := q.Figures(); !full || f.Spilled == 0 || f.Refused == 0 || f.Memory != 0 || f.Disk != 0 || len(got) == n {
		t.Errorf("%+v, %d of %d came", f, len(got), n)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

// TestMust: what tells that others were refused finds room.
func TestMust(t *testing.T) {
	q := New(filepath.Join(t.TempDir(), "spill"), 0, 0)
	n := 0
	for ok := true; ok; n++ {
		ok, _ = q.Put(1, "a", make([]byte, 1000), false)
	}
	if n < 2000 || n > 3*chunkSize/1000 {
		t.Errorf("%d records in 2 MiB", n)
	}
	if ok, err := q.Put(2, "a", []byte("gap"), true); !ok || err != nil {
		t.Error(err)
	}
	var last string
	if err := q.Take(func(kind byte, _ string, content []byte) bool { last = fmt.Sprint(kind, string(content)); return true }); err != nil || !strings.HasPrefix(last, "2gap") {
		t.Errorf("%s %v", last, err)
	}
}

// TestDiskFails: a file that cannot be written to, or a disk that is full, is an error of the record that would have gone there; what is in memory stays, and what
// tells of the loss finds room.
func TestDiskFails(t *testing.T) {
	full := filepath.Join(t.TempDir(), "spill")
	if err := os.Symlink("/dev/full", full); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "none", "spill"), full} {
		diskFails(t, path)
	}
}

func diskFails(t *testing.T, path string) {
	q := New(path, 0, 1<<30)
	n := 0
	var err error
	for err == nil {
		if _, err = q.Put(1, "a", make([]byte, 1000), false); err == nil {
			n++
		}
	}
	for range 2000 { // more than the rest of a chunk
		if ok, err := q.Put(2, "a", make([]byte, 1000), true); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	got, told := 0, 0
	if terr := q.Take(func(kind byte, _ string, _ []byte) bool {
		if kind == 2 {
			told++
		} else {
			got++
		}
		return true
	}); terr != nil || got != n || n < 2000 || told != 2000 {
		t.Errorf("%d of %d, %d told, %v", got, n, told, terr)
	}
}

// TestUnread: records of which the file cannot be read back are counted, and what came after them is given.
func TestUnread(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spill")
	q := New(path, 0, 1<<30)
	n := uint64(0)
	for q.Figures().Spilled == 0 {
		if ok, err := q.Put(1, "a", make([]byte, 1000), false); !ok || err != nil {
			t.Fatal(ok, err)
		}
		n++
	}
	if err := os.Truncate(path, 10); err != nil {
		t.Fatal(err)
	}
	got := uint64(0)
	count := func(byte, string, []byte) bool { got++; return true }
	if err := q.Take(count); err == nil {
		t.Error("it was read back")
	}
	if err := q.Take(count); err != nil {
		t.Error(err)
	}
	if f := q.Figures(); f.Unread == 0 || got+f.Unread != n || f.Memory+f.Disk != 0 {
		t.Errorf("%d of %d, %+v", got, n, f)
	}
}

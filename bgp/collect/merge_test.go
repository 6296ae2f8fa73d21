package collect

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
)

const t0 = 1203561000 // 2008-02-21T02:30:00Z

// record is a whole MRT record (RFC 6396): BGP4MP, subtype MESSAGE, from AS 65000 to AS 6402, a withdrawal of 203.0.<n>.0/24.
func record(seconds uint32, n byte) []byte {
	body, err := hex.DecodeString("fde8190200000001c0000201c0000202" + strings.Repeat("ff", 16) + "001b02000418cb00")
	if err != nil {
		panic(err)
	}
	body = append(body, n, 0, 0)
	b := binary.BigEndian.AppendUint32(nil, seconds)
	b = binary.BigEndian.AppendUint16(b, mrt.TypeBGP4MP)
	b = binary.BigEndian.AppendUint16(b, 1)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

// at is a file's content: one record a second given, relative to t0, in that order. The record says the second in its prefix too.
func at(seconds ...int) string {
	var b []byte
	for _, s := range seconds {
		b = append(b, record(uint32(t0+s), byte(s))...)
	}
	return string(b)
}

func zip(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// merge reads all of the files and renders each item as "collector/name second".
func merge(t *testing.T, opt Options, files map[string]string) (got []string, m *Merger, err error) {
	t.Helper()
	list, err := Expand([]string{tree(t, files)})
	if err != nil {
		t.Fatal(err)
	}
	m = NewMerger(list, opt)
	t.Cleanup(m.Close)
	for {
		it, err := m.Next()
		if errors.Is(err, io.EOF) {
			return got, m, nil
		}
		if err != nil {
			return got, m, err
		}
		if it.Input != &m.Files()[it.Index].Input || it.Decoder == nil {
			t.Fatalf("item of file %d with the input %q", it.Index, it.Input.Name)
		}
		raw := it.Record.Raw
		got = append(got, fmt.Sprintf("%s %d", it.Input.Name, int64(it.Record.Time/bgp.Second)-t0))
		if raw[len(raw)-3] != byte(int64(it.Record.Time/bgp.Second)-t0) {
			t.Fatalf("%s: the bytes are those of another record", got[len(got)-1])
		}
	}
}

func TestMergeOrder(t *testing.T) {
	for what, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"by time over collectors": {
			map[string]string{"a/1": at(0, 4, 9), "b/1": at(1, 5), "c/1": at(2, 3)},
			[]string{"a/1 0", "b/1 1", "c/1 2", "c/1 3", "a/1 4", "b/1 5", "a/1 9"},
		},
		"of equal times by collector, then name, then offset": {
			map[string]string{"b/1": at(7, 7), "a/2": at(7, 8), "a/1": at(6, 7, 7)},
			[]string{"a/1 6", "a/1 7", "a/1 7", "a/2 7", "b/1 7", "b/1 7", "a/2 8"},
		},
		"files of one collector that overlap": {
			map[string]string{"a/1": at(0, 10, 20), "a/2": at(15, 25), "a/3": at(24, 30)},
			[]string{"a/1 0", "a/1 10", "a/2 15", "a/1 20", "a/3 24", "a/2 25", "a/3 30"},
		},
		"one that begins with its predecessor": {
			map[string]string{"a/1": at(5, 6), "a/2": at(5, 7), "a/3": at(5, 8), "a/4": at(5, 9)},
			[]string{"a/1 5", "a/2 5", "a/3 5", "a/4 5", "a/1 6", "a/2 7", "a/3 8", "a/4 9"},
		},
		"more files than are open at once": {
			map[string]string{"a/1": at(1), "a/2": at(2), "a/3": at(3), "a/4": at(4), "a/5": at(5), "b/1": at(0), "b/2": at(6)},
			[]string{"b/1 0", "a/1 1", "a/2 2", "a/3 3", "a/4 4", "a/5 5", "b/2 6"},
		},
		"empty files among them": {
			map[string]string{"a/0": "", "a/1": at(1), "a/2": "", "a/3": "", "a/4": "", "a/5": at(2), "b/1": ""},
			[]string{"a/1 1", "a/5 2"},
		},
		"a file whose own times go back is given as it stands": {
			map[string]string{"a/1": at(3, 1, 4), "b/1": at(2, 5)},
			[]string{"b/1 2", "a/1 3", "a/1 1", "a/1 4", "b/1 5"},
		},
		"compressed beside plain": {
			map[string]string{"a/1": zip(t, at(0, 2)), "b/1": at(1)},
			[]string{"a/1 0", "b/1 1", "a/1 2"},
		},
	} {
		for _, all := range []bool{false, true} {
			got, m, err := merge(t, Options{OpenAll: all}, c.files)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s (all open: %v): %q, %v; want %q", what, all, got, err, c.want)
			}
			n, bytes := m.Counts(), int64(0)
			for _, f := range c.files {
				bytes += int64(len(f))
			}
			if n.FilesDone != len(c.files) || n.BytesDone != bytes || n.Torn+n.Unreadable != 0 || len(m.Broken()) != 0 {
				t.Errorf("%s: %+v, broken %v", what, n, m.Broken())
			}
		}
	}
}

// TestMergeKnowsItsInputs looks at what is known of each file afterwards.
func TestMergeKnowsItsInputs(t *testing.T) {
	_, m, err := merge(t, Options{}, map[string]string{"a/1": zip(t, at(3, 1, 9)), "a/2": at(12), "b/1": ""})
	if err != nil {
		t.Fatal(err)
	}
	f := m.Files()
	if in := f[0].Input; in.First != bgp.Seconds(t0+3) || in.Last != bgp.Seconds(t0+9) || in.Format != "gzip" {
		t.Errorf("%+v", in)
	}
	if in := f[1].Input; in.First != bgp.Seconds(t0+12) || in.Last != in.First || in.Format != "plain" {
		t.Errorf("%+v", in)
	}
	if in := f[2].Input; in.First != 0 || in.Last != 0 {
		t.Errorf("%+v", in)
	}
	if _, err := m.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

// TestMergeProgress: a file counts as done when its last record has been passed, not when it was opened.
func TestMergeProgress(t *testing.T) {
	list, err := Expand([]string{tree(t, map[string]string{"a/1": at(0, 1), "a/2": at(2)})})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMerger(list, Options{})
	defer m.Close()
	one := int64(len(at(0)))
	for i, want := range []Counts{{}, {}, {FilesDone: 1, BytesDone: 2 * one}} {
		if _, err := m.Next(); err != nil {
			t.Fatal(err)
		}
		if m.Counts() != want {
			t.Errorf("at record %d: %+v, want %+v", i, m.Counts(), want)
		}
	}
}

func TestErrOrder(t *testing.T) {
	files := map[string]string{"a/1": at(0, 50), "a/2": at(60), "a/3": at(70), "a/4": at(10, 80)}
	got, _, err := merge(t, Options{}, files)
	if !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), "a/4 begins at 2008-02-21T02:30:10Z") {
		t.Errorf("%q, %v", got, err)
	}
	got, m, err := merge(t, Options{OpenAll: true}, files)
	if want := []string{"a/1 0", "a/4 10", "a/1 50", "a/2 60", "a/3 70", "a/4 80"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("all open: %q, %v", got, err)
	}
	if m.Counts().FilesDone != 4 {
		t.Errorf("%+v", m.Counts())
	}
	// A neighbour out of order is still found in time, because the next files are open already.
	got, _, err = merge(t, Options{}, map[string]string{"a/1": at(50), "a/2": at(0), "a/3": at(60)})
	if want := []string{"a/2 0", "a/1 50", "a/3 60"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("neighbours: %q, %v", got, err)
	}
	got, _, err = merge(t, Options{}, map[string]string{"a/1": at(50), "a/2": at(60), "a/3": at(0)})
	if want := []string{"a/3 0", "a/1 50", "a/2 60"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("the one after: %q, %v", got, err)
	}
	// Another collector's time does not make a file late.
	got, _, err = merge(t, Options{}, map[string]string{"a/1": at(0, 100), "b/1": at(1), "b/2": at(2), "b/3": at(3), "b/4": at(4)})
	if want := []string{"a/1 0", "b/1 1", "b/2 2", "b/3 3", "b/4 4", "a/1 100"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("two collectors: %q, %v", got, err)
	}
}

func TestMergeDamage(t *testing.T) {
	good := at(1, 2, 3)
	n := len(at(1))
	zipped := zip(t, at(10, 11)+strings.Repeat(at(12), 3000))
	for what, c := range map[string]struct {
		files  map[string]string
		want   []string
		counts Counts
		broken string
	}{
		"cut at its end": {
			map[string]string{"a/1": good[:2*n+20], "b/1": at(4)},
			[]string{"a/1 1", "a/1 2", "b/1 4"},
			Counts{Torn: 1, TornBytes: 20},
			"a/1: mrt: truncated record at byte ",
		},
		"bytes that are not a record before good ones": {
			map[string]string{"a/1": good[:n] + strings.Repeat("\x00", 37) + good[n:]},
			[]string{"a/1 1", "a/1 2", "a/1 3"},
			Counts{Torn: 1, TornBytes: 37},
			"a/1: mrt: ",
		},
		"nothing but noise": {
			map[string]string{"a/1": strings.Repeat("\x00", 100), "a/2": at(5)},
			[]string{"a/2 5"},
			Counts{Torn: 1, TornBytes: 100},
			"a/1: mrt: garbage record at byte 0, 100 bytes",
		},
		"no compression, though it says so": {
			map[string]string{"a/1": "\x1f\x8b\x08\xff\xff", "a/2": at(5)},
			[]string{"a/2 5"},
			Counts{Unreadable: 1},
			"a/1: ",
		},
	} {
		got, m, err := merge(t, Options{}, c.files)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v; want %q", what, got, err, c.want)
		}
		n := m.Counts()
		if n.Torn != c.counts.Torn || n.TornBytes != c.counts.TornBytes || n.Unreadable != c.counts.Unreadable || n.FilesDone != len(c.files) {
			t.Errorf("%s: %+v", what, n)
		}
		if m.Files()[0].Input.Malformed != c.counts.Torn {
			t.Errorf("%s: the file counts %d", what, m.Files()[0].Input.Malformed)
		}
		if b := m.Broken(); len(b) != 1 || !strings.HasPrefix(b[0].Error(), c.broken) {
			t.Errorf("%s: %v", what, b)
		}
	}
	// A compression that breaks off gives what it held, and is counted once as unreadable beside the record it cut.
	got, m, err := merge(t, Options{}, map[string]string{"a/1": zipped[:len(zipped)-20], "b/1": at(10)})
	if err != nil || len(got) < 100 || !slices.Equal(got[:3], []string{"a/1 10", "b/1 10", "a/1 11"}) {
		t.Errorf("broken gzip: %d items, %v", len(got), err)
	}
	if n := m.Counts(); n.Unreadable != 1 || n.FilesDone != 2 || len(m.Broken()) == 0 {
		t.Errorf("broken gzip: %+v, %v", n, m.Broken())
	}
}

// TestMergeUnreadable: a file that went between Expand and the merge is counted, named and done.
func TestMergeUnreadable(t *testing.T) {
	list, err := Expand([]string{tree(t, map[string]string{"a/1": at(0), "a/2": at(1)})})
	if err != nil {
		t.Fatal(err)
	}
	list[0].Open = func() (io.ReadCloser, string, error) { return nil, "", errors.New("it went") }
	m := NewMerger(list, Options{})
	defer m.Close()
	it, err := m.Next()
	if err != nil || it.Input.Name != "a/2" {
		t.Errorf("%v, %v", it.Input, err)
	}
	if _, err := m.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if n := m.Counts(); n.Unreadable != 1 || n.FilesDone != 2 || len(m.Broken()) != 1 || m.Broken()[0].Error() != "a/1: it went" {
		t.Errorf("%+v, %v", n, m.Broken())
	}
}

// TestBrokenIsBounded: the list of places ends, the counters do not.
func TestBrokenIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range maxBroken + 50 {
		b.WriteString(at(i % 200))
		b.WriteString(strings.Repeat("\x00", 13))
	}
	b.WriteString(at(200))
	got, m, err := merge(t, Options{}, map[string]string{"a/1": b.String()})
	if err != nil || len(got) != maxBroken+51 {
		t.Errorf("%d records, %v", len(got), err)
	}
	if len(m.Broken()) != maxBroken || m.Counts().Torn != maxBroken+50 {
		t.Errorf("%d places, %d counted", len(m.Broken()), m.Counts().Torn)
	}
}

// closer counts what is open.
type closer struct {
	io.Reader
	open *int
}

func (c closer) Close() error { *c.open--; return nil }

// TestMergeClosesFiles: few are open at once, none after the end or after Close.
func TestMergeClosesFiles(t *testing.T) {
	open, most := 0, 0
	var files []File
	for i := range 20 {
		content := at(2*i, 2*i+1)
		files = append(files, File{Input: bgp.Input{Name: fmt.Sprintf("%02d", i), Collector: "a"}, Open: func() (io.ReadCloser, string, error) {
			open++
			most = max(most, open)
			return closer{strings.NewReader(content), &open}, "plain", nil
		}})
	}
	m := NewMerger(files, Options{})
	for range 40 {
		if _, err := m.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Next(); !errors.Is(err, io.EOF) || open != 0 || most > ahead+2 {
		t.Errorf("%v; %d open at the end, %d at most", err, open, most)
	}
	m = NewMerger(files, Options{OpenAll: true})
	most = 0
	if _, err := m.Next(); err != nil || most != 20 {
		t.Errorf("%v, %d open at once with OpenAll", err, most)
	}
	m.Close()
	if open != 0 {
		t.Errorf("%d open after Close", open)
	}
}

// TestMergeProperty: whatever the cut into files, the merge of sorted collectors equals the stable sort of all records.
func TestMergeProperty(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		var files []File
		type key struct{ at, index int }
		var want []key
		for c := range 1 + r.IntN(4) {
			now := 0
			for f := range 1 + r.IntN(6) {
				var in []int
				for range r.IntN(6) {
					now += r.IntN(4)
					in = append(in, now)
					want = append(want, key{now, len(files)})
				}
				content := at(in...)
				files = append(files, File{Input: bgp.Input{Name: fmt.Sprint(f), Collector: fmt.Sprint(c)}, Open: func() (io.ReadCloser, string, error) {
					return io.NopCloser(strings.NewReader(content)), "plain", nil
				}})
			}
		}
		slices.SortStableFunc(want, func(a, b key) int {
			if a.at != b.at {
				return a.at - b.at
			}
			return a.index - b.index
		})
		m := NewMerger(files, Options{})
		for i := 0; ; i++ {
			it, err := m.Next()
			if errors.Is(err, io.EOF) && i == len(want) {
				break
			}
			if err != nil || i >= len(want) || (key{int(it.Record.Time/bgp.Second) - t0, it.Index}) != want[i] {
				t.Fatalf("item %d of %d: file %d at %d, %v", i, len(want), it.Index, int(it.Record.Time/bgp.Second)-t0, err)
			}
		}
		m.Close()
	}
}

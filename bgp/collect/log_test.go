package collect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/journal"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// kept is what a log must give back.
type kept struct {
	kind      journal.Kind
	collector string
	at        bgp.Micros
	raw       string
}

func keepalive(t testing.TB, at bgp.Micros, as uint32) []byte {
	t.Helper()
	b, err := mrt.AppendMessage(nil, at, mrt.Envelope{PeerAS: as, LocalAS: 65000, PeerAddr: addr("192.0.2.1"), LocalAddr: addr("192.0.2.2")},
		append(bytes.Repeat([]byte{0xff}, 16), 0, 19, 4))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func followAll(dir string) (got []kept, err error) {
	f, err := Follow(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for {
		e, err := f.Next()
		if err != nil {
			return got, err
		}
		k := kept{kind: e.Kind, at: e.At}
		if e.Kind == journal.Message {
			k.collector, k.raw = e.Item.Input.Collector, string(e.Item.Record.Raw)
		}
		got = append(got, k)
	}
}

// writeSome appends seeded records, ticks and commits; only what was committed is returned.
func writeSome(t testing.TB, l *Log, rng *rand.Rand, n int, now *bgp.Micros) (want []kept) {
	t.Helper()
	var pending []kept
	for range n {
		*now += bgp.Micros(rng.Int64N(40_000_000))
		switch rng.IntN(6) {
		case 0:
			if err := l.Tick(*now); err != nil {
				t.Fatal(err)
			}
			pending = append(pending, kept{kind: journal.Tick, at: *now})
		case 1:
			if err := l.Commit(); err != nil {
				t.Fatal(err)
			}
			want, pending = append(want, pending...), nil
		default:
			c := fmt.Sprintf("rrc%02d", rng.IntN(3))
			raw := keepalive(t, *now-5, uint32(rng.IntN(1000)))
			if _, err := l.Append(c, raw, *now); err != nil {
				t.Fatal(err)
			}
			pending = append(pending, kept{journal.Message, c, *now, string(raw)})
		}
	}
	return want
}

// However often the machine stops, what was committed comes back in order, and nothing else.
func TestLogSurvivesStops(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(11, 1))
	now := bgp.Seconds(1_700_000_000)
	var want []kept
	for stop := range 12 {
		l, err := OpenLog(dir, LogOptions{SegmentBytes: 2000})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, writeSome(t, l, rng, 60, &now)...)
		for _, s := range l.open { // stopped: what was not committed may have reached the disk in part
			if err := s.write(); err != nil {
				t.Fatal(err)
			}
			s.file.Close()
		}
		l.packing.Wait()
		got, err := followAll(dir)
		if !errors.Is(err, io.EOF) || len(got) != len(want) {
			t.Fatalf("after stop %d: %d of %d events, %v", stop, len(got), len(want), err)
		}
	}
	l, err := OpenLog(dir, LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := followAll(dir)
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("event %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	left := 0
	err = filepath.WalkDir(filepath.Join(dir, SegmentsFolder), func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.HasSuffix(p, ".mrt.gz") {
			left++
		}
		return err
	})
	if err != nil || left > 0 {
		t.Errorf("%d segments were left uncompressed, %v", left, err)
	}
}

// A segment that was changed, cut or replaced does not pass for what was received.
func TestFollowRefusesChangedSegments(t *testing.T) {
	dir := t.TempDir()
	l, err := OpenLog(dir, LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	now := bgp.Seconds(1_700_000_000)
	writeSome(t, l, rand.New(rand.NewPCG(2, 2)), 100, &now)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(dir, SegmentsFolder, "*", "*.gz"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("%v, %v", segments, err)
	}
	f, err := mrt.Open(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"changed in a body": func() []byte { b := bytes.Clone(plain); b[20] ^= 1; return b }(),
		"cut":               plain[:len(plain)-3],
		"longer":            append(bytes.Clone(plain), plain[:79]...),
		"a length changed":  func() []byte { b := bytes.Clone(plain); b[11]++; return b }(),
		"empty":             nil,
	} {
		if err := os.WriteFile(segments[0], b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := followAll(dir); err == nil || errors.Is(err, io.EOF) || !strings.Contains(err.Error(), filepath.Base(filepath.Dir(segments[0]))) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(segments[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := followAll(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed: %v", err)
	}
}

// A journal whose names lead out of its folder is not followed there.
func TestFollowStaysInFolder(t *testing.T) {
	dir := t.TempDir()
	w, err := journal.Create(filepath.Join(dir, JournalFolder))
	if err != nil {
		t.Fatal(err)
	}
	id, err := w.Input("x", "../../secret")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Message(id, 0, 20, 1), w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := followAll(dir); err == nil || !strings.Contains(err.Error(), "leads out") {
		t.Errorf("%v", err)
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

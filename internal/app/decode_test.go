package app

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// keepalives is n small records.
func keepalives(t *testing.T, n int) (b []byte) {
	t.Helper()
	msg := bytes.Repeat([]byte{0xff}, 16)
	msg = append(msg, 0, 19, 4)
	for i := range n {
		var err error
		if b, err = mrt.AppendMessage(b, bgp.Seconds(int64(1000+i)), mrt.Envelope{PeerAS: 65001, PeerAddr: loopback}, msg); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestDecodeFiles decodes a folder: files in order, the collector from the folder's name, compression by content.
func TestDecodeFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "rrc99")
	raw := keepalives(t, 2)
	var z bytes.Buffer
	gz := gzip.NewWriter(&z)
	_, _ = gz.Write(raw)
	gz.Close()
	write(t, filepath.Join(dir, "a.cache"), z.Bytes())
	write(t, filepath.Join(dir, "b"), raw)
	r := decodeOne(t, dir, false, true)
	if problem := r.check(nil); r.err != nil || problem != "" {
		t.Fatalf("error %v, %s", r.err, problem)
	}
	got := strings.Split(strings.TrimSpace(r.out.String()), "\n")
	want := []string{`"file":"a.cache","offset":0,`, `"file":"a.cache","offset":55,`, `"file":"b","offset":0,`, `"file":"b","offset":55,`}
	if len(got) != len(want) {
		t.Fatalf("printed %q", got)
	}
	for i, w := range want {
		if !strings.Contains(got[i], w) || !strings.Contains(got[i], `"collector":"rrc99"`) {
			t.Errorf("line %d is %s, want %s in it", i, got[i], w)
		}
	}
	const sum = "records: 4 parsed, 0 skipped, 0 malformed; 0 torn places\n  BGP4MP_ET: 4 parsed, 0 skipped, 0 malformed\n" +
		"bytes: 220 = 220 parsed + 0 skipped + 0 malformed\n"
	if !strings.Contains(r.log.String(), sum) {
		t.Errorf("the summary is %q, want %q in it", r.log.String(), sum)
	}
}

// TestDecodeOutcomes holds what ends with ErrTorn and what does not, and how it is counted.
func TestDecodeOutcomes(t *testing.T) {
	good := keepalives(t, 1)
	unsupported := bytes.Clone(good)
	unsupported[7] = 2 // BGP4MP_ENTRY
	unknownMessage := bytes.Clone(good)
	unknownMessage[len(good)-1] = 77
	badMarker := bytes.Clone(good)
	badMarker[len(good)-4] = 0
	for _, c := range []struct {
		name string
		raw  []byte
		torn bool
		want string
	}{
		{"nothing", nil, false, "records: 0 parsed, 0 skipped, 0 malformed; 0 torn places"},
		{"an unsupported subtype", unsupported, false, "  skipped: unsupported-subtype: 1"},
		{"an unknown message", unknownMessage, false, "bytes: 55 = 0 parsed + 55 skipped + 0 malformed"},
		{"a bad marker", badMarker, true, "record at byte 0: bgp message marker is not all ones"},
		{"cut short", append(bytes.Clone(good), good[:30]...), true, "bytes: 85 = 55 parsed + 0 skipped + 30 malformed"},
		{"garbage", []byte("this is no MRT file at all"), true, "  malformed: bytes that are no record (garbage): 1"},
	} {
		r := decodeOne(t, write(t, filepath.Join(t.TempDir(), "f"), c.raw), false, false)
		if problem := r.check(c.raw); problem != "" {
			t.Errorf("%s: %s", c.name, problem)
		}
		if errors.Is(r.err, ErrTorn) != c.torn || !strings.Contains(r.log.String(), c.want) {
			t.Errorf("%s: error %v, summary %q; want torn %v and %q", c.name, r.err, r.log.String(), c.torn, c.want)
		}
	}
	var z bytes.Buffer
	gz := gzip.NewWriter(&z)
	_, _ = gz.Write(keepalives(t, 100))
	gz.Close()
	r := decodeOne(t, write(t, filepath.Join(t.TempDir(), "cut.gz"), z.Bytes()[:z.Len()-20]), false, false)
	if problem := r.check(nil); problem != "" || !errors.Is(r.err, ErrTorn) || !strings.Contains(r.log.String(), "files: 1, 1 unreadable") {
		t.Errorf("a compressed file cut short: error %v, %s, summary %q", r.err, problem, r.log.String())
	}
}

func TestDecodeRefuses(t *testing.T) {
	if err := (Decode{Files: []string{"no-such-file"}, Err: io.Discard}).Run(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	file := write(t, filepath.Join(t.TempDir(), "f"), keepalives(t, 1))
	if err := (Decode{Files: []string{file}, JSON: true, Bgpdump: true, Out: io.Discard, Err: io.Discard}).Run(t.Context()); err == nil {
		t.Error("two formats at a time were accepted")
	}
}

// failing is a reader of the output that has gone away, or a full disk.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestDecodeOutputFails(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "f"), keepalives(t, 5000))
	var log bytes.Buffer
	if err := (Decode{Files: []string{file}, Out: failing{syscall.EPIPE}, Err: &log}).Run(t.Context()); err != nil || log.Len() > 0 {
		t.Errorf("a broken pipe: %v, said %q", err, log.String())
	}
	if err := (Decode{Files: []string{file}, Out: failing{syscall.ENOSPC}, Err: io.Discard}).Run(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk: %v", err)
	}
}

// TestDecodeInterrupted stops a run that reads, and one that waits for its input.
func TestDecodeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file := write(t, filepath.Join(t.TempDir(), "f"), keepalives(t, 5000))
	if err := (Decode{Files: []string{file}, Out: io.Discard, Err: io.Discard}).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}

	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skipf("no named pipe: %v", err)
	}
	w, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	err = Decode{Files: []string{pipe}, Out: io.Discard, Err: io.Discard}.Run(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*leaveAfter {
		t.Errorf("waiting for input: %v after %s", err, time.Since(began))
	}
	w.Close() // lets the reader go
}

// TestDecodeDamagedFiles decodes every file of formats: each byte is accounted for, and those known to be damaged end with ErrTorn.
func TestDecodeDamagedFiles(t *testing.T) {
	dir := os.Getenv("COREWATCH_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	dir = filepath.Join(dir, "mrt", "formats")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no real data (COREWATCH_DATA): damaged files were not decoded")
	}
	damaged := map[string]bool{
		"bgpkit/ripe/rrc00/2000.01/bview.20000111.0032.gz":   true,
		"bgpkit/ripe/rrc00/2000.03/updates.20000325.0345.gz": true,
		"bgpkit/ripe/rrc01/2000.11/updates.20001104.0124.gz": true,
		"vgi-bgp/truncated.mrt":                              true,
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "expect") {
			return err
		}
		switch filepath.Ext(path) {
		case ".json", ".conf", ".md", ".rst":
			return nil
		}
		if testing.Short() && (strings.Contains(path, ".rib.") || strings.Contains(path, "et-header") || strings.Contains(path, "bview.2")) {
			return nil
		}
		name, _ := filepath.Rel(dir, path)
		r := &decodeResult{}
		r.err = Decode{Files: []string{path}, JSON: true, Out: io.Discard, Err: &r.log}.Run(t.Context())
		if problem := r.check(nil); problem != "" {
			t.Errorf("%s: %s", name, problem)
		}
		if got := errors.Is(r.err, ErrTorn); got != damaged[filepath.ToSlash(name)] {
			t.Errorf("%s: damaged: %v\n%s", name, got, r.log.String())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

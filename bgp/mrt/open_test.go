package mrt

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// content is more than all chunks of the pipeline hold.
func content() []byte {
	one := slices.Concat(threeRecords()...)
	return bytes.Repeat(one, 3*chunks*chunkSize/len(one))
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func zstandard(b []byte) []byte {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	defer z.Close()
	return z.EncodeAll(b, nil)
}

// bzipped needs the program: the standard library only reads bzip2.
func bzipped(t *testing.T, b []byte, args ...string) []byte {
	t.Helper()
	bin, err := exec.LookPath("bzip2")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("bzip2 is not installed")
		}
		t.Skip("bzip2 is not installed: reading it was not tested")
	}
	cmd := exec.Command(bin, append(args, "-c")...)
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// file writes b under a name that says nothing about its compression.
func file(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "updates.cache")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenFormats(t *testing.T) {
	want := content()
	half := len(want) / 2
	for _, c := range []struct {
		name, format string
		pack         func(t *testing.T) []byte
	}{
		{"plain", "plain", func(*testing.T) []byte { return want }},
		{"gzip", "gzip", func(*testing.T) []byte { return gzipped(want) }},
		{"gzip of two members", "gzip", func(*testing.T) []byte { return slices.Concat(gzipped(want[:half]), gzipped(want[half:])) }},
		{"bzip2", "bzip2", func(t *testing.T) []byte { return bzipped(t, want) }},
		{"bzip2 of two streams", "bzip2", func(t *testing.T) []byte { return slices.Concat(bzipped(t, want[:half]), bzipped(t, want[half:])) }},
		{"zstd", "zstd", func(*testing.T) []byte { return zstandard(want) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Open(file(t, c.pack(t)))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := io.ReadAll(f)
			if err != nil || !bytes.Equal(got, want) || f.Format() != c.format {
				t.Errorf("%d bytes of %d as %q, error %v", len(got), len(want), f.Format(), err)
			}
			if n, err := f.Read(make([]byte, 10)); n != 0 || err != io.EOF {
				t.Errorf("behind the end: %d bytes, error %v", n, err)
			}
		})
	}
}

// TestOpenDamaged reads incomplete downloads: all that can be decompressed is given, then an error that names file and format.
func TestOpenDamaged(t *testing.T) {
	want := content()
	for _, c := range []struct {
		name string
		pack []byte
	}{{"gzip", gzipped(want)}, {"bzip2", bzipped(t, want)}, {"zstd", zstandard(want)}} {
		t.Run(c.name, func(t *testing.T) {
			path := file(t, c.pack[:len(c.pack)*3/4])
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := io.ReadAll(f)
			if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.name) {
				t.Errorf("error %v", err)
			}
			if !bytes.HasPrefix(want, got) {
				t.Error("other bytes than were written")
			}
		})
	}
}

// TestOpenGarbageBehind: what stands behind a whole member or stream takes nothing from what is in front of it.
func TestOpenGarbageBehind(t *testing.T) {
	want := content()
	half := len(want) / 2
	for _, c := range []struct {
		name string
		pack []byte
	}{
		{"gzip", slices.Concat(gzipped(want[:half]), gzipped(want[half:]), []byte("garbage, and no member of a gzip file"))},
		{"bzip2", slices.Concat(bzipped(t, want[:half]), bzipped(t, want[half:]), []byte("garbage, and no bzip2 stream"))},
		{"zstd", slices.Concat(zstandard(want[:half]), zstandard(want[half:]), []byte("garbage, and no zstd frame"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := file(t, c.pack)
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := io.ReadAll(f)
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.name) {
				t.Errorf("error %v", err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%d bytes of %d", len(got), len(want))
			}
		})
	}
}

// TestOpenOneProcessor: with one processor, bzip2 is read by the standard library and nothing else.
func TestOpenOneProcessor(t *testing.T) {
	want := content()
	path := file(t, bzipped(t, want))
	for _, n := range []int{1, 2} {
		before := runtime.GOMAXPROCS(n)
		f, err := Open(path)
		runtime.GOMAXPROCS(before)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, want) || (f.abort != nil) != (n > 1) {
			t.Errorf("%d processors: %d bytes of %d, error %v, in parallel %v", n, len(got), len(want), err, f.abort != nil)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenRefusals(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a directory opens")
	}
	if _, err := Open(file(t, []byte{0x1f, 0x8b, 8})); err == nil {
		t.Error("a gzip header cut short opens")
	}
	f, err := Open(file(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := f.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("empty file: %d, %v", n, err)
	}
}

// TestCloseStopsDecompression closes at once, in the middle and twice; the goroutine must be gone.
func TestCloseStopsDecompression(t *testing.T) {
	t.Run("gzip", func(t *testing.T) { closeStops(t, file(t, gzipped(content()))) })
	t.Run("bzip2", func(t *testing.T) { closeStops(t, file(t, bzipped(t, content()))) })
}

func closeStops(t *testing.T, path string) {
	before := runtime.NumGoroutine()
	for _, n := range []int{0, 1, chunkSize + 1, 3 * chunks * chunkSize} {
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, f, int64(n)); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if err := errors.Join(f.Close(), f.Close()); err != nil {
			t.Error(err)
		}
		select {
		case <-f.done:
		default:
			t.Errorf("the goroutine runs on after %d bytes and Close", n)
		}
	}
	settled(t, before)
}

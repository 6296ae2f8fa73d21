package mrt

import (
	"bytes"
	"compress/bzip2"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// BenchmarkBunzip decompresses a full table: with the standard library, and with workers. Processor time is reported beside the wall
// clock's.
func BenchmarkBunzip(b *testing.B) {
	dir := os.Getenv("COREWATCH_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	packed, err := os.ReadFile(filepath.Join(dir, "mrt", "formats", "jinx2014", "route-views.jinx.rib.20140501.0000.bz2"))
	if err != nil {
		b.Skipf("no real data (COREWATCH_DATA): %v", err)
	}
	cpu := func() float64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	}
	run := func(name string, read func(io.Reader) (int64, error)) {
		b.Run(name, func(b *testing.B) {
			start := cpu()
			for b.Loop() {
				n, err := read(bytes.NewReader(packed))
				if err != nil || n == 0 {
					b.Fatal(n, err)
				}
				b.SetBytes(n)
			}
			b.ReportMetric((cpu()-start)/float64(b.N), "cpu-s/op")
			b.ReportAllocs()
		})
	}
	run("standard", func(r io.Reader) (int64, error) { return io.Copy(io.Discard, bzip2.NewReader(r)) })
	for _, workers := range []int{1, 2, 4} {
		run("workers="+strconv.Itoa(workers), func(r io.Reader) (int64, error) {
			z := newBunzip(r, workers)
			defer z.wait()
			defer z.abort()
			return io.Copy(io.Discard, z)
		})
	}
}

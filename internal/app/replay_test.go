package app

import (
	"bytes"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp/mrt"
)

// dataDir is the folder of real measurement data, "" on a machine without it.
func dataDir() string {
	if d := os.Getenv("COREWATCH_DATA"); d != "" {
		return d
	}
	if d, err := filepath.Abs("../../../shared/data"); err == nil {
		if _, err := os.Stat(d); err == nil {
			return d
		}
	}
	return ""
}

// BenchmarkReplay replays all 42 hours of route-views2 and sets its CPU time against the limit measured in the same run: what
// `bzip2 -dc` needs for the same files, and what our own decompression alone needs. The decompressed streams are compared by
// length and checksum.
func BenchmarkReplay(b *testing.B) {
	dir := dataDir()
	if dir == "" {
		b.Skip("did not run: replay of rv2008 (no COREWATCH_DATA)")
	}
	bzip2, err := exec.LookPath("bzip2")
	if err != nil {
		b.Skip("did not run: replay against bzip2 (Debian: bzip2)")
	}
	files, err := filepath.Glob(filepath.Join(dir, "mrt", "rv2008", "*"))
	if err != nil || len(files) == 0 {
		b.Fatal("no files of rv2008", err)
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	for b.Loop() {
		var limit, alone time.Duration
		theirs, ours := crc32.New(table), crc32.New(table)
		var theirBytes, ourBytes int64
		for _, f := range files {
			cmd := exec.Command(bzip2, "-dc", f)
			out, err := cmd.StdoutPipe()
			if err != nil {
				b.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(theirs, out)
			if err != nil {
				b.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
			theirBytes += n
			limit += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		}
		before := cpu(b)
		for _, f := range files {
			r, err := mrt.Open(f)
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(ours, r)
			if err != nil {
				b.Fatal(err)
			}
			ourBytes += n
			r.Close()
		}
		alone = cpu(b) - before
		if ourBytes != theirBytes || ours.Sum32() != theirs.Sum32() {
			b.Fatalf("decompressed %d bytes (%08x), bzip2 %d (%08x)", ourBytes, ours.Sum32(), theirBytes, theirs.Sum32())
		}
		before = cpu(b)
		var out, errs bytes.Buffer
		if err := (Replay{Files: []string{"route-views2=" + filepath.Dir(files[0])}, JSON: true, Out: &out, Err: &errs, Log: zerolog.Nop()}).Run(b.Context()); err != nil {
			b.Fatal(err)
		}
		replay := cpu(b) - before
		b.ReportMetric(replay.Seconds()/limit.Seconds(), "×bzip2")
		b.ReportMetric(limit.Seconds(), "bzip2-cpu-s")
		b.ReportMetric(alone.Seconds(), "unpack-cpu-s")
		b.ReportMetric(replay.Seconds(), "replay-cpu-s")
		b.ReportMetric(100*(replay-alone).Seconds()/replay.Seconds(), "%outside-unpacking")
		b.Logf("%d files, %d bytes unpacked by both, crc32c %08x", len(files), ourBytes, ours.Sum32())
	}
}

// cpu is the CPU time of this process.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

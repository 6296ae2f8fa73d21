package app

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/internal/freeze"
)

// BenchmarkCheckpoint writes and reads the state of a monitor at the end of 42 hours of route-views2. Times are of the
// processor.
func BenchmarkCheckpoint(b *testing.B) {
	dir := dataDir()
	if dir == "" {
		b.Skip("did not run: checkpoints of rv2008 (no COREWATCH_DATA)")
	}
	j, err := Replay{Files: []string{"route-views2=" + filepath.Join(dir, "mrt", "rv2008")}, Log: zerolog.Nop()}.journal(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	out, err := j.run(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	codec, err := freeze.New[state](stateGiven())
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), checkpointName)
	var write, read time.Duration
	var last *checkpoint
	for b.Loop() {
		began := cpu(b)
		if err := writeCheckpoint(path, codec, &position{}, &state{monitor: out.monitor}); err != nil {
			b.Fatal(err)
		}
		write += cpu(b) - began
		began = cpu(b)
		c, err := readCheckpoint(path)
		if err != nil {
			b.Fatal(err)
		}
		p := passage{j: j}
		p.monitor(nil)
		if err := c.thaw(codec, &state{monitor: p.m}); err != nil {
			b.Fatal(err)
		}
		read += cpu(b) - began
		last = c
	}
	st, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(write.Seconds()/float64(b.N), "write-cpu-s")
	b.ReportMetric(read.Seconds()/float64(b.N), "read-cpu-s")
	b.ReportMetric(float64(last.unpacked)/1e6, "state-MB")
	b.ReportMetric(float64(st.Size())/1e6, "file-MB")
	b.ReportMetric(float64(len(last.baselines))/1e3, "baselines-kB")
}

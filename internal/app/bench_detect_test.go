package app

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// BenchmarkDetection sets a whole replay against what it rests on, in one run and over the same files: decompressing, merging, decoding,
// and the tables of both families, with one vote after each change that may move one and a clock second by second. What is
// above 1 is the price of detection. The same ratio is given without decompression, which is measured alone and taken off both sides.
// Both read the same records and elems. The changes differ by what health decides: a session that is not believed loses cells.
func BenchmarkDetection(b *testing.B) {
	dir := dataDir()
	if dir == "" {
		b.Skip("did not run: rv2008 and rrc04 (no COREWATCH_DATA)")
	}
	for _, set := range []struct{ folder, collector string }{{"rv2008", "route-views2"}, {"rrc04", "rrc04"}} {
		b.Run(set.folder, func(b *testing.B) {
			files, err := collect.Expand([]string{set.collector + "=" + filepath.Join(dir, "mrt", set.folder)})
			if err != nil {
				b.Fatal(err)
			}
			const never = 100 * time.Hour
			unpack, table, replay := never, never, never
			for range b.N {
				runtime.GC()
				start := cpu(b)
				size := unpackAll(b, files)
				unpack = min(unpack, cpu(b)-start)

				runtime.GC()
				start = cpu(b)
				t := newTables()
				records := t.merge(b, files)
				table = min(table, cpu(b)-start)
				elems, changes := t.elems, t.votes
				t = nil

				runtime.GC()
				var out, errs bytes.Buffer
				r := Replay{JSON: true, Out: &out, Err: &errs, Log: zerolog.Nop()}
				for _, f := range files {
					r.Files = append(r.Files, set.collector+"="+f.Path)
				}
				start = cpu(b)
				j, err := r.journal(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				res, err := j.run(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if err := r.print(res); err != nil {
					b.Fatal(err)
				}
				replay = min(replay, cpu(b)-start)
				n, st := res.count.Parsed+res.count.Skipped+res.count.Malformed, res.monitor.Stats()
				b.Logf("%d files, %d bytes unpacked; table alone: %d records, %d elems, %d changes; replay: %d, %d, %d; %d incidents, %d bytes",
					len(files), size, records, elems, changes, n, st.Elems, st.Changes, bytes.Count(out.Bytes(), []byte("\n")), out.Len())
				if n != records || st.Elems != uint64(elems) || elems == 0 || out.Len() == 0 {
					b.Fatal("both did not read the same")
				}
				if d := float64(st.Changes)/float64(changes) - 1; d < -0.02 || d > 0.02 {
					b.Fatalf("the changes differ by %.1f %%: that is not health", 100*d)
				}
			}
			b.ReportMetric(unpack.Seconds(), "unpack-cpu-s")
			b.ReportMetric(table.Seconds(), "table-cpu-s")
			b.ReportMetric(replay.Seconds(), "replay-cpu-s")
			b.ReportMetric(replay.Seconds()/table.Seconds(), "×table")
			b.ReportMetric((replay-unpack).Seconds()/(table-unpack).Seconds(), "×table-without-unpacking")
		})
	}
}

// unpackAll reads all files to their end.
func unpackAll(b *testing.B, files []collect.File) (size int64) {
	buf := make([]byte, 256<<10)
	for _, file := range files {
		f, err := mrt.Open(file.Path)
		if err != nil {
			b.Fatal(err)
		}
		for {
			n, err := f.Read(buf)
			size += int64(n)
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
		f.Close()
	}
	return size
}

// merge applies the records of files as a replay orders them, and counts them.
func (t *tables) merge(b *testing.B, files []collect.File) (records uint64) {
	m := collect.NewMerger(append([]collect.File(nil), files...), collect.Options{})
	defer m.Close()
	for {
		item, err := m.Next()
		if errors.Is(err, io.EOF) {
			return records
		} else if err != nil {
			b.Fatal(err)
		}
		records++
		for s := item.Record.Time - item.Record.Time%bgp.Second; t.now < s; {
			if t.now += bgp.Second; t.now < s-3600*bgp.Second {
				t.now = s
			}
			t.fam[0].Tick(t.now, nil)
			t.fam[1].Tick(t.now, nil)
		}
		t.record(b, item.Record, item.Decoder, true)
	}
}

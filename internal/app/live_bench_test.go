package app

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/internal/conf"
)

// BenchmarkLiveRestore measures how long a live monitor needs to be back after a kill, from its checkpoint and its journal: with the table of jinx2014 (493,786
// prefixes, 14 sessions), and with four hours of rrc04 behind it. More than 5 s of processor time is a failure.
func BenchmarkLiveRestore(b *testing.B) {
	if dataDir() == "" {
		b.Skip("did not run: no real tables (COREWATCH_DATA)")
	}
	for name, folder := range map[string]string{"jinx2014": "formats/jinx2014", "rrc04": "rrc04"} {
		b.Run(name, func(b *testing.B) {
			files, err := filepath.Glob(filepath.Join(dataDir(), "mrt", filepath.FromSlash(folder), "*"))
			if err != nil || len(files) == 0 {
				b.Skip("did not run: no " + folder)
			}
			c := conf.Default()
			c.Sources = []conf.Source{{Collector: name, Folder: b.TempDir()}}
			out, err := os.Create(filepath.Join(c.Sources[0].Folder, "all"))
			if err != nil {
				b.Fatal(err)
			}
			defer out.Close()
			for _, f := range files {
				plain(b, out, f)
			}
			now := bgp.Seconds(1_893_456_000)
			dir := filepath.Join(b.TempDir(), liveFolder)
			open := func() *live {
				l := &live{
					rec: &recorder{}, conf: c, logger: zerolog.Nop(), again: map[string]bool{name: true}, tables: tableFolder{places: nowhere},
					sources: []source{&folderSource{conf: c.Sources[0]}}, clock: func() time.Time { return now.Time() },
				}
				if err := l.open(b.Context(), dir); err != nil {
					b.Fatal(err)
				}
				return l
			}
			l := open()
			for range 2 {
				now += second
				if err := l.step(); err != nil {
					b.Fatal(err)
				}
			}
			if err := l.save(); err != nil {
				b.Fatal(err)
			}
			routes := known(l)
			l.log.Close() // and nothing else: killed
			var took time.Duration
			for b.Loop() {
				began := cpu(b)
				l = open()
				took += cpu(b) - began
				b.StopTimer()
				if n := known(l); n != routes || n == 0 {
					b.Fatalf("%d routes are back of %d", n, routes)
				}
				l.log.Close()
				b.StartTimer()
			}
			each := took / time.Duration(b.N)
			b.ReportMetric(each.Seconds(), "cpu-s")
			b.ReportMetric(float64(routes), "routes")
			if each > 5*time.Second {
				b.Errorf("%s to be back", each)
			}
		})
	}
}

// known is how many prefixes the sessions have told of, all together.
func known(l *live) (n int) {
	for _, p := range l.f.m.Peers() {
		n += p.KnownV4 + p.KnownV6
	}
	return n
}

// plain appends the records of a file to another, decompressed.
func plain(b *testing.B, out io.Writer, path string) {
	f, err := mrt.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(out, f); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		b.Fatal(err)
	}
}

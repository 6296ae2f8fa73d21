package mrt_test

import (
	"errors"
	"io"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// decodeAll is the loop of a consumer: every elem of raw, nothing kept. It returns what it counted.
func decodeAll(tb testing.TB, raw []byte, d *mrt.Decoder, u *wire.Update, c *mrt.Content) (records, elems int, sum uint64) {
	r := mrt.NewBytesReader(raw)
	var e bgp.Elem
	var en mrt.RIBEntry
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return records, elems, sum
		}
		if err != nil {
			if torn := (*mrt.TornError)(nil); errors.As(err, &torn) {
				continue
			}
			tb.Fatal(err)
		}
		records++
		if d.Decode(rec, c) != nil {
			continue
		}
		switch c.Kind {
		case mrt.Message:
			if u.Parse(c.BGP, c.Opts) != nil {
				continue
			}
			for u.Next(&e) {
				elems++
				sum ^= uint64(e.Origin)*31 ^ e.Prefix.Hash()
			}
		case mrt.RIBEntries:
			for c.RIB.Next(&en) {
				u.ParseRIB(en.Attrs, c.Opts)
				e = u.RIBElem(en.Prefix, en.PathID)
				elems++
				sum ^= uint64(e.Origin)*31 ^ e.Prefix.Hash()
			}
		}
	}
}

// BenchmarkDecode measures reader, decoder and UPDATE parser together on decompressed real files.
func BenchmarkDecode(b *testing.B) {
	dir := dataDir(b, "BenchmarkDecode")
	for name, path := range map[string]string{
		"rv2008":   "rv2008/updates.20080220.2111.bz2",
		"rrc04":    "rrc04/ris.rrc04.updates.1609476900.300.cache",
		"transfer": "formats/bgpdump/updates.et-header.2015.gz",
		"modern":   "formats/morrowc/updates.20260222.1530.bz2",
		"rib":      "formats/jinx2014/route-views.jinx.rib.20140501.0000.bz2",
	} {
		b.Run(name, func(b *testing.B) {
			raw := readAll(b, filepath.Join(dir, path))
			var (
				d              mrt.Decoder
				u              wire.Update
				c              mrt.Content
				records, elems int
			)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			start := cpuSeconds()
			b.ResetTimer()
			for range b.N {
				records, elems, _ = decodeAll(b, raw, &d, &u, &c)
			}
			// Per second of processor time, so that a busy machine does not change the figure.
			perSecond := float64(b.N) / (cpuSeconds() - start)
			b.ReportMetric(float64(records)*perSecond, "records/cpu-s")
			b.ReportMetric(float64(elems)*perSecond, "elems/cpu-s")
		})
	}
}

// cpuSeconds is the processor time this process has used, user and system.
func cpuSeconds() float64 {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano()).Seconds()
}

package sqlite

import (
	"fmt"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// BenchmarkAppendSamples writes minutes of many series, as a live run does (one sample of each series a call) and as an import
// does (many of each).
func BenchmarkAppendSamples(b *testing.B) {
	for _, c := range []struct{ series, each int }{{500, 1}, {5000, 1}, {500, 60}, {10, 10000}} {
		b.Run(fmt.Sprintf("series=%d,each=%d", c.series, c.each), func(b *testing.B) {
			s := openTest(b, b.TempDir())
			batch := make([]detect.Sample, 0, c.series*c.each)
			n := 0
			minute := int64(0)
			for b.Loop() {
				batch = batch[:0]
				for i := range c.series {
					for m := range c.each {
						batch = append(batch, sample(fmt.Sprintf("country:%d", i), minute+int64(m)))
					}
				}
				minute += int64(c.each)
				if err := s.AppendSamples(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				n += len(batch)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "samples/s")
		})
	}
}

// BenchmarkAppendMessages writes distinct messages of about the usual length.
func BenchmarkAppendMessages(b *testing.B) {
	for _, size := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s := openTest(b, b.TempDir())
			batch := make([]bgp.Message, size)
			seq := uint64(0)
			for b.Loop() {
				for i := range batch {
					batch[i] = message(seq, fmt.Sprintf("%0160d", seq))
					seq++
				}
				if err := s.AppendMessages(b.Context(), "one", batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(seq)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkSaveRevision rewrites an incident of 2,000 members.
func BenchmarkSaveRevision(b *testing.B) {
	s := openTest(b, b.TempDir())
	list := members(2000, 1)
	inc := incident(1, 1)
	for b.Loop() {
		inc.Revision++
		if err := s.SaveRevision(b.Context(), inc, list); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead reads a year of minutes, and the newest sample of 2,000 entities.
func BenchmarkRead(b *testing.B) {
	s := openTest(b, b.TempDir())
	year := make([]detect.Sample, 365*24*60)
	for i := range year {
		year[i] = sample("country:PK", int64(i))
	}
	var wide []detect.Sample
	for m := range int64(100) {
		for i := range 2000 {
			wide = append(wide, sample(fmt.Sprintf("country:%d", i), m))
		}
	}
	for _, list := range [][]detect.Sample{year, wide} {
		if err := s.AppendSamples(b.Context(), list); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("year", func(b *testing.B) {
		for b.Loop() {
			if got, err := s.Samples(b.Context(), "country:PK", "bgp.v4", time.Time{}, time.Time{}); err != nil || len(got) != len(year) {
				b.Fatal(len(got), err)
			}
		}
		b.ReportMetric(float64(len(year))*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
	})
	b.Run("latest", func(b *testing.B) {
		for b.Loop() {
			if got, err := s.Latest(b.Context(), "bgp.v4"); err != nil || len(got) != 2001 {
				b.Fatal(len(got), err)
			}
		}
	})
}

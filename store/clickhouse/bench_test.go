package clickhouse

import (
	"testing"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/store/clickhouse/clickhousetest"
)

// BenchmarkWriteSamples writes blocks of the size that a copy has, to an engine on the same machine.
func BenchmarkWriteSamples(b *testing.B) {
	srv := clickhousetest.Start(b)
	s := stored(b, srv, srv.Address)
	if _, err := s.Connect(b.Context()); err != nil {
		b.Fatal(err)
	}
	list := samplesOf(50_000)
	generation := uint64(0)
	for b.Loop() {
		generation++ // another block each time
		if err := s.WriteSamples(b.Context(), "a", detect.Archive, generation, list); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(list))*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
}

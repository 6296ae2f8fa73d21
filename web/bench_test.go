package web

import "testing"

// BenchmarkCountryPage renders the heaviest page from memory, uncompressed.
func BenchmarkCountryPage(b *testing.B) {
	h := testServer(b, &memory{}, pakistan("reconstruction")).Handler()
	b.ReportAllocs()
	for b.Loop() {
		if w := get(b, h, "/demo/country/PK"); w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}

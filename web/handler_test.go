package web

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func get(t testing.TB, h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func unzip(t testing.TB, r io.Reader) string {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWeight holds the page to what a throttled network lets through.
func TestWeight(t *testing.T) {
	h := testServer(t, &memory{}, pakistan("reconstruction")).Handler()
	answer := get(t, h, "/demo/country/PK", "Accept-Encoding", "gzip")
	if answer.Code != http.StatusOK {
		t.Fatalf("status %d", answer.Code)
	}
	page := answer.Body.Len()
	css := get(t, h, "/static/app.css", "Accept-Encoding", "gzip").Body.Len()
	js := get(t, h, "/static/app.js", "Accept-Encoding", "gzip").Body.Len()
	t.Logf("country page %d B, style sheet %d B, script %d B", page, css, js)
	if page > 14<<10 {
		t.Errorf("country page: %d bytes, want at most 14 KB", page)
	}
	if page+css+js > 25<<10 {
		t.Errorf("critical bytes: %d, want at most 25 KB", page+css+js)
	}
}

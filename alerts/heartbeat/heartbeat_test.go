package heartbeat

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestBeat: a watcher is asked as configured; what it says, where it is and where it redirects to is in no error.
func TestBeat(t *testing.T) {
	var methods []string
	code := 200
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods = append(methods, r.Method+" "+r.URL.Path)
		w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
		w.WriteHeader(code)
	}))
	defer srv.Close()
	for _, c := range []struct {
		method string
		code   int
		want   string
	}{{"", 200, ""}, {"POST", 204, ""}, {"GET", 302, "answered 302"}, {"GET", 500, "answered 500"}} {
		code = c.code
		h, err := New(Options{URL: srv.URL + "/ping/very-secret", Method: c.method})
		if err != nil {
			t.Fatal(err)
		}
		err = h.Beat(t.Context())
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s %d: %v", c.method, c.code, err)
		}
	}
	if got := strings.Join(methods, ", "); got != "GET /ping/very-secret, POST /ping/very-secret, GET /ping/very-secret, GET /ping/very-secret" {
		t.Error(got)
	}
	h, err := New(Options{URL: "http://127.0.0.1:1/very-secret"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	if err := h.Beat(ctx); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

// TestRefused: no address in clear text over a network, no user in it, no other method; and no error repeats it.
func TestRefused(t *testing.T) {
	for _, o := range []Options{
		{URL: "http://watcher.example/very-secret"},
		{URL: "ftp://127.0.0.1/very-secret"},
		{URL: "https://a:very-secret@watcher.example/"},
		{URL: "very-secret"},
		{URL: "https://watcher.example/\x00very-secret"},
		{URL: "https://watcher.example/very-secret", Method: "PUT"},
	} {
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

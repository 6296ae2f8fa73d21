package webhook

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/alerts"
)

func words(t *testing.T) *alerts.Words {
	t.Helper()
	w, err := alerts.Language("en")
	if err != nil {
		t.Fatal(err)
	}
	return w
}

var secret = []byte("0123456789abcdef")

func TestNewRefuses(t *testing.T) {
	for _, u := range []string{"", "receiver", "http://receiver.example/", "ftp://receiver.example/", "https://user:pass@receiver.example/", "http://10.0.0.1/"} {
		if _, err := New(Options{URL: u, Secret: secret, Words: words(t)}); err == nil || strings.Contains(err.Error(), "pass@") {
			t.Errorf("%q: %v", u, err)
		}
	}
	if _, err := New(Options{URL: "https://receiver.example/", Secret: []byte("short"), Words: words(t)}); err == nil {
		t.Error("a short secret was taken")
	}
}

// TestPrivateNetworks: a name that leads inside is refused for good, whatever it is called.
func TestPrivateNetworks(t *testing.T) {
	for _, u := range []string{"https://localhost:1/", "https://10.0.0.1:1/", "https://169.254.169.254/", "https://[fd00::1]:1/", "https://0.0.0.0:1/", "https://0.0.0.0:1/"} {
		h, err := New(Options{URL: u, Secret: secret, Words: words(t)})
		if err != nil {
			t.Fatal(u, err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
		_, err = h.Send(ctx, &alerts.Message{ID: "1"})
		stop()
		var permanent *alerts.Permanent
		if !errors.As(err, &permanent) {
			t.Errorf("%s: %v", u, err)
		}
	}
}

// TestAnswers: what an answer means for another attempt, and no redirect is followed.
func TestAnswers(t *testing.T) {
	for status, want := range map[int]string{200: "", 204: "", 301: "permanent", 400: "permanent", 410: "permanent", 408: "again", 429: "busy", 500: "again", 503: "busy"} {
		asked := 0
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.Header().Set("Location", "/elsewhere")
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(status)
		}))
		h, err := New(Options{URL: srv.URL + "/token", Secret: secret, Words: words(t)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.Send(t.Context(), &alerts.Message{ID: "1", At: time.Now()})
		srv.Close()
		got := ""
		var permanent *alerts.Permanent
		var busy *alerts.Busy
		switch {
		case errors.As(err, &permanent):
			got = "permanent"
		case errors.As(err, &busy):
			if got = "busy"; busy.After != 2*time.Minute {
				t.Errorf("%d: after %s", status, busy.After)
			}
		case err != nil:
			got = "again"
		}
		if got != want || asked != 1 || err != nil && strings.Contains(err.Error(), "token") {
			t.Errorf("%d: %q after %d requests: %v", status, got, asked, err)
		}
	}
}

package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/detect"
)

var pages = []string{
	"/", "/incidents", "/health", "/country/PK", "/country/SD", "/demo/", "/demo/incidents", "/demo/health", "/demo/country/PK", "/demo/country/MT", "/demo/country/SD",
	"/demo/i/" + pakistanID, "/demo/i/" + pakistanID + "/v1", "/demo/i/" + pakistanID + "/v4",
	"/demo/country/PK?from=2008-02-21T00:00:00Z&until=2008-02-21T06:00:00Z",
}

var filesServed = []string{
	"/demo/country/PK/series.csv", "/demo/country/PK/series.json", "/demo/country/PK/series.svg", "/demo/i/" + pakistanID + "/timeline.csv", "/demo/i/" + pakistanID + "/timeline.json",
	"/demo/i/" + pakistanID + "/members.csv", "/demo/i/" + pakistanID + "/evidence.zip", "/api/v1/incidents", "/api/v1/incidents?data=reconstruction", "/api/v1/incidents/" + pakistanID + "?data=reconstruction",
	"/healthz", "/static/app.css", "/static/app.js", "/static/icon.svg", "/favicon.ico",
}

// TestHeaders: every answer, errors included, carries the security headers, no cookie, and what pages hold obeys the policy.
func TestHeaders(t *testing.T) {
	h := testServer(t, &memory{}, pakistan("reconstruction")).Handler()
	errs := []string{"/nothing", "/country/XX", "/country/P", "/i/none", "/demo/i/" + pakistanID + "/v9", "/demo/i/" + pakistanID + "/v01", "/demo/i/" + pakistanID + "/x.exe", "/static/none.css", "/api/v1/none", "/country/PK?from=yesterday", "/incidents?x=1"}
	for _, p := range append(append(append([]string{}, pages...), filesServed...), errs...) {
		w := get(t, h, p)
		want := http.StatusOK
		if strings.Contains(strings.Join(errs, " ")+" ", p+" ") {
			want = http.StatusNotFound
			if strings.Contains(p, "?") {
				want = http.StatusBadRequest
			}
		}
		if w.Code != want {
			t.Errorf("%s: status %d, want %d", p, w.Code, want)
		}
		for k, v := range map[string]string{"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
			if got := w.Header().Get(k); got != v {
				t.Errorf("%s: %s is %q", p, k, got)
			}
		}
		if w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s sets a cookie", p)
		}
		if w.Header().Get("Content-Type") == "" {
			t.Errorf("%s has no content type", p)
		}
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			continue
		}
		body := w.Body.String()
		for _, bad := range []string{" style=", "<style", "<script>", "javascript:", " onclick", "http://", "https://", "<no value>", "ZgotmplZ", "%!"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s holds %q", p, bad)
			}
		}
		if !strings.HasSuffix(strings.TrimSpace(body), "</html>") {
			t.Errorf("%s is cut", p)
		}
		if strings.HasPrefix(p, "/demo/") && want == http.StatusOK {
			if !strings.Contains(body, `<aside class="demo"`) {
				t.Errorf("%s has no banner", p)
			}
			for _, m := range regexp.MustCompile(`href="(/[^"]*)"`).FindAllStringSubmatch(body, -1) {
				if l := m[1]; !strings.HasPrefix(l, "/demo/") && !strings.HasPrefix(l, "/static/") && !strings.HasPrefix(l, "/api/") && l != "/" {
					t.Errorf("%s: link %s leaves the demonstration", p, l)
				}
			}
		}
		for _, bad := range []string{"shutdown", "shut down", "blackout", "attack", "censor", "government"} {
			if strings.Contains(strings.ToLower(body), bad) {
				t.Errorf("%s says %q: that is a conclusion about cause", p, bad)
			}
		}
	}
}

// TestHostile: names, reasons, titles and prefixes come from outside. None may become markup, reorder text or run in a spreadsheet.
func TestHostile(t *testing.T) {
	const evil = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\u202e\u2066\"'{1}{{.}}\x00\x1b[31m=cmd|' /C calc'!A0"
	m := pakistan("reconstruction")
	in := &m.list[0]
	in.Title, in.Entity.Name, in.Method.Name, in.Coverage.Because = evil, evil, evil, []string{evil}
	in.Parts[0].Entity.Name, in.Parts[0].Entity.Code, in.Parts[0].Unit = evil, evil, evil
	in.Revisions[0].Reason, in.Revisions[0].Change, in.Revisions[0].State = evil, evil, detect.State(evil)
	in.Sources[0] = detect.Source{Name: evil, Collector: evil, Licence: evil, Attribution: evil}
	in.References[0].Name, in.Evidence.SHA256, in.Signals[0].Collectors = evil, evil, []string{evil}
	in.Related = []detect.Related{{ID: "javascript:alert(1)//" + evil, Relation: evil}}
	mem := m.members[in.ID]
	mem[0].Prefix, mem[0].FirstPeer, mem[0].Peers = "=1+1"+evil, "=1+1"+evil, []string{evil, "=" + evil}
	m.peers[0].Note, m.peers[0].State, m.peers[0].Peer.Collector = evil, evil, evil
	m.inputs[0].Name, m.inputs[0].Collector, m.inputs[0].Project = evil, evil, evil
	s := testServer(t, &memory{}, m)
	s.deps.Names = func(string) string { return evil }
	s.deps.Status = func() Status {
		return Status{Software: evil, Commit: evil, Data: detect.Live, Banner: evil, Phase: evil, Sources: []SourceStatus{{Name: evil, State: evil, Detail: evil}}}
	}
	h := s.Handler()
	for _, p := range append(append([]string{}, pages...), filesServed...) {
		w := get(t, h, p)
		body := w.Body.String()
		if w.Code != http.StatusOK {
			t.Errorf("%s: status %d", p, w.Code)
		}
		if kind := w.Header().Get("Content-Type"); strings.HasPrefix(kind, "text/html") || strings.HasPrefix(kind, "image/svg") {
			for _, bad := range []string{"<script>alert", "<img", "\u202e", "\u2066", "\x00", "\x1b", `href="javascript`} {
				if strings.Contains(body, bad) {
					t.Errorf("%s holds %q", p, bad)
				}
			}
		}
		if strings.HasSuffix(p, ".csv") {
			for line := range strings.SplitSeq(body, "\n") {
				for f := range strings.SplitSeq(line, ",") {
					if strings.HasPrefix(strings.TrimPrefix(f, `"`), "=") {
						t.Errorf("%s: cell %q is a formula", p, f)
					}
				}
			}
		}
	}
}

// TestTraversal: no path reaches a file of the machine or of the package.
func TestTraversal(t *testing.T) {
	server := httptest.NewServer(testServer(t, &memory{}, pakistan("reconstruction")).Handler())
	defer server.Close()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, p := range []string{"/static/../root.go", "/static/..%2froot.go", "/static/%2e%2e/root.go", "/static/..%5croot.go", "/i/..%2f..%2fetc%2fpasswd", "/demo/i/..%2f/evidence.zip", "/static/", "/static", "/country/..", "/i/%00", "/i/" + strings.Repeat("a", 5000)} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+p, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode < 300 || resp.StatusCode >= 500 || strings.Contains(string(body), "package web") {
			t.Errorf("%s: status %d", p, resp.StatusCode)
		}
	}
}

// TestStoreFails: a store that does not answer gives an error page and 503 on /healthz, never a panic or an inside detail.
func TestStoreFails(t *testing.T) {
	m := pakistan("archive")
	m.err = errors.New("secret detail: disk 7")
	h := testServer(t, m, nil).Handler()
	for p, want := range map[string]int{"/": 500, "/country/PK": 500, "/health": 500, "/incidents": 500, "/api/v1/incidents": 500, "/healthz": 503} {
		w := get(t, h, p)
		if w.Code != want || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: status %d, want %d; body %.80s", p, w.Code, want, w.Body)
		}
	}
	m.err = context.DeadlineExceeded
	if w := get(t, h, "/country/PK"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("slow store: status %d", w.Code)
	}
}

// TestPanic: a panic in a handler becomes an answer.
func TestPanic(t *testing.T) {
	s := testServer(t, &memory{}, nil)
	s.deps.Names = func(string) string { panic("boom") }
	if w := get(t, s.Handler(), "/country/PK"); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "boom") {
		t.Errorf("status %d, body %s", w.Code, w.Body)
	}
}

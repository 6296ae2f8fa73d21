package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	testFolder = "/rrc04/2021.01/"
	testName   = "updates.20210101.0000.gz"
)

func testFile(s *server) File {
	return File{Collector: "rrc04", Kind: Updates, Name: testName, Time: at("2021-01-01 00:00"), URL: s.URL + testFolder + testName}
}

// fetched fetches the test file and compares it.
func fetched(t *testing.T, a *Archive, f File, want []byte) {
	t.Helper()
	path, err := a.Fetch(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d octets, want %d; %v", len(got), len(want), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*.part*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// cut answers a request for a file with at most so many octets of it and then breaks the connection.
func cut(most int) func(http.ResponseWriter, *http.Request, []byte) bool {
	return func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		if body == nil {
			return false
		}
		from := 0
		if rng := r.Header.Get("Range"); rng != "" {
			fmt.Sscanf(rng, "bytes=%d-", &from)
		}
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Content-Length", fmt.Sprint(len(body)-from))
		if from > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = w.Write(body[from:min(len(body), from+most)])
		if from+most < len(body) {
			panic(http.ErrAbortHandler)
		}
		return true
	}
}

// TestFetchResumes: a connection that breaks again and again costs no octet twice, and what is in the cache is not asked for again.
func TestFetchResumes(t *testing.T) {
	s := newServer(t)
	body := packed(t, 400_000, 1)
	s.put(testFolder+testName, body)
	s.set(cut(100_000))
	cache := t.TempDir()
	var said []string
	f := testFile(s)
	fetched(t, s.archive(t, cache, &said), f, body)
	asked := s.requests()
	if len(asked) != 5 || asked[0] != testFolder+testName || !strings.Contains(asked[1], "bytes=100000-") || !strings.Contains(asked[4], "bytes=400000-") || len(said) != 4 {
		t.Errorf("asked %q, said %q", asked, said)
	}
	fetched(t, s.archive(t, cache, nil), f, body)
	if len(s.requests()) != len(asked) {
		t.Error("what is in the cache was asked for again")
	}
	// Changed in the cache: it does not count.
	s.set(nil)
	path := s.archive(t, cache, nil).Path(f)
	bad := bytes.Clone(body)
	bad[len(bad)/2] ^= 1
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	said = nil
	fetched(t, s.archive(t, cache, &said), f, body)
	if len(said) != 1 || !strings.Contains(said[0], "is not what came from") {
		t.Errorf("said %q", said)
	}
}

// TestFetchInterrupted: interrupted, and gone on with by another program; once with the same file, and once with one that changed meanwhile.
func TestFetchInterrupted(t *testing.T) {
	for _, changed := range []bool{false, true} {
		s := newServer(t)
		body := packed(t, 400_000, 2)
		s.put(testFolder+testName, body)
		cache := t.TempDir()
		f := testFile(s)
		ctx, stop := context.WithCancel(t.Context())
		a := s.archive(t, cache, nil)
		a.opt.Progress = func(_ File, have, size int64) {
			if have > 150_000 {
				stop()
			}
			if size != int64(len(body)) {
				t.Errorf("of %d octets, want %d", size, len(body))
			}
		}
		s.set(func(w http.ResponseWriter, r *http.Request, body []byte) bool {
			if body == nil {
				return false
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, len(body), body[len(body)/2:len(body)/2+8]))
			_, _ = w.Write(body[:200_000])
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return true
		})
		if _, err := a.Fetch(ctx, f); !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted: %v", err)
		}
		if _, err := os.Stat(a.Path(f)); err == nil {
			t.Fatal("a half file stands under its name")
		}
		s.set(nil)
		if changed {
			body = packed(t, 410_000, 3)
			s.put(testFolder+testName, body)
		}
		fetched(t, s.archive(t, cache, nil), f, body)
		asked := s.requests()
		if len(asked) != 2 || !strings.Contains(asked[1], "bytes=2") && !strings.Contains(asked[1], "bytes=1") {
			t.Errorf("asked %q", asked)
		}
	}
}

// TestTwoDownloads: two programs do not write into one file.
func TestTwoDownloads(t *testing.T) {
	s := newServer(t)
	a := s.archive(t, t.TempDir(), nil)
	f := testFile(s)
	if err := os.MkdirAll(filepath.Dir(a.Path(f)), 0o700); err != nil {
		t.Fatal(err)
	}
	other := &download{a: a, file: f, path: a.Path(f), part: beside(a.Path(f), ".part")}
	if err := other.open(); err != nil {
		t.Fatal(err)
	}
	defer other.out.Close()
	if _, err := a.Fetch(t.Context(), f); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("%v", err)
	}
}

// TestHostileServer: what a server may send instead of a file ends in an error that says so, in bounded time and space.
func TestHostileServer(t *testing.T) {
	body := packed(t, 50_000, 4)
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for name, c := range map[string]struct {
		serve func(w http.ResponseWriter, r *http.Request, body []byte) bool
		want  string
	}{
		"not there":     {func(w http.ResponseWriter, r *http.Request, _ []byte) bool { http.NotFound(w, r); return true }, "answered 404"},
		"always broken": {func(w http.ResponseWriter, _ *http.Request, _ []byte) bool { w.WriteHeader(503); return true }, "answered 503, after 6 attempts"},
		"too large": {func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			w.Header().Set("Content-Length", fmt.Sprint(maxUpdates+1))
			w.WriteHeader(200)
			return true
		}, "at most"},
		"silent": {func(_ http.ResponseWriter, r *http.Request, _ []byte) bool { <-r.Context().Done(); return true }, "after 6 attempts"},
		"one octet and silence": {func(w http.ResponseWriter, r *http.Request, body []byte) bool {
			if r.Header.Get("Range") == "" {
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				_, _ = w.Write(body[:1])
				_ = http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
			return true
		}, "after 6 attempts"},
		"a page": {func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			_, _ = w.Write([]byte("<html>please log in</html>"))
			return true
		}, "no compressed file"},
		"another part": {func(w http.ResponseWriter, r *http.Request, body []byte) bool {
			if r.Header.Get("Range") == "" {
				return cut(10_000)(w, r, body)
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(body)-1, len(body)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(body)
			return true
		}, "attempts"},
		"more than it said": {func(w http.ResponseWriter, r *http.Request, body []byte) bool {
			if r.Header.Get("Range") == "" {
				return cut(10_000)(w, r, body)
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 10000-%d/%d", len(body)-1, len(body)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(body)
			return true
		}, "more than the"},
		"other octets each time": {func() func(w http.ResponseWriter, r *http.Request, body []byte) bool {
			n := 0
			return func(w http.ResponseWriter, _ *http.Request, body []byte) bool {
				n++
				bad := bytes.Clone(body)
				bad[len(bad)/2] ^= byte(n)
				_, _ = w.Write(bad)
				return true
			}
		}(), "each time otherwise"},
		"a loop": {func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
			return true
		}, "more than 5 redirects"},
		"to the inside": {func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			http.Redirect(w, r, "http://10.0.0.1/", http.StatusFound)
			return true
		}, "10.0.0.1 is not a public address"},
		"with a password": {func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			http.Redirect(w, r, "http://user:secret@127.0.0.1/", http.StatusFound)
			return true
		}, "user name is refused"},
		"to another of its kind": {func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			http.Redirect(w, r, other.URL, http.StatusFound)
			return true
		}, "answered 404"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.put(testFolder+testName, body)
			s.set(c.serve)
			a := s.archive(t, t.TempDir(), nil)
			if strings.Contains(name, "silen") {
				a.opt.Stall, a.opt.Wait = 50*time.Millisecond, 50*time.Millisecond
				a.ris.client = newClient(a.ris.base, a.opt.Wait)
			}
			_, err := a.Fetch(t.Context(), testFile(s))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, want %q", err, c.want)
			}
			if _, err := os.Stat(a.Path(testFile(s))); err == nil {
				t.Error("it stands in the cache")
			}
		})
	}
}

// TestDamage: a file that arrives damaged once is fetched again; one that is damaged in the archive is kept, and said to be.
func TestDamage(t *testing.T) {
	body := packed(t, 50_000, 5)
	s := newServer(t)
	f := testFile(s)
	s.put(testFolder+testName, body)
	n := 0
	s.set(func(w http.ResponseWriter, _ *http.Request, body []byte) bool {
		if n++; n > 1 {
			return false
		}
		bad := bytes.Clone(body)
		bad[len(bad)/2] ^= 1
		_, _ = w.Write(bad)
		return true
	})
	var said []string
	fetched(t, s.archive(t, t.TempDir(), &said), f, body)
	if len(said) != 1 || !strings.Contains(said[0], "arrived damaged") {
		t.Errorf("said %q", said)
	}
	for name, bad := range map[string][]byte{"cut": body[:len(body)-100], "empty": {}} {
		s.set(nil)
		if name == "empty" { // no entity tag can be made of it
			s.set(func(w http.ResponseWriter, _ *http.Request, _ []byte) bool { w.WriteHeader(200); return true })
		}
		s.put(testFolder+testName, bad)
		said = nil
		cache := t.TempDir()
		fetched(t, s.archive(t, cache, &said), f, bad)
		if len(said) != 2 || !strings.Contains(said[1], "damaged in the archive itself") || strings.Contains(said[1], cache) {
			t.Errorf("%s: said %q", name, said)
		}
	}
}

// TestNoWeakerScheme: an answer over https does not lead to http, nor into the operator's network when the archive is a public name.
func TestNoWeakerScheme(t *testing.T) {
	for base, redirect := range map[string]string{
		"https://archive.example": "http://archive.example/x", "http://archive.example": "ftp://archive.example/x",
	} {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest(http.MethodGet, redirect, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := newClient(u, time.Second).CheckRedirect(req, nil); err == nil || !strings.Contains(err.Error(), "want https") || !lasting(err) {
			t.Errorf("%s to %s: %v", base, redirect, err)
		}
	}
	s := newServer(t)
	for base, open := range map[string]bool{"https://archive.example": false, "http://10.0.0.1": false, "http://localhost": true, "http://[::1]": true} {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		res, err := newClient(u, time.Second).Get(s.URL)
		if err == nil {
			res.Body.Close()
		}
		if (err == nil) != open || err != nil && !lasting(err) {
			t.Errorf("from %s to this machine: %v", base, err)
		}
	}
}

func TestContentRange(t *testing.T) {
	for text, want := range map[string][2]int64{
		"bytes 10-19/20": {10, 20}, "bytes 0-0/1": {0, 1}, "bytes 10-19/*": {10, -1}, "bytes 9223372036854775807-1/*": {9223372036854775807, -1},
	} {
		if from, size, ok := contentRange(text); !ok || from != want[0] || size != want[1] {
			t.Errorf("%s: %d of %d, %v", text, from, size, ok)
		}
	}
	for _, text := range []string{"", "bytes", "bytes */20", "bytes 10-19", "bytes -10-19/20", "bytes 10-19/5", "items 10-19/20", "bytes x-19/20", "bytes 10-19/x", "bytes 99999999999999999999-1/*", "bytes 1-2/-9"} {
		if from, size, ok := contentRange(text); ok {
			t.Errorf("%s: %d of %d", text, from, size)
		}
	}
}

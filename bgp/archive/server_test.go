package archive

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"html"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is an archive on this machine: index pages as Apache makes them, files with entity tags, dates and ranges.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	files  map[string][]byte // by path
	asked  []string          // path, or path and range, of each request
	before func(w http.ResponseWriter, r *http.Request, body []byte) bool
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{files: map[string][]byte{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	body, there := s.files[r.URL.Path]
	var names []string
	for p := range s.files {
		if dir, name := path.Split(p); dir == r.URL.Path {
			names = append(names, name)
		}
	}
	s.asked = append(s.asked, strings.TrimSuffix(r.URL.Path+" "+r.Header.Get("Range"), " "))
	before := s.before
	s.mu.Unlock()
	if before != nil && before(w, r, body) {
		return
	}
	switch {
	case there:
		w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, len(body), body[len(body)/2:min(len(body), len(body)/2+8)]))
		w.Header().Set("Content-Type", "application/x-gzip")
		http.ServeContent(w, r, "", time.Unix(1_600_000_000, 0), bytes.NewReader(body))
	case len(names) > 0:
		slices.Sort(names)
		fmt.Fprint(w, `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN"><html><head><title>Index</title></head><body><table>
<tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>
<tr><td><a href="/">Parent Directory</a></td></tr>
`)
		for _, n := range names {
			fmt.Fprintf(w, "<tr><td><a href=%q>%s</a></td><td align=\"right\">2021-01-01 05:00  </td><td align=\"right\">187K</td></tr>\n", url.PathEscape(n), html.EscapeString(n))
		}
		fmt.Fprint(w, "</table></body></html>\n")
	default:
		http.NotFound(w, r)
	}
}

func (s *server) put(path string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = body
}

func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *server) set(before func(w http.ResponseWriter, r *http.Request, body []byte) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

// archive is a client of the server, for both layouts, that says what it says into the list.
func (s *server) archive(t *testing.T, cache string, said *[]string) *Archive {
	t.Helper()
	o := Options{RouteViews: s.URL, RIS: s.URL + "/", Cache: cache, Pause: time.Millisecond, Stall: 20 * time.Second, Wait: 20 * time.Second}
	if said != nil {
		o.Say = func(text string) { *said = append(*said, text) }
	}
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// packed is a gzip file of about so many octets.
func packed(t *testing.T, size int, seed uint64) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	r := rand.New(rand.NewPCG(seed, 1))
	raw := make([]byte, size)
	for i := range raw {
		raw[i] = byte(r.Uint32())
	}
	if _, err := z.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func at(text string) time.Time {
	v, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return v
}

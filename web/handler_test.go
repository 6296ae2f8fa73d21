package web

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/detect"
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

// TestSentence: the first sentence of a country holds the figure, its denominator, the time with its zone, and who saw it.
func TestSentence(t *testing.T) {
	h := testServer(t, &memory{}, pakistan("reconstruction")).Handler()
	body := plain(get(t, h, "/demo/country/PK").Body.String())
	for _, want := range []string{
		"Between 03:20 and 05:27 UTC on 21 Feb 2008, 153 of 1,374 observable IPv4 prefixes (11 %) of Pakistan left the global routing table, as seen by 39 of 40 networks at 1 collector.",
		"Reconstruction from measured facts; not the recorded messages.", "No IPv6 data in this feed", "Not established", "No band of usual values", "No data: 02:19–02:30 UTC.",
		"16 of 153 member prefixes", "Unsigned draft", "SHA-256 of the evidence: 9f2c41d8", "Accessed: ____", "one collector only",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, link := range []string{"/demo/country/PK/series.svg?from=", "/demo/i/" + pakistanID + "/evidence.zip", "/demo/i/" + pakistanID + "/timeline.csv", "/demo/i/" + pakistanID + "/members.csv"} {
		if !strings.Contains(get(t, h, "/demo/country/PK").Body.String(), link) {
			t.Errorf("the page lacks a link to %s", link)
		}
	}
	front := plain(get(t, h, "/").Body.String())
	for _, want := range []string{"No open incident", "0 of 2 live sources connected.", "not reached", "name lookup failed", "Demonstration: Reconstruction from measured facts", "153 of 1,374"} {
		if !strings.Contains(front, want) {
			t.Errorf("the front page lacks %q", want)
		}
	}
	inc := plain(get(t, h, "/demo/i/"+pakistanID).Body.String())
	for _, want := range []string{"43 of 46 sessions (39 networks) withdrew at least one member.", "Withdrew none:", "expected-peers 1", "CC-BY-4.0", "8,412 raw messages"} {
		if !strings.Contains(inc, want) {
			t.Errorf("the incident's page lacks %q", want)
		}
	}
	if old := plain(get(t, h, "/demo/i/"+pakistanID+"/v2").Body.String()); !strings.Contains(old, "You are reading version 2 of 4") || strings.Contains(old, "Version 3") || strings.Contains(old, "05:27") {
		t.Error("version 2 is not shown as it was")
	}
}

// plain is the text of a page without its markup.
func plain(page string) string {
	return strings.NewReplacer("\u00a0", " ", "&#34;", `"`, "&#39;", "'", "&amp;", "&").Replace(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, ""))
}

func TestAPI(t *testing.T) {
	h := testServer(t, pakistan("archive"), pakistan("reconstruction")).Handler()
	list := func(path string) (out struct {
		V         int
		Incidents []detect.Incident
		Next      string
	},
	) {
		t.Helper()
		w := get(t, h, path)
		if w.Code != http.StatusOK || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Fatalf("%s: status %d, headers %v", path, w.Code, w.Header())
		}
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return out
	}
	for path, want := range map[string]int{
		"/api/v1/incidents": 1, "/api/v1/incidents?data=archive": 1, "/api/v1/incidents?data=live": 0, "/api/v1/incidents?data=reconstruction": 1, "/api/v1/incidents?entity=country:PK&kind=outage&state=closed,confirmed": 1,
		"/api/v1/incidents?entity=country:SD": 0, "/api/v1/incidents?kind=monitor_fault": 0, "/api/v1/incidents?from=2008-02-21T06:00:00Z": 0, "/api/v1/incidents?until=2008-02-21T03:00:00Z": 0,
		"/api/v1/incidents?from=2008-02-21T00:00:00Z&until=2008-02-22T00:00:00%2B00:00&limit=1": 1,
	} {
		if got := list(path); len(got.Incidents) != want || got.V != 1 {
			t.Errorf("%s: %d incidents, want %d", path, len(got.Incidents), want)
		}
	}
	if got := list("/api/v1/incidents").Incidents[0].Data; got != detect.Archive {
		t.Errorf("without data= the list holds %q", got)
	}
	one := get(t, h, "/api/v1/incidents/"+pakistanID)
	want, err := pakistan("archive").list[0].JSON()
	if err != nil {
		t.Fatal(err)
	}
	if one.Body.String() != string(want)+"\n" {
		t.Errorf("one incident is not in canonical form:\n%s\n%s", one.Body, want)
	}
	many := pakistan("archive")
	for i := range 5 {
		in := many.list[0]
		in.ID += string(rune('a' + i))
		many.list = append(many.list, in)
	}
	paged := testServer(t, many, nil).Handler()
	path, n := "/api/v1/incidents?limit=2", 0
	for path != "" && n < 10 {
		w := get(t, paged, path)
		n += strings.Count(w.Body.String(), `"entity":`) - strings.Count(w.Body.String(), `"type":"network"`)
		path, _, _ = strings.Cut(strings.TrimPrefix(w.Header().Get("Link"), "<"), ">")
	}
	if n != 6 {
		t.Errorf("paging gave %d incidents, want 6", n)
	}
	for _, bad := range []string{"limit=0", "limit=201", "limit=x", "entity=PK", "data=all", "from=2008-02-21", "until=2008-02-21T00:00:00", "kind=Outage!", "colour=red", "from=2008-02-22T00:00:00Z&until=2008-02-21T00:00:00Z", "limit=1&limit=2", "cursor=%00"} {
		w := get(t, h, "/api/v1/incidents?"+bad)
		var p struct {
			Title, Detail string
			Status        int
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 400 || p.Status != 400 || p.Detail == "" || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: status %d, body %s", bad, w.Code, w.Body)
		}
	}
	if w := get(t, h, "/api/v1/incidents/none"); w.Code != 404 || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("unknown incident: %d %s", w.Code, w.Header())
	}
}

// TestNoReconstructionLeaks: the demonstration's incident is in no list of the live side.
func TestNoReconstructionLeaks(t *testing.T) {
	h := testServer(t, &memory{}, pakistan("reconstruction")).Handler()
	for _, p := range []string{"/incidents", "/api/v1/incidents", "/country/PK", "/healthz", "/health"} {
		if strings.Contains(get(t, h, p).Body.String(), pakistanID) {
			t.Errorf("%s holds the demonstration's incident", p)
		}
	}
	for _, p := range []string{"/api/v1/incidents/" + pakistanID, "/i/" + pakistanID, "/i/" + pakistanID + "/evidence.zip"} {
		if w := get(t, h, p); w.Code != 404 {
			t.Errorf("%s: status %d", p, w.Code)
		}
	}
	if w := get(t, testServer(t, &memory{}, nil).Handler(), "/demo/"); w.Code != 404 {
		t.Errorf("/demo/ without a demonstration: status %d", w.Code)
	}
}

func TestCaching(t *testing.T) {
	h := testServer(t, &memory{}, pakistan("reconstruction")).Handler()
	for _, p := range []string{"/demo/country/PK", "/api/v1/incidents?data=reconstruction", "/demo/country/PK/series.csv"} {
		first := get(t, h, p)
		again := get(t, h, p, "If-None-Match", first.Header().Get("ETag"))
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s: status %d with %d bytes on a second reading", p, again.Code, again.Body.Len())
		}
		zipped := get(t, h, p, "Accept-Encoding", "br, gzip;q=0.5")
		if zipped.Header().Get("Content-Encoding") != "gzip" || unzip(t, zipped.Body) != first.Body.String() {
			t.Errorf("%s: compressed and plain differ", p)
		}
		if w := get(t, h, p, "Accept-Encoding", "gzip;q=0"); w.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: compressed against the reader's will", p)
		}
	}
	css := regexp.MustCompile(`/static/app\.css\?v=[0-9a-f]+`).FindString(get(t, h, "/").Body.String())
	if w := get(t, h, css); !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%s: Cache-Control %q", css, w.Header().Get("Cache-Control"))
	}
}

// TestSeries: the files hold what the page shows, and a silence is empty or null, never zero.
func TestSeries(t *testing.T) {
	h := testServer(t, &memory{}, pakistan("reconstruction")).Handler()
	rows, err := csv.NewReader(get(t, h, "/demo/country/PK/series.csv?from=2008-02-21T02:20:00Z&until=2008-02-21T03:40:00Z").Body).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	silent := 0
	for _, r := range rows[1:] {
		if (r[8] == "true") != (r[2] == "" && r[3] == "" && r[5] == "") {
			t.Fatalf("row %v", r)
		}
		if r[8] == "true" {
			silent++
		}
		if r[9] != "reconstruction" {
			t.Fatalf("row without its kind of data: %v", r)
		}
	}
	if len(rows) != 81 || silent != 10 {
		t.Errorf("%d rows, %d silent; want 81 and 10", len(rows), silent)
	}
	var j struct {
		Data   string
		Series []struct {
			T    []int64
			Seen []*int64 `json:"prefixes_visible"`
		}
	}
	if err := json.Unmarshal(get(t, h, "/demo/country/PK/series.json").Body.Bytes(), &j); err != nil {
		t.Fatal(err)
	}
	low := int64(1 << 60)
	for _, v := range j.Series[0].Seen {
		if v != nil {
			low = min(low, *v)
		}
	}
	if j.Data != "reconstruction" || low != 1221 {
		t.Errorf("data %q, lowest %d", j.Data, low)
	}
}

// TestExports: timeline, members and evidence.
func TestExports(t *testing.T) {
	h := testServer(t, &memory{}, pakistan("reconstruction")).Handler()
	rows, err := csv.NewReader(get(t, h, "/demo/i/"+pakistanID+"/members.csv").Body).ReadAll()
	if err != nil || len(rows) != 154 {
		t.Errorf("members: %d rows, %v", len(rows), err)
	}
	log, err := csv.NewReader(get(t, h, "/demo/i/"+pakistanID+"/timeline.csv").Body).ReadAll()
	if err != nil || len(log) != 10 {
		t.Fatalf("timeline: %d rows, %v", len(log), err)
	}
	for i := 2; i < len(log); i++ {
		if log[i][0] < log[i-1][0] {
			t.Errorf("timeline goes backwards at %s", log[i][0])
		}
	}
	if log[1][1] != "first_withdrawal" || log[1][0] != "2008-02-21T03:20:02Z" || log[2][1] != "second_network" {
		t.Errorf("timeline begins %v, %v", log[1], log[2])
	}
	z := get(t, h, "/demo/i/"+pakistanID+"/evidence.zip")
	if z.Header().Get("Content-Type") != "application/zip" || z.Body.String() != "PK true "+pakistanID {
		t.Errorf("evidence: %s %q", z.Header().Get("Content-Type"), z.Body)
	}
	s := testServer(t, &memory{}, pakistan("reconstruction"))
	s.deps.Evidence = func(context.Context, bool, string, io.Writer) error { return errors.New("disk full") }
	if w := get(t, s.Handler(), "/demo/i/"+pakistanID+"/evidence.zip"); w.Code != 500 || strings.Contains(w.Body.String(), "disk full") {
		t.Errorf("evidence that fails at once: status %d", w.Code)
	}
	s.deps.Evidence = func(_ context.Context, _ bool, _ string, w io.Writer) error {
		_, err := io.WriteString(w, "PK")
		return errors.Join(err, errors.New("disk full"))
	}
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/demo/i/"+pakistanID+"/evidence.zip", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(r); err == nil {
		if _, err = io.ReadAll(resp.Body); err == nil {
			t.Error("half an archive was taken for a whole one")
		}
		resp.Body.Close()
	}
}

func TestHealthz(t *testing.T) {
	s := testServer(t, &memory{}, nil)
	w := get(t, s.Handler(), "/healthz")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"status":"degraded"`) || !strings.Contains(w.Body.String(), "name lookup failed") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	s.deps.Status = func() Status { return Status{Phase: "watching", Sources: []SourceStatus{{State: "connected"}}} }
	if w := get(t, s.Handler(), "/healthz"); w.Code != 200 || !strings.Contains(w.Body.String(), `"status":"ok"`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	s.deps.Status = func() Status { return Status{Phase: "failed"} }
	if w := get(t, s.Handler(), "/healthz"); w.Code != 503 {
		t.Errorf("failed process: status %d", w.Code)
	}
}

func TestMethods(t *testing.T) {
	s := testServer(t, &memory{}, pakistan("reconstruction"))
	for method, want := range map[string]int{http.MethodPost: 405, http.MethodPut: 405, http.MethodDelete: 405, http.MethodHead: 200} {
		r := httptest.NewRequest(method, "/demo/country/PK", nil)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != want || method == http.MethodHead && w.Body.Len() > 0 {
			t.Errorf("%s: status %d with %d bytes, want %d", method, w.Code, w.Body.Len(), want)
		}
	}
	if w := get(t, s.Handler(), "/country/pk"); w.Code != http.StatusPermanentRedirect || w.Header().Get("Location") != "/country/PK" {
		t.Errorf("lower case: %d %s", w.Code, w.Header().Get("Location"))
	}
}

// TestConfig: what New refuses.
func TestConfig(t *testing.T) {
	if _, err := New(Config{}, Deps{}); err == nil {
		t.Error("no store was accepted")
	}
	for _, u := range []string{"monitor.example", "ftp://monitor.example", "https://"} {
		if _, err := New(Config{PublicURL: u}, Deps{Live: &memory{}, Status: testStatus}); err == nil {
			t.Errorf("public URL %q was accepted", u)
		}
	}
	s, err := New(Config{PublicURL: "https://monitor.example/", Operator: "Example Monitor"}, Deps{Live: pakistan("archive"), Status: testStatus, Names: func(k string) string { return names[k] }})
	if err != nil {
		t.Fatal(err)
	}
	page := plain(get(t, s.Handler(), "/country/PK").Body.String())
	if !strings.Contains(page, "Example Monitor. Pakistan") || !strings.Contains(page, "https://monitor.example/i/"+pakistanID+"/v4") || strings.Contains(page, "Unsigned draft") {
		t.Error("the citation does not name the operator and the address")
	}
	if !strings.Contains(page, "Not live measurements.") {
		t.Error("archived data carry no banner")
	}
}

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

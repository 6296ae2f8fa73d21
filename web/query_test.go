package web

import (
	"net/http"
	"net/url"
	"reflect"
	"testing"
	"time"
)

// FuzzQuery: whatever is asked, the answer is 200 or 400, and an accepted query says the same after being written and read again.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"", "entity=country:PK&kind=outage&limit=10", "from=2008-02-21T00:00:00Z&until=2008-02-22T00:00:00Z&state=closed,confirmed", "cursor=c2", "data=reconstruction", "kind=&limit=-1", "from=%ff", "a=b;c", "limit=1&limit=2", "from=0000-01-01T00:00:00Z"} {
		f.Add(s)
	}
	h := testServer(f, pakistan("archive"), nil).Handler()
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw)
		if err == nil {
			again, err := parseQuery(encode(q))
			if err != nil || !reflect.DeepEqual(q, again) {
				t.Fatalf("%q: %+v became %+v, %v", raw, q, again, err)
			}
			if q.Limit < 1 || q.Limit > MaxLimit {
				t.Fatalf("limit %d", q.Limit)
			}
		}
		u := &url.URL{Path: "/api/v1/incidents", RawQuery: raw}
		r, e := http.NewRequestWithContext(t.Context(), http.MethodGet, u.String(), nil)
		if e != nil {
			return // no request of HTTP can carry it
		}
		w := newRecorder()
		h.ServeHTTP(w, r)
		if want := map[bool]int{true: 200, false: 400}[err == nil]; w.Code != want && r.URL.RawQuery == raw && !(q.Cursor != "" && w.Code == 400) { // the store may refuse a cursor
			t.Fatalf("%q: status %d, want %d", raw, w.Code, want)
		}
		if w, own, err := parseWindow(r.URL.Query()); err == nil && own && (!w.Until.After(w.From) || w.Until.Sub(w.From) > longest) {
			t.Fatalf("window %v", w)
		}
	})
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		part, whole int64
		want        string
	}{{0, 10, "0 %"}, {10, 10, "100 %"}, {1, 100000, "0.1 %"}, {99999, 100000, "99.9 %"}, {153, 1374, "11 %"}, {1, 0, "–"}, {1221, 1374, "89 %"}, {995, 1000, "99.5 %"}} {
		if got := plain(share(c.part, c.whole)); got != c.want {
			t.Errorf("share(%d, %d) = %q, want %q", c.part, c.whole, got, c.want)
		}
	}
	for d, want := range map[time.Duration]string{45 * time.Second: "45 s", 4 * time.Minute: "4 min", 127*time.Minute + 28*time.Second: "2 h 7 min", 3 * time.Hour: "3 h", 50 * time.Hour: "2 d 2 h", 90 * 24 * time.Hour: "90 d", -time.Second: "0 s"} {
		if got := plain(length(d)); got != want {
			t.Errorf("length(%v) = %q, want %q", d, got, want)
		}
	}
	if got := grouped(-1234567); got != "-1,234,567" {
		t.Error(got)
	}
}

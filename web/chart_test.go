package web

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// TestHeld: samples are written when something changes and every ten minutes; what a sample says holds until the next one, and
// a silence longer than that is unknown, not unchanged.
func TestHeld(t *testing.T) {
	start := utc("21 03:00:00").Time
	m := &memory{}
	for _, min := range []int{-8, 2, 12, 22, 60, 70} {
		m.samples = append(m.samples, detect.Sample{Entity: "country:PK", Signal: "bgp.v4", At: detect.At(start.Add(time.Duration(min) * time.Minute)), Prefixes: 100, Voting: 30})
	}
	w := window{start, start.Add(90 * time.Minute)}
	list, err := held(context.Background(), m, "country:PK", "bgp.v4", w)
	if err != nil || len(list) != 6 || !list[0].At.Equal(start) {
		t.Fatalf("%d samples, first at %v, %v", len(list), list[0].At, err)
	}
	var unknown []string
	for _, v := range values(list, time.Minute, w, votes) {
		if v.Unknown {
			unknown = append(unknown, v.At.Format(minute))
		}
	}
	if got := strings.Join(unknown, " "); got != "03:23 04:11" {
		t.Errorf("unknown from %q, want 03:23 and 04:11", got)
	}
	if none, err := held(context.Background(), m, "country:XX", "bgp.v4", w); err != nil || len(none) != 0 {
		t.Errorf("an unknown entity has %d samples, %v", len(none), err)
	}
}

// TestThinned: a long series keeps the worst of each interval, and its silences that fill one.
func TestThinned(t *testing.T) {
	start := utc("01 00:00:00").Time
	w := window{start, start.Add(10 * 24 * time.Hour)}
	var list []detect.Sample
	for m := range 10 * 24 * 60 {
		p := detect.Sample{At: detect.At(start.Add(time.Duration(m) * time.Minute)), Prefixes: 1000}
		if m == 7777 {
			p.LostPrefixes = 400
		}
		p.NoData = m >= 9000 && m < 9120
		list = append(list, p)
	}
	out, step := thinned(list, w)
	worst := int32(0)
	for i, p := range out {
		worst = max(worst, p.LostPrefixes)
		if i > 0 && !p.At.After(out[i-1].At.Time) {
			t.Fatal("the order is lost")
		}
	}
	gaps := 0
	for _, v := range values(out, step, w, votes) {
		if v.Unknown {
			gaps++
		}
	}
	if gaps == 0 {
		t.Error("two hours of silence were drawn away")
	}
	if len(out) > maxPoints+1 || step < 40*time.Minute || worst != 400 {
		t.Errorf("%d points of %v, worst %d", len(out), step, worst)
	}
}

// TestIPv6: the other family is shown apart, and only its absence is called absence.
func TestIPv6(t *testing.T) {
	m := pakistan("archive")
	for _, p := range m.samples {
		if p.Entity == "country:PK" {
			p.Signal, p.Prefixes, p.LostPrefixes, p.Expected, p.Lost = "bgp.v6", 58, 0, 9000, 0
			m.samples = append(m.samples, p)
		}
	}
	h := testServer(t, m, nil).Handler()
	page := plain(get(t, h, "/country/PK").Body.String())
	for _, want := range []string{"58 of 58 observable prefixes", "IPv6 prefixes visible", "/48 blocks visible", "153 of 1,374 observable IPv4 prefixes"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "No IPv6 data") {
		t.Error("the page says that there is no IPv6 data")
	}
}

// TestOpen: an incident that has not ended says so everywhere, and comes first on the front page.
func TestOpen(t *testing.T) {
	m := pakistan("live")
	in := &m.list[0]
	in.State, in.End, in.ClosedAt, in.Revisions = detect.Confirmed, nil, detect.Time{}, in.Revisions[:2]
	h := testServer(t, m, pakistan("reconstruction")).Handler()
	page := plain(get(t, h, "/country/PK").Body.String())
	for _, want := range []string{"Since 21 Feb 2008, 03:20 UTC, up to 153 of 1,374 observable IPv4 prefixes (11 %) of Pakistan have left", "Ongoing", "Confirmed · severity 2 of 4", "outage since 03:20 UTC", "not ended"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	front := plain(get(t, h, "/").Body.String())
	if !strings.Contains(front, "1 open incident") || strings.Contains(front, "Demonstration: Reconstruction") {
		t.Error("the front page does not lead with the open incident")
	}
	if strings.Contains(get(t, h, "/country/PK").Body.String(), `class="demo"`) {
		t.Error("live measurements carry a banner")
	}
}

// TestEmpty: a store without anything is answered with words, not with zeroes.
func TestEmpty(t *testing.T) {
	h := testServer(t, &memory{}, nil).Handler()
	for path, want := range map[string]string{
		"/": "Nothing is being measured yet", "/country/SD": "Nothing is known about Sudan", "/country/MT": "Malta is too small for an outline at this scale.", "/incidents": "No incident in this list.", "/health": "Nothing in this store yet.",
	} {
		if page := plain(get(t, h, path).Body.String()); !strings.Contains(page, want) {
			t.Errorf("%s lacks %q", path, want)
		}
	}
	if w := get(t, h, "/country/SD/series.csv?from=2008-02-21T00:00:00Z&until=2008-02-21T01:00:00Z"); w.Code != 200 || strings.Count(w.Body.String(), "\n") != 1 {
		t.Errorf("series of nothing: status %d, %q", w.Code, w.Body)
	}
}

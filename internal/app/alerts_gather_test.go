package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/detect"
)

// TestEndBesideAFlood: an incident whose beginning gathers with a flood ends while more of the flood comes. Its end is told, and its beginning is not told after it.
func TestEndBesideAFlood(t *testing.T) {
	r, c := newReceiver(t)
	x := newBureau(t, c)
	begin := func(from, to int) {
		t.Helper()
		for n := from; n <= to; n++ {
			storeOutage(t, x.store, n, 1, detect.Confirmed)
		}
	}
	heard := map[string]bool{}
	arrived := func() string {
		t.Helper()
		r.mu.Lock()
		defer r.mu.Unlock()
		var out []string
		for id, body := range r.seen {
			if heard[id] {
				continue
			}
			heard[id] = true
			m := readEvent(t, strings.NewReader(body))
			for i := range m.Items {
				out = append(out, string(m.Items[i].Occasion)+" "+m.Items[i].Incident.ID)
			}
		}
		slices.Sort(out)
		return strings.Join(out, "\n")
	}
	begin(1, 4)
	x.round()
	if got := arrived(); strings.Count(got, "confirmed") != 4 {
		t.Fatalf("the first of the flood: %q", got)
	}
	begin(5, 9)
	x.round()
	if got := arrived(); got != "" {
		t.Fatalf("more of it does not gather: %q", got)
	}
	begin(10, 14)
	storeOutage(t, x.store, 5, 2, detect.Closed)
	x.round()
	if got := arrived(); got != "over XA-0005" {
		t.Errorf("one of those that gather ended: %q", got)
	}
	x.now = x.now.Add(2 * time.Minute)
	x.round()
	got := arrived()
	for n := 6; n <= 14; n++ {
		if id := fmt.Sprintf("XA-%04d", n); strings.Count(got, "confirmed "+id) != 1 {
			t.Errorf("%s is not told once: %q", id, got)
		}
	}
	if strings.Contains(got, "XA-0005") {
		t.Errorf("the beginning comes after the end: %q", got)
	}
}

package web

import (
	"net/http"
	"strings"
	"testing"
)

// TestFeeds: each side has its own feeds, anyone may read them, and a filter that is misspelt is no answer.
func TestFeeds(t *testing.T) {
	h := testServer(t, &memory{}, pakistan("reconstruction")).Handler()
	for path, want := range map[string]string{
		"/demo/incidents.atom?entity=country:PK": "(PK)",
		"/demo/incidents.feed.json":              "demonstration",
		"/incidents.atom":                        "corewatch: incidents",
	} {
		a := get(t, h, path)
		if a.Code != http.StatusOK || !strings.Contains(a.Body.String(), want) || a.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v %s", path, a.Code, a.Header(), a.Body)
		}
		if again := get(t, h, path, "If-None-Match", a.Header().Get("ETag")); again.Code != http.StatusNotModified {
			t.Errorf("%s again: %d", path, again.Code)
		}
	}
	if a := get(t, h, "/incidents.atom"); strings.Contains(a.Body.String(), "<entry>") {
		t.Errorf("the demonstration is in the feed of what is watched: %s", a.Body)
	}
	if a := get(t, h, "/incidents.atom?entty=country:PK"); a.Code != http.StatusBadRequest {
		t.Errorf("an unknown filter: %d", a.Code)
	}
	if a := get(t, h, "/demo/incidents?entity=country:PK"); !strings.Contains(a.Body.String(), `href="/demo/incidents.atom?entity=country%3APK&amp;limit=50"`) {
		t.Errorf("the list does not lead to its feed: %s", a.Body)
	}
}

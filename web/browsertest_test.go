package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/alerts"
)

// TestBrowser looks at every page with Chromium: light, dark, 390 px wide and without scripts. Each must have no axe-core
// violation, no console error, no request to another host, no horizontal scroll and no layout shift.
// Set BROWSERTEST_SHOTS to a folder to keep pictures, and BROWSERTEST_PATHS to look at some pages only.
func TestBrowser(t *testing.T) {
	needBrowser(t)
	full := testServer(t, &memory{}, pakistan("reconstruction"))
	server := httptest.NewServer(full.Handler())
	defer server.Close()
	watching := httptest.NewServer(testServer(t, pakistan("archive"), nil).Handler())
	defer watching.Close()
	id := "/demo/i/" + pakistanID
	if only := os.Getenv("BROWSERTEST_PATHS"); only != "" {
		look(t, server.URL, strings.Fields(only)...)
		return
	}
	look(t, server.URL, "/", "/demo/", "/demo/country/PK", "/demo/country/SD", id, id+"/v2", "/demo/incidents", "/demo/health", "/health", "/incidents", "/country/PK")
	look(t, watching.URL, "/", "/country/PK")
	live := testServer(t, pakistan("archive"), nil)
	live.deps.Status = func() Status { st := testStatus(); st.Live = testLive(); return st }
	lively := httptest.NewServer(live.Handler())
	defer lively.Close()
	look(t, lively.URL, "/health")
	blind := pakistan("archive")
	for i := range blind.samples {
		if blind.samples[i].Entity == "country:PK" || blind.samples[i].Entity == "country:IR" {
			blind.samples[i].Unobservable = 2400
		}
	}
	unstable := httptest.NewServer(testServer(t, blind, nil).Handler())
	defer unstable.Close()
	look(t, unstable.URL, "/", "/country/PK", "/country/IR")
}

// needBrowser skips a test where there is no browser, or fails it where CI is true.
func needBrowser(t *testing.T) {
	t.Helper()
	missing := func(what string) {
		if os.Getenv("CI") == "true" {
			t.Fatal("no browser test: " + what)
		}
		t.Skip("no browser test: " + what)
	}
	if testing.Short() {
		t.Skip("no browser test: -short")
	}
	if _, err := os.Stat("/usr/bin/chromium"); err != nil {
		missing("/usr/bin/chromium is not installed")
	}
	if _, err := exec.LookPath("node"); err != nil {
		missing("node is not installed")
	}
	if _, err := os.Stat("browsertest/node_modules/playwright-core"); err != nil {
		missing("run npm ci in web/browsertest first")
	}
}

// TestBrowserMail looks at the form about mail, from right to left.
func TestBrowserMail(t *testing.T) {
	needBrowser(t)
	mail := httptest.NewServer(mailServer(t, &mailbox{offer: alerts.Offer{Networks: true, Zones: []string{"sahel"}}}).Handler())
	defer mail.Close()
	look(t, mail.URL, "/mail?lang=ar")
}

func look(t *testing.T, base string, paths ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{"run.mjs", base}, paths...)...)
	cmd.Dir = "browsertest"
	if dir := os.Getenv("BROWSERTEST_SHOTS"); dir != "" {
		cmd.Env = append(os.Environ(), "SHOTS="+dir)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, stderr.Bytes())
	}
	lines := 0
	for sc := bufio.NewScanner(bytes.NewReader(out)); sc.Scan(); lines++ {
		var r struct {
			Mode, Path string
			Found      []string
		}
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v", sc.Bytes(), err)
		}
		for _, f := range r.Found {
			t.Errorf("%s, %s: %s", r.Path, r.Mode, f)
		}
	}
	if want := 4 * len(paths); lines != want {
		t.Errorf("%d results, want %d", lines, want)
	}
}

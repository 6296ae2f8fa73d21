package app

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/detect"
)

// watchNothing is a configuration without live sources: no test reaches the internet.
func watchNothing(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "corewatch.yaml")
	if err := os.WriteFile(name, []byte("sources: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// started runs the whole program on a free port until the test ends, and gives its address once the demonstration is played.
func started(t *testing.T) string {
	t.Helper()
	return running(t, Monitor{Config: watchNothing(t), Listen: "127.0.0.1:0", Data: t.TempDir(), Out: io.Discard, Log: zerolog.Nop()})
}

// running is started for a monitor of any make.
func running(t *testing.T, m Monitor) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	m.Ready = func(addr string) { ready <- addr }
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("stopping: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("did not stop within 20 s")
		}
	})
	var addr string
	select {
	case addr = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	for limit := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if code, body := get(t, addr, "/healthz"); code == http.StatusOK && strings.Contains(body, `"phase":"watching"`) {
			return addr
		} else if time.Now().After(limit) {
			t.Fatalf("no demonstration after a minute: %d %s", code, body)
		}
	}
}

func get(t *testing.T, addr, path string) (int, string) {
	t.Helper()
	res, err := http.Get("http://" + addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// TestRun: a newcomer starts the program and sees a national outage, marked as what it is.
func TestRun(t *testing.T) {
	addr := started(t)
	var list struct{ Incidents []detect.Incident }
	_, body := get(t, addr, "/api/v1/incidents?data=reconstruction&entity=country:PK")
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Incidents) != 1 {
		t.Fatalf("incidents of Pakistan: %v %s", err, body)
	}
	inc := list.Incidents[0]
	if inc.Data != detect.Reconstruction || inc.State != detect.Closed || inc.ConfirmedAt.IsZero() {
		t.Errorf("%s is %s %s", inc.ID, inc.Data, inc.State)
	}
	for path, want := range map[string]string{
		"/":                         "Pakistan",
		"/demo/country/PK":          "Reconstruction from measured facts; not the recorded messages",
		"/demo/i/" + inc.ID:         "Not established",
		"/demo/i/" + inc.ID + "/v1": "uspected",
		"/health":                   "none is configured",
		"/metrics":                  "corewatch_app_records_total",
	} {
		if code, body := get(t, addr, path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d, %q is not on it", path, code, want)
		}
	}
	if _, body := get(t, addr, "/api/v1/incidents"); strings.Contains(body, inc.ID) {
		t.Error("a reconstruction is listed without being asked for")
	}
	if code, _ := get(t, addr, "/i/"+inc.ID); code != http.StatusNotFound {
		t.Errorf("a reconstruction stands among what is watched: %d", code)
	}
	_, body = get(t, addr, "/demo/i/"+inc.ID+"/evidence.zip")
	z, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	if err != nil || len(z.File) < 8 {
		t.Errorf("evidence: %v", err)
	}

	err = Monitor{Config: watchNothing(t), Listen: addr, Data: t.TempDir(), Out: io.Discard, Log: zerolog.Nop()}.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "in use by another program") {
		t.Errorf("a second program on one port: %v", err)
	}
}

// TestResults follows one incident from a replay through every command that reads a store.
func TestResults(t *testing.T) {
	ctx, dir, out := t.Context(), t.TempDir(), t.TempDir()
	file := filepath.Join("..", "..", "detect", "scenario", "testdata", "country-outage.txt")
	list, first := replayed(t, Replay{Files: []string{file}, Store: dir})
	if _, again := replayed(t, Replay{Files: []string{file}}); !bytes.Equal(first, again) {
		t.Error("with and without a store the same scenario gives other bytes")
	}
	var id string
	for i := range list {
		if list[i].Entity.Type == "country" {
			id = list[i].ID
		}
	}
	var b bytes.Buffer
	if err := ListIncidents(ctx, dir, true, true, &b); err != nil || bytes.Count(b.Bytes(), []byte("\n")) != len(list) {
		t.Errorf("list: %v, %d lines for %d incidents", err, bytes.Count(b.Bytes(), []byte("\n")), len(list))
	}
	b.Reset()
	if err := ShowIncident(ctx, dir, id, true, &b); err != nil || !bytes.Contains(first, b.Bytes()) {
		t.Errorf("show prints what the replay did not: %v\n%s", err, b.Bytes())
	}
	if err := ShowIncident(ctx, dir, "XX-nothing", true, &b); err == nil {
		t.Error("an incident that is not there is shown")
	}
	zipped := filepath.Join(out, "e.zip")
	sum, err := (Export{Store: dir, ID: id, Out: zipped}).Run(ctx)
	if err != nil || sum.Messages == 0 || sum.Members == 0 {
		t.Fatalf("export: %+v %v", sum, err)
	}
	if _, err := (Export{Store: dir, ID: id, Out: zipped}).Run(ctx); err == nil {
		t.Error("evidence was written over")
	}
	if left, _ := filepath.Glob(filepath.Join(out, ".evidence-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := CheckStore(ctx, dir); err != nil {
		t.Error(err)
	}
	copied := filepath.Join(out, "copy", "corewatch.db")
	if err := os.Mkdir(filepath.Dir(copied), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Backup(ctx, dir, copied); err != nil {
		t.Fatal(err)
	}
	b.Reset()
	if err := ShowIncident(ctx, filepath.Dir(copied), id, true, &b); err != nil || !bytes.Contains(first, b.Bytes()) {
		t.Errorf("the backup: %v", err)
	}
}

// TestReplayDamage: what cannot be read is counted and named, the rest is processed, and the caller is told.
func TestReplayDamage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "garbage.mrt")
	if err := os.WriteFile(file, []byte("no record of anything"), 0o600); err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	err := Replay{Files: []string{file}, JSON: true, Out: io.Discard, Err: &errs, Log: zerolog.Nop()}.Run(t.Context())
	if err != ErrTorn || !strings.Contains(errs.String(), "garbage.mrt: mrt: garbage record at byte 0, 21 bytes not used") {
		t.Errorf("%v\n%s", err, errs.String())
	}
}

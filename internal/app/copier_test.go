package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/store/clickhouse/clickhousetest"
	"github.com/corewatch/corewatch/store/sqlite"
)

// demoFile is the demonstration: the outage of Pakistan on 2008-02-21.
var demoFile = filepath.Join("..", "..", "detect", "scenario", "demo", "pakistan-2008.txt")

// outage is the demonstration, Pakistan's outage; a small scenario for the race detector.
func outage() []string {
	if testing.Short() {
		return []string{filepath.Join("..", "..", "detect", "scenario", "testdata", "country-outage.txt")}
	}
	return []string{demoFile}
}

// recordedHour are the real messages of the hour in which Pakistan was lost, where there are data, else the outage.
func recordedHour() (files []string) {
	dir := dataDir()
	if dir == "" || testing.Short() {
		return outage()
	}
	for _, at := range []string{"0302", "0317", "0332", "0347"} {
		// With or without .bz2.
		list, _ := filepath.Glob(filepath.Join(dir, "mrt", "rv2008", "updates.20080221."+at+"*"))
		for _, f := range list {
			files = append(files, "route-views2="+f)
		}
	}
	return files
}

// killable gives a server of our own.
func killable(t *testing.T) *clickhousetest.Server {
	t.Helper()
	if testing.Short() {
		t.Skip("did not run: -short")
	}
	srv := clickhousetest.Start(t)
	if !srv.Ours() {
		t.Skip("did not run: killing the server of CLICKHOUSE_ADDR")
	}
	return srv
}

// copyConfig writes a configuration that copies to a server.
func copyConfig(t *testing.T, srv *clickhousetest.Server, more string) string {
	t.Helper()
	dir := t.TempDir()
	secret, file := filepath.Join(dir, "password"), filepath.Join(dir, "corewatch.yaml")
	text := fmt.Sprintf("clickhouse:\n  address: %s\n  database: %s\n  user: %s\n  tls: false\n", srv.Address, srv.Database, srv.User)
	if srv.Password != "" {
		text += "  password_file: " + secret + "\n"
	}
	if err := errors.Join(os.WriteFile(secret, []byte(srv.Password+"\n"), 0o600), os.WriteFile(file, []byte(text+more), 0o600)); err != nil {
		t.Fatal(err)
	}
	return file
}

// sameCopy holds the copy against the store: every revision's canonical JSON, the last states, and every sample, whole.
func sameCopy(t *testing.T, s *sqlite.Store, srv *clickhousetest.Server) (revisions, samples int) {
	t.Helper()
	ctx := t.Context()
	id, err := s.ID(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var states, every, points []string
	line := func(inc *detect.Incident) string {
		b, err := inc.JSON()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	err = recordInto(ctx, s, "").incidents(func(inc *detect.Incident) error {
		states = append(states, line(inc))
		for r := 1; r <= inc.Revision; r++ {
			v, err := s.Revision(ctx, inc.ID, r)
			if err != nil {
				return err
			}
			every = append(every, line(v))
		}
		return nil
	})
	entities, eerr := s.SampleEntities(ctx)
	if err = errors.Join(err, eerr); err != nil {
		t.Fatal(err)
	}
	for _, e := range entities {
		for _, signal := range []string{"bgp.v4", "bgp.v6"} {
			list, err := s.Samples(ctx, e, signal, time.Time{}, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range list {
				points = append(points, fmt.Sprint(p.Entity, " ", p.Signal, " ", p.At.Micros(), " ", p.Expected, " ", p.Lost, " ", p.Unobservable, " ", p.Prefixes, " ", p.LostPrefixes, " ", p.Voting, " ", p.NoData))
			}
		}
	}
	for _, c := range []struct {
		what, query string
		want        []string
	}{
		{"last states", "SELECT json FROM " + srv.Database + ".incidents WHERE store = '" + id + "'", states},
		{"revisions", "SELECT json FROM " + srv.Database + ".revisions FINAL WHERE store = '" + id + "'", every},
		{"samples", "SELECT concat(entity, ' ', signal, ' ', toString(toUnixTimestamp64Micro(at)), ' ', toString(expected), ' ', toString(lost), ' ', toString(unobservable), ' ', " +
			"toString(prefixes), ' ', toString(lost_prefixes), ' ', toString(voting), ' ', toString(no_data)) FROM " + srv.Database + ".samples FINAL WHERE store = '" + id + "'", points},
	} {
		got := srv.Strings(c.query)
		slices.Sort(got)
		slices.Sort(c.want)
		if len(c.want) == 0 || !slices.Equal(got, c.want) {
			t.Errorf("%s: %d in the copy, %d in the store, or others", c.what, len(got), len(c.want))
		}
	}
	return len(every), len(points)
}

// TestReplayCopied: the Pakistan replay into both stores gives the same there and here, and what is printed is what it is without a copy.
// The server is killed again and again meanwhile: nothing is lost and nothing doubled.
func TestReplayCopied(t *testing.T) {
	srv := clickhousetest.Start(t)
	var want []byte
	if !testing.Short() { // the race detector learns nothing from it
		_, want = replayed(t, Replay{Files: outage()})
	}
	var out, errs bytes.Buffer
	r := Replay{Files: outage(), Config: copyConfig(t, srv, ""), Store: t.TempDir(), JSON: true, Out: &out, Err: &errs, Log: zerolog.Nop()}
	if err := r.Run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	if want != nil && !bytes.Equal(out.Bytes(), want) {
		t.Error("with a copy the same scenario gives other bytes")
	}
	s, err := sqlite.Open(t.Context(), r.Store)
	if err != nil {
		t.Fatal(err)
	}
	revisions, samples := sameCopy(t, s, srv)
	if n := srv.String("SELECT toString(count()) FROM " + srv.Database + ".samples"); n != fmt.Sprint(samples) {
		t.Errorf("%s rows of %d samples", n, samples)
	}
	t.Logf("%d revisions, %d samples", revisions, samples)
	documentedQueries(t, srv)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	if !srv.Ours() {
		t.Skip("did not run: killing the server of CLICKHOUSE_ADDR")
	}
	chance, kills := rand.New(rand.NewPCG(8, 8)), 5
	if testing.Short() {
		kills = 1
	}
	r.Store, r.Files = t.TempDir(), recordedHour()
	j, err := r.journal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer j.rec.close()
	if j.copy.block = 6; len(r.Files) > 1 { // many more blocks than kills
		j.copy.block = 40
	}
	j.copy.pause, j.copy.again = 5*time.Millisecond, 20*time.Millisecond
	end := j.copy.background(t.Context())
	ran := make(chan error, 1)
	go func() {
		_, err := j.run(context.WithoutCancel(t.Context()))
		ran <- errors.Join(err, end(err == nil))
	}()
	ended := false
	for kill := range kills {
		// The copy moves between two kills: each finds it in the middle of something.
		aim := j.copy.status().blocks + 1 + chance.Uint64N(3)
		for limit := time.Now().Add(time.Minute); j.copy.status().blocks < aim && !ended; time.Sleep(time.Millisecond) {
			select {
			case err = <-ran:
				ended = true
			default:
			}
			if time.Now().After(limit) {
				t.Fatalf("kill %d: the copy stands still: %+v", kill, j.copy.status())
			}
		}
		if ended {
			t.Errorf("the copy was complete after %d kills", kill)
			break
		}
		time.Sleep(time.Duration(chance.IntN(10)) * time.Millisecond)
		srv.Kill()
		srv.Restart()
	}
	if !ended {
		err = <-ran
	}
	if err != nil {
		t.Fatal(err)
	}
	revisions, samples = sameCopy(t, j.rec.store, srv)
	st := j.copy.status()
	if st.failures == 0 || st.behind.Revisions != 0 || !st.behind.Until.Equal(st.behind.Head) {
		t.Errorf("%+v", st)
	}
	t.Logf("%d revisions in %d blocks, %d failures; %s rows of %d samples lie there before they are merged", revisions, st.blocks, st.failures,
		srv.String("SELECT toString(count()) FROM "+srv.Database+".samples WHERE store = '"+j.copy.id+"'"), samples)
}

// documentedQueries runs what docs/clickhouse.md shows.
func documentedQueries(t *testing.T, srv *clickhousetest.Server) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "clickhouse.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```sql\n")
	queries, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("docs/clickhouse.md shows no queries")
	}
	queries = strings.NewReplacer("corewatch.", srv.Database+".", "'archive'", "'reconstruction'").Replace(queries)
	for q := range strings.SplitSeq(queries, ";\n") {
		if strings.TrimSpace(q) == "" {
			continue
		}
		if n := srv.String("SELECT toString(count()) FROM (" + q + ")"); n == "0" && !testing.Short() {
			t.Errorf("nothing found:\n%s", q)
		}
	}
}

// TestReplayCopyAway: a replay whose copy cannot be made is complete all the same, says so, and makes the copy when it runs again.
func TestReplayCopyAway(t *testing.T) {
	srv := killable(t)
	srv.Kill()
	r := Replay{Files: []string{demoFile}, Config: copyConfig(t, srv, ""), Store: t.TempDir(), JSON: true, Out: io.Discard, Err: io.Discard, Log: zerolog.Nop()}
	j, err := r.journal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	j.copy.again, j.copy.patience = 10*time.Millisecond, 100*time.Millisecond
	end := j.copy.background(t.Context())
	if _, err := j.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := end(true); err == nil || !strings.Contains(err.Error(), "when the same command runs again") || !strings.Contains(err.Error(), srv.Address) {
		t.Errorf("no copy: %v", err)
	}
	if err := j.rec.close(); err != nil {
		t.Fatal(err)
	}
	srv.Restart()
	if err := r.Run(t.Context()); err != nil { // it is complete; only the copy is made
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), r.Store)
	if err != nil {
		t.Fatal(err)
	}
	sameCopy(t, s, srv)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	r.Config = copyConfig(t, srv, "  tls_ca: "+demoFile+"\n")
	if err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "tls_ca") {
		t.Errorf("a configuration that cannot be: %v", err)
	}
}

// TestRunCopied: a monitor copies what its store holds, tells on /health and in its figures how the copy stands, watches on while the server
// is away, and copies everything again to a server that was lost with all it had.
func TestRunCopied(t *testing.T) {
	srv := killable(t)
	dir := t.TempDir()
	replayed(t, Replay{Files: []string{demoFile}, Store: dir, Log: zerolog.Nop()})
	addr := running(t, Monitor{Config: copyConfig(t, srv, ""), Listen: "127.0.0.1:0", Data: dir, Out: io.Discard, Log: zerolog.Nop()})
	until := func(path string, want ...string) {
		t.Helper()
		for limit := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			code, body := get(t, addr, path)
			if code == http.StatusOK && !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(body, w) }) {
				return
			}
			if time.Now().After(limit) {
				t.Fatalf("%s is not %q after a minute: %d\n%s", path, want, code, body)
			}
		}
	}
	until("/healthz", `"copies":[{"name":"ClickHouse","state":"connected"`, "all revisions")
	until("/metrics", "corewatch_clickhouse_connected 1", "corewatch_clickhouse_due_revisions 0", "corewatch_clickhouse_late_seconds 120")
	until("/health", "Copies", "samples copied until", "last acknowledged")
	rows, err := strconv.Atoi(srv.String("SELECT toString(count()) FROM " + srv.Database + ".revisions"))
	total := func(n int) string { return fmt.Sprintf("corewatch_clickhouse_rows_total{table=\"revisions\"} %d\n", n) }
	if err != nil {
		t.Fatal(err)
	}
	until("/metrics", total(rows))
	srv.Kill()
	until("/healthz", `"state":"unreachable"`, `"degraded"`, "what is kept is not copied", srv.Address+": ", "samples copied until")
	until("/metrics", "corewatch_clickhouse_connected 0")
	if code, _ := get(t, addr, "/"); code != http.StatusOK {
		t.Errorf("the pages are gone with the copy: %d", code)
	}
	srv.Wipe()
	until("/metrics", "corewatch_clickhouse_connected 1", total(2*rows), "corewatch_clickhouse_due_revisions 0")
}

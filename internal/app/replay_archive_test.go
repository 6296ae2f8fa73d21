package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// publisher is an archive on this machine, laid out as RouteViews' and that of RIPE RIS, over files of this machine.
type publisher struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string]string      // by path
	asked map[string]int         // requests, by path
	hold  func(path string) bool // true: the answer never comes; may be nil
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	p := &publisher{files: map[string]string{}, asked: map[string]int{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked[r.URL.Path]++
		file, there := p.files[r.URL.Path]
		hold := p.hold
		var names []string
		for f := range p.files {
			if dir, name := path.Split(f); dir == r.URL.Path {
				names = append(names, name)
			}
		}
		p.mu.Unlock()
		if hold != nil && hold(r.URL.Path) {
			<-r.Context().Done()
			return
		}
		switch {
		case there:
			if st, err := os.Stat(file); err == nil {
				w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, st.Size(), st.ModTime().UnixMicro()))
			}
			http.ServeFile(w, r, file)
		case names != nil:
			slices.Sort(names)
			for _, n := range names {
				fmt.Fprintf(w, "<tr><td><a href=\"%s\">%s</a></td><td align=\"right\">2021-01-01 05:00  </td><td align=\"right\">187K</td></tr>\n", n, n)
			}
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) put(path, file string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[path] = file
}

// downloaded counts the requests for files; lists are asked for each time.
func (p *publisher) downloaded() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for path, times := range p.asked {
		if !strings.HasSuffix(path, "/") {
			n += times
		}
	}
	return n
}

// config writes a configuration that names the publisher for both archives, watches nothing, and has its data in dir.
func (p *publisher) config(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "corewatch.yaml")
	text := fmt.Sprintf("data: %s\nsources: []\narchives:\n  routeviews: %s\n  ris: %s\n", dir, p.URL, p.URL)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestReplayArchive: from the archive, with its last table before the period as the seed, the same incidents come as from the files, octet for
// octet; interrupted while downloading, the same command goes on; and what is in the cache is not downloaded again.
func TestReplayArchive(t *testing.T) {
	dir := filepath.Join(needData(t, "replays from an archive over HTTP"), "mrt", "rrc04")
	p := newPublisher(t)
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	from, until := at("2021-01-01T05:30:00Z"), at("2021-01-01T05:45:00Z")
	var before, direct []string
	for _, e := range list { // ris.rrc04.updates.1609476900.300.cache
		sec, err := strconv.ParseInt(strings.Split(e.Name(), ".")[3], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		when, file := time.Unix(sec, 0).UTC(), filepath.Join(dir, e.Name())
		p.put("/rrc04/2021.01/updates."+when.Format("20060102.1504")+".gz", file)
		switch {
		case when.Before(from.Add(-15 * time.Minute)):
		case when.Before(from):
			before = append(before, "rrc04="+file)
		case when.Before(until):
			direct = append(direct, "rrc04="+file)
		}
	}
	// The table that a collector would have had is made of what it heard before.
	tables := t.TempDir()
	replayed(t, Replay{Files: before, Snapshot: tables})
	made, err := filepath.Glob(filepath.Join(tables, "rrc04", "rib.*.gz"))
	if err != nil || len(made) != 1 {
		t.Fatal(made, err)
	}
	table := made[0]
	p.put("/rrc04/2020.12/bview.20201231.1600.gz", filepath.Join(dir, list[0].Name()))
	p.put("/rrc04/2021.01/bview.20210101.0000.gz", table)
	p.put("/rrc04/2021.01/bview.20210101.0800.gz", filepath.Join(dir, list[0].Name()))
	_, want := replayed(t, Replay{Files: direct, Seeds: []string{"rrc04=" + table}, From: from, Until: until})
	if len(direct) != 3 || bytes.Count(want, []byte{'\n'}) < 3 {
		t.Fatalf("%d files, %d incidents", len(direct), bytes.Count(want, []byte{'\n'}))
	}

	data := t.TempDir()
	run := Replay{Config: p.config(t, data), Archives: []string{"rrc04", "rrc04"}, From: from, Until: until, Log: zerolog.Nop()}
	ctx, stop := context.WithCancel(t.Context())
	p.hold = func(path string) bool {
		cut := strings.HasSuffix(path, "updates.20210101.0535.gz") && ctx.Err() == nil
		if cut {
			stop()
		}
		return cut
	}
	var drawn bytes.Buffer
	cut := run
	cut.Out, cut.Err, cut.Terminal = io.Discard, &drawn, true
	if err := cut.Run(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "the same command goes on") {
		t.Fatalf("interrupted: %v", err)
	}
	if !strings.Contains(drawn.String(), " of 4 files") || !strings.HasSuffix(drawn.String(), "\r\x1b[K") {
		t.Errorf("drawn: %q", drawn.String())
	}
	var log bytes.Buffer
	run.Log = zerolog.New(&log)
	if _, got := replayed(t, run); !bytes.Equal(got, want) || !strings.Contains(log.String(), `"routes":`) {
		t.Errorf("from the archive\n%s\nfrom its files\n%s", got, want)
	}
	n := p.downloaded()
	if n != 5 {
		t.Errorf("%d downloads of 4 files, one of them interrupted", n)
	}
	if _, got := replayed(t, run); !bytes.Equal(got, want) || p.downloaded() != n {
		t.Errorf("the second time: %d downloads more, the same incidents: %v", p.downloaded()-n, bytes.Equal(got, want))
	}
	if got, _ := filepath.Glob(filepath.Join(data, archiveFolder, "rrc04", "2021.01", "*.gz")); len(got) != 4 {
		t.Errorf("in the cache: %v", got)
	}
}

// TestReplayArchiveUsage: what cannot be fetched is said before anything is.
func TestReplayArchiveUsage(t *testing.T) {
	p := newPublisher(t)
	from, until := at("2014-05-01T00:00:00Z"), at("2014-05-01T00:15:00Z")
	for want, r := range map[string]Replay{
		"goes with --from and --until": {Archives: []string{"rrc04"}},
		"is no collector":              {Archives: []string{"rrc04", "../rrc04"}, From: from, Until: until},
		"has no folder":                {Archives: []string{"rrc77"}, From: from, Until: until},
	} {
		r.Config, r.Out, r.Err = p.config(t, t.TempDir()), io.Discard, io.Discard
		if err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

package app

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	order "github.com/corewatch/corewatch/bgp/journal"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// collectorProgram writes the records of a scenario into folders, as the collectors on a machine would while time passes.
type collectorProgram struct {
	merger *collect.Merger
	item   collect.Item
	err    error
	shift  bgp.Micros // from the scenario's time to the time of the test
	dirs   map[string]string
	hour   map[string]string
	out    map[string]*os.File
}

// until writes every record up to an instant. It leaves the last one half written now and then.
func (c *collectorProgram) until(t *testing.T, now bgp.Micros) {
	t.Helper()
	for ; c.err == nil && c.item.Record.Time+c.shift <= now; c.item, c.err = c.merger.Next() {
		name := c.item.Input.Collector
		file := filepath.Join(c.dirs[name], "updates."+(c.item.Record.Time+c.shift).Time().Format("20060102.1504"))
		file = file[:len(file)-1] + "0" // a file each ten minutes
		if c.hour[name] != file {
			if c.out[name] != nil {
				c.out[name].Close()
			}
			f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			c.hour[name], c.out[name] = file, f
		}
		if _, err := c.out[name].Write(c.item.Record.Raw); err != nil {
			t.Fatal(err)
		}
	}
	if c.err != nil && !errors.Is(c.err, io.EOF) {
		t.Fatal(c.err)
	}
}

// shortOutage is an outage of a country within ten minutes.
const shortOutage = `corewatch scenario 1
reason   a country is gone for five minutes, which is enough to be confirmed
start    2030-01-01T00:00:00Z
country  XA 10.0.0.0/8
country  XB 20.0.0.0/8
peers    all rc0 AS64601..AS64624
prefixes xa1 AS65001 10.1.0.0/24 x25
prefixes xa2 AS65002 10.2.0.0/24 x25
prefixes xa3 AS65003 10.3.0.0/24 x25
prefixes lost xa1:1-15 xa2:1-15 xa3:1-15
prefixes world AS65101 20.1.0.0/24 x100

+0s      table all xa1,xa2,xa3,world via AS64700
+0s      alive all 20s
+0s      churn all world 2/s
+2m      withdraw all lost over 20s lag 40s
+7m      announce all lost via AS64700 over 20s lag 20s
+10m     end

expect   outage country:XA confirmed
`

// watchedLive plays a scenario through folders, the live monitor and its store, and stops and starts the monitor after each number of seconds.
// It gives the monitor's folder, its incidents as they are at the end, and the store.
func watchedLive(t *testing.T, s *scenario.Scenario, stops []int, kill bool, keep conf.Keep) (dir string, incidents []byte, store *sqlite.Store) {
	t.Helper()
	return watchedLiveWith(t, s, stops, kill, func(_ string, l *live) { l.conf.Keep = keep }, func(int, *live) {})
}

// watchedLiveWith prepares each monitor before it opens its log, and does something more each second.
func watchedLiveWith(t *testing.T, s *scenario.Scenario, stops []int, kill bool, prepare func(log string, l *live), each func(sec int, l *live)) (dir string, incidents []byte, store *sqlite.Store) {
	t.Helper()
	var err error
	dir = t.TempDir()
	store, err = sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	merger := collect.NewMerger(scenarioFiles(s), collect.Options{})
	defer merger.Close()
	c := conf.Default()
	prog := &collectorProgram{merger: merger, dirs: map[string]string{}, hour: map[string]string{}, out: map[string]*os.File{}}
	for _, f := range scenarioFiles(s) {
		name := f.Input.Collector
		if prog.dirs[name] == "" {
			prog.dirs[name] = t.TempDir()
			c.Sources = append(c.Sources, conf.Source{Collector: name, Folder: prog.dirs[name]})
		}
	}
	prog.item, prog.err = merger.Next()
	if prog.err != nil {
		t.Fatal(prog.err)
	}
	now := prog.item.Record.Time - prog.item.Record.Time%second
	end := s.End + 2*second
	open := func() *live {
		l := &live{rec: recordInto(t.Context(), store, detect.Live), conf: c, logger: zerolog.Nop(), again: map[string]bool{}, clock: func() time.Time { return now.Time() }}
		l.tables = scenarioTables(s)
		for _, f := range c.Sources {
			l.sources = append(l.sources, &folderSource{conf: f})
			l.again[f.Collector] = true
		}
		log := filepath.Join(dir, liveFolder)
		prepare(log, l)
		if err := l.open(t.Context(), log); err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := open()
	for sec := 0; now < end; sec++ {
		now += second
		prog.until(t, now)
		each(sec, l)
		if err := l.step(); err != nil {
			t.Fatal(err)
		}
		if len(stops) > 0 && sec == stops[0] {
			stops = stops[1:]
			if !kill { // else nothing is closed or committed: what is on the disk is all there is
				if err := l.close(); err != nil {
					t.Fatal(err)
				}
			}
			l = open()
		}
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	l.f.m.Engine().Finish(l.f.now.Time())
	return dir, jsonOf(t, l.f.m), store
}

// scenarioTables opens the places of a scenario, whatever is asked for.
func scenarioTables(s *scenario.Scenario) tableFolder {
	return tableFolder{places: func(string, time.Time) (signal.Places, error) { return newScenarioPlaces(s) }}
}

func jsonOf(t *testing.T, m *signal.Monitor) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, inc := range m.Engine().Incidents() {
		line, err := inc.JSON()
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.Bytes()
}

// TestLiveReplaysToTheSameBytes: what a live monitor says, its journal says again, octet for octet; and stopping and starting it in the
// middle, in order or not, changes nothing.
func TestLiveReplaysToTheSameBytes(t *testing.T) {
	s, err := scenario.Parse("short-outage.txt", []byte(shortOutage))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		stops []int
		kill  bool
		keep  conf.Keep
	}{
		"without a stop": {},
		"stopped":        {stops: []int{30, 140, 180, 400, 500}},
		"killed":         {stops: []int{7, 131, 135, 150, 250, 470}, kill: true},
		// Everything before each stop is given up: the monitor, its journal and its evidence do without.
		"stopped, and nothing kept": {stops: []int{30, 140, 180, 400, 500}, keep: conf.Keep{GiB: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			if raceDetector && !c.kill && c.keep.GiB == 0 {
				t.Skip("the other cases do what this one does, and more")
			}
			dir, said, store := watchedLive(t, s, c.stops, c.kill, cmp.Or(c.keep, conf.Default().Keep))
			if !bytes.Contains(said, []byte(`"confirmed_at"`)) {
				t.Fatalf("nothing was confirmed: %s", said)
			}
			again, err := followLog(t.Context(), filepath.Join(dir, liveFolder), logRun{
				rec: &recorder{}, tables: scenarioTables(s),
			})
			if err != nil {
				t.Fatal(err)
			}
			again.f.m.Engine().Finish(again.f.now.Time())
			if says := jsonOf(t, again.f.m); !bytes.Equal(said, says) {
				t.Errorf("live\n%s\nits journal\n%s", said, says)
			}
			if c.keep.GiB != 0 {
				onlyTheRest(t, filepath.Join(dir, liveFolder), store)
			} else {
				inOrder(t, filepath.Join(dir, liveFolder))
			}
			list, _, err := store.Incidents(t.Context(), sqlite.Query{Limit: 100})
			if err != nil || len(list) != bytes.Count(said, []byte{'\n'}) {
				t.Errorf("%d incidents in the store, %v", len(list), err)
			}
		})
	}
}

// onlyTheRest fails unless the journal and the segments of before the last stop are gone, and the evidence of each incident is there all the same.
func onlyTheRest(t *testing.T, dir string, store *sqlite.Store) {
	t.Helper()
	log, err := collect.Follow(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if b := log.Base(); b.File < 6 || b.Entries == 0 || b.Inputs < 5 {
		t.Errorf("the journal begins at %+v", b)
	}
	for what, most := range map[string]int{"journal/*.journal": 2, "segments/*/*": 1, "anchor-*": 1} {
		list, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(what)))
		if err != nil || len(list) > most {
			t.Errorf("%s: %q %v", what, list, err)
		}
	}
	list, _, err := store.Incidents(t.Context(), sqlite.Query{Limit: 100})
	if err != nil || len(list) == 0 {
		t.Fatal(err)
	}
	for _, inc := range list {
		var b bytes.Buffer
		if err := evidenceTo(t.Context(), store, "", inc.ID, &b); err != nil {
			t.Errorf("evidence of %s: %v", inc.ID, err)
		}
	}
	// Where it begins is part of the chain.
	more, err := collect.OpenLog(dir, collect.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(more.Tick(more.Journal().Last()+second), more.Close()); err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(dir, collect.JournalFolder, "base")
	text, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(text, []byte(`"previous":"`)) + len(`"previous":"`)
	other := bytes.Clone(text)
	other[i] = 'f' - 'a' + '0' + other[i]%2
	if err := os.WriteFile(base, other, 0o600); err != nil {
		t.Fatal(err)
	}
	changed, err := collect.Follow(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer changed.Close()
	var damage *order.DamageError
	if _, err := changed.Next(); bytes.Equal(text, other) || !errors.As(err, &damage) {
		t.Errorf("a journal that is said to follow another block is read: %v", err)
	}
	if err := os.WriteFile(base, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// inOrder fails when a message of a second stands in the journal before the tick of that second.
func inOrder(t *testing.T, dir string) {
	t.Helper()
	log, err := collect.Follow(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	var last bgp.Micros
	messages := 0
	e, err := log.Next()
	for ; err == nil; e, err = log.Next() {
		switch e.Kind {
		case order.Message:
			messages++
			last = e.At
		case order.Tick:
			if e.At <= last {
				t.Fatalf("a message of %s stands before the tick of %s", stamp(last), stamp(e.At))
			}
		}
	}
	if !errors.Is(err, io.EOF) || messages == 0 {
		t.Errorf("%d messages, %v", messages, err)
	}
}

// TestPublicErrors: what a page says of a failure names no path or address of the machine.
func TestPublicErrors(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "secret")
	s := &folderSource{conf: conf.Source{Collector: "rc0", Folder: folder}}
	if err := s.poll(time.Now(), nil); err == nil || !strings.Contains(err.Error(), "secret") {
		t.Errorf("for the log: %v", err)
	}
	if st := s.status(); st.State != "unreachable" || strings.Contains(st.Detail, "secret") || !strings.Contains(st.Detail, "no such file") {
		t.Errorf("for the page: %+v", st)
	}
	lookup := &net.DNSError{Err: "no such host", Name: "ris-live.example", Server: "10.0.0.53:53"}
	if text := public(fmt.Errorf("connecting: %w", &net.OpError{Op: "dial", Err: lookup})); strings.Contains(text, "10.0.0.53") || !strings.Contains(text, "ris-live.example") {
		t.Error(text)
	}
}

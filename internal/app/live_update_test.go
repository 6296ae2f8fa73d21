package app

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// unreadable damages the state of a checkpoint, not its position: as a version with another layout finds it.
func unreadable(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1000] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestUpdate: the program is replaced by another version while an outage is open. What was published stays as it is, octet for octet; nothing is doubled, and
// what cannot be followed any more says so.
func TestUpdate(t *testing.T) {
	oneGoroutine(t)
	s, err := scenario.Parse("short-outage.txt", []byte(shortOutage))
	if err != nil {
		t.Fatal(err)
	}
	was := version
	t.Cleanup(func() { version = was })
	const stop = 350 // the outage is confirmed
	for name, c := range map[string]struct {
		state    bool // the new version can read the state
		keep     conf.Keep
		kill     bool
		tampered bool // the version before published something else
	}{
		"it reads the state":                                        {state: true},
		"it reads the state, after a kill":                          {state: true, kill: true},
		"it reads the journal":                                      {},
		"it reads the journal, after a kill":                        {kill: true},
		"it reads the journal, of which the beginning was given up": {keep: conf.Keep{GiB: 1}},
		"it judges otherwise":                                       {tampered: true},
	} {
		t.Run(name, func(t *testing.T) {
			version = was
			var store *sqlite.Store
			var before []detect.Incident
			var log bytes.Buffer
			var last *live
			opened := 0
			dir, said, store := watchedLiveWith(t, s, []int{stop}, c.kill, func(dir string, l *live) {
				l.conf.Keep = conf.Default().Keep
				if c.keep.GiB != 0 {
					l.conf.Keep = c.keep
				}
				if opened++; opened == 1 {
					store = l.rec.store
					return
				}
				version, last, l.logger = "9.9.9", l, zerolog.New(&log)
				if c.tampered {
					inc := outageOfXA(t, store)
					inc.Title += ", as another version says"
					inc.Revision++
					inc.Revisions = append(inc.Revisions, detect.Revision{Revision: inc.Revision, At: inc.Revisions[0].At, State: inc.State, Change: "grew"})
					if err := store.SaveRevision(t.Context(), inc, nil); err != nil {
						t.Fatal(err)
					}
				}
				before = everyIncident(t, store)
				if !c.state {
					if err := os.Remove(filepath.Join(dir, checkpointName)); err != nil && !errors.Is(err, os.ErrNotExist) { // an anchor is the same file
						t.Fatal(err)
					}
					anchors, err := filepath.Glob(filepath.Join(dir, anchorPrefix+"*"))
					if err != nil || (c.keep.GiB != 0) != (len(anchors) > 0) {
						t.Fatal(anchors, err)
					}
					for _, a := range anchors {
						unreadable(t, a)
					}
				}
			}, func(int, *live) {})
			now := everyIncident(t, store)
			lost, goesOn := 0, 0
			for i := range before {
				stays(t, store, &before[i])
				inc, err := store.Incident(t.Context(), before[i].ID)
				if err != nil {
					t.Fatal(err)
				}
				told := append(changes(inc, detect.Reconfigured), changes(inc, detect.LostSight)...)
				switch {
				case !before[i].State.Open():
					if inc.Revision != before[i].Revision {
						t.Errorf("a revision of what was over: %+v", inc.Revisions)
					}
				case len(told) != 1:
					t.Errorf("%s: told of the update %d times: %+v", inc.ID, len(told), inc.Revisions)
				case told[0].Change == detect.LostSight:
					lost++
				default:
					goesOn++
				}
			}
			if c.keep.GiB != 0 {
				if lost == 0 || goesOn != 0 || !strings.Contains(log.String(), "no longer followed") || len(last.meter.copy().Notes) != 1 {
					t.Errorf("%d lost, %d go on, %s, %q", lost, goesOn, &log, last.meter.live.Notes)
				}
				return
			}
			if lost != 0 || goesOn == 0 || len(now) != bytes.Count(said, []byte{'\n'}) {
				t.Errorf("%d lost, %d go on; %d in the store, %d said", lost, goesOn, len(now), bytes.Count(said, []byte{'\n'}))
			}
			if inc := outageOfXA(t, store); inc.State != detect.Recovering || !strings.Contains(inc.Method.Software, "9.9.9") {
				t.Errorf("not followed to its end: %+v", inc)
			}
			if !c.tampered {
				again, err := followLog(t.Context(), filepath.Join(dir, liveFolder), logRun{rec: &recorder{}, tables: scenarioTables(s)})
				if err != nil {
					t.Fatal(err)
				}
				again.f.m.Engine().Finish(again.f.now.Time())
				if says := jsonOf(t, again.f.m); !bytes.Equal(said, says) {
					t.Errorf("live\n%s\nits journal\n%s", said, says)
				}
			}
			if got := len(last.meter.copy().Notes); got != 0 && !c.tampered || got != 1 && c.tampered {
				t.Errorf("%d notes: %q", got, last.meter.live.Notes)
			}
		})
	}
}

// stays fails unless a revision is in the store as it was.
func stays(t *testing.T, store *sqlite.Store, was *detect.Incident) {
	t.Helper()
	is, err := store.Revision(t.Context(), was.ID, was.Revision)
	if err != nil {
		t.Fatal(err)
	}
	a, err := was.JSON()
	if err != nil {
		t.Fatal(err)
	}
	b, err := is.JSON()
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("was\n%s\nis\n%s\n%v", a, b, err)
	}
}

func everyIncident(t *testing.T, store *sqlite.Store) []detect.Incident {
	t.Helper()
	list, _, err := store.Incidents(t.Context(), sqlite.Query{Limit: 100, Kinds: []string{string(detect.Outage), string(detect.MonitorFault)}})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func outageOfXA(t *testing.T, store *sqlite.Store) *detect.Incident {
	t.Helper()
	for _, inc := range everyIncident(t, store) {
		if inc.Entity.Key() == "country:XA" {
			return &inc
		}
	}
	t.Fatal("no outage of the country")
	return nil
}

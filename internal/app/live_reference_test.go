package app

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/entity"
)

// TestTablesChangeLive: reference tables that change in the middle of an outage are no news of the world, each open incident says so once, and
// the journal gives the same octets again with its own copies, whatever became of the folder.
func TestTablesChangeLive(t *testing.T) {
	if testing.Short() {
		t.Skip("did not run: reference tables that change (short run)")
	}
	s, err := scenario.Parse("short-outage.txt", []byte(shortOutage))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		stops []int
		stop  bool // the tables change while the monitor is not running
	}{
		"while it runs": {},
		"between runs":  {[]int{239}, true},
		"restarted":     {[]int{100, 300}, false},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			write := func(third string) {
				text := entity.OverridesHeader + "\nAS65001,LI,test\nAS65002,LI,test\nAS65003," + third + ",test\nAS65101,AD,test\n"
				if err := os.WriteFile(filepath.Join(folder, "overrides.csv"), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("LI")
			refresh := make(chan string, 1)
			log := ""
			dir, said, _ := watchedLiveWith(t, s, c.stops, false, func(dir string, l *live) {
				log = dir
				l.conf.Reference, l.refresh, l.tables = folder, refresh, keptIn(dir, zerolog.Nop())
			}, func(sec int, l *live) {
				if sec != 239 {
					return
				}
				write("AD")
				if c.stop {
					return
				}
				sha, err := l.tables.keep(folder)
				if err != nil {
					t.Fatal(err)
				}
				refresh <- sha
			})
			var told []detect.Revision
			countries := 0
			for line := range bytes.Lines(said) {
				var inc detect.Incident
				if err := json.Unmarshal(line, &inc); err != nil {
					t.Fatal(err)
				}
				if inc.Entity.Type == "country" {
					countries++
					told = append(told, changes(&inc, detect.Rereferenced)...)
				}
				if inc.Entity.Code == "AD" {
					t.Errorf("other tables alone gave an incident: %s", line)
				}
			}
			if countries != 1 || len(told) != 1 || !strings.HasPrefix(told[0].Reason, "reference tables ") {
				t.Errorf("%d incidents of countries, told %+v", countries, told)
			}
			if err := os.RemoveAll(folder); err != nil {
				t.Fatal(err)
			}
			again := filepath.Join(dir, "copy") // without the checkpoint
			if err := os.CopyFS(again, os.DirFS(log)); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := (Replay{Files: []string{again}, JSON: true, Out: &out, Err: io.Discard, Log: zerolog.Nop()}).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if out.String() != string(said) {
				t.Errorf("live\n%s\nits journal\n%s", said, &out)
			}
			kept, err := filepath.Glob(filepath.Join(again, keptTables, "*", "overrides.csv"))
			if err != nil || len(kept) != 2 {
				t.Fatalf("%v %v", kept, err)
			}
			if err := os.WriteFile(kept[0], []byte(entity.OverridesHeader+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			err = (Replay{Files: []string{again}, JSON: true, Out: &out, Err: io.Discard, Log: zerolog.Nop()}).Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), "were changed") {
				t.Errorf("with another copy: %v", err)
			}
		})
	}
}

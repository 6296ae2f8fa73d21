package app

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/internal/conf"
)

// TestKeepsADay: of four days with `keep: {days: 1}` the last day and at most a quarter more is left; a kill in the middle, and what a stop between two
// deletions leaves, change nothing.
func TestKeepsADay(t *testing.T) {
	c := conf.Default()
	c.Keep.Days = 1
	c.Sources = []conf.Source{{Collector: "rc0", Folder: t.TempDir()}}
	now := bgp.Seconds(1_893_456_000)
	dir := filepath.Join(t.TempDir(), liveFolder)
	open := func() *live {
		l := &live{
			rec: &recorder{}, conf: c, logger: zerolog.Nop(), again: map[string]bool{"rc0": true}, tables: tableFolder{places: nowhere},
			sources: []source{&folderSource{conf: c.Sources[0]}}, clock: func() time.Time { return now.Time() },
		}
		if err := l.open(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		return l
	}
	var leftovers []string
	l := open()
	for step := range 4 * 72 {
		now += 1200 * second
		rec, err := mrt.AppendMessage(nil, now, mrt.Envelope{PeerAS: 64496, LocalAS: 64497, PeerAddr: netip.MustParseAddr("192.0.2.1")}, keepalive)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(filepath.Join(c.Sources[0].Folder, "updates"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(rec); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if err := l.step(); err != nil {
			t.Fatal(err)
		}
		if step == 200 || step == 250 { // killed
			leftovers = []string{
				filepath.Join(dir, "segments", "rc0", "updates.20300101.000000.1.mrt.gz"), filepath.Join(dir, "journal", "00000001.journal"), filepath.Join(dir, "anchor-00000001"),
			}
			for _, name := range leftovers {
				if err := os.WriteFile(name, []byte("left"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			l.log.Close()
			l = open()
		}
	}
	for _, name := range leftovers {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s is still there", filepath.Base(name))
		}
	}
	oldest := l.anchors[0]
	if age := (now - oldest.At) / (3600 * second); age < 24 || age > 31 || len(l.anchors) > 6 || l.log.Journal().Base().Entries != oldest.Base.Entries {
		t.Errorf("%d h are kept, with %d anchors", age, len(l.anchors))
	}
	list, err := filepath.Glob(filepath.Join(dir, "segments", "rc0", "*"))
	if err != nil || len(list) < 72 || len(list) > 31*3+2 || l.meter.live.Segments > len(list)+2 {
		t.Errorf("%d segments %v; it says %d", len(list), err, l.meter.live.Segments)
	}
	records := 0
	log, err := collect.Follow(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for e, err := log.Next(); err == nil; e, err = log.Next() {
		if e.Item.Record != nil {
			records++
		}
	}
	if records < 72 || records > 31*3+2 {
		t.Errorf("%d records are left", records)
	}
	if l.f.count.Skipped != 4*72 { // each once
		t.Errorf("%+v were applied", l.f.count)
	}
	if err := os.Remove(filepath.Join(dir, checkpointName)); err != nil {
		t.Fatal(err)
	}
	sameFromJournal(t, l, dir)
}

package app

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/web"
)

// TestDiskLow: a disk that is nearly full is one monitor fault, on the pages and in the journal, also over a restart; it ends when there is enough room.
func TestDiskLow(t *testing.T) {
	now := bgp.Seconds(1_893_456_000)
	free, failure := int64(3<<30), error(nil)
	l, dir := liveAt(t, conf.Default(), nil, func() time.Time { return now.Time() })
	var log bytes.Buffer
	look := func(l *live) {
		l.logger = zerolog.New(&log)
		l.freeDisk = func() (int64, int64, error) { return free, 100 << 30, failure }
	}
	look(l)
	for _, c := range []struct {
		free      int64
		err       error
		low       bool
		revisions int
		state     detect.State
	}{
		{free: 3 << 30},
		{free: 2<<30 - 1, low: true, revisions: 1, state: detect.Confirmed},
		{free: 1 << 20, low: true, revisions: 1, state: detect.Confirmed},
		{free: 2<<30 + 1, low: true, revisions: 1, state: detect.Confirmed}, // not yet a quarter more
		{err: errors.New("it does not say"), revisions: 1, state: detect.Confirmed},
		{free: 1 << 20, low: true, revisions: 1, state: detect.Confirmed},
		{free: 3 << 30, revisions: 2, state: detect.Recovering},
	} {
		free, failure = c.free, c.err
		for range 13 {
			now += second
			if err := l.step(); err != nil {
				t.Fatal(err)
			}
		}
		if d := l.meter.copy().Disk; d.Low != c.low || d.Known != (c.err == nil) || d.Known && d.Free != c.free {
			t.Errorf("%+v: %+v", c, d)
		}
		inc := faultOf(l, "disk")
		if c.revisions == 0 && inc != nil || c.revisions > 0 && (inc == nil || inc.Revision != c.revisions || inc.State != c.state) {
			t.Fatalf("%+v: %+v", c, inc)
		}
		if c.revisions == 1 && c.free == 1<<20 { // another run knows it already
			if err := l.close(); err != nil {
				t.Fatal(err)
			}
			l = &live{rec: &recorder{}, conf: conf.Default(), again: map[string]bool{}, clock: l.clock, tables: tableFolder{places: nowhere}}
			look(l)
			if err := l.open(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, want := range []string{"the disk is nearly full", "nobody knows how much", "enough room on the disk again"} {
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("%q: %s", want, &log)
		}
	}
	if said := sameFromJournal(t, l, dir); !strings.Contains(string(said), `"entity":{"type":"monitor","code":"disk"}`) {
		t.Errorf("%s", said)
	}
	if _, _, err := freeDisk(dir); err != nil {
		t.Error(err)
	}
}

// fullVariable asks the test program to be a monitor that may write little into each file.
const fullVariable = "COREWATCH_TEST_FULL"

// diskRecords are how many wait in the folder, and fileRoom is how many octets a file may hold meanwhile.
const (
	diskRecords = 20_000
	fileRoom    = 300 << 10
)

// TestDiskFull: when a file can take no more the monitor stops and says why; nothing is applied that is not kept, and with room again it goes on behind
// what was kept, with nothing lost or doubled.
func TestDiskFull(t *testing.T) {
	if dir := os.Getenv(fullVariable); dir != "" {
		signal.Ignore(syscall.SIGXFSZ) // a write fails instead
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: fileRoom, Max: fileRoom}); err != nil {
			t.Fatal(err)
		}
		l, step := fullMonitor(t, dir)
		err := step()
		for range 100 {
			if err == nil {
				err = step()
			}
		}
		fmt.Printf("applied %d: %v\n", l.f.count.Skipped, err)
		return
	}
	dir := t.TempDir()
	var all []byte
	for i := range diskRecords {
		var err error
		env := mrt.Envelope{PeerAS: 64496, LocalAS: 64497, PeerAddr: netip.MustParseAddr("192.0.2.1")}
		if all, err = mrt.AppendMessage(all, bgp.Seconds(1_893_456_000+int64(i)), env, keepalive); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "in"), 0o700), os.WriteFile(filepath.Join(dir, "in", "updates"), all, 0o600)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiskFull$")
	cmd.Env = append(os.Environ(), fullVariable+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	applied := 0
	if _, err := fmt.Sscanf(string(out), "applied %d:", &applied); err != nil || !strings.Contains(string(out), "segment") || !strings.Contains(string(out), "file too large") {
		t.Fatalf("%v: %s", err, out)
	}
	if kept := journalled(t, dir); applied > len(kept)/len(all[:len(all)/diskRecords]) || applied == diskRecords || !bytes.HasPrefix(all, kept) {
		t.Errorf("%d applied, %d octets kept, of %d", applied, len(kept), len(all))
	}
	l, step := fullMonitor(t, dir)
	for range 3 {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	if kept := journalled(t, dir); !bytes.Equal(kept, all) || l.f.count.Skipped != diskRecords {
		t.Errorf("%d octets kept of %d, %+v", len(kept), len(all), l.f.count)
	}
	if l.meter.live.Disk != (web.DiskStatus{}) {
		t.Error("nobody looked at the disk")
	}
}

// fullMonitor watches a folder; each step is a second.
func fullMonitor(t *testing.T, dir string) (l *live, step func() error) {
	t.Helper()
	c := conf.Default()
	c.Sources = []conf.Source{{Collector: "rc0", Folder: filepath.Join(dir, "in")}}
	now := bgp.Seconds(1_893_556_000)
	l = &live{
		rec: &recorder{}, conf: c, logger: zerolog.Nop(), again: map[string]bool{"rc0": true}, tables: tableFolder{places: nowhere},
		sources: []source{&folderSource{conf: c.Sources[0]}}, clock: func() time.Time { return now.Time() },
	}
	if err := l.open(t.Context(), filepath.Join(dir, liveFolder)); err != nil {
		t.Fatal(err)
	}
	return l, func() error { now += second; return l.step() }
}

// journalled are the records that the journal names, in its order.
func journalled(t *testing.T, dir string) (all []byte) {
	t.Helper()
	log, err := collect.Follow(filepath.Join(dir, liveFolder))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for e, err := log.Next(); err == nil; e, err = log.Next() {
		if e.Item.Record != nil {
			all = append(all, e.Item.Record.Raw...)
		}
	}
	return all
}

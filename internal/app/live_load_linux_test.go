package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/bgp/rislive"
	"github.com/corewatch/corewatch/bgp/rislive/rislivetest"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// pace sends so many frames a second for a while, at the latest whenever 5 ms are over, and gives how many it sent, and the processor time of its own. It ends
// early when the client is gone.
func pace(ctx context.Context, c *rislivetest.Conn, frames [][]byte, rate int, length time.Duration) (sent int, cpu time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began, before := time.Now(), used(rusageThread)
	for total := int(length.Seconds() * float64(rate)); sent < total && ctx.Err() == nil; {
		due := min(total, sent+2000, int(time.Since(began).Seconds()*float64(rate)))
		for ; sent < due; sent++ {
			if c.Say(frames[sent%len(frames)]) != nil {
				return sent, used(rusageThread) - before
			}
		}
		if c.Flush() != nil {
			break
		}
		if behind := int(time.Since(began).Seconds()*float64(rate)) - sent; behind < 2000 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	return sent, used(rusageThread) - before
}

// rusageThread is RUSAGE_THREAD, which package syscall does not name.
const rusageThread = 1

// used is the processor time so far of the process or the thread.
func used(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is how much memory the process has now, in octets.
func resident(t *testing.T) int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// loaded is a live monitor of RIS Live with a store, and what sends to it.
type loaded struct {
	l      *live
	dir    string // of its log
	client *rislive.Client
	sent   chan int // how many, once all are
	cpu    time.Duration
}

func underLoad(t *testing.T, rate int, length time.Duration, spillBytes int64) *loaded {
	t.Helper()
	if dataDir() == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no real messages: set COREWATCH_DATA")
		}
		t.Skip("no real messages (COREWATCH_DATA)")
	}
	file := filepath.Join(dataDir(), "mrt", "rrc04", "ris.rrc04.updates.1609476900.300.cache")
	frames := rislivetest.Frames(t, file, "rrc04.ripe.net", 40_000)
	x := &loaded{sent: make(chan int, 1)}
	var once sync.Once
	s := rislivetest.Serve(t, func(ctx context.Context, c *rislivetest.Conn) {
		once.Do(func() {
			n, cpu := pace(ctx, c, frames, rate, length)
			x.cpu = cpu
			x.sent <- n
		})
		<-ctx.Done()
	})
	dir := t.TempDir()
	opt := rislive.Options{Endpoint: s.Endpoint(), Memory: 4 << 20, Spill: filepath.Join(dir, "spill"), SpillBytes: spillBytes}
	client, err := rislive.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	x.client = client
	store, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	x.l = &live{
		rec: recordInto(t.Context(), store, detect.Live), conf: conf.Default(), logger: zerolog.Nop(), again: map[string]bool{}, tables: tableFolder{places: nowhere},
		sources: []source{&risSource{client: client}},
	}
	x.dir = filepath.Join(dir, liveFolder)
	if err := x.l.open(t.Context(), x.dir); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { client.Run(ctx); close(done) }()
	t.Cleanup(func() { stop(); <-done })
	return x
}

func (x *loaded) applied() int {
	c := &x.l.f.count
	return int(c.Parsed + c.Skipped + c.Malformed)
}

// until steps until everything that was sent, less what was lost, is applied.
func (x *loaded) until(t *testing.T) (sent int, most int64) {
	t.Helper()
	for end, last := time.Now().Add(10*time.Minute), false; ; {
		if err := x.l.step(); err != nil {
			t.Fatal(err)
		}
		most = max(most, resident(t))
		select {
		case sent = <-x.sent:
			last = true
		default:
		}
		st := x.client.Status()
		if last && int(st.Counts.Messages) == sent && x.applied()+int(st.Lost) == sent {
			return sent, most
		}
		if time.Now().After(end) {
			t.Fatalf("%d sent, %d applied: %+v", sent, x.applied(), st)
		}
		time.Sleep(pollEvery)
	}
}

// closed closes the monitor, and fails unless exactly so many records are in its segments, in the order of its journal.
func (x *loaded) closed(t *testing.T, records int) {
	t.Helper()
	if err := x.l.close(); err != nil {
		t.Fatal(err)
	}
	log, err := collect.Follow(x.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	n := 0
	e, err := log.Next()
	for ; err == nil; e, err = log.Next() {
		if e.Item.Record != nil {
			n++
		}
	}
	if !errors.Is(err, io.EOF) || n != records {
		t.Errorf("%d records are kept of %d, %v", n, records, err)
	}
}

// mostResident is the bound of the memory of the test's process under load, the messages that the service sends included. Of the messages of the last 11 minutes
// (peers.trace_window_s) the detector keeps those that changed something: no test lasts as long, so that their part grows with how many were sent.
func mostResident(messages int) int64 { return 256<<20 + 100*int64(messages) }

// soaked is a length, or the one that COREWATCH_SOAK says.
func soaked(t *testing.T, length time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv("COREWATCH_SOAK")
	if text == "" {
		return length
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return length
}

// TestLoad: 50,000 messages a second of a real collector, from the socket to the store: none is lost, and memory stays bounded. Three seconds of it, or
// as long as COREWATCH_SOAK says.
func TestLoad(t *testing.T) {
	const rate = 50_000
	length := 3 * time.Second
	if raceDetector {
		length = time.Second / 4
	}
	length = soaked(t, length)
	x := underLoad(t, rate, length, conf.DefaultSpill)
	began, start := time.Now(), used(syscall.RUSAGE_SELF)
	sent, most := x.until(t)
	cpu := used(syscall.RUSAGE_SELF) - start - x.cpu
	st := x.client.Status()
	t.Logf("%d messages in %.1f s: %.2f µs of processor time for each beside %.2f µs of the server; at most %d MiB resident; %+v; %d of commits",
		sent, time.Since(began).Seconds(), float64(cpu.Microseconds())/float64(sent), float64(x.cpu.Microseconds())/float64(sent), most>>20, st, x.l.meter.live.CommitTime)
	if sent != int(length.Seconds()*rate) || x.applied() != sent || st.Lost != 0 || st.Counts.Disagreed != 0 || x.l.meter.feed("rrc04").Gaps != 0 || st.Attempts != 1 {
		t.Errorf("%d sent, %d applied, %+v", sent, x.applied(), st)
	}
	if most > mostResident(sent) && !raceDetector {
		t.Errorf("%d MiB resident", most>>20)
	}
	x.closed(t, sent)
}

// TestOverload: 200,000 a second while the monitor stands still, and little room: what is lost is counted, exactly, is a gap of its collector in the journal
// and a monitor fault, memory stays bounded, and the connection stands. COREWATCH_SOAK as above: the monitor goes on after the first loss.
func TestOverload(t *testing.T) {
	length := time.Second
	if raceDetector {
		length /= 2
	}
	x := underLoad(t, 200_000, soaked(t, length), 2<<20)
	for end := time.Now().Add(time.Minute); x.client.Status().Lost == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nothing is lost: %+v", x.client.Status())
		}
	}
	sent, resident := x.until(t)
	if resident > mostResident(sent) && !raceDetector {
		t.Errorf("%d MiB resident", resident>>20)
	}
	st := x.client.Status()
	if most := st.Waiting.Memory + st.Waiting.Disk; x.applied()+int(st.Lost) != sent || st.Attempts != 1 || most > 8<<20 {
		t.Errorf("%d sent, %d applied: %+v", sent, x.applied(), st)
	}
	if err := x.l.apply(); err != nil {
		t.Fatal(err)
	}
	inc := faultOf(x.l, "rrc04")
	if n := x.l.meter.feed("rrc04").Gaps; n == 0 || inc == nil || !strings.Contains(fmt.Sprint(inc.Revisions), "slower than the stream") {
		t.Errorf("%d gaps, %+v", n, inc)
	}
	if q := x.l.sources[0].(queued).queue(); q.Lost != st.Lost || q.Spilled == 0 {
		t.Errorf("%+v", q)
	}
	t.Logf("%d sent, %d lost in %d gaps, at most %d MiB resident", sent, st.Lost, x.l.meter.feed("rrc04").Gaps, resident>>20)
	x.closed(t, sent-int(st.Lost))
}

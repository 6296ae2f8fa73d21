package app

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/rislive/rislivetest"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/conf"
)

// liveAt is a live monitor of some sources by a clock of the test's own, in a folder of its own.
func liveAt(t *testing.T, c conf.Config, sources []source, clock func() time.Time) (*live, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), liveFolder)
	l := &live{rec: &recorder{}, conf: c, logger: zerolog.Nop(), again: map[string]bool{}, sources: sources, clock: clock, tables: tableFolder{places: nowhere}}
	if err := l.open(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	return l, dir
}

// nowhere knows no place.
func nowhere(_ string, at time.Time) (signal.Places, error) {
	p, _, err := newPlaces("", at)
	return p, err
}

// sameFromJournal closes the monitor and fails unless its journal gives the same incidents, which it returns.
func sameFromJournal(t *testing.T, l *live, dir string) []byte {
	t.Helper()
	l.f.m.Engine().Finish(l.f.now.Time())
	said := jsonOf(t, l.f.m)
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	again, err := followLog(t.Context(), dir, logRun{rec: &recorder{}, tables: tableFolder{places: nowhere}})
	if err != nil {
		t.Fatal(err)
	}
	again.f.m.Engine().Finish(again.f.now.Time())
	if says := jsonOf(t, again.f.m); !bytes.Equal(said, says) {
		t.Errorf("live\n%s\nits journal\n%s", said, says)
	}
	return said
}

// faultOf is the monitor fault about a collector, nil for none.
func faultOf(l *live, name string) *detect.Incident {
	for _, inc := range l.f.m.Engine().Incidents() {
		if inc.Kind == detect.MonitorFault && inc.Entity.Code == name {
			return inc
		}
	}
	return nil
}

// TestSilentStream: a stream that is connected and answers each ping, and says nothing about routes, is a monitor fault within 60 s, by the clock of the
// journal: when it stops, and when it never began.
func TestSilentStream(t *testing.T) {
	say := make(chan int)
	s := rislivetest.Serve(t, func(ctx context.Context, c *rislivetest.Conn) {
		for {
			frame := `{"type":"pong","data":null}`
			select {
			case <-ctx.Done():
				return
			case n := <-say:
				if n >= 0 {
					frame = fmt.Sprintf(`{"type":"ris_message","data":{"timestamp":1893456000.5,"peer":"192.0.2.1","peer_asn":"64496","host":"rrc00.ripe.net","type":"UPDATE","withdrawals":["10.0.%d.0/24"]}}`, n%256)
				}
			}
			if c.Say([]byte(frame)) != nil || c.Flush() != nil {
				return
			}
		}
	})
	for name, speaks := range map[string]int{"never spoke": 0, "stopped": 150} {
		t.Run(name, func(t *testing.T) {
			ris, err := newRISSource(conf.RISLive{Endpoint: s.Endpoint()}, "", t.TempDir(), zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { ris.client.Run(ctx); close(done) }()
			defer func() { stop(); <-done }()
			now := bgp.Seconds(1_893_456_000) + 300_000
			l, dir := liveAt(t, conf.Default(), []source{ris}, func() time.Time { return now.Time() })
			last := now
			for sec := range speaks + 120 {
				n := -1
				if sec < speaks {
					n = sec
				}
				frames := ris.client.Status().Counts.Frames
				say <- n
				for end := time.Now().Add(20 * time.Second); ris.client.Status().Counts.Frames == frames; time.Sleep(50 * time.Microsecond) {
					if time.Now().After(end) {
						t.Fatalf("no frame came: %+v", ris.client.Status())
					}
				}
				if now += second; n >= 0 {
					last = now
				}
				if err := l.step(); err != nil {
					t.Fatal(err)
				}
			}
			if st := ris.client.Status(); !st.Connected || st.Attempts != 1 {
				t.Fatalf("%+v", st)
			}
			// The first whole second more than 45 s after the last message, or after the start.
			want := (last+45*second)/second*second + second
			about := []string{"ris-live"}
			if speaks > 0 {
				about = append(about, "rrc00")
			}
			for _, who := range about {
				inc := faultOf(l, who)
				if inc == nil {
					t.Fatalf("no fault about %s", who)
				}
				if at := bgp.Micros(inc.Start.Time.UnixMicro()); at != want || at-last > 60*second {
					t.Errorf("%s: the fault is of %s, the last message of %s", who, stamp(at), stamp(last))
				}
			}
			sameFromJournal(t, l, dir)
		})
	}
}

// TestSilentFolder: a collector that writes each second and stops is a fault within 60 s; one that moves a whole file into its folder each five minutes is none.
func TestSilentFolder(t *testing.T) {
	c := conf.Default()
	var sources []source
	for _, name := range []string{"steady", "slow"} {
		c.Sources = append(c.Sources, conf.Source{Collector: name, Folder: t.TempDir()})
		sources = append(sources, &folderSource{conf: c.Sources[len(c.Sources)-1]})
	}
	now := bgp.Seconds(1_893_456_000) + 300_000
	l, dir := liveAt(t, c, sources, func() time.Time { return now.Time() })
	write := func(folder, name string, n int) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(folder, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for range n {
			rec, err := mrt.AppendMessage(nil, now, mrt.Envelope{PeerAS: 64496, LocalAS: 64497, PeerAddr: netip.MustParseAddr("192.0.2.1")}, keepalive)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(rec); err != nil {
				t.Fatal(err)
			}
		}
	}
	const stops = 900
	last := now
	for sec := range stops + 300 {
		if now += second; sec < stops {
			write(c.Sources[0].Folder, "updates", 1)
			last = now
		}
		if sec%300 == 200 {
			write(c.Sources[1].Folder, fmt.Sprintf("updates.%06d", sec), 500)
		}
		if err := l.step(); err != nil {
			t.Fatal(err)
		}
	}
	inc := faultOf(l, "steady")
	if inc == nil || faultOf(l, "slow") != nil {
		t.Fatalf("%s", jsonOf(t, l.f.m))
	}
	if at := bgp.Micros(inc.Start.Time.UnixMicro()); at != (last+45*second)/second*second+second || at-last > 60*second {
		t.Errorf("the fault is of %s, the last message of %s", stamp(at), stamp(last))
	}
	sameFromJournal(t, l, dir)
}

// keepalive is a KEEPALIVE message (RFC 4271 section 4.4).
var keepalive = append(bytes.Repeat([]byte{0xff}, 16), 0, 19, 4)

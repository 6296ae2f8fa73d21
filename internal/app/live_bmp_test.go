package app

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/bmp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// reporter is a router that says over BMP what the records of a scenario say, and after each connection its tables again.
type reporter struct {
	t       *testing.T
	station *bmp.Station
	conn    net.Conn // nil: not connected
	said    uint64   // messages on all connections to this station
	dec     mrt.Decoder
	content mrt.Content
	peers   []*reported // in the order in which they came
}

// reported is one neighbour of the router.
type reported struct {
	addr   netip.Addr
	as     uint32
	routes map[bgp.Prefix][]byte // UPDATEs
}

func (r *reporter) connect() {
	r.t.Helper()
	for end := time.Now().Add(10 * time.Second); r.station.Stats().Listening == ""; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("the station does not listen: %+v", r.station.Stats())
		}
	}
	var err error
	if r.conn, err = net.Dial("tcp", r.station.Stats().Listening); err != nil {
		r.t.Fatal(err)
	}
	r.said = r.station.Stats().Routers[0].Counts.Messages
	r.say(4, nil, []byte{0, 2, 0, 4, 'e', 'd', 'g', 'e'}) // Initiation
	for _, p := range r.peers {
		r.up(p)
		for _, q := range slices.SortedFunc(maps.Keys(p.routes), bgp.Prefix.Compare) {
			r.say(0, p, p.routes[q])
		}
		r.say(0, p, updateOf(nil, nil, nil)) // End-of-RIB
	}
}

func (r *reporter) close() {
	r.conn.Close()
	r.conn = nil
	r.wait("the connection is gone", func(st bmp.RouterStats) bool { return !st.Connected })
}

func (r *reporter) wait(what string, f func(bmp.RouterStats) bool) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(r.station.Stats().Routers[0]); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			r.t.Fatalf("waiting until %s: %+v", what, r.station.Stats())
		}
	}
}

// say sends one message: RFC 7854 section 4.
func (r *reporter) say(typ byte, p *reported, body []byte) {
	r.t.Helper()
	if r.conn == nil {
		return
	}
	var head []byte
	if p != nil {
		head = make([]byte, 42)
		a := p.addr.As4()
		copy(head[22:], a[:])
		binary.BigEndian.PutUint32(head[26:], p.as)
		copy(head[30:], a[:])
	}
	b := binary.BigEndian.AppendUint32([]byte{3}, uint32(6+len(head)+len(body)))
	if _, err := r.conn.Write(slices.Concat(append(b, typ), head, body)); err != nil {
		r.t.Fatal(err)
	}
	r.said++
}

func (r *reporter) up(p *reported) {
	open := func(as uint32) []byte {
		b := slices.Repeat([]byte{0xff}, 16)
		b = append(b, 0, 37, 1, 4, 0x5b, 0xa0, 0, 90, 192, 0, 2, 1, 8, 2, 6, 65, 4)
		return binary.BigEndian.AppendUint32(b, as)
	}
	body := make([]byte, 20)
	copy(body[12:], []byte{192, 0, 2, 1, 0, 179, 0x90, 0})
	r.say(3, p, slices.Concat(body, open(64500), open(p.as)))
}

// peer is the neighbour of a record, which comes up with its first.
func (r *reporter) peer(as uint32, addr netip.Addr) *reported {
	for _, p := range r.peers {
		if p.addr == addr && p.as == as {
			return p
		}
	}
	p := &reported{addr, as, map[bgp.Prefix][]byte{}}
	r.peers = append(r.peers, p)
	r.up(p)
	return p
}

// record says what one record of the scenario says.
func (r *reporter) record(rec *mrt.Record) {
	r.t.Helper()
	if err := r.dec.Decode(rec, &r.content); err != nil {
		r.t.Fatal(err)
	}
	c := &r.content
	switch c.Kind {
	case mrt.Message:
		if k, err := wire.MessageType(c.BGP); err != nil || k != wire.TypeUpdate {
			return
		}
		p := r.peer(c.PeerAS, c.PeerAddr)
		var u wire.Update
		if err := u.Parse(c.BGP, c.Opts); err != nil {
			r.t.Fatal(err)
		}
		var e bgp.Elem
		for u.Next(&e) {
			if delete(p.routes, e.Prefix); e.Kind == bgp.Announce {
				p.routes[e.Prefix] = updateOf(nil, u.Attrs(), nlriOf(e.Prefix))
			}
		}
		r.say(0, p, c.BGP)
	case mrt.RIBEntries:
		var e mrt.RIBEntry
		for c.RIB.Next(&e) {
			p := r.peer(e.PeerAS, e.PeerAddr)
			p.routes[e.Prefix] = updateOf(nil, e.Attrs, nlriOf(e.Prefix))
			r.say(0, p, p.routes[e.Prefix])
		}
	}
}

func nlriOf(p bgp.Prefix) []byte {
	a := p.Netip().Addr().As4()
	return append([]byte{byte(p.Len())}, a[:(p.Len()+7)/8]...)
}

func updateOf(withdrawn, attrs, nlri []byte) []byte {
	b := slices.Repeat([]byte{0xff}, 16)
	b = binary.BigEndian.AppendUint16(b, uint16(23+len(withdrawn)+len(attrs)+len(nlri)))
	b = binary.BigEndian.AppendUint16(append(b, 2), uint16(len(withdrawn)))
	b = binary.BigEndian.AppendUint16(append(b, withdrawn...), uint16(len(attrs)))
	return slices.Concat(b, attrs, nlri)
}

// bmpSteps is what happens to a monitor, and its router, at the beginning of some seconds of a scenario. Before slow, time goes by in strides.
type bmpSteps struct {
	cut, back, kill []int
	slow            bgp.Micros
}

// bmpQuiet is a world in which nothing happens.
const bmpQuiet = `corewatch scenario 1
reason   what a monitor that hears of the world over BMP makes of it
start    2030-01-01T00:00:00Z
country  XA 10.0.0.0/8
country  XB 20.0.0.0/8
peers    all rc0 AS64601..AS64616
prefixes xa1 AS65001 10.1.0.0/24 x25
prefixes xa2 AS65002 10.2.0.0/24 x25
prefixes xa3 AS65003 10.3.0.0/24 x25
prefixes lost xa1:1-15 xa2:1-15 xa3:1-15
prefixes world AS65101 20.1.0.0/24 x100

+0s      table all xa1,xa2,xa3,world via AS64700
+0s      churn all world 1/s
`

// bmpOutage is one with an outage, after the hour in which a table without a dump is learnt.
const bmpOutage = bmpQuiet + `+62m     withdraw all lost over 20s lag 40s
+66m     announce all lost via AS64700 over 20s lag 20s
+68m     end
expect   outage country:XA confirmed
`

// watchedBMP plays a scenario over BMP, with a real connection, into a live monitor. It gives the monitor's folder and its incidents at the end.
func watchedBMP(t *testing.T, s *scenario.Scenario, steps bmpSteps) (dir string, incidents []byte) {
	t.Helper()
	dir = t.TempDir()
	store, err := sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	merger := collect.NewMerger(scenarioFiles(s), collect.Options{})
	defer merger.Close()
	item, failed := merger.Next()
	if failed != nil {
		t.Fatal(failed)
	}
	now := item.Record.Time - item.Record.Time%second
	began := now
	var clock atomic.Int64 // now, for the station's goroutines
	c := conf.Default()
	c.Peers.SettleFor = 20 // a scenario is short
	router := &reporter{t: t}
	stop := func() {}
	defer func() { stop() }()
	open := func() *live {
		stop()
		station, err := bmp.New(bmp.Options{
			Listen: "127.0.0.1:0", Now: func() time.Time { return time.UnixMicro(clock.Load()) },
			Routers: []bmp.Router{{Prefix: netip.MustParsePrefix("127.0.0.1/32"), Collector: "edge1"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); station.Run(ctx) }()
		stop = func() { cancel(); <-ended }
		l := &live{rec: recordInto(t.Context(), store, detect.Live), conf: c, logger: zerolog.Nop(), clock: func() time.Time { return now.Time() }}
		l.tables = scenarioTables(s)
		l.sources = []source{&bmpSource{"127.0.0.1:0", station}}
		if err := l.open(t.Context(), filepath.Join(dir, liveFolder)); err != nil {
			t.Fatal(err)
		}
		router.station = station
		router.connect()
		return l
	}
	clock.Store(int64(now))
	l := open()
	for now < s.End+2*second {
		if now += second; steps.slow > 0 && now-began < steps.slow {
			now += 59 * second // nothing happens that is looked at
		}
		clock.Store(int64(now))
		sec := int((now - began) / second)
		if slices.Contains(steps.kill, sec) {
			l = open()
		}
		if slices.Contains(steps.cut, sec) {
			router.close()
		}
		if slices.Contains(steps.back, sec) {
			router.connect()
		}
		for ; failed == nil && item.Record.Time <= now; item, failed = merger.Next() {
			router.record(item.Record)
		}
		if failed != nil && !errors.Is(failed, io.EOF) {
			t.Fatal(failed)
		}
		if router.conn != nil {
			router.wait("all has arrived", func(st bmp.RouterStats) bool { return st.Counts.Messages == router.said })
		}
		if err := l.step(); err != nil {
			t.Fatal(err)
		}
	}
	l.f.m.Engine().Finish(l.f.now.Time())
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	if c := router.station.Stats().Routers[0].Counts; c.Orphans+c.Malformed+c.Contradictions+c.Unwritable+c.Refused != 0 {
		t.Errorf("%+v", c)
	}
	return dir, jsonOf(t, l.f.m)
}

// TestBMPReplaysToTheSameBytes: an outage told over BMP is found, and the journal says it again, octet for octet, whatever befell the connection and
// the monitor. A connection that is cut, for a moment or for longer than the hold, is a fault of the monitor's and says nothing of the world.
func TestBMPReplaysToTheSameBytes(t *testing.T) {
	fault := []string{"monitor_fault collector edge1 recovering"}
	const quiet = bmpQuiet + "+5m end\nexpect nothing\n"
	for name, c := range map[string]struct {
		text  string
		steps bmpSteps
		want  []string
	}{
		"outage":                       {bmpOutage, bmpSteps{slow: 61 * 60 * second}, []string{"outage country XA recovering", "outage network AS65001 recovering", "outage network AS65002 recovering", "outage network AS65003 recovering"}},
		"killed":                       {quiet, bmpSteps{kill: []int{100, 133}}, fault},
		"cut for a moment":             {quiet, bmpSteps{cut: []int{60}, back: []int{65}}, fault},
		"cut for longer than the hold": {quiet, bmpSteps{cut: []int{60}, back: []int{200}}, fault},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := scenario.Parse("bmp.txt", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			dir, said := watchedBMP(t, s, c.steps)
			var found []string
			for line := range bytes.Lines(said) {
				var inc struct {
					Kind, State string
					Entity      struct{ Type, Code string }
				}
				if err := json.Unmarshal(line, &inc); err != nil {
					t.Fatal(err)
				}
				found = append(found, inc.Kind+" "+inc.Entity.Type+" "+inc.Entity.Code+" "+inc.State)
			}
			if slices.Sort(found); !slices.Equal(found, c.want) {
				t.Errorf("%q, want %q\n%.2000s", found, c.want, said)
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
			if again.f.count.Malformed != 0 {
				t.Errorf("%s %v", again.f.count, again.f.count.Kinds)
			}
			inOrder(t, filepath.Join(dir, liveFolder))
		})
	}
}

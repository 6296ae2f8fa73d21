package app

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// bgpMessage makes a message of a type.
func bgpMessage(kind byte, body ...byte) []byte {
	b := append(bytes.Repeat([]byte{0xff}, 16), 0, 0, kind)
	binary.BigEndian.PutUint16(b[16:], uint16(19+len(body)))
	return append(b, body...)
}

var (
	bgpKeepalive = bgpMessage(wire.TypeKeepalive)
	bgpEndOfRIB  = bgpMessage(wire.TypeUpdate, 0, 0, 0, 0)
)

// bgpRoutes announces 10.N.0.0/24 with a path of the AS and AS 65100, both two octets long.
func bgpRoutes(as uint16, n byte) []byte {
	return bgpMessage(wire.TypeUpdate, 0, 0, 0, 20, 0x40, 1, 1, 0, 0x40, 2, 6, 2, 2, byte(as>>8), byte(as), 0xfe, 0x4c, 0x40, 3, 4, 192, 0, 2, 1, 24, 10, n, 0)
}

// bgpRouter brings up a session from a loopback address, as a router that knows no capability would, and says what is given.
func bgpRouter(t *testing.T, from, to string, as uint16, say ...[]byte) net.Conn {
	t.Helper()
	var conn net.Conn
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) { // the speaker opens its socket beside
		var err error
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: netip.MustParseAddr(from).AsSlice()}}
		if conn, err = d.Dial("tcp", to); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { conn.Close() })
	open := bgpMessage(wire.TypeOpen, 4, byte(as>>8), byte(as), 0, 90, 10, 0, 0, 1, 0)
	if _, err := conn.Write(append(open, bgpKeepalive...)); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, conn)
	for _, b := range say {
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

// TestLivePeering: what routers say in sessions of our own reaches the tables; a lost session makes unknown what it said, and End-of-RIB makes it
// known again; after a kill, who does not come back is down; and the journal says all of it again.
func TestLivePeering(t *testing.T) {
	s, err := scenario.Parse("short-outage.txt", []byte(shortOutage))
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().String()
	free.Close()
	c, err := conf.Parse(fmt.Appendf(nil, `
sources:
  - collector: own
    peering:
      listen: %s
      as: 64512
      router_id: 192.0.2.9
      neighbours:
        - {address: 127.0.0.2, as: 65001, passive: true}
        - {address: 127.0.0.3, as: 65002, passive: true, hold: 0s, max_routes: 1000}
`, at))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	store, err := sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ahead := time.Duration(0)
	open := func() (*live, *peeringSource, func()) {
		src, err := newPeeringSource(c.Sources[0], zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		l := &live{
			rec: recordInto(t.Context(), store, detect.Live), conf: c, logger: zerolog.Nop(), again: map[string]bool{},
			sources: []source{src}, clock: func() time.Time { return time.Now().Add(ahead) },
		}
		l.tables = scenarioTables(s)
		if err := l.open(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var beside sync.WaitGroup
		beside.Go(func() { src.speaker.Run(ctx) })
		return l, src, func() { cancel(); beside.Wait() }
	}
	l, src, stop := open()
	defer func() { stop() }()
	until := func(what string, ok func(map[string]bgp.PeerStatus) bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			ahead += 200 * time.Millisecond // the clock runs faster than the test waits
			if err := l.step(); err != nil {
				t.Fatal(err)
			}
			peers := map[string]bgp.PeerStatus{}
			for _, p := range l.f.m.Peers() {
				peers[p.Peer.Addr.String()] = p
			}
			if ok(peers) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %+v\n%+v", what, peers, src.status())
			}
		}
	}
	const a, b = "127.0.0.2", "127.0.0.3"
	first := bgpRouter(t, a, at, 65001, bgpRoutes(65001, 1), bgpRoutes(65001, 2), bgpEndOfRIB)
	bgpRouter(t, b, at, 65002, bgpRoutes(65002, 1))
	until("two tables", func(p map[string]bgp.PeerStatus) bool { return p[a].KnownV4 == 2 && p[b].KnownV4 == 1 })
	if st := src.status(); st.State != "connected" || !strings.Contains(st.Detail, "2 of 2 BGP sessions established, 3 routes") || st.Last.IsZero() {
		t.Errorf("status %+v", st)
	}
	first.Close()
	until("a loss", func(p map[string]bgp.PeerStatus) bool { return p[a].State == "down" && p[a].KnownV4 == 0 })
	first = bgpRouter(t, a, at, 65001, bgpRoutes(65001, 1))
	until("back, and not complete", func(p map[string]bgp.PeerStatus) bool { return p[a].State == "resync" && p[a].KnownV4 == 1 })
	if _, err := first.Write(bgpEndOfRIB); err != nil {
		t.Fatal(err)
	}
	until("complete", func(p map[string]bgp.PeerStatus) bool { return p[a].State == "up" && p[b].State != "down" })
	if p := src.position(); p != "65001/127.0.0.2 65002/127.0.0.3" {
		t.Errorf("position %q", p)
	}

	stop() // killed: nothing is closed or committed beyond what was applied
	l, src, stop = open()
	if len(src.before) != 2 {
		t.Fatalf("of the last run: %v", src.before)
	}
	bgpRouter(t, a, at, 65001, bgpRoutes(65001, 1), bgpEndOfRIB)
	until("one is back", func(p map[string]bgp.PeerStatus) bool { return p[a].KnownV4 == 1 && p[a].State == "up" })
	ahead += backWithin
	until("the other is not", func(p map[string]bgp.PeerStatus) bool { return p[b].State == "down" && p[a].State == "up" })
	if p := src.position(); p != "65001/127.0.0.2" {
		t.Errorf("position %q", p)
	}
	if st := src.status(); !strings.Contains(st.Detail, "1 of 2 BGP sessions established") || !strings.Contains(st.Detail, "AS65002 127.0.0.3: has not connected") {
		t.Errorf("status %+v", st)
	}

	if err := l.apply(); err != nil {
		t.Fatal(err)
	}
	again, err := followLog(t.Context(), dir, logRun{rec: &recorder{}, tables: l.tables})
	if err != nil {
		t.Fatal(err)
	}
	if was, is := l.f.m.Peers(), again.f.m.Peers(); !reflect.DeepEqual(was, is) {
		t.Errorf("live\n%+v\nits journal\n%+v", was, is)
	}
	said := jsonOf(t, l.f.m)
	if says := jsonOf(t, again.f.m); !bytes.Equal(said, says) || bytes.Count(said, []byte(`"monitor_fault"`)) == 0 {
		t.Errorf("live\n%s\nits journal\n%s", said, says)
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
}

// TestPeeringPassword: the password is the one line of its file; an error names the file and never what is in it.
func TestPeeringPassword(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{"secret\n": "secret", "with blanks \r\n": "with blanks ", "": "", "\n": "", "two\nlines\n": "", strings.Repeat("x", 81): ""} {
		name := filepath.Join(dir, "password")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		src, err := newPeeringSource(conf.Source{Collector: "own", Peering: &conf.Peering{AS: 1, RouterID: "192.0.2.9", Neighbours: []conf.Neighbour{
			{Address: "192.0.2.1", AS: 2, PasswordFile: name},
		}}}, zerolog.Nop())
		if want == "" {
			if err == nil || src != nil || text != "" && strings.Contains(err.Error(), text) {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if got, perr := password(name, zerolog.Nop()); err != nil || perr != nil || got != want {
			t.Errorf("%q: %q, %v, %v", text, got, err, perr)
		}
	}
	if _, err := password(filepath.Join(dir, "none"), zerolog.Nop()); err == nil {
		t.Error("a file that is not there was read")
	}
}

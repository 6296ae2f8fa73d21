package app

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/bmp"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// bmpCaptures are the octets that real routers sent, one connection each.
func bmpCaptures(t *testing.T) (out [][]byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dataDir(), "bmp", "netgauze", "*", "*.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("no captures (COREWATCH_DATA): no BMP of real routers went through a monitor")
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sent := map[string][]byte{} // Ethernet, IPv4, in order: bgp/bmp's tests look closer
		for b = b[24:]; len(b) > 16; {
			n := int(binary.LittleEndian.Uint32(b[8:]))
			ip := b[16+14 : 16+n]
			tcp := ip[int(ip[0]&15)*4 : binary.BigEndian.Uint16(ip[2:])]
			from := string(ip[12:16]) + string(tcp[:2])
			sent[from] = append(sent[from], tcp[int(tcp[12]>>4)*4:]...)
			b = b[16+n:]
		}
		for _, from := range slices.Sorted(maps.Keys(sent)) {
			if len(sent[from]) > 0 {
				out = append(out, sent[from])
			}
		}
	}
	return out
}

// TestBMPCapturesThroughTheMonitor: what real routers sent goes over TCP into the live side of `corewatch run`, configured as a user would, and the
// journal says the same again.
func TestBMPCapturesThroughTheMonitor(t *testing.T) {
	connections := bmpCaptures(t)
	c, err := conf.Parse([]byte("sources:\n  - bmp:\n      listen: 127.0.0.1:0\n      routers: [{address: 127.0.0.0/24, collector: lab}, {address: 127.0.0.1, collector: edge1}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	dir := t.TempDir()
	w, err := newWatcher(c, "", dir, store, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	station := w.sources[0].(*bmpSource).station
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx) }()
	until := func(what string, f func(st bmp.Stats) bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !f(station.Stats()); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("waiting until %s: %+v", what, station.Stats())
			}
		}
	}
	until("it listens", func(st bmp.Stats) bool { return st.Listening != "" })
	if st := w.sources[0].status(); st.State != "connecting" || !strings.Contains(st.Detail, "edge1 (it has not connected yet)") {
		t.Errorf("%+v", st)
	}
	var all sync.WaitGroup
	for i, b := range connections {
		from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(i+1))}
		conn, err := (&net.Dialer{LocalAddr: from}).Dial("tcp", station.Stats().Listening)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		all.Go(func() {
			if _, err := conn.Write(b); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	until("all is heard", func(st bmp.Stats) bool {
		n := uint64(0)
		for _, r := range st.Routers {
			n += r.Counts.Messages
		}
		return n == 442 // of the captures together
	})
	st := w.sources[0].status()
	if st.State != "connected" || !strings.Contains(st.Detail, "9 routers connected") || strings.Contains(st.Detail, "127.0.0") || st.Last.IsZero() {
		t.Errorf("%+v", st)
	}
	until("all is taken", func(st bmp.Stats) bool {
		return !slices.ContainsFunc(st.Routers, func(r bmp.RouterStats) bool { return r.Waiting > 0 })
	})
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	records := map[string]uint64{}
	for _, r := range station.Stats().Routers {
		records[r.Collector] += r.Counts.Records
	}

	again, err := followLog(t.Context(), filepath.Join(dir, liveFolder), logRun{
		rec: &recorder{}, tables: keptIn(filepath.Join(dir, liveFolder), zerolog.Nop()),
	})
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]uint64{}
	for _, f := range again.files {
		kept[bgp.CollectorOf(f.Input.Collector)] += f.Input.Parsed + f.Input.Skipped + f.Input.Malformed
	}
	if maps.DeleteFunc(records, func(_ string, n uint64) bool { return n == 0 }); !maps.Equal(kept, records) || again.f.count.Malformed != 0 {
		t.Errorf("kept %v, want %v; %s %v", kept, records, again.f.count, again.f.count.Kinds)
	}
	if views, err := filepath.Glob(filepath.Join(dir, liveFolder, "segments", "lab@127.0.0.5~post", "*.mrt.gz")); len(views) != 1 { // a folder is named as its collector
		t.Errorf("%q, %v", views, err)
	}
	inOrder(t, filepath.Join(dir, liveFolder))
	var peers []string
	for _, p := range again.f.m.Peers() {
		if p.KnownV4+p.KnownV6 > 0 {
			peers = append(peers, fmt.Sprintf("%s %d", p.Peer, p.KnownV4+p.KnownV6))
		}
	}
	want := []string{
		"lab@127.0.0.3~loc/AS100/2.2.2.2 3", "lab@127.0.0.4/AS65000/169.254.0.1 1", "lab@127.0.0.5/AS100/1.1.1.1 2", "lab@127.0.0.5~loc/AS100/2.2.2.2 3", "lab@127.0.0.5~post/AS100/1.1.1.1 2",
		"lab@127.0.0.6/AS65002/172.20.0.12 1", "lab@127.0.0.6/AS65003/172.20.0.13 1", "lab@127.0.0.6~loc/AS65001/1.1.1.1 3", "lab@127.0.0.7/AS65001/172.20.0.11 2", "lab@127.0.0.7~loc/AS65002/2.2.2.2 2",
		"lab@127.0.0.7~post/AS65001/172.20.0.11 2", "lab@127.0.0.8/AS65001/172.20.0.11 1", "lab@127.0.0.8~loc/AS65003/3.3.3.3 1", "lab@127.0.0.8~post/AS65001/172.20.0.11 1",
	}
	if slices.Sort(peers); !slices.Equal(peers, want) {
		t.Errorf("%q, want %q", peers, want)
	}
	list, _, err := store.Incidents(t.Context(), sqlite.Query{Limit: 100})
	if err != nil || len(list) != len(again.f.m.Engine().Incidents()) {
		t.Errorf("%d incidents in the store, %d of the journal, %v", len(list), len(again.f.m.Engine().Incidents()), err)
	}
}

package app

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	archives "github.com/corewatch/corewatch/bgp/archive"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/rislive"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// stream is a RIS Live of the test's own: a WebSocket (RFC 6455) that sends what it is told to.
type stream struct {
	*httptest.Server
	frames chan string // "": break the connection
}

func newStream(t *testing.T) *stream {
	s := &stream{frames: make(chan string, 1000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
		if rw.Flush() != nil || readFrame(rw.Reader) != nil {
			return
		}
		for text := range s.frames {
			if text == "" || writeFrame(conn, text) != nil {
				return
			}
		}
	}))
	t.Cleanup(func() { close(s.frames); s.CloseClientConnections(); s.Close() })
	return s
}

// readFrame passes over one short frame of a client: the subscription.
func readFrame(r *bufio.Reader) error {
	head := make([]byte, 2)
	if _, err := r.Read(head[:1]); err != nil {
		return err
	}
	n, err := r.ReadByte()
	if err != nil {
		return err
	}
	length := int(n & 0x7f)
	if length == 126 {
		var b [2]byte
		if _, err := r.Read(b[:]); err != nil {
			return err
		}
		length = int(binary.BigEndian.Uint16(b[:]))
	}
	_, err = r.Discard(4 + length) // with its mask
	return err
}

func writeFrame(conn net.Conn, text string) error {
	b := []byte{0x81, 126}
	b = binary.BigEndian.AppendUint16(b, uint16(len(text)))
	_, err := conn.Write(append(b, text...))
	return err
}

// say has a peer send an UPDATE, or, without one, a KEEPALIVE.
func (s *stream) say(peer int, update string) {
	kind := "KEEPALIVE"
	if update != "" {
		kind, update = "UPDATE", ","+update
	}
	s.frames <- fmt.Sprintf(`{"type":"ris_message","data":{"timestamp":1700000000.5,"peer":"192.0.2.%d","peer_asn":"%d","host":"rrc04.ripe.net","type":%q%s}}`, peer+1, 64601+peer, kind, update)
}

const (
	seedPeers    = 12
	seedPrefixes = 40
)

// dumpOf is a table of twelve peers with 10.1.0.0/24 to 10.1.39.0/24, and one prefix elsewhere, packed.
func dumpOf(t *testing.T, at time.Time) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	var peers []mrt.TablePeer
	for i := range seedPeers {
		peers = append(peers, mrt.TablePeer{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), AS: uint32(64601 + i)})
	}
	w, err := mrt.NewTableWriter(z, bgp.MicrosOf(at), netip.Addr{}, "", peers)
	if err != nil {
		t.Fatal(err)
	}
	// ORIGIN, AS_PATH 64700 65001, NEXT_HOP: RFC 4271 section 4.3, with AS numbers of four octets.
	attrs := []byte{0x40, 1, 1, 0, 0x40, 2, 10, 2, 2, 0, 0, 0xfc, 0xbc, 0, 0, 0xfd, 0xe9, 0x40, 3, 4, 192, 0, 2, 1}
	for i := range uint32(seedPrefixes + 1) {
		p := bgp.PrefixFrom4(10<<24|1<<16|i<<8, 24)
		if i == seedPrefixes {
			p = bgp.PrefixFrom4(11<<24, 24)
		}
		var entries []mrt.TableEntry
		for k := range seedPeers {
			entries = append(entries, mrt.TableEntry{Peer: uint16(k), Originated: bgp.MicrosOf(at), Attrs: attrs})
		}
		if err := w.Put(p, entries); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// seededLive is a live monitor over a stream and an archive of the test's own, with a clock of its own.
type seededLive struct {
	t       *testing.T
	l       *live
	src     *risSource
	stream  *stream
	archive *publisher
	files   string
	log     bytes.Buffer

	mu  sync.Mutex
	now time.Time
}

func (s *seededLive) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *seededLive) publish(at time.Time, table []byte) {
	file := filepath.Join(s.files, at.Format("20060102.1504"))
	if err := os.WriteFile(file, table, 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.archive.put("/rrc04/"+at.Format("2006.01")+"/bview."+at.Format("20060102.1504")+".gz", file)
}

// open starts the monitor; the function it gives stops it.
func (s *seededLive) open(dir string, store *sqlite.Store, c conf.RISLive) (stop func()) {
	s.t.Helper()
	var err error
	log := zerolog.New(zerolog.SyncWriter(&s.log))
	if s.src, err = newRISSource(c, s.archive.URL, dir, log); err != nil {
		s.t.Fatal(err)
	}
	s.src.tables.clock, s.src.tables.pause = s.clock, 50*time.Millisecond
	s.l = &live{
		rec: recordInto(s.t.Context(), store, detect.Live), conf: conf.Default(), logger: zerolog.Nop(), clock: s.clock, sources: []source{s.src},
		tables: keptIn(dir, zerolog.Nop()),
	}
	if err := s.l.open(s.t.Context(), dir); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() { s.src.run(ctx); close(done) }()
	return func() {
		cancel()
		<-done
		if err := s.l.close(); err != nil {
			s.t.Fatal(err)
		}
	}
}

// until lets time pass, five seconds a step, until something is so.
func (s *seededLive) until(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		s.mu.Lock()
		s.now = s.now.Add(5 * time.Second)
		s.mu.Unlock()
		if err := s.l.step(); err != nil {
			s.t.Fatal(err)
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s: not after 30 s; %s", what, s.src.tables)
		}
	}
}

// carriers is how many sessions carry 10.1.N.0/24, and the origin that the session given sees.
func carriers(m *signal.Monitor, n, peer int) (count int, origin uint32) {
	v4 := m.Tables()[0]
	row, err := v4.Intern(bgp.PrefixFrom4(10<<24|1<<16|uint32(n)<<8, 24))
	if err != nil {
		panic(err)
	}
	for r := range v4.Announced(row) {
		count++
		if v4.PeerName(r.Peer).AS == uint32(64601+peer) {
			origin = r.Origin
		}
	}
	return count, origin
}

// TestRISTables: the table of a collector that begins to be heard comes from the archive, under what it said since; after a gap only one that was
// made later than what was heard; and the journal says it all again.
func TestRISTables(t *testing.T) {
	begin := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	s := &seededLive{t: t, stream: newStream(t), archive: newPublisher(t), files: t.TempDir(), now: begin}
	s.publish(begin.Add(-2*time.Hour), dumpOf(t, begin.Add(-2*time.Hour)))
	s.publish(begin.Add(-10*time.Hour), []byte("not this one"))
	dir := filepath.Join(t.TempDir(), liveFolder)
	store, err := sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	subscription := conf.RISLive{Endpoint: "ws" + strings.TrimPrefix(s.stream.URL, "http") + "/", Prefixes: []string{"10.0.0.0/8"}, Seed: new(true)}
	stop := s.open(dir, store, subscription)

	alive := func() {
		for i := range seedPeers {
			s.stream.say(i, "")
		}
	}
	s.stream.say(0, `"withdrawals":["10.1.3.0/24"]`)
	s.stream.say(1, `"path":[64602,65009],"announcements":[{"next_hop":"192.0.2.2","prefixes":["10.1.7.0/24"]}]`)
	alive()
	s.until("the first table", func() bool { return strings.HasPrefix(s.src.tables.String(), "tables of 1 of 1") })
	s.until("all of it", func() bool { n, _ := carriers(s.l.f.m, seedPrefixes-1, 0); return n == seedPeers })
	if n, at := carriers(s.l.f.m, 3, 0); n != seedPeers-1 || at != 0 {
		t.Errorf("what was withdrawn since is carried by %d, and there from %d", n, at)
	}
	if n, from := carriers(s.l.f.m, 7, 1); n != seedPeers || from != 65009 {
		t.Errorf("what was announced since is carried by %d, there from AS%d", n, from)
	}
	if n := s.l.f.m.Tables()[0].Stats().Rows; n != seedPrefixes {
		t.Errorf("%d prefixes, want the %d of the subscription", n, seedPrefixes)
	}

	s.stream.frames <- ""
	s.until("the gap", func() bool { return !s.src.client.Status().Connected })
	alive()
	s.stream.say(2, `"path":[64603,65009],"announcements":[{"next_hop":"192.0.2.2","prefixes":["10.1.8.0/24"]}]`)
	s.until("the collector again", func() bool { n, _ := carriers(s.l.f.m, 8, 2); return n == 1 })
	s.until("a look at the archive", func() bool { return strings.Contains(s.src.tables.String(), "the archive's newest is of 08:00") })
	if n, _ := carriers(s.l.f.m, 9, 0); n != 0 {
		t.Errorf("an old table was filled in: %d", n)
	}
	after := s.clock().Truncate(time.Minute).Add(time.Minute)
	s.publish(after, dumpOf(t, after))
	s.until("the second table", func() bool { n, _ := carriers(s.l.f.m, seedPrefixes-1, 0); return n == seedPeers })
	s.until("its end", func() bool { return strings.HasPrefix(s.src.tables.String(), "tables of 1 of 1") })
	if _, from := carriers(s.l.f.m, 8, 2); from != 65009 {
		t.Errorf("what was announced since the gap is from AS%d", from)
	}
	if left, err := os.ReadDir(filepath.Join(dir, tablesFolder)); err == nil && len(left) > 0 {
		if got, _ := filepath.Glob(filepath.Join(dir, tablesFolder, "rrc04", "*", "bview*")); len(got) > 0 {
			t.Errorf("left behind: %v", got)
		}
	}

	// The journal, again.
	steps := 0
	s.until("a few seconds more", func() bool { steps++; return steps > 5 })
	said, v4 := jsonOf(t, s.l.f.m), s.l.f.m.Tables()[0].Stats()
	stop()
	again, err := followLog(t.Context(), dir, logRun{
		rec: &recorder{}, tables: keptIn(dir, zerolog.Nop()),
	})
	if err != nil {
		t.Fatal(err)
	}
	if says := jsonOf(t, again.f.m); !bytes.Equal(said, says) || !bytes.Contains(said, []byte("messages are missed")) {
		t.Errorf("live\n%s\nits journal\n%s", said, says)
	}
	got := again.f.m.Tables()[0].Stats()
	if got.Bytes, v4.Bytes = 0, 0; got != v4 {
		t.Errorf("live %+v, its journal %+v", v4, got)
	}
	for i := range seedPrefixes {
		n, from := carriers(s.l.f.m, i, 2)
		if m, again := carriers(again.f.m, i, 2); m != n || again != from {
			t.Errorf("10.1.%d.0/24 is carried by %d live and by %d in its journal, from AS%d and AS%d", i, n, m, from, again)
		}
	}

	// Started again: what was heard until the hour is known, so that this table is too old, too.
	stop = s.open(dir, store, subscription)
	alive()
	s.until("after the start", func() bool { return strings.Contains(s.src.tables.String(), "the collector was heard until") })
	stop()
}

// TestTableRecords: of a dump those records are given that the subscription is about, and none that has no place in a table.
func TestTableRecords(t *testing.T) {
	raw, err := gzip.NewReader(bytes.NewReader(dumpOf(t, time.Unix(1_700_000_000, 0))))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(raw); err != nil {
		t.Fatal(err)
	}
	smuggled, err := mrt.AppendMessage(nil, 1_700_000_000_000_000, mrt.Envelope{PeerAS: 64601, LocalAS: 1, PeerAddr: netip.MustParseAddr("192.0.2.1")}, append(bytes.Repeat([]byte{0xff}, 16), 0, 19, 4))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		prefixes []string
		dump     []byte
		want     int // records, with that of the peers
		damaged  bool
	}{
		{nil, b.Bytes(), 1 + seedPrefixes + 1, false},
		{[]string{"10.0.0.0/8"}, b.Bytes(), 1 + seedPrefixes, false},
		{[]string{"10.1.2.0/23", "11.0.0.0/24"}, b.Bytes(), 1 + 2 + 1, false},
		{[]string{"10.1.2.0/25", "2001:db8::/32"}, b.Bytes(), 1, false},
		{nil, append(bytes.Clone(b.Bytes()), smuggled...), 1 + seedPrefixes + 1, true},
		{nil, b.Bytes()[:b.Len()-10], 1 + seedPrefixes, true},
	} {
		tables := newRISTables(nil, "", c.prefixes, zerolog.Nop())
		n, err := tables.records(t.Context(), "rrc04", bytes.NewReader(c.dump))
		if n != c.want || len(tables.queue) != n || (err != nil) != c.damaged {
			t.Errorf("%v: %d records, %v; want %d", c.prefixes, n, err, c.want)
		}
	}
	// Only so much waits, and giving up ends the waiting.
	tables := newRISTables(nil, "", nil, zerolog.Nop())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			_, err = tables.records(ctx, "rrc04", bytes.NewReader(bytes.Repeat(b.Bytes(), 1000)))
		}
		ended <- err
	}()
	tables.want("rrc04", time.Time{})
	tables.under, tables.stop = "rrc04", stop
	waiting := func() int { tables.mu.Lock(); defer tables.mu.Unlock(); return tables.size }
	for waiting() < tableQueue/2 {
		time.Sleep(time.Millisecond)
	}
	tables.open = "rrc04"
	var told []received
	tables.drop("rrc04", func(r received) bool { told = append(told, r); return true })
	if err := <-ended; !errors.Is(err, context.Canceled) || waiting() != 0 || len(told) != 1 || told[0].table.State != tableBroken {
		t.Errorf("given up: %v, %d octets wait, told %+v", err, waiting(), told)
	}
	var p heardUntil
	src := &risSource{tables: tables, last: map[string]time.Time{}, fresh: map[string]bool{}}
	for _, name := range []string{"../etc", "route-views2", "rrc04", "rrc044"} {
		src.heard(rislive.Event{Kind: rislive.Record, Collector: name}, time.Date(2026, 3, 1, 10, 0, 1, 0, time.UTC), nil)
	}
	if len(tables.wanted) != 1 || len(src.last) != 1 {
		t.Errorf("wanted: %v", tables.wanted)
	}
	if json.Unmarshal([]byte(src.position()), &p) != nil || !p.Heard["rrc04"].Equal(time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)) {
		t.Errorf("%s", src.position())
	}
	was := src.position()
	if src.resume(was); src.position() != was {
		t.Errorf("%s became %s by a start", was, src.position())
	}
}

// TestReason: the page says why there is no table, without the addresses and paths of the machine.
func TestReason(t *testing.T) {
	p := newPublisher(t)
	a, err := archives.New(archives.Options{RIS: p.URL, Cache: t.TempDir(), Pause: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	tables := newRISTables(a, "", nil, zerolog.Nop())
	_, _, err = tables.read(t.Context(), "rrc04", time.Time{})
	if err == nil || reason(err) != "the archive has none of the last 24 hours" {
		t.Errorf("%v", err)
	}
	p.Close()
	_, _, err = tables.read(t.Context(), "rrc04", time.Time{})
	if text := reason(err); err == nil || strings.Contains(text, "127.0.0.1") || !strings.Contains(text, "refused") {
		t.Errorf("%q of %v", text, err)
	}
	if text := reason(fmt.Errorf("the list http://10.0.0.1/: %w", errors.New("the server answered 503"))); text != "the server answered 503" {
		t.Error(text)
	}
}

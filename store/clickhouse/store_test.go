package clickhouse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/store/clickhouse/clickhousetest"
)

// connected gives a store on a server, connected, and the name of its database.
func connected(t *testing.T, srv *clickhousetest.Server) (*Store, string) {
	t.Helper()
	s := stored(t, srv, srv.Address)
	id, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s, id
}

// stored gives a store on a server that is reached at an address.
func stored(t testing.TB, srv *clickhousetest.Server, address string) *Store {
	t.Helper()
	off := false
	s, err := New(Config{Address: address, Database: srv.Database, User: srv.User, PasswordFile: secret(t, srv.Password), TLS: &off})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// secret writes a file with a password, as an editor leaves it.
func secret(t testing.TB, text string) string {
	t.Helper()
	if text == "" {
		return ""
	}
	name := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

var epoch = time.Date(2008, 2, 21, 3, 20, 22, 0, time.UTC)

func incidentOf(code string, revision int) *detect.Incident {
	inc := &detect.Incident{
		V: detect.SchemaVersion, ID: code + "-20080221T0320Z-k3f9q2xa", Revision: revision, Data: detect.Archive, Kind: detect.Outage, State: detect.Suspected, Severity: 3,
		Entity: detect.Entity{Type: "country", Code: code, Name: "Land <&> ' \\ \u2028"}, PublicCore: []string{"routing"},
		Start: detect.Interval{Time: detect.At(epoch)}, Coverage: detect.Coverage{Level: "full"},
	}
	for r := 1; r <= revision; r++ {
		inc.Revisions = append(inc.Revisions, detect.Revision{Revision: r, At: detect.At(epoch.Add(time.Duration(r) * time.Minute)), State: inc.State, Change: "updated"})
	}
	return inc
}

func text(t *testing.T, inc *detect.Incident) string {
	t.Helper()
	b, err := inc.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func samplesOf(n int) []detect.Sample {
	list := make([]detect.Sample, n)
	for i := range list {
		list[i] = detect.Sample{
			Entity: fmt.Sprintf("country:%c%c", 'A'+i%26, 'A'+i/26%26), Signal: []string{"bgp.v4", "bgp.v6"}[i%2],
			At: detect.At(epoch.Add(time.Duration(i)*time.Minute + time.Duration(i%7)*time.Microsecond)), Expected: 5120, Lost: int64(i), Unobservable: 310,
			Prefixes: 1374, LostPrefixes: int32(i % 100), Voting: 39, NoData: i%5 == 0,
		}
	}
	if n > 1 {
		list[1].Expected, list[1].Lost, list[1].Prefixes, list[1].Voting = math.MaxInt64, math.MinInt64, math.MaxInt32, math.MinInt32
	}
	return list
}

// row is a sample as sampleRows words it.
func row(s detect.Sample, generation int) string {
	return fmt.Sprintf("%s %s %d %d %d %d %d %d %d %v %d", s.Entity, s.Signal, s.At.Micros(), s.Expected, s.Lost, s.Unobservable, s.Prefixes, s.LostPrefixes, s.Voting, s.NoData, generation)
}

func sampleRows(srv *clickhousetest.Server, store string) []string {
	return srv.Strings("SELECT concat(entity, ' ', signal, ' ', toString(toUnixTimestamp64Micro(at)), ' ', toString(expected), ' ', toString(lost), ' ', toString(unobservable), ' ', " +
		"toString(prefixes), ' ', toString(lost_prefixes), ' ', toString(voting), ' ', toString(no_data), ' ', toString(generation)) FROM " + srv.Database + ".samples FINAL WHERE store = '" + store + "'")
}

// count is the number of rows as they lie there: no row is left out as an older version.
func count(srv *clickhousetest.Server, table string) string {
	return srv.String("SELECT toString(count()) FROM " + srv.Database + "." + table)
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%d rows, want %d\n%.400q\n%.400q", len(got), len(want), got, want)
	}
}

// TestWrite: what was written is read as it was; a block that comes again counts once, at once; versions win in any order.
func TestWrite(t *testing.T) {
	srv := clickhousetest.Start(t)
	s, id := connected(t, srv)
	ctx := t.Context()
	pk1, pk2, ci1 := incidentOf("PK", 1), incidentOf("PK", 2), incidentOf("CI", 1)
	for range 2 {
		if err := s.WriteRevisions(ctx, "a", 1, []*detect.Incident{pk1, ci1, pk2}); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(srv, "revisions"); n != "3" {
		t.Errorf("a block that came twice is %s rows of 3", n)
	}
	changed := incidentOf("PK", 2)
	changed.Severity, changed.State = 4, detect.Closed
	if err := s.WriteRevisions(ctx, "a", 4, []*detect.Incident{changed}); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteRevisions(ctx, "b", 1, []*detect.Incident{pk1}); err != nil { // another store's is another
		t.Fatal(err)
	}
	if err := s.WriteRevisions(ctx, "a", 1, []*detect.Incident{pk1, ci1}); err != nil { // the same rows in another block
		t.Fatal(err)
	}
	db := srv.Database
	same(t, srv.Strings("SELECT json FROM "+db+".revisions FINAL WHERE store = 'a'"), []string{text(t, pk1), text(t, changed), text(t, ci1)})
	same(t, srv.Strings("SELECT json FROM "+db+".incidents WHERE store = 'a'"), []string{text(t, changed), text(t, ci1)})
	same(t, srv.Strings("SELECT concat(incident, ' ', toString(revision), ' ', data, ' ', kind, ' ', state, ' ', toString(severity), ' ', entity, ' ', toString(start), ' ', toString(at)) FROM "+
		db+".incidents WHERE store = 'a' AND entity = 'country:PK'"), []string{pk1.ID + " 2 archive outage closed 4 country:PK 2008-02-21 03:20:22 2008-02-21 03:22:22"})
	var back detect.Incident
	if err := json.Unmarshal([]byte(srv.String("SELECT json FROM "+db+".revisions FINAL WHERE store = 'b'")), &back); err != nil || text(t, &back) != text(t, pk1) {
		t.Errorf("read back: %v", err)
	}

	list := samplesOf(2000)
	want := make([]string, len(list))
	for i := range list {
		want[i] = row(list[i], 1)
	}
	for _, part := range [][]detect.Sample{list, list, list[:700], list[700:]} {
		if err := s.WriteSamples(ctx, "a", detect.Archive, 1, part); err != nil {
			t.Fatal(err)
		}
	}
	same(t, sampleRows(srv, "a"), want)
	if n := count(srv, "samples"); n != "4000" { // the whole once, the two parts once; until they are merged
		if n != "2000" {
			t.Errorf("%s rows", n)
		}
	}
	list[5].Lost = -1
	want[5] = row(list[5], 2)
	for _, g := range []struct {
		generation uint64
		list       []detect.Sample
	}{{2, list[5:6]}, {1, samplesOf(2000)[5:6]}} {
		if err := s.WriteSamples(ctx, "a", detect.Archive, g.generation, g.list); err != nil {
			t.Fatal(err)
		}
	}
	same(t, sampleRows(srv, "a"), want)
	if err := errors.Join(s.WriteSamples(ctx, "a", detect.Archive, 2, nil), s.WriteRevisions(ctx, "a", 9, nil)); err != nil {
		t.Errorf("nothing to write: %v", err)
	}

	if again, err := s.Connect(ctx); err != nil || again != id {
		t.Errorf("the database is %q, and then %q: %v", id, again, err)
	}
	srv.Strings("DROP TABLE " + db + ".samples")
	var refused *Refused
	if err := s.WriteSamples(ctx, "a", detect.Archive, 2, list); !errors.As(err, &refused) || refused.Code != 60 || !strings.Contains(err.Error(), "writing 2000 rows of samples") {
		t.Errorf("a table that is gone: %v", err)
	}
	if _, err := s.Connect(ctx); err != nil { // it is made again
		t.Fatal(err)
	}
	if err := s.WriteSamples(ctx, "a", detect.Archive, 2, list); err != nil {
		t.Error(err)
	}
}

// TestServerAway: what a dead server had acknowledged it still has, and a database that was lost has another name.
func TestServerAway(t *testing.T) {
	srv := clickhousetest.Start(t)
	if !srv.Ours() {
		t.Skip("did not run: killing the server of CLICKHOUSE_ADDR")
	}
	s, id := connected(t, srv)
	ctx := t.Context()
	list := samplesOf(5000)
	write := func() error { return s.WriteSamples(ctx, "a", detect.Archive, 1, list) }
	if err := write(); err != nil {
		t.Fatal(err)
	}
	srv.Kill()
	if err := write(); err == nil {
		t.Error("a dead server took a block")
	}
	if err := write(); !errors.Is(err, ErrNotConnected) {
		t.Errorf("after a failure: %v", err)
	}
	if _, err := s.Connect(ctx); err == nil || !strings.Contains(err.Error(), srv.Address+": connecting") {
		t.Errorf("connecting to a dead server: %v", err)
	}
	srv.Restart()
	if again, err := s.Connect(ctx); err != nil || again != id {
		t.Fatalf("the database was %s and is %s: %v", id, again, err)
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	if n := count(srv, "samples"); n != "5000" {
		t.Errorf("%s rows of 5000: the token did not survive", n)
	}
	if again, err := s.Connect(ctx); err != nil || again != id {
		t.Errorf("asked again, the database is %s, not %s: %v", again, id, err)
	}
	srv.Kill()
	if _, err := s.Connect(ctx); err == nil || !strings.Contains(err.Error(), "asking") {
		t.Errorf("asking a dead server: %v", err)
	}
	srv.Wipe()
	if again, err := s.Connect(ctx); err != nil || again == id {
		t.Errorf("an empty database has the name of the one before: %v", err)
	}
}

// TestSilentServer: a server that takes the connection and says nothing holds nobody up longer than he wants to wait.
func TestSilentServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s, err := New(Config{Address: ln.Addr().String(), Database: "corewatch"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := s.Connect(ctx); err == nil || !strings.Contains(err.Error(), "connecting") || time.Since(began) > dialTimeout/2 {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	if err := s.WriteSamples(t.Context(), "a", detect.Live, 1, samplesOf(1)); !errors.Is(err, ErrNotConnected) {
		t.Errorf("writing without a connection: %v", err)
	}
}

// TestAcknowledgementLost: the server stores a block and its answer is lost. The block comes again, and counts once.
func TestAcknowledgementLost(t *testing.T) {
	srv := clickhousetest.Start(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cut := make(chan int64, 1) // so many octets of the server's go through the next connection
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", srv.Address)
			if err != nil {
				c.Close()
				continue
			}
			limit := int64(math.MaxInt64)
			select {
			case limit = <-cut:
			default:
			}
			go func() { _, _ = io.Copy(up, c); up.Close() }()
			go func() {
				_, _ = io.CopyN(c, up, limit)
				_, _ = up.Read(make([]byte, 1)) // the last octet was sent: what it says has happened
				c.Close()
			}()
		}
	}()
	// How much the server says in a whole exchange is measured; then it is cut off one octet before its end.
	meter := &metered{}
	measured, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer measured.Close()
	go meter.relay(measured, srv.Address)
	ctx := t.Context()
	connected(t, srv) // the tables exist: from here on every connection hears the same
	first := stored(t, srv, measured.Addr().String())
	if _, err := first.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	list := samplesOf(3000)
	if err := first.WriteSamples(ctx, "first", detect.Archive, 1, list); err != nil {
		t.Fatal(err)
	}
	_ = first.Close()
	said := meter.total(t)

	s := stored(t, srv, ln.Addr().String())
	cut <- said - 1
	if _, err := s.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteSamples(ctx, "other", detect.Archive, 1, list); err == nil {
		t.Fatal("the answer came through")
	}
	rows := "SELECT toString(count()) FROM " + srv.Database + ".samples WHERE store = 'other'"
	for limit := time.Now().Add(20 * time.Second); srv.String(rows) != "3000"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("the server has %s rows of the block whose answer was cut off", srv.String(rows))
		}
	}
	if _, err := s.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteSamples(ctx, "other", detect.Archive, 1, list); err != nil {
		t.Fatal(err)
	}
	if n := srv.String(rows); n != "3000" {
		t.Errorf("%s rows of 3000", n)
	}
}

// metered passes one connection on and counts what the server says.
type metered struct {
	done chan int64
}

func (m *metered) relay(ln net.Listener, to string) {
	m.done = make(chan int64, 1)
	c, err := ln.Accept()
	if err != nil {
		return
	}
	up, err := net.Dial("tcp", to)
	if err != nil {
		c.Close()
		return
	}
	go func() { _, _ = io.Copy(up, c); up.Close() }()
	n, _ := io.Copy(c, up)
	m.done <- n
}

func (m *metered) total(t *testing.T) int64 {
	t.Helper()
	select {
	case n := <-m.done:
		return n
	case <-time.After(20 * time.Second):
		t.Fatal("the measured connection does not end")
		return 0
	}
}

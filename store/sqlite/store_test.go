package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// epoch is the event time that test data starts at.
var epoch = time.Date(2008, 2, 21, 3, 21, 0, 0, time.UTC)

func openTest(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// both runs a test on a store in a folder and on one in memory.
func both(t *testing.T, fn func(t *testing.T, s *Store)) {
	t.Run("folder", func(t *testing.T) { fn(t, openTest(t, filepath.Join(t.TempDir(), "a b?#%"))) })
	t.Run("memory", func(t *testing.T) {
		s, err := OpenMemory(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		fn(t, s)
	})
}

// incident makes one whose figures depend on i and the revision.
func incident(i, revision int) *detect.Incident {
	start := epoch.Add(time.Duration(i/2) * time.Minute)
	inc := &detect.Incident{
		V: 1, ID: fmt.Sprintf("PK-%s-%08d", start.Format("20060102T1504Z"), i), Revision: revision,
		Data: detect.Archive, Kind: detect.Outage, State: detect.Suspected, Severity: 1 + revision%4,
		Entity: detect.Entity{Type: "country", Code: "PK", Name: "Pakistan <&> \u2028"}, PublicCore: []string{"routing"},
		Start:    detect.Interval{Time: detect.At(start.Add(250 * time.Millisecond)), Earliest: detect.At(start.Add(-20 * time.Second))},
		Coverage: detect.Coverage{Level: "reduced", Because: []string{"single_collector"}},
		Method:   detect.Method{Name: "expected-peers", Version: "1", ConfigSHA256: strings.Repeat("0", 64), Software: "corewatch test"},
		Signals: []detect.Signal{{
			Signal: "bgp.v4", Unit: "slash24", Expected: 5120, Observed: 5120 - int64(revision), At: detect.At(start),
			LostShare: detect.Share(float64(revision) / 5120),
		}},
	}
	for r := 1; r <= revision; r++ {
		inc.Revisions = append(inc.Revisions, detect.Revision{Revision: r, At: detect.At(start.Add(time.Duration(r) * time.Second)), State: inc.State, Change: "updated"})
	}
	if i%5 == 4 {
		inc.Kind, inc.Entity = detect.MonitorFault, detect.Entity{Type: "collector", Code: "rrc00"}
	}
	if i%3 == 0 {
		inc.State = detect.Closed
	}
	return inc
}

func members(n, salt int) []detect.Member {
	list := make([]detect.Member, n)
	for i := range list {
		list[i] = detect.Member{
			Prefix: fmt.Sprintf("10.%d.%d.0/24", i>>8&255, i&255), Origin: uint32(17557 + salt), Units: 1, FirstPeer: "route-views2/AS3356/192.0.2.1",
			LostAt: detect.At(epoch.Add(time.Duration(i) * time.Second)), Withdrawn: salt, Expected: 40,
			History: []detect.Point{{At: detect.At(epoch), Carried: 40 - salt%40, Expected: 40}}, Peers: []string{"a", "b"},
		}
	}
	return list
}

func message(seq uint64, text string) bgp.Message {
	return bgp.Message{
		Seq: seq, At: bgp.MicrosOf(epoch) + bgp.Micros(seq), Raw: []byte(text),
		Peer:   bgp.Peer{Collector: "rrc00", AS: 4200000000 + uint32(seq%3), Addr: netip.MustParseAddr([]string{"192.0.2.1", "2001:db8::1", "::ffff:1.2.3.4"}[seq%3])},
		Source: bgp.Source{Offset: int64(seq) * 100, File: uint32(seq % 2), Length: uint32(len(text))},
	}
}

func messages(from, to uint64) (list []bgp.Message) {
	for i := from; i < to; i++ {
		list = append(list, message(i, fmt.Sprintf("raw message %d", i%97)))
	}
	return list
}

func readMessages(t testing.TB, s *Store, id string) (list []bgp.Message) {
	t.Helper()
	n, err := s.Messages(t.Context(), id, func(m bgp.Message) error { list = append(list, m); return nil })
	if err != nil || n != len(list) {
		t.Fatalf("messages of %s: %d given, %d returned: %v", id, len(list), n, err)
	}
	return list
}

func check(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// jsonOf is what equality of incidents means: their canonical form.
func jsonOf(t testing.TB, inc *detect.Incident) string {
	t.Helper()
	b, err := inc.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRevisions(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		for r := 1; r <= 3; r++ {
			for range 2 { // the second must change nothing
				if err := s.SaveRevision(ctx, incident(1, r), members(1500*r, r)); err != nil {
					t.Fatal(err)
				}
			}
		}
		id := incident(1, 1).ID
		got, err := s.Incident(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := jsonOf(t, got), jsonOf(t, incident(1, 3)); a != b {
			t.Errorf("last state\n%s\nwant\n%s", a, b)
		}
		for r := 1; r <= 3; r++ {
			got, err := s.Revision(ctx, id, r)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := jsonOf(t, got), jsonOf(t, incident(1, r)); a != b {
				t.Errorf("revision %d\n%s\nwant\n%s", r, a, b)
			}
		}
		m, err := s.Members(ctx, id)
		if err != nil || !reflect.DeepEqual(m, members(4500, 3)) {
			t.Errorf("members differ: %d of them, %v", len(m), err)
		}
		var stale *StaleRevisionError
		other := incident(1, 2)
		other.Severity++
		if err := s.SaveRevision(ctx, other, nil); !errors.As(err, &stale) || stale.Stored != 3 || stale.Revision != 2 {
			t.Errorf("another older revision gave %v", err)
		}
		if err := s.SaveRevision(ctx, incident(1, 2), nil); err != nil {
			t.Errorf("an older revision as it was stored gave %v", err)
		}
		// Neither call may have changed anything, and the same revision with other figures replaces both.
		if m, err := s.Members(ctx, id); err != nil || len(m) != 4500 {
			t.Errorf("%d members after an older revision: %v", len(m), err)
		}
		if got, err := s.Incident(ctx, id); err != nil || jsonOf(t, got) != jsonOf(t, incident(1, 3)) {
			t.Errorf("the last state after an older revision: %v", err)
		}
		fresh := incident(1, 3)
		fresh.OpenAt = detect.At(epoch.Add(time.Hour))
		if err := s.SaveRevision(ctx, fresh, nil); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Revision(ctx, id, 3); err != nil || jsonOf(t, got) != jsonOf(t, fresh) {
			t.Errorf("revision saved again: %v", err)
		}
		if m, err := s.Members(ctx, id); err != nil || len(m) != 0 {
			t.Errorf("%d members after none were given: %v", len(m), err)
		}
		check(t, s)

		for name, err := range map[string]error{
			"incident": second(s.Incident(ctx, "none")), "revision": second(s.Revision(ctx, id, 9)),
			"members": second(s.Members(ctx, "none")), "fact": second(s.Meta(ctx, "none")),
			"messages": second(s.Messages(ctx, "none", nil)),
		} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("absent %s gave %v", name, err)
			}
		}
		for name, change := range map[string]func(*detect.Incident){
			"id": func(i *detect.Incident) { i.ID = "" }, "version": func(i *detect.Incident) { i.V = 2 },
			"revision": func(i *detect.Incident) { i.Revision = 0 }, "start": func(i *detect.Incident) { i.Start = detect.Interval{} },
			"long id": func(i *detect.Incident) { i.ID = strings.Repeat("x", 600) },
		} {
			inc := incident(2, 1)
			change(inc)
			if err := s.SaveRevision(ctx, inc, nil); !errors.Is(err, ErrInvalid) {
				t.Errorf("bad %s gave %v", name, err)
			}
		}
		if err := s.SaveRevision(ctx, nil, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("nil gave %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestQuery(t *testing.T) {
	s := openTest(t, t.TempDir())
	ctx := t.Context()
	var all []*detect.Incident
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(60) {
		inc := incident(i, 1)
		all = append(all, inc)
		if err := s.SaveRevision(ctx, inc, nil); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]struct {
		q    Query
		keep func(*detect.Incident) bool
	}{
		"default": {Query{}, func(i *detect.Incident) bool { return i.Kind != detect.MonitorFault }},
		"kinds":   {Query{Kinds: []string{"outage", "monitor_fault"}}, func(*detect.Incident) bool { return true }},
		"entity":  {Query{Entity: "collector:rrc00", Kinds: []string{"monitor_fault"}}, func(i *detect.Incident) bool { return i.Kind == detect.MonitorFault }},
		"states": {Query{States: []string{"closed", "x"}}, func(i *detect.Incident) bool {
			return i.State == detect.Closed && i.Kind != detect.MonitorFault
		}},
		"other data": {Query{Data: "live"}, func(*detect.Incident) bool { return false }},
		"times": {Query{From: epoch.Add(5*time.Minute - 1), Until: epoch.Add(9*time.Minute + 1)}, func(i *detect.Incident) bool {
			m := i.Start.Time.Truncate(time.Minute).Sub(epoch) / time.Minute
			return i.Kind != detect.MonitorFault && m >= 5 && m <= 9
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			want := map[string]bool{}
			for _, i := range all {
				if c.keep(i) {
					want[i.ID] = true
				}
			}
			for _, limit := range []int{1, 7, 0, 5000} {
				c.q.Limit, c.q.Cursor = limit, ""
				var got []detect.Incident
				for {
					page, next, err := s.Incidents(ctx, c.q)
					if err != nil {
						t.Fatal(err)
					}
					if limit > 0 && len(page) > limit {
						t.Fatalf("a page of %d where the limit is %d", len(page), limit)
					}
					got = append(got, page...)
					if c.q.Cursor = next; next == "" {
						break
					}
				}
				if len(got) != len(want) {
					t.Fatalf("limit %d: %d incidents, want %d", limit, len(got), len(want))
				}
				for i := range got {
					if !want[got[i].ID] {
						t.Fatalf("limit %d: %s should not be there", limit, got[i].ID)
					}
					if i == 0 {
						continue
					}
					a, b := got[i-1], got[i]
					if a.Start.Time.Before(b.Start.Time.Time) || a.Start.Time.Equal(b.Start.Time.Time) && a.ID >= b.ID {
						t.Fatalf("limit %d: %s before %s", limit, a.ID, b.ID)
					}
				}
			}
		})
	}
	_, next, err := s.Incidents(ctx, Query{Limit: 5})
	if err != nil || next == "" {
		t.Fatal(next, err)
	}
	flipped := []byte(next)
	flipped[7] ^= 1
	for name, q := range map[string]Query{
		"another query": {Limit: 5, Cursor: next, Entity: "country:PK"}, "flipped": {Cursor: string(flipped)},
		"garbage": {Cursor: "%%%"}, "short": {Cursor: "AQ"}, "long": {Cursor: strings.Repeat("A", 9999)},
	} {
		if _, _, err := s.Incidents(ctx, q); !errors.Is(err, ErrCursor) {
			t.Errorf("cursor, %s: %v", name, err)
		}
	}
	for name, q := range map[string]Query{"limit": {Limit: -1}, "values": {States: make([]string, 65)}} {
		if _, _, err := s.Incidents(ctx, q); !errors.Is(err, ErrInvalid) {
			t.Errorf("bad %s: %v", name, err)
		}
	}
}

func TestMessages(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		all := messages(0, 1500)
		// Out of order, overlapping, and two incidents that share every message.
		for _, part := range [][]bgp.Message{all[700:], all[:900], nil, all[100:200]} {
			for _, id := range []string{"one", "two"} {
				if err := s.AppendMessages(ctx, id, part); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, id := range []string{"one", "two"} {
			if got := readMessages(t, s, id); !reflect.DeepEqual(got, all) {
				t.Errorf("incident %s: %d messages that differ", id, len(got))
			}
		}
		var raws int
		if err := s.read(ctx, "count", func(q querier) error {
			return q.QueryRowContext(ctx, "SELECT count(*) FROM raw").Scan(&raws)
		}); err != nil || raws != 97 {
			t.Errorf("%d raw messages, want 97: %v", raws, err)
		}
		// A callback may use the store, and its error ends the reading.
		stop := errors.New("stop")
		n, err := s.Messages(ctx, "one", func(m bgp.Message) error {
			if m.Seq == 600 {
				return stop
			}
			return s.SetMeta(ctx, "seen", fmt.Sprint(m.Seq))
		})
		if n != 600 || !errors.Is(err, stop) {
			t.Errorf("stopped after %d: %v", n, err)
		}
		if err := s.AppendMessages(ctx, "one", []bgp.Message{message(2000, "new"), message(7, "other")}); !errors.Is(err, ErrConflict) {
			t.Errorf("other content under a known number gave %v", err)
		}
		if got := readMessages(t, s, "one"); len(got) != len(all) {
			t.Errorf("%d messages after a refused call", len(got))
		}
		bad := []bgp.Message{message(1<<63, "x"), message(1, ""), message(1, strings.Repeat("x", maxRaw+1)), {Seq: 1, Raw: []byte("x")}}
		for i := range bad {
			if err := s.AppendMessages(ctx, "one", bad[i:i+1]); !errors.Is(err, ErrInvalid) {
				t.Errorf("bad message %d gave %v", i, err)
			}
		}
		// An incident without messages has none; that is no error.
		if err := s.SaveRevision(ctx, incident(1, 1), nil); err != nil {
			t.Fatal(err)
		}
		if got := readMessages(t, s, incident(1, 1).ID); len(got) != 0 {
			t.Errorf("%d messages of an incident without", len(got))
		}
		check(t, s)
	})
}

func testInputs() []bgp.Input {
	return []bgp.Input{
		{
			Name: "rrc00/updates.1.gz", Collector: "rrc00", Project: "RIPE RIS", SHA256: "ab", Bytes: 5, Format: "gzip",
			Elems: 7, First: 1, Last: 2, Parsed: 3, Skipped: 4, Malformed: 5,
		},
		{Name: "b", Collector: "c"},
	}
}

func testPeers() []bgp.PeerStatus {
	return []bgp.PeerStatus{
		{
			Peer: bgp.Peer{Collector: "rrc00", AS: 1, Addr: netip.MustParseAddr("192.0.2.1")}, State: "up", Since: 1, LastMessage: 2, Messages: 3,
			Withdrawals: 4, Duplicates: 5, KnownV4: 6, KnownV6: 7, FullFeed: true, Faults: 8, Note: "n",
		},
		{Peer: bgp.Peer{Collector: "rrc01", AS: 4294967295}, State: "down"},
	}
}

func testReferences() []detect.Reference {
	return []detect.Reference{{Name: "nro-delegated", Vintage: "2026-06-17", SHA256: "cd", Quality: "provisional", VintageGapDays: new(6690)}, {Name: "zones", SHA256: "ef"}}
}

func TestRunFacts(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		inputs, peers, refs := testInputs(), testPeers(), testReferences()
		s.now = epoch
		for range 2 {
			if err := errors.Join(s.SetMeta(ctx, "data", "old"), s.SetMeta(ctx, "data", "archive"), s.SaveInputs(ctx, inputs[:1]), s.SavePeers(ctx, 4, peers[1:]),
				s.SavePeers(ctx, 5, peers), s.SaveReferences(ctx, refs)); err != nil {
				t.Fatal(err)
			}
			s.now = s.now.Add(time.Hour) // first use stays first
		}
		inputs[0].Elems, inputs[0].SHA256 = 8, "ef"
		if err := s.SaveInputs(ctx, inputs); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Meta(ctx, "data"); v != "archive" || err != nil {
			t.Error(v, err)
		}
		if got, err := s.Inputs(ctx); err != nil || !reflect.DeepEqual(got, inputs) {
			t.Error(got, err)
		}
		if got, err := s.Peers(ctx); err != nil || !reflect.DeepEqual(got, peers) {
			t.Error(got, err)
		}
		if at, err := s.PeersAt(ctx); err != nil || at != 5 {
			t.Error(at, err)
		}
		want := []UsedReference{{refs[0], bgp.MicrosOf(epoch)}, {refs[1], bgp.MicrosOf(epoch)}}
		if got, err := s.References(ctx); err != nil || !reflect.DeepEqual(got, want) {
			t.Error(got, err)
		}
		for name, in := range map[string][]bgp.Input{"shorter": inputs[:1], "renamed": {inputs[1], inputs[0]}} {
			if err := s.SaveInputs(ctx, in); !errors.Is(err, ErrConflict) {
				t.Errorf("%s inputs gave %v", name, err)
			}
		}
		if err := s.SetMeta(ctx, "store.peers_at", "6"); !errors.Is(err, ErrInvalid) {
			t.Errorf("a reserved key gave %v", err)
		}
		if err := s.SaveInputs(ctx, []bgp.Input{inputs[0], {Name: "b", Collector: "c", Elems: 1 << 63}}); !errors.Is(err, ErrInvalid) {
			t.Error(err)
		}
		check(t, s)
	})
}

func TestContextEnds(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.AppendMessages(ctx, "one", messages(0, 10)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, err := s.Inputs(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		// The store, and with it a store in memory, goes on.
		if err := s.AppendMessages(t.Context(), "one", messages(0, 10)); err != nil {
			t.Error(err)
		}
		if got := readMessages(t, s, "one"); len(got) != 10 {
			t.Error(len(got))
		}
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
		if err := s.SetMeta(t.Context(), "a", "b"); !errors.Is(err, errClosed) {
			t.Error(err)
		}
		if _, err := s.Meta(t.Context(), "a"); err == nil {
			t.Error("reading a closed store succeeded")
		}
	})
}

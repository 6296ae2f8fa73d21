package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/alerts"
	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// fill writes something into every table.
func fill(t testing.TB, s *Store) {
	t.Helper()
	ctx := t.Context()
	if _, err := s.Follow(ctx, "copy"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		for r := 1; r <= 2; r++ {
			if err := s.SaveRevision(ctx, incident(i, r), members((1-min(i, 1))*1100+i, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var samples []detect.Sample
	for i := range int64(600) {
		samples = append(samples, sample("country:PK", i))
	}
	for _, list := range [][]detect.Sample{samples[:500], samples[500:], {sample("country:IN", 1)}} {
		if err := s.AppendSamples(ctx, list); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(s.AppendMessages(ctx, "one", messages(0, 50)), s.SetMeta(ctx, "a", "b"), s.SaveInputs(ctx, testInputs()),
		s.SavePeers(ctx, 5, testPeers()), s.SaveReferences(ctx, testReferences()),
		s.SaveSubscriber(ctx, &alerts.Subscriber{ID: "a", Address: []byte("address"), Mailbox: []byte("mailbox"), Sealed: []byte("sealed"), Asked: time.Unix(1, 0)}),
		s.SubscriberLog(ctx, time.Unix(1, 0), "1 added"),
		s.Decide(ctx, &alerts.Decision{UpTo: 3, Told: []alerts.Told{{Receiver: "desk", Incident: "one", Revision: 1, Occasion: alerts.Confirmed}}, Out: []alerts.Outgoing{{
			Message: alerts.Message{ID: "m1", Receiver: "desk", Items: []alerts.Item{{Incident: *incident(0, 1), Occasion: alerts.Confirmed}}},
		}}, Kept: []alerts.Held{{Receiver: "night", Incident: "one", Revision: 1, Occasion: alerts.Confirmed, Order: 1}}, Receivers: map[string]string{"desk": "ab"}}),
		order(ctx, s),
		s.SaveAnnotation(ctx, incident(0, 1).ID, 1, []byte("{}")), s.AddHold(ctx, Hold{incident(0, 1).ID, true, incident(0, 1).Start.Time.Time, "examiner", "a letter"}),
		s.SaveTroubles(ctx, []*alerts.TroubleState{{Key: "disk", Incident: *incident(7, 1)}}))
	if err != nil {
		t.Fatal(err)
	}
}

func order(ctx context.Context, s *Store) error {
	_, err := s.Order(ctx, alerts.Order{Kind: alerts.Silence, Who: "a", Why: "b", Receiver: "night", Until: time.Unix(1, 0)})
	return err
}

// dump is the content of every table as text, in key order.
func dump(t testing.TB, s *Store) string {
	t.Helper()
	var b strings.Builder
	err := s.read(t.Context(), "dump", func(q querier) error {
		var all []step
		for _, m := range migrations {
			all = append(all, m.steps...)
		}
		for _, st := range all {
			if st.kind != "table" {
				continue
			}
			cols := strings.Join(st.cols, ",")
			rows, err := q.QueryContext(t.Context(), "SELECT "+cols+" FROM "+st.table+" ORDER BY "+cols)
			if err != nil {
				return err
			}
			n := 0
			for ; rows.Next(); n++ {
				values, into := make([]any, len(st.cols)), make([]any, len(st.cols))
				for i := range values {
					into[i] = &values[i]
				}
				if err := rows.Scan(into...); err != nil {
					return err
				}
				fmt.Fprintf(&b, "%s %q\n", st.table, fmt.Sprint(values...))
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				return err
			}
			if n == 0 {
				return fmt.Errorf("table %s is empty: the test does not cover it", st.table)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestBackup(t *testing.T) {
	both(t, func(t *testing.T, s *Store) {
		fill(t, s)
		dir := t.TempDir()
		path := filepath.Join(dir, FileName)
		if err := s.Backup(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		if err := s.Backup(t.Context(), path); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), path) {
			t.Errorf("a second backup to the name gave %v", err)
		}
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("mode %v: %v", st.Mode(), err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("beside the backup lies %v: %v", left, err)
		}
		if err := s.Backup(t.Context(), filepath.Join(dir, "none", "x")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a folder that is not there gave %v", err)
		}
		back := openTest(t, dir)
		check(t, back)
		if a, b := dump(t, s), dump(t, back); a != b {
			t.Error("the backup's content differs")
		}
		// Readers were not left able to write.
		if s.reader != nil {
			for range 8 {
				if _, err := s.reader.ExecContext(t.Context(), "DELETE FROM meta"); err == nil {
					t.Fatal("a reader could write after a backup")
				}
			}
		}
	})
}

func TestBackupWhileWriting(t *testing.T) {
	s := openTest(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	wrote := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			if err := s.AppendMessages(t.Context(), "one", messages(uint64(n)*10, uint64(n+1)*10)); err != nil {
				t.Error(err)
				break
			}
		}
		wrote <- n
	}()
	dir := t.TempDir()
	for i := range 5 {
		sub := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := s.Backup(t.Context(), filepath.Join(sub, FileName)); err != nil {
			t.Fatal(err)
		}
		back := openTest(t, sub)
		check(t, back)
		if err := back.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if n := <-wrote; n < 5 {
		t.Errorf("%d writes beside five backups", n)
	}
}

// TestCheckFindsDamage changes a store behind its back. Check must name each damage, and reading must give an error for it.
func TestCheckFindsDamage(t *testing.T) {
	ctx := context.Background()
	id := incident(0, 1).ID
	all := time.Time{}
	readChunks := func(s *Store) error { return second(s.Samples(ctx, "country:PK", "bgp.v4", all, all)) }
	readIncident := func(s *Store) error { return second(s.Incident(ctx, id)) }
	readMembers := func(s *Store) error { return second(s.Members(ctx, id)) }
	readRaw := func(s *Store) error {
		_, err := s.Messages(ctx, "one", func(m bgp.Message) error { return nil })
		return err
	}
	cases := map[string]struct {
		sql, want string
		read      func(*Store) error // must fail with *CorruptError; nil where reading cannot know
	}{
		"chunk bytes":     {"UPDATE chunk SET body=zeroblob(20)", "corrupt chunk 1 of series country:PK bgp.v4 from 2008-02-21T03:21:00Z: its checksum", readChunks},
		"chunk strayed":   {"UPDATE chunk SET series=2", "corrupt chunk 1 of series country:IN", func(s *Store) error { return second(s.Latest(ctx, "bgp.v4")) }},
		"chunk row":       {"UPDATE chunk SET count=count+1", "does not hold what its row says", readChunks},
		"chunk overlap":   {"INSERT INTO chunk SELECT 99, series, first+1, last, count, crc, body FROM chunk WHERE n=1", "two chunks overlap", readChunks},
		"tail bytes":      {"UPDATE tail SET body=x'01ff' WHERE series=1", "corrupt tail", readChunks},
		"incident text":   {"UPDATE incident SET json=replace(json, '5120', '5121') WHERE n=1", "corrupt incident " + id + ": its checksum", readIncident},
		"incident column": {"UPDATE incident SET state='closed', severity=4 WHERE n=1", "its JSON and its columns differ", readIncident},
		"revision bytes":  {"UPDATE revision SET body=zeroblob(9) WHERE incident=1 AND revision=1", "corrupt revision 1 of incident " + id, func(s *Store) error { return second(s.Revision(ctx, id, 1)) }},
		"revision gone":   {"DELETE FROM revision WHERE incident=1 AND revision=2", "the revision of its last state is missing", nil},
		"members bytes":   {"UPDATE member SET body=zeroblob(9) WHERE incident=1 AND part=1", "corrupt members, part 1, of incident " + id, readMembers},
		"members gone":    {"DELETE FROM member WHERE incident=1 AND part=0", "part 0 is missing", readMembers},
		"raw bytes":       {"UPDATE raw SET body=x'00'", "its bytes do not have this digest", readRaw},
		"raw gone":        {"DELETE FROM raw", "its incident, peer or bytes are missing", readRaw},
		"peer address":    {"UPDATE peer SET addr='x' || n", "peer rrc00/AS4200000000/x", readRaw},
		"peer counter":    {"UPDATE peer_status SET messages=-1", "corrupt peer rrc00/AS1/192.0.2.1", func(s *Store) error { return second(s.Peers(ctx)) }},
		"input gap":       {"DELETE FROM input WHERE position=0", "corrupt input 1", func(s *Store) error { return second(s.Inputs(ctx)) }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, err := OpenMemory(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			fill(t, s)
			check(t, s)
			if _, err := s.w.ExecContext(ctx, "PRAGMA foreign_keys=0"); err != nil {
				t.Fatal(err)
			}
			if _, err := s.w.ExecContext(ctx, c.sql); err != nil {
				t.Fatal(err)
			}
			var list *CheckError
			if err := s.Check(ctx); !errors.As(err, &list) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Check gave %v, want %q", err, c.want)
			}
			var bad *CorruptError
			if c.read == nil {
				return
			}
			if err := c.read(s); !errors.As(err, &bad) {
				t.Errorf("reading gave %v", err)
			}
		})
	}
}

// TestDamagedPages overwrites pages of the file: there must be an error, whichever page it is, and never a panic.
func TestDamagedPages(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	fill(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	found, pages := 0, 0
	for at := 4096; at < len(good); at += 4096 * (1 + len(good)/4096/24) {
		bad := append([]byte(nil), good...)
		for i := at; i < at+4096; i += 3 {
			bad[i] ^= 0x5a
		}
		sub := t.TempDir()
		if err := os.WriteFile(filepath.Join(sub, FileName), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		pages++
		s, err := Open(t.Context(), sub)
		if err == nil {
			err = errors.Join(s.Check(t.Context()), s.Close())
		}
		if err != nil {
			found++
		}
	}
	if found != pages || pages < 10 {
		t.Errorf("damage of %d of %d pages was found", found, pages)
	}
}

func TestCheckErrorIsCut(t *testing.T) {
	var p problems
	for i := range maxProblems + 5 {
		p.add("problem %d", i)
	}
	err := p.err().Error()
	if !strings.HasPrefix(err, "105 problems:\n  problem 0\n") || !strings.HasSuffix(err, "problem 99\n  and 5 more") {
		t.Error(err)
	}
}

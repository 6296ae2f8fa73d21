package app

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/evidence/keys"
	"github.com/corewatch/corewatch/evidence/ledger"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// notarised plays the short outage with a ledger beside the monitor, which is stopped or killed in between, and gives the monitor's folder and its store.
func notarised(t *testing.T, kill bool, stops ...int) (dir string, store *sqlite.Store) {
	t.Helper()
	s, err := scenario.Parse("short-outage.txt", []byte(shortOutage))
	if err != nil {
		t.Fatal(err)
	}
	var n *notary
	prepare := func(log string, l *live) {
		if n != nil && n.l != nil { // killed: what waited is lost, and the kernel gives the lock free
			n.l.Close()
		}
		n = newNotary(conf.Default().Ledger, filepath.Dir(log), l.rec.store, zerolog.Nop())
		l.notary, l.rec.saved = n, n.revision
	}
	write := func(sec int, _ *live) {
		if sec%40 == 39 {
			if err := n.write(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	dir, said, store := watchedLiveWith(t, s, stops, kill, prepare, write)
	if !bytes.Contains(said, []byte(`"confirmed_at"`)) || bytes.Contains(said, []byte("ledger_index")) {
		t.Fatalf("the incidents: %s", said)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	n.run(ctx) // writes what is left, and closes
	if n.failure != "" {
		t.Fatal(n.failure)
	}
	return dir, store
}

func ledgerOf(t *testing.T, dir string) *ledger.Reader {
	t.Helper()
	set, err := keys.Read(filepath.Join(dir, keysFolder), keys.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, ledgerFolder)
	known, err := set.NoteVerifiers(ledger.Origin(folder))
	if err != nil {
		t.Fatal(err)
	}
	r, err := ledger.Read(folder, known)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every revision, every segment and the journal stand in the ledger, once, though the monitor is killed again and again; and each can be proven.
func TestLedgerHoldsEverything(t *testing.T) {
	dir, store := notarised(t, true, 7, 135, 250, 470)
	r := ledgerOf(t, dir)
	kinds, twice := map[ledger.Kind]int{}, map[[16]byte]bool{}
	if err := r.Walk(func(i int64, rec ledger.Record, err error) error {
		if err != nil || twice[mark(rec)] {
			t.Errorf("record %d: %v, %+v", i, err, rec)
		}
		kinds[rec.Kind]++
		twice[mark(rec)] = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	revisions := 0
	err := store.EachRevision(t.Context(), func(s *sqlite.StoredRevision) error {
		revisions++
		text, err := s.Text()
		if err != nil {
			return err
		}
		at, ok, err := r.Find(revisionRecord(s.ID, s.Revision, s.Data, text))
		if err != nil || !ok {
			t.Fatalf("%s revision %d is not in the ledger, %v", s.ID, s.Revision, err)
		}
		proof, err := r.Proof(at)
		if err != nil || len(proof) > 2048 || !bytes.HasPrefix(proof, []byte("c2sp.org/tlog-proof@v1\n")) {
			t.Errorf("%d octets, %v: %s", len(proof), err, proof)
		}
		return nil
	})
	if err != nil || revisions < 3 || kinds[ledger.Revision] != revisions {
		t.Errorf("%d revisions in the store, %v; in the ledger %v", revisions, err, kinds)
	}
	segments := 0
	if err := eachEnded(t.Context(), filepath.Join(dir, liveFolder), 1<<40, endedCounter(&segments)); err != nil {
		t.Fatal(err)
	}
	if segments < 5 || kinds[ledger.Segment] != segments {
		t.Errorf("%d segments have ended; in the ledger %v", segments, kinds)
	}
	if kinds[ledger.Software] != 1 || kinds[ledger.Configuration] != 1 || kinds[ledger.Key] != 1 || kinds[ledger.Journal] < 10 {
		t.Errorf("%v", kinds)
	}
}

// A ledger that cannot be written stops nothing: it is told, and all is in it once it can be.
func TestLedgerThatFails(t *testing.T) {
	dir := t.TempDir()
	store, err := sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var log bytes.Buffer
	n := newNotary(conf.Default().Ledger, dir, store, zerolog.New(&log))
	inc := &detect.Incident{
		V: 1, ID: "XA-1", Revision: 1, Data: detect.Live, Kind: detect.Outage, State: detect.Suspected, Severity: 1, Entity: detect.Entity{Type: "country", Code: "XA"},
		Start: detect.Interval{Time: detect.At(time.Unix(1_700_000_000, 0))},
	}
	save := func() {
		t.Helper()
		if err := store.SaveRevision(t.Context(), inc, nil); err != nil {
			t.Fatal(err)
		}
		if err := n.revision(inc); err != nil {
			t.Fatal(err)
		}
		n.say(n.write(t.Context()))
	}
	save()
	if st := n.status(); st.Failing || st.Records == 0 || st.Signed != st.Records || st.Last.IsZero() {
		t.Fatalf("%+v", st)
	}
	key := filepath.Join(dir, keysFolder, "ledger-0001.key")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	inc.Revision = 2
	save()
	if st := n.status(); !st.Failing || !strings.Contains(log.String(), "0644") {
		t.Errorf("%+v: %s", st, log.String())
	}
	inc.Revision = 3
	save()
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, liveFolder, collect.JournalFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	n.now = journalPlace{entries: 1} // as when something is watched
	n.say(n.write(t.Context()))
	st := n.status()
	if st.Failing || n.l == nil {
		t.Fatalf("%+v: %s", st, log.String())
	}
	found := 0
	if err := n.l.Reader().Walk(func(_ int64, r ledger.Record, err error) error {
		if r.Kind == ledger.Revision {
			found++
		}
		return err
	}); err != nil || found != 3 {
		t.Errorf("%d revisions, %v", found, err)
	}
	secret, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	_, seed, _ := strings.Cut(strings.TrimSpace(string(secret)), "seed ")
	if strings.Contains(log.String(), seed) {
		t.Error("the log holds the key")
	}
	n.l.Close()
	for data, want := range map[detect.Data]int{detect.Synthetic: 0, detect.Reconstruction: 0, detect.Archive: 1} {
		n.waiting = nil
		inc.Data = data
		if err := n.revision(inc); err != nil || len(n.waiting) != want {
			t.Errorf("%s: %d records, %v", data, len(n.waiting), err)
		}
	}
	var none *notary
	if err := none.revision(inc); err != nil {
		t.Error(err)
	}
}

// A bundle that another process hands over while the monitor holds the ledger is in it at once, once, with the proof for who handed it over; anything else that lies
// there is left.
func TestHandedOver(t *testing.T) {
	dir := t.TempDir()
	store, err := sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	n := newNotary(conf.Default().Ledger, dir, store, zerolog.Nop())
	if err := n.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { n.run(ctx); close(ended) }()
	set, err := keys.Read(filepath.Join(dir, keysFolder), keys.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, ledgerFolder)
	known, err := set.NoteVerifiers(ledger.Origin(folder))
	if err != nil {
		t.Fatal(err)
	}
	rec := ledger.Record{Kind: ledger.Bundle, At: time.Unix(1_700_000_000, 0), Name: "PK-1", Number: 1, SHA256: [32]byte{7}}
	patience, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for range 2 {
		proof, err := ledger.HandOver(patience, folder, rec, known)
		if err != nil || !bytes.HasPrefix(proof, []byte("c2sp.org/tlog-proof@v1\nindex ")) {
			t.Fatalf("%v: %s", err, proof)
		}
	}
	rec.Kind = ledger.Revision
	if _, err := ledger.HandOver(patience, folder, rec, known); err == nil {
		t.Error("a revision was handed over")
	}
	inbox := filepath.Join(folder, "inbox")
	rec.Note = "live"
	leaf, err := rec.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"a.record": leaf, "b.record": []byte("x"), "c.txt": []byte("x")} {
		if err := os.WriteFile(filepath.Join(inbox, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	<-ended
	bundles := 0
	if err := ledgerOf(t, dir).Walk(func(_ int64, r ledger.Record, err error) error {
		if r.Kind == ledger.Bundle {
			bundles++
		}
		if r.Kind == ledger.Revision {
			t.Error("a revision that somebody put into the inbox was taken")
		}
		return err
	}); err != nil || bundles != 1 {
		t.Errorf("%d records of the bundle, %v", bundles, err)
	}
	if list, err := os.ReadDir(inbox); err != nil || len(list) != 3 {
		t.Errorf("%v, %v", list, err)
	}
}

func endedCounter(n *int) func(*collect.Ended) { return func(*collect.Ended) { *n++ } }

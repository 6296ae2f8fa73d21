package app

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/evidence"
	"github.com/corewatch/corewatch/evidence/export"
	"github.com/corewatch/corewatch/evidence/keys"
	"github.com/corewatch/corewatch/evidence/ledger"
	"github.com/corewatch/corewatch/evidence/tsa/tsatest"
	"github.com/corewatch/corewatch/store/sqlite"
)

// press is an operator with a store, a ledger and a time stamp authority that can be away.
type press struct {
	t      *testing.T
	store  string
	config string
	ca     string
	away   bool
	now    time.Time
}

func newPress(t *testing.T, store string) *press {
	t.Helper()
	tsa := tsatest.New(t, "Test TSA")
	p := &press{t: t, store: store, ca: tsa.CA, now: time.Now()}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.away {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		tsa.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	p.config = filepath.Join(t.TempDir(), "corewatch.yaml")
	text := fmt.Sprintf("operator:\n  name: Example Watch\n  contact: mail@watch.example\n  licence: CC-BY-4.0\n  time_stamps:\n    - {name: test, url: %q, ca: %q}\n", srv.URL, tsa.CA)
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), filepath.Join(store, ledgerFolder), ledger.Options{Keys: filepath.Join(store, keysFolder), Origin: "log.example/test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), ledger.Record{Kind: ledger.Software, At: time.Unix(1, 0), Name: "test"}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *press) freeze(id string) Published {
	p.t.Helper()
	out, err := Publish{Config: p.config, Store: p.store, ID: id, Now: func() time.Time { return p.now }, Log: zerolog.Nop()}.Run(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// monitor holds the ledger, as a running monitor does, and takes what others hand over.
func (p *press) monitor() (end func()) {
	p.t.Helper()
	dir := filepath.Join(p.store, ledgerFolder)
	l, err := ledger.Open(p.t.Context(), dir, ledger.Options{Keys: filepath.Join(p.store, keysFolder)})
	if err != nil {
		p.t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	take := func() error {
		list, _, err := ledger.Inbox(dir)
		for i := range list {
			if err == nil {
				_, err = l.Append(p.t.Context(), list[i].Record)
			}
			if err == nil {
				_, err = l.Publish(p.t.Context())
			}
			if err == nil {
				err = list[i].Done()
			}
		}
		return err
	}
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			case <-time.After(20 * time.Millisecond):
				if err := take(); err != nil {
					done <- err
					return
				}
			}
		}
	}()
	return func() {
		close(stop)
		if err := errors.Join(<-done, l.Close()); err != nil {
			p.t.Error(err)
		}
	}
}

// export exports to a new file.
func (p *press) export(id string, version int) (string, export.Summary) {
	p.t.Helper()
	out := filepath.Join(p.t.TempDir(), "b.zip")
	sum, err := Export{Store: p.store, ID: id, Out: out, Version: version}.Run(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return out, sum
}

// notUnderRace leaves out what one goroutine does: the race detector has nothing to find in it.
func notUnderRace(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("did not run: one goroutine replays and reads (with the race detector)")
	}
}

// archived writes what the collector of a scenario would have stored, as the archive of rrc00, and replays that into a store.
func archived(t *testing.T, name string) (store, archive string, inc detect.Incident) {
	t.Helper()
	s, _, err := scenarioIn([]string{filepath.Join(scenarioFolder, name)})
	if err != nil || s == nil {
		t.Fatal(err)
	}
	r, _, err := scenarioFiles(s)[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	archive, store = filepath.Join(t.TempDir(), "rrc00"), t.TempDir()
	if err := errors.Join(os.Mkdir(archive, 0o700), os.WriteFile(filepath.Join(archive, "updates.mrt"), text, 0o600)); err != nil {
		t.Fatal(err)
	}
	list, _ := replayed(t, Replay{Files: []string{"rrc00=" + archive}, Store: store, Log: zerolog.Nop()})
	if len(list) == 0 {
		t.Fatal("no incident")
	}
	return store, archive, list[0]
}

// TestFullReplay runs the detector over the files that a bundle names, and tells when they, or the bundle, are others. The bundle with
// another timeline is signed and whole: only the replay finds that it does not follow from its records.
func TestFullReplay(t *testing.T) {
	notUnderRace(t)
	store, archive, inc := archived(t, "returns-elsewhere.txt")
	p := newPress(t, store)
	p.freeze(inc.ID)
	bundle, _ := p.export(inc.ID, 0)
	replay := func(bundle string) (string, error) {
		var out bytes.Buffer
		err := EvidenceReplay{Bundle: bundle, Inputs: []string{"rrc00=" + archive}, Out: &out, Log: zerolog.Nop()}.Run(t.Context())
		return out.String(), err
	}
	if out, err := replay(bundle); err != nil || !strings.Contains(out, "full replay of 1 inputs: the same timeline") {
		t.Errorf("%v: %s", err, out)
	}
	revise(t, store, inc.ID, func(i *detect.Incident) { i.ConfirmedAt = detect.At(i.ConfirmedAt.Add(time.Second)) })
	p.freeze(inc.ID)
	other, _ := p.export(inc.ID, 0)
	if out, err := replay(other); !errors.Is(err, errDiffers) || !strings.Contains(out, "slice replay: the same timeline") {
		t.Errorf("a decision that does not follow: %v: %s", err, out)
	}
	name := filepath.Join(archive, "updates.mrt")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)-1] ^= 1
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := replay(bundle); err == nil || !strings.Contains(err.Error(), "another SHA-256") {
		t.Errorf("other files: %v", err)
	}
}

// TestNothingIsSignedForNobody: without an operator, and of data that nobody measured, there are only drafts.
func TestNothingIsSignedForNobody(t *testing.T) {
	store := t.TempDir()
	list, _ := replayed(t, Replay{Files: []string{filepath.Join(scenarioFolder, "returns-elsewhere.txt")}, Store: store, Log: zerolog.Nop()})
	id := list[0].ID
	if _, err := (Publish{Store: store, ID: id}).Run(t.Context()); !errors.Is(err, errNobody) {
		t.Errorf("without an operator: %v", err)
	}
	config := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(config, []byte("operator: {name: A, contact: b, licence: c}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Publish{Config: config, Store: store, ID: id}).Run(t.Context()); !errors.Is(err, export.ErrNotSigned) {
		t.Errorf("of a scenario: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(store, editionsFolder, "*", "*")); len(left) > 0 {
		t.Errorf("kept all the same: %v", left)
	}
	out := filepath.Join(t.TempDir(), "draft.zip")
	if _, err := (Export{Store: store, ID: id, Out: out}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := (EvidenceReplay{Bundle: out, Out: io.Discard}).Run(t.Context()); err != nil {
		t.Error(err)
	}
	if err := (EvidenceReplay{Bundle: out, Inputs: []string{store}, Out: io.Discard}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "does not support it") {
		t.Errorf("full replay of what cannot be fetched: %v", err)
	}
}

// TestVersions: a new revision is a new version that supersedes the one before, a retraction is a version too, and what was frozen stays
// as it is, whatever becomes of the store; damage to it is found before it is given out.
func TestVersions(t *testing.T) {
	notUnderRace(t)
	store, _, inc := archived(t, "returns-elsewhere.txt")
	p := newPress(t, store)
	v1 := p.freeze(inc.ID)
	one, _ := p.export(inc.ID, 0)
	p.now = p.now.Add(48 * time.Hour)
	revise(t, store, inc.ID, func(i *detect.Incident) { i.State = detect.Retracted })
	ends := p.monitor()
	v2 := p.freeze(inc.ID)
	ends()
	if v2.Lacks != nil {
		t.Errorf("beside a running monitor: %v", v2.Lacks)
	}
	if v1.Version != 1 || v2.Version != 2 || !v2.New || v1.BundleID == v2.BundleID {
		t.Fatalf("%+v, %+v", v1, v2)
	}
	f, err := editionsOf(store).open(inc.ID, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if i := f.report.Info; i.Supersedes != v1.BundleID || i.Status != evidence.Retracted {
		t.Errorf("%+v", i)
	}
	again, _ := p.export(inc.ID, 1)
	x, err1 := os.ReadFile(one)
	y, err2 := os.ReadFile(again)
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(x, y) {
		t.Errorf("version 1 is not what it was (%v)", err)
	}
	// The key that signs is replaced: what is frozen stays verifiable, and what comes is signed by the new one.
	if _, err := keys.Rotate(filepath.Join(store, keysFolder), keys.Bundle, p.now, 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	revise(t, store, inc.ID, func(i *detect.Incident) { i.State = detect.Closed })
	if v3 := p.freeze(inc.ID); v3.Version != 3 || v3.Signer == v2.Signer {
		t.Errorf("after a rotation: %+v", v3)
	}
	path := editionsOf(store).path(inc.ID, 2)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "damaged.zip")
	if _, err := (Export{Store: store, ID: inc.ID, Out: out, Version: 2}).Run(t.Context()); err == nil {
		t.Error("a damaged version was given out")
	}
	if _, err := os.Lstat(out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a damaged version was written: %v", err)
	}
}

// revise stores one more revision of an incident.
func revise(t *testing.T, store, id string, change func(*detect.Incident)) {
	t.Helper()
	ctx := t.Context()
	s, err := sqlite.Open(ctx, store)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	inc, err := s.Incident(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	members, err := s.Members(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	change(inc)
	inc.Revision++
	inc.Revisions = append(inc.Revisions, detect.Revision{Revision: inc.Revision, At: inc.Revisions[len(inc.Revisions)-1].At, State: inc.State, Change: "changed by a test"})
	if err := s.SaveRevision(ctx, inc, members); err != nil {
		t.Fatal(err)
	}
}

// TestHostileBundleReplay: the configuration in a bundle names nothing that a replay would connect to or read.
func TestHostileBundleReplay(t *testing.T) {
	notUnderRace(t)
	asked := make(chan struct{}, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			c.Close()
			asked <- struct{}{}
		}
	}()
	_, archive, inc := archived(t, "returns-elsewhere.txt")
	in := export.Inputs{Replay: []string{"full"}, Incident: inc, Configuration: []byte(fmt.Sprintf(`{"clickhouse":{"address":%q},"reference":"/nonexistent"}`, l.Addr()))}
	in.Inputs = []export.Input{{Name: "updates.mrt", Collector: "rrc00", SHA256: fileSHA256(t, filepath.Join(archive, "updates.mrt"))}}
	if _, err := (EvidenceReplay{Inputs: []string{"rrc00=" + archive}, Out: io.Discard, Log: zerolog.Nop()}).full(t.Context(), &in); err != nil {
		t.Error(err)
	}
	select {
	case <-asked:
		t.Error("a bundle made the replay connect to a server")
	default:
	}
}

func fileSHA256(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

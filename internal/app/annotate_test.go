package app

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/scenario"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/evidence/annotation"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// TestContextIsApart: whatever people write about an incident, also while the store is open for a monitor, no octet of what was measured changes: neither a
// revision nor the exported evidence. What they wrote comes into the ledger, and fsck finds it changed.
func TestContextIsApart(t *testing.T) {
	dir := t.TempDir()
	store, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s, err := scenario.Parse("short-outage.txt", []byte(shortOutage))
	if err != nil {
		t.Fatal(err)
	}
	j := journal{
		engine: detect.DefaultConfig(), peers: signal.DefaultConfig(), files: scenarioFiles(s), data: detect.Live, end: s.End, rec: recordInto(t.Context(), store, detect.Live),
		places: func(time.Time) (signal.Places, error) { return newScenarioPlaces(s) },
	}
	if _, err := j.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, _, err := store.Incidents(t.Context(), sqlite.Query{})
	if err != nil || len(list) == 0 {
		t.Fatalf("%d incidents, %v", len(list), err)
	}
	id := list[0].ID
	measured := func() []byte {
		var b bytes.Buffer
		if err := ShowIncident(t.Context(), dir, id, true, &b); err != nil {
			t.Fatal(err)
		}
		if err := store.EachRevision(t.Context(), func(r *sqlite.StoredRevision) error {
			text, err := r.Text()
			b.Write(text)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := evidenceTo(t.Context(), store, "", id, &b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	before := measured()
	edit := func(f func(*annotation.Document) error) {
		t.Helper()
		if err := EditContext(t.Context(), dir, id, f, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	edit(func(d *annotation.Document) error {
		_, err := d.Add(Stamped("editor", "was sent to us"), annotation.Item{Kind: "operator_statement", Text: "a cable was cut", Source: annotation.Source{Citation: "the operator, by mail"}})
		return err
	})
	edit(func(d *annotation.Document) error { return d.Norm(Stamped("editor", "named there"), "13f", []int{1}) })
	n := newNotary(conf.Default().Ledger, dir, store, zerolog.Nop())
	if err := n.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	edit(func(d *annotation.Document) error { return d.Publish(Stamped("reviewer", "read"), 1) })
	if err := n.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.l.Close()
	if err := PutHold(t.Context(), dir, sqlite.Hold{Incident: id, Held: true, At: time.Now(), Role: "examiner", Reason: "a court asked"}, io.Discard); err != nil {
		t.Fatal(err)
	}
	if after := measured(); !bytes.Equal(before, after) {
		t.Error("what was measured has changed")
	}
	for _, c := range []struct {
		public, json bool
		want         string
	}{{false, false, "operator_statement, public, source not checked: a cable was cut"}, {true, true, `"norm_tags":[{"tag":"13f","items":[1]}]`}, {false, false, "3  "}} {
		var b bytes.Buffer
		if err := ShowContext(t.Context(), dir, id, c.public, c.json, &b); err != nil || !strings.Contains(b.String(), c.want) {
			t.Errorf("%v: %s", err, b.String())
		}
	}
	var b bytes.Buffer
	if err := ListHolds(t.Context(), dir, &b); err != nil || !strings.Contains(b.String(), id+"  put, in force by examiner: a court asked") {
		t.Errorf("%v: %s", err, b.String())
	}
	if err := PutHold(t.Context(), dir, sqlite.Hold{Incident: id, Role: "boss", Reason: "x"}, io.Discard); err == nil {
		t.Error("lifted without a role")
	}
	if out, err := checked(t, Fsck{Data: dir}); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// The same with one word of it changed afterwards.
	var texts [][]byte
	written, err := store.Annotations(t.Context(), id, 0)
	if err != nil || len(written) != 3 {
		t.Fatalf("%d revisions, %v", len(written), err)
	}
	for _, a := range written {
		texts = append(texts, bytes.Replace(a.Text, []byte("a cable was cut"), []byte("a mast was hit"), 1))
	}
	forged := t.TempDir()
	rebuilt(t, store, forged, nil, nil)
	other, err := sqlite.Open(t.Context(), forged)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if err := other.SaveAnnotation(t.Context(), id, i+1, text); err != nil {
			t.Fatal(err)
		}
	}
	other.Close()
	for _, name := range []string{ledgerFolder, keysFolder} {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(forged, name)); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := checked(t, Fsck{Data: forged}); err == nil || !strings.Contains(out, "context of incident "+id+", revision 1: the store holds another text") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestHoldKeeps: with a hold nothing that was received since a day before the incident is given up; once it is lifted, it is.
func TestHoldKeeps(t *testing.T) {
	s, err := scenario.Parse("short-outage.txt", []byte(shortOutage))
	if err != nil {
		t.Fatal(err)
	}
	base := map[int]uint64{}
	held := ""
	_, _, store := watchedLiveWith(t, s, []int{30, 140, 250, 400, 500}, false,
		func(_ string, l *live) { l.conf.Keep = conf.Keep{GiB: 1} },
		func(sec int, l *live) {
			base[sec] = l.log.Journal().Base().Entries
			if sec != 200 && sec != 450 {
				return
			}
			if held == "" {
				list, _, err := l.rec.store.Incidents(t.Context(), sqlite.Query{})
				if err != nil || len(list) == 0 {
					t.Fatalf("no incident after %d s, %v", sec, err)
				}
				held = list[0].ID
			}
			if err := l.rec.store.AddHold(t.Context(), sqlite.Hold{Incident: held, Held: sec == 200, At: time.Now(), Role: "examiner", Reason: "x"}); err != nil {
				t.Fatal(err)
			}
		})
	if base[199] == 0 || base[449] != base[199] || base[510] <= base[199] {
		t.Errorf("the journal began at %d before the hold, at %d with it, at %d after it", base[199], base[449], base[510])
	}
	if list, err := store.Holds(t.Context()); err != nil || len(list) != 2 || len(inHold(list)) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What people write is stored beside a writer that holds the folder, in order, and never over what somebody else wrote; and it touches nothing else.
func TestHumanBeside(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenBeside(t.Context(), dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a store: %v", err)
	}
	s := openTest(t, dir)
	fill(t, s)
	var id string
	measured := func() (all string) {
		t.Helper()
		if err := s.EachRevision(t.Context(), func(r *StoredRevision) error {
			text, err := r.Text()
			id = r.ID
			all += string(text) + "\n"
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := measured()
	b, err := OpenBeside(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	at := time.Unix(1_700_000_000, 0).UTC()
	if err := errors.Join(
		b.SaveAnnotation(t.Context(), id, 1, []byte("one")), s.SaveAnnotation(t.Context(), id, 2, []byte("two")),
		b.AddHold(t.Context(), Hold{id, true, at, "examiner", "a letter"}), s.AddHold(t.Context(), Hold{id, false, at.Add(time.Hour), "examiner", "done"}),
	); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"over another's edit": b.SaveAnnotation(t.Context(), id, 2, []byte("three")),
		"a revision left out": b.SaveAnnotation(t.Context(), id, 4, []byte("three")),
		"lifted twice":        b.AddHold(t.Context(), Hold{id, false, at, "examiner", "x"}),
	} {
		if !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := b.AddHold(t.Context(), Hold{id, true, at, "examiner", "x"}); err != nil {
		t.Errorf("put again: %v", err)
	}
	if err := s.AddHold(t.Context(), Hold{id, true, at, "examiner", "x"}); !errors.Is(err, ErrConflict) {
		t.Errorf("put twice: %v", err)
	}
	if err := b.SaveAnnotation(t.Context(), "no such", 1, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	list, err := s.Annotations(t.Context(), id, 0)
	if err != nil || len(list) != 2 || string(list[1].Text) != "two" || list[0].Revision != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := s.Annotations(t.Context(), "", list[0].N); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	holds, err := b.Holds(t.Context())
	if err != nil || len(holds) != 4 || !holds[1].Held || holds[2].Held || !holds[1].At.Equal(at) { // the first one is of fill
		t.Errorf("%+v, %v", holds, err)
	}
	if after := measured(); after != before || before == "" {
		t.Error("what was measured has changed")
	}
	check(t, s)
	// A file of an older schema holds nothing of that, and can be read.
	old := t.TempDir()
	text, err := os.ReadFile(filepath.Join("testdata", "schema-v3.sql"))
	if err != nil {
		t.Fatal(err)
	}
	rawDB(t, old, string(text))
	r, err := OpenReadOnly(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if holds, err := r.Holds(t.Context()); err != nil || holds != nil {
		t.Errorf("%v, %v", holds, err)
	}
}

package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestSetAside(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	if to, err := SetAside(dir, "other"); to != "" || err != nil {
		t.Errorf("nothing to move: %q, %v", to, err)
	}
	for _, want := range []string{"before-1", "before-2"} {
		s, err := Open(ctx, dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Meta(ctx, "kept"); !errors.Is(err, ErrNotFound) {
			t.Errorf("the new store is not empty: %v", err)
		}
		if err := s.SetMeta(ctx, "kept", want); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "other"), []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		var used *InUseError
		if _, err := SetAside(dir, "other"); !errors.As(err, &used) {
			t.Errorf("a store in use: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		to, err := SetAside(dir, "other")
		if err != nil || filepath.Base(to) != want {
			t.Fatalf("%q, %v", to, err)
		}
		old, err := OpenReadOnly(ctx, to)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := old.Meta(ctx, "kept"); err != nil || got != want {
			t.Errorf("%q, %v", got, err)
		}
		if err := old.Close(); err != nil {
			t.Error(err)
		}
		if b, err := os.ReadFile(filepath.Join(to, "other")); err != nil || string(b) != want {
			t.Errorf("the file beside it: %q, %v", b, err)
		}
	}
}

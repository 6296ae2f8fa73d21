//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/corewatch/corewatch/detect"
)

func TestRefusals(t *testing.T) {
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "store")
	if _, err := OpenReadOnly(ctx, dir); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), dir) {
		t.Errorf("no store gave %v", err)
	}
	s := openTest(t, dir)
	for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, FileName): 0o600, filepath.Join(dir, lockName): 0o600} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, want %v", path, st.Mode(), want)
		}
	}
	var busy *InUseError
	if _, err := Open(ctx, dir); !errors.As(err, &busy) || busy.PID != fmt.Sprint(os.Getpid()) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second writer gave %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openTest(t, dir) // and after Close it may

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, filepath.Join(file, "store")); err == nil || !strings.Contains(err.Error(), "cannot be created") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a folder below a file gave %v", err)
	}
	garbage := t.TempDir()
	if err := os.WriteFile(filepath.Join(garbage, FileName), []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, open := range []func(context.Context, string) (*Store, error){Open, OpenReadOnly} {
		if _, err := open(ctx, garbage); err == nil || !strings.Contains(err.Error(), "is not a database of corewatch") {
			t.Errorf("garbage gave %v", err)
		}
	}
}

// TestUnwritableFolder runs a second process as another user, because no mode keeps root out.
func TestUnwritableFolder(t *testing.T) {
	if dir := os.Getenv("COREWATCH_TEST_UNWRITABLE"); dir != "" {
		if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "cannot be written") || strings.Contains(err.Error(), "\n") {
			t.Errorf("Open of a folder without the right to write gave %v", err)
		}
		r, err := OpenReadOnly(t.Context(), dir)
		if err != nil {
			t.Fatalf("reading a closed store in a folder without the right to write: %v", err)
		}
		if v, err := r.Meta(t.Context(), "k"); v != "v" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	dir, err := os.MkdirTemp("", "corewatch-store-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700); _ = os.RemoveAll(dir) })
	s := openTest(t, dir)
	if err := errors.Join(s.SetMeta(t.Context(), "k", "v"), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{FileName, lockName} {
		if err := os.Chmod(filepath.Join(dir, name), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	exe, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "test") // where the other user can run it
	for p := filepath.Dir(bin); len(p) > len(os.TempDir()); p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(bin, exe, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-test.run=^TestUnwritableFolder$")
	cmd.Dir, cmd.Env = "/", []string{"COREWATCH_TEST_UNWRITABLE=" + dir}
	asNobody(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestReadOnlyBesideWriter(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	w := openTest(t, dir)
	r, err := OpenReadOnly(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for i := range 20 {
		if err := w.SaveRevision(ctx, incident(i*5, 1), nil); err != nil {
			t.Fatal(err)
		}
		if list, _, err := r.Incidents(ctx, Query{}); err != nil || len(list) != i+1 {
			t.Fatalf("%d incidents seen after %d writes: %v", len(list), i+1, err)
		}
	}
	for name, err := range map[string]error{
		"fact": r.SetMeta(ctx, "a", "b"), "revision": r.SaveRevision(ctx, incident(1, 1), nil), "inputs": r.SaveInputs(ctx, nil),
		"samples": r.AppendSamples(ctx, []detect.Sample{sample("a", 1)}), "messages": r.AppendMessages(ctx, "a", messages(0, 1)),
	} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("writing %s gave %v", name, err)
		}
	}
	check(t, r)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if list, _, err := r.Incidents(ctx, Query{}); err != nil || len(list) != 20 {
		t.Errorf("%d incidents after the writer left: %v", len(list), err)
	}
}

// asNobody lets a command run without root's rights.
func asNobody(cmd *exec.Cmd) {
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
}

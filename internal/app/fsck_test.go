package app

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	order "github.com/corewatch/corewatch/bgp/journal"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/evidence/keys"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// rebuilt writes a store with everything that fsck looks at in another, but for what is edited: as somebody does who has the machine, with every checksum right.
func rebuilt(t *testing.T, from *sqlite.Store, dir string, edit func(*detect.Incident) bool, message func(*bgp.Message) bool) {
	t.Helper()
	name := filepath.Join(dir, sqlite.FileName)
	for _, more := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(name + more); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	to, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	var ids []string
	var list []*detect.Incident
	err = from.EachRevision(t.Context(), func(r *sqlite.StoredRevision) error {
		ids = append(ids, r.ID)
		list = append(list, &detect.Incident{Revision: r.Revision})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		if list[i], err = from.Revision(t.Context(), id, list[i].Revision); err != nil {
			t.Fatal(err)
		}
		if edit != nil && !edit(list[i]) {
			continue
		}
		if err := to.SaveRevision(t.Context(), list[i], nil); err != nil {
			t.Fatal(err)
		}
		if i+1 < len(ids) && ids[i+1] == id {
			continue
		}
		var all []bgp.Message
		if _, err := from.Messages(t.Context(), id, func(m bgp.Message) error {
			if message == nil || message(&m) {
				all = append(all, m)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := to.AppendMessages(t.Context(), id, all); err != nil {
			t.Fatal(err)
		}
	}
}

// checked runs fsck on a folder.
func checked(t *testing.T, c Fsck) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c.Out, c.Err = &out, io.Discard
	err := c.Run(t.Context())
	return out.String(), err
}

// TestFsck: what was stored passes; each kind of change afterwards, by somebody who gets every checksum of store, journal and segments right, is found, with the
// place. One who rewrites the ledger, too, is found by who kept a checkpoint of it.
func TestFsck(t *testing.T) {
	origin, store := notarised(t, false, 150, 400)
	rebuilt(t, store, origin, nil, nil)
	if out, err := checked(t, Fsck{Data: origin}); err != nil || !strings.Contains(out, "sound: nothing was changed") || strings.Contains(out, "checked: 0 revisions, evidence of 0") {
		t.Fatalf("%v\n%s", err, out)
	}
	size := strconv.FormatInt(ledgerOf(t, origin).Checkpoint().Size, 10)
	kept := filepath.Join(t.TempDir(), "kept")
	if err := os.WriteFile(kept, ledgerOf(t, origin).Checkpoint().Note, 0o600); err != nil {
		t.Fatal(err)
	}
	glob := func(t *testing.T, dir, pattern string) string {
		list, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if err != nil || len(list) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		return list[0]
	}
	flip := func(t *testing.T, name string, at int) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b[(at+len(b))%len(b)] ^= 1
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const text = "was changed afterwards"
	for what, c := range map[string]struct {
		change func(t *testing.T, dir string)
		want   string
	}{
		"a past revision": {func(t *testing.T, dir string) {
			rebuilt(t, store, dir, func(i *detect.Incident) bool {
				if i.Revision == 1 && i.Kind == detect.Outage {
					i.Severity = 1 + i.Severity%4
				}
				return true
			}, nil)
		}, "revision 1: the store holds another text"},
		"the last revision": {func(t *testing.T, dir string) {
			rebuilt(t, store, dir, func(i *detect.Incident) bool { i.Revisions[0].Reason += "."; return true }, nil)
		}, text},
		"a revision that is left out": {func(t *testing.T, dir string) {
			rebuilt(t, store, dir, func(i *detect.Incident) bool { return i.Revision != 2 }, nil)
		}, "revision 2: it was published"},
		"an incident that is left out": {func(t *testing.T, dir string) {
			rebuilt(t, store, dir, func(i *detect.Incident) bool { return i.Kind != detect.Outage }, nil)
		}, "is not in the store any more"},
		"another measurement in place of another's": {func(t *testing.T, dir string) {
			rebuilt(t, store, dir, func(i *detect.Incident) bool { i.Data = detect.Synthetic; return true }, nil)
		}, "of synthetic data"},
		"a message of the evidence": {func(t *testing.T, dir string) {
			n := 0
			rebuilt(t, store, dir, nil, func(m *bgp.Message) bool {
				if n++; n == 2 {
					m.Raw = append([]byte(nil), m.Raw...)
					m.Raw[len(m.Raw)-1] ^= 1
				}
				return true
			})
		}, "are not those that it was published with"},
		"a message of the evidence that is left out": {func(t *testing.T, dir string) {
			n := 0
			rebuilt(t, store, dir, nil, func(*bgp.Message) bool { n++; return n != 2 })
		}, "are not those that it was published with"},
		"a record in a segment":      {func(t *testing.T, dir string) { repack(t, glob(t, dir, "live/segments/*/*.gz")) }, "its content is not what was received"},
		"octets of a segment's file": {func(t *testing.T, dir string) { flip(t, glob(t, dir, "live/segments/*/*.gz"), -9) }, "segment segments/"},
		"a segment that is gone": {func(t *testing.T, dir string) {
			if err := os.Remove(glob(t, dir, "live/segments/*/*.gz")); err != nil {
				t.Fatal(err)
			}
		}, "the file is missing"},
		"an octet of the journal":          {func(t *testing.T, dir string) { flip(t, glob(t, dir, "live/journal/*.journal"), 3000) }, "journal file 00000001.journal, byte"},
		"an entry left out of the journal": {func(t *testing.T, dir string) { rewrite(t, filepath.Join(dir, "live/journal"), 100, 1<<30) }, "up to here it is not what it was"},
		"a journal cut off":                {func(t *testing.T, dir string) { rewrite(t, filepath.Join(dir, "live/journal"), 1<<30, 200) }, "its end was cut off"},
		"a journal that is gone": {func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "live/journal")); err != nil {
				t.Fatal(err)
			}
		}, "and the ledger vouches for"},
		"a leaf":                   {func(t *testing.T, dir string) { flip(t, glob(t, dir, "ledger/tile/entries/000.p/"+size), 100) }, "ledger, tile/0/000.p/" + size},
		"a tile":                   {func(t *testing.T, dir string) { flip(t, glob(t, dir, "ledger/tile/0/000.p/"+size), 100) }, "ledger, tile/0/000.p/" + size},
		"the state of the storage": {func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "ledger", ".state", "treeState"), -9) }, "ledger, .state/treeState"},
		"the checkpoint":           {func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "ledger", "checkpoint"), -5) }, "checkpoint"},
		"a key that is gone": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "keys", "ledger-0001.key")); err != nil {
				t.Fatal(err)
			}
		}, "there is no key yet"},
		"everything, and the ledger begun anew": {func(t *testing.T, dir string) {
			rebuilt(t, store, dir, func(i *detect.Incident) bool { i.Revisions[0].Reason += "."; return true }, nil)
			if err := errors.Join(os.RemoveAll(filepath.Join(dir, "ledger")), os.Remove(filepath.Join(dir, "keys", "ledger.head"))); err != nil {
				t.Fatal(err)
			}
			anew(t, dir)
			if out, err := checked(t, Fsck{Data: dir}); err != nil {
				t.Errorf("in itself it is sound: %v\n%s", err, out)
			}
		}, "kept: the ledger was rewritten"},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(origin)); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(dir, "keys"), 0o700); err != nil {
				t.Fatal(err)
			}
			for _, n := range []string{"ledger-0001.key", "ledger.head"} {
				if err := os.Chmod(filepath.Join(dir, "keys", n), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c.change(t, dir)
			out, err := checked(t, Fsck{Data: dir, Checkpoints: []string{kept}})
			if err == nil || !strings.Contains(out+err.Error(), c.want) {
				t.Errorf("%v\n%s", err, out)
			}
			if what != "a key that is gone" && !errors.Is(err, ErrUnsound) {
				t.Errorf("%v is no finding", err)
			}
		})
	}
	// Who has the public key only checks the same.
	var list bytes.Buffer
	if err := ListKeys(KeyFolder{Data: origin}, &list); err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(list.String())
	if err := os.RemoveAll(filepath.Join(origin, "keys")); err != nil {
		t.Fatal(err)
	}
	if out, err := checked(t, Fsck{Data: origin, Keys: fields[len(fields)-1:], Quick: true, Checkpoints: []string{kept}}); err != nil || !strings.Contains(out, "grew out of it") {
		t.Errorf("by %s: %v\n%s", fields[len(fields)-1], err, out)
	}
}

// anew writes a new ledger over what a folder holds.
func anew(t *testing.T, dir string) {
	t.Helper()
	store, err := sqlite.OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	w, err := order.Create(filepath.Join(dir, "live", "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	n := newNotary(conf.Default().Ledger, dir, store, zerolog.Nop())
	n.committed(w, "", "")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	n.run(ctx)
	if n.failure != "" {
		t.Fatal(n.failure)
	}
}

// repack changes an octet of a record in a segment and compresses it again.
func repack(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	plain[len(plain)/2] ^= 1
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), os.WriteFile(name, b.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// rewrite writes a journal anew, without the tick that is the first after an entry, and up to an entry only; its chain is whole.
func rewrite(t *testing.T, dir string, without, until uint64) {
	t.Helper()
	r, err := order.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	other := filepath.Join(t.TempDir(), "journal")
	w, err := order.Create(other)
	if err != nil {
		t.Fatal(err)
	}
	var e order.Entry
	head := r.Head()
	left := false
	for err = r.Next(&e); err == nil && e.Seq <= until; err = r.Next(&e) {
		if r.Head() != head { // the same blocks
			head = r.Head()
			if err := w.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		switch e.Kind {
		case order.Input:
			_, err = w.Input(e.Text, e.Name)
		case order.Message:
			err = w.Message(e.Input, e.Offset, e.Length, e.At)
		case order.Tick:
			if left || e.Seq < without {
				err = w.Tick(e.At)
			} else {
				left = true
			}
		case order.Closed:
			err = w.Closed(e.Input, e.Length, e.Sum)
		case order.Control:
			err = w.Control(e.At, e.Name, e.Text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(other))); err != nil {
		t.Fatal(err)
	}
}

// TestKeysCommands: rotated while a monitor writes, by commands only; and nothing that is printed is the private half.
func TestKeysCommands(t *testing.T) {
	dir := t.TempDir()
	if err := ListKeys(KeyFolder{Data: dir}, io.Discard); err == nil || !strings.Contains(err.Error(), "no keys yet") {
		t.Errorf("%v", err)
	}
	store, err := sqlite.OpenMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	n := newNotary(conf.Default().Ledger, dir, store, zerolog.Nop())
	if err := n.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := RotateKeys(KeyFolder{Data: dir}, keys.Ledger, 0, &out); err != nil {
		t.Fatal(err)
	}
	if err := n.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.l.Close()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "ledger 1  ") || !strings.Contains(lines[1], " to now  corewatch/") {
		t.Errorf("%s", out.String())
	}
	if r := ledgerOf(t, dir); r.Checkpoint().Size < 3 { // program, key, new key
		t.Errorf("%+v", r.Checkpoint())
	}
	files, err := filepath.Glob(filepath.Join(dir, keysFolder, "*.key"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, seed, _ := strings.Cut(strings.TrimSpace(string(b)), "seed ")
		if seed == "" || strings.Contains(out.String(), seed) {
			t.Error("a private key was printed")
		}
	}
}

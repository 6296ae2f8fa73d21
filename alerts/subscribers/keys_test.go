package subscribers

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/alerts"
)

func TestKeyFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	if _, err := OpenKeys(name, false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key that is not there: %v", err)
	}
	first, err := OpenKeys(name, true)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	again, err := OpenKeys(name, true)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := first.seal("id", &record{Address: "a@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := again.open(&alerts.Subscriber{ID: "id", Sealed: sealed}); err != nil || r.Address != "a@example.org" {
		t.Errorf("the same file gives another key: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(name), ".corewatch-key-*")); err != nil || len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	for text, want := range map[string]string{"": "restore the file", "secret": "restore the file", strings.Repeat("ab", 31): "32 octets"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenKeys(name, true); err == nil || !strings.Contains(err.Error(), want) || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := os.Chmod(name, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeys(name, true); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others may read: %v", err)
	}
	if _, err := OpenKeys(filepath.Join(t.TempDir(), "no", "such", "key"), true); err == nil || !strings.Contains(err.Error(), "mail.key_file") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// TestSealed: a record opens with its key, under its ID and unchanged, and else not; two of the same address have nothing in common, and addresses of other
// lengths the same length.
func TestSealed(t *testing.T) {
	keys, err := newKeys(bytes.Repeat([]byte{1}, secretSize))
	if err != nil {
		t.Fatal(err)
	}
	others, err := newKeys(bytes.Repeat([]byte{2}, secretSize))
	if err != nil {
		t.Fatal(err)
	}
	seal := func(id, address string) []byte {
		b, err := keys.seal(id, &record{Address: address, Language: "en"})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	a, b := seal("id", "a@example.org"), seal("id", "a.much.longer.name@example.org")
	if len(a) != len(b) || bytes.Equal(a[:16], seal("id", "a@example.org")[:16]) || bytes.Contains(a, []byte("example")) {
		t.Error("what is sealed tells something")
	}
	changed := bytes.Clone(a)
	changed[20] ^= 1
	for name, c := range map[string]struct {
		keys *Keys
		s    alerts.Subscriber
	}{
		"another key": {others, alerts.Subscriber{ID: "id", Sealed: a}},
		"another ID":  {keys, alerts.Subscriber{ID: "di", Sealed: a}},
		"changed":     {keys, alerts.Subscriber{ID: "id", Sealed: changed}},
		"cut":         {keys, alerts.Subscriber{ID: "id", Sealed: a[:5]}},
		"nothing":     {keys, alerts.Subscriber{ID: "id"}},
	} {
		if r, err := c.keys.open(&c.s); !errors.Is(err, errSealed) {
			t.Errorf("%s: %v %v", name, r, err)
		}
	}
	of := func(k *Keys, address string) [2]string {
		x, y := k.hashes(address)
		return [2]string{string(x), string(y)}
	}
	base := of(keys, "a@example.org")
	if of(keys, "A@Example.ORG") != base || of(others, "a@example.org") == base || base[0] == base[1] {
		t.Error("the hashes of an address")
	}
	if plus := of(keys, "a+x@example.org"); plus[0] == base[0] || plus[1] != base[1] {
		t.Error("what stands behind a plus sign is another address of the same mailbox")
	}
	id := strings.Repeat("ab", 16)
	token := keys.leaveToken(id)
	if got, ok := keys.leaves(token); !ok || got != id {
		t.Error(got, ok)
	}
	for _, bad := range []string{"", ".", id, id + ".", token + "x", token[:len(token)-1], others.leaveToken(id), strings.Repeat("cd", 16) + token[32:]} {
		if _, ok := keys.leaves(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

package keys

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// The first use makes a key that only its owner can read; the next one finds it.
func TestMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := Read(dir, Ledger); !errors.Is(err, ErrNone) {
		t.Errorf("a folder that is not there: %v", err)
	}
	a, err := Load(dir, Ledger, noon)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Load(dir, Ledger, noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	other, err := Load(dir, Bundle, noon)
	if err != nil {
		t.Fatal(err)
	}
	ka, signer := a.Current()
	kb, _ := b.Current()
	ko, _ := other.Current()
	if !ka.Key.Equal(kb.Key) || ka.Key.Equal(ko.Key) || !ka.From.Equal(noon) || !ka.Until.IsZero() {
		t.Errorf("%+v, then %+v; of bundles %+v", ka, kb, ko)
	}
	sig, err := signer.Sign(nil, []byte("x"), crypto.Hash(0))
	if err != nil || !ed25519.Verify(ka.Key, []byte("x"), sig) {
		t.Errorf("the signature: %v", err)
	}
	if _, err := signer.Sign(nil, make([]byte, 32), crypto.SHA256); err == nil {
		t.Error("a digest was signed")
	}
	for _, p := range []string{dir, filepath.Join(dir, "ledger-0001.key")} {
		if st, err := os.Stat(p); err != nil || st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", p, st.Mode(), err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// After a rotation both keys sign until the overlap is over, then the new one does; the old one is known for ever.
func TestRotation(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := Load(dir, Ledger, noon); err != nil {
		t.Fatal(err)
	}
	s, err := Rotate(dir, Ledger, noon.Add(time.Hour), 48*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	list := s.Public()
	if len(list) != 2 || list[1].Number != 2 || !list[0].Until.Equal(noon.Add(49*time.Hour)) || !list[1].From.Equal(noon.Add(time.Hour)) {
		t.Fatalf("%+v", list)
	}
	for after, want := range map[time.Duration]int{2 * time.Hour: 2, 48 * time.Hour: 2, 50 * time.Hour: 1} {
		active := s.Active(noon.Add(after))
		if len(active) != want || !list[1].Key.Equal(active[0].Public()) {
			t.Errorf("after %s: %d keys sign", after, len(active))
		}
	}
	old, err := s.NoteVerifiers("log.example/a")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range s.Active(noon.Add(2 * time.Hour)) {
		signer, err := NoteSigner("log.example/a", key)
		if err != nil {
			t.Fatal(err)
		}
		text, err := note.Sign(&note.Note{Text: "hello\n"}, signer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := note.Open(text, old); err != nil {
			t.Errorf("a note that %x signed: %v", signer.KeyHash(), err)
		}
	}
	if _, err := Rotate(dir, Ledger, noon, time.Hour); err == nil {
		t.Error("rotated by a clock that is behind")
	}
	if _, err := Rotate(dir, Ledger, noon.Add(3*time.Hour), MaxOverlap+1); err == nil {
		t.Error("an overlap without bound")
	}
	if _, err := Rotate(dir, Bundle, noon, 0); !errors.Is(err, ErrNone) {
		t.Errorf("rotating what is not there: %v", err)
	}
}

// A file that others could read, that was changed, or that is missing between two is refused, and no error says what stands in it.
func TestRefused(t *testing.T) {
	make3 := func(t *testing.T) (dir, seed string) {
		dir = filepath.Join(t.TempDir(), "keys")
		if _, err := Load(dir, Ledger, noon); err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			if _, err := Rotate(dir, Ledger, noon.Add(time.Duration(i+1)*time.Hour), time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(filepath.Join(dir, "ledger-0001.key"))
		if err != nil {
			t.Fatal(err)
		}
		_, seed, _ = strings.Cut(strings.TrimSpace(string(text)), "seed ")
		return dir, seed
	}
	edit := func(f func(string) string) func(dir string) error {
		return func(dir string) error {
			name := filepath.Join(dir, "ledger-0001.key")
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			return os.WriteFile(name, []byte(f(string(text))), 0o600)
		}
	}
	for what, change := range map[string]func(dir string) error{
		"readable by the group":   func(dir string) error { return os.Chmod(filepath.Join(dir, "ledger-0002.key"), 0o640) },
		"a folder open to others": func(dir string) error { return os.Chmod(dir, 0o755) },
		"the first is missing": func(dir string) error {
			return os.Rename(filepath.Join(dir, "ledger-0003.key"), filepath.Join(dir, "ledger-0001.key"))
		},
		"a link": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "ledger-0003.key")), os.Symlink("ledger-0002.key", filepath.Join(dir, "ledger-0003.key")))
		},
		"cut":                      edit(func(s string) string { return s[:len(s)-8] }),
		"longer":                   edit(func(s string) string { return s + "x\n" }),
		"a later time":             edit(func(s string) string { return strings.Replace(s, "2026", "2027", 1) }),
		"a time written otherwise": edit(func(s string) string { return strings.Replace(s, "12:00:00Z", "13:00:00+01:00", 1) }),
		"of another program":       edit(func(string) string { return "-----BEGIN\n" }),
	} {
		dir, seed := make3(t)
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
		_, err := Load(dir, Ledger, noon)
		if err == nil || strings.Contains(err.Error(), seed[:12]) || !strings.HasPrefix(err.Error(), "keys: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Whatever is printed of a set or its signers holds nothing of the private half.
func TestNothingPrints(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	s, err := Load(dir, Bundle, noon)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "bundle-0001.key"))
	if err != nil {
		t.Fatal(err)
	}
	_, word, _ := strings.Cut(strings.TrimSpace(string(text)), "seed ")
	seed, err := base64.StdEncoding.DecodeString(word)
	if err != nil || len(seed) != ed25519.SeedSize {
		t.Fatal(err)
	}
	_, key := s.Current()
	signer, err := NoteSigner("log.example/a", key)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, v := range []any{s, *s, key, signer, s.Public()} {
		fmt.Fprintf(&out, "%v %+v %#v %x %s\n", v, v, v, v, v)
		b, err := json.Marshal(v)
		fmt.Fprintf(&out, "%s %v\n", b, err)
	}
	numbers := strings.Trim(fmt.Sprint(seed), "[]")
	for _, secret := range []string{word, hex.EncodeToString(seed), string(seed), numbers, strings.ReplaceAll(numbers, " ", ", "), hex.EncodeToString(seed[:8])} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("printed: %q", secret)
		}
	}
}

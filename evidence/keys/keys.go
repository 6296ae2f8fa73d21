// Package keys holds the Ed25519 keys of an operator: one that signs the checkpoints of the ledger, one that signs bundles. They are made on the first
// use, lie in files that nobody else may read, and never leave this package: who asks gets a crypto.Signer, of which nothing can be printed.
//
// A key is replaced with an overlap: from the moment of the rotation the new one signs, and the old one too until its time is over, so that a verifier that
// knows only the old one has time to learn of the new one. What an old key signed stays verifiable with its public half, which is kept for ever.
//
// # Stored form
//
// PURPOSE-NUMBER.key, numbers from 1 on, mode 0600, is written once and never changed:
//
//	corewatch private key 1
//	from TIME
//	before until TIME     (from number 2 on: when the key before this one ends)
//	seed BASE64           (32 octets, RFC 8032)
package keys

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Purpose says what keys sign. A key of one purpose signs nothing of another.
type Purpose string

// The purposes.
const (
	Ledger Purpose = "ledger" // checkpoints of the ledger
	Bundle Purpose = "bundle" // evidence bundles
)

const (
	magic   = "corewatch private key 1"
	maxKeys = 9999
	maxFile = 1024 // octets of a key's file
	// MaxOverlap bounds how long a replaced key goes on signing.
	MaxOverlap = 366 * 24 * time.Hour
)

// Public is the public half of a key, and when it signs.
type Public struct {
	Number int
	Key    ed25519.PublicKey
	From   time.Time
	Until  time.Time // zero: open; what it signed before stays valid
}

// ErrNone says that there is no key yet.
var ErrNone = errors.New("there is no key yet")

// Set is the keys of one purpose. It does not change; it is safe for concurrent use.
type Set struct {
	public  []Public
	signers []crypto.Signer // beside public
}

// signer signs; its key can be reached by nothing but its method.
type signer struct {
	public ed25519.PublicKey
	sign   func(message []byte) []byte
}

// Public is the key that verifies, an ed25519.PublicKey.
func (s signer) Public() crypto.PublicKey { return s.public }

// Sign signs a message as it is (crypto.Hash(0)), as ed25519.PrivateKey does.
func (s signer) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts != nil && opts.HashFunc() != 0 {
		return nil, errors.New("keys: an Ed25519 key signs messages, not their digests")
	}
	return s.sign(message), nil
}

// Load reads the keys of a purpose from a folder, and makes the first one, and the folder (mode 0700), where there is none. Files that others may read or
// write are refused.
func Load(dir string, p Purpose, now time.Time) (*Set, error) {
	s, err := Read(dir, p)
	if !errors.Is(err, ErrNone) {
		return s, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if err := guarded(dir); err != nil {
		return nil, err
	}
	if err := create(dir, p, 1, now, time.Time{}); err != nil && !errors.Is(err, fs.ErrExist) { // made by another process just now: read that
		return nil, err
	}
	return Read(dir, p)
}

// Read reads the keys of a purpose; an error that wraps ErrNone when there is none.
func Read(dir string, p Purpose) (*Set, error) {
	if err := guarded(dir); err != nil {
		return nil, err
	}
	s := &Set{}
	for n := 1; n <= maxKeys; n++ {
		k, seed, before, err := readFile(filepath.Join(dir, fileName(p, n)))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		k.Number = n
		if last := len(s.public) - 1; last >= 0 {
			if before.Before(k.From) || k.From.Before(s.public[last].From) {
				return nil, fmt.Errorf("keys: %s: its times contradict those of the key before it", fileName(p, n))
			}
			s.public[last].Until = before
		} else if !before.IsZero() {
			return nil, fmt.Errorf("keys: %s is the first key and names one before it: a file is missing", fileName(p, n))
		}
		private := ed25519.NewKeyFromSeed(seed)
		k.Key = private.Public().(ed25519.PublicKey)
		s.public = append(s.public, k)
		s.signers = append(s.signers, signer{k.Key, func(m []byte) []byte { return ed25519.Sign(private, m) }})
	}
	if len(s.public) == 0 {
		return nil, fmt.Errorf("keys: folder %s, %s: %w", filepath.Base(dir), p, ErrNone)
	}
	return s, nil
}

// Rotate makes a new key, which signs from now on; the one before it goes on beside it for the overlap, 0 to MaxOverlap.
func Rotate(dir string, p Purpose, now time.Time, overlap time.Duration) (*Set, error) {
	if overlap < 0 || overlap > MaxOverlap {
		return nil, fmt.Errorf("keys: an overlap of %s; want 0 to %s", overlap, MaxOverlap)
	}
	s, err := Read(dir, p)
	if err != nil {
		return nil, err
	}
	last := s.public[len(s.public)-1]
	if last.Number == maxKeys {
		return nil, fmt.Errorf("keys: there are %d already", maxKeys)
	}
	if now = now.UTC().Truncate(time.Second); now.Before(last.From) {
		return nil, fmt.Errorf("keys: the newest key is of %s, which is later than now: look at the clock", last.From.Format(time.RFC3339))
	}
	if err := create(dir, p, last.Number+1, now, now.Add(overlap)); err != nil {
		return nil, err
	}
	return Read(dir, p)
}

// Public are all keys, the first one first.
func (s *Set) Public() []Public { return append([]Public(nil), s.public...) }

// Current is the newest key, which signs.
func (s *Set) Current() (Public, crypto.Signer) {
	n := len(s.public) - 1
	return s.public[n], s.signers[n]
}

// Active are the keys that sign at an instant, the newest first: it, and those whose overlap is not over.
func (s *Set) Active(now time.Time) (list []crypto.Signer) {
	for n := len(s.public) - 1; n >= 0; n-- {
		if u := s.public[n].Until; u.IsZero() || now.Before(u) {
			list = append(list, s.signers[n])
		}
	}
	return list
}

func fileName(p Purpose, n int) string { return fmt.Sprintf("%s-%04d.key", p, n) }

// guarded refuses a folder in which others may put files.
func guarded(dir string) error {
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("keys: folder %s: %w", filepath.Base(dir), ErrNone)
	case err != nil:
		return fmt.Errorf("keys: %w", err)
	case !st.IsDir() || st.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("keys: folder %s has mode %04o; want 0700: others could read or replace keys (chmod 700, and look who was there)", filepath.Base(dir), st.Mode().Perm())
	}
	return nil
}

// readFile reads a key's file. No error holds anything of what stands in it.
func readFile(path string) (k Public, seed []byte, before time.Time, err error) {
	name := filepath.Base(path)
	bad := func(why string) (Public, []byte, time.Time, error) {
		return Public{}, nil, time.Time{}, fmt.Errorf("keys: %s: %s: restore it from a backup", name, why)
	}
	st, err := os.Lstat(path)
	switch {
	case err != nil:
		return k, nil, before, fmt.Errorf("keys: %w", err)
	case !st.Mode().IsRegular() || st.Size() > maxFile:
		return bad("it is no key's file")
	case st.Mode().Perm()&0o077 != 0:
		return k, nil, before, fmt.Errorf("keys: %s has mode %04o; want 0600: others could have read it (if so, rotate it, then chmod 600)", name, st.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return k, nil, before, fmt.Errorf("keys: %w", err)
	}
	line, rest, _ := strings.Cut(string(text), "\n")
	if line != magic {
		return bad("it does not begin as one")
	}
	field := func(name string) (value string, ok bool) {
		line, after, _ := strings.Cut(rest, "\n")
		if value, ok = strings.CutPrefix(line, name+" "); ok {
			rest = after
		}
		return value, ok
	}
	from, _ := field("from")
	if k.From, err = time.Parse(time.RFC3339, from); err != nil {
		return bad("it does not say from when it is")
	}
	if until, ok := field("before until"); ok {
		if before, err = time.Parse(time.RFC3339, until); err != nil {
			return bad("it does not say when the key before it ends")
		}
	}
	word, _ := field("seed")
	if seed, err = base64.StdEncoding.Strict().DecodeString(word); err != nil || len(seed) != ed25519.SeedSize || rest != "" {
		return bad("it holds no key")
	}
	if !bytes.Equal(format(k.From, before, seed), text) {
		return bad("it was changed")
	}
	return k, seed, before, nil
}

func format(from, before time.Time, seed []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nfrom %s\n", magic, from.UTC().Format(time.RFC3339))
	if !before.IsZero() {
		fmt.Fprintf(&b, "before until %s\n", before.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(&b, "seed %s\n", base64.StdEncoding.EncodeToString(seed))
	return b.Bytes()
}

// create writes a new key's file, whole and durable or not at all, and never over another.
func create(dir string, p Purpose, n int, from, before time.Time) (err error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := rand.Read(seed); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(format(from.Truncate(time.Second), before, seed))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Link(f.Name(), filepath.Join(dir, fileName(p, n))) // refuses to replace
	}
	if err != nil {
		return fmt.Errorf("keys: making %s: %w", fileName(p, n), err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

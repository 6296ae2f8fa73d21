package keys

import (
	"crypto"
	"crypto/ed25519"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// NoteVerifier is the line by which others know a key that signs notes under a name: C2SP signed-note, Ed25519.
func NoteVerifier(name string, key ed25519.PublicKey) (string, error) {
	line, err := note.NewEd25519VerifierKey(name, key)
	if err != nil {
		return "", fmt.Errorf("keys: the name %q: %w", name, err)
	}
	if _, err := note.NewVerifier(line); err != nil {
		return "", fmt.Errorf("keys: the name %q: %w", name, err)
	}
	return line, nil
}

// NoteVerifiers are the verifiers of all keys of a set, those that sign no more included.
func (s *Set) NoteVerifiers(name string) (note.Verifiers, error) {
	var list []note.Verifier
	for _, k := range s.public {
		line, err := NoteVerifier(name, k.Key)
		if err != nil {
			return nil, err
		}
		v, err := note.NewVerifier(line)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return note.VerifierList(list...), nil
}

// noteSigner signs notes with a key that it cannot see.
type noteSigner struct {
	name string
	hash uint32
	key  crypto.Signer
}

// Name is the name that stands in the signature's line.
func (s noteSigner) Name() string { return s.name }

// KeyHash is the key's id.
func (s noteSigner) KeyHash() uint32 { return s.hash }

// Sign signs a note's text.
func (s noteSigner) Sign(msg []byte) ([]byte, error) { return s.key.Sign(nil, msg, crypto.Hash(0)) }

// NoteSigner makes of a key one that signs notes under a name.
func NoteSigner(name string, key crypto.Signer) (note.Signer, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("keys: %T is no Ed25519 key", key.Public())
	}
	line, err := NoteVerifier(name, public)
	if err != nil {
		return nil, err
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(line, name+"+"), "+") // NAME+HASH+KEY
	hash, err := strconv.ParseUint(id, 16, 32)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return noteSigner{name, uint32(hash), key}, nil
}

// VerifierLines makes verifiers of the lines by which keys are known (see NoteVerifier).
func VerifierLines(lines []string) (note.Verifiers, error) {
	var list []note.Verifier
	for _, line := range lines {
		v, err := note.NewVerifier(line)
		if err != nil {
			return nil, fmt.Errorf("keys: %.200q is no key as `corewatch evidence keys list` prints it: %w", line, err)
		}
		list = append(list, v)
	}
	return note.VerifierList(list...), nil
}

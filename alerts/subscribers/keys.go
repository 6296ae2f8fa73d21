package subscribers

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/corewatch/corewatch/alerts"
)

// Keys seal what is stored about subscribers. All come from the one secret in the key file, so that the store alone tells nobody who they are.
type Keys struct {
	aead    cipher.AEAD // AES-256-GCM
	address []byte      // of the keyed hashes that find an address again
	leave   []byte      // of the links by which a subscriber leaves
}

const secretSize = 32

// OpenKeys reads a key file. Where there is none it is made, unless create is false: then the error wraps fs.ErrNotExist.
func OpenKeys(name string, create bool) (*Keys, error) {
	text, err := readKey(name)
	if errors.Is(err, fs.ErrNotExist) && create {
		if err = makeKey(name); err == nil || errors.Is(err, fs.ErrExist) { // or another process was first
			text, err = readKey(name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("mail.key_file: %w", err)
	}
	secret, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(secret) != secretSize {
		return nil, fmt.Errorf("mail.key_file: %s: want %d octets in hexadecimal: restore the file", name, secretSize)
	}
	return newKeys(secret)
}

func newKeys(secret []byte) (*Keys, error) {
	derived := map[string][]byte{"seal": nil, "address": nil, "leave": nil}
	for what := range derived {
		k, err := hkdf.Key(sha256.New, secret, nil, "corewatch subscribers 1: "+what, 32)
		if err != nil {
			return nil, err
		}
		derived[what] = k
	}
	block, err := aes.NewCipher(derived["seal"])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Keys{aead, derived["address"], derived["leave"]}, nil
}

func readKey(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	about, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if about.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: others may read it; chmod 600 it", name)
	}
	return io.ReadAll(io.LimitReader(f, 1024))
}

// makeKey makes a key file that only its owner may read. It is whole and on the disk before it has its name.
func makeKey(name string) (err error) {
	var secret [secretSize]byte
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand
	f, err := os.CreateTemp(filepath.Dir(name), ".corewatch-key-")
	if err != nil {
		return fmt.Errorf("no key can be made beside the data; set mail.key_file to a file that this user may write: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(hex.EncodeToString(secret[:]) + "\n")
	if err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), name); err != nil { // unlike a rename, it replaces nothing
		return err
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// record is what is sealed.
type record struct {
	Address  string              `json:"address"`
	Language string              `json:"language"`
	Wants    alerts.Subscription `json:"wants"`
}

// padding is what sealed records are filled up to a multiple of: their length tells little of the address's.
const padding = 256

// seal encrypts a record for one ID: it opens under no other.
func (k *Keys) seal(id string, r *record) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	text = append(text, bytes.Repeat([]byte(" "), padding-len(text)%padding)...)
	return k.aead.Seal(nil, nil, text, []byte(id)), nil
}

var errSealed = errors.New("a subscriber's record cannot be opened: it was sealed with another key, or changed")

// open decrypts a record. The error names nobody.
func (k *Keys) open(s *alerts.Subscriber) (*record, error) {
	text, err := k.aead.Open(nil, nil, s.Sealed, []byte(s.ID))
	if err != nil {
		return nil, errSealed
	}
	var r record
	if json.Unmarshal(text, &r) != nil { // its error could hold what it read
		return nil, errSealed
	}
	return &r, nil
}

func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return h.Sum(nil)
}

// hashes are those of an address and of the mailbox behind it. Upper and lower case are the same, and what stands behind a plus sign is of the same mailbox.
func (k *Keys) hashes(address string) (of, mailbox []byte) {
	address = strings.ToLower(address)
	local, domain, _ := strings.Cut(address, "@")
	local, _, _ = strings.Cut(local, "+")
	return mac(k.address, "address", address), mac(k.address, "mailbox", local+"@"+domain)
}

// leaveToken is what ends a subscription. It holds for as long as the subscription does, and is nowhere stored.
func (k *Keys) leaveToken(id string) string {
	return id + "." + base64.RawURLEncoding.EncodeToString(mac(k.leave, "leave", id)[:20])
}

// leaves gives the ID that a token ends.
func (k *Keys) leaves(token string) (id string, ok bool) {
	id, _, _ = strings.Cut(token, ".")
	return id, len(id) == 32 && hmac.Equal([]byte(token), []byte(k.leaveToken(id)))
}

// Package evidence is the published form of an incident's proof: which bytes are digested, how a bundle lists its files, how it is
// signed and logged, and how the one zip that holds it is laid out (docs/evidence-format.md). It uses the standard library and
// golang.org/x/mod/sumdb, and imports nothing of ours, so that a stranger can read all of what decides whether a bundle is whole.
// Read verify.go first; it names what the other files do.
package evidence

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

// Digest computes the evidence digest of an incident: SHA-256 over, for every raw message in journal order, its length in octets
// as a 4-byte big-endian number followed by its octets. The length makes the cuts between messages part of what is digested.
// The zero value is ready to use. It must not be used by two goroutines at once.
type Digest struct {
	h        hash.Hash
	messages int
	octets   int64
}

// Add takes the next message: one raw MRT record with its header, exactly as received. Messages of 2^32 octets and more have no
// digest; callers bound them far below that.
func (d *Digest) Add(raw []byte) {
	if d.h == nil {
		d.h = sha256.New()
	}
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(raw)))
	d.h.Write(n[:])
	d.h.Write(raw)
	d.messages++
	d.octets += int64(len(raw))
}

// Messages is how many messages were added.
func (d *Digest) Messages() int { return d.messages }

// Octets is the length of all added messages together, without the four octets of length before each.
func (d *Digest) Octets() int64 { return d.octets }

// Sum is the digest of what was added so far, in lower-case hex. It does not end the digest: more may be added.
func (d *Digest) Sum() string {
	if d.h == nil {
		d.h = sha256.New()
	}
	return hex.EncodeToString(d.h.Sum(nil))
}

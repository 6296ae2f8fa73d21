package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	proofMagic = "c2sp.org/tlog-proof@v1"
	maxProof   = 1 << 16
)

// LogEntry is the entry that stands in a transparency log for a signed bundle: a record of kind bundle (docs/ledger.md), which names
// the incident, the version, its tagmanifest and when it was frozen.
func LogEntry(i Info, tagManifest []byte) []byte {
	sum := sha256.Sum256(tagManifest)
	id, version, _ := strings.Cut(i.Identifier, "/v")
	return fmt.Appendf(nil, "corewatch ledger record 1 bundle\nat %s\nincident %s\nversion %s\nsha256 %s\n", i.Date.UTC().Format(time.RFC3339), id, version, hex.EncodeToString(sum[:]))
}

// Checkpoint is what a log said about itself: so many entries, with this root (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Tree   tlog.Tree
}

// OpenCheckpoint verifies a signed checkpoint against the log's key (a C2SP verifier key, "origin+hash+base64"). Lines of other
// signers may follow the log's own.
func OpenCheckpoint(text []byte, vkey string) (c Checkpoint, err error) {
	if len(text) > maxProof {
		return c, fmt.Errorf("a checkpoint of %d octets is longer than %d", len(text), maxProof)
	}
	v, err := note.NewVerifier(strings.TrimSuffix(vkey, "\n"))
	if err != nil {
		return c, fmt.Errorf("the key of the log is none: %w", err)
	}
	n, err := note.Open(text, note.VerifierList(v))
	if err != nil {
		return c, fmt.Errorf("the checkpoint is not signed by the log: %w", err)
	}
	lines := strings.SplitN(n.Text, "\n", 4)
	if len(lines) < 4 || lines[0] == "" {
		return c, errors.New("the checkpoint has no origin, size and root")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	root, err2 := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || err2 != nil || size < 1 || len(root) != tlog.HashSize || strconv.FormatInt(size, 10) != lines[1] || base64.StdEncoding.EncodeToString(root) != lines[2] {
		return c, errors.New("the checkpoint has no canonical size and root")
	}
	if c = (Checkpoint{Origin: lines[0], Tree: tlog.Tree{N: size, Hash: tlog.Hash(root)}}); v.Name() != c.Origin {
		return c, fmt.Errorf("the checkpoint is of %q, the key of %q", c.Origin, v.Name())
	}
	return c, nil
}

// Proof is a parsed C2SP tlog-proof@v1.
type Proof struct {
	Index      int64
	Hashes     tlog.RecordProof
	Checkpoint []byte // as it was signed
}

// AppendText writes the proof in its only form.
func (p Proof) AppendText(b []byte) ([]byte, error) {
	b = fmt.Appendf(b, "%s\nindex %d\n", proofMagic, p.Index)
	for _, h := range p.Hashes {
		b = append(b, base64.StdEncoding.EncodeToString(h[:])+"\n"...)
	}
	return append(append(b, '\n'), p.Checkpoint...), nil
}

// ParseProof reads what AppendText writes and nothing else; a proof with extra data is refused.
func ParseProof(text []byte) (p Proof, err error) {
	if len(text) > maxProof {
		return p, fmt.Errorf("a proof of %d octets is longer than %d", len(text), maxProof)
	}
	head, checkpoint, ok := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok || len(lines) < 2 || len(lines) > 2+64 || lines[0] != proofMagic {
		return p, errors.New("it is no " + proofMagic)
	}
	index, _ := strings.CutPrefix(lines[1], "index ")
	if p.Index, err = strconv.ParseInt(index, 10, 64); err != nil || p.Index < 0 {
		return p, errors.New("the proof has no index")
	}
	for _, l := range lines[2:] {
		h, err := base64.StdEncoding.DecodeString(l)
		if err != nil || len(h) != tlog.HashSize {
			return p, errors.New("the proof holds something else than hashes")
		}
		p.Hashes = append(p.Hashes, tlog.Hash(h))
	}
	p.Checkpoint = checkpoint
	if again, _ := p.AppendText(nil); !bytes.Equal(again, text) {
		return p, errors.New("the proof is not in its canonical encoding")
	}
	return p, nil
}

// VerifyProof checks that entry stands in the log whose key is vkey, by a proof, and returns the checkpoint it rests on.
func VerifyProof(text []byte, vkey string, entry []byte) (c Checkpoint, err error) {
	p, err := ParseProof(text)
	if err != nil {
		return c, err
	}
	if c, err = OpenCheckpoint(p.Checkpoint, vkey); err != nil {
		return c, err
	}
	if p.Index >= c.Tree.N {
		return c, fmt.Errorf("the proof is about entry %d of a log of %d", p.Index, c.Tree.N)
	}
	if err := tlog.CheckRecord(p.Hashes, c.Tree.N, c.Tree.Hash, p.Index, tlog.RecordHash(entry)); err != nil {
		return c, fmt.Errorf("the log does not hold this bundle as entry %d: %w", p.Index, err)
	}
	return c, nil
}

package ledger

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is a signed statement about the ledger: that it holds so many leaves, with this hash over all of them (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string // the name of the ledger
	Size   int64
	Root   tlog.Hash
	Note   []byte // as it was signed, with every signature line: also those of witnesses that are not known here
}

// maxCheckpoint bounds a checkpoint with all its signatures.
const maxCheckpoint = 64 << 10

// text is what is signed.
func (c *Checkpoint) text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// parseText reads what is signed. Extension lines are refused: this ledger writes none.
func parseText(text string) (c Checkpoint, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" || !validOrigin(lines[0]) {
		return c, errors.New("it is no checkpoint of a ledger")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if c.Size, _ = strconv.ParseInt(lines[1], 10, 64); err != nil || len(root) != tlog.HashSize {
		return c, errors.New("it is no checkpoint of a ledger")
	}
	c.Origin, c.Root = lines[0], tlog.Hash(root)
	if c.Size < 0 || c.text() != text {
		return c, errors.New("it is no checkpoint of a ledger")
	}
	return c, nil
}

// validOrigin reports whether a name can be that of a ledger: what a signed note allows, and short.
func validOrigin(s string) bool {
	return len(s) <= 128 && plain(s) && !strings.ContainsAny(s, "+ ") && len(strings.Fields(s)) == 1
}

// OpenCheckpoint verifies a signed checkpoint: at least one signature of a known key, and none of a known key that is wrong.
func OpenCheckpoint(signed []byte, known note.Verifiers) (Checkpoint, error) {
	if len(signed) > maxCheckpoint {
		return Checkpoint{}, errors.New("it is too large for a checkpoint")
	}
	n, err := note.Open(signed, known)
	var foreign *note.UnverifiedNoteError
	if errors.As(err, &foreign) {
		return Checkpoint{}, errors.New("none of its signatures is of a key of this ledger")
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("its signature does not hold: %w", err)
	}
	c, err := parseText(n.Text)
	c.Note = bytes.Clone(signed)
	return c, err
}

// proofHead begins a C2SP tlog-proof.
const proofHead = "c2sp.org/tlog-proof@v1\n"

// formatProof writes an inclusion proof with the checkpoint that it leads to (C2SP tlog-proof@v1).
func formatProof(index int64, p tlog.RecordProof, c *Checkpoint) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%sindex %d\n", proofHead, index)
	for _, h := range p {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteByte('\n')
	b.Write(c.Note)
	return b.Bytes()
}

// replaceFile writes a file whole and durable, or leaves it as it was.
func replaceFile(path string, text []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ReadCheckpointFile reads a checkpoint that somebody kept, at most as long as one can be.
func ReadCheckpointFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxCheckpoint+1))
}

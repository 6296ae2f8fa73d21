package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

const (
	// inboxName is the folder, in that of a ledger, into which other processes put records for the one that writes.
	inboxName   = "inbox"
	inboxSuffix = ".record"
	// maxInbox bounds how many are taken at once.
	maxInbox = 1000
)

// Handed is a record that another process put into the inbox.
type Handed struct {
	Record Record
	path   string
}

// Done takes it out of the inbox: the ledger has it.
func (h *Handed) Done() error {
	if err := os.Remove(h.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ledger: the inbox: %w", err)
	}
	return nil
}

// Inbox lists what other processes have put into the inbox of the ledger in dir, in order of name. Bundles only are taken: everything else is for the process
// that writes to know. What is no such record is left, and counted in bad.
func Inbox(dir string) (list []Handed, bad int, err error) {
	entries, err := os.ReadDir(filepath.Join(dir, inboxName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("ledger: the inbox: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), inboxSuffix) || len(list) >= maxInbox {
			continue
		}
		h := Handed{path: filepath.Join(dir, inboxName, e.Name())}
		leaf, err := readFile(h.path, maxRecord)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			h.Record, err = Decode(leaf)
		}
		if err != nil || h.Record.Kind != Bundle {
			bad++
			continue
		}
		list = append(list, h)
	}
	return list, bad, nil
}

// HandOver gives a record of a bundle to the process that writes to the ledger in dir, and waits for its proof: a second or two beside a running monitor, else
// until ctx ends. known are the keys of the ledger.
func HandOver(ctx context.Context, dir string, rec Record, known note.Verifiers) (proof []byte, err error) {
	if rec.Kind != Bundle {
		return nil, fmt.Errorf("ledger: a record of kind %s is written by the monitor alone", rec.Kind)
	}
	leaf, err := rec.Encode()
	if err != nil {
		return nil, err
	}
	box := filepath.Join(dir, inboxName)
	if err := os.MkdirAll(box, 0o700); err != nil {
		return nil, fmt.Errorf("ledger: the inbox: %w", err)
	}
	path := filepath.Join(box, fmt.Sprintf("%x%s", sha256.Sum256(leaf), inboxSuffix))
	if err := replaceFile(path, leaf, 0o600); err != nil {
		return nil, fmt.Errorf("ledger: the inbox: %w", err)
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for size := int64(-1); ; {
		r, err := Read(dir, known)
		if err != nil {
			return nil, err
		}
		if r.c.Size != size {
			size = r.c.Size
			if at, ok, err := r.find(leaf); err != nil {
				return nil, err
			} else if ok {
				return r.Proof(at)
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("ledger: the process that writes to it has not taken the record; it stays in the inbox: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// find gives the place of the very octets of a leaf.
func (r *Reader) find(leaf []byte) (at int64, ok bool, err error) {
	err = r.Walk(func(i int64, rec Record, bad error) error {
		if bad == nil && !ok {
			text, err := rec.Encode()
			if err != nil {
				return err
			}
			at, ok = i, bytes.Equal(text, leaf)
		}
		return nil
	})
	return at, ok, err
}

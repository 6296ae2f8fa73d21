package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/corewatch/corewatch/evidence/keys"
	"github.com/corewatch/corewatch/evidence/ledger"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// KeyFolder is where the keys of a monitor lie.
type KeyFolder struct {
	Config string // configuration file; "" for the defaults
	Data   string // folder of the monitor; "" for the configuration's
}

// where gives the folder of the monitor, and that of its keys.
func (k KeyFolder) where() (data, folder string, err error) {
	c, err := conf.Load(k.Config)
	if err != nil {
		return "", "", err
	}
	if data = k.Data; data == "" {
		data = c.Data
	}
	return data, keysIn(c.Ledger, data), nil
}

// ListKeys prints every public key, since when and until when it signs. Those of the ledger are printed as verifiers of notes know them.
func ListKeys(k KeyFolder, w io.Writer) error {
	data, folder, err := k.where()
	if err != nil {
		return err
	}
	none := true
	for _, p := range []keys.Purpose{keys.Ledger, keys.Bundle} {
		set, err := keys.Read(folder, p)
		if errors.Is(err, keys.ErrNone) {
			continue
		}
		if err != nil {
			return err
		}
		none = false
		origin := ledger.Origin(filepath.Join(data, ledgerFolder))
		for _, key := range set.Public() {
			until := "now"
			if !key.Until.IsZero() {
				until = key.Until.Format(time.RFC3339)
			}
			line := fmt.Sprintf("%x", []byte(key.Key))
			if p == keys.Ledger && origin != "" {
				if line, err = keys.NoteVerifier(origin, key.Key); err != nil {
					return err
				}
			}
			fmt.Fprintf(w, "%s %d  %s to %s  %s\n", p, key.Number, key.From.Format(time.RFC3339), until, line)
		}
	}
	if none {
		return errors.New("there are no keys yet: the first run that watches makes them")
	}
	return nil
}

// RotateKeys makes a new key; the one before signs beside it for the overlap.
func RotateKeys(k KeyFolder, p keys.Purpose, overlap time.Duration, w io.Writer) error {
	_, folder, err := k.where()
	if err != nil {
		return err
	}
	if _, err := keys.Rotate(folder, p, time.Now(), overlap); err != nil {
		return err
	}
	return ListKeys(k, w)
}

// ProveRevision writes the proof that a revision of an incident (0: the last one) is in the ledger, and to record the octets that it is about.
func ProveRevision(ctx context.Context, k KeyFolder, id string, revision int, record, w io.Writer) error {
	data, folder, err := k.where()
	if err != nil {
		return err
	}
	store, err := sqlite.OpenReadOnly(ctx, data)
	if err != nil {
		return err
	}
	defer store.Close()
	inc, err := store.Incident(ctx, id)
	if err == nil && revision != 0 {
		inc, err = store.Revision(ctx, id, revision)
	}
	if err != nil {
		return err
	}
	text, err := inc.JSON()
	if err != nil {
		return err
	}
	set, err := keys.Read(folder, keys.Ledger)
	if err != nil {
		return err
	}
	dir := filepath.Join(data, ledgerFolder)
	known, err := set.NoteVerifiers(ledger.Origin(dir))
	if err != nil {
		return err
	}
	r, err := ledger.Read(dir, known)
	if err != nil {
		return err
	}
	at, ok, err := r.Find(revisionRecord(id, inc.Revision, string(inc.Data), text))
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("incident %s, revision %d is not in the ledger as it is stored now: wait for the next checkpoint, or see `corewatch evidence fsck`", id, inc.Revision)
	}
	proof, err := r.Proof(at)
	if err != nil {
		return err
	}
	leaf, err := r.Leaf(at)
	if err != nil {
		return err
	}
	if record != nil {
		if _, err := record.Write(leaf); err != nil {
			return err
		}
	}
	_, err = w.Write(proof)
	return err
}

package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/corewatch/corewatch/bgp/collect"
	order "github.com/corewatch/corewatch/bgp/journal"
	"github.com/corewatch/corewatch/evidence/annotation"
	"github.com/corewatch/corewatch/evidence/keys"
	"github.com/corewatch/corewatch/evidence/ledger"
	"github.com/corewatch/corewatch/store/sqlite"
)

// mark stands for what a record says, whenever it was written; of a bundle, for the record as it is, because its proof is of these very octets.
func mark(r ledger.Record) [16]byte {
	if r.Kind != ledger.Bundle {
		r.At = time.Time{}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d\n%s\n%d\n%d\n%s\n%x", r.Kind, r.At.Unix(), r.Name, r.Number, r.Octets, r.Note, r.SHA256))
	return [16]byte(sum[:16])
}

// notaryBatch is what is to be written at once.
type notaryBatch struct {
	of   *notary
	list []ledger.Record
}

// add takes a record, unless the ledger has it.
func (b *notaryBatch) add(r ledger.Record) {
	if _, ok := b.of.known[mark(r)]; ok {
		return
	}
	if r.At.IsZero() {
		r.At = time.Now().UTC().Truncate(time.Second)
	}
	b.of.known[mark(r)] = struct{}{}
	b.list = append(b.list, r)
}

// newest takes a record, unless the newest of its kind says the same.
func (b *notaryBatch) newest(r ledger.Record) {
	if was := b.of.last[r.Kind]; was.Says(&r) {
		return
	}
	r.At = time.Now().UTC().Truncate(time.Second)
	b.of.last[r.Kind] = r
	b.list = append(b.list, r)
}

// inForce takes what the monitor works with: program, numbers, tables, keys.
func (b *notaryBatch) inForce(digests [2]string) error {
	b.newest(ledger.Record{Kind: ledger.Software, Name: Software()})
	for i, k := range []ledger.Kind{ledger.Configuration, ledger.Reference} {
		if digests[i] == "" { // not said yet; of tables: those built into the program
			continue
		}
		sum, err := hex.DecodeString(digests[i])
		if err != nil || len(sum) != sha256.Size {
			return fmt.Errorf("the digest of the %s is %q", k, digests[i])
		}
		b.newest(ledger.Record{Kind: k, SHA256: [32]byte(sum)})
	}
	for _, p := range []keys.Purpose{keys.Ledger, keys.Bundle} {
		set, err := keys.Read(b.of.keys, p)
		if errors.Is(err, keys.ErrNone) {
			continue
		}
		if err != nil {
			return err
		}
		for _, k := range set.Public() {
			b.add(ledger.Record{Kind: ledger.Key, Name: string(p), Number: uint64(k.Number), SHA256: [32]byte(k.Key)})
		}
	}
	return nil
}

// all takes what the store and the journal hold and the ledger lacks. Of the journal only what is on the disk for certain is looked at.
func (b *notaryBatch) all(ctx context.Context, until journalPlace) error {
	err := b.of.store.EachRevision(ctx, func(r *sqlite.StoredRevision) error {
		if !vouched(r.Data) {
			return nil
		}
		text, err := r.Text()
		if err != nil { // one that is damaged is found by fsck, and must not keep the others out
			b.of.log.Warn().Err(err).Msg("a stored revision cannot be vouched for")
			return nil
		}
		b.add(revisionRecord(r.ID, r.Revision, r.Data, text))
		return nil
	})
	if err != nil {
		return err
	}
	return eachEnded(ctx, b.of.live, until.entries, func(e *collect.Ended) { b.add(segmentRecord(e)) })
}

// written takes what people wrote since the last look, in this process or another.
func (b *notaryBatch) written(ctx context.Context) error {
	list, err := b.of.store.Annotations(ctx, "", b.of.read)
	if err != nil {
		return err
	}
	for i := range list {
		if r, err := contextRecord(&list[i]); err != nil {
			b.of.log.Warn().Err(err).Msg("what people wrote cannot be vouched for")
		} else {
			b.add(r)
		}
		b.of.read = list[i].N
	}
	return nil
}

func contextRecord(a *sqlite.StoredAnnotation) (ledger.Record, error) {
	d, err := annotation.Parse(a.Text)
	if err != nil {
		return ledger.Record{}, fmt.Errorf("context of incident %s, revision %d: %w", a.Incident, a.Revision, err)
	}
	return ledger.Record{
		Kind: ledger.Context, Name: a.Incident, Number: uint64(a.Revision), Note: d.Revisions[len(d.Revisions)-1].Role, SHA256: sha256.Sum256(a.Text),
	}, nil
}

// write writes all of it. What could not be written is found again when the ledger is opened anew.
func (b *notaryBatch) write(ctx context.Context) error {
	_, err := b.of.l.Append(ctx, b.list...)
	return err
}

// eachEnded gives the segments that a journal says have ended, up to an entry.
func eachEnded(ctx context.Context, dir string, until uint64, each func(*collect.Ended)) error {
	r, err := order.Open(filepath.Join(dir, collect.JournalFolder))
	if err != nil {
		return err
	}
	defer r.Close()
	names := map[int]order.Entry{}
	var e order.Entry
	for err = r.Next(&e); err == nil && e.Seq <= until; err = r.Next(&e) {
		switch e.Kind {
		case order.Input:
			names[e.Input] = e
		case order.Closed:
			in := names[e.Input]
			delete(names, e.Input)
			each(&collect.Ended{Input: e.Input, Name: in.Name, Collector: in.Text, Octets: e.Length, SHA256: e.Sum})
		}
		if e.Seq%65536 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, order.ErrTorn) {
		return nil
	}
	return err
}

package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/entity/reference"
	"github.com/corewatch/corewatch/evidence"
	"github.com/corewatch/corewatch/evidence/keys"
	"github.com/corewatch/corewatch/evidence/ledger"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
)

// Fsck compares what the ledger vouches for with what a monitor's folder holds now. It changes nothing, and may run beside a monitor.
type Fsck struct {
	Config      string   // configuration file; "" for the defaults
	Data        string   // folder of the monitor; "" for the configuration's
	Checkpoints []string // files of older checkpoints: the ledger must have grown out of each
	Keys        []string // public keys of the ledger, as `keys list` prints them; none: those in the folder of the keys
	Quick       bool     // leave the content of segments out
	Terminal    bool     // Err is one
	Out, Err    io.Writer
}

// ErrUnsound says that something is not what the ledger vouches for. What and where has been printed.
var ErrUnsound = errors.New("what is stored is not what the ledger vouches for")

// maxFindings bounds how many findings are printed; all are counted.
const maxFindings = 1000

// fsck is one check.
type fsck struct {
	Fsck
	conf  conf.Ledger
	store *sqlite.Store
	r     *ledger.Reader

	revisions map[string][]vouch  // by incident and revision
	highest   map[string]uint64   // revision of an incident that the ledger has
	segments  map[uint64][]vouch  // by number of the input
	blocks    map[uint64][]vouch  // of the journal, by entries up to it
	written   map[string]vouch    // context documents
	others    []vouch             // tables and keys
	counts    map[ledger.Kind]int // records
	done      struct{ revisions, segments, journals, tables, messages, gone int }
	octets    int64

	mu       sync.Mutex // guards what follows
	findings int
}

// vouch is a record and its place.
type vouch struct {
	index int64
	rec   ledger.Record
}

func (v vouch) String() string {
	return fmt.Sprintf("record %d of %s", v.index, v.rec.At.Format(time.RFC3339))
}

// find prints what is wrong and where.
func (f *fsck) find(place, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.findings++; f.findings <= maxFindings {
		fmt.Fprintf(f.Out, "%s: %s\n", place, fmt.Sprintf(format, args...))
	}
}

// Run checks everything, prints a line for each thing that is wrong and a summary, and gives ErrUnsound when there was one.
func (c Fsck) Run(ctx context.Context) error {
	cf, err := conf.Load(c.Config)
	if err != nil {
		return err
	}
	if c.Data == "" {
		c.Data = cf.Data
	}
	store, err := sqlite.OpenReadOnly(ctx, c.Data)
	if err != nil {
		return err
	}
	defer store.Close()
	return (&fsck{Fsck: c, conf: cf.Ledger, store: store}).run(ctx)
}

func (f *fsck) run(ctx context.Context) error {
	if err := f.ledger(ctx); err != nil {
		return err
	}
	if f.findings == 0 { // what a changed ledger says is compared with nothing
		for _, step := range []func(context.Context) error{f.inStore, f.lastStates, f.annotations, f.inJournal, f.inForce} {
			if err := step(ctx); err != nil {
				return err
			}
		}
	}
	c := f.r.Checkpoint()
	fmt.Fprintf(f.Out, "ledger %s, %d records under its checkpoint\nchecked: %d revisions, evidence of %d incidents, %d segments (%d MB), %d places of the journal, %d sets of tables\n",
		c.Origin, c.Size, f.done.revisions, f.done.messages, f.done.segments, f.octets/1e6, f.done.journals, f.done.tables)
	if f.done.gone > 0 {
		fmt.Fprintf(f.Out, "no longer here, as keep of the configuration says: %d segments and places of the journal\n", f.done.gone)
	}
	if f.Quick {
		fmt.Fprintln(f.Out, "left out: the content of the segments")
	}
	if f.findings > 0 {
		return fmt.Errorf("%w: %d findings", ErrUnsound, f.findings)
	}
	fmt.Fprintln(f.Out, "sound: nothing was changed")
	return nil
}

// ledger checks the ledger itself, and learns what it vouches for.
func (f *fsck) ledger(ctx context.Context) error {
	folder, keyFolder := filepath.Join(f.Data, ledgerFolder), keysIn(f.conf, f.Data)
	known, err := keys.VerifierLines(f.Keys)
	if len(f.Keys) == 0 {
		var set *keys.Set
		if set, err = keys.Read(keyFolder, keys.Ledger); err == nil {
			known, err = set.NoteVerifiers(ledger.Origin(folder))
		}
	} else {
		keyFolder = ""
	}
	if err != nil {
		return err
	}
	f.written = map[string]vouch{}
	f.revisions, f.highest, f.segments, f.blocks, f.counts = map[string][]vouch{}, map[string]uint64{}, map[uint64][]vouch{}, map[uint64][]vouch{}, map[ledger.Kind]int{}
	var writing bool
	f.r, writing, err = ledger.Check(ctx, folder, keyFolder, known, f.learn)
	var damage *ledger.DamageError
	var fork *ledger.ForkError
	switch {
	case errors.As(err, &damage) && f.r == nil:
		return fmt.Errorf("%w: %w", ErrUnsound, err)
	case errors.As(err, &damage) || errors.As(err, &fork):
		f.find("ledger", "%s", err)
	case err != nil:
		return err
	}
	if writing {
		fmt.Fprintln(f.Out, "a monitor writes to this ledger: what has no checkpoint yet is left out")
	}
	for _, name := range f.Checkpoints {
		signed, err := ledger.ReadCheckpointFile(name)
		if err != nil {
			return err
		}
		old, err := ledger.OpenCheckpoint(signed, known)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := f.r.Extends(old); errors.As(err, &fork) || errors.As(err, &damage) {
			f.find(name, "%s", err)
		} else if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		} else {
			fmt.Fprintf(f.Out, "%s: the ledger grew out of it: its first %d records are what they were\n", name, old.Size)
		}
	}
	return nil
}

// learn takes one record.
func (f *fsck) learn(i int64, r ledger.Record, err error) {
	if err != nil {
		f.find(fmt.Sprintf("ledger, record %d", i), "it is not one that this version knows: it cannot be checked")
		return
	}
	v := vouch{i, r}
	f.counts[r.Kind]++
	switch r.Kind {
	case ledger.Revision:
		key := revisionKey(r.Name, r.Number)
		f.revisions[key] = append(f.revisions[key], v)
		f.highest[r.Name] = max(f.highest[r.Name], r.Number)
	case ledger.Segment:
		f.segments[r.Number] = append(f.segments[r.Number], v)
	case ledger.Journal:
		f.blocks[r.Number] = append(f.blocks[r.Number], v)
	case ledger.Context:
		f.written[contextKey(r.Name, r.Number)] = v
	case ledger.Reference, ledger.Key:
		f.others = append(f.others, v)
	}
}

func contextKey(id string, n uint64) string {
	return fmt.Sprintf("context of incident %s, revision %d", id, n)
}

func revisionKey(id string, n uint64) string { return fmt.Sprintf("incident %s, revision %d", id, n) }

// inStore compares every revision with the store.
func (f *fsck) inStore(ctx context.Context) error {
	seen := map[string]bool{}
	err := f.store.EachRevision(ctx, func(r *sqlite.StoredRevision) error {
		place := revisionKey(r.ID, uint64(r.Revision))
		list := f.revisions[place]
		seen[place] = true
		if !vouched(r.Data) {
			if len(list) > 0 {
				f.find(place, "it is of %s data, and the ledger vouches for it as of %s data (%s)", r.Data, list[0].rec.Note, list[0])
			}
			return nil
		}
		text, err := r.Text()
		if err != nil {
			f.find(place, "%s", err)
			return nil
		}
		f.done.revisions++
		sum := sha256.Sum256(text)
		switch {
		case len(list) == 0 && f.highest[r.ID] > uint64(r.Revision):
			f.find(place, "it is in the store and not in the ledger, where later ones of this incident are: it was put in afterwards")
		case len(list) == 0: // the monitor stopped, or it is about to be written: it comes into the ledger with the next checkpoint
		case list[len(list)-1].rec.SHA256 != sum:
			f.find(place, "the store holds another text (SHA-256 %x) than was published (%s, SHA-256 %x): it was changed afterwards", sum, list[len(list)-1], list[len(list)-1].rec.SHA256)
		case len(list) > 1:
			f.find(place, "it was published with one content (%s) and later with another (%s): what was stored was replaced", list[0], list[len(list)-1])
		case list[0].rec.Note != r.Data:
			f.find(place, "the store calls its data %s, the ledger %s (%s)", r.Data, list[0].rec.Note, list[0])
		}
		return nil
	})
	if err != nil {
		return err
	}
	for place, list := range f.revisions {
		if !seen[place] {
			f.find(place, "it was published (%s), and is not in the store any more", list[0])
		}
	}
	return nil
}

// annotations compares what people wrote.
func (f *fsck) annotations(ctx context.Context) error {
	list, err := f.store.Annotations(ctx, "", 0)
	if err != nil {
		return err
	}
	for i := range list {
		place := contextKey(list[i].Incident, uint64(list[i].Revision))
		r, err := contextRecord(&list[i])
		if err != nil {
			f.find(place, "%s", err)
			continue
		}
		if v, ok := f.written[place]; ok && !v.rec.Says(&r) {
			f.find(place, "the store holds another text than was written (%s): it was changed afterwards", v)
		}
		delete(f.written, place)
	}
	for place, v := range f.written {
		f.find(place, "it was written (%s), and is not in the store any more", v)
	}
	return nil
}

// lastStates compares the last state of each incident, and the messages kept for it with the digest that stands in it.
func (f *fsck) lastStates(ctx context.Context) error {
	return recordInto(ctx, f.store, "").incidents(func(inc *detect.Incident) error {
		text, err := inc.JSON()
		if err != nil {
			return err
		}
		if list := f.revisions[revisionKey(inc.ID, uint64(inc.Revision))]; len(list) > 0 && list[len(list)-1].rec.SHA256 != sha256.Sum256(text) {
			f.find("incident "+inc.ID, "its last state is not its revision %d as it was published (%s): it was changed", inc.Revision, list[len(list)-1])
		}
		if inc.Evidence == nil || inc.Evidence.SHA256 == "" {
			return nil
		}
		var d evidence.Digest
		if _, err := f.store.Messages(ctx, inc.ID, func(m bgp.Message) error {
			if d.Messages() < inc.Evidence.Messages { // more of them: the next revision is about to name them
				d.Add(m.Raw)
			}
			return ctx.Err()
		}); err != nil {
			var corrupt *sqlite.CorruptError
			if errors.As(err, &corrupt) {
				f.find("incident "+inc.ID, "its messages: %s", err)
				return nil
			}
			return err
		}
		f.done.messages++
		if d.Sum() != inc.Evidence.SHA256 {
			f.find("incident "+inc.ID, "the %d messages kept for it are not those that it was published with (%d): they were changed", d.Messages(), inc.Evidence.Messages)
		}
		return nil
	})
}

// inForce compares the tables that were in force, and the keys.
func (f *fsck) inForce(context.Context) error {
	kept := filepath.Join(f.Data, liveFolder, keptTables)
	public := map[string]bool{}
	for _, p := range []keys.Purpose{keys.Ledger, keys.Bundle} {
		set, err := keys.Read(keysIn(f.conf, f.Data), p)
		if err != nil { // an auditor has none; ledger has looked whether the operator has
			continue
		}
		for _, k := range set.Public() {
			public[fmt.Sprintf("%s %d %x", p, k.Number, []byte(k.Key))] = true
		}
	}
	for _, v := range f.others {
		switch v.rec.Kind {
		case ledger.Reference:
			f.done.tables++
			if _, err := reference.Kept(kept, hex.EncodeToString(v.rec.SHA256[:])); err != nil {
				f.find("reference tables", "%s (%s)", err, v)
			}
		case ledger.Key:
			if len(public) > 0 && !public[fmt.Sprintf("%s %d %x", v.rec.Name, v.rec.Number, v.rec.SHA256)] {
				f.find(fmt.Sprintf("key %d of %s", v.rec.Number, v.rec.Name), "it was used (%s), and is not in the folder of the keys: what it signed cannot be verified", v)
			}
		}
	}
	return nil
}

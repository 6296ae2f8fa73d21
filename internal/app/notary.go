package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp/collect"
	order "github.com/corewatch/corewatch/bgp/journal"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/evidence/ledger"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/store/sqlite"
	"github.com/corewatch/corewatch/web"
)

// The folders of the ledger and of the keys, in the monitor's folder.
const (
	ledgerFolder = "ledger"
	keysFolder   = "keys"
)

// keysIn is the folder of the keys of a monitor's folder.
func keysIn(c conf.Ledger, data string) string {
	return cmp.Or(c.Keys, filepath.Join(data, keysFolder))
}

// notary writes into the ledger what a live monitor keeps and says. It runs beside: the monitor hands it digests of what is on the disk, and never waits for it.
// What was handed over while the ledger could not be written, or was lost in a stop, is found again in the store and the journal.
//
// A nil notary does nothing.
type notary struct {
	conf  conf.Ledger
	dir   string // of the ledger
	keys  string
	live  string // of the log that is watched into
	store *sqlite.Store
	log   zerolog.Logger
	every time.Duration // at most so long until a checkpoint holds what came

	// What follows belongs to run.
	l       *ledger.Ledger // nil while it cannot be opened
	known   map[[16]byte]struct{}
	last    map[ledger.Kind]ledger.Record // the newest of the kinds of which only the newest is in force
	due     time.Time                     // when the next checkpoint is
	strange int                           // files of the inbox that are no records
	read    int64                         // what people wrote up to here was looked at

	mu      sync.Mutex // guards what follows
	waiting []ledger.Record
	scan    bool         // what was handed over is not all: look into the store and the journal
	now     journalPlace // what is on the disk
	force   [2]string    // digests of configuration and reference tables in force
	failure string       // of the last writing
	figures web.LedgerStatus
}

// journalPlace is how far a journal is on the disk.
type journalPlace struct {
	entries uint64
	head    order.Hash
}

const (
	// maxWaiting bounds what is kept for the ledger while it cannot be written. What is more is looked up later.
	maxWaiting = 50_000
	// lookEvery is how often it is looked whether a checkpoint is due, and ledgerAgain how long after a failure it is tried anew.
	lookEvery   = time.Second
	ledgerAgain = time.Minute
)

// newNotary prepares the ledger of a monitor's folder; nil when the configuration wants none.
func newNotary(c conf.Ledger, data string, store *sqlite.Store, log zerolog.Logger) *notary {
	if !c.Enabled {
		return nil
	}
	return &notary{
		conf: c, dir: filepath.Join(data, ledgerFolder), keys: keysIn(c, data), live: filepath.Join(data, liveFolder), store: store, scan: true,
		log: log.With().Str("component", "ledger").Logger(), every: time.Duration(c.CheckpointS) * time.Second,
	}
}

// segment takes a segment that ended.
func (n *notary) segment(e collect.Ended) {
	if n != nil {
		n.take(segmentRecord(&e))
	}
}

func segmentRecord(e *collect.Ended) ledger.Record {
	return ledger.Record{Kind: ledger.Segment, Name: e.Name, Number: uint64(e.Input), Octets: uint64(e.Octets), Note: e.Collector, SHA256: e.SHA256}
}

// revision takes an incident that was stored.
func (n *notary) revision(inc *detect.Incident) error {
	if n == nil || !vouched(string(inc.Data)) {
		return nil
	}
	text, err := inc.JSON()
	if err == nil {
		n.take(revisionRecord(inc.ID, inc.Revision, string(inc.Data), text))
	}
	return err
}

func revisionRecord(id string, revision int, data string, text []byte) ledger.Record {
	return ledger.Record{Kind: ledger.Revision, Name: id, Number: uint64(revision), Note: data, SHA256: sha256.Sum256(text)}
}

// vouched reports whether incidents of such data may stand in the ledger: what was never measured is not vouched for.
func vouched(data string) bool { return data == string(detect.Live) || data == string(detect.Archive) }

func (n *notary) take(r ledger.Record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.waiting) >= maxWaiting {
		n.scan = true
		return
	}
	r.At = time.Now().UTC().Truncate(time.Second)
	n.waiting = append(n.waiting, r)
}

// committed takes how far the journal is on the disk, and what is in force.
func (n *notary) committed(w *order.Writer, config, tables string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now, n.force = journalPlace{w.Entries(), w.Head()}, [2]string{config, tables}
}

// run writes until ctx ends, and then what is left.
func (n *notary) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		if now := time.Now(); !now.Before(n.due) || n.handed() {
			err := n.write(ctx)
			if ctx.Err() != nil {
				break
			}
			switch n.say(err); {
			case err != nil:
				n.due = time.Now().Add(ledgerAgain)
			case n.pending(): // the journal is being opened
				n.due = now.Add(lookEvery)
			default:
				n.due = now.Add(n.every * 5 / 6)
			}
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	n.say(n.write(grace))
	if n.l != nil {
		if err := n.l.Close(); err != nil {
			n.log.Error().Err(err).Msg("closing the ledger")
		}
	}
}

// handed reports whether another process waits for a record.
func (n *notary) handed() bool {
	if n.l == nil {
		return false
	}
	list, _, err := ledger.Inbox(n.dir)
	return err == nil && len(list) > 0
}

// pending reports whether the store and the journal are still to be looked through.
func (n *notary) pending() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.scan
}

// say tells what became of a writing.
func (n *notary) say(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	was := n.failure
	n.failure = ""
	if n.l != nil {
		c := n.l.Published()
		n.figures.Origin, n.figures.Records, n.figures.Signed = c.Origin, n.l.Size(), c.Size
		if err == nil {
			n.figures.Last = time.Now()
		}
	}
	if err == nil {
		if was != "" {
			n.log.Info().Msg("the ledger is written again")
		}
		return
	}
	if n.failure = err.Error(); n.failure != was {
		n.log.Error().Err(err).Msg("the ledger is not written; what is received and found is kept all the same, and comes into it later")
	}
}

// status is what the pages show.
func (n *notary) status() *web.LedgerStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := n.figures
	out.Waiting, out.Failing = len(n.waiting), n.failure != ""
	return &out
}

// failing is why the ledger is not written; empty: it is.
func (n *notary) failing() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.failure
}

// write brings the ledger up to date and publishes a checkpoint.
func (n *notary) write(ctx context.Context) (err error) {
	if n.l == nil {
		if err := n.open(ctx); err != nil {
			return err
		}
	}
	defer func() {
		if err != nil { // what was to be written is looked up again, in a ledger opened anew, which verifies it
			err = errors.Join(err, n.l.Close())
			n.l = nil
			n.mu.Lock()
			n.scan = true
			n.mu.Unlock()
		}
	}()
	n.mu.Lock()
	list, scan, now, force := n.waiting, n.scan && n.now.entries > 0, n.now, n.force
	n.waiting = nil
	if scan {
		n.scan = false
	}
	n.mu.Unlock()
	var b notaryBatch
	b.of = n
	if err := b.inForce(force); err != nil {
		return err
	}
	if scan {
		if err := b.all(ctx, now); err != nil {
			return err
		}
	}
	for _, r := range list {
		b.add(r)
	}
	if err := b.written(ctx); err != nil {
		return err
	}
	if now.entries > 0 {
		b.newest(ledger.Record{Kind: ledger.Journal, Number: now.entries, SHA256: now.head})
	}
	inbox, bad, err := ledger.Inbox(n.dir)
	if err != nil {
		return err
	}
	if bad > 0 && bad != n.strange {
		n.log.Warn().Int("files", bad).Msg("the inbox of the ledger holds what is no record of a bundle: it is left there")
	}
	n.strange = bad
	for i := range inbox {
		b.add(inbox[i].Record)
	}
	if err := b.write(ctx); err != nil {
		return err
	}
	if _, err := n.l.Publish(ctx); err != nil {
		return err
	}
	for i := range inbox {
		if err := inbox[i].Done(); err != nil {
			return err
		}
	}
	return nil
}

// open opens the ledger, which verifies it, and learns what is in it.
func (n *notary) open(ctx context.Context) (err error) {
	n.known, n.last, n.read = map[[16]byte]struct{}{}, map[ledger.Kind]ledger.Record{}, 0
	strange := 0
	n.l, err = ledger.Open(ctx, n.dir, ledger.Options{
		Keys: n.keys, Origin: n.conf.Origin,
		Each: func(_ int64, r ledger.Record, err error) {
			if err != nil {
				strange++
				return
			}
			n.note(&r)
		},
		Warn: func(line string) { n.log.Warn().Msg("storage: " + line) },
	})
	if err == nil && strange > 0 {
		n.log.Warn().Int("records", strange).Msg("the ledger holds records that this version does not know: they stay")
	}
	return err
}

// note remembers a record that is in the ledger.
func (n *notary) note(r *ledger.Record) {
	switch r.Kind {
	case ledger.Journal, ledger.Configuration, ledger.Reference, ledger.Software:
		n.last[r.Kind] = *r
	default:
		n.known[mark(*r)] = struct{}{}
	}
}

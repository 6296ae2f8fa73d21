package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/corewatch/corewatch/bgp/collect"
	order "github.com/corewatch/corewatch/bgp/journal"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/evidence/ledger"
)

// inJournal follows the journal, compares it with the places that the ledger vouches for, and reads every segment that has ended.
func (f *fsck) inJournal(ctx context.Context) error {
	live := filepath.Join(f.Data, liveFolder)
	r, err := order.Open(filepath.Join(live, collect.JournalFolder))
	if errors.Is(err, fs.ErrNotExist) {
		if n := f.counts[ledger.Journal] + f.counts[ledger.Segment]; n > 0 {
			f.find("journal", "it is not there, and the ledger vouches for %d of its places and segments", n)
		}
		return nil
	}
	if err != nil {
		return f.journalError(err)
	}
	defer r.Close()
	base := r.Base()
	f.before(base)
	jobs, wait := f.readers(live)
	ended := map[int]bool{}
	names := map[int]order.Entry{}
	var e order.Entry
	for err = r.Next(&e); err == nil; err = r.Next(&e) {
		if list := f.blocks[e.Seq]; list != nil {
			f.place(list, r.Head())
			delete(f.blocks, e.Seq)
		}
		switch e.Kind {
		case order.Input:
			names[e.Input] = e
		case order.Closed:
			in := names[e.Input]
			delete(names, e.Input)
			ended[e.Input] = true
			x := collect.Ended{Input: e.Input, Name: in.Name, Collector: in.Text, Octets: e.Length, SHA256: e.Sum}
			if f.segment(&x) && !f.Quick {
				jobs <- x
			}
		}
		if e.Seq%65536 == 0 && ctx.Err() != nil {
			break
		}
	}
	close(jobs)
	wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, order.ErrTorn) {
		return f.journalError(err)
	}
	for n, list := range f.blocks {
		f.find("journal", "it ends before entry %d, which was there (%s): its end was cut off, or it was begun anew", n, list[0])
	}
	for n, list := range f.segments {
		if int(n) >= base.Inputs && !ended[int(n)] {
			f.find("segment "+list[0].rec.Name, "the journal does not say that it ended, and the ledger does (%s)", list[0])
		}
	}
	return nil
}

func (f *fsck) journalError(err error) error {
	var damage *order.DamageError
	if !errors.As(err, &damage) {
		return err
	}
	f.find("journal", "%s: it was changed, or the disk is damaged", err)
	return nil
}

// before takes what stands before the beginning of the journal: it was given up, and only the last place of it can be compared.
func (f *fsck) before(b order.Base) {
	for n, list := range f.blocks {
		switch {
		case n > b.Entries:
			continue
		case n == b.Entries:
			var head order.Hash
			if raw, err := hex.DecodeString(b.Previous); err == nil && len(raw) == len(head) {
				head = order.Hash(raw)
			}
			f.place(list, head)
		default:
			f.done.gone++
		}
		delete(f.blocks, n)
	}
	for n := range f.segments {
		if int(n) < b.Inputs {
			f.done.gone++
		}
	}
}

// place compares one place of the journal.
func (f *fsck) place(list []vouch, head order.Hash) {
	f.done.journals++
	for _, v := range list {
		if v.rec.SHA256 != head {
			f.find(fmt.Sprintf("journal, entry %d", v.rec.Number), "up to here it is not what it was (%s): an entry before was changed, left out or put in", v)
		}
	}
}

// segment compares what the journal says of a segment with the ledger.
func (f *fsck) segment(x *collect.Ended) bool {
	says := segmentRecord(x)
	for _, v := range f.segments[uint64(x.Input)] {
		if !v.rec.Says(&says) {
			f.find("segment "+x.Name, "the journal says %d octets of %s with SHA-256 %x, the ledger (%s) %d octets of %s with %x", x.Octets, x.Collector, x.SHA256, v, v.rec.Octets, v.rec.Note, v.rec.SHA256)
			return false
		}
	}
	return true
}

// readers read segments on all processors.
func (f *fsck) readers(dir string) (jobs chan collect.Ended, wait func()) {
	jobs = make(chan collect.Ended)
	var all sync.WaitGroup
	told := newProgress(f.Err, "segments", f.Terminal, 0)
	for range max(1, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for x := range jobs {
				f.read(dir, &x)
				f.mu.Lock()
				f.octets += x.Octets
				f.done.segments++
				told.at(f.octets, 0)
				f.mu.Unlock()
			}
		})
	}
	return jobs, func() { all.Wait(); told.done() }
}

// read compares the content of a segment with its digest.
func (f *fsck) read(dir string, x *collect.Ended) {
	place := "segment " + x.Name
	if !filepath.IsLocal(filepath.FromSlash(x.Name)) {
		f.find(place, "its name leads out of the folder")
		return
	}
	path := filepath.Join(dir, filepath.FromSlash(x.Name))
	file, err := mrt.Open(path + ".gz")
	if errors.Is(err, fs.ErrNotExist) {
		file, err = mrt.Open(path)
	}
	if errors.Is(err, fs.ErrNotExist) { // compressed between the two looks
		file, err = mrt.Open(path + ".gz")
	}
	if errors.Is(err, fs.ErrNotExist) {
		if now, err := order.Open(filepath.Join(dir, collect.JournalFolder)); err == nil {
			defer now.Close()
			if now.Base().Inputs > x.Input { // given up meanwhile
				return
			}
		}
		f.find(place, "the file is missing")
		return
	}
	if err != nil {
		f.find(place, "it cannot be read: %s", err)
		return
	}
	defer file.Close()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(file, x.Octets+1))
	switch {
	case err != nil:
		f.find(place, "it cannot be read to its end: %s", err)
	case n != x.Octets || [32]byte(h.Sum(nil)) != x.SHA256:
		f.find(place, "its content is not what was received (%d octets, SHA-256 %x): it was changed", x.Octets, x.SHA256)
	}
}

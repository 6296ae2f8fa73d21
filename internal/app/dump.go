package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/snapshot"
	"github.com/corewatch/corewatch/bgp/wire"
	"github.com/corewatch/corewatch/detect/signal"
)

// routeReader decodes the entries of table records.
type routeReader struct {
	paths  bool // the AS paths too
	update wire.Update
	list   []signal.Route
	words  []uint32 // of the paths in list
	path   []uint32
}

func (r *routeReader) reset() { r.list, r.words = r.list[:0], r.words[:0] }

// read appends the entries of a record to list. The error is that of a record that is malformed behind them.
func (r *routeReader) read(c *mrt.Content) error {
	var e mrt.RIBEntry
	for c.RIB.Next(&e) {
		r.update.ParseRIB(e.Attrs, c.Opts)
		route := signal.Route{AS: e.PeerAS, Addr: e.PeerAddr, Elem: r.update.RIBElem(e.Prefix, e.PathID)}
		if r.paths {
			from := len(r.words)
			r.path = snapshot.EncodePath(r.path, r.update.Path())
			r.words = append(r.words, r.path...) // what lay there before stays where it was
			route.Path = r.words[from:len(r.words):len(r.words)]
		}
		r.list = append(r.list, route)
	}
	return c.RIB.Err()
}

const (
	dumpBytes   = 1 << 20 // raw bytes of a batch; a longer record has a batch of its own
	dumpRecords = 4096
	dumpWorkers = 8 // at most

	peerIndexTable = 1 // subtype of TABLE_DUMP_V2 (RFC 6396 section 4.3)
)

// dumpReader reads the records of table dumps: one goroutine reads, some decode, and the one that calls next gets them in their order.
type dumpReader struct {
	merger *collect.Merger
	free   chan *dumpBatch
	work   chan *dumpBatch
	order  chan *dumpBatch
	quit   chan struct{}
	ended  sync.WaitGroup // the goroutines
	ahead  sync.WaitGroup // batches that are not decoded yet
	cur    *dumpBatch     // the one that next gave last
}

// dumpBatch is some records in a row, on their way from the reader to a worker and from there to who applies them.
type dumpBatch struct {
	raw     []byte
	records []dumpRecord
	routes  routeReader
	count   collect.Counts // of the merger behind the last record
	err     error          // of the merger: nothing follows
	decoded chan struct{}  // has room for one
}

type dumpRecord struct {
	index   int // of the file
	table   bool
	raw     []byte
	offset  int64
	content mrt.Content // of a table
	err     error       // of Decode
	from    int         // its routes in the batch
	to      int
	after   error // what is wrong behind its routes
}

func newDumpReader(m *collect.Merger, paths bool) *dumpReader {
	workers := min(runtime.GOMAXPROCS(0), dumpWorkers)
	batches := 2*workers + 2
	d := &dumpReader{
		merger: m, free: make(chan *dumpBatch, batches), work: make(chan *dumpBatch, batches), order: make(chan *dumpBatch, batches),
		quit: make(chan struct{}),
	}
	for range batches {
		d.free <- &dumpBatch{routes: routeReader{paths: paths}, decoded: make(chan struct{}, 1)}
	}
	d.ended.Go(d.read)
	for range workers {
		d.ended.Go(d.decode)
	}
	return d
}

// next gives the next batch, decoded; it is valid until the call after. The error io.EOF is the end.
func (d *dumpReader) next(ctx context.Context) (*dumpBatch, error) {
	if d.cur != nil {
		d.free <- d.cur
		d.cur = nil
	}
	b, ok := <-d.order
	if !ok {
		return nil, io.EOF
	}
	<-b.decoded
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("interrupted while reading the seeds: %w", err)
	}
	d.cur = b
	return b, nil
}

// close ends the goroutines, wherever they are, and waits for them. The merger is the caller's again.
func (d *dumpReader) close() {
	close(d.quit)
	d.ended.Wait()
}

// read fills batches until the end of all files.
func (d *dumpReader) read() {
	defer close(d.order)
	defer close(d.work)
	var b *dumpBatch
	hand := func() {
		if b != nil {
			b.count = d.merger.Counts()
			d.ahead.Add(1)
			d.order <- b // both have room for all batches
			d.work <- b
			b = nil
		}
	}
	for {
		item, err := d.merger.Next()
		peers := err == nil && item.Record.Type == mrt.TypeTableDumpV2 && item.Record.Subtype == peerIndexTable
		if b != nil && (err != nil || peers || len(b.raw)+len(item.Record.Raw) > cap(b.raw) || len(b.records) == dumpRecords) {
			hand()
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if b == nil {
			select {
			case b = <-d.free:
			case <-d.quit:
				return
			}
			b.raw, b.records, b.err = make([]byte, 0, dumpBytes), b.records[:0], nil // the monitor keeps what it needs of the old ones
		}
		if err != nil {
			b.err = err
			hand()
			return
		}
		if peers {
			d.ahead.Wait() // entries refer to the peers that their decoder knows, and those are about to change
		}
		b.add(&item)
	}
}

// add copies a record into the batch and decodes what precedes its entries.
func (b *dumpBatch) add(item *collect.Item) {
	rec := *item.Record
	from := len(b.raw)
	b.raw = append(b.raw, rec.Raw...)
	rec.Raw = b.raw[from:len(b.raw):len(b.raw)]
	rec.Body = rec.Raw[len(rec.Raw)-len(rec.Body):]
	if len(b.records) == cap(b.records) {
		b.records = append(b.records, dumpRecord{})
	} else {
		b.records = b.records[:len(b.records)+1]
	}
	r := &b.records[len(b.records)-1]
	r.index, r.raw, r.offset, r.err = item.Index, rec.Raw, rec.Offset, nil
	r.table = rec.Type == mrt.TypeTableDump || rec.Type == mrt.TypeTableDumpV2
	if r.table {
		r.err = item.Decoder.Decode(&rec, &r.content)
	}
}

// decode decodes the entries of batches.
func (d *dumpReader) decode() {
	for b := range d.work {
		b.routes.reset()
		for i := range b.records {
			r := &b.records[i]
			r.from, r.after = len(b.routes.list), nil
			if r.table && r.err == nil && r.content.Kind == mrt.RIBEntries {
				r.after = b.routes.read(&r.content)
			}
			r.to = len(b.routes.list)
		}
		b.decoded <- struct{}{}
		d.ahead.Done()
	}
}

// apply applies a batch at an instant. inputs are those of the files; the reader has others in hand.
func (b *dumpBatch) apply(f *follower, at bgp.Micros, inputs []bgp.Input) {
	for i := range b.records {
		r := &b.records[i]
		in := &inputs[r.index]
		switch {
		case !r.table:
			f.skipped(in, "not of a table, in a seed")
			continue
		case r.err != nil:
			f.bad(in, r.err)
			continue
		}
		f.seq++
		switch r.content.Kind {
		case mrt.RIBEntries:
			msg := bgp.Message{
				Seq: f.seq, At: at, Peer: bgp.Peer{Collector: in.Collector}, Raw: r.raw,
				Source: bgp.Source{File: uint32(r.index), Offset: r.offset, Length: uint32(len(r.raw))},
			}
			f.table(msg, b.routes.list[r.from:r.to], true, r.after, in)
		case mrt.PeerIndex:
			f.parsed(in)
		default:
			f.skipped(in, r.content.Reason)
		}
	}
}

package mrt

import (
	"bytes"
	"compress/bzip2"
	"fmt"
	"io"
	"os"
	"sync"
)

// maxBunzipWorkers bounds the memory of one file: a worker holds about 5 MB, and 2 compressed blocks wait for it.
const maxBunzipWorkers = 4

// piecesEach is how many chunks of output a worker may have made before their turn: more than a block of 900 kB usually gives.
// A block can give 46 MB; its worker then waits for the reader.
const piecesEach = 5

// bunzip decompresses a bzip2 file with several workers. bzip2 compresses blocks that know nothing of each other; a splitter finds
// them and hands each to a worker as a file of one block. What a compressor writes the worker decompresses itself; anything else
// compress/bzip2 reads. What is given, and that damage is an error behind all that precedes it, is as with compress/bzip2 alone.
//
// Where a block is damaged, more or fewer octets of that block itself may be given than compress/bzip2 gives: it reads on into
// the next one. The octets of all blocks before it, whose checksums were right, are the same.
//
// The splitter goes by the 48-bit magic number of a block. Once in about a petabyte of compressed data, chance makes one where no
// block is; the block it cuts in two is then reported as damaged.
type bunzip struct {
	idle  chan *bunzipBlock // as many as may be under way
	jobs  chan *bunzipBlock // to workers
	order chan *bunzipBlock // to the reader
	quit  chan struct{}     // closed by abort
	once  sync.Once
	alive sync.WaitGroup // splitter and workers

	started, limit int // workers; the splitter's

	// The reader's.
	block *bunzipBlock
	piece bunzipPiece
	rest  []byte // of piece
	err   error
}

// bunzipBlock belongs to the splitter, a worker and the reader in turn; out and free carry its pieces in the meantime.
type bunzipBlock struct {
	in   []byte           // a bzip2 file of one block
	cut  error            // why in ends where it does, should the end come as a surprise
	out  chan bunzipPiece // what in gives, the last with an error or io.EOF
	free chan []byte      // where its worker wants pieces back
}

type bunzipPiece struct {
	b   []byte
	err error
}

func newBunzip(r io.Reader, workers int) *bunzip {
	under := 2 * workers
	z := &bunzip{
		idle: make(chan *bunzipBlock, under), jobs: make(chan *bunzipBlock, under), order: make(chan *bunzipBlock, under),
		quit: make(chan struct{}), limit: workers,
	}
	for range under {
		z.idle <- &bunzipBlock{out: make(chan bunzipPiece, piecesEach+1)}
	}
	z.alive.Go(func() {
		defer close(z.order)
		defer close(z.jobs)
		s := bzip2Splitter{src: r, take: z.take, give: z.give}
		s.run()
	})
	return z
}

// take gives the splitter a block to fill; nil after abort.
func (z *bunzip) take() *bunzipBlock {
	select {
	case b := <-z.idle:
		return b
	case <-z.quit:
		return nil
	}
}

// give is where the splitter puts it. There is room for all blocks.
func (z *bunzip) give(b *bunzipBlock) {
	if z.started < z.limit {
		z.started++
		z.alive.Go(z.work)
	}
	z.jobs <- b
	z.order <- b
}

// work decompresses blocks until there are no more. Of two blocks the reader takes the pieces of the earlier first, and every
// worker has taken its own earlier: so that a worker which waits for a piece to come back always gets one.
func (z *bunzip) work() {
	free := make(chan []byte, piecesEach)
	for range piecesEach {
		free <- nil // made when first used
	}
	u := bzip2Unpackers.Get().(*bzip2Unpacker)
	defer bzip2Unpackers.Put(u)
	for b := range z.jobs {
		b.free = free
		if !z.decompress(b, u) {
			return
		}
	}
}

// bzip2Unpackers outlive their files: a table of 3.6 MB for each is much to ask of the collector.
var bzip2Unpackers = sync.Pool{New: func() any { return &bzip2Unpacker{} }}

// decompress is false after abort.
func (z *bunzip) decompress(b *bunzipBlock, u *bzip2Unpacker) bool {
	in := bytes.NewReader(b.in)
	dec := io.Reader(u)
	if !opened(u, b) {
		dec = bzip2.NewReader(in)
	}
	for {
		var p bunzipPiece
		select {
		case p.b = <-b.free:
		case <-z.quit:
			return false
		}
		if p.b == nil {
			p.b = make([]byte, chunkSize)
		}
		p.b, p.err = readPiece(dec, p.b[:chunkSize])
		if p.err != nil && p.err != io.EOF && in.Len() == 0 && (p.err == io.ErrUnexpectedEOF || b.cut != errBzip2Overrun) {
			p.err = b.cut
		}
		b.out <- p // there is room for all pieces of a worker
		if p.err != nil {
			return true
		}
	}
}

// opened is u.open. Should it panic, the block is one for compress/bzip2.
func opened(u *bzip2Unpacker, b *bunzipBlock) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	ok = u.open(b.in)
	b.in = u.in[:len(b.in)] // it may have grown
	return ok
}

// readPiece is readChunk, with a panic of the decompressor as an error.
func readPiece(dec io.Reader, b []byte) (piece []byte, err error) {
	piece = b[:0]
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the decompressor failed: %v", p)
		}
	}()
	n, err := readChunk(dec, b)
	return b[:n], err
}

// Read implements io.Reader. It is not to be called at the same time as itself.
func (z *bunzip) Read(p []byte) (int, error) {
	for len(z.rest) == 0 {
		if z.err != nil {
			return 0, z.err
		}
		z.next()
	}
	n := copy(p, z.rest)
	z.rest = z.rest[n:]
	return n, nil
}

// next fetches a piece, or sets err.
func (z *bunzip) next() {
	if z.block != nil {
		last := z.piece.err
		z.block.free <- z.piece.b // there is room for all pieces of a worker
		z.piece = bunzipPiece{}
		switch last {
		case nil:
		case io.EOF: // of the block
			z.idle <- z.block
			z.block = nil
		default:
			z.err = last
			return
		}
	}
	if z.block == nil {
		var ok bool
		select {
		case z.block, ok = <-z.order:
			if !ok {
				z.err = io.EOF
				return
			}
		case <-z.quit:
			z.err = os.ErrClosed
			return
		}
	}
	select {
	case z.piece = <-z.block.out:
		z.rest = z.piece.b
	case <-z.quit:
		z.err, z.block = os.ErrClosed, nil
	}
}

// abort makes splitter, workers and a Read under way give up, each when it is done with the block or the read of the source that
// it is at. It may be called at any time and more than once.
func (z *bunzip) abort() { z.once.Do(func() { close(z.quit) }) }

// wait returns when splitter and workers are gone. The splitter may be waiting for the source.
func (z *bunzip) wait() { z.alive.Wait() }

package mrt

import (
	"bufio"
	"io"
	"os"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// What closed files leave to those opened next. An archive is hundreds of files of little more than a megabyte: to make, to clear and to
// collect the memory of each anew costs a tenth of what decompressing it does.
var (
	spareChunks  sync.Pool // *[chunkSize]byte
	spareGunzips sync.Pool // *gunzip
)

// gunzip is a gzip decompressor with the buffer that it reads from.
type gunzip struct {
	in  *bufio.Reader
	out gzip.Reader
}

func newGunzip(r io.Reader) *gunzip {
	if g, ok := spareGunzips.Get().(*gunzip); ok {
		g.in.Reset(r)
		return g
	}
	return &gunzip{in: bufio.NewReaderSize(r, 128<<10)}
}

func newChunk() []byte {
	if b, ok := spareChunks.Get().(*[chunkSize]byte); ok {
		return b[:]
	}
	return make([]byte, chunkSize)
}

// recycle leaves the memory of a closed file to others: its goroutine is gone. A chunk that it held when it was stopped is the garbage
// collector's. What was not read is lost, and a Read from now on says so.
func (f *File) recycle() {
	spare := func(b []byte) { spareChunks.Put((*[chunkSize]byte)(b[:chunkSize])) }
	for b := range f.full {
		spare(b)
	}
	for len(f.free) > 0 {
		spare(<-f.free)
	}
	if f.whole != nil {
		spare(f.whole)
	}
	if f.gunzip != nil && (f.end == io.EOF || f.end == os.ErrClosed) { // not one that failed in a way of its own
		f.gunzip.in.Reset(nil)
		spareGunzips.Put(f.gunzip)
	}
	f.cur, f.whole, f.gunzip, f.end = nil, nil, nil, os.ErrClosed
}

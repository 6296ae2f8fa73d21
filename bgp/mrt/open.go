package mrt

import (
	"bytes"
	"compress/bzip2"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Sizes of the pipeline between decompressor and reader: at most chunks × chunkSize bytes wait decompressed.
const (
	chunkSize = 256 << 10
	chunks    = 4
	// maxZstdWindow bounds what a zstd frame may make us allocate: 128 MiB is what `zstd --long` asks for.
	maxZstdWindow = 128 << 20
)

// File is an opened MRT file: reading it gives decompressed bytes. Decompression runs ahead in goroutines of its own: one, and for
// bzip2 several where there are several processors. Close stops them. Not safe for concurrent use.
type File struct {
	format string
	path   string
	src    io.Closer
	plain  io.Reader // set when there is nothing to decompress
	abort  func()    // set when the decompressor has goroutines of its own: makes them give up

	full, free chan []byte
	stop       chan struct{}
	done       chan struct{} // closed by the goroutine when it is gone
	end        error         // why it went; read after full is closed
	gunzip     *gunzip       // to be used again once the goroutine is gone; nil unless the format is gzip
	cur        []byte
	whole      []byte // the chunk that cur is a part of
	closeOnce  sync.Once
	closeErr   error
}

// Open opens path ("-" is standard input). The compression is told by the first bytes, never by the name: plain, gzip, bzip2 or zstd.
func Open(path string) (*File, error) {
	in := os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("opening an MRT file: %w", err)
		}
		in = f
	}
	f, err := open(in, path)
	if err != nil {
		if path != "-" {
			in.Close()
		}
		return nil, err
	}
	if path != "-" {
		f.src = in
	}
	return f, nil
}

// open sniffs r and starts decompressing it.
func open(r io.Reader, path string) (*File, error) {
	g := newGunzip(r)
	br := g.in
	magic, err := br.Peek(4)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	f := &File{path: path}
	var dec io.Reader
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		f.format, f.gunzip = "gzip", g
		if err := g.out.Reset(br); err != nil {
			return nil, fmt.Errorf("reading %s as gzip: %w", path, err)
		}
		dec = &g.out
	case bytes.HasPrefix(magic, []byte("BZh")):
		f.format = "bzip2"
		if workers := min(runtime.GOMAXPROCS(0), maxBunzipWorkers); workers > 1 {
			z := newBunzip(br, workers)
			f.abort, dec = z.abort, z
		} else {
			dec = bzip2.NewReader(br)
		}
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		f.format = "zstd"
		z, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, fmt.Errorf("reading %s as zstd: %w", path, err)
		}
		dec = z
	default:
		// Nothing to do ahead of the reader: its own large reads pass through.
		f.format, f.plain = "plain", br
		return f, nil
	}
	f.full, f.free = make(chan []byte, chunks), make(chan []byte, chunks)
	f.stop, f.done = make(chan struct{}), make(chan struct{})
	for range chunks {
		f.free <- newChunk()
	}
	go f.decompress(dec)
	return f, nil
}

// Format is "plain", "gzip", "bzip2" or "zstd".
func (f *File) Format() string { return f.format }

// Read gives decompressed bytes. Damage in the compressed stream is an error naming the file, after all bytes before it were given.
func (f *File) Read(p []byte) (int, error) {
	if f.plain != nil {
		return f.plain.Read(p)
	}
	for len(f.cur) == 0 {
		if f.whole != nil {
			f.free <- f.whole // never blocks: there are as many places as chunks
			f.whole = nil
		}
		b, ok := <-f.full
		if !ok {
			return 0, f.end
		}
		f.cur, f.whole = b, b[:chunkSize]
	}
	n := copy(p, f.cur)
	f.cur = f.cur[n:]
	return n, nil
}

// Close stops the decompression and closes the file. It may be called more than once, not while Read runs. Standard input stays
// open, and a decompressor waiting for it goes away only when it gives something or ends.
func (f *File) Close() error {
	f.closeOnce.Do(func() {
		if f.stop != nil {
			close(f.stop)
		}
		if f.abort != nil {
			f.abort()
		}
		if f.src != nil {
			f.closeErr = f.src.Close()
			if f.done != nil {
				<-f.done
				f.recycle()
			}
		}
	})
	return f.closeErr
}

// decompress fills chunks until the stream ends or Close is called. It owns dec.
func (f *File) decompress(dec io.Reader) {
	defer close(f.done)
	if z, ok := dec.(*bunzip); ok {
		defer z.wait() // behind f.full: the splitter may wait for a pipe, and the reader is to hear of the end before
		defer z.abort()
	}
	defer close(f.full)
	// A decompressor is a parser of hostile bytes like any other, but a panic here would have no caller to catch it.
	defer func() {
		if p := recover(); p != nil {
			f.end = fmt.Errorf("decompressing %s (%s): the decompressor failed: %v", f.path, f.format, p)
		}
	}()
	if z, ok := dec.(*zstd.Decoder); ok {
		defer z.Close()
	}
	for {
		var b []byte
		select {
		case <-f.stop:
			f.end = os.ErrClosed
			return
		case b = <-f.free:
		}
		n, err := readChunk(dec, b[:chunkSize])
		if n > 0 {
			select {
			case <-f.stop:
				f.end = os.ErrClosed
				return
			case f.full <- b[:n]:
			}
		}
		switch err {
		case nil:
		case io.EOF:
			f.end = io.EOF
			return
		default:
			f.end = fmt.Errorf("decompressing %s (%s): %w", f.path, f.format, err)
			return
		}
	}
}

// readChunk fills b as far as it goes. Unlike io.ReadFull it keeps the end of the stream and a stream cut short apart.
func readChunk(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	return n, err
}

package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/bgp/dump"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// Decode prints what MRT files say, record by record, file after file.
type Decode struct {
	Files    []string // [COLLECTOR=]FILE|DIR|-
	Bgpdump  bool     // lines of bgpdump -m
	JSON     bool     // lines of docs/decode.md
	Out      io.Writer
	Err      io.Writer
	Terminal bool // Err is a terminal: draw a bar
	Log      zerolog.Logger
}

// leaveAfter is how long an interrupted Run waits for its reader, which may be blocked on standard input.
const leaveAfter = 500 * time.Millisecond

// Run prints all files. The error is ErrTorn when everything was read but some of it was damaged, and nil when the reader of Out has
// gone away.
func (d Decode) Run(ctx context.Context) error {
	files, err := collect.Expand(d.Files)
	if err != nil {
		return err
	}
	format := dump.Text
	switch {
	case d.Bgpdump && d.JSON:
		return errors.New("decode: one format at a time")
	case d.Bgpdump:
		format = dump.Bgpdump
	case d.JSON:
		format = dump.JSON
	}
	w := &decoding{
		Decode: d, began: time.Now(), files: len(files),
		out: dump.NewPrinter(d.Out, format), bar: newProgress(d.Err, "decode", d.Terminal, totalBytes(files)),
	}
	done := make(chan error, 1)
	go func() { done <- w.all(ctx, files) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		select {
		case err = <-done:
		case <-time.After(leaveAfter):
			return fmt.Errorf("decode: interrupted while waiting for input: %w", ctx.Err())
		}
	}
	w.bar.done()
	switch {
	case errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe):
		return nil
	case errors.Is(err, context.Canceled):
		w.summary()
		return fmt.Errorf("decode: interrupted: %w", err)
	case err != nil:
		return err
	}
	w.summary()
	if w.damaged() {
		return ErrTorn
	}
	return nil
}

// decoding is one Run. Its goroutine owns it.
type decoding struct {
	Decode
	began time.Time
	files int
	out   *dump.Printer
	bar   *progress
	stats decodeStats
	done  int64 // bytes of finished files as stored
}

func (w *decoding) all(ctx context.Context, files []collect.File) error {
	for i := range files {
		if err := w.file(ctx, &files[i]); err != nil {
			return errors.Join(err, w.out.Flush())
		}
		w.done += files[i].Input.Bytes
	}
	return w.out.Flush()
}

// file prints one file. What is wrong with the file is counted and no error.
func (w *decoding) file(ctx context.Context, f *collect.File) error {
	in, err := mrt.Open(f.Path)
	if err != nil {
		w.stats.unreadable(f.Input.Name, err)
		return nil
	}
	defer in.Close()
	w.out.From(dump.Source{Collector: f.Input.Collector, File: f.Input.Name})
	counted := &countedReader{r: in}
	err = w.records(ctx, f, counted)
	w.stats.read += counted.n
	return err
}

func (w *decoding) records(ctx context.Context, f *collect.File, in *countedReader) error {
	var (
		r    = mrt.NewReader(in)
		dec  mrt.Decoder
		c    mrt.Content
		torn *mrt.TornError
	)
	for n := 0; ; n++ {
		rec, err := r.Next()
		if n%1024 == 0 {
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		switch {
		case err == nil:
			if n%1024 == 0 {
				w.bar.at(w.done+in.stored(f.Input.Bytes), rec.Time)
			}
		case errors.As(err, &torn):
			w.stats.torn(f.Input.Name, torn)
			continue
		case errors.Is(err, io.EOF):
			return nil
		default:
			w.stats.unreadable(f.Input.Name, err)
			return nil
		}
		err = dec.Decode(rec, &c)
		if err == nil {
			err = w.out.Print(rec, &c)
		}
		w.stats.record(f.Input.Name, rec, &c, err)
		if err := w.out.Err(); err != nil {
			return err
		}
	}
}

// countedReader counts what is read through it.
type countedReader struct {
	r *mrt.File
	n int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// stored guesses how much of a file of so many bytes has been read, for the bar only.
func (c *countedReader) stored(size int64) int64 {
	if c.r.Format() != "plain" {
		return min(size, c.n/5) // what BGP archives shrink to
	}
	return min(size, c.n)
}

package mrt

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/corewatch/corewatch/bgp"
)

// TornKind says how a stretch of a stream fails to be records.
type TornKind uint8

// The kinds of TornError.
const (
	// Torn bytes are not a record, and another record was found after them: a record cut in the middle by its collector,
	// or bytes that do not belong there.
	Torn TornKind = iota + 1
	// TruncatedEnd bytes are the start of a record that the stream ends in.
	TruncatedEnd
	// Garbage bytes are not a record, and none was found after them.
	Garbage
)

// String is the word used in counters.
func (k TornKind) String() string {
	switch k {
	case Torn:
		return "torn"
	case TruncatedEnd:
		return "truncated"
	case Garbage:
		return "garbage"
	}
	return "unknown"
}

// TornError names a stretch of the stream that could not be read as records. It does not end the stream: the next call of
// Reader.Next goes on behind it.
type TornError struct {
	Offset int64 // in the decompressed stream
	Length int64 // bytes given up, at least 1
	Kind   TornKind
}

// Error names the place.
func (e *TornError) Error() string {
	return fmt.Sprintf("mrt: %s record at byte %d, %d bytes not used", e.Kind, e.Offset, e.Length)
}

// window is how far from the last good record's time a header may be and still be believed when looking for a place to go on.
const window = 7 * 24 * 3600

// Reader walks the records of one stream. It holds at most one record and the header after it in memory. Not safe for concurrent use.
type Reader struct {
	src  io.Reader
	buf  []byte // nil when the bytes are read where they are
	rest []byte // what was read and not yet given out
	off  int64  // of rest in the stream
	err  error  // what src ended with
	size int    // of the record that rest starts with, when its header is one to believe whatever its time; 0: not looked at

	last    uint32 // time of the last good record, seconds
	hasLast bool
	rec     Record // the one given out; a Record is too long to be copied for nothing
}

// firstBuffer is enough for hundreds of records, and little enough that what was read into it is still in the processor's cache
// when it is parsed. A longer record makes it grow.
const firstBuffer = 64 << 10

// NewReader reads records from the decompressed stream r.
func NewReader(r io.Reader) *Reader {
	buf := make([]byte, firstBuffer)
	return &Reader{src: r, buf: buf, rest: buf[:0]}
}

// NewBytesReader reads the records of raw in place: it must not change as long as the Reader or one of its records is used.
func NewBytesReader(raw []byte) *Reader {
	return &Reader{rest: raw, err: io.EOF}
}

// Next returns the next record; it is valid until the next call. A *TornError tells of bytes that are not a record, after
// which Next may be called again. io.EOF is the end; any other error is the source's and final.
//
// A record is given out only after the header behind it has been seen to make sense. That is what finds the record that its collector
// left half written, whose length field covers its successor's head.
func (r *Reader) Next() (*Record, error) {
	// Almost always the header here was seen behind the last record, and the one behind this record is of a type in use, too.
	if b, n := r.rest, r.size; n > headerLen && n+headerLen <= len(b) {
		h, next := parseHeader(b), parseHeader(b[n:])
		if next.length <= maxRecord && (next.kind == h.kind || known(next.typ(), next.sub())) {
			body, us := b[headerLen:n:n], bgp.Micros(0)
			if h.typ() == TypeBGP4MPET { // of the types in use the only extended one
				body, us = takeMicros(body)
			}
			r.rec.assign(h, b[:n:n], body, us, r.off)
			r.rest, r.size = b[n:], headerLen+int(next.length)
			r.off, r.last = r.off+int64(n), h.seconds
			return &r.rec, nil
		}
	}
	return r.slow()
}

// slow is Next where bytes have to be read first, or do not make sense.
func (r *Reader) slow() (*Record, error) {
	have := r.fill(headerLen)
	if have == 0 {
		return nil, r.final()
	}
	if have < headerLen {
		return nil, r.skip(TruncatedEnd)
	}
	h := parseHeader(r.rest)
	if r.sound(h, 0) {
		return r.take(h), nil
	}
	if !r.plausible(h) {
		return nil, r.skip(Garbage)
	}
	n := headerLen + int(h.length)
	if r.fill(n) < n {
		return nil, r.skip(TruncatedEnd)
	}
	// The record is whole, and what follows it is no header. Either its length lies about it, and a record starts inside it,
	// or it is good and the damage is behind it.
	if at := r.search(n); at < n {
		e := &TornError{Offset: r.off, Length: int64(at), Kind: Torn}
		r.drop(at)
		return nil, e
	}
	return r.take(h), nil
}

// take gives out the record whose header h rest starts with and which is complete.
func (r *Reader) take(h header) *Record {
	n := headerLen + int(h.length)
	r.rec.set(h, r.rest[:n:n], r.off)
	r.drop(n)
	r.last, r.hasLast = h.seconds, true
	if len(r.rest) >= headerLen {
		if next := parseHeader(r.rest); next.length <= maxRecord && known(next.typ(), next.sub()) {
			r.size = headerLen + int(next.length)
		}
	}
	return &r.rec
}

// sound reports whether the record with header h, at bytes ahead in rest, is whole and followed by the end or by a plausible header.
func (r *Reader) sound(h header, at int) bool {
	if !r.plausible(h) {
		return false
	}
	n := at + headerLen + int(h.length)
	have := r.fill(n + headerLen)
	switch {
	case have < n:
		return false
	case have < n+headerLen:
		return true // the end, or a tail too short to be a header: that is the tail's fault
	}
	return r.plausible(parseHeader(r.rest[n:]))
}

// plausible judges a header where one must stand. Its time is not looked at when its type is in use: files of different days may be joined.
func (r *Reader) plausible(h header) bool {
	return h.length <= maxRecord && (known(h.typ(), h.sub()) || h.typ() != 0 && r.near(h))
}

// near reports whether the time of h is within the window around the last good record.
func (r *Reader) near(h header) bool {
	d := int64(h.seconds) - int64(r.last)
	return r.hasLast && d >= -window && d <= window
}

// candidate judges a header found by searching, where almost everything is not one.
func (r *Reader) candidate(h header) bool {
	return known(h.typ(), h.sub()) && h.length >= least(h.typ()) && h.length <= maxRecord && (!r.hasLast || r.near(h))
}

// skip gives up bytes from the start of rest to the next place where records go on, and says which. When there is no such place, they are all
// the rest and kind says what they were.
func (r *Reader) skip(kind TornKind) error {
	start, given := r.off, int64(0)
	for {
		at := r.search(stride)
		whole := len(r.rest) > at
		given += int64(at)
		r.drop(at)
		switch {
		case !whole:
			return &TornError{Offset: start, Length: given, Kind: kind}
		case at < stride:
			return &TornError{Offset: start, Length: given, Kind: Torn}
		}
	}
}

// stride is how much skip looks through before it lets go of it, so that a long stretch of garbage needs no memory.
const stride = 64 << 10

// search looks for a place in rest, not at its start, where records go on. It returns how far in that is: limit when there is none before
// that, and all that is left when the stream ends sooner.
func (r *Reader) search(limit int) int {
	for at := 1; at < limit; at++ {
		if have := r.fill(at + headerLen); have < at+headerLen {
			return min(have, limit)
		}
		// A type in use, a sane length and a fitting time are eleven octets that chance does not get right. Before the first good
		// record there is no time to fit, and the next header has to speak for this one.
		if h := parseHeader(r.rest[at:]); r.candidate(h) && (r.hasLast || r.sound(h, at)) {
			return at
		}
	}
	return limit
}

// drop moves n bytes on.
func (r *Reader) drop(n int) {
	r.rest = r.rest[n:]
	r.off += int64(n)
	r.size = 0
}

// fill tries to make rest n bytes long and returns how long it is: less than n only when the source has ended.
func (r *Reader) fill(n int) int {
	empty := 0
	for len(r.rest) < n && r.err == nil {
		if cap(r.rest) < n && cap(r.rest) < len(r.buf) { // what was given out leaves room in front
			r.rest = r.buf[:copy(r.buf, r.rest)]
		}
		have := len(r.rest)
		if have == cap(r.rest) {
			// Twice what is there, not at once what a length field claims: the claim may be a lie.
			r.buf = slices.Grow(r.rest, have)
			r.buf = r.buf[:cap(r.buf)]
			r.rest = r.buf[:have]
		}
		m, err := r.src.Read(r.rest[have:cap(r.rest)])
		r.rest = r.rest[:have+m]
		r.err = err
		if m > 0 {
			empty = 0
		} else if empty++; empty > maxEmptyReads && err == nil {
			r.err = io.ErrNoProgress
		}
	}
	return len(r.rest)
}

// maxEmptyReads is how often in a row a source may give neither bytes nor an error.
const maxEmptyReads = 100

func (r *Reader) final() error {
	if r.err == nil || errors.Is(r.err, io.EOF) {
		return io.EOF
	}
	return fmt.Errorf("mrt: reading at byte %d: %w", r.off, r.err)
}

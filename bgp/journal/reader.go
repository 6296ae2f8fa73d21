package journal

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/corewatch/corewatch/bgp"
)

// ErrTorn says that the journal ends in a block that was being written when the machine stopped. All before it was given out.
var ErrTorn = errors.New("the last block of the journal is unfinished")

// Reader gives the entries of a journal in order, each block only after its hash was found right. Not safe for concurrent use.
type Reader struct {
	dir    string
	base   Base
	files  []int
	file   *os.File
	r      *bufio.Reader
	number int   // of the file being read
	good   int64 // octets of it up to the end of the last good block
	torn   int64 // octets behind that, when the journal ends torn
	head   Hash
	seq    uint64
	inputs int
	block  []byte
	rest   []byte // entries of the block not yet given
	ctx    context
	err    error
}

// Open begins to read the journal in dir. A folder without one reads as empty.
func Open(dir string) (*Reader, error) {
	b, err := readBase(dir)
	if err != nil {
		return nil, err
	}
	list, err := files(dir, b.File)
	if err != nil {
		return nil, err
	}
	head, err := b.head()
	if err != nil {
		return nil, err
	}
	return &Reader{
		dir: dir, files: list, base: b, r: bufio.NewReaderSize(nil, 256<<10), number: b.File - 1, head: head, seq: b.Entries, inputs: b.Inputs,
	}, nil
}

// last is the number of the last file.
func (r *Reader) last() int { return r.base.File - 1 + len(r.files) }

// Head is the hash of the block that the entry given last stands in.
func (r *Reader) Head() Hash { return r.head }

// Next gives the next entry. io.EOF is the end, ErrTorn an end in an unfinished block; a *DamageError says where the chain is broken, and is final.
func (r *Reader) Next(e *Entry) error {
	for len(r.rest) == 0 {
		if r.err == nil {
			r.err = r.read()
		}
		if r.err != nil {
			return r.err
		}
	}
	if err := r.entry(e); err != nil {
		r.err, r.rest = err, nil
		return err
	}
	return nil
}

// read reads the next block.
func (r *Reader) read() error {
	for {
		if r.file == nil {
			if r.number == r.last() {
				return io.EOF
			}
			if err := r.open(r.number + 1); err != nil {
				return err
			}
		}
		err := r.readBlock()
		if !errors.Is(err, io.EOF) {
			return err
		}
		r.file.Close()
		r.file = nil
	}
}

func (r *Reader) open(n int) error {
	f, err := os.Open(filepath.Join(r.dir, fileName(n)))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	r.file, r.number, r.good = f, n, 0
	r.r.Reset(f)
	line := make([]byte, len(magic))
	got, err := io.ReadFull(r.r, line)
	switch {
	case err == nil && string(line) == magic:
		r.good = int64(len(magic))
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		if string(line[:got]) == magic[:got] {
			return r.unfinished(int64(got), "the file ends in its first line")
		}
		fallthrough
	case err == nil:
		return fmt.Errorf("journal file %s: %w", fileName(n), ErrVersion)
	}
	return fmt.Errorf("journal: %w", err)
}

// unfinished is the end of a journal in the middle of a block, and damage where another file follows.
func (r *Reader) unfinished(octets int64, why string) error {
	if r.number < r.last() {
		return &DamageError{fileName(r.number), r.good, why + ", and another file follows"}
	}
	r.torn = octets
	return ErrTorn
}

// readBlock reads one block; io.EOF at the end of the file.
func (r *Reader) readBlock() error {
	var length [4]byte
	if n, err := io.ReadFull(r.r, length[:]); errors.Is(err, io.EOF) {
		return io.EOF
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		return r.unfinished(int64(n), "the file ends in a block")
	} else if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	size := binary.BigEndian.Uint32(length[:])
	if size == 0 || size > maxBlock {
		return r.tail(size, 4, fmt.Sprintf("a block of %d octets", size))
	}
	whole := int(size) + around
	if cap(r.block) < whole {
		r.block = make([]byte, whole)
	}
	b := r.block[:whole]
	copy(b, length[:])
	if n, err := io.ReadFull(r.r, b[4:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.unfinished(int64(4+n), "the file ends in a block")
	} else if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	end := whole - len(Hash{})
	sum := sha256.Sum256(b[:end])
	if sum != Hash(b[end:]) {
		return r.tail(size, int64(whole), "the block is not what its hash says")
	}
	if r.head != Hash(b[4:4+len(Hash{})]) {
		return &DamageError{fileName(r.number), r.good, "the block does not follow the one before it"}
	}
	r.head, r.rest = sum, b[4+len(Hash{}):end]
	r.good += int64(whole)
	r.ctx.reset()
	return nil
}

// tail judges octets that are no block: a whole one of which the hash is wrong, or a length that cannot be. At the very end of the
// journal they were being written when the machine stopped (a file system may leave zeros there); elsewhere they were changed.
func (r *Reader) tail(length uint32, read int64, why string) error {
	rest, err := io.ReadAll(io.LimitReader(r.r, maxBlock+int64(around)+1))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	zeros := length == 0 && len(rest) <= maxBlock+around && len(bytes.Trim(rest, "\x00")) == 0
	if r.number < r.last() || !zeros && (length == 0 || length > maxBlock || len(rest) > 0) {
		return &DamageError{fileName(r.number), r.good, why}
	}
	r.torn = read + int64(len(rest))
	return ErrTorn
}

// entry takes the next entry off the block. The hash was right, so that a malformed one was written by another program.
func (r *Reader) entry(e *Entry) error {
	d := fields{rest: r.rest[1:]}
	*e = Entry{Kind: Kind(r.rest[0])}
	switch e.Kind {
	case Input:
		e.Input, e.Text, e.Name = int(d.number(maxInputs)), d.text(), d.text()
		if e.Input != r.inputs {
			d.bad = true
		}
		r.inputs++
	case Message:
		e.Input = int(d.number(maxInputs))
		e.Offset = r.ctx.ends[e.Input] + d.signed()
		e.Length = int64(d.number(1 << 32))
		e.At = r.time(&d)
		d.bad = d.bad || e.Input >= r.inputs || e.Input < r.base.Inputs || e.Offset < 0
		r.ctx.ends[e.Input] = e.Offset + e.Length
	case Tick:
		e.At = r.time(&d)
	case Closed:
		e.Input, e.Length = int(d.number(maxInputs)), int64(d.number(1<<62))
		copy(e.Sum[:], d.take(len(e.Sum)))
		d.bad = d.bad || e.Input >= r.inputs || e.Input < r.base.Inputs
	case Control:
		e.At, e.Name, e.Text = r.time(&d), d.text(), d.text()
	default:
		d.bad = true
	}
	if d.bad {
		return &DamageError{fileName(r.number), r.good, fmt.Sprintf("entry %d of kind %d is malformed", r.seq+1, e.Kind)}
	}
	r.rest = d.rest
	r.seq++
	e.Seq = r.seq
	return nil
}

func (r *Reader) time(d *fields) bgp.Micros {
	r.ctx.at += bgp.Micros(d.signed())
	return r.ctx.at
}

// Close closes the file being read.
func (r *Reader) Close() error {
	if r.err == nil {
		r.err = errors.New("journal: closed")
	}
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// fields reads the fields of an entry.
type fields struct {
	rest []byte
	bad  bool
}

func (d *fields) take(n int) []byte {
	if n > len(d.rest) {
		d.bad = true
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *fields) number(most uint64) uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > most {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *fields) signed() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *fields) text() string { return string(d.take(int(d.number(maxText)))) }

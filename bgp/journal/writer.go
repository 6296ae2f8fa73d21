package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/corewatch/corewatch/bgp"
)

// maxFile is the size after which a writer begins the next file.
const maxFile = 64 << 20

// soonFull is the length of a block's entries beyond which none is taken: the rest of maxBlock is room for the longest one.
const soonFull = maxBlock - 2*maxText - 256

// EntrySize is the most that an entry without texts takes of Room.
const EntrySize = 64

// ErrFull says that the block has no room for another entry: Commit first. Nothing was written.
var ErrFull = errors.New("journal: the block is full")

// Writer appends to a journal. Not safe for concurrent use. After an error nothing more is accepted: what was committed stands.
type Writer struct {
	dir    string
	base   Base
	file   *os.File
	number int
	size   int64
	head   Hash
	seq    uint64 // entries so far
	inputs int
	block  []byte // length, previous, entries
	ctx    context
	last   bgp.Micros // newest time written, 0 for none
	err    error
	lost   int64 // octets of a torn last block cut off when it was opened
}

// context is what the entries of a block are written relative to.
type context struct {
	at   bgp.Micros
	ends map[int]int64 // by input: end of its message before
}

func (c *context) reset() {
	c.at = 0
	if c.ends == nil {
		c.ends = map[int]int64{}
	}
	clear(c.ends)
}

// Create makes a journal in dir, or goes on with the one that is there: every block of it is read and its chain checked, and a last block that
// was being written when the machine stopped is moved into a file NUMBER-OFFSET.cut (Cut says how much). Damage anywhere else is an error, a *DamageError.
func Create(dir string) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	r, err := Open(dir)
	if err != nil {
		return nil, err
	}
	w := &Writer{dir: dir, base: r.base, inputs: r.base.Inputs, last: r.base.Last}
	if err := w.sweep(); err != nil {
		return nil, err
	}
	var e Entry
	for err = r.Next(&e); err == nil; err = r.Next(&e) {
		if e.Kind == Input {
			w.inputs++
		}
		if e.At != 0 {
			w.last = max(w.last, e.At)
		}
	}
	r.Close()
	if !errors.Is(err, io.EOF) && !errors.Is(err, ErrTorn) {
		return nil, err
	}
	w.head, w.seq, w.number, w.size, w.lost = r.head, r.seq, r.number, r.good, r.torn
	w.begin()
	if w.number == 0 {
		return w, w.next()
	}
	w.file, err = os.OpenFile(filepath.Join(dir, fileName(w.number)), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := w.cut(); err != nil {
		w.file.Close()
		return nil, err
	}
	return w, nil
}

// cut drops what stands behind the last good block, and keeps a copy of it beside the journal.
func (w *Writer) cut() error {
	if w.lost > 0 {
		tail := make([]byte, w.lost)
		if _, err := w.file.ReadAt(tail, w.size); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		name := fmt.Sprintf("%08d-%d.cut", w.number, w.size)
		if err := os.WriteFile(filepath.Join(w.dir, name), tail, 0o640); err != nil {
			return fmt.Errorf("journal: keeping what is cut off: %w", err)
		}
	}
	if w.size < int64(len(magic)) { // not even the first line was written
		w.size = 0
		if _, err := w.file.WriteAt([]byte(magic), 0); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		w.size = int64(len(magic))
	}
	if err := w.file.Truncate(w.size); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if _, err := w.file.Seek(w.size, io.SeekStart); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return w.sync()
}

// Cut is how many octets of an unfinished last block were dropped when the journal was opened.
func (w *Writer) Cut() int64 { return w.lost }

// Head is the hash of the last committed block, Entries the number of entries up to it and those not yet committed, Last the newest time among them (0: none).
func (w *Writer) Head() Hash { return w.head }

// Entries is the number of entries so far, those not yet committed included.
func (w *Writer) Entries() uint64 { return w.seq }

// Inputs is the number of inputs so far.
func (w *Writer) Inputs() int { return w.inputs }

// Last is the newest time of an entry, 0 when there is none.
func (w *Writer) Last() bgp.Micros { return w.last }

// next begins the next file.
func (w *Writer) next() error {
	if w.file != nil {
		if err := w.file.Close(); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	w.number++
	f, err := os.OpenFile(filepath.Join(w.dir, fileName(w.number)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	w.file = f
	if _, err := f.WriteString(magic); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	w.size = int64(len(magic))
	if err := w.sync(); err != nil {
		return err
	}
	d, err := os.Open(w.dir) // the name, too, must be there after a power loss
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

func (w *Writer) sync() error {
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

func (w *Writer) begin() {
	w.block = append(w.block[:0], 0, 0, 0, 0)
	w.block = append(w.block, w.head[:]...)
	w.ctx.reset()
}

func (w *Writer) entry(k Kind) { w.block = append(w.block, byte(k)); w.seq++ }

func (w *Writer) number64(v uint64) { w.block = binary.AppendUvarint(w.block, v) }

func (w *Writer) text(s string) {
	w.number64(uint64(len(s)))
	w.block = append(w.block, s...)
}

func (w *Writer) time(at bgp.Micros) {
	w.block = binary.AppendVarint(w.block, int64(at-w.ctx.at))
	w.ctx.at, w.last = at, max(w.last, at)
}

// Room is how many octets of entries the block can still take. What must come back together, or not at all, after a stop goes into one block.
func (w *Writer) Room() int { return max(0, soonFull-len(w.block)) }

func (w *Writer) room() error {
	if w.err == nil && len(w.block) > soonFull {
		return ErrFull
	}
	return w.err
}

// Input names a source of messages, to which Message refers by the number returned. name is a path relative to the journal's parent
// folder. At most 64 KiB each.
func (w *Writer) Input(collector, name string) (int, error) {
	if len(collector) > maxText || len(name) > maxText || w.inputs >= maxInputs {
		return 0, fmt.Errorf("journal: too many inputs, or a name of more than %d octets", maxText)
	}
	if err := w.room(); err != nil {
		return 0, err
	}
	n := w.inputs
	w.inputs++
	w.entry(Input)
	w.number64(uint64(n))
	w.text(collector)
	w.text(name)
	return n, nil
}

// Message says that the record of length octets at offset of an input was consumed, as received at an instant.
func (w *Writer) Message(input int, offset, length int64, at bgp.Micros) error {
	if err := w.room(); err != nil {
		return err
	}
	if input < 0 || input >= w.inputs || offset < 0 || length < 0 {
		return fmt.Errorf("journal: message of input %d at %d, which does not exist", input, offset)
	}
	w.entry(Message)
	w.number64(uint64(input))
	w.block = binary.AppendVarint(w.block, offset-w.ctx.ends[input])
	w.number64(uint64(length))
	w.time(at)
	w.ctx.ends[input] = offset + length
	return nil
}

// Tick says that the clock came to an instant.
func (w *Writer) Tick(at bgp.Micros) error {
	if err := w.room(); err != nil {
		return err
	}
	w.entry(Tick)
	w.time(at)
	return nil
}

// Closed says that an input ended: its length and the SHA-256 of its content, decompressed.
func (w *Writer) Closed(input int, length int64, sum [32]byte) error {
	if err := w.room(); err != nil {
		return err
	}
	if input < 0 || input >= w.inputs || length < 0 {
		return fmt.Errorf("journal: end of input %d, which does not exist", input)
	}
	w.entry(Closed)
	w.number64(uint64(input))
	w.number64(uint64(length))
	w.block = append(w.block, sum[:]...)
	return nil
}

// Control says what happened beside the messages; kind and text at most 64 KiB each.
func (w *Writer) Control(at bgp.Micros, kind, text string) error {
	if err := w.room(); err != nil {
		return err
	}
	if len(kind) > maxText || len(text) > maxText {
		return fmt.Errorf("journal: a control event of more than %d octets", maxText)
	}
	w.entry(Control)
	w.time(at)
	w.text(kind)
	w.text(text)
	return nil
}

// Commit ends the block and returns when it is on the disk. What it names must be there before: sync the segments first. Without entries
// it does nothing.
func (w *Writer) Commit() error {
	const head = 4 + len(Hash{})
	if w.err != nil || len(w.block) == head {
		return w.err
	}
	if w.err = w.commit(len(w.block) - head); w.err != nil {
		return w.err
	}
	w.begin()
	return nil
}

func (w *Writer) commit(entries int) error {
	if w.size >= maxFile {
		if err := w.next(); err != nil {
			return err
		}
	}
	binary.BigEndian.PutUint32(w.block, uint32(entries))
	sum := sha256.Sum256(w.block)
	w.block = append(w.block, sum[:]...)
	if _, err := w.file.Write(w.block); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := w.sync(); err != nil {
		return err
	}
	w.size += int64(len(w.block))
	w.head = sum
	return nil
}

// Close commits and closes.
func (w *Writer) Close() error {
	err := w.Commit()
	if w.file != nil {
		err = errors.Join(err, w.file.Close())
		w.file = nil
	}
	if w.err == nil {
		w.err = errors.New("journal: closed")
	}
	return err
}

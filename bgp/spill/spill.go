// Package spill is the queue between one that receives and one that takes: records in order, in memory up to a bound, beyond it in a file up to
// another, and then refused. A receiver never waits for it, so that a slow taker costs disk, and then an honest gap, but no memory and no connection.
//
// The file holds nothing that outlives the process: what stands in it was never acknowledged to anybody.
package spill

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
)

// Queue is safe for one that puts and one that takes at the same time. The zero value is of no use: see New.
type Queue struct {
	path    string
	memory  int64
	disk    int64
	file    *os.File
	ids     map[string]uint16 // by name; written by Put only
	name    []string
	reading []byte // of who takes: the chunk being given, as far as it was filled
	at      int    // octets of it that were given

	mu      sync.Mutex // guards what follows
	chunks  []chunk    // oldest first
	slots   []int      // free ones in the file
	size    int        // slots in the file
	spare   [][]byte
	figures Figures
}

// Figures are what a queue holds and did.
type Figures struct {
	Memory  int64  // octets in memory
	Disk    int64  // octets in the file
	Spilled uint64 // records that went through the file
	Refused uint64 // records that found no room
	Unread  uint64 // records of which the file could not be read back
}

// chunk is some records one after the other: kind (1 octet), number of the name (2), length (4), content.
type chunk struct {
	buf  []byte // nil while it is in the file
	slot int
	len  int
	n    uint64
}

const (
	chunkSize = 1 << 20
	header    = 7
	maxNames  = 1 << 16
	// MaxRecord is the longest content of a record.
	MaxRecord = chunkSize - header
)

// New makes a queue of at most memory octets in memory (at least 2 MiB) and disk octets in the file at path, which is made when it is needed and
// removed when nothing is in it.
func New(path string, memory, disk int64) *Queue {
	return &Queue{path: path, memory: max(memory, 2*chunkSize), disk: disk, ids: map[string]uint16{}}
}

// Limits are the octets that the queue may hold in memory and in its file.
func (q *Queue) Limits() (memory, disk int64) { return q.memory, q.disk / chunkSize * chunkSize }

// Put appends a record; false when there is no room for it, or the error says what is wrong with the file. A record that must not be refused, such as
// one that says that others were, is taken beyond the bound.
func (q *Queue) Put(kind byte, name string, content []byte, must bool) (bool, error) {
	id, known := q.ids[name]
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(content) > MaxRecord || !known && len(q.name) == maxNames {
		q.figures.Refused++
		return false, nil
	}
	if !known {
		id = uint16(len(q.name))
		name = strings.Clone(name) // of what may be a part of a larger text
		q.ids[name] = id
		q.name = append(q.name, name)
	}
	need := header + len(content)
	last := len(q.chunks) - 1
	if last < 0 || q.chunks[last].buf == nil || len(q.chunks[last].buf)+need > chunkSize {
		if ok, err := q.room(must); !ok {
			q.figures.Refused++
			return false, err
		}
		last = len(q.chunks) - 1
	}
	c := &q.chunks[last]
	c.buf = append(c.buf, kind)
	c.buf = binary.BigEndian.AppendUint16(c.buf, id)
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(content)))
	c.buf = append(c.buf, content...)
	c.n++
	q.figures.Memory += int64(need)
	return true, nil
}

// room begins a chunk at the end. When memory is full the one that was the last goes to the file.
func (q *Queue) room(must bool) (bool, error) {
	if last := len(q.chunks) - 1; int64(q.inMemory()+1)*chunkSize > q.memory && last > 0 && q.chunks[last].buf != nil {
		if len(q.slots) == 0 && int64(q.size+1)*chunkSize > q.disk {
			if !must {
				return false, nil
			}
		} else if err := q.write(&q.chunks[last]); err != nil && !must {
			return false, err
		}
	}
	var buf []byte
	if n := len(q.spare); n > 0 {
		buf, q.spare = q.spare[n-1], q.spare[:n-1]
	} else {
		buf = make([]byte, 0, chunkSize)
	}
	q.chunks = append(q.chunks, chunk{buf: buf})
	return true, nil
}

func (q *Queue) inMemory() (n int) {
	for i := range q.chunks {
		if q.chunks[i].buf != nil {
			n++
		}
	}
	return n
}

// write moves a chunk into the file.
func (q *Queue) write(c *chunk) error {
	if q.file == nil {
		f, err := os.OpenFile(q.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("spilling to the disk: %w", err)
		}
		q.file = f
	}
	slot := q.size
	if n := len(q.slots); n > 0 {
		slot, q.slots = q.slots[n-1], q.slots[:n-1]
	} else {
		q.size++
	}
	if _, err := q.file.WriteAt(c.buf, int64(slot)*chunkSize); err != nil {
		q.slots = append(q.slots, slot)
		return fmt.Errorf("spilling to the disk: %w", err)
	}
	q.figures.Memory -= int64(len(c.buf))
	q.figures.Disk += int64(len(c.buf))
	q.figures.Spilled += c.n
	q.keep(c.buf)
	c.slot, c.len, c.buf = slot, len(c.buf), nil
	return nil
}

func (q *Queue) keep(buf []byte) {
	if len(q.spare) < 4 {
		q.spare = append(q.spare, buf[:0])
	}
}

// Take gives records, oldest first, until give says false or none is left. What is given is valid during the call. The error is about the file; the
// records of a chunk that cannot be read are lost.
func (q *Queue) Take(give func(kind byte, name string, content []byte) bool) error {
	for {
		names, more, err := q.next()
		if err != nil || !more {
			return err
		}
		for q.at < len(q.reading) {
			b := q.reading[q.at:]
			n := int(binary.BigEndian.Uint32(b[3:]))
			q.at += header + n
			if !give(b[0], names[binary.BigEndian.Uint16(b[1:])], b[header:header+n]) {
				return nil
			}
		}
	}
}

// next makes the first chunk with something to give the one being read.
func (q *Queue) next() (names []string, more bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.chunks) > 0 {
		c := &q.chunks[0]
		if c.buf == nil {
			if err := q.read(c); err != nil {
				q.figures.Unread += c.n
				q.drop()
				return nil, false, err
			}
		}
		if q.reading = c.buf; q.at < len(c.buf) { // who puts only appends behind, in memory of the chunk
			return q.name, true, nil
		}
		if len(q.chunks) == 1 {
			q.figures.Memory, q.at = 0, 0
			c.buf = c.buf[:0]
			q.reading = nil
			q.empty()
			return nil, false, nil
		}
		q.figures.Memory -= int64(len(c.buf))
		q.keep(c.buf)
		q.drop()
	}
	return nil, false, nil
}

func (q *Queue) drop() {
	q.chunks[0] = chunk{}
	if q.chunks = q.chunks[1:]; len(q.chunks) == 0 {
		q.chunks = nil
	}
	q.at, q.reading = 0, nil
}

// read moves a chunk back into memory.
func (q *Queue) read(c *chunk) error {
	buf := make([]byte, c.len, chunkSize)
	_, err := q.file.ReadAt(buf, int64(c.slot)*chunkSize)
	q.figures.Disk -= int64(c.len)
	q.slots = append(q.slots, c.slot)
	if err != nil {
		return fmt.Errorf("reading what was spilled to the disk: %w", err)
	}
	c.buf = buf
	q.figures.Memory += int64(len(buf))
	return nil
}

// empty gives the file back.
func (q *Queue) empty() {
	if q.file == nil {
		return
	}
	q.file.Close()
	os.Remove(q.path) // a file that stays is truncated when it is needed again
	q.file, q.slots, q.size = nil, nil, 0
}

// Names are those that records were put under.
func (q *Queue) Names() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.name)
}

// Figures are those of now.
func (q *Queue) Figures() Figures {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.figures
}

// Close removes the file. What is in the queue is lost.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.file == nil {
		return nil
	}
	err := errors.Join(q.file.Close(), os.Remove(q.path))
	q.file, q.chunks = nil, nil
	return err
}

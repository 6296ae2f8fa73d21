package mrt

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// The magic numbers of bzip2, 48 bits each: in front of a block, and of the checksum that ends a stream.
const (
	bzip2Block = 0x314159265359
	bzip2Final = 0x177245385090
	magicBits  = 48
	magicMask  = 1<<magicBits - 1
)

const (
	// maxBzip2Block bounds the search for the end of a block. One of 900,000 symbols of 20 bits is 2.3 MB long with its tables.
	maxBzip2Block = 4 << 20
	// bzip2Ahead is how many octets behind a magic number are looked at: 32 + 1 + 24 + 16 bits, at any bit offset.
	bzip2Ahead = 11
	bzip2Fill  = 64 << 10
)

// What a block is damaged by that ends where its file of one block does.
var (
	errBzip2Block   = errors.New("no end of a bzip2 block where the longest would end")
	errBzip2Overrun = errors.New("bzip2 block does not end where the next one begins")
)

// bzip2Hints has the values that octets 3 and 4 of seven octets with a magic number in them can have, as a set of bits.
var bzip2Hints = func() (set [1 << 16 / 64]uint64) {
	for _, magic := range []uint64{bzip2Block, bzip2Final} {
		for shift := range 8 {
			v := uint16(magic << shift >> 24)
			set[v>>6] |= 1 << (v & 63)
		}
	}
	return set
}()

// bzip2Splitter cuts a bzip2 file, of one stream or several, into files of one block. Blocks begin at any bit.
type bzip2Splitter struct {
	src  io.Reader
	take func() *bunzipBlock // nil: stop
	give func(*bunzipBlock)
	buf  []byte // read and not yet given out
	bit  int    // in buf: where the current block's magic number begins
	err  error  // what src ended with
}

// run goes on to the end of the source, or to the first damage that it has to understand: a worker finds the rest.
func (s *bzip2Splitter) run() {
	for first := true; ; first = false {
		// A stream begins: "BZh", the block size in 100 kB, then a block, or the end of an empty stream.
		const empty = 4 + 6 + 4
		s.fill(empty)
		if len(s.buf) == 0 && s.err == io.EOF && !first {
			return
		}
		head := s.buf[:min(len(s.buf), empty)]
		magic := uint64(0)
		if len(head) >= 10 && string(head[:3]) == "BZh" && head[3] >= '1' && head[3] <= '9' {
			magic = s.bits(32, magicBits)
		}
		switch {
		case magic == bzip2Block:
			s.bit = 32
			if !s.stream(head[3]) {
				return
			}
		case magic == bzip2Final && len(head) == empty && binary.BigEndian.Uint32(head[10:]) == 0:
			s.drop(empty)
		default:
			// compress/bzip2 knows what is wrong with it.
			if b := s.take(); b != nil {
				b.in, b.cut = append(b.in[:0], head...), errBzip2Overrun
				if len(head) < empty {
					b.cut = s.cut()
				}
				s.give(b)
			}
			return
		}
	}
}

// stream gives out the blocks of one stream and leaves buf behind its end. It is false when the source ended first, or after abort.
func (s *bzip2Splitter) stream(level byte) bool {
	var crc uint32 // of the blocks so far, as the end of the stream will state it
	for {
		var block uint32
		if s.fill(s.bit/8 + 6 + bzip2Ahead) {
			block = uint32(s.bits(s.bit+magicBits, 32))
		}
		crc = (crc<<1 | crc>>31) ^ block
		end, magic, cut := s.find(level, crc)
		b := s.take()
		if b == nil {
			return false
		}
		b.in, b.cut = append(b.in[:0], 'B', 'Z', 'h', level), cut
		b.in = appendBits(b.in, s.buf, s.bit, end)
		if cut == nil {
			b.cut = errBzip2Overrun
			var tail [10]byte // the end of a stream whose only block this is
			binary.BigEndian.PutUint64(tail[:], bzip2Final<<16)
			binary.BigEndian.PutUint32(tail[6:], block)
			b.in = appendAt(b.in, (end-s.bit)%8, tail[:])
		}
		s.give(b)
		switch {
		case cut != nil:
			return false
		case magic == bzip2Final:
			s.drop((end + magicBits + 32 + 7) / 8)
			return true
		}
		s.drop(end / 8)
		s.bit = end % 8
	}
}

// find looks for the magic number that ends the current block and gives the bit that it begins at. A number that cannot be one is
// passed over: the worker will meet it as damage. When there is none, end is the end of what there is and cut says why.
func (s *bzip2Splitter) find(level byte, crc uint32) (end int, magic uint64, cut error) {
	from := s.bit + magicBits
	i, w := from/8, uint64(0)
	for {
		more := s.fill(i + bzip2Ahead + 1)
		limit := len(s.buf)
		if more {
			limit -= bzip2Ahead
		}
		for ; i < limit; i++ {
			w = w<<8 | uint64(s.buf[i])
			hint := uint16(w >> 24)
			if bzip2Hints[hint>>6]>>(hint&63)&1 == 0 {
				continue
			}
			for shift := 7; shift >= 0; shift-- {
				at := 8*(i+1) - shift - magicBits
				magic := w >> shift & magicMask
				if at >= from && (magic == bzip2Block && s.begins(at+magicBits, level) || magic == bzip2Final && s.ends(at+magicBits, crc)) {
					return at, magic, nil
				}
			}
		}
		if !more {
			return 8 * len(s.buf), 0, s.cut()
		}
		if 8*i-s.bit > 8*maxBzip2Block {
			return 8 * len(s.buf), 0, errBzip2Block
		}
	}
}

// begins reports whether what stands at a bit can be the head of a block: its checksum, a bit that is always zero, an index into
// the block, and a map of the symbols used, of which there is at least one.
func (s *bzip2Splitter) begins(bit int, level byte) bool {
	return bit+32+1+24+16 <= 8*len(s.buf) && s.bits(bit+32, 1) == 0 &&
		s.bits(bit+33, 24) < 100_000*uint64(level-'0') && s.bits(bit+57, 16) != 0
}

// ends reports whether what stands at a bit is the checksum of the stream.
func (s *bzip2Splitter) ends(bit int, crc uint32) bool {
	return bit+32 <= 8*len(s.buf) && uint32(s.bits(bit, 32)) == crc
}

// bits gives n (at most 48) bits, which must be there.
func (s *bzip2Splitter) bits(bit, n int) (v uint64) {
	first, last := bit/8, (bit+n-1)/8
	for _, o := range s.buf[first : last+1] {
		v = v<<8 | uint64(o)
	}
	return v >> (8*(last+1) - bit - n) & (1<<n - 1)
}

// fill tries to have n octets in buf, and is false when the source ended before.
func (s *bzip2Splitter) fill(n int) bool {
	for empty := 0; len(s.buf) < n && s.err == nil; {
		s.buf = slices.Grow(s.buf, bzip2Fill)
		var m int
		m, s.err = s.src.Read(s.buf[len(s.buf) : len(s.buf)+bzip2Fill])
		s.buf = s.buf[:len(s.buf)+m]
		if m > 0 {
			empty = 0
		} else if empty++; empty > maxEmptyReads && s.err == nil {
			s.err = io.ErrNoProgress
		}
	}
	return len(s.buf) >= n
}

// drop forgets n octets.
func (s *bzip2Splitter) drop(n int) {
	n = min(n, len(s.buf))
	s.buf = s.buf[:copy(s.buf, s.buf[n:])]
}

// cut is why a block ends before its end, once the source has ended.
func (s *bzip2Splitter) cut() error {
	if s.err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return s.err
}

// appendBits appends the bits from one bit of src to another. The last octet is filled up with zeros.
func appendBits(b, src []byte, from, to int) []byte {
	shift, n := from%8, (to-from+7)/8
	src = src[from/8:]
	if shift == 0 {
		b = append(b, src[:n]...)
	} else {
		b = slices.Grow(b, n)
		for i := range n {
			o := src[i] << shift
			if i+1 < len(src) {
				o |= src[i+1] >> (8 - shift)
			}
			b = append(b, o)
		}
	}
	if used := (to - from) % 8; used > 0 {
		b[len(b)-1] &= 0xff << (8 - used)
	}
	return b
}

// appendAt appends whole octets to b, whose last octet has only its first bits used; 0 stands for all.
func appendAt(b []byte, used int, v []byte) []byte {
	if used == 0 {
		return append(b, v...)
	}
	for _, o := range v {
		b[len(b)-1] |= o >> used
		b = append(b, o<<(8-used))
	}
	return b
}

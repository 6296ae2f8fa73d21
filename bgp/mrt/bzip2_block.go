package mrt

import (
	"compress/bzip2"
	"encoding/binary"
	"io"
)

const (
	bzip2Lookup   = 10 // bits of a code that are looked up at once
	bzip2Codes    = 258
	maxBzip2Bits  = 20
	maxBzip2Trees = 6
)

// bzip2Unpacker decompresses one block at a time and keeps its tables for the next. It reads what compressors write; whatever else it
// meets it refuses before it has given any octet, and compress/bzip2, which knows what is wrong, is to be asked.
type bzip2Unpacker struct {
	in   []byte // 8 zero octets follow what is there
	bit  int    // the next
	tt   []uint32
	sel  []uint8
	tree [maxBzip2Trees]bzip2Tree
	crc  uint32 // that the block states

	// What is left to be given, and the run that it is in: as compress/bzip2 counts it.
	next    uint32
	left    int
	last    int32 // -1: no octet
	equal   int
	repeats int
	sum     uint32
}

// bzip2Tree is the canonical prefix code of 2 to 258 symbols, complete.
type bzip2Tree struct {
	short [1 << bzip2Lookup]uint16 // by the first bits: symbol<<5 | length; 0 where the code is longer
	limit [maxBzip2Bits + 1]uint32 // by length, left-aligned in 20 bits: the first code that is longer
	first [maxBzip2Bits + 1]int    // by length: what to add to a code for its place in symbols
	syms  [bzip2Codes]uint16
}

var bzip2CRC = func() (t [256]uint32) {
	for i := range t {
		crc := uint32(i) << 24
		for range 8 {
			crc = crc<<1 ^ 0x04C11DB7&-(crc>>31)
		}
		t[i] = crc
	}
	return t
}()

// bits takes up to 32 bits. Behind the end there are zeros, and open looks at the end.
func (u *bzip2Unpacker) bits(n int) uint32 {
	i := min(u.bit/8, len(u.in)-8)
	v := binary.BigEndian.Uint64(u.in[i:]) << (u.bit & 7) >> (64 - n)
	u.bit += n
	return uint32(v)
}

// open takes a file of one block and is false when it is not plainly that. The block's own checksum is looked at when all of it was read.
// It keeps in, and writes behind its length.
func (u *bzip2Unpacker) open(in []byte) bool {
	u.in, u.bit = append(in, 0, 0, 0, 0, 0, 0, 0, 0), 32
	if len(in) < 14 || string(in[:3]) != "BZh" || in[3] < '1' || in[3] > '9' {
		return false
	}
	size := 100_000 * int(in[3]-'0')
	if u.bits(24) != bzip2Block>>24 || u.bits(24) != bzip2Block&(1<<24-1) {
		return false
	}
	u.crc = u.bits(32)
	if u.bits(1) != 0 {
		return false
	}
	origin := int(u.bits(24))
	var mtf [256]byte
	present, n := u.bits(16), 0
	for i := range 16 {
		if present>>(15-i)&1 == 0 {
			continue
		}
		some := u.bits(16)
		for j := range 16 {
			if some>>(15-j)&1 != 0 {
				mtf[n] = byte(16*i + j)
				n++
			}
		}
	}
	if n == 0 || !u.trees(n+2) {
		return false
	}
	if len(u.tt) < size {
		u.tt = make([]uint32, size)
	}
	var count [256]uint32
	total, ok := u.symbols(u.tt[:size], &mtf, n+1, &count)
	if !ok || origin >= total || 8*len(in)-u.bit > 87 { // at most 7 bits follow the end of the stream
		return false
	}
	if u.bits(24) != bzip2Final>>24 || u.bits(24) != bzip2Final&(1<<24-1) || u.bits(32) != u.crc || u.bit > 8*len(in) {
		return false
	}
	u.invert(total, &count)
	u.next, u.left = u.tt[origin]>>8, total
	u.last, u.equal, u.repeats, u.sum = -1, 0, 0, ^uint32(0)
	return true
}

// trees reads the prefix codes of so many symbols, and which of them is used where.
func (u *bzip2Unpacker) trees(symbols int) bool {
	n, selectors := int(u.bits(3)), int(u.bits(15))
	if n < 2 || n > maxBzip2Trees || selectors == 0 {
		return false
	}
	order := [maxBzip2Trees]uint8{0, 1, 2, 3, 4, 5}
	u.sel = u.sel[:0]
	for range selectors {
		c := 0
		for u.bits(1) != 0 {
			if c++; c >= n {
				return false
			}
		}
		s := order[c]
		copy(order[1:c+1], order[:c])
		order[0] = s
		u.sel = append(u.sel, s)
	}
	var lengths [bzip2Codes]uint8
	for i := range n {
		length := u.bits(5)
		for j := range symbols {
			for {
				if length < 1 || length > maxBzip2Bits {
					return false
				}
				if u.bits(1) == 0 {
					break
				}
				length += 1 - 2*u.bits(1)
			}
			lengths[j] = uint8(length)
		}
		if !u.tree[i].build(lengths[:symbols]) {
			return false
		}
	}
	return u.bit <= 8*(len(u.in)-8)
}

// build is false for a code that is not complete: some bits would mean nothing, or two things.
func (t *bzip2Tree) build(lengths []uint8) bool {
	var count [maxBzip2Bits + 1]int
	for _, l := range lengths {
		count[l]++
	}
	clear(t.short[:])
	code, place := uint32(0), 0 // code is left-aligned in 20 bits
	for l := 1; l <= maxBzip2Bits; l++ {
		step := uint32(1) << (maxBzip2Bits - l)
		t.first[l] = place - int(code/step)
		for s := 0; count[l] > 0 && s < len(lengths); s++ {
			if int(lengths[s]) != l {
				continue
			}
			if code >= 1<<maxBzip2Bits {
				return false
			}
			t.syms[place] = uint16(s)
			if l <= bzip2Lookup {
				at := code >> (maxBzip2Bits - bzip2Lookup)
				for i := range uint32(1) << (bzip2Lookup - l) {
					t.short[at+i] = uint16(s)<<5 | uint16(l)
				}
			}
			place++
			code += step
			count[l]--
		}
		t.limit[l] = code
	}
	return code == 1<<maxBzip2Bits
}

// symbols decodes the block into tt and counts its octets. end is the symbol behind the last.
func (u *bzip2Unpacker) symbols(tt []uint32, mtf *[256]byte, end int, count *[256]uint32) (total int, ok bool) {
	run, power := 0, 0
	in, last := u.in, len(u.in)-8
	at := u.bit
	for _, s := range u.sel {
		t := &u.tree[s]
		for range 50 {
			i := at >> 3
			if i > last {
				return 0, false
			}
			w := uint32(binary.BigEndian.Uint64(in[i:])<<(at&7)>>32) >> (32 - maxBzip2Bits)
			v := int(t.short[w>>(maxBzip2Bits-bzip2Lookup)])
			if v != 0 {
				at += v & 31
				v >>= 5
			} else {
				l := bzip2Lookup + 1
				for w >= t.limit[l] { // the longest code has the limit 1<<20
					l++
				}
				at += l
				v = int(t.syms[t.first[l]+int(w>>(maxBzip2Bits-l))])
			}
			if v < 2 {
				if run == 0 {
					power = 1
				}
				run += power << v
				power <<= 1
				if run > len(tt)-total {
					return 0, false
				}
				continue
			}
			if run > 0 {
				b := mtf[0]
				count[b] += uint32(run)
				fill := tt[total : total+run]
				for i := range fill {
					fill[i] = uint32(b)
				}
				total += run
				run = 0
			}
			if v == end {
				u.bit = at
				return total, true
			}
			if total >= len(tt) {
				return 0, false
			}
			b := mtf[v-1]
			if v <= 16 {
				for i := v - 1; i > 0; i-- {
					mtf[i] = mtf[i-1]
				}
			} else {
				copy(mtf[1:v], mtf[:v-1])
			}
			mtf[0] = b
			tt[total] = uint32(b)
			count[b]++
			total++
		}
	}
	return 0, false
}

// invert undoes the Burrows-Wheeler transform: the upper 24 bits of each entry become the place of the octet that follows.
func (u *bzip2Unpacker) invert(total int, count *[256]uint32) {
	sum := uint32(0)
	for i, n := range count {
		count[i] = sum
		sum += n
	}
	tt := u.tt[:total]
	for i := range tt {
		c := &count[byte(tt[i])]
		tt[*c] |= uint32(i) << 8
		*c++
	}
}

// Read gives the octets of the block; io.EOF comes with the last of them, when their checksum is right.
func (u *bzip2Unpacker) Read(b []byte) (n int, err error) {
	tt, next, left, last, equal, sum := u.tt, u.next, u.left, u.last, u.equal, u.sum
	for n < len(b) {
		if u.repeats > 0 {
			run := b[n:min(len(b), n+u.repeats)]
			for i := range run {
				run[i] = byte(last)
				sum = bzip2CRC[byte(sum>>24)^byte(last)] ^ sum<<8
			}
			n += len(run)
			if u.repeats -= len(run); u.repeats == 0 {
				last = -1
			}
			continue
		}
		if left == 0 {
			break
		}
		next = tt[next]
		o := byte(next)
		next >>= 8
		left--
		if equal == 3 {
			u.repeats, equal = int(o), 0
			continue
		}
		equal++
		if last != int32(o) {
			equal = 0
		}
		last = int32(o)
		b[n] = o
		n++
		sum = bzip2CRC[byte(sum>>24)^o] ^ sum<<8
	}
	u.next, u.left, u.last, u.equal, u.sum = next, left, last, equal, sum
	switch {
	case left > 0 || u.repeats > 0:
		return n, nil
	case ^sum != u.crc:
		return n, bzip2.StructuralError("block checksum mismatch")
	}
	return n, io.EOF
}

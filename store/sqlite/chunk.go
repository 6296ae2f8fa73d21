package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/corewatch/corewatch/detect"
)

// A chunk is a run of samples of one series, strictly ascending in time, as bytes:
//
//	byte     form: 1 plain, 2 the rest is one zstd frame
//	uvarint  number of samples, 1..maxChunk
//	varint   time of the first in microseconds; then the change of the step from each to the next
//	6 times  a column (expected, lost, unobservable, prefixes, lost prefixes, voting): differences as varints, from 0
//	bytes    one bit a sample, low bit first: no data
//
// Differences wrap around, so every 64-bit value has a form. Network series are nearly constant: a sealed minute costs 2 to
// 4 bytes.
const (
	formPlain = 1
	formZstd  = 2

	maxChunk = 512 // samples in a chunk
	sealAt   = 256 // samples in a tail that are sealed into chunks
	plainMax = 512 // bytes below which compression is not worth its frame
	maxPlain = 4096 + maxChunk*(10+3*10+3*5+1)
)

// point is a sample without its series.
type point struct {
	at                           int64 // microseconds since 1970 UTC
	expected, lost, unobservable int64
	prefixes, lostPrefixes       int32
	voting                       int32
	noData                       bool
}

func pointOf(s detect.Sample) point {
	return point{
		at: s.At.Micros(), expected: s.Expected, lost: s.Lost, unobservable: s.Unobservable,
		prefixes: s.Prefixes, lostPrefixes: s.LostPrefixes, voting: s.Voting, noData: s.NoData,
	}
}

func (p point) sample(k seriesKey) detect.Sample {
	return detect.Sample{
		Entity: k.entity, Signal: k.signal, At: timeOf(p.at), Expected: p.expected, Lost: p.lost, Unobservable: p.unobservable,
		Prefixes: p.prefixes, LostPrefixes: p.lostPrefixes, Voting: p.voting, NoData: p.noData,
	}
}

// columnCount is the number of value columns; column reads one and setColumn writes it back.
const columnCount = 6

func (p *point) column(c int) int64 {
	switch c {
	case 0:
		return p.expected
	case 1:
		return p.lost
	case 2:
		return p.unobservable
	case 3:
		return int64(p.prefixes)
	case 4:
		return int64(p.lostPrefixes)
	}
	return int64(p.voting)
}

var errRange = errors.New("a 32-bit column holds a larger number")

func (p *point) setColumn(c int, v int64) error {
	switch c {
	case 0:
		p.expected = v
		return nil
	case 1:
		p.lost = v
		return nil
	case 2:
		p.unobservable = v
		return nil
	}
	if v < math.MinInt32 || v > math.MaxInt32 {
		return errRange
	}
	switch c {
	case 3:
		p.prefixes = int32(v)
	case 4:
		p.lostPrefixes = int32(v)
	default:
		p.voting = int32(v)
	}
	return nil
}

// encodeChunk writes 1..maxChunk strictly ascending points.
func encodeChunk(points []point) []byte {
	b := make([]byte, 1, 64+len(points)*12)
	b[0] = formPlain
	b = binary.AppendUvarint(b, uint64(len(points)))
	var at, stride int64
	for i := range points {
		d := points[i].at - at
		b = binary.AppendVarint(b, d-stride)
		at = points[i].at
		if i > 0 { // the first distance, from 1970, is no step
			stride = d
		}
	}
	for c := range columnCount {
		var last int64
		for i := range points {
			v := points[i].column(c)
			b = binary.AppendVarint(b, v-last)
			last = v
		}
	}
	bits := len(b)
	b = append(b, make([]byte, (len(points)+7)/8)...)
	for i := range points {
		if points[i].noData {
			b[bits+i/8] |= 1 << (i % 8)
		}
	}
	if len(b) <= plainMax {
		return b
	}
	if z := encoder().EncodeAll(b[1:], []byte{formZstd}); len(z) < len(b) {
		return z
	}
	return b
}

var (
	errShort    = errors.New("it ends too early")
	errTrailing = errors.New("bytes follow its end")
	errOrder    = errors.New("its times do not ascend")
)

// decodeChunk reads what encodeChunk wrote. Whatever the bytes, it allocates no more than a full chunk needs.
func decodeChunk(b []byte) ([]point, error) {
	if len(b) == 0 {
		return nil, errShort
	}
	form, b := b[0], b[1:]
	switch form {
	case formPlain:
		if len(b) > maxPlain {
			return nil, fmt.Errorf("it is %d bytes long", len(b))
		}
	case formZstd:
		var err error
		if b, err = chunkDecoder().DecodeAll(b, nil); err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
	default:
		return nil, fmt.Errorf("its form %d is unknown", form)
	}
	count, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, errShort
	}
	b = b[n:]
	if count == 0 || count > maxChunk {
		return nil, fmt.Errorf("it says it holds %d samples", count)
	}
	points := make([]point, count)
	var at, stride int64
	for i := range points {
		v, n := binary.Varint(b)
		if n <= 0 {
			return nil, errShort
		}
		b = b[n:]
		d := v + stride
		next := at + d
		if i > 0 {
			if next <= at {
				return nil, errOrder
			}
			stride = d
		}
		at = next
		points[i].at = at
	}
	for c := range columnCount {
		var last int64
		for i := range points {
			v, n := binary.Varint(b)
			if n <= 0 {
				return nil, errShort
			}
			b = b[n:]
			last += v
			if err := points[i].setColumn(c, last); err != nil {
				return nil, err
			}
		}
	}
	switch want := (len(points) + 7) / 8; {
	case len(b) < want:
		return nil, errShort
	case len(b) > want:
		return nil, errTrailing
	}
	for i := range points {
		points[i].noData = b[i/8]&(1<<(i%8)) != 0
	}
	return points, nil
}

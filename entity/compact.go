package entity

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"
)

//go:generate go run ./internal/gentable -out countries.bin

//go:embed countries.bin
var countriesBin []byte

// Provenance says where a compact table came from and how far it agrees with an independent one. It is the table's own header,
// written by the generator, so it travels with the bytes.
type Provenance struct {
	Name         string    `json:"name"`          // of the reference, "nro-delegated"
	Vintage      string    `json:"vintage"`       // YYYY-MM-DD
	Quality      Quality   `json:"quality"`       //
	Source       string    `json:"source"`        // file the table was made from
	SourceSHA256 string    `json:"source_sha256"` // of that file
	Origin       string    `json:"origin"`        // who holds the rights, and who republished
	Licence      string    `json:"licence"`       // SPDX identifier
	Agreement    Agreement `json:"agreement"`     // with an independent table
}

// DefaultCountries is the built-in table: provisional, for use until registry files are loaded. It is decoded and its digest
// verified once; the table is shared and immutable.
func DefaultCountries() (*CountryTable, error) {
	d, err := loadDefault()
	return d.table, err
}

// DefaultProvenance is the header of the built-in table.
func DefaultProvenance() (Provenance, error) {
	d, err := loadDefault()
	return d.provenance, err
}

type defaultTable struct {
	table      *CountryTable
	provenance Provenance
}

var loadDefault = sync.OnceValues(func() (defaultTable, error) {
	t, p, err := DecodeCompact(bytes.NewReader(countriesBin))
	if err != nil {
		return defaultTable{}, fmt.Errorf("built-in country table: %w", err)
	}
	return defaultTable{t, p}, nil
})

// The compact form is: the magic, a big-endian uint32 length, the Provenance as JSON of that length, the SHA-256 of all the
// rest of the file, and a DEFLATE stream (RFC 1951) of the body. The body holds columns rather than rows, because values of one kind
// compress better together: the country codes (a count byte and two letters each), then for IPv4 and for IPv6 the number of
// ranges and four length-prefixed columns: the gap to the end of the previous range and the size, each split into
// power of two (one byte) and odd part (uvarint), and the country index (one byte).
const (
	compactMagic     = "corewatch-countries-1\n"
	maxCompactHeader = 16 << 10
	maxCompactBody   = 64 << 20
)

// EncodeCompact writes t in the compact form. The same table and provenance give the same bytes.
func EncodeCompact(w io.Writer, t *CountryTable, p Provenance) error {
	header, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode table header: %w", err)
	}
	if len(t.codes) > 255 {
		return fmt.Errorf("encode table: %d country codes, at most 255", len(t.codes))
	}
	body := []byte{byte(len(t.codes))}
	for _, c := range t.codes {
		if len(c) != 2 {
			return fmt.Errorf("encode table: country code %q is not two letters", c)
		}
		body = append(body, c...)
	}
	body = appendColumn(appendColumn(body, &t.v4), &t.v6)
	var packed bytes.Buffer
	z, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		return fmt.Errorf("compress table: %w", err)
	}
	if _, err := z.Write(body); err != nil {
		return fmt.Errorf("compress table: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("compress table: %w", err)
	}
	out := binary.BigEndian.AppendUint32([]byte(compactMagic), uint32(len(header)))
	out = append(out, header...)
	sum := compactDigest(out, packed.Bytes())
	out = append(append(out, sum...), packed.Bytes()...)
	_, err = w.Write(out)
	return err
}

// compactDigest covers everything but itself: what stands before it and what follows it.
func compactDigest(before, after []byte) []byte {
	h := sha256.New()
	h.Write(before)
	h.Write(after)
	return h.Sum(nil)
}

func appendColumn(body []byte, c *column) []byte {
	var gapPower, gapOdd, sizePower, sizeOdd []byte
	var next uint64
	for i := range c.first {
		gapPower, gapOdd = appendSplit(gapPower, gapOdd, c.first[i]-next)
		sizePower, sizeOdd = appendSplit(sizePower, sizeOdd, c.last[i]-c.first[i]+1) // 0 stands for all 2^64 keys
		next = c.last[i] + 1
	}
	body = binary.AppendUvarint(body, uint64(len(c.first)))
	for _, part := range [][]byte{gapPower, gapOdd, sizePower, sizeOdd, c.country} {
		body = binary.AppendUvarint(body, uint64(len(part)))
		body = append(body, part...)
	}
	return body
}

// appendSplit writes v as its power of two and, unless that is all of it, its odd part. Zero is power 64; a pure power of two
// is 65 more than its exponent, so that the many of them cost one byte.
func appendSplit(power, odd []byte, v uint64) (p, o []byte) {
	if v == 0 {
		return append(power, 64), odd
	}
	k := bits.TrailingZeros64(v)
	if v>>k == 1 {
		return append(power, byte(65+k)), odd
	}
	return append(power, byte(k)), binary.AppendUvarint(odd, v>>k>>1)
}

// DecodeCompact reads what EncodeCompact wrote, verifying its digest and that the ranges are sorted and disjoint. The
// Reference of the table carries the SHA-256 of all bytes read.
func DecodeCompact(r io.Reader) (*CountryTable, Provenance, error) {
	var p Provenance
	raw, err := io.ReadAll(io.LimitReader(r, maxCompactBody+1))
	if err != nil {
		return nil, p, fmt.Errorf("read table: %w", err)
	}
	fixed := len(compactMagic) + 4
	if len(raw) > maxCompactBody || len(raw) < fixed || string(raw[:len(compactMagic)]) != compactMagic {
		return nil, p, errors.New("not a compact country table, or larger than 64 MiB")
	}
	n := int(binary.BigEndian.Uint32(raw[len(compactMagic):]))
	if n < 0 || n > maxCompactHeader || len(raw) < fixed+n+sha256.Size {
		return nil, p, errors.New("compact country table is cut short")
	}
	packed := raw[fixed+n+sha256.Size:]
	if !bytes.Equal(compactDigest(raw[:fixed+n], packed), raw[fixed+n:fixed+n+sha256.Size]) {
		return nil, p, errors.New("compact country table: digest does not match its contents; fetch or build it again")
	}
	if err := json.Unmarshal(raw[fixed:fixed+n], &p); err != nil {
		return nil, p, fmt.Errorf("compact country table: header: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxCompactBody+1))
	if err != nil || len(body) > maxCompactBody {
		return nil, p, fmt.Errorf("compact country table: body: %w", errors.Join(err, overLimit(len(body))))
	}
	whole := sha256.Sum256(raw)
	t := &CountryTable{ref: Reference{Name: p.Name, Vintage: p.Vintage, SHA256: hex.EncodeToString(whole[:]), Quality: p.Quality}}
	if err := t.readBody(body); err != nil {
		return nil, p, fmt.Errorf("compact country table: %w", err)
	}
	return t, p, nil
}

func overLimit(n int) error {
	if n > maxCompactBody {
		return errors.New("larger than 64 MiB")
	}
	return nil
}

var errCompact = errors.New("body is damaged")

func (t *CountryTable) readBody(body []byte) error {
	if len(body) == 0 || len(body) < 1+2*int(body[0]) {
		return errCompact
	}
	codes := body[1 : 1+2*int(body[0])]
	for i := 0; i < len(codes); i += 2 {
		t.codes = append(t.codes, string(codes[i:i+2]))
	}
	rest, err := t.v4.read(body[1+len(codes):], len(t.codes), 1<<32-1)
	if err != nil {
		return err
	}
	rest, err = t.v6.read(rest, len(t.codes), ^uint64(0))
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return errCompact
	}
	return nil
}

// read takes one column off the front of body.
func (c *column) read(body []byte, codes int, most uint64) (rest []byte, err error) {
	n, k := binary.Uvarint(body)
	if k <= 0 || n > maxSpans {
		return nil, errCompact
	}
	body = body[k:]
	var parts [5][]byte
	for i := range parts {
		size, k := binary.Uvarint(body)
		if k <= 0 || size > uint64(len(body)-k) {
			return nil, errCompact
		}
		parts[i], body = body[k:k+int(size)], body[k+int(size):]
	}
	gaps, sizes := splitReader{parts[0], parts[1]}, splitReader{parts[2], parts[3]}
	if uint64(len(parts[4])) != n || uint64(len(parts[0])) != n || uint64(len(parts[2])) != n {
		return nil, errCompact
	}
	c.first, c.last, c.country = make([]uint64, n), make([]uint64, n), parts[4]
	var next uint64
	for i := range c.first {
		gap, ok1 := gaps.next()
		size, ok2 := sizes.next()
		first := next + gap
		last := first + size - 1
		wrapped := i > 0 && next == 0 // the previous range ended the key space
		if !ok1 || !ok2 || wrapped || first < next || last < first || last > most || int(c.country[i]) >= codes {
			return nil, errCompact
		}
		c.first[i], c.last[i], next = first, last, last+1
	}
	if len(gaps.odd) != 0 || len(sizes.odd) != 0 {
		return nil, errCompact
	}
	return body, nil
}

// splitReader reads what appendSplit wrote.
type splitReader struct{ power, odd []byte }

func (s *splitReader) next() (v uint64, ok bool) {
	k := s.power[0]
	s.power = s.power[1:]
	switch {
	case k == 64:
		return 0, true
	case k > 64 && k < 65+64:
		return 1 << (k - 65), true
	case k > 64:
		return 0, false
	}
	half, n := binary.Uvarint(s.odd)
	if n <= 0 {
		return 0, false
	}
	s.odd = s.odd[n:]
	v = half<<1 | 1
	return v << k, v<<k>>k == v && v > 1
}

package truth

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp/mrt"
)

// paper is a record written by hand: BGP4MP_MESSAGE_AS4 records of one collector, in the order written.
type paper struct{ raw []byte }

// base is the time of second 0: the beginning of a minute.
const base = 1_200_000_000

func (p *paper) record(at int, subtype uint16, as uint32, addr byte, rest []byte) {
	body := binary.BigEndian.AppendUint32(nil, as)
	body = binary.BigEndian.AppendUint32(body, 65000)
	body = append(body, 0, 0, 0, 1, 192, 0, 2, addr, 192, 0, 2, 254)
	body = append(body, rest...)
	p.raw = binary.BigEndian.AppendUint32(p.raw, uint32(base+at))
	p.raw = binary.BigEndian.AppendUint16(p.raw, 16)
	p.raw = binary.BigEndian.AppendUint16(p.raw, subtype)
	p.raw = binary.BigEndian.AppendUint32(p.raw, uint32(len(body)))
	p.raw = append(p.raw, body...)
}

// peer is a session: AS 64600 + its number, unless as is given.
type peer struct {
	n  int
	as uint32
}

func (s peer) AS() uint32 {
	if s.as != 0 {
		return s.as
	}
	return 64600 + uint32(s.n)
}

func (p *paper) update(at int, s peer, msg []byte) { p.record(at, 4, s.AS(), byte(s.n+1), msg) }

func (p *paper) announce(at int, s peer, origin uint32, prefixes ...string) {
	p.update(at, s, message(nil, attribute(2, pathOf(s.AS(), origin)), nlri(prefixes...)))
}

func (p *paper) withdraw(at int, s peer, prefixes ...string) {
	for chunk := range slices.Chunk(prefixes, 500) {
		p.update(at, s, message(nlri(chunk...), nil, nil))
	}
}

func (p *paper) state(at int, s peer, before, after uint16) {
	p.record(at, 5, s.AS(), byte(s.n+1), binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, before), after))
}

// idle lets the record last until second at.
func (p *paper) idle(at int) {
	p.update(at, peer{n: 0}, append(bytes.Repeat([]byte{0xff}, 16), 0, 19, 4)) // KEEPALIVE
}

func (p *paper) Each(each func(string, *mrt.Record, *mrt.Content) error) error {
	r := mrt.NewReader(bytes.NewReader(p.raw))
	var (
		d mrt.Decoder
		c mrt.Content
	)
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := d.Decode(rec, &c); err != nil {
			return err
		}
		if err := each("paper", rec, &c); err != nil {
			return err
		}
	}
}

func message(withdrawn, attrs, announced []byte) []byte {
	b := append(bytes.Repeat([]byte{0xff}, 16), 0, 0, 2)
	b = binary.BigEndian.AppendUint16(b, uint16(len(withdrawn)))
	b = append(b, withdrawn...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(attrs)))
	b = append(append(b, attrs...), announced...)
	binary.BigEndian.PutUint16(b[16:], uint16(len(b)))
	return b
}

func attribute(code byte, value []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0x50, code}, uint16(len(value))), value...)
}

func pathOf(as ...uint32) []byte {
	b := []byte{2, byte(len(as))}
	for _, a := range as {
		b = binary.BigEndian.AppendUint32(b, a)
	}
	return b
}

func nlri(prefixes ...string) (b []byte) {
	for _, s := range prefixes {
		p := netip.MustParsePrefix(s)
		b = append(b, byte(p.Bits()))
		b = append(b, p.Addr().AsSlice()[:(p.Bits()+7)/8]...)
	}
	return b
}

// block makes n /24s of 10.x.y.0, beginning with number from.
func block(from, n int) (out []string) {
	for i := from; i < from+n; i++ {
		out = append(out, fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))
	}
	return out
}

// ten are ten sessions of ten ASNs.
func ten() (out []peer) {
	for n := range 10 {
		out = append(out, peer{n: n})
	}
	return out
}

func derive(t *testing.T, p *paper, country func(netip.Prefix, uint32) string) *Result {
	t.Helper()
	res, err := Derive(p, country)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// at is second s of the paper as the events give it.
func at(s int) int64 { return (base + int64(s)) * second }

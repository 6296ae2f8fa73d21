package mrt

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

// seeds are streams of every supported record, whole and damaged.
func seeds() [][]byte {
	stream := slices.Concat(
		slices.Concat(threeRecords()...),
		record(t0+3, TypeBGP4MPET, subMessageAS4, unhex("00000001"+session4+withdraw)),
		record(t0+3, TypeBGP4MP, subStateChange, unhex(session2+"0006 0001")),
		record(t0+4, TypeTableDumpV2, subPeerIndex, unhex(peerTable)),
		record(t0+4, TypeTableDumpV2, subRIB4Unicast, unhex("00000000 18 cb0071 0001 0000 00000005 0004 40010100")),
		record(t0+4, TypeTableDumpV2, subRIB6UniAdd, unhex("00000000 20 20010db8 0001 0001 00000005 00000009 0004 40010100")),
		record(t0+4, TypeTableDump, 1, unhex("0000 0001 cb007100 18 01 00000005 c0000201 fde8 0004 40010100")),
		record(t0+4, TypeBGP, 1, unhex("fde8 c0000201 1902 c0000202 0004 18 cb0071 0000")),
	)
	out := [][]byte{nil, stream, stream[:len(stream)-3], stream[5:], append(slices.Clone(stream[:100]), stream[60:]...)}
	for at := 8; at < len(stream); at += 37 {
		c := slices.Clone(stream)
		c[at] ^= 0x55
		out = append(out, c)
	}
	return out
}

// FuzzReader checks that any stream ends, that its bytes are accounted for in order and without a gap, and that the portions in
// which a source gives them do not matter.
func FuzzReader(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s, uint16(7))
	}
	f.Fuzz(func(t *testing.T, in []byte, portion uint16) {
		a := NewBytesReader(in)
		b := NewReader(&portions{in, int(portion)%64 + 1})
		at := int64(0)
		for {
			ra, ea := a.Next()
			rb, eb := b.Next()
			var ta, tb *TornError
			switch {
			case ea == nil && eb == nil:
				if ra.Offset != at || rb.Offset != at || !bytes.Equal(ra.Raw, in[at:at+int64(len(ra.Raw))]) || !bytes.Equal(ra.Raw, rb.Raw) {
					t.Fatalf("at %d: records %+v and %+v", at, ra, rb)
				}
				at += int64(len(ra.Raw))
			case errors.As(ea, &ta) && errors.As(eb, &tb):
				if ta.Offset != at || ta.Length < 1 || *ta != *tb {
					t.Fatalf("at %d: %v and %v", at, ta, tb)
				}
				at += ta.Length
			case ea == io.EOF && eb == io.EOF:
				if at != int64(len(in)) {
					t.Fatalf("%d of %d bytes accounted for", at, len(in))
				}
				return
			default:
				t.Fatalf("at %d: errors %v and %v", at, ea, eb)
			}
		}
	})
}

// portions gives at most n bytes a call.
type portions struct {
	b []byte
	n int
}

func (p *portions) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.n)], p.b)
	p.b = p.b[n:]
	return n, nil
}

// FuzzDecode checks that no record makes the decoder or the UPDATE parser fail in another way than by an error, and that every
// prefix and peer they give is valid.
func FuzzDecode(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := NewReader(bytes.NewReader(in))
		var (
			d Decoder
			c Content
			u wire.Update
			e bgp.Elem
			n int
		)
		for {
			rec, err := r.Next()
			if err == io.EOF {
				return
			}
			if err != nil || d.Decode(rec, &c) != nil {
				continue
			}
			switch c.Kind {
			case Message:
				if !c.PeerAddr.IsValid() || len(c.BGP) < bgpHeaderLen {
					t.Fatalf("message %+v", c)
				}
				if u.Parse(c.BGP, c.Opts) == nil {
					for u.Next(&e) {
						n++
					}
				}
			case RIBEntries:
				var en RIBEntry
				for c.RIB.Next(&en) {
					if !en.PeerAddr.IsValid() || !en.Prefix.Valid() {
						t.Fatalf("entry %+v", en)
					}
					u.ParseRIB(en.Attrs, c.Opts)
					e = u.RIBElem(en.Prefix, en.PathID)
					n++
				}
				_ = c.RIB.Err()
			case Skipped:
				if c.Reason == "" {
					t.Fatal("skipped without a reason")
				}
			case StateChange, PeerIndex:
			default:
				t.Fatalf("kind %d", c.Kind)
			}
			if n > len(in) {
				t.Fatalf("%d elems of %d bytes", n, len(in))
			}
		}
	})
}

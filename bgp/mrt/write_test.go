package mrt_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// seeds is how many random streams a test makes.
func seeds(tb testing.TB) uint64 {
	tb.Helper()
	text := os.Getenv("COREWATCH_SEEDS")
	if text == "" {
		return 20
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		tb.Fatalf("COREWATCH_SEEDS: %v", err)
	}
	return n
}

func randomAddr(r *rand.Rand, v6 bool) netip.Addr {
	if v6 {
		var a [16]byte
		binary.BigEndian.PutUint64(a[:], 0x20010db8<<32|r.Uint64()>>32)
		binary.BigEndian.PutUint64(a[8:], r.Uint64())
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte{198, 18, byte(r.Uint32()), byte(1 + r.IntN(254))})
}

func randomPrefix(r *rand.Rand, v6 bool) bgp.Prefix {
	if v6 {
		return bgp.PrefixFrom6(0x20010db8<<32|r.Uint64()>>32, r.Uint64(), uint8(r.IntN(129)))
	}
	return bgp.PrefixFrom4(r.Uint32(), uint8(r.IntN(33)))
}

// randomTime is any time that MRT can write; the seconds around 2^31 and the two ends come often.
func randomTime(r *rand.Rand) bgp.Micros {
	secs := int64(r.Uint32())
	switch r.IntN(4) {
	case 0:
		secs = 1<<31 - 2 + r.Int64N(4)
	case 1:
		secs = []int64{0, 1, 1<<32 - 1}[r.IntN(3)]
	}
	return bgp.Seconds(secs) + bgp.Micros([]int64{0, 1, 999_999, r.Int64N(1e6)}[r.IntN(4)])
}

func randomEnvelope(r *rand.Rand) mrt.Envelope {
	v6 := r.IntN(2) == 0
	e := mrt.Envelope{
		PeerAS: r.Uint32(), LocalAS: r.Uint32(), PeerAddr: randomAddr(r, v6), LocalAddr: randomAddr(r, v6), Interface: uint16(r.Uint32()),
		AS2: r.IntN(3) == 0, AddPath: r.IntN(3) == 0, Local: r.IntN(4) == 0,
	}
	if e.AS2 {
		e.PeerAS, e.LocalAS = e.PeerAS&0xffff, e.LocalAS&0xffff
	}
	if r.IntN(8) == 0 {
		e.LocalAddr = netip.Addr{}
	}
	return e
}

// update is an UPDATE made by hand, octet by octet, with what it says.
type update struct {
	msg   []byte
	elems []bgp.Elem // Kind, Prefix, PathID, Origin
}

func appendPrefix(b []byte, p bgp.Prefix, addPath bool, id uint32) []byte {
	if addPath {
		b = binary.BigEndian.AppendUint32(b, id)
	}
	b = append(b, byte(p.Len()))
	return append(b, p.Netip().Addr().AsSlice()[:(p.Len()+7)/8]...)
}

// randomUpdate announces and withdraws a few prefixes of both families.
func randomUpdate(r *rand.Rand, e mrt.Envelope) (u update) {
	origin := 1 + r.Uint32N(1<<16-2)
	if !e.AS2 && r.IntN(2) == 0 {
		origin = 1 + r.Uint32N(1<<32-2)
	}
	var fields [4][]byte // withdrawn v4, withdrawn v6, announced v4, announced v6: the order of Next
	for i := range fields {
		for range r.IntN(3) {
			el := bgp.Elem{Kind: bgp.Withdraw, Prefix: randomPrefix(r, i%2 == 1)}
			if e.AddPath {
				el.PathID = r.Uint32()
			}
			if i >= 2 {
				el.Kind, el.Origin = bgp.Announce, origin
			}
			fields[i] = appendPrefix(fields[i], el.Prefix, e.AddPath, el.PathID)
			u.elems = append(u.elems, el)
		}
	}
	var attrs []byte
	if len(fields[2])+len(fields[3]) > 0 {
		attrs = append(attrs, 0x40, 1, 1, 0)
		if e.AS2 {
			attrs = append(attrs, 0x40, 2, 6, 2, 2, 0xfd, 0xe8)
			attrs = binary.BigEndian.AppendUint16(attrs, uint16(origin))
		} else {
			attrs = append(attrs, 0x40, 2, 10, 2, 2, 0, 3, 0x0d, 0x40)
			attrs = binary.BigEndian.AppendUint32(attrs, origin)
		}
		if len(fields[2]) > 0 {
			attrs = append(attrs, 0x40, 3, 4, 192, 0, 2, 1)
		}
		attrs = append(attrs, 0xc0, 8, 4, 0, 1, 0, 2)
	}
	if v := fields[3]; len(v) > 0 {
		attrs = append(attrs, 0x90, 14)
		attrs = binary.BigEndian.AppendUint16(attrs, uint16(21+len(v)))
		hop := netip.MustParseAddr("2001:db8::1").As16()
		attrs = append(append(append(attrs, 0, 2, 1, 16), hop[:]...), 0)
		attrs = append(attrs, v...)
	}
	if v := fields[1]; len(v) > 0 {
		attrs = append(attrs, 0x90, 15)
		attrs = binary.BigEndian.AppendUint16(attrs, uint16(3+len(v)))
		attrs = append(append(attrs, 0, 2, 1), v...)
	}
	m := append(bytes.Repeat([]byte{0xff}, 16), 0, 0, 2)
	m = binary.BigEndian.AppendUint16(m, uint16(len(fields[0])))
	m = append(m, fields[0]...)
	m = binary.BigEndian.AppendUint16(m, uint16(len(attrs)))
	m = append(append(m, attrs...), fields[2]...)
	binary.BigEndian.PutUint16(m[16:], uint16(len(m)))
	u.msg = m
	return u
}

// written is what one record was made of.
type written struct {
	at       bgp.Micros
	e        mrt.Envelope
	update   // of a message
	from, to bgp.State
	raw      []byte
}

// randomRecords is a stream of n records of any kind that BGP4MP has.
func randomRecords(t *testing.T, r *rand.Rand, n int) (raw []byte, list []written) {
	t.Helper()
	for range n {
		w := written{at: randomTime(r), e: randomEnvelope(r)}
		start := len(raw)
		var err error
		if r.IntN(5) == 0 {
			w.from, w.to = bgp.State(1+r.IntN(6)), bgp.State(1+r.IntN(6))
			raw, err = mrt.AppendStateChange(raw, w.at, w.e, w.from, w.to)
		} else {
			w.update = randomUpdate(r, w.e)
			raw, err = mrt.AppendMessage(raw, w.at, w.e, w.msg)
		}
		if err != nil {
			t.Fatalf("%+v: %v", w, err)
		}
		w.raw = raw[start:]
		list = append(list, w)
	}
	return raw, list
}

// TestWriteRecords reads random records back: every field, every octet of the message, and every elem must be what was written.
func TestWriteRecords(t *testing.T) {
	for seed := range seeds(t) {
		r := rand.New(rand.NewPCG(seed, 1))
		raw, list := randomRecords(t, r, 50)
		rd := mrt.NewReader(bytes.NewReader(raw))
		var (
			d mrt.Decoder
			c mrt.Content
			u wire.Update
			e bgp.Elem
		)
		for i, w := range list {
			rec, err := rd.Next()
			if err != nil {
				t.Fatalf("seed %d, record %d: %v", seed, i, err)
			}
			if err := d.Decode(rec, &c); err != nil {
				t.Fatalf("seed %d, record %d: %v", seed, i, err)
			}
			if rec.Time != w.at || c.PeerAS != w.e.PeerAS || c.LocalAS != w.e.LocalAS || c.PeerAddr != w.e.PeerAddr {
				t.Fatalf("seed %d, record %d: %v %+v, written %v %+v", seed, i, rec.Time, c, w.at, w.e)
			}
			if w.msg == nil {
				if c.Kind != mrt.StateChange || c.OldState != w.from || c.NewState != w.to {
					t.Fatalf("seed %d, record %d: %+v, written %v to %v", seed, i, c, w.from, w.to)
				}
				continue
			}
			opts := wire.Options{AS4: !w.e.AS2, AddPath4: w.e.AddPath, AddPath6: w.e.AddPath, IBGP: w.e.PeerAS == w.e.LocalAS}
			if c.Kind != mrt.Message || !bytes.Equal(c.BGP, w.msg) || c.Opts != opts || c.Local != w.e.Local {
				t.Fatalf("seed %d, record %d: %+v, written %+v", seed, i, c, w)
			}
			if err := u.Parse(c.BGP, c.Opts); err != nil {
				t.Fatalf("seed %d, record %d: %v", seed, i, err)
			}
			var got []bgp.Elem
			for u.Next(&e) {
				got = append(got, bgp.Elem{Kind: e.Kind, Prefix: e.Prefix, PathID: e.PathID, Origin: e.Origin, Cause: e.Cause})
			}
			if !slices.Equal(got, w.elems) {
				t.Fatalf("seed %d, record %d: %v, written %v", seed, i, got, w.elems)
			}
		}
		if _, err := rd.Next(); err != io.EOF {
			t.Errorf("seed %d: after the last record: %v", seed, err)
		}
	}
}

// TestWriteForms holds the subtype and the addresses that an Envelope leads to.
func TestWriteForms(t *testing.T) {
	keepalive := append(bytes.Repeat([]byte{0xff}, 16), 0, 19, 4)
	four, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, c := range []struct {
		name string
		e    mrt.Envelope
		sub  uint16
		body string // of the ends: hex
	}{
		{"MESSAGE", mrt.Envelope{PeerAS: 1, LocalAS: 70000, PeerAddr: four, AS2: true}, 1, "0001 5ba0 0000 0001 c0000201 00000000"},
		{"MESSAGE_AS4", mrt.Envelope{PeerAS: 1, LocalAS: 70000, PeerAddr: four, LocalAddr: four, Interface: 7}, 4, "00000001 00011170 0007 0001 c0000201 c0000201"},
		{"mapped", mrt.Envelope{PeerAddr: netip.AddrFrom16(four.As16()), LocalAddr: four}, 4, "00000000 00000000 0000 0001 c0000201 c0000201"},
		{"IPv6", mrt.Envelope{PeerAddr: six.WithZone("eth0")}, 4, "00000000 00000000 0000 0002 20010db8000000000000000000000001" + strings.Repeat("00", 16)},
		{"MESSAGE_LOCAL", mrt.Envelope{PeerAddr: four, AS2: true, Local: true}, 6, "0000 0000 0000 0001 c0000201 00000000"},
		{"MESSAGE_AS4_LOCAL", mrt.Envelope{PeerAddr: four, Local: true}, 7, "00000000 00000000 0000 0001 c0000201 00000000"},
		{"MESSAGE_ADDPATH", mrt.Envelope{PeerAddr: four, AS2: true, AddPath: true}, 8, "0000 0000 0000 0001 c0000201 00000000"},
		{"MESSAGE_AS4_ADDPATH", mrt.Envelope{PeerAddr: four, AddPath: true}, 9, "00000000 00000000 0000 0001 c0000201 00000000"},
		{"MESSAGE_LOCAL_ADDPATH", mrt.Envelope{PeerAddr: four, AS2: true, AddPath: true, Local: true}, 10, "0000 0000 0000 0001 c0000201 00000000"},
		{"MESSAGE_AS4_LOCAL_ADDPATH", mrt.Envelope{PeerAddr: four, AddPath: true, Local: true}, 11, "00000000 00000000 0000 0001 c0000201 00000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := bgp.Seconds(1<<31) + 5
			b, err := mrt.AppendMessage([]byte("before"), at, c.e, keepalive)
			if err != nil {
				t.Fatal(err)
			}
			body := strings.ReplaceAll(c.body, " ", "")
			want := fmt.Sprintf("before80000000 0011 %04x %08x 00000005 %s", c.sub, 4+len(body)/2+len(keepalive), body)
			want = strings.ReplaceAll(want, " ", "")
			if got := fmt.Sprintf("before%x", b[len("before"):len(b)-len(keepalive)]); got != want || !bytes.HasSuffix(b, keepalive) || !bytes.HasPrefix(b, []byte("before")) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			b, err = mrt.AppendStateChange(nil, at, c.e, 6, 1)
			sub := uint16(5)
			if c.e.AS2 {
				sub = 0
			}
			want = strings.ReplaceAll(fmt.Sprintf("80000000 0011 %04x %08x 00000005 %s 0006 0001", sub, 4+len(body)/2+4, body), " ", "")
			if got := fmt.Sprintf("%x", b); err != nil || got != want {
				t.Errorf("state\ngot  %s, %v\nwant %s", got, err, want)
			}
		})
	}
}

// TestWriteRefusals: what has no form in MRT is an error that names the figure, and nothing is appended.
func TestWriteRefusals(t *testing.T) {
	good := mrt.Envelope{PeerAS: 64500, PeerAddr: netip.MustParseAddr("192.0.2.1")}
	msg := append(bytes.Repeat([]byte{0xff}, 16), 0, 19, 4)
	mixed, nobody, wide := good, good, good
	mixed.LocalAddr = netip.MustParseAddr("2001:db8::1")
	nobody.PeerAddr = netip.Addr{}
	wide.PeerAS, wide.AS2 = 1<<16, true
	for _, c := range []struct {
		name string
		at   bgp.Micros
		e    mrt.Envelope
		msg  []byte
		want error
		text string
	}{
		{"before 1970", -1, good, msg, mrt.ErrTime, "1969-12-31"},
		{"after 2106", bgp.Seconds(1 << 32), good, msg, mrt.ErrTime, "2106-02-07"},
		{"two families", 0, mixed, msg, mrt.ErrSession, "2001:db8::1"},
		{"no peer", 0, nobody, msg, mrt.ErrSession, "invalid IP"},
		{"an old peer with a new number", 0, wide, msg, mrt.ErrTwoOctetAS, "AS65536"},
		{"no header", 0, good, msg[:18], mrt.ErrMessageLength, "18"},
		{"too long", 0, good, make([]byte, 65536), mrt.ErrMessageLength, "65536"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := mrt.AppendMessage([]byte("before"), c.at, c.e, c.msg)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || string(b) != "before" {
				t.Errorf("%q, error %v", b, err)
			}
			if c.want == mrt.ErrMessageLength {
				return
			}
			b, err = mrt.AppendStateChange([]byte("before"), c.at, c.e, 6, 1)
			if !errors.Is(err, c.want) || string(b) != "before" {
				t.Errorf("state: %q, error %v", b, err)
			}
		})
	}
	if b, err := mrt.AppendMessage(nil, bgp.Seconds(1<<32)-1, good, make([]byte, 65535)); err != nil || len(b) != 12+4+20+65535 {
		t.Errorf("the last second and the longest message: %d octets, %v", len(b), err)
	}
}

// TestWriteAllocations: records go into the caller's buffer and nowhere else.
func TestWriteAllocations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	e := mrt.Envelope{PeerAS: 64500, PeerAddr: netip.MustParseAddr("2001:db8::2"), LocalAddr: netip.MustParseAddr("2001:db8::1")}
	u := randomUpdate(r, e)
	tw, err := mrt.NewTableWriter(io.Discard, 1, netip.Addr{}, "", []mrt.TablePeer{{Addr: e.PeerAddr, AS: e.PeerAS}})
	if err != nil {
		t.Fatal(err)
	}
	p, entries := randomPrefix(r, true), []mrt.TableEntry{{Attrs: u.msg}, {Attrs: u.msg}}
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		b, err := mrt.AppendMessage(buf, 1, e, u.msg)
		if err == nil {
			_, err = mrt.AppendStateChange(b, 1, e, 6, 1)
		}
		if err == nil {
			err = tw.Put(p, entries)
		}
		if err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

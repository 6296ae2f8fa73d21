package mrt

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

func decode(d *Decoder, typ, sub uint16, body string) (Content, error) {
	var c Content
	var rec Record
	raw := record(t0, typ, sub, unhex(body))
	rec.set(parseHeader(raw), raw, 0)
	err := d.Decode(&rec, &c)
	return c, err
}

func TestDecodeMessages(t *testing.T) {
	four, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, c := range []struct {
		name  string
		sub   uint16
		body  string
		as    uint32
		addr  netip.Addr
		opts  wire.Options
		local bool
	}{
		{"MESSAGE", 1, session2 + withdraw, 65000, four, wire.Options{}, false},
		{"MESSAGE_AS4", 4, session4 + withdraw, 200000, six, wire.Options{AS4: true}, false},
		{"MESSAGE_LOCAL", 6, session2 + withdraw, 65000, four, wire.Options{}, true},
		{"MESSAGE_AS4_LOCAL", 7, session4 + withdraw, 200000, six, wire.Options{AS4: true}, true},
		{"MESSAGE_ADDPATH", 8, session2 + withdraw, 65000, four, wire.Options{AddPath4: true, AddPath6: true}, false},
		{"MESSAGE_AS4_ADDPATH", 9, session4 + withdraw, 200000, six, wire.Options{AS4: true, AddPath4: true, AddPath6: true}, false},
		{"MESSAGE_LOCAL_ADDPATH", 10, session2 + withdraw, 65000, four, wire.Options{AddPath4: true, AddPath6: true}, true},
		{"MESSAGE_AS4_LOCAL_ADDPATH", 11, session4 + withdraw, 200000, six, wire.Options{AS4: true, AddPath4: true, AddPath6: true}, true},
		{"cut by the collector", 1, session2 + withdraw[:len(withdraw)-6], 65000, four, wire.Options{Truncated: true}, false},
		{"internal", 1, "1902 1902 0000 0001 c0000201 c0000202" + withdraw, 6402, four, wire.Options{IBGP: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, typ := range []uint16{TypeBGP4MP, TypeBGP4MPET} {
				body := c.body
				if typ == TypeBGP4MPET {
					body = "00000001" + body
				}
				got, err := decode(new(Decoder), typ, c.sub, body)
				if err != nil || got.Kind != Message || got.PeerAS != c.as || got.LocalAS != 6402 || got.PeerAddr != c.addr || got.Opts != c.opts || got.Local != c.local {
					t.Errorf("type %d: %+v, %v", typ, got, err)
				}
				if ty, err := wire.MessageType(got.BGP); err != nil || ty != wire.TypeUpdate {
					t.Errorf("type %d: message type %d, %v", typ, ty, err)
				}
			}
		})
	}
}

func TestDecodeStates(t *testing.T) {
	for _, c := range []struct {
		typ, sub uint16
		body     string
		as       uint32
	}{
		{TypeBGP4MP, 0, session2 + "0006 0001", 65000},
		{TypeBGP4MP, 5, session4 + "0006 0001", 200000},
		{TypeBGP, 3, "fde8 c0000201 0006 0001", 65000},
	} {
		got, err := decode(new(Decoder), c.typ, c.sub, c.body)
		if err != nil || got.Kind != StateChange || got.PeerAS != c.as || got.OldState != bgp.Established || got.NewState != 1 {
			t.Errorf("%d/%d: %+v, %v", c.typ, c.sub, got, err)
		}
	}
	got, err := decode(new(Decoder), TypeBGP4MP, 0, session2+"0007 0008")
	if err != nil || got.OldState.String() != "Clearing" || got.NewState.String() != "Deleted" {
		t.Errorf("Quagga's states: %+v, %v", got, err)
	}
}

func TestDecodeSkipped(t *testing.T) {
	for _, c := range []struct {
		typ, sub uint16
		reason   string
	}{
		{TypeBGP4MP, 2, SkipSubtype},
		{TypeBGP4MP, 99, SkipSubtype},
		{TypeTableDumpV2, 3, SkipMulticast},
		{TypeTableDumpV2, 5, SkipMulticast},
		{TypeTableDumpV2, 6, SkipGeneric},
		{TypeTableDumpV2, 7, SkipGeo},
		{TypeTableDumpV2, 9, SkipMulticast},
		{TypeTableDumpV2, 12, SkipGeneric},
		{TypeTableDumpV2, 13, SkipSubtype},
		{TypeTableDump, 9, SkipSubtype},
		{TypeBGP, 7, SkipLegacy},
		{11, 0, SkipType},
		{48, 0, SkipType},
	} {
		got, err := decode(new(Decoder), c.typ, c.sub, "00")
		if err != nil || got.Kind != Skipped || got.Reason != c.reason {
			t.Errorf("%d/%d: %+v, %v", c.typ, c.sub, got, err)
		}
	}
}

func TestDecodeMalformed(t *testing.T) {
	for _, c := range []struct {
		name     string
		typ, sub uint16
		body     string
		want     error
	}{
		{"empty", 16, 1, "", ErrShort},
		{"empty AS4", 16, 4, "", ErrShort},
		{"no addresses", 16, 1, "fde8 1902 0000 0001 c000", ErrShort},
		{"half a v6 session", 16, 4, session4[:40], ErrShort},
		{"family 3", 16, 1, "fde8 1902 0000 0003 c0000201 c0000202", ErrFamily},
		{"no message", 16, 1, session2 + "ffff", ErrShort},
		{"half a state", 16, 0, session2 + "0006", ErrShort},
		{"microseconds missing", 17, 1, "0000", ErrShort},
		{"table without peers", 13, 2, "00000000 18 cb0071 0000", ErrNoPeers},
		{"short peer table", 13, 1, "c0000201 0000", ErrShort},
		{"peer table ends in a peer", 13, 1, "c0000201 0000 0001 02 c0000201 c0000201 0003", ErrShort},
		{"view name overruns", 13, 1, "c0000201 00ff 0000", ErrShort},
		{"short v1 entry", 12, 1, "0000 0001 cb007100 18 01", ErrShort},
		{"v1 prefix", 12, 1, "0000 0001 cb007100 21 01 00000001 c0000201 fde8 0000", ErrPrefix},
		{"v1 of several entries", 12, 1, "0000 0001 cb007100 18 01 00000001 c0000201 fde8 0000 01", ErrEntries},
		{"legacy update", 5, 1, "fde8", ErrShort},
		{"legacy state", 5, 3, "fde8", ErrShort},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := decode(new(Decoder), c.typ, c.sub, c.body); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// peerTable has AS 65000 at 192.0.2.1 and AS 200000 at 2001:db8::1.
const peerTable = "c0000201 0002 7631 0002 00 0a000001 c0000201 fde8 03 0a000002 20010db8000000000000000000000001 00030d40"

func TestDecodeTables(t *testing.T) {
	v4, v6 := bgp.PrefixFrom4(0xcb007100, 24), bgp.PrefixFrom6(0x20010db8<<32, 0, 32)
	const attrs = "0004 40010100"
	for _, c := range []struct {
		name     string
		typ, sub uint16
		body     string
		want     []RIBEntry
		err      error
	}{
		{"v2 IPv4", 13, 2, "00000000 18 cb0071 0002 0000 00000005" + attrs + "0001 00000006" + attrs, []RIBEntry{
			{Prefix: v4, PeerAS: 65000, Originated: bgp.Seconds(5)}, {Prefix: v4, PeerAS: 200000, Originated: bgp.Seconds(6)},
		}, nil},
		{"v2 IPv6", 13, 4, "00000000 20 20010db8 0001 0001 00000005" + attrs, []RIBEntry{{Prefix: v6, PeerAS: 200000, Originated: bgp.Seconds(5)}}, nil},
		{"v2 ADD-PATH", 13, 8, "00000000 18 cb0071 0001 0000 00000005 00000009" + attrs, []RIBEntry{{Prefix: v4, PeerAS: 65000, Originated: bgp.Seconds(5), PathID: 9}}, nil},
		{"v2 IPv6 ADD-PATH", 13, 10, "00000000 20 20010db8 0001 0000 00000005 00000009" + attrs, []RIBEntry{{Prefix: v6, PeerAS: 65000, Originated: bgp.Seconds(5), PathID: 9}}, nil},
		{"peer out of range", 13, 2, "00000000 18 cb0071 0002 0002 00000005" + attrs + "0000 00000006" + attrs, []RIBEntry{{Prefix: v4, PeerAS: 65000, Originated: bgp.Seconds(6)}}, ErrPeerIndex},
		{"ends before its entries do", 13, 2, "00000000 18 cb0071 0002 0000 00000005" + attrs + "0001", []RIBEntry{{Prefix: v4, PeerAS: 65000, Originated: bgp.Seconds(5)}}, ErrEntries},
		{"attributes overrun", 13, 2, "00000000 18 cb0071 0001 0000 00000005 0005 40010100", nil, ErrEntries},
		{"goes on behind its entries", 13, 2, "00000000 18 cb0071 0000 00", nil, ErrEntries},
		{"v1 IPv4", 12, 1, "0000 0001 cb007100 18 01 00000005 c0000201 fde8" + attrs, []RIBEntry{{Prefix: v4, PeerAS: 65000, Originated: bgp.Seconds(5)}}, nil},
		{"v1 of four-octet AS", 12, 3, "0000 0001 cb007100 18 01 00000005 c0000201 00030d40" + attrs, []RIBEntry{{Prefix: v4, PeerAS: 200000, Originated: bgp.Seconds(5)}}, nil},
		{"v1 IPv6", 12, 2, "0000 0001 20010db8000000000000000000000000 20 01 00000005 20010db8000000000000000000000001 fde8" + attrs, []RIBEntry{{Prefix: v6, PeerAS: 65000, Originated: bgp.Seconds(5)}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d Decoder
			if got, err := decode(&d, 13, 1, peerTable); err != nil || got.Kind != PeerIndex {
				t.Fatalf("%+v, %v", got, err)
			}
			got, err := decode(&d, c.typ, c.sub, c.body)
			if err != nil || got.Kind != RIBEntries || got.Opts.AS4 != (c.typ == 13 || c.sub > 2) {
				t.Fatalf("%+v, %v", got, err)
			}
			var e RIBEntry
			n := 0
			for ; got.RIB.Next(&e); n++ {
				if string(e.Attrs) != string(unhex("40010100")) || !e.PeerAddr.IsValid() {
					t.Errorf("entry %+v", e)
				}
				e.Attrs, e.PeerAddr = nil, netip.Addr{}
				if n >= len(c.want) || e.Prefix != c.want[n].Prefix || e.PeerAS != c.want[n].PeerAS || e.Originated != c.want[n].Originated || e.PathID != c.want[n].PathID {
					t.Errorf("entry %d is %+v", n, e)
				}
			}
			if n != len(c.want) || !errors.Is(got.RIB.Err(), c.err) {
				t.Errorf("%d entries, error %v", n, got.RIB.Err())
			}
		})
	}
	var d Decoder
	if _, err := decode(&d, 13, 1, peerTable); err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]error{"00000000 21 cb00710000 0000": ErrPrefix, "00000000 18 cb00": ErrShort, "0000": ErrShort, "00000000 18 cb0071 00": ErrShort} {
		if _, err := decode(&d, 13, 2, body); !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", body, err, want)
		}
	}
}

func TestDecodeLegacyUpdate(t *testing.T) {
	got, err := decode(new(Decoder), TypeBGP, 1, "fde8 c0000201 1902 c0000202 0004 18 cb0071 0000")
	if err != nil || got.Kind != Message || got.PeerAS != 65000 {
		t.Fatalf("%+v, %v", got, err)
	}
	var u wire.Update
	var e bgp.Elem
	if err := u.Parse(got.BGP, got.Opts); err != nil || !u.Next(&e) || e.Prefix != bgp.PrefixFrom4(0xcb007100, 24) {
		t.Errorf("%+v, %v", e, err)
	}
}

package mrt

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

// story tells a stream record by record, as a consumer would take it.
func story(t *testing.T, stream []byte) (lines []string) {
	t.Helper()
	var (
		d Decoder
		c Content
		u wire.Update
		e bgp.Elem
	)
	for r := NewReader(bytes.NewReader(stream)); ; {
		rec, err := r.Next()
		if err == io.EOF {
			return lines
		}
		if torn := (*TornError)(nil); errors.As(err, &torn) {
			lines = append(lines, torn.Kind.String())
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(rec, &c); err != nil {
			lines = append(lines, err.Error())
			continue
		}
		switch c.Kind {
		case Message:
			typ, err := wire.MessageType(c.BGP)
			if err != nil || typ != wire.TypeUpdate {
				lines = append(lines, fmt.Sprintf("type %d", typ))
				continue
			}
			if err := u.Parse(c.BGP, c.Opts); err != nil {
				lines = append(lines, err.Error())
				continue
			}
			var l []string
			for u.Next(&e) {
				l = append(l, fmt.Sprintf("%s %s id %d", e.Kind, e.Prefix, e.PathID))
			}
			if u.Faults != 0 {
				l = append(l, u.Faults.String())
			}
			lines = append(lines, strings.Join(l, ", "))
		case StateChange:
			lines = append(lines, fmt.Sprintf("AS%d %s to %s", c.PeerAS, c.OldState, c.NewState))
		case RIBEntries:
			var en RIBEntry
			for c.RIB.Next(&en) {
				lines = append(lines, fmt.Sprintf("AS%d has %s", en.PeerAS, en.Prefix))
			}
			if err := c.RIB.Err(); err != nil {
				lines = append(lines, err.Error())
			}
		case PeerIndex:
			lines = append(lines, "peers")
		case Skipped:
			lines = append(lines, c.Reason)
		}
	}
}

// TestEdgeCases holds, by name, what the bug trackers of other readers are full of, where the tests of Reader, Decoder and Open do
// not have it.
func TestEdgeCases(t *testing.T) {
	message := func(body string) []byte { return record(t0, TypeBGP4MP, subMessage, unhex(session2+body)) }
	table := func(body string) []byte { return record(t0, TypeTableDumpV2, subRIB4Unicast, unhex(body)) }
	peers := record(t0, TypeTableDumpV2, subPeerIndex, unhex(peerTable))
	const (
		took  = "withdraw 203.0.113.0/24 id 0"
		entry = "00000005 0004 40010100 "
	)
	for _, c := range []struct {
		name   string
		stream []byte
		want   []string
	}{
		{
			"STATE_CHANGE in the middle",
			slices.Concat(message(withdraw), record(t0, TypeBGP4MP, subStateChange, unhex(session2+"0006 0001")), message(withdraw)),
			[]string{took, "AS65000 Established to Idle", took},
		},
		{
			"time going back",
			slices.Concat(record(t0, TypeBGP4MP, subMessage, unhex(session2+withdraw)), record(t0-5, TypeBGP4MP, subMessage, unhex(session2+withdraw))),
			[]string{took, took},
		},
		{
			"OPEN, NOTIFICATION, ROUTE-REFRESH and an unknown type", slices.Concat(
				message(marker+"001d 01 04 fde8 00b4 c0000201 00"), message(marker+"0015 03 06 02"), message(marker+"0017 05 0001 00 01"), message(marker+"0013 09"), message(withdraw),
			), []string{"type 1", "type 3", "type 5", "type 9", took},
		},
		{
			"ADD-PATH octets in a plain record",
			message(marker + "001f 02 0008 00000001 18 cb0071 0000"),
			[]string{"withdraw 0.0.0.0/0 id 0, withdraw 0.0.0.0/0 id 0, withdraw 0.0.0.0/0 id 0, withdraw 0.0.0.0/1 id 0, nlri"},
		},
		{
			"ADD-PATH octets in an ADD-PATH record with microseconds",
			record(t0, TypeBGP4MPET, subAddPath, unhex("00000001"+session2+marker+"001f 02 0008 00000001 18 cb0071 0000")),
			[]string{"withdraw 203.0.113.0/24 id 1"},
		},
		{"bytes behind the message", message(withdraw + "00 00"), []string{took + ", trailing-bytes"}},
		{"message cut by its collector", message(marker + "0030 02 0004 18 cb0071 0019 4001"), []string{took + ", truncated"}},
		{"message of an impossible length", message(marker + "0016 02 0004 18 cb0071 0000"), []string{wire.ErrLength.Error()}},
		{"marker of zeros", message(strings.Repeat("00", 16) + "001b 02 0004 18 cb0071 0000"), []string{"type 0"}},
		{
			"a session without family and addresses", // as RIS wrote in the year 2000
			slices.Concat(record(t0, TypeBGP4MP, subStateChange, unhex("0000 0000 0003 0004")), record(t0, TypeBGP4MP, subMessage, unhex("0000 0000"+withdraw)), message(withdraw)),
			[]string{ErrFamily.Error(), ErrFamily.Error(), took},
		},
		{
			"a second peer table takes the place of the first",
			slices.Concat(
				peers, table("00000000 18 cb0071 0001 0001"+entry),
				record(t0, TypeTableDumpV2, subPeerIndex, unhex("c0000201 0000 0001 00 0a000001 c0000201 0007")),
				table("00000001 18 cb0071 0002 0000"+entry+"0001"+entry),
			),
			[]string{"peers", "AS200000 has 203.0.113.0/24", "peers", "AS7 has 203.0.113.0/24", ErrPeerIndex.Error()},
		},
		{
			"a peer table cut short keeps the peers before the cut",
			slices.Concat(
				record(t0, TypeTableDumpV2, subPeerIndex, unhex("c0000201 0000 0002 00 0a000001 c0000201 fde8 00 0a00")),
				table("00000000 18 cb0071 0002 0000"+entry+"0001"+entry),
			),
			[]string{ErrShort.Error(), "AS65000 has 203.0.113.0/24", ErrPeerIndex.Error()},
		},
		{"a table record of no entries", slices.Concat(peers, table("00000000 18 cb0071 0000"), table("00000000 00 0001 0000"+entry)), []string{"peers", "AS65000 has 0.0.0.0/0"}},
		{
			"host bits in a table's prefix",
			slices.Concat(peers, table("00000000 14 cb00ff 0001 0000"+entry)),
			[]string{"peers", "AS65000 has 203.0.240.0/20"},
		},
		{
			"a table's length 33 of IPv4 and 129 of IPv6",
			slices.Concat(peers, table("00000000 21 cb00710000 0000"), record(t0, TypeTableDumpV2, subRIB6Unicast, unhex("00000000 81"+strings.Repeat("00", 17)+"0000"))),
			[]string{"peers", ErrPrefix.Error(), ErrPrefix.Error()},
		},
		{
			"families and types that are skipped between others",
			slices.Concat(peers, record(t0, TypeTableDumpV2, subRIBGeneric, unhex("00000000 0001 80 00 0000")), record(t0, TypeTableDumpV2, subGenericAdd, unhex("00000000 0001 80 00 0000")), table("00000000 18 cb0071 0001 0000"+entry), record(t0, 48, 0, unhex("00")), message(withdraw)),
			[]string{"peers", SkipGeneric, SkipGeneric, "AS65000 has 203.0.113.0/24", SkipType, took},
		},
		{
			"a torn record between two tables",
			slices.Concat(peers, table("00000000 18 cb0071 0001 0000" + entry)[:25], table("00000001 18 c63364 0001 0001"+entry), table("00000002 18 c00002 0001 0001"+entry)),
			[]string{"peers", "torn", "AS200000 has 198.51.100.0/24", "AS200000 has 192.0.2.0/24"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := story(t, c.stream); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// TestLargestPeerTable reads a PEER_INDEX_TABLE of as many peers as its count can say, and entries of the last and of none.
func TestLargestPeerTable(t *testing.T) {
	const most = 65535
	body := unhex("c0000201 0000 ffff")
	for i := range uint32(most) {
		body = binary.BigEndian.AppendUint32(append(body, unhex("02 0a000001 c0000201")...), i+1)
	}
	entries := unhex("00000000 18 cb0071 0002 fffe 00000005 0000 ffff 00000005 0000")
	got := story(t, slices.Concat(record(t0, TypeTableDumpV2, subPeerIndex, body), record(t0, TypeTableDumpV2, subRIB4Unicast, entries)))
	if want := []string{"peers", "AS65535 has 203.0.113.0/24", ErrPeerIndex.Error()}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	got = story(t, slices.Concat(record(t0, TypeTableDumpV2, subPeerIndex, append(body, 0)), record(t0, TypeTableDumpV2, subRIB4Unicast, entries)))
	if len(got) != 3 {
		t.Errorf("a byte behind the largest table: %q", got)
	}
}

// TestMostEntries reads a table record of as many entries as its count can say, and one that says so and has none.
func TestMostEntries(t *testing.T) {
	body := unhex("00000000 18 cb0071 ffff")
	body = append(body, bytes.Repeat(unhex("0000 00000005 0000"), 65535)...)
	peers := record(t0, TypeTableDumpV2, subPeerIndex, unhex(peerTable))
	if got := story(t, slices.Concat(peers, record(t0, TypeTableDumpV2, subRIB4Unicast, body))); len(got) != 65536 {
		t.Errorf("%d lines", len(got))
	}
	got := story(t, slices.Concat(peers, record(t0, TypeTableDumpV2, subRIB4Unicast, body[:10])))
	if want := []string{"peers", ErrEntries.Error()}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRecordsAcrossBuffers lets every octet of a record, whole or torn, fall on the places where the Reader's buffer (256 KiB) and
// its search (64 KiB) turn over.
func TestRecordsAcrossBuffers(t *testing.T) {
	good := record(t0, TypeBGP4MP, subMessage, unhex(session2+withdraw))
	fill := func(n int) []byte { return record(t0, TypeBGP4MP, subMessage, make([]byte, n-headerLen)) }
	for _, edge := range []int{64 << 10, 128 << 10, 256 << 10} {
		for at := edge - len(good) - headerLen; at <= edge+headerLen; at++ {
			rd := NewReader(bytes.NewReader(slices.Concat(fill(at), good, good[:len(good)-7], good, good)))
			var got []string
			for {
				rec, err := rd.Next()
				if err == io.EOF {
					break
				}
				if torn := (*TornError)(nil); errors.As(err, &torn) {
					got = append(got, fmt.Sprint("torn ", torn.Offset, torn.Length))
				} else if err != nil {
					t.Fatal(err)
				} else {
					got = append(got, hex.EncodeToString(rec.Raw[:12]))
				}
			}
			head := hex.EncodeToString(good[:12])
			want := []string{hex.EncodeToString(fill(at)[:12]), head, fmt.Sprint("torn ", at+len(good), len(good)-7), head, head}
			if !slices.Equal(got, want) {
				t.Fatalf("at %d:\ngot  %q\nwant %q", at, got, want)
			}
		}
	}
}

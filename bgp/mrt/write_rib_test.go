package mrt_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// row is one record of a table.
type row struct {
	prefix  bgp.Prefix
	entries []mrt.TableEntry
}

// tableAttrs are attributes of a table entry, with four-octet AS numbers and an abbreviated MP_REACH_NLRI.
func tableAttrs(r *rand.Rand, v6 bool) []byte {
	b := []byte{0x40, 1, 1, 0, 0x40, 2, 10, 2, 2, 0, 3, 0x0d, 0x40}
	b = binary.BigEndian.AppendUint32(b, 1+r.Uint32N(1<<32-2))
	if !v6 {
		return append(b, 0x40, 3, 4, 192, 0, 2, 1)
	}
	hop := netip.MustParseAddr("2001:db8::1").As16()
	return append(append(b, 0x80, 14, 17, 16), hop[:]...)
}

// randomTable writes a table of a few prefixes at a few peers.
func randomTable(t *testing.T, r *rand.Rand, w io.Writer) (at bgp.Micros, peers []mrt.TablePeer, rows []row) {
	t.Helper()
	at = randomTime(r)
	for range 1 + r.IntN(20) {
		p := mrt.TablePeer{Addr: randomAddr(r, r.IntN(2) == 0), AS: r.Uint32()}
		if r.IntN(2) == 0 {
			p.ID = randomAddr(r, false)
		}
		peers = append(peers, p)
	}
	tw, err := mrt.NewTableWriter(w, at, randomAddr(r, false), strings.Repeat("view", r.IntN(3)), peers)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		w := row{prefix: randomPrefix(r, r.IntN(2) == 0)}
		addPath := r.IntN(2) == 0
		for range r.IntN(6) {
			e := mrt.TableEntry{Peer: uint16(r.IntN(len(peers))), Originated: randomTime(r), Attrs: tableAttrs(r, w.prefix.IsV6())}
			if addPath {
				e.PathID = 1 + r.Uint32N(1<<32-1)
			}
			w.entries = append(w.entries, e)
		}
		if err := tw.Put(w.prefix, w.entries); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, w)
	}
	return at, peers, rows
}

// TestWriteTables reads random tables back.
func TestWriteTables(t *testing.T) {
	for seed := range seeds(t) {
		r := rand.New(rand.NewPCG(seed, 3))
		var raw bytes.Buffer
		at, peers, rows := randomTable(t, r, &raw)
		rd := mrt.NewReader(&raw)
		var (
			d mrt.Decoder
			c mrt.Content
			e mrt.RIBEntry
		)
		next := func() {
			rec, err := rd.Next()
			if err == nil {
				err = d.Decode(rec, &c)
			}
			if err != nil || rec.Time != at-at%bgp.Second {
				t.Fatalf("seed %d: record at %v of a table of %v, error %v", seed, rec.Time, at, err)
			}
		}
		if next(); c.Kind != mrt.PeerIndex {
			t.Fatalf("seed %d: the first record is %+v", seed, c)
		}
		for i, w := range rows {
			if next(); c.Kind != mrt.RIBEntries || c.RIB.Prefix != w.prefix || !c.Opts.AS4 {
				t.Fatalf("seed %d, row %d: %+v, written %+v", seed, i, c, w)
			}
			for k, we := range w.entries {
				p := peers[we.Peer]
				if !c.RIB.Next(&e) || e.Prefix != w.prefix || e.PeerAS != p.AS || e.PeerAddr != p.Addr || e.PathID != we.PathID ||
					e.Originated != we.Originated-we.Originated%bgp.Second || !bytes.Equal(e.Attrs, we.Attrs) {
					t.Fatalf("seed %d, row %d, entry %d: %+v, written %+v of %+v", seed, i, k, e, we, p)
				}
			}
			if c.RIB.Next(&e) || c.RIB.Err() != nil {
				t.Fatalf("seed %d, row %d: more than was written, or %v", seed, i, c.RIB.Err())
			}
		}
		if _, err := rd.Next(); err != io.EOF {
			t.Errorf("seed %d: after the last record: %v", seed, err)
		}
	}
}

// TestWriteTableRefusals: what has no form in TABLE_DUMP_V2 is an error that names the figure, and the table goes on without it.
func TestWriteTableRefusals(t *testing.T) {
	one := []mrt.TablePeer{{Addr: netip.MustParseAddr("192.0.2.1"), AS: 64500}}
	six := netip.MustParseAddr("2001:db8::1")
	for _, c := range []struct {
		name  string
		at    bgp.Micros
		id    netip.Addr
		view  string
		peers []mrt.TablePeer
		want  error
		text  string
	}{
		{"time", bgp.Seconds(1 << 32), netip.Addr{}, "", one, mrt.ErrTime, "2106-02-07"},
		{"view", 0, netip.Addr{}, strings.Repeat("x", 65536), one, mrt.ErrTableView, "65536"},
		{"too many peers", 0, netip.Addr{}, "", make([]mrt.TablePeer, 65536), mrt.ErrTablePeers, "65536"},
		{"a peer without an address", 0, netip.Addr{}, "", make([]mrt.TablePeer, 1), mrt.ErrTablePeers, "peer 0"},
		{"the collector's identifier", 0, six, "", one, mrt.ErrTableID, "2001:db8::1"},
		{"a peer's identifier", 0, netip.Addr{}, "", []mrt.TablePeer{{ID: six, Addr: six}}, mrt.ErrTableID, "peer 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			_, err := mrt.NewTableWriter(&out, c.at, c.id, c.view, c.peers)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || out.Len() > 0 {
				t.Errorf("%d octets written, error %v", out.Len(), err)
			}
		})
	}
	p := bgp.PrefixFrom4(0xcb007100, 24)
	long := make([]mrt.TableEntry, 300)
	for i := range long {
		long[i].Attrs = make([]byte, 65535)
	}
	for _, c := range []struct {
		name    string
		prefix  bgp.Prefix
		entries []mrt.TableEntry
		want    error
		text    string
	}{
		{"no prefix", bgp.Prefix{}, nil, mrt.ErrTableEntry, "prefix"},
		{"peer index", p, []mrt.TableEntry{{Peer: 1}}, mrt.ErrTableEntry, "peer 1 of 1"},
		{"attributes", p, []mrt.TableEntry{{Attrs: make([]byte, 65536)}}, mrt.ErrTableEntry, "65536 octets"},
		{"originated", p, []mrt.TableEntry{{Originated: -1}}, mrt.ErrTime, "203.0.113.0/24"},
		{"entries", p, make([]mrt.TableEntry, 65536), mrt.ErrTableEntry, "65536 entries"},
		{"a record longer than we read", p, long, mrt.ErrRecordLength, "203.0.113.0/24"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			tw, err := mrt.NewTableWriter(&out, 0, netip.Addr{}, "", one)
			if err != nil {
				t.Fatal(err)
			}
			before := out.Len()
			err = tw.Put(c.prefix, c.entries)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || out.Len() != before {
				t.Errorf("%d octets written, error %v", out.Len()-before, err)
			}
			if err := tw.Put(p, []mrt.TableEntry{{}}); err != nil {
				t.Fatal(err)
			}
			if seq := binary.BigEndian.Uint32(out.Bytes()[before+12:]); seq != 0 {
				t.Errorf("the first record that was written has number %d", seq)
			}
		})
	}
}

// TestWriteTableFull writes as many peers as there can be, and an entry of each.
func TestWriteTableFull(t *testing.T) {
	peers := make([]mrt.TablePeer, 65535)
	entries := make([]mrt.TableEntry, len(peers))
	for i := range peers {
		peers[i] = mrt.TablePeer{Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), AS: uint32(i)}
		entries[i] = mrt.TableEntry{Peer: uint16(i), PathID: 7}
	}
	var out bytes.Buffer
	tw, err := mrt.NewTableWriter(&out, 0, netip.Addr{}, strings.Repeat("v", 65535), peers)
	if err == nil {
		err = tw.Put(bgp.PrefixFrom6(0x20010db8<<32, 0, 32), entries)
	}
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ta := walk(&out, func(_ *mrt.Record, c *mrt.Content, _ bgp.Elem, _ *wire.Update) {
		if c.PeerAS != uint32(n) {
			t.Fatalf("entry %d is of AS%d", n, c.PeerAS)
		}
		n++
	})
	if n != len(peers) || ta.malformed != 0 || len(ta.torn) != 0 {
		t.Errorf("%d entries, %+v", n, ta)
	}
}

// broken fails after n writes.
type broken struct{ n int }

var errBroken = errors.New("no space left")

func (b *broken) Write(p []byte) (int, error) {
	if b.n--; b.n < 0 {
		return len(p) / 2, errBroken
	}
	return len(p), nil
}

// TestWriteTableToFullDisk: after an error of the writer nothing more is written behind half a record.
func TestWriteTableToFullDisk(t *testing.T) {
	one := []mrt.TablePeer{{Addr: netip.MustParseAddr("192.0.2.1"), AS: 64500}}
	if _, err := mrt.NewTableWriter(&broken{0}, 0, netip.Addr{}, "", one); !errors.Is(err, errBroken) {
		t.Errorf("the peers: %v", err)
	}
	w := &broken{2}
	tw, err := mrt.NewTableWriter(w, 0, netip.Addr{}, "", one)
	if err != nil {
		t.Fatal(err)
	}
	p := bgp.PrefixFrom4(0xcb007100, 24)
	for i, want := range []error{nil, errBroken, errBroken} {
		if err := tw.Put(p, []mrt.TableEntry{{}}); !errors.Is(err, want) || (want == nil) != (err == nil) {
			t.Errorf("record %d: %v", i, err)
		}
	}
	if w.n != -1 {
		t.Errorf("%d writes behind the error", -1-w.n)
	}
}

package mrt_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rivalmrt "github.com/osrg/gobgp/v3/pkg/packet/mrt"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWriteBgpdump gives random records and tables to the reference implementation.
func TestWriteBgpdump(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	_, list := randomRecords(t, r, 400)
	for _, local := range []bool{false, true} {
		t.Run(fmt.Sprintf("records, local %v", local), func(t *testing.T) {
			var raw []byte
			for _, w := range list {
				if w.e.Local == local {
					raw = append(raw, w.raw...)
				}
			}
			got, ta := ours(raw)
			if len(got) == 0 || ta.malformed+ta.skipped+len(ta.torn) > 0 {
				t.Fatalf("our own reading: %d lines, %+v", len(got), ta)
			}
			want := bgpdump(t, raw)
			if local { // bgpdump calls now the one end the peer and now the other
				got, want = withoutPeer(got), withoutPeer(want)
			}
			compare(t, got, want)
		})
	}
	t.Run("tables", func(t *testing.T) {
		var table bytes.Buffer
		for range 20 {
			randomTable(t, r, &table)
		}
		got, ta := ours(table.Bytes())
		if len(got) == 0 || ta.malformed+ta.skipped+len(ta.torn) > 0 {
			t.Fatalf("our own reading: %d lines, %+v", len(got), ta)
		}
		compare(t, got, bgpdump(t, table.Bytes()))
	})
}

// withoutPeer takes address and AS number of the peer out of lines.
func withoutPeer(lines []string) []string {
	for i, l := range lines {
		f := strings.Split(l, "|")
		lines[i] = strings.Join(slices.Delete(f, 2, 4), "|")
	}
	return lines
}

// TestWriteRival gives them to gobgp.
func TestWriteRival(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	_, list := randomRecords(t, r, 400)
	for i, w := range list {
		rec := w.raw
		if w.msg != nil {
			if w.e.AddPath {
				continue // gobgp takes the path identifiers of such a record for prefixes
			}
			if got, err := theirStream(rec); err != nil || got != ourStream(t, rec) {
				t.Errorf("record %d, %+v: %+v, %v", i, w.e, got, err)
			}
			continue
		}
		body := rec[16:] // gobgp does not know BGP4MP_ET
		m, err := theirBody(&rivalmrt.MRTHeader{Type: rivalmrt.BGP4MP, SubType: uint16(rec[7]), Len: uint32(len(body))}, body)
		s, ok := m.(*rivalmrt.BGP4MPStateChange)
		if err != nil || !ok || s.PeerAS != w.e.PeerAS || s.LocalAS != w.e.LocalAS || s.InterfaceIndex != w.e.Interface ||
			s.PeerIpAddress.String() != w.e.PeerAddr.String() || uint16(s.OldState) != uint16(w.from) || uint16(s.NewState) != uint16(w.to) {
			t.Errorf("record %d, %+v: %+v, %v", i, w, m, err)
		}
	}
	var table bytes.Buffer
	_, peers, rows := randomTable(t, r, &table)
	seq := -1
	for b := table.Bytes(); len(b) > 0; seq++ {
		var h rivalmrt.MRTHeader
		if err := h.DecodeFromBytes(b); err != nil {
			t.Fatal(err)
		}
		m, err := theirBody(&h, b[12:12+h.Len])
		if err != nil {
			t.Fatalf("record %d: %v", seq, err)
		}
		b = b[12+h.Len:]
		if seq < 0 {
			index := m.(*rivalmrt.PeerIndexTable)
			if len(index.Peers) != len(peers) {
				t.Fatalf("%d peers, written %d", len(index.Peers), len(peers))
			}
			for i, p := range index.Peers {
				if p.AS != peers[i].AS || p.IpAddress.String() != peers[i].Addr.String() || peers[i].ID.IsValid() && p.BgpId.String() != peers[i].ID.String() {
					t.Errorf("peer %d: %+v, written %+v", i, p, peers[i])
				}
			}
			continue
		}
		rib, w := m.(*rivalmrt.Rib), rows[seq]
		if int(rib.SequenceNumber) != seq || theirPrefix(rib.Prefix) != w.prefix || len(rib.Entries) != len(w.entries) {
			t.Fatalf("record %d: %+v, written %+v", seq, rib, w)
		}
		for i, e := range rib.Entries {
			if e.PeerIndex != w.entries[i].Peer || bgp.Seconds(int64(e.OriginatedTime)) != w.entries[i].Originated-w.entries[i].Originated%bgp.Second || e.PathIdentifier != w.entries[i].PathID {
				t.Errorf("record %d, entry %d: %+v, written %+v", seq, i, e, w.entries[i])
			}
		}
	}
	if seq != len(rows) {
		t.Errorf("%d records of %d", seq, len(rows))
	}
}

// theirBody is what gobgp makes of a record; its panics are errors.
func theirBody(h *rivalmrt.MRTHeader, body []byte) (m rivalmrt.Body, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errRefused
		}
	}()
	msg, err := rivalmrt.ParseMRTBody(h, body)
	if err != nil {
		return nil, err
	}
	return msg.Body, nil
}

// again writes every BGP4MP record of raw once more. plain is raw without the records that are something else.
func again(t *testing.T, raw []byte) (plain, written []byte) {
	t.Helper()
	r := mrt.NewReader(bytes.NewReader(raw))
	var (
		d mrt.Decoder
		c mrt.Content
	)
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return plain, written
		}
		if err != nil || d.Decode(rec, &c) != nil || rec.Type != mrt.TypeBGP4MP && rec.Type != mrt.TypeBGP4MPET {
			continue
		}
		e := mrt.Envelope{
			PeerAS: c.PeerAS, LocalAS: c.LocalAS, PeerAddr: c.PeerAddr, AS2: !c.Opts.AS4,
			AddPath: c.Opts.AddPath4, Local: c.Local,
		}
		switch c.Kind {
		case mrt.Message:
			written, err = mrt.AppendMessage(written, rec.Time, e, c.BGP)
		case mrt.StateChange:
			written, err = mrt.AppendStateChange(written, rec.Time, e, c.OldState, c.NewState)
		default:
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		plain = append(plain, rec.Raw...)
	}
}

// said is everything that the elems of a stream say.
func said(raw []byte) (list []any) {
	walk(bytes.NewReader(raw), func(rec *mrt.Record, c *mrt.Content, e bgp.Elem, _ *wire.Update) {
		list = append(list, struct {
			at        bgp.Micros
			as, local uint32
			addr      netip.Addr
			opts      wire.Options
			old, new  bgp.State
			sent      bool
			e         bgp.Elem
		}{rec.Time, c.PeerAS, c.LocalAS, c.PeerAddr, c.Opts, c.OldState, c.NewState, c.Local, e})
	})
	return list
}

// TestWriteAgain decodes the BGP4MP records of real files and writes them anew: the elems are the same, and so is what bgpdump reads.
func TestWriteAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("did not run: real files of a hundred thousand records (short run)")
	}
	dir := dataDir(t, "writing real records again")
	for _, c := range []struct {
		path string
		dump bool // bgpdump reads both
	}{
		{"rv2008/updates.20080220.1536.bz2", true}, // 40 records cut at 4,096 octets
		{"rrc04/ris.rrc04.updates.1609476900.300.cache", true},
		{"formats/bgpdump/updates.20020722.2238.gz", false},
		{"formats/bgpdump/updates.20100722.2015.gz", true},
		{"formats/bgpdump/updates.et-header.2015.gz", false},
		{"formats/bgpipe/sample.mrt", true},
		{"formats/bgpkit/examples_local_only_updates.bz2", true},
		{"formats/bgpkit/ripe/rrc03/2010.02/updates.20100227.1600.first-796-records.gz", true},
		{"formats/jinx2014/sample.updates.20060909.1045.gz", true}, // STATE_CHANGE
		{"formats/libbgpstream/ris.rrc06.updates.1427846400.gz", true},
		{"formats/morrowc/updates.20260222.1530.bz2", false},
		{"formats/mrtparse/bird-mrtdump_bgp", true},
		{"formats/mrtparse/bird6-mrtdump_bgp", true},
		{"formats/mrtparse/openbgpd_bgp", true},
		{"formats/mrtparse/quagga_bgp", true},
		{"formats/vgi-bgp/updates.mrt", false},
	} {
		t.Run(c.path, func(t *testing.T) {
			plain, written := again(t, readAll(t, filepath.Join(dir, c.path)))
			want := said(plain)
			if got := said(written); !slices.Equal(got, want) || len(got) == 0 {
				t.Errorf("%d elems and states, %d before", len(got), len(want))
			}
			if c.dump {
				compare(t, bgpdump(t, written), bgpdump(t, plain))
			}
		})
	}
}

// TestWriteTableAgain writes the entries of real tables again: they say what they said.
func TestWriteTableAgain(t *testing.T) {
	dir := dataDir(t, "writing real tables again")
	for _, path := range []string{
		"formats/bgpdump/bview.ipv4_unicast_add_path.gz", "formats/mrtparse/openbgpd_rib_table-v2", "formats/mrtparse/bird6-mrtdump_rib",
	} {
		t.Run(path, func(t *testing.T) {
			raw := readAll(t, filepath.Join(dir, path))
			index := map[bgp.Peer]uint16{}
			var peers []mrt.TablePeer
			type route struct {
				e    bgp.Elem
				peer uint16
				hop  netip.Addr
			}
			var want, got []route
			var rows []row
			hop := func(u *wire.Update, e bgp.Elem) netip.Addr {
				a, _, _ := u.NextHop(e.Prefix.IsV6())
				return a
			}
			walk(bytes.NewReader(raw), func(_ *mrt.Record, c *mrt.Content, e bgp.Elem, u *wire.Update) {
				if e.Kind == bgp.Withdraw || u == nil || e.Cause != bgp.CauseNone {
					return
				}
				p := bgp.Peer{AS: c.PeerAS, Addr: c.PeerAddr}
				i, ok := index[p]
				if !ok {
					i = uint16(len(peers))
					index[p] = i
					peers = append(peers, mrt.TablePeer{Addr: p.Addr, AS: p.AS})
				}
				e.Kind = bgp.RIB
				want = append(want, route{e, i, hop(u, e)})
				rows = append(rows, row{e.Prefix, []mrt.TableEntry{{Peer: i, PathID: e.PathID, Attrs: bytes.Clone(u.Attrs())}}})
			})
			var out bytes.Buffer
			tw, err := mrt.NewTableWriter(&out, bgp.Seconds(1<<31), netip.Addr{}, "real", peers)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				if err := tw.Put(r.prefix, r.entries); err != nil {
					t.Fatal(err)
				}
			}
			ta := walk(bytes.NewReader(out.Bytes()), func(_ *mrt.Record, c *mrt.Content, e bgp.Elem, u *wire.Update) {
				got = append(got, route{e, index[bgp.Peer{AS: c.PeerAS, Addr: c.PeerAddr}], hop(u, e)})
			})
			if len(want) == 0 || ta.malformed > 0 || !slices.Equal(got, want) {
				for i := range min(len(got), len(want)) {
					if got[i] != want[i] {
						t.Errorf("the first that differs, %d: %+v, want %+v", i, got[i], want[i])
						break
					}
				}
				t.Errorf("%d routes written, %d read, %d malformed %v", len(want), len(got), ta.malformed, ta.reasons)
			}
			lines, _ := ours(out.Bytes())
			compare(t, lines, bgpdump(t, out.Bytes()))
		})
	}
}

package mrt_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gobgp "github.com/osrg/gobgp/v3/pkg/packet/bgp"
	gomrt "github.com/osrg/gobgp/v3/pkg/packet/mrt"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// witness reads the records of one stream with both decoders. gobgp's is no judge: it panics on hostile bytes, stops at the first
// attribute that it does not like, and knows only TABLE_DUMP_V2 and BGP4MP.
type witness struct {
	d     mrt.Decoder
	u     wire.Update
	peers []*gomrt.Peer
	known bool // gobgp has read the PEER_INDEX_TABLE too
}

// The answers of witness.compare besides what differs.
const (
	agree      = "agree"
	noOpinion  = "no opinion" // a type or subtype that gobgp does not know, or that we skip
	refusedBGP = "gobgp refuses the BGP message"
	refusedRIB = "gobgp refuses an attribute of a table entry"
	panicked   = "gobgp panics"
	malformed  = "malformed for both" // and our error
)

// theirs is gobgp's reading of one record's body.
func theirs(rec *mrt.Record) (m *gomrt.MRTMessage, panics bool, err error) {
	defer func() {
		if recover() != nil {
			panics = true
		}
	}()
	typ := rec.Type
	if typ == mrt.TypeBGP4MPET {
		typ = mrt.TypeBGP4MP // a Record is without the microseconds that set the two apart
	}
	h := &gomrt.MRTHeader{Type: gomrt.MRTType(typ), SubType: rec.Subtype, Len: uint32(len(rec.Body))}
	m, err = gomrt.ParseMRTBody(h, slices.Clone(rec.Body))
	return m, false, err
}

// compare reads a record with both. The error says what differs; otherwise the answer is one of the words above.
func (w *witness) compare(rec *mrt.Record) (string, error) {
	var c mrt.Content
	ourErr := w.d.Decode(rec, &c)
	m, panics, err := theirs(rec)
	if rec.Type == mrt.TypeTableDumpV2 && rec.Subtype == 1 {
		w.peers, w.known = nil, false
	}
	switch {
	case panics:
		return panicked, nil
	case c.Kind == mrt.Skipped && ourErr == nil, rec.Type == mrt.TypeTableDump, rec.Type == mrt.TypeBGP:
		return noOpinion, nil
	case err != nil && ourErr != nil:
		return malformed + ": " + ourErr.Error(), nil
	case err != nil && c.Kind == mrt.Message:
		return refusedBGP, nil
	case err != nil && c.Kind == mrt.RIBEntries:
		return refusedRIB, nil
	case errors.Is(ourErr, mrt.ErrNoPeers):
		return noOpinion, nil // gobgp reads entries without knowing whose they are
	case (err == nil) != (ourErr == nil):
		return "", fmt.Errorf("error %v, gobgp's %w", ourErr, err)
	}
	switch b := m.Body.(type) {
	case *gomrt.PeerIndexTable:
		w.peers, w.known = b.Peers, true
		return agree, nil
	case *gomrt.BGP4MPMessage:
		got := fmt.Sprint(c.Kind, c.PeerAS, c.LocalAS, c.PeerAddr, len(c.BGP) >= int(b.BGPMessage.Header.Len), c.Opts.Truncated, c.BGP[18])
		want := fmt.Sprint(mrt.Message, b.PeerAS, b.LocalAS, addr(b.PeerIpAddress), true, false, b.BGPMessage.Header.Type)
		return same(got, want)
	case *gomrt.BGP4MPStateChange:
		got := fmt.Sprint(c.Kind, c.PeerAS, c.LocalAS, c.PeerAddr, uint16(c.OldState), uint16(c.NewState))
		want := fmt.Sprint(mrt.StateChange, b.PeerAS, b.LocalAS, addr(b.PeerIpAddress), uint16(b.OldState), uint16(b.NewState))
		return same(got, want)
	case *gomrt.Rib:
		return w.entries(&c, b)
	}
	return noOpinion, nil
}

func same(got, want string) (string, error) {
	if got != want {
		return "", fmt.Errorf("%s, gobgp's %s", got, want)
	}
	return agree, nil
}

// entries compares a table record entry by entry. Entries of unknown peers are passed over by us and counted.
func (w *witness) entries(c *mrt.Content, r *gomrt.Rib) (string, error) {
	if !w.known {
		return noOpinion, nil
	}
	var en mrt.RIBEntry
	passed := 0
	for i, e := range r.Entries {
		if int(e.PeerIndex) >= len(w.peers) {
			passed++
			continue
		}
		if !c.RIB.Next(&en) {
			return "", fmt.Errorf("entries end at %d of %d: %w", i, len(r.Entries), c.RIB.Err())
		}
		if !whole(en.Attrs) {
			return refusedRIB, nil // gobgp reads on behind the entry, and has not noticed
		}
		p := w.peers[e.PeerIndex]
		got := fmt.Sprint(en.Prefix, en.PeerAS, en.PeerAddr, en.Originated, en.PathID)
		want := fmt.Sprint(prefix(r.Prefix), p.AS, addr(p.IpAddress), bgp.Seconds(int64(e.OriginatedTime)), e.PathIdentifier)
		if got != want {
			return "", fmt.Errorf("entry %d is %s, gobgp's %s", i, got, want)
		}
		w.u.ParseRIB(en.Attrs, c.Opts)
		if w.u.RIBElem(en.Prefix, en.PathID).Kind != bgp.RIB {
			continue // treat-as-withdraw, which gobgp leaves to others
		}
		path, ok := asPath(e.PathAttributes)
		if got := slices.AppendSeq([]uint32(nil), w.u.Path().All); ok && !slices.Equal(got, path) {
			return "", fmt.Errorf("entry %d has path %d, gobgp's %d", i, got, path)
		}
	}
	if c.RIB.Next(&en) {
		return "", fmt.Errorf("an entry more than gobgp's %d: %+v", len(r.Entries), en)
	}
	if c.RIB.UnknownPeers != passed {
		return "", fmt.Errorf("%d entries of unknown peers, gobgp's %d", c.RIB.UnknownPeers, passed)
	}
	return agree, nil
}

// whole reports whether a list of attributes ends where its last attribute does.
func whole(b []byte) bool {
	for len(b) >= 3 {
		n := 3 + int(b[2])
		if b[0]&0x10 != 0 {
			if len(b) < 4 {
				return false
			}
			n = 4 + int(binary.BigEndian.Uint16(b[2:]))
		}
		if n > len(b) {
			return false
		}
		b = b[n:]
	}
	return len(b) == 0
}

// asPath is the first AS_PATH. It is not ok where gobgp has guessed that its AS numbers are of two octets.
func asPath(attrs []gobgp.PathAttributeInterface) (path []uint32, ok bool) {
	for _, a := range attrs {
		if a, is := a.(*gobgp.PathAttributeAsPath); is {
			for _, s := range a.Value {
				if _, four := s.(*gobgp.As4PathParam); !four {
					return nil, false
				}
				path = append(path, s.GetAS()...)
			}
			break
		}
	}
	return path, true
}

func addr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a
}

func prefix(n gobgp.AddrPrefixInterface) bgp.Prefix {
	switch p := n.(type) {
	case *gobgp.IPAddrPrefix:
		return bgp.PrefixOf(netip.PrefixFrom(addr(p.Prefix), int(p.Length)))
	case *gobgp.IPv6AddrPrefix:
		return bgp.PrefixOf(netip.PrefixFrom(addr(p.Prefix), int(p.Length)))
	}
	return bgp.Prefix{}
}

// TestOracleRecords compares the records of real files with gobgp. Of a full table the first 20,000 are enough.
func TestOracleRecords(t *testing.T) {
	if testing.Short() {
		t.Skip("did not run: real files of a hundred thousand records (short run)")
	}
	dir := dataDir(t, "comparison with gobgp")
	names := []string{"rv2008/updates.20080220.1536.bz2", "rrc04/ris.rrc04.updates.1609476900.300.cache"}
	err := filepath.WalkDir(filepath.Join(dir, "formats"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if !slices.Contains([]string{".json", ".conf", ".md", ".rst"}, filepath.Ext(name)) && !strings.Contains(name, "expect") {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, name := range names {
		f, err := mrt.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		var w witness
		table := 0
		for r := mrt.NewReader(f); table < 20000; {
			rec, err := r.Next()
			if err == io.EOF {
				break
			}
			if torn := (*mrt.TornError)(nil); errors.As(err, &torn) {
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if rec.Type == mrt.TypeTableDump || rec.Type == mrt.TypeTableDumpV2 {
				table++
			}
			what, err := w.compare(rec)
			if err != nil {
				t.Errorf("%s: record at %d: %v", name, rec.Offset, err)
				break
			}
			got[what]++
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	want := map[string]int{
		agree:      279301,
		noOpinion:  71536, // TABLE_DUMP, and the BGP type that RIS wrote until 2001
		refusedBGP: 61,    // cut by the collector, ADD-PATH octets unannounced, and what RFC 7606 answers with less than a reset
		// One collector of the year 2000 wrote sessions without family and addresses.
		malformed + ": " + mrt.ErrFamily.Error(): 42,
		malformed + ": " + mrt.ErrShort.Error():  21,
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// FuzzRecordOracle holds the body of a BGP4MP or TABLE_DUMP_V2 record, of a table of the given peers, against gobgp.
func FuzzRecordOracle(f *testing.F) {
	message := func(m *gobgp.BGPMessage) []byte {
		b, err := m.Serialize()
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	body := func(b gomrt.Body) []byte {
		raw, err := b.Serialize()
		if err != nil {
			f.Fatal(err)
		}
		return raw
	}
	peers := body(gomrt.NewPeerIndexTable("192.0.2.1", "view", []*gomrt.Peer{
		gomrt.NewPeer("192.0.2.2", "192.0.2.3", 65000, false), gomrt.NewPeer("192.0.2.2", "2001:db8::3", 200000, true),
	}))
	update := gobgp.NewBGPUpdateMessage([]*gobgp.IPAddrPrefix{gobgp.NewIPAddrPrefix(24, "203.0.113.0")}, nil, nil)
	for _, sub := range []uint8{1, 4, 6, 7, 8, 9, 10, 11} {
		as4 := sub == 4 || sub == 7 || sub == 9 || sub == 11
		f.Add(false, sub, peers, body(gomrt.NewBGP4MPMessage(65000, 65001, 0, "192.0.2.3", "192.0.2.4", as4, update)))
		f.Add(false, sub, peers, body(gomrt.NewBGP4MPMessage(65000, 65001, 0, "2001:db8::3", "2001:db8::4", as4, gobgp.NewBGPKeepAliveMessage())))
	}
	f.Add(false, uint8(0), peers, body(gomrt.NewBGP4MPStateChange(65000, 65001, 0, "192.0.2.3", "192.0.2.4", false, 6, 1)))
	f.Add(false, uint8(5), peers, body(gomrt.NewBGP4MPStateChange(65000, 65001, 0, "2001:db8::3", "2001:db8::4", true, 3, 4)))
	attrs := []gobgp.PathAttributeInterface{
		gobgp.NewPathAttributeOrigin(0),
		gobgp.NewPathAttributeAsPath([]gobgp.AsPathParamInterface{gobgp.NewAs4PathParam(2, []uint32{65000, 200000})}),
		gobgp.NewPathAttributeNextHop("192.0.2.3"),
	}
	for _, sub := range []uint8{2, 4, 8, 10} {
		var p gobgp.AddrPrefixInterface = gobgp.NewIPAddrPrefix(24, "198.51.100.0")
		if sub == 4 || sub == 10 {
			p = gobgp.NewIPv6AddrPrefix(33, "2001:db8::")
		}
		var entries []*gomrt.RibEntry
		for peer := range uint16(3) { // one more than there are
			entries = append(entries, gomrt.NewRibEntry(peer, 1_600_000_000, 7, attrs, sub >= 8))
		}
		f.Add(true, sub, peers, body(gomrt.NewRib(1, p, entries)))
	}
	f.Add(true, uint8(1), peers, peers)
	f.Add(false, uint8(1), peers, message(update))
	f.Fuzz(func(t *testing.T, table bool, sub uint8, peers, body []byte) {
		var w witness
		rec := &mrt.Record{Type: mrt.TypeBGP4MP, Subtype: uint16(sub), Body: body}
		if table {
			rec.Type = mrt.TypeTableDumpV2
			if _, err := w.compare(&mrt.Record{Type: mrt.TypeTableDumpV2, Subtype: 1, Body: peers}); err != nil {
				t.Fatalf("peers %x: %v", peers, err)
			}
		}
		if _, err := w.compare(rec); err != nil {
			t.Fatalf("%+v after peers %x: %v", rec, peers, err)
		}
	})
}

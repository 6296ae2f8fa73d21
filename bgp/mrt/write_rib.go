package mrt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"

	"github.com/corewatch/corewatch/bgp"
)

// The errors of writing tables, beside those of writing records. Compared with errors.Is; the text of the error has the figures.
var (
	ErrTablePeers = errors.New("mrt table of more than 65,535 peers, or with a peer without an address")
	ErrTableView  = errors.New("mrt table whose view has a name longer than 65,535 octets")
	ErrTableID    = errors.New("mrt table with a BGP identifier that is not four octets")
	ErrTableEntry = errors.New("mrt table entry that cannot be written")
)

// TablePeer is one peer of a PEER_INDEX_TABLE.
type TablePeer struct {
	ID   netip.Addr // its BGP identifier, written as an IPv4 address; the zero Addr when unknown
	Addr netip.Addr
	AS   uint32
}

// TableEntry is one peer's route to a prefix.
type TableEntry struct {
	Peer       uint16     // index into the peers given to NewTableWriter
	PathID     uint32     // RFC 7911 path identifier; 0 when ADD-PATH is not in use
	Originated bgp.Micros // when the route was received, written in whole seconds
	Attrs      []byte     // path attributes in the form of a table (RFC 6396 section 4.3.4): AS numbers of four octets, MP_REACH_NLRI cut to its next hop
}

// TableWriter writes one table as TABLE_DUMP_V2 records (RFC 6396 section 4.3): the peers first, then a record for each prefix, with
// sequence numbers from 0 up. It hands each record to its writer whole. Not safe for concurrent use.
type TableWriter struct {
	w     io.Writer
	at    bgp.Micros
	peers int
	seq   uint32
	buf   []byte
	err   error // of w: what it got of a record is unknown, so that nothing more is written
}

// NewTableWriter writes the PEER_INDEX_TABLE of a table taken at a time, in whole seconds. id is the collector's BGP identifier, the
// zero Addr when it has none; view names the table and may be empty.
func NewTableWriter(w io.Writer, at bgp.Micros, id netip.Addr, view string, peers []TablePeer) (*TableWriter, error) {
	if len(view) > math.MaxUint16 {
		return nil, fmt.Errorf("%w: %d", ErrTableView, len(view))
	}
	if len(peers) > math.MaxUint16 {
		return nil, fmt.Errorf("%w: %d", ErrTablePeers, len(peers))
	}
	b, err := appendHeader(nil, at, TypeTableDumpV2, subPeerIndex)
	if err != nil {
		return nil, err
	}
	if b, err = appendID(b, id); err != nil {
		return nil, fmt.Errorf("%w: the collector's, %s", err, id)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(view)))
	b = append(b, view...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(peers)))
	for i, p := range peers {
		addr := p.Addr.Unmap()
		kind := byte(2) // RFC 6396 section 4.3.1: bit 1 is a four-octet AS number, bit 0 an IPv6 address
		switch {
		case !addr.IsValid():
			return nil, fmt.Errorf("%w: peer %d, AS%d", ErrTablePeers, i, p.AS)
		case addr.Is6():
			kind |= 1
		}
		b = append(b, kind)
		if b, err = appendID(b, p.ID); err != nil {
			return nil, fmt.Errorf("%w: peer %d, %s", err, i, p.ID)
		}
		b = appendAddr(b, addr)
		b = binary.BigEndian.AppendUint32(b, p.AS)
	}
	if b, err = finish(b, 0); err != nil {
		return nil, err
	}
	t := &TableWriter{w: w, at: at, peers: len(peers), buf: b}
	return t, t.flush()
}

func appendID(b []byte, id netip.Addr) ([]byte, error) {
	switch id = id.Unmap(); {
	case !id.IsValid():
		return append(b, 0, 0, 0, 0), nil
	case id.Is4():
		return appendAddr(b, id), nil
	}
	return b, ErrTableID
}

// Put writes the record of one prefix: RIB_IPV4_UNICAST or RIB_IPV6_UNICAST, and their ADD-PATH forms (RFC 8050 section 4) when an
// entry has a path identifier. An entry that cannot be written is an error, nothing of its record is written, and the next one may
// follow; after an error of the writer, every call gives that error.
func (t *TableWriter) Put(prefix bgp.Prefix, entries []TableEntry) error {
	if t.err != nil {
		return t.err
	}
	if !prefix.Valid() || len(entries) > math.MaxUint16 {
		return fmt.Errorf("%w: prefix %s of %d entries", ErrTableEntry, prefix, len(entries))
	}
	addPath := false
	for i := range entries {
		addPath = addPath || entries[i].PathID != 0
	}
	b, err := appendHeader(t.buf[:0], t.at, TypeTableDumpV2, ribSubtype(prefix.IsV6(), addPath))
	if err != nil {
		return err
	}
	b = binary.BigEndian.AppendUint32(b, t.seq)
	b = appendNLRI(b, prefix)
	b = binary.BigEndian.AppendUint16(b, uint16(len(entries)))
	for i := range entries {
		e := &entries[i]
		switch {
		case int(e.Peer) >= t.peers:
			return fmt.Errorf("%w: %s: peer %d of %d", ErrTableEntry, prefix, e.Peer, t.peers)
		case len(e.Attrs) > math.MaxUint16:
			return fmt.Errorf("%w: %s: %d octets of path attributes", ErrTableEntry, prefix, len(e.Attrs))
		case e.Originated < 0 || e.Originated/bgp.Second > math.MaxUint32:
			return fmt.Errorf("%w: %s: %w: %s", ErrTableEntry, prefix, ErrTime, e.Originated.Time())
		}
		b = binary.BigEndian.AppendUint16(b, e.Peer)
		b = binary.BigEndian.AppendUint32(b, uint32(e.Originated/bgp.Second))
		if addPath {
			b = binary.BigEndian.AppendUint32(b, e.PathID)
		}
		b = binary.BigEndian.AppendUint16(b, uint16(len(e.Attrs)))
		b = append(b, e.Attrs...)
		if len(b) > headerLen+maxRecord {
			break // finish says so, before the rest is copied in vain
		}
	}
	t.buf = b
	if t.buf, err = finish(b, 0); err != nil {
		return fmt.Errorf("%s: %w", prefix, err)
	}
	t.seq++
	return t.flush()
}

func (t *TableWriter) flush() error {
	if _, err := t.w.Write(t.buf); err != nil {
		t.err = fmt.Errorf("writing a table: %w", err)
	}
	return t.err
}

func ribSubtype(v6, addPath bool) uint16 {
	switch {
	case v6 && addPath:
		return subRIB6UniAdd
	case v6:
		return subRIB6Unicast
	case addPath:
		return subRIB4UniAdd
	}
	return subRIB4Unicast
}

// appendNLRI appends a prefix as its length in bits and as many octets as that takes: RFC 4271 section 4.3.
func appendNLRI(b []byte, p bgp.Prefix) []byte {
	n := p.Len()
	b = append(b, byte(n))
	a := p.Netip().Addr()
	if a.Is4() {
		o := a.As4()
		return append(b, o[:(n+7)/8]...)
	}
	o := a.As16()
	return append(b, o[:(n+7)/8]...)
}

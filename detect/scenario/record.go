package scenario

import (
	"encoding/binary"
	"net/netip"

	"github.com/corewatch/corewatch/bgp"
)

// The collector's side of every session. The AS number is reserved for documentation (RFC 5398), like the addresses (RFC 5737, RFC 3849).
const localAS = 64511

var (
	localAddr = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	nextHop6  = netip.MustParseAddr("2001:db8::1")
)

// maxMessage is the longest BGP message (RFC 4271 section 4.1).
const maxMessage = 4096

// MRT types and subtypes (RFC 6396 section 4).
const (
	typeTableDumpV2 = 13
	typeBGP4MPET    = 17
	subPeerIndex    = 1
	subRIBv4        = 2
	subRIBv6        = 4
	subMessageAS4   = 4
	subStateAS4     = 5
)

var be = binary.BigEndian

// writer appends MRT records to a buffer.
type writer struct {
	buf   []byte
	attrs []byte
	nlri  []byte
}

// begin writes a record's header and leaves its length open; done fills it in.
func (w *writer) begin(at bgp.Micros, typ, sub uint16) int {
	start := len(w.buf)
	w.buf = be.AppendUint32(w.buf, uint32(at/bgp.Second))
	w.buf = be.AppendUint16(w.buf, typ)
	w.buf = be.AppendUint16(w.buf, sub)
	w.buf = be.AppendUint32(w.buf, 0)
	if typ == typeBGP4MPET {
		w.buf = be.AppendUint32(w.buf, uint32(at%bgp.Second))
	}
	return start
}

func (w *writer) done(start int) { be.PutUint32(w.buf[start+8:], uint32(len(w.buf)-start-12)) }

// session writes the two ends of a BGP4MP record (RFC 6396 section 4.4.3).
func (w *writer) session(p bgp.Peer) {
	w.buf = be.AppendUint32(w.buf, p.AS)
	w.buf = be.AppendUint32(w.buf, localAS)
	w.buf = be.AppendUint16(w.buf, 0) // interface
	w.buf = be.AppendUint16(w.buf, 1) // IPv4 addresses
	w.addr4(p.Addr)
	w.addr4(localAddr)
}

func (w *writer) addr4(a netip.Addr) {
	b := a.As4()
	w.buf = append(w.buf, b[:]...)
}

// state writes a BGP4MP_STATE_CHANGE_AS4 record.
func (w *writer) state(at bgp.Micros, p bgp.Peer, from, to bgp.State) {
	start := w.begin(at, typeBGP4MPET, subStateAS4)
	w.session(p)
	w.buf = be.AppendUint16(w.buf, uint16(from))
	w.buf = be.AppendUint16(w.buf, uint16(to))
	w.done(start)
}

// update writes one BGP4MP_MESSAGE_AS4 record, with withdrawn or (when path is not empty) announced prefixes of one family.
// It takes as many of them as fit one message, and returns the rest.
func (w *writer) update(at bgp.Micros, p bgp.Peer, path []uint32, prefixes []bgp.Prefix) []bgp.Prefix {
	v6 := prefixes[0].IsV6()
	w.attrs = w.attrs[:0]
	if len(path) > 0 {
		w.attributes(p, path, v6, false)
	}
	room := maxMessage - 19 - 4 - len(w.attrs) - 16 // header, two lengths, attributes, and the head of MP_(UN)REACH with its next hop
	if v6 {
		room -= 16
	}
	w.nlri = w.nlri[:0]
	n := 0
	for n < len(prefixes) && len(w.nlri)+17 <= room {
		w.nlri = appendNLRI(w.nlri, prefixes[n])
		n++
	}
	start := w.begin(at, typeBGP4MPET, subMessageAS4)
	w.session(p)
	msg := len(w.buf)
	for range 16 {
		w.buf = append(w.buf, 0xff)
	}
	w.buf = append(w.buf, 0, 0, 2) // length follows; UPDATE
	switch {
	case !v6 && len(path) == 0:
		w.buf = be.AppendUint16(w.buf, uint16(len(w.nlri)))
		w.buf = append(w.buf, w.nlri...)
		w.buf = be.AppendUint16(w.buf, 0)
	case !v6:
		w.buf = be.AppendUint16(w.buf, 0)
		w.buf = be.AppendUint16(w.buf, uint16(len(w.attrs)))
		w.buf = append(w.buf, w.attrs...)
		w.buf = append(w.buf, w.nlri...)
	default: // RFC 4760: MP_REACH_NLRI and MP_UNREACH_NLRI
		w.buf = be.AppendUint16(w.buf, 0)
		lens := len(w.buf)
		w.buf = be.AppendUint16(w.buf, 0)
		w.buf = append(w.buf, w.attrs...)
		if len(path) > 0 {
			w.buf = append(w.buf, 0x90, 14)
			w.buf = be.AppendUint16(w.buf, uint16(2+1+1+16+1+len(w.nlri)))
			w.buf = append(w.buf, 0, 2, 1, 16)
			hop := nextHop6.As16()
			w.buf = append(w.buf, hop[:]...)
			w.buf = append(w.buf, 0)
		} else {
			w.buf = append(w.buf, 0x90, 15)
			w.buf = be.AppendUint16(w.buf, uint16(2+1+len(w.nlri)))
			w.buf = append(w.buf, 0, 2, 1)
		}
		w.buf = append(w.buf, w.nlri...)
		be.PutUint16(w.buf[lens:], uint16(len(w.buf)-lens-2))
	}
	be.PutUint16(w.buf[msg+16:], uint16(len(w.buf)-msg))
	w.done(start)
	return prefixes[n:]
}

// attributes appends ORIGIN, AS_PATH and the next hop. In a table dump the IPv6 next hop stands in an MP_REACH_NLRI that
// holds nothing else (RFC 6396 section 4.3.4).
func (w *writer) attributes(p bgp.Peer, path []uint32, v6, inTable bool) {
	w.attrs = append(w.attrs, 0x40, 1, 1, 0)
	w.attrs = append(w.attrs, 0x40, 2, byte(2+4*len(path)), 2, byte(len(path)))
	for _, as := range path {
		w.attrs = be.AppendUint32(w.attrs, as)
	}
	if !v6 {
		hop := p.Addr.As4()
		w.attrs = append(w.attrs, 0x40, 3, 4)
		w.attrs = append(w.attrs, hop[:]...)
	} else if inTable {
		hop := nextHop6.As16()
		w.attrs = append(w.attrs, 0x80, 14, 17, 16)
		w.attrs = append(w.attrs, hop[:]...)
	}
}

func appendNLRI(b []byte, p bgp.Prefix) []byte {
	n := p.Len()
	b = append(b, byte(n))
	return append(b, p.Netip().Addr().AsSlice()[:(n+7)/8]...)
}

// peerIndex writes the PEER_INDEX_TABLE of a collector (RFC 6396 section 4.3.1).
func (w *writer) peerIndex(at bgp.Micros, peers []bgp.Peer) {
	start := w.begin(at, typeTableDumpV2, subPeerIndex)
	w.addr4(localAddr)                // collector id
	w.buf = be.AppendUint16(w.buf, 0) // no view name
	w.buf = be.AppendUint16(w.buf, uint16(len(peers)))
	for _, p := range peers {
		w.buf = append(w.buf, 2) // four-byte AS, IPv4 address
		w.addr4(p.Addr)          // its id
		w.addr4(p.Addr)
		w.buf = be.AppendUint32(w.buf, p.AS)
	}
	w.done(start)
}

// ribEntry is one peer's route in a table dump.
type ribEntry struct {
	index uint16 // in the PEER_INDEX_TABLE
	peer  bgp.Peer
	path  []uint32
}

// rib writes one prefix of a table dump (RFC 6396 section 4.3.2).
func (w *writer) rib(at bgp.Micros, seq uint32, prefix bgp.Prefix, entries []ribEntry) {
	sub := uint16(subRIBv4)
	if prefix.IsV6() {
		sub = subRIBv6
	}
	start := w.begin(at, typeTableDumpV2, sub)
	w.buf = be.AppendUint32(w.buf, seq)
	w.buf = appendNLRI(w.buf, prefix)
	w.buf = be.AppendUint16(w.buf, uint16(len(entries)))
	for _, e := range entries {
		w.buf = be.AppendUint16(w.buf, e.index)
		w.buf = be.AppendUint32(w.buf, uint32(at/bgp.Second))
		w.attrs = w.attrs[:0]
		w.attributes(e.peer, e.path, prefix.IsV6(), true)
		w.buf = be.AppendUint16(w.buf, uint16(len(w.attrs)))
		w.buf = append(w.buf, w.attrs...)
	}
	w.done(start)
}

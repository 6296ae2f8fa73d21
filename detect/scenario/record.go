package scenario

import (
	"encoding/binary"
	"net/netip"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// The collector's side of every session. The AS number is reserved for documentation (RFC 5398), like the addresses (RFC 5737, RFC 3849).
const localAS = 64511

var (
	localAddr = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	nextHop6  = netip.MustParseAddr("2001:db8::1")
)

// maxMessage is the longest BGP message (RFC 4271 section 4.1).
const maxMessage = 4096

var be = binary.BigEndian

// recorder is the collector: it appends what it hears to buf, as MRT.
type recorder struct {
	buf     []byte
	err     error // the first record that could not be written
	msg     []byte
	attrs   []byte
	nlri    []byte
	entries []mrt.TableEntry
}

// Write implements io.Writer, for tables.
func (w *recorder) Write(b []byte) (int, error) {
	w.buf = append(w.buf, b...)
	return len(b), nil
}

// keep appends what a function of mrt made of buf.
func (w *recorder) keep(buf []byte, err error) {
	w.buf = buf
	w.fail(err)
}

func (w *recorder) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func envelope(p bgp.Peer) mrt.Envelope {
	return mrt.Envelope{PeerAS: p.AS, LocalAS: localAS, PeerAddr: p.Addr, LocalAddr: localAddr}
}

// state records that a session changed state.
func (w *recorder) state(at bgp.Micros, p bgp.Peer, from, to bgp.State) {
	w.keep(mrt.AppendStateChange(w.buf, at, envelope(p), from, to))
}

// update records one UPDATE, with withdrawn or (when path is not empty) announced prefixes of one family. It takes as many of them
// as fit one message, and returns the rest.
func (w *recorder) update(at bgp.Micros, p bgp.Peer, path []uint32, prefixes []bgp.Prefix) []bgp.Prefix {
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
	m := w.msg[:0]
	for range 16 {
		m = append(m, 0xff)
	}
	m = append(m, 0, 0, 2) // length follows; UPDATE
	switch {
	case !v6 && len(path) == 0:
		m = be.AppendUint16(m, uint16(len(w.nlri)))
		m = append(m, w.nlri...)
		m = be.AppendUint16(m, 0)
	case !v6:
		m = be.AppendUint16(m, 0)
		m = be.AppendUint16(m, uint16(len(w.attrs)))
		m = append(m, w.attrs...)
		m = append(m, w.nlri...)
	default: // RFC 4760: MP_REACH_NLRI and MP_UNREACH_NLRI
		m = be.AppendUint16(m, 0)
		lens := len(m)
		m = be.AppendUint16(m, 0)
		m = append(m, w.attrs...)
		if len(path) > 0 {
			m = append(m, 0x90, 14)
			m = be.AppendUint16(m, uint16(2+1+1+16+1+len(w.nlri)))
			m = append(m, 0, 2, 1, 16)
			hop := nextHop6.As16()
			m = append(m, hop[:]...)
			m = append(m, 0)
		} else {
			m = append(m, 0x90, 15)
			m = be.AppendUint16(m, uint16(2+1+len(w.nlri)))
			m = append(m, 0, 2, 1)
		}
		m = append(m, w.nlri...)
		be.PutUint16(m[lens:], uint16(len(m)-lens-2))
	}
	be.PutUint16(m[16:], uint16(len(m)))
	w.msg = m
	w.keep(mrt.AppendMessage(w.buf, at, envelope(p), m))
	return prefixes[n:]
}

// attributes appends ORIGIN, AS_PATH and the next hop. In a table dump the IPv6 next hop stands in an MP_REACH_NLRI that
// holds nothing else (RFC 6396 section 4.3.4).
func (w *recorder) attributes(p bgp.Peer, path []uint32, v6, inTable bool) {
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

// table begins a table dump of a collector's peers; nil when it cannot be written.
func (w *recorder) table(at bgp.Micros, peers []bgp.Peer) *mrt.TableWriter {
	list := make([]mrt.TablePeer, len(peers))
	for i, p := range peers {
		list[i] = mrt.TablePeer{ID: p.Addr, Addr: p.Addr, AS: p.AS}
	}
	t, err := mrt.NewTableWriter(w, at, localAddr, "", list)
	if err != nil {
		w.fail(err)
		return nil
	}
	return t
}

// rib begins the record of one prefix of a table.
func (w *recorder) rib() { w.entries, w.attrs = w.entries[:0], w.attrs[:0] }

// entry adds the route of a peer to the record begun.
func (w *recorder) entry(at bgp.Micros, index uint16, p bgp.Peer, path []uint32, v6 bool) {
	start := len(w.attrs)
	w.attributes(p, path, v6, true)
	w.entries = append(w.entries, mrt.TableEntry{Peer: index, Originated: at, Attrs: w.attrs[start:]})
}

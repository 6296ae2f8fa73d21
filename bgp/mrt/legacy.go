package mrt

import (
	"encoding/binary"
	"net/netip"

	"github.com/corewatch/corewatch/bgp"
)

// legacy reads the deprecated BGP type of RFC 6396 appendix B.2.5, which RIS wrote until 2001. Its records hold the message
// without header, so one is put before it in the Decoder's scratch space.
func (d *Decoder) legacy(subtype uint16, b []byte, c *Content) error {
	const (
		update      = 1
		stateChange = 3
	)
	switch subtype {
	case update:
		if len(b) < 12 {
			return ErrShort
		}
		c.PeerAS, c.PeerAddr = uint32(binary.BigEndian.Uint16(b)), netip.AddrFrom4([4]byte(b[2:]))
		c.LocalAS = uint32(binary.BigEndian.Uint16(b[6:]))
		b = b[12:]
		if len(b) > 0xffff-bgpHeaderLen {
			return ErrShort
		}
		d.scratch = d.scratch[:0]
		for range 16 {
			d.scratch = append(d.scratch, 0xff)
		}
		d.scratch = binary.BigEndian.AppendUint16(d.scratch, uint16(bgpHeaderLen+len(b)))
		d.scratch = append(d.scratch, 2)
		d.scratch = append(d.scratch, b...)
		c.Kind, c.BGP = Message, d.scratch
		c.Opts.IBGP = c.PeerAS == c.LocalAS && c.PeerAS != 0
		return nil
	case stateChange:
		if len(b) < 10 {
			return ErrShort
		}
		c.Kind = StateChange
		c.PeerAS, c.PeerAddr = uint32(binary.BigEndian.Uint16(b)), netip.AddrFrom4([4]byte(b[2:]))
		c.OldState, c.NewState = bgp.State(binary.BigEndian.Uint16(b[6:])), bgp.State(binary.BigEndian.Uint16(b[8:]))
		return nil
	}
	return skipped(c, SkipLegacy)
}

package wire

import (
	"encoding/binary"

	"github.com/corewatch/corewatch/bgp"
)

// The phases of Next, in the order of its elems: withdrawals first, so that a prefix both withdrawn and announced in one message
// ends up announced (RFC 4271 section 4.3).
const (
	phaseStart = iota
	phaseWithdrawn
	phaseUnreach
	phaseNLRI
	phaseReach
	phaseDone
)

// Next gives the next elem: withdrawn IPv4, MP_UNREACH, IPv4 NLRI, MP_REACH, in that order. It is false at the end.
// A prefix that cannot be read ends its field: what came before it stands, and Faults gets FaultNLRI.
func (u *Update) Next(e *bgp.Elem) bool {
	for {
		if len(u.cur) > 0 && u.nextPrefix(e) {
			return true
		}
		if !u.nextPhase() {
			return false
		}
	}
}

// nextPhase moves to the next field that holds prefixes.
func (u *Update) nextPhase() bool {
	for u.phase < phaseDone {
		u.phase++
		switch u.phase {
		case phaseWithdrawn:
			u.cur = u.withdrawn
			u.enter(IPv4Unicast, false)
		case phaseUnreach:
			u.cur = u.unreach
			u.enter(u.unreachFamily, false)
		case phaseNLRI:
			u.cur = u.nlri
			u.enter(IPv4Unicast, true)
		case phaseReach:
			u.cur = u.reach
			u.enter(u.reachFamily, true)
		}
		if len(u.cur) > 0 {
			return true
		}
	}
	return false
}

// enter sets what all elems of a field have in common. Of several causes the one that matters most to a reader is given:
// that the prefix is not about reachability at all, then that it was taken away, then that part of the message is missing.
func (u *Update) enter(f Family, announce bool) {
	u.v6 = f.AFI == afiIPv6
	u.addPath = u.v6 && u.opts.AddPath6 || !u.v6 && u.opts.AddPath4
	u.kind, u.cause = bgp.Withdraw, bgp.CauseNone
	if u.cut {
		u.cause = bgp.CauseSalvaged
	}
	if announce {
		u.kind = bgp.Announce
		switch {
		case u.Faults&treatAsWithdraw != 0:
			u.kind, u.cause = bgp.Withdraw, bgp.CauseTreatWithdraw
		case u.Faults&discard != 0 && !u.cut:
			u.cause = bgp.CauseDiscardAttr
		}
	}
	if f.SAFI == safiMulticast {
		u.cause = bgp.CauseMulticast
	}
}

// nextPrefix reads one prefix of the current field into e. It is false, with the field at its end, when that cannot be done.
func (u *Update) nextPrefix(e *bgp.Elem) bool {
	b := u.cur
	var id uint32
	if u.addPath {
		if len(b) < 5 {
			return u.badNLRI()
		}
		id, b = binary.BigEndian.Uint32(b), b[4:]
	}
	bits := b[0]
	b = b[1:]
	n := (int(bits) + 7) >> 3
	if n > len(b) {
		return u.badNLRI()
	}
	if u.v6 {
		if bits > 128 {
			return u.badNLRI()
		}
		hi, lo := load128(b, n)
		e.Prefix = bgp.PrefixFrom6(hi, lo, bits)
	} else {
		if bits > 32 {
			return u.badNLRI()
		}
		e.Prefix = bgp.PrefixFrom4(load32(b, n), bits)
	}
	u.cur = b[n:]
	e.PathID, e.Kind, e.Cause = id, u.kind, u.cause
	if u.kind == bgp.Announce {
		e.PathHash, e.Origin = u.path.hash, u.path.origin
	} else {
		e.PathHash, e.Origin = 0, 0
	}
	return true
}

// badNLRI ends the current field. A prefix that the collector cut in two is no fault.
func (u *Update) badNLRI() bool {
	u.cur = nil
	if !u.cut {
		u.Faults |= FaultNLRI
	}
	return false
}

// load32 reads n (at most 4) octets left-aligned; octets past n may be read too, PrefixFrom4 clears them.
func load32(b []byte, n int) uint32 {
	if len(b) >= 4 {
		return binary.BigEndian.Uint32(b)
	}
	var a uint32
	for i := range n {
		a |= uint32(b[i]) << (24 - 8*i)
	}
	return a
}

// load128 is load32 for n at most 16.
func load128(b []byte, n int) (hi, lo uint64) {
	if len(b) >= 16 {
		return binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	}
	var a [16]byte
	copy(a[:], b[:n])
	return binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(a[8:])
}

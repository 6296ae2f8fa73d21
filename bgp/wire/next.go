package wire

import (
	"encoding/binary"
	"math/bits"

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

// The fields that hold prefixes, each for the phase that is as far behind phaseWithdrawn.
const (
	fieldWithdrawn = iota
	fieldUnreach
	fieldNLRI
	fieldReach
	fields
)

// Next gives the next elem: withdrawn IPv4, MP_UNREACH, IPv4 NLRI, MP_REACH, in that order. It is false at the end.
// A prefix that cannot be read ends its field: what came before it stands, and Faults gets FaultNLRI.
func (u *Update) Next(e *bgp.Elem) bool {
	for {
		at, end, id := u.at, u.end, uint32(0)
		if at >= end {
			if u.pending == 0 {
				u.phase = phaseDone
				return false
			}
			u.nextPhase()
			continue
		}
		msg := u.msg
		if u.addPath {
			if end-at < 5 {
				u.badNLRI()
				continue
			}
			id = binary.BigEndian.Uint32(msg[at:])
			at += 4
		}
		length := msg[at]
		at++
		next := at + (int(length)+7)>>3
		if next > end || length > u.maxBits {
			u.badNLRI()
			continue
		}
		u.at = next
		if u.maxBits == 32 {
			e.Prefix = bgp.PrefixFrom4(uint32(load64(msg, at)>>32), length)
		} else {
			var low uint64
			if length > 64 {
				low = load64(msg, at+8)
			}
			e.Prefix = bgp.PrefixFrom6(load64(msg, at), low, length)
		}
		e.Origin, e.PathID, e.Kind, e.Cause = u.elemOrigin, id, u.kind, u.cause
		return true
	}
}

// nextPhase moves to the next field that holds prefixes, and sets what all its elems have in common.
func (u *Update) nextPhase() {
	i := bits.TrailingZeros8(u.pending) % fields
	u.pending &= u.pending - 1
	u.phase = uint8(phaseWithdrawn + i)
	field := u.fields[i]
	u.at, u.end = int(field.from), int(field.to)
	f := IPv4Unicast
	switch u.phase {
	case phaseUnreach:
		f = u.unreachFamily
	case phaseReach:
		f = u.reachFamily
	}
	u.addPath, u.maxBits = u.opts.AddPath4, 32
	if f.AFI == afiIPv6 {
		u.addPath, u.maxBits = u.opts.AddPath6, 128
	}
	// Of several causes the one that matters most to a reader is given: that the prefix is not about reachability at all, then
	// that it was taken away, then that part of the message is missing.
	kind, cause, origin := bgp.Withdraw, bgp.CauseNone, uint32(0)
	if u.cut {
		cause = bgp.CauseSalvaged
	}
	if u.phase >= phaseNLRI {
		if u.Faults&treatAsWithdraw != 0 {
			cause = bgp.CauseTreatWithdraw
		} else {
			kind, origin = bgp.Announce, u.origin
			if u.Faults&discard != 0 && !u.cut {
				cause = bgp.CauseDiscardAttr
			}
		}
	}
	if f.SAFI == safiMulticast {
		cause = bgp.CauseMulticast
	}
	u.kind, u.cause, u.elemOrigin = kind, cause, origin
}

// badNLRI ends the current field. A prefix at the collector's cut, which may have cut it in two, is no fault.
func (u *Update) badNLRI() {
	u.at = u.end
	if !u.cut || u.end < len(u.msg) {
		u.Faults |= FaultNLRI
	}
}

// load64 is the eight octets of a message at an offset, with zeros for those behind its end. It reads what stands there whatever it
// belongs to; the prefix made of it clears what is not its own. Near the end the octets come from a load that ends there: a
// message is longer than eight octets, and the prefixes mostly are its last. Behind the very end, where only a
// prefix of length 0 can have its octets, they are any.
func load64(msg []byte, at int) uint64 {
	from := min(at, len(msg)-8)
	return binary.BigEndian.Uint64(msg[from:]) << (8 * uint(at-from) & 63)
}

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
		next := at + 1 + (int(length)+7)>>3
		if next > end || length > u.maxBits {
			u.badNLRI()
			continue
		}
		u.at = next
		// The message up to the prefix's end has at least eight octets, of which the last are the prefix's.
		read := msg[:next]
		tail := binary.BigEndian.Uint64(read[len(read)-8:])
		if u.maxBits == 32 {
			e.Prefix = bgp.PrefixFromTail4(tail, length)
		} else {
			var head uint64
			if length > 64 {
				head = binary.BigEndian.Uint64(read[at+1:])
			}
			e.Prefix = bgp.PrefixFromTail6(head, tail, length)
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
	u.addPath, u.maxBits = u.opts.AddPath4, 32
	multicast := false
	if i == fieldUnreach || i == fieldReach {
		f := u.unreachFamily
		if i == fieldReach {
			f = u.reachFamily
		}
		if f.AFI == afiIPv6 {
			u.addPath, u.maxBits = u.opts.AddPath6, 128
		}
		multicast = f.SAFI == safiMulticast
	}
	u.kind, u.cause, u.elemOrigin = bgp.Withdraw, bgp.CauseNone, 0
	if i >= fieldNLRI && u.Faults&treatAsWithdraw == 0 {
		u.kind, u.elemOrigin = bgp.Announce, u.origin
	}
	if u.Faults != 0 || multicast {
		u.cause = u.causeOf(i >= fieldNLRI, multicast)
	}
}

// causeOf is the cause of the elems of a field. Of several the one that matters most to a reader is given: that the prefix is not
// about reachability at all, then that it was taken away, then that part of the message is missing.
func (u *Update) causeOf(announcing, multicast bool) bgp.Cause {
	switch {
	case multicast:
		return bgp.CauseMulticast
	case announcing && u.Faults&treatAsWithdraw != 0:
		return bgp.CauseTreatWithdraw
	case u.cut:
		return bgp.CauseSalvaged
	case announcing && u.Faults&discard != 0:
		return bgp.CauseDiscardAttr
	}
	return bgp.CauseNone
}

// badNLRI ends the current field. A prefix at the collector's cut, which may have cut it in two, is no fault.
func (u *Update) badNLRI() {
	u.at = u.end
	if !u.cut || u.end < len(u.msg) {
		u.Faults |= FaultNLRI
	}
}

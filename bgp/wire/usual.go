package wire

import "encoding/binary"

// The first octets of attributes as nearly all are sent: flags, type, and the length where it is always the same.
const (
	headOrigin       = wellKnown<<16 | attrOrigin<<8 | 1
	headASPath       = wellKnown<<8 | attrASPath
	headNextHop      = wellKnown<<16 | attrNextHop<<8 | 4
	headMED          = nonTransitive<<16 | attrMED<<8 | 4
	headLocalPref    = wellKnown<<16 | attrLocalPref<<8 | 4
	headAtomic       = wellKnown<<16 | attrAtomic<<8
	headCommunities  = transitive<<8 | attrCommunities
	headOriginatorID = nonTransitive<<16 | attrOriginatorID<<8 | 4
	headClusterList  = nonTransitive<<8 | attrClusterList

	flagLong = flagExtended << 8
)

// readAttrs reads the attribute list once, from and to being its ends in the message. The only error is ErrDuplicateMP.
//
// Nearly every list begins with some of these types in ascending order, each with the flags and a length that it must have. That much
// is asked one type after the other, without looking anything up: readList would find the same in about three times the instructions.
// It gets what is left, and the whole list when that ends inside an attribute.
func (u *Update) readAttrs(from, to int) error {
	at, seen := from, uint64(0)
	list := u.msg[:to]
	h := four(list, at)
	if h>>8 == headOrigin && h&0xff <= 2 {
		at, seen = at+4, 1<<attrOrigin
		h = four(list, at)
	}
	if h>>16&^flagLong == headASPath {
		n := int(h >> 8 & 0xff)
		at += 3
		if h>>16 != headASPath {
			n = int(h & 0xffff)
			at++
		}
		u.kept[slotASPath] = span{uint32(at), uint32(at + n)}
		at, seen = at+n, seen|1<<attrASPath
		h = four(list, at)
	}
	if h>>8 == headNextHop {
		at, seen = at+7, seen|1<<attrNextHop
		h = four(list, at)
	}
	if h>>16 != headCommunities {
		if h>>8 == headMED {
			at, seen = at+7, seen|1<<attrMED
			h = four(list, at)
		}
		if h>>8 == headLocalPref {
			at, seen = at+7, seen|1<<attrLocalPref
			h = four(list, at)
		}
		if h>>8 == headAtomic {
			at, seen = at+3, seen|1<<attrAtomic
			h = four(list, at)
		}
	}
	if n := int(h >> 8 & 0xff); h>>16 == headCommunities && n != 0 && n%4 == 0 {
		at, seen = at+3+n, seen|1<<attrCommunities
		h = four(list, at)
	}
	if h>>8 == headOriginatorID {
		at, seen = at+7, seen|1<<attrOriginatorID
		h = four(list, at)
		if n := int(h >> 8 & 0xff); h>>16 == headClusterList && n != 0 && n%4 == 0 {
			at, seen = at+3+n, seen|1<<attrClusterList
		}
	}
	var err error
	if at != to {
		if at > to {
			at, seen = from, 0
		}
		seen, err = u.readList(at, to, seen)
	}
	u.seen[0] = seen
	const others = 1<<attrMPReach | 1<<attrMPUnreach | 1<<attrAggregator | 1<<attrLarge | 1<<attrIPv6Extended | 1<<attrAS4Path | 1<<attrAS4Agg
	if seen&others != 0 {
		u.readKept(seen)
	}
	if err == nil {
		u.setPath()
	}
	return err
}

// four is the four octets at an offset, or 0, which no attribute begins with, when there are not so many.
func four(b []byte, at int) uint32 {
	end := at + 4
	if end < 4 || end > len(b) {
		return 0
	}
	return binary.BigEndian.Uint32(b[end-4 : end : end])
}

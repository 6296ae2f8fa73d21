package wire

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// usualLists are attribute lists of the order that readAttrs reads without readList, as far as it does.
var usualLists = []string{
	"400101 00 400206 0201 0000fde8 400304 c0000201",
	"400101 02 50020012 0204 0000fde8 00000001 00030d40 00000007 400304 c0000201 800404 00000005 400504 00000064 400600 c00808 fde80001 fde80002 800904 c0000201 800a08 00000001 00000002",
	"400101 01 40020e 0203 0000fde8 00000001 00030d40 400304 c0000201 c00804 fde80001 c01008 0002fde800000001 c0200c 00000001 00000002 00000003",
	"400101 00 40020e 0203 0000fde8 00000001 00030d40 800404 00000005 c00804 fde80001 800e0d 0001 01 04 c0000201 00 18 cb0071",
	"400101 00 400208 0203 fde8 5ba0 0001 400304 c0000201 c00706 fde8 c0000201 c0110a 0202 00030d40 00000001",
	"800e0d 0001 01 04 c0000201 00 18 cb0071 400101 00 40020a 0202 0000fde8 00000001",
	"400101 00 400200 400304 c0000201",
}

// TestUsualAttributes reads lists of the usual order, whole, cut short and with octets changed, and what readList makes of the same
// without help must be the same.
func TestUsualAttributes(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	lists, faults := 0, 0
	try := func(list []byte) {
		for _, o := range []Options{{}, {AS4: true}, {AS4: true, IBGP: true}} {
			var u, slow Update
			u.opts, slow.opts = o, o
			u.msg, slow.msg = list, list
			err := u.readAttrs(0, len(list))
			seen, slowErr := slow.readList(0, len(list), 0)
			slow.seen[0] = seen
			slow.readKept(seen)
			if slowErr == nil {
				slow.setPath()
			}
			for i := range u.kept { // which attribute the last of slot 0 was is nobody's business
				if i == 0 || i == slotOrigin {
					u.kept[i], slow.kept[i] = span{}, span{}
				}
			}
			lists++
			if u.Faults != 0 {
				faults++
			}
			switch {
			case err != slowErr || u.Faults != slow.Faults || u.seen != slow.seen || u.Unsupported != slow.Unsupported:
			case u.origin != slow.origin || u.hasPath != slow.hasPath || u.merged != slow.merged || u.lead != slow.lead:
			case u.holding != slow.holding || u.fields != slow.fields || !bytes.Equal(u.asPath(), slow.asPath()):
			default:
				continue
			}
			t.Fatalf("%x, %+v:\nreadAttrs %v, faults %q, %+v\nreadList  %v, faults %q, %+v", list, o, err, u.Faults, u, slowErr, slow.Faults, slow)
		}
	}
	for _, s := range usualLists {
		list := unhex(s)
		for n := range len(list) + 1 {
			try(list[:n:n])
		}
		for at := range list {
			for _, bit := range []byte{1, 2, 3, 4, 8, 0x10, 0x20, 0x40, 0x80, 0xff, list[at]} {
				c := slices.Clone(list)
				c[at] ^= bit
				try(c)
			}
		}
		for range 2000 {
			c := slices.Clone(list)
			for range 2 + r.IntN(3) {
				c[r.IntN(len(c))] = byte(r.Uint32())
			}
			try(c)
		}
	}
	if faults < lists/10 || faults > lists*9/10 {
		t.Errorf("%d of %d lists have faults", faults, lists)
	}
}

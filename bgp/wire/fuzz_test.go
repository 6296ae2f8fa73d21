package wire

import (
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// FuzzUpdate checks on any bytes what must always hold: no panic, a bounded number of elems, valid prefixes without host bits, causes
// that agree with kinds, and the same answer when read again with a used Update.
func FuzzUpdate(f *testing.F) {
	seeds := [][]byte{
		update("", "", ""),
		update(gone, good+reach6+unreach6, nlri),
		update(gone, origin+path4+nextHop, nlri),
		update("", "c011 0a 0202 00000001 00030d40 4002 06 0202 0001 5ba0"+origin, nlri),
		update("", origin+path2+"800e 0d 0001 02 04 c0000201 00 18 c63364", ""),
		update("00000007 18 cb0071", good, "00000001 18 c63364"),
		update("", origin+path2+reach6+reach6, ""),
		update("", good+"c010 08 0002fde800000001 c020 0c 000000010000000200000003 40 63 00", nlri+"21 00"),
	}
	for _, s := range seeds {
		for flags := range uint8(32) {
			f.Add(s, flags)
		}
		f.Add(s[:len(s)-1], uint8(16))
		f.Add(s[:len(s)/2], uint8(16))
		for _, at := range []int{16, 17, 19, 20, len(s) / 2, len(s) - 2} {
			c := slices.Clone(s)
			c[at] ^= 0xff
			f.Add(c, uint8(0))
		}
	}
	used := new(Update)
	f.Fuzz(func(t *testing.T, msg []byte, flags uint8) {
		o := Options{AS4: flags&1 != 0, AddPath4: flags&2 != 0, AddPath6: flags&4 != 0, IBGP: flags&8 != 0, Truncated: flags&16 != 0}
		fresh := new(Update)
		err, err2 := fresh.Parse(msg, o), used.Parse(msg, o)
		if err != err2 {
			t.Fatalf("fresh says %v, used says %v", err, err2)
		}
		var e, e2 bgp.Elem
		n := 0
		for fresh.Next(&e) {
			if n++; err != nil || n > len(msg) {
				t.Fatalf("elem %d of %d bytes, error %v", n, len(msg), err)
			}
			if !used.Next(&e2) || e != e2 {
				t.Fatalf("fresh gives %+v, used %+v", e, e2)
			}
			if !e.Prefix.Valid() || e.Prefix != bgp.PrefixOf(e.Prefix.Netip()) {
				t.Fatalf("prefix %v", e.Prefix)
			}
			if e.Kind == bgp.Withdraw && e.Origin != 0 || e.Kind == bgp.Announce && fresh.Faults.TreatAsWithdraw() {
				t.Fatalf("%+v with faults %q", e, fresh.Faults)
			}
		}
		if used.Next(&e2) {
			t.Fatalf("used gives %+v more", e2)
		}
		if fresh.Faults != used.Faults || fresh.Faults >= faultEnd {
			t.Fatalf("faults %q and %q", fresh.Faults, used.Faults)
		}
		p, count, last := fresh.Path(), 0, uint32(0)
		for asn := range p.All {
			count++
			last = asn
		}
		if count != p.Len() || count > len(msg) || p.Origin() != 0 && p.Origin() != last {
			t.Fatalf("path of %d, Len %d, origin %d, last %d", count, p.Len(), p.Origin(), last)
		}
		p.Upstream()
		fresh.EndOfRIB()
		fresh.ParseRIB(msg, o)
		fresh.RIBElem(e.Prefix, 0)
	})
}

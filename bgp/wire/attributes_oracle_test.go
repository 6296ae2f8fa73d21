package wire_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	gobgp "github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// theirAttributes are the first attributes of each type of a list that ends where it says, those that gobgp can read. With v6 not nil
// MP_REACH_NLRI is read as that of a table entry of that family, abbreviated. ok is false when gobgp panics or the list overruns.
func theirAttributes(list []byte, o wire.Options, v6 *bool) (first map[gobgp.BGPAttrType]gobgp.PathAttributeInterface, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	m := marshalling(o)
	if v6 != nil {
		m.ImplicitPrefix = gobgp.NewIPAddrPrefix(0, "0.0.0.0")
		if *v6 {
			m.ImplicitPrefix = gobgp.NewIPv6AddrPrefix(0, "::")
		}
	}
	first = map[gobgp.BGPAttrType]gobgp.PathAttributeInterface{}
	for rest := slices.Clone(list); len(rest) > 0; {
		var one []byte
		if one, rest, ok = attribute(rest); !ok {
			return nil, false
		}
		a, err := gobgp.GetPathAttribute(one)
		if err != nil {
			return nil, false
		}
		typ := gobgp.BGPAttrType(one[1])
		if _, twice := first[typ]; twice {
			continue
		}
		first[typ] = nil
		if a.DecodeFromBytes(one, m) == nil {
			first[typ] = a
		}
	}
	return first, true
}

// theirTold is what gobgp read, in the lines of wire.Told.
func theirTold(first map[gobgp.BGPAttrType]gobgp.PathAttributeInterface, as4 bool) []string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if a, ok := first[gobgp.BGP_ATTR_TYPE_ORIGIN].(*gobgp.PathAttributeOrigin); ok && a.Value <= 2 {
		say("origin %d", a.Value)
	}
	if a, ok := first[gobgp.BGP_ATTR_TYPE_MULTI_EXIT_DISC].(*gobgp.PathAttributeMultiExitDisc); ok {
		say("med %d", a.Value)
	}
	if a, ok := first[gobgp.BGP_ATTR_TYPE_LOCAL_PREF].(*gobgp.PathAttributeLocalPref); ok {
		say("local-pref %d", a.Value)
	}
	if a, ok := first[gobgp.BGP_ATTR_TYPE_ATOMIC_AGGREGATE].(*gobgp.PathAttributeAtomicAggregate); ok && a.Length == 0 {
		say("atomic")
	}
	if v, ok := theirAggregator(first, as4); ok {
		say("aggregator %d %s", v.AS, v.Address)
	}
	if a, ok := first[gobgp.BGP_ATTR_TYPE_ORIGINATOR_ID].(*gobgp.PathAttributeOriginatorId); ok {
		say("originator %s", a.Value)
	}
	if a, ok := first[gobgp.BGP_ATTR_TYPE_CLUSTER_LIST].(*gobgp.PathAttributeClusterList); ok {
		for _, id := range a.Value {
			say("cluster %s", id)
		}
	}
	if a, ok := first[35].(*gobgp.PathAttributeUnknown); ok && len(a.Value) == 4 {
		say("otc %d", uint32(a.Value[0])<<24|uint32(a.Value[1])<<16|uint32(a.Value[2])<<8|uint32(a.Value[3]))
	}
	if a, ok := first[gobgp.BGP_ATTR_TYPE_COMMUNITIES].(*gobgp.PathAttributeCommunities); ok {
		for _, c := range a.Value {
			say("community %d:%d", c>>16, c&0xffff)
		}
	}
	if a, ok := first[gobgp.BGP_ATTR_TYPE_EXTENDED_COMMUNITIES].(*gobgp.PathAttributeExtendedCommunities); ok {
		for _, c := range a.Value {
			b, err := c.Serialize()
			if err != nil {
				b = []byte(err.Error())
			}
			say("extended %x", b)
		}
	}
	if a, ok := first[gobgp.BGP_ATTR_TYPE_LARGE_COMMUNITY].(*gobgp.PathAttributeLargeCommunities); ok {
		for _, c := range a.Values {
			say("large %d:%d:%d", c.ASN, c.LocalData1, c.LocalData2)
		}
	}
	return lines
}

// theirAggregator merges as RFC 6793 section 4.2.3 has it; gobgp tells the width of the AS number by the attribute's length.
func theirAggregator(first map[gobgp.BGPAttrType]gobgp.PathAttributeInterface, as4 bool) (v gobgp.PathAttributeAggregatorParam, ok bool) {
	a, ok := first[gobgp.BGP_ATTR_TYPE_AGGREGATOR].(*gobgp.PathAttributeAggregator)
	if !ok || (a.Value.Askind == reflect.Uint32) != as4 {
		return v, false
	}
	v = a.Value
	if b, ok := first[gobgp.BGP_ATTR_TYPE_AS4_AGGREGATOR].(*gobgp.PathAttributeAs4Aggregator); ok && !as4 && v.AS == asTrans && b.Value.AS != 0 {
		v = b.Value
	}
	return v, v.AS != 0
}

// theirHop is the next hop of the prefixes of a family, in the words of NextHop.
func theirHop(first map[gobgp.BGPAttrType]gobgp.PathAttributeInterface, v6 bool) string {
	if a, ok := first[gobgp.BGP_ATTR_TYPE_MP_REACH_NLRI].(*gobgp.PathAttributeMpReachNLRI); ok {
		of := a.AFI == gobgp.AFI_IP && !v6 || a.AFI == gobgp.AFI_IP6 && v6
		if of && (a.SAFI == gobgp.SAFI_UNICAST || a.SAFI == gobgp.SAFI_MULTICAST) {
			return shownHop(addrOf(a.Nexthop), addrOf(a.LinkLocalNexthop), len(a.Nexthop) > 0)
		}
	}
	if a, ok := first[gobgp.BGP_ATTR_TYPE_NEXT_HOP].(*gobgp.PathAttributeNextHop); ok && !v6 && len(a.Value) == 4 {
		return shownHop(addrOf(a.Value), netip.Addr{}, true)
	}
	return shownHop(netip.Addr{}, netip.Addr{}, false)
}

func shownHop(hop, linkLocal netip.Addr, ok bool) string { return fmt.Sprint(hop, linkLocal, ok) }

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a
}

// compareAttributes compares what both say of u, and is empty where it is the same.
func compareAttributes(u *wire.Update, o wire.Options, entry *bool) (difference string, mute bool) {
	first, ok := theirAttributes(u.Attrs(), o, entry)
	if !ok {
		return "", true
	}
	if got, want := wire.Told(u.Attributes()), theirTold(first, o.AS4); !slices.EqualFunc(got, want, sameLine) {
		return fmt.Sprintf("attributes %q, gobgp's %q", got, want), false
	}
	if a, ok := first[gobgp.BGP_ATTR_TYPE_MP_REACH_NLRI]; ok && a == nil {
		return "", false // it has prefixes that gobgp cannot read, and then it does not give the next hop before them either
	}
	for _, v6 := range []bool{false, true} {
		if entry != nil && *entry != v6 {
			continue
		}
		if got, want := shownHop(u.NextHop(v6)), theirHop(first, v6); got != want {
			return fmt.Sprintf("next hop (IPv6 %v) %s, gobgp's %s", v6, got, want), false
		}
	}
	return "", false
}

// sameLine lets gobgp turn a transitive link bandwidth community (type 0x00, sub-type 0x04) into the non-transitive one.
func sameLine(ours, theirs string) bool {
	rest, ok := strings.CutPrefix(ours, "extended 0004")
	return ours == theirs || ok && theirs == "extended 4004"+rest
}

// TestAttributesOracle compares the attributes and next hops of every UPDATE of real files with gobgp.
func TestAttributesOracle(t *testing.T) {
	if testing.Short() {
		t.Skip("did not run: real files of a hundred thousand records (short run)")
	}
	dir, names := realFiles(t)
	var u wire.Update
	messages, mutes := 0, 0
	kinds, met := map[byte]int{}, map[string]bool{}
	for _, name := range names {
		failed := 0
		updates(t, filepath.Join(dir, filepath.FromSlash(name)), func(msg []byte, o wire.Options) {
			if u.Parse(msg, o) != nil {
				return
			}
			messages++
			key := fmt.Sprint(o) + string(u.Attrs())
			if met[key] {
				return // what has the same attributes has the same answer
			}
			met[key] = true
			for a := range u.Attributes().All {
				kinds[a.Type]++
			}
			d, mute := compareAttributes(&u, o, nil)
			if mute {
				mutes++
			} else if d != "" {
				if failed++; failed <= 3 {
					t.Errorf("%s: %x (%+v)\n%s", name, msg, o, d)
				}
			}
		})
		if failed > 3 {
			t.Errorf("%s: %d more", name, failed-3)
		}
	}
	t.Logf("%d messages, %d different, gobgp mute on %d, attributes by type %v", messages, len(met), mutes, kinds)
	if len(met) < 50000 || mutes > len(met)/1000 {
		t.Errorf("%d different messages, gobgp mute on %d: not a comparison", len(met), mutes)
	}
}

// TestAttributesOracleTables does the same with table dumps. gobgp reads MP_REACH_NLRI of a table in the abbreviated form only, so it
// is told of the form that stands there.
func TestAttributesOracleTables(t *testing.T) {
	dir, _ := realFiles(t)
	for _, c := range []struct {
		name    string
		entries int
	}{
		{"formats/bgpdump/bview.20020722.2337.gz", 115521},
		{"formats/bgpdump/bview.ipv4_unicast_add_path.gz", 62},
		{"formats/mrtparse/quagga_rib", 9},
		{"formats/mrtparse/openbgpd_rib_table-v2", 31},
		{"formats/mrtparse/bird-mrtdump_rib", 18},
		{"formats/mrtparse/bird6-mrtdump_rib", 10},
		{"formats/vgi-bgp/rib.mrt", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			var u wire.Update
			n, mutes, failed := 0, 0, 0
			entries(t, filepath.Join(dir, filepath.FromSlash(c.name)), func(en *mrt.RIBEntry, o wire.Options) {
				u.ParseRIB(en.Attrs, o)
				v6 := en.Prefix.IsV6()
				entry := &v6
				if a, ok := u.Attributes().Lookup(14); ok && len(a.Value) > 0 && int(a.Value[0]) != len(a.Value)-1 {
					entry = nil
				}
				n++
				d, mute := compareAttributes(&u, o, entry)
				if mute {
					mutes++
				} else if d != "" {
					if failed++; failed <= 3 {
						t.Errorf("%v %x (%+v)\n%s", en.Prefix, en.Attrs, o, d)
					}
				}
				_, classic := u.Attributes().Lookup(3)
				_, reach := u.Attributes().Lookup(14)
				if hop, _, ok := u.NextHop(v6); ok != (reach || classic && !v6) {
					t.Errorf("%v %x has next hop %v", en.Prefix, en.Attrs, hop)
				}
			})
			t.Logf("%d entries, %d mute, %d differ", n, mutes, failed)
			if n != c.entries || mutes > 0 {
				t.Errorf("%d entries, want %d; gobgp mute on %d", n, c.entries, mutes)
			}
		})
	}
}

// entries hands every table entry of a file to each.
func entries(t *testing.T, path string, each func(en *mrt.RIBEntry, o wire.Options)) {
	t.Helper()
	var en mrt.RIBEntry
	contents(t, path, func(c *mrt.Content) {
		if c.Kind == mrt.RIBEntries {
			for c.RIB.Next(&en) {
				each(&en, c.Opts)
			}
		}
	})
}

// contents hands what can be decoded of a file to each.
func contents(t *testing.T, path string, each func(c *mrt.Content)) {
	t.Helper()
	f, err := mrt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var (
		d    mrt.Decoder
		c    mrt.Content
		torn *mrt.TornError
	)
	for r := mrt.NewReader(f); ; {
		rec, err := r.Next()
		switch {
		case err == io.EOF:
			return
		case errors.As(err, &torn):
		case err != nil:
			t.Fatalf("%s: %v", path, err)
		case d.Decode(rec, &c) == nil:
			each(&c)
		}
	}
}

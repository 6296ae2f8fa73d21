package mrt_test

import (
	"bytes"
	"encoding/binary"
	"maps"
	"net/netip"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// TestSkippedAreCounted puts records that are not supported between those that are: each is counted by its reason, RIB_GENERIC in both
// its forms, and the table around them is read.
func TestSkippedAreCounted(t *testing.T) {
	var out bytes.Buffer
	raw := func(typ, sub uint16, body string) {
		b := unhex(t, body)
		h := binary.BigEndian.AppendUint32(nil, 1203561000)
		h = binary.BigEndian.AppendUint16(h, typ)
		h = binary.BigEndian.AppendUint16(h, sub)
		out.Write(append(binary.BigEndian.AppendUint32(h, uint32(len(b))), b...))
	}
	tw, err := mrt.NewTableWriter(&out, bgp.Seconds(1203561000), netip.Addr{}, "", []mrt.TablePeer{{Addr: netip.MustParseAddr("192.0.2.1"), AS: 64500}})
	if err != nil {
		t.Fatal(err)
	}
	attrs := unhex(t, "40010100 40020a 0202 0000fbf4 0000fbf5 400304 c0000201")
	const prefixes = 3
	for i := range uint32(prefixes) {
		raw(mrt.TypeTableDumpV2, 6, "00000000 0001 80 00000000 0000") // RIB_GENERIC: RFC 6396 section 4.3.3
		raw(mrt.TypeTableDumpV2, 12, "00000000 0001 80 00000000 0000")
		raw(mrt.TypeTableDumpV2, 3, "00000000 18 cb0071 0000")
		raw(mrt.TypeTableDumpV2, 7, "00000000 0000 00000000 00000000 0000")
		if err := tw.Put(bgp.PrefixFrom4(0xcb007100+i<<8, 24), []mrt.TableEntry{{Attrs: attrs}}); err != nil {
			t.Fatal(err)
		}
	}
	ta := walk(&out, nil)
	want := map[string]int{mrt.SkipGeneric: 2 * prefixes, mrt.SkipMulticast: prefixes, mrt.SkipGeo: prefixes}
	if !maps.Equal(ta.reasons, want) || ta.skipped != 4*prefixes || ta.malformed != 0 || len(ta.torn) != 0 || ta.elems != prefixes {
		t.Errorf("%d skipped for %v, %d malformed, %d torn, %d elems; want %v", ta.skipped, ta.reasons, ta.malformed, len(ta.torn), ta.elems, want)
	}
}

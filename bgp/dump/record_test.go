package dump_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// rawRecord is one MRT record.
func rawRecord(typ, sub uint16, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, 1000)
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint16(b, sub)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

// tableRecord is a TABLE_DUMP record of subtype 3, which has four-octet AS numbers and needs no table of peers.
func tableRecord(attrs []byte) []byte {
	b := []byte{0, 0, 0, 1, 10, 1, 0, 0, 16, 1, 0, 0, 0, 77, 192, 0, 2, 1, 0, 0, 0xfd, 0xe9}
	b = binary.BigEndian.AppendUint16(b, uint16(len(attrs)))
	return rawRecord(12, 3, append(b, attrs...))
}

// bgpMessage puts a header before body.
func bgpMessage(typ byte, body []byte) []byte {
	b := make([]byte, 16, 19+len(body))
	for i := range b {
		b[i] = 0xff
	}
	b = append(binary.BigEndian.AppendUint16(b, uint16(19+len(body))), typ)
	return append(b, body...)
}

// updateMessage is an UPDATE of its three fields.
func updateMessage(withdrawn, attrs, nlri []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(withdrawn)))
	b = append(b, withdrawn...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(attrs)))
	return bgpMessage(2, append(append(b, attrs...), nlri...))
}

var session = mrt.Envelope{PeerAS: 65001, LocalAS: 65002, PeerAddr: netip.MustParseAddr("192.0.2.1"), LocalAddr: netip.MustParseAddr("192.0.2.2")}

// messageRecord is msg as a collector stores it.
func messageRecord(tb testing.TB, e mrt.Envelope, msg []byte) []byte {
	tb.Helper()
	b, err := mrt.AppendMessage(nil, bgp.Seconds(1000)+42, e, msg)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

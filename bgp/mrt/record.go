// Package mrt reads and writes MRT files (RFC 6396, 8050): it opens them whatever their compression, walks their records without allocating,
// finds its way past damage, and hands BGP messages and table entries to bgp/wire. Every byte of a file is accounted for as part
// of a record or of a TornError.
package mrt

import (
	"encoding/binary"

	"github.com/corewatch/corewatch/bgp"
)

// Record types: RFC 6396 section 4 and appendix B.
const (
	TypeBGP         = 5 // deprecated; RIS until 2001
	TypeTableDump   = 12
	TypeTableDumpV2 = 13
	TypeBGP4MP      = 16
	TypeBGP4MPET    = 17
)

const (
	headerLen = 12
	// maxRecord bounds the length of a record, and so the memory of a Reader. The largest honest record is a RIB entry list:
	// 1,000 peers with 4 KiB of attributes each make 4 MiB; a PEER_INDEX_TABLE of all 65,535 peers makes 1.6 MiB.
	maxRecord = 16 << 20
)

// Record is one MRT record as a view: valid until the Reader's next call.
type Record struct {
	Time    bgp.Micros // of the header; with microseconds when the type is extended (RFC 6396 section 3)
	Type    uint16
	Subtype uint16
	Body    []byte // the message without header and without the microseconds of an extended type
	Raw     []byte // header and body as received
	Offset  int64  // of Raw in the decompressed stream
}

// header is the 12 octets common to all records.
type header struct {
	seconds uint32
	kind    uint32 // type and subtype
	length  uint32
}

func (h header) typ() uint16 { return uint16(h.kind >> 16) }
func (h header) sub() uint16 { return uint16(h.kind) }

func parseHeader(b []byte) header {
	_ = b[headerLen-1]
	first := binary.BigEndian.Uint64(b) // one load for three fields
	return header{seconds: uint32(first >> 32), kind: uint32(first), length: binary.BigEndian.Uint32(b[8:])}
}

// extended reports whether the body starts with microseconds: BGP4MP_ET, ISIS_ET, OSPFv3_ET.
func extended(typ uint16) bool { return typ == TypeBGP4MPET || typ == 33 || typ == 49 }

// known reports whether a header's type and subtype are ones in use. The others that RFC 6396 assigns are rare enough to be asked
// for a fitting time first; NULL (type 0) is never believed, because a hole of zeros in a file would read as one empty record
// after another.
func known(typ, sub uint16) bool {
	return typ < uint16(len(subtypes)) && sub < 16 && subtypes[typ]>>sub&1 != 0
}

// subtypes are those in use of each type, one bit each.
var subtypes = [...]uint16{
	TypeBGP:         1<<8 - 1,     // 0 to 7
	TypeTableDump:   1<<5 - 1<<1,  // 1 to 4
	TypeTableDumpV2: 1<<13 - 1<<1, // 1 to 12
	TypeBGP4MP:      1<<13 - 1,    // 0 to 12
	TypeBGP4MPET:    1<<13 - 1,
}

// least is the shortest body that a record of a known type can have and say anything.
func least(typ uint16) uint32 {
	switch typ {
	case TypeBGP4MP, TypeBGP4MPET:
		return 16
	case TypeTableDump:
		return 22
	case TypeTableDumpV2:
		return 7
	}
	return 10
}

// set makes r the record of raw, which starts with header h and is as long as it says.
func (r *Record) set(h header, raw []byte, offset int64) {
	body, us := raw[headerLen:], bgp.Micros(0)
	if extended(h.typ()) {
		body, us = takeMicros(body)
	}
	r.assign(h, raw, body, us, offset)
}

// assign sets all fields. It is short enough for the compiler to put it into Reader.Next.
func (r *Record) assign(h header, raw, body []byte, us bgp.Micros, offset int64) {
	r.Time, r.Type, r.Subtype = bgp.Seconds(int64(h.seconds))+us, h.typ(), h.sub()
	r.Raw, r.Body, r.Offset = raw, body, offset
}

// takeMicros splits the microseconds of an extended type from its body. A value of a second or more is a fault of the writer; the second
// of the header is still good.
func takeMicros(b []byte) ([]byte, bgp.Micros) {
	if len(b) < 4 {
		return b, 0
	}
	us := bgp.Micros(binary.BigEndian.Uint32(b))
	if us >= bgp.Second {
		us = 0
	}
	return b[4:], us
}

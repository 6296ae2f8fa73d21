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
	seconds  uint32
	typ, sub uint16
	length   uint32
}

func parseHeader(b []byte) header {
	_ = b[headerLen-1]
	first := binary.BigEndian.Uint64(b) // one load for three fields
	return header{seconds: uint32(first >> 32), typ: uint16(first >> 16), sub: uint16(first), length: binary.BigEndian.Uint32(b[8:])}
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
	r.Time, r.Type, r.Subtype = bgp.Seconds(int64(h.seconds)), h.typ, h.sub
	r.Raw, r.Body, r.Offset = raw, raw[headerLen:], offset
	if extended(h.typ) {
		r.takeMicros()
	}
}

// takeMicros moves the microseconds of an extended type from the body to the time.
func (r *Record) takeMicros() {
	if len(r.Body) < 4 {
		return
	}
	// A value of a second or more is a fault of the writer; the second of the header is still good.
	if us := binary.BigEndian.Uint32(r.Body); us < uint32(bgp.Second) {
		r.Time += bgp.Micros(us)
	}
	r.Body = r.Body[4:]
}

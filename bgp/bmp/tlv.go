package bmp

import (
	"encoding/binary"
	"strings"
)

// Types of the TLVs of Initiation (RFC 7854 section 4.4), Termination (section 4.5) and Route Mirroring (section 4.7).
const (
	initSysDescr = 1
	initSysName  = 2

	termReason = 1

	mirrorMessage = 0
	mirrorCode    = 1
)

// Types of the TLVs of a Route Monitoring of version 4: draft-ietf-grow-bmp-tlv.
const (
	tlvStateless = 1 // a capability, for reading without the Peer Up
	tlvMessage   = 4 // the BGP message
)

const capAddPath = 69 // RFC 7911 section 4

// TLV is one element of information.
type TLV struct {
	Type  uint16
	Value []byte
}

// TLVs are elements one behind the other: RFC 7854 section 4.4.
type TLVs []byte

// All yields the elements in order, up to one that overruns.
func (t TLVs) All(yield func(TLV) bool) { walk(t, 0, yield) }

func (t TLVs) valid() bool { return walk(t, 0, func(TLV) bool { return true }) == 0 }

// indexed are elements that have an index in front of their value, which their length does not count: those of a Route Monitoring of version 4.
type indexed []byte

func (t indexed) all(yield func(TLV) bool) { walk(t, 2, yield) }

func (t indexed) valid() bool { return walk(t, 2, func(TLV) bool { return true }) == 0 }

// walk yields elements and gives how many octets are left of one that overruns.
func walk(b []byte, index int, yield func(TLV) bool) (left int) {
	for len(b) > 0 {
		if len(b) < 4+index {
			return len(b)
		}
		end := 4 + index + int(binary.BigEndian.Uint16(b[2:]))
		if end > len(b) {
			return len(b)
		}
		if !yield(TLV{binary.BigEndian.Uint16(b), b[4+index : end : end]}) {
			return 0
		}
		b = b[end:]
	}
	return 0
}

// maxText bounds what is kept of a text that a router sends.
const maxText = 256

// text is what a TLV says in words, made fit for a page and a log.
func text(b []byte) string {
	s := strings.ToValidUTF8(string(b[:min(len(b), maxText)]), "?")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s))
}

// statistics are the counters that are kept of Statistics Reports: RFC 7854 section 4.8, RFC 8671 section 6.2. The index is the type.
var statistics = [...]string{
	"prefixes_rejected", "duplicate_prefixes", "duplicate_withdrawals", "invalid_cluster_list", "invalid_as_path_loop", "invalid_originator_id",
	"invalid_confederation_loop", "routes_adj_rib_in", "routes_loc_rib", "", "", "updates_treated_as_withdrawals", "prefixes_treated_as_withdrawals",
	"duplicate_updates", "routes_adj_rib_out_pre", "routes_adj_rib_out_post", "", "",
}

// statistic reads one counter of 32 bits or gauge of 64. Those of one family (types 9, 10, 16, 17) are parts of the others and not kept.
func (t TLV) statistic() (value uint64, ok bool) {
	if int(t.Type) >= len(statistics) || statistics[t.Type] == "" {
		return 0, false
	}
	switch len(t.Value) {
	case 4:
		return uint64(binary.BigEndian.Uint32(t.Value)), true
	case 8:
		return binary.BigEndian.Uint64(t.Value), true
	}
	return 0, false
}

// termination says a Termination's reason in words: RFC 7854 section 4.5.
func termination(t TLVs) string {
	words := [...]string{"administratively closed", "for a reason it does not give", "out of resources", "the connection is redundant", "administratively closed for good"}
	why := words[1]
	for e := range t.All {
		if e.Type == termReason && len(e.Value) == 2 {
			if n := int(binary.BigEndian.Uint16(e.Value)); n < len(words) {
				why = words[n]
			}
		}
	}
	return why
}

package mrt

import "fmt"

// Parse makes r the record that raw is, header included, which stands at offset in its stream. r refers to raw. The error says that raw is
// not exactly one record of at most the length a Reader accepts; what is in the body is not looked at.
func (r *Record) Parse(raw []byte, offset int64) error {
	if len(raw) < headerLen {
		return fmt.Errorf("mrt: %d octets are no record", len(raw))
	}
	h := parseHeader(raw)
	if h.length > maxRecord || headerLen+int(h.length) != len(raw) {
		return fmt.Errorf("mrt: a record of %d octets says that it has %d", len(raw), int64(headerLen)+int64(h.length))
	}
	r.set(h, raw, offset)
	return nil
}

package wire

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// The errors of ParseOpen, besides ErrShort, ErrMarker and ErrLength. Each but ErrNotOpen says which subcode of the OPEN Message Error
// (RFC 4271 section 6.2) a speaker would answer with.
var (
	ErrNotOpen       = errors.New("bgp message is not an OPEN")
	ErrOpenVersion   = errors.New("bgp open: version is not 4 (subcode 1, Unsupported Version Number)")
	ErrOpenAS        = errors.New("bgp open: AS number 0 (subcode 2, Bad Peer AS; RFC 7607 section 2)")
	ErrOpenID        = errors.New("bgp open: BGP identifier 0 (subcode 3, Bad BGP Identifier; RFC 6286 section 2.1)")
	ErrOpenParameter = errors.New("bgp open: optional parameter other than capabilities (subcode 4, Unsupported Optional Parameter)")
	ErrOpenMalformed = errors.New("bgp open: optional parameters or capabilities overrun their field (subcode 0, Unspecific)")
	ErrOpenHoldTime  = errors.New("bgp open: hold time of 1 or 2 seconds (subcode 6, Unacceptable Hold Time)")
)

const (
	openLen     = headerLen + 10
	maxStandard = 4096  // octets of a message: RFC 4271 section 4.1
	maxExtended = 65535 // the same between speakers of RFC 8654

	paramCapabilities = 2   // RFC 5492 section 4
	paramExtended     = 255 // RFC 9072 section 2
)

// Open is an OPEN message: RFC 4271 section 4.2. Capabilities refer to the bytes given to ParseOpen; all else is copied.
type Open struct {
	Version  byte
	ShortAS  uint16     // the two-octet field My Autonomous System; AS_TRANS (23456) from an AS that does not fit it
	AS       uint32     // the AS of the speaker: from capability 65 when there is one (RFC 6793 section 4.1), else ShortAS
	HoldTime uint16     // seconds; 0 is no keepalives
	ID       netip.Addr // BGP identifier, an IPv4 address by form
	Extended bool       // the optional parameters have the extended length of RFC 9072

	// Capabilities are all capabilities in the order of the message, those that no other field shows too, and repeated ones as often
	// as they came (RFC 5492 section 4). They may stand in one optional parameter or in several.
	Capabilities []Capability
	Supported
	// Ignored are the codes of known capabilities whose value has not the form its RFC gives, once for each time. They count as
	// not advertised.
	Ignored []byte
}

// Capability is one capability as carried: RFC 5492 section 4.
type Capability struct {
	Code  byte // as IANA numbers "Capability Codes"
	Value []byte
}

// ParseOpen reads one whole BGP message (19-octet header included) of type OPEN. What could be read is in the Open returned even when
// there is an error: an observer wants to show it. Bytes behind the message are not looked at.
func ParseOpen(msg []byte) (Open, error) {
	var o Open
	t, err := MessageType(msg)
	if err != nil {
		return o, err
	}
	if t != TypeOpen {
		return o, ErrNotOpen
	}
	n := int(binary.BigEndian.Uint16(msg[16:]))
	// OPEN keeps the maximum of RFC 4271, whatever RFC 8654 allows the messages after it.
	if n < openLen || n > maxStandard {
		return o, ErrLength
	}
	if n > len(msg) {
		return o, ErrShort
	}
	b := msg[headerLen:n]
	o.Version = b[0]
	o.ShortAS = binary.BigEndian.Uint16(b[1:])
	o.AS = uint32(o.ShortAS)
	o.HoldTime = binary.BigEndian.Uint16(b[3:])
	o.ID = netip.AddrFrom4([4]byte(b[5:]))
	if o.Version != 4 {
		return o, ErrOpenVersion
	}
	if err := o.readParameters(b[9:]); err != nil {
		return o, err
	}
	if o.AS4 {
		o.AS = o.longAS
	}
	switch {
	case o.AS == 0:
		return o, ErrOpenAS
	case o.ID == netip.IPv4Unspecified():
		return o, ErrOpenID
	case o.HoldTime == 1 || o.HoldTime == 2:
		return o, ErrOpenHoldTime
	}
	return o, nil
}

// readParameters walks the optional parameters, b beginning at their length. An unknown one is stepped over, so that the capabilities
// behind it are seen, and then is the error.
func (o *Open) readParameters(b []byte) error {
	n, b := int(b[0]), b[1:]
	if n > 0 && len(b) > 0 && b[0] == paramExtended {
		if len(b) < 3 {
			return ErrOpenMalformed
		}
		o.Extended = true
		n, b = int(binary.BigEndian.Uint16(b[1:])), b[3:]
	}
	if n != len(b) {
		return ErrOpenMalformed
	}
	var err error
	for len(b) > 0 {
		typ, v, rest, ok := o.cutParameter(b)
		if !ok {
			return ErrOpenMalformed
		}
		b = rest
		if typ != paramCapabilities {
			err = ErrOpenParameter
			continue
		}
		if !o.readCapabilities(v) {
			return ErrOpenMalformed
		}
	}
	return err
}

// cutParameter splits the first optional parameter off b; with RFC 9072 its length has two octets.
func (o *Open) cutParameter(b []byte) (typ byte, v, rest []byte, ok bool) {
	head := 2
	if o.Extended {
		head = 3
	}
	if len(b) < head {
		return 0, nil, nil, false
	}
	n := int(b[1])
	if o.Extended {
		n = int(binary.BigEndian.Uint16(b[1:]))
	}
	if n > len(b)-head {
		return 0, nil, nil, false
	}
	return b[0], b[head : head+n], b[head+n:], true
}

// readCapabilities reads the value of one Capabilities parameter. It is false when a capability overruns it.
func (o *Open) readCapabilities(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 2 || int(b[1]) > len(b)-2 {
			return false
		}
		end := 2 + int(b[1])
		c := Capability{Code: b[0], Value: b[2:end:end]}
		b = b[end:]
		o.Capabilities = append(o.Capabilities, c)
		if !o.read(c) {
			o.Ignored = append(o.Ignored, c.Code)
		}
	}
	return true
}

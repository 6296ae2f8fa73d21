package dump

import (
	"encoding/binary"
	"errors"

	"github.com/corewatch/corewatch/bgp/wire"
)

// control is what is shown of a message that is not an UPDATE.
type control struct {
	typ           string
	open          wire.Open
	code, subcode byte
	data          []byte
	family        wire.Family // of a ROUTE-REFRESH
}

// errRefresh: RFC 2918 section 3; RFC 5291 section 4 puts filters behind the four octets.
var errRefresh = errors.New("bgp route-refresh shorter than 23 octets (RFC 2918 section 3)")

// errKeepalive: RFC 4271 section 4.4.
var errKeepalive = errors.New("bgp keepalive longer or shorter than 19 octets (RFC 4271 section 4.4)")

// readControl reads a whole message. Of an OPEN that a speaker would refuse for what it proposes there is still something to show,
// so that only bytes that do not fit together are an error.
func readControl(msg []byte, typ byte) (m control, err error) {
	n := int(binary.BigEndian.Uint16(msg[16:]))
	switch typ {
	case wire.TypeOpen:
		m.typ = "open"
		m.open, err = wire.ParseOpen(msg)
		switch {
		case errors.Is(err, wire.ErrOpenVersion), errors.Is(err, wire.ErrOpenAS), errors.Is(err, wire.ErrOpenID),
			errors.Is(err, wire.ErrOpenParameter), errors.Is(err, wire.ErrOpenHoldTime):
			err = nil
		}
	case wire.TypeNotification:
		m.typ = "notification"
		m.code, m.subcode, m.data, err = wire.ParseNotification(msg)
	case wire.TypeKeepalive:
		m.typ = "keepalive"
		if n != 19 {
			err = errKeepalive
		}
	case wire.TypeRouteRefresh:
		m.typ = "route_refresh"
		if n < 23 || len(msg) < 23 {
			return m, errRefresh
		}
		m.family = wire.Family{AFI: binary.BigEndian.Uint16(msg[19:]), SAFI: msg[22]}
	}
	return m, err
}

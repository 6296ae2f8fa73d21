package peering

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/corewatch/corewatch/bgp/wire"
)

const (
	headerLen   = 19
	standard    = 4096  // octets of a message: RFC 4271 section 4.1
	extended    = 65535 // the same with RFC 8654; OPEN and KEEPALIVE excepted
	frameBuffer = 1 << 16
)

// fault is what a neighbour is told in a NOTIFICATION before the connection is closed.
type fault struct {
	code, subcode byte
	data          []byte
	why           string // for the operator
}

// Error says what is wrong, in the words of the RFC and ours.
func (f *fault) Error() string {
	if text := wire.NotificationText(f.code, f.subcode); f.why == "" {
		return text
	} else {
		return text + ": " + f.why
	}
}

// framer cuts the octets of a connection into messages.
type framer struct {
	r   *bufio.Reader
	max int // octets of a message
}

func newFramer(r io.Reader) framer {
	return framer{bufio.NewReaderSize(r, frameBuffer), standard}
}

// shortest is the least length of each type of message: RFC 4271 section 4, RFC 2918 section 3.
var shortest = [...]int{
	wire.TypeOpen: headerLen + 10, wire.TypeUpdate: headerLen + 4, wire.TypeNotification: headerLen + 2,
	wire.TypeKeepalive: headerLen, wire.TypeRouteRefresh: headerLen + 4,
}

// next gives the next message, header included; it is valid until the call after it. A fault is one of the header (RFC 4271 section 6.1),
// and what there is of the message is given beside it. Any other error is one of the connection.
func (f *framer) next() (msg []byte, err error) {
	if msg, err = f.r.Peek(headerLen); err != nil {
		return nil, torn(len(msg), err)
	}
	n := int(binary.BigEndian.Uint16(msg[16:]))
	if _, err := wire.MessageType(msg); err != nil {
		return msg, &fault{code: 1, subcode: 1, why: "the marker is not all ones"}
	}
	t := int(msg[18])
	known := t > 0 && t < len(shortest)
	most := f.max
	if t == wire.TypeOpen || t == wire.TypeKeepalive {
		most = standard
	}
	switch {
	case n < headerLen || n > most, known && n < shortest[t], t == wire.TypeKeepalive && n != headerLen:
		return msg, &fault{code: 1, subcode: 2, data: append([]byte(nil), msg[16:18]...), why: fmt.Sprintf("a message of type %d says that it has %d octets", t, n)}
	}
	if msg, err = f.r.Peek(n); err != nil {
		return nil, torn(len(msg), err)
	}
	_, _ = f.r.Discard(n) // they are in the buffer
	if !known {
		return msg, &fault{code: 1, subcode: 3, data: []byte{byte(t)}, why: fmt.Sprintf("a message of type %d", t)}
	}
	return msg, nil
}

// torn is the error of a connection that ends within a message.
func torn(have int, err error) error {
	if err == io.EOF && have > 0 { // bufio gives it as it is
		return io.ErrUnexpectedEOF
	}
	return err
}

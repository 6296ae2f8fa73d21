package wire

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"unicode"
)

// ErrNotNotification is the error of ParseNotification for a message of another type.
var ErrNotNotification = errors.New("bgp message is not a NOTIFICATION")

// ParseNotification reads one whole BGP message (19-octet header included) of type NOTIFICATION: RFC 4271 section 4.5. data refers to
// msg. The other errors are ErrShort, ErrMarker and ErrLength; bytes behind the message are not looked at.
func ParseNotification(msg []byte) (code, subcode byte, data []byte, err error) {
	t, err := MessageType(msg)
	if err != nil {
		return 0, 0, nil, err
	}
	if t != TypeNotification {
		return 0, 0, nil, ErrNotNotification
	}
	n := int(binary.BigEndian.Uint16(msg[16:]))
	if n < headerLen+2 {
		return 0, 0, nil, ErrLength
	}
	if n > len(msg) {
		return 0, 0, nil, ErrShort
	}
	return msg[19], msg[20], msg[21:n:n], nil
}

const (
	codeCease     = 6
	ceaseShutdown = 2
	ceaseReset    = 4
	ceaseHard     = 9
)

// errorCode is a row of the IANA registries "BGP Error (Notification) Codes" and "BGP Error Subcodes".
type errorCode struct {
	name     string
	subcodes []string // index is the subcode; empty where nothing is assigned
}

// errorCodes: RFC 4271 section 4.5, and where a name came later or is gone the RFC beside it.
var errorCodes = [...]errorCode{
	1: {"Message Header Error", []string{
		1: "Connection Not Synchronized",
		2: "Bad Message Length",
		3: "Bad Message Type",
	}},
	2: {"OPEN Message Error", []string{
		1:  "Unsupported Version Number",
		2:  "Bad Peer AS",
		3:  "Bad BGP Identifier",
		4:  "Unsupported Optional Parameter",
		5:  "Authentication Failure", // RFC 1771; seen in archives
		6:  "Unacceptable Hold Time",
		7:  "Unsupported Capability", // RFC 5492
		11: "Role Mismatch",          // RFC 9234
	}},
	3: {"UPDATE Message Error", []string{
		1:  "Malformed Attribute List",
		2:  "Unrecognized Well-known Attribute",
		3:  "Missing Well-known Attribute",
		4:  "Attribute Flags Error",
		5:  "Attribute Length Error",
		6:  "Invalid ORIGIN Attribute",
		7:  "AS Routing Loop", // RFC 1771
		8:  "Invalid NEXT_HOP Attribute",
		9:  "Optional Attribute Error",
		10: "Invalid Network Field",
		11: "Malformed AS_PATH",
	}},
	4: {"Hold Timer Expired", nil},
	5: {"Finite State Machine Error", []string{ // RFC 6608
		1: "Receive Unexpected Message in OpenSent State",
		2: "Receive Unexpected Message in OpenConfirm State",
		3: "Receive Unexpected Message in Established State",
	}},
	codeCease: {"Cease", []string{ // RFC 4486
		1:             "Maximum Number of Prefixes Reached",
		ceaseShutdown: "Administrative Shutdown",
		3:             "Peer De-configured",
		ceaseReset:    "Administrative Reset",
		5:             "Connection Rejected",
		6:             "Other Configuration Change",
		7:             "Connection Collision Resolution",
		8:             "Out of Resources",
		ceaseHard:     "Hard Reset", // RFC 8538
		10:            "BFD Down",   // RFC 9384
	}},
	7: {"ROUTE-REFRESH Message Error", []string{1: "Invalid Message Length"}}, // RFC 7313
	8: {"Send Hold Timer Expired", nil},                                       // RFC 9687
}

// NotificationText names an error code and subcode, for example "Cease/Administrative Shutdown". Subcode 0 is unspecific and left out;
// what IANA has not assigned is given as a number.
func NotificationText(code, subcode byte) string {
	if int(code) >= len(errorCodes) || errorCodes[code].name == "" {
		return "code " + strconv.Itoa(int(code)) + "/subcode " + strconv.Itoa(int(subcode))
	}
	e := errorCodes[code]
	switch {
	case subcode == 0:
		return e.name
	case int(subcode) < len(e.subcodes) && e.subcodes[subcode] != "":
		return e.name + "/" + e.subcodes[subcode]
	}
	return e.name + "/subcode " + strconv.Itoa(int(subcode))
}

// ShutdownCommunication is the text that an operator sent along with Administrative Shutdown or Administrative Reset (RFC 9003), also
// inside a Hard Reset (RFC 8538): at most 255 octets, made printable, never to be trusted. ok is false when the notification is of another kind, or carries no text or one of the wrong length.
func ShutdownCommunication(code, subcode byte, data []byte) (text string, ok bool) {
	if code == codeCease && subcode == ceaseHard && len(data) >= 2 {
		code, subcode, data = data[0], data[1], data[2:]
	}
	if code != codeCease || subcode != ceaseShutdown && subcode != ceaseReset {
		return "", false
	}
	s, rest, ok := counted(data)
	if !ok || len(s) == 0 || len(rest) > 0 {
		return "", false
	}
	return printable(s), true
}

// printable is text from outside in a form that can be logged and shown: octets that are not UTF-8, control characters and those
// that steer the direction of writing become U+FFFD, each one, and every kind of space a plain one.
func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case unicode.Is(unicode.Zs, r):
			return ' '
		}
		return unicode.ReplacementChar
	}, string(b))
}

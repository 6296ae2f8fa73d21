// Package rislive reads RIS Live, the stream of BGP messages that RIPE NCC's route collectors hear: JSON frames over a WebSocket, each with the
// BGP message as it was received. A frame becomes an MRT record around these octets; what its JSON says beside them is only a check.
package rislive

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// Counts is what became of the frames.
type Counts struct {
	Frames    uint64 // all
	Messages  uint64 // that carried a BGP message, which is now a record
	States    uint64 // that told of a session's state
	Rebuilt   uint64 // of Messages: without raw octets, put together from the JSON
	Disagreed uint64 // of Messages: the JSON names other prefixes than the raw octets, which count
	Own       uint64 // that the service sent about itself: pong, acknowledgements
	Sent      uint64 // messages that the collector sent, not its peer
	Other     uint64 // of types that say nothing about routes
	Malformed uint64
}

// ServiceError is what the service says is wrong: a ris_error frame.
type ServiceError string

// Error gives the service's words, cut to a line.
func (e ServiceError) Error() string { return "RIS Live says: " + string(e) }

// ErrMalformed is wrapped by errors about a frame that cannot be used; it is counted.
var ErrMalformed = errors.New("malformed frame")

// localAS is RIPE NCC's, of every collector of RIS.
const localAS = 12654

// maxName bounds the name of a collector.
const maxName = 64

// Decoder turns frames into records. Not safe for concurrent use.
type Decoder struct {
	Counts Counts
	check  check
	build  builder
	raw    []byte
	rec    []byte
	msg    message // of the usual form; its lists are used again
}

type envelope struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

type message struct {
	Timestamp     json.Number    `json:"timestamp"`
	Peer          string         `json:"peer"`
	PeerASN       jsonText       `json:"peer_asn"` // a string, or a number
	Host          string         `json:"host"`
	Type          string         `json:"type"`
	State         string         `json:"state"`
	Direction     string         `json:"direction"`
	Raw           string         `json:"raw"`
	Path          jsonText       `json:"path"`
	Announcements []announcement `json:"announcements"`
	Withdrawals   []string       `json:"withdrawals"`
}

// jsonText is a value as it stands in the frame.
type jsonText string

// UnmarshalJSON keeps the text.
func (t *jsonText) UnmarshalJSON(b []byte) error {
	*t = jsonText(b)
	return nil
}

type announcement struct {
	NextHop  string   `json:"next_hop"`
	Prefixes []string `json:"prefixes"`
}

// Decode reads one frame. When it is one that a monitor uses, it gives the collector and the MRT record, valid until the next call. A nil record
// without an error is a frame about nothing. A ServiceError is what the service complains about; any other error is about this frame, and is counted.
func (d *Decoder) Decode(frame []byte) (collector string, record []byte, err error) {
	d.Counts.Frames++
	d.msg = message{Announcements: d.msg.Announcements[:0], Withdrawals: d.msg.Withdrawals[:0]}
	if scan(string(frame), &d.msg) {
		return d.message(&d.msg)
	}
	return d.unusual(frame)
}

// unusual reads a frame of any form.
func (d *Decoder) unusual(frame []byte) (collector string, record []byte, err error) {
	var e envelope
	if err := json.Unmarshal(frame, &e); err != nil {
		return "", nil, d.malformed("it is no JSON object: %v", err)
	}
	switch e.Type {
	case "ris_message":
	case "ris_error":
		var why struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(e.Data, &why) != nil || why.Message == "" {
			why.Message = string(e.Data)
		}
		d.Counts.Own++
		return "", nil, ServiceError(line(why.Message))
	case "pong", "ris_subscribe_ok", "ris_unsubscribe_ok", "ris_rrc_list":
		d.Counts.Own++
		return "", nil, nil
	default:
		d.Counts.Other++
		return "", nil, nil
	}
	var m message
	if err := json.Unmarshal(e.Data, &m); err != nil {
		return "", nil, d.malformed("its data are not a message: %v", err)
	}
	return d.message(&m)
}

func (d *Decoder) malformed(format string, args ...any) error {
	d.Counts.Malformed++
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

// line cuts the words of another to a length that can be logged.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
	return s[:min(len(s), 200)]
}

func (d *Decoder) message(m *message) (string, []byte, error) {
	collector, _, _ := strings.Cut(m.Host, ".")
	if collector == "" || len(collector) > maxName {
		return "", nil, d.malformed("no host")
	}
	addr, err := netip.ParseAddr(m.Peer)
	if err != nil || addr.Zone() != "" {
		return "", nil, d.malformed("peer %q is no address", line(m.Peer))
	}
	as, err := strconv.ParseUint(strings.Trim(string(m.PeerASN), `"`), 10, 32)
	if err != nil {
		return "", nil, d.malformed("peer_asn %q is no AS number", line(string(m.PeerASN)))
	}
	at, err := micros(m.Timestamp)
	if err != nil {
		return "", nil, d.malformed("timestamp %q", line(m.Timestamp.String()))
	}
	env := mrt.Envelope{PeerAS: uint32(as), LocalAS: localAS, PeerAddr: addr.Unmap()}
	switch {
	case m.Direction == "sent":
		d.Counts.Sent++
		return "", nil, nil
	case m.Type == "RIS_PEER_STATE":
		return d.state(collector, at, env, m.State)
	case m.Raw == "" && m.Type != "UPDATE" && m.Type != "KEEPALIVE":
		d.Counts.Other++
		return "", nil, nil
	}
	msg, err := d.octets(m, &env)
	if err != nil {
		return "", nil, d.malformed("%v", err)
	}
	d.rec, err = mrt.AppendMessage(d.rec[:0], at, env, msg)
	if err != nil {
		return "", nil, d.malformed("%v", err)
	}
	d.Counts.Messages++
	return collector, d.rec, nil
}

// octets is the BGP message of a frame: the raw octets where there are any.
func (d *Decoder) octets(m *message, env *mrt.Envelope) ([]byte, error) {
	if m.Raw == "" {
		d.Counts.Rebuilt++
		return d.build.message(m)
	}
	n := hex.DecodedLen(len(m.Raw))
	if cap(d.raw) < n {
		d.raw = make([]byte, n)
	}
	d.raw = d.raw[:n]
	if _, err := hex.Decode(d.raw, []byte(m.Raw)); err != nil {
		return nil, fmt.Errorf("raw: %w", err)
	}
	if n < 19 || int(binary.BigEndian.Uint16(d.raw[16:])) != n {
		return nil, errors.New("raw is not one BGP message")
	}
	if m.Type == "UPDATE" {
		agree, as2 := d.check.agree(d.raw, m)
		env.AS2 = as2
		if !agree {
			d.Counts.Disagreed++
		}
	}
	return d.raw, nil
}

func (d *Decoder) state(collector string, at bgp.Micros, env mrt.Envelope, state string) (string, []byte, error) {
	from, to := bgp.Established, bgp.State(1) // Idle
	switch state {
	case "connected":
		from, to = bgp.State(5), bgp.Established // OpenConfirm
	case "down":
	default:
		return "", nil, d.malformed("state %q", line(state))
	}
	var err error
	if d.rec, err = mrt.AppendStateChange(d.rec[:0], at, env, from, to); err != nil {
		return "", nil, d.malformed("%v", err)
	}
	d.Counts.States++
	return collector, d.rec, nil
}

// micros reads a Unix time with decimals. What is finer than a microsecond is cut.
func micros(n json.Number) (bgp.Micros, error) {
	v, err := n.Float64()
	if err != nil || !(v >= 0 && v < math.MaxUint32) {
		return 0, errors.New("out of range")
	}
	return bgp.Micros(math.Round(v * 1e6)), nil
}

package peering

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

// forgive lets a neighbour connect again at once.
func (l *listener) forgive(addr string) {
	l.Speaker.mu.Lock()
	defer l.Speaker.mu.Unlock()
	n := l.byAddr[netip.MustParseAddr(addr)]
	n.allowed, n.barred = connectBurst, time.Time{}
}

// say sends one message in an established session, and waits until it was taken or has ended the session, which it reports.
func (l *listener) say(r *router, addr string, msg []byte) (ended bool) {
	l.until("a session", func() bool { return l.neighbour(addr).State == bgp.Established })
	before := l.neighbour(addr).Messages
	r.send(msg)
	if n := int(binary.BigEndian.Uint16(msg[16:])); n > len(msg) { // the capture ends before it: the rest is zeros
		r.send(make([]byte, n-len(msg)))
	}
	r.send(message(wire.TypeKeepalive))
	l.until("the message was taken", func() bool {
		n := l.neighbour(addr)
		ended = n.State != bgp.Established
		return ended || n.Messages >= before+2
	})
	return ended
}

// TestCrashers: the two messages that end a GoBGP process end at most their own session.
func TestCrashers(t *testing.T) {
	l := speak(t, serving(only("127.0.0.2", 3333), only("127.0.0.3", 65002)))
	other := connectFrom(l, "127.0.0.3")
	other.establish(usual(65002))
	r := connectFrom(l, "127.0.0.2")
	r.establish(offer{3333, "10.0.0.1", 90, nil})
	as4 := attribute(0xc0, 17, 2, 1, 0, 1, 0, 1)
	if l.say(r, "127.0.0.2", update([]byte{24, 10, 1, 1}, origin, as4, attribute(0x40, 2, 2, 1, 0x5b, 0xa0), nextHop)) {
		t.Fatal("AS4_PATH before AS_PATH ended the session")
	}
	l.until("the record", func() bool { return l.updates("127.0.0.2") == 1 })
	x := l.heard("127.0.0.2")
	var u wire.Update
	var e bgp.Elem
	if err := u.Parse(x[2].msg, x[2].Opts); err != nil || !u.Next(&e) || e.Origin != 65537 {
		t.Errorf("%+v, %v", e, err)
	}
	r.send(message(9)) // 19 octets of a type that nobody knows
	r.notified(1, 3)
	l.until("the end", func() bool { return len(l.states("127.0.0.2")) == 2 })
	if x = l.heard("127.0.0.2"); x[len(x)-2].kind() != 9 {
		t.Errorf("the message was not kept: %+v", x[len(x)-2])
	}
	if l.say(other, "127.0.0.3", announce(65002, 24, 10, 1, 1)) || len(l.states("127.0.0.3")) != 1 {
		t.Error("the other neighbour's session ended")
	}
}

// TestCaptures sends every message of the captures, most of them malformed, as a neighbour would: the octets of each direction as a connection
// of their own, and each message in an established session. The monitor and the other neighbour's session stay up.
func TestCaptures(t *testing.T) {
	dir := os.Getenv("COREWATCH_DATA")
	if dir == "" {
		dir = "../../../shared/data"
	}
	files, err := filepath.Glob(filepath.Join(dir, "bgp_pcap/tcpdump/*.pcap*"))
	if err != nil || len(files) == 0 {
		t.Skip("no captures: COREWATCH_DATA is not set, and ../shared/data is not there")
	}
	const addr = "127.0.0.2"
	n := only(addr, 65001)
	n.AddPath = true
	l := speak(t, serving(n, only("127.0.0.3", 65002)))
	other := connectFrom(l, "127.0.0.3")
	other.establish(usual(65002))
	streams, messages, ended := 0, 0, 0
	var r *router
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		flows := tcpStreams(t, b)
		if len(flows) == 0 && !strings.Contains(f, "rpki-rtr") {
			t.Errorf("%s: no BGP in it", filepath.Base(f))
		}
		for _, octets := range flows {
			streams++
			if r != nil {
				r.conn.Close()
				r = nil
			}
			l.forgive(addr)
			raw := connectFrom(l, addr)
			_, _ = raw.conn.Write(octets) // it may be closed in the middle
			raw.conn.Close()
			for _, msg := range splitMessages(octets) {
				if r == nil {
					l.until("the session before is over", func() bool { return l.neighbour(addr).State != bgp.Established })
					l.forgive(addr)
					r = connectFrom(l, addr)
					r.establish(usual(65001))
				}
				messages++
				if l.say(r, addr, msg) {
					ended++
					r.conn.Close()
					r = nil
				}
			}
		}
		if l.say(other, "127.0.0.3", message(wire.TypeKeepalive)) {
			t.Fatalf("%s ended the other neighbour's session", filepath.Base(f))
		}
	}
	t.Logf("%d captures, %d streams, %d messages in established sessions, %d of them ended theirs", len(files), streams, messages, ended)
	if messages < 200 || ended == 0 || ended == messages {
		t.Errorf("%d messages, %d ended their session", messages, ended)
	}
	if s := l.states("127.0.0.3"); !slices.Equal(s, []bgp.State{bgp.Established}) {
		t.Errorf("the other neighbour: %v", s)
	}
}

// splitMessages cuts octets where a marker begins.
func splitMessages(b []byte) (list [][]byte) {
	marker := bytes.Repeat([]byte{0xff}, 16)
	for at := bytes.Index(b, marker); at >= 0 && len(b)-at >= headerLen; {
		next := bytes.Index(b[at+16:], marker)
		if next < 0 {
			return append(list, b[at:])
		}
		list = append(list, b[at:at+16+next])
		at += 16 + next
	}
	return list
}

// tcpStreams are the octets of each direction of the BGP connections in a capture, as they stand in it: pcap, or pcapng with one interface.
func tcpStreams(t *testing.T, b []byte) [][]byte {
	var order binary.ByteOrder = binary.LittleEndian
	var packets [][]byte
	var link uint32
	switch {
	case len(b) < 28:
		t.Fatal("no capture")
	case binary.BigEndian.Uint32(b) == 0x0a0d0d0a:
		if binary.BigEndian.Uint32(b[8:]) == 0x1a2b3c4d {
			order = binary.BigEndian
		}
		for len(b) >= 12 {
			kind, n := order.Uint32(b), int(order.Uint32(b[4:]))
			if n < 12 || n > len(b) {
				break
			}
			switch body := b[8 : n-4]; kind {
			case 1: // interface description
				link = uint32(order.Uint16(body))
			case 6: // enhanced packet
				packets = append(packets, body[20:20+order.Uint32(body[12:])])
			}
			b = b[n:]
		}
	default:
		if magic := binary.BigEndian.Uint32(b); magic == 0xa1b2c3d4 || magic == 0xa1b23c4d {
			order = binary.BigEndian
		}
		link = order.Uint32(b[20:]) & 0xffff
		for b = b[24:]; len(b) >= 16; {
			n := int(order.Uint32(b[8:]))
			if n > len(b)-16 {
				n = len(b) - 16
			}
			packets = append(packets, b[16:16+n])
			b = b[16+n:]
		}
	}
	flows := map[string][]byte{}
	var names []string
	for _, p := range packets {
		name, payload := bgpPayload(link, p)
		if len(payload) == 0 {
			continue
		}
		if flows[name] == nil {
			names = append(names, name)
		}
		flows[name] = append(flows[name], payload...)
	}
	var out [][]byte
	for _, name := range names {
		out = append(out, flows[name])
	}
	return out
}

// bgpPayload is what a packet carries to or from port 179, and of which direction it is.
func bgpPayload(link uint32, p []byte) (flow string, payload []byte) {
	switch link {
	case 0, 108: // BSD loopback
		p = p[min(4, len(p)):]
	case 1: // Ethernet
		p = p[min(12, len(p)):]
		for len(p) > 4 && p[0] == 0x81 && p[1] == 0 {
			p = p[4:]
		}
		p = p[min(2, len(p)):]
	case 113: // Linux cooked
		p = p[min(16, len(p)):]
	default: // one of many others: behind whatever stands before it, an IPv4 packet that ends with the record
		for at := range p {
			if q := p[at:]; len(q) >= 40 && q[0] == 0x45 && q[9] == 6 && int(binary.BigEndian.Uint16(q[2:])) == len(q) {
				p = q
				break
			}
		}
	}
	var addrs []byte
	switch {
	case len(p) >= 20 && p[0]>>4 == 4 && p[9] == 6:
		end := min(len(p), max(20, int(binary.BigEndian.Uint16(p[2:]))))
		addrs, p = p[12:20], p[min(int(p[0]&15)*4, end):end]
	case len(p) >= 40 && p[0]>>4 == 6 && p[6] == 6:
		addrs, p = p[8:40], p[40:]
	default:
		return "", nil
	}
	if len(p) < 20 || binary.BigEndian.Uint16(p) != 179 && binary.BigEndian.Uint16(p[2:]) != 179 {
		return "", nil
	}
	return string(addrs) + string(p[:4]), p[min(len(p), int(p[12]>>4)*4):]
}

package bmp

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// seeds are messages of every type, right and wrong, and those of the captures.
func seeds(f *testing.F) (out [][]byte) {
	out = [][]byte{
		hello, upA, peerA.routes(update("", good4, nlri)), peerA.flagged(flagAS2).routes(update(gone, good2, nlri)), peerA.down(1, open(1, "1.1.1.1", "")...),
		table.up("", 0, openMine, openMine), table.routes(update("", good4+reach6, nlri)), frame(Termination, unhex("0001 0002 0002")),
		frame(RouteMirroring, peerA.header(), unhex("0001 0002 0000 0000 0005 ffff010203")), frame(StatisticsReport, peerA.header(), unhex("00000001 0007 0008 0000000000000009")),
		peerB.up("2001:db8::a", 1, openMine, openA), peerB.routes(update("", origin+path4+reach6p, nlriP)), frame(9), frame(PeerUp, peerA.header(), make([]byte, upLen)),
		slices.Concat(hello, upA, peerA.routes(update("", good4, nlri)), peerA.down(4)),
	}
	for _, file := range captureFiles(f) {
		for _, b := range streams(f, file) {
			out = append(out, b[:min(len(b), 1200)])
		}
	}
	return out
}

// FuzzDecode: no octets make the decoder panic, what it gives lies within them, and GoBGP agrees where it reads them.
func FuzzDecode(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Message
		err := m.Decode(b)
		if err == nil && m.Type == RouteMonitoring && len(m.Update) < bgpLen || err == nil && m.Type == PeerUp && (len(m.Sent) < bgpLen || len(m.Received) < bgpLen) {
			t.Errorf("%+v", m)
		}
		if n, serr := Split(b, 1<<20); serr == nil && n > 0 {
			agree(t, b[:n])
		} else if err == nil {
			t.Errorf("no whole message, and it was read: %x", b)
		}
	})
}

// FuzzRouter: whatever a router sends, the station writes records that the reader of MRT takes, and keeps no more than its bounds.
func FuzzRouter(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := newDesk(t)
		d.say(upA, peerB.up("2001:db8::a", 1, openMine, openA), table.up("", 0, openMine, openMine))
		for {
			n, err := Split(b, 1<<18)
			if err != nil || n == 0 {
				break
			}
			err = d.msg.Decode(b[:n])
			if d.message(&d.msg, err, d.now) != "" || errors.Is(err, ErrShort) {
				d.lost("over", d.now)
				d.expire(d.now.Add(time.Minute))
			}
			b = b[n:]
		}
		d.lost("the end", d.now)
		d.expire(d.now.Add(time.Hour))
		drain(t, d.router)
		if len(d.order)+len(d.sessions)+len(d.taken)+len(d.instances) != 0 {
			t.Errorf("%d sessions, %d peers, %d instances are left", len(d.sessions), len(d.taken), len(d.instances))
		}
	})
}

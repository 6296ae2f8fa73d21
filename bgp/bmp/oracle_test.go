package bmp

import (
	"bytes"
	"net/netip"
	"testing"

	oracle "github.com/osrg/gobgp/v3/pkg/packet/bmp"

	gobgp "github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

// gobgpRead is a message as GoBGP reads it; nil when it does not. Its decoder panics on some malformed messages.
func gobgpRead(b []byte) (m *oracle.BMPMessage) {
	defer func() {
		if recover() != nil {
			m = nil
		}
	}()
	m, err := oracle.ParseBMPMessage(b)
	if err != nil {
		return nil
	}
	return m
}

// agree holds a message of version 3 against GoBGP's decoder, and is false when that one does not read it.
func agree(t testing.TB, b []byte) bool {
	t.Helper()
	var m Message
	err := m.Decode(b)
	o := gobgpRead(b)
	if o == nil || b[0] != 3 {
		return false
	}
	if err != nil {
		if n := len(b); int(o.Header.Length) == n && !stricter(&m) {
			t.Errorf("%v, and GoBGP reads it: %x", err, b)
		}
		return false
	}
	if uint8(m.Type) != o.Header.Type {
		t.Errorf("type %d, GoBGP %d", m.Type, o.Header.Type)
	}
	switch m.Type {
	case Initiation, Termination, RouteMirroring:
		return true
	}
	p, h := &m.Peer, &o.PeerHeader
	if p.Type != h.PeerType || p.Flags != h.Flags || p.AS != h.PeerAS || netip.AddrFrom4(p.ID).String() != h.PeerBGPID.String() {
		t.Errorf("%+v, GoBGP %+v", p, h)
	}
	if !p.LocRIB() && (p.PostPolicy() != h.IsPostPolicy() || p.Out() != h.IsAdjRIBOut()) {
		t.Errorf("view %d, GoBGP after policy %v, out %v", p.view(), h.IsPostPolicy(), h.IsAdjRIBOut())
	}
	if a, _ := netip.AddrFromSlice(h.PeerAddress); !p.LocRIB() && !p.WrongFamily && a.Unmap() != p.Addr.Unmap() {
		t.Errorf("%s, GoBGP %s", p.Addr, a)
	}
	if us := bgp.Micros(h.Timestamp*1e6 + 0.5); p.Time%1e6 != 0 && us != p.Time {
		t.Errorf("%d us, GoBGP %d", p.Time, us)
	}
	switch body := o.Body.(type) {
	case *oracle.BMPPeerUpNotification:
		if a, _ := netip.AddrFromSlice(body.LocalAddress); !p.LocRIB() && !p.WrongFamily && a.Unmap() != m.LocalAddr.Unmap() {
			if _, wrong := address([16]byte(b[headerLen+peerLen:]), p.Addr.Is6()); !wrong {
				t.Errorf("local %s, GoBGP %s", m.LocalAddr, a)
			}
		}
		if m.LocalPort != body.LocalPort || m.RemotePort != body.RemotePort || len(m.Sent) != int(body.SentOpenMsg.Header.Len) || len(m.Received) != int(body.ReceivedOpenMsg.Header.Len) {
			t.Errorf("ports %d %d, OPENs of %d and %d octets; GoBGP %+v", m.LocalPort, m.RemotePort, len(m.Sent), len(m.Received), body)
		}
		mine, err := wire.ParseOpen(m.Sent)
		if theirs, ok := body.SentOpenMsg.Body.(*gobgp.BGPOpen); err == nil && ok && (mine.ShortAS != theirs.MyAS || mine.HoldTime != theirs.HoldTime) {
			t.Errorf("OPEN %+v, GoBGP %+v", mine, theirs)
		}
	case *oracle.BMPPeerDownNotification:
		if m.Reason != body.Reason || body.Data != nil && !bytes.Equal(m.Data, body.Data) {
			t.Errorf("reason %d %x, GoBGP %+v", m.Reason, m.Data, body)
		}
	case *oracle.BMPStatisticsReport:
		i := 0
		for e := range m.TLVs.All {
			if i >= len(body.Stats) {
				t.Fatalf("%d statistics, GoBGP %d", i+1, len(body.Stats))
			}
			v, ok := e.statistic()
			switch theirs := body.Stats[i].(type) {
			case *oracle.BMPStatsTLV32:
				if ok && len(e.Value) == 4 && v != uint64(theirs.Value) {
					t.Errorf("statistic %d: %d, GoBGP %+v", e.Type, v, theirs)
				}
			case *oracle.BMPStatsTLV64:
				if ok && len(e.Value) == 8 && v != theirs.Value {
					t.Errorf("statistic %d: %d, GoBGP %+v", e.Type, v, theirs)
				}
			}
			i++
		}
	case *oracle.BMPRouteMonitoring:
		if first, _ := cutMessage(m.Update); int(body.BGPUpdate.Header.Len) > len(first) {
			t.Errorf("a BGP message of %d octets, GoBGP %d", len(first), body.BGPUpdate.Header.Len)
		}
	}
	return true
}

// stricter are messages of which GoBGP does not look at all that there is: OPENs by their type, and what is left behind the last whole TLV.
func stricter(m *Message) bool {
	switch m.Type {
	case PeerUp, Initiation, Termination, StatisticsReport, RouteMirroring:
		return true
	}
	return false
}

// TestOracle holds the captures of version 3 against GoBGP.
func TestOracle(t *testing.T) {
	agreed := 0
	for _, file := range captures(t) {
		for _, b := range streams(t, file) {
			for len(b) > 0 {
				n, err := Split(b, 1<<20)
				if err != nil || n == 0 {
					t.Fatal(err)
				}
				if agree(t, b[:n]) {
					agreed++
				}
				b = b[n:]
			}
		}
	}
	if agreed < 300 {
		t.Errorf("only %d messages were compared", agreed)
	}
	t.Logf("%d messages agree", agreed)
}

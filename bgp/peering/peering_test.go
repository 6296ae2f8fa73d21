package peering

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	gobgp "github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

const ownAS = 64512

// said is one record that a speaker gave.
type said struct {
	peer  bgp.Peer
	state bgp.State // of the event
	mrt.Content
	msg   []byte // the message, copied
	event bgp.Micros
}

func (s said) kind() byte {
	if s.Kind != mrt.Message || len(s.msg) < headerLen {
		return 0
	}
	return s.msg[18]
}

// listener is a speaker under test, and what it gave.
type listener struct {
	*Speaker
	t    *testing.T
	stop context.CancelFunc
	mu   sync.Mutex
	all  []said
}

// speak runs a speaker, listening on a loopback address, and polls it as the monitor does.
func speak(t *testing.T, opt Options) *listener {
	t.Helper()
	opt.AS, opt.RouterID, opt.Retry = ownAS, netip.MustParseAddr("10.0.0.9"), 100*time.Millisecond
	s, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l := &listener{Speaker: s, t: t, stop: cancel}
	var done sync.WaitGroup
	done.Go(func() { s.Run(ctx) })
	done.Go(func() {
		for sleep(ctx, 2*time.Millisecond) {
			l.poll()
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	if opt.Listen != "" {
		l.until("it listens", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.listenErr != nil {
				t.Fatal(s.listenErr)
			}
			return len(s.listeners) > 0
		})
	}
	return l
}

func (l *listener) poll() {
	l.Poll(func(e Event) bool {
		var rec mrt.Record
		var dec mrt.Decoder
		x := said{peer: e.Peer, state: e.State}
		if err := rec.Parse(slices.Clone(e.Raw), 0); err != nil {
			l.t.Error(err)
		} else if err := dec.Decode(&rec, &x.Content); err != nil {
			l.t.Error(err)
		}
		x.msg, x.event = x.BGP, rec.Time
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all = append(l.all, x)
		return true
	})
}

// heard is what a neighbour's records were so far: those of our own messages, marked local, are left out.
func (l *listener) heard(addr string) (list []said) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.all {
		if x.peer.Addr == netip.MustParseAddr(addr) && !x.Local {
			list = append(list, x)
		}
	}
	return list
}

// states are the changes of state of a neighbour's session.
func (l *listener) states(addr string) (list []bgp.State) {
	for _, x := range l.heard(addr) {
		if x.Kind == mrt.StateChange {
			if x.NewState != x.state {
				l.t.Errorf("an event says %s, its record %s", x.state, x.NewState)
			}
			list = append(list, x.NewState)
		}
	}
	return list
}

// updates are the UPDATE messages of a neighbour.
func (l *listener) updates(addr string) (n int) {
	for _, x := range l.heard(addr) {
		if x.kind() == wire.TypeUpdate {
			n++
		}
	}
	return n
}

func (l *listener) neighbour(addr string) NeighbourStatus {
	for _, n := range l.Status().Neighbours {
		if n.Address == netip.MustParseAddr(addr) {
			return n
		}
	}
	l.t.Fatalf("no neighbour %s", addr)
	return NeighbourStatus{}
}

// until waits for what must come soon.
func (l *listener) until(what string, ok func() bool) {
	l.t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("not within 30 s: %s; %+v", what, l.Status())
		}
	}
}

func (l *listener) address() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.listeners[0].Addr().String()
}

// router is a neighbour that does what the test tells it.
type router struct {
	t    *testing.T
	conn net.Conn
	f    framer
}

func routerOn(t *testing.T, conn net.Conn) *router {
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(40 * time.Second))
	f := newFramer(conn)
	f.max = extended
	return &router{t, conn, f}
}

// connectFrom makes a connection to the speaker from an address of the loopback network.
func connectFrom(l *listener, addr string) *router {
	l.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: netip.MustParseAddr(addr).AsSlice()}, Timeout: 5 * time.Second}
	conn, err := d.Dial("tcp", l.address())
	if err != nil {
		l.t.Fatal(err)
	}
	return routerOn(l.t, conn)
}

func (r *router) send(b []byte) {
	r.t.Helper()
	if _, err := r.conn.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

// next is the next message of one of the types; others than KEEPALIVE and the End-of-RIB of the speaker may not come before.
func (r *router) next(types ...byte) []byte {
	r.t.Helper()
	for {
		msg, err := r.f.next()
		if err != nil {
			r.t.Fatalf("waiting for a message of type %d: %v", types, err)
		}
		var u wire.Update
		switch {
		case slices.Contains(types, msg[18]):
			return slices.Clone(msg)
		case msg[18] == wire.TypeKeepalive:
		case msg[18] == wire.TypeUpdate && u.Parse(msg, wire.Options{}) == nil:
			if _, ok := u.EndOfRIB(); ok {
				continue
			}
			fallthrough
		default:
			r.t.Fatalf("waiting for a message of type %d: %x", types, msg)
		}
	}
}

// notified waits for a NOTIFICATION and the end of the connection.
func (r *router) notified(code, subcode byte) {
	r.t.Helper()
	c, s, _, err := wire.ParseNotification(r.next(wire.TypeNotification))
	if err != nil || c != code || s != subcode {
		r.t.Errorf("told %s, %v; want %s", wire.NotificationText(c, s), err, wire.NotificationText(code, subcode))
	}
	if _, err := r.f.next(); !errors.Is(err, io.EOF) {
		r.t.Errorf("then %v", err)
	}
}

// offer is an OPEN.
type offer struct {
	as   uint32
	id   string
	hold uint16
	caps []gobgp.ParameterCapabilityInterface
}

func usual(as uint32, more ...gobgp.ParameterCapabilityInterface) offer {
	return offer{as, "10.0.0.1", 90, append([]gobgp.ParameterCapabilityInterface{
		gobgp.NewCapMultiProtocol(gobgp.RF_IPv4_UC), gobgp.NewCapMultiProtocol(gobgp.RF_IPv6_UC), gobgp.NewCapFourOctetASNumber(as),
	}, more...)}
}

func graceful(seconds uint16, notification bool) gobgp.ParameterCapabilityInterface {
	return gobgp.NewCapGracefulRestart(false, notification, seconds, []*gobgp.CapGracefulRestartTuple{gobgp.NewCapGracefulRestartTuple(gobgp.RF_IPv4_UC, true)})
}

func addPaths(families ...gobgp.RouteFamily) gobgp.ParameterCapabilityInterface {
	var list []*gobgp.CapAddPathTuple
	for _, f := range families {
		list = append(list, gobgp.NewCapAddPathTuple(f, gobgp.BGP_ADD_PATH_SEND))
	}
	return gobgp.NewCapAddPath(list)
}

func (o offer) octets(t testing.TB) []byte {
	t.Helper()
	as := uint16(asTrans)
	if o.as < asTrans {
		as = uint16(o.as)
	}
	var params []gobgp.OptionParameterInterface
	if len(o.caps) > 0 {
		params = append(params, gobgp.NewOptionParameterCapability(o.caps))
	}
	b, err := built(gobgp.NewBGPOpenMessage(as, o.hold, o.id, params))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// establish brings the session up, and gives the speaker's OPEN.
func (r *router) establish(o offer) wire.Open {
	r.t.Helper()
	r.send(o.octets(r.t))
	heard, err := wire.ParseOpen(r.next(wire.TypeOpen))
	if err != nil {
		r.t.Fatal(err)
	}
	r.next(wire.TypeKeepalive)
	r.send(message(wire.TypeKeepalive))
	return heard
}

// message makes a message of a type.
func message(kind byte, body ...byte) []byte {
	b := make([]byte, headerLen, headerLen+len(body))
	for i := range 16 {
		b[i] = 0xff
	}
	binary.BigEndian.PutUint16(b[16:], uint16(headerLen+len(body)))
	b[18] = kind
	return append(b, body...)
}

// attribute is a path attribute of less than 256 octets.
func attribute(flags, kind byte, value ...byte) []byte {
	return append([]byte{flags, kind, byte(len(value))}, value...)
}

// update is an UPDATE that announces IPv4 prefixes, each as on the wire, with the attributes given.
func update(nlri []byte, attrs ...[]byte) []byte {
	all := slices.Concat(attrs...)
	body := binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(len(all)))
	return message(wire.TypeUpdate, slices.Concat(body, all, nlri)...)
}

var origin, nextHop = attribute(0x40, 1, 0), attribute(0x40, 3, 192, 0, 2, 1)

func path(as uint32) []byte {
	return attribute(0x40, 2, binary.BigEndian.AppendUint32([]byte{2, 1}, as)...)
}

// reach6 is an MP_REACH_NLRI of IPv6 prefixes.
func reach6(nlri ...byte) []byte {
	via := netip.MustParseAddr("2001:db8::1").AsSlice()
	return attribute(0x80, 14, slices.Concat([]byte{0, 2, 1, 16}, via, []byte{0}, nlri)...)
}

// announce is an UPDATE with IPv4 prefixes.
func announce(as uint32, nlri ...byte) []byte {
	return update(nlri, origin, path(as), nextHop)
}

var endOfRIB = message(wire.TypeUpdate, 0, 0, 0, 0)

func only(addr string, as uint32) Neighbour {
	return Neighbour{Address: netip.MustParseAddr(addr), AS: as, Passive: true, Hold: 90 * time.Second}
}

func serving(list ...Neighbour) Options {
	return Options{Listen: "127.0.0.1:0", Neighbours: list}
}

package bmp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// desk is a router without a connection: messages go in, records come out.
type desk struct {
	*router
	t   testing.TB
	now time.Time
	msg Message
}

func newDesk(t testing.TB) *desk {
	d := &desk{router: newRouter("rtr", netip.MustParseAddr("192.0.2.99"), true, &Options{Hold: time.Minute, Buffer: 1 << 20}, new(names)), t: t, now: time.Unix(1_700_000_000, 123_456_000)}
	d.came(d.now)
	return d
}

// say gives the router messages, a second apart, and what it wrote down of them.
func (d *desk) say(messages ...[]byte) []string {
	d.t.Helper()
	for _, b := range messages {
		d.now = d.now.Add(time.Second)
		err := d.msg.Decode(b)
		if over := d.message(&d.msg, err, d.now); over != "" {
			d.lost(over, d.now)
		}
	}
	return d.wrote()
}

// wrote is what was written down: one line a record.
func (d *desk) wrote() (lines []string) {
	d.t.Helper()
	for _, rec := range drain(d.t, d.router) {
		name := rec.Collector
		if rec.Kind != 0 {
			name += fmt.Sprintf(" AS%d %s", rec.PeerAS, rec.PeerAddr)
		}
		if rec.Local {
			name += " sent"
		}
		switch {
		case rec.Raw == nil:
			lines = append(lines, name+" missed: "+rec.Why)
		case rec.Kind == mrt.StateChange:
			lines = append(lines, fmt.Sprintf("%s %s-%s", name, rec.OldState, rec.NewState))
		case rec.BGP[18] != typeUpdate:
			lines = append(lines, name+" "+[...]string{"?", "OPEN", "UPDATE", "NOTIFICATION", "KEEPALIVE"}[min(rec.BGP[18], 4)%5])
		default:
			if e := rec.elems(d.t); len(e) > 0 {
				name += " " + strings.Join(e, ", ")
			} else {
				name += " nothing"
			}
			if !rec.Opts.AS4 {
				name += " as2"
			}
			lines = append(lines, name)
		}
	}
	return lines
}

func (d *desk) want(got []string, want ...string) {
	d.t.Helper()
	if !slices.Equal(got, want) {
		d.t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// count holds some of the counts to what they should be, and the rest of those that tell of trouble to zero.
func (d *desk) count(want Counts) {
	d.t.Helper()
	c := d.stats.Counts
	got := Counts{
		Duplicates: c.Duplicates, UnknownPeers: c.UnknownPeers, Orphans: c.Orphans, Refused: c.Refused, Contradictions: c.Contradictions, Halved: c.Halved,
		Unwritable: c.Unwritable, Unsupported: c.Unsupported, Malformed: c.Malformed, UnknownType: c.UnknownType, UnknownPeerType: c.UnknownPeerType,
		Mirrored: c.Mirrored, MirroredErrors: c.MirroredErrors, MirroredLost: c.MirroredLost,
	}
	if got != want {
		d.t.Errorf("counted %+v\nwant %+v", got, want)
	}
}

var (
	peerA = neighbour{addr: "198.51.100.1", as: 65000, id: "198.51.100.1"}
	peerB = neighbour{addr: "2001:db8::b", as: 65001, id: "203.0.113.1"}
	table = neighbour{typ: peerLocRIB, as: 64500, id: "192.0.2.1"}

	openMine = open(64500, "192.0.2.1", capV4+capV6+as64500)
	openA    = open(65000, "198.51.100.1", capV4+capV6+as65000)
	upA      = peerA.up("192.0.2.1", 40000, openMine, openA)
	hello    = frame(Initiation, unhex("0002 0004 65646765"))
)

// flagged is the neighbour with other flags.
func (n neighbour) flagged(f uint8) neighbour {
	n.flags = f
	return n
}

// began are the first records of a view.
func began(peer string) []string {
	return []string{peer + " sent OPEN", peer + " OPEN", peer + " OpenConfirm-Established"}
}

const (
	wroteA = "rtr AS65000 198.51.100.1"
	upd    = "announce 198.51.100.0/24 id 0"
)

// TestSession: a session is written down with its first routes, and ended by Peer Down, with the NOTIFICATION and who sent it.
func TestSession(t *testing.T) {
	d := newDesk(t)
	d.want(d.say(hello, upA))
	if d.stats.SysName != "edge" || len(d.order) != 1 {
		t.Errorf("%q, %d sessions", d.stats.SysName, len(d.order))
	}
	d.want(d.say(peerA.routes(update("", good4, nlri))), append(began(wroteA), wroteA+" "+upd)...)
	d.want(d.say(peerA.routes(update(gone, "", ""))), wroteA+" withdraw 203.0.113.0/24 id 0")
	d.want(d.say(peerA.routes(update("", "", ""))), wroteA+" nothing") // End-of-RIB
	note := unhex("ffffffffffffffffffffffffffffffff 0015 03 0602")
	d.want(d.say(peerA.down(3, note...)), wroteA+" NOTIFICATION", wroteA+" Established-Idle")
	d.want(d.say(upA, peerA.routes(update("", good4, nlri)), peerA.down(1, note...)),
		append(began(wroteA), wroteA+" "+upd, wroteA+" sent NOTIFICATION", wroteA+" Established-Idle")...)
	for _, reason := range []byte{2, 4, 5, 6, 0, 77} { // all of them: nothing is known any more
		d.want(d.say(upA, peerA.routes(update("", good4, nlri)), peerA.down(reason, 0, 1)), append(began(wroteA), wroteA+" "+upd, wroteA+" Established-Idle")...)
	}
	d.count(Counts{})
}

// TestViews: the tables of one neighbour are kept apart, each a collector; what the router sends is marked as sent, and nothing else is said of it.
func TestViews(t *testing.T) {
	d := newDesk(t)
	d.say(upA, peerA.flagged(flagPost).up("192.0.2.1", 40000, openMine, openA), table.up("", 0, openMine, openMine))
	d.want(d.say(peerA.flagged(flagPost).routes(update("", good4, nlri))), append(began("rtr~post AS65000 198.51.100.1"), "rtr~post AS65000 198.51.100.1 "+upd)...)
	d.want(d.say(peerA.flagged(flagOut).routes(update("", good4, nlri))), "rtr~out AS65000 198.51.100.1 sent "+upd)
	d.want(d.say(peerA.flagged(flagOut|flagPost).routes(update("", good4, nlri))), "rtr~out-post AS65000 198.51.100.1 sent "+upd)
	d.want(d.say(peerA.routes(update(gone, "", ""))), append(began(wroteA), wroteA+" withdraw 203.0.113.0/24 id 0")...)
	// 0x80 is the F flag here, not IPv6; and the flags that a Loc-RIB has not are not looked at.
	d.want(d.say(table.flagged(0xf0).routes(update("", good4, nlri))), "rtr~loc AS64500 192.0.2.1 OpenConfirm-Established", "rtr~loc AS64500 192.0.2.1 "+upd)
	d.want(d.say(peerA.flagged(flagOut).down(4)), "rtr AS65000 198.51.100.1 Established-Idle", "rtr~post AS65000 198.51.100.1 Established-Idle")
	d.want(d.say(table.down(6, unhex("0003 0006 676c6f62616c")...)), "rtr~loc AS64500 192.0.2.1 Established-Idle")
	d.count(Counts{Duplicates: 1}) // the Peer Up that some routers send for each view
}

// TestLocRIB: RFC 9069, and those that leave the AS or the identifier out.
func TestLocRIB(t *testing.T) {
	for name, c := range map[string]struct {
		n    neighbour
		open []byte
		want string
	}{
		"as it should be":       {table, openMine, "rtr~loc AS64500 192.0.2.1"},
		"no AS, no identifier":  {neighbour{typ: peerLocRIB}, openMine, "rtr~loc AS64500 192.0.2.1"},
		"nothing in the OPEN":   {neighbour{typ: peerLocRIB, as: 64500}, open(0, "0.0.0.0", ""), "rtr~loc AS64500 192.0.2.99"},
		"of a routing instance": {neighbour{typ: peerLocRIB, as: 64500, id: "192.0.2.1", rd: "0000fbf400000007"}, openMine, "rtr~vrf-64500:7~loc AS64500 192.0.2.1"},
	} {
		d := newDesk(t)
		d.want(d.say(c.n.up("", 0, c.open, c.open), c.n.routes(update("", good4, nlri))), c.want+" OpenConfirm-Established", c.want+" "+upd)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	d := newDesk(t)
	both := open(64500, "192.0.2.1", capV4+as64500+addPath+"00010102") // which sends; the copy of it does not receive
	d.say(table.up("", 0, both, both))
	d.want(d.say(table.routes(update("", good4, nlriP)))[1:], "rtr~loc AS64500 192.0.2.1 announce 198.51.100.0/24 id 7")
}

// TestOneAddress: several neighbours behind one address, told apart by routing instance or BGP identifier, never share a peer.
func TestOneAddress(t *testing.T) {
	d := newDesk(t)
	vrf, local, twin := peerA, peerA, peerA
	vrf.typ, vrf.rd = peerRD, "0001c000020100ff"
	local.typ, local.rd = peerLocal, "0002000300000005"
	twin.id = "198.51.100.2"
	var got []string
	for _, n := range []neighbour{peerA, vrf, local, twin} {
		d.say(n.up("192.0.2.1", 40000, openMine, openA))
		lines := d.say(n.routes(update("", good4, nlri)))
		got = append(got, strings.Fields(lines[len(lines)-1])[0])
	}
	d.want(got, "rtr", "rtr~vrf-192.0.2.1:255", "rtr~vrf-196608:5", "rtr~id-198.51.100.2")
	d.want(d.say(peerA.down(2)), wroteA+" Established-Idle")
	d.want(d.say(twin.routes(update(gone, "", ""))), "rtr~id-198.51.100.2 AS65000 198.51.100.1 withdraw 203.0.113.0/24 id 0")
	noID := twin
	noID.id = ""
	d.want(d.say(noID.down(4)), "rtr~id-198.51.100.2 AS65000 198.51.100.1 Established-Idle") // there is one of that address and instance
	d.count(Counts{})
	d.say(noID.up("192.0.2.1", 40000, openMine, openA)) // and the other way round
	d.want(d.say(peerA.routes(update(gone, "", "")))[3:], "rtr AS65000 198.51.100.1 withdraw 203.0.113.0/24 id 0")
	other := noID
	other.id = "198.51.100.3"
	d.say(other.up("192.0.2.1", 40000, openMine, openA))
	d.want(d.say(other.down(2), twin.down(2)), "rtr AS65000 198.51.100.1 Established-Idle")
	d.count(Counts{})
}

// TestPeerUpAgain: a Peer Up of a session that is up says nothing new, unless it says something else.
func TestPeerUpAgain(t *testing.T) {
	d := newDesk(t)
	d.say(upA, peerA.routes(update("", good4, nlri)))
	later := peerA
	later.at = 99
	d.want(d.say(upA, later.up("192.0.2.1", 40000, openMine, openA)))
	d.count(Counts{Duplicates: 2})
	// From another port: the session was lost, and Peer Down never came.
	d.want(d.say(peerA.up("192.0.2.1", 40002, openMine, openA), peerA.routes(update("", good4, nlri))), append(append([]string{wroteA + " Established-Idle"}, began(wroteA)...), wroteA+" "+upd)...)
	// And with path identifiers.
	recv, send := addPath+"00010101", addPath+"00010102"
	d.want(d.say(peerA.up("192.0.2.1", 40001, open(64500, "192.0.2.1", capV4+as64500+recv), open(65000, "198.51.100.1", capV4+as65000+send))), wroteA+" Established-Idle")
	d.want(d.say(peerA.routes(update("", good4, nlriP))), append(began(wroteA), wroteA+" announce 198.51.100.0/24 id 7")...)
	// One that cannot be read: how the session's messages are written is not known.
	broken := slices.Clone(upA)
	broken[len(broken)-1], broken[headerLen+peerLen+upLen+18] = 0, 3
	d.want(d.say(broken), wroteA+" Established-Idle")
	d.want(d.say(peerA.routes(update("", good4, nlri))))
	d.count(Counts{Duplicates: 2, Malformed: 1, Orphans: 1})
}

// TestNobodyToldOf: what is about a session that is not up is counted and goes nowhere.
func TestNobodyToldOf(t *testing.T) {
	d := newDesk(t)
	d.want(d.say(peerA.routes(update("", good4, nlri)), peerA.down(1), peerA.down(4), frame(StatisticsReport, peerA.header(), unhex("00000001 0007 0008 0000000000000009"))))
	d.count(Counts{Orphans: 1, UnknownPeers: 3})
}

// TestOddMessages: types and peers nobody knows, messages that are cut or malformed, mirrored ones. The session goes on.
func TestOddMessages(t *testing.T) {
	d := newDesk(t)
	d.say(upA, peerA.routes(update("", good4, nlri)))
	d.want(d.say(
		frame(77, peerA.header()), frame(PeerUp), frame(RouteMonitoring, peerA.header()), frame(RouteMonitoring, peerA.header(), unhex("ffff")),
		frame(Initiation, unhex("0001 0009 41")), frame(StatisticsReport, peerA.header(), unhex("00000001 0007 0008 00")), frame(RouteMonitoring, neighbour{typ: 9}.header(), update("", good4, nlri)),
		frame(RouteMirroring, peerA.header(), unhex("0001 0002 0000 0000 0005 ffff010203")), frame(RouteMirroring, peerA.header(), unhex("0001 0002 0001")),
		frame(RouteMirroring, peerA.header(), unhex("0000 0013 ffffffffffffffffffffffffffffffff 0013 09")), frame(RouteMirroring, peerA.header(), unhex("0000 ffff 00")),
		frame(PeerDown),
	))
	d.count(Counts{UnknownType: 1, UnknownPeerType: 1, Malformed: 7, Mirrored: 3, MirroredErrors: 1, MirroredLost: 1})
	// Whatever stands in a Route Monitoring is a record: it is for the reader to judge. Two messages in one are two records.
	keep, odd := unhex("ffffffffffffffffffffffffffffffff 0013 04"), unhex("ffffffffffffffffffffffffffffffff 0013 63")
	d.want(d.say(peerA.routes(keep), peerA.routes(odd), peerA.routes(slices.Concat(update(gone, "", ""), update("", good4, nlri), []byte{1, 2}))),
		wroteA+" KEEPALIVE", wroteA+" KEEPALIVE", wroteA+" withdraw 203.0.113.0/24 id 0", wroteA+" "+upd)
	d.want(d.say(peerA.routes(update("", "400101", "")), peerA.routes(append(update("", good4, nlri), 0xff, 0xff))), wroteA+" nothing", wroteA+" "+upd)
}

// TestStatistics: counters and gauges are summed over the sessions that are up.
func TestStatistics(t *testing.T) {
	d := newDesk(t)
	d.say(upA, peerB.up("2001:db8::a", 1, openMine, openA))
	d.say(frame(StatisticsReport, peerA.header(), unhex("00000004 0000 0004 00000005 0007 0008 0000000000000009 0009 000b 0001010000000000000009 ffff 0001 00")),
		frame(StatisticsReport, peerB.header(), unhex("00000002 0007 0008 0000000000000001 000e 0008 0000000100000000")),
		frame(StatisticsReport, peerB.header(), unhex("00000001 0007 0008 0000000000000002")))
	want := map[string]uint64{"prefixes_rejected": 5, "routes_adj_rib_in": 11, "routes_adj_rib_out_pre": 1 << 32}
	if st := d.told(); fmt.Sprint(st.Reported) != fmt.Sprint(want) || st.Sessions != 2 {
		t.Errorf("%v", st.Reported)
	}
	d.say(peerA.down(2))
	if st := d.told(); st.Reported["routes_adj_rib_in"] != 2 || st.Reported["prefixes_rejected"] != 0 {
		t.Errorf("%v", st.Reported)
	}
}

// TestAlive: statistics say that a quiet session lives, in each of its views, and not more often than that matters. Nothing is said for one of which no
// routes came, or which the connection at hand has not told of.
func TestAlive(t *testing.T) {
	d := newDesk(t)
	report := frame(StatisticsReport, peerA.header(), unhex("00000001 0007 0008 0000000000000009"))
	d.want(d.say(upA, report))
	d.now = d.now.Add(time.Minute)
	d.say(peerA.routes(update("", good4, nlri)), peerA.flagged(flagPost).routes(update("", good4, nlri)), peerA.flagged(flagOut).routes(update("", good4, nlri)))
	alive := []string{wroteA + " KEEPALIVE", "rtr~post AS65000 198.51.100.1 KEEPALIVE"}
	d.want(d.say(report, report, report), alive...)
	d.now = d.now.Add(7 * time.Second)
	d.want(d.say(report), alive...)
	d.lost("gone", d.now)
	d.wrote()
	d.now = d.now.Add(30 * time.Second)
	d.came(d.now)
	d.want(d.say(report))
	d.want(d.say(upA, report), alive...)
}

// TestConnectionLost: when the connection is gone the router's collectors are missed at once. Sessions that come back unchanged within the hold were never
// over; others are.
func TestConnectionLost(t *testing.T) {
	d := newDesk(t)
	upB := peerB.up("2001:db8::a", 40000, openMine, openA)
	begun := func() {
		d.say(upA, upB, table.up("", 0, openMine, openMine), peerA.routes(update("", good4, nlri)), peerA.flagged(flagOut).routes(update("", good4, nlri)), table.routes(update("", good4, nlri)))
	}
	begun()
	d.want(d.say(frame(Termination, unhex("0001 0002 0002"))), "rtr missed: BMP: it ended the connection: out of resources", "rtr~loc missed: BMP: it ended the connection: out of resources")
	d.now = d.now.Add(59 * time.Second)
	d.expire(d.now)
	d.want(d.wrote())
	if st := d.told(); st.Sessions != 0 || st.Stale != 3 || st.Connected {
		t.Errorf("%+v", st)
	}
	d.came(d.now)
	d.now = d.now.Add(30 * time.Second)
	d.expire(d.now) // it is still telling of its sessions
	if st := d.told(); st.Stale != 3 {
		t.Errorf("%+v", st)
	}
	// Before its Peer Up on this connection nobody knows how a session's messages are written.
	d.want(d.say(peerA.routes(update("", good4, nlri)), upA, peerA.routes(update(gone, "", ""))), wroteA+" withdraw 203.0.113.0/24 id 0")
	d.now = d.now.Add(time.Minute)
	d.expire(d.now) // peerB and the Loc-RIB were not told of again; of peerB nothing had been written
	d.want(d.wrote(), "rtr~loc AS64500 192.0.2.1 Established-Idle")
	d.count(Counts{Orphans: 1})

	begun()
	d.lost("the router closed the connection", d.now)
	d.wrote()
	d.now = d.now.Add(time.Minute)
	d.expire(d.now)
	d.want(d.wrote(), wroteA+" Established-Idle", "rtr~loc AS64500 192.0.2.1 Established-Idle")
	if len(d.order)+len(d.sessions)+len(d.taken)+len(d.instances) != 0 {
		t.Errorf("%d sessions, %d peers, %d instances are kept", len(d.sessions), len(d.taken), len(d.instances))
	}
}

// TestBoundsOfARouter: sessions and collectors that a hostile router may make.
func TestBoundsOfARouter(t *testing.T) {
	d := newDesk(t)
	for i := range maxSessions + 10 {
		n := neighbour{addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String(), as: 65000, id: "192.0.2.7"}
		d.say(n.up("192.0.2.1", 1, openMine, openA))
	}
	d.count(Counts{Refused: 10})
	if len(d.order) != maxSessions {
		t.Errorf("%d sessions", len(d.order))
	}
	d = newDesk(t)
	heard := map[string]bool{}
	for i := range 3 * maxInstances {
		n := peerA
		n.typ, n.rd = peerRD, fmt.Sprintf("0000fbf4%08x", i+1)
		d.say(n.up("192.0.2.1", 1, openMine, openA))
		for _, rec := range d.say(n.routes(update("", good4, nlri))) {
			heard[strings.Fields(rec)[0]] = true
		}
	}
	if len(heard) > maxInstances+1 || d.stats.Counts.Refused == 0 {
		t.Errorf("%d collectors, %d refused", len(heard), d.stats.Counts.Refused)
	}
	d = newDesk(t)
	for i := range maxNames { // as other routers of the station have
		d.names.take(fmt.Sprint(i))
	}
	d.want(d.say(upA, peerA.routes(update("", good4, nlri)), peerA.flagged(flagOut).routes(update("", good4, nlri)), peerA.down(1)))
	d.count(Counts{Refused: 2})
}

// TestRecordTimes: records are of the time of their receipt, and it does not go back.
func TestRecordTimes(t *testing.T) {
	d := newDesk(t)
	d.say(upA, peerA.routes(update("", good4, nlri)))
	d.now = d.now.Add(-time.Hour)
	d.say()
	if err := d.msg.Decode(peerA.routes(update(gone, "", ""))); err != nil {
		t.Fatal(err)
	}
	d.message(&d.msg, nil, d.now)
	recs := drain(t, d.router)
	if want := bgp.MicrosOf(time.Unix(1_700_000_002, 123_456_000)); len(recs) != 1 || recs[0].at != want {
		t.Errorf("%v, want %d", recs, want)
	}
}

// TestNoAllocations: from the octets to the record that is taken, a message costs no memory.
func TestNoAllocations(t *testing.T) {
	d := newDesk(t)
	d.say(upA, peerB.up("2001:db8::a", 1, openMine, openA))
	msgs := [][]byte{peerA.routes(update(gone, good4, nlri)), peerB.routes(update("", origin+path4+reach6, "")), peerA.routes(update("", evpn, ""))}
	taken := 0
	round := func() {
		for _, b := range msgs {
			err := d.msg.Decode(b)
			d.message(&d.msg, err, d.now)
		}
		d.queue.swap()
		d.queue.give(func(e Event) bool { taken += len(e.Raw); return true })
	}
	round()
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 || taken == 0 {
		t.Errorf("%v allocations, %d octets", n, taken)
	}
}

// BenchmarkRouteMonitoring is one message from its octets to the record that is taken.
func BenchmarkRouteMonitoring(b *testing.B) {
	d := newDesk(b)
	d.say(upA)
	msg := peerA.routes(update("", good4, nlri))
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		err := d.msg.Decode(msg)
		d.message(&d.msg, err, d.now)
		if i%1024 == 0 {
			d.queue.swap()
			d.queue.give(func(Event) bool { return true })
		}
	}
}

package bmp

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// expected is one line of what the other decoder read off a capture, as far as this one reads it, too.
type expected struct {
	Header struct {
		Type      json.RawMessage `json:"peer_type"`
		RD        json.RawMessage `json:"rd"`
		Addr      *string         `json:"address"`
		AS        uint32          `json:"peer_as"`
		ID        string          `json:"bgp_id"`
		Timestamp *time.Time      `json:"timestamp"`
	} `json:"peer_header"`
	Local   *string         `json:"local_address"`
	Ports   [2]*uint16      `json:"-"`
	LPort   *uint16         `json:"local_port"`
	RPort   *uint16         `json:"remote_port"`
	Message json.RawMessage `json:"update_message"`
	PDU     struct {
		Value struct {
			Update json.RawMessage `json:"BgpUpdate"`
		} `json:"value"`
	} `json:"update_pdu"`
}

// flags of a global or other instance, as the other decoder names them.
type instance struct {
	V6   bool `json:"ipv6"`
	Post bool `json:"post_policy"`
	AS2  bool `json:"asn2"`
	Out  bool `json:"adj_rib_out"`
}

// header writes a per-peer header down.
func (e *expected) header(t *testing.T) string {
	at := time.Unix(0, 0).UTC().Format(time.RFC3339Nano)
	if e.Header.Timestamp != nil {
		at = e.Header.Timestamp.UTC().Format(time.RFC3339Nano)
	}
	var kinds map[string]instance
	if err := json.Unmarshal(e.Header.Type, &kinds); err != nil {
		t.Fatal(err)
	}
	for kind, f := range kinds {
		if kind == "LocRibInstancePeer" {
			return fmt.Sprintf("loc-rib AS%d %s %s", e.Header.AS, e.Header.ID, at)
		}
		rd := ""
		var as2 struct{ As2Administrator struct{ ASN2, Number uint32 } }
		if kind == "RdInstancePeer" {
			if err := json.Unmarshal(e.Header.RD, &as2); err != nil {
				t.Fatal(err)
			}
			rd = fmt.Sprintf(" %d:%d", as2.As2Administrator.ASN2, as2.As2Administrator.Number)
		}
		return fmt.Sprintf("%v%s %s AS%d %s %s", f, rd, *e.Header.Addr, e.Header.AS, e.Header.ID, at)
	}
	t.Fatal("no peer type")
	return ""
}

func (p *Peer) line() string {
	id, at := netip.AddrFrom4(p.ID).String(), p.Time.Time().Format(time.RFC3339Nano)
	if p.LocRIB() {
		return fmt.Sprintf("loc-rib AS%d %s %s", p.AS, id, at)
	}
	rd := ""
	if p.Distinguisher != [8]byte{} {
		rd = " " + distinguisher(p.Distinguisher)
	}
	return fmt.Sprintf("%v%s %s AS%d %s %s", instance{p.Flags&flagIPv6 != 0, p.PostPolicy(), p.AS2(), p.Out()}, rd, p.Addr, p.AS, id, at)
}

// routes lists the prefixes that the other decoder found in an UPDATE, in families that are kept.
func routes(t *testing.T, update json.RawMessage) (lines []string) {
	type route struct {
		ID      *uint32 `json:"path_id"`
		Network string  `json:"network"`
	}
	var u struct {
		Update struct {
			Withdrawn []route `json:"withdrawn_routes"`
			NLRI      []route `json:"nlri"`
			Attrs     []struct {
				Value json.RawMessage `json:"value"`
			} `json:"path_attributes"`
		}
	}
	if err := json.Unmarshal(update, &u); err != nil {
		t.Fatalf("%v: %.200s", err, update)
	}
	add := func(kind string, list []route) {
		for _, r := range list {
			id := uint32(0)
			if r.ID != nil {
				id = *r.ID
			}
			lines = append(lines, fmt.Sprintf("%s %s id %d", kind, r.Network, id))
		}
	}
	add("withdraw", u.Update.Withdrawn)
	add("announce", u.Update.NLRI)
	for _, a := range u.Update.Attrs {
		if strings.Contains(string(a.Value), `"Ipv4Unicast"`) || strings.Contains(string(a.Value), `"Ipv6Unicast"`) {
			t.Errorf("MP routes that this test does not compare: %.200s", a.Value)
		}
	}
	return lines
}

// TestCaptures holds what is read off captures of real routers (two makes, versions 3 and 4 of BMP) against what another decoder read: every
// header, every Peer Up, and every route of a family that is kept, with its path identifier and the view it is of.
func TestCaptures(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(strings.TrimSuffix(file, ".pcap") + "-bmp.json")
			if err != nil {
				t.Fatal(err)
			}
			var want, wantRoutes []string
			for line := range strings.Lines(string(text)) {
				var versions map[string]map[string]expected
				if err := json.Unmarshal([]byte(line), &versions); err != nil {
					t.Fatal(err)
				}
				for version, kinds := range versions {
					for kind, e := range kinds {
						l := version + " " + kind
						if kind != "Initiation" {
							l += " " + e.header(t)
						}
						if kind == "PeerUpNotification" && e.Local != nil {
							l += fmt.Sprintf(" %s %d %d", *e.Local, *e.LPort, *e.RPort)
						}
						want = append(want, l)
						update := e.Message
						if update == nil {
							update = e.PDU.Value.Update
						}
						if kind == "RouteMonitoring" {
							h := strings.Fields(e.header(t))
							who := strings.Join(h[:len(h)-2], " ") // without identifier and time
							for _, r := range routes(t, update) {
								wantRoutes = append(wantRoutes, who+" "+r)
							}
						}
					}
				}
			}
			var got, gotRoutes []string
			for _, b := range streams(t, file) {
				msgs, lines := readStream(t, b)
				got = append(got, lines...)
				r := newRouter("rtr", netip.MustParseAddr("192.0.2.1"), true, &Options{Hold: time.Minute, Buffer: 1 << 20}, new(names))
				for i := range msgs {
					if over := r.message(&msgs[i], nil, time.Unix(1_700_000_000, 0)); over != "" {
						t.Error(over)
					}
				}
				gotRoutes = append(gotRoutes, routesOf(t, r)...)
				c := r.stats.Counts
				t.Logf("%+v %v", c, r.families)
				if c.Malformed+c.Contradictions+c.Unwritable+c.Refused+c.UnknownType+c.UnknownPeerType+c.Halved != 0 {
					t.Errorf("%+v", c)
				}
			}
			same(t, "messages", got, want)
			same(t, "routes", gotRoutes, wantRoutes)
			t.Logf("%d messages, %d routes", len(got), len(gotRoutes))
		})
	}
}

func readStream(t testing.TB, b []byte) (msgs []Message, lines []string) {
	t.Helper()
	for len(b) > 0 {
		n, err := Split(b, 1<<20)
		if err != nil || n == 0 {
			t.Fatalf("%d octets left: %v", len(b), err)
		}
		var m Message
		if err := m.Decode(b[:n]); err != nil {
			t.Fatalf("%v: %x", err, b[:n])
		}
		b = b[n:]
		names := [...]string{"RouteMonitoring", "StatisticsReport", "PeerDownNotification", "PeerUpNotification", "Initiation"}
		l := fmt.Sprintf("V%d %s", m.Version, names[m.Type])
		if m.Type != Initiation {
			l += " " + m.Peer.line()
		}
		if m.Type == PeerUp && !m.Peer.LocRIB() {
			l += fmt.Sprintf(" %s %d %d", m.LocalAddr, m.LocalPort, m.RemotePort)
		}
		msgs, lines = append(msgs, m), append(lines, l)
	}
	return msgs, lines
}

// record is one event of a router's queue, decoded.
type record struct {
	Event
	mrt.Content
	at bgp.Micros
}

// drain takes everything a router queued. Every record must be one that the reader of MRT takes.
func drain(t testing.TB, r *router) (out []record) {
	t.Helper()
	r.queue.swap()
	if !r.queue.give(func(e Event) bool {
		out = append(out, decoded(t, e))
		return true
	}) {
		t.Error("not everything was given")
	}
	return out
}

func decoded(t testing.TB, e Event) record {
	t.Helper()
	rec := record{Event: e}
	if e.Raw == nil {
		return rec
	}
	rec.Raw = slices.Clone(e.Raw)
	var m mrt.Record
	if err := m.Parse(rec.Raw, 0); err != nil {
		t.Fatalf("%v: %x", err, e.Raw)
	}
	if err := new(mrt.Decoder).Decode(&m, &rec.Content); err != nil || m.Type != mrt.TypeBGP4MPET {
		t.Fatalf("%v: %x", err, e.Raw)
	}
	rec.at = m.Time
	return rec
}

// elems are those of a record of an UPDATE.
func (r *record) elems(t testing.TB) (lines []string) {
	t.Helper()
	var u wire.Update
	if err := u.Parse(r.BGP, r.Opts); err != nil {
		t.Errorf("%v: %x", err, r.BGP)
		return nil
	}
	var e bgp.Elem
	for u.Next(&e) {
		lines = append(lines, fmt.Sprintf("%s %s id %d", e.Kind, e.Prefix, e.PathID))
	}
	if u.Faults != 0 {
		t.Logf("faults %v: %x", u.Faults, r.BGP)
	}
	return lines
}

// routesOf names each route of a router's records with the header that it came with.
func routesOf(t *testing.T, r *router) (lines []string) {
	for _, rec := range drain(t, r) {
		if rec.Kind != mrt.Message || rec.BGP[18] != typeUpdate {
			continue
		}
		view := strings.TrimPrefix(strings.TrimPrefix(rec.Collector, "rtr"), bgp.ViewMark)
		who := fmt.Sprintf("loc-rib AS%d", rec.PeerAS)
		if view != "loc" {
			v6 := rec.PeerAddr.Is6()
			who = fmt.Sprintf("%v %s AS%d", instance{v6, view == "post" || view == "out-post", !rec.Opts.AS4, rec.Local}, rec.PeerAddr, rec.PeerAS)
		}
		for _, e := range rec.elems(t) {
			lines = append(lines, who+" "+e)
		}
	}
	return lines
}

// same compares lists whatever their order: a capture may hold several connections at once.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if slices.Equal(got, want) {
		return
	}
	n := 0
	for _, l := range got {
		if i, found := slices.BinarySearch(want, l); found {
			want = slices.Delete(want, i, i+1)
		} else if n++; n < 8 {
			t.Errorf("%s: got %s", what, l)
		}
	}
	for i, l := range want {
		if i < 8 {
			t.Errorf("%s: want %s", what, l)
		}
	}
}

package inject

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

const t0 = 1_893_456_000 * bgp.Second // 2030-01-01T00:00:00Z

func at(s int) bgp.Micros { return t0 + bgp.Seconds(int64(s)) }

// paper are two collectors of five peers each, with a table of eleven IPv4 prefixes and one of IPv6, a message of every peer each ten
// seconds for ten minutes, and at 200 s a withdrawal of two prefixes by all.
func paper(t *testing.T) []Lane {
	t.Helper()
	var out []Lane
	for c, name := range []string{"rc0", "rc1"} {
		x := &injection{lanes: []Lane{{Collector: name}}}
		var peers []mrt.TablePeer
		for p := range 5 {
			peers = append(peers, mrt.TablePeer{AS: uint32(64500 + 10*c + p), Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(10*c + p)})})
		}
		var table bytes.Buffer
		w, err := mrt.NewTableWriter(&table, at(0), netip.Addr{}, "", peers)
		if err != nil {
			t.Fatal(err)
		}
		routes := []route{{prefix: bgp.PrefixFrom6(0x20010db8<<32, 0, 48)}}
		for n := range 11 {
			routes = append(routes, route{prefix: bgp.PrefixFrom4(10<<24|uint32(n)<<8, 24)})
		}
		for i := range routes {
			var entries []mrt.TableEntry
			for p := range peers {
				attrs := []byte{0x40, 1, 1, 0, 0x40, 2, 10, 2, 2, 0, 0, 0xfb, 0xf4 + byte(p), 0, 0, 0xfe, 0x4c}
				if !routes[i].prefix.IsV6() {
					attrs = append(attrs, 0x40, 3, 4, 192, 0, 2, byte(10*c+p))
				} else {
					attrs = append(append(attrs, 0x80, attrMPReach, 17, 16), nextHop6[:]...)
				}
				entries = append(entries, mrt.TableEntry{Peer: uint16(p), Originated: at(0), Attrs: attrs})
			}
			if err := w.Put(routes[i].prefix, entries); err != nil {
				t.Fatal(err)
			}
		}
		for raw := table.Bytes(); len(raw) > 0; {
			rec, err := mrt.NewReader(bytes.NewReader(raw)).Next()
			if err != nil {
				t.Fatal(err)
			}
			x.lanes[0].Records = append(x.lanes[0].Records, Record{At: rec.Time, Raw: raw[:len(rec.Raw)]})
			raw = raw[len(rec.Raw):]
		}
		for s := 10; s < 600; s += 10 {
			for _, p := range peers {
				name := bgp.Peer{Collector: name, AS: p.AS, Addr: p.Addr}
				r := route{prefix: routes[1].prefix, attrs: ownPath(name), as4: true}
				x.announce(name, at(s)+bgp.Micros(p.AS%10)*100_000, 0, []route{r})
				if s == 200 {
					x.withdraw(name, at(s)+5*bgp.Second, 0, []route{{prefix: routes[2].prefix, as4: true}, {prefix: routes[3].prefix, as4: true}})
				}
			}
		}
		if x.err != nil {
			t.Fatal(x.err)
		}
		l, err := Read(name, x.lanes[0].Reader())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

func text(lanes []Lane) string {
	var b strings.Builder
	for i := range lanes {
		raw, err := io.ReadAll(lanes[i].Reader())
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "%s %x\n", lanes[i].Collector, raw)
	}
	return b.String()
}

// TestSame: the same draw gives the same octets, another seed others, the input stays, and everything can be read back.
func TestSame(t *testing.T) {
	lanes := paper(t)
	before := text(lanes)
	span := Span{at(150), at(400)}
	for _, f := range Faults {
		others := 0
		for seed := uint64(1); seed <= 12; seed++ {
			one, what, err := Inject(lanes, f, span, seed)
			if err != nil {
				t.Fatal(f, err)
			}
			two, again, _ := Inject(lanes, f, span, seed)
			if text(one) != text(two) || what != again {
				t.Errorf("%s: seed %d gives two things: %s, %s", f, seed, what, again)
			}
			if text(one) == before {
				t.Errorf("%s: seed %d (%s) changes nothing", f, seed, what)
			}
			three, _, _ := Inject(lanes, f, span, seed+100)
			if text(three) != text(one) {
				others++
			}
			for i := range one {
				var (
					d mrt.Decoder
					c mrt.Content
					u wire.Update
				)
				r := mrt.NewReader(one[i].Reader())
				for j := range one[i].Records {
					rec, err := r.Next()
					if err == nil {
						err = d.Decode(rec, &c)
					}
					if err == nil && c.Kind == mrt.Message {
						err = u.Parse(c.BGP, c.Opts)
					}
					if err != nil || u.Faults != 0 {
						t.Fatalf("%s, seed %d: record %d of %s: %v, faults %v", f, seed, j, one[i].Collector, err, u.Faults)
					}
				}
			}
		}
		if others == 0 && f != FeedGap {
			t.Errorf("%s: the seed draws nothing", f)
		}
	}
	if text(lanes) != before {
		t.Error("the lanes given were changed")
	}
	if _, _, err := Inject(lanes, "weather", span, 1); err == nil {
		t.Error("a fault that does not exist was injected")
	}
	if _, _, err := Inject(lanes, FeedGap, Span{at(1), at(1)}, 1); err == nil {
		t.Error("a fault without time was injected")
	}
	if _, _, err := Inject(nil, FeedGap, span, 1); err == nil {
		t.Error("a fault was injected into nothing")
	}
}

// prefixes are what a session carries at a time.
func prefixes(l *Lane, p bgp.Peer, at bgp.Micros) (out []string) {
	for _, r := range carried(l, p, at) {
		out = append(out, r.prefix.String())
	}
	return out
}

// TestCarried: the table is what the dump said, less what was withdrawn, and comes again whole after a reset.
func TestCarried(t *testing.T) {
	lanes := paper(t)
	p := bgp.Peer{Collector: "rc0", AS: 64502, Addr: netip.MustParseAddr("192.0.2.2")}
	if got := prefixes(&lanes[0], p, at(100)); len(got) != 12 || !slices.Contains(got, "2001:db8::/48") {
		t.Fatalf("carries %v", got)
	}
	after := prefixes(&lanes[0], p, at(600))
	if len(after) != 10 || slices.Contains(after, "10.0.1.0/24") || slices.Contains(after, "10.0.2.0/24") {
		t.Fatalf("carries %v after the withdrawal", after)
	}
	x := &injection{lanes: lanes, span: Span{at(150), at(300)}, chance: fixed()}
	x.sessions = x.list()
	x.lost(p, at(150), at(300), true)
	slices.SortStableFunc(x.lanes[0].Records, func(a, b Record) int { return int(a.At - b.At) })
	if got := prefixes(&x.lanes[0], p, at(299)); len(got) != 0 {
		t.Errorf("carries %v while it is lost", got)
	}
	if got := prefixes(&x.lanes[0], p, at(400)); !slices.Equal(got, after) || x.err != nil {
		t.Errorf("carries %v after the transfer, want %v; %v", got, after, x.err)
	}
}

// TestFaults: each fault does what its name says.
func TestFaults(t *testing.T) {
	lanes := paper(t)
	span := Span{at(150), at(400)}
	inSpan := func(l []Lane, match func(r *Record) bool) (n int) {
		for i := range l {
			for j := range l[i].Records {
				if r := &l[i].Records[j]; span.holds(r.At) && match(r) {
					n++
				}
			}
		}
		return n
	}
	any := func(*Record) bool { return true }
	for seed := uint64(1); seed <= 30; seed++ {
		one, what, err := Inject(lanes, FeedGap, span, seed)
		if err != nil || inSpan(one, any) != 0 {
			t.Errorf("%s: %d records in the gap; %v", what, inSpan(one, any), err)
		}
		one, what, _ = Inject(lanes, CollectorLost, span, seed)
		name := what[:3]
		if n := inSpan(one, func(r *Record) bool { return r.Peer.Collector == name }); n > 5 { // the five states
			t.Errorf("%s: %d records of it", what, n)
		}
		if n := inSpan(one, func(r *Record) bool { return r.Peer.Collector != name }); n != 5*25+5 {
			t.Errorf("%s: the other says %d things", what, n)
		}
		one, what, _ = Inject(lanes, SeedCut, span, seed)
		if n := len(one[0].Records) + len(one[1].Records); n >= len(lanes[0].Records)+len(lanes[1].Records) {
			t.Errorf("%s: nothing cut", what)
		}
		one, what, _ = Inject(lanes, Duplicates, span, seed)
		back := 0
		for i := range one {
			last := map[bgp.Peer]bgp.Micros{}
			var clock bgp.Micros
			for _, r := range one[i].Records {
				if r.At < last[r.Peer] {
					t.Errorf("%s: messages of one peer change places", what)
				}
				last[r.Peer] = r.At
				if r.At < clock {
					back++
				}
				clock = r.At
			}
		}
		if back == 0 || inSpan(one, any) <= inSpan(lanes, any) {
			t.Errorf("%s: the clock never steps back, or nothing comes twice", what)
		}
		_, what, _ = Inject(lanes, PeersLost, span, seed)
		if !strings.HasPrefix(what, "3 of 10 sessions") {
			t.Errorf("%s: want 30 %%", what)
		}
	}
	// One withdrawal in ten to fifty is stuck: of twenty of them, over thirty seeds, some and not all.
	stuck, all := 0, 0
	for seed := uint64(1); seed <= 30; seed++ {
		one, _, err := Inject(lanes, StuckRoutes, span, seed)
		if err != nil {
			t.Fatal(err)
		}
		for i := range one {
			for _, p := range []uint32{0, 1, 2, 3, 4} {
				name := bgp.Peer{Collector: one[i].Collector, AS: 64500 + 10*uint32(i) + p, Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(10*uint32(i) + p)})}
				stuck += len(prefixes(&one[i], name, at(600))) - 10
				all += 2
			}
		}
	}
	if stuck < all/60 || stuck > all/6 {
		t.Errorf("%d of %d withdrawals stuck", stuck, all)
	}
}

// TestReadTorn: a stream that breaks off is no background.
func TestReadTorn(t *testing.T) {
	lanes := paper(t)
	raw, _ := io.ReadAll(lanes[0].Reader())
	if _, err := Read("rc0", bytes.NewReader(raw[:len(raw)-3])); err == nil {
		t.Error("a torn stream was taken")
	}
}

func fixed() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

package signal

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// second are n sessions at a second collector, of ASes of their own.
func second(n int) (out []bgp.Peer) {
	for i := range n {
		out = append(out, bgp.Peer{Collector: "rrc01", AS: uint32(300 + i), Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})})
	}
	return out
}

func (f *feed) voters() int { return f.m.fams[0].table.Vote(0).Expected }

// TestCollectorSilent: beyond its custom its sessions do not vote; when it speaks again they do after 45 s, in which it says what it held back.
func TestCollectorSilent(t *testing.T) {
	a, b := peers(12), second(14)
	f := seeded(t, append(slices.Clone(a), b...), 40)
	f.run(300)
	f.speak = a
	f.run(300 + 60)
	if n := f.voters(); n != 26 || len(f.log) != 0 {
		t.Fatalf("silent for 60 s: %d vote, %q", n, f.log)
	}
	f.run(300 + 62)
	if n := f.voters(); n != 12 {
		t.Errorf("silent for 62 s: %d vote", n)
	}
	if s := f.state(b[3]); s.State != "stale" || s.Note == "" {
		t.Errorf("%+v", s)
	}
	if c := f.m.coverage(f.m.fams[0]); !slices.Contains(c.Because, "collector_down") {
		t.Errorf("%+v", c)
	}
	f.all(400, b, bgp.Announce)
	f.speak = append(slices.Clone(a), b...)
	f.run(444)
	if n := f.voters(); n != 12 || f.state(b[3]).State != "stale" {
		t.Errorf("speaks again for 44 s: %d vote, %+v", n, f.state(b[3]))
	}
	f.run(446)
	if n := f.voters(); n != 26 || f.state(b[3]).State != "up" {
		t.Errorf("after 45 s: %d vote", n)
	}
	if c := f.m.coverage(f.m.fams[0]); slices.Contains(c.Because, "collector_down") {
		t.Errorf("%+v", c)
	}
	f.run(1500)
	f.want("362 rrc01 opened", "400 rrc01 recovering", "1300 rrc01 closed")
}

// TestCollectorsOwnCustom: a collector that is often silent for minutes is not missed for a minute.
func TestCollectorsOwnCustom(t *testing.T) {
	a, b := peers(12), second(1)
	f := seeded(t, append(slices.Clone(a), b...), 40)
	f.speak = a
	for s := 200.0; s < 200+150*120; s += 150 {
		f.say(s, b[0], bgp.Announce)
	}
	f.run(200 + 150*119 + 160)
	f.want()
	f.run(200 + 150*120 + 300)
	if len(f.log) != 1 {
		t.Errorf("silent for twice its custom: %q", f.log)
	}
}

// TestAllSilent: when all collectors pause none is blamed, and the first to speak does not convict the others.
func TestAllSilent(t *testing.T) {
	a, b := peers(12), second(14)
	f := seeded(t, append(slices.Clone(a), b...), 40)
	f.run(300)
	f.speak = nil
	f.run(900)
	f.speak = a
	f.run(950)
	if n := f.voters(); n != 26 {
		t.Errorf("%d vote", n)
	}
	f.speak = append(slices.Clone(a), b...)
	f.run(2000)
	f.want()
}

// TestCollectorGap: after four minutes what a collector said is unknown until it is said again.
func TestCollectorGap(t *testing.T) {
	a, b := peers(12), second(14)
	f := seeded(t, append(slices.Clone(a), b...), 40)
	f.run(300)
	f.speak = a
	f.run(600)
	f.say(601, b[0], bgp.Announce, block(1))
	cell := func(p int, r visibility.RowID) visibility.State {
		return f.m.fams[0].table.Cell(r, f.m.byPeer[b[p]].id).State
	}
	if cell(0, 1) != visibility.Announced || cell(0, 2) != visibility.Unknown || cell(5, 1) != visibility.Unknown {
		t.Errorf("%v, %v, %v", cell(0, 1), cell(0, 2), cell(5, 1))
	}
	if s := f.state(b[5]); s.State != "resync" {
		t.Errorf("%+v", s)
	}
	f.all(602, b, bgp.Announce, blocks(0, 39)...)
	f.speak = append(slices.Clone(a), b...)
	f.run(603)
	if s, n := f.state(b[5]), f.voters(); s.State != "up" || n != 26 {
		t.Errorf("%+v, %d vote", s, n)
	}
}

// TestFamiliesComeBackApart: End-of-RIB of IPv4 says nothing about IPv6 (RFC 4724 section 2).
func TestFamiliesComeBackApart(t *testing.T) {
	ps := peers(20)
	six := []bgp.Prefix{bgp.PrefixFrom6(0x20010db8<<32, 0, 48), bgp.PrefixFrom6(0x20010db8_0001<<16, 0, 48)}
	f := newFeed(t)
	f.all(0.5, ps, bgp.RIB, blocks(0, 10)...)
	f.all(0.6, ps, bgp.RIB, six...)
	f.speak = ps[1:]
	f.run(60)
	f.session(61, ps[0], bgp.Established, 1)
	f.session(62, ps[0], 5, bgp.Established)
	f.say(63, ps[0], bgp.Announce, block(0), six[0])
	end := func(v6 bool) {
		if err := f.m.Begin(bgp.Message{At: at(64), Peer: ps[0]}); err != nil {
			t.Fatal(err)
		}
		f.m.EndOfRIB(v6)
		f.m.End()
	}
	votes := func() [2]int {
		return [2]int{f.m.fams[0].table.Vote(0).Expected, f.m.fams[1].table.Vote(0).Expected}
	}
	if v := votes(); v != [2]int{19, 19} {
		t.Fatalf("%v", v)
	}
	end(false)
	if v, s := votes(), f.state(ps[0]); v != [2]int{20, 19} || s.State != "resync" {
		t.Errorf("after that of IPv4: %v, %+v", v, s)
	}
	end(true)
	if v, s := votes(), f.state(ps[0]); v != [2]int{20, 20} || s.State != "up" {
		t.Errorf("after both: %v, %+v", v, s)
	}
}

// TestYoungCollector: one that joins later without a dump does not vote for its first half hour.
func TestYoungCollector(t *testing.T) {
	a, b := peers(12), second(14)
	f := seeded(t, a, 40)
	f.run(3000)
	f.all(3001, b, bgp.Announce, blocks(0, 40)...)
	f.speak = append(slices.Clone(a), b...)
	f.run(3001 + 1799)
	if s, n := f.state(b[0]), f.voters(); s.State != "resync" || s.Note == "" || n != 12 {
		t.Errorf("%+v, %d vote", s, n)
	}
	f.run(3001 + 3600 + 60)
	if s, n := f.state(b[0]), f.voters(); s.State != "up" || n != 26 {
		t.Errorf("after half an hour, and the hour of the cells: %+v, %d vote", s, n)
	}
	f.want()
}

// TestSmallestExplanation: a zone that was lost whole explains more than its country, of which it is a part.
func TestSmallestExplanation(t *testing.T) {
	ps := peers(20)
	f := seededIn(t, zoned{}, ps, 100)
	var last *detect.Incident
	f.m.sink = func(_ int, inc *detect.Incident, _ []detect.Member) {
		if inc.Entity.Code == "PK" {
			doc := *inc
			last = &doc
		}
	}
	f.all(61, ps, bgp.Withdraw, blocks(0, 20)...) // the zone
	f.run(300)
	want := []detect.Explanation{{Entity: detect.Entity{Type: "zone", Code: "coast", Name: "Coast"}, Precision: 1, Recall: 1}}
	if last == nil || !slices.Equal(last.Explanations, want) {
		t.Fatalf("%+v", last)
	}
	f.all(301, ps, bgp.Withdraw, blocks(20, 98)...)
	f.run(600)
	if e := last.Explanations; len(e) == 0 || e[0].Entity.Code != "PK" || e[0].Recall < 0.9 {
		t.Errorf("nearly all is lost: %+v", e)
	}
}

// zoned is the atlas with one zone: the first 20 blocks.
type zoned struct{ atlas }

func (zoned) ZonesChange(_, _ bgp.Micros) bool { return false }

func (zoned) Zones(p bgp.Prefix, _ uint32, _, _ string, _ bgp.Micros) []detect.Entity {
	if i := int(p.Netip().Addr().As4()[2]); bgp.PrefixFrom4(10<<24, 8).Covers(p) && i < 20 {
		return []detect.Entity{{Type: "zone", Code: "coast", Name: "Coast"}}
	}
	return nil
}

// TestMoved: a prefix that lives on under another origin is not lost, and the network it left says so.
func TestMoved(t *testing.T) {
	ps := peers(20)
	f := seeded(t, ps, 40)
	move := func(sec float64, p bgp.Peer, x bgp.Prefix, as uint32) {
		f.run(int64(sec))
		if err := f.m.Begin(bgp.Message{Seq: 1e6, At: at(sec), Peer: p, Raw: []byte("moved")}); err != nil {
			t.Fatal(err)
		}
		f.m.Elem(&bgp.Elem{Prefix: x, Kind: bgp.Announce, Origin: as})
		f.m.End()
	}
	f.all(61, ps, bgp.Withdraw, block(0), block(1), block(5), block(6), block(10), block(11), block(15), block(16), block(12))
	for _, p := range ps {
		move(100, p, block(0), 65009)
	}
	f.run(101)
	pk := f.m.countries["PK"]
	for _, p := range f.m.Parts(pk, detect.BGPv4) {
		want := 0
		if p.Entity.Code == "AS64500" {
			want = 1
		}
		if p.Moved != want {
			t.Errorf("%+v", p)
		}
	}
	f.run(300)
	serial := -1
	for _, s := range f.m.watched[f.m.fams[0].handle(0)].incidents {
		serial = s
	}
	if m := f.m.Member(f.m.fams[0].handle(0), serial); m.Origin != 65009 || m.MovedFrom != 64500 {
		t.Errorf("%+v", m)
	}
	f.run(100 + 3700)
	for _, p := range f.m.Parts(pk, detect.BGPv4) {
		if p.Moved != 0 {
			t.Errorf("an hour later: %+v", p)
		}
	}
}

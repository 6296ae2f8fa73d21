package signal

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// start is when the journal begins: 2008-02-24T19:00:00Z, a whole hour.
const start = bgp.Micros(1203879600) * bgp.Second

func at(s float64) bgp.Micros { return start + bgp.Micros(s*1e6+0.5) }

// atlas places 10.0.0.0/8 and 2001:db8::/32 in PK, 20.0.0.0/8 in LK, and nothing else.
type atlas struct{}

func (atlas) Country(p bgp.Prefix, _ uint32) string {
	switch {
	case bgp.PrefixFrom4(10<<24, 8).Covers(p) || bgp.PrefixFrom6(0x20010db8<<32, 0, 32).Covers(p):
		return "PK"
	case bgp.PrefixFrom4(20<<24, 8).Covers(p):
		return "LK"
	}
	return ""
}
func (atlas) CountryName(code string) string           { return "Land " + code }
func (atlas) NetworkName(uint32) string                { return "" }
func (atlas) References(bgp.Micros) []detect.Reference { return []detect.Reference{{Name: "atlas"}} }

// feed is a journal written by hand and the monitor that reads it.
type feed struct {
	t       *testing.T
	m       *Monitor
	now     bgp.Micros // of the next tick
	step    bgp.Micros
	seq     uint64
	speak   []bgp.Peer // send an empty message every 20 s
	log     []string   // "second code change"
	json    []string
	taken   map[string][]bgp.Message // by incident id, as handed over
	samples []detect.Sample
}

func newFeed(t *testing.T) *feed { return newFeedIn(t, atlas{}) }

func newFeedIn(t *testing.T, places Places) *feed {
	f := &feed{t: t, now: start, step: bgp.Second, taken: map[string][]bgp.Message{}}
	f.m = New(Options{
		Config: DefaultConfig(), Engine: detect.DefaultConfig(), Data: detect.Synthetic, Software: "test", Places: places, KeepMessages: true,
		Sources: func(c string) detect.Source { return detect.Source{Name: "project of " + c, Collector: c} },
		Sink: func(serial int, inc *detect.Incident, _ []detect.Member) {
			r := inc.Revisions[len(inc.Revisions)-1]
			f.log = append(f.log, fmt.Sprintf("%d %s %s", (bgp.Micros(r.At.UnixMicro())-start)/bgp.Second, inc.Entity.Code, r.Change))
			b, err := inc.JSON()
			if err != nil {
				t.Fatal(err)
			}
			f.json = append(f.json, string(b))
			if inc.Kind == detect.Outage {
				f.taken[inc.ID] = append(f.taken[inc.ID], f.m.TakeMessages(serial)...)
			}
		},
	})
	f.m.OnSample = func(s detect.Sample) { f.samples = append(f.samples, s) }
	f.run(0)
	return f
}

// peers are n sessions of n ASes at one collector.
func peers(n int) (out []bgp.Peer) {
	for i := range n {
		out = append(out, bgp.Peer{Collector: "rrc00", AS: uint32(100 + i), Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})})
	}
	return out
}

// block is the i-th /24 of 10.0.0.0/8.
func block(i int) bgp.Prefix { return bgp.PrefixFrom4(10<<24|uint32(i)<<8, 24) }

func blocks(from, to int) (out []bgp.Prefix) {
	for i := from; i < to; i++ {
		out = append(out, block(i))
	}
	return out
}

// origin of a prefix: five networks in turn.
func origin(p bgp.Prefix) uint32 {
	if p.IsV6() {
		return 64500
	}
	return 64500 + uint32(p.Netip().Addr().As4()[2]%5)
}

// say brings the clock to the second of one message, applies it with an elem for each prefix and gives it back.
func (f *feed) say(sec float64, p bgp.Peer, k bgp.Kind, prefixes ...bgp.Prefix) bgp.Message {
	f.t.Helper()
	if f.step == bgp.Second {
		f.run(int64(sec))
	}
	return f.apply(sec, p, k, prefixes...)
}

// session applies a state change of a session.
func (f *feed) session(sec float64, p bgp.Peer, from, to bgp.State) {
	f.t.Helper()
	f.run(int64(sec))
	if err := f.m.State(bgp.Message{At: at(sec), Peer: p}, from, to); err != nil {
		f.t.Fatal(err)
	}
}

func (f *feed) apply(sec float64, p bgp.Peer, k bgp.Kind, prefixes ...bgp.Prefix) bgp.Message {
	f.t.Helper()
	f.seq++
	msg := bgp.Message{Seq: f.seq, At: at(sec), Peer: p, Raw: fmt.Appendf(nil, "message %d of %s", f.seq, p)}
	raw := slices.Clone(msg.Raw) // the caller's buffer is reused after End
	given := msg
	given.Raw = raw
	if err := f.m.Begin(given); err != nil {
		f.t.Fatal(err)
	}
	for _, x := range prefixes {
		e := bgp.Elem{Prefix: x, Kind: k}
		if k != bgp.Withdraw {
			e.Origin = origin(x)
		}
		f.m.Elem(&e)
	}
	f.m.End()
	clear(raw)
	return msg
}

func (f *feed) all(sec float64, ps []bgp.Peer, k bgp.Kind, prefixes ...bgp.Prefix) (out []bgp.Message) {
	f.t.Helper()
	for _, p := range ps {
		out = append(out, f.say(sec, p, k, prefixes...))
	}
	return out
}

// run ticks up to and including a second; the peers in speak are heard now and then.
func (f *feed) run(to int64) {
	f.t.Helper()
	for ; f.now <= start+bgp.Seconds(to); f.now += f.step {
		f.m.Tick(f.now)
		if s := (f.now - start) / bgp.Second; s%20 == 0 {
			for _, p := range f.speak {
				f.apply(float64(s), p, bgp.Announce)
			}
		}
	}
}

func (f *feed) want(lines ...string) {
	f.t.Helper()
	if !slices.Equal(f.log, lines) {
		f.t.Errorf("the story is %q, want %q", f.log, lines)
	}
	f.log = nil
}

// reading is what an entity adds up to now.
func (f *feed) reading(code string, sig detect.SignalID) detect.Reading {
	f.t.Helper()
	f.m.read(f.m.cur.At)
	id, ok := f.m.countries[code]
	if !ok {
		f.t.Fatalf("%s is not known", code)
	}
	return f.m.fams[sig].reading(f.m.fams[sig].aggs[id])
}

func (f *feed) state(p bgp.Peer) bgp.PeerStatus {
	f.t.Helper()
	for _, s := range f.m.Peers() {
		if s.Peer == p {
			return s
		}
	}
	f.t.Fatalf("%s is not known", p)
	return bgp.PeerStatus{}
}

// seeded is a feed with a RIB of n blocks from each of the peers, at second 1, that all speak on.
func seeded(t *testing.T, ps []bgp.Peer, n int) *feed { return seededIn(t, atlas{}, ps, n) }

func seededIn(t *testing.T, places Places, ps []bgp.Peer, n int) *feed {
	f := newFeedIn(t, places)
	f.all(0.5, ps, bgp.RIB, blocks(0, n)...)
	f.speak = ps
	f.run(60)
	return f
}

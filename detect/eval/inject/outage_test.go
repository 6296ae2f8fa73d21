package inject

import (
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// word is what a session says of a prefix.
type word struct {
	at bgp.Micros
	up bool
}

// heard lists what each session says of a prefix in messages, in order.
func heard(t *testing.T, lanes []Lane, p bgp.Prefix) map[bgp.Peer][]word {
	t.Helper()
	out := map[bgp.Peer][]word{}
	for i := range lanes {
		var (
			d mrt.Decoder
			c mrt.Content
			u wire.Update
			e bgp.Elem
		)
		r := mrt.NewReader(lanes[i].Reader())
		for j := range lanes[i].Records {
			rec, err := r.Next()
			if err == nil {
				err = d.Decode(rec, &c)
			}
			if err != nil {
				t.Fatalf("record %d of %s: %v", j, lanes[i].Collector, err)
			}
			if c.Kind != mrt.Message {
				continue
			}
			if err := u.Parse(c.BGP, c.Opts); err != nil || u.Faults != 0 {
				t.Fatalf("record %d of %s: %v, faults %v", j, lanes[i].Collector, err, u.Faults)
			}
			peer := bgp.Peer{Collector: lanes[i].Collector, AS: c.PeerAS, Addr: c.PeerAddr}
			for u.Next(&e) {
				if e.Prefix == p {
					out[peer] = append(out[peer], word{rec.Time, e.Kind != bgp.Withdraw})
				}
			}
		}
	}
	return out
}

// TestLose: every session that carries a prefix withdraws it within the spread, says nothing of it until it is back, and then announces
// it again; prefixes that were not chosen are told as before; the same seed gives the same octets, and the input stays.
func TestLose(t *testing.T) {
	lanes := paper(t)
	routes := []route{{prefix: bgp.PrefixFrom6(0x20010db8<<32, 0, 48)}} // as in the table of paper
	for n := range uint32(3) {
		routes = append(routes, route{prefix: bgp.PrefixFrom4(10<<24|n<<8, 24)})
	}
	before := text(lanes)
	for seed := uint64(1); seed <= 10; seed++ {
		// One that is announced all the time, one that is only in the table, one that each session withdraws at 205 s.
		o := Outage{
			Routes: []Route{{routes[1].prefix, 65100}, {routes[0].prefix, 65100}, {routes[2].prefix, 65101}},
			From:   at(150), Over: bgp.Seconds(20), Spread: bgp.Seconds(40), Back: at(400),
		}
		out, cells, err := Lose(lanes, o, seed)
		if err != nil {
			t.Fatal(err)
		}
		again, _, _ := Lose(lanes, o, seed)
		if text(out) != text(again) || text(out) == before || text(lanes) != before {
			t.Fatalf("seed %d: not the same, or nothing, or the input has changed", seed)
		}
		sessions := len(heard(t, lanes, routes[1].prefix))
		if want := 3 * sessions; cells != want {
			t.Errorf("seed %d: %d cells withdrawn, want %d", seed, cells, want)
		}
		for i, r := range o.Routes {
			start := o.From + o.Over*bgp.Micros(i)/2
			first, last, n := at(1000), at(0), 0
			for peer, words := range heard(t, out, r.Prefix) {
				n++
				gone, back := bgp.Micros(0), bgp.Micros(0)
				for _, w := range words {
					switch {
					case w.at < start:
					case w.at <= start+o.Spread && gone == 0 && !w.up:
						gone = w.at
					case w.at <= start+o.Spread && gone == 0: // another path
					case w.at < o.Back:
						t.Errorf("seed %d: %v speaks of %s at %v, while it is away", seed, peer, r.Prefix, w)
					case w.up && back == 0:
						back = w.at
					}
				}
				if gone == 0 || (back == 0) != (i == 2) || back > o.Back+bgp.Seconds(backSpread)+bgp.Seconds(1) {
					t.Errorf("seed %d: %v withdraws %s at %d and has it back at %d", seed, peer, r.Prefix, gone, back)
				}
				first, last = min(first, gone), max(last, gone)
			}
			if n != sessions || first != start || last != start+o.Spread {
				t.Errorf("seed %d: %s goes from %d to %d at %d sessions", seed, r.Prefix, first, last, n)
			}
		}
		was, is := heard(t, lanes, routes[3].prefix), heard(t, out, routes[3].prefix) // it is withdrawn in the messages that withdraw routes[2]
		for peer, words := range was {
			if len(is[peer]) != len(words) || is[peer][0] != words[0] {
				t.Errorf("seed %d: %v says %v of %s, and said %v", seed, peer, is[peer], routes[3].prefix, words)
			}
		}
	}
	for _, bad := range []Outage{{From: at(1), Back: at(100)}, {Routes: []Route{{routes[1].prefix, 1}}, From: at(100), Spread: bgp.Seconds(40), Back: at(130)}} {
		if _, _, err := Lose(lanes, bad, 1); err == nil {
			t.Errorf("%+v was put in", bad)
		}
	}
}

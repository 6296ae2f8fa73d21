package peering

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	gobgp "github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/wire"
)

// FuzzFrames: whatever comes over a connection, in whatever pieces, each message given is as long as it says, stands in the input where the one
// before it ended, and is within its bounds; an error is one of the closed list, and nothing is read behind it.
func FuzzFrames(f *testing.F) {
	keepalive := message(wire.TypeKeepalive)
	f.Add(bytes.Repeat(keepalive, 3), false)
	f.Add(append(announce(65001, 24, 10, 1, 1), message(9)...), true)
	f.Add(append(bytes.Clone(keepalive), keepalive[:7]...), false)
	f.Add(bytes.Repeat([]byte{0xff}, 40), true)
	f.Fuzz(func(t *testing.T, octets []byte, long bool) {
		fr := newFramer(iotest.OneByteReader(bytes.NewReader(octets)))
		if long {
			fr.max = extended
		}
		at := 0
		for {
			msg, err := fr.next()
			var told *fault
			switch {
			case errors.As(err, &told):
				if told.code != 1 || told.subcode < 1 || told.subcode > 3 || len(msg) < headerLen || !bytes.HasPrefix(octets[at:], msg) {
					t.Fatalf("%v, %x", err, msg)
				}
				return
			case err != nil:
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatal(err)
				}
				if left := len(octets) - at; (left == 0) != errors.Is(err, io.EOF) || left >= extended {
					t.Fatalf("%v with %d octets left", err, left)
				}
				return
			}
			if n := len(msg); n < shortest[msg[18]] || n > fr.max || n != int(msg[16])<<8|int(msg[17]) || !bytes.HasPrefix(octets[at:], msg) {
				t.Fatalf("%x", msg)
			}
			at += len(msg)
		}
	})
}

// TestGuards: a panic, of this package or of the library that makes messages, is an error.
func TestGuards(t *testing.T) {
	if b, err := built(&gobgp.BGPMessage{}); err == nil || b != nil {
		t.Errorf("%x, %v", b, err)
	}
	c := &session{s: &Speaker{}, n: &neighbour{}}
	var f *fault
	if err := c.guarded(func() error { return c.open(nil) }); !errors.As(err, &f) || f.code != 6 {
		t.Error(err)
	}
}

// TestRoutes: the count follows announcements and withdrawals as a map does.
func TestRoutes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var s routeSet
	truth := map[route]bool{}
	for range 200_000 {
		e := bgp.Elem{Kind: bgp.Announce, Prefix: bgp.PrefixFrom4(rng.Uint32N(20_000)<<8, 24), PathID: rng.Uint32N(2)}
		if rng.Uint32N(5) < 2 {
			e.Kind = bgp.Withdraw
			delete(truth, route{e.Prefix, e.PathID})
		} else {
			truth[route{e.Prefix, e.PathID}] = true
		}
		s.apply(&e)
		if d := s.n - len(truth); d > 2 || d < -2 { // two of 40,000 may share a hash
			t.Fatalf("%d routes, counted %d", len(truth), s.n)
		}
	}
	if len(truth) < 20_000 {
		t.Errorf("only %d routes", len(truth))
	}
	for r := range truth {
		s.apply(&bgp.Elem{Kind: bgp.Withdraw, Prefix: r.prefix, PathID: r.path})
	}
	if s.n > 2 {
		t.Errorf("%d left", s.n)
	}
}

// TestManyRoutes: of a million routes a sample is kept, in bounded memory; the count stays near the truth while they come and go, and who keeps to its
// limit is not refused.
func TestManyRoutes(t *testing.T) {
	var s routeSet
	held, most := 0, 0
	change := func(kind bgp.Kind, from, to uint32) {
		for i := from; i < to; i++ {
			s.apply(&bgp.Elem{Kind: kind, Prefix: bgp.PrefixFrom4(i<<8, 24)})
		}
		if kind == bgp.Withdraw {
			held -= int(to - from)
		} else {
			held += int(to - from)
		}
		most = max(most, held)
		n, estimated := s.count()
		if d := n - held; d*50 > most || -d*50 > most { // six standard errors
			t.Errorf("%d routes, counted %d", held, n)
		}
		if estimated != (s.skip > 0) || len(s.slots) > mostSlots {
			t.Errorf("%d slots, estimated: %v", len(s.slots), estimated)
		}
		if held == most && estimated && (s.exceeds(held) || !s.exceeds(held-held/25)) {
			t.Errorf("%d routes, counted %d, are more than as many, or not more than fewer", held, n)
		}
	}
	change(bgp.Announce, 0, mostKept/2)
	if n, estimated := s.count(); estimated || held-n > 10 || n > held {
		t.Errorf("%d routes, counted %d, estimated: %v", held, n, estimated)
	}
	change(bgp.Announce, mostKept/2, 1_000_000)
	change(bgp.Withdraw, 0, 600_000)
	change(bgp.Announce, 1_000_000, 2_000_000)
	change(bgp.Withdraw, 600_000, 2_000_000)
	if n, _ := s.count(); n != 0 {
		t.Errorf("%d are left of none", n)
	}
}

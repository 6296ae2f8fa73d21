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

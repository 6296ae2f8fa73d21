package mrt_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	rival "github.com/osrg/gobgp/v3/pkg/packet/bgp"
	rivalmrt "github.com/osrg/gobgp/v3/pkg/packet/mrt"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// stream sums up a run of elems as (time, peer, prefix, origin, path id) in their order: any difference in any field, or
// another order, gives another sum.
type stream struct {
	elems  int
	sum    uint64
	record uint64 // time and peer, which all elems of a record share
}

// Odd numbers, so that multiplying by one loses nothing.
const (
	mix  = 0x9e3779b97f4a7c15
	mix2 = 0xd6e8feb86659fd93
	mix3 = 0xff51afd7ed558ccd
)

func (s *stream) begin(at bgp.Micros, as uint32, addr netip.Addr) {
	a := addr.As16()
	s.record = uint64(at)*mix ^ binary.BigEndian.Uint64(a[:])*mix2 ^ binary.BigEndian.Uint64(a[8:])*mix3 ^ bits.RotateLeft64(uint64(as)*mix, 32)
}

func (s *stream) elem(k bgp.Kind, p bgp.Prefix, origin, pathID uint32) {
	s.sum = (s.sum ^ s.record ^ bits.RotateLeft64(p.Hash(), int(k)) ^ (uint64(origin)<<32|uint64(pathID))*mix2) * mix
	s.elems++
}

// consumer reads streams the way a consumer of this package does.
type consumer struct {
	d mrt.Decoder
	c mrt.Content
	u wire.Update
	e bgp.Elem
}

func (o *consumer) record(rec *mrt.Record, s *stream) {
	if o.d.Decode(rec, &o.c) != nil || o.c.Kind != mrt.Message || o.u.Parse(o.c.BGP, o.c.Opts) != nil {
		return
	}
	s.begin(rec.Time, o.c.PeerAS, o.c.PeerAddr)
	for o.u.Next(&o.e) {
		s.elem(o.e.Kind, o.e.Prefix, o.e.Origin, o.e.PathID)
	}
}

func (o *consumer) stream(tb testing.TB, raw []byte) (s stream) {
	r := mrt.NewBytesReader(raw)
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return s
		}
		if err != nil {
			if torn := (*mrt.TornError)(nil); errors.As(err, &torn) {
				continue
			}
			tb.Fatal(err)
		}
		o.record(rec, &s)
	}
}

// ourStream is the stream of raw as this package reads it.
func ourStream(tb testing.TB, raw []byte) stream {
	var o consumer
	return o.stream(tb, raw)
}

// errRefused is gobgp's answer to a record that it cannot read, by error or by panic.
var errRefused = errors.New("refused")

// theirStream reads the stream of raw with gobgp's MRT and BGP packages.
func theirStream(raw []byte) (s stream, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: panic: %v", errRefused, p)
		}
	}()
	for len(raw) > 0 {
		var h rivalmrt.MRTHeader
		if err := h.DecodeFromBytes(raw); err != nil {
			return s, fmt.Errorf("%w: %w", errRefused, err)
		}
		size := rivalmrt.MRT_COMMON_HEADER_LEN + int(h.Len)
		if len(raw) < size {
			return s, errRefused
		}
		body, at := raw[rivalmrt.MRT_COMMON_HEADER_LEN:size], bgp.Seconds(int64(h.Timestamp))
		raw = raw[size:]
		if h.Type == mrt.TypeBGP4MPET { // which gobgp does not know: lent a hand
			if len(body) < 4 {
				return s, errRefused
			}
			at += bgp.Micros(binary.BigEndian.Uint32(body))
			h.Type, h.Len, body = rivalmrt.BGP4MP, h.Len-4, body[4:]
		}
		m, err := rivalmrt.ParseMRTBody(&h, body)
		if err != nil {
			return s, fmt.Errorf("%w: %w", errRefused, err)
		}
		msg, ok := m.Body.(*rivalmrt.BGP4MPMessage)
		if !ok {
			continue
		}
		up, ok := msg.BGPMessage.Body.(*rival.BGPUpdate)
		if !ok {
			continue
		}
		peer, _ := netip.AddrFromSlice(msg.PeerIpAddress)
		s.begin(at, msg.PeerAS, peer)
		theirUpdate(&s, up)
	}
	return s, nil
}

func theirUpdate(s *stream, up *rival.BGPUpdate) {
	var origin uint32
	var reach *rival.PathAttributeMpReachNLRI
	var unreach *rival.PathAttributeMpUnreachNLRI
	var path *rival.PathAttributeAsPath
	var as4 *rival.PathAttributeAs4Path
	for _, a := range up.PathAttributes {
		switch a := a.(type) {
		case *rival.PathAttributeAsPath:
			path = a
		case *rival.PathAttributeAs4Path:
			as4 = a
		case *rival.PathAttributeMpReachNLRI:
			reach = a
		case *rival.PathAttributeMpUnreachNLRI:
			unreach = a
		}
	}
	if path != nil {
		origin = theirOrigin(path, as4)
	}
	for _, p := range up.WithdrawnRoutes {
		s.elem(bgp.Withdraw, theirPrefix(p), 0, p.PathIdentifier())
	}
	if unreach != nil {
		for _, p := range unreach.Value {
			s.elem(bgp.Withdraw, theirPrefix(p), 0, p.PathIdentifier())
		}
	}
	for _, p := range up.NLRI {
		s.elem(bgp.Announce, theirPrefix(p), origin, p.PathIdentifier())
	}
	if reach != nil {
		for _, p := range reach.Value {
			s.elem(bgp.Announce, theirPrefix(p), origin, p.PathIdentifier())
		}
	}
}

// theirOrigin is the last AS of a path, from AS4_PATH where an old speaker hid it; 0 for a set of several.
func theirOrigin(path *rival.PathAttributeAsPath, as4 *rival.PathAttributeAs4Path) uint32 {
	if len(path.Value) == 0 {
		return 0
	}
	last := path.Value[len(path.Value)-1]
	as := last.GetAS()
	if as4 != nil && len(as4.Value) > 0 && len(as) > 0 && as[len(as)-1] == rival.AS_TRANS {
		last = as4.Value[len(as4.Value)-1]
		as = last.GetAS()
	}
	if len(as) == 0 || len(as) > 1 && last.GetType() != rival.BGP_ASPATH_ATTR_TYPE_SEQ && last.GetType() != rival.BGP_ASPATH_ATTR_TYPE_CONFED_SEQ {
		return 0
	}
	return as[len(as)-1]
}

func theirPrefix(p rival.AddrPrefixInterface) bgp.Prefix {
	switch p := p.(type) {
	case *rival.IPAddrPrefix:
		return bgp.PrefixFrom4(binary.BigEndian.Uint32(p.Prefix), p.Length)
	case *rival.IPv6AddrPrefix:
		return bgp.PrefixFrom6(binary.BigEndian.Uint64(p.Prefix), binary.BigEndian.Uint64(p.Prefix[8:]), p.Length)
	}
	return bgp.Prefix{}
}

// shared is what of a file both sides can be given: the records without those that gobgp refuses or reads otherwise than we do, each
// taken alone.
type shared struct {
	parts                    [][]byte // whole records, of about partSize bytes
	size                     int
	records, refused, differ int
}

const (
	partSize = 1 << 20
	rounds   = 2 // which count together, for both sides alike
	turns    = 3 // of which the least counts, for both sides alike: what a busy machine adds to one of them is nobody's merit
)

func share(raw []byte) (s shared) {
	var o consumer
	var part []byte
	r := mrt.NewBytesReader(raw)
	for {
		rec, err := r.Next()
		if err == io.EOF {
			s.parts = append(s.parts, part)
			return s
		}
		if err != nil {
			continue
		}
		s.records++
		var us stream
		o.record(rec, &us)
		switch them, err := theirStream(rec.Raw); {
		case err != nil:
			s.refused++
			continue
		case us.elems != them.elems || us.sum != them.sum:
			s.differ++
			continue
		}
		part = append(part, rec.Raw...)
		s.size += len(rec.Raw)
		if len(part) >= partSize {
			s.parts, part = append(s.parts, part), nil
		}
	}
}

// seconds is the mean processor time of f over several runs, the collection of what they leave behind included: garbage is a part of
// what a decoder costs, and none is left over from before.
func seconds(times int, f func()) float64 {
	runtime.GC()
	start := cpuSeconds()
	for range times {
		f()
	}
	return (cpuSeconds() - start) / float64(times)
}

// BenchmarkRival reads the same decompressed real bytes with this package and with gobgp's, part by part in turn and in one process,
// and the whole file once more for bgpdump -m where that is installed. Ratios are of processor time.
func BenchmarkRival(b *testing.B) {
	dir := dataDir(b, "BenchmarkRival")
	for _, c := range []struct{ name, path string }{
		{"rrc04", "rrc04/ris.rrc04.updates.1609476900.300.cache"},
		{"rv2008", "rv2008/updates.20080220.2111.bz2"},
		{"modern", "formats/morrowc/updates.20260222.1530.bz2"},
		{"transfer", "formats/bgpdump/updates.et-header.2015.gz"},
	} {
		b.Run(c.name, func(b *testing.B) {
			all := readAll(b, filepath.Join(dir, c.path))
			x := share(all)
			if (x.differ+x.refused)*1000 > x.records {
				b.Fatalf("gobgp refuses %d of %d records and reads %d otherwise: too many for a comparison", x.refused, x.records, x.differ)
			}
			var o consumer
			var us, them float64
			var elems int
			var sum uint64
			for range b.N {
				elems, sum = 0, 0
				for _, raw := range x.parts {
					var ours, theirs stream
					ourLeast, theirLeast := math.Inf(1), math.Inf(1)
					for range turns {
						ourLeast = min(ourLeast, seconds(rounds, func() { ours = o.stream(b, raw) }))
						theirLeast = min(theirLeast, seconds(rounds, func() {
							var err error
							if theirs, err = theirStream(raw); err != nil {
								b.Fatal(err)
							}
						}))
					}
					us, them = us+ourLeast, them+theirLeast
					if ours.elems == 0 || ours.elems != theirs.elems || ours.sum != theirs.sum {
						b.Fatalf("ours: %d elems, sum %#x; gobgp: %d elems, sum %#x", ours.elems, ours.sum, theirs.elems, theirs.sum)
					}
					elems += ours.elems
					sum = (sum ^ ours.sum) * mix
				}
			}
			if b.N == 1 {
				b.Logf("%d bytes, %d records without the %d that gobgp refuses and the %d that it reads otherwise; both %d elems, sum %#x",
					x.size, x.records-x.refused-x.differ, x.refused, x.differ, elems, sum)
			}
			n := float64(b.N)
			b.ReportMetric(float64(x.size)*n/us/1e6, "MB/cpu-s")
			b.ReportMetric(float64(elems)*n/us/1e6, "Melems/cpu-s")
			b.ReportMetric(them/us, "x-gobgp")
			if dump, ok := dumpSeconds(b, all); ok {
				own := math.Inf(1)
				for range turns {
					own = min(own, seconds(rounds, func() { o.stream(b, all) }))
				}
				b.ReportMetric(dump/own, "x-bgpdump")
			}
		})
	}
}

// dumpSeconds is the processor time of bgpdump -m over raw, its text thrown away.
func dumpSeconds(b *testing.B, raw []byte) (float64, bool) {
	bin, err := exec.LookPath("bgpdump")
	if err != nil {
		if os.Getenv("CI") == "true" {
			b.Fatal("bgpdump is not installed (Debian package bgpdump)")
		}
		b.Log("bgpdump is not installed: not compared")
		return 0, false
	}
	file := filepath.Join(b.TempDir(), "plain.mrt")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		b.Fatal(err)
	}
	least := math.Inf(1)
	for range turns {
		cmd := exec.Command(bin, "-m", file)
		if err := cmd.Run(); err != nil {
			b.Fatalf("bgpdump: %v", err)
		}
		least = min(least, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
	}
	return least, true
}

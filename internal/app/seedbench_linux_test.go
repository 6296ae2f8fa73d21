package app

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// tableFile writes a table dump of rows IPv4 prefixes, each announced by all peers; one in four is a /22 around three /24. One row in fifty has two
// origins. An entry has 70 octets of attributes or so: ORIGIN, AS_PATH, NEXT_HOP, COMMUNITIES.
func tableFile(tb testing.TB, rows, peers int) string {
	path := filepath.Join(tb.TempDir(), "rib.mrt")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	list := make([]mrt.TablePeer, peers)
	for i := range list {
		list[i] = mrt.TablePeer{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), AS: uint32(64500 + i)}
	}
	w, err := mrt.NewTableWriter(f, dumpedAt, netip.Addr{}, "", list)
	if err != nil {
		tb.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 5))
	entries := make([]mrt.TableEntry, peers)
	var attrs []byte
	for r := range uint32(rows) {
		prefix := bgp.PrefixFrom4(16<<24+r<<8, 24)
		if r%4 == 1 {
			prefix = bgp.PrefixFrom4((16<<24+r<<8)&^0x3ff, 22)
		}
		attrs = attrs[:0]
		for i := range entries {
			origin := 100_000 + r/12
			if r%50 == 0 && i%3 == 0 {
				origin++
			}
			from := len(attrs)
			attrs = append(attrs, 0x40, 1, 1, 0, 0x40, 2, 22, 2, 5)
			for _, as := range [5]uint32{list[i].AS, 3000 + rng.Uint32N(20), 5000 + rng.Uint32N(200), 20_000 + origin%4000, origin} {
				attrs = binary.BigEndian.AppendUint32(attrs, as)
			}
			attrs = append(attrs, 0x40, 3, 4, 192, 0, 2, byte(i), 0xc0, 8, 24)
			for range 6 {
				attrs = binary.BigEndian.AppendUint32(attrs, rng.Uint32())
			}
			entries[i] = mrt.TableEntry{Peer: uint16(i), Originated: dumpedAt, Attrs: attrs[from:len(attrs):len(attrs)]}
		}
		if err := w.Put(prefix, entries); err != nil {
			tb.Fatal(err)
		}
	}
	return path
}

// entryByEntry applies a dump as messages: each route is begun, applied and judged by itself.
func entryByEntry(tb testing.TB, f *follower, merger *collect.Merger) (n int) {
	f.tickTo(dumpedAt)
	for {
		item, err := merger.Next()
		if err == io.EOF {
			return n
		}
		c := &f.content
		if err != nil || item.Decoder.Decode(item.Record, c) != nil {
			tb.Fatal(err)
		}
		f.seq++
		if c.Kind != mrt.RIBEntries {
			continue
		}
		msg := bgp.Message{
			Seq: f.seq, At: dumpedAt, Peer: bgp.Peer{Collector: item.Input.Collector}, Raw: item.Record.Raw,
			Source: bgp.Source{File: uint32(item.Index), Offset: item.Record.Offset, Length: uint32(len(item.Record.Raw))},
		}
		f.routes.reset()
		if err := f.routes.read(c); err != nil {
			tb.Fatal(err)
		}
		for i := range f.routes.list {
			r := &f.routes.list[i]
			msg.Peer.AS, msg.Peer.Addr = r.AS, r.Addr
			if err := f.m.Begin(msg); err != nil {
				tb.Fatal(err)
			}
			f.m.Path(r.Path)
			f.m.Elem(&r.Elem)
			f.m.End()
			n++
		}
	}
}

// BenchmarkSeed fills a monitor from a table dump of 250,000 prefixes and 40 peers: with the reading, decoding and applying of --seed,
// and entry by entry on one goroutine. Times are of the processor, of all goroutines. waited-ns/route is what two free processors
// would take: the thread that applies has one, all else the other, and the one with more to do is waited for.
func BenchmarkSeed(b *testing.B) {
	const rows, peers = 250_000, 40
	path := tableFile(b, rows, peers)
	for _, c := range []struct {
		name string
		fill func(f *follower, m *collect.Merger) int
	}{
		{"seed", func(f *follower, m *collect.Merger) int {
			s := &seeder{merger: m, log: zerolog.Nop()}
			if err := s.seed(b.Context(), f, dumpedAt, nil); err != nil {
				b.Fatal(err)
			}
			return int(m.Files()[0].Input.Elems)
		}},
		{"entry by entry", func(f *follower, m *collect.Merger) int { return entryByEntry(b, f, m) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var used, waited time.Duration
			var held uint64
			for range b.N {
				list, err := collect.Expand([]string{"rrc00=" + path})
				if err != nil {
					b.Fatal(err)
				}
				m, f := collect.NewMerger(list, collect.Options{OpenAll: true}), seededMonitor(b, false)
				runtime.GC()
				start, mine := cpu(b), threadCPU(b)
				n := c.fill(f, m)
				all, applying := cpu(b)-start, threadCPU(b)-mine
				used, waited = used+all, waited+max(applying, all-applying)
				m.Close()
				if n != rows*peers || f.m.Stats().Changes != rows*peers {
					b.Fatalf("%d routes, %d changed a cell", n, f.m.Stats().Changes)
				}
				runtime.GC()
				var mem runtime.MemStats
				runtime.ReadMemStats(&mem)
				held = mem.HeapAlloc
				runtime.KeepAlive(f)
			}
			routes := float64(b.N) * rows * peers
			b.ReportMetric(float64(used.Nanoseconds())/routes, "cpu-ns/route")
			b.ReportMetric(float64(waited.Nanoseconds())/routes, "waited-ns/route")
			b.ReportMetric(float64(held)/(rows*peers), "B/route")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// threadCPU is the processor time of the calling thread.
func threadCPU(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_THREAD, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

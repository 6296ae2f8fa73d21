//go:build unix

package visibility

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
)

// benchRows is a table of the size of today's internet, both families together.
const benchRows = 1_000_000

// benchPrefixes makes n distinct prefixes that nest about as real tables do: mostly /24, some covering /16 to /23.
func benchPrefixes(n int) []bgp.Prefix {
	rng := rand.New(rand.NewPCG(1, 1))
	out := make([]bgp.Prefix, 0, n)
	seen := make(map[bgp.Prefix]bool, n)
	for len(out) < n {
		length := uint8(24)
		if rng.IntN(10) < 4 {
			length = 16 + uint8(rng.IntN(8))
		}
		if p := bgp.PrefixFrom4(rng.Uint32()%(224<<24), length); !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}

// benchTable is rows x peers, all announced from a RIB; about one AS in four has several sessions, as at the big collectors.
func benchTable(tb testing.TB, prefixes []bgp.Prefix, peers int) *Table {
	t := New(Config{})
	for i := range peers {
		as := uint32(1000 + i)
		if i%4 == 3 {
			as = uint32(1000 + i - 3)
		}
		p := bgp.Peer{Collector: "c", AS: as, Addr: netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})}
		if _, err := t.Peer(p, start-7*day); err != nil {
			tb.Fatal(err)
		}
	}
	for _, p := range prefixes {
		r, err := t.Intern(p)
		if err != nil {
			tb.Fatal(err)
		}
		for i := range peers {
			t.Seed(r, PeerID(i), uint32(r)%80_000, start)
		}
	}
	return t
}

// cpu is the processor time this process has used: the machine that measures is seldom alone.
func cpu(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkUpdates measures updates with a Vote after each withdrawal and each return, and the bytes a cell costs after an hour of churn.
func BenchmarkUpdates(b *testing.B) {
	prefixes := benchPrefixes(benchRows)
	for _, peers := range []int{40, 400} {
		before := heap()
		t := benchTable(b, prefixes, peers)
		perHour := 500_000 * peers / 40 // RIS measured 12,500 updates an hour and full-feed peer
		churn := syntheticChurn(perHour, benchRows, peers)
		at := start
		apply := func(n int) (sum int) {
			step := hour / bgp.Micros(len(churn))
			for i := range n {
				u := &churn[i%len(churn)]
				at += step
				if i%4096 == 0 {
					t.Tick(at, nil)
				}
				var c Change
				if u.withdraw {
					c = t.Withdraw(u.row, u.peer, at)
				} else {
					c = t.Announce(u.row, u.peer, uint32(u.row)%80_000, at)
				}
				if c.VoteMayChange() {
					sum += t.Vote(u.row).Withdrawn
				}
			}
			return sum
		}
		apply(len(churn))
		used := heap() - before - uint64(cap(churn))*8
		b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) {
			b.ReportMetric(float64(used)/float64(benchRows*peers), "B/cell")
			b.ReportMetric(float64(t.Stats().Records), "records")
			begin := cpu(b)
			apply(b.N)
			b.ReportMetric(float64(b.N)/(cpu(b)-begin).Seconds()/1e6, "Mupdates/cpu-s")
		})
		b.Run(fmt.Sprintf("vote/peers=%d", peers), func(b *testing.B) {
			sum := 0
			begin := cpu(b)
			for i := range b.N {
				sum += t.Vote(churn[i%len(churn)].row).Expected
			}
			b.ReportMetric(float64(cpu(b)-begin)/float64(b.N), "cpu-ns/op")
			if sum == 0 {
				b.Fatal("nothing is expected")
			}
		})
		b.Run(fmt.Sprintf("flush/peers=%d", peers), func(b *testing.B) {
			begin := cpu(b)
			i := 0
			for b.Loop() {
				p := PeerID(i % peers)
				i++
				t.Announce(0, p, 1, at)
				t.FlushPeer(p, at)
			}
			b.ReportMetric(float64(cpu(b)-begin)/1e6/float64(b.N), "cpu-ms/op")
		})
	}
}

// BenchmarkIntern measures a million new rows, units and parents included.
func BenchmarkIntern(b *testing.B) {
	prefixes := benchPrefixes(benchRows)
	begin := cpu(b)
	for b.Loop() {
		t := New(Config{OnUnits: func(RowID, uint32, uint32) {}})
		for _, p := range prefixes {
			if _, err := t.Intern(p); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(cpu(b)-begin)/float64(b.N)/benchRows, "cpu-ns/row")
}

//go:build unix

package visibility_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
)

// benchRows is a table of the size of today's internet, both families together.
const benchRows = 1_000_000

const day = 24 * 3600 * bgp.Second

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

// benchPeer names session i; about one AS in four has several sessions, as at the big collectors.
func benchPeer(i int) bgp.Peer {
	as := uint32(1000 + i)
	if i%4 == 3 {
		as = uint32(1000 + i - 3)
	}
	return bgp.Peer{Collector: "c", AS: as, Addr: netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})}
}

// benchTable is rows x peers, all announced from a RIB.
func benchTable(tb testing.TB, prefixes []bgp.Prefix, peers int) *visibility.Table {
	t := visibility.New(visibility.Config{})
	for i := range peers {
		if _, err := t.Peer(benchPeer(i), feedStart-7*day); err != nil {
			tb.Fatal(err)
		}
	}
	for _, p := range prefixes {
		r, err := t.Intern(p)
		if err != nil {
			tb.Fatal(err)
		}
		origin := update{row: uint32(r)}.origin()
		for i := range peers {
			t.Seed(r, visibility.PeerID(i), origin, feedStart)
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

// BenchmarkTable gives a table of a million prefixes an hour of churn (feed_test.go), with a vote after every change that may
// move one. It reports the updates of the whole hour per CPU second, the bytes a cell costs at its end, a vote, and the loss of a session:
// what the call takes, and what the rows pay for it when they are next looked at.
func BenchmarkTable(b *testing.B) {
	events, roles, prefixes := realHour(b)
	table := benchPrefixes(benchRows)
	for _, peers := range []int{40, 400, 1000} {
		b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) {
			for b.Loop() { // once: it takes longer than any -benchtime
				benchHour(b, newFeed(events, roles, prefixes, benchRows, peers), table, peers)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func benchHour(b *testing.B, f feed, table []bgp.Prefix, peers int) {
	b.Logf("feed: %d updates, seed %d, SHA-256 %s", f.n, feedSeed, f.digest)
	before := heap() - f.bytes()
	t := benchTable(b, table, peers)
	at := feedStart
	hour := func() (sum int) {
		for _, l := range f.seconds {
			at += bgp.Second
			sum += apply(t, l, at)
		}
		return sum
	}
	begin := cpu(b)
	if hour() == 0 {
		b.Fatal("no withdrawal was counted")
	}
	b.ReportMetric(float64(f.n)/(cpu(b)-begin).Seconds()/1e6, "Mupdates/cpu-s")
	b.ReportMetric(float64(heap()-before-f.bytes())/float64(benchRows*peers), "B/cell")
	b.ReportMetric(float64(t.Stats().Records), "records")

	sum, n := 0, 0
	begin = cpu(b)
	for _, l := range f.seconds {
		for i := range l {
			if i%16 == 0 {
				sum += t.Vote(visibility.RowID(l[i].row)).Expected
				n++
			}
		}
	}
	b.ReportMetric(float64(cpu(b)-begin)/float64(n), "vote-cpu-ns")
	if sum == 0 {
		b.Fatal("nothing is expected")
	}

	// The worst case: every update changes the state of a cell drawn at random, and needs a vote.
	rng := rand.New(rand.NewPCG(3, 3))
	cells := make([]update, 1<<19)
	for i := range cells {
		cells[i] = update{row: rng.Uint32N(benchRows), peer: uint16(rng.IntN(peers))}
	}
	begin = cpu(b)
	for _, kind := range []uint8{gone, usual} {
		at += bgp.Second
		for i := range cells {
			cells[i].kind = kind
		}
		sum += apply(t, cells, at)
	}
	b.ReportMetric(2*float64(len(cells))/(cpu(b)-begin).Seconds()/1e6, "Mrandom/cpu-s")

	const flushes = 20
	begin = cpu(b)
	for i := range flushes {
		t.FlushPeer(visibility.PeerID(i), at)
	}
	b.ReportMetric(float64(cpu(b)-begin)/1e6/flushes, "flush-cpu-ms")
	rows := t.Rows()
	all := func() time.Duration {
		begin := cpu(b)
		for r := range rows {
			sum += t.Vote(visibility.RowID(r)).Expected
		}
		return cpu(b) - begin
	}
	first := all()
	b.ReportMetric(float64(first-all())/1e6/flushes, "flush-later-cpu-ms")
}

// BenchmarkPaths watches every row of a table of 100,000 prefixes x 400 sessions. As in the full table of RouteViews jinx of 2014 (493,784
// prefixes, 46,640 origins, 70,289 paths), a session knows one path to half of the origins and two to the others; sessions share
// the end of a path. It reports what a cell costs in all, and noting a path.
func BenchmarkPaths(b *testing.B) {
	const rows, peers, origins = 100_000, 400, 9445
	for b.Loop() { // once: it takes longer than any -benchtime
		before := heap()
		t := benchTable(b, benchPrefixes(rows), peers)
		var path [5]uint32
		fill := func(r, p uint32) []uint32 {
			origin := r % origins
			variant := r / origins & origin & 1
			path = [5]uint32{1000 + p, 10 + (p*7+origin*3+variant)%15, 100 + (origin+variant*50)%300, 1000 + origin%2500, 100_000 + origin}
			return path[:]
		}
		begin := cpu(b)
		for r := range uint32(rows) {
			t.Watch(visibility.RowID(r), true)
			for p := range uint32(peers) {
				t.SetPath(visibility.RowID(r), visibility.PeerID(p), fill(r, p))
			}
		}
		b.ReportMetric(float64(cpu(b)-begin)/(rows*peers), "new-cpu-ns")
		begin = cpu(b)
		same := 0
		for r := range uint32(rows) {
			for p := range uint32(peers) {
				if t.SetPath(visibility.RowID(r), visibility.PeerID(p), fill(r, p)) {
					same++
				}
			}
		}
		if same != rows*peers {
			b.Fatalf("%d paths of %d are the same", same, rows*peers)
		}
		b.ReportMetric(float64(cpu(b)-begin)/(rows*peers), "same-cpu-ns")
		b.ReportMetric(float64(heap()-before)/(rows*peers), "B/cell")
		b.ReportMetric(float64(t.Stats().Hops)/(rows*peers), "hops/cell")
		runtime.KeepAlive(t)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkIntern measures a million new rows, units and parents included.
func BenchmarkIntern(b *testing.B) {
	prefixes := benchPrefixes(benchRows)
	begin := cpu(b)
	for b.Loop() {
		t := visibility.New(visibility.Config{OnUnits: func(visibility.RowID, uint32, uint32) {}})
		for _, p := range prefixes {
			if _, err := t.Intern(p); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(cpu(b)-begin)/float64(b.N)/benchRows, "cpu-ns/row")
}

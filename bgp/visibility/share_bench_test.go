//go:build linux

package visibility_test

import (
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
)

// threadCPU is the processor time of the calling thread. Getrusage gives it too, in steps of a clock tick: too coarse for a batch.
func threadCPU(tb testing.TB) time.Duration {
	const clockThreadCPU = 3
	var ts syscall.Timespec
	if _, _, e := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockThreadCPU, uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
		tb.Fatal(e)
	}
	return time.Duration(ts.Nano())
}

// spared is what the work of two would not have waited for: pieces are given in turn to the one who has worked less.
type spared struct {
	tb   testing.TB
	time, all, most time.Duration
	calls int
}

func (s *spared) share(n int, do func(int)) {
	var two [2]time.Duration
	last := threadCPU(s.tb)
	for i := range n {
		do(i)
		now := threadCPU(s.tb)
		if two[0] <= two[1] {
			two[0] += now - last
		} else {
			two[1] += now - last
		}
		last = now
	}
	s.time += min(two[0], two[1])
	s.all += two[0] + two[1]
	s.most += max(two[0], two[1])
	s.calls += n + 1
}

func BenchmarkShare(b *testing.B) {
	runtime.LockOSThread()
	events, roles, prefixes := realHour(b)
	table := benchPrefixes(benchRows)
	for _, peers := range []int{40, 400} {
		f := newFeed(events, roles, prefixes, benchRows, peers)
		one := benchTable(b, table, peers, 1)
		two := benchTable(b, table, peers, 2)
		sp := spared{tb: b}
		two.Share(sp.share)
		var list []visibility.Update
		var t1, t2 time.Duration
		var sum1, sum2 int
		at := feedStart
		var sums [8][16]int
		for _, l := range f.seconds {
			at += bgp.Second
			list = list[:0]
			for i := range l {
				u := &l[i]
				list = append(list, visibility.Update{Prefix: table[u.row], At: at, Origin: u.origin(), Peer: visibility.PeerID(u.peer), Withdrawn: u.kind == gone})
			}
			begin := threadCPU(b)
			one.Tick(at, nil)
			for i := range list {
				u := &list[i]
				r, _ := one.Row(u.Prefix)
				var c visibility.Change
				if u.Withdrawn {
					c = one.Withdraw(r, u.Peer, at)
				} else {
					c = one.Announce(r, u.Peer, u.Origin, at)
				}
				if c.VoteMayChange() {
					sum1 += one.Vote(r).Withdrawn
				}
			}
			mid := threadCPU(b)
			two.Tick(at, nil)
			two.Apply(list, nil, func(part, i int, c visibility.Change) {
				if c.VoteMayChange() {
					sums[part][0] += two.Vote(list[i].Row).Withdrawn
				}
			})
			t1 += mid - begin
			t2 += threadCPU(b) - mid
		}
		for i := range sums {
			sum2 += sums[i][0]
		}
		t0 := threadCPU(b)
		for range 10000 {
			threadCPU(b)
		}
		per := (threadCPU(b) - t0) / 10000
		b.Logf("clock %v x %d = %.1f ns; shared %.1f most %.1f serial %.1f", per, sp.calls, float64(per)*float64(sp.calls)/float64(f.n), float64(sp.all)/float64(f.n), float64(sp.most)/float64(f.n), float64(t2-sp.all)/float64(f.n))
		b.Logf("%d peers: %d %d; one %.1f ns, parts %.1f ns, critical %.1f ns: %.2f times", peers, sum1, sum2, float64(t1)/float64(f.n), float64(t2)/float64(f.n), float64(t2-sp.time)/float64(f.n), float64(t1)/float64(t2-sp.time))
	}
}

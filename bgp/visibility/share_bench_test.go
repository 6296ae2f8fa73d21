//go:build linux

package visibility_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
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

// spared does the pieces of the work one after the other, and adds up what two processors would not have waited for: each piece goes to the one
// that has worked less. asked counts how often it asked for the time, which is taken off.
type spared struct {
	tb    testing.TB
	time  time.Duration
	asked int
}

func (s *spared) share(n int, do func(int)) {
	var two [2]time.Duration
	last := threadCPU(s.tb)
	for i := range n {
		do(i)
		now := threadCPU(s.tb)
		k := 0
		if two[1] < two[0] {
			k = 1
		}
		two[k] += now - last
		last = now
	}
	s.time += min(two[0], two[1])
	s.asked += n + 1
}

// atOnce gives the pieces to whoever is free of two goroutines, the caller's and one that waits for jobs.
func atOnce(jobs chan<- *job) visibility.Share {
	return func(n int, do func(int)) {
		j := &job{n: int32(n), do: do}
		select {
		case jobs <- j:
		default:
		}
		j.work()
		for j.done.Load() < j.n {
			runtime.Gosched()
		}
	}
}

type job struct {
	n          int32
	do         func(int)
	next, done atomic.Int32
}

func (j *job) work() {
	for i := j.next.Add(1) - 1; i < j.n; i = j.next.Add(1) - 1 {
		j.do(int(i))
		j.done.Add(1)
	}
}

// sums is what one part's votes add up to.
type sums struct {
	withdrawn int
	_         [120]byte // workers do not share a cache line
}

// BenchmarkShare gives the hour of churn (BenchmarkTable) in turn, batch by batch, to a table of one part, update by update: the row of the prefix, the
// update, and a vote after each change that may move one; and to a table of two parts by Apply, which does the same. The votes must add up to the
// same. In every other batch the parts are worked on at the same time, which gives the ratio by the clock, and says something only where two processors
// are free; in the batches between one after the other, which gives it in processor time: all of it but what a second processor takes
// over. A batch is what a second holds, as in a replay, or a minute.
func BenchmarkShare(b *testing.B) {
	events, roles, prefixes := realHour(b)
	table := benchPrefixes(benchRows)
	for _, peers := range []int{40, 400, 1000} {
		f := newFeed(events, roles, prefixes, benchRows, peers)
		one, two := benchTable(b, table, peers, 1), benchTable(b, table, peers, 2)
		at := feedStart
		for _, seconds := range []int{1, 60} {
			b.Run(fmt.Sprintf("peers=%d/seconds=%d", peers, seconds), func(b *testing.B) {
				for b.Loop() { // once: it takes longer than any -benchtime
					benchShare(b, f, table, one, two, &at, seconds)
				}
				b.ReportMetric(0, "ns/op")
			})
		}
		runtime.KeepAlive(one)
	}
}

func benchShare(b *testing.B, f feed, table []bgp.Prefix, one, two *visibility.Table, at *bgp.Micros, seconds int) {
	runtime.LockOSThread() // threadCPU
	defer runtime.UnlockOSThread()
	jobs := make(chan *job)
	defer close(jobs)
	go func() {
		for j := range jobs {
			j.work()
		}
	}()
	turns, together := spared{tb: b}, atOnce(jobs)
	var wall, used [2]time.Duration
	var list []visibility.Update
	var added [2]sums
	sum, updates := 0, 0
	const half = feedHour / 2 // of the hour: the other half of it is for the batches of the other length
	from := 0
	if seconds > 1 {
		from = half
	}
	for n := from; n < from+half; n += seconds {
		list = list[:0]
		for _, l := range f.seconds[n : n+seconds] {
			*at += bgp.Second
			for i := range l {
				u := &l[i]
				list = append(list, visibility.Update{
					Prefix: table[u.row], At: *at, Origin: u.origin(), Peer: visibility.PeerID(u.peer), Withdrawn: u.kind == gone,
				})
			}
		}
		updates += len(list)
		clock := n/seconds%2 == 0
		if two.Share(turns.share); clock {
			two.Share(together)
		}
		begin, beginCPU := time.Now(), threadCPU(b)
		one.Tick(*at-bgp.Micros(seconds-1)*bgp.Second, nil)
		for i := range list {
			u := &list[i]
			r, _ := one.Row(u.Prefix)
			var c visibility.Change
			if u.Withdrawn {
				c = one.Withdraw(r, u.Peer, u.At)
			} else {
				c = one.Announce(r, u.Peer, u.Origin, u.At)
			}
			if c.VoteMayChange() {
				sum += one.Vote(r).Withdrawn
			}
		}
		middle, middleCPU := time.Now(), threadCPU(b)
		two.Tick(*at-bgp.Micros(seconds-1)*bgp.Second, nil)
		two.Apply(list, nil, func(part, i int, c visibility.Change) {
			if c.VoteMayChange() {
				added[part].withdrawn += two.Vote(list[i].Row).Withdrawn
			}
		})
		if clock {
			wall[0] += middle.Sub(begin)
			wall[1] += time.Since(middle)
		} else {
			used[0] += middleCPU - beginCPU
			used[1] += threadCPU(b) - middleCPU
		}
	}
	if got := added[0].withdrawn + added[1].withdrawn; got != sum || sum == 0 {
		b.Fatalf("the votes add up to %d and %d", sum, got)
	}
	const asks = 10_000
	begin := threadCPU(b)
	for range asks {
		threadCPU(b)
	}
	asking := (threadCPU(b) - begin) / asks * time.Duration(turns.asked)
	b.Logf("%d updates in batches of %d; votes add up to %d", updates, updates*seconds/half, sum)
	b.ReportMetric(wall[0].Seconds()/wall[1].Seconds(), "times-faster-clock")
	b.ReportMetric(used[0].Seconds()/(used[1]-turns.time-asking).Seconds(), "times-faster-cpu")
	b.ReportMetric((used[1]-asking).Seconds()/used[0].Seconds(), "times-the-cpu")
}

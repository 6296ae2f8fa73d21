package app

import (
	"runtime"
	"sync/atomic"

	"github.com/corewatch/corewatch/bgp/visibility"
)

// sharing is how a monitor's tables share work; nil where there is one processor.
func sharing() visibility.Share {
	if runtime.GOMAXPROCS(0) < 2 {
		return nil
	}
	return shareOut
}

// shareOut does pieces of work on the caller's goroutine and on others. Nobody is waited for who has not begun a piece: where the other
// processors are busy, the caller does all of it.
func shareOut(n int, do func(int)) {
	if n == 0 {
		return
	}
	w := &shared{n: int32(n), do: do, ended: make(chan struct{})}
	for range min(runtime.GOMAXPROCS(0), n) - 1 {
		go w.work()
	}
	w.work()
	for range 200 { // what is left is being done, and takes less time than to fall asleep
		if w.done.Load() == w.n {
			return
		}
		runtime.Gosched()
	}
	<-w.ended
}

// shared is work in pieces.
type shared struct {
	n     int32
	do    func(int)
	next  atomic.Int32 // the first piece that nobody has begun
	done  atomic.Int32
	ended chan struct{}
}

func (w *shared) work() {
	for i := w.next.Add(1) - 1; i < w.n; i = w.next.Add(1) - 1 {
		w.do(int(i))
		if w.done.Add(1) == w.n {
			close(w.ended)
		}
	}
}

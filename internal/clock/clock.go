// Package clock asks how far the machine's clock is off: chrony where it runs, else some NTP servers. It never sets anything: a monitor that moved the
// clock by which it dates messages would have to doubt what it dated before.
package clock

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/beevik/ntp"
)

// MinServers is how many NTP servers must answer: with fewer, one that is wrong cannot be told.
const MinServers = 3

const (
	every = 64 * time.Second
	first = 10 * time.Second // after one that failed, while nothing is known
	wait  = 5 * time.Second
	fresh = 15 * time.Minute
	agree = 500 * time.Millisecond
)

// Options say whom to ask.
type Options struct {
	Chronyc string   // the program that tells what chrony knows; empty: chrony is not asked
	Servers []string // NTP servers, host or host:port; asked when chrony knows nothing; at least MinServers, or none
}

// Reading is what is known of the machine's clock.
type Reading struct {
	Known  bool
	Offset time.Duration // Known: what must be added to the machine's clock to be right
	From   string        // Known: who says so, without any address
	Why    string        // otherwise: why it is not known
	At     time.Time     // when it was asked; zero: not yet
}

// Watch asks again and again.
type Watch struct {
	opt Options

	mu   sync.Mutex
	last Reading
}

// New makes a watch, which asks once Run is called.
func New(opt Options) *Watch { return &Watch{opt: opt} }

// Run asks until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	for {
		r := w.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		r.At = time.Now()
		w.mu.Lock()
		if r.Known || !w.last.Known || time.Since(w.last.At) > fresh { // what was known stays known for a while
			w.last = r
		}
		known := w.last.Known
		w.mu.Unlock()
		pause := every
		if !known {
			pause = first
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Reading is the latest one.
func (w *Watch) Reading() Reading {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

func (w *Watch) ask(ctx context.Context) Reading {
	var why []string
	if w.opt.Chronyc != "" {
		d, err := chrony(ctx, w.opt.Chronyc)
		if err == nil {
			return Reading{Known: true, Offset: d, From: "chrony"}
		}
		why = append(why, "chrony: "+err.Error())
	}
	if len(w.opt.Servers) > 0 {
		d, n, err := w.servers(ctx)
		if err == nil {
			return Reading{Known: true, Offset: d, From: fmt.Sprintf("%d NTP servers", n)}
		}
		why = append(why, "NTP: "+err.Error())
	}
	if why == nil {
		why = []string{"nobody can be asked: no chrony on this machine, and no NTP servers are configured"}
	}
	return Reading{Why: strings.Join(why, "; ")}
}

// chrony asks the daemon.
func chrony(ctx context.Context, program string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-c", "tracking")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return 0, errors.New("it does not answer")
	}
	return tracking(string(out))
}

// tracking reads the line of `chronyc -c tracking`: the 3rd field is the stratum, the 5th how far the system's clock is from NTP time in seconds (positive:
// it is slow), the 11th and 12th the root delay and dispersion, the 14th the leap status.
func tracking(line string) (time.Duration, error) {
	f := strings.Split(strings.TrimSpace(line), ",")
	if len(f) != 14 {
		return 0, fmt.Errorf("%d fields where 14 were expected", len(f))
	}
	if f[13] == "Not synchronised" || f[2] == "0" {
		return 0, errors.New("it is not synchronised")
	}
	var v [3]float64
	for i, n := range []int{4, 10, 11} {
		x, err := strconv.ParseFloat(f[n], 64)
		if err != nil || math.IsNaN(x) || math.Abs(x) > 1e9 {
			return 0, fmt.Errorf("field %d is no time", n+1)
		}
		v[i] = x
	}
	if far := v[1]/2 + v[2]; far > agree.Seconds() {
		return 0, fmt.Errorf("it may itself be %.1f s off", far)
	}
	return time.Duration(v[0] * float64(time.Second)), nil
}

// servers asks all of them at once, and gives the median of what they say and how many did.
func (w *Watch) servers(ctx context.Context) (time.Duration, int, error) {
	var all sync.WaitGroup
	said := make([]time.Duration, len(w.opt.Servers))
	ok := make([]bool, len(w.opt.Servers))
	for i, s := range w.opt.Servers {
		all.Go(func() {
			r, err := ntp.QueryWithOptions(s, ntp.QueryOptions{Timeout: wait})
			if err == nil && r.Validate() == nil {
				said[i], ok[i] = r.ClockOffset, true
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	var list []time.Duration
	for i := range said {
		if ok[i] {
			list = append(list, said[i])
		}
	}
	if len(list) < MinServers {
		return 0, 0, fmt.Errorf("%d of %d servers answer, and %d are needed", len(list), len(said), MinServers)
	}
	slices.Sort(list)
	median, near := list[len(list)/2], 0
	for _, d := range list {
		if (d - median).Abs() <= agree {
			near++
		}
	}
	if 2*near <= len(list) {
		return 0, 0, errors.New("the servers disagree")
	}
	return median, len(list), nil
}

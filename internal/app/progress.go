package app

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/corewatch/corewatch/bgp"
)

// progress shows how far long work is: a bar on a terminal, a plain line every ten seconds elsewhere.
type progress struct {
	w        io.Writer
	name     string // of the work
	terminal bool
	total    int64
	began    time.Time
	last     time.Time
	shown    bool
}

// newProgress begins to show work of a name. total is the bytes to be read; 0 when nobody knows, as on standard input.
func newProgress(w io.Writer, name string, terminal bool, total int64) *progress {
	now := time.Now()
	return &progress{w: w, name: name, terminal: terminal, total: total, began: now, last: now}
}

// at reports bytes done and the event time reached.
func (p *progress) at(done int64, event bgp.Micros) {
	every := 10 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	now := time.Now()
	if now.Sub(p.last) < every {
		return
	}
	p.last = now
	share := 0.0
	if p.total > 0 {
		share = min(1, float64(done)/float64(p.total))
	}
	when := event.Time().Format("2006-01-02 15:04Z")
	if !p.terminal {
		part := fmt.Sprintf("%3.0f %% of %d MB", 100*share, p.total/1e6)
		if p.total <= 0 {
			part = fmt.Sprintf("%d MB", done/1e6)
		}
		fmt.Fprintf(p.w, "%s: %s, at %s, %.0f s\n", p.name, part, when, now.Sub(p.began).Seconds())
		return
	}
	p.shown = true
	if p.total <= 0 {
		fmt.Fprintf(p.w, "\r%s: %d MB  %s ", p.name, done/1e6, when)
		return
	}
	const width = 30
	n := int(share * width)
	fmt.Fprintf(p.w, "\r[%s%s] %3.0f %%  %s ", strings.Repeat("█", n), strings.Repeat("·", width-n), 100*share, when)
}

func (p *progress) done() {
	if p.shown {
		fmt.Fprint(p.w, "\r"+strings.Repeat(" ", 64)+"\r")
		p.shown = false
	}
}

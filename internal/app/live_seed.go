package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	archives "github.com/corewatch/corewatch/bgp/archive"
)

// risTables reads, for each collector of a stream that begins to be heard, the table that the collector itself dumped last, from the archive: one
// collector after the other, in a goroutine beside. It downloads a dump whole, and gives its records a part at a time, so that what is live never
// waits for it. docs/decisions/042-ris-seeds-and-defaults.md says when a dump is good enough.
type risTables struct {
	archive *archives.Archive
	dir     string // for its files, while they are read
	cover   *cover // what the records are about that are given; nil: everything
	log     zerolog.Logger
	clock   func() time.Time
	pause   time.Duration // between two looks for a dump

	mu     sync.Mutex // guards what follows
	room   *sync.Cond
	wanted map[string]*wantedTable // by collector
	queue  []received              // raw of a record is its own
	size   int                     // octets in queue
	given  time.Time               // when the queue was given from last
	open   string                  // collector of which the beginning of a dump was given, and not its end
	under  string                  // collector whose dump is read; "" none
	stop   context.CancelFunc      // ends that reading
	closed bool
}

// wantedTable is what is known of a collector's table.
type wantedTable struct {
	since time.Time // older dumps do not count: we heard later things ourselves
	look  time.Time // when to look again
	done  bool      // a dump was read, as far as it can be
	name  string    // of the dump, once all of it was given
	why   string    // else: what it waits for, or what was wrong
}

const (
	tableQueue = 16 << 20        // octets of records that wait
	tablePart  = 8 << 20         // given at once,
	tableCount = 4096            // and records, a fifth of a second apart: a table of a million prefixes takes a minute or two
	tableAge   = 24 * time.Hour  // an older dump says too little
	tableLate  = 2 * time.Minute // a dump is not done at the instant that it is called after
	lookAgain  = 10 * time.Minute
)

var risCollector = regexp.MustCompile(`^rrc[0-9]{2}$`)

func newRISTables(a *archives.Archive, dir string, prefixes []string, log zerolog.Logger) *risTables {
	t := &risTables{archive: a, dir: dir, cover: newCover(prefixes), log: log, clock: time.Now, pause: lookAgain, wanted: map[string]*wantedTable{}}
	t.room = sync.NewCond(&t.mu)
	return t
}

// want asks for the table of a collector. since is when it was heard last before; zero if never.
func (t *risTables) want(collector string, since time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wanted[collector] = &wantedTable{since: since, why: "not looked for yet"}
}

// drop gives up the dump of a collector, wherever it is: messages are being missed, and what is left of the dump must not come after that.
func (t *risTables) drop(collector string, take func(received) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.wanted, collector)
	if t.under == collector {
		t.under = ""
		t.stop()
	}
	t.queue = slices.DeleteFunc(t.queue, func(r received) bool { return r.collector == collector })
	t.size = 0
	for _, r := range t.queue {
		t.size += len(r.raw)
	}
	t.room.Broadcast()
	if t.open == collector {
		t.open = ""
		take(received{collector: collector, table: &collectorTable{Collector: collector, State: tableBroken}})
	}
}

// poll gives what is there of the dump being read.
func (t *risTables) poll(now time.Time, take func(received) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 || now.Sub(t.given).Abs() < pollEvery/2 {
		return
	}
	t.given = now
	n, octets := 0, 0
	for n < len(t.queue) && n < tableCount && octets < tablePart {
		r := t.queue[n]
		t.queue[n] = received{}
		n++
		octets += len(r.raw)
		if r.table != nil {
			t.open = ""
			switch w := t.wanted[r.collector]; {
			case r.table.State == tableBegins:
				t.open = r.collector
			case r.table.State == tableWhole && w != nil:
				w.name = r.table.Table
			}
		}
		if !take(r) {
			break
		}
	}
	if t.queue = t.queue[n:]; len(t.queue) == 0 {
		t.queue = nil
	}
	t.size -= octets
	t.room.Broadcast()
}

// run reads dumps until ctx ends.
func (t *risTables) run(ctx context.Context) {
	defer context.AfterFunc(ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.closed = true
		t.room.Broadcast()
	})()
	if err := os.RemoveAll(t.dir); err != nil { // what an earlier run left half read is of another hour
		t.log.Warn().Err(err).Msg("tables of an earlier run are left behind")
	}
	for ctx.Err() == nil {
		collector, w := t.next()
		if w == nil {
			select {
			case <-ctx.Done():
			case <-time.After(min(time.Second, t.pause)):
			}
			continue
		}
		t.one(ctx, collector, w)
	}
}

// next is the first collector, by name, whose table is due to be looked for.
func (t *risTables) next() (string, *wantedTable) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock()
	for _, name := range slices.Sorted(maps.Keys(t.wanted)) {
		if w := t.wanted[name]; !w.done && !now.Before(w.look) {
			w.look = now.Add(t.pause)
			return name, w
		}
	}
	return "", nil
}

// one reads the table of one collector, if there is a dump that counts.
func (t *risTables) one(ctx context.Context, collector string, w *wantedTable) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	t.mu.Lock()
	since := w.since
	if t.wanted[collector] != w {
		t.mu.Unlock()
		return
	}
	t.under, t.stop = collector, stop
	t.mu.Unlock()
	name, damage, err := t.read(ctx, collector, since)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.under == collector {
		t.under = ""
	}
	switch {
	case t.wanted[collector] != w || t.closed:
	case err != nil:
		if w.why != reason(err) {
			t.log.Warn().Str("collector", collector).Msg("no table yet: " + err.Error())
		}
		w.why = reason(err)
	default:
		t.log.Info().Str("collector", collector).Str("table", name).Msg("its table was read")
		w.done, w.why = true, "being given"
		if damage != nil { // the next look would find the same
			t.log.Warn().Err(damage).Str("collector", collector).Str("table", name).Msg("the table is damaged; what can be read of it counts")
			w.why = "its table is damaged; what can be read of it counts"
		}
	}
}

// reason is what a page says of an error: its cause, without the addresses and paths that led there.
func reason(err error) string {
	text := public(err)
	for text == err.Error() {
		inner := errors.Unwrap(err)
		if inner == nil {
			break
		}
		err, text = inner, inner.Error()
	}
	return text
}

// put queues one thing, waiting for room; false when the dump is given up.
func (t *risTables) put(ctx context.Context, r received) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.size+len(r.raw) > tableQueue && t.size > 0 && !t.closed && ctx.Err() == nil {
		t.room.Wait()
	}
	if t.closed || ctx.Err() != nil {
		return false
	}
	t.queue = append(t.queue, r)
	t.size += len(r.raw)
	return true
}

// String is for the pages: what was read, and what is waited for.
func (t *risTables) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	read := 0
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(t.wanted)) {
		switch w := t.wanted[name]; {
		case w.name != "":
			read++
		case name == t.under:
			missing = append(missing, name+": being read")
		default:
			missing = append(missing, name+": "+w.why)
		}
	}
	out := fmt.Sprintf("tables of %d of %d collectors read from the archive", read, len(t.wanted))
	if len(missing) > 0 {
		out += " (" + strings.Join(missing[:min(len(missing), 3)], "; ")
		if len(missing) > 3 {
			out += fmt.Sprintf("; and %d more", len(missing)-3)
		}
		out += ")"
	}
	return out
}

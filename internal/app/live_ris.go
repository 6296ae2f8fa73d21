package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	archives "github.com/corewatch/corewatch/bgp/archive"
	"github.com/corewatch/corewatch/bgp/rislive"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/web"
)

// risSource is RIS Live, with the tables of its collectors from the archive.
type risSource struct {
	conf   conf.RISLive
	client *rislive.Client
	tables *risTables // nil: not asked for

	// Of the goroutine that polls.
	last  map[string]time.Time // by collector: when it was heard last
	fresh map[string]bool      // heard since the last gap
}

// risMemory is what of RIS Live waits in memory for a monitor that is slower for a while, before it goes to the disk: the whole stream gives some thousand records a second, of
// 100 to 300 octets, and ten times as many at its worst, so that it holds what comes during a checkpoint.
const risMemory = 16 << 20

// tablesFolder is where, in the live folder, dumps are while they are read.
const tablesFolder = "tables"

// newRISSource makes the source. dir is the live folder, into which goes what waits beyond some memory; archive the address of the archive of RIS, empty for the public one.
func newRISSource(c conf.RISLive, archive, dir string, log zerolog.Logger) (*risSource, error) {
	client, err := rislive.New(rislive.Options{
		Endpoint: c.Endpoint, Client: "corewatch", Host: c.Host, Prefixes: c.Prefixes,
		Memory: risMemory, Spill: filepath.Join(dir, "ris-live.spill"), SpillBytes: c.SpillBytes(),
	})
	if err != nil {
		return nil, err
	}
	s := &risSource{conf: c, client: client, last: map[string]time.Time{}, fresh: map[string]bool{}}
	if c.Seeded() {
		dir := filepath.Join(dir, tablesFolder)
		a, err := archives.New(archives.Options{RIS: archive, Cache: dir})
		if err != nil {
			return nil, err
		}
		s.tables = newRISTables(a, dir, c.Prefixes, log)
	}
	return s, nil
}

// run keeps the connection, and reads tables, until ctx ends.
func (s *risSource) run(ctx context.Context) {
	var beside sync.WaitGroup
	defer beside.Wait()
	if s.tables != nil {
		beside.Go(func() { s.tables.run(ctx) })
	}
	s.client.Run(ctx)
}

func (s *risSource) name() string { return "ris/live" } // no collector can have that name

// feed: of the whole stream, or of all that one collector hears, something comes each second. Of some prefixes there may be nothing to tell for hours.
func (s *risSource) feed() signal.Feed {
	return signal.Feed{Name: "ris-live", Steady: len(s.conf.Prefixes) == 0}
}

func (s *risSource) poll(now time.Time, take func(received) bool) error {
	full := false
	err := s.client.Poll(func(e rislive.Event) bool {
		if s.tables != nil {
			s.heard(e, now, take)
		}
		full = !take(received{collector: e.Collector, raw: e.Raw, gap: e.Why})
		return !full
	})
	if s.tables != nil && !full {
		s.tables.poll(now, take)
	}
	if st := s.client.Status(); err == nil && !st.Connected {
		return st.Err
	}
	return err
}

// queue is for the figures.
func (s *risSource) queue() web.QueueStatus {
	st := s.client.Status()
	memory, disk := s.client.Limits()
	return web.QueueStatus{
		Source: "RIPE RIS Live", Memory: st.Waiting.Memory, Room: memory, Disk: st.Waiting.Disk, DiskMax: disk, Spilled: st.Waiting.Spilled, Lost: st.Lost,
	}
}

// heard asks for the table of a collector that speaks for the first time, or again.
func (s *risSource) heard(e rislive.Event, now time.Time, take func(received) bool) {
	if !risCollector.MatchString(e.Collector) {
		return // a stream could name others without end; the archive has none of them
	}
	if e.Kind == rislive.Gap {
		delete(s.fresh, e.Collector)
		s.tables.drop(e.Collector, take)
		return
	}
	if !s.fresh[e.Collector] {
		s.fresh[e.Collector] = true
		s.tables.want(e.Collector, s.last[e.Collector])
	}
	s.last[e.Collector] = now
}

// heardUntil is the position: of the stream nothing can be read again, but a table from before these hours would be older than what is known.
type heardUntil struct {
	Heard map[string]time.Time `json:"heard,omitempty"` // by collector, to the next full hour
}

func (s *risSource) position() string {
	if len(s.last) == 0 {
		return ""
	}
	p := heardUntil{map[string]time.Time{}}
	for name, at := range s.last {
		p.Heard[name] = at.UTC().Add(time.Hour - 1).Truncate(time.Hour)
	}
	text, _ := json.Marshal(p) // names and times: cannot fail
	return string(text)
}

func (s *risSource) resume(position string) {
	var p heardUntil
	if json.Unmarshal([]byte(position), &p) == nil && s.tables != nil {
		for name, at := range p.Heard {
			s.last[name] = at
		}
	}
}

// status is for the pages.
func (s *risSource) status() web.SourceStatus {
	st := s.client.Status()
	c := st.Counts
	out := web.SourceStatus{Name: "RIPE RIS Live", State: "connecting", Last: st.Last, Detail: "connecting to the service"}
	switch {
	case st.Connected:
		out.State = "connected"
		out.Detail = fmt.Sprintf("%d messages and %d session states of %d frames; %d malformed, %d in which JSON and octets disagree",
			c.Messages, c.States, c.Frames, c.Malformed, c.Disagreed)
		if st.Late > 0 {
			out.Detail += fmt.Sprintf("; %d came more than %s after the collector had them", st.Late, rislive.LateAfter)
		}
		if st.Err != nil {
			out.Detail += "; " + public(st.Err)
		}
		if s.tables != nil {
			out.Detail += "; " + s.tables.String()
		}
	case st.Err != nil:
		out.State = "unreachable"
		out.Detail = fmt.Sprintf("%s; tried %d times, and again within a minute", public(st.Err), st.Attempts)
	}
	return out
}

// probe implements prober: it connects, and hangs up.
func (s *risSource) probe(ctx context.Context) (string, error) {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.client.Run(ctx)
	}()
	defer func() {
		stop()
		<-ended
	}()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		st := s.client.Status()
		switch {
		case st.Connected:
			return "connected", nil
		case st.Err != nil && st.Attempts > 0:
			return "", st.Err
		}
		select {
		case <-ctx.Done():
			return "", errors.New("no answer in time")
		case <-again.C:
		}
	}
}

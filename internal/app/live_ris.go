package app

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/corewatch/corewatch/bgp/rislive"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/web"
)

// risSource is RIS Live.
type risSource struct {
	conf   conf.RISLive
	client *rislive.Client
}

// What of RIS Live waits for a monitor that is slower for a while: the whole stream gives some thousand records a second, of 100 to 300 octets, and ten times as many at its worst.
const (
	risMemory = 16 << 20
	risSpill  = 1 << 30
)

// newRISSource makes the source; what waits beyond some memory goes into a file in dir.
func newRISSource(c conf.RISLive, dir string) (*risSource, error) {
	client, err := rislive.New(rislive.Options{
		Endpoint: c.Endpoint, Client: "corewatch", Host: c.Host, Prefixes: c.Prefixes,
		Memory: risMemory, Spill: filepath.Join(dir, "ris-live.spill"), SpillBytes: risSpill,
	})
	if err != nil {
		return nil, err
	}
	return &risSource{c, client}, nil
}

func (s *risSource) name() string { return "ris/live" } // no collector can have that name

// feed: of the whole stream, or of all that one collector hears, something comes each second. Of some prefixes there may be nothing to tell for hours.
func (s *risSource) feed() signal.Feed {
	return signal.Feed{Name: "ris-live", Steady: len(s.conf.Prefixes) == 0}
}

func (s *risSource) poll(_ time.Time, take func(received) bool) error {
	err := s.client.Poll(func(e rislive.Event) bool {
		return take(received{collector: e.Collector, raw: e.Raw, gap: e.Why})
	})
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

func (s *risSource) position() string { return "" }

func (s *risSource) resume(string) {}

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
		if st.Err != nil {
			out.Detail += "; " + public(st.Err)
		}
	case st.Err != nil:
		out.State = "unreachable"
		out.Detail = fmt.Sprintf("%s; tried %d times, and again within a minute", public(st.Err), st.Attempts)
	}
	return out
}

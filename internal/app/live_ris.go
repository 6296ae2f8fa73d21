package app

import (
	"fmt"
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

func newRISSource(c conf.RISLive) (*risSource, error) {
	client, err := rislive.New(rislive.Options{Endpoint: c.Endpoint, Client: "corewatch", Host: c.Host, Prefixes: c.Prefixes})
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
	s.client.Poll(func(e rislive.Event) bool {
		return take(received{collector: e.Collector, raw: e.Raw, gap: e.Why})
	})
	if st := s.client.Status(); !st.Connected {
		return st.Err
	}
	return nil
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

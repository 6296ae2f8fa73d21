package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/corewatch/corewatch/bgp/bmp"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/web"
)

// bmpSource is a station that routers report to.
type bmpSource struct {
	listen  string
	station *bmp.Station
}

func newBMPSource(c conf.BMP) (*bmpSource, error) {
	opt := bmp.Options{Listen: c.Listen, Plaintext: c.Plaintext}
	for _, r := range c.Routers {
		opt.Routers = append(opt.Routers, bmp.Router{Prefix: r.Prefix(), Collector: r.Collector})
	}
	if c.TLSCert != "" {
		var err error
		if opt.TLS, err = bmp.LoadTLS(c.TLSCert, c.TLSKey, c.ClientCA); err != nil {
			return nil, err
		}
	}
	station, err := bmp.New(opt)
	if err != nil {
		return nil, err
	}
	return &bmpSource{c.Listen, station}, nil
}

func (s *bmpSource) name() string { return "bmp/" + s.listen } // no collector can have that name

// feed: each router is watched as a collector of its own; a station without routers is no silent feed.
func (s *bmpSource) feed() signal.Feed { return signal.Feed{Tables: true} }

func (s *bmpSource) poll(now time.Time, take func(received) bool) error {
	return s.station.Poll(now, func(e bmp.Event) bool {
		return take(received{collector: e.Collector, raw: e.Raw, gap: e.Why})
	})
}

func (s *bmpSource) position() string { return "" }

func (s *bmpSource) resume(string) {}

// awayShown is how many routers that are not connected the pages name.
const awayShown = 5

// status is for the pages.
func (s *bmpSource) status() web.SourceStatus {
	st := s.station.Stats()
	out := web.SourceStatus{Name: "BMP station", State: "connecting"}
	if st.Listening == "" {
		if out.Detail = "not listening yet"; st.Err != nil {
			out.State, out.Detail = "unreachable", "it cannot listen: "+public(st.Err)
		}
		return out
	}
	connected, sessions, away := 0, 0, []string(nil)
	var c bmp.Counts
	for _, r := range st.Routers {
		if r.Last.After(out.Last) {
			out.Last = r.Last
		}
		if sessions += r.Sessions; r.Connected {
			connected++
		} else {
			away = append(away, r.Collector+" ("+r.Why+")")
		}
		c.Monitored += r.Counts.Monitored
		c.Unsupported += r.Counts.Unsupported
		c.Malformed += r.Counts.Malformed + r.Counts.Unwritable
		c.Orphans += r.Counts.Orphans
	}
	if connected > 0 {
		out.State = "connected"
	}
	out.Detail = fmt.Sprintf("%d routers connected, %d sessions; %d messages of routes, %d of families that are not kept, %d of sessions nobody told of, %d malformed",
		connected, sessions, c.Monitored, c.Unsupported, c.Orphans, c.Malformed)
	if n := len(away); n > 0 {
		out.Detail += fmt.Sprintf("; %d not connected: ", n) + strings.Join(away[:min(n, awayShown)], ", ")
	}
	if st.Refused+st.Limited > 0 {
		out.Detail += fmt.Sprintf("; %d connections refused, %d beyond the bounds", st.Refused, st.Limited)
	}
	return out
}

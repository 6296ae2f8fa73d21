package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"sync"
	"time"

	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/tail"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/conf"
	"github.com/corewatch/corewatch/web"
)

// folderSource is a folder into which a collector on this machine writes MRT files.
type folderSource struct {
	conf   conf.Source
	folder *tail.Folder // nil until it can be opened
	from   tail.Position

	mu    sync.Mutex // guards what the pages read
	err   error
	last  time.Time // of the clock, when the last record came
	count uint64
	torn  tail.Counts
}

func (s *folderSource) name() string { return s.conf.Collector }

// feed: how often a collector writes to its files is learned.
func (s *folderSource) feed() signal.Feed { return signal.Feed{Name: s.conf.Collector} }

func (s *folderSource) position() string {
	p := s.from
	if s.folder != nil {
		p = s.folder.Position()
	}
	text, _ := json.Marshal(p) // two plain fields: cannot fail
	return string(text)
}

func (s *folderSource) resume(position string) {
	var p tail.Position
	if json.Unmarshal([]byte(position), &p) == nil {
		s.from, s.folder = p, nil
	}
}

func (s *folderSource) poll(now time.Time, take func(received) bool) error {
	n, err := uint64(0), error(nil)
	if s.folder == nil {
		s.folder, err = tail.Open(s.conf.Folder, s.from)
	}
	if err == nil {
		err = s.folder.Read(now, func(r *mrt.Record) bool {
			n++
			return take(received{collector: s.conf.Collector, raw: r.Raw})
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	if n > 0 {
		s.last = now
		s.count += n
	}
	if s.folder != nil {
		s.torn = s.folder.Torn()
	}
	return err
}

// public says why something failed without the paths and addresses of this machine, for pages that everybody reads. The log has all of it.
func public(err error) string {
	var path *fs.PathError
	var name *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &path):
		return path.Err.Error()
	case errors.As(err, &name):
		return "the name " + name.Name + " cannot be resolved"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}

// status is for the pages.
func (s *folderSource) status() web.SourceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := web.SourceStatus{Name: s.conf.Collector, State: "connected", Last: s.last, Detail: fmt.Sprintf("%d records from a folder of MRT files", s.count)}
	switch {
	case s.err != nil:
		out.State, out.Detail = "unreachable", "folder of MRT files: "+public(s.err)
	case s.last.IsZero():
		out.State, out.Detail = "connecting", "the folder is there; nothing was written to it yet"
	}
	if s.torn.Torn > 0 {
		out.Detail += fmt.Sprintf("; %d torn places, %d octets", s.torn.Torn, s.torn.TornBytes)
	}
	return out
}

// probe implements prober.
func (s *folderSource) probe(context.Context) (string, error) {
	if _, err := tail.Open(s.conf.Folder, tail.Position{}); err != nil {
		return "", err
	}
	return "the folder " + s.conf.Folder + " can be read", nil
}

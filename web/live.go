package web

import (
	"fmt"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
)

// LiveStatus is how the watching itself goes. Counters count from the start of the process.
type LiveStatus struct {
	Feeds    []FeedStatus  // by name
	Peers    []PeerFigures // by collector, AS and address
	Sessions int           // how many there are, those not in Peers included
	Queues   []QueueStatus // of sources that receive while the monitor is at work
	Faults   []Count       // messages with something that RFC 7606 is about, by what it was

	Notes        []string // what the operator should know of this run, in words
	Clock        ClockStatus
	Disk         DiskStatus
	Commits      uint64     // blocks of the journal written
	CommitTime   bgp.Micros // spent in writing them and what they name
	ApplyTime    bgp.Micros // spent in the monitor, on what they name
	Entries      uint64     // of the journal as a whole
	JournalBytes int64      // of its files
	SegmentBytes int64      // of the records kept
	Segments     int        // files that hold them
}

// FeedStatus is what came of one collector, or of a stream of several.
type FeedStatus struct {
	Name     string
	Silent   bool       // for so long that it is a monitor fault
	Last     bgp.Micros // receipt of the last message; 0: none since the start
	Lag      bgp.Micros // of that, behind the time written in it
	Messages uint64
	Bytes    uint64
	Gaps     uint64 // times at which messages were known to be missed
}

// PeerFigures is what came of one session.
type PeerFigures struct {
	Peer     bgp.Peer
	State    string // as bgp.PeerStatus; empty when it is not known yet
	Messages uint64
	Last     bgp.Micros
	Lag      bgp.Micros
}

// QueueStatus is what a source has received and the monitor has not yet taken.
type QueueStatus struct {
	Source  string
	Memory  int64  // octets in memory,
	Room    int64  // of at most so many
	Disk    int64  // octets beside it on the disk,
	DiskMax int64  // of at most so many
	Spilled uint64 // records that went over the disk
	Lost    uint64 // records for which there was no room
}

// ClockStatus is what is known of the machine's clock.
type ClockStatus struct {
	State  string     // "right", "off", "unknown"; empty while nobody was asked
	Offset bgp.Micros // what would have to be added to it; not of unknown
	From   string     // who says so
	Why    string     // why it is unknown
}

// DiskStatus is how much of the disk that everything is kept on is free, in octets.
type DiskStatus struct {
	Known bool
	Low   bool // less than is to stay free
	Free  int64
	Bound int64
}

// Count is how often something happened.
type Count struct {
	Name string
	N    uint64
}

func micros(t bgp.Micros) time.Duration { return time.Duration(t) * time.Microsecond }

// livePage is what /health shows of it.
type livePage struct {
	Commits, Entries, Segments, Files, Journal string
	Feeds                                      []feedRow
	More                                       int
	Queues                                     []queueRow
	Faults                                     []faultRow
	Notes                                      []string
	Clock, Disk                                string
}

type feedRow struct {
	Name, State, Class, Messages, Bytes, Gaps, Lag string
	Last                                           time.Time
}

type queueRow struct{ Source, Memory, Room, Disk, DiskMax, Spilled, Lost string }

type faultRow struct{ Cause, N string }

// maxFeedRows is how many feeds the page and /healthz list; /metrics has them all.
const maxFeedRows = 100

func (s *Server) livePage(l *LiveStatus) *livePage {
	if l == nil {
		return nil
	}
	v := &livePage{
		Commits: grouped(l.Commits), Entries: grouped(l.Entries), Segments: grouped(l.SegmentBytes), Files: grouped(l.Segments), Journal: grouped(l.JournalBytes),
		More: max(0, len(l.Feeds)-maxFeedRows),
	}
	for _, n := range l.Notes {
		v.Notes = append(v.Notes, clean(n))
	}
	switch c := l.Clock; c.State {
	case "right", "off":
		v.Clock = s.cat.text("clock."+c.State, fmt.Sprintf("%+.3f", float64(c.Offset)/1e6), clean(c.From))
	case "unknown":
		v.Clock = s.cat.text("clock.unknown", clean(c.Why))
	}
	if d := l.Disk; d.Low {
		v.Disk = s.cat.text("disk.low", grouped(d.Free), grouped(d.Bound))
	} else if d.Known {
		v.Disk = s.cat.text("disk.enough", grouped(d.Free))
	}
	for _, f := range l.Feeds[:min(len(l.Feeds), maxFeedRows)] {
		row := feedRow{
			Name: clean(f.Name), State: s.word("feedstate", "speaks"), Class: "good", Messages: grouped(f.Messages), Bytes: grouped(f.Bytes), Gaps: grouped(f.Gaps), Lag: "–",
		}
		switch {
		case f.Silent:
			row.State, row.Class = s.word("feedstate", "silent"), "bad"
		case f.Last == 0:
			row.State, row.Class = s.word("feedstate", "waiting"), "mid"
		}
		if f.Last != 0 {
			row.Last, row.Lag = f.Last.Time(), length(micros(f.Lag))
		}
		v.Feeds = append(v.Feeds, row)
	}
	for _, q := range l.Queues {
		v.Queues = append(v.Queues, queueRow{
			clean(q.Source), grouped(q.Memory), grouped(q.Room), grouped(q.Disk), grouped(q.DiskMax), grouped(q.Spilled), grouped(q.Lost),
		})
	}
	for _, c := range l.Faults {
		v.Faults = append(v.Faults, faultRow{clean(c.Name), grouped(c.N)})
	}
	return v
}

// liveJSON is what /healthz says of it. Times spent and lags are seconds.
type liveJSON struct {
	Notes    []string          `json:"notes,omitempty"`
	Feeds    []feedJSON        `json:"feeds"`
	Queues   []queueJSON       `json:"queues,omitempty"`
	Faults   map[string]uint64 `json:"rfc7606,omitempty"`
	Clock    *clockJSON        `json:"clock,omitempty"`
	Disk     *diskJSON         `json:"disk,omitempty"`
	Commits  uint64            `json:"journal_commits"`
	Entries  uint64            `json:"journal_entries"`
	Journal  int64             `json:"journal_bytes"`
	Segments int64             `json:"segments_bytes"`
}

type diskJSON struct {
	Low   bool  `json:"low"`
	Free  int64 `json:"free_bytes"`
	Bound int64 `json:"bound_bytes"`
}

type clockJSON struct {
	State  string  `json:"state"`
	Offset float64 `json:"offset_s"`
	From   string  `json:"from,omitempty"`
	Why    string  `json:"why,omitempty"`
}

type feedJSON struct {
	Name     string      `json:"name"`
	Silent   bool        `json:"silent,omitempty"`
	Last     detect.Time `json:"last,omitzero"`
	Lag      float64     `json:"lag_s"`
	Messages uint64      `json:"messages"`
	Bytes    uint64      `json:"bytes"`
	Gaps     uint64      `json:"gaps"`
}

type queueJSON struct {
	Source  string `json:"source"`
	Memory  int64  `json:"memory_bytes"`
	Disk    int64  `json:"spill_bytes"`
	Spilled uint64 `json:"spilled_records"`
	Lost    uint64 `json:"lost_records"`
}

func liveFacts(l *LiveStatus) *liveJSON {
	if l == nil {
		return nil
	}
	out := &liveJSON{
		Notes: l.Notes, Feeds: []feedJSON{}, Faults: map[string]uint64{}, Commits: l.Commits, Entries: l.Entries, Journal: l.JournalBytes, Segments: l.SegmentBytes,
	}
	if c := l.Clock; c.State != "" {
		out.Clock = &clockJSON{c.State, float64(c.Offset) / 1e6, c.From, c.Why}
	}
	if d := l.Disk; d.Known {
		out.Disk = &diskJSON{d.Low, d.Free, d.Bound}
	}
	for _, f := range l.Feeds[:min(len(l.Feeds), maxFeedRows)] {
		x := feedJSON{Name: f.Name, Silent: f.Silent, Lag: float64(f.Lag) / 1e6, Messages: f.Messages, Bytes: f.Bytes, Gaps: f.Gaps}
		if f.Last != 0 {
			x.Last = instant(f.Last.Time())
		}
		out.Feeds = append(out.Feeds, x)
	}
	for _, q := range l.Queues {
		out.Queues = append(out.Queues, queueJSON{q.Source, q.Memory, q.Disk, q.Spilled, q.Lost})
	}
	for _, c := range l.Faults {
		out.Faults[c.Name] = c.N
	}
	return out
}

package collect

import (
	"container/heap"
	"errors"
	"fmt"
	"io"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// ErrOrder says that the names of a collector's files are not in the order of their content, so that opening them by name does
// not give journal order. Merge again with Options.OpenAll.
var ErrOrder = errors.New("collect: the files are not in time order by name")

// Options of a Merger.
type Options struct {
	// OpenAll opens every file before the first record is given: correct whatever the names say, and as costly in memory as
	// there are files. Without it only a few files of a collector are open at once.
	OpenAll bool
}

const (
	// ahead is how many files of a collector are open of which no record was given yet: files of one collector may overlap a little.
	ahead = 2
	// maxBroken bounds the list of damaged places; the counters go on.
	maxBroken = 1000
)

// Merger gives the records of many files in journal order. Not safe for concurrent use.
type Merger struct {
	files  []File
	opt    Options
	lanes  []*lane
	open   streams
	last   bgp.Micros
	cur    *stream
	broken []error
	count  Counts
}

// Counts is what became of the bytes and records so far.
type Counts struct {
	FilesDone  int
	BytesDone  int64  // of files as stored, that are finished
	Torn       uint64 // stretches of bytes that are not a record
	TornBytes  int64
	Unreadable uint64 // files that could not be opened or whose compression broke off
}

// Add is the counts of two mergers together.
func (c Counts) Add(d Counts) Counts {
	c.FilesDone += d.FilesDone
	c.BytesDone += d.BytesDone
	c.Torn += d.Torn
	c.TornBytes += d.TornBytes
	c.Unreadable += d.Unreadable
	return c
}

// lane is the files of one collector in order of name.
type lane struct {
	waiting []int
	fresh   int // open files of which no record was given yet
}

// stream is one open file with its next record.
type stream struct {
	index int
	lane  *lane
	in    *bgp.Input
	file  io.Closer
	r     *mrt.Reader
	dec   mrt.Decoder
	rec   *mrt.Record
	read  uint64 // records, with rec
	given bool
}

// Item is the next record of the journal. Record is valid until the next call of Next.
type Item struct {
	Index   int // of the file
	Input   *bgp.Input
	Record  *mrt.Record
	Decoder *mrt.Decoder // the decoder of the file's stream
}

// NewMerger prepares to read files in journal order; files must come from Expand, or be ordered like its result.
func NewMerger(files []File, opt Options) *Merger {
	m := &Merger{files: files, opt: opt}
	for i := range files {
		if i == 0 || files[i].Input.Collector != files[i-1].Input.Collector {
			m.lanes = append(m.lanes, &lane{})
		}
		l := m.lanes[len(m.lanes)-1]
		l.waiting = append(l.waiting, i)
	}
	return m
}

// Files are the files with what is known of each so far.
func (m *Merger) Files() []File { return m.files }

// Counts is how far the merge is and what it found damaged.
func (m *Merger) Counts() Counts { return m.count }

// Broken names what was torn, truncated or unreadable, in order; at most 1,000 places.
func (m *Merger) Broken() []error { return m.broken }

// Next gives the next record; io.EOF is the end of all files. ErrOrder: see there. Damage in a file is counted, named in Broken
// and never ends the merge.
func (m *Merger) Next() (Item, error) {
	if s := m.cur; s != nil {
		m.cur = nil
		if m.advance(s) {
			heap.Fix(&m.open, 0)
		} else {
			heap.Pop(&m.open)
		}
	}
	for {
		if err := m.refill(); err != nil {
			return Item{}, err
		}
		if len(m.open) == 0 {
			return Item{}, io.EOF
		}
		if m.open[0].given {
			break
		}
		m.open[0].given = true // and look again: the file that is opened in its stead may begin earlier
		m.open[0].lane.fresh--
	}
	s := m.open[0]
	m.cur, m.last = s, max(m.last, s.rec.Time)
	if s.in.First == 0 {
		s.in.First = s.rec.Time
	}
	s.in.Last = max(s.in.Last, s.rec.Time)
	return Item{Index: s.index, Input: s.in, Record: s.rec, Decoder: &s.dec}, nil
}

// refill opens what must be open before the next record can be chosen.
func (m *Merger) refill() error {
	for _, l := range m.lanes {
		for len(l.waiting) > 0 && (m.opt.OpenAll || l.fresh < ahead) {
			i := l.waiting[0]
			l.waiting = l.waiting[1:]
			if err := m.start(i, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// start opens a file and reads its first record. A file without one is finished at once.
func (m *Merger) start(i int, l *lane) error {
	in := &m.files[i].Input
	f, format, err := m.files[i].open()
	if err != nil {
		m.count.Unreadable++
		m.damage(fmt.Errorf("%s: %w", in.Name, err))
		m.finished(in)
		return nil
	}
	in.Format = format
	s := &stream{index: i, lane: l, in: in, file: f, r: mrt.NewReader(f)}
	if !m.advance(s) {
		return nil
	}
	if s.rec.Time < m.last && !m.opt.OpenAll {
		f.Close()
		return fmt.Errorf("%s begins at %s, before what was already given: %w", in.Name, s.rec.Time.Time().Format("2006-01-02T15:04:05Z"), ErrOrder)
	}
	l.fresh++
	heap.Push(&m.open, s)
	return nil
}

func (f File) open() (io.ReadCloser, string, error) {
	if f.Open != nil {
		return f.Open()
	}
	r, err := mrt.Open(f.Path)
	if err != nil {
		return nil, "", err
	}
	return r, r.Format(), nil
}

// advance reads the stream's next record, past any damage; false at its end.
func (m *Merger) advance(s *stream) bool {
	for {
		rec, err := s.r.Next()
		if err == nil {
			s.rec = rec
			s.read++
			return true
		}
		var torn *mrt.TornError
		if errors.As(err, &torn) {
			m.count.Torn++
			m.count.TornBytes += torn.Length
			s.in.Malformed++
			m.damage(fmt.Errorf("%s: %w", s.in.Name, err))
			continue
		}
		if !errors.Is(err, io.EOF) {
			m.count.Unreadable++
			m.damage(fmt.Errorf("%s: %w", s.in.Name, err))
		}
		s.file.Close()
		m.finished(s.in)
		return false
	}
}

func (m *Merger) finished(in *bgp.Input) {
	m.count.FilesDone++
	m.count.BytesDone += in.Bytes
}

func (m *Merger) damage(err error) {
	if len(m.broken) < maxBroken {
		m.broken = append(m.broken, err)
	}
}

// Close closes what is still open.
func (m *Merger) Close() {
	for _, s := range m.open {
		s.file.Close()
	}
	m.open, m.cur = nil, nil
}

// streams is a heap in journal order.
type streams []*stream

func (h streams) Len() int { return len(h) }

func (h streams) Less(i, j int) bool {
	if a, b := h[i].rec.Time, h[j].rec.Time; a != b {
		return a < b
	}
	return h[i].index < h[j].index // Expand's order: collector, then name
}

func (h streams) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is for container/heap.
func (h *streams) Push(x any) { *h = append(*h, x.(*stream)) }

// Pop is for container/heap.
func (h *streams) Pop() any {
	old := *h
	s := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return s
}

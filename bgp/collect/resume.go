package collect

import (
	"container/heap"
	"errors"
	"fmt"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// Position is how far a merge has come. It can be written down, and Resume goes on from it.
type Position struct {
	Files  []FilePosition `json:"files"` // one for each file, in their order
	Last   bgp.Micros     `json:"last"`  // the latest record time given
	Counts Counts         `json:"counts"`
	Broken []string       `json:"broken,omitempty"` // the texts of Merger.Broken
}

// FilePosition is how far one file has been read.
type FilePosition struct {
	Input   bgp.Input `json:"input"`   // with what is known of it so far
	Waiting bool      `json:"waiting"` // not opened yet
	Read    uint64    `json:"read"`    // of an open file: records read, that which is next among them; 0 when it is finished
	Given   bool      `json:"given"`   // of an open file: some record of it was given
	Latest  bool      `json:"latest"`  // the record that was given last is the last one read of this file
}

// ErrPosition says that a position is not one of these files.
var ErrPosition = errors.New("collect: the position does not belong to these files")

// Position is where the merge stands behind the record that Next gave last. With Options.OpenAll there is none to go on from.
func (m *Merger) Position() Position {
	p := Position{Files: make([]FilePosition, len(m.files)), Last: m.last, Counts: m.count}
	for i := range m.files {
		p.Files[i].Input = m.files[i].Input
	}
	for _, l := range m.lanes {
		for _, i := range l.waiting {
			p.Files[i].Waiting = true
		}
	}
	for _, s := range m.open {
		f := &p.Files[s.index]
		f.Read, f.Given, f.Latest = s.read, s.given, s == m.cur
	}
	for _, err := range m.broken {
		p.Broken = append(p.Broken, err.Error())
	}
	return p
}

// Resume makes a merger that goes on behind a position: Next gives the record after the one that was given last. Files that were finished
// are not opened again; what was read of the open ones is skipped. That the files have the content they had is for the caller to know.
// ErrPosition: their number or names differ, or one of them ends before the position.
func Resume(files []File, p Position) (*Merger, error) {
	m := NewMerger(files, Options{})
	if len(p.Files) != len(files) {
		return nil, fmt.Errorf("%w: %d files, not %d", ErrPosition, len(files), len(p.Files))
	}
	lane := 0
	for i := range files {
		if i > 0 && files[i].Input.Collector != files[i-1].Input.Collector {
			lane++
		}
		if err := m.resume(i, m.lanes[lane], &p.Files[i]); err != nil {
			m.Close()
			return nil, err
		}
	}
	heap.Init(&m.open)
	if m.cur != nil && m.cur != m.open[0] {
		m.Close()
		return nil, fmt.Errorf("%w: the record given last was not the next", ErrPosition)
	}
	m.last, m.count, m.broken = p.Last, p.Counts, nil // what was skipped has been counted before
	for _, text := range p.Broken {
		m.damage(errors.New(text))
	}
	for i := range files {
		m.files[i].Input = p.Files[i].Input
	}
	return m, nil
}

// resume brings one file to its position.
func (m *Merger) resume(i int, l *lane, p *FilePosition) error {
	if in := &m.files[i].Input; in.Name != p.Input.Name || in.Collector != p.Input.Collector {
		return fmt.Errorf("%w: %s of %s is not %s of %s", ErrPosition, in.Name, in.Collector, p.Input.Name, p.Input.Collector)
	}
	if p.Waiting {
		return nil
	}
	if len(l.waiting) == 0 || l.waiting[0] != i {
		return fmt.Errorf("%w: %s was read before the file in front of it", ErrPosition, p.Input.Name)
	}
	l.waiting = l.waiting[1:]
	if p.Read == 0 {
		return nil
	}
	f, _, err := m.files[i].open()
	if err != nil {
		return fmt.Errorf("%s: %w", p.Input.Name, err)
	}
	s := &stream{index: i, lane: l, in: &m.files[i].Input, file: f, r: mrt.NewReader(f), given: p.Given}
	var c mrt.Content
	for s.read < p.Read {
		if !m.advance(s) {
			return fmt.Errorf("%w: %s ends before it", ErrPosition, p.Input.Name)
		}
		if taken := s.read < p.Read || p.Latest; taken && s.rec.Type == mrt.TypeTableDumpV2 {
			_ = s.dec.Decode(s.rec, &c) // who is who in the tables that follow; that it may be malformed was counted before
		}
	}
	if !s.given {
		l.fresh++
	}
	if p.Latest {
		m.cur = s
	}
	m.open = append(m.open, s)
	return nil
}

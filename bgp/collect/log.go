package collect

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/journal"
)

// The folders of a Log.
const (
	JournalFolder  = "journal"
	SegmentsFolder = "segments"
)

// LogOptions bound the segments of a Log. The zero value takes the defaults.
type LogOptions struct {
	SegmentBytes int64       // a segment ends when it holds so much; default 64 MiB
	SegmentAge   bgp.Micros  // and so long after its first record; default 15 min
	Ended        func(Ended) // told of each segment that came to its end, once the journal says so on the disk; may be nil
}

// Ended is a segment to which nothing comes any more.
type Ended struct {
	Input     int    // number of the input in the journal
	Name      string // of the segment, relative to the log's folder
	Collector string
	Octets    int64 // decompressed
	SHA256    [32]byte
}

// Log keeps what a live monitor receives before anything is made of it: every record, as received, in segments (plain MRT while they
// grow, gzip afterwards), one after the other for each collector, and the journal that says in which order they were consumed. What
// Commit has returned for is on the disk. Not safe for concurrent use.
type Log struct {
	dir     string
	opt     LogOptions
	w       *journal.Writer
	open    map[string]*segment // by collector
	ended   []string            // closed segments, to be compressed once the journal says so on the disk
	told    []Ended             // the same, to be told of
	packing sync.WaitGroup      // segments being compressed
	mu      sync.Mutex
	failed  error // first failure to compress one
}

// Place is where a record of a Log stands.
type Place struct {
	Input  int    // number of the input in the journal
	Name   string // of the segment, relative to the log's folder
	Offset int64  // in the decompressed segment
}

// OpenLog makes a log in dir, or goes on with the one that is there. What stood in a segment and not in the journal when the machine stopped was never
// consumed, and is cut off; segments left open are closed.
func OpenLog(dir string, opt LogOptions) (*Log, error) {
	if opt.SegmentBytes <= 0 {
		opt.SegmentBytes = 64 << 20
	}
	if opt.SegmentAge <= 0 {
		opt.SegmentAge = 15 * 60 * bgp.Second
	}
	w, err := journal.Create(filepath.Join(dir, JournalFolder))
	if err != nil {
		return nil, err
	}
	l := &Log{dir: dir, opt: opt, w: w, open: map[string]*segment{}}
	if err := l.settle(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return l, nil
}

// settle closes the segments that were open when the machine stopped, and compresses what was left plain.
func (l *Log) settle() error {
	r, err := journal.Open(filepath.Join(l.dir, JournalFolder))
	if err != nil {
		return err
	}
	defer r.Close()
	type state struct {
		of     string
		name   string
		end    int64
		closed bool
	}
	base := r.Base().Inputs
	var inputs []state
	var e journal.Entry
	for err = r.Next(&e); err == nil; err = r.Next(&e) {
		switch e.Kind {
		case journal.Input:
			inputs = append(inputs, state{of: e.Text, name: e.Name})
		case journal.Message:
			inputs[e.Input-base].end = e.Offset + e.Length
		case journal.Closed:
			inputs[e.Input-base].closed = true
		}
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	for i, s := range inputs {
		path := filepath.Join(l.dir, filepath.FromSlash(s.name))
		if s.closed {
			if _, err := os.Stat(path); err == nil {
				l.ended = append(l.ended, path)
			}
			continue
		}
		sum, err := cutTo(path, s.end)
		if err != nil {
			return fmt.Errorf("segment %s: %w", s.name, err)
		}
		if err := l.w.Closed(base+i, s.end, sum); err != nil {
			return err
		}
		l.ended = append(l.ended, path)
		l.told = append(l.told, Ended{base + i, s.name, s.of, s.end, sum})
	}
	named := map[string]bool{}
	for _, s := range inputs {
		path := filepath.Join(l.dir, filepath.FromSlash(s.name))
		named[path], named[path+".gz"] = true, true
	}
	if err := l.sweep(named); err != nil {
		return err
	}
	return l.Commit()
}

// sweep removes segments that no committed block names: of what they hold nothing was consumed. And what compressing left half done.
func (l *Log) sweep(named map[string]bool) error {
	err := filepath.WalkDir(filepath.Join(l.dir, SegmentsFolder), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || named[path] {
			return err
		}
		if base := l.w.Base(); strings.HasSuffix(path, ".mrt.gz") && base.Inputs > 0 { // before the journal begins: given up, when the machine stopped
			return os.Remove(path)
		}
		if strings.HasSuffix(path, ".mrt") || strings.HasSuffix(path, ".mrt.gz.part") {
			return os.Remove(path)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Journal is the journal's writer, for what is to be read from it. Write to it through the Log only.
func (l *Log) Journal() *journal.Writer { return l.w }

// Room is how many octets of entries fit before the next Commit; each record, tick or event needs at most journal.EntrySize and its texts.
// What fits comes back as a whole after a stop, or not at all.
func (l *Log) Room() int { return l.w.Room() }

// Oldest is the lowest number of an input that still grows; when none does, the number of the next.
func (l *Log) Oldest() int {
	n := l.w.Inputs()
	for _, s := range l.open {
		n = min(n, s.input)
	}
	return n
}

// Usage is how much is kept on the disk: octets of segments, how many there are, and octets of the journal.
func (l *Log) Usage() (octets int64, segments int, journal int64, err error) {
	for folder, sum := range map[string]func(int64){
		SegmentsFolder: func(n int64) { octets += n; segments++ },
		JournalFolder:  func(n int64) { journal += n },
	} {
		err = errors.Join(err, filepath.WalkDir(filepath.Join(l.dir, folder), func(_ string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) { // none yet, or compressed between two looks
				return nil
			}
			if err != nil || d.IsDir() {
				return err
			}
			st, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil {
				sum(st.Size())
			}
			return err
		}))
	}
	return octets, segments, journal, err
}

// Append keeps one record as received from a collector at an instant. It is not yet on the disk: see Commit.
func (l *Log) Append(collector string, raw []byte, at bgp.Micros) (Place, error) {
	s := l.open[collector]
	if s != nil && (s.size >= l.opt.SegmentBytes || at-s.began >= l.opt.SegmentAge) {
		if err := l.end(collector); err != nil {
			return Place{}, err
		}
		s = nil
	}
	if s == nil {
		var err error
		if s, err = l.begin(collector, at); err != nil {
			return Place{}, err
		}
	}
	p := Place{s.input, s.name, s.size}
	if err := l.w.Message(s.input, s.size, int64(len(raw)), at); err != nil {
		return Place{}, err
	}
	s.buf = append(s.buf, raw...)
	s.size += int64(len(raw))
	if len(s.buf) >= 1<<20 {
		return p, s.write()
	}
	return p, nil
}

// Tick notes that the clock came to an instant.
func (l *Log) Tick(at bgp.Micros) error { return l.w.Tick(at) }

// Control notes what happened beside the records.
func (l *Log) Control(at bgp.Micros, kind, text string) error { return l.w.Control(at, kind, text) }

// Commit returns when everything so far is on the disk: the segments first, then the journal that names them.
func (l *Log) Commit() error {
	for _, c := range slices.Sorted(maps.Keys(l.open)) {
		s := l.open[c]
		if err := s.sync(); err != nil {
			return err
		}
	}
	if err := l.w.Commit(); err != nil {
		return err
	}
	l.packEnded()
	l.tell()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// tell tells of the segments that ended.
func (l *Log) tell() {
	for _, e := range l.told {
		if l.opt.Ended != nil {
			l.opt.Ended(e)
		}
	}
	l.told = l.told[:0]
}

func (l *Log) packEnded() {
	for _, path := range l.ended {
		l.pack(path)
	}
	l.ended = l.ended[:0]
}

func (l *Log) begin(collector string, at bgp.Micros) (*segment, error) {
	name := fmt.Sprintf("%s/%s/updates.%s.%d.mrt", SegmentsFolder, folderName(collector), at.Time().Format("20060102.150405"), l.w.Entries()+1)
	path := filepath.Join(l.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640) // one of that name was never named in the journal
	if err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	input, err := l.w.Input(collector, name)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s := &segment{input: input, name: name, path: path, file: f, began: at, sum: sha256.New()}
	l.open[collector] = s
	return s, nil
}

// end closes the open segment of a collector.
func (l *Log) end(collector string) error {
	s := l.open[collector]
	if err := s.sync(); err != nil {
		return err
	}
	if err := s.file.Close(); err != nil {
		return fmt.Errorf("segment: %w", err)
	}
	sum := [32]byte(s.sum.Sum(nil))
	if err := l.w.Closed(s.input, s.size, sum); err != nil {
		return err
	}
	l.told = append(l.told, Ended{s.input, s.name, collector, s.size, sum})
	delete(l.open, collector)
	l.ended = append(l.ended, s.path)
	return nil
}

// Rotate ends every segment and begins a new file of the journal: what was kept before it can be given up, see Prune.
func (l *Log) Rotate() (journal.Base, error) {
	for _, c := range slices.Sorted(maps.Keys(l.open)) {
		if err := l.end(c); err != nil {
			return journal.Base{}, err
		}
	}
	if err := l.Commit(); err != nil {
		return journal.Base{}, err
	}
	return l.w.Rotate()
}

// Prune gives up what was kept before a place that Rotate gave: the journal first, then the segments named. A stop in between leaves segments that
// OpenLog removes.
func (l *Log) Prune(b journal.Base, names []string) error {
	l.packing.Wait() // none of them is being compressed
	if err := l.w.Prune(b); err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(l.dir, filepath.FromSlash(name))
		for _, p := range []string{path, path + ".gz"} {
			if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("giving up a segment: %w", err)
			}
		}
	}
	return nil
}

// pack compresses a finished segment, beside what goes on.
func (l *Log) pack(path string) {
	l.packing.Go(func() {
		if err := pack(path); err != nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.failed == nil {
				l.failed = fmt.Errorf("compressing a segment: %w", err)
			}
		}
	})
}

// Close ends every segment, commits, and waits until they are compressed.
func (l *Log) Close() error {
	var err error
	for _, c := range slices.Sorted(maps.Keys(l.open)) {
		err = errors.Join(err, l.end(c))
	}
	if err = errors.Join(err, l.w.Close()); err == nil {
		l.packEnded()
		l.tell()
	}
	l.packing.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(err, l.failed)
}

package collect

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/journal"
	"github.com/corewatch/corewatch/bgp/mrt"
)

// Follower gives again what a Log kept, in the order of its journal: records as they were received and, between them, the ticks of the clock
// and what else happened. Not safe for concurrent use.
type Follower struct {
	dir    string
	r      *journal.Reader
	inputs []*replayed
	dec    map[string]*mrt.Decoder // by collector: a table dump may run over from one segment into the next
	done   int64
	seq    uint64 // of the entry given last
}

// replayed is one segment being read again.
type replayed struct {
	in   bgp.Input
	file *mrt.File
	tee  *measured
	raw  []byte
	rec  mrt.Record
}

// measured takes the length and digest of what is read through it.
type measured struct {
	r   io.Reader
	n   int64
	sum hash.Hash
}

func (m *measured) Read(b []byte) (int, error) {
	n, err := m.r.Read(b)
	m.n += int64(n)
	m.sum.Write(b[:n])
	return n, err
}

// Event is one entry of the journal; for a message also its record, valid until the next call.
type Event struct {
	journal.Entry
	Item Item
}

// HasLog reports whether dir is the folder of a Log.
func HasLog(dir string) bool { return journal.Exists(filepath.Join(dir, JournalFolder)) }

// Follow begins to read the log in dir.
func Follow(dir string) (*Follower, error) {
	r, err := journal.Open(filepath.Join(dir, JournalFolder))
	if err != nil {
		return nil, err
	}
	return &Follower{dir: dir, r: r, dec: map[string]*mrt.Decoder{}, seq: r.Base().Entries}, nil
}

// Next gives the next event of kind Message, Tick or Control. io.EOF is the end; journal.ErrTorn an end in a block that was being written. Other
// errors say which segment does not hold what the journal says, or where the journal is damaged, and are final.
func (f *Follower) Next() (Event, error) {
	for {
		var e Event
		if err := f.r.Next(&e.Entry); err != nil {
			return e, err
		}
		f.seq = e.Seq
		switch e.Kind {
		case journal.Input:
			f.input(&e.Entry)
		case journal.Message:
			s := f.inputs[e.Input-f.Base().Inputs]
			rec, err := f.record(s, e.Offset, e.Length)
			if err != nil {
				return e, fmt.Errorf("segment %s: %w", s.in.Name, err)
			}
			if s.in.First == 0 {
				s.in.First = rec.Time
			}
			s.in.Last = max(s.in.Last, rec.Time)
			e.Item = Item{Index: e.Input, Input: &s.in, Record: rec, Decoder: f.dec[s.in.Collector]}
			f.done += e.Length
			return e, nil
		case journal.Closed:
			s := f.inputs[e.Input-f.Base().Inputs]
			if err := f.close(s, e.Length, e.Sum); err != nil {
				return e, fmt.Errorf("segment %s: %w", s.in.Name, err)
			}
		default:
			return e, nil
		}
	}
}

// Skip passes over the entries up to number n, which each sees, without reading the records that they name. dec are the decoders of who read
// them before. The error is that of Next.
func (f *Follower) Skip(n uint64, dec map[string]*mrt.Decoder, each func(*journal.Entry)) error {
	f.dec = dec
	for e := (journal.Entry{Seq: f.seq}); e.Seq < n; {
		if err := f.r.Next(&e); err != nil {
			return err
		}
		f.seq = e.Seq
		switch e.Kind {
		case journal.Input:
			f.input(&e)
		}
		each(&e)
	}
	return nil
}

// input notes the next segment.
func (f *Follower) input(e *journal.Entry) {
	f.inputs = append(f.inputs, &replayed{in: bgp.Input{Name: e.Name, Collector: e.Text}})
	if f.dec[e.Text] == nil {
		f.dec[e.Text] = &mrt.Decoder{}
	}
}

// record reads the record that the journal names next of a segment.
func (f *Follower) record(s *replayed, offset, length int64) (*mrt.Record, error) {
	if s.tee == nil {
		if err := f.open(s); err != nil {
			return nil, err
		}
	}
	if offset < s.tee.n || length > maxRecord {
		return nil, fmt.Errorf("the journal names %d octets at byte %d, behind byte %d: it was changed", length, offset, s.tee.n)
	}
	if _, err := io.CopyN(io.Discard, s.tee, offset-s.tee.n); err != nil {
		return nil, fmt.Errorf("the journal names a record at byte %d: %w", offset, cutShort(err))
	}
	if int64(cap(s.raw)) < length {
		s.raw = make([]byte, length)
	}
	s.raw = s.raw[:length]
	if _, err := io.ReadFull(s.tee, s.raw); err != nil {
		return nil, fmt.Errorf("the journal names a record at byte %d: %w", offset, cutShort(err))
	}
	return &s.rec, s.rec.Parse(s.raw, offset)
}

// cutShort keeps the end of a segment from being taken for the end of the journal.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// maxRecord bounds what a journal can make a Follower allocate for one record.
const maxRecord = 16<<20 + 12

// open finds the segment plain or compressed.
func (f *Follower) open(s *replayed) error {
	if !filepath.IsLocal(filepath.FromSlash(s.in.Name)) {
		return errors.New("its name leads out of the folder: it was changed")
	}
	path := filepath.Join(f.dir, filepath.FromSlash(s.in.Name))
	file, err := mrt.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = mrt.Open(path + ".gz")
	}
	if errors.Is(err, fs.ErrNotExist) { // it was being compressed between the two looks
		file, err = mrt.Open(path)
	}
	if err != nil {
		return err
	}
	s.file, s.in.Format = file, file.Format()
	s.tee = &measured{r: file, sum: sha256.New()}
	return nil
}

// close checks a segment against what the journal says of it as a whole.
func (f *Follower) close(s *replayed, length int64, sum [32]byte) error {
	if s.tee == nil {
		if err := f.open(s); err != nil {
			return err
		}
	}
	defer func() { s.file.Close(); s.file = nil }()
	if _, err := io.Copy(io.Discard, s.tee); err != nil {
		return err
	}
	if s.tee.n != length || [32]byte(s.tee.sum.Sum(nil)) != sum {
		return fmt.Errorf("it holds %d octets with another digest than the %d that the journal closed: it was changed", s.tee.n, length)
	}
	return nil
}

// Files are the segments met so far with what became of each.
func (f *Follower) Files() []File {
	out := make([]File, len(f.inputs))
	for i, s := range f.inputs {
		out[i] = File{Path: filepath.Join(f.dir, filepath.FromSlash(s.in.Name)), Input: s.in}
	}
	return out
}

// Input is segment number n of those met so far, for who knows more of it than stands in the log; nil when there is none.
func (f *Follower) Input(n int) *bgp.Input {
	if n -= f.Base().Inputs; n < 0 || n >= len(f.inputs) {
		return nil
	}
	return &f.inputs[n].in
}

// Base is where the log begins. Segments are numbered from Base().Inputs on.
func (f *Follower) Base() journal.Base { return f.r.Base() }

// Decoders are those of the records given, by collector, with the peer tables that they have read: for who goes on where the log ends, or
// where an earlier Follower stopped.
func (f *Follower) Decoders() map[string]*mrt.Decoder { return f.dec }

// Done is how many octets of records were given.
func (f *Follower) Done() int64 { return f.done }

// Head is the hash of the journal up to the block of the last event.
func (f *Follower) Head() journal.Hash { return f.r.Head() }

// Close closes what is open.
func (f *Follower) Close() error {
	err := f.r.Close()
	for _, s := range f.inputs {
		if s.file != nil {
			err = errors.Join(err, s.file.Close())
		}
	}
	return err
}

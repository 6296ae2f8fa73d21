package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"

	"github.com/klauspost/compress/zstd"

	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/freeze"
)

// A checkpoint is one file, checkpointName in the folder of the store:
//
//	the line "corewatch checkpoint 1"
//	position (JSON) and baselines (the form of detect.EncodeBaselines), each after its length, 8 octets, big endian
//	length of the state as it is unpacked, 8 octets, big endian
//	SHA-256 over all before it, 32 octets
//	state (the form of package freeze, with its own checksum), as one zstd frame
//
// The state is everything that the next record's effect can depend on. Position and baselines are beside it because software that lays out
// its state in another way can still read them.
const (
	checkpointMagic = "corewatch checkpoint 1\n"
	checkpointName  = "checkpoint"
)

// Bounds of what is read.
const (
	maxPosition = 1 << 28
	maxBases    = 1 << 30
	maxState    = 1 << 36
)

// errCheckpoint: a checkpoint cannot be used at all.
var errCheckpoint = errors.New("the checkpoint is damaged")

// state is what a checkpoint keeps of the program's memory.
type state struct {
	monitor  *signal.Monitor
	refs     map[string]bool         // of the recorder: the reference tables that the store has
	decoders map[string]*mrt.Decoder // by collector, of a live monitor
	astray   map[string]bool         // of its recorder
}

// stateGiven is what of it is made anew by each run.
func stateGiven() freeze.Given {
	given := freeze.Given{}
	for _, g := range []map[reflect.Type][]string{visibility.Given(), detect.Given(), signal.Given()} {
		maps.Copy(given, g)
	}
	return given
}

// checkpoint is a checkpoint that was read, its state still packed.
type checkpoint struct {
	position  position
	baselines []byte
	state     []byte
	unpacked  uint64
}

// writeCheckpoint writes a checkpoint that appears under its name only when it is whole and durable; until then the one before it is there.
func writeCheckpoint(path string, codec *freeze.Codec[state], p *position, s *state) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing checkpoint %s: %w", path, err)
		}
	}()
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	var bases bytes.Buffer
	if err := s.monitor.Engine().EncodeBaselines(&bases); err != nil {
		return err
	}
	// The packed state goes to the file as it is made; its length is known at the end, and stands in front of it.
	head := append([]byte(checkpointMagic), binary.BigEndian.AppendUint64(nil, uint64(len(text)))...)
	head = append(head, text...)
	head = append(binary.BigEndian.AppendUint64(head, uint64(bases.Len())), bases.Bytes()...)
	f, err := os.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600) // the lock of the store's folder keeps others away
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(path+".new"))
		}
	}()
	if _, err = f.Seek(int64(len(head))+8+sha256.Size, io.SeekStart); err != nil {
		return err
	}
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	n := &countingWriter{w: z}
	if err = errors.Join(codec.Freeze(n, s), z.Close()); err != nil {
		return err
	}
	head = binary.BigEndian.AppendUint64(head, n.n)
	sum := sha256.Sum256(head)
	if _, err = f.WriteAt(append(head, sum[:]...), 0); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = os.Rename(path+".new", path); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

type countingWriter struct {
	w io.Writer
	n uint64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += uint64(n)
	return n, err
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readCheckpoint reads a checkpoint; an error that wraps os.ErrNotExist says that there is none, errCheckpoint that it cannot be used.
func readCheckpoint(path string) (*checkpoint, error) {
	all, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a checkpoint: %w", err)
	}
	c := &checkpoint{}
	if err := c.parse(all); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func (c *checkpoint) parse(all []byte) error {
	rest, ok := bytes.CutPrefix(all, []byte(checkpointMagic))
	if !ok {
		return fmt.Errorf("%w: it does not begin as one of version 1", errCheckpoint)
	}
	part := func(most uint64) (b []byte) {
		if len(rest) >= 8 && ok {
			if n := binary.BigEndian.Uint64(rest); n <= most && n <= uint64(len(rest)-8) {
				b, rest = rest[8:8+n], rest[8+n:]
				return b
			}
		}
		ok = false
		return nil
	}
	text, bases := part(maxPosition), part(maxBases)
	if !ok || len(rest) < 8+sha256.Size {
		return fmt.Errorf("%w: it is cut off", errCheckpoint)
	}
	c.unpacked = binary.BigEndian.Uint64(rest)
	if sum := sha256.Sum256(all[:len(all)-len(rest)+8]); sum != [sha256.Size]byte(rest[8:]) {
		return fmt.Errorf("%w: the checksum is wrong", errCheckpoint)
	}
	c.baselines, c.state = bases, rest[8+sha256.Size:]
	if err := json.Unmarshal(text, &c.position); err != nil {
		return fmt.Errorf("%w: %w", errCheckpoint, err)
	}
	return nil
}

// thaw brings a state that was made afresh to that of the checkpoint. The error wraps freeze.ErrLayout, or errCheckpoint.
func (c *checkpoint) thaw(codec *freeze.Codec[state], s *state) error {
	if c.unpacked > maxState {
		return fmt.Errorf("%w: a state of %d octets", errCheckpoint, c.unpacked)
	}
	z, err := zstd.NewReader(bytes.NewReader(c.state), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("%w: %w", errCheckpoint, err)
	}
	defer z.Close()
	var b bytes.Buffer
	if n := c.unpacked; n < 1<<10*uint64(len(c.state)) { // what a frame may claim is bounded by what it can hold
		b.Grow(int(n) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(io.LimitReader(z, int64(c.unpacked)+1)); err != nil {
		return fmt.Errorf("%w: its state does not unpack: %w", errCheckpoint, err)
	}
	if uint64(b.Len()) != c.unpacked {
		return fmt.Errorf("%w: its state is of another length", errCheckpoint)
	}
	err = codec.Thaw(b.Bytes(), s)
	if errors.Is(err, freeze.ErrDamaged) {
		return fmt.Errorf("%w: %w", errCheckpoint, err)
	}
	return err
}

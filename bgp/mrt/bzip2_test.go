package mrt

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// joined makes one bzip2 stream with a block for every part, so that few octets have many blocks, at all bit offsets. It is built of
// what the program makes of each part.
func joined(t *testing.T, parts ...[]byte) []byte {
	t.Helper()
	out, total := []byte("BZh1"), 32
	var crc uint32
	for _, part := range parts {
		s := bzip2Splitter{buf: bzipped(t, part, "-1"), bit: 32, err: io.EOF}
		block := uint32(s.bits(32+magicBits, 32))
		end, magic, cut := s.find('1', block)
		if magic != bzip2Final || cut != nil {
			t.Fatalf("the program made something else than one block: %v", cut)
		}
		bits := appendBits(nil, s.buf, 32, end)
		out = appendAt(out, total%8, bits)
		total += end - 32
		out = out[:(total+7)/8]
		crc = (crc<<1 | crc>>31) ^ block
	}
	var tail [10]byte
	binary.BigEndian.PutUint64(tail[:], bzip2Final<<16)
	binary.BigEndian.PutUint32(tail[6:], crc)
	return appendAt(out, total%8, tail[:])
}

// parts are inputs of different lengths that do not compress to nothing.
func parts(r *rand.Rand, n int) (list [][]byte) {
	for range n {
		p := make([]byte, 1+r.IntN(300))
		for i := range p {
			p[i] = "aaaabcdefgh\xff\x00"[r.IntN(13)]
		}
		list = append(list, p)
	}
	return list
}

// unpacked reads b with several workers, and waits for them.
func unpacked(r io.Reader, workers int) ([]byte, error) {
	z := newBunzip(r, workers)
	got, err := io.ReadAll(z)
	z.abort()
	z.wait()
	return got, err
}

// sample is a file of two streams of several blocks each, with an empty one between.
func bzip2Sample(t *testing.T) (packed, plain []byte) {
	t.Helper()
	r := rand.New(rand.NewPCG(4, 4))
	a, b := parts(r, 4), parts(r, 2)
	return slices.Concat(joined(t, a...), bzipped(t, nil), joined(t, b...)), slices.Concat(slices.Concat(a...), slices.Concat(b...))
}

// TestBunzip reads whole files as the standard library does.
func TestBunzip(t *testing.T) {
	sample, _ := bzip2Sample(t)
	r := rand.New(rand.NewPCG(5, 5))
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	zeros := make([]byte, 60<<20) // more than a block gives at most
	for _, c := range []struct {
		name string
		pack []byte
	}{
		{"two streams of many blocks", sample},
		{"empty", bzipped(t, nil)},
		{"two empty ones", slices.Concat(bzipped(t, nil), bzipped(t, nil))},
		{"empty ones at the end", slices.Concat(sample, bzipped(t, nil), bzipped(t, nil))},
		{"one octet", bzipped(t, []byte{7})},
		{"a stream for every block", slices.Concat(bzipped(t, noise[:90_000], "-1"), bzipped(t, noise[90_000:180_000], "-9"), bzipped(t, noise[180_000:], "-5"))},
		{"blocks of 100 kB", bzipped(t, noise, "-1")},
		{"blocks that give 46 MB", bzipped(t, zeros)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.name == "blocks that give 46 MB" {
				t.Skip("did not run: 46 MB out of every block (short run)")
			}
			want, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(c.pack)))
			if err != nil {
				t.Fatal(err)
			}
			for _, workers := range []int{1, 2, 4} {
				got, err := unpacked(bytes.NewReader(c.pack), workers)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d workers: %d octets of %d, error %v", workers, len(got), len(want), err)
				}
			}
			if len(c.pack) < 10_000 {
				got, err := unpacked(iotest.OneByteReader(bytes.NewReader(c.pack)), 2)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("octet by octet: %d of %d, error %v", len(got), len(want), err)
				}
			}
		})
	}
}

// TestBunzipDamaged damages a file in many random ways (COREWATCH_SEEDS), and cuts it everywhere: the same octets must come out as of the standard
// library, as far as it has found their checksums right, and an error exactly when it gives one.
func TestBunzipDamaged(t *testing.T) {
	sample, _ := bzip2Sample(t)
	goroutines := runtime.NumGoroutine()
	check := func(name string, packed []byte) (damaged bool) {
		t.Helper()
		sure, wantErr := proven(packed)
		got, err := unpacked(bytes.NewReader(packed), 2)
		if !bytes.HasPrefix(got, sure) || err == nil && len(got) > len(sure) || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: %d octets and error %v, the standard library is sure of %d and has %v", name, len(got), err, len(sure), wantErr)
		}
		return err != nil
	}
	if check("whole", sample) {
		t.Error("the file is damaged before it is damaged")
	}
	for n := 0; n < len(sample); n += 1 + n/64 {
		check(fmt.Sprintf("cut at %d", n), sample[:n])
		_, want := proven(sample[:n])
		if _, err := unpacked(bytes.NewReader(sample[:n]), 2); !errors.Is(err, want) && err != want {
			t.Errorf("cut at %d: error %v, the standard library has %v", n, err, want)
		}
	}
	total, damaged := 500, 0
	if testing.Short() {
		total = 50
	}
	if text := os.Getenv("COREWATCH_SEEDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("COREWATCH_SEEDS=%q: want a number", text)
		}
		total = n
	}
	for seed := range total {
		r := rand.New(rand.NewPCG(uint64(seed), 6))
		c := bytes.Clone(sample)
		switch r.IntN(5) {
		case 0: // bits fall over
			for range 1 + r.IntN(4) {
				c[r.IntN(len(c))] ^= 1 << r.IntN(8)
			}
		case 1: // a stretch of something else
			at := r.IntN(len(c))
			for i := range c[at:min(len(c), at+r.IntN(40))] {
				c[at+i] = byte(r.Uint32())
			}
		case 2: // a stretch is missing
			at := r.IntN(len(c))
			c = slices.Delete(c, at, min(len(c), at+1+r.IntN(300)))
		case 3: // the file goes on with another part of itself
			c = append(c[:r.IntN(len(c))], sample[r.IntN(len(c)):]...)
		case 4: // something behind the end
			c = append(c, sample[:r.IntN(30)]...)
			c[len(c)-1] ^= byte(r.IntN(2))
		}
		if check(fmt.Sprintf("seed %d", seed), c) {
			damaged++
		}
	}
	if damaged < total/2 {
		t.Errorf("only %d of %d are damaged", damaged, total)
	}
	settled(t, goroutines)
}

// proven is what the standard library gives of the blocks whose checksum it found right, and its error. One Read gives at most one
// block, and the Read after the last of a block finds a wrong checksum.
func proven(packed []byte) (sure []byte, err error) {
	r := bzip2.NewReader(bytes.NewReader(packed))
	b := make([]byte, 1<<20)
	given, block := 0, 0 // octets read, and where the last Read began
	for {
		n, err := r.Read(b)
		if n > 0 {
			sure, block = append(sure, b[:n]...), given
			given += n
		}
		switch {
		case err == nil:
		case err == io.EOF:
			return sure, nil
		case strings.Contains(err.Error(), "block checksum"):
			return sure[:block], err
		default:
			return sure, err
		}
	}
}

// settled waits until there are no more goroutines than before.
func settled(t *testing.T, before int) {
	t.Helper()
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// TestBunzipEndlessBlock: a block whose end never comes is given up, and not kept.
func TestBunzipEndlessBlock(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	part := parts(r, 1)[0]
	packed := bzipped(t, part)
	start := int64(len(packed) - 10)
	source := &counting{r: io.MultiReader(bytes.NewReader(packed[:start]), zeroes{})}
	got, err := unpacked(source, 2)
	if err == nil || errors.Is(err, io.EOF) || !bytes.HasPrefix(part, got) || source.n > 2*maxBzip2Block {
		t.Errorf("%d octets, error %v, after reading %d", len(got), err, source.n)
	}
}

type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

type counting struct {
	r io.Reader
	n int
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

// TestBunzipSourceFails: what came before is given, then the source's own error.
func TestBunzipSourceFails(t *testing.T) {
	packed, plain := bzip2Sample(t)
	lost := errors.New("the network is gone")
	for _, n := range []int{4, len(packed) / 2, len(packed)} {
		got, err := unpacked(io.MultiReader(bytes.NewReader(packed[:n]), iotest.ErrReader(lost)), 2)
		want, _ := proven(packed[:n])
		if !errors.Is(err, lost) || !bytes.Equal(got, want) || !bytes.HasPrefix(plain, got) {
			t.Errorf("at %d: %d octets of %d, error %v", n, len(got), len(want), err)
		}
	}
}

// TestBunzipAbort gives up while workers wait for the reader and the splitter waits for its source.
func TestBunzipAbort(t *testing.T) {
	packed := bzipped(t, make([]byte, 60<<20))
	goroutines := runtime.NumGoroutine()
	r, w := io.Pipe()
	z := newBunzip(r, 2)
	if _, err := w.Write(packed); err != nil { // the pipe stays open
		t.Fatal(err)
	}
	if _, err := io.ReadFull(z, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	z.abort()
	z.abort()
	r.Close()
	z.wait()
	if _, err := io.Copy(io.Discard, z); err == nil {
		t.Error("the file goes on to its end")
	}
	settled(t, goroutines)
}

// FuzzBunzip holds any file against the standard library.
func FuzzBunzip(f *testing.F) {
	for _, s := range []string{
		"BZh9\x17\x72\x45\x38\x50\x90\x00\x00\x00\x00", "BZh9", "BZh0\x31\x41\x59\x26\x53\x59",
		"BZh91AY&SY\x94$|\x0e\x00\x00\x00\x81\x00\x03@\x00 \x00!\x9ah3M\x19\x97\x8b\xb9\"\x9c(HJ\x12>\x07\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		sure, wantErr := proven(in)
		got, err := unpacked(bytes.NewReader(in), 2)
		if !bytes.HasPrefix(got, sure) || err == nil && len(got) > len(sure) || (err == nil) != (wantErr == nil) {
			t.Errorf("%d octets and error %v, the standard library is sure of %d and has %v", len(got), err, len(sure), wantErr)
		}
	})
}

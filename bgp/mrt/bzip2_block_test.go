package mrt

import (
	"bytes"
	"compress/bzip2"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// blocks cuts a file into files of one block.
func blocks(packed []byte) (list []*bunzipBlock) {
	s := bzip2Splitter{
		src: bytes.NewReader(packed), take: func() *bunzipBlock { return &bunzipBlock{} }, give: func(b *bunzipBlock) { list = append(list, b) },
	}
	s.run()
	return list
}

// TestUnpacker: what the program writes is read by our own decoder, not left to the standard library, and says the same; whatever the
// sizes in which it is read.
func TestUnpacker(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	noise := make([]byte, 250_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	var runs []byte // of every length around those that are counted
	for i := range 2000 {
		runs = append(runs, bytes.Repeat([]byte{byte(r.IntN(3))}, []int{1, 2, 3, 4, 5, 254, 255, 256, 258, 259, 260, 520, i}[r.IntN(13)])...)
	}
	skewed := make([]byte, 400_000) // codes of every length
	for i := range skewed {
		skewed[i] = byte(min(255, int(r.ExpFloat64()*r.ExpFloat64()*6)))
	}
	u := &bzip2Unpacker{}
	for name, plain := range map[string][]byte{
		"one octet": {7}, "noise": noise, "runs": runs, "skewed": skewed, "zeros": make([]byte, 3_000_000),
		"words": []byte(strings.Repeat("the routes that were announced are withdrawn ", 9000)), "alternating": bytes.Repeat([]byte{0, 255}, 60_000),
	} {
		for _, level := range []string{"-1", "-4", "-9"} {
			var got []byte
			for i, b := range blocks(bzipped(t, plain, level)) {
				if !opened(u, b) {
					t.Fatalf("%s, %s: block %d was refused", name, level, i)
				}
				var src io.Reader = u
				if len(plain) < 500_000 && i == 0 {
					src = iotest.OneByteReader(u)
				}
				part, err := io.ReadAll(src)
				if err != nil {
					t.Fatalf("%s, %s, block %d: %v", name, level, i, err)
				}
				got = append(got, part...)
			}
			if !bytes.Equal(got, plain) {
				t.Errorf("%s, %s: %d octets, want %d, or others", name, level, len(got), len(plain))
			}
		}
	}
}

// TestUnpackerRefuses: of a damaged block it gives nothing, or ends in the standard library's error; it never says that all is well
// where that does not, and never gives other octets than that does.
func TestUnpackerRefuses(t *testing.T) {
	plain := parts(rand.New(rand.NewPCG(9, 9)), 1)[0]
	for len(plain) < 2000 {
		plain = append(plain, plain...)
	}
	good := blocks(bzipped(t, plain, "-1"))[0].in
	u := &bzip2Unpacker{}
	refused, wrong := 0, 0
	for bit := range 8 * len(good) {
		in := bytes.Clone(good)
		in[bit/8] ^= 0x80 >> (bit % 8)
		want, wantErr := io.ReadAll(bzip2.NewReader(bytes.NewReader(in)))
		if !u.open(in) {
			refused++
			continue
		}
		got, err := io.ReadAll(u)
		if err != nil {
			wrong++
		}
		if (err == nil) != (wantErr == nil) || err != nil && err != wantErr || !bytes.Equal(got, want) {
			t.Fatalf("bit %d: %d octets and %v, the standard library %d and %v", bit, len(got), err, len(want), wantErr)
		}
	}
	for n := range good {
		if u.open(good[:n:n]) {
			t.Errorf("%d octets of %d were taken for all", n, len(good))
		}
	}
	if u.open(append(bytes.Clone(good), 0)) {
		t.Error("an octet behind the end was not seen")
	}
	if refused == 0 || wrong == 0 {
		t.Errorf("%d refused, %d with a wrong checksum: the test does not reach both", refused, wrong)
	}
}

// TestUnpackerRealFiles: no block of a real archive is refused.
func TestUnpackerRealFiles(t *testing.T) {
	if RaceDetector {
		t.Skip("one goroutine: nothing for the race detector")
	}
	dir := os.Getenv("COREWATCH_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	packed, err := os.ReadFile(filepath.Join(dir, "mrt", "formats", "jinx2014", "route-views.jinx.rib.20140501.0000.bz2"))
	if err != nil {
		t.Skipf("did not run: no real data (COREWATCH_DATA): %v", err)
	}
	u := &bzip2Unpacker{}
	var got int64
	for i, b := range blocks(packed) {
		if !opened(u, b) {
			t.Fatalf("block %d was refused", i)
		}
		n, err := io.Copy(io.Discard, u)
		if err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
		got += n
	}
	if want, err := io.Copy(io.Discard, bzip2.NewReader(bytes.NewReader(packed))); err != nil || got != want {
		t.Errorf("%d octets, want %d (%v)", got, want, err)
	}
}

// FuzzUnpacker holds what our decoder makes of any file of one block against the standard library.
func FuzzUnpacker(f *testing.F) {
	seed := []byte("\x42\x5a\x68\x31\x31\x41\x59\x26\x53\x59\x6a\x95\x6d\x59\x00\x00\x04\x31\x80\x40\x00\x40\x00\x2e\x61\x96\x80\x20\x00\x21\x2a\x34\xd3\x46\x9e\x88\x40\x00\x06\xb8\x1b\x0e\xf9\x5e\x27\xa5\x4d\x92\x40\x2a\xb1\xd7\xc5\xdc\x91\x4e\x14\x24\x1a\xa5\x5b\x56\x40")
	u := &bzip2Unpacker{}
	if !u.open(bytes.Clone(seed)) {
		f.Fatal("the seed is no block")
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, in []byte) {
		if !u.open(bytes.Clone(in)) {
			return
		}
		got, err := io.ReadAll(u)
		want, wantErr := io.ReadAll(bzip2.NewReader(bytes.NewReader(in)))
		if (err == nil) != (wantErr == nil) || err != nil && err != wantErr || !bytes.Equal(got, want) {
			t.Errorf("%d octets and %v, the standard library %d and %v", len(got), err, len(want), wantErr)
		}
	})
}

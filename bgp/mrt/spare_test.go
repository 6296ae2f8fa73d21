package mrt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
)

// TestMemoryOfClosedFiles opens, reads and closes files of other contents and lengths, whole, in part and damaged, several at a time: what they
// leave to each other is memory, never bytes.
func TestMemoryOfClosedFiles(t *testing.T) {
	type sample struct {
		path string
		want []byte
		cut  bool
	}
	r := rand.New(rand.NewPCG(7, 7))
	var samples []sample
	for _, n := range []int{0, 1, 70_000, chunkSize, 2*chunkSize + 1, (chunks + 2) * chunkSize} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.IntN(5))
		}
		z := gzipped(b)
		samples = append(samples, sample{path: file(t, z), want: b}, sample{path: file(t, zstandard(b)), want: b})
		if n > 1 {
			samples = append(samples, sample{path: file(t, z[:len(z)/2]), want: b, cut: true})
		}
	}
	read := func(s sample, whole bool) error {
		f, err := Open(s.path)
		if err != nil {
			return err
		}
		defer f.Close()
		var got []byte
		if whole {
			got, err = io.ReadAll(f)
			if s.cut != errors.Is(err, io.ErrUnexpectedEOF) || !s.cut && err != nil {
				return fmt.Errorf("cut short %v, error %w", s.cut, err)
			}
		} else {
			got, _ = io.ReadAll(io.LimitReader(f, int64(len(s.want)/3)))
		}
		if !bytes.HasPrefix(s.want, got) || whole && !s.cut && len(got) != len(s.want) {
			return fmt.Errorf("%d bytes of %d, or others", len(got), len(s.want))
		}
		if err := f.Close(); err != nil {
			return err
		}
		if n, err := f.Read(make([]byte, 9)); n != 0 || !errors.Is(err, os.ErrClosed) {
			return fmt.Errorf("closed, and gives %d bytes, error %w", n, err)
		}
		return nil
	}
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := range len(samples) {
				s := samples[(i*(2*w+1))%len(samples)]
				if err := read(s, (i+w)%3 != 0); err != nil {
					t.Errorf("%d bytes: %v", len(s.want), err)
				}
			}
		})
	}
	wg.Wait()
}

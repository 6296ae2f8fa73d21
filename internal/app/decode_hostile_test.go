package app

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/detect/schematest"
)

// hostileSeeds is how many seeds of ten corrupted files each to decode: 500, in short mode 100, or as many as COREWATCH_SEEDS says.
func hostileSeeds(t *testing.T) int {
	text := os.Getenv("COREWATCH_SEEDS")
	switch {
	case text == "" && testing.Short():
		return 100
	case text == "":
		return 500
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("COREWATCH_SEEDS=%q: want a number", text)
	}
	return n
}

// smallFiles are the contents to corrupt: records made by hand of every kind, and the small real files where there are any.
func smallFiles(t *testing.T) (all [][]byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "bgp", "dump", "testdata", "bgpdump.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var joined []byte
	for line := range strings.Lines(string(text)) {
		if h, ok := strings.CutPrefix(line, "record "); ok {
			b, err := hex.DecodeString(strings.TrimSpace(h))
			if err != nil {
				t.Fatal(err)
			}
			joined = append(joined, b...)
			if len(joined) > 2000 {
				all, joined = append(all, joined), nil
			}
		}
	}
	all = append(all, joined)
	dir := os.Getenv("COREWATCH_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	for _, pattern := range []string{"mrtparse/*_bgp", "mrtparse/*_rib*", "vgi-bgp/*", "bgpdump/*.gz", "bgpkit/*.bz2"} {
		names, _ := filepath.Glob(filepath.Join(dir, "mrt", "formats", pattern))
		for _, n := range names {
			if st, err := os.Stat(n); err != nil || st.Size() > 16<<10 {
				continue
			}
			b, err := os.ReadFile(n)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b) // compressed ones as they are: corruption of the compression is corruption too
			if f, err := mrt.Open(n); err == nil && f.Format() != "plain" {
				plain, err := io.ReadAll(f)
				f.Close()
				if err != nil || len(plain) > 16<<10 {
					continue
				}
				all = append(all, plain)
			}
		}
	}
	return all
}

// corrupt changes one byte of b, cuts it short, or both.
func corrupt(b []byte, rng *rand.Rand) []byte {
	b = bytes.Clone(b)
	how := rng.IntN(5)
	if how != 0 {
		at := rng.IntN(len(b))
		if how == 1 {
			b[at] ^= 1 << rng.IntN(8)
		} else {
			b[at] = [...]byte{0, 1, 0x7f, 0x80, 0xff, byte(rng.IntN(256))}[rng.IntN(6)]
		}
	}
	if how == 0 || how == 4 {
		b = b[:rng.IntN(len(b)+1)]
	}
	return b
}

// The bounds of one corrupted file of at most 16 KiB.
const (
	hostileTime   = 10 * time.Second // far more than any takes; less is a hang
	hostileMemory = 12 << 20         // bytes allocated, freed ones included
)

// TestDecodeHostile corrupts small files and decodes them as the command does: it must not fail, hang or use memory without bound,
// must account for every byte, and what it prints as JSON must be valid.
func TestDecodeHostile(t *testing.T) {
	contents, schema := smallFiles(t), decodeSchema(t)
	file := filepath.Join(t.TempDir(), "hostile.mrt")
	var torn, most uint64
	var before, after runtime.MemStats
	seeds := hostileSeeds(t)
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(uint64(seed), 0))
		for i := range 10 {
			raw := corrupt(contents[rng.IntN(len(contents))], rng)
			if err := os.WriteFile(file, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&before)
			res := decodeOne(t, file, i%3 == 0, i%3 == 1)
			runtime.ReadMemStats(&after)
			if res.err != nil {
				torn++
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > hostileMemory+uint64(8*res.printed) {
				t.Errorf("seed %d/%d: %d bytes allocated for a file of %d", seed, i, used, len(raw))
			} else {
				most = max(most, used)
			}
			if problem := res.check(raw); problem != "" {
				t.Errorf("seed %d/%d: %s", seed, i, problem)
			}
			if seed%25 == 0 && i%3 == 1 {
				for line := range bytes.Lines(res.out.Bytes()) {
					if err := schema.Validate(line); err != nil {
						t.Errorf("seed %d/%d: %v: %s", seed, i, err, line)
					}
				}
			}
			if t.Failed() {
				t.Fatalf("the input: %x", raw)
			}
		}
	}
	t.Logf("%d corrupted files out of %d, %d of them found damaged; at most %d KiB allocated for one", seeds*10, len(contents), torn, most>>10)
	if torn == 0 || torn == uint64(seeds*10) {
		t.Errorf("%d of %d files were found damaged", torn, seeds*10)
	}
}

type decodeResult struct {
	out, log bytes.Buffer
	err      error
	printed  int
}

// decodeOne decodes a file as the command does.
func decodeOne(t *testing.T, file string, bgpdump, json bool) *decodeResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hostileTime)
	defer cancel()
	r := &decodeResult{}
	r.err = Decode{Files: []string{file}, Bgpdump: bgpdump, JSON: json, Out: &r.out, Err: &r.log}.Run(ctx)
	r.printed = r.out.Len()
	return r
}

// check says what is wrong with a result: another error than ErrTorn, or bytes that do not add up. raw is nil when its size after
// decompression is not known.
func (r *decodeResult) check(raw []byte) string {
	if r.err != nil && !errors.Is(r.err, ErrTorn) {
		return "ended with " + r.err.Error()
	}
	var read, ok, skip, bad int64
	for line := range strings.Lines(r.log.String()) {
		if n, _ := fmt.Sscanf(line, "bytes: %d = %d parsed + %d skipped + %d malformed", &read, &ok, &skip, &bad); n == 4 {
			switch {
			case read != ok+skip+bad:
				return "bytes do not add up: " + line
			case raw != nil && !compressed(raw) && read != int64(len(raw)):
				return fmt.Sprintf("of %d bytes: %s", len(raw), line)
			case bad > 0 && r.err == nil:
				return "malformed bytes, and no error: " + line
			}
			return ""
		}
	}
	return "no account of the bytes: " + r.log.String()
}

func compressed(b []byte) bool {
	return bytes.HasPrefix(b, []byte{0x1f, 0x8b}) || bytes.HasPrefix(b, []byte("BZh")) || bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd})
}

func decodeSchema(t *testing.T) *schematest.Schema {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "schema", "decode-v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := schematest.Load(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

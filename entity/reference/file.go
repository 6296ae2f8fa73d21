package reference

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/corewatch/corewatch/entity"
)

// Limits of one reference file. The largest real one, the registries' combined statistics, has about 60 MB of text.
const (
	maxStored   = 128 << 20 // bytes as stored or fetched
	maxUnpacked = 512 << 20 // bytes after decompression
)

// errTooLarge is wrapped when a file exceeds a limit.
var errTooLarge = errors.New("too large")

// kind is what a file turned out to be.
type kind int

const (
	kindUnknown kind = iota
	kindDelegated
	kindAS2Org
	kindOverrides
	kindZones
	kindRegions
)

// readFile reads a regular file whole, at most maxStored bytes.
func readFile(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() { // a FIFO would block for ever
		return nil, fmt.Errorf("%s: not a regular file", filepath.Base(path))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readBounded(filepath.Base(path), f)
}

func readBounded(name string, r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxStored+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(raw) > maxStored {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", name, errTooLarge, maxStored)
	}
	return raw, nil
}

// open gives the text of a file that is plain or gzip-compressed, told apart by its first bytes and never by its name.
func open(name string, raw []byte) (*bufio.Reader, error) {
	if !bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		return bufio.NewReaderSize(bytes.NewReader(raw), recogniseBytes), nil
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return bufio.NewReaderSize(&boundedReader{z, maxUnpacked}, recogniseBytes), nil
}

// boundedReader fails, rather than ends, at its limit: a cut file must not pass for a whole one.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("%w: more than %d bytes after decompression", errTooLarge, maxUnpacked)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}

// recogniseBytes is how much of a file is looked at to tell what it is; APNIC's begin with 2 KB of comments.
const recogniseBytes = 64 << 10

// recognise looks at the beginning of r without consuming it.
func recognise(r *bufio.Reader) kind {
	head, _ := r.Peek(recogniseBytes)
	for line := range strings.Lines(string(bytes.TrimPrefix(head, []byte("\ufeff")))) {
		line = strings.TrimRight(line, " \r\n")
		switch {
		case strings.HasPrefix(strings.ReplaceAll(line, " ", ""), "#format:"):
			return kindAS2Org
		case line == "" || line == "---" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "2|") || (strings.HasPrefix(line, "2.") && strings.Count(line, "|") >= 6):
			return kindDelegated
		case strings.HasPrefix(line, "{") && strings.Contains(line, `"organizationId"`):
			return kindAS2Org
		case line == entity.OverridesHeader:
			return kindOverrides
		case line == entity.RegionsHeader:
			return kindRegions
		case line == "zones:" || strings.HasPrefix(line, "zones: "):
			return kindZones
		default:
			return kindUnknown
		}
	}
	return kindUnknown
}

// parseDelegated reads a registry file that must have something in it.
func parseDelegated(name string, raw []byte) (delegated, error) {
	d := delegated{sha256: hexDigest(raw)}
	r, err := open(name, raw)
	if err != nil {
		return d, err
	}
	d.info, err = entity.ParseDelegated(name, r, func(rec entity.Record) error {
		if rec.Kind != entity.KindASN && rec.Country != "" {
			d.records = append(d.records, rec)
		}
		return nil
	})
	if err == nil && len(d.records) == 0 {
		err = fmt.Errorf("%s: no address range with a country", name)
	}
	return d, err
}

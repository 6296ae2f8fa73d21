package collect

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/corewatch/corewatch/bgp"
)

// segment is a file of a Log that grows.
type segment struct {
	input int
	name  string // relative to the log's folder
	path  string
	file  *os.File
	size  int64
	began bgp.Micros
	sum   hash.Hash
	buf   []byte // not yet written
	dirty bool   // written and not yet synced
}

// folderName makes a folder's name of a collector's: the same, as far as one may be, because the name of the folder is the collector's for whoever
// reads the segments without the journal.
func folderName(collector string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' || r == '~' || r == '@' {
			return r
		}
		return '_'
	}, collector[:min(len(collector), 64)])
	if strings.Trim(name, ".") == "" {
		return "_"
	}
	return name
}

func (s *segment) write() error {
	if len(s.buf) == 0 {
		return nil
	}
	s.sum.Write(s.buf)
	if _, err := s.file.Write(s.buf); err != nil {
		return fmt.Errorf("segment: %w", err)
	}
	s.buf, s.dirty = s.buf[:0], true
	return nil
}

func (s *segment) sync() error {
	if err := s.write(); err != nil || !s.dirty {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("segment: %w", err)
	}
	s.dirty = false
	return nil
}

// cutTo makes a file end at end, which it must reach, and gives the digest of what is left.
func cutTo(path string, end int64) (sum [32]byte, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return sum, err
	} else if st.Size() < end {
		return sum, fmt.Errorf("it ends at byte %d, and the journal names records up to %d: restore it from a copy", st.Size(), end)
	}
	if err := f.Truncate(end); err != nil {
		return sum, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	h.Sum(sum[:0])
	return sum, f.Sync()
}

// pack replaces path by path.gz; a reader finds one of them at any time.
func pack(path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	tmp := path + ".gz.part"
	out, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	defer out.Close()
	z := gzip.NewWriter(out)
	if _, err := io.Copy(z, in); err != nil {
		return err
	}
	if err := errors.Join(z.Close(), out.Sync(), out.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, path+".gz"); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"time"
)

// Bundle is an opened canonical zip whose layout has been checked; Verify checks the content. It keeps no file in memory and is
// safe for concurrent use as far as its reader is.
type Bundle struct {
	r       io.ReaderAt
	folder  string
	members []member // their paths without the folder, ascending
	index   map[string]int
	at      stamp
}

// Open reads the layout of a bundle of size octets and refuses everything but the canonical zip that a Bag writes: other orders, more
// than one folder, other times per file, compression, comments, extra fields, gaps and trailing octets. An error says what differs.
func Open(r io.ReaderAt, size int64) (*Bundle, error) {
	if size < endSize || size > maxZip {
		return nil, fmt.Errorf("bundle of %d octets: want %d to %d", size, endSize, int64(maxZip))
	}
	end, err := readAt(r, size-endSize, endSize)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	files, dirSize, dirAt := int(le.Uint16(end[10:])), le.Uint32(end[12:]), le.Uint32(end[16:])
	if !bytes.Equal(end, appendEnd(nil, files, dirSize, dirAt)) {
		return nil, fmt.Errorf("bundle does not end with a plain zip end record (a comment, several disks, or not a zip)")
	}
	if files == 0 || files > MaxFiles || int64(dirAt)+int64(dirSize)+endSize != size || int64(dirSize) > int64(files)*(centralSize+MaxPath) {
		return nil, fmt.Errorf("zip end record does not fit the file: %d files, directory of %d octets at %d, size %d", files, dirSize, dirAt, size)
	}
	dir, err := readAt(r, int64(dirAt), int64(dirSize))
	if err != nil {
		return nil, err
	}
	b := &Bundle{r: r, members: make([]member, 0, files), index: make(map[string]int, files)}
	folded := make(map[string]bool, files)
	offset, last := int64(0), ""
	for n := 1; n <= files; n++ {
		m, used, err := parseCentral(dir)
		if err != nil {
			return nil, fmt.Errorf("zip directory entry %d: %w", n, err)
		}
		dir = dir[used:]
		folder, path, _ := strings.Cut(m.path, "/")
		if n == 1 {
			b.at, b.folder = m.at, folder
		}
		switch {
		case folder != b.folder || path == "":
			return nil, fmt.Errorf("zip directory entry %d (%s): is not in the folder of the first", n, m.path)
		case m.at != b.at:
			return nil, fmt.Errorf("zip directory entry %d (%s): its time is not that of the first", n, m.path)
		case path <= last:
			return nil, fmt.Errorf("zip directory entry %d (%s): is out of order, or there twice", n, m.path)
		case folded[strings.ToLower(path)]:
			return nil, fmt.Errorf("zip directory entry %d (%s): is there twice but for letter case", n, m.path)
		case int64(m.offset) != offset:
			return nil, fmt.Errorf("zip directory entry %d (%s): begins at %d, want %d", n, m.path, m.offset, offset)
		}
		if err := checkLocal(r, m, int64(dirAt)); err != nil {
			return nil, fmt.Errorf("zip directory entry %d (%s): %w", n, m.path, err)
		}
		last, folded[strings.ToLower(path)] = path, true
		m.begin = offset + int64(localSize+len(m.path))
		offset = m.begin + int64(m.size)
		b.index[path] = len(b.members)
		m.path = path
		b.members = append(b.members, m)
	}
	if len(dir) != 0 || offset != int64(dirAt) {
		return nil, fmt.Errorf("zip holds octets that belong to no file")
	}
	if stampOf(b.at.time()) != b.at {
		return nil, fmt.Errorf("zip time is not a time")
	}
	return b, nil
}

// parseCentral reads one entry of the directory and returns how many octets it took.
func parseCentral(dir []byte) (member, int, error) {
	if len(dir) < centralSize {
		return member{}, 0, fmt.Errorf("directory is cut short")
	}
	le := binary.LittleEndian
	n := centralSize + int(le.Uint16(dir[28:]))
	if len(dir) < n {
		return member{}, 0, fmt.Errorf("directory is cut short")
	}
	m := member{
		path: string(dir[centralSize:n]), crc: le.Uint32(dir[16:]), size: le.Uint32(dir[20:]), offset: le.Uint32(dir[42:]),
		at: stamp{clock: le.Uint16(dir[12:]), date: le.Uint16(dir[14:])},
	}
	if err := CheckPath(m.path); err != nil {
		return member{}, 0, err
	}
	if !bytes.Equal(dir[:n], m.appendCentral(nil)) {
		return member{}, 0, fmt.Errorf("header of %s is not the canonical one (compressed, extra fields, attributes or flags)", m.path)
	}
	return m, n, nil
}

// checkLocal compares the header before a file with the one that the directory implies, and the file's end with the directory's start.
func checkLocal(r io.ReaderAt, m member, dirAt int64) error {
	want := m.appendLocal(nil)
	if int64(m.offset)+int64(len(want))+int64(m.size) > dirAt {
		return fmt.Errorf("runs into the directory")
	}
	got, err := readAt(r, int64(m.offset), int64(len(want)))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("local header differs from the directory")
	}
	return nil
}

func readAt(r io.ReaderAt, offset, n int64) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(r, offset, n), b); err != nil {
		return nil, fmt.Errorf("reading %d octets at %d: %w", n, offset, err)
	}
	return b, nil
}

// Time is the time stamped on every file, UTC, in steps of two seconds.
func (b *Bundle) Time() time.Time { return b.at.time() }

// Folder is the name of the one folder that all files are in.
func (b *Bundle) Folder() string { return b.folder }

// Paths lists the files in the bundle's order, relative to its folder.
func (b *Bundle) Paths() []string {
	p := make([]string, 0, len(b.members))
	for _, m := range b.members {
		p = append(p, m.path)
	}
	return p
}

// File reads one file; its length and false when the bundle has no such file.
func (b *Bundle) File(path string) (r io.Reader, size int64, ok bool) {
	n, ok := b.index[path]
	if !ok {
		return nil, 0, false
	}
	m := b.members[n]
	return io.NewSectionReader(b.r, m.begin, int64(m.size)), int64(m.size), true
}

// Read returns a file of at most limit octets, whose CRC-32 is the one in the zip. A file that is not there is an incomplete bundle.
func (b *Bundle) Read(path string, limit int64) ([]byte, error) {
	r, size, ok := b.File(path)
	if !ok {
		return nil, missing("%s is not there", path)
	}
	if size > limit {
		return nil, fmt.Errorf("%s has %d octets, more than %d", path, size, limit)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if crc32.ChecksumIEEE(data) != b.members[b.index[path]].crc {
		return nil, fmt.Errorf("%s: its CRC-32 is not the one in the zip", path)
	}
	return data, nil
}

// digest computes the SHA-256 of a file, and compares its CRC-32 with the one in the zip.
func (b *Bundle) digest(m member) (sum [sha256.Size]byte, err error) {
	h, crc := sha256.New(), crc32.NewIEEE()
	if _, err := io.Copy(io.MultiWriter(h, crc), io.NewSectionReader(b.r, m.begin, int64(m.size))); err != nil {
		return sum, fmt.Errorf("reading %s: %w", m.path, err)
	}
	if crc.Sum32() != m.crc {
		return sum, fmt.Errorf("%s: its CRC-32 is not the one in the zip", m.path)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

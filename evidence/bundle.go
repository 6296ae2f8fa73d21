package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// Bundle is an opened canonical zip whose layout has been checked; Verify checks the content. It keeps no file in memory and is
// safe for concurrent use as far as its reader is.
type Bundle struct {
	r       io.ReaderAt
	members []member
	at      stamp
}

// Open reads the layout of a bundle of size octets and refuses everything but the canonical zip that WriteBundle writes: other
// orders, other times per file, compression, comments, extra fields, gaps and trailing octets. An error says what differs.
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
	b := &Bundle{r: r, members: make([]member, 0, files)}
	offset := int64(0)
	for n := 1; n <= files; n++ {
		m, used, err := parseCentral(dir)
		if err != nil {
			return nil, fmt.Errorf("zip directory entry %d: %w", n, err)
		}
		dir = dir[used:]
		if n == 1 {
			b.at = m.at
		}
		if m.at != b.at {
			return nil, fmt.Errorf("zip directory entry %d (%s): its time is not that of the first", n, m.path)
		}
		if int64(m.offset) != offset {
			return nil, fmt.Errorf("zip directory entry %d (%s): begins at %d, want %d", n, m.path, m.offset, offset)
		}
		if err := checkLocal(r, m, int64(dirAt)); err != nil {
			return nil, fmt.Errorf("zip directory entry %d (%s): %w", n, m.path, err)
		}
		offset += int64(localSize+len(m.path)) + int64(m.size)
		b.members = append(b.members, m)
	}
	if len(dir) != 0 || offset != int64(dirAt) {
		return nil, fmt.Errorf("zip holds octets that belong to no file")
	}
	if stampOf(b.at.time()) != b.at {
		return nil, fmt.Errorf("zip time is not a time")
	}
	if last := b.members[files-1].path; last != ManifestName {
		return nil, fmt.Errorf("last file is %q, want %s", last, ManifestName)
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

// Paths lists the files in the bundle's order, the manifest last.
func (b *Bundle) Paths() []string {
	p := make([]string, 0, len(b.members))
	for _, m := range b.members {
		p = append(p, m.path)
	}
	return p
}

// File reads one file; its length and false when the bundle has no such file.
func (b *Bundle) File(path string) (r io.Reader, size int64, ok bool) {
	for _, m := range b.members {
		if m.path == path {
			return io.NewSectionReader(b.r, int64(m.offset)+int64(localSize+len(m.path)), int64(m.size)), int64(m.size), true
		}
	}
	return nil, 0, false
}

// Verify checks every octet of every file against the manifest, and the manifest against the list of files, and returns the
// manifest's own SHA-256 in lower-case hex. The error names the first file that differs. It proves that the bundle is whole and
// unchanged since its manifest was made; it says nothing about who made it.
func (b *Bundle) Verify() (manifestSHA256 string, err error) {
	r, size, _ := b.File(ManifestName)
	if limit := int64(MaxFiles * (2*sha256.Size + 2 + MaxPath + 1)); size > limit {
		return "", fmt.Errorf("manifest of %d octets is larger than %d", size, limit)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("reading the manifest: %w", err)
	}
	list, err := ParseManifest(text)
	if err != nil {
		return "", err
	}
	if crc32.ChecksumIEEE(text) != b.members[len(b.members)-1].crc {
		return "", fmt.Errorf("%s: its CRC-32 is not the one in the zip", ManifestName)
	}
	if len(list) != len(b.members)-1 {
		return "", fmt.Errorf("manifest lists %d files, the bundle holds %d beside it", len(list), len(b.members)-1)
	}
	for i, e := range list {
		m := b.members[i]
		if m.path != e.Path {
			return "", fmt.Errorf("manifest lists %s where the bundle holds %s", e.Path, m.path)
		}
		r, _, _ := b.File(m.path)
		sum, crc := sha256.New(), crc32.NewIEEE()
		if _, err := io.Copy(io.MultiWriter(sum, crc), r); err != nil {
			return "", fmt.Errorf("reading %s: %w", m.path, err)
		}
		if got := sum.Sum(nil); !bytes.Equal(got, e.SHA256[:]) {
			return "", fmt.Errorf("%s has been changed: its SHA-256 is %x, the manifest says %x", m.path, got, e.SHA256)
		}
		if crc.Sum32() != m.crc {
			return "", fmt.Errorf("%s: its CRC-32 is not the one in the zip", m.path)
		}
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

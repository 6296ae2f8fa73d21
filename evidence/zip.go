package evidence

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"time"
)

// File is one file of a bundle.
type File struct {
	Path string // in the bag's folder; as CheckPath allows
	Data []byte
}

// The canonical zip. One list of files and one time have exactly one encoding, so a reader can refuse every other and two exports
// of the same content can be compared octet by octet. Files are stored, not deflated: the octets of a deflate stream depend on
// the compressor and its version, those of a stored file on nothing. Numbers are little-endian (PKWARE APPNOTE 6.3, section 4.3).
const (
	localMagic   = 0x04034b50
	centralMagic = 0x02014b50
	endMagic     = 0x06054b50
	localSize    = 30
	centralSize  = 46
	endSize      = 22
	zipVersion   = 20 // "needed to extract" and "made by", host system 0
	maxZip       = math.MaxUint32 - 1
)

// stamp is a time as zip knows it: UTC here, in steps of two seconds, from 1980 to 2107.
type stamp struct{ date, clock uint16 }

// stampOf cuts t to what a stamp can say; times outside its years become its first or last instant.
func stampOf(t time.Time) stamp {
	t = t.UTC()
	switch {
	case t.Year() < 1980:
		t = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	case t.Year() > 2107:
		t = time.Date(2107, 12, 31, 23, 59, 58, 0, time.UTC)
	}
	return stamp{
		date:  uint16(t.Year()-1980)<<9 | uint16(t.Month())<<5 | uint16(t.Day()),
		clock: uint16(t.Hour())<<11 | uint16(t.Minute())<<5 | uint16(t.Second()/2),
	}
}

func (s stamp) time() time.Time {
	return time.Date(1980+int(s.date>>9), time.Month(s.date>>5&15), int(s.date&31), int(s.clock>>11), int(s.clock>>5&63), int(s.clock&31)*2, 0, time.UTC)
}

// member is what the headers of one file say.
type member struct {
	path   string
	crc    uint32
	size   uint32
	offset uint32 // of its local header
	begin  int64  // of its content
	at     stamp
}

// appendShared appends the 26 octets that the local and the central header have in common, from "version needed" to "extra length".
func (m member) appendShared(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint16(b, zipVersion)
	b = le.AppendUint16(b, 0) // flags: no encryption, no data descriptor, names are ASCII
	b = le.AppendUint16(b, 0) // method: stored
	b = le.AppendUint16(b, m.at.clock)
	b = le.AppendUint16(b, m.at.date)
	b = le.AppendUint32(b, m.crc)
	b = le.AppendUint32(b, m.size)
	b = le.AppendUint32(b, m.size)
	b = le.AppendUint16(b, uint16(len(m.path)))
	return le.AppendUint16(b, 0) // no extra fields
}

func (m member) appendLocal(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, localMagic)
	return append(m.appendShared(b), m.path...)
}

func (m member) appendCentral(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, centralMagic)
	b = le.AppendUint16(b, zipVersion)
	b = m.appendShared(b)
	b = append(b, make([]byte, 10)...) // no comment, first disk, no attributes
	b = le.AppendUint32(b, m.offset)
	return append(b, m.path...)
}

func appendEnd(b []byte, files int, size, offset uint32) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, endMagic)
	b = le.AppendUint32(b, 0) // first disk, twice
	b = le.AppendUint16(b, uint16(files))
	b = le.AppendUint16(b, uint16(files))
	b = le.AppendUint32(b, size)
	b = le.AppendUint32(b, offset)
	return le.AppendUint16(b, 0) // no comment
}

// writeZip writes files, which are in the order of their paths, as the canonical zip: each path with the folder in front, each file
// stamped with the time at (UTC, cut to two seconds). It fails before the first octet is written on 4 GiB or more; after that only when
// w fails.
func writeZip(w io.Writer, folder string, at time.Time, files []File) error {
	members, offset, central := make([]member, 0, len(files)), int64(0), int64(0)
	for _, f := range files {
		path := folder + "/" + f.Path
		if offset > maxZip || int64(len(f.Data)) > maxZip {
			break // the sum below says so
		}
		members = append(members, member{path: path, crc: crc32.ChecksumIEEE(f.Data), size: uint32(len(f.Data)), offset: uint32(offset), at: stampOf(at)})
		offset += int64(localSize+len(path)) + int64(len(f.Data))
		central += int64(centralSize + len(path))
	}
	if len(members) != len(files) || offset+central+endSize > maxZip {
		return fmt.Errorf("bundle would be larger than %d octets", int64(maxZip))
	}
	out := bufio.NewWriterSize(w, 1<<16)
	var head []byte
	for i, m := range members {
		head = m.appendLocal(head[:0])
		out.Write(head) // bufio keeps the first error for Flush
		out.Write(files[i].Data)
	}
	head = head[:0]
	for _, m := range members {
		head = m.appendCentral(head)
	}
	out.Write(appendEnd(head, len(members), uint32(len(head)), uint32(offset)))
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the bundle: %w", err)
	}
	return nil
}

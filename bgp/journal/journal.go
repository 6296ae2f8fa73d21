// Package journal keeps, in files, the order of everything a monitor consumed: which message of which segment when, each tick of
// the clock, and what happened beside the messages. A monitor is a pure function of its journal: following it again gives the
// same incidents, octet for octet. The messages themselves stay in their segments; the journal says where.
//
// # Stored form, version 1
//
// A journal is a folder of files 00000001.journal, 00000002.journal and so on. Each begins with the line "corewatch journal 1" and
// holds blocks one after the other. A block is
//
//	length    4 octets, big endian: of the entries, 1 to 1,048,576
//	previous  32 octets: the hash of the block before, in the file before for the first of a file; zero for the very first
//	entries   length octets
//	hash      32 octets: SHA-256 over length, previous and entries
//
// so that nothing can be changed, left out or put in without every later hash being another. An entry is an octet that says its
// kind, then its fields. A number is an unsigned varint (encoding/binary), a signed one is zigzag; a text is its length and its
// octets. Times are microseconds since 1970, written as the signed difference from the time before in the same block (from 0
// at its start). Offsets are the signed difference from the end of the message before of the same input in the same block (from 0).
//
//	1  input    number of the input, ascending from 0; collector; name: path relative to the journal's parent folder
//	2  message  number of the input, offset in the decompressed input, length of the record, time of receipt
//	3  tick     time
//	4  closed   number of the input, its decompressed length, 32 octets SHA-256 of its decompressed content
//	5  control  time, kind, text: what happened beside the messages
//
// When the first files of a journal were given up, the file "base" says (JSON) which is the first that is left, the hash of the block before it, and how
// many entries and inputs there were; the numbers of entries and inputs go on.
//
// Entries are numbered from 1 on in the order of the journal. A last block that is cut off or of which the hash is wrong was being
// written when the machine stopped: it was never acknowledged, and a writer that goes on cuts it off.
package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/corewatch/corewatch/bgp"
)

// Kind says what an entry is.
type Kind uint8

// The kinds of entries. The package comment says what each holds.
const (
	Input Kind = iota + 1
	Message
	Tick
	Closed
	Control
)

// String is the word for the kind.
func (k Kind) String() string {
	switch k {
	case Input:
		return "input"
	case Message:
		return "message"
	case Tick:
		return "tick"
	case Closed:
		return "closed"
	case Control:
		return "control"
	}
	return "unknown"
}

// Hash is the SHA-256 of a block. It covers all blocks before through the field previous.
type Hash [32]byte

// Entry is one entry. Which fields are set depends on Kind.
type Entry struct {
	Seq    uint64 // its number, from 1
	Kind   Kind
	At     bgp.Micros // Message: received; Tick, Control
	Input  int        // Input, Message, Closed: number of the input
	Offset int64      // Message: of the record in the decompressed input
	Length int64      // Message: of the record; Closed: of the input
	Sum    [32]byte   // Closed
	Name   string     // Input: path; Control: kind
	Text   string     // Input: collector; Control: what happened
}

const (
	magic     = "corewatch journal 1\n"
	suffix    = ".journal"
	maxBlock  = 1 << 20
	maxText   = 64 << 10
	maxInputs = 1 << 24
	around    = 4 + 2*len(Hash{}) // octets of a block beside its entries
)

// ErrVersion says that a file is no journal of a version this program reads.
var ErrVersion = errors.New("it does not begin as a journal of version 1")

// DamageError names a place where a journal does not hold what its chain promises.
type DamageError struct {
	File   string // name of the file in the folder
	Offset int64
	Why    string
}

// Error names the place.
func (e *DamageError) Error() string {
	return fmt.Sprintf("journal file %s, byte %d: %s", e.File, e.Offset, e.Why)
}

func fileName(n int) string { return fmt.Sprintf("%08d%s", n, suffix) }

// files lists the numbers of the journal files in dir from number first on, ascending; none missing.
func files(dir string, first int) ([]int, error) {
	out, err := present(dir, first)
	if err != nil {
		return nil, err
	}
	for i, n := range out {
		if n != first+i {
			return nil, fmt.Errorf("journal %s: file %s is missing", filepath.Base(dir), fileName(first+i))
		}
	}
	if first > 1 && len(out) == 0 {
		return nil, fmt.Errorf("journal %s: file %s is missing", filepath.Base(dir), fileName(first))
	}
	return out, nil
}

// present lists the numbers from first on of the files that are there, ascending.
func present(dir string, first int) ([]int, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var out []int
	for _, e := range list {
		base, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || len(base) != 8 {
			continue
		}
		n, err := strconv.Atoi(base)
		if err != nil || n < first {
			continue
		}
		out = append(out, n)
	}
	slices.Sort(out)
	return out, nil
}

// Exists reports whether dir holds a journal.
func Exists(dir string) bool {
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return false
	}
	b, err := readBase(dir)
	if err != nil {
		return true // a damaged one
	}
	_, err = os.Stat(filepath.Join(dir, fileName(b.File)))
	return err == nil
}

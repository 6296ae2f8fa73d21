package ledger

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind says what a record vouches for.
type Kind string

// The kinds. docs/ledger.md says what each field means.
const (
	Revision      Kind = "revision"      // an incident as a revision left it
	Segment       Kind = "segment"       // a file of raw records that is complete
	Journal       Kind = "journal"       // the journal up to one of its blocks
	Reference     Kind = "reference"     // reference tables that came into force
	Configuration Kind = "configuration" // the numbers of the method that came into force
	Software      Kind = "software"      // the program that began to write
	Key           Kind = "key"           // a key of the operator, and since when
	Bundle        Kind = "bundle"        // a published version of an incident's evidence
	Context       Kind = "context"       // a revision of what people wrote about an incident
)

// Record is one leaf of the ledger. Which fields it has depends on its kind; the others are zero.
type Record struct {
	Kind   Kind
	At     time.Time // when it was written down, by the machine's clock; whole seconds, UTC
	Name   string    // Revision, Bundle, Context: incident; Segment: file, relative to the folder of the log; Software: version; Key: purpose
	Number uint64    // Revision, Context: revision; Segment: number of the input in the journal; Journal: entries up to it; Key: number; Bundle: version
	Octets uint64    // Segment: its length, decompressed
	Note   string    // Revision: data; Segment: collector; Context: role
	SHA256 [32]byte  // see docs/ledger.md; Key: the public key itself
}

// maxRecord bounds an encoded record, maxText a text in it.
const (
	maxRecord = 4096
	maxText   = 1024
)

// shape names the lines of a kind, in order; an empty name leaves the field out.
type shape struct{ name, number, octets, note, sum string }

var shapes = map[Kind]shape{
	Revision:      {"incident", "revision", "", "data", "sha256"},
	Segment:       {"file", "input", "octets", "collector", "sha256"},
	Journal:       {"", "entries", "", "", "head"},
	Reference:     {"", "", "", "", "sha256"},
	Configuration: {"", "", "", "", "sha256"},
	Software:      {"version", "", "", "", ""},
	Key:           {"purpose", "number", "", "", "ed25519"},
	Bundle:        {"incident", "version", "", "", "sha256"},
	Context:       {"incident", "revision", "", "role", "sha256"},
}

const prefix = "corewatch ledger record 1 "

// errRecord says that octets are no record of this version.
var errRecord = errors.New("it is no record of version 1")

// Encode gives the octets of a record, which are the leaf. The same record has one encoding.
func (r *Record) Encode() ([]byte, error) {
	s, ok := shapes[r.Kind]
	if !ok {
		return nil, fmt.Errorf("ledger: there is no record of kind %.40q", r.Kind)
	}
	at := r.At.UTC()
	if y := at.Year(); y < 1970 || y > 9999 || at.Nanosecond() != 0 {
		return nil, fmt.Errorf("ledger: a record of %s: its time is not whole seconds of 1970 to 9999", r.Kind)
	}
	var b bytes.Buffer
	b.WriteString(prefix + string(r.Kind) + "\nat " + at.Format(time.RFC3339) + "\n")
	text := func(name, value string) error {
		if name == "" && value == "" {
			return nil
		}
		if name == "" || !plain(value) {
			return fmt.Errorf("ledger: a record of %s: %.80q cannot stand in it", r.Kind, value)
		}
		b.WriteString(name + " " + value + "\n")
		return nil
	}
	number := func(name string, value uint64) error {
		if name == "" && value != 0 {
			return fmt.Errorf("ledger: a record of %s has no number %d", r.Kind, value)
		}
		if name != "" {
			b.WriteString(name + " " + strconv.FormatUint(value, 10) + "\n")
		}
		return nil
	}
	if err := errors.Join(text(s.name, r.Name), number(s.number, r.Number), number(s.octets, r.Octets), text(s.note, r.Note)); err != nil {
		return nil, err
	}
	if s.sum != "" {
		b.WriteString(s.sum + " " + hex.EncodeToString(r.SHA256[:]) + "\n")
	} else if r.SHA256 != ([32]byte{}) {
		return nil, fmt.Errorf("ledger: a record of %s has no digest", r.Kind)
	}
	return b.Bytes(), nil
}

// plain reports whether a text can stand in a line: UTF-8 without control characters, not empty.
func plain(s string) bool {
	if s == "" || len(s) > maxText || !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool {
		return c < 0x20 || c == 0x7f || c >= 0x80 && c <= 0x9f || c == 0x2028 || c == 0x2029
	})
}

// Decode reads a record; anything that Encode would not have written is refused.
func Decode(leaf []byte) (Record, error) {
	var r Record
	if len(leaf) > maxRecord {
		return r, errRecord
	}
	lines := strings.Split(string(leaf), "\n")
	kind, ok := strings.CutPrefix(lines[0], prefix)
	s, known := shapes[Kind(kind)]
	if !ok || !known {
		return r, errRecord
	}
	r.Kind = Kind(kind)
	rest := lines[1:]
	bad := false
	field := func(name string) string {
		if name == "" || len(rest) == 0 {
			bad = bad || name != ""
			return ""
		}
		value, ok := strings.CutPrefix(rest[0], name+" ")
		bad = bad || !ok
		rest = rest[1:]
		return value
	}
	number := func(name string) (n uint64) {
		if name != "" {
			var err error
			n, err = strconv.ParseUint(field(name), 10, 64)
			bad = bad || err != nil
		}
		return n
	}
	at, err := time.Parse(time.RFC3339, field("at"))
	bad = bad || err != nil
	r.At, r.Name, r.Number, r.Octets, r.Note = at.UTC(), field(s.name), number(s.number), number(s.octets), field(s.note)
	if s.sum != "" {
		sum, err := hex.DecodeString(field(s.sum))
		if err != nil || len(sum) != len(r.SHA256) {
			return Record{}, errRecord
		}
		r.SHA256 = [32]byte(sum)
	}
	if bad {
		return Record{}, errRecord
	}
	if again, err := r.Encode(); err != nil || !bytes.Equal(again, leaf) { // one encoding only
		return Record{}, errRecord
	}
	return r, nil
}

// Says reports whether two records vouch for the same, whenever they were written down.
func (r *Record) Says(o *Record) bool {
	a, b := *r, *o
	a.At, b.At = time.Time{}, time.Time{}
	return a == b
}

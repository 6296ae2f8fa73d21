package export

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/corewatch/corewatch/detect"
)

// table builds one CSV file (RFC 4180, but lines end with a line feed alone). Every cell passes cell and formulaSafe.
type table struct {
	b    *builder
	path string
	buf  bytes.Buffer
	csv  *csv.Writer
	row  []string // reused
}

// newTable begins a file with its mark, when the data is not a measurement of the event itself, and its header.
func (b *builder) newTable(path string, header ...string) *table {
	t := &table{b: b, path: path}
	if m := mark(b.inc.Data); m != "" {
		t.buf.WriteString("# " + m + "\n")
	}
	t.csv = csv.NewWriter(&t.buf)
	t.csv.Write(header) // a buffer does not fail; the csv.Writer keeps its error for Flush
	return t
}

// add appends a row.
func (t *table) add(cells ...string) error {
	t.row = t.row[:0]
	for _, c := range cells {
		t.row = append(t.row, formulaSafe(cell(c)))
	}
	if err := t.csv.Write(t.row); err != nil {
		return fmt.Errorf("%s: %w", t.path, err)
	}
	return t.b.room(t.path, t.buf.Len())
}

// done puts the file into the bundle.
func (t *table) done() error {
	t.csv.Flush()
	if err := t.csv.Error(); err != nil {
		return fmt.Errorf("%s: %w", t.path, err)
	}
	return t.b.add(t.path, t.buf.Bytes())
}

// cell makes text from outside safe to print on one line of a terminal: invalid UTF-8, control characters and the characters that
// reorder or hide text become U+FFFD.
func cell(s string) string {
	if plain(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}

// plain reports whether s is printable ASCII, as nearly every cell is.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// formulaSafe puts an apostrophe before a cell that a spreadsheet would take for a formula: one that begins with = + - @, in
// their ASCII or full-width forms. Names of files, collectors and networks come from outside. A cell that begins with an
// apostrophe gets a second one, so that taking one off gives back every cell as it was.
func formulaSafe(s string) string {
	if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune("=+-@＝＋－＠'", first) {
		return "'" + s
	}
	return s
}

// mark is the sentence that stands first in every text file whose data did not come off the wire during the event; empty otherwise.
func mark(d detect.Data) string {
	switch d {
	case detect.Live, detect.Archive:
		return ""
	case detect.Reconstruction:
		return "RECONSTRUCTION: the messages in this bundle were synthesised from reports of an event. They were not recorded by any collector and prove nothing about it."
	case detect.Synthetic:
		return "SYNTHETIC: everything in this bundle was made up for a test. No such event was measured."
	}
	return fmt.Sprintf("DATA %q: this program does not know what that means. Do not take this bundle for a measurement.", cell(string(d)))
}

func sha256Hex(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

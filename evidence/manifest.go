package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// MaxFiles is how many files a bundle may hold.
const MaxFiles = 10_000

// Entry is one line of a manifest: a file and the SHA-256 of its octets.
type Entry struct {
	Path   string
	SHA256 [sha256.Size]byte
}

// Manifest lists files in ascending order of the octets of their paths.
type Manifest []Entry

// NewManifest digests the files. The result is ordered whatever the order of the files; what AppendText refuses is an error.
func NewManifest(files []File) (Manifest, error) {
	m := make(Manifest, 0, len(files))
	for _, f := range files {
		m = append(m, Entry{Path: f.Path, SHA256: sha256.Sum256(f.Data)})
	}
	slices.SortFunc(m, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

// AppendText appends the manifest as `sha256sum -c` reads it: 64 lower-case hex digits, two spaces, the path, a line feed. It fails
// on an empty manifest, a path that CheckPath refuses or that two entries share (letter case aside), a wrong order, and too many
// entries.
func (m Manifest) AppendText(b []byte) ([]byte, error) {
	if err := m.check(); err != nil {
		return b, err
	}
	for _, e := range m {
		b = hex.AppendEncode(b, e.SHA256[:])
		b = append(b, ' ', ' ')
		b = append(b, e.Path...)
		b = append(b, '\n')
	}
	return b, nil
}

// ParseManifest reads what AppendText writes and nothing else, so that one list of files has exactly one form. An error names the line.
func ParseManifest(b []byte) (Manifest, error) {
	const digits = 2 * sha256.Size
	if limit := MaxFiles * (digits + 2 + MaxPath + 1); len(b) > limit {
		return nil, fmt.Errorf("manifest of %d octets is larger than %d", len(b), limit)
	}
	var m Manifest
	for n := 1; len(b) > 0; n++ {
		line, rest, ended := bytes.Cut(b, []byte{'\n'})
		if !ended {
			return nil, fmt.Errorf("manifest line %d does not end with a line feed", n)
		}
		if len(line) < digits+3 || line[digits] != ' ' || line[digits+1] != ' ' {
			return nil, fmt.Errorf("manifest line %d is not 64 hex digits, two spaces and a path", n)
		}
		var e Entry
		if _, err := hex.Decode(e.SHA256[:], line[:digits]); err != nil {
			return nil, fmt.Errorf("manifest line %d: digest: %w", n, err)
		}
		if bytes.ContainsAny(line[:digits], "ABCDEF") {
			return nil, fmt.Errorf("manifest line %d: digest has upper-case digits", n)
		}
		e.Path = string(line[digits+2:])
		if m, b = append(m, e), rest; len(m) > MaxFiles {
			return nil, fmt.Errorf("manifest lists more than %d files", MaxFiles)
		}
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

// check holds the rules that a list of entries must obey whichever way it came about.
func (m Manifest) check() error {
	if len(m) == 0 {
		return fmt.Errorf("manifest lists no file")
	}
	if len(m) > MaxFiles {
		return fmt.Errorf("manifest lists %d files, more than %d", len(m), MaxFiles)
	}
	folded := make(map[string]string, len(m)) // some file systems do not tell letter case apart: one file would overwrite the other
	for i, e := range m {
		if err := CheckPath(e.Path); err != nil {
			return fmt.Errorf("manifest entry %d: %w", i+1, err)
		}
		if i > 0 && m[i-1].Path > e.Path {
			return fmt.Errorf("manifest entry %d: path %q is out of order, it belongs before %q", i+1, e.Path, m[i-1].Path)
		}
		if was, twice := folded[strings.ToLower(e.Path)]; twice {
			return fmt.Errorf("manifest entry %d: path %q is already there as %q", i+1, e.Path, was)
		}
		folded[strings.ToLower(e.Path)] = e.Path
	}
	return nil
}

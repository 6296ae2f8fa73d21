package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// note stands beside a file, in a dot file that no replay of the folder reads: where the file is from, and by what to know it again.
type note struct {
	URL          string    `json:"url"`
	ETag         string    `json:"etag,omitempty"`
	LastModified string    `json:"last_modified,omitempty"`
	Size         int64     `json:"size"` // of the file; of a half one, as the server said; -1: it did not
	SHA256       string    `json:"sha256,omitempty"`
	Retrieved    time.Time `json:"retrieved,omitzero"`
	Damaged      string    `json:"damaged,omitempty"` // what is wrong with the file in the archive itself
}

const maxNote = 64 << 10

// beside is the path of a dot file that belongs to a file.
func beside(path, suffix string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+suffix)
}

// readNote reads a note; nil when there is none that can be used.
func readNote(path string) *note {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxNote))
	n := &note{}
	if err != nil || json.Unmarshal(text, n) != nil {
		return nil
	}
	return n
}

// write puts the note on the disk at once or not at all.
func (n *note) write(path string) error {
	text, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return err
	}
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return fmt.Errorf("noting where a file is from: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return fmt.Errorf("noting where a file is from: %w", err)
	}
	return nil
}

// validator is what If-Range can ask with (RFC 9110 section 13.1.5): a strong entity tag, else the date; "" when the server gave neither.
func (n *note) validator() string {
	if len(n.ETag) >= 2 && n.ETag[0] == '"' {
		return n.ETag
	}
	return n.LastModified
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Remove takes a file out of the cache.
func (a *Archive) Remove(f File) {
	path := a.Path(f)
	for _, p := range []string{beside(path, ".json"), path} { // without its note it does not count
		_ = os.Remove(p) // what stays costs room and nothing else
	}
}

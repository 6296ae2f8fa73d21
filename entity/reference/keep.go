package reference

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Keep copies the files of a reference folder into a folder of its own below into, and gives its name: the SHA-256 over the names and octets
// of the files. A set that is there already is left as it is. What rests on the tables can be made again from the copy, whatever becomes of the original.
func Keep(dir, into string) (name string, err error) {
	files, name, err := contents(dir)
	if err != nil {
		return "", err
	}
	to := filepath.Join(into, name)
	if _, err := os.Stat(to); err == nil {
		return name, nil
	}
	if err := os.MkdirAll(into, 0o700); err != nil {
		return "", fmt.Errorf("keeping reference tables: %w", err)
	}
	temp, err := os.MkdirTemp(into, ".new-")
	if err != nil {
		return "", fmt.Errorf("keeping reference tables: %w", err)
	}
	defer os.RemoveAll(temp)
	for _, f := range files {
		if err := writeFile(temp, f.name, f.raw); err != nil {
			return "", fmt.Errorf("keeping reference tables: %w", err)
		}
	}
	if err := os.Rename(temp, to); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("keeping reference tables: %w", err)
	}
	return name, syncDir(into)
}

// Kept is the folder of a set that Keep copied. The error says when it is not there, or not as it was.
func Kept(into, name string) (dir string, err error) {
	if raw, err := hex.DecodeString(name); err != nil || len(raw) != sha256.Size {
		return "", fmt.Errorf("reference tables: %.80q is no name of a set", name)
	}
	dir = filepath.Join(into, name)
	_, now, err := contents(dir)
	if err != nil {
		return "", fmt.Errorf("the reference tables that were kept: %w", err)
	}
	if now != name {
		return "", fmt.Errorf("the reference tables in %s were changed: their digest is %s", dir, now)
	}
	return dir, nil
}

type content struct {
	name string
	raw  []byte
}

// contents reads the files that Load would look at, in order of name, and gives the digest over them.
func contents(dir string) (files []content, digest string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, "", fmt.Errorf("read reference folder: %w", err)
	}
	if len(entries) > maxFiles {
		return nil, "", fmt.Errorf("reference folder %s: more than %d files", dir, maxFiles)
	}
	h := sha256.New()
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		raw, err := readFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, "", fmt.Errorf("reference folder: %w", err)
		}
		for _, part := range [][]byte{[]byte(e.Name()), raw} {
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
			h.Write(part)
		}
		files = append(files, content{e.Name(), raw})
	}
	return files, hex.EncodeToString(h.Sum(nil)), nil
}

// Package collect puts the records of many MRT sources into one order, the order of the journal: by record time, then collector,
// file name and offset. It says what it read, what was torn, and how far it is.
package collect

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/corewatch/corewatch/bgp"
)

// File is one MRT file to be read.
type File struct {
	Path  string // where it is; "-" is standard input
	Input bgp.Input
	// Open gives the decompressed content and its format; nil opens Path. A reconstruction has no file: it opens a stream of its own.
	Open func() (io.ReadCloser, string, error)
}

// maxFiles bounds what one directory argument may expand to.
const maxFiles = 200_000

// Expand turns arguments of the form [COLLECTOR=]FILE|DIR into files, ordered by (collector, name). A directory means all
// files below it, dot files excepted. Without COLLECTOR= the collector is the name of the file's parent folder.
func Expand(args []string) ([]File, error) {
	var out []File
	for _, arg := range args {
		name, path := Split(arg)
		if path == "-" {
			if name == "" {
				name = "stdin"
			}
			out = append(out, File{Path: path, Input: bgp.Input{Name: "-", Collector: name}})
			continue
		}
		st, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", arg, err)
		}
		if !st.IsDir() {
			out = append(out, file(path, filepath.Base(path), name, st.Size()))
			continue
		}
		found := 0
		if path, err = filepath.EvalSymlinks(path); err != nil { // WalkDir does not follow a link that it is given
			return nil, fmt.Errorf("reading %s: %w", arg, err)
		}
		err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if strings.HasPrefix(d.Name(), ".") && p != path {
				if d.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
			if !d.Type().IsRegular() {
				return nil
			}
			if found++; found > maxFiles {
				return fmt.Errorf("more than %d files below %s; name a smaller folder", maxFiles, path)
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(path, p)
			if err != nil {
				return err
			}
			out = append(out, file(p, filepath.ToSlash(rel), name, info.Size()))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", arg, err)
		}
		if found == 0 {
			return nil, fmt.Errorf("reading %s: the folder holds no files", arg)
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i].Input, out[j].Input
		if a.Collector != b.Collector {
			return a.Collector < b.Collector
		}
		return a.Name < b.Name
	})
	return out, nil
}

// Split takes an argument of the form [COLLECTOR=]FILE|DIR apart. What stands before the first = is the start of a path when it holds a slash, or
// a dot and the whole is a path that is there: RouteViews has dots in the names of its collectors, and files have them in theirs.
func Split(arg string) (collector, path string) {
	name, rest, named := strings.Cut(arg, "=")
	if !named || strings.Contains(name, "/") || strings.HasPrefix(name, ".") {
		return "", arg
	}
	if strings.Contains(name, ".") {
		if _, err := os.Stat(arg); err == nil {
			return "", arg
		}
	}
	return name, rest
}

func file(path, name, collector string, size int64) File {
	if collector == "" {
		collector = "unknown"
		if abs, err := filepath.Abs(path); err == nil {
			collector = filepath.Base(filepath.Dir(abs))
		}
	}
	return File{Path: path, Input: bgp.Input{Name: name, Collector: collector, Bytes: size}}
}

// Digest is the lower-case hex SHA-256 of the file as stored.
func (f File) Digest() (string, error) {
	r, err := os.Open(f.Path)
	if err != nil {
		return "", fmt.Errorf("digest of %s: %w", f.Input.Name, err)
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", fmt.Errorf("digest of %s: %w", f.Input.Name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

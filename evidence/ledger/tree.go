package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Tiles are of height 8, as C2SP tlog-tiles has them.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	maxBundle  = tileWidth * (2 + 1<<16) // octets of a file of entries
	maxLevels  = 8                       // 256^8 leaves
)

// frontier is what is needed of a tree to add leaves and to give its root: the roots of its whole subtrees, the largest first.
type frontier struct {
	size  int64
	roots []tlog.Hash
}

func (f *frontier) add(leaf tlog.Hash) {
	h := leaf
	for n := f.size; n&1 == 1; n >>= 1 {
		last := len(f.roots) - 1
		h, f.roots = tlog.NodeHash(f.roots[last], h), f.roots[:last]
	}
	f.roots, f.size = append(f.roots, h), f.size+1
}

// root is the hash of the tree (RFC 6962, section 2.1).
func (f *frontier) root() tlog.Hash {
	if f.size == 0 {
		h, _ := tlog.TreeHash(0, nil) // SHA-256 of nothing
		return h
	}
	h := f.roots[len(f.roots)-1]
	for i := len(f.roots) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.roots[i], h)
	}
	return h
}

// DamageError names a file of the ledger, or a leaf, that is not what it must be.
type DamageError struct {
	Place string
	Why   string
}

// Error names the place.
func (e *DamageError) Error() string { return "ledger, " + e.Place + ": " + e.Why }

// tilePath is where a tile of hashes lies: tile/LEVEL/N, and of w < 256 hashes tile/LEVEL/N.p/w.
func tilePath(level int, n, width int64) string {
	return "tile/" + strings.TrimPrefix(tlog.Tile{H: tileHeight, L: level, N: n, W: int(width)}.Path(), fmt.Sprintf("tile/%d/", tileHeight))
}

// entriesPath is where the entries of a tile of leaves lie.
func entriesPath(n, width int64) string {
	return "tile/entries/" + strings.TrimPrefix(tilePath(0, n, width), "tile/0/")
}

// readPart reads a file of width parts: the file of exactly so many, or the full one, of which the beginning counts. cut gives that beginning.
func readPart(dir string, path func(width int64) string, width, most int64, cut func([]byte) ([]byte, bool)) ([]byte, error) {
	for _, w := range []int64{width, tileWidth} {
		name := path(w)
		b, err := readFile(filepath.Join(dir, filepath.FromSlash(name)), most)
		if errors.Is(err, fs.ErrNotExist) && w != tileWidth {
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &DamageError{path(width), "the file is missing"}
		}
		if err != nil {
			return nil, fmt.Errorf("ledger, %s: %w", name, err)
		}
		part, ok := cut(b)
		if !ok || w == width && len(part) != len(b) {
			return nil, &DamageError{name, "the file is not of the length that it must have"}
		}
		return part, nil
	}
	return nil, nil // not reached: the last round returns
}

// readFile reads a regular file of at most so many octets.
func readFile(path string, most int64) ([]byte, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > most {
		return nil, errors.New("it is no file of the ledger, or too large for one")
	}
	return os.ReadFile(path)
}

// entries reads the entries of a tile of leaves of which there are width.
func entries(dir string, n, width int64) (list [][]byte, err error) {
	cut := func(b []byte) ([]byte, bool) {
		rest := b
		list = list[:0]
		for range width {
			if len(rest) < 2 {
				return nil, false
			}
			size := 2 + int(binary.BigEndian.Uint16(rest))
			if len(rest) < size {
				return nil, false
			}
			list = append(list, rest[2:size])
			rest = rest[size:]
		}
		return b[:len(b)-len(rest)], true
	}
	_, err = readPart(dir, func(w int64) string { return entriesPath(n, w) }, width, maxBundle, cut)
	return list, err
}

// hashes reads a tile of which there are width hashes.
func hashes(dir string, level int, n, width int64) ([]byte, error) {
	return readPart(dir, func(w int64) string { return tilePath(level, n, w) }, width, tileWidth*tlog.HashSize, func(b []byte) ([]byte, bool) {
		if int64(len(b)) < width*tlog.HashSize {
			return nil, false
		}
		return b[:width*tlog.HashSize], true
	})
}

// tiles gives the tiles of a folder to tlog, which checks them against the root.
type tiles string

// Height is that of the tiles.
func (tiles) Height() int { return tileHeight }

// SaveTiles does nothing: they are on the disk.
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles reads them.
func (dir tiles) ReadTiles(list []tlog.Tile) (data [][]byte, err error) {
	data = make([][]byte, len(list))
	for i, t := range list {
		if data[i], err = hashes(string(dir), t.L, t.N, int64(t.W)); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// walk reads the first size leaves in order, checks every tile over them against what it must be, and gives the tree of them. each is called with every
// leaf and the tree before it; it may be nil.
func walk(dir string, size int64, each func(f *frontier, leaf []byte) error) (*frontier, error) {
	f := &frontier{}
	var level [maxLevels][]byte // hashes of the tile of each level that is being filled
	var number [maxLevels]int64
	check := func(l int) error {
		width := int64(len(level[l]) / tlog.HashSize)
		got, err := hashes(dir, l, number[l], width)
		if err != nil {
			return err
		}
		if string(got) != string(level[l]) {
			return &DamageError{tilePath(l, number[l], width), "the tile does not hold the hashes of the leaves below it"}
		}
		return nil
	}
	put := func(h tlog.Hash) error {
		for l := range level {
			level[l] = append(level[l], h[:]...)
			if len(level[l]) < tileWidth*tlog.HashSize {
				return nil
			}
			if err := check(l); err != nil {
				return err
			}
			h = tileRoot(level[l])
			level[l], number[l] = level[l][:0], number[l]+1
		}
		return errors.New("ledger: more leaves than a tree of eight levels holds")
	}
	for n := int64(0); n*tileWidth < size; n++ {
		list, err := entries(dir, n, min(tileWidth, size-n*tileWidth))
		if err != nil {
			return nil, err
		}
		for _, leaf := range list {
			if each != nil {
				if err := each(f, leaf); err != nil {
					return nil, err
				}
			}
			h := tlog.RecordHash(leaf)
			f.add(h)
			if err := put(h); err != nil {
				return nil, err
			}
		}
	}
	for l := range level {
		if len(level[l]) > 0 {
			if err := check(l); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// tileRoot is the hash over a full tile.
func tileRoot(tile []byte) tlog.Hash {
	var f frontier
	for ; len(tile) > 0; tile = tile[tlog.HashSize:] {
		f.add(tlog.Hash(tile))
	}
	return f.root()
}

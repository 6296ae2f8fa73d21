package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/snapshot"
	"github.com/corewatch/corewatch/detect/signal"
)

// writeSnapshot writes the tables as they are at an instant below dir, a folder for each collector, so that --seed DIR reads them back.
// A file that exists is not touched: it is an error.
func writeSnapshot(dir string, m *signal.Monitor, at bgp.Micros, report io.Writer) error {
	tables := m.Tables()
	v4, v6 := tables[0], tables[1]
	for _, collector := range snapshot.Collectors(v4, v6) {
		folder := filepath.Join(dir, safeName(collector))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("writing a snapshot: %w", err)
		}
		path := filepath.Join(folder, "rib."+at.Time().Format("20060102.150405")+".mrt.gz")
		n, err := writeTable(path, func(w io.Writer) (snapshot.Counts, error) { return snapshot.Write(w, at, collector, v4, v6) })
		if errors.Is(err, snapshot.ErrEmpty) {
			fmt.Fprintf(report, "snapshot: %s announces nothing, no file\n", collector)
			continue
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(report, "snapshot: %s: %d routes to %d prefixes from %d peers, %d with their whole path\n", path, n.Routes, n.Prefixes, n.Peers, n.Paths)
	}
	return nil
}

// safeName is a collector's name as a folder.
func safeName(collector string) string {
	name := strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r < ' ' {
			return '_'
		}
		return r
	}, collector)
	if strings.Trim(name, ".") == "" {
		return "_"
	}
	return name
}

// writeTable writes a gzip file that appears under its name only when it is whole.
func writeTable(path string, write func(io.Writer) (snapshot.Counts, error)) (n snapshot.Counts, err error) {
	if _, err := os.Lstat(path); err == nil {
		return n, fmt.Errorf("writing a snapshot: %s exists", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".rib-*")
	if err != nil {
		return n, fmt.Errorf("writing a snapshot: %w", err)
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	z := gzip.NewWriter(f)
	if n, err = write(z); err != nil {
		return n, err
	}
	if err = errors.Join(z.Close(), f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return n, fmt.Errorf("writing a snapshot: %w", err)
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return n, fmt.Errorf("writing a snapshot: %w", err)
	}
	return n, nil
}

package truth

import (
	"errors"
	"fmt"
	"io"

	"github.com/corewatch/corewatch/bgp/mrt"
)

// Source gives the record to derive from. It is walked twice and must give the same both times: records in order of time, each
// with the collector that wrote it. The record and its content are valid only during the call.
type Source interface {
	Each(func(collector string, rec *mrt.Record, c *mrt.Content) error) error
}

// Files are MRT files of one collector in order of time.
type Files struct {
	Collector string
	Paths     []string

	// Torn counts stretches that are not records, Malformed records without a meaning; both of the last walk.
	Torn, Malformed int
}

// Each walks the files. A file that cannot be opened or decompressed to its end is an error: a truth with a hole in it is none.
func (f *Files) Each(each func(collector string, rec *mrt.Record, c *mrt.Content) error) error {
	f.Torn, f.Malformed = 0, 0
	for _, path := range f.Paths {
		if err := f.file(path, each); err != nil {
			return fmt.Errorf("truth from %s: %w", path, err)
		}
	}
	return nil
}

func (f *Files) file(path string, each func(string, *mrt.Record, *mrt.Content) error) error {
	file, err := mrt.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	r := mrt.NewReader(file)
	var (
		d    mrt.Decoder
		c    mrt.Content
		torn *mrt.TornError
	)
	for {
		rec, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &torn):
			f.Torn++
			continue
		case err != nil:
			return err
		}
		if d.Decode(rec, &c) != nil {
			f.Malformed++
			continue
		}
		if err := each(f.Collector, rec, &c); err != nil {
			return err
		}
	}
}

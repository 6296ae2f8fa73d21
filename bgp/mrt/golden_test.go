package mrt_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// dataDir is the folder of real MRT files, or skips the test.
func dataDir(tb testing.TB, what string) string {
	tb.Helper()
	dir := os.Getenv("COREWATCH_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	dir = filepath.Join(dir, "mrt")
	if _, err := os.Stat(dir); err != nil {
		tb.Skipf("no real data (COREWATCH_DATA): %s did not run", what)
	}
	return dir
}

// tally is what one walk over a file adds up to.
type tally struct {
	records, messages, states, skipped, malformed int
	torn                                          []*mrt.TornError
	elems, salvaged, treated                      int
	parsed, given                                 int64 // bytes of records, bytes of TornErrors
	faults                                        map[string]int
	reasons                                       map[string]int
	readErr                                       error
}

// walk decodes everything in r and hands every elem on.
func walk(r io.Reader, each func(rec *mrt.Record, c *mrt.Content, e bgp.Elem, u *wire.Update)) tally {
	t := tally{faults: map[string]int{}, reasons: map[string]int{}}
	rd := mrt.NewReader(r)
	var (
		d mrt.Decoder
		c mrt.Content
		u wire.Update
	)
	var torn *mrt.TornError
	for {
		rec, err := rd.Next()
		switch {
		case errors.As(err, &torn):
			t.torn = append(t.torn, torn)
			t.given += torn.Length
			continue
		case err == io.EOF:
			return t
		case err != nil:
			t.readErr = err
			return t
		}
		t.records++
		t.parsed += int64(len(rec.Raw))
		if err := d.Decode(rec, &c); err != nil {
			t.malformed++
			t.reasons[err.Error()]++
			continue
		}
		emit := func(e bgp.Elem) {
			t.elems++
			switch e.Cause {
			case bgp.CauseSalvaged:
				t.salvaged++
			case bgp.CauseTreatWithdraw:
				t.treated++
			}
			if each != nil {
				each(rec, &c, e, &u)
			}
		}
		switch c.Kind {
		case mrt.Message:
			if typ, err := wire.MessageType(c.BGP); err != nil || typ != wire.TypeUpdate {
				if err != nil {
					t.malformed++
					t.reasons[err.Error()]++
				}
				continue
			}
			t.messages++
			if err := u.Parse(c.BGP, c.Opts); err != nil {
				t.malformed++
				t.reasons[err.Error()]++
				continue
			}
			var e bgp.Elem
			for u.Next(&e) {
				emit(e)
			}
			for name := range u.Faults.All {
				t.faults[name]++
			}
		case mrt.RIBEntries:
			var en mrt.RIBEntry
			for c.RIB.Next(&en) {
				u.ParseRIB(en.Attrs, c.Opts)
				c.PeerAS, c.PeerAddr = en.PeerAS, en.PeerAddr
				emit(u.RIBElem(en.Prefix, en.PathID))
				for name := range u.Faults.All {
					t.faults[name]++
				}
			}
			if err := c.RIB.Err(); err != nil {
				t.malformed++
				t.reasons[err.Error()]++
			}
		case mrt.StateChange:
			t.states++
			if each != nil {
				each(rec, &c, bgp.Elem{}, nil)
			}
		case mrt.Skipped:
			t.skipped++
			t.reasons[c.Reason]++
		}
	}
}

func readAll(tb testing.TB, path string) []byte {
	tb.Helper()
	f, err := mrt.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	if err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
	return raw
}

// TestGoldenStricter holds files of which the elems are not simply what the records spell out. What the records spell out is compared
// with bgpdump in bgp/dump.
func TestGoldenStricter(t *testing.T) {
	dir := dataDir(t, "files read more strictly than bgpdump reads them")
	for _, c := range []struct {
		path    string
		treated int
		fault   string
	}{
		{"formats/bgpdump/updates.et-header.2015.gz", 4, "as-zero"}, // AS 0 in a path: RFC 7607
		{"formats/mrtparse/bird6_bgp", 0, "nlri"},                   // ADD-PATH octets in a record that does not say so
		{"formats/vgi-bgp/updates.mrt", 2, "missing-attribute"},     // announcements without mandatory attributes
	} {
		t.Run(c.path, func(t *testing.T) {
			ta := walk(bytes.NewReader(readAll(t, filepath.Join(dir, c.path))), nil)
			if ta.treated != c.treated || ta.faults[c.fault] == 0 {
				t.Errorf("%d elems treated as withdrawals, faults %v; want %d and %q", ta.treated, ta.faults, c.treated, c.fault)
			}
		})
	}
}

// TestEveryFileIsAccountedFor walks all format files: whatever they hold, every byte is in a record or in a TornError, and the
// damaged ones say so.
func TestEveryFileIsAccountedFor(t *testing.T) {
	if mrt.RaceDetector {
		t.Skip("one goroutine: nothing for the race detector")
	}
	dir := filepath.Join(dataDir(t, "walk over all format files"), "formats")
	damaged := map[string]int{ // TornErrors
		"bgpkit/ripe/rrc00/2000.01/bview.20000111.0032.gz":   2490, // every length field is 4 too small
		"bgpkit/ripe/rrc00/2000.03/updates.20000325.0345.gz": 2,
		"vgi-bgp/truncated.mrt":                              1,
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "expect") {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		switch filepath.Ext(name) {
		case ".json", ".conf", ".md", ".rst":
			return nil
		}
		if strings.Contains(name, ".rib.") {
			return nil // a full table, a third of all bytes: BenchmarkDecode reads it
		}
		raw := readAll(t, path)
		ta := walk(bytes.NewReader(raw), nil)
		if ta.parsed+ta.given != int64(len(raw)) {
			t.Errorf("%s: %d bytes in records and %d given up, of %d", name, ta.parsed, ta.given, len(raw))
		}
		if len(ta.torn) != damaged[name] {
			t.Errorf("%s: %d stretches given up %v, want %d", name, len(ta.torn), ta.torn[:min(5, len(ta.torn))], damaged[name])
		}
		if ta.records == 0 || ta.readErr != nil {
			t.Errorf("%s: %d records, error %v", name, ta.records, ta.readErr)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

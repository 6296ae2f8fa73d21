package dump_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp/dump"
)

// dumpCase is one block of testdata/bgpdump.txt.
type dumpCase struct {
	name               string
	record             []byte
	both, ours, theirs []string
	abort, unset       bool
}

func readCases(t testing.TB) (all []dumpCase) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "bgpdump.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
		if strings.HasPrefix(block, "#") {
			continue
		}
		name, rest, _ := strings.Cut(block, "\n")
		c := dumpCase{name: name}
		for line := range strings.SplitSeq(rest, "\n") {
			key, value, _ := strings.Cut(line, " ")
			switch {
			case key == "record":
				if c.record, err = hex.DecodeString(value); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			case key == "both":
				c.both = append(c.both, value)
			case key == "ours":
				c.ours = append(c.ours, value)
			case line == "theirs abort":
				c.abort = true
			case line == "theirs unset":
				c.unset = true
			case key == "theirs":
				c.theirs = append(c.theirs, value)
			default:
				t.Fatalf("%s: line %q", name, line)
			}
		}
		if len(c.record) == 0 {
			t.Fatalf("%s: no record", name)
		}
		all = append(all, c)
	}
	return all
}

func splitLines(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// TestCases prints every record of testdata/bgpdump.txt, and has bgpdump print it where it is installed.
func TestCases(t *testing.T) {
	cases := readCases(t)
	for _, c := range cases {
		got := splitLines(printAll(t, c.record, dump.Bgpdump, dump.Source{}))
		if want := append(c.both, c.ours...); !slices.Equal(got, want) {
			t.Errorf("%s: printed %q, want %q", c.name, got, want)
		}
	}
	t.Run("bgpdump", func(t *testing.T) {
		for _, c := range cases {
			out, err := bgpdump(t, c.record)
			got := splitLines(out)
			switch want := append(c.both, c.theirs...); {
			case c.abort != (err != nil):
				t.Errorf("%s: bgpdump ended with %v", c.name, err)
			case c.abort || c.unset:
			case !slices.Equal(got, want):
				t.Errorf("%s: bgpdump prints %q, the file says %q", c.name, got, want)
			}
		}
	})
}

// TestLongLinesAreWhole: bgpdump cuts a path after 7,900 characters and communities after 8,191, we do not.
func TestLongLinesAreWhole(t *testing.T) {
	var path, communities []byte
	for range 6 {
		path = append(path, 2, 255)
		for i := range 255 {
			path = append(path, 0, 1, 0, byte(i)) // AS 65536 to 65790
		}
	}
	for i := range 900 {
		communities = append(communities, 0xff, 0xff, byte(i>>8), byte(i))
	}
	attrs := slices.Concat(
		[]byte{0x50, 2, byte(len(path) >> 8), byte(len(path))}, path,
		[]byte{0xd0, 8, byte(len(communities) >> 8), byte(len(communities))}, communities,
	)
	line := string(bytes.TrimSpace(printAll(t, tableRecord(attrs), dump.Bgpdump, dump.Source{})))
	f := strings.Split(line, "|")
	if len(f) != 15 {
		t.Fatalf("%d columns", len(f))
	}
	if as := strings.Fields(f[6]); len(as) != 6*255 || as[len(as)-1] != "65790" {
		t.Errorf("the path has %d ASes and ends in %s, want %d and 65790", len(as), as[len(as)-1], 6*255)
	}
	if c := strings.Fields(f[11]); len(c) != 900 || c[899] != "65535:899" {
		t.Errorf("%d communities, want 900", len(c))
	}
}

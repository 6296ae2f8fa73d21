package wire_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// realFiles lists the format files that can hold UPDATE messages and one file each of two collectors.
func realFiles(t *testing.T) (dir string, names []string) {
	t.Helper()
	if dir = os.Getenv("COREWATCH_DATA"); dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	dir = filepath.Join(dir, "mrt")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no real data (COREWATCH_DATA): the comparison with gobgp did not run")
	}
	names = []string{"rv2008/updates.20080220.1536.bz2", "rrc04/ris.rrc04.updates.1609476900.300.cache"}
	err := filepath.WalkDir(filepath.Join(dir, "formats"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		switch ext := filepath.Ext(name); {
		case slices.Contains([]string{".json", ".conf", ".md", ".rst"}, ext), strings.Contains(name, "expect"):
		case strings.Contains(name, "bview"), strings.Contains(name, ".rib."): // full tables
		default:
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, names
}

// updates hands every UPDATE of a file to each.
func updates(t *testing.T, path string, each func(msg []byte, o wire.Options)) {
	t.Helper()
	contents(t, path, func(c *mrt.Content) {
		if c.Kind != mrt.Message {
			return
		}
		if typ, err := wire.MessageType(c.BGP); err == nil && typ == wire.TypeUpdate {
			each(c.BGP, c.Opts)
		}
	})
}

// TestOracleFiles compares every UPDATE of real files with gobgp, by the rule of disagreement. The messages that are not clean for
// both are counted by what either says of them, so that a change of either shows.
func TestOracleFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("did not run: real files of a hundred thousand records (short run)")
	}
	dir, names := realFiles(t)
	want := map[string]int{
		// gobgp tells the width of AS numbers from the bytes, and these paths make sense in both.
		"clean () / clean (), AS width guessed": 24,
		// VPNv4, which we count and do not read.
		"clean () / refused (Address-family rf 65664 not available for session)": 12,
		// AGGREGATOR of eight octets on sessions of two-octet AS numbers, RFC 7606 section 7.7.
		"discard (aggregator) / clean ()": 64,
		// ADD-PATH octets in records that do not say so; what can be read before is kept.
		"discard (nlri) / refused (network bit length is too long)": 4,
		"discard (nlri) / refused (network bytes is short)":         9,
		// Records cut at 4,096 octets by their collector.
		"discard (truncated) / refused (unknown message type)": 40,
		// AS 0 in a path, RFC 7607.
		"withdraw (as-zero) / clean ()": 1,
		"withdraw (missing-attribute) / withdraw (well-known mandatory attributes are not present. type : 2)":          2,
		"withdraw (missing-attribute,next-hop) / withdraw (well-known mandatory attributes are not present. type : 2)": 2,
	}
	got, total, elems := map[string]int{}, 0, 0
	var u wire.Update
	for _, name := range names {
		failed := 0
		updates(t, filepath.Join(dir, filepath.FromSlash(name)), func(msg []byte, o wire.Options) {
			a, err := ourReading(&u, msg, o)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			b := theirReading(msg, o)
			total++
			elems += len(a.elems)
			if a.verdict != clean || b.verdict != clean || b.guessed {
				got[kindOf(a, b)]++
			}
			if d := disagreement(a, b); d != "" {
				if failed++; failed <= 3 {
					t.Errorf("%s: %x (%+v)\n%s %q, gobgp %s %q\n%s", name, msg, o, a.verdict, a.why, b.verdict, b.why, d)
				}
			}
		})
		if failed > 3 {
			t.Errorf("%s: %d more", name, failed-3)
		}
	}
	if !maps.Equal(got, want) {
		for _, k := range slices.Sorted(maps.Keys(got)) {
			t.Errorf("%q: %d, want %d", k, got[k], want[k])
		}
	}
	if total != 304902 || elems != 1472073 {
		t.Errorf("%d messages with %d elems, want 304902 with 1472073", total, elems)
	}
}

// kindOf names a pair of answers that are not both clean.
func kindOf(a, b reading) string {
	s := a.verdict.String() + " (" + a.why + ") / " + b.verdict.String() + " (" + b.why + ")"
	if b.guessed {
		s += ", AS width guessed"
	}
	return s
}

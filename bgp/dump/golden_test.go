package dump_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp/dump"
	"github.com/corewatch/corewatch/bgp/mrt"
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

// printAll is everything that raw says in a format.
func printAll(tb testing.TB, raw []byte, f dump.Format, src dump.Source) []byte {
	tb.Helper()
	var (
		out  bytes.Buffer
		d    mrt.Decoder
		c    mrt.Content
		torn *mrt.TornError
	)
	p := dump.NewPrinter(&out, f)
	p.From(src)
	r := mrt.NewReader(bytes.NewReader(raw))
	for {
		rec, err := r.Next()
		switch {
		case err == nil:
		case errors.As(err, &torn):
			continue
		case errors.Is(err, io.EOF):
			if err := p.Flush(); err != nil {
				tb.Fatal(err)
			}
			return out.Bytes()
		default:
			tb.Fatal(err)
		}
		if d.Decode(rec, &c) == nil {
			_ = p.Print(rec, &c) // the lines before the damage are what is compared
		}
	}
}

// bgpdump is what the reference implementation of the RIS project prints for decompressed bytes.
func bgpdump(t *testing.T, raw []byte) ([]byte, error) {
	t.Helper()
	bin, err := exec.LookPath("bgpdump")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("bgpdump is not installed (Debian package bgpdump)")
		}
		t.Skip("bgpdump is not installed: the comparison did not run")
	}
	// It tells compression by the name: plain bytes under the name of a compressed file can make it wait for ever.
	file := filepath.Join(t.TempDir(), "plain.mrt")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.Command(bin, "-m", file).Output()
}

// formatFiles are the files of formats, relative to dir, that hold MRT.
func formatFiles(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "formats"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "expect") {
			return err
		}
		switch filepath.Ext(path) {
		case ".json", ".conf", ".md", ".rst":
			return nil
		}
		name, err := filepath.Rel(dir, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// large reports whether a file has more than 100,000 lines.
func large(name string) bool {
	for _, part := range []string{".rib.", "et-header", "bview.2", "rv2008", "morrowc"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// difference is the lines that only one side has: how many, and the start of the SHA-256 over them, each with its line feed.
type difference struct {
	ours, theirs             int
	oursDigest, theirsDigest string
}

// differences is docs/bgpdump-differences.md as a table: every file in which our output is not bgpdump's to the byte.
var differences = map[string]difference{
	// Withdrawals of MRT type 5: bgpdump prints the peer's address in the place of the prefix.
	"formats/bgpkit/ripe/rrc00/1999.09/updates.19990903.1041.gz": {25, 25, "751bddcde9d57881", "424c77b51658381b"},
	"formats/bgpkit/ripe/rrc00/1999.12/updates.19991214.1621.gz": {1363, 1363, "a176948fa815e6fa", "9f66b4abc75e9f30"},
	"formats/bgpkit/ripe/rrc00/2000.01/updates.20000102.2014.gz": {675, 675, "31a479159e6e149f", "649a195094323a69"},
	// The same, and a torn place after which bgpdump reads records where none are, and then stops.
	"formats/bgpkit/ripe/rrc00/2000.03/updates.20000325.0345.gz": {5683, 2044, "695ccf6178d389a9", "01f175954f551c97"},
	// Every length field is 4 too small: bgpdump prints one record and stops, we find none.
	"formats/bgpkit/ripe/rrc00/2000.01/bview.20000111.0032.gz": {0, 1, "", "cf974a9ef67bab9f"},
	// State changes of 8 octets, which name no peer: bgpdump prints 0.0.0.0.
	"formats/bgpkit/ripe/rrc01/2000.11/updates.20001104.0124.gz": {0, 42, "", "3ad665448486472a"},
	// ADD-PATH octets in records that do not say so: the reading goes wrong, and ours ends where a prefix is too long.
	"formats/mrtparse/bird6_bgp": {0, 8, "", "e1152fdc9a49025c"},
}

// TestGoldenBgpdump compares every byte of the output for real files with that of bgpdump. Lines that only one side has are pinned
// by their number and digest; all others stand in the same order.
func TestGoldenBgpdump(t *testing.T) {
	dir := dataDir(t, "comparison with bgpdump")
	names := append(formatFiles(t, dir),
		"rv2008/updates.20080219.1226.bz2", // MP_REACH of multicast beside unicast
		"rv2008/updates.20080220.1536.bz2", // 40 records cut at 4,096 octets
		"rrc04/ris.rrc04.updates.1609476900.300.cache",
	)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && large(name) {
				t.Skip("more than 100,000 lines: not in short mode")
			}
			raw := readAll(t, filepath.Join(dir, name))
			want, err := bgpdump(t, raw)
			if err != nil {
				t.Fatalf("bgpdump: %v", err)
			}
			got := printAll(t, raw, dump.Bgpdump, dump.Source{})
			if diff := compare(t, got, want); diff != differences[name] {
				t.Errorf("lines that only one side has: %+v, want %+v", diff, differences[name])
			}
		})
	}
}

// TestGoldenExpected compares with the text that the bgpdump project publishes beside its own test files. Where that differs from
// what bgpdump 1.6.2 prints, the latter counts: of nlri_mask_trailing_bits it shows the bits as carried.
func TestGoldenExpected(t *testing.T) {
	dir := filepath.Join(dataDir(t, "comparison with bgpdump's published expectations"), "formats", "bgpdump")
	for _, name := range []string{
		"bview.20020722.2337.gz", "bview.ipv4_unicast_add_path.gz", "updates.20020722.2238.gz", "updates.20100722.2015.gz",
		"updates.et-header.2015.gz",
	} {
		t.Run(name, func(t *testing.T) {
			got := printAll(t, readAll(t, filepath.Join(dir, name)), dump.Bgpdump, dump.Source{})
			want := readAll(t, filepath.Join(dir, "expect", name+".bgp.gz"))
			if diff := compare(t, got, want); diff != (difference{}) {
				t.Errorf("lines that only one side has: %+v", diff)
			}
		})
	}
}

// compare finds the lines that only one side has, and fails when the others are not in one order.
func compare(t *testing.T, got, want []byte) (d difference) {
	t.Helper()
	if bytes.Equal(got, want) {
		return difference{}
	}
	ours, theirs := lines(got), lines(want)
	onlyOurs, onlyTheirs := only(ours, theirs), only(theirs, ours)
	d.ours, d.oursDigest = digest(onlyOurs)
	d.theirs, d.theirsDigest = digest(onlyTheirs)
	if !slices.Equal(without(ours, onlyOurs), without(theirs, onlyTheirs)) {
		t.Error("the lines that both have are not in the same order")
	}
	show := func(who string, l []string) {
		t.Logf("%d only %s: %q", len(l), who, l[:min(3, len(l))])
	}
	show("ours", onlyOurs)
	show("bgpdump's", onlyTheirs)
	return d
}

func lines(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	return strings.SplitAfter(strings.TrimSuffix(string(b), "\n"), "\n")
}

// only is the lines of a beyond those of b, in order, the first of equal ones taken as common.
func only(a, b []string) (rest []string) {
	n := make(map[string]int, len(b))
	for _, l := range b {
		n[strings.TrimSuffix(l, "\n")]++
	}
	for _, l := range a {
		l = strings.TrimSuffix(l, "\n")
		if n[l] > 0 {
			n[l]--
			continue
		}
		rest = append(rest, l)
	}
	return rest
}

// without is a without the lines of drop, of equal ones the last.
func without(a, drop []string) (rest []string) {
	n := make(map[string]int, len(drop))
	for _, l := range drop {
		n[l]++
	}
	for _, l := range slices.Backward(a) {
		l = strings.TrimSuffix(l, "\n")
		if n[l] > 0 {
			n[l]--
			continue
		}
		rest = append(rest, l)
	}
	slices.Reverse(rest)
	return rest
}

func digest(l []string) (int, string) {
	if len(l) == 0 {
		return 0, ""
	}
	sum := sha256.Sum256([]byte(strings.Join(l, "\n") + "\n"))
	return len(l), hex.EncodeToString(sum[:8])
}

// TestDifferencesDocument holds docs/bgpdump-differences.md to the lists that the other tests check: each file with its numbers, and each
// record made by hand.
func TestDifferencesDocument(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "bgpdump-differences.md"))
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	for name, d := range differences {
		if row := fmt.Sprintf("| `%s` | %d | %d | ", name, d.ours, d.theirs); !strings.Contains(doc, row) {
			t.Errorf("no row %q", row)
		}
	}
	if n := strings.Count(doc, "\n| `formats/"); n != len(differences) {
		t.Errorf("%d files are listed, want %d", n, len(differences))
	}
	_, table, _ := strings.Cut(doc, "## Records made by hand")
	table, _, _ = strings.Cut(table, "\nTwo more")
	listed := map[string]bool{}
	for row := range strings.SplitSeq(table, "\n| ") {
		cell, _, _ := strings.Cut(row, " | ")
		for i, word := range strings.Split(cell, "`") {
			if i%2 == 1 {
				listed[word] = true
			}
		}
	}
	delete(listed, "bgp/dump/testdata/bgpdump.txt")
	for _, c := range readCases(t) {
		differs := c.abort || c.unset || !slices.Equal(c.ours, c.theirs)
		if differs != listed[c.name] {
			t.Errorf("record %q: differs %v, listed %v", c.name, differs, listed[c.name])
		}
		delete(listed, c.name)
	}
	for name := range listed {
		t.Errorf("record %q is listed, and is not in the file", name)
	}
}

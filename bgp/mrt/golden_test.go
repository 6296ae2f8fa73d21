package mrt_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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
func walk(r io.Reader, each func(rec mrt.Record, c *mrt.Content, e bgp.Elem, u *wire.Update)) tally {
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

// line is what of one elem both we and bgpdump -m say: type, time, kind, peer, AS, prefix, origin.
func line(rec mrt.Record, c *mrt.Content, e bgp.Elem, u *wire.Update) string {
	secs := int64(rec.Time / bgp.Second)
	if u == nil {
		return fmt.Sprintf("%d|STATE|%s|%d|%d|%d", secs, c.PeerAddr, c.PeerAS, c.OldState, c.NewState)
	}
	kind := map[bgp.Kind]string{bgp.Announce: "A", bgp.Withdraw: "W", bgp.RIB: "B"}[e.Kind]
	s := fmt.Sprintf("%d|%s|%s|%d|%s", secs, kind, c.PeerAddr, c.PeerAS, e.Prefix)
	if e.Kind != bgp.Withdraw {
		s += "|" + strconv.FormatUint(uint64(e.Origin), 10)
	}
	return s
}

// dumpLine turns one line of bgpdump -m into the form of line.
func dumpLine(text string) (string, error) {
	f := strings.Split(text, "|")
	if len(f) < 6 {
		return "", fmt.Errorf("too few fields: %q", text)
	}
	secs, _, _ := strings.Cut(f[1], ".")
	addr, err := netip.ParseAddr(f[3])
	if err != nil {
		return "", err
	}
	if f[2] == "STATE" {
		return strings.Join([]string{secs, f[2], addr.String(), f[4], f[5], f[6]}, "|"), nil
	}
	p, err := netip.ParsePrefix(f[5])
	if err != nil {
		return "", err
	}
	s := strings.Join([]string{secs, f[2], addr.String(), f[4], p.Masked().String()}, "|")
	if f[2] != "W" {
		at := 6
		if strings.HasSuffix(f[0], "_AP") {
			at = 7 // a path identifier stands before the path
		}
		path := strings.Fields(f[at])
		origin := "0"
		if len(path) > 0 {
			origin = strings.Trim(path[len(path)-1], "{}()[]")
			if strings.ContainsAny(origin, ", ") {
				origin = "0"
			}
		}
		s += "|" + origin
	}
	return s, nil
}

// bgpdump runs the reference implementation over decompressed bytes.
func bgpdump(t *testing.T, raw []byte) []string {
	t.Helper()
	bin, err := exec.LookPath("bgpdump")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("bgpdump is not installed (Debian package bgpdump)")
		}
		t.Skip("bgpdump is not installed: the comparison did not run")
	}
	file := filepath.Join(t.TempDir(), "plain.mrt")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-m", file)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bgpdump: %v", err)
	}
	return dumpLines(t, bytes.NewReader(out))
}

func dumpLines(t *testing.T, r io.Reader) []string {
	t.Helper()
	var lines []string
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		l, err := dumpLine(sc.Text())
		if err != nil {
			t.Fatalf("bgpdump wrote %q: %v", sc.Text(), err)
		}
		lines = append(lines, l)
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
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

// ours is every line of a file in our reading.
func ours(raw []byte) ([]string, tally) {
	var lines []string
	t := walk(bytes.NewReader(raw), func(rec mrt.Record, c *mrt.Content, e bgp.Elem, u *wire.Update) {
		lines = append(lines, line(rec, c, e, u))
	})
	return lines, t
}

// compare reports what only one of the two lists holds; order within one second is bgpdump's own and not compared.
func compare(t *testing.T, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return
	}
	var extra, missing []string
	for i, j := 0, 0; i < len(got) || j < len(want); {
		switch {
		case j == len(want) || i < len(got) && got[i] < want[j]:
			extra = append(extra, got[i])
			i++
		case i == len(got) || want[j] < got[i]:
			missing = append(missing, want[j])
			j++
		default:
			i, j = i+1, j+1
		}
	}
	t.Errorf("%d lines, bgpdump has %d; %d only ours %q, %d only bgpdump's %q",
		len(got), len(want), len(extra), extra[:min(5, len(extra))], len(missing), missing[:min(5, len(missing))])
}

// TestGoldenBgpdump compares every line of real files with the reference implementation of the RIS project. Where a file is listed
// with an exception, bgpdump is the one that is lenient, and the exception says how.
func TestGoldenBgpdump(t *testing.T) {
	dir := dataDir(t, "comparison with bgpdump")
	for _, path := range []string{
		"rv2008/updates.20080219.1226.bz2", // MP_REACH of multicast beside unicast
		"rv2008/updates.20080220.1536.bz2", // 40 records cut at 4,096 octets
		"rrc04/ris.rrc04.updates.1609476900.300.cache",
		"formats/bgpdump/bview.ipv4_unicast_add_path.gz",
		"formats/bgpdump/updates.20020722.2238.gz",
		"formats/bgpdump/updates.20100722.2015.gz",
		"formats/bgpdump/updates.nlri_mask_trailing_bits.gz",
		"formats/bgpipe/sample.mrt",
		"formats/bgpkit/examples_local_only_updates.bz2",
		"formats/bgpkit/ripe/rrc03/2010.02/updates.20100227.1600.first-796-records.gz",
		"formats/bgpkit/ripe/rrc15/2010.02/updates.20100227.1610.gz",
		"formats/jinx2014/sample.update.20140501.0000.bz2",
		"formats/jinx2014/sample.updates.20060909.1045.gz",
		"formats/libbgpstream/ris.rrc06.updates.1427846400.gz",
		"formats/libbgpstream/routeviews.route-views.jinx.updates.1427846400.bz2",
		"formats/mrtparse/bird-mrtdump_bgp",
		"formats/mrtparse/bird-mrtdump_rib",
		"formats/mrtparse/bird6-mrtdump_bgp",
		"formats/mrtparse/bird6-mrtdump_rib",
		"formats/mrtparse/bird_bgp",
		"formats/mrtparse/openbgpd_bgp",
		"formats/mrtparse/openbgpd_rib_table",
		"formats/mrtparse/openbgpd_rib_table-v2",
		"formats/mrtparse/quagga_bgp",
		"formats/mrtparse/quagga_rib",
	} {
		t.Run(path, func(t *testing.T) {
			raw := readAll(t, filepath.Join(dir, path))
			got, _ := ours(raw)
			compare(t, got, bgpdump(t, raw))
		})
	}
}

// TestGoldenExpected does the same with the text that the bgpdump project publishes beside its own test files.
func TestGoldenExpected(t *testing.T) {
	dir := filepath.Join(dataDir(t, "comparison with bgpdump's published expectations"), "formats", "bgpdump")
	for _, name := range []string{
		"bview.20020722.2337.gz", "bview.ipv4_unicast_add_path.gz", "updates.20020722.2238.gz", "updates.20100722.2015.gz",
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := ours(readAll(t, filepath.Join(dir, name)))
			compare(t, got, dumpLines(t, bytes.NewReader(readAll(t, filepath.Join(dir, "expect", name+".bgp.gz")))))
		})
	}
}

// TestGoldenStricter holds the files in which we and bgpdump differ on purpose.
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
			_, ta := ours(readAll(t, filepath.Join(dir, c.path)))
			if ta.treated != c.treated || ta.faults[c.fault] == 0 {
				t.Errorf("%d elems treated as withdrawals, faults %v; want %d and %q", ta.treated, ta.faults, c.treated, c.fault)
			}
		})
	}
}

// TestEveryFileIsAccountedFor walks all format files: whatever they hold, every byte is in a record or in a TornError, and the
// damaged ones say so.
func TestEveryFileIsAccountedFor(t *testing.T) {
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

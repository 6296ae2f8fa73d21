package mrt_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
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

// line is what of one elem both we and bgpdump -m say: type, time, kind, peer, AS, prefix, origin.
func line(rec *mrt.Record, c *mrt.Content, e bgp.Elem, u *wire.Update) string {
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

// ours is every line of a file in our reading.
func ours(raw []byte) ([]string, tally) {
	var lines []string
	t := walk(bytes.NewReader(raw), func(rec *mrt.Record, c *mrt.Content, e bgp.Elem, u *wire.Update) {
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

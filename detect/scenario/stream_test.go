package scenario

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/corewatch/corewatch/bgp/mrt"
)

// sample uses every verb, both families, and two collectors.
const sample = `corewatch scenario 1
reason   every verb once
start    2030-01-01T00:00:00Z
country  XA 10.0.0.0/8
peers    a rc0 AS64601..AS64602 AS64603@192.0.2.77
peers    b rc1 AS64611
prefixes p AS65001 10.1.0.0/24 x2 AS65002 10.9.0.0/21
prefixes s AS65003 2001:db8:1::/48 x2
+0s      table a:1,a:3 p,s via AS64700
+1s      announce a:2 p:1-2,s via AS64700 AS64701
+1s      announce b p
+2s      withdraw a:2 p:1,s:2
+3s      announce a:2 p:1 origin AS65009
+4s      down a:1
+5s      up a:1
+6s      resend a:1
+7s      flush a:3
+8s      alive a:2 2s for 1s
+8s500ms churn a:2 p 1/s for 1s
+10s     quiet a
+20s     end
expect   nothing
`

// dumped is what bgpdump says of sample's collector rc0: written by hand from the lines above.
const dumped = `TABLE_DUMP2|1893456000|B|100.64.0.1|64601|10.1.0.0/24|64601 64700 65001|IGP
TABLE_DUMP2|1893456000|B|192.0.2.77|64603|10.1.0.0/24|64603 64700 65001|IGP
TABLE_DUMP2|1893456000|B|100.64.0.1|64601|10.1.1.0/24|64601 64700 65001|IGP
TABLE_DUMP2|1893456000|B|192.0.2.77|64603|10.1.1.0/24|64603 64700 65001|IGP
TABLE_DUMP2|1893456000|B|100.64.0.1|64601|10.9.0.0/21|64601 64700 65002|IGP
TABLE_DUMP2|1893456000|B|192.0.2.77|64603|10.9.0.0/21|64603 64700 65002|IGP
TABLE_DUMP2|1893456000|B|100.64.0.1|64601|2001:db8:1::/48|64601 64700 65003|IGP
TABLE_DUMP2|1893456000|B|192.0.2.77|64603|2001:db8:1::/48|64603 64700 65003|IGP
TABLE_DUMP2|1893456000|B|100.64.0.1|64601|2001:db8:2::/48|64601 64700 65003|IGP
TABLE_DUMP2|1893456000|B|192.0.2.77|64603|2001:db8:2::/48|64603 64700 65003|IGP
BGP4MP_ET|1893456001.000000|A|100.64.0.2|64602|10.1.0.0/24|64602 64700 64701 65001|IGP
BGP4MP_ET|1893456001.000000|A|100.64.0.2|64602|10.1.1.0/24|64602 64700 64701 65001|IGP
BGP4MP_ET|1893456001.000000|A|100.64.0.2|64602|2001:db8:1::/48|64602 64700 64701 65003|IGP
BGP4MP_ET|1893456001.000000|A|100.64.0.2|64602|2001:db8:2::/48|64602 64700 64701 65003|IGP
BGP4MP_ET|1893456002.000000|W|100.64.0.2|64602|10.1.0.0/24
BGP4MP_ET|1893456002.000000|W|100.64.0.2|64602|2001:db8:2::/48
BGP4MP_ET|1893456003.000000|A|100.64.0.2|64602|10.1.0.0/24|64602 65009|IGP
BGP4MP_ET|1893456004.000000|STATE|100.64.0.1|64601|6|1
BGP4MP_ET|1893456005.000000|STATE|100.64.0.1|64601|5|6
BGP4MP_ET|1893456006.000000|A|100.64.0.1|64601|10.1.0.0/24|64601 64700 65001|IGP
BGP4MP_ET|1893456006.000000|A|100.64.0.1|64601|10.1.1.0/24|64601 64700 65001|IGP
BGP4MP_ET|1893456006.000000|A|100.64.0.1|64601|10.9.0.0/21|64601 64700 65002|IGP
BGP4MP_ET|1893456006.000000|A|100.64.0.1|64601|2001:db8:1::/48|64601 64700 65003|IGP
BGP4MP_ET|1893456006.000000|A|100.64.0.1|64601|2001:db8:2::/48|64601 64700 65003|IGP
BGP4MP_ET|1893456007.000000|W|192.0.2.77|64603|10.1.0.0/24
BGP4MP_ET|1893456007.000000|W|192.0.2.77|64603|10.1.1.0/24
BGP4MP_ET|1893456007.000000|W|192.0.2.77|64603|10.9.0.0/21
BGP4MP_ET|1893456007.000000|W|192.0.2.77|64603|2001:db8:1::/48
BGP4MP_ET|1893456007.000000|W|192.0.2.77|64603|2001:db8:2::/48
`

func mustParse(t testing.TB, text string) *Scenario {
	t.Helper()
	s, err := Parse("test.txt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBgpdumpReadsIt holds the bytes against a decoder that is not ours.
func TestBgpdumpReadsIt(t *testing.T) {
	dump, err := exec.LookPath("bgpdump")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("bgpdump is not installed: the package is called bgpdump")
		}
		t.Skip("bgpdump is not installed, so that the bytes were not held against it")
	}
	file := filepath.Join(t.TempDir(), "sample.mrt")
	raw, err := io.ReadAll(mustParse(t, sample).Stream("rc0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(dump, "-m", file)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bgpdump: %v: %s", err, stderr.String())
	}
	for _, bad := range []string{"not", "fail", "unknown", "rror"} {
		if strings.Contains(strings.ToLower(stderr.String()), bad) {
			t.Errorf("bgpdump says: %s", stderr.String())
			break
		}
	}
	want := strings.Split(strings.TrimSpace(dumped), "\n")
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i, line := range want {
		if i >= len(got) || !strings.HasPrefix(got[i], line) {
			t.Fatalf("line %d: want %q, got %q", i+1, line, append(got, "nothing")[min(i, len(got))])
		}
	}
	// What follows is chance's choice of moment: one repetition and one change of path of AS64602.
	rest := got[len(want):]
	if len(rest) == 0 || len(rest) > 3 {
		t.Errorf("background: %d lines: %q", len(rest), rest)
	}
	for _, line := range rest {
		if !strings.Contains(line, "|A|100.64.0.2|64602|10.") {
			t.Errorf("background of another peer or kind: %q", line)
		}
	}
}

// TestOurReaderReadsIt holds every stream to the reader of archives, in reads of any size, and to its own repetition.
func TestOurReaderReadsIt(t *testing.T) {
	s := mustParse(t, sample)
	if got := strings.Join(s.Collectors(), " "); got != "rc0 rc1" {
		t.Errorf("collectors %s", got)
	}
	for _, c := range s.Collectors() {
		whole, err := io.ReadAll(s.Stream(c))
		if err != nil {
			t.Fatal(err)
		}
		bytewise, err := io.ReadAll(iotest.OneByteReader(s.Stream(c)))
		if err != nil || !bytes.Equal(whole, bytewise) {
			t.Errorf("%s: %d bytes read whole, %d read one by one, %v", c, len(whole), len(bytewise), err)
		}
		if n := count(t, s, c); n == 0 {
			t.Errorf("%s: no record", c)
		}
	}
	if n := count(t, s, "rc2"); n != 0 {
		t.Errorf("a collector that is not in the file says %d things", n)
	}
}

// count reads a stream through mrt and fails on any damage, or time that runs backwards.
func count(t testing.TB, s *Scenario, collector string) (n int) {
	t.Helper()
	r := mrt.NewReader(s.Stream(collector))
	var dec mrt.Decoder
	var c mrt.Content
	last := s.Start
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return n
		}
		if err != nil {
			t.Fatalf("record %d: %v", n, err)
		}
		if err := dec.Decode(rec, &c); err != nil {
			t.Fatalf("record %d: %v", n, err)
		}
		if rec.Time < last || rec.Time >= s.End {
			t.Fatalf("record %d at %s, after %s, end %s", n, rec.Time.Time(), last.Time(), s.End.Time())
		}
		last = rec.Time
		n++
	}
}

// TestLargeMessages cuts what does not fit 4,096 bytes.
func TestLargeMessages(t *testing.T) {
	s := mustParse(t, strings.NewReplacer("x2", "x3000").Replace(sample))
	// A peer index, 6,001 table entries, and 33 messages and states: 3,001 /24 take four messages, 3,000 /48 take six.
	if n := count(t, s, "rc0"); n < 6002+20 {
		t.Errorf("%d records", n)
	}
}

// TestSpread: "over" spreads prefixes and "lag" peers, within what was asked.
func TestSpread(t *testing.T) {
	s := mustParse(t, `corewatch scenario 1
reason x
start 2030-01-01T00:00:00Z
peers a rc0 AS64601..AS64620
prefixes p AS65001 10.0.0.0/24 x100
+10s announce a p over 50s lag 5s
+100s end
expect nothing
`)
	r := mrt.NewReader(s.Stream("rc0"))
	n, seconds := 0, map[int64]bool{}
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
		at := rec.Time - s.Start
		seconds[int64(at)/1e6] = true
		if at < 10e6 || at > 65e6 {
			t.Errorf("a message at +%v µs", at)
		}
	}
	if n != 20*50 || len(seconds) < 50 {
		t.Errorf("%d messages in %d seconds, want 1000 in more than 50", n, len(seconds))
	}
}

// TestStreamBytes holds the bytes themselves: incidents cite digests of them, so that another encoding of the same elems would give every
// scenario's evidence another name.
func TestStreamBytes(t *testing.T) {
	demo, err := Demo()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		s      *Scenario
		digest string
	}{
		{mustParse(t, sample), "12ee4c7f2529e0b50c9599c7414e557c8f14f752de4509a2c3ee979aa147a97e"},
		{demo, "693d97e30b2bab0776dad0d2ccf47c39099ecd5ad386e2c557afa2325eec04eb"},
	} {
		h := sha256.New()
		for _, name := range c.s.Collectors() {
			if _, err := io.Copy(h, c.s.Stream(name)); err != nil {
				t.Fatal(err)
			}
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != c.digest {
			t.Errorf("%s: SHA-256 %s, want %s", c.s.Name, got, c.digest)
		}
	}
}

package export

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/schematest"
	"github.com/corewatch/corewatch/evidence"
)

var update = flag.Bool("update", false, "rewrite testdata/bundle.txt")

// run exports what s holds and opens the result.
func run(t *testing.T, s *store) (Summary, []byte, map[string]string) {
	t.Helper()
	var out bytes.Buffer
	sum, err := Write(t.Context(), s, s.inc.ID, Options{Software: "corewatch test"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	z, err := evidence.Open(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	report, err := z.Verify(evidence.Trust{})
	if err != nil {
		t.Fatal(err)
	}
	if report.ID != sum.BundleID || sum.Bytes != int64(out.Len()) || sum.Files != len(z.Paths()) || sum.Folder != z.Folder() {
		t.Errorf("summary %+v does not fit the bundle: %d octets, %d files, %s", sum, out.Len(), len(z.Paths()), report.ID)
	}
	files := map[string]string{}
	for _, p := range z.Paths() {
		r, _, _ := z.File(p)
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[p] = string(b)
	}
	return sum, out.Bytes(), files
}

// TestGolden pins every octet of a bundle: the text files as they are, the raw messages in hex, and the digest of the zip.
func TestGolden(t *testing.T) {
	_, zip, files := run(t, closed())
	var got strings.Builder
	z, err := evidence.Open(bytes.NewReader(zip), int64(len(zip)))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&got, "zip of %d octets, SHA-256 %s, stamped %s\n", len(zip), sha256Hex(zip), z.Time().Format(time.RFC3339))
	for _, p := range z.Paths() {
		fmt.Fprintf(&got, "-- %s --\n", p)
		if strings.HasSuffix(p, ".mrt") {
			fmt.Fprintf(&got, "%x\n", files[p])
			continue
		}
		got.WriteString(files[p])
	}
	const name = "testdata/bundle.txt"
	if *update {
		if err := os.WriteFile(name, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the bundle changed. If that is meant, the format's document changes too; then run the test with -update.\n%s", got.String())
	}
}

// TestSameStoreSameOctets: the store may give rows in any order; the bundle is the same.
func TestSameStoreSameOctets(t *testing.T) {
	_, one, _ := run(t, closed())
	s := closed()
	s.members[0], s.members[1] = s.members[1], s.members[0]
	s.peers[0], s.peers[1] = s.peers[1], s.peers[0]
	s.samples[0], s.samples[3] = s.samples[3], s.samples[0]
	_, two, _ := run(t, s)
	if !bytes.Equal(one, two) {
		t.Error("two exports of the same content differ")
	}
}

// TestJSONKeepsToTheSchema: what is exported is what is published.
func TestJSONKeepsToTheSchema(t *testing.T) {
	_, _, files := run(t, closed())
	lines := strings.Split(strings.TrimSuffix(files["data/revisions.jsonl"], "\n"), "\n")
	if len(lines) != 2 || lines[1]+"\n" != files["data/incident.json"] {
		t.Errorf("revisions.jsonl has %d lines, the last of which should be incident.json:\n%s", len(lines), files["data/revisions.jsonl"])
	}
	for _, l := range lines {
		if err := schematest.Incident([]byte(l)); err != nil {
			t.Error(err)
		}
	}
}

// TestMadeDataSaysSo: what no collector received is marked in every file that has a place for it, first where it can be, and in the
// name of the raw file; and it is never signed.
func TestMadeDataSaysSo(t *testing.T) {
	for data, word := range map[detect.Data]string{detect.Reconstruction: "RECONSTRUCTION", detect.Synthetic: "SYNTHETIC", "of_later": "DATA \"of_later\""} {
		sum, _, files := run(t, made(data))
		marked := 0
		for p, text := range files {
			switch name := p[strings.LastIndexByte(p, '/')+1:]; {
			case strings.HasSuffix(p, ".csv"):
				if !strings.HasPrefix(text, "# "+word) {
					t.Errorf("%s: %s begins with %.40q", data, p, text)
				}
				r := csv.NewReader(strings.NewReader(text))
				r.Comment = '#'
				if _, err := r.ReadAll(); err != nil {
					t.Errorf("%s: %s: %v", data, p, err)
				}
				marked++
			case strings.HasSuffix(p, ".mrt"):
				if p == "data/raw/bgp/messages.mrt" {
					t.Errorf("%s: the raw file has the name of recorded ones", data)
				}
			case strings.HasSuffix(p, ".md") || name == "LICENSE" || name == "CITATION.cff" || name == "citation.bib" || name == "csl.json" || name == "datacite.json" || name == "ro-crate-metadata.json":
				if !strings.Contains(text, strings.Split(word, "\"")[0]) {
					t.Errorf("%s: %s does not say so", data, p)
				}
			case name == "index.html" || name == "timeline.atom":
				if !strings.Contains(html.UnescapeString(text), word) {
					t.Errorf("%s: %s does not say so", data, p)
				}
			case strings.HasPrefix(p, "data/exports/"):
				if !strings.Contains(text, string(data)) {
					t.Errorf("%s: %s does not say so", data, p)
				}
			case strings.HasPrefix(p, "data/") && strings.Contains(name, ".json") && name != "provenance.jsonld":
				if !strings.Contains(text, fmt.Sprintf(`"data":%q`, data)) {
					t.Errorf("%s: %s does not say so", data, p)
				}
			}
		}
		if marked != 8 || !strings.HasPrefix(sum.Warnings[0], word) {
			t.Errorf("%s: %d tables marked, warnings %q", data, marked, sum.Warnings)
		}
		s := made(data)
		if _, _, err := Build(t.Context(), s, s.inc.ID, Options{Edition: edition(1)}); !errors.Is(err, ErrNotSigned) {
			t.Errorf("%s: can be signed: %v", data, err)
		}
	}
	_, _, files := run(t, closed())
	for p, text := range files {
		if strings.HasPrefix(text, "#") && strings.HasSuffix(p, ".csv") || strings.Contains(text, "SYNTHETIC") || strings.Contains(text, "RECONSTRUCTION") {
			t.Errorf("recorded data: %s is marked", p)
		}
	}
}

// TestMismatch: messages that are not those of the incident are never exported, and the error names both sides.
func TestMismatch(t *testing.T) {
	for name, spoil := range map[string]func(*store){
		"octet":  func(s *store) { s.messages[1].Raw[20] ^= 1 },
		"fewer":  func(s *store) { s.messages = s.messages[:1] },
		"count":  func(s *store) { s.inc.Evidence.Messages = 3 },
		"digest": func(s *store) { s.inc.Evidence.SHA256 = strings.Repeat("0", 64) },
	} {
		s := closed()
		spoil(s)
		var out bytes.Buffer
		_, err := Write(t.Context(), s, s.inc.ID, Options{}, &out)
		var m *MismatchError
		if !errors.As(err, &m) || out.Len() != 0 {
			t.Errorf("%s: got %v and %d octets", name, err, out.Len())
			continue
		}
		for _, part := range []string{fmt.Sprint(m.WantMessages), fmt.Sprint(len(s.messages)), s.inc.Evidence.SHA256, m.StoredSHA256} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is not in %v", name, part, err)
			}
		}
	}
}

// TestRefusals: a damaged store, a hostile one and a limit are errors that say what is wrong, and nothing is written.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(*store)
		limits Limits
		want   string
	}{
		"order":          {func(s *store) { s.messages[1].Seq = 100 }, Limits{}, "journal order"},
		"torn message":   {func(s *store) { s.messages[0].Raw = s.messages[0].Raw[:30] }, Limits{}, "message 100: its MRT header says"},
		"tiny message":   {func(s *store) { s.messages[0].Raw = []byte("x") }, Limits{}, "less than an MRT header"},
		"wrong length":   {func(s *store) { s.messages[0].Source.Length++ }, Limits{}, "its source says"},
		"no such file":   {func(s *store) { s.messages[0].Source.File = 9 }, Limits{}, "the run has 2 inputs"},
		"wrong count":    {func(s *store) { s.miss = 1 }, Limits{}, "says that it gave 3 messages"},
		"prefix":         {func(s *store) { s.members[0].Prefix = "nonsense" }, Limits{}, `prefix "nonsense"`},
		"machine path":   {func(s *store) { s.inputs[0].Name = "/home/somebody/x" }, Limits{}, "path of a machine"},
		"parent path":    {func(s *store) { s.inputs[0].Name = "a/../../x" }, Limits{}, "path of a machine"},
		"windows path":   {func(s *store) { s.inputs[0].Name = `C:\x` }, Limits{}, "path of a machine"},
		"no revisions":   {func(s *store) { s.inc.Revision = 0 }, Limits{}, "has 0 revisions"},
		"revision gone":  {func(s *store) { s.revs = s.revs[:1] }, Limits{}, "reading revision 2"},
		"revision other": {func(s *store) { s.revs[0] = s.revs[1] }, Limits{}, "something else as revision 1"},
		"other incident": {func(s *store) { s.change = func(_ int, i *detect.Incident) { i.ID = "x" } }, Limits{}, "another incident"},
		"many revisions": {func(s *store) { s.inc.Revision = 5 }, Limits{Revisions: 4}, "want 1 to 4"},
		"many members":   {nil, Limits{Members: 1}, "more than the limit of 1"},
		"many samples":   {nil, Limits{Samples: 1}, "more than 1 samples"},
		"many messages":  {nil, Limits{Messages: 1}, "more than 1 messages"},
		"long message":   {nil, Limits{MessageBytes: 20}, "more than the limit of 20"},
		"many inputs":    {nil, Limits{Inputs: 1}, "more than the limit of 1"},
		"many peers":     {nil, Limits{Peers: 1}, "more than the limit of 1"},
		"many octets":    {nil, Limits{Bytes: 4000}, "limit of 4000 octets"},
	} {
		s := closed()
		if c.spoil != nil {
			c.spoil(s)
		}
		var out bytes.Buffer
		_, err := Write(t.Context(), s, s.inc.ID, Options{Limits: c.limits}, &out)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "evidence of incident PK-2008") || out.Len() != 0 {
			t.Errorf("%s: got %v and %d octets, want %q", name, err, out.Len(), c.want)
		}
	}
	s := closed()
	if _, err := Write(t.Context(), s, "no-such\x1bid", Options{}, io.Discard); !errors.Is(err, errNone) || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("unknown id: got %v", err)
	}
	s = closed()
	s.change = func(n int, i *detect.Incident) { i.Revision += n - 1 }
	if _, err := Write(t.Context(), s, s.inc.ID, Options{}, io.Discard); !errors.Is(err, ErrChanged) {
		t.Errorf("a change while reading: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Write(ctx, closed(), s.inc.ID, Options{}, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// TestNoDigestIsSaid: an incident without evidence is exported with a warning, not with an error.
func TestNoDigestIsSaid(t *testing.T) {
	s := closed()
	s.inc.Evidence, s.messages = nil, nil
	sum, _, files := run(t, s)
	for _, want := range []string{"states no evidence digest", "holds no raw messages"} {
		if !strings.Contains(strings.Join(sum.Warnings, "\n"), want) || !strings.Contains(files["data/LIMITS.md"], want) {
			t.Errorf("%q is not said: %q", want, sum.Warnings)
		}
	}
}

// TestOpenIncident: the samples reach up to what is last known, and the page says that it is not over.
func TestOpenIncident(t *testing.T) {
	s := closed()
	s.inc.End, s.inc.ClosedAt, s.inc.State = nil, detect.Time{}, detect.Confirmed
	s.inc.OpenAt = at("2008-02-21T05:59:59Z")
	sum, _, files := run(t, s)
	if sum.Samples != 4 {
		t.Errorf("%d samples, want the 4 of 01:20:02 to 06:59:58", sum.Samples)
	}
	if page := files["data/index.html"]; !strings.Contains(page, "still open at 2008-02-21T05:59:59Z") || !strings.Contains(page, "is not over (state confirmed)") {
		t.Errorf("index.html does not say that it is open:\n%s", page)
	}
	if !strings.Contains(files["data/timeline.csv"], "2008-02-21T05:59:59Z,open_at,") {
		t.Errorf("timeline.csv lacks open_at:\n%s", files["data/timeline.csv"])
	}
}

// TestHostileText: nothing from outside becomes a formula, a terminal command or another row.
func TestHostileText(t *testing.T) {
	for in, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "＝1": "'＝1", "'=1": "''=1", "a=b": "a=b", "": "",
		"\t=1": "\uFFFD=1", "a\x1b[2Jb": "a\uFFFD[2Jb", "a\nb": "a\uFFFDb", "a\u202eb": "a\uFFFDb", "a\xffb": "a\uFFFDb", "Côte d'Ivoire": "Côte d'Ivoire",
	} {
		if got := formulaSafe(cell(in)); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	s := closed()
	s.peers[0].Peer.Collector, s.peers[1].Note = "=HYPERLINK(\"x\")", "a,\"b\"\r\nPK,c"
	s.inc.Title, s.inc.Entity.Name = "x\nSYNTH", "y\x1b]0;z\a"
	s.inc.Revisions[1].Reason = "\u2028q"
	_, _, files := run(t, s)
	rows, err := csv.NewReader(strings.NewReader(files["data/working/peers.csv"])).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for p, text := range files {
		if strings.HasSuffix(p, ".mrt") {
			continue
		}
		asJSON := strings.Contains(p, ".json") // escapes what is not plain
		if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == '\u2028' && !asJSON }); i >= 0 {
			t.Errorf("%s has a control character at %d: %.40q", p, i, text[i:])
		}
		if strings.HasSuffix(p, ".csv") {
			for line := range strings.Lines(text) {
				if strings.ContainsAny(line[:1], "=+-@") || strings.Contains(line, ",=") {
					t.Errorf("%s: %q would be a formula", p, line)
				}
			}
		}
	}
}

// TestPageRefersToNothing: index.html is one file that loads and runs nothing, whatever the incident is called.
func TestPageRefersToNothing(t *testing.T) {
	s := closed()
	s.inc.Title, s.inc.Sources[0].Name = `</title><script>alert(1)</script><img src=x onerror=y>`, `"><svg onload=z>`
	_, _, files := run(t, s)
	page := files["data/index.html"]
	for _, bad := range []string{"<script", "<img", "<svg onload", " src=\"", "<link", "@import", "url(http", "href="} {
		if strings.Contains(page, bad) {
			t.Errorf("index.html holds %s", bad)
		}
	}
	if !strings.Contains(page, "<svg xmlns") || !strings.Contains(page, "default-src 'none'") {
		t.Error("index.html has no figure, or no policy")
	}
	if err := xml.Unmarshal([]byte(files["data/timeline.atom"]), new(struct{ XMLName xml.Name })); err != nil {
		t.Error(err)
	}
}

// TestDocument: the published description names every file and every column as they are written.
func TestDocument(t *testing.T) {
	doc, err := os.ReadFile("../../docs/evidence-format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, _, files := run(t, closed())
	for p, text := range files {
		want := "`" + p + "`"
		if !strings.Contains(string(doc), want) {
			t.Errorf("the document lacks %s", want)
		}
		if header, _, _ := strings.Cut(text, "\n"); strings.HasSuffix(p, ".csv") && !strings.Contains(string(doc), want+" | `"+header+"` |") {
			t.Errorf("the document lacks the columns of %s: %s", p, header)
		}
	}
	for row := range strings.Lines(files["data/timeline.csv"]) {
		if what := strings.Split(row, ",")[2]; what != "what" && !strings.Contains(string(doc), "`"+what+"`") {
			t.Errorf("the document lacks the time line's %q", what)
		}
	}
}

// FuzzTable: whatever stands in a cell, a CSV reader gets back one row of as many cells, none a formula.
func FuzzTable(f *testing.F) {
	f.Add("=a", "b\r\nc")
	f.Add("\xff\"", "#")
	f.Fuzz(func(t *testing.T, x, y string) {
		b := &builder{inc: &detect.Incident{Data: detect.Archive}, limits: Limits{}.withDefaults()}
		tab := b.newTable("x.csv", "one", "two")
		if err := errors.Join(tab.add(x, y), tab.done()); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(bytes.NewReader(b.files[0].Data)).ReadAll()
		if err != nil || len(rows) != 2 || rows[1][0] != formulaSafe(cell(x)) || rows[1][1] != formulaSafe(cell(y)) {
			t.Errorf("%q, %q came back as %q (%v)", x, y, rows, err)
		}
		for _, c := range rows[len(rows)-1] {
			if c != "" && strings.Contains("=+-@\t\r\n", c[:1]) {
				t.Errorf("%q would be a formula", c)
			}
		}
	})
}

// BenchmarkWrite exports an incident of the size of a large country's: 100,000 messages, 20,000 prefixes. The goal is 30 s for seven days.
func BenchmarkWrite(b *testing.B) {
	s := closed()
	m := s.messages[0]
	s.messages, s.members = nil, nil
	var d evidence.Digest
	for n := range 100_000 {
		m.Seq = uint64(n)
		s.messages = append(s.messages, m)
		d.Add(m.Raw)
	}
	for n := range 20_000 {
		p := bgp.PrefixFrom4(10<<24|uint32(n)<<8, 24)
		s.members = append(s.members, detect.Member{Prefix: p.String(), Units: 1, LostAt: at("2008-02-21T03:21:30Z"), Withdrawn: 39, Expected: 39})
	}
	s.inc.Evidence = &detect.Evidence{Messages: d.Messages(), SHA256: d.Sum()}
	b.ReportAllocs()
	for b.Loop() {
		sum, err := Write(b.Context(), s, s.inc.ID, Options{}, io.Discard)
		if err != nil || sum.Messages != 100_000 || sum.Members != 20_000 {
			b.Fatalf("%+v, %v", sum, err)
		}
		b.SetBytes(sum.Bytes)
	}
}

package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/evidence"
)

// TestClaimsTrace: every claim leads to rows of the timeline, prefixes and raw messages that are in the bundle.
func TestClaimsTrace(t *testing.T) {
	_, _, files := run(t, closed())
	var doc struct{ Claims []claim }
	var story struct {
		Rows []struct {
			Row     int
			Prefix  string
			Message uint64
		}
	}
	if err := errors.Join(json.Unmarshal([]byte(files["data/claims.json"]), &doc), json.Unmarshal([]byte(files["data/timeline.json"]), &story)); err != nil {
		t.Fatal(err)
	}
	sources, err := csv.NewReader(strings.NewReader(files["data/raw/bgp/sources.csv"])).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	seqs := map[string]bool{}
	for _, row := range sources[1:] {
		seqs[row[0]] = true
	}
	if len(doc.Claims) != 6 { // start, blocks, prefixes, end, and one for each prefix
		t.Errorf("%d claims", len(doc.Claims))
	}
	for _, c := range doc.Claims {
		if len(c.Witness.Messages) == 0 || len(c.Witness.Timeline) == 0 || len(c.Witness.Members) == 0 || c.Rule == "" || c.State != "closed" {
			t.Errorf("%s rests on nothing: %+v", c.ID, c)
		}
		for _, m := range c.Witness.Messages {
			if !seqs[strconv.FormatUint(m, 10)] {
				t.Errorf("%s: there is no message %d", c.ID, m)
			}
		}
		for _, n := range c.Witness.Timeline {
			if n < 1 || n > len(story.Rows) || story.Rows[n-1].Row != n {
				t.Errorf("%s: there is no row %d", c.ID, n)
			}
		}
		for _, p := range c.Witness.Members {
			if !strings.Contains(files["data/working/members.csv"], p) {
				t.Errorf("%s: there is no prefix %s", c.ID, p)
			}
		}
	}
}

// TestSlice follows a prefix through withdrawals and announcements of three networks, one of them with two sessions: what the rows of
// basis "messages" say was counted by hand.
func TestSlice(t *testing.T) {
	s := closed()
	s.members, s.messages = s.members[:1], nil
	s.members[0].Expected = 3
	peer := func(as uint32, last byte) bgp.Peer {
		return bgp.Peer{Collector: "route-views2", AS: as, Addr: netip.AddrFrom4([4]byte{203, 0, 113, last})}
	}
	prefix := "192.0.2.0/24"
	var d evidence.Digest
	add := func(second int, p bgp.Peer, withdraw bool) {
		raw := record(uint32(at("2008-02-21T03:20:00Z").Unix())+uint32(second), p, prefix, withdraw)
		s.messages = append(s.messages, bgp.Message{Seq: uint64(len(s.messages) + 1), At: micros("2008-02-21T03:20:00Z") + bgp.Micros(second)*bgp.Second, Peer: p, Source: bgp.Source{Length: uint32(len(raw))}, Raw: raw})
		d.Add(raw)
	}
	a1, a2, b, c := peer(64501, 1), peer(64501, 2), peer(64502, 3), peer(64503, 4)
	add(1, a1, false)
	add(2, a2, false)
	add(10, a1, true)  // the other session of the network still carries it
	add(20, b, true)   // 1 of 3
	add(30, a2, true)  // 2 of 3: half
	add(40, c, true)   // 3 of 3: most
	add(50, b, false)  // 2
	add(60, a1, false) // 1: fewer than half
	add(70, b, true)   // 2: half again
	add(80, b, false)  // 1: fewer than half, for good
	s.members[0].FirstPeer, s.members[0].FirstWithdrawal = a1.String(), at("2008-02-21T03:20:10Z")
	s.inc.Evidence = &detect.Evidence{Messages: d.Messages(), SHA256: d.Sum()}
	_, _, files := run(t, s)
	rows, err := csv.NewReader(strings.NewReader(files["data/timeline.csv"])).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, r := range rows {
		if strings.HasPrefix(r[2], "prefix_") {
			got[r[2]] = []string{r[1][14:19], r[3], r[6], r[7]}
		}
	}
	for what, want := range map[string][3]string{
		"prefix_half": {"20:30", "messages", "5"}, "prefix_most": {"20:40", "messages", "6"}, "prefix_half_back": {"21:20", "messages", "10"}, "prefix_first_withdrawal": {"20:10", "decision", "3"},
	} {
		if g := got[what]; len(g) != 4 || g[0] != want[0] || g[1] != want[1] || g[2] != want[2] {
			t.Errorf("%s: %q, want %q", what, g, want)
		}
	}
	if g := got["prefix_most"]; len(g) == 4 && g[3] != "withdrawn by 3 networks, 3 were expected to carry it" {
		t.Errorf("%q", g[3])
	}
}

// TestTimelineRefuses: what does not go together is no timeline.
func TestTimelineRefuses(t *testing.T) {
	_, _, files := run(t, closed())
	in, sources, raw := files["data/inputs.json"], files["data/raw/bgp/sources.csv"], files["data/raw/bgp/messages.mrt"]
	again, err := Timeline([]byte(in), []byte(sources), []byte(raw))
	if err != nil || string(again) != files["data/timeline.json"] {
		t.Fatalf("the same timeline is not made again: %v", err)
	}
	for name, c := range map[string][3]string{
		"no inputs":       {"", sources, raw},
		"other version":   {strings.Replace(in, `"v":1`, `"v":2`, 1), sources, raw},
		"bad prefix":      {strings.Replace(in, `"prefix":"192.0.2.0/24"`, `"prefix":"x"`, 1), sources, raw},
		"no rows":         {in, "", raw},
		"a row too few":   {in, sources[:strings.LastIndexByte(strings.TrimSpace(sources), '\n')+1], raw},
		"changed message": {in, sources, strings.Replace(raw, "\xc0\x00", "\xc0\x01", 1)},
		"cut message":     {in, sources, raw[:len(raw)-1]},
		"another peer":    {in, strings.Replace(sources, "AS64501", "AS64509", 1), raw},
		"another number":  {in, strings.Replace(sources, "\n100,", "\nx,", 1), raw},
	} {
		if _, err := Timeline([]byte(c[0]), []byte(c[1]), []byte(c[2])); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// FuzzTimeline: a bundle of anybody's cannot make the slice replay panic.
func FuzzTimeline(f *testing.F) {
	s := closed()
	var out bytes.Buffer
	if _, err := Write(f.Context(), s, s.inc.ID, Options{Software: "corewatch test"}, &out); err != nil {
		f.Fatal(err)
	}
	z, err := evidence.Open(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		f.Fatal(err)
	}
	var parts [3][]byte
	for i, p := range []string{"data/inputs.json", sourcesPath, "data/raw/bgp/messages.mrt"} {
		r, _, _ := z.File(p)
		if parts[i], err = io.ReadAll(r); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(parts[0], parts[1], parts[2])
	f.Fuzz(func(t *testing.T, in, sources, raw []byte) {
		one, err := Timeline(in, sources, raw)
		two, err2 := Timeline(in, sources, raw)
		if (err == nil) != (err2 == nil) || !bytes.Equal(one, two) {
			t.Error("the same octets gave two timelines")
		}
	})
}

// TestCitations holds each form against the rules of its own text: the required fields, their types, and that all say the same.
func TestCitations(t *testing.T) {
	s := closed()
	s.inc.Title = `Loss of "100 %" & {more}_of: it`
	f, _, err := Build(t.Context(), s, s.inc.ID, Options{Software: "corewatch test", Edition: edition(1)})
	if err != nil {
		t.Fatal(err)
	}
	files := signedFiles(t, f)
	cff := map[string]any{} // the keys at the left edge; a value is a bare word or a JSON string, which YAML 1.2 reads alike
	for line := range strings.Lines(files["data/CITATION.cff"]) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok || strings.HasPrefix(line, " ") {
			continue
		}
		var text string
		if json.Unmarshal([]byte(value), &text) != nil {
			text = value
		}
		cff[key] = text
	}
	for key, want := range map[string]any{"cff-version": "1.2.0", "type": "dataset", "version": "v1", "date-released": "2026-01-02", "license": "CC-BY-4.0", "url": "https://watch.example/"} {
		if cff[key] != want {
			t.Errorf("CITATION.cff: %s is %v, want %v", key, cff[key], want)
		}
	}
	title, _ := cff["title"].(string)
	if !strings.Contains(files["data/CITATION.cff"], "\nauthors:\n  - name: \"Example Watch\"\n") || cff["message"] == nil || !strings.HasPrefix(title, s.inc.Title) {
		t.Errorf("CITATION.cff: %v", cff)
	}
	var csl []struct {
		ID, Type, Title string
		Author          []struct{ Literal string }
		Issued          struct {
			Parts [][]int `json:"date-parts"`
		}
	}
	if err := json.Unmarshal([]byte(files["data/csl.json"]), &csl); err != nil || len(csl) != 1 || csl[0].Type != "dataset" || csl[0].Title != title || csl[0].Author[0].Literal != "Example Watch" || csl[0].Issued.Parts[0][0] != 2026 {
		t.Errorf("csl.json: %+v, %v", csl, err)
	}
	var dc map[string]any
	if err := json.Unmarshal([]byte(files["data/datacite.json"]), &dc); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"identifiers", "creators", "titles", "publisher", "publicationYear", "types", "schemaVersion"} { // "required" of DataCite's schema 4.3
		if dc[key] == nil {
			t.Errorf("datacite.json lacks %s", key)
		}
	}
	if bib := files["data/citation.bib"]; !strings.Contains(bib, `Loss of "100 \%" \& \{more\}\_of: it`) || !strings.Contains(bib, "author = {{Example Watch}}") || !strings.Contains(bib, "version = {v1}") {
		t.Errorf("citation.bib: %s", bib)
	}
	if !strings.Contains(files["data/LICENSE"], "CC-BY-4.0") || !strings.Contains(files["data/LICENSE"], "https://watch.example/corrections") {
		t.Errorf("LICENSE: %s", files["data/LICENSE"])
	}
}

// TestCrate holds ro-crate-metadata.json against RO-Crate 1.1: the descriptor, the root, and every payload file but itself described with
// its digest.
func TestCrate(t *testing.T) {
	_, _, files := run(t, closed())
	var crate struct {
		Context string           `json:"@context"`
		Graph   []map[string]any `json:"@graph"`
	}
	if err := json.Unmarshal([]byte(files["data/ro-crate-metadata.json"]), &crate); err != nil {
		t.Fatal(err)
	}
	nodes := map[string]map[string]any{}
	for _, x := range crate.Graph {
		nodes[x["@id"].(string)] = x
	}
	if d := nodes["ro-crate-metadata.json"]; crate.Context != "https://w3id.org/ro/crate/1.1/context" || d == nil || d["@type"] != "CreativeWork" || nodes["./"]["@type"] != "Dataset" {
		t.Errorf("%v, %v", d, nodes["./"])
	}
	for _, key := range []string{"name", "description", "datePublished", "license"} {
		if nodes["./"][key] == nil {
			t.Errorf("the root lacks %s", key)
		}
	}
	parts := map[string]bool{}
	for _, p := range nodes["./"]["hasPart"].([]any) {
		parts[p.(map[string]any)["@id"].(string)] = true
	}
	for p, text := range files {
		id, payload := strings.CutPrefix(p, "data/")
		if !payload || id == "ro-crate-metadata.json" {
			continue
		}
		if n := nodes[id]; n == nil || n["sha256"] != sha256Hex([]byte(text)) || !parts[id] {
			t.Errorf("%s is not described: %v", id, n)
		}
	}
	var prov struct {
		Graph []map[string]any `json:"@graph"`
	}
	if err := json.Unmarshal([]byte(files["data/provenance.jsonld"]), &prov); err != nil || len(prov.Graph) < 10 {
		t.Errorf("%d nodes, %v", len(prov.Graph), err)
	}
}

// TestShapes: the fields that OONI and Radar have, with no cause and nobody blamed.
func TestShapes(t *testing.T) {
	_, _, files := run(t, closed())
	var ooni, radar map[string]any
	if err := errors.Join(json.Unmarshal([]byte(files["data/exports/ooni-incident.json"]), &ooni), json.Unmarshal([]byte(files["data/exports/radar-annotation.json"]), &radar)); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"start_time", "end_time", "title", "short_description", "text", "event_type", "published", "CCs", "ASNs", "domains", "tags", "test_names", "links"} {
		if _, ok := ooni[key]; !ok {
			t.Errorf("ooni-incident.json lacks %s", key)
		}
	}
	if ooni["published"] != false || ooni["CCs"].([]any)[0] != "PK" || ooni["start_time"] != "2008-02-21T03:20:22" {
		t.Errorf("%v", ooni)
	}
	for _, key := range []string{"scope", "startDate", "endDate", "locations", "asns", "eventType", "outage", "linkedUrl"} {
		if _, ok := radar[key]; !ok {
			t.Errorf("radar-annotation.json lacks %s", key)
		}
	}
	if radar["outage"].(map[string]any)["outageCause"] != "UNKNOWN" {
		t.Errorf("%v", radar)
	}
}

// TestEdition: a frozen version is built twice alike, and says who made it, what it replaces and how it is checked.
func TestEdition(t *testing.T) {
	zip := func(e *Edition) []byte {
		s := closed()
		f, sum, err := Build(t.Context(), s, s.inc.ID, Options{Software: "corewatch test", Edition: e})
		if err != nil || sum.BundleID != f.ID() {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := f.WriteSigned(&out, testKey, nil, nil); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	e := edition(2)
	e.Supersedes = "urn:sha256:" + strings.Repeat("0", 64)
	b := zip(e)
	if !bytes.Equal(b, zip(e)) {
		t.Error("the same edition gives other octets")
	}
	z, err := evidence.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := z.Verify(evidence.Trust{Keys: []string{evidence.Fingerprint(e.Key)}})
	if err != nil || !r.Trusted || r.Info.Supersedes != e.Supersedes || r.Info.Organization != "Example Watch" || !r.Info.Date.Equal(e.At) {
		t.Errorf("%+v, %v", r, err)
	}
	custody, err := z.Read("data/custody.csv", 1<<20)
	if err != nil || !strings.Contains(string(custody), "2026-01-02T03:04:05Z,superseded,Example Watch,version 1,"+strings.Repeat("0", 64)) {
		t.Errorf("%s %v", custody, err)
	}
	verify, err := z.Read("VERIFY.md", 1<<20)
	if err != nil || !strings.Contains(strings.Split(string(verify), "\n")[2], "Nothing inside a bundle can prove who made it.") {
		t.Errorf("VERIFY.md does not begin with what it cannot prove: %v", err)
	}
	for name, spoil := range map[string]func(*Edition){
		"nobody":     func(e *Edition) { e.Operator.Name = "" },
		"no contact": func(e *Edition) { e.Operator.Contact = "" },
		"no licence": func(e *Edition) { e.Operator.Licence = "" },
		"no key":     func(e *Edition) { e.Key = nil },
		"version 0":  func(e *Edition) { e.Version = 0 },
	} {
		e := edition(1)
		spoil(e)
		s := closed()
		if _, _, err := Build(t.Context(), s, s.inc.ID, Options{Edition: e}); !errors.Is(err, ErrNotSigned) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// signedFiles are the files of a version, read back.
func signedFiles(t *testing.T, f *evidence.Fixed) map[string]string {
	t.Helper()
	var out bytes.Buffer
	if err := f.WriteSigned(&out, testKey, nil, nil); err != nil {
		t.Fatal(err)
	}
	z, err := evidence.Open(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, p := range z.Paths() {
		b, err := z.Read(p, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		files[p] = string(b)
	}
	return files
}

// BenchmarkWeek exports a week of a large country: a million messages, 20,000 prefixes, a sample a minute. The goal is 30 s.
func BenchmarkWeek(b *testing.B) {
	s := closed()
	m := s.messages[0]
	s.messages, s.members, s.samples = nil, nil, nil
	var d evidence.Digest
	var raws [][]byte
	for n := range 20_000 {
		p := bgp.PrefixFrom4(10<<24|uint32(n)<<8, 24)
		s.members = append(s.members, detect.Member{Prefix: p.String(), Units: 1, LostAt: at("2008-02-21T03:21:30Z"), Withdrawn: 39, Expected: 39, FirstPeer: m.Peer.String(), FirstWithdrawal: at("2008-02-21T03:20:02Z")})
		raws = append(raws, record(uint32(at("2008-02-21T03:20:02Z").Unix()), m.Peer, p.String(), n%2 == 0))
	}
	for n := range 1_000_000 {
		m.Seq, m.Raw = uint64(n+1), raws[n%len(raws)]
		m.Source.Length = uint32(len(m.Raw))
		s.messages = append(s.messages, m)
		d.Add(m.Raw)
	}
	for n := range 7 * 24 * 60 {
		s.samples = append(s.samples, detect.Sample{Entity: "country:PK", Signal: "bgp.v4", At: detect.At(at("2008-02-21T01:20:02Z").Add(time.Duration(n) * time.Minute)), Expected: 5120, Lost: int64(n % 700), Prefixes: 1374, Voting: 39})
	}
	s.inc.End.Time = detect.At(at("2008-02-21T03:21:30Z").AddDate(0, 0, 7))
	s.inc.Evidence = &detect.Evidence{Messages: d.Messages(), SHA256: d.Sum()}
	for b.Loop() {
		sum, err := Write(b.Context(), s, s.inc.ID, Options{}, io.Discard)
		if err != nil || sum.Messages != 1_000_000 {
			b.Fatalf("%+v, %v", sum, err)
		}
		b.SetBytes(sum.Bytes)
	}
}

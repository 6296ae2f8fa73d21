package dump_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/dump"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
	"github.com/corewatch/corewatch/detect/schematest"
)

var source = dump.Source{Collector: "rrc99", File: "updates.mrt"}

func loadSchema(t *testing.T) *schematest.Schema {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "schema", "decode-v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := schematest.Load(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A route with everything: confederations and sets, both kinds of next hop, every attribute that has a key.
var everything = slices.Concat(
	[]byte{0x40, 1, 1, 1}, // EGP
	[]byte{0x40, 2, 28, 3, 1, 0, 0, 0xfc, 0, 2, 2, 0, 0, 0, 1, 0, 1, 0x11, 0x70, 1, 2, 0, 0, 0, 3, 0, 0, 0, 4},
	[]byte{0x40, 3, 4, 10, 0, 0, 1},
	[]byte{0x80, 4, 4, 0xff, 0xff, 0xff, 0xff},
	[]byte{0x40, 5, 4, 0, 0, 0, 100},
	[]byte{0x40, 6, 0},
	[]byte{0xc0, 7, 8, 0, 1, 0x11, 0x70, 10, 7, 7, 7},
	[]byte{0xc0, 8, 8, 0xff, 0xff, 0xff, 1, 0, 1, 0, 2},
	[]byte{0x80, 9, 4, 10, 9, 9, 9},
	[]byte{0x80, 10, 8, 10, 0, 0, 8, 10, 0, 0, 9},
	[]byte{0x80, 14, 42, 0, 2, 1, 32, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
	[]byte{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 32, 0x20, 1, 0xd, 0xb8},
	[]byte{0xc0, 16, 8, 0, 2, 0, 1, 0, 0, 0, 5},
	[]byte{0xc0, 32, 12, 0, 1, 0x11, 0x70, 0, 0, 0, 1, 0, 0, 0, 2},
	[]byte{0xc0, 35, 4, 0, 0, 0, 1},
)

// TestJSONLines holds lines to the byte.
func TestJSONLines(t *testing.T) {
	schema := loadSchema(t)
	everything := slices.Clone(everything)
	everything[6] = byte(2 + 4 + 2 + 8 + 2 + 8) // AS_PATH
	at := bytes.Index(everything, []byte{0x80, 14, 42})
	everything[at+2] = byte(4 + 32 + 1 + 5)
	nlri := []byte{24, 10, 1, 2}
	const attrs = `"as_path":[{"type":"confed_sequence","as":[64512]},{"type":"sequence","as":[1,70000]},{"type":"set","as":[3,4]}],"origin":"egp",`
	const rest = `"med":4294967295,"local_pref":100,"atomic_aggregate":true,"aggregator":{"as":70000,"id":"10.7.7.7"},` +
		`"originator_id":"10.9.9.9","cluster_list":["10.0.0.8","10.0.0.9"],"communities":["65535:65281","1:2"],` +
		`"extended_communities":["0002000100000005"],"large_communities":["70000:1:2"],"otc":1,`
	addPath := session
	addPath.AddPath, addPath.Local = true, true
	for _, c := range []struct {
		name string
		e    mrt.Envelope
		msg  []byte
		want []string
	}{
		{"everything", session, updateMessage([]byte{8, 11}, everything, nlri), []string{
			`{"type":"withdraw",@,"prefix":"11.0.0.0/8",#}`,
			`{"type":"announce",@,"prefix":"10.1.2.0/24",` + attrs + `"next_hop":"10.0.0.1",` + rest + `#}`,
			`{"type":"announce",@,"prefix":"2001:db8::/32",` + attrs + `"next_hop":"2001:db8::1","link_local":"fe80::1",` + rest + `#}`,
		}},
		{"path identifiers, sent by the collector", addPath, updateMessage([]byte{0, 0, 0, 0, 8, 11, 0xff, 0xff, 0xff, 0xff, 8, 12}, nil, nil), []string{
			`{"type":"withdraw",@,"local":true,"prefix":"11.0.0.0/8","path_id":0,#}`,
			`{"type":"withdraw",@,"local":true,"prefix":"12.0.0.0/8","path_id":4294967295,#}`,
		}},
		{"without attributes", session, updateMessage(nil, nil, nlri), []string{
			`{"type":"withdraw",@,"prefix":"10.1.2.0/24","cause":"treat-as-withdraw","faults":["missing-attribute"],#}`,
		}},
		{"a prefix too long behind a good one", session, updateMessage([]byte{8, 11, 33}, nil, nil), []string{
			`{"type":"withdraw",@,"prefix":"11.0.0.0/8","faults":["nlri"],#}`,
		}},
		{"multicast", session, updateMessage(nil, []byte{0x80, 15, 5, 0, 1, 2, 8, 11}, nil), []string{
			`{"type":"withdraw",@,"prefix":"11.0.0.0/8","cause":"not-unicast",#}`,
		}},
		{"keepalive", session, bgpMessage(4, nil), []string{`{"type":"keepalive",@,#}`}},
		{"open", session, bgpMessage(1, []byte{4, 0x5b, 0xa0, 0, 180, 1, 2, 3, 4, 10, 2, 8, 65, 4, 0, 1, 0x11, 0x70, 2, 0}), []string{
			`{"type":"open",@,"version":4,"as":70000,"hold_time":180,"bgp_id":"1.2.3.4","capabilities":[{"code":65,"value":"00011170"},{"code":2}],#}`,
		}},
		{"notification", session, bgpMessage(3, append([]byte{6, 2, 5}, "\"bye\\"...)), []string{
			`{"type":"notification",@,"code":6,"subcode":2,"error":"Cease/Administrative Shutdown","shutdown_communication":"\"bye\\",#}`,
		}},
		{"route refresh", session, bgpMessage(5, []byte{0, 2, 0, 1}), []string{`{"type":"route_refresh",@,"afi":2,"safi":1,#}`}},
	} {
		raw := messageRecord(t, c.e, c.msg)
		length := binary.BigEndian.Uint32(raw[8:]) + 12
		fill := strings.NewReplacer(
			"@", `"time":"1970-01-01T00:16:40.000042Z","collector":"rrc99","peer_as":65001,"peer_addr":"192.0.2.1"`,
			"#", `"source":{"file":"updates.mrt","offset":0,"length":`+string(appendDecimal(nil, length))+`}`,
		)
		got := splitLines(printAll(t, raw, dump.JSON, source))
		var want []string
		for _, w := range c.want {
			want = append(want, fill.Replace(w))
		}
		validate(t, schema, got)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, want)
		}
	}
}

func appendDecimal(b []byte, n uint32) []byte {
	if n >= 10 {
		b = appendDecimal(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

func validate(t *testing.T, s *schematest.Schema, lines []string) {
	t.Helper()
	for i, l := range lines {
		err := s.Validate([]byte(l))
		if err == nil {
			err = s.Canonical([]byte(l))
		}
		if err != nil {
			t.Fatalf("line %d: %v\n%s", i+1, err, l)
		}
	}
}

// TestJSONOfRealFiles validates lines of every real file against the published schema, as any reader and as the canonical form:
// all of the first 300, then every 499th. Where bgpdump has a line for each elem, the numbers agree.
func TestJSONOfRealFiles(t *testing.T) {
	dir := dataDir(t, "validation of JSON lines")
	s := loadSchema(t)
	types := map[string]int{}
	for _, name := range append(formatFiles(t, dir), "rv2008/updates.20080220.1536.bz2", "rrc04/ris.rrc04.updates.1609476900.300.cache") {
		if testing.Short() && large(name) {
			continue
		}
		raw := readAll(t, filepath.Join(dir, name))
		all := splitLines(printAll(t, raw, dump.JSON, dump.Source{Collector: "c", File: name}))
		elems := 0
		for i, l := range all {
			typ, _, _ := strings.Cut(strings.TrimPrefix(l, `{"type":"`), `"`)
			types[typ]++
			switch typ {
			case "announce", "withdraw", "rib", "state":
				elems++
			}
			if i < 300 || i%499 == 0 {
				validate(t, s, all[i:i+1])
			}
		}
		if lines := bytes.Count(printAll(t, raw, dump.Bgpdump, dump.Source{}), []byte{'\n'}); lines != elems {
			t.Errorf("%s: %d elems and states as JSON, %d lines as bgpdump", name, elems, lines)
		}
	}
	for _, typ := range []string{"announce", "withdraw", "rib", "state", "open", "notification", "keepalive", "route_refresh"} {
		if types[typ] == 0 {
			t.Errorf("no file holds a line of type %q", typ)
		}
	}
}

// TestSchemaListsEveryWord: words that bgp and bgp/wire add must be added to the schema.
func TestSchemaListsEveryWord(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "schema", "decode-v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range wire.Faults(1<<31 - 1).All {
		if !bytes.Contains(b, []byte(`"`+name+`"`)) {
			t.Errorf("the schema does not know fault %q", name)
		}
	}
	for c := bgp.CauseNone + 1; c.String() != "unknown"; c++ {
		if !bytes.Contains(b, []byte(`"`+c.String()+`"`)) {
			t.Errorf("the schema does not know cause %q", c)
		}
	}
}

// TestStringsAreEscaped: names of files and collectors come from outside.
func TestStringsAreEscaped(t *testing.T) {
	raw := messageRecord(t, session, bgpMessage(4, nil))
	hostile := "a\"b\\c\nd\x00e\x7f\xfff\u2028"
	line := splitLines(printAll(t, raw, dump.JSON, dump.Source{Collector: hostile, File: hostile}))
	if len(line) != 1 {
		t.Fatalf("%d lines", len(line))
	}
	if err := loadSchema(t).Validate([]byte(line[0])); err != nil {
		t.Errorf("%v: %s", err, line[0])
	}
	if text := printAll(t, raw, dump.Text, dump.Source{Collector: hostile}); bytes.ContainsAny(text[:len(text)-1], "\n\x00\x7f") {
		t.Errorf("text with control characters: %q", text)
	}
}

// TestPrintDoesNotAllocate measures a message of the common kind in every format.
func TestPrintDoesNotAllocate(t *testing.T) {
	attrs := slices.Concat(
		[]byte{0x40, 1, 1, 0, 0x40, 2, 10, 2, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0x40, 3, 4, 10, 0, 0, 1, 0x80, 4, 4, 0, 0, 0, 9},
		[]byte{0xc0, 7, 8, 0, 1, 0x11, 0x70, 10, 7, 7, 7, 0xc0, 8, 8, 0xff, 0xff, 0xff, 1, 0, 1, 0, 2},
		[]byte{0xc0, 32, 12, 0, 1, 0x11, 0x70, 0, 0, 0, 1, 0, 0, 0, 2},
	)
	raw := messageRecord(t, session, updateMessage([]byte{8, 11}, attrs, []byte{24, 10, 1, 2, 24, 10, 1, 3}))
	for f, name := range map[dump.Format]string{dump.Text: "text", dump.JSON: "json", dump.Bgpdump: "bgpdump"} {
		rec, err := mrt.NewReader(bytes.NewReader(raw)).Next()
		if err != nil {
			t.Fatal(err)
		}
		var (
			d mrt.Decoder
			c mrt.Content
		)
		p := dump.NewPrinter(io.Discard, f)
		p.From(source)
		print := func() {
			if err := d.Decode(rec, &c); err != nil {
				t.Fatal(err)
			}
			if err := p.Print(rec, &c); err != nil {
				t.Fatal(err)
			}
		}
		print() // buffers grow once
		if n := testing.AllocsPerRun(1000, print); n != 0 {
			t.Errorf("%s: %v allocations for a message of 3 elems", name, n)
		}
	}
}

// TestAddressForms compares the form of IPv6 addresses with netip's where the two rules agree.
func TestAddressForms(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var a [16]byte
		for i := range 8 {
			if rng.IntN(3) > 0 {
				a[2*i], a[2*i+1] = 0x20, byte(rng.IntN(256))
			}
		}
		prefix := append([]byte{128}, a[:]...)
		attr := append([]byte{0x80, 15, 20, 0, 2, 1}, prefix...)
		raw := messageRecord(t, session, updateMessage(nil, attr, nil))
		line := string(bytes.TrimSpace(printAll(t, raw, dump.Bgpdump, source)))
		text := strings.TrimSuffix(line[strings.LastIndexByte(line, '|')+1:], "/128")
		json := string(printAll(t, raw, dump.JSON, source))
		if !sameAddress(text, a) {
			t.Errorf("%x is printed as %q (%s)", a, text, json)
		}
	}
}

// sameAddress reports whether text reads as a, and is not longer than RFC 5952 has it.
func sameAddress(text string, a [16]byte) bool {
	p, err := netip.ParseAddr(text)
	return err == nil && p.As16() == a
}

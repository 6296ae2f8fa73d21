package dump_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp/dump"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// TestTextLines holds lines for people: every elem names the offset of its record.
func TestTextLines(t *testing.T) {
	first := messageRecord(t, session, updateMessage([]byte{8, 11}, nil, []byte{24, 10, 1, 2}))
	raw := append(first, messageRecord(t, session, bgpMessage(3, []byte{6, 4}))...)
	state, err := mrt.AppendStateChange(nil, 1_000_000_042, session, 6, 1)
	if err != nil {
		t.Fatal(err)
	}
	got := splitLines(printAll(t, append(raw, state...), dump.Text, source))
	want := []string{
		"0          1970-01-01T00:16:40.000042Z  withdraw       rrc99/AS65001/192.0.2.1  11.0.0.0/8  faults missing-attribute",
		"0          1970-01-01T00:16:40.000042Z  withdraw       rrc99/AS65001/192.0.2.1  10.1.2.0/24  cause treat-as-withdraw  faults missing-attribute",
		"65         1970-01-01T00:16:40.000042Z  notification   rrc99/AS65001/192.0.2.1  Cease/Administrative Reset",
		"122        1970-01-01T00:16:40.000042Z  state          rrc99/AS65001/192.0.2.1  Established → Idle",
	}
	if !slices.Equal(got, want) {
		t.Errorf("printed %q, want %q", got, want)
	}
	announced := string(printAll(t, tableRecord([]byte{0x40, 1, 1, 0, 0x40, 2, 10, 1, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0x40, 3, 4, 10, 0, 0, 1}), dump.Text, source))
	if !strings.HasSuffix(announced, "rib            rrc99/AS65001/192.0.2.1  10.1.0.0/16  path {3,4}  origin igp  next-hop 10.0.0.1\n") {
		t.Errorf("printed %q", announced)
	}
}

// TestPrintTellsMalformed: what is malformed is an error, with the lines before it written; a message that has no line is another.
func TestPrintTellsMalformed(t *testing.T) {
	for _, c := range []struct {
		name string
		msg  []byte
		want error
	}{
		{"marker", slices.Concat(make([]byte, 16), []byte{0, 19, 4}), wire.ErrMarker},
		{"fields", bgpMessage(2, []byte{0, 9, 0, 0}), wire.ErrFields},
		{"type", bgpMessage(9, nil), dump.ErrMessageType},
		{"open", bgpMessage(1, []byte{4}), wire.ErrLength},
		{"open of AS 0", bgpMessage(1, []byte{4, 0, 0, 0, 180, 1, 2, 3, 4, 0}), nil},
	} {
		rec, err := mrt.NewReader(bytes.NewReader(messageRecord(t, session, c.msg))).Next()
		if err != nil {
			t.Fatal(err)
		}
		var (
			d    mrt.Decoder
			body mrt.Content
		)
		if err := d.Decode(rec, &body); err != nil {
			t.Fatal(err)
		}
		for f := dump.Text; f <= dump.Bgpdump; f++ {
			if err := dump.NewPrinter(io.Discard, f).Print(rec, &body); !errors.Is(err, c.want) {
				t.Errorf("%s: error %v, want %v", c.name, err, c.want)
			}
		}
	}
}

type brokenWriter struct{ writes int }

func (w *brokenWriter) Write([]byte) (int, error) {
	w.writes++
	return 0, io.ErrClosedPipe
}

// TestPrinterStopsWriting: after the first error of the writer nothing more is given to it.
func TestPrinterStopsWriting(t *testing.T) {
	rec, err := mrt.NewReader(bytes.NewReader(messageRecord(t, session, bgpMessage(4, nil)))).Next()
	if err != nil {
		t.Fatal(err)
	}
	var (
		d mrt.Decoder
		c mrt.Content
		w brokenWriter
	)
	if err := d.Decode(rec, &c); err != nil {
		t.Fatal(err)
	}
	p := dump.NewPrinter(&w, dump.JSON)
	for range 5000 {
		if err := p.Print(rec, &c); err != nil {
			t.Fatal(err)
		}
	}
	if w.writes != 1 || !errors.Is(p.Err(), io.ErrClosedPipe) || !errors.Is(p.Flush(), io.ErrClosedPipe) {
		t.Errorf("%d writes, error %v", w.writes, p.Err())
	}
}

// FuzzPrint gives any bytes to all formats. JSON must have one object a line and bgpdump's lines no control characters.
func FuzzPrint(f *testing.F) {
	for _, c := range readCases(f) {
		f.Add(c.record)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 4<<10 {
			return // one record can print megabytes
		}
		for line := range bytes.Lines(printAll(t, raw, dump.JSON, source)) {
			if !bytes.HasPrefix(line, []byte(`{"type":"`)) || !bytes.HasSuffix(line, []byte("}}\n")) {
				t.Errorf("JSON line %q", line)
			}
		}
		for line := range bytes.Lines(printAll(t, raw, dump.Bgpdump, source)) {
			if i := bytes.IndexFunc(line, func(r rune) bool { return r < ' ' || r > '~' }); i != len(line)-1 {
				t.Errorf("bgpdump line %q", line)
			}
		}
		_ = printAll(t, raw, dump.Text, source)
	})
}

// BenchmarkPrint prints five minutes of updates of a real collector in each format.
func BenchmarkPrint(b *testing.B) {
	raw := readAll(b, filepath.Join(dataDir(b, "BenchmarkPrint"), "rrc04", "ris.rrc04.updates.1609476900.300.cache"))
	for f, name := range map[dump.Format]string{dump.Text: "text", dump.JSON: "json", dump.Bgpdump: "bgpdump"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			lines := 0
			for b.Loop() {
				lines = bytes.Count(printAll(b, raw, f, source), []byte{'\n'})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
		})
	}
}

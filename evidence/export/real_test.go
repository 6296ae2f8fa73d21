package export

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/csv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/evidence"
)

// archived reads a file of the test data, unpacked. Without the data the test says what did not run.
func archived(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("COREWATCH_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil || len(files) == 0 {
		t.Skipf("no %s in the test data (COREWATCH_DATA): the export of really recorded messages was not run", name)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRecordedMessages exports all records of a real update file as evidence: bgpdump must read in the bundle what it reads in the
// file, and every row of sources.csv must lead back to its octets.
func TestRecordedMessages(t *testing.T) {
	stream := archived(t, "mrt/rrc04/ris.rrc04.updates.1609480800.*")
	s := closed()
	s.messages, s.inputs = nil, s.inputs[:1]
	var d evidence.Digest
	for off := 0; off < len(stream); {
		n := 12 + int(binary.BigEndian.Uint32(stream[off+8:]))
		raw := stream[off : off+n]
		rec, err := mrt.NewBytesReader(raw).Next()
		if err != nil {
			t.Fatal(err)
		}
		var c mrt.Content
		if err := new(mrt.Decoder).Decode(rec, &c); err != nil {
			t.Fatal(err)
		}
		s.messages = append(s.messages, bgp.Message{
			Seq: uint64(off), At: rec.Time, Peer: bgp.Peer{Collector: "rrc04", AS: c.PeerAS, Addr: c.PeerAddr},
			Source: bgp.Source{Offset: int64(off), Length: uint32(n)}, Raw: raw,
		})
		d.Add(raw)
		off += n
	}
	s.inc.Evidence.Messages, s.inc.Evidence.SHA256 = d.Messages(), d.Sum()
	sum, _, files := run(t, s)
	t.Logf("%d messages, %d octets of messages, bundle of %d", sum.Messages, len(stream), sum.Bytes)
	if files["data/raw/bgp/messages.mrt"] != string(stream) {
		t.Error("the messages one after the other are not the file they came from")
	}
	rows, err := csv.NewReader(bytes.NewReader([]byte(files["data/raw/bgp/sources.csv"]))).ReadAll()
	if err != nil || len(rows) != len(s.messages)+1 {
		t.Fatalf("%d rows for %d messages, %v", len(rows), len(s.messages), err)
	}
	for _, r := range rows[1:] {
		off, err1 := strconv.Atoi(r[5])
		n, err2 := strconv.Atoi(r[6])
		if err1 != nil || err2 != nil || sha256Hex(stream[off:off+n]) != r[7] {
			t.Fatalf("row %q does not lead to its message", r)
		}
	}
	bgpdump := tool(t, "bgpdump")
	dir, _ := unpacked(t, s)
	original := filepath.Join(t.TempDir(), "updates")
	if err := os.WriteFile(original, stream, 0o644); err != nil {
		t.Fatal(err)
	}
	text := func(name string) string {
		out, err := exec.Command(bgpdump, "-v", "-m", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	got, want := text(filepath.Join(dir, "data", "raw", "bgp", "messages.mrt")), text(original)
	if got != want || len(want) == 0 {
		t.Errorf("bgpdump reads %d octets of text in the bundle, %d in the file", len(got), len(want))
	}
}

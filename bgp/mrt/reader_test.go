package mrt

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/corewatch/corewatch/bgp"
)

const t0 = 1203561000 // 2008-02-21T02:30:00Z

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// record is a whole MRT record around a body.
func record(seconds uint32, typ, sub uint16, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, seconds)
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint16(b, sub)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

// Bodies, in hex.
const (
	session2  = "fde8 1902 0000 0001 c0000201 c0000202 " // AS 65000 at 192.0.2.1 to AS 6402
	session4  = "00030d40 00001902 0000 0002 20010db8000000000000000000000001 20010db8000000000000000000000002 "
	marker    = "ffffffffffffffffffffffffffffffff "
	keepalive = marker + "0013 04 "
	withdraw  = marker + "001b 02 0004 18 cb0071 0000 "
)

// three messages, one after the other.
func threeRecords() [][]byte {
	return [][]byte{
		record(t0, TypeBGP4MP, subMessage, unhex(session2+withdraw)),
		record(t0+1, TypeBGP4MP, subMessage, unhex(session2+keepalive)),
		record(t0+2, TypeBGP4MP, subMessage, unhex(session2+withdraw)),
	}
}

// event is what one call of Next gave.
func events(t *testing.T, rd *Reader) (got []string) {
	t.Helper()
	for range 1000 {
		rec, err := rd.Next()
		var torn *TornError
		switch {
		case err == nil:
			got = append(got, fmt.Sprintf("%d+%d", rec.Offset, len(rec.Raw)))
		case errors.As(err, &torn):
			got = append(got, fmt.Sprintf("%s %d+%d", torn.Kind, torn.Offset, torn.Length))
		case err == io.EOF:
			return append(got, "EOF")
		default:
			return append(got, err.Error())
		}
	}
	t.Fatal("Next does not come to an end")
	return nil
}

func TestReader(t *testing.T) {
	rs := threeRecords()
	a, b, c := rs[0], rs[1], rs[2]
	la, lb, lc := len(a), len(b), len(c)
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	at := func(n, l int) string { return fmt.Sprintf("%d+%d", n, l) }
	lie := slices.Clone(a)
	binary.BigEndian.PutUint32(lie[8:], maxRecord+1)
	zeros := make([]byte, 100)
	long := bytes.Repeat([]byte{0x55}, 200_000)
	for _, tc := range []struct {
		name string
		in   []byte
		want []string
	}{
		{"empty", nil, []string{"EOF"}},
		{"clean", join(a, b, c), []string{at(0, la), at(la, lb), at(la+lb, lc), "EOF"}},
		{"torn in the middle", join(a, b[:30], c, a), []string{at(0, la), "torn " + at(la, 30), at(la+30, lc), at(la+30+lc, la), "EOF"}},
		{"torn first", join(a[:20], b, c), []string{"torn " + at(0, 20), at(20, lb), at(20+lb, lc), "EOF"}},
		{"torn inside its header", join(a, b[:7], c, a), []string{at(0, la), "torn " + at(la, 7), at(la+7, lc), at(la+7+lc, la), "EOF"}},
		{"two torn in a row", join(a, b[:30], b[:40], c, a), []string{at(0, la), "torn " + at(la, 30), "torn " + at(la+30, 40), at(la+70, lc), at(la+70+lc, la), "EOF"}},
		{"torn before the last", join(a, b[:30], c), []string{at(0, la), "torn " + at(la, 30), at(la+30, lc), "EOF"}},
		{"bytes between records", join(a, []byte("bad disk block"), b, c), []string{at(0, la), "torn " + at(la, 14), at(la+14, lb), at(la+14+lb, lc), "EOF"}},
		{"hole of zeros", join(a, zeros, b, c), []string{at(0, la), "torn " + at(la, 100), at(la+100, lb), at(la+100+lb, lc), "EOF"}},
		{"long garbage", join(a, long, b, c), []string{at(0, la), "torn " + at(la, len(long)), at(la+len(long), lb), at(la+len(long)+lb, lc), "EOF"}},
		{"truncated at the end", join(a, b[:30]), []string{at(0, la), "truncated " + at(la, 30), "EOF"}},
		{"truncated in the last header", join(a, b[:5]), []string{at(0, la), "truncated " + at(la, 5), "EOF"}},
		{"garbage at the end", join(a, zeros), []string{at(0, la), "garbage " + at(la, 100), "EOF"}},
		{"only garbage", []byte("<html><body>404 not found</body></html>"), []string{"garbage " + at(0, 39), "EOF"}},
		{"length above the limit", join(lie, b, c), []string{"torn " + at(0, la), at(la, lb), at(la+lb, lc), "EOF"}},
		{"joined files of other years", join(a, record(t0-3e8, 13, 1, zeros), c), []string{at(0, la), at(la, 112), at(la+112, lc), "EOF"}},
		{"unknown type", join(a, record(t0, 999, 1, zeros), c), []string{at(0, la), at(la, 112), at(la+112, lc), "EOF"}},
		{"empty body", join(a, record(t0, 12, 1, nil), c), []string{at(0, la), at(la, 12), at(la+12, lc), "EOF"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := events(t, NewReader(bytes.NewReader(tc.in))); !slices.Equal(got, tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
			if got := events(t, NewBytesReader(tc.in)); !slices.Equal(got, tc.want) {
				t.Errorf("in place: got  %q\nwant %q", got, tc.want)
			}
			// How the source portions its bytes must not matter.
			if got := events(t, NewReader(iotest.OneByteReader(bytes.NewReader(tc.in)))); !slices.Equal(got, tc.want) {
				t.Errorf("byte by byte: got  %q\nwant %q", got, tc.want)
			}
			if got := events(t, NewReader(iotest.DataErrReader(bytes.NewReader(tc.in)))); !slices.Equal(got, tc.want) {
				t.Errorf("end with data: got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

// stuck gives neither bytes nor an error.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestReaderSourceErrors(t *testing.T) {
	rs := threeRecords()
	broken := errors.New("the disk is gone")
	in := io.MultiReader(bytes.NewReader(slices.Concat(rs[0], rs[1][:30])), iotest.ErrReader(broken))
	want := []string{
		fmt.Sprintf("0+%d", len(rs[0])), fmt.Sprintf("truncated %d+30", len(rs[0])),
		fmt.Sprintf("mrt: reading at byte %d: the disk is gone", len(rs[0])+30),
	}
	if got := events(t, NewReader(in)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := NewReader(stuck{}).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a stuck source gives %v", err)
	}
}

// TestReaderMemory reads a length field that claims the maximum over a short stream, and a large honest record.
func TestReaderMemory(t *testing.T) {
	big := record(t0, TypeTableDumpV2, subRIB4Unicast, make([]byte, 3<<20))
	got := events(t, NewReader(bytes.NewReader(slices.Concat(big, big))))
	if want := []string{fmt.Sprintf("0+%d", len(big)), fmt.Sprintf("%d+%d", len(big), len(big)), "EOF"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	lie := record(t0, TypeBGP4MP, subMessage, nil)
	binary.BigEndian.PutUint32(lie[8:], maxRecord)
	r := NewReader(bytes.NewReader(lie))
	if _, err := r.Next(); err == nil || len(r.buf) > 1<<20 {
		t.Errorf("error %v, buffer of %d bytes for 12 bytes of input", err, len(r.buf))
	}
}

func TestExtendedTime(t *testing.T) {
	for _, c := range []struct {
		body string
		want bgp.Micros
		rest int
	}{
		{"000f423f aabb", bgp.Seconds(t0) + 999_999, 2},
		{"000f4240 aabb", bgp.Seconds(t0), 2}, // a whole second of microseconds is none
		{"0000", bgp.Seconds(t0), 2},          // too short to hold them
	} {
		rec, err := NewReader(bytes.NewReader(record(t0, TypeBGP4MPET, 1, unhex(c.body)))).Next()
		if err != nil || rec.Time != c.want || len(rec.Body) != c.rest || len(rec.Raw) != 12+len(unhex(c.body)) {
			t.Errorf("%s: %+v %v", c.body, rec, err)
		}
	}
}

func TestReaderAllocations(t *testing.T) {
	one := slices.Concat(threeRecords()...)
	r := NewReader(bytes.NewReader(bytes.Repeat(one, 2000)))
	var d Decoder
	var c Content
	n := testing.AllocsPerRun(5000, func() {
		rec, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(rec, &c); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for a record", n)
	}
}

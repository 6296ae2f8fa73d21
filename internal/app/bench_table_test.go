package app

import (
	"errors"
	"hash/crc32"
	"io"
	"net/netip"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/bgp/wire"
)

// eachFile opens the files one after the other as a run does.
func eachFile(tb testing.TB, files []string, read func(f *mrt.File)) {
	for _, name := range files {
		f, err := mrt.Open(name)
		if err != nil {
			tb.Fatal(err)
		}
		read(f)
		if err := f.Close(); err != nil {
			tb.Fatal(err)
		}
	}
}

// tables are the visibility of both families, fed as detect/signal feeds them, without what it makes of the votes.
type tables struct {
	fam    [2]*visibility.Table
	ids    map[session]*[2]visibility.PeerID
	near   [256]sessionColumns // the sessions met last
	now    bgp.Micros
	elems  int
	votes  int
	unseen int // sum over the votes, so that none is for nothing

	content mrt.Content
	update  wire.Update
	elem    bgp.Elem
}

type session struct {
	as   uint32
	addr netip.Addr
}

type sessionColumns struct {
	name session
	ids  *[2]visibility.PeerID
}

func newTables() *tables {
	return &tables{
		fam: [2]*visibility.Table{visibility.New(visibility.Config{}), visibility.New(visibility.Config{V6: true})},
		ids: map[session]*[2]visibility.PeerID{},
	}
}

// columns finds or makes the columns of a session.
func (t *tables) columns(tb testing.TB, as uint32, addr netip.Addr, at bgp.Micros) *[2]visibility.PeerID {
	b := addr.As16()
	slot := &t.near[b[15]^b[14]^b[7]<<4^byte(as)]
	name := session{as, addr}
	if slot.ids != nil && slot.name == name {
		return slot.ids
	}
	ids := t.ids[name]
	if ids == nil {
		ids = new([2]visibility.PeerID)
		for i, f := range t.fam {
			var err error
			if ids[i], err = f.Peer(bgp.Peer{Collector: "rrc04", AS: as, Addr: addr}, at); err != nil {
				tb.Fatal(err)
			}
		}
		t.ids[name] = ids
	}
	*slot = sessionColumns{name, ids}
	return ids
}

func (t *tables) apply(tb testing.TB, e *bgp.Elem, ids *[2]visibility.PeerID, at bgp.Micros) {
	i := 0
	if e.Prefix.IsV6() {
		i = 1
	}
	f := t.fam[i]
	row, err := f.Intern(e.Prefix)
	if err != nil {
		tb.Fatal(err)
	}
	var c visibility.Change
	if e.Kind == bgp.Withdraw {
		c = f.Withdraw(row, ids[i], at)
	} else {
		c = f.Announce(row, ids[i], e.Origin, at)
	}
	if c.VoteMayChange() {
		t.votes++
		t.unseen += f.Vote(row).Withdrawn
	}
}

// read decodes one stream, and applies it unless into is false.
func (t *tables) read(tb testing.TB, r io.Reader, into bool) {
	var d mrt.Decoder
	rd := mrt.NewReader(r)
	for {
		rec, err := rd.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			if torn := (*mrt.TornError)(nil); errors.As(err, &torn) {
				continue
			}
			tb.Fatal(err)
		}
		if into {
			if s := rec.Time - rec.Time%bgp.Second; s > t.now {
				t.now = s
				t.fam[0].Tick(s, nil)
				t.fam[1].Tick(s, nil)
			}
		}
		t.record(tb, rec, &d, into)
	}
}

// record decodes one record, and applies it unless into is false.
func (t *tables) record(tb testing.TB, rec *mrt.Record, d *mrt.Decoder, into bool) {
	c, u, e := &t.content, &t.update, &t.elem
	if d.Decode(rec, c) != nil {
		return
	}
	if c.Kind == mrt.StateChange && into && c.OldState == bgp.Established {
		ids := t.columns(tb, c.PeerAS, c.PeerAddr, rec.Time)
		t.fam[0].FlushPeer(ids[0], rec.Time)
		t.fam[1].FlushPeer(ids[1], rec.Time)
	}
	if c.Kind != mrt.Message || u.Parse(c.BGP, c.Opts) != nil {
		return
	}
	var ids *[2]visibility.PeerID
	if into {
		ids = t.columns(tb, c.PeerAS, c.PeerAddr, rec.Time)
	}
	for u.Next(e) {
		t.elems++
		if into && e.Cause != bgp.CauseMulticast {
			t.apply(tb, e, ids, rec.Time)
		}
	}
}

// gunzip runs gzip -dc over the files and gives its processor time; its output goes to w.
func gunzip(tb testing.TB, files []string, w io.Writer) time.Duration {
	bin, err := exec.LookPath("gzip")
	if err != nil {
		tb.Fatal("gzip is not installed")
	}
	cmd := exec.Command(bin, append([]string{"-dc"}, files...)...)
	cmd.Stdout = w
	if err := cmd.Run(); err != nil {
		tb.Fatalf("gzip: %v", err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// BenchmarkTable reads four hours of a collector from its gzip files into visibility tables, with a Vote after each change, and
// compares that with decompressing alone, by this program and by gzip -dc. Times are of the processor.
func BenchmarkTable(b *testing.B) {
	dir := dataDir()
	if dir == "" {
		b.Skip("did not run: rrc04 (no COREWATCH_DATA)")
	}
	files, err := filepath.Glob(filepath.Join(dir, "mrt", "rrc04", "*.cache"))
	if err != nil || len(files) == 0 {
		b.Fatalf("no files of rrc04 in %s: %v", dir, err)
	}

	sum, theirs := crc32.NewIEEE(), crc32.NewIEEE()
	var size int64
	eachFile(b, files, func(f *mrt.File) {
		n, err := io.Copy(sum, f)
		if err != nil {
			b.Fatal(err)
		}
		size += n
	})
	gunzip(b, files, theirs)
	if sum.Sum32() != theirs.Sum32() {
		b.Fatalf("CRC-32 of %d bytes %08x, by gzip %08x", size, sum.Sum32(), theirs.Sum32())
	}

	// The least of several rounds each: what a busy machine adds to one of them is nobody's merit.
	const never = time.Hour
	plain, child, decode, table := never, never, never, never
	var last *tables
	buf := make([]byte, 256<<10)
	b.ResetTimer()
	for range b.N {
		start := cpu(b)
		eachFile(b, files, func(f *mrt.File) {
			for {
				if _, err := f.Read(buf); err == io.EOF {
					return
				} else if err != nil {
					b.Fatal(err)
				}
			}
		})
		plain = min(plain, cpu(b)-start)
		child = min(child, gunzip(b, files, nil))

		only := &tables{}
		start = cpu(b)
		eachFile(b, files, func(f *mrt.File) { only.read(b, f, false) })
		decode = min(decode, cpu(b)-start)

		last = newTables()
		start = cpu(b)
		eachFile(b, files, func(f *mrt.File) { last.read(b, f, true) })
		table = min(table, cpu(b)-start)
		if only.elems != last.elems || last.elems == 0 || last.votes == 0 {
			b.Fatalf("%d elems decoded, %d applied, %d votes", only.elems, last.elems, last.votes)
		}
	}
	if b.N == 1 {
		b.Logf("%d files, %d bytes, CRC-32 %08x as by gzip; %d elems, %d votes; rows %d+%d, sessions %d", len(files), size, sum.Sum32(),
			last.elems, last.votes, last.fam[0].Rows(), last.fam[1].Rows(), len(last.ids))
	}
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	b.ReportMetric(ms(plain), "cpu-ms-gunzip")
	b.ReportMetric(ms(child), "cpu-ms-gzip-dc")
	b.ReportMetric(ms(decode-plain), "cpu-ms-decode")
	b.ReportMetric(ms(table-decode), "cpu-ms-table")
	b.ReportMetric(float64(table)/float64(plain), "x-gunzip")
	b.ReportMetric(float64(table)/float64(child), "x-gzip-dc")
}

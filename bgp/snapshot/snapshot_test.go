package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/bgp/wire"
)

const start = 1_700_000_000 * bgp.Second

// asPath makes the value of an AS_PATH out of segments, and the path that wire reads in it.
func asPath(t *testing.T, segments ...[]uint32) (words []uint32, text string) {
	t.Helper()
	attrs := []byte{0x40, 1, 1, 2, 0x50, 2, 0, 0}
	for _, s := range segments {
		attrs = appendSegment(attrs, byte(s[0]), s[1:])
	}
	n := len(attrs) - 8
	attrs[6], attrs[7] = byte(n>>8), byte(n)
	var u wire.Update
	u.ParseRIB(attrs, wire.Options{AS4: true})
	if u.Faults != 0 {
		t.Fatalf("the path %v is malformed: %v", segments, u.Faults)
	}
	return EncodePath(nil, u.Path()), render(u.Path())
}

func render(p wire.Path) string {
	var b strings.Builder
	for kind, as := range p.Segments() {
		fmt.Fprintf(&b, "%d%v ", kind, slices.Collect(as))
	}
	return b.String()
}

// read gives the routes of a file as "peer prefix path since", sorted.
func read(t *testing.T, raw []byte) (routes []string) {
	t.Helper()
	var (
		r = mrt.NewReader(bytes.NewReader(raw))
		d mrt.Decoder
		c mrt.Content
		e mrt.RIBEntry
		u wire.Update
	)
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(routes)
			return routes
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(rec, &c); err != nil {
			t.Fatal(err)
		}
		if c.Kind != mrt.RIBEntries {
			continue
		}
		for c.RIB.Next(&e) {
			u.ParseRIB(e.Attrs, c.Opts)
			if u.Faults != 0 {
				t.Errorf("%s: faults %v", e.Prefix, u.Faults)
			}
			routes = append(routes, fmt.Sprintf("AS%d %s %s %s%d", e.PeerAS, e.PeerAddr, e.Prefix, render(u.Path()), e.Originated/bgp.Second))
		}
		if err := c.RIB.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPathsKeepTheirShape(t *testing.T) {
	long := append([]uint32{2}, slices.Repeat([]uint32{64500}, 300)...)
	table := visibility.New(visibility.Config{})
	name := bgp.Peer{Collector: "rc0", AS: 64501, Addr: netip.MustParseAddr("192.0.2.7")}
	p, err := table.Peer(name, start)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i, segments := range [][][]uint32{
		{{2, 64501, 64502, 64503}},
		{{2, 64501, 64502}, {1, 64503, 64504}},
		{{3, 65001}, {2, 64501}, {4, 65002, 65003}},
		{{2, 4_200_000_001, 4_200_000_001, 7}},
	} {
		words, text := asPath(t, segments...)
		prefix := bgp.PrefixFrom4(10<<24|uint32(i)<<8, 24)
		r, err := table.Intern(prefix)
		if err != nil {
			t.Fatal(err)
		}
		table.Announce(r, p, segments[0][1], start)
		table.Watch(r, true)
		table.SetPath(r, p, words)
		want = append(want, fmt.Sprintf("AS64501 192.0.2.7 %s %s%d", prefix, text, start/bgp.Second))
	}
	var out bytes.Buffer
	n, err := Write(&out, start+60*bgp.Second, "rc0", table)
	if err != nil {
		t.Fatal(err)
	}
	if n.Routes != len(want) || n.Paths != len(want) || n.Prefixes != len(want) || n.Peers != 1 {
		t.Errorf("counted %+v of %d routes with paths", n, len(want))
	}
	slices.Sort(want)
	if got := read(t, out.Bytes()); !slices.Equal(got, want) {
		t.Errorf("read back\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	// A sequence of more than 255 AS numbers takes two segments and is still the same path.
	words, _ := asPath(t, long[:256], append([]uint32{2}, long[256:]...))
	value := appendPath(nil, words)
	if value[0] != 2 || value[1] != 255 || len(value) != 2+2+4*300 {
		t.Errorf("300 AS numbers were written as segments of %d, %d octets in all", value[1], len(value))
	}
}

// TestRandomTables holds the files of several collectors against what the tables were told.
func TestRandomTables(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 7))
		tables := []*visibility.Table{visibility.New(visibility.Config{}), visibility.New(visibility.Config{V6: true})}
		collectors := []string{"rrc00", "route-views2", "quiet"}
		var names []bgp.Peer
		for i := range 9 {
			n := bgp.Peer{Collector: collectors[i%3], AS: uint32(64500 + i/2), Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}
			names = append(names, n)
			for _, table := range tables {
				if _, err := table.Peer(n, start); err != nil {
					t.Fatal(err)
				}
			}
		}
		type key struct {
			peer   int
			prefix bgp.Prefix
		}
		has := map[key]string{}
		for i := range 400 {
			at := start + bgp.Micros(i)*bgp.Second
			v6 := rng.IntN(3) == 0
			table, prefix := tables[0], bgp.PrefixFrom4(10<<24|rng.Uint32N(40)<<8, 24)
			if v6 {
				table, prefix = tables[1], bgp.PrefixFrom6(0x20010db8<<32|uint64(rng.Uint32N(40))<<16, 0, 48)
			}
			r, err := table.Intern(prefix)
			if err != nil {
				t.Fatal(err)
			}
			p := rng.IntN(9)
			if collectors[p%3] == "quiet" {
				continue
			}
			k := key{p, prefix}
			if rng.IntN(3) == 0 {
				table.Withdraw(r, visibility.PeerID(p), at)
				delete(has, k)
				continue
			}
			origin := 65000 + rng.Uint32N(3)
			table.Announce(r, visibility.PeerID(p), origin, at)
			text := fmt.Sprintf("%d%v ", 2, []uint32{names[p].AS, asTrans, origin})
			if rng.IntN(2) == 0 {
				table.Watch(r, true)
			}
			if table.Watched(r) {
				words, shape := asPath(t, []uint32{2, names[p].AS, 64700 + rng.Uint32N(2), origin})
				table.SetPath(r, visibility.PeerID(p), words)
				text = shape
			}
			has[k] = text
		}
		at := start + 3600*bgp.Second
		for _, c := range Collectors(tables[0], tables[1]) {
			var want []string
			for k, text := range has {
				if names[k.peer].Collector == c {
					want = append(want, fmt.Sprintf("AS%d %s %s %s", names[k.peer].AS, names[k.peer].Addr, k.prefix, text))
				}
			}
			slices.Sort(want)
			var out bytes.Buffer
			n, err := Write(&out, at, c, tables[0], tables[1])
			if len(want) == 0 {
				if !errors.Is(err, ErrEmpty) {
					t.Errorf("seed %d: a collector without routes gives %v, want ErrEmpty", seed, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			got := read(t, out.Bytes())
			for i := range got { // the time is looked at elsewhere
				got[i] = got[i][:strings.LastIndexByte(got[i], ' ')+1]
			}
			slices.Sort(got)
			if n.Routes != len(want) || !slices.Equal(got, want) {
				t.Fatalf("seed %d, %s: %d routes\n%s\nwant %d\n%s", seed, c, n.Routes, strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
			}
		}
	}
}

// failing is a writer that is full.
type failing struct{ left int }

func (f *failing) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

func TestFullDisk(t *testing.T) {
	table := visibility.New(visibility.Config{})
	p, _ := table.Peer(bgp.Peer{Collector: "rc0", AS: 64501, Addr: netip.MustParseAddr("192.0.2.7")}, start)
	for i := range uint32(100) {
		r, _ := table.Intern(bgp.PrefixFrom4(10<<24|i<<8, 24))
		table.Announce(r, p, 65001, start)
	}
	if _, err := Write(&failing{left: 400}, start, "rc0", table); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a full disk gives %v", err)
	}
}

package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/collect"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/detect"
	"github.com/corewatch/corewatch/detect/signal"
	"github.com/corewatch/corewatch/internal/conf"
)

const dumpedAt = bgp.Micros(1_700_000_000) * bgp.Second

// seededMonitor is a monitor that ticked once, and its follower.
func seededMonitor(tb testing.TB, paths bool) *follower {
	c, err := conf.Load("")
	if err != nil {
		tb.Fatal(err)
	}
	where, _, err := newPlaces("", dumpedAt.Time())
	if err != nil {
		tb.Fatal(err)
	}
	m := signal.New(signal.Options{Config: c.Peers, Engine: c.Detect, Data: detect.Archive, Places: where, Sources: sourceOf, KeepPaths: paths})
	return &follower{m: m, paths: paths, routes: routeReader{paths: paths}}
}

// hardTables writes a file of many small tables with other peers each, with damage in between: every entry has to be read with the
// peers of its own table, whoever reads it and when.
func hardTables(t *testing.T) *collect.Merger {
	t.Helper()
	var b bytes.Buffer
	for k := range 40 {
		peers := make([]mrt.TablePeer, 3+k%4)
		for i := range peers {
			peers[i] = mrt.TablePeer{Addr: netip.AddrFrom4([4]byte{198, 51, byte(k), byte(i)}), AS: uint32(65000 + 10*k + i)}
		}
		w, err := mrt.NewTableWriter(&b, dumpedAt, netip.Addr{}, "", peers)
		if err != nil {
			t.Fatal(err)
		}
		for r := range 60 {
			var entries []mrt.TableEntry
			for i := range peers {
				as := byte(10*(r%7) + i%2)
				attrs := []byte{0x40, 1, 1, 0, 0x40, 2, 10, 2, 2, 0, 0, 0, byte(i), 0, 0, 1, as, 0x40, 3, 4, 192, 0, 2, 1}
				if r%9 == 0 && i == 1 {
					attrs[6] = 200 // an AS_PATH longer than the entry
				}
				entries = append(entries, mrt.TableEntry{Peer: uint16(i), Originated: dumpedAt, Attrs: attrs})
			}
			if err := w.Put(bgp.PrefixFrom4(10<<24|uint32(r*(1+k%3))<<8, 24), entries); err != nil {
				t.Fatal(err)
			}
		}
		switch k % 5 {
		case 1: // no record
			b.WriteString("garbage that is no header of a record")
		case 2: // not of a table: BGP4MP, a state change
			b.Write([]byte{0x65, 0x53, 0xf1, 0, 0, 16, 0, 5, 0, 0, 0, 24, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 192, 0, 2, 1, 192, 0, 2, 2, 0, 6, 0, 1})
		case 3: // an entry of a peer that is not in the table
			b.Write([]byte{0x65, 0x53, 0xf1, 0, 0, 13, 0, 2, 0, 0, 0, 18, 0, 0, 0, 0, 24, 10, 9, 9, 0, 1, 0, 99, 0, 0, 0, 0, 0, 0})
		}
	}
	path := filepath.Join(t.TempDir(), "rib")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := collect.Expand([]string{"rrc00=" + path})
	if err != nil {
		t.Fatal(err)
	}
	return collect.NewMerger(files, collect.Options{OpenAll: true})
}

// TestDumpReader: a table read ahead and decoded on several goroutines leaves what it leaves record by record.
func TestDumpReader(t *testing.T) {
	want, inOrder := seededMonitor(t, true), hardTables(t)
	defer inOrder.Close()
	want.tickTo(dumpedAt)
	for {
		item, err := inOrder.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if item.Record.Type != mrt.TypeTableDumpV2 {
			want.skipped(item.Input, "not of a table, in a seed")
			continue
		}
		want.apply(item.Record, dumpedAt, item.Decoder, item.Input, item.Index)
	}
	for range 5 {
		got, merger := seededMonitor(t, true), hardTables(t)
		s := &seeder{merger: merger, log: zerolog.Nop()}
		if err := s.seed(t.Context(), got, dumpedAt, nil); err != nil {
			t.Fatal(err)
		}
		merger.Close()
		if !reflect.DeepEqual(got.count, want.count) || got.count.Skipped != 8 || got.count.Malformed == 0 {
			t.Fatalf("%v %v, want %v %v", got.count, got.count.Kinds, want.count, want.count.Kinds)
		}
		a, b := merger.Files()[0].Input, inOrder.Files()[0].Input
		if a.Elems != b.Elems || a.Parsed != b.Parsed || a.Skipped != b.Skipped || a.Malformed != b.Malformed || a.Elems == 0 || b.Malformed == 0 {
			t.Fatalf("%+v, want %+v", a, b)
		}
		if got.m.Stats() != want.m.Stats() || !slices.Equal(got.m.Peers(), want.m.Peers()) || s.counts() != inOrder.Counts() {
			t.Fatalf("%+v, want %+v", got.m.Stats(), want.m.Stats())
		}
		if !maps.Equal(cells(got), cells(want)) {
			t.Fatal("another table")
		}
	}
}

type cell struct {
	prefix bgp.Prefix
	peer   bgp.Peer
}

// cells are the announced cells with their origin and the sum of their path.
func cells(f *follower) map[cell][2]uint32 {
	out := map[cell][2]uint32{}
	t := f.m.Tables()[0]
	for r := range t.InOrder() {
		for route := range t.Announced(r) {
			var sum uint32
			for _, as := range route.Path {
				sum = sum*31 + as
			}
			out[cell{t.Prefix(r), t.PeerName(route.Peer)}] = [2]uint32{route.Origin, sum}
		}
	}
	return out
}

// TestDumpReaderEnds: the goroutines of a reader end with it, wherever it is left.
func TestDumpReaderEnds(t *testing.T) {
	for batches := range 4 {
		merger := hardTables(t)
		d := newDumpReader(merger, false)
		for range batches {
			if b, err := d.next(t.Context()); err != nil || len(b.records) == 0 {
				t.Fatal(err)
			}
		}
		d.close() // waits for them
		merger.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f, merger := seededMonitor(t, false), hardTables(t)
	defer merger.Close()
	if err := (&seeder{merger: merger, log: zerolog.Nop()}).seed(ctx, f, dumpedAt, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if n := f.m.Tables()[0].Stats().Rows; n != 0 {
		t.Errorf("%d rows of a table that was not to be read", n)
	}
}

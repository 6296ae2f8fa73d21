package signal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
)

// tableRecord is one record of a table dump with what it says.
type tableRecord struct {
	coll   string
	raw    string
	routes []Route
}

// randomTable is a table dump with everything that keeps a row from being filled at once now and then: two origins, entries that are
// malformed, sessions named twice, a prefix that comes again.
func randomTable(r *rand.Rand, ps []bgp.Peer) (out []tableRecord) {
	for i := range 160 {
		prefix := block(i % 60)
		switch {
		case i >= 80 && i < 140:
			prefix = bgp.PrefixFrom4(20<<24|uint32(i)<<8, uint8(22+r.IntN(4)))
		case i >= 140:
			prefix = bgp.PrefixFrom6(0x20010db8_00000000|uint64(i)<<16, 0, 48)
		}
		rec := tableRecord{coll: ps[0].Collector, raw: fmt.Sprintf("record %d of %s", i, prefix)}
		origins := []uint32{origin(prefix)}
		switch r.IntN(12) {
		case 0:
			origins = append(origins, 64700)
		case 1:
			origins[0] = 0
		}
		torn := r.IntN(25) == 0
		for _, p := range ps {
			if r.IntN(8) == 0 || p.Collector != rec.coll {
				continue
			}
			for n := 1 + r.IntN(20)/19; n > 0; n-- {
				e := bgp.Elem{Prefix: prefix, Kind: bgp.RIB, Origin: origins[r.IntN(len(origins))], PathID: uint32(n)}
				if torn && r.IntN(10) == 0 {
					e = bgp.Elem{Prefix: prefix, Kind: bgp.Withdraw, Cause: bgp.CauseTreatWithdraw}
				}
				rec.routes = append(rec.routes, Route{AS: p.AS, Addr: p.Addr, Elem: e, Path: []uint32{p.AS, uint32(r.IntN(3)), e.Origin}})
			}
		}
		out = append(out, rec)
	}
	return out
}

// dumped gives a table to a monitor at an instant, record by record or entry by entry.
func (f *feed) dumped(at bgp.Micros, table []tableRecord, whole bool) {
	f.t.Helper()
	for _, rec := range table {
		f.seq++
		msg := bgp.Message{Seq: f.seq, At: at, Peer: bgp.Peer{Collector: rec.coll}, Raw: []byte(rec.raw)}
		if whole {
			stays := f.seq%2 == 0
			if n, err := f.m.Dump(msg, rec.routes, stays); n != len(rec.routes) || err != nil {
				f.t.Fatalf("%d of %d routes applied: %v", n, len(rec.routes), err)
			}
			if !stays {
				clear(msg.Raw)
			}
			continue
		}
		for i := range rec.routes {
			r := &rec.routes[i]
			msg.Peer.AS, msg.Peer.Addr = r.AS, r.Addr
			if err := f.m.Begin(msg); err != nil {
				f.t.Fatal(err)
			}
			f.m.Path(r.Path)
			f.m.Elem(&r.Elem)
			f.m.End()
		}
	}
}

// TestDumpIsItsEntries: a table given record by record leaves what it leaves entry by entry, and so does all that follows: an outage
// with the records in its evidence, and another table in the midst of it.
func TestDumpIsItsEntries(t *testing.T) {
	revisions, evidence := 0, 0
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 3))
		ps := peers(14 + r.IntN(6))
		first, second := randomTable(r, ps), randomTable(r, ps)
		h := history(r, len(ps), 60)
		var feeds [2]*feed
		var traced [2]int // messages behind the first table: a row that is filled at once has one, else one for each entry
		for i := range feeds {
			f := newFeed(t)
			f.m.paths = true
			f.dumped(at(0.5), first, i == 0)
			traced[i] = len(f.m.trace.msgs)
			f.speak = ps
			f.run(20)
			f.all(25, ps, bgp.Withdraw, blocks(0, 40)...)
			for s, now := range h {
				f.run(int64(26 + s))
				for _, m := range now {
					f.apply(float64(26+s), ps[m.peer], m.kind, m.prefixes...)
				}
				if s == 30 {
					f.dumped(at(float64(26+s)), second, i == 0)
				}
			}
			f.run(3000)
			feeds[i] = f
		}
		if most := traced[1] / 2; traced[0] == 0 || traced[0] > most {
			t.Fatalf("seed %d: %d messages, of %d: too few rows were filled at once", seed, traced[0], traced[1])
		}
		got, want := feeds[0], feeds[1]
		if !slices.Equal(got.json, want.json) || !slices.Equal(got.samples, want.samples) {
			t.Fatalf("seed %d: other revisions or samples\n%q\nwant\n%q", seed, got.log, want.log)
		}
		revisions += len(want.json)
		if got.m.Stats() != want.m.Stats() || !slices.Equal(got.m.Peers(), want.m.Peers()) {
			t.Fatalf("seed %d: %+v\n%+v\nwant %+v\n%+v", seed, got.m.Stats(), got.m.Peers(), want.m.Stats(), want.m.Peers())
		}
		for id, msgs := range want.taken {
			same := func(a, b bgp.Message) bool { return a.Seq == b.Seq && a.At == b.At && string(a.Raw) == string(b.Raw) }
			if !slices.EqualFunc(got.taken[id], msgs, same) {
				t.Fatalf("seed %d: %s rests on other messages", seed, id)
			}
			for _, m := range msgs {
				if m.At == at(0.5) {
					evidence++
				}
			}
		}
		sameTables(t, got.m, want.m)
	}
	if revisions < 10 || evidence == 0 {
		t.Errorf("%d revisions, %d records of the table among their evidence: too little was compared", revisions, evidence)
	}
}

func sameTables(t *testing.T, got, want *Monitor) {
	t.Helper()
	for s, f := range want.fams {
		g := got.fams[s]
		if g.table.Rows() != f.table.Rows() {
			t.Fatalf("%d rows, want %d", g.table.Rows(), f.table.Rows())
		}
		for i := range f.rows {
			a, b := g.rows[i], f.rows[i]
			a.traced, b.traced = 0, 0
			if a != b {
				t.Fatalf("row %d: %+v, want %+v", i, a, b)
			}
			r := visibility.RowID(i)
			for p := range visibility.PeerID(f.table.Peers()) {
				if g.table.Cell(r, p) != f.table.Cell(r, p) || !slices.Equal(g.table.Path(r, p), f.table.Path(r, p)) {
					t.Fatalf("cell %d, %d: %+v, want %+v", r, p, g.table.Cell(r, p), f.table.Cell(r, p))
				}
			}
		}
	}
}

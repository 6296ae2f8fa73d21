package signal

import (
	"slices"
	"strings"
	"testing"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/visibility"
)

// tableOf is a table dump in which every peer has every prefix, from an origin of its own.
func tableOf(ps []bgp.Peer, prefixes []bgp.Prefix, from func(bgp.Prefix) uint32) (out []tableRecord) {
	for _, p := range prefixes {
		rec := tableRecord{coll: ps[0].Collector, raw: "table " + p.String()}
		for _, peer := range ps {
			rec.routes = append(rec.routes, Route{AS: peer.AS, Addr: peer.Addr, Elem: bgp.Elem{Kind: bgp.RIB, Prefix: p, Origin: from(p)}})
		}
		out = append(out, rec)
	}
	return out
}

// filled gives a table to a monitor that fills in what it does not know.
func (f *feed) filled(at bgp.Micros, table []tableRecord) {
	f.t.Helper()
	for _, rec := range table {
		f.seq++
		if _, err := f.m.Dump(bgp.Message{Seq: f.seq, At: at, Peer: bgp.Peer{Collector: rec.coll}, Raw: []byte(rec.raw)}, rec.routes, true); err != nil {
			f.t.Fatal(err)
		}
	}
}

// TestFill: a dump from before fills in what nobody knows, and nothing else; once it is whole it describes its collector.
func TestFill(t *testing.T) {
	ps := peers(20)
	f := newFeed(t)
	f.speak = ps
	f.all(61, ps, bgp.Announce, blocks(0, 5)...)
	f.say(70, ps[0], bgp.Withdraw, block(3))
	f.session(71, ps[1], bgp.Established, 1)
	f.speak = slices.Delete(slices.Clone(ps), 1, 2)
	f.run(80)
	cell := func(p, r int) visibility.CellState {
		id, err := f.m.fams[0].table.Intern(block(r))
		if err != nil {
			t.Fatal(err)
		}
		return f.m.fams[0].table.Cell(id, f.m.byPeer[ps[p]].id)
	}
	last, n := f.m.byPeer[ps[5]].last, f.m.byPeer[ps[5]].gaps.n
	f.m.BeginFill("rrc00", at(80))
	f.filled(at(80.5), tableOf(ps, blocks(0, 40), func(bgp.Prefix) uint32 { return 64999 }))
	f.run(82)
	if c := cell(0, 3); c.State != visibility.Withdrawn {
		t.Errorf("what was withdrawn since is %v", c.State)
	}
	if c := cell(2, 1); c.State != visibility.Announced || c.Origin != origin(block(1)) {
		t.Errorf("what was announced since: %+v", c)
	}
	if c := cell(2, 20); c.State != visibility.Announced || c.Origin != 64999 || !c.Expected {
		t.Errorf("what nobody spoke of: %+v", c)
	}
	if c := cell(1, 20); c.State != visibility.Unknown {
		t.Errorf("of a session that went down since: %+v", c)
	}
	if p := f.m.byPeer[ps[5]]; p.last != last || p.gaps.n != n {
		t.Errorf("the dump counts as heard: %d, %d silences", p.last-last, p.gaps.n-n)
	}
	if f.m.described || len(f.m.trace.msgs) > 25 {
		t.Errorf("before its end: described %v, %d messages kept", f.m.described, len(f.m.trace.msgs))
	}
	f.m.EndFill("rrc00", true)
	f.run(90)
	if !f.m.described {
		t.Error("not described at its end")
	}
	f.all(100, ps[2:], bgp.Withdraw, blocks(20, 38)...)
	f.run(400)
	if !slices.ContainsFunc(f.log, func(s string) bool { return strings.Contains(s, " PK opened") }) {
		t.Errorf("a loss of what the dump told of: %q", f.log)
	}
}

// TestFillAfterGap: after a gap a dump gives its sessions their table back; a gap in the midst of it ends it.
func TestFillAfterGap(t *testing.T) {
	a, b := peers(12), second(14)
	f := seeded(t, append(slices.Clone(a), b...), 40)
	f.run(300)
	f.m.Missed("rrc01", at(300.5), "the connection broke")
	f.speak = a
	table := tableOf(b, blocks(0, 40), origin)
	f.m.BeginFill("rrc01", at(301))
	f.filled(at(301), table[:5])
	if n := f.voters(); n != 12 || f.m.byColl["rrc01"].state != collectorSilent {
		t.Fatalf("nobody spoke yet, and %d vote", n)
	}
	f.say(304, b[0], bgp.Announce, block(1))
	f.speak = append(slices.Clone(a), b...)
	f.m.BeginFill("rrc01", at(304))
	f.filled(at(304.5), table)
	f.m.EndFill("rrc01", true)
	f.run(306)
	if n := f.voters(); n != 26 {
		t.Errorf("with their tables %d vote", n)
	}
	f.m.BeginFill("rrc01", at(306))
	f.m.Missed("rrc01", at(307), "the connection broke again")
	if f.m.byColl["rrc01"].filling {
		t.Error("a gap did not end it")
	}
	f.m.EndFill("rrc01", true)
	f.m.EndFill("rrc99", true)
}

package visibility

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/corewatch/corewatch/bgp"
)

// seeds is how many random histories to drive: few, or as many as COREWATCH_SEEDS says.
func seeds(t *testing.T) uint64 {
	text := os.Getenv("COREWATCH_SEEDS")
	if text == "" {
		return 2
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatalf("COREWATCH_SEEDS=%q: want a number", text)
	}
	return n
}

const start = bgp.Micros(1_200_000_000) * bgp.Second

// blocks lists the unit-length prefixes of a prefix.
func blocks(p bgp.Prefix, unit int) []bgp.Prefix {
	var out []bgp.Prefix
	hi, lo := p.Halves()
	for i := range uint64(1) << (unit - p.Len()) {
		h := hi | i<<(64-unit)
		if p.IsV6() {
			out = append(out, bgp.PrefixFrom6(h, lo, uint8(unit)))
		} else {
			out = append(out, bgp.PrefixFrom4(uint32(h>>32), uint8(unit)))
		}
	}
	return out
}

// world drives a Table and the reference with the same operations.
type world struct {
	t        *testing.T
	rng      *rand.Rand
	tab      *Table
	ref      *reference
	universe bgp.Prefix
	unit     int
	units    map[RowID]uint32 // by OnUnits alone
	log      []string
	steps    int
	dumped   int // rows filled by SeedNew
}

func newWorld(t *testing.T, seed uint64, cfg Config) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 7)), units: map[RowID]uint32{}, unit: 24}
	w.universe = bgp.PrefixFrom4(10<<24, 17)
	if cfg.V6 {
		w.unit = 48
		w.universe = bgp.PrefixFrom6(0x20010db8<<32, 0, 41)
	}
	cfg.OnUnits = func(r RowID, old, now uint32) {
		if w.units[r] != old {
			t.Errorf("OnUnits(%d, %d, %d), but the last value told was %d", r, old, now, w.units[r])
		}
		w.units[r] = now
	}
	w.tab = New(cfg)
	w.ref = &reference{cfg: w.tab.cfg, minute: start / minute}
	w.ref.now = start
	w.tab.Tick(start, nil)
	return w
}

func (w *world) do(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

func (w *world) addPeer(as uint32, since bgp.Micros) {
	n := len(w.ref.peers)
	name := bgp.Peer{Collector: "c", AS: as, Addr: netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)})}
	for i, pe := range w.ref.peers { // the address of a dropped one serves again
		if pe.dropped {
			name.Addr = netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})
		}
	}
	for i := byte(0); ; i++ {
		if _, serves := w.tab.byPeer[name]; !serves {
			break
		}
		name.Addr = netip.AddrFrom4([4]byte{198, 51, 100, i})
	}
	id, err := w.tab.Peer(name, since)
	if err != nil || int(id) > n || int(id) < n && !w.ref.peers[id].dropped {
		w.t.Fatalf("Peer = %d, %v; have %d", id, err, n)
	}
	if int(id) == n {
		w.ref.peers = append(w.ref.peers, nil)
	}
	w.ref.peers[id] = &refPeer{as: as, voting: true, up: []refSpan{{from: since, open: true}}}
}

func (w *world) addRow() RowID {
	n := w.universe.Len() + w.rng.IntN(w.unit+5-w.universe.Len())
	hi, lo := w.universe.Halves()
	// bits between the universe and a little below the unit; few distinct ones, so that prefixes nest
	hi |= w.rng.Uint64() & (1<<(64-w.universe.Len()) - 1) &^ (1<<(64-w.unit-4) - 1)
	p := bgp.PrefixFrom4(uint32(hi>>32), uint8(n))
	if w.universe.IsV6() {
		p = bgp.PrefixFrom6(hi, lo, uint8(n))
	}
	w.do("intern %s", p)
	id, err := w.tab.Intern(p)
	if err != nil {
		w.t.Fatal(err)
	}
	if int(id) == len(w.ref.rows) {
		w.ref.rows = append(w.ref.rows, &refRow{released: true})
	}
	if w.ref.rows[id].released {
		w.ref.rows[id] = &refRow{prefix: p, live: true, cells: map[PeerID]*refCell{}}
	}
	if w.ref.rows[id].prefix != p || w.tab.Prefix(id) != p {
		w.t.Fatalf("row %d is %s and %s", id, w.tab.Prefix(id), p)
	}
	return id
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\nlast operations:\n%s", fmt.Sprintf(format, args...), w.log[max(0, len(w.log)-40):])
}

func (w *world) check() {
	w.t.Helper()
	for r := range w.ref.rows {
		r := RowID(r)
		if got, want := w.tab.Vote(r), w.ref.vote(r); got != want {
			w.fail("Vote(%d) = %+v, want %+v", r, got, want)
		}
		if got, want := w.tab.Origin(r), w.ref.rows[r].origin; got != want {
			w.fail("Origin(%d) = %d, want %d", r, got, want)
		}
		if got, want := w.tab.OriginNow(r, nil), w.ref.originNow(r); !slices.Equal(got, want) {
			w.fail("OriginNow(%d) = %v, want %v", r, got, want)
		}
		if w.steps++; w.steps%8 > 0 && w.steps > 2000 { // the votes would show a wrong cell soon enough
			continue
		}
		for p := range w.ref.peers {
			if got, want := w.tab.Path(r, PeerID(p)), w.ref.rows[r].paths[PeerID(p)]; !slices.Equal(got, want) || (got == nil) != (want == nil) {
				w.fail("Path(%d,%d) = %v, want %v", r, p, got, want)
			}
			c := w.ref.cell(r, PeerID(p))
			got := w.tab.Cell(r, PeerID(p))
			if got.State != c.state || got.Expected != c.expected || got.Muted != c.muted ||
				got.State == Announced && got.Origin != c.origin || got.Since != 0 && got.Since != c.since {
				w.fail("Cell(%d,%d) = %+v, want %+v", r, p, got, *c)
			}
			if c.state != Unknown && c.heard && c.since != got.Since {
				w.fail("Cell(%d,%d).Since = %d, want %d", r, p, got.Since, c.since)
			}
		}
	}
}

func (w *world) checkUnits() {
	w.t.Helper()
	want := w.ref.units(w.universe, w.unit)
	for r := range w.ref.rows {
		r := RowID(r)
		if w.ref.rows[r].released {
			if w.tab.OwnUnits(r) != 0 || w.units[r] != 0 || w.tab.Prefix(r).Valid() || !w.tab.Retired(r) {
				w.fail("the released row %d has %d units", r, w.tab.OwnUnits(r))
			}
			continue
		}
		if got := w.tab.OwnUnits(r); got != want[r] || w.units[r] != got {
			w.fail("OwnUnits(%d = %s) = %d, by callback %d, want %d", r, w.tab.Prefix(r), got, w.units[r], want[r])
		}
		got, ok := w.tab.Parent(r)
		if p, yes := w.ref.parent(r); ok != yes || ok && got != p {
			w.fail("Parent(%d) = %d, %v; want %d, %v", r, got, ok, p, yes)
		}
	}
}

func (w *world) checkCounters() {
	w.t.Helper()
	if s := w.tab.Stats(); s.Hops != w.ref.tails() {
		w.fail("%d hops kept, want %d", s.Hops, w.ref.tails())
	}
	for p := range w.ref.peers {
		if w.ref.peers[p].dropped {
			if w.tab.Counters(PeerID(p)) != (Counters{}) || w.tab.PeerName(PeerID(p)) != (bgp.Peer{}) {
				w.fail("the dropped session %d has counters", p)
			}
			continue
		}
		known, announced := 0, 0
		for r := range w.ref.rows {
			switch w.ref.cell(RowID(r), PeerID(p)).state {
			case Announced:
				announced++
				known++
			case Withdrawn:
				known++
			}
		}
		c := w.tab.Counters(PeerID(p))
		pe := w.ref.peers[p]
		if c.Known != known || c.Announced != announced || int(c.Withdrawals) != pe.withdrawals || int(c.DuplicateWithdrawals) != pe.duplicates {
			w.fail("Counters(%d) = %+v, want known %d, announced %d, %+v", p, c, known, announced, *pe)
		}
		n := 0
		for r, ann := range w.tab.RowsOf(PeerID(p)) {
			n++
			if c := w.ref.cell(r, PeerID(p)); (c.state == Announced) != ann || c.state == Unknown {
				w.fail("RowsOf(%d) gives %d, %v; want %v", p, r, ann, c.state)
			}
		}
		if n != known {
			w.fail("RowsOf(%d) gives %d rows, want %d", p, n, known)
		}
	}
}

// checkSnapshot compares what a snapshot would hold with the reference.
func (w *world) checkSnapshot() {
	w.t.Helper()
	live := 0
	for _, row := range w.ref.rows {
		if row.live {
			live++
		}
	}
	order := slices.Collect(w.tab.InOrder())
	if len(order) != live || !slices.IsSortedFunc(order, func(a, b RowID) int { return w.tab.Prefix(a).Compare(w.tab.Prefix(b)) }) {
		w.fail("in order: %v, of %d live rows", order, live)
	}
	for _, r := range order {
		n := 0
		for x := range w.tab.Announced(r) {
			n++
			c := w.ref.cell(r, x.Peer)
			path := w.ref.rows[r].paths[x.Peer]
			if c.state != Announced || x.Origin != c.origin || x.Since != w.tab.Cell(r, x.Peer).Since || !slices.Equal(x.Path, path) {
				w.fail("row %d is announced as %+v, want %+v, path %v", r, x, *c, path)
			}
		}
		if n != announcedCells(w.ref.rows[r]) {
			w.fail("row %d has %d routes, want %d", r, n, announcedCells(w.ref.rows[r]))
		}
	}
}

func announcedCells(row *refRow) (n int) {
	for _, c := range row.cells {
		if c.state == Announced {
			n++
		}
	}
	return n
}

// step does one random operation and reports whether rows came or went.
func (w *world) step(ases int, hot *[2]int) (structural bool) {
	rng := w.rng
	r := RowID(rng.IntN(len(w.ref.rows)))
	p := PeerID(rng.IntN(len(w.ref.peers)))
	if rng.IntN(3) > 0 { // keep to a few cells for a while, so that they flap and age
		r, p = RowID(hot[0]+rng.IntN(2))%RowID(len(w.ref.rows)), PeerID(hot[1]+rng.IntN(3))%PeerID(len(w.ref.peers))
	}
	if rng.IntN(60) == 0 {
		hot[0], hot[1] = rng.IntN(len(w.ref.rows)), rng.IntN(len(w.ref.peers))
	}
	at := w.ref.now
	switch rng.IntN(40) {
	case 0:
		at += bgp.Micros(rng.IntN(7200)) * bgp.Second
	case 1:
		at -= bgp.Micros(rng.IntN(100)) * bgp.Second
	case 2, 3, 4, 5:
		at += bgp.Micros(rng.IntN(600)) * bgp.Second
	default:
		at += bgp.Micros(rng.IntN(40)) * bgp.Second
	}
	origin := []uint32{0, 64500, 64501, 64502, 64500, 64500, 64500}[rng.IntN(7)]
	if w.ref.rows[r].released || w.ref.peers[p].dropped {
		w.ref.at(at)
		if c := w.tab.Announce(r, p, 1, at) | w.tab.Withdraw(r, p, at) | w.tab.Seed(r, p, 1, at); c != Ignored || w.tab.Cell(r, p) != (CellState{}) {
			w.fail("row %d of session %d is gone, and changed: %b", r, p, c)
		}
		return false
	}
	switch op := rng.IntN(112); {
	case op < 32:
		w.do("%d announce %d %d %d", at, r, p, origin)
		was := !w.ref.rows[r].live
		w.tab.Announce(r, p, origin, at)
		w.ref.announce(r, p, origin, at, false)
		return was
	case op < 62:
		w.do("%d withdraw %d %d", at, r, p)
		w.tab.Withdraw(r, p, at)
		w.ref.withdraw(r, p, at)
	case op < 66:
		w.do("%d seed %d %d %d", at, r, p, origin)
		was := !w.ref.rows[r].live
		w.tab.Seed(r, p, origin, at)
		w.ref.announce(r, p, origin, at, true)
		return was
	case op < 67:
		w.seedNew(r, origin, at)
	case op < 68:
		w.do("%d flush %d", at, p)
		w.tab.FlushPeer(p, at)
		w.ref.flush(p, at)
	case op < 69:
		w.do("%d forgetWithdrawn %d", at, p)
		w.tab.ForgetWithdrawn(p, at)
		w.ref.forgetWithdrawn(p, at)
	case op < 72:
		n := 1 - 2*rng.IntN(2)
		w.do("freeze %d %d", r, n)
		w.tab.Freeze(r, n)
		w.ref.rows[r].frozen = max(0, w.ref.rows[r].frozen+n)
	case op < 76:
		on := rng.IntN(3) > 0
		which := rng.IntN(3)
		w.do("flag %d of %d %v", which, p, on)
		pe := w.ref.peers[p]
		switch which {
		case 0:
			w.tab.SetVoting(p, on)
			pe.voting = on
		case 1:
			w.tab.SetFullFeed(p, on)
			pe.full = on
		case 2:
			w.tab.SetPresume(p, on)
			pe.presume = on
		}
	case op < 78:
		w.do("retire %d", r)
		if got, want := w.tab.Retire(r), w.ref.rows[r].live; got && !want {
			w.fail("retired twice")
		}
		w.ref.retire(r)
		return true
	case op < 79 && w.tab.Stats().Rows < 50:
		if r := w.addRow(); rng.IntN(2) == 0 {
			w.seedNew(r, origin, at)
		}
		return true
	case op < 80 && w.tab.Stats().Peers < 3*ases:
		as := 1 + uint32(rng.IntN(ases))
		w.do("peer of AS%d", as)
		w.addPeer(as, at-bgp.Micros(rng.IntN(3))*day)
	case op >= 110:
		if got, want := w.tab.Release(r), w.ref.release(r); got != want {
			w.fail("Release(%d) = %v, want %v", r, got, want)
		}
		w.do("release %d", r)
		return true
	case op >= 109:
		if rng.IntN(3) == 0 && w.tab.Stats().Peers > ases {
			w.do("drop %d", p)
			w.tab.DropPeer(p)
			w.ref.drop(p)
			break
		}
		on := rng.IntN(3) == 0
		w.do("weigh %d %v", r, on)
		w.tab.Weigh(r, on)
		if row := w.ref.rows[r]; row.live {
			row.light = !on
		}
		return true
	case op >= 107:
		on := rng.IntN(4) > 0
		w.do("watch %d %v", r, on)
		w.tab.Watch(r, on)
		w.ref.watch(r, on)
		if w.tab.Watched(r) != on {
			w.fail("Watched(%d) = %v", r, !on)
		}
	case op >= 100:
		path := make([]uint32, rng.IntN(4))
		for i := range path {
			path[i] = uint32(rng.IntN(3))
		}
		w.do("path %d %d %v", r, p, path)
		if got, want := w.tab.SetPath(r, p, path), w.ref.setPath(r, p, path); got != want {
			w.fail("SetPath(%d, %d, %v) = %v, want %v", r, p, path, got, want)
		}
	case op >= 80:
		at = (w.ref.now/minute + 1) * minute
		switch rng.IntN(20) {
		case 0:
			at += bgp.Micros(rng.IntN(3*24*60)) * minute
		case 1, 2, 3, 4:
			at += bgp.Micros(rng.IntN(90)) * minute
		}
		w.tick(at)
	}
	return false
}

// seedNew gives a row entries of several sessions, among them some that are gone and some twice. Only a row that nothing was said
// about may take them.
func (w *world) seedNew(r RowID, origin uint32, at bgp.Micros) {
	row, peers := w.ref.rows[r], make([]PeerID, w.rng.IntN(6))
	for i := range peers {
		peers[i] = PeerID(w.rng.IntN(len(w.ref.peers) + 1))
	}
	w.do("%d seedNew %d %v %d", at, r, peers, origin)
	heard, before := row.born != 0 || row.origin != 0, w.tab.Vote(r)
	cells, ok := w.tab.SeedNew(r, peers, origin, at)
	if !ok {
		if cells != 0 || w.tab.Vote(r) != before || !heard && row.live && row.frozen == 0 && !w.tab.Watched(r) && !row.released {
			w.fail("SeedNew(%d) = %d, false; vote %+v, before %+v", r, cells, w.tab.Vote(r), before)
		}
		return
	}
	if heard || !row.live || row.released {
		w.fail("SeedNew(%d) = %d, and the row is not new", r, cells)
	}
	w.ref.at(at)
	news := map[PeerID]bool{}
	for _, p := range peers {
		if int(p) < len(w.ref.peers) && !w.ref.peers[p].dropped {
			w.ref.announce(r, p, origin, at, true)
			news[p] = true
		}
	}
	if cells != len(news) {
		w.fail("SeedNew(%d, %v) = %d", r, peers, cells)
	}
	w.dumped += min(cells, 1)
}

// tick also checks that every row whose vote time changed was told.
func (w *world) tick(at bgp.Micros) {
	w.do("%d tick", at)
	before := make([]Vote, len(w.ref.rows))
	for r := range before {
		before[r] = w.tab.Vote(RowID(r))
	}
	told := map[RowID]bool{}
	w.tab.Tick(at, func(r RowID) { told[r] = true })
	w.ref.tick(at)
	for r, v := range before {
		if w.tab.Vote(RowID(r)) != v && !told[RowID(r)] {
			w.fail("the vote of row %d changed in Tick and nobody was told", r)
		}
	}
}

var brisk = Config{
	Window: 4 * hour, ExpectAfter: 10 * minute, QuietAfter: 40 * minute, FlapWindow: 8 * minute, FlapTransitions: 3, DuplicateMin: 30,
}

// TestAgainstReference compares every vote, cell, origin and unit with the reference after every random operation.
func TestAgainstReference(t *testing.T) {
	v6 := brisk
	v6.V6 = true
	for name, cfg := range map[string]Config{"defaults": {}, "brisk": brisk, "v6": v6} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range seeds(t) {
				w := newWorld(t, seed, cfg)
				ases := 4 + int(seed)%6*3
				for range 2 + ases {
					w.addPeer(1+uint32(w.rng.IntN(ases)), start-bgp.Micros(w.rng.IntN(200))*hour)
				}
				for range 6 {
					w.addRow()
				}
				w.seedNew(0, 64500, start)
				hot := [2]int{}
				for i := range 2000 {
					structural := w.step(ases, &hot)
					w.check()
					if structural {
						w.checkUnits()
					}
					if i%64 == 0 {
						w.checkCounters()
						w.checkSnapshot()
					}
				}
				if w.dumped == 0 {
					t.Error("no row was filled by SeedNew")
				}
			}
		})
	}
}

// TestWideAS has one AS with more sessions than a word has columns.
func TestWideAS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 99, brisk)
	for i := range 150 {
		as := uint32(1)
		if i%3 == 2 {
			as = 2 + uint32(i%9)
		}
		w.addPeer(as, start-day)
	}
	for range 4 {
		w.addRow()
	}
	hot := [2]int{}
	for range 500 {
		w.step(1, &hot)
		w.check()
	}
	w.checkCounters()
}

package visibility

import (
	"fmt"
	"slices"

	"github.com/corewatch/corewatch/bgp"
)

// reference is the table as one would write it with no care for speed: maps of maps, whole histories, everything counted afresh
// at every question. It shares no code with Table but Config and the result types.
type reference struct {
	cfg    Config
	now    bgp.Micros
	minute bgp.Micros

	learning bool
	rows     []*refRow
	peers    []*refPeer
}

type refRow struct {
	released bool
	watched  bool
	paths    map[PeerID][]uint32
	prefix   bgp.Prefix
	live     bool
	light    bool
	born     bgp.Micros // second of the first thing heard since it is live, 0 before
	frozen   int
	origin   uint32
	cells    map[PeerID]*refCell
}

type refPeer struct {
	dropped                       bool
	as                            uint32
	voting, full, presume, seeded bool
	up                            []refSpan // when it was up; the last may be open
	withdrawals, duplicates       int
}

type refSpan struct {
	from, to bgp.Micros
	open     bool
}

// refSeg is a stretch of the past: how long it weighs in the window, and whether the cell was announced.
type refSeg struct {
	weight    float64
	announced bool
}

type refCell struct {
	state       State
	since       bgp.Micros
	expected    bool
	muted       bool
	heard       bool // it has a history
	origin      uint32
	past        []refSeg // before since
	moved       bool     // since is a transition
	steady      bool     // withdrawn after having been announced for long
	transitions []bgp.Micros
}

func (f *reference) at(at bgp.Micros) bgp.Micros { f.now = max(f.now, at); return f.now }

func (f *reference) cell(r RowID, p PeerID) *refCell {
	c := f.rows[r].cells[p]
	if c == nil {
		c = &refCell{}
		f.rows[r].cells[p] = c
	}
	return c
}

// window is the history up to now with what no longer fits the window taken from the past at its average.
func (f *reference) window(c *refCell, now bgp.Micros) []refSeg {
	if c.state == Unknown {
		return slices.Clone(c.past)
	}
	w := float64(f.cfg.Window) / 1e3
	d := float64(now-c.since) / 1e3
	if d >= w {
		return []refSeg{{w, c.state == Announced}}
	}
	sum := 0.0
	for _, s := range c.past {
		sum += s.weight
	}
	scale := 1.0
	if sum+d > w {
		scale = (w - d) / sum
	}
	var out []refSeg
	for _, s := range c.past {
		out = append(out, refSeg{s.weight * scale, s.announced})
	}
	return append(out, refSeg{d, c.state == Announced})
}

func (f *reference) share(c *refCell, now bgp.Micros) (observed, carried float64) {
	for _, s := range f.window(c, now) {
		observed += s.weight
		if s.announced {
			carried += s.weight
		}
	}
	return observed, carried
}

func (f *reference) enter(c *refCell, s State, at bgp.Micros, moved bool) {
	if c.heard {
		c.past = f.window(c, at)
	}
	if moved {
		c.transitions = append(c.transitions, at)
		n := 0
		for _, x := range c.transitions {
			if at-x <= f.cfg.FlapWindow {
				n++
			}
		}
		if n > f.cfg.FlapTransitions {
			c.muted = true
		}
	}
	c.steady = s == Withdrawn && c.state == Announced && at-c.since >= f.cfg.ExpectAfter
	c.state, c.since, c.heard, c.moved = s, at, true, moved
}

func (f *reference) hear(p PeerID, at bgp.Micros) *refPeer {
	pe := f.peers[p]
	if n := len(pe.up); !pe.up[n-1].open {
		pe.up = append(pe.up, refSpan{from: at, open: true})
	}
	return pe
}

func (f *reference) upTime(p PeerID, at bgp.Micros) (d bgp.Micros) {
	for _, s := range f.peers[p].up {
		if s.open {
			s.to = at
		}
		d += max(0, s.to-s.from)
	}
	return d
}

func (f *reference) announce(r RowID, p PeerID, origin uint32, at bgp.Micros, rib bool) {
	at = f.at(at)
	pe := f.hear(p, at)
	if rib {
		pe.seeded = true
	}
	f.rows[r].live = true
	f.birth(r, at)
	c := f.cell(r, p)
	observed, _ := f.share(c, at)
	young := !c.heard || observed < float64(f.cfg.ExpectAfter)/1e3
	switch {
	case c.state == Announced:
		if rib && !c.heard {
			c.expected = true
		}
	case c.state == Unknown && !c.heard && !c.expected && !rib && pe.full && pe.presume && !pe.seeded && (f.learning || at/bgp.Second-f.rows[r].born >= f.cfg.ExpectAfter/bgp.Second):
		c.expected = true // presumed to have carried it all along
		c.state, c.since = Announced, at
	case !c.heard && (rib || c.expected): // from a RIB, or quiet before a flush: no history needed
		c.state, c.since = Announced, at
	default:
		f.enter(c, Announced, at, c.state == Withdrawn && c.heard)
	}
	if rib && young {
		c.expected = true
	}
	c.origin = origin
	f.elect(r)
}

func (f *reference) birth(r RowID, at bgp.Micros) {
	if f.rows[r].born == 0 {
		f.rows[r].born = at / bgp.Second
	}
}

func (f *reference) withdraw(r RowID, p PeerID, at bgp.Micros) {
	at = f.at(at)
	pe := f.hear(p, at)
	pe.withdrawals++
	if !f.rows[r].live {
		return
	}
	f.birth(r, at)
	c := f.cell(r, p)
	if c.state == Withdrawn {
		pe.duplicates++
		return
	}
	if c.state == Unknown && !c.heard && !c.expected {
		if pe.withdrawals >= int(f.cfg.DuplicateMin) && float64(pe.duplicates) > f.cfg.DuplicateShare*float64(pe.withdrawals) {
			return
		}
		c.expected = true
	}
	moved := c.state == Announced
	if !c.heard && c.expected {
		c.past = []refSeg{{float64(min(f.upTime(p, at), f.cfg.Window)) / 1e3, true}}
		c.state = Unknown
		c.heard = true
	}
	f.enter(c, Withdrawn, at, moved)
	f.elect(r)
}

func (f *reference) flush(p PeerID, at bgp.Micros) {
	at = f.at(at)
	pe := f.peers[p]
	last := &pe.up[len(pe.up)-1]
	if !last.open {
		return
	}
	last.open, last.to = false, at
	for r := range f.rows {
		c := f.cell(RowID(r), p)
		if c.state == Unknown {
			continue
		}
		f.lose(c, at)
		f.elect(RowID(r))
	}
}

func (f *reference) lose(c *refCell, at bgp.Micros) {
	if c.heard {
		c.past = f.window(c, at)
	}
	c.state, c.since, c.moved = Unknown, at, false
}

func (f *reference) forgetWithdrawn(p PeerID, at bgp.Micros) {
	at = f.at(at)
	for r := range f.rows {
		if c := f.cell(RowID(r), p); c.state == Withdrawn {
			f.lose(c, at)
		}
	}
}

func (f *reference) retire(r RowID) {
	row := f.rows[r]
	if !row.live || row.frozen > 0 {
		return
	}
	for _, c := range row.cells {
		if c.state == Announced {
			return
		}
	}
	row.live, row.light, row.born = false, false, 0
	row.cells = map[PeerID]*refCell{}
	clear(row.paths)
}

// release forgets a retired row altogether.
func (f *reference) release(r RowID) bool {
	row := f.rows[r]
	if row.live || row.released || row.frozen > 0 {
		return false
	}
	f.rows[r] = &refRow{released: true, cells: map[PeerID]*refCell{}}
	return true
}

// drop forgets a session altogether.
func (f *reference) drop(p PeerID) {
	f.peers[p] = &refPeer{dropped: true}
	for r, row := range f.rows {
		delete(row.cells, p)
		delete(row.paths, p)
		f.elect(RowID(r))
	}
}

// setPath reports whether the cell had that path already.
func (f *reference) setPath(r RowID, p PeerID, path []uint32) bool {
	row := f.rows[r]
	if !row.watched {
		return false
	}
	old, had := row.paths[p]
	row.paths[p] = path
	return had && slices.Equal(old, path)
}

func (f *reference) watch(r RowID, on bool) {
	row := f.rows[r]
	if on != row.watched {
		row.watched, row.paths = on, map[PeerID][]uint32{}
	}
}

// tails is how many different paths, and paths without some first AS, the watched rows hold.
func (f *reference) tails() int {
	all := map[string]bool{}
	for _, row := range f.rows {
		for _, path := range row.paths {
			for i := range path {
				all[fmt.Sprint(path[i:])] = true
			}
		}
	}
	return len(all)
}

// tick judges every cell, once a minute.
func (f *reference) tick(now bgp.Micros) {
	now = f.at(now)
	if now/minute <= f.minute {
		return
	}
	f.minute = now / minute
	for _, row := range f.rows {
		for _, c := range row.cells {
			if !c.heard {
				continue
			}
			n := len(c.transitions)
			quiet := n == 0 || now-c.transitions[n-1] >= f.cfg.FlapWindow
			if quiet {
				c.muted = false
			}
			if row.frozen > 0 {
				continue
			}
			observed, carried := f.share(c, now)
			judged := observed >= float64(f.cfg.ExpectAfter)/1e3
			in := now - c.since
			long := in >= f.cfg.ExpectAfter
			deserves := carried >= f.cfg.ExpectShare*observed || c.state == Announced && long || c.steady && !long
			if judged && c.state != Unknown && (deserves || c.state == Announced || long) {
				c.expected = deserves
			}
			forget := false
			switch c.state {
			case Unknown:
				forget = in >= f.cfg.Window
			case Withdrawn:
				forget = !c.expected && in >= f.cfg.Window
			case Announced:
				forget = c.expected && judged && carried >= f.cfg.QuietShare*observed && (!c.moved || in >= f.cfg.QuietAfter)
			}
			if forget && quiet {
				c.heard, c.past, c.transitions = false, nil, nil
			}
		}
	}
}

// elect asks each AS that announces a row for its origin. One that is known gives way to another that two ASes name, and more than name it.
func (f *reference) elect(r RowID) {
	row := f.rows[r]
	names := map[uint32]map[uint32]bool{}
	for p, c := range row.cells {
		if c.state == Announced && c.origin != 0 {
			if names[c.origin] == nil {
				names[c.origin] = map[uint32]bool{}
			}
			names[c.origin][f.peers[p].as] = true
		}
	}
	best, most := row.origin, len(names[row.origin])
	for o, ases := range names {
		if n := len(ases); (row.origin == 0 || n >= 2) && (n > most || n == most && best != row.origin && o < best) {
			best, most = o, n
		}
	}
	row.origin = best
}

func (f *reference) originNow(r RowID) []uint32 {
	var out []uint32
	for _, c := range f.rows[r].cells {
		if c.state == Announced && c.origin != 0 && !slices.Contains(out, c.origin) {
			out = append(out, c.origin)
		}
	}
	slices.Sort(out)
	return out
}

func (f *reference) presumed(c *refCell, pe *refPeer) bool {
	return c.state == Unknown && pe.full && pe.presume && (!pe.seeded || c.expected)
}

func (f *reference) vote(r RowID) Vote {
	if !f.rows[r].live {
		return Vote{}
	}
	v := f.count(r, false)
	if 2*v.Muted > v.Expected+v.Muted {
		muted := v.Muted
		v = f.count(r, true)
		v.Muted, v.Unstable = muted, true
	}
	return v
}

func (f *reference) count(r RowID, withMuted bool) (v Vote) {
	type as struct{ expected, withdrawn, holds, announced, muted, total bool }
	ases := map[uint32]*as{}
	for p, pe := range f.peers {
		if pe.dropped {
			continue
		}
		a := ases[pe.as]
		if a == nil {
			a = &as{}
			ases[pe.as] = a
		}
		c := f.cell(r, PeerID(p))
		expected := c.state != Unknown && c.expected || f.presumed(c, pe)
		a.total = a.total || c.expected || expected
		if !pe.voting {
			continue
		}
		a.announced = a.announced || c.state == Announced
		if c.muted && !withMuted {
			a.muted = a.muted || expected
			continue
		}
		a.expected = a.expected || expected
		a.withdrawn = a.withdrawn || expected && c.state == Withdrawn
		a.holds = a.holds || c.state == Announced || f.presumed(c, pe)
	}
	for _, a := range ases {
		for _, x := range []struct {
			n   *int
			yes bool
		}{
			{&v.Expected, a.expected},
			{&v.Withdrawn, a.expected && a.withdrawn && !a.holds},
			{&v.Announced, a.announced},
			{&v.Muted, a.muted && !a.expected},
			{&v.ExpectedTotal, a.total},
		} {
			if x.yes {
				*x.n++
			}
		}
	}
	return v
}

// units gives every block to its row, block by block.
func (f *reference) units(universe bgp.Prefix, unit int) map[RowID]uint32 {
	own := map[RowID]uint32{}
	for _, block := range blocks(universe, unit) {
		best, long := -1, -1
		for r, row := range f.rows {
			switch p := row.prefix; {
			case !row.live || row.light:
			case p.Len() <= unit && p.Covers(block):
				if best < 0 || p.Len() > f.rows[best].prefix.Len() {
					best = r
				}
			case p.Len() > unit && block.Covers(p):
				if long < 0 || p.Compare(f.rows[long].prefix) < 0 {
					long = r
				}
			}
		}
		if long >= 0 {
			best = long
		}
		if best >= 0 {
			own[RowID(best)]++
		}
	}
	return own
}

func (f *reference) parent(r RowID) (RowID, bool) {
	best := -1
	for i, row := range f.rows {
		if RowID(i) != r && row.live && row.prefix.Covers(f.rows[r].prefix) &&
			(best < 0 || row.prefix.Len() > f.rows[best].prefix.Len()) {
			best = i
		}
	}
	return RowID(max(best, 0)), best >= 0
}

package inject

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// idle is the state of a session that was lost (RFC 4271 section 8.2.2); openConfirm is the one before Established.
const (
	idle        bgp.State = 1
	openConfirm bgp.State = 5
)

// lost makes a session go at from and come back at until, with its table as it then is. recorded says that the collector writes both
// down. Its messages in between are gone.
func (x *injection) lost(p bgp.Peer, from, until bgp.Micros, recorded bool) {
	table := carried(x.lane(p.Collector), p, until)
	gone := Span{from, until}
	x.drop(func(_ *Lane, r *Record) bool { return r.Peer == p && gone.holds(r.At) })
	if recorded {
		x.state(p, from, bgp.Established, idle)
		x.state(p, until, openConfirm, bgp.Established)
	}
	x.announce(p, until+bgp.Second, x.between(5, 60), table)
}

func (x *injection) collectorLost() string {
	l := &x.lanes[x.chance.IntN(len(x.lanes))]
	name := l.Collector
	var mine []bgp.Peer
	for _, p := range x.sessions {
		if p.Collector == name {
			mine = append(mine, p)
		}
	}
	how := [...]string{"its sessions lost and sent again", "without a word, and back", "without a word, for good"}
	n := x.chance.IntN(len(how))
	switch n {
	case 0:
		for _, p := range mine {
			x.lost(p, x.span.From, x.span.Until, true)
		}
	case 1:
		x.drop(func(l *Lane, r *Record) bool { return l.Collector == name && x.span.holds(r.At) })
	case 2:
		x.drop(func(l *Lane, r *Record) bool { return l.Collector == name && r.At >= x.span.From })
	}
	return fmt.Sprintf("%s silent, %s", name, how[n])
}

func (x *injection) peersLost() string {
	how := [...]string{"recorded", "silent", "withdrawing everything"}
	n := x.chance.IntN(len(how))
	some := x.some((3*len(x.sessions) + 5) / 10)
	for _, p := range some {
		from := x.span.From + x.between(0, 30)
		switch n {
		case 0:
			x.lost(p, from, x.span.Until, true)
		case 1:
			gone := Span{from, x.span.Until}
			x.drop(func(_ *Lane, r *Record) bool { return r.Peer == p && gone.holds(r.At) })
		case 2:
			before := carried(x.lane(p.Collector), p, from)
			x.lost(p, from, x.span.Until, false)
			x.withdraw(p, from, x.between(5, 50), before)
		}
	}
	return fmt.Sprintf("%d of %d sessions, %s", len(some), len(x.sessions), how[n])
}

// seedCut drops the end of the table dumps. The index of peers, at their beginning, stays.
func (x *injection) seedCut() string {
	only, name := -1, "all collectors"
	if x.chance.IntN(2) == 0 {
		only = x.chance.IntN(len(x.lanes))
		name = x.lanes[only].Collector
	}
	share := 10 + x.chance.IntN(81)
	for i := range x.lanes {
		if only >= 0 && i != only {
			continue
		}
		l := &x.lanes[i]
		table := func(r *Record) bool { return !r.Peer.Addr.IsValid() }
		all := 0
		for j := range l.Records {
			if table(&l.Records[j]) {
				all++
			}
		}
		keep, n := max(1, all*share/100), 0
		l.Records = slices.DeleteFunc(l.Records, func(r Record) bool {
			if !table(&r) {
				return false
			}
			n++
			return n > keep
		})
	}
	return fmt.Sprintf("the table dump of %s ends after %d %%", name, share)
}

func (x *injection) feedGap() string {
	x.drop(func(_ *Lane, r *Record) bool { return x.span.holds(r.At) })
	return fmt.Sprintf("nothing stored for %d s", (x.span.Until-x.span.From)/bgp.Second)
}

func (x *injection) resets() string {
	n := 1 + x.chance.IntN(max(1, 6*len(x.sessions)/10))
	for _, p := range x.some(n) {
		from := x.span.From + x.between(0, 60)
		x.lost(p, from, from+x.between(5, 120), true)
	}
	return fmt.Sprintf("%d of %d sessions reset within a minute", n, len(x.sessions))
}

// stuckRoutes keeps some withdrawals from the records, one in ten to one in fifty: drawn by session and prefix, so that a stuck route
// stays stuck.
func (x *injection) stuckRoutes() string {
	one := uint64(10 + x.chance.IntN(41))
	key := x.chance.Uint64()
	stuck := func(p bgp.Peer, q bgp.Prefix) bool {
		h := q.Hash() ^ key ^ uint64(p.AS)*0x9e3779b97f4a7c15
		h ^= h >> 31
		h *= 0xbf58476d1ce4e5b9
		h ^= h >> 29
		return h%one == 0
	}
	dropped := 0
	for i := range x.lanes {
		l := &x.lanes[i]
		var kept []Record
		for _, r := range l.Records {
			if r.At < x.span.From || !r.Peer.Addr.IsValid() {
				kept = append(kept, r)
				continue
			}
			n, again := x.withoutStuck(&r, stuck)
			dropped += n
			kept = append(kept, again...)
		}
		l.Records = kept
	}
	return fmt.Sprintf("one withdrawal in %d stuck, %d in all", one, dropped)
}

// withoutStuck gives a record without its stuck withdrawals: itself where there is none, or where it announces too, else one or none.
func (x *injection) withoutStuck(r *Record, stuck func(bgp.Peer, bgp.Prefix) bool) (dropped int, out []Record) {
	rec, err := r.record()
	var (
		d mrt.Decoder
		c mrt.Content
		u wire.Update
		e bgp.Elem
	)
	same := []Record{*r}
	if err != nil || d.Decode(rec, &c) != nil || c.Kind != mrt.Message || c.Local || u.Parse(c.BGP, c.Opts) != nil {
		return 0, same
	}
	var rest []route
	for u.Next(&e) {
		if e.Kind != bgp.Withdraw || e.Cause != bgp.CauseNone {
			return 0, same
		}
		if stuck(r.Peer, e.Prefix) {
			dropped++
		} else {
			rest = append(rest, route{prefix: e.Prefix, as4: c.Opts.AS4})
		}
	}
	if dropped == 0 {
		return 0, same
	}
	scratch := injection{lanes: []Lane{{Collector: r.Peer.Collector}}}
	scratch.withdraw(r.Peer, r.At, 0, rest)
	if scratch.err != nil {
		x.err = scratch.err
	}
	return dropped, scratch.lanes[0].Records
}

func (x *injection) lyingPeer() string {
	p := x.some(1)[0]
	table := carried(x.lane(p.Collector), p, x.span.From)
	after := carried(x.lane(p.Collector), p, x.span.Until)
	x.drop(func(_ *Lane, r *Record) bool { return r.Peer == p && x.span.holds(r.At) })
	x.chance.Shuffle(len(table), func(i, j int) { table[i], table[j] = table[j], table[i] })
	table = table[:len(table)*(20+x.chance.IntN(81))/100]
	slices.SortFunc(table, func(a, b route) int { return a.prefix.Compare(b.prefix) })
	how := [...]string{"withdraws them all", "flaps them five times", "claims to be their origin", "withdraws them one after the other"}
	n := x.chance.IntN(len(how))
	length := x.span.Until - x.span.From
	switch n {
	case 0:
		x.withdraw(p, x.span.From, x.between(1, 30), table)
	case 1:
		for k := range bgp.Micros(5) {
			at := x.span.From + k*length/5
			x.withdraw(p, at, length/20, table)
			x.announce(p, at+length/10, length/20, table)
		}
	case 2:
		own := slices.Clone(table)
		for i := range own {
			own[i].attrs, own[i].as4 = ownPath(p), true
		}
		x.announce(p, x.span.From, x.between(1, 30), own)
	case 3:
		x.withdraw(p, x.span.From, length, table)
	}
	x.announce(p, x.span.Until, x.between(1, 30), after)
	return fmt.Sprintf("AS%d: %d prefixes, %s", p.AS, len(table), how[n])
}

// ownPath is the attributes of a route that the peer originates itself: ORIGIN IGP, AS_PATH of its own AS, NEXT_HOP where it has one.
func ownPath(p bgp.Peer) []byte {
	a := []byte{0x40, 1, 1, 0, 0x40, 2, 6, 2, 1}
	a = binary.BigEndian.AppendUint32(a, p.AS)
	if p.Addr.Is4() {
		hop := p.Addr.As4()
		a = append(append(a, 0x40, 3, 4), hop[:]...)
	}
	return a
}

// duplicates repeats one message in five, at once: what a second feed of the same session would store.
func (x *injection) duplicates() string {
	n := 0
	for i := range x.lanes {
		l := &x.lanes[i]
		var out []Record
		for _, r := range l.Records {
			out = append(out, r)
			if r.Peer.Addr.IsValid() && x.span.holds(r.At) && x.chance.IntN(5) == 0 {
				out = append(out, r)
				n++
			}
		}
		l.Records = out
	}
	return fmt.Sprintf("%d messages twice, those of different peers out of order, clocks back by up to 2 s", n)
}

// skew moves records of the span up to 2 s back in the order of storing, without passing one of the same peer. Their times stay, so
// that the clock of the record steps back and forth.
func (x *injection) skew() {
	for i := range x.lanes {
		l := &x.lanes[i]
		for j := 1; j < len(l.Records); j++ {
			r := l.Records[j]
			if !r.Peer.Addr.IsValid() || !x.span.holds(r.At) || x.chance.IntN(4) != 0 {
				continue
			}
			k := j
			for k > 0 && j-k < 50 && l.Records[k-1].Peer.Addr.IsValid() && l.Records[k-1].Peer != r.Peer && r.At-l.Records[k-1].At < 2*bgp.Second {
				l.Records[k] = l.Records[k-1]
				k--
			}
			l.Records[k] = r
		}
	}
}

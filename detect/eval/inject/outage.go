package inject

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"

	"github.com/corewatch/corewatch/bgp"
	"github.com/corewatch/corewatch/bgp/mrt"
	"github.com/corewatch/corewatch/bgp/wire"
)

// Outage is a loss of the network itself: prefixes that nobody reaches for a while. It is no fault, and must be found.
type Outage struct {
	Routes []Route    // in the order in which they go
	From   bgp.Micros // the first withdrawal
	Over   bgp.Micros // from the first withdrawal of the first prefix to that of the last
	Spread bgp.Micros // of one prefix, from the first session that withdraws it to the last
	Back   bgp.Micros // from here on they are announced again
}

// Route is a prefix with the network that originates it.
type Route struct {
	Prefix bgp.Prefix
	Origin uint32
}

// backSpread is how long after Outage.Back the last session has its routes again.
const backSpread = 60

// Lose gives the records with an outage in them, and how many cells it withdrew. Each session that carries a prefix when it goes first
// tries other paths to its origin, one to three of them or none, and then withdraws it. What the records say of the prefix in the meantime is
// taken out; at the end each session announces what it would carry by then. The lanes given stay as they are; the same records,
// outage and seed give the same records.
func Lose(lanes []Lane, o Outage, seed uint64) ([]Lane, int, error) {
	x := &injection{chance: rand.New(rand.NewPCG(seed, 0x105e))}
	if len(o.Routes) == 0 || o.Back <= o.From+o.Over+o.Spread {
		return nil, 0, errors.New("an outage needs prefixes, and must last longer than it takes to begin")
	}
	x.lanes = lanes
	x.sessions = x.list()
	ly := &losing{injection: x, o: o, of: map[bgp.Prefix]int{}, has: map[cell]route{}, pace: map[bgp.Peer]pace{}}
	for i, r := range o.Routes {
		ly.of[r.Prefix] = i
	}
	for i, p := range x.some(len(x.sessions)) { // the first is the first to know, the second the last
		ly.draw(p)
		if i < 2 {
			q := ly.pace[p]
			q.lag = o.Spread * bgp.Micros(i)
			ly.pace[p] = q
		}
	}
	out := make([]Lane, len(lanes))
	for i := range lanes {
		x.lanes = []Lane{{Collector: lanes[i].Collector}} // what is put in goes here
		kept := ly.lane(&lanes[i])
		out[i] = Lane{Collector: lanes[i].Collector, Records: append(kept, x.lanes[0].Records...)}
		sortRecords(out[i].Records)
	}
	return out, ly.withdrawn, x.err
}

type cell struct {
	peer   bgp.Peer
	prefix bgp.Prefix
}

// pace is how a session follows: when it withdraws, when it has its routes again, and how many other paths it tries.
type pace struct {
	lag, back bgp.Micros
	tries     int
}

// draw says how a session follows. Most are early.
func (y *losing) draw(p bgp.Peer) {
	u := y.chance.Float64()
	y.pace[p] = pace{bgp.Micros(float64(y.o.Spread) * u * u), y.between(0, backSpread), y.chance.IntN(4)}
}

// losing is an outage being put in.
type losing struct {
	*injection
	o         Outage
	of        map[bgp.Prefix]int // index into o.Routes
	has       map[cell]route     // what the sessions of the lane carry of the prefixes, or would
	pace      map[bgp.Peer]pace
	withdrawn int

	// of the lane being walked
	mine     []bgp.Peer
	next     int // the first route that has not gone yet
	returned map[bgp.Peer]bool
}

// start is when a prefix goes.
func (y *losing) start(i int) bgp.Micros {
	return y.o.From + y.o.Over*bgp.Micros(i)/bgp.Micros(max(1, len(y.o.Routes)-1))
}

// away says that the outage decides what a session says of a prefix.
func (y *losing) away(p bgp.Peer, i int, at bgp.Micros) bool {
	return at >= y.start(i) && at < y.o.Back+y.pace[p].back
}

// lane walks a collector's records in order of time and gives those that stay.
func (y *losing) lane(l *Lane) []Record {
	y.mine, y.next, y.returned = nil, 0, map[bgp.Peer]bool{}
	clear(y.has)
	for _, p := range y.sessions {
		if p.Collector == l.Collector {
			y.mine = append(y.mine, p)
		}
	}
	var (
		d    mrt.Decoder
		c    mrt.Content
		e    mrt.RIBEntry
		kept = make([]Record, 0, len(l.Records))
	)
	for i := range l.Records {
		r := &l.Records[i]
		y.until(r.At)
		rec, err := r.record()
		if err != nil || d.Decode(rec, &c) != nil {
			kept = append(kept, *r)
			continue
		}
		switch c.Kind {
		case mrt.Message:
			if y.message(r, &c) {
				continue
			}
		case mrt.StateChange:
			if c.OldState == bgp.Established && c.NewState != bgp.Established {
				for _, q := range y.o.Routes {
					delete(y.has, cell{r.Peer, q.Prefix})
				}
			}
		case mrt.RIBEntries:
			for c.RIB.Next(&e) {
				if _, ok := y.of[e.Prefix]; !ok {
					break // all entries of a record are of one prefix
				}
				p := bgp.Peer{Collector: l.Collector, AS: e.PeerAS, Addr: e.PeerAddr}
				if _, ok := y.pace[p]; !ok { // a session that says nothing but what the table says for it
					y.draw(p)
					y.mine = append(y.mine, p)
				}
				y.has[cell{p, e.Prefix}] = route{e.Prefix, plain(e.Attrs), c.Opts.AS4}
			}
		}
		kept = append(kept, *r)
	}
	y.until(y.o.Back + bgp.Seconds(backSpread))
	return kept
}

// message notes what a message says of the prefixes. When the outage decides about some of them it puts the rest of the message into the
// lane and reports true: the message itself goes.
func (y *losing) message(r *Record, c *mrt.Content) bool {
	var (
		u wire.Update
		e bgp.Elem
	)
	if c.Local || u.Parse(c.BGP, c.Opts) != nil {
		return false
	}
	var rest [2][]route // withdrawn, announced
	changed := false
	var attrs []byte
	for u.Next(&e) {
		i, of := y.of[e.Prefix]
		if e.Cause == bgp.CauseMulticast {
			of = false
		}
		up := 0
		if e.Kind != bgp.Withdraw {
			up = 1
			if attrs == nil && (of || changed) {
				attrs = plain(u.Attrs())
			}
		}
		one := route{e.Prefix, attrs, c.Opts.AS4}
		if of {
			if key := (cell{r.Peer, e.Prefix}); up == 1 {
				y.has[key] = one
			} else {
				delete(y.has, key)
			}
			if y.away(r.Peer, i, r.At) {
				changed = true
				continue
			}
		}
		if e.Cause != bgp.CauseMulticast {
			rest[up] = append(rest[up], one)
		}
	}
	if !changed {
		return false
	}
	for i := range rest[1] { // those before the first that was taken out
		rest[1][i].attrs = attrs
	}
	y.withdraw(r.Peer, r.At, 0, rest[0])
	y.announce(r.Peer, r.At, 0, rest[1])
	return true
}

// until lets the outage happen as far as an instant.
func (y *losing) until(at bgp.Micros) {
	for y.next < len(y.o.Routes) && y.start(y.next) <= at {
		first := y.next
		for y.next < len(y.o.Routes) && y.start(y.next) == y.start(first) {
			y.next++
		}
		for _, p := range y.mine {
			y.leave(p, first, y.next)
		}
	}
	if at < y.o.Back {
		return
	}
	for _, p := range y.mine {
		when := y.o.Back + y.pace[p].back
		if y.returned[p] || when > at {
			continue
		}
		y.returned[p] = true
		var all []route
		for _, q := range y.o.Routes {
			if have, ok := y.has[cell{p, q.Prefix}]; ok {
				all = append(all, have)
			}
		}
		slices.SortFunc(all, func(a, b route) int { return a.prefix.Compare(b.prefix) })
		y.announce(p, when, 0, all)
	}
}

// leave has one session lose the routes from first to last that it carries, network by network.
func (y *losing) leave(p bgp.Peer, first, last int) {
	by := map[uint32][]route{}
	var origins []uint32
	for _, q := range y.o.Routes[first:last] {
		if have, ok := y.has[cell{p, q.Prefix}]; ok {
			if by[q.Origin] == nil {
				origins = append(origins, q.Origin)
			}
			by[q.Origin] = append(by[q.Origin], have)
		}
	}
	at, how := y.start(first), y.pace[p]
	for _, origin := range origins {
		routes := by[origin]
		slices.SortFunc(routes, func(a, b route) int { return a.prefix.Compare(b.prefix) })
		if how.lag > 10*bgp.Second {
			for k := range how.tries {
				other := slices.Clone(routes)
				attrs := y.longer(p, origin, k+1)
				for i := range other {
					other[i].attrs, other[i].as4 = attrs, true
				}
				y.announce(p, at+how.lag*bgp.Micros(k+1)/bgp.Micros(how.tries+1), 0, other)
			}
		}
		y.withdraw(p, at+how.lag, 0, routes)
		y.withdrawn += len(routes)
	}
}

// longer is the attributes of a path to a network over some of the others: ORIGIN IGP, AS_PATH, NEXT_HOP of the block for documentation.
func (y *losing) longer(p bgp.Peer, origin uint32, hops int) []byte {
	a := []byte{0x40, 1, 1, 0, 0x40, 2, byte(2 + 4*(hops+2)), 2, byte(hops + 2)}
	a = binary.BigEndian.AppendUint32(a, p.AS)
	for range hops {
		a = binary.BigEndian.AppendUint32(a, y.sessions[y.chance.IntN(len(y.sessions))].AS)
	}
	a = binary.BigEndian.AppendUint32(a, origin)
	return append(a, 0x40, 3, 4, 192, 0, 2, 1)
}

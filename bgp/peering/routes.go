package peering

import (
	"hash/maphash"

	"github.com/corewatch/corewatch/bgp"
)

// routeSet counts the routes that a neighbour holds: (prefix, path identifier). It keeps 32 bits of a hash of each, so that two of a million
// routes are taken for one now and then, about one in ten thousand: it is there for a limit. The seed of the hash is drawn
// anew in each process: nobody can make routes that collide.
//
// Up to mostKept of them it keeps them all, and the count is exact but for that. Of more it keeps a sample: those whose hash ends in skip zeros,
// one in 2^skip. Whether a route is of the sample is a property of the route, so that what withdraws it finds it. The standard error of the count is then
// at most 0.3 per cent of the most that there were, and a million routes take no more memory than 200,000.
//
// The hash's place in the table grows with the hash, and a run of occupied slots is in no order: a search goes from the place to the next
// empty slot.
type routeSet struct {
	slots []uint32 // 0: empty
	n     int      // how many are kept
	skip  uint8
}

const (
	mostSlots = 1 << 18
	mostKept  = mostSlots / 8 * 7
)

// count is how many routes there are: an estimate, when estimated is true.
func (s *routeSet) count() (n int, estimated bool) { return s.n << s.skip, s.skip > 0 }

// exceeds reports whether there are more than limit routes. An estimate must be four standard errors above it, so that who keeps to the limit is not refused.
func (s *routeSet) exceeds(limit int) bool {
	n, estimated := s.count()
	if estimated {
		limit += limit / 80
	}
	return n > limit
}

// sampled reports whether a hash is one that is kept.
func (s *routeSet) sampled(h uint32) bool { return h&(1<<s.skip-1) == 0 }

var routeSeed = maphash.MakeSeed()

type route struct {
	prefix bgp.Prefix
	path   uint32
}

func hashOf(e *bgp.Elem) uint32 {
	h := uint32(maphash.Comparable(routeSeed, route{e.Prefix, e.PathID}))
	if h == 0 {
		h = 1 << 31 // ends in zeros as 0 does
	}
	return h
}

// apply takes in what an elem does to the routes held.
func (s *routeSet) apply(e *bgp.Elem) {
	h := hashOf(e)
	if !s.sampled(h) {
		return
	}
	if e.Kind == bgp.Withdraw {
		s.remove(h)
		return
	}
	if 8*(s.n+1) > 7*len(s.slots) {
		s.makeRoom()
		if !s.sampled(h) {
			return
		}
	}
	s.add(h)
}

func (s *routeSet) place(h uint32) int { return int(uint64(h) * uint64(len(s.slots)) >> 32) }

func (s *routeSet) add(h uint32) {
	i := s.place(h)
	for s.slots[i] != 0 {
		if s.slots[i] == h {
			return
		}
		if i++; i == len(s.slots) {
			i = 0
		}
	}
	s.slots[i] = h
	s.n++
}

// remove takes h out and moves what stood behind it, up to the next empty slot, so that a search from its place finds it still.
func (s *routeSet) remove(h uint32) {
	if s.n == 0 {
		return
	}
	size := len(s.slots)
	i := s.place(h)
	for s.slots[i] != h {
		if s.slots[i] == 0 {
			return
		}
		if i++; i == size {
			i = 0
		}
	}
	s.n--
	hole := i
	for {
		if i++; i == size {
			i = 0
		}
		v := s.slots[i]
		if v == 0 {
			break
		}
		// v may move into the hole unless its place lies behind the hole, up to where it stands.
		if from := s.place(v); (i-from+size)%size >= (i-hole+size)%size {
			s.slots[hole] = v
			hole = i
		}
	}
	s.slots[hole] = 0
}

// makeRoom gives the table more slots, or the sample half as many members.
func (s *routeSet) makeRoom() {
	old := s.slots
	size := min(max(1024, len(old)+len(old)/4), mostSlots)
	if len(old) == mostSlots {
		s.skip++
	}
	s.slots, s.n = make([]uint32, size), 0
	for _, h := range old {
		if h != 0 && s.sampled(h) {
			s.add(h)
		}
	}
}

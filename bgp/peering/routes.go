package peering

import (
	"hash/maphash"

	"github.com/corewatch/corewatch/bgp"
)

// routeSet counts the routes that a neighbour holds: (prefix, path identifier). It keeps 32 bits of a hash of each, so that two of a million
// routes are taken for one now and then, about one in ten thousand: it is there for a limit. The seed of the hash is drawn
// anew in each process: nobody can make routes that collide.
//
// The hash's place in the table grows with the hash, and a run of occupied slots is in no order: a search goes from the place to the next
// empty slot.
type routeSet struct {
	slots []uint32 // 0: empty
	n     int
}

var routeSeed = maphash.MakeSeed()

type route struct {
	prefix bgp.Prefix
	path   uint32
}

func hashOf(e *bgp.Elem) uint32 {
	h := uint32(maphash.Comparable(routeSeed, route{e.Prefix, e.PathID}))
	if h == 0 {
		h = 1
	}
	return h
}

// apply takes in what an elem does to the routes held.
func (s *routeSet) apply(e *bgp.Elem) {
	if e.Kind == bgp.Withdraw {
		s.remove(hashOf(e))
		return
	}
	if 8*(s.n+1) > 7*len(s.slots) {
		s.grow()
	}
	s.add(hashOf(e))
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

func (s *routeSet) grow() {
	old := s.slots
	s.slots, s.n = make([]uint32, max(1024, len(old)+len(old)/4)), 0
	for _, h := range old {
		if h != 0 {
			s.add(h)
		}
	}
}

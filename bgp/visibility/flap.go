package visibility

import "github.com/corewatch/corewatch/bgp"

// flaps keeps, for cells with several transitions close together, the times of the last FlapTransitions+1 of them: the cell is
// muted when the oldest of these is within FlapWindow. A ring is a count followed by that many times, in ms modulo 2^32; times
// of one ring lie within hours of each other, because a ring that was quiet for FlapWindow starts afresh.
type flaps struct {
	times  []uint32
	stride int
	free   []uint32
	n      int
}

func (f *flaps) ring(i uint32) []uint32 {
	return f.times[int(i-1)*f.stride : int(i)*f.stride]
}

func (f *flaps) get() uint32 {
	f.n++
	if n := len(f.free); n > 0 {
		i := f.free[n-1]
		f.free = f.free[:n-1]
		clear(f.ring(i))
		return i
	}
	f.times = append(f.times, make([]uint32, f.stride)...)
	return uint32(len(f.times) / f.stride)
}

func (f *flaps) release(i uint32) {
	if i != 0 {
		f.n--
		f.free = append(f.free, i)
	}
}

func push(ring []uint32, at uint32) {
	keep := uint32(len(ring) - 1)
	ring[1+ring[0]%keep] = at
	ring[0]++
}

func last(ring []uint32) uint32 {
	return ring[1+(ring[0]-1)%uint32(len(ring)-1)]
}

func clock(at bgp.Micros) uint32 { return uint32(at / ms) }

// rememberTransition moves a record's only known transition into a ring, before since is overwritten.
func (t *matrix) rememberTransition(rec *record) {
	if rec.flap == 0 {
		rec.flap = t.flaps.get()
		push(t.flaps.ring(rec.flap), clock(rec.since))
	}
}

// transition notes a change between announced and withdrawn, before the record takes it; true when the cell is to be muted.
func (t *matrix) transition(rec *record, at bgp.Micros) bool {
	window := uint32(t.cfg.FlapWindow / ms)
	if rec.flap == 0 {
		if !rec.is(recMoved) || at-rec.since > t.cfg.FlapWindow {
			return false // the first in a while: since will remember it
		}
		t.rememberTransition(rec)
	}
	ring := t.flaps.ring(rec.flap)
	if clock(at)-last(ring) > window {
		clear(ring)
	}
	push(ring, clock(at))
	keep := uint32(len(ring) - 1)
	return ring[0] >= keep && clock(at)-ring[1+ring[0]%keep] <= window
}

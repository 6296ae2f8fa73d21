package figure

import "math"

// areaAndCentre is the area of a ring without its sign and the centre of that area (shoelace formula).
func areaAndCentre(r []point) (float64, point) {
	var a, cx, cy float64
	for i := range r {
		p, q := r[i], r[(i+1)%len(r)]
		k := p.x*q.y - q.x*p.y
		a, cx, cy = a+k, cx+(p.x+q.x)*k, cy+(p.y+q.y)*k
	}
	if a == 0 {
		return 0, point{}
	}
	return math.Abs(a) / 2, point{cx / (3 * a), cy / (3 * a)}
}

// projection takes degrees to the unit plane, y downwards. ok is false on the far side of the globe.
type projection func(p point) (q point, ok bool)

// azimuthal is Lambert's azimuthal equal-area projection about a centre (Snyder, "Map Projections: A Working Manual", 1987,
// equations 24-2 to 24-4): a country keeps its size in comparison with its neighbours.
func azimuthal(centre point) projection {
	const rad = math.Pi / 180
	s0, c0 := math.Sincos(centre.y * rad)
	return func(p point) (point, bool) {
		sl, cl := math.Sincos((p.x - centre.x) * rad)
		s, c := math.Sincos(p.y * rad)
		d := 1 + s0*s + c0*c*cl
		k := math.Sqrt(2 / max(d, 0.02))
		return point{k * c * sl, -k * (c0*s - s0*c*cl)}, d > 0.3
	}
}

// equalEarth is the Equal Earth projection (Šavrič, Patterson and Jenny, 2018): the whole world with true areas.
func equalEarth(p point) point {
	const rad = math.Pi / 180
	const a1, a2, a3, a4 = 1.340264, -0.081106, 0.000893, 0.003796
	m := math.Sqrt(3) / 2
	t := math.Asin(m * math.Sin(p.y*rad))
	t2 := t * t
	t6 := t2 * t2 * t2
	x := p.x * rad * math.Cos(t) / (m * (a1 + 3*a2*t2 + t6*(7*a3+9*a4*t2)))
	y := t * (a1 + a2*t2 + t6*(a3+a4*t2))
	return point{x, -y}
}

// unroll makes longitudes continuous: a step of more than half a turn was a step across the antimeridian.
func unroll(p []point) []point {
	out := append([]point(nil), p...)
	for i := 1; i < len(out); i++ {
		for out[i].x-out[i-1].x > 180 {
			out[i].x -= 360
		}
		for out[i].x-out[i-1].x < -180 {
			out[i].x += 360
		}
	}
	return out
}

// thin is Douglas-Peucker on a projected arc; its ends never move, so neighbours stay joined.
func thin(p []point, eps float64) []point {
	if len(p) < 3 {
		return p
	}
	a, b := p[0], p[len(p)-1]
	worst, at := 0.0, 0
	for i := 1; i < len(p)-1; i++ {
		if d := fromLine(p[i], a, b); d > worst {
			worst, at = d, i
		}
	}
	if worst < eps {
		return []point{a, b}
	}
	left := thin(p[:at+1], eps)
	return append(append([]point(nil), left[:len(left)-1]...), thin(p[at:], eps)...)
}

func fromLine(p, a, b point) float64 {
	dx, dy := b.x-a.x, b.y-a.y
	if l := math.Hypot(dx, dy); l > 1e-9 {
		return math.Abs(dy*(p.x-a.x)-dx*(p.y-a.y)) / l
	}
	return math.Hypot(p.x-a.x, p.y-a.y)
}

// clip cuts a ring to the box [x0,x1] × [y0,y1], one side after the other (Sutherland and Hodgman).
func clip(r []point, x0, y0, x1, y1 float64) []point {
	sides := []struct {
		inside func(point) bool
		cut    func(a, b point) point
	}{
		{func(p point) bool { return p.x >= x0 }, func(a, b point) point { return point{x0, a.y + (b.y-a.y)*(x0-a.x)/(b.x-a.x)} }},
		{func(p point) bool { return p.x <= x1 }, func(a, b point) point { return point{x1, a.y + (b.y-a.y)*(x1-a.x)/(b.x-a.x)} }},
		{func(p point) bool { return p.y >= y0 }, func(a, b point) point { return point{a.x + (b.x-a.x)*(y0-a.y)/(b.y-a.y), y0} }},
		{func(p point) bool { return p.y <= y1 }, func(a, b point) point { return point{a.x + (b.x-a.x)*(y1-a.y)/(b.y-a.y), y1} }},
	}
	for _, s := range sides {
		var out []point
		for i := range r {
			a, b := r[i], r[(i+1)%len(r)]
			switch {
			case s.inside(a) && s.inside(b):
				out = append(out, b)
			case s.inside(a):
				out = append(out, s.cut(a, b))
			case s.inside(b):
				out = append(out, s.cut(a, b), b)
			}
		}
		r = out
	}
	return r
}

// roomiest finds, on a coarse lattice, the point inside the ring that is farthest from its border, and that distance: where a
// label fits best.
func roomiest(r []point) (point, float64) {
	if len(r) < 3 {
		return point{}, 0
	}
	lo, hi := r[0], r[0]
	for _, p := range r {
		lo, hi = point{min(lo.x, p.x), min(lo.y, p.y)}, point{max(hi.x, p.x), max(hi.y, p.y)}
	}
	var best point
	most := 0.0
	const n = 24
	for i := 1; i < n; i++ {
		for k := 1; k < n; k++ {
			p := point{lo.x + (hi.x-lo.x)*float64(i)/n, lo.y + (hi.y-lo.y)*float64(k)/n}
			if d := room(r, p); d > most {
				best, most = p, d
			}
		}
	}
	return best, most
}

// room is the distance of p from the ring's border, sideways counted at 0.6 because labels are wide; 0 outside the ring.
func room(r []point, p point) float64 {
	in := false
	least := math.Inf(1)
	for i := range r {
		a, b := r[i], r[(i+1)%len(r)]
		if (a.y > p.y) != (b.y > p.y) && p.x < a.x+(b.x-a.x)*(p.y-a.y)/(b.y-a.y) {
			in = !in
		}
		ax, ay, bx, by := (a.x-p.x)*0.6, a.y-p.y, (b.x-p.x)*0.6, b.y-p.y
		dx, dy := bx-ax, by-ay
		t := 0.0
		if l := dx*dx + dy*dy; l > 0 {
			t = min(1, max(0, -(ax*dx+ay*dy)/l))
		}
		least = min(least, math.Hypot(ax+t*dx, ay+t*dy))
	}
	if !in {
		return 0
	}
	return least
}

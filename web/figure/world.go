package figure

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:generate go run ./internal/genworld -in countries-110m.json -out world.txt

//go:embed world.txt
var worldText string

// point is longitude and latitude in degrees, or drawing units once projected.
type point struct{ x, y float64 }

// country is a code and its rings; a ring is a list of arcs, ^n meaning arc n backwards.
type country struct {
	code  string // ISO 3166-1 alpha-2; "-" for an outline without one
	rings [][]int
}

type world struct {
	arcs      [][]point
	countries []country
}

var loadWorld = sync.OnceValue(func() world {
	w, err := parseWorld(worldText)
	if err != nil {
		panic("figure/world.txt, which is built in, is damaged: " + err.Error()) // a test reads the same bytes: it cannot reach a user
	}
	return w
})

// parseWorld reads what internal/genworld writes.
func parseWorld(text string) (world, error) {
	var w world
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "#":
		case "a":
			f := strings.Fields(rest)
			if len(f)%2 != 0 || len(f) < 2 {
				return world{}, fmt.Errorf("line %d: an arc of %d numbers", i+1, len(f))
			}
			x, y := 0, 0
			arc := make([]point, 0, len(f)/2)
			for k := 0; k < len(f); k += 2 {
				dx, err1 := strconv.Atoi(f[k])
				dy, err2 := strconv.Atoi(f[k+1])
				if err1 != nil || err2 != nil {
					return world{}, fmt.Errorf("line %d: not a number", i+1)
				}
				x, y = x+dx, y+dy
				arc = append(arc, point{float64(x) / 20, float64(y) / 20})
			}
			w.arcs = append(w.arcs, arc)
		case "c":
			code, rings, _ := strings.Cut(rest, " ")
			c := country{code: code}
			for _, r := range strings.Split(rings, ";") {
				var ids []int
				for _, f := range strings.Fields(r) {
					id, err := strconv.Atoi(f)
					if err != nil || id >= len(w.arcs) || ^id >= len(w.arcs) {
						return world{}, fmt.Errorf("line %d: arc %q", i+1, f)
					}
					ids = append(ids, id)
				}
				c.rings = append(c.rings, ids)
			}
			w.countries = append(w.countries, c)
		default:
			return world{}, fmt.Errorf("line %d: unknown kind %q", i+1, kind)
		}
	}
	return w, nil
}

// ring assembles the points of a ring out of arcs that may be the world's own or a projected and simplified copy of them.
func ring(arcs [][]point, ids []int) []point {
	var out []point
	for _, id := range ids {
		a := arcs[max(id, ^id)]
		for k := range a {
			p := a[k]
			if id < 0 {
				p = a[len(a)-1-k]
			}
			if len(out) == 0 || out[len(out)-1] != p {
				out = append(out, p)
			}
		}
	}
	return out
}

// largest is the ring of the country with the largest area, unprojected; nil when the code has no outline at this scale.
func (w world) largest(code string) []point {
	var best []point
	most := 0.0
	for _, c := range w.countries {
		if c.code != code {
			continue
		}
		for _, ids := range c.rings {
			r := unroll(ring(w.arcs, ids))
			if a, _ := areaAndCentre(r); a > most {
				best, most = r, a
			}
		}
	}
	return best
}

// HasOutline reports whether the country, by ISO 3166-1 alpha-2 code, is large enough to have an outline in the built-in map.
func HasOutline(code string) bool { return loadWorld().largest(code) != nil }

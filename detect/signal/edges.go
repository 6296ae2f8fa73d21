package signal

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/corewatch/corewatch/bgp/visibility"
	"github.com/corewatch/corewatch/detect"
)

// edge is a link of AS paths, from the AS nearer to the peer to the AS nearer to the origin.
type edge struct{ from, to uint32 }

const (
	pathsAsked = 8   // sessions whose paths are asked about one prefix
	maxEdges   = 200 // links considered, those with the most lost weight
)

// edgesOf are the links that at least half of the paths announced last for a row have in common, of the first sessions that announced
// any. A path with an AS_SET tells nothing.
func (f *family) edgesOf(m *Monitor, r visibility.RowID, count map[edge]int, yield func(edge)) {
	clear(count)
	paths := 0
	for _, p := range m.peers {
		words := f.table.Path(r, p.id)
		if len(words) < 2 || words[0] == 0 {
			continue
		}
		for i := 1; i < len(words); i++ {
			if words[i] == words[i-1] || slices.Contains(words[i:], words[i-1]) { // prepended
				continue
			}
			count[edge{words[i-1], words[i]}]++
		}
		if paths++; paths == pathsAsked {
			break
		}
	}
	for e, n := range count {
		if 2*n >= paths {
			yield(e)
		}
	}
}

// edges are the links that lost rows have in common, with what else of the table uses them. It walks over all rows.
func (f *family) edges(m *Monitor, rows []visibility.RowID, weight []int64, counted bool) []*candidate {
	byEdge, count := map[edge]*candidate{}, map[edge]int{} // iterated, and sorted after that
	for i, r := range rows {
		f.edgesOf(m, r, count, func(e edge) {
			c := byEdge[e]
			if c == nil {
				c = &candidate{entity: detect.Entity{Type: "edge", Code: fmt.Sprintf("AS%d>AS%d", e.from, e.to)}, rank: 1}
				byEdge[e] = c
			}
			c.lost += weight[i]
			c.rows = append(c.rows, i)
		})
	}
	list := make([]edge, 0, len(byEdge))
	for e := range byEdge {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b edge) int {
		return cmp.Or(cmp.Compare(byEdge[b].lost, byEdge[a].lost), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	})
	for _, e := range list[min(len(list), maxEdges):] {
		delete(byEdge, e)
	}
	list = list[:min(len(list), maxEdges)]
	for r := range f.rows {
		x := &f.rows[r]
		if x.judged != up && x.judged != lost {
			continue
		}
		w := int64(x.units)
		if counted {
			w = 1
		}
		f.edgesOf(m, visibility.RowID(r), count, func(e edge) {
			if c := byEdge[e]; c != nil {
				c.whole += w
			}
		})
	}
	out := make([]*candidate, len(list))
	for i, e := range list {
		c := byEdge[e]
		c.left, c.whole = c.lost, max(c.whole, c.lost)
		out[i] = c
	}
	return out
}

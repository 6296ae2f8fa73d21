package entity

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sort"

	"github.com/corewatch/corewatch/bgp"
)

// span is an inclusive range of one family's key space with one country. The key of an IPv4 address is the address; the key of
// an IPv6 address is its upper 64 bits, because registries delegate nothing longer than a /64. rank decides between two spans
// of the same size: the one added later wins.
type span struct {
	first, last uint64
	country     uint8
	rank        uint32
}

// CountryTable says in which country each prefix was registered on the table's day. It is immutable and safe for concurrent use.
type CountryTable struct {
	codes  []string // index of a country in spans → code
	v4, v6 column
	ref    Reference
}

// column is one family as sorted, disjoint, inclusive ranges.
type column struct {
	first, last []uint64
	country     []uint8
}

// Reference identifies the table.
func (t *CountryTable) Reference() Reference { return t.ref }

// Size is the number of ranges of each family after joining neighbours of the same country.
func (t *CountryTable) Size() (v4, v6 int) { return len(t.v4.first), len(t.v6.first) }

// Country is the country of the longest delegation that covers p. When no single delegation covers p, it is the country that
// holds more than half of p's addresses; when none does, ok is false, as it is for space that is not delegated to a country.
// IPv6 prefixes longer than /64 are looked up as their /64.
func (t *CountryTable) Country(p bgp.Prefix) (code string, ok bool) {
	if t == nil || !p.Valid() {
		return "", false
	}
	first, last := keys(p)
	col := &t.v4
	if p.IsV6() {
		col = &t.v6
	}
	i := col.search(first)
	if i == len(col.first) || col.first[i] > last {
		return "", false
	}
	if col.first[i] <= first && last <= col.last[i] {
		return t.codes[col.country[i]], true
	}
	if c, found := col.majority(i, first, last); found {
		return t.codes[c], true
	}
	return "", false
}

// keys is the inclusive range of p in its family's key space.
func keys(p bgp.Prefix) (first, last uint64) {
	a := p.Netip().Addr()
	if !p.IsV6() {
		b := a.As4()
		first = uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
		return first, first | (1<<(32-p.Len()) - 1)
	}
	b := a.As16()
	for i := range 8 {
		first = first<<8 | uint64(b[i])
	}
	if p.Len() >= 64 {
		return first, first
	}
	return first, first | (1<<(64-p.Len()) - 1)
}

// search is the index of the first range that ends at or after key.
func (c *column) search(key uint64) int {
	lo, hi := 0, len(c.last)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if c.last[mid] < key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// majority finds the country with more than half of [first, last], whose size is a power of two of at least 2; i is the first
// range that can overlap it.
func (c *column) majority(i int, first, last uint64) (uint8, bool) {
	var share [256]uint64
	half := (last-first)>>1 + 1
	for ; i < len(c.first) && c.first[i] <= last; i++ {
		from, to := max(first, c.first[i]), min(last, c.last[i])
		n := &share[c.country[i]]
		*n += to - from + 1 // cannot overflow: a range of all 2^64 keys covers every prefix and never comes here
		if *n > half {
			return c.country[i], true
		}
	}
	return 0, false
}

// maxSpans bounds the ranges of one family in a table; the whole internet has about 250,000.
const maxSpans = 4 << 20

// TableBuilder collects delegations into a CountryTable. The zero value is ready to use; it is not safe for concurrent use.
//
// Where delegations overlap, the smaller one wins (a more specific entry is the better one), and of two equal ones the one
// added later: add files in ascending order of vintage.
type TableBuilder struct {
	codes  map[string]uint8
	v4, v6 []span
}

// Add puts in one delegation. Records of AS numbers, without a country, or longer than an IPv6 /64 are left out without an error.
func (b *TableBuilder) Add(r Record) error {
	if r.Country == "" || (r.Kind != KindIPv4 && r.Kind != KindIPv6) {
		return nil
	}
	return b.addRange(r.Kind == KindIPv6, r.first, r.last, r.Country)
}

// AddRange puts in an inclusive range of addresses of one family. IPv6 ranges must begin and end on a /64 boundary.
func (b *TableBuilder) AddRange(first, last netip.Addr, country string) error {
	if !first.IsValid() || first.BitLen() != last.BitLen() || last.Less(first) {
		return fmt.Errorf("%s-%s is not a range of addresses", first, last)
	}
	if first.Is4() {
		from, _ := keys(bgp.PrefixOf(netip.PrefixFrom(first, 32)))
		to, _ := keys(bgp.PrefixOf(netip.PrefixFrom(last, 32)))
		return b.addRange(false, from, to, country)
	}
	from, to := netip.PrefixFrom(first, 64), netip.PrefixFrom(last, 64)
	if from.Masked().Addr() != first || (last.Next().IsValid() && netip.PrefixFrom(last.Next(), 64).Masked().Addr() != last.Next()) {
		return fmt.Errorf("%s-%s does not begin and end on a /64 boundary", first, last)
	}
	low, _ := keys(bgp.PrefixOf(from))
	high, _ := keys(bgp.PrefixOf(to))
	return b.addRange(true, low, high, country)
}

// addRange puts in an inclusive range of keys.
func (b *TableBuilder) addRange(v6 bool, first, last uint64, country string) error {
	if last < first || (!v6 && last > 1<<32-1) {
		return fmt.Errorf("range %d-%d is not a range", first, last)
	}
	if b.codes == nil {
		b.codes = make(map[string]uint8)
	}
	index, ok := b.codes[country]
	if !ok {
		if len(b.codes) == 256 {
			return errors.New("more than 256 different country codes")
		}
		index = uint8(len(b.codes))
		b.codes[country] = index
	}
	spans := &b.v4
	if v6 {
		spans = &b.v6
	}
	if len(*spans) == maxSpans {
		return fmt.Errorf("more than %d ranges of one family", maxSpans)
	}
	*spans = append(*spans, span{first, last, index, uint32(len(*spans))})
	return nil
}

// Build makes the table. The result does not depend on the order of Add except between equal ranges.
func (b *TableBuilder) Build(ref Reference) *CountryTable {
	codes := make([]string, 0, len(b.codes))
	for c := range b.codes {
		codes = append(codes, c)
	}
	slices.Sort(codes)
	renumber := make([]uint8, 256)
	for i, c := range codes {
		renumber[b.codes[c]] = uint8(i)
	}
	return &CountryTable{codes: codes, v4: flatten(b.v4, renumber), v6: flatten(b.v6, renumber), ref: ref}
}

// flatten turns overlapping spans into disjoint ones, the smallest winning, and joins neighbours of the same country.
func flatten(in []span, renumber []uint8) column {
	spans := slices.Clone(in)
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.rank, b.rank)) })
	var out column
	var open openSpans
	var at uint64 // everything before this key is written
	emitUntil := func(limit uint64, whole bool) {
		for len(open) > 0 {
			top := open[0]
			if top.last < at {
				heap.Pop(&open)
				continue
			}
			if !whole && at >= limit {
				return
			}
			to := top.last
			if !whole && to >= limit {
				to = limit - 1
			}
			out.add(at, to, renumber[top.country])
			if to == ^uint64(0) {
				open = open[:0]
				return
			}
			at = to + 1
		}
	}
	for _, s := range spans {
		emitUntil(s.first, false)
		at = max(at, s.first)
		heap.Push(&open, s)
	}
	emitUntil(0, true)
	return out
}

func (c *column) add(first, last uint64, country uint8) {
	if n := len(c.first); n > 0 && c.country[n-1] == country && c.last[n-1]+1 == first {
		c.last[n-1] = last
		return
	}
	c.first, c.last, c.country = append(c.first, first), append(c.last, last), append(c.country, country)
}

// openSpans is a heap of the spans that contain the sweep's position: smallest first, then the latest added.
type openSpans []span

func (h openSpans) Len() int { return len(h) }
func (h openSpans) Less(i, j int) bool {
	a, b := h[i].last-h[i].first, h[j].last-h[j].first
	return a < b || a == b && h[i].rank > h[j].rank
}
func (h openSpans) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *openSpans) Push(x any) { *h = append(*h, x.(span)) }

// Pop implements heap.Interface.
func (h *openSpans) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// CountryCodes lists the countries that occur in the table, sorted.
func (t *CountryTable) CountryCodes() []string {
	seen := make([]bool, len(t.codes))
	for _, col := range []*column{&t.v4, &t.v6} {
		for _, c := range col.country {
			seen[c] = true
		}
	}
	var out []string
	for i, s := range seen {
		if s {
			out = append(out, t.codes[i])
		}
	}
	sort.Strings(out)
	return out
}

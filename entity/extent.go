package entity

import (
	"math/bits"
	"slices"

	"github.com/corewatch/corewatch/bgp"
)

// Prefixes are the prefixes that together are what the table has of a country, ascending.
func (t *CountryTable) Prefixes(code string) (out []bgp.Prefix) {
	if t == nil {
		return nil
	}
	at := slices.Index(t.codes, code)
	if at < 0 {
		return nil
	}
	for i, c := range t.v4.country {
		if int(c) == at {
			blocks(t.v4.first[i], t.v4.last[i], 32, func(key uint64, length int) {
				out = append(out, bgp.PrefixFrom4(uint32(key), uint8(length)))
			})
		}
	}
	for i, c := range t.v6.country {
		if int(c) == at {
			blocks(t.v6.first[i], t.v6.last[i], 64, func(key uint64, length int) {
				out = append(out, bgp.PrefixFrom6(key, 0, uint8(length)))
			})
		}
	}
	return out
}

// blocks splits an inclusive range of keys of so many bits into the fewest aligned blocks.
func blocks(first, last uint64, width int, visit func(key uint64, length int)) {
	for {
		size := min(bits.TrailingZeros64(first), width) // a block that begins here is at most so large
		for size > 0 && (size == 64 || first+(1<<size-1) > last || first+(1<<size-1) < first) {
			if size == 64 && first == 0 && last == ^uint64(0) {
				break
			}
			size--
		}
		visit(first, width-size)
		end := first + (1<<size - 1) // 1<<64 is 0: the whole space ends at its last key
		if end >= last {
			return
		}
		first = end + 1
	}
}

// Prefixes are the rows of a region, ascending.
func (t *Regions) Prefixes(code string) (out []bgp.Prefix) {
	if t == nil {
		return nil
	}
	for _, r := range t.rows {
		if t.regions[r.region].Code == code {
			out = append(out, r.prefix)
		}
	}
	return out
}

// Extent are the prefixes in which the routes of a zone are expected: what its countries and regions hold in the tables, and its own. whole is
// false when that is not all of it: the prefixes of a network are in no table, and a country or region may be in none.
func (r *Resolver) Extent(z *Zone) (out []bgp.Prefix, whole bool) {
	whole = len(z.Networks) == 0
	for _, code := range z.Countries {
		var of []bgp.Prefix
		for _, t := range r.Countries { // what one of them has too much of does no harm
			of = append(of, t.Prefixes(code)...)
		}
		whole = whole && len(of) > 0
		out = append(out, of...)
	}
	for _, code := range z.Regions {
		of := r.Regions.Prefixes(code)
		whole = whole && len(of) > 0
		out = append(out, of...)
	}
	return append(out, z.Prefixes...), whole
}

// Cover is at most so many prefixes that together cover all of a list, ascending, none inside another: the list itself where it is short enough,
// else with the longest ones shortened, at most to a /10 of IPv4 and a /20 of IPv6; nil when that is not enough.
func Cover(list []bgp.Prefix, most int) []bgp.Prefix {
	for v4, v6 := 32, 128; v4 >= 10; v4-- {
		var out []bgp.Prefix
		for _, p := range list {
			n := v4
			if p.IsV6() {
				n = v6
			}
			out = append(out, p.Shorten(min(p.Len(), n)))
		}
		slices.SortFunc(out, bgp.Prefix.Compare)
		kept := out[:0]
		for _, p := range out {
			if len(kept) == 0 || !kept[len(kept)-1].Covers(p) {
				kept = append(kept, p)
			}
		}
		if len(kept) <= most {
			return kept
		}
		v6 = max(20, min(v6, 66)-2)
	}
	return nil
}

package entity

import "math"

// Agreement is how far two country tables agree, as measured over every address.
type Agreement struct {
	With       string `json:"with"`        // the other table
	WithSHA256 string `json:"with_sha256"` // of its file
	V4         Shares `json:"v4"`
	V6         Shares `json:"v6"`
}

// Shares divide the address space that at least one of two tables gives to a country. They are shares of addresses, 0 to 1,
// rounded to 6 decimals.
type Shares struct {
	Agree     float64 `json:"agree"`      // both name the same country
	Differ    float64 `json:"differ"`     // both name one, not the same
	OnlyHere  float64 `json:"only_here"`  // only the first names one
	OnlyOther float64 `json:"only_other"` // only the second does
}

// Compare measures how far t agrees with other.
func (t *CountryTable) Compare(other *CountryTable) (v4, v6 Shares) {
	return compare(&t.v4, &other.v4, t.codes, other.codes), compare(&t.v6, &other.v6, t.codes, other.codes)
}

// compare walks both columns once, from boundary to boundary.
func compare(a, b *column, codesA, codesB []string) Shares {
	var agree, differ, onlyA, onlyB float64
	var at uint64
	for i, j := 0, 0; i < len(a.first) || j < len(b.first); {
		inA := i < len(a.first) && a.first[i] <= at
		inB := j < len(b.first) && b.first[j] <= at
		end := ^uint64(0) // the last key up to which nothing changes
		if i < len(a.first) {
			end = min(end, edge(a, i, inA))
		}
		if j < len(b.first) {
			end = min(end, edge(b, j, inB))
		}
		size := float64(end-at) + 1
		switch {
		case inA && inB && codesA[a.country[i]] == codesB[b.country[j]]:
			agree += size
		case inA && inB:
			differ += size
		case inA:
			onlyA += size
		case inB:
			onlyB += size
		}
		if inA && a.last[i] == end {
			i++
		}
		if inB && b.last[j] == end {
			j++
		}
		at = end + 1
	}
	all := agree + differ + onlyA + onlyB
	if all == 0 {
		return Shares{}
	}
	round := func(x float64) float64 { return math.RoundToEven(x/all*1e6) / 1e6 }
	return Shares{round(agree), round(differ), round(onlyA), round(onlyB)}
}

// edge is the last key for which the sweep's relation to range i stays what it is.
func edge(c *column, i int, inside bool) uint64 {
	if inside {
		return c.last[i]
	}
	return c.first[i] - 1
}

package scenario

// mix turns numbers into 64 bits that look like chance and are always the same for the same numbers (the finaliser of
// splitmix64 over each). It has no state, so that two collectors' streams can be made one without the other.
func mix(seed uint64, parts ...uint64) uint64 {
	h := seed
	for _, x := range parts {
		h += 0x9E3779B97F4A7C15 + x
		h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
		h = (h ^ h>>27) * 0x94D049BB133111EB
		h ^= h >> 31
	}
	return h
}

// below is a number of [0, n) out of mix's bits; 0 when n is 0.
func below(bits uint64, n int64) int64 {
	if n <= 0 {
		return 0
	}
	return int64(bits % uint64(n))
}

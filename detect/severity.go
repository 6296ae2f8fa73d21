package detect

// Severity is 1 to 4, a function of lost share, absolute weight and duration only; never of cause or country. Every event is 1.
// From 16 units (a /20 of IPv4, sixteen /48 of IPv6) lost at the peak on: one point for that, one more for a peak share of at least
// 50 % or at least 30 minutes of duration, and one more from 256 units on. Weight comes first: a network of one prefix loses
// 100 % of little.
func Severity(peakShare float64, units int64, seconds float64) int {
	if units < 16 {
		return 1
	}
	s := 2
	if peakShare >= 0.5 || seconds >= 1800 {
		s++
	}
	if units >= 256 {
		s++
	}
	return s
}

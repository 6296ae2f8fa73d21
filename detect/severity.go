package detect

// Severity is 1 to 4, a function of lost share, absolute weight and duration only; never of cause or country. One point each
// for: the event itself, a peak share of at least 10 %, at least 256 units (a /16 of IPv4, 256 /48 of IPv6) lost at the peak,
// and at least 30 minutes of duration or a peak share of at least 50 %.
func Severity(peakShare float64, units int64, seconds float64) int {
	s := 1
	if peakShare >= 0.10 {
		s++
	}
	if units >= 256 {
		s++
	}
	if seconds >= 1800 || peakShare >= 0.5 {
		s++
	}
	return s
}
